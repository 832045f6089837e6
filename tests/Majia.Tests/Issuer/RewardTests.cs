using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Storage;
using Majia.Tests.Storage;

namespace Majia.Tests.Issuer;

/// <summary>Points by a table of rules; what a purchase gave is what its undoing takes, whatever the table says by then.</summary>
public sealed class RewardTests(PostgresServer server)
{
    private const string Header = "institution,bin,kind,category,channel,points,per\n";

    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    private static RewardRules Rules(params string[] rows) => RewardRules.Parse("rewards.csv", Header + string.Join('\n', rows));

    private static IssuerOptions With(RewardRules rules) => new(IssuerBench.Institution, IssuerBench.Bank.Name) { Rewards = rules };

    private async Task<IssuerBench> OpenAsync(StoreTests.Engine engine, RewardRules rules) => await IssuerBench.OpenAsync(
        engine == StoreTests.Engine.Postgres ? PostgresStore.Open(await server.NewDatabaseAsync(), [IssuerParty.Schema], TimeProvider.System, PostgresServer.Options) : null, With(rules));

    [Theory]
    [InlineData("63990100", "629901", CardKind.Debit, "5942", "TAP", 1, 100)]
    [InlineData("63990100", "629901", CardKind.Debit, "6011", "TAP", 0, 100)]
    [InlineData("63990100", "629901", CardKind.Debit, "6013", "TAP", 1, 100)]
    [InlineData("63990200", "629906", CardKind.Credit, "5942", "CHIP", 1, 100)]
    [InlineData("63990300", "411111", CardKind.Credit, "6051", "OTHER", 0, 100)]
    [InlineData("63990300", "629905", CardKind.Prepaid, null, "OTHER", 1, 100)]
    public void Built_in_a_purchase_earns_a_point_a_yuan_and_cash_earns_nothing(string bank, string masked, CardKind kind, string? category, string channel, long points, long per) =>
        Assert.Equal(new RewardRate(points, per), RewardRules.BuiltIn.Of(bank, masked + "******0001", kind, category, channel));

    [Theory]
    [InlineData("63990100", "629901", CardKind.Debit, "5942", "TAP", 5)]
    [InlineData("63990100", "629901", CardKind.Debit, "5942", "CHIP", 4)]
    [InlineData("63990100", "629901", CardKind.Credit, "5942", "TAP", 3)]
    [InlineData("63990200", "629901", CardKind.Credit, "5942", "TAP", 2)]
    [InlineData("63990200", "629902", CardKind.Credit, "5942", "TAP", 0)]
    [InlineData("63990200", "629902", CardKind.Credit, "5499", "OTHER", 1)]
    [InlineData("63990200", "629902", CardKind.Credit, "", "OTHER", 0)]
    public void The_first_row_that_fits_counts_and_none_means_no_points(string bank, string masked, CardKind kind, string category, string channel, long points)
    {
        var rules = Rules("63990100,*,Debit,*,TAP,5,1.00", "63990100,*,Debit,*,*,4,1.00", "63990100,*,*,*,*,3,1.00", "*,629901,*,*,*,2,1.00", "# dearer food", "*,*,*,5411-5499,*,1,1.00");
        Assert.Equal(points, rules.Of(bank, masked + "******0001", kind, category, channel).Points);
    }

    [Theory]
    [InlineData("institution,bin\n", "line 1: expected the columns")]
    [InlineData("", "no line of column names")]
    [InlineData(Header + "*,*,*,*,*,1", "line 2: expected 7 cells, got 6")]
    [InlineData(Header + "6399,*,*,*,*,1,1.00", "line 2, institution: expected * or eight digits, got '6399'")]
    [InlineData(Header + "*,62X,*,*,*,1,1.00", "line 2, bin: expected * or one to six digits, got '62X'")]
    [InlineData(Header + "*,*,Gold,*,*,1,1.00", "line 2, kind: expected * or one of Debit, Credit, QuasiCredit, Prepaid, got 'Gold'")]
    [InlineData(Header + "*,*,*,5500-5400,*,1,1.00", "line 2, category: expected *, 6010 or 6010-6012, got '5500-5400'")]
    [InlineData(Header + "*,*,*,*,PHONE,1,1.00", "line 2, channel: expected * or one of TAP, CHIP, OTHER, got 'PHONE'")]
    [InlineData(Header + "*,*,*,*,*,-1,1.00", "line 2, points: expected a number from 0 to 1000, got '-1'")]
    [InlineData(Header + "*,*,*,*,*,1,0.00", "line 2, per: expected yuan above zero, such as 1.00, got '0.00'")]
    public void A_table_that_cannot_be_one_says_where_and_what_was_expected(string text, string says) =>
        Assert.Contains(says, Assert.Throws<FormatException>(() => RewardRules.Parse("rewards.csv", text)).Message, StringComparison.Ordinal);

    [Theory]
    [Rule("R18")]
    [MemberData(nameof(Both))]
    public async Task What_was_given_is_taken_back_though_the_rule_has_changed_meanwhile(StoreTests.Engine engine)
    {
        await using var bench = await OpenAsync(engine, Rules("*,*,Debit,*,*,5,10.00"));
        var account = IssuerBench.Debit.Account;
        async Task<long> PointsAsync()
        {
            await bench.Store.DurableAsync();
            return bench.Desk.Points(account);
        }

        var sales = Enumerable.Range(0, 4).Select(_ => bench.Sale(IssuerBench.Debit, 8_850)).ToList();
        foreach (var sale in sales)
        {
            Assert.Equal("00", await bench.CodeAsync(sale));
        }

        Assert.Equal(4 * 40, await PointsAsync());
        bench.Restart(With(Rules("*,*,*,*,*,7,1.00")));

        // Voided; reversed; the void reversed, so that the sale stands again with its points.
        var undone = bench.Void(IssuerBench.Debit, sales[0]);
        Assert.Equal("00", await bench.CodeAsync(undone));
        Assert.Equal(3 * 40, await PointsAsync());
        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(undone)));
        Assert.Equal(4 * 40, await PointsAsync());
        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(sales[1])));
        Assert.Equal(3 * 40, await PointsAsync());

        // Refunded in parts: points of what is left stay, by the rate of then.
        foreach (var (part, left) in (List<(long, long)>)[(850, 40), (1, 35), (6_999, 5), (1_000, 0)])
        {
            Assert.Equal("00", await bench.CodeAsync(bench.Refund(IssuerBench.Debit, sales[2], part)));
            Assert.Equal((2 * 40) + left, await PointsAsync());
        }

        // A new one earns by the rule of now.
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 1_000)));
        Assert.Equal((2 * 40) + 70, await PointsAsync());
        Assert.Empty(bench.Desk.BrokenInvariants());
    }
}
