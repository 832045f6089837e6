using System.Security.Cryptography;
using Majia.Core.Primitives;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Generators;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Math;

namespace Majia.Core.Cryptography;

/// <summary>The public half of a card's, issuer's or authority's RSA key (EMV Book 2 annex B2).</summary>
/// <param name="Modulus">Big-endian, first byte not zero.</param>
/// <param name="Exponent">1 or 3 bytes: 03 or 010001.</param>
public sealed record CardRsaPublic(byte[] Modulus, byte[] Exponent)
{
    public int Length => Modulus.Length;

    /// <summary>The block inside a signature or certificate; null when it is not as long as the modulus, or not below it.</summary>
    public byte[]? Recover(ReadOnlySpan<byte> signature)
    {
        if (signature.Length != Modulus.Length)
        {
            return null;
        }

        var (n, s) = (new BigInteger(1, Modulus), new BigInteger(1, signature));
        return s.CompareTo(n) >= 0 ? null : CardRsa.Fixed(s.ModPow(new BigInteger(1, Exponent), n), Modulus.Length);
    }
}

/// <summary>A private RSA key in the five parts that personalisation carries: DGI 8205 p, 8204 q, 8203 d mod p−1, 8202 d mod q−1, 8201 q⁻¹ mod p (protocols.md 5.5).</summary>
public sealed class CardRsaPrivate
{
    private readonly RsaPrivateCrtKeyParameters key;

    private CardRsaPrivate(RsaPrivateCrtKeyParameters key) => this.key = key;

    /// <summary>Bytes of the modulus.</summary>
    public int Length => (key.Modulus.BitLength + 7) / 8;

    /// <summary>A fresh key with exponent 3, its modulus of exactly <paramref name="bits"/>.</summary>
    public static CardRsaPrivate Generate(int bits, Entropy entropy)
    {
        var generator = new RsaKeyPairGenerator();
        generator.Init(new RsaKeyGenerationParameters(BigInteger.Three, new EntropyRandom(entropy), bits, certainty: 64));
        return new CardRsaPrivate((RsaPrivateCrtKeyParameters)generator.GenerateKeyPair().Private);
    }

    /// <summary>From the two primes, each of half the modulus' length, exponent 3; null when they make no key.</summary>
    public static CardRsaPrivate? FromPrimes(ReadOnlySpan<byte> primes)
    {
        if (primes.Length < 32 || primes.Length % 2 != 0)
        {
            return null;
        }

        BigInteger p = new(1, primes[..(primes.Length / 2)]), q = new(1, primes[(primes.Length / 2)..]);
        BigInteger p1 = p.Subtract(BigInteger.One), q1 = q.Subtract(BigInteger.One);
        try
        {
            var d = BigInteger.Three.ModInverse(p1.Multiply(q1));
            return new CardRsaPrivate(new RsaPrivateCrtKeyParameters(p.Multiply(q), BigInteger.Three, d, p, q, d.Mod(p1), d.Mod(q1), q.ModInverse(p)));
        }
        catch (ArithmeticException)
        {
            return null; // not coprime: no key
        }
        catch (ArgumentException)
        {
            return null; // even, or with a small factor
        }
    }

    /// <summary>From the five parts in the order of their DGIs 8201 … 8205; null when they do not fit together.</summary>
    public static CardRsaPrivate? FromParts(IReadOnlyList<byte[]> parts)
    {
        if (parts.Count != 5 || parts.Any(static part => part.Length is 0 or > 128))
        {
            return null;
        }

        BigInteger qInv = new(1, parts[0]), dq = new(1, parts[1]), dp = new(1, parts[2]), q = new(1, parts[3]), p = new(1, parts[4]);
        if (FromPrimes([.. Fixed(p, parts[4].Length), .. Fixed(q, parts[3].Length)]) is not { } made)
        {
            return null;
        }

        return made.key.DP.Equals(dp) && made.key.DQ.Equals(dq) && made.key.QInv.Equals(qInv) ? made : null;
    }

    public CardRsaPublic Public => new(Fixed(key.Modulus, Length), [0x03]);

    /// <summary>p ‖ q.</summary>
    public byte[] Primes() => [.. Fixed(key.P, Length / 2), .. Fixed(key.Q, Length / 2)];

    /// <summary>The five parts in the order of their DGIs.</summary>
    public IReadOnlyList<byte[]> Parts() => [Part(key.QInv), Part(key.DQ), Part(key.DP), Part(key.Q), Part(key.P)];

    /// <summary>The private operation on a block as long as the modulus and below it.</summary>
    public byte[] Sign(ReadOnlySpan<byte> block)
    {
        if (block.Length != Length)
        {
            throw new ArgumentException("a signature is as long as its modulus", nameof(block));
        }

        var engine = new RsaCoreEngine();
        engine.Init(true, key);
        return Fixed(engine.ProcessBlock(new BigInteger(1, block)), Length);
    }

    /// <summary>What was enciphered under the public half; null when it is not as long as the modulus, or not below it.</summary>
    public byte[]? Decipher(ReadOnlySpan<byte> block) =>
        block.Length == Length && new BigInteger(1, block).CompareTo(key.Modulus) < 0 ? Sign(block) : null;

    private byte[] Part(BigInteger value) => Fixed(value, Length / 2);

    internal static byte[] Fixed(BigInteger value, int length) => CardRsa.Fixed(value, length);

    public override string ToString() => $"RSA private key, {8 * Length} bits";
}

internal static class CardRsa
{
    /// <summary>Big-endian, zeros on the left.</summary>
    internal static byte[] Fixed(BigInteger value, int length)
    {
        var bytes = value.ToByteArrayUnsigned();
        var result = new byte[length];
        bytes.CopyTo(result, length - bytes.Length);
        CryptographicOperations.ZeroMemory(bytes);
        return result;
    }
}
