using Majia.Cli.Apart;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Demo;
using Majia.Host.Operations;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Storage;
using Majia.Terminal;
using Majia.Terminal.Line;

namespace Majia.Scenarios.Failures;

/// <summary>Issuer, token service, network, acquirer, wallet and transit operator in a process each over TLS; each is killed in the middle of the selling and started again (quality.md, semantics 1–3).</summary>
public sealed class ApartCrashTests : IAsyncLifetime
{
    private const string Card = "mingyue-02", Finger = "right thumb";

    private const long TopUp = 1_500;

    private static readonly Amount Price = Amount.Cny(100);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-apart-").FullName;
    private readonly List<string> log = [];
    private Trial trial = null!;

    public async ValueTask InitializeAsync() => trial = await Trial.StartAsync(folder, log: (role, line) =>
    {
        lock (log)
        {
            log.Add($"{role}: {line}");
        }
    });

    public async ValueTask DisposeAsync()
    {
        await trial.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Each_of_six_processes_is_killed_while_it_sells_and_no_cent_is_wrong()
    {
        await using (var system = await MajiaSystem.OpenAsync(trial.Devices(new SeededEntropy(7, "apart"))))
        {
            await foreach (var step in new Story(system, transit: true).TellAsync())
            {
                Assert.True(step.Ok, $"{step.Step}: {step.Outcome}, expected {step.Expected}: {step.Why.En}");
            }

            var window = system.Windows[SeedData.Banks[0].Institution];
            var opening = (await window.AccountAsync(SeedData.Card(Card).Account)).Minor;
            var (phone, terminal) = (system.Phones["mi5"], system.Terminals[World.Books]);
            List<string> acknowledged = [];
            Assert.Empty(await phone.TopUpTransitAsync(3_000, CancellationToken.None)); // for all the rides to come
            var purse = (await phone.TransitAsync(CancellationToken.None))!.Balance.Minor;
            foreach (var role in Trial.Parties)
            {
                acknowledged.Add(await SoldAsync(system, phone));
                var under = SellAsync(system, phone);
                var topped = role == Role.Transit ? phone.TopUpTransitAsync(TopUp, CancellationToken.None) : null;
                await trial.KillAsync(role);
                var reasons = topped is null ? [] : await topped;
                if (await under is { Outcome: SaleOutcome.Approved } lucky)
                {
                    acknowledged.Add(lucky.Rrn!);
                }

                // Nobody is there: the next one is refused or reversed, or the party that is gone has no part in it.
                if (await SellAsync(system, phone) is { Outcome: SaleOutcome.Approved } without)
                {
                    Assert.Contains(role, (Role[])[Role.Wallet, Role.Transit]);
                    acknowledged.Add(without.Rrn!);
                }

                // A gate asks nobody, whoever is gone.
                purse -= await RideAsync(system, phone);

                await trial.StartAsync(role);
                await trial.ReadyAsync();
                acknowledged.Add(await SoldAsync(system, phone));
                if (reasons.Count > 0)
                {
                    // Nobody heard how it ended: tried again it is the same top-up.
                    Assert.Equal("OFFLINE", Assert.Single(reasons).Code);
                    Assert.Empty(await phone.TopUpTransitAsync(TopUp, CancellationToken.None));
                }

                purse += topped is null ? 0 : TopUp;
            }

            Assert.Equal(purse, (await phone.TransitAsync(CancellationToken.None))!.Balance.Minor);
            Assert.Equal(Trial.Parties.Count, await system.Gates.SettleAsync(CancellationToken.None));

            // What waits in terminal, acquirer and switch is delivered.
            using var hurry = new CancellationTokenSource(Patience);
            while (terminal.Pending.Count > 0 || Count(Role.Acquirer, "acquirer_outbox") > 0 || Count(Role.Network, "network_outbox") > 0 || (await window.AccountAsync(SeedData.Card(Card).Account)).Minor != opening - (Price.Minor * acknowledged.Count))
            {
                Assert.False(hurry.IsCancellationRequested, $"pending: terminal {terminal.Pending.Count}, acquirer {Count(Role.Acquirer, "acquirer_outbox")}, switch {Count(Role.Network, "network_outbox")}; {acknowledged.Count} acknowledged, balance {(await window.AccountAsync(SeedData.Card(Card).Account)).Minor}, was {opening}; {string.Join(" | ", log.TakeLast(20))}");
                await terminal.ResolvePendingAsync(hurry.Token);
                await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, CancellationToken.None);
            }

            var journal = terminal.Journal(int.MaxValue).Where(row => row.Request.Kind == TransactionKind.Sale && row.State == JournalState.Approved).Select(row => row.Rrn!);
            Assert.Equal(acknowledged.Order(StringComparer.Ordinal), journal.Order(StringComparer.Ordinal));
            Assert.Empty(await window.BrokenInvariantsAsync());
        }

        foreach (var role in Trial.Parties)
        {
            Assert.Equal(0, await trial.StopAsync(role));
        }

        // Every process's own books: the acquirer's sales are the bank's, each once, and no counter came twice.
        const string Sales = "operation = 'Sale' AND state = 'Approved'";
        Assert.Equal(0, Peek(Role.Issuer, "SELECT count(*) FROM (SELECT currency FROM issuer_ledger GROUP BY currency HAVING SUM(amount) <> 0)"));
        Assert.Equal(1, Peek(Role.Token, "SELECT count(*) FROM token_alarm WHERE kind <> 'GAP'")); // the thief of the story
        Assert.Equal(Peek(Role.Issuer, $"SELECT count(*) FROM issuer_authorisations WHERE {Sales}"), Peek(Role.Issuer, $"SELECT count(DISTINCT rrn) FROM issuer_authorisations WHERE {Sales}"));
        Assert.Equal(2_000 + 3_000 + TopUp, Peek(Role.Transit, "SELECT SUM(amount) FROM transit_load WHERE state = 'DONE'"));
        Assert.Equal(Trial.Parties.Count + 1, Peek(Role.Transit, "SELECT count(*) FROM transit_ride"));
        Assert.Empty(Verification.Run([.. Trial.Parties.Select(party => new DataPlace(trial.DataOf(party))), new DataPlace(Path.Combine(folder, "devices"))], new SystemEntropy()).Findings);
        Assert.DoesNotContain(log, line => line.Contains("refused:", StringComparison.Ordinal) && line.Contains("certificate for", StringComparison.Ordinal));
    }

