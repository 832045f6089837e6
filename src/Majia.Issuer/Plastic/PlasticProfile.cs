using System.Globalization;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Issuer.Plastic;

/// <summary>A plastic card to be made.</summary>
/// <param name="Expiry">YYMM.</param>
/// <param name="Holder">As embossed: FAMILY GIVEN.</param>
/// <param name="Brands">UNIONPAY, UNIONPAY+VISA or VISA: which applications the chip gets.</param>
/// <param name="Contactless">With an antenna, or contacts alone.</param>
/// <param name="ElectronicCash">Minor units that the card may spend offline; 0: always online.</param>
/// <param name="OfflinePin">Offset of the PIN that the chip itself verifies over contacts; null: its bank alone does.</param>
public sealed record PlasticOrder(Pan Pan, string Expiry, string SequenceNumber, CardKind Kind, string Holder, PinPolicy PinPolicy, string Brands = "UNIONPAY", bool Contactless = true, long ElectronicCash = 0, string? OfflinePin = null);

/// <summary>What a bank personalises into its plastic besides keys and certificates (protocols.md 1.2, 5.5): records, options and settings of both interfaces.</summary>
internal static class PlasticProfile
{
    /// <summary>9F10: length, DKI, CVN 01, CVR (filled in by the card), 3DES.</summary>
    private static readonly byte[] ApplicationData = [0x07, 0x01, 0x01, 0x03, 0xA0, 0x00, 0x00, 0x01];

    // The card's wishes for CVN 01, 33 bytes (protocols.md 2.3).
    private static readonly byte[] Pdol = Convert.FromHexString("9F66049F02069F03069F1A0295055F2A029A039C019F3704");

    private static readonly byte[] Interchange = [0x7C, 0x00];

    /// <summary>SFI 1: what is shown. SFI 2: record 1 what the chip's certificate covers; 2 to 4 the chain; 5 the place of a tap's signature.</summary>
    private static readonly byte[] ContactFiles = [0x08, 0x01, 0x01, 0x00, 0x10, 0x01, 0x04, 0x01], OfflineFiles = [0x10, 0x01, 0x04, 0x01], OfflineFilesWithSignature = [0x10, 0x01, 0x05, 0x01];

    /// <summary>RSA chip keys longer than this sign into a record (protocols.md 2.3).</summary>
    internal const int MaxSignatureInAnswer = 128;

    /// <summary>The applications of a card, the bank's own brand first.</summary>
    internal static IReadOnlyList<string> Applications(PlasticOrder order)
    {
        var unionPay = order.Kind switch
        {
            CardKind.Credit => "A000000333010102",
            CardKind.QuasiCredit => "A000000333010103",
            _ => "A000000333010101",
        };
        return [.. order.Brands.Split('+').Select(brand => brand == "UNIONPAY" ? unionPay : "A0000000031010")];
    }

    /// <summary>Record 2.1 without its template: the data that the certificate of the chip covers, in front of the AIP.</summary>
    internal static byte[] SignedRecord(PlasticOrder order) =>
    [
        .. BerTlv.Encode(0x5A, CompressedNumber(order.Pan)), .. BerTlv.Encode(0x5F24, Day(order.Expiry, last: true)), .. BerTlv.Encode(0x5F25, Convert.FromHexString("200101")),
        .. BerTlv.Encode(0x5F28, [0x01, 0x56]), .. BerTlv.Encode(0x5F34, Sequence(order)), .. BerTlv.Encode(0x9F07, [0xFF, 0x00]),
        .. BerTlv.Encode(0x8E, CvmList(order)),
        .. BerTlv.Encode(0x9F0D, Convert.FromHexString("D86004A800")), .. BerTlv.Encode(0x9F0E, Convert.FromHexString("0010000000")), .. BerTlv.Encode(0x9F0F, Convert.FromHexString("D86804F800")),
        .. BerTlv.Encode(0x8C, Convert.FromHexString("9F02069F03069F1A0295055F2A029A039F21039C019F3704")), .. BerTlv.Encode(0x8D, Convert.FromHexString("8A029F02069F03069F1A0295055F2A029A039F21039C019F3704")),
        .. BerTlv.Encode(0x9F49, Convert.FromHexString("9F3704")), .. BerTlv.Encode(0x9F4A, [0x82]), .. BerTlv.Encode(0x9F08, [0x00, 0x30]), .. BerTlv.Encode(0x5F30, [0x02, 0x20]),
    ];

