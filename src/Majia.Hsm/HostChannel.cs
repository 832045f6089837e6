using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;

namespace Majia.Hsm;

/// <summary>The host's end of one SCP03 session. The session keys stay inside the module.</summary>
/// <remarks>Order: <see cref="InitializeUpdate"/>, <see cref="TryAuthenticate"/>, then commands. One channel is one attempt; not thread-safe.</remarks>
public sealed class HostChannel
{
    private readonly KeyModule module;
    private readonly Entropy entropy;
    private readonly Scp03Keys keys;
    private readonly byte[] diversification;
    private byte[]? hostChallenge;
    private byte keyVersion;
    private Scp03Session? session;
    private bool closed;

    internal HostChannel(KeyModule module, Entropy entropy, Scp03Keys keys, byte[] diversification)
    {
        this.module = module;
        this.entropy = entropy;
        this.keys = keys;
        this.diversification = diversification;
    }

    /// <summary>8050 with key version and a fresh host challenge.</summary>
    public CommandApdu InitializeUpdate(byte keyVersion)
    {
        ObjectDisposedException.ThrowIf(closed, this); // its keys are zeros now
        this.keyVersion = keyVersion;
        session = null;
        hostChallenge = entropy.Bytes(8);
        return CommandApdu.Of(0x80, 0x50, keyVersion, 0x00, hostChallenge);
    }

    /// <summary>Checks the card's cryptogram and answers with EXTERNAL AUTHENTICATE at <paramref name="level"/> (33); false when the card is not who it should be.</summary>
    public bool TryAuthenticate(ResponseApdu initializeUpdate, byte level, [NotNullWhen(true)] out CommandApdu? externalAuthenticate)
    {
        externalAuthenticate = null;
        var challenge = hostChallenge ?? throw new InvalidOperationException("INITIALIZE UPDATE comes first");
        hostChallenge = null; // one challenge, one answer

        // Diversification 10 ‖ key version ‖ 03 ‖ i ‖ card challenge 8 ‖ card cryptogram 8 ‖ sequence 3 (protocols.md 5.4).
        var answer = initializeUpdate.Data.Span;
        if (!initializeUpdate.Status.IsOk
            || answer.Length < 29
            || (keyVersion != 0 && answer[10] != keyVersion)
            || answer[11] != 0x03
            || !Scp03Option.IsKnown(answer[12])
            || answer.Length != Scp03Option.AnswerLength(answer[12])
            || !Scp03Option.Allows(answer[12], level) // a card that cannot protect its answers is not asked to
            || (diversification.Length > 0 && !answer[..10].SequenceEqual(diversification)))
        {
            return false;
        }

        var fresh = Scp03Session.Derive(keys, challenge, answer.Slice(13, 8));
        if (!CryptographicOperations.FixedTimeEquals(fresh.CardCryptogram, answer.Slice(21, 8)))
        {
            fresh.End();
            return false;
        }

        session = fresh;
        externalAuthenticate = fresh.ExternalAuthenticate(level);
        return true;
    }

    public CommandApdu Wrap(CommandApdu command) => Session.Wrap(command);

    public bool TryUnwrap(ResponseApdu response, [NotNullWhen(true)] out ResponseApdu? plain) => Session.TryUnwrapResponse(response, out plain);

    /// <summary>Data field of PUT KEY (GP §11.8) that replaces this domain's keys by the set <paramref name="keySet"/> of this module, under this session's DEK.</summary>
    /// <param name="diversification">10 bytes when the set is a master set: what is put is then the chip's own.</param>
    public byte[] PutKeyData(byte newVersion, string keySet, ReadOnlySpan<byte> diversification = default)
    {
        var set = module.ChannelKeys(keySet, diversification);
        try
        {
            return [newVersion, .. KeyField(set.Encryption), .. KeyField(set.Mac), .. KeyField(set.DataEncryption)];
        }
        finally
        {
            Wipe(set);
        }
    }

    /// <summary>DGIs 8000 and 9000: the AC, MAC and ENC keys of a token or a plastic, derived from three master keys, under this session's DEK, with their check values.</summary>
    public byte[] CardKeyGroups(string cryptogramMaster, string integrityMaster, string confidentialityMaster, AccountNumber number, string sequenceNumber)
    {
        var (derived, checks) = module.DeriveCardKeys(cryptogramMaster, integrityMaster, confidentialityMaster, number, sequenceNumber);
        try
        {
            return [0x80, 0x00, 48, .. Session.EncryptSensitive(derived), 0x90, 0x00, 9, .. checks];
        }
        finally
        {
            CryptographicOperations.ZeroMemory(derived);
        }
    }

