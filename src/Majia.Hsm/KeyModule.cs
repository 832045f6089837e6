using System.Diagnostics.CodeAnalysis;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Hsm;

/// <summary>What a key may do, as TR-31 spells it. A key does nothing else (quality.md 10).</summary>
public enum KeyUsage
{
    /// <summary>K0: wraps other keys (ZMK, TMK).</summary>
    KeyEncryption,

    /// <summary>P0: PIN encryption (PIK, ZPK).</summary>
    PinEncryption,

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

    /// <summary>10, numeric and ours: SCP03 key sets, documented in docs/protocols/keys.md.</summary>
    SecureChannel,

    /// <summary>11, numeric and ours: MAC over a token–PAN binding (decisions.md 11).</summary>
    TokenBinding,

    /// <summary>12, numeric and ours: private key for JWE.</summary>
    Decryption,
}

/// <summary>What may be told of a key: never its value.</summary>
/// <param name="CheckValue">Upper-case hex, 4 bytes (protocols.md 6.6).</param>
/// <param name="IsTest">Made by the seeding ceremony: production mode refuses it.</param>
public sealed record KeyInfo(string Name, KeyUsage Usage, CipherAlgorithm Algorithm, string CheckValue, bool IsTest);

/// <summary>One party's key module: keys go in, never out in clear. Each at rest is a TR-31 version D block under the party's local master key.</summary>
/// <remarks>Thread-safe. A call with a missing key or a key of another usage throws <see cref="KeyModuleException"/>: configuration is wrong or somebody tries.</remarks>
public sealed class KeyModule
{
    /// <summary>Opens (or creates) the store in <paramref name="folder"/>: <c>{party}.lmk</c> and <c>{party}.keys.json</c>, owner-readable only. Runs the known-answer self test.</summary>
    /// <param name="production">Refuses a store that holds a test key.</param>
    public static KeyModule Open(string folder, string party, Entropy entropy, bool production = false) => throw new NotImplementedException();

    /// <summary>A module that lives in memory, for tests and simulation.</summary>
    public static KeyModule InMemory(string party, Entropy entropy) => throw new NotImplementedException();

    public IReadOnlyList<KeyInfo> Keys => throw new NotImplementedException();

    public bool TryInfo(string name, [NotNullWhen(true)] out KeyInfo? info) => throw new NotImplementedException();

    // ---- key management ----

    /// <summary>Generates a random key (3DES: double length with odd parity; AES: 32 bytes unless the usage is SecureChannel, then 16; SM4: 16).</summary>
    public KeyInfo Generate(string name, KeyUsage usage, CipherAlgorithm algorithm, bool test) => throw new NotImplementedException();

    /// <summary>Forms a key from two or more custodians' components by XOR (dual control: one alone is refused).</summary>
    public KeyInfo Form(string name, KeyUsage usage, CipherAlgorithm algorithm, IReadOnlyList<byte[]> components, bool test) => throw new NotImplementedException();

    /// <summary>TR-31 block of a key under a KeyEncryption key (AES).</summary>
    public string Export(string name, string transportKey) => throw new NotImplementedException();

    public KeyInfo Import(string name, string block, string transportKey) => throw new NotImplementedException();

    /// <summary>Working key as sign-on sends it: ECB under the terminal master key, with its 4-byte check value (protocols.md 6.6).</summary>
    public (byte[] Wrapped, byte[] CheckValue) ExportWorkingKey(string name, string masterKey) => throw new NotImplementedException();

    public KeyInfo ImportWorkingKey(string name, KeyUsage usage, ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> checkValue, string masterKey) => throw new NotImplementedException();

    public void Delete(string name) => throw new NotImplementedException();

    // ---- messages ----

