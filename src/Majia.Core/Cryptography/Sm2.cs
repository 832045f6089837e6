using Majia.Core.Primitives;
using Org.BouncyCastle.Asn1.X9;
using Org.BouncyCastle.Crypto.EC;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC;
using Org.BouncyCastle.Math.EC.Multiplier;

namespace Majia.Core.Cryptography;

/// <summary>SM2 signatures with SM3 on sm2p256v1, as cards and their certificates use them (GM/T 0003, GM/T 0009; protocols.md 4.3). Keys and signatures are plain bytes.</summary>
public static class Sm2
{
    /// <summary>Private scalar; public point X ‖ Y; signature r ‖ s.</summary>
    public const int PrivateLength = 32, PublicLength = 64, SignatureLength = 64;

    /// <summary>The signer's identity that the standard gives where none is agreed (GM/T 0009 §10).</summary>
    private static readonly byte[] Identity = "1234567812345678"u8.ToArray();

    /// <summary>The library's own arithmetic for this prime: several times as fast as its general one.</summary>
    private static readonly X9ECParameters Curve = CustomNamedCurves.GetByName("sm2p256v1");

    private static readonly ECDomainParameters Domain = new(Curve);

    /// <summary>A scalar of 1 … n − 2, by rejection.</summary>
    public static byte[] GeneratePrivate(Entropy entropy)
    {
        while (true)
        {
            var scalar = entropy.Bytes(PrivateLength);
            if (IsPrivate(scalar))
            {
                return scalar;
            }
        }
    }

    /// <summary>1 … n − 2 in 32 bytes: with n − 1 a signature cannot be made (GM/T 0003.1 §6.1).</summary>
    public static bool IsPrivate(ReadOnlySpan<byte> scalar)
    {
        if (scalar.Length != PrivateLength)
        {
            return false;
        }

        var value = new BigInteger(1, scalar);
        return value.SignValue > 0 && value.CompareTo(Curve.N.Subtract(BigInteger.One)) < 0;
    }

    /// <summary>X ‖ Y of a private scalar.</summary>
    public static byte[] PublicOf(ReadOnlySpan<byte> scalar) =>
        new FixedPointCombMultiplier().Multiply(Curve.G, new BigInteger(1, scalar)).Normalize().GetEncoded(false)[1..];

    /// <summary>r ‖ s over <paramref name="message"/>, the identity value in front as the standard has it.</summary>
    public static byte[] Sign(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> message, Entropy entropy)
    {
        var signer = new SM2Signer(PlainDsaEncoding.Instance);
        signer.Init(true, new ParametersWithID(new ParametersWithRandom(new ECPrivateKeyParameters(new BigInteger(1, scalar), Domain), new EntropyRandom(entropy)), Identity));
        signer.BlockUpdate(message);
        return signer.GenerateSignature();
    }

    /// <summary>False also for a point that is not on the curve and for a signature of another length.</summary>
    public static bool Verify(ReadOnlySpan<byte> point, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (point.Length != PublicLength || signature.Length != SignatureLength)
        {
            return false;
        }

        ECPoint q;
        try
        {
            q = Curve.Curve.DecodePoint([0x04, .. point]);
        }
        catch (ArgumentException)
        {
            return false;
        }

        var signer = new SM2Signer(PlainDsaEncoding.Instance);
        signer.Init(false, new ParametersWithID(new ECPublicKeyParameters(q, Domain), Identity));
        signer.BlockUpdate(message);
        return signer.VerifySignature(signature.ToArray());
    }
}
