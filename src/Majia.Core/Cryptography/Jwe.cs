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
}
