using System.Security.Cryptography;
using Majia.Core.Primitives;
using Org.BouncyCastle.Asn1.X9;
using Org.BouncyCastle.Crypto.EC;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC.Multiplier;

namespace Majia.Hsm;

/// <summary>Private keys on P-256 (FIPS 186-5), as their 32-byte scalar.</summary>
internal static class EllipticCurveKey
{
    private static readonly X9ECParameters Curve = CustomNamedCurves.GetByName("P-256");

    /// <summary>Uniform in 1 … n − 1, by rejection (FIPS 186-5 §A.2.2).</summary>
    internal static byte[] Generate(Entropy entropy)
    {
        while (true)
        {
            var scalar = entropy.Bytes(32);
            if (IsScalar(scalar))
            {
                return scalar;
            }
        }
    }

    internal static bool IsScalar(ReadOnlySpan<byte> scalar)
    {
        var value = new BigInteger(1, scalar);
        return value.SignValue > 0 && value.CompareTo(Curve.N) < 0;
    }

    /// <summary>X ‖ Y, 64 bytes.</summary>
    internal static byte[] PublicPoint(ReadOnlySpan<byte> scalar)
    {
        var point = new FixedPointCombMultiplier().Multiply(Curve.G, new BigInteger(1, scalar)).Normalize();
        return point.GetEncoded(false)[1..];
    }

    /// <summary>The key for the platform's key agreement; the caller disposes it.</summary>
    internal static ECDiffieHellman Open(byte[] scalar)
    {
        var point = PublicPoint(scalar);
        return ECDiffieHellman.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            D = scalar,
            Q = new ECPoint { X = point[..32], Y = point[32..] },
        });
    }
}
