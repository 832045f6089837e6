using System.Security.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Core.Cryptography;

/// <summary>IBM 3624 PINs with offset (protocols.md 7.5): a natural PIN follows from the account number, the offset leads from it to the chosen one.</summary>
public static class Ibm3624
{
    /// <summary>Decimalisation: what each hex digit of the cipher text becomes.</summary>
    public const string DecimalisationTable = "0123456789012345";

    /// <summary>Our banks' validation data: the twelve digits left of the check digit, filled with F on the right to 16.</summary>
    public static byte[] ValidationData(AccountNumber number) => Convert.FromHexString(number.TwelveLeftOfCheckDigit + "FFFF");

    /// <summary>First <paramref name="length"/> digits of the decimalised cipher text of <paramref name="validationData"/> (8 bytes) under a 3DES key.</summary>
    /// <param name="table">16 decimal digits.</param>
    public static void NaturalPin(CipherKey key, ReadOnlySpan<byte> validationData, ReadOnlySpan<char> table, Span<char> pin)
    {
        if (key.Algorithm != CipherAlgorithm.TripleDes || validationData.Length != 8 || table.Length != 16 || pin.Length is < PinBlock.MinDigits or > PinBlock.MaxDigits)
        {
            throw new ArgumentException("a 3DES key, 8 bytes of validation data, a table of 16 digits, a PIN of 4 to 12", nameof(validationData));
        }

        Span<byte> cipher = stackalloc byte[8];
        key.Encrypt(validationData, cipher);
        for (var i = 0; i < pin.Length; i++)
        {
            pin[i] = table[i % 2 == 0 ? cipher[i / 2] >> 4 : cipher[i / 2] & 15];
        }

        CryptographicOperations.ZeroMemory(cipher);
    }

    /// <summary>The offset of a chosen PIN: PIN − natural PIN, digit by digit, modulo 10.</summary>
    public static string Offset(CipherKey key, ReadOnlySpan<byte> validationData, ReadOnlySpan<char> table, ReadOnlySpan<char> pin)
    {
        Span<char> natural = stackalloc char[pin.Length];
        NaturalPin(key, validationData, table, natural);
        for (var i = 0; i < pin.Length; i++)
        {
            if (!char.IsAsciiDigit(pin[i]))
            {
                throw new ArgumentException("a PIN has digits only", nameof(pin));
            }

            natural[i] = (char)('0' + ((pin[i] - natural[i] + 10) % 10));
        }

        return natural.ToString();
    }

    /// <summary>The PIN that an offset leads to: natural PIN + offset, digit by digit, modulo 10. For a key module that moves a PIN to another number, and for nobody else.</summary>
    /// <param name="pin">As long as <paramref name="offset"/>.</param>
    public static void Pin(CipherKey key, ReadOnlySpan<byte> validationData, ReadOnlySpan<char> table, ReadOnlySpan<char> offset, Span<char> pin)
    {
        NaturalPin(key, validationData, table, pin);
        for (var i = 0; i < pin.Length; i++)
        {
            pin[i] = (char)('0' + ((pin[i] - '0' + offset[i] - '0') % 10));
        }
    }

    /// <summary>True when <paramref name="pin"/> is the one that <paramref name="offset"/> belongs to: same length, all digits equal (constant time).</summary>
    public static bool Verify(CipherKey key, ReadOnlySpan<byte> validationData, ReadOnlySpan<char> table, ReadOnlySpan<char> pin, ReadOnlySpan<char> offset)
    {
        if (pin.Length != offset.Length)
        {
            return false;
        }

        var computed = Offset(key, validationData, table, pin);
        return CryptographicOperations.FixedTimeEquals(
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(computed.AsSpan()),
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(offset));
    }
}
