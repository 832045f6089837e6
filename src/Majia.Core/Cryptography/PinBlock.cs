using System.Security.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Core.Cryptography;

/// <summary>PIN block formats (ISO 9564-1, UnionPay; protocols.md 7.1).</summary>
public enum PinBlockFormat
{
    Iso0,
    Iso1,
    Iso3,
    Iso4,

    /// <summary>16-byte block in the manner of format 0, for SM4 (protocols.md 7.1, unverified).</summary>
    Sm4,
}

/// <summary>PIN blocks: digits in, block out, and back. Clear blocks and digits are the caller's to wipe.</summary>
/// <remarks>
/// Formats 0 and 3 and the SM4 one mix in the twelve digits left of the check digit, format 4 the whole number:
/// with another number a block gives other digits or none. Format 1 knows no number.
/// </remarks>
public static class PinBlock
{
    public const int MinDigits = 4, MaxDigits = 12;

    /// <summary>Format that a line uses with this cipher: ISO 0 (3DES), SM4 format (SM4), ISO 4 (AES).</summary>
    public static PinBlockFormat FormatOf(CipherAlgorithm algorithm) => algorithm switch
    {
        CipherAlgorithm.TripleDes => PinBlockFormat.Iso0,
        CipherAlgorithm.Sm4 => PinBlockFormat.Sm4,
        _ => PinBlockFormat.Iso4,
    };

    /// <summary>8 bytes (ISO 0, 1, 3) or 16 (ISO 4, SM4).</summary>
    public static int Length(PinBlockFormat format) => format is PinBlockFormat.Iso4 or PinBlockFormat.Sm4 ? 16 : 8;

    /// <summary>Random hex digits that a block with a PIN of <paramref name="pinLength"/> digits takes: fill of ISO 1 and 3, right half of ISO 4.</summary>
    public static int FillDigits(PinBlockFormat format, int pinLength) => format switch
    {
        PinBlockFormat.Iso1 or PinBlockFormat.Iso3 => 14 - pinLength,
        PinBlockFormat.Iso4 => 16,
        _ => 0,
    };

    /// <summary>2 ‖ L ‖ PIN ‖ F…: what a chip card compares (protocols.md 7.1). It knows no number.</summary>
    public static byte[] Format2(ReadOnlySpan<char> pin)
    {
        if (pin.Length is < MinDigits or > MaxDigits || pin.ContainsAnyExceptInRange('0', '9'))
        {
            throw new ArgumentException("a PIN has 4 to 12 digits", nameof(pin)); // the value stays out of the message
        }

        var block = new byte[8];
        block.AsSpan().Fill(0xFF);
        block[0] = (byte)(0x20 | pin.Length);
        for (var i = 0; i < pin.Length; i++)
        {
            var (at, digit) = (1 + (i / 2), (byte)(pin[i] - '0'));
            block[at] = i % 2 == 0 ? (byte)((digit << 4) | 0x0F) : (byte)((block[at] & 0xF0) | digit);
        }

        return block;
    }

    /// <summary>The clear block; of ISO 4 the PIN field.</summary>
    /// <param name="pin">4 to 12 digits.</param>
    /// <param name="number">12 to 19 digits, the last one the check digit; they go into ISO 0, ISO 3 and the SM4 format.</param>
    /// <param name="fill">One byte per random hex digit, <see cref="FillDigits"/> of them; of ISO 3 each is 10 to 15.</param>
    public static byte[] Build(PinBlockFormat format, ReadOnlySpan<char> pin, ReadOnlySpan<char> number, ReadOnlySpan<byte> fill)
    {
        if (pin.Length is < MinDigits or > MaxDigits || pin.ContainsAnyExceptInRange('0', '9'))
        {
            throw new ArgumentException("a PIN has 4 to 12 digits", nameof(pin)); // the value stays out of the message
        }

        var wanted = FillDigits(format, pin.Length);
        if (fill.Length != wanted || fill.ContainsAnyExceptInRange(format == PinBlockFormat.Iso3 ? (byte)10 : (byte)0, (byte)15))
        {
            throw new ArgumentException($"{format} takes {wanted} random hex digits", nameof(fill));
        }

        // ISO 9564-1 §9.3: control digit, length, PIN, fill.
        Span<byte> nibbles = stackalloc byte[2 * Length(format)];
        nibbles.Fill(format == PinBlockFormat.Iso4 ? (byte)0xA : (byte)0xF);
        nibbles[0] = Control(format);
        nibbles[1] = (byte)pin.Length;
        for (var i = 0; i < pin.Length; i++)
        {
            nibbles[2 + i] = (byte)(pin[i] - '0');
        }

        fill.CopyTo(nibbles[^wanted..]);
        MixNumber(format, nibbles, number);
        var block = new byte[Length(format)];
        Pack(nibbles, block);
        CryptographicOperations.ZeroMemory(nibbles);
        return block;
    }

    /// <summary>The clear block with its random digits from <paramref name="entropy"/>.</summary>
    public static byte[] Build(PinBlockFormat format, ReadOnlySpan<char> pin, ReadOnlySpan<char> number, Entropy entropy)
    {
        Span<byte> fill = stackalloc byte[Math.Max(0, FillDigits(format, pin.Length))];
        for (var i = 0; i < fill.Length; i++)
        {
            fill[i] = (byte)(format == PinBlockFormat.Iso3 ? 10 + entropy.Below(6) : entropy.Below(16));
        }

        return Build(format, pin, number, fill);
    }

