using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Keys;
using Majia.Host.Seed;
using Majia.Hsm;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Storage;

namespace Majia.Host.Devices;

/// <summary>Where handsets are made: chip and trusted side get the key that they share, and the SE issuer's keys go into the chip.</summary>
public static class HandsetFactory
{
    /// <summary>Opens the memory of a handset's chip, made now when there is none and the SE issuer's keys are at hand.</summary>
    /// <param name="seIssuer">Null where the wallet's party runs apart: handsets then come from the ceremony.</param>
    /// <param name="bindingKey">Of a chip that was made now, for its trusted side; null when the handset exists.</param>
    /// <exception cref="KeysMissingException">There is no chip, and nobody here who could make one.</exception>
    public static ChipMemoryFile OpenChip(DataFolder folder, SeedHandset handset, KeyModule? seIssuer, Entropy entropy, out byte[]? bindingKey)
    {
        bindingKey = null;
        var path = Path.Combine(folder.Chips, $"{handset.Id}.chip");
        if (seIssuer is null && !File.Exists(path))
        {
            throw new KeysMissingException(folder.Path, [$"phone: chip of {handset.Id}"]);
        }

        var memory = new ChipMemoryFile(path, Path.Combine(folder.Keys, $"chip-{handset.Id}.key"), entropy);
        if (memory.Load() is null)
        {
            if (seIssuer is null)
            {
                memory.Dispose();
                throw new KeysMissingException(folder.Path, [$"phone: chip of {handset.Id}"]);
            }

            var seid = entropy.Bytes(ChipState.SeidLength);
            bindingKey = entropy.Bytes(ChipState.BindingLength);
            memory.Save(ChipImage.Write(ChipFactory.Manufacture(seid, seIssuer.ClearKeysForChipFactory("isd", seid), bindingKey, entropy)));
        }

        return memory;
    }

    public static SqliteStore OpenStore(DataFolder folder, SeedHandset handset, TimeProvider time) =>
        SqliteStore.Open(Path.Combine(folder.Phones, $"{handset.Id}.db"), [PhoneDevice.Schema], time);

    /// <summary>Makes a handset that leaves the factory for another folder; does nothing when it is there.</summary>
    public static async Task MakeAsync(DataFolder folder, SeedHandset handset, KeyModule seIssuer, TimeProvider time, Entropy entropy)
    {
        using var memory = OpenChip(folder, handset, seIssuer, entropy, out var bindingKey);
        if (bindingKey is null)
        {
            return;
        }

        await using var store = OpenStore(folder, handset, time);
        using var chip = new PhoneChip(new ChipDevice(memory, entropy));
        using var phone = new PhoneDevice(OptionsOf(folder, handset, entropy), store, chip, new NoWallet(), time, entropy, NoTrace.Instance);
        await phone.Trusted.PairAsync(bindingKey);
    }

    public static PhoneOptions OptionsOf(DataFolder folder, SeedHandset handset, Entropy entropy) => new(handset.Model, handset.Track, handset.Version, SiliconKey(folder, handset, entropy));

    /// <summary>The handset's own sealing key: it stands for what is inside its processor.</summary>
    private static byte[] SiliconKey(DataFolder folder, SeedHandset handset, Entropy entropy)
    {
        var path = Path.Combine(folder.Keys, $"phone-{handset.Id}.key");
        if (File.Exists(path))
        {
            return File.ReadAllBytes(path);
        }

        var key = entropy.Bytes(32);
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        file.Write(key);
        file.Flush(flushToDisk: true);
        return key;
    }

    /// <summary>A factory has no network.</summary>
    private sealed class NoWallet : IJsonLink
    {
        public Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
            where TRequest : notnull
            where TResponse : notnull => throw new PartyUnreachableException("wallet");
    }
}
