using System.Security.Cryptography;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Parameters;

namespace Majia.Core.Cryptography;

/// <summary>One key with its schedule computed once, for what runs on every transaction. Thread-safe: a schedule is only read after it is made.</summary>
public sealed class CipherKey
{
    private readonly byte[] key;
    private readonly IBlockCipher encryptor;
    private IBlockCipher? decryptor;

    /// <param name="key">Copied. 8, 16 or 24 bytes (3DES), 16 (SM4), 16, 24 or 32 (AES).</param>
    public CipherKey(CipherAlgorithm algorithm, ReadOnlySpan<byte> key)
    {
        Algorithm = algorithm;
        this.key = key.ToArray();
        encryptor = Schedule(algorithm, this.key, encrypt: true);
    }

    public CipherAlgorithm Algorithm { get; }

    public int BlockSize => Cipher.BlockSize(Algorithm);

    internal ReadOnlySpan<byte> Value => key;

    /// <summary>ECB over whole blocks; <paramref name="into"/> may be <paramref name="blocks"/>.</summary>
    public void Encrypt(ReadOnlySpan<byte> blocks, Span<byte> into) => Ecb(encryptor, blocks, into);

    /// <summary>ECB over whole blocks; <paramref name="into"/> may be <paramref name="blocks"/>.</summary>
    public void Decrypt(ReadOnlySpan<byte> blocks, Span<byte> into) =>
        Ecb(decryptor ??= Schedule(Algorithm, key, encrypt: false), blocks, into);

    /// <summary>CBC-MAC with IV 0 over whole blocks, one block into <paramref name="into"/>.</summary>
    public void CbcMac(ReadOnlySpan<byte> blocks, Span<byte> into) => Chain(encryptor, blocks, into[..BlockSize]);

    /// <summary>ISO/IEC 9797-1 MAC algorithm 3 over whole blocks under a 3DES key of 16 bytes; 8 bytes into <paramref name="into"/>.</summary>
    public static void RetailMac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> blocks, Span<byte> into)
    {
        if (key.Length != 16 || blocks.Length % 8 != 0)
        {
            throw new ArgumentException("a retail MAC wants a key of 16 bytes and whole blocks", nameof(key));
        }

        var left = new DesEngine();
        left.Init(true, new KeyParameter(key[..8]));
        var right = new DesEngine();
        right.Init(false, new KeyParameter(key[8..]));
        var mac = into[..8];
        Chain(left, blocks, mac);
        right.ProcessBlock(mac, mac);
        left.ProcessBlock(mac, mac);
    }

    /// <summary>Wipes the copy of the key; schedules die with the object. Nothing may use it afterwards.</summary>
    internal void Wipe() => CryptographicOperations.ZeroMemory(key);

    private static void Chain(IBlockCipher engine, ReadOnlySpan<byte> blocks, Span<byte> chain)
    {
        chain.Clear();
        for (var i = 0; i < blocks.Length; i += chain.Length)
        {
            Cipher.Xor(chain, blocks.Slice(i, chain.Length));
            engine.ProcessBlock(chain, chain);
        }
    }

    private static void Ecb(IBlockCipher engine, ReadOnlySpan<byte> blocks, Span<byte> into)
    {
        var size = engine.GetBlockSize();
        if (blocks.Length % size != 0)
        {
            throw new ArgumentException("not whole blocks", nameof(blocks));
        }

        for (var i = 0; i < blocks.Length; i += size)
        {
            engine.ProcessBlock(blocks.Slice(i, size), into.Slice(i, size));
        }
    }

    private static IBlockCipher Schedule(CipherAlgorithm algorithm, byte[] key, bool encrypt)
    {
        IBlockCipher engine = (algorithm, key.Length) switch
        {
            (CipherAlgorithm.TripleDes, 8) => new DesEngine(),
            (CipherAlgorithm.TripleDes, 16 or 24) => new DesEdeEngine(),
            (CipherAlgorithm.Sm4, 16) => new SM4Engine(),
            (CipherAlgorithm.Aes, 16 or 24 or 32) => AesUtilities.CreateEngine(),
            _ => throw new ArgumentException($"{algorithm} has no keys of {key.Length} bytes", nameof(key)),
        };
        engine.Init(encrypt, new KeyParameter(key));
        return engine;
    }
}
