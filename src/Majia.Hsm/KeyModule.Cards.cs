using System.Security.Cryptography;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Hsm;

/// <summary>Cards: their cryptograms, and the secure channels to their chips.</summary>
public sealed partial class KeyModule
{
    /// <summary>Recomputes the cryptogram of the card's derived key (a token's, or a plastic's) and compares in constant time. False also for an input whose fields are not as long as their tags say.</summary>
    public bool VerifyCryptogram(string masterKey, AccountNumber number, string sequenceNumber, CryptogramVersion version, CryptogramInput input, ReadOnlySpan<byte> cryptogram)
    {
        var cardKey = CardKey(Find(masterKey, KeyUsage.EmvCryptogram), number, sequenceNumber);
        if (!input.IsWellFormed(version))
        {
            return false;
        }

        Span<byte> session = stackalloc byte[16];
        Span<byte> data = stackalloc byte[CryptogramInput.MaxLength];
        Cryptogram.DeriveSessionKey(cardKey, input.ApplicationTransactionCounter, session);
        var computed = Cryptogram.Compute(cardKey.Algorithm, session, data[..input.Write(version, data)]);
        CryptographicOperations.ZeroMemory(session);
        return CryptographicOperations.FixedTimeEquals(computed, cryptogram);
    }

    /// <summary>ARPC method 1 (8 bytes) over the cryptogram (8) and the response code (2 ASCII bytes).</summary>
    public byte[] ResponseCryptogram(string masterKey, AccountNumber number, string sequenceNumber, ushort atc, ReadOnlySpan<byte> cryptogram, ReadOnlySpan<byte> responseCode)
    {
        var cardKey = CardKey(Find(masterKey, KeyUsage.EmvCryptogram), number, sequenceNumber);
        Span<byte> session = stackalloc byte[16];
        Cryptogram.DeriveSessionKey(cardKey, atc, session);
        var response = Cryptogram.ResponseCryptogram(cardKey.Algorithm, session, cryptogram, responseCode);
        CryptographicOperations.ZeroMemory(session);
        return response;
    }

    /// <summary>MAC of one issuer script command (4 bytes, protocols.md 3.5) under the session MAC key of this card and counter.</summary>
    /// <param name="cryptogram">The transaction's first one.</param>
    public byte[] ScriptMac(string masterKey, AccountNumber number, string sequenceNumber, ushort atc, ReadOnlySpan<byte> cryptogram, ReadOnlySpan<byte> header, ReadOnlySpan<byte> data)
    {
        var cardKey = CardKey(Find(masterKey, KeyUsage.EmvIntegrity), number, sequenceNumber);
        var session = new byte[16];
        Cryptogram.DeriveSessionKey(cardKey, atc, session);
        var mac = IssuerScript.Mac(cardKey.Algorithm, session, header, atc, cryptogram, data);
        CryptographicOperations.ZeroMemory(session);
        return mac;
    }

    /// <summary>SCP03 to one chip. The key set is <c>{keySet}.enc/.mac/.dek</c>; with <paramref name="diversification"/> (10 bytes) it is a master set (<see cref="KeyUsage.SecureChannelMaster"/>), diversified per chip by KDF3 (protocols.md 5.2).</summary>
    public HostChannel OpenSecureChannel(string keySet, ReadOnlySpan<byte> diversification = default) =>
        new(this, entropy, ChannelKeys(keySet, diversification), diversification.ToArray());

    /// <summary>Chip factory only: the three keys of a master set diversified for one chip, <b>in clear</b>, as the factory writes them into it. The one call that lets key bytes out; the master set stays.</summary>
    public Scp03Keys ClearKeysForChipFactory(string keySet, ReadOnlySpan<byte> diversification) =>
        diversification.IsEmpty
            ? throw new KeyModuleException($"key set {keySet} of {party}: a factory writes diversified keys only")
            : ChannelKeys(keySet, diversification);

    /// <summary>The set's three keys, diversified when <paramref name="diversification"/> is there. A copy: the caller wipes it.</summary>
    internal Scp03Keys ChannelKeys(string keySet, ReadOnlySpan<byte> diversification)
    {
        var usage = diversification.IsEmpty ? KeyUsage.SecureChannel : KeyUsage.SecureChannelMaster;
        var set = new Scp03Keys(Find(keySet + ".enc", usage).Value, Find(keySet + ".mac", usage).Value, Find(keySet + ".dek", usage).Value);
        return diversification.IsEmpty
            ? new Scp03Keys([.. set.Encryption], [.. set.Mac], [.. set.DataEncryption])
            : Scp03Kdf3.Derive(set, diversification);
    }

    /// <summary>AC, MAC and ENC keys of one token, or of one plastic (3 × 16 bytes) and the first 3 bytes of their check values. The caller wipes the keys.</summary>
    internal (byte[] Keys, byte[] CheckValues) DeriveCardKeys(string cryptogramMaster, string integrityMaster, string confidentialityMaster, AccountNumber number, string sequenceNumber)
    {
        HeldKey[] masters =
        [
            Find(cryptogramMaster, KeyUsage.EmvCryptogram),
            Find(integrityMaster, KeyUsage.EmvIntegrity),
            Find(confidentialityMaster, KeyUsage.EmvConfidentiality),
        ];
        var derived = new byte[48];
        var checks = new byte[9];
        for (var i = 0; i < masters.Length; i++)
        {
            var algorithm = masters[i].Info.Algorithm;
            if (algorithm != masters[0].Info.Algorithm)
            {
                throw new KeyModuleException($"key {masters[i].Info.Name} of {party}: a card has all its keys in one algorithm");
            }

            var key = Cryptogram.DeriveCardKey(masters[i].Schedule!, number.Reveal(), sequenceNumber);
            key.CopyTo(derived, 16 * i);
            Cipher.KeyCheckValue(algorithm, key, 3).CopyTo(checks, 3 * i);
            CryptographicOperations.ZeroMemory(key);
        }

        return (derived, checks);
    }

    private static CipherKey CardKey(HeldKey master, AccountNumber number, string sequenceNumber)
    {
        var card = (number.Reveal(), sequenceNumber);
        if (master.CardKeys.TryGet(card, out var known))
        {
            return known;
        }

        var value = Cryptogram.DeriveCardKey(master.Schedule!, card.Item1, sequenceNumber);
        var derived = new CipherKey(master.Info.Algorithm, value);
        CryptographicOperations.ZeroMemory(value);
        master.CardKeys.Add(card, derived);
        return derived;
    }
}
