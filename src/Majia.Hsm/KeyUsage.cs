using Majia.Core.Cryptography;

namespace Majia.Hsm;

/// <summary>What a key may do, as TR-31 spells it. A key does nothing else (quality.md 10).</summary>
public enum KeyUsage
{
    /// <summary>K0: wraps other keys (ZMK, TMK).</summary>
    KeyEncryption,

    /// <summary>P0: PIN keys of an institution (PIK, ZPK). They translate blocks and verify; of a chosen PIN they make no block.</summary>
    PinEncryption,

    /// <summary>P0, encrypt only: the same key as a PIN pad holds it. It makes blocks and opens none.</summary>
    PinEntry,

    /// <summary>M3: message authentication (MAK, ZAK).</summary>
    MessageAuthentication,

    /// <summary>E0: issuer master key for application cryptograms.</summary>
    EmvCryptogram,

    /// <summary>E1: issuer master key for secure messaging confidentiality.</summary>
    EmvConfidentiality,

    /// <summary>E2: issuer master key for secure messaging integrity.</summary>
    EmvIntegrity,

    /// <summary>V1: PIN verification (IBM 3624).</summary>
    PinVerification,

    /// <summary>D0: data encryption (the vault's PAN key).</summary>
    DataEncryption,

    /// <summary>M7: keyed hash (the vault's PAN index).</summary>
    KeyedHash,

    /// <summary>10, numeric and ours: the SCP03 key set of one domain, documented in docs/protocols/keys.md.</summary>
    SecureChannel,

    /// <summary>13, numeric and ours: a master set, from which the sets of chips are diversified. Opens no channel itself.</summary>
    SecureChannelMaster,

    /// <summary>11, generate only, numeric and ours: the vault's key over token–PAN bindings (decisions.md 11).</summary>
    TokenBinding,

    /// <summary>11, verify only: the same key as the network holds it. It checks bindings and makes none.</summary>
    TokenBindingCheck,

    /// <summary>12, numeric and ours: private key for JWE.</summary>
    Decryption,

    /// <summary>S0, RSA: an authority's or a bank's private key for card certificates (EMV Book 2 §5), as its two primes.</summary>
    CertificationRsa,

    /// <summary>S0, SM2: the same in SM2 (protocols.md 4.3).</summary>
    CertificationSm2,

    /// <summary>14, numeric and ours: SM4 master key of transit cards for gates (<see cref="Majia.Core.Cryptography.TransitPurse"/>).</summary>
    TransitPurchase,

    /// <summary>15, numeric and ours: … for top-ups.</summary>
    TransitLoad,

    /// <summary>16, numeric and ours: … for transaction authentication codes.</summary>
    TransitCode,
}

/// <summary>What may be told of a key: never its value.</summary>
/// <param name="Algorithm">Of an elliptic-curve key (Decryption): AES, what its agreement wraps.</param>
/// <param name="CheckValue">Upper-case hex, 4 bytes (protocols.md 6.6).</param>
/// <param name="IsTest">Made by the seeding ceremony: production mode refuses it.</param>
/// <param name="Exportable">It may leave under a transport key, once made here for two parties. What came from another party never goes on.</param>
public sealed record KeyInfo(string Name, KeyUsage Usage, CipherAlgorithm Algorithm, string CheckValue, bool IsTest, bool Exportable);

/// <summary>How each usage stands in a TR-31 header, and with which ciphers it goes (docs/protocols/keys.md).</summary>
internal static class KeyUsages
{
    /// <summary>What a key is made of; decides its letter in the block and its check value.</summary>
    internal enum Kind
    {
        Cipher,
        Hash,
        EllipticCurve,
        Rsa,
        Sm2,
    }

    /// <param name="Code">TR-31 key usage.</param>
    /// <param name="Mode">TR-31 mode of use.</param>
    /// <param name="SharedAs">What the other side gets when it is exported; null: it never leaves (TR-31 exportability N).</param>
    internal sealed record Row(KeyUsage Usage, string Code, char Mode, KeyUsage? SharedAs, Kind Kind, params CipherAlgorithm[] Algorithms);

