using System.Security.Cryptography;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Macs;
using Org.BouncyCastle.Crypto.Parameters;

namespace Majia.Core.Cryptography;

/// <summary>The block ciphers of the domain. Keys: 16 or 24 bytes (3DES; 8 where a line still runs single DES), 16 (SM4), 16/24/32 (AES).</summary>
public enum CipherAlgorithm
{
    TripleDes,
    Sm4,
    Aes,
}

/// <summary>Raw block operations, each by a library. Lengths must be whole blocks; no padding.</summary>
/// <remarks>
/// AES is the platform's. 3DES and SM4 are BouncyCastle's: the platform has no SM4, no single DES where OpenSSL 3 lacks
/// its legacy provider, refuses 3DES keys of two equal halves (test keys of every old line), and costs a native call
/// per block that a cryptogram of five blocks never earns back.
/// </remarks>
public static class Cipher
{
    public static int BlockSize(CipherAlgorithm algorithm) => algorithm == CipherAlgorithm.TripleDes ? 8 : 16;

    public static byte[] EncryptEcb(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data)
    {
        var result = Whole(algorithm, data);
        if (algorithm == CipherAlgorithm.Aes)
        {
            using var aes = AesOf(key);
            aes.EncryptEcb(data, result, PaddingMode.None);
        }
        else
        {
            new CipherKey(algorithm, key).Encrypt(data, result);
        }

        return result;
    }

    public static byte[] DecryptEcb(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data)
    {
        var result = Whole(algorithm, data);
        if (algorithm == CipherAlgorithm.Aes)
        {
            using var aes = AesOf(key);
            aes.DecryptEcb(data, result, PaddingMode.None);
        }
        else
        {
            new CipherKey(algorithm, key).Decrypt(data, result);
        }

        return result;
    }

    public static byte[] EncryptCbc(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> data)
    {
        var result = Whole(algorithm, data);
        CheckIv(algorithm, iv);
        if (algorithm == CipherAlgorithm.Aes)
        {
            using var aes = AesOf(key);
            aes.EncryptCbc(data, iv, result, PaddingMode.None);
            return result;
        }

        var schedule = new CipherKey(algorithm, key);
        var size = iv.Length;
        Span<byte> chain = stackalloc byte[size];
        iv.CopyTo(chain);
        for (var i = 0; i < data.Length; i += size)
        {
            Xor(chain, data.Slice(i, size));
            schedule.Encrypt(chain, result.AsSpan(i, size));
            result.AsSpan(i, size).CopyTo(chain);
        }

        return result;
    }

    public static byte[] DecryptCbc(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> data)
    {
        var result = Whole(algorithm, data);
        CheckIv(algorithm, iv);
        if (algorithm == CipherAlgorithm.Aes)
        {
            using var aes = AesOf(key);
            aes.DecryptCbc(data, iv, result, PaddingMode.None);
            return result;
        }

        var schedule = new CipherKey(algorithm, key);
        var size = iv.Length;
        for (var i = 0; i < data.Length; i += size)
        {
            var plain = result.AsSpan(i, size);
            schedule.Decrypt(data.Slice(i, size), plain);
            Xor(plain, i == 0 ? iv : data.Slice(i - size, size));
        }

        return result;
    }

    /// <summary>NIST SP 800-38B, AES, 16 bytes.</summary>
    public static byte[] AesCmac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data)
    {
        var mac = new CMac(AesUtilities.CreateEngine());
        mac.Init(new KeyParameter(key));
        mac.BlockUpdate(data);
        var result = new byte[16];
        mac.DoFinal(result);
        return result;
    }

    /// <summary>ISO/IEC 9797-1 padding method 2: 80, then 00 to a whole block (always added).</summary>
    public static byte[] Pad80(ReadOnlySpan<byte> data, int blockSize)
    {
        var padded = new byte[((data.Length / blockSize) + 1) * blockSize];
        data.CopyTo(padded);
        padded[data.Length] = 0x80;
        return padded;
    }

    /// <summary>Undoes <see cref="Pad80"/>: the length of the data before the padding; false when there is no 80 followed by less than a block of 00.</summary>
    public static bool TryUnpad80(ReadOnlySpan<byte> padded, int blockSize, out int length)
    {
        var last = padded.LastIndexOfAnyExcept((byte)0);
        length = last < 0 ? 0 : last;
        return last >= 0 && padded[last] == 0x80 && padded.Length - last <= blockSize;
    }

    /// <summary>Leftmost <paramref name="length"/> bytes of encrypting a zero block (3DES, SM4), or of the CMAC of a zero block (AES, TR-31) (protocols.md 6.6).</summary>
    public static byte[] KeyCheckValue(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, int length = 4)
    {
        ReadOnlySpan<byte> zero = stackalloc byte[BlockSize(algorithm)];
        return (algorithm == CipherAlgorithm.Aes ? AesCmac(key, zero) : EncryptEcb(algorithm, key, zero))[..length];
    }

    internal static void Xor(Span<byte> into, ReadOnlySpan<byte> other)
    {
        for (var i = 0; i < other.Length; i++)
        {
            into[i] ^= other[i];
        }
    }

    private static Aes AesOf(ReadOnlySpan<byte> key)
    {
        var aes = Aes.Create();
        aes.SetKey(key);
        return aes;
    }

    private static byte[] Whole(CipherAlgorithm algorithm, ReadOnlySpan<byte> data) =>
        data.Length % BlockSize(algorithm) == 0 ? new byte[data.Length] : throw new ArgumentException("not whole blocks", nameof(data));

    private static void CheckIv(CipherAlgorithm algorithm, ReadOnlySpan<byte> iv)
    {
        if (iv.Length != BlockSize(algorithm))
        {
            throw new ArgumentException("an IV is one block", nameof(iv));
        }
    }
}
