using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Storage;

namespace Majia.Host.SmartCards;

/// <summary>A handset of a data folder by itself, without network and without any other party: paying needs neither (R16). Its chip's memory is held, so no other process can run it meanwhile.</summary>
public sealed class LonePhone : IAsyncDisposable
{
    private readonly PhoneChip chip;
    private readonly ChipMemoryFile memory;
    private readonly Store store;

    private LonePhone(PhoneDevice phone, PhoneChip chip, ChipMemoryFile memory, Store store) => (Phone, this.chip, this.memory, this.store) = (phone, chip, memory, store);

    public PhoneDevice Phone { get; }

    /// <param name="folder">A data folder that <see cref="MajiaSystem"/> has made.</param>
    /// <exception cref="StoreException">The folder has no such phone, or another process uses it.</exception>
    /// <exception cref="ChipMemoryException">Its chip is damaged.</exception>
    public static LonePhone Open(string folder, SeedHandset handset, TimeProvider time, Entropy entropy)
    {
        var full = Path.GetFullPath(folder);
        string database = Path.Combine(full, "phones", $"{handset.Id}.db"), image = Path.Combine(full, "chips", $"{handset.Id}.chip"),
            chipKey = Path.Combine(full, "keys", $"chip-{handset.Id}.key"), phoneKey = Path.Combine(full, "keys", $"phone-{handset.Id}.key");
        foreach (var file in (string[])[database, image, chipKey, phoneKey])
        {
            if (!File.Exists(file))
            {
                throw new StoreException($"there is no phone {handset.Id} in {full}: {Path.GetRelativePath(full, file)} is missing", new FileNotFoundException(file));
            }
        }

        ChipMemoryFile memory;
        try
        {
            memory = new ChipMemoryFile(image, chipKey, entropy);
        }
        catch (IOException held)
        {
            throw new StoreException($"the chip of phone {handset.Id} in {full} is in use by another process", held);
        }

        try
        {
            var chip = new PhoneChip(new ChipDevice(memory, entropy));
            var store = SqliteStore.Open(database, [PhoneDevice.Schema], time);
            return new LonePhone(
                new PhoneDevice(new PhoneOptions(handset.Model, handset.Track, handset.Version, File.ReadAllBytes(phoneKey)), store, chip, new NoNetwork(), time, entropy, NoTrace.Instance),
                chip, memory, store);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Phone.SettledAsync();
        Phone.Dispose();
        chip.Dispose();
        memory.Dispose();
        await store.DisposeAsync();
    }

    /// <summary>No mast in sight.</summary>
    private sealed class NoNetwork : IJsonLink
    {
        public Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
            where TRequest : notnull
            where TResponse : notnull => throw new PartyUnreachableException("wallet");
    }
}
