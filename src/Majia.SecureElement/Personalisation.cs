using System.Collections.Immutable;
using System.Security.Cryptography;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>Data grouping identifiers of one payment instance, read as a whole after the last STORE DATA block (protocols.md 5.5; EMV CPS).</summary>
internal static class Personalisation
{
    /// <summary>Bytes that the chip collects in RAM for one instance.</summary>
    public const int MaxBytes = 4096;

    private const int CardKeys = 0x8000, CardKeyChecks = 0x9000, InternalData = 0x0D01, ContactlessFci = 0x9103, GpoData = 0x9207, Algorithm = 0x4D4A,
        ReferencePin = 0x8010, PinTries = 0x9010, Sm2Key = 0x8101, FirstRsaPart = 0x8201, LastRsaPart = 0x8205, ContactFci = 0x9102, ContactGpo = 0x9104, OfflineGpo = 0x9203,
        TransitCard = 0x0015;

    /// <summary>IAD byte 8 and DGI 4D4A (protocols.md 1.4).</summary>
    private const byte TripleDes = 0x01, Sm4 = 0x04;

    private static readonly ImmutableArray<int> FullPdol = [0x9F66, 0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37], ReducedPdol = [0x9F66, 0x9F02, 0x9F37, 0x5F2A];

    /// <summary>The profile and its first ATC; or null and the status word that says why not.</summary>
    public static (PaymentProfile? Profile, ushort Atc, ushort Status) Read(ReadOnlyMemory<byte> data, Scp03Session session)
    {
        if (!TrySplit(data, out var groups))
        {
            return (null, 0, Sw.WrongData);
        }

        var records = ImmutableArray.CreateBuilder<PaymentRecord>();
        foreach (var (id, value) in groups)
        {
            if (id is CardKeys or CardKeyChecks or InternalData or ContactlessFci or GpoData or Algorithm or ReferencePin or PinTries or Sm2Key or (>= FirstRsaPart and <= LastRsaPart) or ContactFci or ContactGpo or OfflineGpo)
            {
                continue;
            }

            // 0101 … 1EFF: SFI and record number, template 70 inside
            if (id >> 8 is < 0x01 or > 0x1E || (id & 0xFF) is 0 or 0xFF)
            {
                return (null, 0, Sw.Unreferenced);
            }

            if (!BerTlv.TryRead(value.Span, out var template, out _, out var used, out _) || template != 0x70 || used != value.Length || used > 254)
            {
                return (null, 0, Sw.WrongData);
            }

            records.Add(new PaymentRecord((byte)(id >> 8), (byte)(id & 0xFF), value));
        }

        if (!groups.TryGetValue(CardKeys, out var sealedKeys) || sealedKeys.Length != 48
            || !groups.TryGetValue(CardKeyChecks, out var checks) || checks.Length != 9
            || !groups.TryGetValue(InternalData, out var internalData) || !BerTlv.TryCheck(internalData.Span, out _)
            || !groups.TryGetValue(GpoData, out var gpo) || !BerTlv.TryCheck(gpo.Span, out _)
            || !groups.TryGetValue(ContactlessFci, out var fci) || !TryReadFci(fci, out var template5))
        {
            return (null, 0, Sw.WrongData);
        }

        if (!IsComplete(gpo.Span, out var version, out var algorithm)
            || (groups.TryGetValue(Algorithm, out var said) && !(said.Length == 1 && said.Span[0] == algorithm))
            || !AsksFor(template5.Span, version == (byte)CryptogramVersion.Full ? FullPdol : ReducedPdol))
        {
            return (null, 0, Sw.WrongData);
        }

        var cipher = algorithm == Sm4 ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes;
        var keys = session.DecryptSensitive(sealedKeys.Span);
        if (!AreKeys(cipher, keys, checks.Span))
        {
            CryptographicOperations.ZeroMemory(keys);
            return (null, 0, Sw.WrongData);
        }

        ushort atc = 0;
        var kept = new List<byte>();
        foreach (var item in BerTlv.Objects(internalData.Span))
        {
            if (item.Tag == 0x9F36)
            {
                if (item.Value.Length != 2)
                {
                    return (null, 0, Sw.WrongData);
                }

                atc = (ushort)((item.Value[0] << 8) | item.Value[1]);
                continue;
            }

            kept.AddRange(BerTlv.Encode(item.Tag, item.Value));
        }

        byte[] ac = keys[..16], mac = keys[16..32], enc = keys[32..];
        CryptographicOperations.ZeroMemory(keys);
        var profile = new PaymentProfile(cipher, ac, mac, enc, template5, gpo.ToArray(), kept.ToArray(), records.ToImmutable());
        return TryReadPlastic(groups, session, ref profile) ? (profile, atc, Sw.Ok) : (null, 0, Sw.WrongData);
    }