    /// <summary>DGIs 8010 and 9010: the card's PIN as its chip verifies it, out of the offset that the bank keeps, under this session's DEK; the PIN itself does not leave.</summary>
    public byte[] ReferencePinGroups(string verificationKey, Pan pan, ReadOnlySpan<char> offset, byte tries)
    {
        var block = module.ReferencePinBlock(verificationKey, pan, offset);
        var box = SealPadded(block);
        CryptographicOperations.ZeroMemory(block);
        return [.. DataGrouping.Encode(0x8010, box), .. DataGrouping.Encode(0x9010, [tries, tries])];
    }

    /// <summary>A fresh RSA key for the chip (exponent 3): DGIs 8201–8205 under this session's DEK. The private half is in them and nowhere else.</summary>
    public (CardRsaPublic Public, byte[] Groups) NewRsaChipKey(int bits)
    {
        var key = CardRsaPrivate.Generate(bits, entropy);
        var groups = new List<byte>();
        var id = 0x8201;
        foreach (var part in key.Parts())
        {
            groups.AddRange(DataGrouping.Encode(id++, SealPadded(part)));
            CryptographicOperations.ZeroMemory(part);
        }

        return (key.Public, [.. groups]);
    }

    /// <summary>A fresh SM2 key for the chip: DGI 8101 under this session's DEK, and the public point X ‖ Y.</summary>
    public (byte[] Point, byte[] Groups) NewSm2ChipKey()
    {
        var scalar = Sm2.GeneratePrivate(entropy);
        var point = Sm2.PublicOf(scalar);
        var groups = DataGrouping.Encode(0x8101, SealPadded(scalar));
        CryptographicOperations.ZeroMemory(scalar);
        return (point, groups);
    }

    /// <summary>DGIs 8000 and 9000 of a transit card: purchase, load and TAC key of its number (8 bytes BCD), out of three master keys of this module.</summary>
    public byte[] TransitKeyGroups(string purchaseMaster, string loadMaster, string codeMaster, ReadOnlySpan<byte> number)
    {
        var (derived, checks) = module.DeriveTransitKeys(purchaseMaster, loadMaster, codeMaster, number);
        try
        {
            return [0x80, 0x00, 48, .. Session.EncryptSensitive(derived), 0x90, 0x00, 9, .. checks];
        }
        finally
        {
            CryptographicOperations.ZeroMemory(derived);
        }
    }

    /// <summary>Ends the session and wipes its keys; the channel is of no more use.</summary>
    public void Close()
    {
        session?.End();
        session = null;
        hostChallenge = null;
        closed = true;
        Wipe(keys);
    }

    private Scp03Session Session => session ?? throw new InvalidOperationException("the secure channel is not open");

    /// <summary>88 (AES) ‖ length ‖ [key length ‖] key under the DEK ‖ 03 ‖ check value over 01×16 (protocols.md 5.1).</summary>
    private byte[] KeyField(byte[] key)
    {
        Span<byte> ones = stackalloc byte[16];
        ones.Fill(1);
        var padded = new byte[(key.Length + 15) / 16 * 16];
        key.CopyTo(padded, 0);
        var field = Session.EncryptSensitive(padded);
        CryptographicOperations.ZeroMemory(padded);
        var check = Cipher.EncryptEcb(CipherAlgorithm.Aes, key, ones).AsSpan(0, 3);

        // GP §11.8.2.4: where padding hides the key's length, it stands in front.
        return key.Length == field.Length ? [0x88, (byte)field.Length, .. field, 3, .. check] : [0x88, (byte)(field.Length + 1), (byte)key.Length, .. field, 3, .. check];
    }

    private byte[] SealPadded(ReadOnlySpan<byte> value)
    {
        var padded = Cipher.Pad80(value, 16);
        var box = Session.EncryptSensitive(padded);
        CryptographicOperations.ZeroMemory(padded);
        return box;
    }

    private static void Wipe(Scp03Keys set)
    {
        CryptographicOperations.ZeroMemory(set.Encryption);
        CryptographicOperations.ZeroMemory(set.Mac);
        CryptographicOperations.ZeroMemory(set.DataEncryption);
    }
}
