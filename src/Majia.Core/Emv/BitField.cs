using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>Kinds of application cryptogram, with the value of their two bits (EMV Book 3 §6.5.5.4).</summary>
public enum CryptogramType : byte
{
    /// <summary>Application authentication cryptogram: declined.</summary>
    Aac = 0,

    /// <summary>Transaction certificate: approved offline.</summary>
    Tc = 1,

    /// <summary>Authorisation request cryptogram: ask the issuer.</summary>
    Arqc = 2,
}

/// <summary>Bits of a big-endian field, named as the books name them: byte from 1, bit 8 the highest.</summary>
internal static class BitField
{
    public static bool Has(ulong value, int length, int @byte, int bit) => (value & Mask(length, @byte, bit)) != 0;

    public static ulong Set(ulong value, int length, int @byte, int bit, bool on) =>
        on ? value | Mask(length, @byte, bit) : value & ~Mask(length, @byte, bit);

    public static bool TryRead(ReadOnlySpan<byte> bytes, int length, string field, out ulong value, out ParseError error)
    {
        value = 0;
        error = default;
        if (bytes.Length != length)
        {
            error = new ParseError(field, Math.Min(bytes.Length, length), $"{length} bytes", $"{bytes.Length} bytes");
            return false;
        }

        foreach (var one in bytes)
        {
            value = (value << 8) | one;
        }

        return true;
    }

    public static byte[] ToBytes(ulong value, int length)
    {
        var bytes = new byte[length];
        for (var i = length - 1; i >= 0; i--)
        {
            bytes[i] = (byte)(value & 0xFF);
            value >>= 8;
        }

        return bytes;
    }

    public static string Hex(ulong value, int length) => value.ToString("X" + (2 * length), CultureInfo.InvariantCulture);

    private static ulong Mask(int length, int @byte, int bit) => 1UL << ((8 * (length - @byte)) + bit - 1);
}
