using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Majia.Core.Primitives;

/// <summary>The only source of randomness: the system's, or a seeded one that a simulation can replay. Ids come from it too.</summary>
public abstract class Entropy
{
    public abstract void Fill(Span<byte> buffer);

    public byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        Fill(bytes);
        return bytes;
    }

    /// <summary>Uniform in 0 … <paramref name="exclusiveMax"/> − 1, without modulo bias.</summary>
    public int Below(int exclusiveMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(exclusiveMax, 1);
        Span<byte> word = stackalloc byte[4];
        while (true)
        {
            Fill(word);
            if (TryBelow(word, (uint)exclusiveMax, out var value))
            {
                return value;
            }
        }
    }

    /// <summary><paramref name="count"/> uniform decimal digits.</summary>
    public string Digits(int count) => string.Create(count, this, static (span, entropy) =>
    {
        // A call of the system's generator costs as much for one word as for all of them.
        Span<byte> words = stackalloc byte[4 * 16];
        for (var done = 0; done < span.Length; done += 16)
        {
            var digits = span[done..Math.Min(done + 16, span.Length)];
            entropy.Fill(words[..(4 * digits.Length)]);
            for (var i = 0; i < digits.Length; i++)
            {
                digits[i] = (char)('0' + (TryBelow(words.Slice(4 * i, 4), 10, out var digit) ? digit : entropy.Below(10)));
            }
        }
    });

    private static bool TryBelow(ReadOnlySpan<byte> word, uint exclusiveMax, out int value)
    {
        var drawn = BinaryPrimitives.ReadUInt32BigEndian(word);
        value = (int)(drawn % exclusiveMax);
        return drawn < uint.MaxValue - (uint.MaxValue % exclusiveMax);
    }

    /// <summary>128 random bits as 32 lower-case hex digits.</summary>
    public string NewId()
    {
        Span<byte> id = stackalloc byte[16];
        Fill(id);
        return Convert.ToHexStringLower(id);
    }
}

/// <summary>The operating system's generator.</summary>
public sealed class SystemEntropy : Entropy
{
#pragma warning disable RS0030 // the one place that may name the system's generator
    public override void Fill(Span<byte> buffer) => RandomNumberGenerator.Fill(buffer);
#pragma warning restore RS0030
}

/// <summary>A replayable stream: AES-256 in counter mode under SHA-256 of the seed. For demonstration, test and simulation.</summary>
public sealed class SeededEntropy : Entropy
{
    private readonly Aes aes;
    private readonly Lock gate = new();
    private ulong counter;
    private int used = 16;
    private readonly byte[] block = new byte[16];

    public SeededEntropy(long seed, string stream = "")
    {
        aes = Aes.Create();
        aes.Key = SHA256.HashData([.. System.Text.Encoding.UTF8.GetBytes("majia/" + stream + "/"), .. BitConverter.GetBytes(seed)]);
    }

    public override void Fill(Span<byte> buffer)
    {
        lock (gate)
        {
            Span<byte> input = stackalloc byte[16];
            for (var i = 0; i < buffer.Length; i++)
            {
                if (used == 16)
                {
                    input.Clear();
                    BinaryPrimitives.WriteUInt64BigEndian(input[8..], counter++);
                    aes.EncryptEcb(input, block, PaddingMode.None);
                    used = 0;
                }

                buffer[i] = block[used++];
            }
        }
    }
}