    /// <summary>A transit card: DGI 8000 its purchase, load and TAC key, 9000 their check values, 0015 number (8) and public information.</summary>
    public static (TransitProfile? Profile, ushort Status) ReadTransit(ReadOnlyMemory<byte> data, Scp03Session session)
    {
        if (!TrySplit(data, out var groups) || groups.Count != 3
            || !groups.TryGetValue(CardKeys, out var sealedKeys) || sealedKeys.Length != 48
            || !groups.TryGetValue(CardKeyChecks, out var checks) || checks.Length != 9
            || !groups.TryGetValue(TransitCard, out var card) || card.Length is < 8 or > 64)
        {
            return (null, Sw.WrongData);
        }

        var keys = session.DecryptSensitive(sealedKeys.Span);
        if (!AreKeys(CipherAlgorithm.Sm4, keys, checks.Span))
        {
            CryptographicOperations.ZeroMemory(keys);
            return (null, Sw.WrongData);
        }

        byte[] purchase = keys[..16], load = keys[16..32], tac = keys[32..];
        CryptographicOperations.ZeroMemory(keys);
        return (new TransitProfile(card[..8].ToArray(), card[8..].ToArray(), purchase, load, tac), Sw.Ok);
    }

    private static bool AreKeys(CipherAlgorithm cipher, byte[] keys, ReadOnlySpan<byte> checks)
    {
        var right = true;
        for (var i = 0; i < 3; i++)
        {
            right &= CryptographicOperations.FixedTimeEquals(Cipher.KeyCheckValue(cipher, keys.AsSpan(16 * i, 16), 3), checks.Slice(3 * i, 3));
        }

        return right;
    }

    /// <summary>What a bank's plastic has besides: contact application, chip key, offline PIN, offline tap. Keys and PIN come under the DEK, always padded with 80.</summary>
    private static bool TryReadPlastic(SortedDictionary<int, ReadOnlyMemory<byte>> groups, Scp03Session session, ref PaymentProfile profile)
    {
        if (groups.TryGetValue(ContactFci, out var contactFci))
        {
            // A contact application without its AIP and AFL, or the reverse, answers nothing that a terminal can use.
            if (!TryReadFci(contactFci, out var template) || !groups.TryGetValue(ContactGpo, out var contactGpo) || !IsOptions(contactGpo.Span)
                || (BerTlv.TryFind(template.Span, 0x9F38, out var pdol) && !Dol.TryParse(pdol, out _, out _)))
            {
                return false;
            }

            profile = profile with { ContactFci = template, ContactGpo = contactGpo.ToArray() };
        }
        else if (groups.ContainsKey(ContactGpo))
        {
            return false;
        }

        var parts = new List<byte[]>();
        for (var id = FirstRsaPart; id <= LastRsaPart; id++)
        {
            if (groups.TryGetValue(id, out var part))
            {
                parts.Add(Unpadded(part, session));
            }
        }

        if (groups.TryGetValue(Sm2Key, out var scalar))
        {
            parts.Insert(0, Unpadded(scalar, session));
        }

        if (parts.Count > 0)
        {
            if (ChipSigner.Of(parts) is not { } signer)
            {
                return false;
            }

            profile = profile with { Signer = signer };
        }

        if (groups.TryGetValue(OfflineGpo, out var offline))
        {
            if (!IsOptions(offline.Span) || profile.Signer is null)
            {
                return false;
            }

            profile = profile with { OfflineGpo = offline.ToArray() };
        }

        if (groups.TryGetValue(ReferencePin, out var sealedPin) != groups.TryGetValue(PinTries, out var tries))
        {
            return false;
        }

        if (!sealedPin.IsEmpty)
        {
            // 9010: tries left and their limit; the counter itself is 9F17 (protocols.md 5.5).
            var pin = Unpadded(sealedPin, session);
            if (pin.Length != ContactPayment.PinLength || pin[0] >> 4 != 2 || tries.Length != 2 || tries.Span[1] is 0 or > 15 || tries.Span[0] > tries.Span[1])
            {
                return false;
            }

            profile = profile with
            {
                Pin = (byte[])[tries.Span[1], .. pin],
                InternalData = (byte[])[.. BerTlv.Encode(0x9F17, [tries.Span[0]]), .. Without(profile.InternalData.Span, 0x9F17)],
            };
        }

        return true;
    }

