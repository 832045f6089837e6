using System.Numerics;

namespace Majia.Storage;

/// <summary>Keys that a table has. It may take one for known that is not, one in a hundred at most; never the other way round.</summary>
/// <remarks>Four bits of one word a key, sixteen bits of room. Whoever has the front adds and asks; another thread may add meanwhile what the table had before.</remarks>
internal sealed class KeyFilter
{
    private const int BitsAKey = 16, FullAt = 10;

    private readonly ulong[] words;
    private long count;

    /// <param name="keys">Room for so many.</param>
    public KeyFilter(long keys) => words = new ulong[BitOperations.RoundUpToPowerOf2((ulong)Math.Max(keys, 64) * BitsAKey / 64)];

    /// <summary>Every key that the table has is in here: what is not, is not there.</summary>
    public bool IsWhole { get; set; }

    /// <summary>It takes too many for known.</summary>
    public bool IsFull => Volatile.Read(ref count) > (long)words.Length * 64 / FullAt;

    public long Count => Volatile.Read(ref count);

    public void Add(string key)
    {
        var (word, bits) = PlaceOf(key);
        Interlocked.Or(ref words[word], bits);
        Interlocked.Increment(ref count);
    }

    public bool MayHave(string key)
    {
        var (word, bits) = PlaceOf(key);
        return (Volatile.Read(ref words[word]) & bits) == bits;
    }

    private (int Word, ulong Bits) PlaceOf(string key)
    {
        // Fibonacci hashing spreads the runtime's 32 bits, whose seed nobody outside knows.
        var hash = unchecked((uint)key.GetHashCode(StringComparison.Ordinal) * 0x9E3779B97F4A7C15UL);
        var bits = unchecked(BitOperations.RotateLeft(hash, 31) * 0xD6E8FEB86659FD93UL);
        return ((int)((hash >> 20) & (ulong)(words.Length - 1)), (1UL << (int)(bits >> 58)) | (1UL << (int)((bits >> 52) & 63)) | (1UL << (int)((bits >> 46) & 63)) | (1UL << (int)((bits >> 40) & 63)));
    }
}