    /// <summary>The bytes behind the certified key that its certificate covers too.</summary>
    internal static byte[] StaticData(PlasticOrder order) => [.. SignedRecord(order), .. Interchange];

    /// <summary>All groups but keys and PIN.</summary>
    /// <param name="chain">Contents of records 2.2, 2.3 and 2.4: certificates and what belongs to them.</param>
    /// <param name="signatureLength">Of the chip's own key.</param>
    internal static IReadOnlyList<byte[]> Groups(PlasticOrder order, IReadOnlyList<byte[]> chain, int signatureLength)
    {
        var track = BerTlv.Encode(0x57, Track2(order));
        var name = BerTlv.Encode(0x5F20, Encoding.ASCII.GetBytes(Holder(order.Holder)));
        var groups = new List<byte[]>
        {
            DataGrouping.Encode(0x0101, BerTlv.Encode(0x70, (byte[])[.. track, .. name])),
            DataGrouping.Encode(0x0201, BerTlv.Encode(0x70, SignedRecord(order))),
        };
        for (var i = 0; i < chain.Count; i++)
        {
            groups.Add(DataGrouping.Encode(0x0202 + i, BerTlv.Encode(0x70, chain[i])));
        }

        var inRecord = signatureLength > MaxSignatureInAnswer;
        if (inRecord)
        {
            groups.Add(DataGrouping.Encode(0x0205, BerTlv.Encode(0x70, BerTlv.Encode(0x9F4B, ReadOnlySpan<byte>.Empty))));
        }

        groups.Add(DataGrouping.Encode(0x0D01, InternalData(order)));
        groups.Add(DataGrouping.Encode(0x9102, Fci(order, [])));
        groups.Add(DataGrouping.Encode(0x9103, Fci(order, Pdol)));
        groups.Add(DataGrouping.Encode(0x9104, (byte[])[.. BerTlv.Encode(0x82, Interchange), .. BerTlv.Encode(0x94, ContactFiles)]));
        groups.Add(DataGrouping.Encode(0x9203, (byte[])[.. BerTlv.Encode(0x82, Interchange), .. BerTlv.Encode(0x94, inRecord ? OfflineFilesWithSignature : OfflineFiles)]));
        groups.Add(DataGrouping.Encode(0x9207,
        (byte[])[
            .. BerTlv.Encode(0x82, Interchange), .. track, .. BerTlv.Encode(0x5F34, Sequence(order)), .. BerTlv.Encode(0x9F10, ApplicationData),
            .. BerTlv.Encode(0x5F20, " /"u8), .. BerTlv.Encode(0x9F6C, [0x00, 0x00]),
        ]));
        groups.Add(DataGrouping.Encode(0x4D4A, [0x01]));
        return groups;
    }

    /// <summary>The number as certificates and tag 5A have it, ten bytes padded with F.</summary>
    internal static byte[] PaddedNumber(Pan pan) => Convert.FromHexString(pan.Reveal().PadRight(20, 'F'));

    /// <summary>MMYY, as certificates have it.</summary>
    internal static byte[] CertificateExpiry(string expiry) => Convert.FromHexString(expiry[2..] + expiry[..2]);

    private static byte[] CompressedNumber(Pan pan)
    {
        var digits = pan.Reveal();
        return Convert.FromHexString(digits.Length % 2 == 0 ? digits : digits + "F");
    }

    private static byte[] Sequence(PlasticOrder order) => [Convert.ToByte(order.SequenceNumber, 16)];