    public byte[] Mac(string key, MacAlgorithm algorithm, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    /// <summary>Constant time.</summary>
    public bool VerifyMac(string key, MacAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> mac) => throw new NotImplementedException();

    // ---- PIN ----

    /// <summary>PIN pad only: the digits become a block here and exist nowhere else. Format by algorithm of the key: ISO 0 (3DES), SM4 format (SM4), ISO 4 (AES).</summary>
    public byte[] EncryptPin(string pinKey, ReadOnlySpan<char> pin, AccountNumber number) => throw new NotImplementedException();

    /// <summary>From one PIN key to another, the number unchanged.</summary>
    public bool TryTranslatePin(string fromKey, string toKey, ReadOnlySpan<byte> block, AccountNumber number, [NotNullWhen(true)] out byte[]? translated) => throw new NotImplementedException();

    /// <summary>From token to PAN: only with the vault's binding MAC over exactly this token, PAN and transaction (decisions.md 11).</summary>
    /// <param name="transaction">The switch key of the transaction: F7 ‖ F11 ‖ F32 ‖ F33 as text.</param>
    public bool TryTranslatePin(string fromKey, string toKey, ReadOnlySpan<byte> block, PaymentToken token, Pan pan, string transaction, string bindingKey, ReadOnlySpan<byte> binding, [NotNullWhen(true)] out byte[]? translated) => throw new NotImplementedException();

    /// <summary>The vault's MAC (8 bytes of HMAC-SHA-256) over token, PAN and transaction.</summary>
    public byte[] BindTokenToPan(string bindingKey, PaymentToken token, Pan pan, string transaction) => throw new NotImplementedException();

    /// <summary>IBM 3624 with offset. A block that does not hold a PIN of 4 to 12 digits is <see cref="PinVerdict.Malformed"/>.</summary>
    public PinVerdict VerifyPin(string pinKey, string verificationKey, ReadOnlySpan<byte> block, Pan pan, ReadOnlySpan<char> offset) => throw new NotImplementedException();

    /// <summary>At card issuance: the offset that belongs to a chosen PIN.</summary>
    public string PinOffset(string verificationKey, Pan pan, ReadOnlySpan<char> pin) => throw new NotImplementedException();

    // ---- cards ----

    /// <summary>Recomputes the cryptogram of the token's derived key and compares in constant time.</summary>
    public bool VerifyCryptogram(string masterKey, PaymentToken token, string sequenceNumber, CryptogramVersion version, CryptogramInput input, ReadOnlySpan<byte> cryptogram) => throw new NotImplementedException();

    public byte[] ResponseCryptogram(string masterKey, PaymentToken token, string sequenceNumber, ushort atc, ReadOnlySpan<byte> cryptogram, ReadOnlySpan<byte> responseCode) => throw new NotImplementedException();

    /// <summary>SCP03 to one chip. The key set is <c>{keySet}.enc/.mac/.dek</c>; with <paramref name="diversification"/> (10 bytes) it is a master set, diversified per chip by KDF3 (protocols.md 5.2).</summary>
    public HostChannel OpenSecureChannel(string keySet, ReadOnlySpan<byte> diversification = default) => throw new NotImplementedException();

    /// <summary>The three keys of a master set diversified for one chip, as the factory writes them into it.</summary>
    public Scp03Keys FactoryKeys(string keySet, ReadOnlySpan<byte> diversification) => throw new NotImplementedException();

    // ---- data ----

    /// <summary>AES-256-GCM: nonce (12) ‖ ciphertext ‖ tag (16), bound to <paramref name="context"/>.</summary>
    public byte[] Seal(string key, ReadOnlySpan<byte> plaintext, string context) => throw new NotImplementedException();

    public bool TryUnseal(string key, ReadOnlySpan<byte> box, string context, [NotNullWhen(true)] out byte[]? plaintext) => throw new NotImplementedException();

    /// <summary>HMAC-SHA-256 of a number, for look-up (32 bytes).</summary>
    public byte[] Index(string key, AccountNumber number) => throw new NotImplementedException();

    /// <summary>Public JWK of a Decryption key (P-256), to encrypt to with <see cref="Jwe.Encrypt"/>.</summary>
    public string PublicJwk(string name) => throw new NotImplementedException();

    public bool TryDecryptJwe(string name, string compact, [NotNullWhen(true)] out byte[]? plaintext) => throw new NotImplementedException();
}

public enum PinVerdict
{
    Right,
    Wrong,
    Malformed,
}

/// <summary>A key is missing, of another usage, or its store is damaged.</summary>
public sealed class KeyModuleException(string message) : Exception(message);

/// <summary>The host's end of one SCP03 session. The session keys stay inside the module.</summary>
public sealed class HostChannel
{
    internal HostChannel()
    {
    }

    /// <summary>8050 with key version and a fresh host challenge.</summary>
    public CommandApdu InitializeUpdate(byte keyVersion) => throw new NotImplementedException();

    /// <summary>Checks the card's cryptogram and answers with EXTERNAL AUTHENTICATE at <paramref name="level"/> (33); false when the card is not who it should be.</summary>
    public bool TryAuthenticate(ResponseApdu initializeUpdate, byte level, [NotNullWhen(true)] out CommandApdu? externalAuthenticate) => throw new NotImplementedException();

    public CommandApdu Wrap(CommandApdu command) => throw new NotImplementedException();

    public bool TryUnwrap(ResponseApdu response, [NotNullWhen(true)] out ResponseApdu? plain) => throw new NotImplementedException();

    /// <summary>Data field of PUT KEY (GP §11.8) that replaces this domain's keys by the set <paramref name="keySet"/> of this module, under this session's DEK.</summary>
    public byte[] PutKeyData(byte newVersion, string keySet) => throw new NotImplementedException();

    /// <summary>DGIs 8000 and 9000: the token's AC, MAC and ENC keys derived from three master keys, under this session's DEK, with their check values.</summary>
    public byte[] CardKeyGroups(string cryptogramMaster, string integrityMaster, string confidentialityMaster, PaymentToken token, string sequenceNumber) => throw new NotImplementedException();
}
