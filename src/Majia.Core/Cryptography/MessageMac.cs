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
    public static byte[] Compute(MacAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) =>
        Compute(algorithm, new CipherKey(CipherOf(algorithm), key), data);

    /// <summary>Eight bytes for the MAC field, under a key whose schedule is at hand.</summary>
    public static byte[] Compute(MacAlgorithm algorithm, CipherKey key, ReadOnlySpan<byte> data)
    {
        if (key.Algorithm != CipherOf(algorithm))
        {
            throw new ArgumentException($"{algorithm} wants a key of {CipherOf(algorithm)}", nameof(key));
        }

        var mac = new byte[8];
        switch (algorithm)
        {
            case MacAlgorithm.X919:
                CipherKey.RetailMac(key.Value, ZeroPadded(data), mac);
                return mac;
            case MacAlgorithm.X99:
                new CipherKey(CipherAlgorithm.TripleDes, key.Value[..8]).CbcMac(ZeroPadded(data), mac);
                return mac;
            default:
                UnionPayEcb(key, data, mac);
                return mac;
        }
    }

    public static CipherAlgorithm CipherOf(MacAlgorithm algorithm) =>
        algorithm == MacAlgorithm.UnionPayEcbSm4 ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes;

    /// <summary>XOR of all blocks; its hex digits: first half encrypted, ⊕ second half, encrypted; first eight hex digits of that.</summary>
    private static void UnionPayEcb(CipherKey key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        var size = key.BlockSize;
        Span<byte> folded = stackalloc byte[size];
        folded.Clear();
        for (var i = 0; i < data.Length; i += size)
        {
            Cipher.Xor(folded, data.Slice(i, Math.Min(size, data.Length - i)));
        }

        Span<byte> hex = stackalloc byte[2 * size];
        WriteHex(folded, hex);
        key.CbcMac(hex, folded);
        WriteHex(folded[..4], mac);
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
