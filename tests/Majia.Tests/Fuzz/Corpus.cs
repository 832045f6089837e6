using System.Text.RegularExpressions;
using Majia.Core.Apdu;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Tests.Network;
using Majia.Tests.SecureElement;
using Majia.Tests.Terminal;

namespace Majia.Tests.Fuzz;

/// <summary>Real messages to start from: what is printed in the vectors, and what the running code makes.</summary>
internal static class Corpus
{
    private static readonly Regex Hex = new("(?<![0-9A-Za-z])(?:[0-9A-F]{2}){2,}(?![0-9A-Za-z])");

    /// <summary>Every run of hex in tests/Vectors.</summary>
    public static readonly IReadOnlyList<byte[]> Vectors = [.. Directory.GetFiles(Path.Combine(Repository.Root, "tests", "Vectors"), "*.txt").Order(StringComparer.Ordinal)
        .SelectMany(File.ReadLines).Where(static line => !line.StartsWith('#')).SelectMany(static line => Hex.Matches(line)).Select(static match => Convert.FromHexString(match.Value)).Take(400)];

    public static readonly IReadOnlyList<byte[]> CardAnswers =
    [
        FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid)), FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid, 1, "07"), FakeCard.Entry("A000000333010102", 2)), FakeCard.Fci(FakeCard.DebitAid), FakeCard.Fci(FakeCard.DebitAid, null),
        FakeCard.Template77(FakeCard.Answer()), FakeCard.Template77(FakeCard.Answer(ctq: "8080")), FakeCard.Status(0x6986), FakeCard.Status(0x6985), FakeCard.Status(0x9000),
        FakeCard.Ok(Majia.Core.Tlv.BerTlv.Encode(0x80, FakeCard.Hex("7C0008010100"))),
        FakeCard.Ok(Majia.Core.Tlv.BerTlv.Encode(0x77, FakeCard.Hex("82027C00 940408010100 9F36020001 9F2608A1A2A3A4A5A6A7A8 9F1008070101 03A0000001 9F6C020080"))),
        FakeCard.Ok(Majia.Core.Tlv.BerTlv.Encode(0x70, FakeCard.Hex("5A088199011234567890 5F3401 01 5F24033 01231 9F6C0200 80".Replace(" ", "", StringComparison.Ordinal)))),
    ];

    public static readonly IReadOnlyList<byte[]> Tlv = [.. CardAnswers.Select(static answer => answer[..^2]).Where(static answer => answer.Length > 0), .. Vectors];

    /// <summary>Commands of a tap, of a personalisation and of the trusted side.</summary>
    public static readonly IReadOnlyList<byte[]> Commands =
    [
        .. new[]
        {
            "00A404000E325041592E5359532E444446303100", "00A404000AA000000333010101000100", "00A4040008A00000015100000000", "00A404000CA0000001510000004D4A545300", "00A4040007F04D4A42494E4400",
            "80A8000023832126004080000000008800000000000000015600000000000156261122000102030400", "80CA9F3600", "80CA9F6800", "80CA9F6B00", "00B2010C00", "00B2011400", "80500200081122334455667788", "8482330010000102030405060708090A0B0C0D0E0F",
            "80F24000024F0000", "80E40000124F10A0000003330101010001A0000003330101", "80E288001A0D01179F360200009F6804000080009F6B060000001000009F5102015600",
            "80D800810188", "8084000000", "802A00001A000102030405060708090A0B0C0D0E0FA0000003330101010001", "802C0000", "802E000010000102030405060708090A0B0C0D0E0F", "803000001A000102030405060708090A0B0C0D0E0FA0000003330101010001",
            "80CA000100", "80CA000200", "0020008008246813FFFFFFFFFF", "00A4040000", "00A4040200", "80CA006600", "84F24000080011223344556677", "84E28800080011223344556677", "00B2010C0000FF",
        }.Select(Convert.FromHexString),
        CommandApdu.Of(0x80, 0xE6, 0x0C, 0x00, ChipBench.Install("A000000151", "A000000151000000", ChipBench.TokenDomain, "80", "C900")).ToBytes(),
        CommandApdu.Of(0x80, 0xE2, 0x88, 0x00, new byte[400], 65536).ToBytes(),
    ];

    public static readonly PaymentBench Bench = new();

    /// <summary>Bodies of the POS line, requests and answers.</summary>
    public static readonly IReadOnlyList<byte[]> Pos = [.. PosMessages().Select(static message => IsoCodec.Write(Dialect.Pos, message.Copy().Set(64, new byte[8])))];

    /// <summary>Bodies of the switch line.</summary>
    public static readonly IReadOnlyList<byte[]> Switch = [.. SwitchMessages().Select(static message => IsoCodec.Write(Dialect.Switch, message.Copy().Set(128, new byte[8])))];

    public static IReadOnlyList<byte[]> Of(Dialect dialect) => dialect == Dialect.Pos ? Pos : Switch;

    private static IEnumerable<IsoMessage> PosMessages()
    {
        var sale = Bench.Sale(pin: true);
        yield return sale;
        yield return Bench.Sale("000003");
        var answer = new IsoMessage(Mti.FinancialResponse).Take(sale, 2, 3, 4, 11, 25, 41, 42, 49, 60).Set(12, "130607").Set(13, "0304").Set(15, "0304").Set(32, "63990900").Set(37, "606313000001").Set(38, "135790").Set(39, "00")
            .Set(44, new Field44("63990100", "63990900").Format()).Set(63, new Field63Pos("CUP", "交易成功").Format());
        yield return answer;
        yield return Bench.Void(answer);
        yield return Bench.Reversal(sale);
        yield return Bench.Reversal(Bench.Void(answer));
        yield return new IsoMessage(new Mti(800)).Set(11, "000001").Set(41, PaymentBench.Terminal).Set(42, PaymentBench.Merchant).Set(60, "00000001003").Set(63, "001");
        yield return new IsoMessage(new Mti(500)).Set(11, "000001").Set(41, PaymentBench.Terminal).Set(42, PaymentBench.Merchant).Set(48, new string('0', 62)).Set(49, "156").Set(60, "00000001201").Set(63, "001");
    }

    private static IEnumerable<IsoMessage> SwitchMessages()
    {
        var sale = Bench.Purchase(pin: true);
        yield return sale;
        yield return Bench.Purchase("000002");
        yield return PaymentBench.Approve(sale).Set(56, new Field56Par("UP00MJ0000000000000000000000X").Format());
        yield return PaymentBench.ReversalAdvice(sale, Mti.ReversalAdvice).Set(2, Bench.Token.Reveal());
        yield return PaymentBench.ReversalAdvice(sale, Mti.ReversalAdviceRepeat).Set(2, Bench.Token.Reveal());
        yield return Bench.Purchase("000004").Set(3, "200000").Remove(55).Set(90, "0200" + "000001" + "0304130607" + "00063990900" + "00063990900");
        yield return new IsoMessage(Mti.AuthorisationRequest).Take(sale, 2, 3, 4, 7, 11, 14, 18, 22, 23, 25, 32, 33, 37, 41, 42, 49, 55);
        yield return Resolved(sale);
        yield return new IsoMessage(Mti.FinancialRequest).Take(Resolved(sale), 2, 14, 23, 56, 61, 63).Take(sale, 3, 4, 7, 11, 12, 13, 18, 22, 25, 26, 32, 33, 37, 41, 42, 43, 49, 52, 53, 60);
        yield return new IsoMessage(new Mti(820)).Set(7, "0304130607").Set(11, "000009").Set(33, "63990900").Set(70, "301").Set(100, "00010000");
    }

    private static IsoMessage Resolved(IsoMessage sale) => new IsoMessage(Mti.AuthorisationResponse).Take(sale, 3, 4, 7, 11, 18, 25, 32, 33, 37, 41, 42, 49).Set(2, Bench.Pan.Reveal()).Set(14, "3012").Set(23, "001").Set(39, "00")
        .Set(48, "TB0123456789ABCDEF").Set(56, new Field56Par("UP00MJ0000000000000000000000X").Format()).Set(61, new Field61Switch(ArqcResult.Good).Format())
        .Set(63, new Field63Token(true, Bench.Token, "3006", "11", "01", "99900000001", "0001").Format()).Set(100, PaymentBench.Bank);
}
