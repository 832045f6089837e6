using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;

namespace Majia.Tests.Issuer;

/// <summary>What a device card may spend beside what its plastic may: in its first days, and by what was set for it.</summary>
public sealed class DeviceLimitsTests
{
    private static readonly NewCardLimits Rule = new("629901", 3, 50_000, 80_000);

    private static async Task<IssuerBench> LiveAsync(params NewCardLimits[] rules)
    {
        var bench = await IssuerBench.OpenAsync(options: new IssuerOptions(IssuerBench.Institution, IssuerBench.Bank.Name) { NewCardLimits = rules });
        Assert.Equal(IssuerDecision.Approved, (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green))).Value!.Decision);
        Assert.Null((await bench.ActivatedAsync()).Error);
        return bench;
    }

    private static async Task<DeviceCardView> OnlyAsync(IssuerBench bench)
    {
        await bench.Store.DurableAsync();
        return Assert.Single(bench.Desk.DeviceCards("green"));
    }

    [Fact]
    [Rule("R23")]
    public async Task A_new_device_card_spends_little_for_three_days_and_the_desk_says_until_when()
    {
        await using var bench = await LiveAsync(Rule);
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_001)));
        Assert.Contains("new", bench.Trace.Rows.Last(row => row.Kind == TraceKind.Decision).Why.En, StringComparison.Ordinal);
        Assert.Contains("2026-11-26 12:00", bench.Trace.Rows.Last(row => row.Kind == TraceKind.Decision).Why.Zh, StringComparison.Ordinal);
        var sale = bench.Sale(IssuerBench.Green, 50_000);
        Assert.Equal("00", await bench.CodeAsync(sale));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 30_001)));
        Assert.Contains("300.00", bench.Trace.Rows.Last(row => row.Kind == TraceKind.Decision).Why.En, StringComparison.Ordinal);
        Assert.Equal("00", await bench.CodeAsync(bench.Refund(IssuerBench.Green, sale, 10_000)));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 40_000)));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 1)));
        Assert.Equal(Rule, (await OnlyAsync(bench)).Limits!.New);

        // Midnight in China: the day begins anew, the card is new still.
        bench.Time.Advance(TimeSpan.FromHours(12));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_000)));
        bench.Time.Advance(TimeSpan.FromHours(60) - TimeSpan.FromSeconds(1));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_002)));
        bench.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 90_000)));
        Assert.Null((await OnlyAsync(bench)).Limits!.New);
    }

    [Fact]
    [Rule("R23")]
    public async Task The_longest_range_rules_and_a_device_card_whose_notice_has_not_come_yet_is_new()
    {
        await using var bench = await LiveAsync(Rule);
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_000)));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_001, token: IssuerBench.OtherToken)));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_000, token: IssuerBench.OtherToken))); // a day of its own
        await using var other = await LiveAsync(Rule with { Bin = "629902" }, Rule with { Bin = "6299", PerPayment = 70_000 });
        Assert.Equal("00", await other.CodeAsync(other.Sale(IssuerBench.Green, 70_000)));
        Assert.Equal("61", await other.CodeAsync(other.Sale(IssuerBench.Green, 70_001)));
    }

    [Fact]
    [Rule("R23")]
    public async Task Limits_of_one_device_card_are_set_changed_and_taken_away_and_a_wrong_PIN_still_comes_first()
    {
        await using var bench = await LiveAsync();
        Assert.False(await bench.Desk.LimitDeviceCardAsync("green", "0000", new(1, 1)));
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", IssuerBench.Token.LastFour, new(6_000, 10_000)));
        Assert.Equal(new OwnLimits(6_000, 10_000), (await OnlyAsync(bench)).Limits!.Own);
        Assert.Equal("55", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 6_001, pin: "000000")));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 6_001, pin: "123456")));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 6_000)));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 4_001)));
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", IssuerBench.Token.LastFour, new(null, 11_000)));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 5_000)));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 1)));
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", IssuerBench.Token.LastFour, new(null, null)));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 90_000)));
        Assert.Null((await OnlyAsync(bench)).Limits!.Own);
    }

    [Fact]
    [Rule("R23")]
    public async Task Many_payments_at_once_do_not_pass_the_days_limit_together()
    {
        await using var bench = await LiveAsync();
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", IssuerBench.Token.LastFour, new(null, 10_000)));
        var codes = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => bench.CodeAsync(bench.Sale(IssuerBench.Green, 1_000))));
        Assert.Equal(10, codes.Count(code => code == "00"));
        Assert.Equal(20, codes.Count(code => code == "61"));
        Assert.Empty(bench.Desk.BrokenInvariants());
    }
}
