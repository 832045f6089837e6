using System.Security.Cryptography;
using System.Text.Json;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Phone;

/// <summary>The handset's trusted side: fingerprints, the binding key that it shares with the chip (decisions.md 3, 4), and the handset's own key to the cloud. The wallet app asks; it never sees any of them.</summary>
/// <remarks>
/// Its data are one row, sealed with AES-256-GCM under the handset's own silicon key. Binding applet: CLA 80, MAC = AES-CMAC over purpose ‖ challenge ‖ AID.
/// </remarks>
public sealed class TrustedSide
{
    private const byte AuthorisePurpose = 0x01, PurgePurpose = 0x02, RetirePurpose = 0x03;

    private static readonly byte[] BindingApplet = Convert.FromHexString("F04D4A42494E44"), Context = "majia/phone/trusted"u8.ToArray();

    private readonly Store store;
    private readonly byte[] sealKey;
    private readonly ICardChannel line;
    private readonly Entropy entropy;
    private readonly SemaphoreSlim gate = new(1, 1);
    private Content content;

    private sealed record Content(byte[]? BindingKey, bool FunctionOn, IReadOnlyList<string> Fingers, byte[]? HandsetKey = null);

    /// <param name="sealKey">32 bytes, the handset's silicon key.</param>
    internal TrustedSide(Store store, ReadOnlySpan<byte> sealKey, IChip chip, Entropy entropy)
    {
        this.store = store;
        this.sealKey = sealKey.Length == 32 ? sealKey.ToArray() : throw new ArgumentException("the silicon key has 32 bytes", nameof(sealKey));
        this.entropy = entropy;
        line = chip.Trusted;
        content = store.Read(PhoneTables.TrustedBox) is { } box ? Unseal(box) : new Content(null, true, []);
    }

    /// <summary>The fingerprint function of the system's settings.</summary>
    public bool FunctionOn => content.FunctionOn;

    public bool HasFingerprint => content.Fingers.Count > 0;

    /// <summary>Labels of the enrolled fingers, in order of enrolment.</summary>
    public IReadOnlyList<string> Fingers => content.Fingers;

    public bool IsPaired => content.BindingKey is not null;

    /// <summary>In the factory: the key that the chip was given too (16 bytes). Once.</summary>
    public Task PairAsync(ReadOnlyMemory<byte> bindingKey) => bindingKey.Length != 16
        ? throw new ArgumentException("a binding key has 16 bytes", nameof(bindingKey))
        : IsPaired ? throw new InvalidOperationException("this handset is paired with its chip") : SaveAsync(content with { BindingKey = bindingKey.ToArray() });

    /// <summary>Of the handset's key pair, which is made when it is first asked for and stays: base64 of its SubjectPublicKeyInfo.</summary>
    internal async Task<string> PublicKeyAsync()
    {
        if (content.HandsetKey is null)
        {
            await SaveAsync(content with { HandsetKey = HandsetKey.New(entropy).Secret() });
        }

        return Convert.ToBase64String(HandsetKey.From(content.HandsetKey).PublicKey());
    }

    /// <summary>The handset's word for one call.</summary>
    internal HandsetCall Sign(HandsetCall call, string operation) =>
        call.SignedBy(HandsetKey.From(content.HandsetKey ?? throw new InvalidOperationException("this handset has no key before its first sign-in")), operation);

    internal Task EnrolAsync(string finger) => content.Fingers.Contains(finger) ? Task.CompletedTask : SaveAsync(content with { Fingers = [.. content.Fingers, finger] });

    internal Task RemoveAsync(string finger) => SaveAsync(content with { Fingers = [.. content.Fingers.Where(other => other != finger)] });

    internal Task SetFunctionAsync(bool on) => on == content.FunctionOn ? Task.CompletedTask : SaveAsync(content with { FunctionOn = on });

    internal bool Matches(string finger) => content.FunctionOn && content.Fingers.Contains(finger);

    /// <summary>Arms <paramref name="instanceAid"/> for one GPO, if the finger is an enrolled one and the function is on; 9000, or the chip's status word; null when the finger did not match.</summary>
    internal async Task<StatusWord?> AuthoriseAsync(string instanceAid, string finger, CancellationToken cancellation) =>
        Matches(finger) ? await ProveAsync(AuthorisePurpose, 0x2A, instanceAid, cancellation) : null;