    /// <summary>Reads a clear block (of ISO 4 the PIN field). False when it is none of this format for this number: damaged, or another number's.</summary>
    /// <param name="pin">Room for <see cref="MaxDigits"/> characters; the first <paramref name="length"/> are the PIN. Zeroed when false.</param>
    public static bool TryRead(PinBlockFormat format, ReadOnlySpan<byte> block, ReadOnlySpan<char> number, Span<char> pin, out int length)
    {
        length = 0;
        pin.Clear();
        if (block.Length != Length(format))
        {
            return false;
        }

        Span<byte> nibbles = stackalloc byte[2 * block.Length];
        for (var i = 0; i < block.Length; i++)
        {
            nibbles[2 * i] = (byte)(block[i] >> 4);
            nibbles[(2 * i) + 1] = (byte)(block[i] & 15);
        }

        MixNumber(format, nibbles, number);
        var digits = (int)nibbles[1];
        var good = nibbles[0] == Control(format) && digits is >= MinDigits and <= MaxDigits;
        if (good)
        {
            good = !nibbles.Slice(2, digits).ContainsAnyExceptInRange((byte)0, (byte)9) && IsFill(format, nibbles[(2 + digits)..]);
        }

        if (good)
        {
            length = digits;
            for (var i = 0; i < digits; i++)
            {
                pin[i] = (char)('0' + nibbles[2 + i]);
            }
        }

        CryptographicOperations.ZeroMemory(nibbles);
        return good;
    }

    /// <summary>Encrypts a clear block as its format says: one ECB block (ISO 0, 1, 3 under 3DES, SM4), or ISO 4's two rounds with the number's field between (AES).</summary>
    public static byte[] Encrypt(PinBlockFormat format, CipherKey key, ReadOnlySpan<byte> clear, ReadOnlySpan<char> number)
    {
        CheckCipher(format, key.Algorithm);
        var block = new byte[Length(format)];
        key.Encrypt(clear, block);
        if (format == PinBlockFormat.Iso4)
        {
            Cipher.Xor(block, NumberField(number)); // ISO 9564-1 §9.4.2.4
            key.Encrypt(block, block);
        }

        return block;
    }

    /// <summary>Undoes <see cref="Encrypt"/>. Says nothing of what is inside: <see cref="TryRead"/> does.</summary>
    public static byte[] Decrypt(PinBlockFormat format, CipherKey key, ReadOnlySpan<byte> encrypted, ReadOnlySpan<char> number)
    {
        CheckCipher(format, key.Algorithm);
        var clear = new byte[Length(format)];
        key.Decrypt(encrypted, clear);
        if (format == PinBlockFormat.Iso4)
        {
            Cipher.Xor(clear, NumberField(number));
            key.Decrypt(clear, clear);
        }

        return clear;
    }

    /// <summary>PAN field of ISO 4: digit M (length − 12), the number, zeros.</summary>
    public static byte[] NumberField(ReadOnlySpan<char> number)
    {
        CheckNumber(number);
        Span<byte> nibbles = stackalloc byte[32];
        nibbles.Clear();
        nibbles[0] = (byte)(number.Length - AccountNumber.MinLength);
        for (var i = 0; i < number.Length; i++)
        {
            nibbles[1 + i] = (byte)(number[i] - '0');
        }

        var field = new byte[16];
        Pack(nibbles, field);
        return field;
    }

    private static byte Control(PinBlockFormat format) => format switch
    {
        PinBlockFormat.Iso1 => 1,
        PinBlockFormat.Iso3 => 3,
        PinBlockFormat.Iso4 => 4,
        _ => 0,
    };

    private static void CheckCipher(PinBlockFormat format, CipherAlgorithm algorithm)
    {
        var fits = format switch
        {
            PinBlockFormat.Iso4 => algorithm == CipherAlgorithm.Aes,
            PinBlockFormat.Sm4 => algorithm == CipherAlgorithm.Sm4,
            _ => algorithm == CipherAlgorithm.TripleDes,
        };
        if (!fits)
        {
            throw new ArgumentException($"a {format} block is not encrypted under {algorithm}", nameof(algorithm));
        }
    }

    /// <summary>⊕ the twelve digits left of the check digit, right-aligned; its own inverse.</summary>
    private static void MixNumber(PinBlockFormat format, Span<byte> nibbles, ReadOnlySpan<char> number)
    {
        if (format is PinBlockFormat.Iso1 or PinBlockFormat.Iso4)
        {
            return;
        }

        CheckNumber(number);
        var left = number[..^1];
        for (var i = 1; i <= Math.Min(12, left.Length); i++)
        {
            nibbles[^i] ^= (byte)(left[^i] - '0');
        }
    }

    private static void CheckNumber(ReadOnlySpan<char> number)
    {
        if (number.Length is < AccountNumber.MinLength or > AccountNumber.MaxLength || number.ContainsAnyExceptInRange('0', '9'))
        {
            throw new ArgumentException("an account number has 12 to 19 digits", nameof(number));
        }
    }

    private static bool IsFill(PinBlockFormat format, ReadOnlySpan<byte> rest) => format switch
    {
        PinBlockFormat.Iso1 => true,
        PinBlockFormat.Iso3 => !rest.ContainsAnyExceptInRange((byte)10, (byte)15),
        PinBlockFormat.Iso4 => !rest[..^16].ContainsAnyExcept((byte)0xA),
        _ => !rest.ContainsAnyExcept((byte)0xF),
    };

    private static void Pack(ReadOnlySpan<byte> nibbles, Span<byte> into)
    {
        for (var i = 0; i < into.Length; i++)
        {
            into[i] = (byte)((nibbles[2 * i] << 4) | nibbles[(2 * i) + 1]);
        }
    }
}
