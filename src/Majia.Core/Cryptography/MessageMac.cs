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
    public static byte[] Compute(MacAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) => throw new NotImplementedException();
}

/// <summary>PIN block formats (ISO 9564-1, UnionPay; protocols.md 7.1).</summary>
public enum PinBlockFormat
{
    Iso0,
    Iso1,
    Iso3,
    Iso4,

    /// <summary>16-byte block in the manner of format 0, for SM4 (protocols.md 7.1, unverified).</summary>
    Sm4,
}

/// <summary>JSON Web Encryption (RFC 7516) to a party's public key: ECDH-ES+A256KW with A256GCM on P-256.</summary>
public static class Jwe
{
    /// <summary>Compact serialisation of <paramref name="plaintext"/> for the key <paramref name="publicJwk"/> (JSON Web Key).</summary>
    public static string Encrypt(string publicJwk, ReadOnlySpan<byte> plaintext) => throw new NotImplementedException();
}
