using System.Collections.Concurrent;
using System.Diagnostics;
using Majia.Core.Contracts;
using Majia.Host.Load;
using Majia.Storage;
using Majia.Tests;
using Npgsql;

namespace Majia.Interop;

/// <summary>The database dies under load, with its disk kept as a power failure would find it: whatever was answered is in the books, nothing is there twice, and our process goes on by itself.</summary>
public sealed class PostgresFailureTests : IAsyncDisposable
{
    private static readonly TimeSpan BackWithin = TimeSpan.FromSeconds(5);

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"majia-fail-{Guid.NewGuid():N}"[..20]);
    private readonly List<string> clusters = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var data in clusters)
        {
            await StopAsync(data);
        }

        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(int.MaxValue)]
    public async Task Killed_again_and_again_under_load_it_loses_no_answer_and_serves_within_five_seconds_of_its_return(int aloneAfter)
    {
        PostgresServer.Require();
        var kills = Environment.GetEnvironmentVariable("MAJIA_LONG") == "1" ? 50 : 3;
        Directory.CreateDirectory(folder);
        var cluster = await StartAsync("one");
        await using var world = await LoadWorld.OpenOnPostgresAsync(new LoadPlan(21, 300, 0, 300), cluster.ConnectionString, TimeProvider.System, NoTrace.Instance, new PostgresOptions(AloneAfter: aloneAfter));
        await using var load = new Load(world);
        for (var kill = 0; kill < kills; kill++)
        {
            await load.UntilAsync(() => aloneAfter > 0 || world.Store is PostgresStore { KeepsRows: true });
            await load.UntilApprovedAsync(60);
            await KillAsync(cluster.ProcessId);
            await load.UntilRefusedAsync();
            await AgainAsync(cluster);
            var back = Stopwatch.GetTimestamp();
            await load.UntilApprovedAsync(1);
            Assert.True(Stopwatch.GetElapsedTime(back) < BackWithin, $"first approval {Stopwatch.GetElapsedTime(back).TotalSeconds:F1} s after the return");
        }

        await load.StopAsync();
        load.AssertBooks();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(int.MaxValue)]
    public async Task The_standby_takes_over_and_has_every_answer(int aloneAfter)
    {
        PostgresServer.Require();
        Directory.CreateDirectory(folder);
        var primary = await StartAsync("primary");
        var (data, sockets) = await StandByAsync(primary);
        await RunAsync(primary.AdministratorString, "ALTER SYSTEM SET synchronous_standby_names = '*'");
        await RunAsync(primary.AdministratorString, "SELECT pg_reload_conf()");
        var both = new NpgsqlConnectionStringBuilder(primary.ConnectionString) { TargetSessionAttributes = "primary" };
        both.Host = $"{both.Host},{sockets}";
        await using var world = await LoadWorld.OpenOnPostgresAsync(new LoadPlan(22, 300, 0, 300), both.ConnectionString, TimeProvider.System, NoTrace.Instance, new PostgresOptions(AloneAfter: aloneAfter));
        await using var load = new Load(world);
        await load.UntilAsync(() => aloneAfter > 0 || world.Store is PostgresStore { KeepsRows: true });
        await load.UntilApprovedAsync(100);
        await KillAsync(primary.ProcessId);
        await load.UntilRefusedAsync();
        await AsPostgresAsync("pg_ctl", "-D", data, "-w", "promote");
        var back = Stopwatch.GetTimestamp();
        await load.UntilApprovedAsync(1);
        Assert.True(Stopwatch.GetElapsedTime(back) < BackWithin, $"first approval {Stopwatch.GetElapsedTime(back).TotalSeconds:F1} s after the promotion");
        await load.UntilApprovedAsync(50);
        await load.StopAsync();
        load.AssertBooks();
    }

    private async Task<PrivatePostgres> StartAsync(string name)
    {
        var cluster = await PrivatePostgres.StartAsync(Path.Combine(folder, name), ["shared_buffers = 32MB"]);
        clusters.Add(Path.Combine(folder, name, "cluster"));
        return cluster;
    }

    /// <summary>Children of a killed postmaster may take a moment to see that it is gone; until then its shared memory is in use.</summary>
    private static async Task AgainAsync(PrivatePostgres cluster)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await cluster.StartAsync();
                return;
            }
            catch (StoreException) when (tries < 40)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(250));
            }
        }
    }

    private async Task<(string Data, string Sockets)> StandByAsync(PrivatePostgres primary)
    {
        var home = Path.Combine(folder, "standby");
        var (data, sockets) = (Path.Combine(home, "cluster"), Path.Combine(home, "socket"));
        Directory.CreateDirectory(sockets);
        if (Environment.UserName == "root")
        {
            Assert.Equal(0, (await OutsideProgram.RunAsync("/bin/chown", ["-R", "postgres:", home])).ExitCode);
        }

        await AsPostgresAsync("pg_basebackup", "-h", new NpgsqlConnectionStringBuilder(primary.ConnectionString).Host!, "-U", "postgres", "-D", data, "-R", "-X", "stream", "-c", "fast");
        await File.AppendAllLinesAsync(Path.Combine(data, "postgresql.auto.conf"), [$"unix_socket_directories = '{sockets}'", "synchronous_standby_names = ''"]);
        clusters.Add(data);
        await AsPostgresAsync("pg_ctl", "-D", data, "-l", Path.Combine(data, "server.log"), "-w", "start");
        return (data, sockets);
    }

    private static async Task StopAsync(string data)
    {
        if (File.Exists(Path.Combine(data, "postmaster.pid")))
        {
            await OutsideProgram.RunAsync(Words("pg_ctl")[0], [.. Words("pg_ctl")[1..], "-D", data, "-m", "immediate", "stop"]);
        }
    }

    private static async Task AsPostgresAsync(string program, params string[] arguments)
    {
        // To a file: a server that stays keeps what it inherits.
        var words = string.Join(' ', Words(program).Concat(arguments).Select(word => $"'{word}'"));
        var said = await OutsideProgram.RunAsync("/bin/sh", ["-c", $"cd / && {words} > /dev/null 2>&1 < /dev/null"]);
        Assert.True(said.ExitCode == 0, $"{program} failed ({said.ExitCode})");
    }

    private static string[] Words(string program) => Environment.UserName == "root"
        ? ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", Path.Combine(PrivatePostgres.Binaries!, program)]
        : [Path.Combine(PrivatePostgres.Binaries!, program)];

    private static Task<object?> RunAsync(string connectionString, string sql) => PostgresServer.RunAsync(connectionString, sql);

    private static async Task KillAsync(int pid)
    {
        using var process = Process.GetProcessById(pid);
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Eight terminals that never stop: what each was answered is written down here, apart from the books.</summary>
    private sealed class Load : IAsyncDisposable
    {
        private readonly LoadWorld world;
        private readonly LoadTaps taps;
        private readonly Lock gate = new();
        private readonly CancellationTokenSource stop = new();
        private readonly ConcurrentDictionary<(int Terminal, int Stan), string> acknowledged = new();
        private readonly Task[] workers;
        private int approved, refused;

        public Load(LoadWorld world)
        {
            (this.world, taps) = (world, new LoadTaps(world.Plan, TimeProvider.System));
            workers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(WorkAsync))];
        }

        public Task UntilApprovedAsync(int more) => UntilAsync(() => Volatile.Read(ref approved), more);

        public Task UntilRefusedAsync() => UntilAsync(() => Volatile.Read(ref refused), 1);

        public async Task StopAsync()
        {
            await stop.CancelAsync();
            await Task.WhenAll(workers);
        }

        /// <summary>Every 00 that anybody heard is one approved row of the acquirer and one sale of the bank, and the books sum to zero.</summary>
        public void AssertBooks()
        {
            var (rows, sales) = world.Store.Read(session => (
                session.Query("SELECT terminal, stan, rrn FROM acquirer_transaction WHERE code = '00' AND reversed_at IS NULL", row => (Terminal: row.GetString(0), Stan: row.GetString(1), Rrn: row.GetString(2))),
                session.Query("SELECT a.rrn, count(l.entry) FROM issuer_authorisations a JOIN issuer_ledger l ON l.transaction_key = a.switch_key AND l.institution = a.institution WHERE a.code = '00' AND l.kind = 'Sale' AND l.amount < 0 GROUP BY a.rrn", row => (Rrn: row.GetString(0), Count: row.GetInt64(1)))));
            var byTrace = rows.ToDictionary(row => (int.Parse(row.Terminal) - 20_000_000, int.Parse(row.Stan)), row => row.Rrn);
            var bySale = sales.ToDictionary(sale => sale.Rrn, sale => sale.Count);
            Assert.NotEmpty(acknowledged);
            Assert.All(acknowledged.Keys, key => Assert.Equal(1, bySale[byTrace[key]]));
            Assert.All(sales, sale => Assert.Equal(1, sale.Count));
            Assert.Equal(0, world.BooksSum());
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            stop.Dispose();
        }

        private Task UntilAsync(Func<int> count, int more)
        {
            var goal = count() + more;
            return UntilAsync(() => count() >= goal);
        }

        public async Task UntilAsync(Func<bool> holds)
        {
            var from = Stopwatch.GetTimestamp();
            while (!holds())
            {
                Assert.True(Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(60), "the load stands still");
                await Task.Delay(TimeSpan.FromMilliseconds(5));
            }
        }

        private async Task WorkAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                LoadTap tap;
                lock (gate)
                {
                    tap = taps.Next();
                }

                try
                {
                    // As the line's edge does it.
                    var since = world.Store.Mark();
                    var answer = await world.Acquirer.HandleAsync(tap.Frame, CancellationToken.None);
                    await world.Store.DurableAsync(since);
                    if (taps.TryRead(answer, checkMac: true, out var terminal, out var stan, out var code) && code == "00")
                    {
                        acknowledged[(terminal, stan)] = code;
                        Interlocked.Increment(ref approved);
                    }
                }
                catch (StoreFailedException)
                {
                    Interlocked.Increment(ref refused);
                    await Task.Delay(TimeSpan.FromMilliseconds(20));
                }
            }
        }
    }
}
