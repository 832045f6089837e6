using System.Numerics;

namespace Majia.Tests.Fuzz;

/// <summary>A fast replayable stream (splitmix64): one seed and one index give one input, on every machine.</summary>
internal sealed class Dice(ulong seed)
{
    private ulong state = seed;

    public static Dice Of(ulong seed, long index) => new(unchecked(seed ^ ((ulong)index * 0x9E3779B97F4A7C15)));

    /// <summary>The same dice for the same bytes: for what a fake peer makes up of a request.</summary>
    public static Dice Of(ReadOnlySpan<byte> bytes)
    {
        var hash = 14695981039346656037UL;
        foreach (var one in bytes)
        {
            hash = unchecked((hash ^ one) * 1099511628211UL);
        }

        return new Dice(hash);
    }

    public ulong Next()
    {
        unchecked
        {
            state += 0x9E3779B97F4A7C15;
            var z = state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    /// <summary>0 … <paramref name="count"/> − 1.</summary>
    public int Below(int count) => (int)Math.BigMul(Next(), (ulong)count, out _);

    /// <summary>True once in <paramref name="count"/> throws.</summary>
    public bool Once(int count) => Below(count) == 0;

    /// <summary>Small numbers far more often than large ones.</summary>
    public int Size(int max) => max <= 0 ? 0 : Below(Math.Min(max, 1 << Below(BitOperations.Log2((uint)max) + 1)) + 1);

    public T Of<T>(IReadOnlyList<T> rows) => rows[Below(rows.Count)];

    public byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        for (var i = 0; i < count; i++)
        {
            bytes[i] = (byte)(Next() & 0xFF);
        }

        return bytes;
    }
}
