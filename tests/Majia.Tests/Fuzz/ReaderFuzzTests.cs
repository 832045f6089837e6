using System.Text;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.SecureElement;
using Majia.Tests.SecureElement;

namespace Majia.Tests.Fuzz;

/// <summary>Every reader of bytes or text from outside: no exception, no flood of memory, no long thought, and what it reads it can write and read again.</summary>
public sealed class ReaderFuzzTests
{
    // ---- TLV ----

    [Fact]
    public void Tlv_survives_anything_and_reads_back_what_it_writes() => Fuzzer.Run("BerTlv", Corpus.Tlv, Targets.Tlv);

    [Fact]
    public void Dol_survives_anything() => Fuzzer.Run("Dol", [.. Corpus.Tlv, Convert.FromHexString(ChipBench.Pdol)], Targets.Dol, 600);

    [Fact]
    public void Data_groupings_survive_anything() => Fuzzer.Run("DataGrouping", Groups, Targets.Grouping);

    [Fact]
    public void Issuer_application_data_survive_anything() => Fuzzer.Run("IssuerApplicationData", [Hex("07010103A0000001"), Hex("07010103A00000010A010000038787868FD1FC")], Targets.Iad, 80);

    [Fact]
    public void Track_2_survives_anything() => Fuzzer.Run("TrackTwoEquivalent", [Hex("8199011234567890D3012220123456789F"), Hex("629999123456789012D301222012345678")], Targets.Track, 60);

    // ---- APDU ----

    [Fact]
    public void Apdus_survive_anything_and_read_back_what_they_write() => Fuzzer.Run("CommandApdu, ResponseApdu", [.. Corpus.Commands, .. Corpus.CardAnswers], Targets.Apdu);

    [Fact]
    public void Descriptions_of_card_data_survive_anything() => Fuzzer.Run("Describe", [.. Corpus.Tlv, .. Corpus.Commands, .. Corpus.CardAnswers], Targets.Describe, 800); // seven trees for one input

    [Fact]
    public void Redacted_apdus_never_hold_a_sensitive_element() => Fuzzer.Run("Redaction", [.. Corpus.CardAnswers, .. Corpus.Commands, .. Corpus.Tlv], Targets.Redaction, 8000);

    // ---- ISO 8583 ----

    [Theory, InlineData("pos"), InlineData("switch")]
    public void Messages_survive_anything_and_read_back_what_they_write(string line) =>
        Fuzzer.Run("IsoCodec " + line, Corpus.Of(Line(line)), body => Targets.Codec(Line(line), body));

    [Theory, InlineData("pos"), InlineData("switch")]
    public void Well_formed_nonsense_survives_all_that_is_done_with_a_message(string line) =>
        Fuzzer.Run("IsoDescribe, IsoRedaction, sub-fields " + line, dice => IsoMutator.Body(dice, Line(line)), () => body => Targets.Message(Line(line), body), Corpus.Of(Line(line)));

    [Fact]
    public void Frames_survive_anything() => Fuzzer.Run(
        "PosFrame, SwitchFrame",
        [.. Corpus.Pos.Select(static body => PosFrame.Write(Majia.Tests.Network.PaymentBench.Tpdu, Majia.Tests.Network.PaymentBench.Header, body)), .. Corpus.Switch.Select(static body => SwitchFrame.Write("00010000", "63990900", body))],
        Targets.Frame);

    [Fact]
    public void Sub_fields_survive_any_text() => Fuzzer.Run("sub-fields", [.. SubfieldTexts.Select(Encoding.Latin1.GetBytes)], Targets.Subfields, 700);

    private static readonly string[] SubfieldTexts =
    [
        "22000001000601000", "2200000100060", "0000010000010304", "00000100000103040063990100", "63990100   63990900   ", "2600000000000000", "0001156C0000000088000002156D000000000100", "CUP", "CUP" + new string(' ', 120),
        new Field60Switch().Format(), new Field61Switch(ArqcResult.Good, "01", "110101199001011234", '0', '0', "123").Format() + "AM12", "02000000010304130607000639909000006399090" + "0",
        new Field63Token(true, PaymentToken.Parse(Corpus.Bench.Token.Reveal()), "3006", "11", "01", "99900000001", "0001").Format(), "PR01029UP00MJ0000000000000000000000X", "TB0123456789ABCDEF",
    ];

    // ---- keys, PINs, images ----

    [Fact]
    public void Key_blocks_survive_anything() => Fuzzer.Run("Tr31", KeyBlocks, Targets.KeyBlock, 10_100);

    [Fact]
    public void Pin_blocks_survive_anything() => Fuzzer.Run("PinBlock", [.. PinBlocks], Targets.Pin, 60);

    [Fact]
    public void Chip_images_survive_anything_behind_a_right_digest() => Fuzzer.Run("ChipImage", [Image], Targets.Image, 30_000);

    [Fact]
    public void Money_and_numbers_survive_any_text() => Fuzzer.Run("Amount, AccountNumber", [.. new[] { "88.00", "0.01", "9999999999.99", "6299010000000000018", "8199011234567890" }.Select(Encoding.Latin1.GetBytes)], Targets.Numbers, 60);

    internal static Dialect Line(string name) => name == "pos" ? Dialect.Pos : Dialect.Switch;

    private static byte[] Hex(string hex) => Convert.FromHexString(hex);

    private static readonly byte[][] Groups =
    [
        ChipBench.Group(0x8000, new byte[48]), ChipBench.Group(0x9000, new byte[9]), ChipBench.Group(0x0D01, Hex("9F360200009F680400008000")), DataGrouping.Encode(0x9207, new byte[300]),
        [.. ChipBench.Group(0x0101, Hex("70055F24023012")), .. ChipBench.Group(0x4D4A, [1])],
    ];

    private static readonly byte[][] KeyBlocks =
    [
        Encoding.ASCII.GetBytes("D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34"),
        Encoding.ASCII.GetBytes(Tr31.Wrap(Targets.Protection, new Tr31Header("K0", 'A', 'B', 'S') { Options = [new("KS", "00604B120F9292800000"), new("TS", "20261123")] }, new byte[16], new SeededEntropy(1))),
        Encoding.ASCII.GetBytes(Tr31.Wrap(Targets.Protection, new Tr31Header("P0", 'T', 'E', 'N'), new byte[24], new SeededEntropy(2), 32)),
    ];

    private static IEnumerable<byte[]> PinBlocks
    {
        get
        {
            foreach (var format in Enum.GetValues<PinBlockFormat>())
            {
                yield return [(byte)format, 16, .. Encoding.ASCII.GetBytes("8199011234567890"), .. PinBlock.Build(format, "246810", "8199011234567890", new SeededEntropy(3))];
                yield return [(byte)format, 12, .. Encoding.ASCII.GetBytes("819901123456"), .. PinBlock.Build(format, "246810246810", "819901123456", new SeededEntropy(3))];
            }
        }
    }

    private static readonly byte[] Image = NewImage();

    private static byte[] NewImage()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        bench.AddCard(ChipBench.Debit1);
        bench.AddCard(ChipBench.Debit2, sm4: true, version: 0x17);
        return ChipImage.Write(bench.State)[..^32];
    }
}
