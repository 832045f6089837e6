namespace Majia.Core.Cryptography;

/// <summary>Message authentication on the lines (protocols.md 6.7). Zero padding; results as they stand in field 64 or 128.</summary>
public enum MacAlgorithm
{
    /// <summary>UnionPay ECB MAC; single DES with an 8-byte key, 3DES with 16. Eight ASCII hex characters.</summary>
    UnionPayEcb,

    /// <summary>UnionPay ECB MAC with SM4. Eight ASCII hex characters.</summary>
    UnionPayEcbSm4,

    /// <summary>ANSI X9.19 (ISO 9797-1 algorithm 3), 8 binary bytes.</summary>
    X919,

    /// <summary>ANSI X9.9 (CBC single DES), 8 binary bytes.</summary>
    X99,
}

public static class MessageMac
{
    /// <summary>Eight bytes for the MAC field.</summary>
    public static byte[] Compute(MacAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) => algorithm switch
    {
        MacAlgorithm.UnionPayEcb => UnionPayEcb(CipherAlgorithm.TripleDes, key, data),
        MacAlgorithm.UnionPayEcbSm4 => UnionPayEcb(CipherAlgorithm.Sm4, key, data),
        MacAlgorithm.X919 => Cipher.RetailMac(key, ZeroPadded(data)),
        MacAlgorithm.X99 => Cipher.CbcMac(CipherAlgorithm.TripleDes, key[..8], ZeroPadded(data)),
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm)),
    };

    /// <summary>XOR of all blocks; its hex digits: first half encrypted, ⊕ second half, encrypted; first eight hex digits of that.</summary>
    private static byte[] UnionPayEcb(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data)
    {
        var size = Cipher.BlockSize(algorithm);
        Span<byte> folded = stackalloc byte[size];
        folded.Clear();
        for (var i = 0; i < data.Length; i += size)
        {
            Cipher.Xor(folded, data.Slice(i, Math.Min(size, data.Length - i)));
        }

        Span<byte> hex = stackalloc byte[2 * size];
        WriteHex(folded, hex);
        return HexOf(Cipher.CbcMac(algorithm, key, hex).AsSpan(0, 4));
    }

    private static byte[] HexOf(ReadOnlySpan<byte> bytes)
    {
        var hex = new byte[2 * bytes.Length];
        WriteHex(bytes, hex);
        return hex;
    }

    private static void WriteHex(ReadOnlySpan<byte> bytes, Span<byte> into)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            into[2 * i] = "0123456789ABCDEF"u8[bytes[i] >> 4];
            into[(2 * i) + 1] = "0123456789ABCDEF"u8[bytes[i] & 15];
        }
    }

    private static byte[] ZeroPadded(ReadOnlySpan<byte> data)
    {
        var padded = new byte[Math.Max(1, (data.Length + 7) / 8) * 8];
        data.CopyTo(padded);
        return padded;
    }
}