    private static readonly Row[] Rows =
    [
        new(KeyUsage.KeyEncryption, "K0", 'B', null, Kind.Cipher, CipherAlgorithm.Aes, CipherAlgorithm.TripleDes, CipherAlgorithm.Sm4),
        new(KeyUsage.PinEncryption, "P0", 'B', KeyUsage.PinEncryption, Kind.Cipher, CipherAlgorithm.TripleDes, CipherAlgorithm.Sm4, CipherAlgorithm.Aes),
        new(KeyUsage.PinEntry, "P0", 'E', null, Kind.Cipher, CipherAlgorithm.TripleDes, CipherAlgorithm.Sm4, CipherAlgorithm.Aes),
        new(KeyUsage.MessageAuthentication, "M3", 'C', KeyUsage.MessageAuthentication, Kind.Cipher, CipherAlgorithm.TripleDes, CipherAlgorithm.Sm4),
        new(KeyUsage.EmvCryptogram, "E0", 'X', null, Kind.Cipher, CipherAlgorithm.TripleDes, CipherAlgorithm.Sm4),
        new(KeyUsage.EmvConfidentiality, "E1", 'X', null, Kind.Cipher, CipherAlgorithm.TripleDes, CipherAlgorithm.Sm4),
        new(KeyUsage.EmvIntegrity, "E2", 'X', null, Kind.Cipher, CipherAlgorithm.TripleDes, CipherAlgorithm.Sm4),
        new(KeyUsage.PinVerification, "V1", 'C', null, Kind.Cipher, CipherAlgorithm.TripleDes),
        new(KeyUsage.DataEncryption, "D0", 'B', null, Kind.Cipher, CipherAlgorithm.Aes),
        new(KeyUsage.KeyedHash, "M7", 'C', null, Kind.Hash, CipherAlgorithm.Aes),
        new(KeyUsage.SecureChannel, "10", 'X', KeyUsage.SecureChannel, Kind.Cipher, CipherAlgorithm.Aes),
        new(KeyUsage.SecureChannelMaster, "13", 'X', null, Kind.Cipher, CipherAlgorithm.Aes),
        new(KeyUsage.TokenBinding, "11", 'G', KeyUsage.TokenBindingCheck, Kind.Hash, CipherAlgorithm.Aes),
        new(KeyUsage.TokenBindingCheck, "11", 'V', null, Kind.Hash, CipherAlgorithm.Aes),
        new(KeyUsage.Decryption, "12", 'D', null, Kind.EllipticCurve, CipherAlgorithm.Aes),
        new(KeyUsage.CertificationRsa, "S0", 'S', null, Kind.Rsa, CipherAlgorithm.Aes),
        new(KeyUsage.CertificationSm2, "S0", 'S', null, Kind.Sm2, CipherAlgorithm.Aes),
        new(KeyUsage.TransitPurchase, "14", 'X', KeyUsage.TransitPurchase, Kind.Cipher, CipherAlgorithm.Sm4),
        new(KeyUsage.TransitLoad, "15", 'X', null, Kind.Cipher, CipherAlgorithm.Sm4),
        new(KeyUsage.TransitCode, "16", 'X', null, Kind.Cipher, CipherAlgorithm.Sm4),
    ];

    internal static Row Of(KeyUsage usage) => Rows[(int)usage];

    /// <summary>Usage and cipher that a header names; null when it is none of ours.</summary>
    internal static (KeyUsage Usage, CipherAlgorithm Algorithm)? Read(Tr31Header header)
    {
        foreach (var row in Rows)
        {
            foreach (var algorithm in row.Algorithms)
            {
                if (row.Code == header.Usage && row.Mode == header.Mode && Letter(row, algorithm) == header.Algorithm)
                {
                    return (row.Usage, algorithm);
                }
            }
        }

        return null;
    }

    internal static char Letter(Row row, CipherAlgorithm algorithm) => (row.Kind, algorithm) switch
    {
        (Kind.Hash, _) => 'H',
        (Kind.EllipticCurve, _) => 'E',
        (Kind.Rsa, _) => 'R',
        (Kind.Sm2, _) => '2', // no letter in X9.143; digits are for private use
        (_, CipherAlgorithm.TripleDes) => 'T',
        (_, CipherAlgorithm.Aes) => 'A',
        _ => '1', // SM4 has no letter in X9.143; digits are for private use
    };

    /// <summary>Bytes of a key that <see cref="KeyModule.Generate"/> makes.</summary>
    internal static int NewLength(KeyUsage usage, CipherAlgorithm algorithm) => algorithm == CipherAlgorithm.Aes && usage is not (KeyUsage.SecureChannel or KeyUsage.SecureChannelMaster) ? 32 : 16;

    internal static bool IsLength(KeyUsage usage, CipherAlgorithm algorithm, int length) => (Of(usage).Kind, algorithm) switch
    {
        (Kind.Hash, _) => length is >= 16 and <= 64,
        (Kind.EllipticCurve or Kind.Sm2, _) => length == 32,
        (Kind.Rsa, _) => length is >= 64 and <= 248 && length % 2 == 0, // two primes: a modulus of 512 to 1984 bits
        (_, CipherAlgorithm.TripleDes) => length is 16 or 24 || (length == 8 && usage == KeyUsage.MessageAuthentication), // old acquirers' single MAK
        (_, CipherAlgorithm.Aes) => length is 16 or 24 or 32,
        _ => length == 16,
    };
}
