namespace Majia.Core.Cryptography;

/// <summary>The block ciphers of the domain. Keys: 16 or 24 bytes (3DES), 16 (SM4), 16/24/32 (AES).</summary>
public enum CipherAlgorithm
{
    TripleDes,
    Sm4,
    Aes,
}

/// <summary>Raw block operations, each by a library (BCL for 3DES and AES, BouncyCastle for SM4). Lengths must be whole blocks; no padding.</summary>
public static class Cipher
{
    public static int BlockSize(CipherAlgorithm algorithm) => algorithm == CipherAlgorithm.TripleDes ? 8 : 16;

    public static byte[] EncryptEcb(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    public static byte[] DecryptEcb(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    public static byte[] EncryptCbc(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    public static byte[] DecryptCbc(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    /// <summary>NIST SP 800-38B, AES, 16 bytes.</summary>
    public static byte[] AesCmac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    /// <summary>ISO/IEC 9797-1 padding method 2: 80, then 00 to a whole block (always added).</summary>
    public static byte[] Pad80(ReadOnlySpan<byte> data, int blockSize) => throw new NotImplementedException();

    /// <summary>Leftmost <paramref name="length"/> bytes of encrypting a zero block (3DES, SM4), or of the CMAC of a zero block (AES, TR-31) (protocols.md 6.6).</summary>
    public static byte[] KeyCheckValue(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, int length = 4) => throw new NotImplementedException();
}
