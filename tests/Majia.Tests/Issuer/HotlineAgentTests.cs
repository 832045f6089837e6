using Majia.Core.Contracts;
using Majia.Issuer;
using Majia.Storage;
using Majia.Tests.Storage;

namespace Majia.Tests.Issuer;

/// <summary>An agent's own sign-in at the hotline, on both databases.</summary>
public sealed class HotlineAgentTests(PostgresServer server)
{
    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    private async Task<IssuerBench> OpenAsync(StoreTests.Engine engine) => await IssuerBench.OpenAsync(
        engine == StoreTests.Engine.Postgres ? PostgresStore.Open(await server.NewDatabaseAsync(), [IssuerParty.Schema], TimeProvider.System, PostgresServer.Options) : null);

    private static Task<ApiReply<AgentSession>> SignInAsync(IssuerBench bench, string agent, string secret) => bench.HotlineAsync<AgentSignIn, AgentSession>("sign-in", new(agent, secret));

    private static async Task<IReadOnlyList<HotlineLine>> BookAsync(IssuerBench bench, string session) =>
        (await bench.HotlineAsync<HotlineHistoryRequest, HotlineHistory>("history", new(session, "debit"))).Value!.Lines;

    [Theory, Rule("R23")]
    [MemberData(nameof(Both))]
    public async Task What_is_done_stands_under_the_name_of_whoever_signed_in_and_a_shift_ends(StoreTests.Engine engine)
    {
        await using var bench = await OpenAsync(engine);
        var (li, he) = ((await SignInAsync(bench, "li-na", "secret-1")).Value!, (await SignInAsync(bench, "he-ming", "secret-2")).Value!);
        Assert.Equal(bench.Time.GetUtcNow().AddHours(8), li.Until);
        Assert.DoesNotContain(li.Session, li.ToString(), StringComparison.Ordinal);
        Assert.Equal("Lost", (await bench.HotlineAsync<HotlineRequest, HotlineReply>("report-lost", new(li.Session, "called", "debit"))).Value!.State);
        Assert.Equal("Normal", (await bench.HotlineAsync<HotlineRequest, HotlineReply>("lift", new(he.Session, "found", "debit", Comment: "in a coat"))).Value!.State);
        Assert.Equal(
            [("li-na", "report-lost", "asked"), ("li-na", "report-lost", "done"), ("he-ming", "lift", "asked"), ("he-ming", "lift", "done")],
            (await BookAsync(bench, he.Session)).Select(line => (line.Agent, line.Action, line.Outcome)));

        bench.Time.Advance(TimeSpan.FromHours(8));
        Assert.Equal("NOT_SIGNED_IN", (await bench.HotlineAsync<HotlineRequest, HotlineReply>("report-lost", new(li.Session, "called", "debit"))).Error!.ErrorCode);
        Assert.Equal(4, (await BookAsync(bench, (await SignInAsync(bench, "he-ming", "secret-2")).Value!.Session)).Count);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Wrong_secrets_all_at_once_are_five_and_close_the_door_for_half_an_hour(StoreTests.Engine engine)
    {
        await using var bench = await OpenAsync(engine);
        var guesses = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => SignInAsync(bench, "li-na", $"guess-{i}"))));
        Assert.Equal((5, 15), (guesses.Count(guess => guess.Error!.ErrorCode == HotlineErrors.WrongSecret), guesses.Count(guess => guess.Error!.ErrorCode == HotlineErrors.Locked)));
        Assert.Equal(HotlineErrors.Locked, (await SignInAsync(bench, "li-na", "secret-1")).Error!.ErrorCode);
        Assert.NotNull((await SignInAsync(bench, "he-ming", "secret-2")).Value);
        bench.Time.Advance(TimeSpan.FromMinutes(30));
        Assert.NotNull((await SignInAsync(bench, "li-na", "secret-1")).Value);

        // A right one between wrong ones begins the count anew.
        for (var i = 0; i < 12; i++)
        {
            var right = i % 4 == 3;
            Assert.Equal(right ? null : HotlineErrors.WrongSecret, (await SignInAsync(bench, "li-na", right ? "secret-1" : "wrong")).Error?.ErrorCode);
        }
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_seeded_agent_does_not_work_in_production_and_a_guess_does_not_learn_who_is_one(StoreTests.Engine engine)
    {
        await using var bench = await OpenAsync(engine);
        bench.Restart(new IssuerOptions(IssuerBench.Institution, IssuerBench.Bank.Name) { RefusesTestAgents = true, PasswordIterations = 100 });
        var refused = (await SignInAsync(bench, "li-na", "secret-1")).Error!;
        Assert.Equal(HotlineErrors.TestAgent, refused.ErrorCode);
        Assert.Contains("生产模式", refused.Why!.Zh, StringComparison.Ordinal);
        Assert.Equal(HotlineErrors.WrongSecret, (await SignInAsync(bench, "li-na", "secret-2")).Error!.ErrorCode);
        Assert.Equal(HotlineErrors.WrongSecret, (await SignInAsync(bench, "nobody", "secret-1")).Error!.ErrorCode);
        Assert.Equal(0L, await bench.Store.WriteAsync(session => session.Number("SELECT COUNT(*) FROM issuer_agent_sessions")));
    }
}
