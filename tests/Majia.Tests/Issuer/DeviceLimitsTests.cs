using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Storage;
using Majia.Tests.Storage;

namespace Majia.Tests.Issuer;

/// <summary>What a device card may spend beside what its plastic may: in its first days, and by what was set for it.</summary>
public sealed class DeviceLimitsTests(PostgresServer server)
{
    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    private static readonly NewCardLimits Rule = new("629901", 3, 50_000, 80_000);

    private async Task<IssuerBench> LiveAsync(StoreTests.Engine engine, params NewCardLimits[] rules)
    {
        var store = engine == StoreTests.Engine.Postgres ? PostgresStore.Open(await server.NewDatabaseAsync(), [IssuerParty.Schema], TimeProvider.System, PostgresServer.Options) : null;
        var bench = await IssuerBench.OpenAsync(store, options: new IssuerOptions(IssuerBench.Institution, IssuerBench.Bank.Name) { NewCardLimits = rules }, "app-secret");
        Assert.Equal(IssuerDecision.Approved, (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green))).Value!.Decision);
        Assert.Null((await bench.ActivatedAsync()).Error);
        return bench;
    }

    private static async Task<DeviceCardView> OnlyAsync(IssuerBench bench)
    {
        await bench.Store.DurableAsync();
        return Assert.Single(bench.Desk.DeviceCards("green"));
    }

    [Theory]
    [MemberData(nameof(Both))]
    [Rule("R23")]
    public async Task A_new_device_card_spends_little_for_three_days_and_the_desk_says_until_when(StoreTests.Engine engine)
    {
        await using var bench = await LiveAsync(engine, Rule);
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

    [Theory]
    [MemberData(nameof(Both))]
    [Rule("R23")]
    public async Task The_longest_range_rules_and_a_device_card_whose_notice_has_not_come_yet_is_new(StoreTests.Engine engine)
    {
        await using var bench = await LiveAsync(engine, Rule);
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_000)));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_001, token: IssuerBench.OtherToken)));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 50_000, token: IssuerBench.OtherToken))); // a day of its own
        await using var other = await LiveAsync(engine, Rule with { Bin = "629902" }, Rule with { Bin = "6299", PerPayment = 70_000 });
        Assert.Equal("00", await other.CodeAsync(other.Sale(IssuerBench.Green, 70_000)));
        Assert.Equal("61", await other.CodeAsync(other.Sale(IssuerBench.Green, 70_001)));
    }

    [Theory]
    [MemberData(nameof(Both))]
    [Rule("R23")]
    public async Task Limits_of_one_device_card_are_set_changed_and_taken_away_and_a_wrong_PIN_still_comes_first(StoreTests.Engine engine)
    {
        await using var bench = await LiveAsync(engine);
        Assert.False(await bench.Desk.LimitDeviceCardAsync("green", "tur-9", new(1, 1), LimitAuthor.Counter));
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", "tur-1", new(6_000, 10_000), LimitAuthor.Counter));
        Assert.Equal(new OwnLimits(6_000, 10_000), (await OnlyAsync(bench)).Limits!.Own);
        Assert.Equal("55", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 6_001, pin: "000000")));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 6_001, pin: "123456")));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 6_000)));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 4_001)));
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", "tur-1", new(null, 11_000), LimitAuthor.Counter));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 5_000)));
        Assert.Equal("61", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 1)));
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", "tur-1", new(null, null), LimitAuthor.Counter));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 90_000)));
        Assert.Null((await OnlyAsync(bench)).Limits!.Own);
    }

    [Theory]
    [MemberData(nameof(Both))]
    [Rule("R23")]
    public async Task Many_payments_at_once_do_not_pass_the_days_limit_together(StoreTests.Engine engine)
    {
        await using var bench = await LiveAsync(engine);
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", "tur-1", new(null, 10_000), LimitAuthor.Counter));
        var codes = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => bench.CodeAsync(bench.Sale(IssuerBench.Green, 1_000))));
        Assert.Equal(10, codes.Count(code => code == "00"));
        Assert.Equal(20, codes.Count(code => code == "61"));
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    /// <summary>Counter, hotline and the holder in the bank's app: each change stands under who made it, with what was before, and goes with the device card to a new plastic.</summary>
    [Theory]
    [MemberData(nameof(Both))]
    [Rule("R23")]
    public async Task Who_changed_which_limit_from_what_to_what_is_told_whoever_it_was(StoreTests.Engine engine)
    {
        await using var bench = await LiveAsync(engine);
        var agent = (await bench.HotlineAsync<AgentSignIn, AgentSession>("sign-in", new("li-na", "secret-1"))).Value!.Session;
        var holder = (await bench.AppAsync<AppSignIn, AppSession>("sign-in", new("lin", "app-secret"))).Value!.Session;
        Assert.True(await bench.Desk.LimitDeviceCardAsync("green", "tur-1", new(null, 20_000), LimitAuthor.Counter));
        bench.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.NotNull((await bench.HotlineAsync<HotlineRequest, HotlineReply>("limit", new(agent, "asked", "green", PerPayment: "60.00", PerDay: "200.00"))).Value);
        bench.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.NotNull((await bench.AppAsync<AppLimit, AppDone>("limit", new(holder, "tur-1", null, "500.00"))).Value);
        Assert.NotNull((await bench.AppAsync<AppLimit, AppDone>("limit", new(holder, "tur-1", null, "500.00"))).Value); // the same again is no change

        var changes = (await bench.HotlineAsync<HotlineHistoryRequest, LimitHistoryReply>("limits", new(agent, "green"))).Value!.Changes;
        Assert.Equal(
            [
                ("COUNTER", "counter", new LimitsSaid(null, null), new LimitsSaid(null, "200.00")),
                ("HOTLINE", "li-na", new LimitsSaid(null, "200.00"), new LimitsSaid("60.00", "200.00")),
                ("APP", "lin", new LimitsSaid("60.00", "200.00"), new LimitsSaid(null, "500.00")),
            ],
            changes.Select(change => (change.Channel, change.Author, change.Before, change.After)));
        Assert.Equal([0, 1, 2], changes.Select(change => (change.At - changes[0].At).TotalMinutes));
        Assert.All(changes, change => Assert.Equal(("tur-1", IssuerBench.Token.LastFour), (change.TokenUniqueReference, change.Device)));
        Assert.Equal("2026-11-23 12:02 持卡人（银行应用）：单笔60.00、单日200.00 → 单笔不限、单日500.00", changes[2].Words().Zh);
        Assert.Equal(changes, (await bench.AppAsync<AppLimitsRequest, LimitHistoryReply>("limits", new(holder, "tur-1"))).Value!.Changes);
        await bench.Store.DurableAsync();
        Assert.Equal(changes, bench.Desk.LimitChanges("green"));

        // Nobody else sees it: another's card, no session, another's reference.
        Assert.Equal(BankApp.NotSignedIn, (await bench.AppAsync<AppLimitsRequest, LimitHistoryReply>("limits", new(agent, "tur-1"))).Error!.ErrorCode);
        Assert.Equal(HotlineErrors.NotSignedIn, (await bench.HotlineAsync<HotlineHistoryRequest, LimitHistoryReply>("limits", new(holder, "green"))).Error!.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await bench.AppAsync<AppLimitsRequest, LimitHistoryReply>("limits", new(holder, "tur-2"))).Error!.ErrorCode);
        Assert.Empty((await bench.HotlineAsync<HotlineHistoryRequest, LimitHistoryReply>("limits", new(agent, "debit"))).Value!.Changes);

        // It goes with the device card to the new plastic.
        var (replaced, _) = await bench.Desk.ReplaceAsync("green", ReplacementPolicy.MoveTokens);
        await bench.Store.DurableAsync();
        Assert.Equal(3, bench.Desk.LimitChanges(replaced!.New.Card).Count);
    }
}
