using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Majia.Core.Cryptography;
using AesGcm = System.Security.Cryptography.AesGcm;

namespace Majia.Hsm;

/// <summary>One key inside the module: its value, its block at rest, and what was computed of it once.</summary>
internal sealed class HeldKey
{
    /// <param name="value">Taken over, not copied.</param>
    /// <param name="block">TR-31 version D under the local master key.</param>
    internal HeldKey(KeyInfo info, byte[] value, string block)
    {
        Info = info;
        Value = value;
        Block = block;
        if (KeyUsages.Of(info.Usage).Kind == KeyUsages.Kind.Cipher)
        {
            Schedule = new CipherKey(info.Algorithm, value);
        }

        hashes = new Spare<IncrementalHash>(() => IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Value));
        Boxes = new Spare<AesGcm>(() => new AesGcm(Value, KeyModule.TagLength));
    }

    private readonly Spare<IncrementalHash> hashes;

    internal KeyInfo Info { get; }

    internal byte[] Value { get; }

    internal string Block { get; }

    /// <summary>Null for hash and elliptic-curve keys.</summary>
    internal CipherKey? Schedule { get; }

    /// <summary>AES-256-GCM under this key, made ready once.</summary>
    internal Spare<AesGcm> Boxes { get; }

    /// <summary>HMAC-SHA-256 of <paramref name="message"/> under this key, 32 bytes into <paramref name="into"/>.</summary>
    internal void Hmac(ReadOnlySpan<byte> message, Span<byte> into)
    {
        var hash = hashes.Take();
        hash.AppendData(message);
        hash.GetHashAndReset(into);
        hashes.Return(hash);
    }

    /// <summary>Card keys derived from this master key, the last used ones.</summary>
    internal RecentKeys CardKeys { get; } = new();

    /// <summary>Four bytes, as far from the key as its kind allows: cipher of zeros, HMAC of zeros, hash of the public point.</summary>
    internal static string CheckValue(KeyUsage usage, CipherAlgorithm algorithm, ReadOnlySpan<byte> value) => Convert.ToHexString(KeyUsages.Of(usage).Kind switch
    {
        KeyUsages.Kind.Hash => HMACSHA256.HashData(value, stackalloc byte[16]).AsSpan(0, 4),
        KeyUsages.Kind.EllipticCurve => SHA256.HashData(EllipticCurveKey.PublicPoint(value)).AsSpan(0, 4),
        KeyUsages.Kind.Sm2 => SHA256.HashData(Sm2.PublicOf(value)).AsSpan(0, 4),
        KeyUsages.Kind.Rsa => SHA256.HashData(CardRsaPrivate.FromPrimes(value)!.Public.Modulus).AsSpan(0, 4),
        _ => Cipher.KeyCheckValue(algorithm, value),
    });
}

/// <summary>One of a kind kept for the next who needs it: a library's object whose making costs several times its use, and which serves one at a time.</summary>
internal sealed class Spare<T>(Func<T> make)
    where T : class, IDisposable
{
    private T? kept;

    internal T Take() => Interlocked.Exchange(ref kept, null) ?? make();

    /// <summary>Not after a failure: who knows what state it is in.</summary>
    internal void Return(T item) => Interlocked.Exchange(ref kept, item)?.Dispose();
}

/// <summary>A bounded cache of derived keys in two generations: when the young one is full it becomes the old one, and the old one is forgotten.</summary>
internal sealed class RecentKeys
{
    /// <summary>Cards in one generation; some 2 kB each.</summary>
    private const int Capacity = 16_384;

    private readonly Lock gate = new();
    private ConcurrentDictionary<(string Number, string Sequence), CipherKey> young = new();
    private ConcurrentDictionary<(string Number, string Sequence), CipherKey> old = new();

    internal bool TryGet((string Number, string Sequence) card, [NotNullWhen(true)] out CipherKey? key)
    {
        if (young.TryGetValue(card, out key))
        {
            return true;
        }

        if (old.TryGetValue(card, out key))
        {
            Add(card, key);
            return true;
        }

        return false;
    }

    internal void Add((string Number, string Sequence) card, CipherKey key)
    {
        lock (gate)
        {
            if (young.Count >= Capacity)
            {
                old = young;
                young = new();
            }

            young[card] = key;
        }
    }
}