    private static byte[] Day(string expiry, bool last)
    {
        var year = 2000 + int.Parse(expiry.AsSpan(0, 2), CultureInfo.InvariantCulture);
        var month = int.Parse(expiry.AsSpan(2, 2), CultureInfo.InvariantCulture);
        return Convert.FromHexString(string.Create(CultureInfo.InvariantCulture, $"{expiry}{(last ? DateTime.DaysInMonth(year, month) : 1):00}"));
    }

    /// <summary>The chip's own PIN where it has one, enciphered before plain; online PIN where the bank wants it ever, then signature, then none (EMV Book 3 annex C3).</summary>
    private static byte[] CvmList(PlasticOrder order) =>
        Convert.FromHexString("0000000000000000" + (order.OfflinePin is null ? "" : "44034103") + (order.PinPolicy == PinPolicy.Never ? "" : "4203") + "1E031F03");

    private static byte[] InternalData(PlasticOrder order)
    {
        // 9F68: online PIN and signature, or signature alone; low value check where there is electronic cash (protocols.md 1.3).
        byte[] processes = [order.ElectronicCash > 0 ? (byte)0x81 : (byte)0x00, 0x00, order.PinPolicy == PinPolicy.Never ? (byte)0x10 : (byte)0x90, 0x00];
        var limit = order.PinPolicy == PinPolicy.Always ? new byte[6] : Convert.FromHexString("000000100000");
        var values = new List<byte>(
        [
            .. BerTlv.Encode(0x9F36, [0x00, 0x00]), .. BerTlv.Encode(0x9F13, [0x00, 0x00]), .. BerTlv.Encode(0x9F68, processes), .. BerTlv.Encode(0x9F6B, limit), .. BerTlv.Encode(0x9F51, [0x01, 0x56]),
            .. BerTlv.Encode(0x5F28, [0x01, 0x56]), .. BerTlv.Encode(0x9F58, [0x00]), .. BerTlv.Encode(0x9F59, [0x00]),
        ]);
        if (order.ElectronicCash > 0)
        {
            var balance = Convert.FromHexString(order.ElectronicCash.ToString(CultureInfo.InvariantCulture).PadLeft(12, '0'));
            values.AddRange([.. BerTlv.Encode(0x9F77, Convert.FromHexString("000000100000")), .. BerTlv.Encode(0x9F78, Convert.FromHexString("000000100000")), .. BerTlv.Encode(0x9F79, balance)]);
        }

        return [.. values];
    }

    private static byte[] Fci(PlasticOrder order, byte[] pdol)
    {
        var label = order.Kind is CardKind.Credit or CardKind.QuasiCredit ? "UnionPay Credit"u8 : "UnionPay Debit"u8;
        return BerTlv.Encode(
            0xA5,
            BerTlv.Encode(0x50, label),
            BerTlv.Encode(0x87, [0x01]),
            pdol.Length == 0 ? [] : BerTlv.Encode(0x9F38, pdol),
            BerTlv.Encode(0x5F2D, "zhen"u8),
            BerTlv.Encode(0x9F11, [0x01]),
            BerTlv.Encode(0x9F12, label));
    }

    /// <summary>FAMILY/GIVEN, 2 to 26 characters (EMV, tag 5F20).</summary>
    private static string Holder(string embossed)
    {
        var at = embossed.IndexOf(' ', StringComparison.Ordinal);
        var name = at < 0 ? embossed + "/" : $"{embossed[..at]}/{embossed[(at + 1)..]}";
        return name.Length <= 26 ? name : name[..26];
    }

    /// <summary>Number D expiry service code 220, zeros, F: 19 bytes at most (EMV Book 3, tag 57).</summary>
    private static byte[] Track2(PlasticOrder order)
    {
        var track = $"{order.Pan.Reveal()}D{order.Expiry}220".PadRight(37, '0') + "F";
        return Convert.FromHexString(track);
    }
}