    /// <summary>Sells until one goes through: a party that has just come back may refuse the first ones.</summary>
    private static async Task<string> SoldAsync(MajiaSystem system, PhoneDevice phone)
    {
        using var hurry = new CancellationTokenSource(Patience);
        SaleResult sale;
        do
        {
            Assert.False(hurry.IsCancellationRequested, "nothing can be sold");
            sale = await SellAsync(system, phone);
        }
        while (sale.Outcome != SaleOutcome.Approved);
        return sale.Rrn!;
    }

    /// <summary>In at the first station, out at the eighth; what it cost.</summary>
    private static async Task<long> RideAsync(MajiaSystem system, PhoneDevice phone)
    {
        var entered = await system.Gates.Gate("in-1").TapAsync(phone.Tap(), CancellationToken.None);
        Assert.True(entered.Opens, entered.Says.En);
        var left = await system.Gates.Gate("out-8").TapAsync(phone.Tap(), CancellationToken.None);
        Assert.True(left.Opens, left.Says.En);
        return left.Fare.Minor;
    }

    private static async Task<SaleResult> SellAsync(MajiaSystem system, PhoneDevice phone)
    {
        await phone.OpenByReader();
        await phone.ChooseAsync(phone.State.Cards[0].CardReference);
        await phone.VerifyFingerprintAsync(Finger);
        var field = system.Fields[World.Books];
        field.Clear();
        field.Present(phone.Tap());
        return await system.Terminals[World.Books].SellAsync(Price, field, new Majia.Host.Devices.HoldersHand(SeedData.TestPin), CancellationToken.None);
    }

    private long Count(Role role, string table) => Peek(role, $"SELECT count(*) FROM {table}");

    private long Peek(Role role, string query) => SqliteStore.Peek(Path.Combine(trial.DataOf(role), "majia.db"), session => session.Number(query)) ?? 0;
}
