using System.Text;

namespace Majia.Simulation;

/// <summary>A replayable stream of choices (SplitMix64), one for each purpose, so that one purpose's draws never shift another's.</summary>
public sealed class Luck(ulong state)
{
    private ulong state = state;

    public Luck(long seed, string stream)
        : this(Fold(Encoding.UTF8.GetBytes(stream), unchecked((ulong)seed * 0x9E3779B97F4A7C15)))
    {
    }

    public ulong Next()
    {
        unchecked
        {
            var z = state += 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    /// <summary>0 … <paramref name="exclusiveMax"/> − 1. The bias of the remainder is far below what a simulation could notice.</summary>
    public int Below(int exclusiveMax) => (int)(Next() % (uint)exclusiveMax);

    /// <summary>Inclusive.</summary>
    public int Between(int low, int high) => low + Below(high - low + 1);

    /// <summary>True once in <paramref name="times"/>.</summary>
    public bool OneIn(int times) => Below(times) == 0;

    /// <summary>FNV-1a over <paramref name="bytes"/>, continuing from <paramref name="hash"/>.</summary>
    public static ulong Fold(ReadOnlySpan<byte> bytes, ulong hash)
    {
        unchecked
        {
            hash ^= 0xCBF29CE484222325;
            foreach (var one in bytes)
            {
                hash = (hash ^ one) * 0x100000001B3;
            }

            return hash;
        }
    }
}