    /// <summary>Disarms. A chip without power is disarmed already.</summary>
    internal async Task CancelAsync()
    {
        await gate.WaitAsync();
        try
        {
            await SelectAsync(CancellationToken.None);
            await SendAsync(0x2C, 0, [], CancellationToken.None);
        }
        catch (CardRemovedException)
        {
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Kills every payment card in the chip at once (decisions.md 3).</summary>
    internal async Task<bool> PurgeAsync(CancellationToken cancellation) => (await ProveAsync(PurgePurpose, 0x2E, [], cancellation)).IsOk;

    /// <summary>Kills one payment card in the chip at once; an instance the chip does not know is gone already.</summary>
    internal async Task<bool> RetireAsync(string instanceAid, CancellationToken cancellation) =>
        await ProveAsync(RetirePurpose, 0x30, instanceAid, cancellation) is { Value: 0x9000 or 0x6A88 };

    /// <summary>Purge epoch and number of live payment cards.</summary>
    internal async Task<(long PurgeEpoch, int Live)> StateAsync(CancellationToken cancellation)
    {
        await gate.WaitAsync(cancellation);
        try
        {
            await SelectAsync(cancellation);
            var answer = await SendAsync(0xCA, 0x01, [], cancellation);
            return answer.Data.Length == 5
                ? (System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(answer.Data.Span), answer.Data.Span[4])
                : throw new InvalidOperationException($"the chip's binding applet answered {answer.Status}");
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>The name comes from the cloud: what is no AID names nothing in the chip (6A88), and the chip is not asked.</summary>
    private Task<StatusWord> ProveAsync(byte purpose, byte ins, string instanceAid, CancellationToken cancellation)
    {
        Span<byte> bytes = stackalloc byte[16];
        return Convert.FromHexString(instanceAid, bytes, out _, out var length) == System.Buffers.OperationStatus.Done && Aid.TryFrom(bytes[..length], out var aid)
            ? ProveAsync(purpose, ins, aid.Bytes.ToArray(), cancellation)
            : Task.FromResult(new StatusWord(0x6A88));
    }

    private async Task<StatusWord> ProveAsync(byte purpose, byte ins, byte[] name, CancellationToken cancellation)
    {
        var key = content.BindingKey ?? throw new InvalidOperationException("this handset was never paired with its chip");
        await gate.WaitAsync(cancellation);
        try
        {
            await SelectAsync(cancellation);
            var challenge = await SendAsync(0x84, 0, [], cancellation);
            if (!challenge.Status.IsOk || challenge.Data.Length != 16)
            {
                return challenge.Status;
            }

            var mac = Cipher.AesCmac(key, [purpose, .. challenge.Data.Span, .. name]);
            return (await SendAsync(ins, 0, [.. mac, .. name], cancellation)).Status;
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task SelectAsync(CancellationToken cancellation) =>
        await line.TransmitAsync(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, BindingApplet).ToBytes(), cancellation);

    private async Task<ResponseApdu> SendAsync(byte ins, byte p2, byte[] data, CancellationToken cancellation)
    {
        var bytes = await line.TransmitAsync(CommandApdu.Of(0x80, ins, 0x00, p2, data).ToBytes(), cancellation);
        return ResponseApdu.TryParse(bytes, out var answer, out var error) ? answer : throw new InvalidOperationException(error.ToString());
    }

    private async Task SaveAsync(Content next)
    {
        var box = Seal(next);
        await store.CommitAsync(session => PhoneTables.PutTrustedBox(session, box));
        content = next;
    }

    private byte[] Seal(Content next)
    {
        var plain = JsonSerializer.SerializeToUtf8Bytes(next);
        var nonce = entropy.Bytes(12);
        byte[] cipher = new byte[plain.Length], tag = new byte[16];
        using var gcm = new AesGcm(sealKey, tag.Length);
        gcm.Encrypt(nonce, plain, cipher, tag, Context);
        CryptographicOperations.ZeroMemory(plain);
        return [.. nonce, .. cipher, .. tag];
    }

    private Content Unseal(byte[] box)
    {
        if (box.Length < 28)
        {
            throw new InvalidOperationException("the trusted side's box is damaged");
        }

        var plain = new byte[box.Length - 28];
        using var gcm = new AesGcm(sealKey, 16);
        gcm.Decrypt(box.AsSpan(0, 12), box.AsSpan(12, plain.Length), box.AsSpan(box.Length - 16), plain, Context);
        var read = JsonSerializer.Deserialize<Content>(plain) ?? throw new InvalidOperationException("the trusted side's box is empty");
        CryptographicOperations.ZeroMemory(plain);
        return read;
    }
}
