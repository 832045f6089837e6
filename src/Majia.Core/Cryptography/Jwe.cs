using System.Diagnostics.CodeAnalysis;
using Jose;

namespace Majia.Core.Cryptography;

/// <summary>JSON Web Encryption (RFC 7516) to a party's public key: ECDH-ES+A256KW with A256GCM on P-256.</summary>
public static class Jwe
{
    public const JweAlgorithm KeyAgreement = JweAlgorithm.ECDH_ES_A256KW;

    public const JweEncryption ContentEncryption = JweEncryption.A256GCM;

    /// <summary>Compact serialisation of <paramref name="plaintext"/> for the key <paramref name="publicJwk"/> (JSON Web Key).</summary>
    /// <remarks>Its ephemeral key and nonce are the library's own, from the system: two calls never give the same text.</remarks>
    public static string Encrypt(string publicJwk, ReadOnlySpan<byte> plaintext) =>
        JWT.EncodeBytes(plaintext.ToArray(), Jwk.FromJson(publicJwk), KeyAgreement, ContentEncryption);

    /// <summary>As <see cref="Encrypt"/> for a key from outside; false when it is no public key on P-256.</summary>
    public static bool TryEncrypt(string publicJwk, ReadOnlySpan<byte> plaintext, [NotNullWhen(true)] out string? compact)
    {
        try
        {
            compact = Encrypt(publicJwk, plaintext);
            return true;
        }
#pragma warning disable CA1031 // the library has no Try twin, and what it throws for text from outside is not one type
        catch (Exception malformed) when (malformed is not OutOfMemoryException)
#pragma warning restore CA1031
        {
            compact = null;
            return false;
        }
    }
}
