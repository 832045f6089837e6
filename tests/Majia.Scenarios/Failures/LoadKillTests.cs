using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Load;
using Majia.Storage;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Scenarios.Failures;

/// <summary>A server under load over TCP from another process, killed by SIGKILL again and again: the client's own list of acknowledged answers against the books (quality.md, semantics 1–3).</summary>
public sealed class LoadKillTests
{
    private const int Workers = 32;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static int Kills => Environment.GetEnvironmentVariable("MAJIA_LONG") == "1" ? 200 : 10;

    /// <summary>Known to both processes: they share no other word.</summary>
    internal static LoadPlan Plan { get; } = new(9, Cards: 192, HotCards: 32, Terminals: 64);

    /// <summary>Every other victim writes all commits into its log first, and their rows into the database often.</summary>
    internal static GroupCommit Commit(int kill) => kill % 2 == 0 ? new GroupCommit() : new GroupCommit(LogAfter: 0, LogRows: 500);

    [Fact]
    public async Task Killed_again_and_again_under_load_every_acknowledged_payment_is_in_the_books_once_and_no_other()
    {
        var folder = Directory.CreateTempSubdirectory("majia-load-kill-").FullName;
        try
        {
            var taps = new LoadTaps(Plan, TimeProvider.System);
            var dice = new Random(20260602);
            var acknowledged = new SortedDictionary<string, string>(StringComparer.Ordinal);
            List<LoadTap> open = [];
            var slowest = TimeSpan.Zero;
            var logs = 0;
            for (var kill = 0; kill < Kills; kill++)
            {
                var started = Stopwatch.GetTimestamp();
                using var victim = VictimProcess.Start($"serve;{kill};{folder}");
                var server = new IPEndPoint(IPAddress.Loopback, int.Parse(await victim.SaysAsync("READY"), CultureInfo.InvariantCulture));

                // What the terminal never heard of is reversed before its next transaction (decisions.md 20).
                await ReverseAsync(server, taps, open);
                open.Clear();
                await RepeatAsync(server, acknowledged, dice);

                using var end = new CancellationTokenSource(Patience);
                var gate = new Lock();
                var enough = dice.Next(50, 600);
                var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                var count = 0;
                var workers = Enumerable.Range(0, Workers).Select(_ => SellAsync(server, Next, Heard, Unheard, end.Token)).ToList();
                await first.Task.WaitAsync(Patience);
                var back = Stopwatch.GetElapsedTime(started);
                slowest = back > slowest ? back : slowest;
                await await Task.WhenAny([reached.Task, .. workers]).WaitAsync(Patience); // a worker ends by itself only when it failed
                await victim.KillAsync();
                await Task.WhenAll(workers).WaitAsync(Patience);
                Assert.NotEmpty(open); // it was killed with work in its hands
                logs += LeftInLog(Path.Combine(folder, "majia.db")) ? 1 : 0;

                LoadTap Next()
                {
                    lock (gate)
                    {
                        return taps.Next(hot: count % 7 == 0);
                    }
                }

                void Heard(LoadTap tap, IsoMessage answer)
                {
                    lock (gate)
                    {
                        Assert.Equal("00", answer.Text(39));
                        acknowledged.Add(answer.Text(37)!, Convert.ToHexString(tap.Frame) + answer.Text(38));
                        first.TrySetResult();
                        if (++count >= enough)
                        {
                            reached.TrySetResult();
                        }
                    }
                }

                void Unheard(LoadTap tap)
                {
                    lock (gate)
                    {
                        open.Add(tap);
                    }
                }
            }

            Assert.InRange(logs, 1, Kills); // rows that were acknowledged stood in the log alone
            TestContext.Current.SendDiagnosticMessage(string.Create(CultureInfo.InvariantCulture, $"{Kills} kills, {logs} of them with rows in the log, {acknowledged.Count} acknowledged; slowest first approval after a start: {slowest.TotalSeconds:F1} s"));
            await VerifyAsync(folder, taps, open, acknowledged.Keys);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Commits stand in the log that the database has not.</summary>
    private static bool LeftInLog(string database) => SqliteStore.HasWaiting(database);

    /// <summary>Opened once more, long after: the last reversals arrive, what the switch has no answer for is closed, and the books hold exactly what was acknowledged.</summary>
    internal static async Task VerifyAsync(string folder, LoadTaps taps, List<LoadTap> open, IEnumerable<string> acknowledged)
    {
        var later = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var world = await LoadWorld.OpenAsync(Plan, Path.Combine(folder, "majia.db"), later, NoTrace.Instance);
        foreach (var tap in open)
        {
            AssertReversed(await world.Acquirer.HandleAsync(taps.Reversal(tap), CancellationToken.None));
        }

        for (var round = 0; round < 4; round++)
        {
            later.Advance(TimeSpan.FromMinutes(10));
            await world.Acquirer.PumpAsync(CancellationToken.None);
            await world.Store.DurableAsync();
            await world.Network.PumpAsync(CancellationToken.None);
            await world.Store.DurableAsync();
        }

        Assert.Empty(world.Acquirer.DeadLetters());
        Assert.Empty(world.Network.DeadLetters());
        var charged = world.Store.Read(session => session.Query("SELECT rrn FROM issuer_authorisations WHERE operation = 'Sale' AND state = 'Approved' ORDER BY rrn", row => row.GetString(0)));
        Assert.Equal(acknowledged.Order(StringComparer.Ordinal), charged.Order(StringComparer.Ordinal));
        Assert.Equal(0, world.BooksSum());
        Assert.Equal(-LoadPlan.Amount * charged.Count, world.Store.Read(session => session.Number("SELECT SUM(amount) FROM issuer_ledger WHERE kind <> 'Opening' AND account NOT LIKE 'settlement%' AND account <> 'suspense'")));
    }

    private static async Task SellAsync(IPEndPoint server, Func<LoadTap> next, Action<LoadTap, IsoMessage> heard, Action<LoadTap> unheard, CancellationToken cancellation)
    {
        using var line = await PosClient.OpenAsync(server);
        while (true)
        {
            var tap = next();
            IsoMessage answer;
            try
            {
                answer = await line.AskAsync(tap.Frame, cancellation);
            }
            catch (Exception gone) when (gone is IOException or SocketException)
            {
                unheard(tap);
                return;
            }

            heard(tap, answer);
        }
    }

    private static async Task ReverseAsync(IPEndPoint server, LoadTaps taps, List<LoadTap> open)
    {
        using var line = await PosClient.OpenAsync(server);
        foreach (var tap in open)
        {
            using var hurry = new CancellationTokenSource(Patience);
            AssertReversed(await line.RawAsync(taps.Reversal(tap), hurry.Token));
        }
    }

    /// <summary>The very bytes again: the stored answer, after however many deaths.</summary>
    private static async Task RepeatAsync(IPEndPoint server, SortedDictionary<string, string> acknowledged, Random dice)
    {
        using var line = await PosClient.OpenAsync(server);
        foreach (var (rrn, kept) in acknowledged.Where(_ => dice.Next(acknowledged.Count) < 25).ToList())
        {
            using var hurry = new CancellationTokenSource(Patience);
            var again = await line.AskAsync(Convert.FromHexString(kept[..^6]), hurry.Token);
            Assert.Equal(("00", rrn, kept[^6..]), (again.Text(39), again.Text(37), again.Text(38)));
        }
    }

    private static void AssertReversed(ReadOnlyMemory<byte> answer)
    {
        // 25: it never arrived, and is barred now (decisions.md 20).
        Assert.Contains(PosClient.Read(answer).Text(39), (string[])["00", "25"]);
    }
}
