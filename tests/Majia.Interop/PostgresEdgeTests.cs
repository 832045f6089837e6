using System.Diagnostics;
using System.Net;
using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Links;
using Majia.Host.Load;
using Majia.Storage;
using Npgsql;

namespace Majia.Interop;

/// <summary>What the edges say while the database does not keep up, or is gone: at once, under a MAC, and nothing has been done.</summary>
public sealed class PostgresEdgeTests(PostgresServer server)
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(30);

    private const string Balances = "SELECT SUM(balance) FROM issuer_accounts WHERE account NOT LIKE 'settlement%'";

    private static CancellationToken Given => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Saturated_by_a_database_that_does_not_answer_both_lines_refuse_at_once_and_what_was_taken_is_answered_when_it_does()
    {
        const int Most = 8;
        var database = await server.NewDatabaseAsync();
        await using var world = await LoadWorld.OpenOnPostgresAsync(new LoadPlan(31, 40, 0, 40), database, TimeProvider.System, NoTrace.Instance, PostgresServer.Options);
        await using var pos = Pos(world, Most);
        await using var terminal = await CallAsync(pos, Framing.Pos);
        var taps = new LoadTaps(world.Plan, TimeProvider.System);
        Assert.Equal("00", Code(taps, await terminal.ExchangeAsync(taps.Next().Frame, Given)));

        // Somebody holds the bank's accounts: every payment stands before them.
        await using var holder = new NpgsqlConnection(await server.AdministratorOfAsync(database) + ";Pooling=false");
        await holder.OpenAsync(Given);
        await using var held = await holder.BeginTransactionAsync(Given);
        await using (var hold = new NpgsqlCommand("LOCK TABLE issuer.issuer_accounts IN ACCESS EXCLUSIVE MODE", holder, held))
        {
            await hold.ExecuteNonQueryAsync(Given);
        }

        var taken = Enumerable.Range(0, Most).Select(_ => taps.Next()).Select(tap => terminal.ExchangeAsync(tap.Frame, Given)).ToList();
        var from = Stopwatch.GetTimestamp();
        while (pos.State.InFlight < Most)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < Patience, "the requests were not taken");
            await Task.Delay(TimeSpan.FromMilliseconds(5), Given);
        }

        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("96", Code(taps, await terminal.ExchangeAsync(taps.Next().Frame, Given).WaitAsync(AtOnce, Given)));
        }

        Assert.All(taken, working => Assert.False(working.IsCompleted));

        // The switch's line in the same state.
        await using var line = TcpIsoServer.Start(new IPEndPoint(IPAddress.Loopback, 0), Framing.Switch, world.Network, TimeProvider.System, new TcpIsoServerOptions
        {
            MaxInFlight = 0,
            Overload = OverloadAnswers.Switch((_, _) => (world.AcquirerKeys, "zak.network"), new AcquirerOptions().Mac),
        }, world.Store);
        await using var acquirer = await CallAsync(line, Framing.Switch);
        var refused = await acquirer.ExchangeAsync(SwitchSale(), Given).WaitAsync(AtOnce, Given);
        Assert.True(SwitchFrame.TryRead(refused, out _, out _, out var body, out _));
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var message, out _));
        Assert.Equal("91", message.Text(39));
        Assert.True(IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => world.AcquirerKeys.VerifyMac("zak.network", new AcquirerOptions().Mac, block, mac)));

        await held.RollbackAsync(Given);
        Assert.All(await Task.WhenAll(taken).WaitAsync(Patience, Given), answer => Assert.Equal("00", Code(taps, answer)));
        Assert.Equal("00", Code(taps, await terminal.ExchangeAsync(taps.Next().Frame, Given)));
        Assert.Equal(Most + 2, world.Sales());
        Assert.Equal(0, world.BooksSum());
    }

    [Fact]
    public async Task While_the_database_is_gone_a_terminal_hears_96_at_once_and_00_when_it_is_back()
    {
        PostgresServer.Require();
        var folder = Path.Combine(Path.GetTempPath(), $"majia-edge-{Environment.ProcessId}");
        await using var cluster = await PrivatePostgres.StartAsync(folder, ["shared_buffers = 32MB"]);
        try
        {
            await using var world = await LoadWorld.OpenOnPostgresAsync(new LoadPlan(32, 40, 0, 40), cluster.ConnectionString, TimeProvider.System, NoTrace.Instance);
            await using var pos = Pos(world, 8);
            await using var terminal = await CallAsync(pos, Framing.Pos);
            var taps = new LoadTaps(world.Plan, TimeProvider.System);
            var before = Number(world, Balances);
            Assert.Equal("00", Code(taps, await terminal.ExchangeAsync(taps.Next().Frame, Given)));
            await cluster.StopAsync();

            // The first one may be on its way when the connection breaks: then it is not answered, and its terminal reverses it.
            var unheard = new List<LoadTap> { taps.Next() };
            var first = terminal.ExchangeAsync(unheard[0].Frame, Given);
            await UntilAsync(() => world.Store.Failure is not null);
            for (var i = 0; i < 20; i++)
            {
                Assert.Equal("96", Code(taps, await terminal.ExchangeAsync(taps.Next().Frame, Given).WaitAsync(AtOnce, Given)));
            }

            await cluster.StartAsync();
            await UntilAsync(() => world.Store.Failure is null);

            // A connection that broke is found out when somebody uses it: that request is in doubt and hears nothing. The next one is answered.
            var code = (string?)null;
            while (code is null)
            {
                var tap = taps.Next();
                try
                {
                    code = Code(taps, await terminal.ExchangeAsync(tap.Frame, Given).WaitAsync(AtOnce, Given));
                }
                catch (TimeoutException)
                {
                    unheard.Add(tap);
                    Assert.InRange(unheard.Count, 1, 6);
                }
            }

            Assert.Equal("00", code);
            if (first.IsCompletedSuccessfully)
            {
                // Refused before anything was done for it.
                Assert.Equal("96", Code(taps, await first));
                unheard.RemoveAt(0);
            }

            // As a terminal does it: what it did not hear it reverses, and repeats that until it is heard.
            foreach (var tap in unheard)
            {
                Assert.Contains(await ReversedAsync(terminal, taps.Reversal(tap)), (string[])["00", "25"]);
            }

            // What acquirer and switch pass on arrives; then exactly what was answered is in the books.
            await UntilAsync(async () =>
            {
                await world.Acquirer.PumpAsync(Given);
                await world.Network.PumpAsync(Given);
                return Number(world, "SELECT (SELECT count(*) FROM acquirer_outbox) + (SELECT count(*) FROM network_outbox)") == 0;
            });
            Assert.Equal(2, Number(world, "SELECT count(*) FROM acquirer_transaction WHERE code = '00' AND reversed_at IS NULL"));
            Assert.Equal(2, Number(world, "SELECT count(*) FROM issuer_authorisations WHERE operation = 'Sale' AND state = 'Approved'"));
            Assert.Equal(before - (2 * LoadPlan.Amount), Number(world, Balances));
            Assert.Equal(0, Number(world, "SELECT SUM(amount) FROM issuer_ledger"));
            await terminal.DisposeAsync();
            await Task.WhenAny(first);
        }
        finally
        {
            await cluster.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The answer's code to a reversal; on a connection that broke it is not heard either, and sent again.</summary>
    private static async Task<string> ReversedAsync(TcpIsoLink terminal, byte[] reversal)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                var answer = await terminal.ExchangeAsync(reversal, Given).WaitAsync(AtOnce, Given);
                return PosFrame.TryRead(answer, out _, out _, out var body, out _) && IsoCodec.TryRead(Dialect.Pos, body, out var message, out _) && message.Mti == Mti.ReversalRequest.Response ? message.Text(39)! : "unreadable";
            }
            catch (TimeoutException) when (tries < 6)
            {
                // Again, unchanged.
            }
        }
    }

    /// <summary>A reader's connection may be one of those that broke.</summary>
    private static long Number(LoadWorld world, string query)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return world.Store.Read(session => session.Number(query)) ?? 0;
            }
            catch (StoreUnavailableException) when (tries < 6)
            {
                // The next one is new.
            }
        }
    }

    private static Task UntilAsync(Func<bool> so) => UntilAsync(() => Task.FromResult(so()));

    private static async Task UntilAsync(Func<Task<bool>> so)
    {
        for (var from = Stopwatch.GetTimestamp(); !await so();)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < Patience, "it did not come");
            await Task.Delay(TimeSpan.FromMilliseconds(5), Given);
        }
    }

    private static TcpIsoServer Pos(LoadWorld world, int most)
    {
        var acquirer = new AcquirerOptions();
        return TcpIsoServer.Start(new IPEndPoint(IPAddress.Loopback, 0), Framing.Pos, world.Acquirer, TimeProvider.System, new TcpIsoServerOptions
        {
            MaxInFlight = most,
            Overload = OverloadAnswers.Pos(world.AcquirerKeys, acquirer.Mac, acquirer.Institution, acquirer.UtcOffset, TimeProvider.System),
        }, world.Store);
    }

    private static Task<TcpIsoLink> CallAsync(TcpIsoServer line, Framing framing) => TcpIsoLink.ConnectAsync(line.LocalEndpoint, framing, TimeProvider.System, new SeededEntropy(7, "edge"), null);

    private static byte[] SwitchSale() => SwitchFrame.Write("00010000", "63990900", IsoCodec.Write(Dialect.Switch, new IsoMessage(Mti.FinancialRequest)
        .Set(3, "000000").SetNumber(4, 8_800, 12).SetNumber(7, 1_123_024_200, 10).SetNumber(11, 1, 6).Set(32, "63990900").Set(33, "63990900").Set(37, "000000000001")));

    /// <summary>The answer's code; its MAC is the terminal's.</summary>
    private static string Code(LoadTaps taps, ReadOnlyMemory<byte> answer) => taps.TryRead(answer, checkMac: true, out _, out _, out var code) ? code : "unreadable";
}
