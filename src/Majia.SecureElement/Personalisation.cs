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

    private const int CardKeys = 0x8000, CardKeyChecks = 0x9000, InternalData = 0x0D01, ContactlessFci = 0x9103, GpoData = 0x9207, Algorithm = 0x4D4A;

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
            if (id is CardKeys or CardKeyChecks or InternalData or ContactlessFci or GpoData or Algorithm)
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
        for (var i = 0; i < 3; i++)
        {
            if (!CryptographicOperations.FixedTimeEquals(Cipher.KeyCheckValue(cipher, keys.AsSpan(16 * i, 16), 3), checks.Span.Slice(3 * i, 3)))
            {
                CryptographicOperations.ZeroMemory(keys);
                return (null, 0, Sw.WrongData);
            }
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
        return (new PaymentProfile(cipher, ac, mac, enc, template5, gpo.ToArray(), kept.ToArray(), records.ToImmutable()), atc, Sw.Ok);
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
