using Majia.Core.Primitives;
using Majia.Terminal;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;

namespace Majia.Tests.Terminal;

/// <summary>The paper as it comes out of the printer. Files in <c>Slips</c> were read by eye; they change only on purpose.</summary>
public class SlipTests
{
    private static readonly Slip Sale = new(
        TransactionKind.Sale,
        new Text("Morning Light Books", "晨光书店"),
        "990031058120001",
        "10000001",
        "01",
        "63990100",
        "63990900",
        "819901******7890",
        'C',
        "000001",
        "000042",
        OriginalVoucher: null,
        "A1B2C3",
        "000000000099",
        new DateTime(2026, 7, 1, 12, 0, 3),
        Amount.Cny(8800),
        CvmResult.Cdcvm,
        Amount.Cny(100_000),
        new SlipChipData("0123456789ABCDEF", "0000000000", "A0000003330101010001", "0001", "2B29EBE4", "7C00", "07010103A0000001", "001", "UnionPay Debit"),
        Remark: null);

    private static readonly Slip WithPin = Sale with
    {
        MerchantName = new Text("Spruce Jewellers", "云杉珠宝"), MerchantNumber = "990031059440002", TerminalNumber = "10000002", Amount = Amount.Cny(128_800),
        Cvm = CvmResult.CdcvmAndOnlinePin, NoSignatureLimit = null, MaskedNumber = "819901*********4321", Remark = "积分 POINTS 128",
    };

    private static readonly Slip Void = Sale with { Kind = TransactionKind.Void, Voucher = "000043", OriginalVoucher = "000042", Rrn = "000000000100", NoSignatureLimit = null, Chip = null, Cvm = CvmResult.None };

    private static readonly Slip Refund = Void with { Kind = TransactionKind.Refund, Voucher = "000001", Batch = "000002", Rrn = "000000000107", Amount = Amount.Cny(3800) };

    private static readonly SettlementSlip Settlement = new(
        new Text("Morning Light Books", "晨光书店"), "990031058120001", "10000001", "01", "000001", "000000000101", new DateTime(2026, 7, 1, 22, 0, 3),
        new(1_240_000, 17, 38_00, 1), new(1_240_000, 17, 38_00, 1), Majia.Core.Iso8583.BatchBalance.Balanced);

    public static TheoryData<string> Names => new(Papers.Keys);

    private static SortedDictionary<string, Func<string>> Papers { get; } = new(StringComparer.Ordinal)
    {
        ["sale-merchant.txt"] = () => Sale.Print(SlipCopy.Merchant),
        ["sale-cardholder-duplicate-32.txt"] = () => Sale.Print(SlipCopy.Cardholder, duplicate: true, columns: 32),
        ["pin-merchant.txt"] = () => WithPin.Print(SlipCopy.Merchant),
        ["pin-under-limit-cardholder.txt"] = () => (WithPin with { Amount = Amount.Cny(9900), NoSignatureLimit = Amount.Cny(100_000) }).Print(SlipCopy.Cardholder),
        ["void-merchant.txt"] = () => Void.Print(SlipCopy.Merchant),
        ["refund-merchant.txt"] = () => Refund.Print(SlipCopy.Merchant),
        ["settlement.txt"] = () => Settlement.Print(),
        ["settlement-not-balanced-32.txt"] = () => (Settlement with { Host = new(880_000, 2, 0, 0), Balance = Majia.Core.Iso8583.BatchBalance.NotBalanced }).Print(columns: 32),
    };

    [Theory]
    [MemberData(nameof(Names))]
    [Rule("R19")]
    public void The_paper_is_as_it_was_read_by_eye(string name)
    {
        var printed = Papers[name]();
        var path = Path.Combine(Repository.Root, "tests", "Majia.Tests", "Terminal", "Slips", name);
        if (Environment.GetEnvironmentVariable("MAJIA_ACCEPT_SLIPS") == "1")
        {
            File.WriteAllText(path, printed);
        }

        Assert.Equal(File.ReadAllText(path), printed);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(36)]
    [InlineData(40)]
    [InlineData(48)]
    public void No_line_is_wider_than_the_paper(int columns)
    {
        foreach (var slip in new[] { Sale, WithPin, Void })
        {
            foreach (var copy in Enum.GetValues<SlipCopy>())
            {
                Assert.All(slip.Print(copy, duplicate: true, columns).Split('\n'), line => Assert.InRange(SlipPaper.Width(line), 0, columns));
            }
        }
    }

    [Theory]
    [InlineData("RMB 88.00", 9)]
    [InlineData("签购单", 6)]
    [InlineData("金额：", 6)]
    [InlineData("（C）", 5)]
    public void A_chinese_character_is_two_columns(string text, int width) => Assert.Equal(width, SlipPaper.Width(text));

    [Fact]
    public void A_slip_is_kept_and_read_back_whole() => Assert.Equal(Sale, Slip.FromJson(Sale.ToJson()));

    [Fact]
    [Rule("R19")]
    public void A_slip_shows_first_six_and_last_four_only()
    {
        Assert.Equal("7890", Sale.LastFour);
        Assert.Contains("819901******7890 /C", Sale.Print(SlipCopy.Merchant), StringComparison.Ordinal);
    }
}