    private static bool IsOptions(ReadOnlySpan<byte> gpo) =>
        gpo.Length <= 120 && BerTlv.TryCheck(gpo, out _) && BerTlv.TryFind(gpo, 0x82, out var aip) && aip.Length == 2 && BerTlv.TryFind(gpo, 0x94, out var afl) && afl.Length > 0 && afl.Length % 4 == 0;

    private static byte[] Without(ReadOnlySpan<byte> objects, Tag tag)
    {
        var kept = new List<byte>();
        foreach (var item in BerTlv.Objects(objects))
        {
            if (item.Tag != tag)
            {
                kept.AddRange(BerTlv.Encode(item.Tag, item.Value));
            }
        }

        return [.. kept];
    }

    /// <summary>The value under the DEK; empty when it is not whole blocks, or not padded.</summary>
    private static byte[] Unpadded(ReadOnlyMemory<byte> value, Scp03Session session)
    {
        if (value.IsEmpty || value.Length % 16 != 0)
        {
            return [];
        }

        var padded = session.DecryptSensitive(value.Span);
        var plain = Cipher.TryUnpad80(padded, 16, out var length) ? padded[..length] : [];
        CryptographicOperations.ZeroMemory(padded);
        return plain;
    }

    /// <summary>DGI (2) ‖ length (1, or FF and 2) ‖ value; each at most once.</summary>
    private static bool TrySplit(ReadOnlyMemory<byte> data, out SortedDictionary<int, ReadOnlyMemory<byte>> groups)
    {
        groups = [];
        while (!data.IsEmpty)
        {
            var head = data.Span;
            if (head.Length < 3)
            {
                return false;
            }

            var isLong = head[2] == 0xFF;
            if (isLong && head.Length < 5)
            {
                return false;
            }

            int start = isLong ? 5 : 3, length = isLong ? (head[3] << 8) | head[4] : head[2];
            if (head.Length < start + length || !groups.TryAdd((head[0] << 8) | head[1], data.Slice(start, length).ToArray()))
            {
                return false;
            }

            data = data[(start + length)..];
        }

        return true;
    }

    /// <summary>DGI 9103 holds template A5, with or without its own tag; the chip keeps it with.</summary>
    private static bool TryReadFci(ReadOnlyMemory<byte> value, out ReadOnlyMemory<byte> template)
    {
        template = default;
        if (!BerTlv.TryCheck(value.Span, out _) || value.Length > 230)
        {
            return false;
        }

        template = BerTlv.TryRead(value.Span, out var tag, out _, out var used, out _) && tag == 0xA5 && used == value.Length ? value : BerTlv.Encode(0xA5, value.Span);
        return true;
    }

    /// <summary>The GPO data hold what a reader must get (protocols.md 2.5), and an IAD template whose version and algorithm this chip computes.</summary>
    private static bool IsComplete(ReadOnlySpan<byte> gpo, out byte version, out byte algorithm)
    {
        version = algorithm = 0;
        if (gpo.Length > 180
            || !BerTlv.TryFind(gpo, 0x82, out var aip) || aip.Length != 2
            || !BerTlv.TryFind(gpo, 0x57, out var track) || track.Length is < 8 or > 19
            || !BerTlv.TryFind(gpo, 0x5F34, out var sequence) || sequence.Length != 1
            || !BerTlv.TryFind(gpo, 0x9F6C, out var qualifiers) || qualifiers.Length != 2
            || !BerTlv.TryFind(gpo, 0x9F10, out var iad) || iad.Length is < 8 or > 32 || iad[0] != 0x07 || iad[3] != 0x03)
        {
            return false;
        }

        version = iad[2];
        algorithm = iad[7];
        return version is (byte)CryptogramVersion.Full or (byte)CryptogramVersion.Reduced && algorithm is TripleDes or Sm4;
    }

    private static bool AsksFor(ReadOnlySpan<byte> fci, ImmutableArray<int> tags) =>
        BerTlv.TryFind(fci, 0x9F38, out var pdol) && Dol.TryParse(pdol, out var entries, out _)
        && tags.All(tag => entries.Any(entry => entry.Tag == tag && entry.Length == LengthOf(tag)));

    private static int LengthOf(int tag) => tag switch
    {
        0x9F66 or 0x9F37 => 4,
        0x9F02 or 0x9F03 => 6,
        0x9F1A or 0x5F2A => 2,
        0x95 => 5,
        0x9A => 3,
        _ => 1,
    };
}
