using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>A call of a handset: what it asks, and its own key's word for exactly that.</summary>
/// <param name="DeviceId">The cloud's name for the handset; empty in a sign-in, whose body brings the key.</param>
/// <param name="Body">The operation's request as JSON, as it was signed.</param>
/// <param name="At">The handset's clock: milliseconds since 1970, UTC.</param>
/// <param name="Nonce">32 hex digits, new for each call.</param>
/// <param name="Signature">ECDSA P-256 with SHA-256 in IEEE P1363 form (64 bytes), as base64.</param>
public sealed record HandsetCall(string DeviceId, string Body, long At, string Nonce, string Signature)
{
    /// <summary>The cloud has seen this nonce of this handset: whether the first of the two took effect, only its answer tells.</summary>
    public const string Repeated = "CALL_REPEATED";

    /// <summary>The call is older, or of a later time, than the cloud takes.</summary>
    public const string ClockWrong = "HANDSET_CLOCK_WRONG";

    /// <summary>How far a handset's clock may be from the cloud's; for so long a nonce is remembered.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    /// <summary>What the signature is over: purpose, operation, handset, time, nonce, body, one a line; only the body may hold a line feed.</summary>
    public byte[] Signed(string operation) => Encoding.UTF8.GetBytes($"majia handset 1\n{operation}\n{DeviceId}\n{At}\n{Nonce}\n{Body}");

    public HandsetCall SignedBy(HandsetKey key, string operation) => this with { Signature = Convert.ToBase64String(key.Sign(Signed(operation))) };

    public bool IsSignedBy(ReadOnlySpan<byte> publicKey, string operation)
    {
        Span<byte> signature = stackalloc byte[HandsetKey.SignatureLength];
        return Signature.Length == 88 && Convert.TryFromBase64String(Signature, signature, out var length) && length == signature.Length
            && !DeviceId.Contains('\n') && Nonce.Length == 32 && Nonce.All(char.IsAsciiHexDigitLower)
            && HandsetKey.Verifies(publicKey, Signed(operation), signature);
    }

    public override string ToString() => $"call of handset {DeviceId}";
}

/// <summary>The key pair of one handset (P-256). The private half is made in the handset and never leaves it.</summary>
public sealed class HandsetKey
{
    public const int SignatureLength = 64;

    private const int ScalarLength = 32;

    private const string Curve = "1.2.840.10045.3.1.7"; // NIST P-256, RFC 5480 §2.1.1.1

    /// <summary>The order of P-256 (FIPS 186-4 §D.1.2.3): a private key is less.</summary>
    private static readonly byte[] Order = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");

    private readonly byte[] scalar;

    private HandsetKey(byte[] scalar) => this.scalar = scalar;

    /// <summary>A new one. Uniform below the order: what is not is drawn again.</summary>
    public static HandsetKey New(Entropy entropy)
    {
        while (true)
        {
            var scalar = entropy.Bytes(ScalarLength);
            if (IsScalar(scalar))
            {
                return new(scalar);
            }
        }
    }

    /// <summary>As <see cref="Secret"/> gave it.</summary>
    public static HandsetKey From(ReadOnlySpan<byte> secret) => IsScalar(secret) ? new(secret.ToArray()) : throw new ArgumentException("no private key on P-256", nameof(secret));

    private static bool IsScalar(ReadOnlySpan<byte> bytes) => bytes.Length == ScalarLength && bytes.IndexOfAnyExcept((byte)0) >= 0 && bytes.SequenceCompareTo(Order) < 0;

    /// <summary>For the handset's sealed store alone.</summary>
    public byte[] Secret() => [.. scalar];

    /// <summary>SubjectPublicKeyInfo (RFC 5480), 91 bytes.</summary>
    public byte[] PublicKey()
    {
        using var key = Open();
        return key.ExportSubjectPublicKeyInfo();
    }

    /// <remarks>The signature's own randomness is the system's: two signatures of one message differ.</remarks>
    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        using var key = Open();
        return key.SignData(message, HashAlgorithmName.SHA256);
    }

    private ECDsa Open() => ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = scalar });

    /// <summary>A SubjectPublicKeyInfo from outside, in base64; false when it is no key on P-256.</summary>
    public static bool TryReadPublic(string base64, [NotNullWhen(true)] out byte[]? publicKey)
    {
        var bytes = new byte[91];
        publicKey = base64.Length == 124 && Convert.TryFromBase64String(base64, bytes, out var length) && length == bytes.Length && IsPublic(bytes) ? bytes : null;
        return publicKey is not null;
    }

    private static bool IsPublic(ReadOnlySpan<byte> bytes)
    {
        using var key = ECDsa.Create();
        try
        {
            key.ImportSubjectPublicKeyInfo(bytes, out var read);
            return read == bytes.Length && key.ExportParameters(false).Curve.Oid.Value == Curve;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    internal static bool Verifies(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (publicKey.IsEmpty)
        {
            return false;
        }

        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(publicKey, out _);
        return key.VerifyData(message, signature, HashAlgorithmName.SHA256);
    }

    public override string ToString() => "handset key";
}
