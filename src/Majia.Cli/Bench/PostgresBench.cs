using System.Diagnostics;
using System.Globalization;
using Majia.Host.Load;
using Majia.Storage;
using Majia.TokenService;
using Npgsql;

namespace Majia.Cli.Bench;

/// <summary>P2: durable authorisations on PostgreSQL, which shares the cores with us, beside the pgbench script on a cluster with the same settings. P6: token look-up as the table grows.</summary>
public static class PostgresBench
{
    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchEffort effort)
    {
        const double Floor = 1, Goal = 3;
        var (yardstick, why) = await PostgresYardstick.OpenAsync();
        await using var _ = yardstick;
        if (yardstick is null)
        {
            return [BenchRow.Missing("authorisation-postgres", Floor, Goal, "1/s", why), BenchRow.Missing("token-look-up", 2, 1.3, "ms", why)];
        }

        var folder = Path.Combine(Path.GetTempPath(), $"majia-bench-postgres-{Environment.ProcessId}");
        await using var server = await PrivatePostgres.StartAsync(folder);
        try
        {
            return [await AuthorisationAsync(effort, server, yardstick, Floor, Goal), await LookUpAsync(effort, server)];
        }
        finally
        {
            await server.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<BenchRow> AuthorisationAsync(BenchEffort effort, PrivatePostgres server, PostgresYardstick yardstick, double floor, double goal)
    {
        await using var bench = await LoadBench.OpenAsync(new LoadPlan(1, effort.Cards, 256, 1024), server.ConnectionString);
        await AuthorisationBench.WarmUpAsync(bench);
        await RunAsync(server, "majia", "VACUUM ANALYZE");
        var sales = bench.World.Sales();
        var acknowledged = 0L;
        List<double> ours = [], theirs = [];
        async Task<double> Ours()
        {
            var (own, database) = (Process.GetCurrentProcess().TotalProcessorTime, OfServer(server));
            var result = AuthorisationBench.Good(await bench.ClosedAsync(64, effort.Seconds));
            acknowledged += result.Approved;
            ours.Add((Process.GetCurrentProcess().TotalProcessorTime - own).TotalMicroseconds / result.Approved);
            theirs.Add((OfServer(server) - database).TotalMicroseconds / result.Approved);
            return result.Rate;
        }

        await yardstick.RateAsync(1);
        var rounds = await Rounds.AlternateAsync(effort.Rounds, Ours, () => yardstick.RateAsync(effort.Seconds));
        if (bench.World.Sales() - sales != acknowledged || bench.World.BooksSum() != 0)
        {
            throw new InvalidOperationException($"the books have {bench.World.Sales() - sales} sales, {acknowledged} were acknowledged; sum {bench.World.BooksSum()}");
        }

        return BenchRow.Beside("authorisation-postgres", rounds, floor, goal, "1/s", string.Create(
            CultureInfo.InvariantCulture,
            $"durable, 64 in flight over TCP from another process, {effort.Cards} cards, a schema and role for each party; each costs {new Samples(ours).Median:F0} µs of our server's CPU and {new Samples(theirs).Median:F0} µs of PostgreSQL's; yardstick: pgbench -M prepared, {PostgresYardstick.Clients} clients, {yardstick.Version}, fsync and synchronous_commit on for both"));
    }

    /// <summary>P6: one look-up after the other, keys spread over the whole table; two databases of one server in turn, A B A B.</summary>
    private static async Task<BenchRow> LookUpAsync(BenchEffort effort, PrivatePostgres server)
    {
        const int Few = 100_000, LookUps = 10_000;
        var many = effort == BenchEffort.Longer ? 10_000_000 : 1_000_000;
        await using var small = await OpenAsync("few", Few);
        await using var large = await OpenAsync("many", many);
        await RunAsync(server, "majia", "CHECKPOINT");

        // The first rounds warm caches and statements; they do not count.
        await RoundAsync(small, Few, 0);
        await RoundAsync(large, many, 0);
        var round = 0;
        var rounds = await Rounds.AlternateAsync(effort.Rounds, () => RoundAsync(large, many, ++round), () => RoundAsync(small, Few, round));
        var ratio = rounds.Ours.Median / rounds.Yardstick.Median;
        return new BenchRow(
            "token-look-up", rounds.Ours.Median, rounds.Yardstick.Median, ratio, 2, 1.3, ratio <= 2, "ms", rounds.Ratios.Low, rounds.Ratios.High,
            string.Create(CultureInfo.InvariantCulture, $"less is better; p99 of {LookUps} look-ups by keyed hash, one at a time, at {many:N0} tokens; yardstick: at {Few:N0}, in turn"));

        async Task<PostgresStore> OpenAsync(string database, int tokens)
        {
            const int Batch = 500_000;
            await RunAsync(server, "postgres", $"CREATE DATABASE {database} OWNER majia");
            var store = PostgresStore.Open(new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = database }.ConnectionString, [TokenServiceParty.Schema], TimeProvider.System);
            for (var from = 1; from <= tokens; from += Batch)
            {
                await RunAsync(server, database, $"""
                    INSERT INTO token.token_token (token_index, token, tur, pan_index, seid, trid, institution, bank, kind, product_id, instance_aid, expiry, sequence, pin_policy, verify, device_model,
                        state, suspended_by, stage, purge_epoch, created_at, staged_at, atc_high, atc_bits)
                    SELECT sha256(convert_to(i::text, 'UTF8')), '819901' || lpad(i::text, 10, '0'), 'T' || i, sha256(convert_to('p' || i, 'UTF8')), 'S' || (i / 8), '50110030273', '63990100', 'mingyue', 'Debit', '0001', 'A0000003330101010001',
                        '3611', '00', 'OverLimit', 1, 'Mi 5', 'Active', '', 'Selectable', 0, 0, 0, -1, 0
                    FROM generate_series({from}, {Math.Min(tokens, from + Batch - 1)}) AS i
                    """);
            }

            await RunAsync(server, database, "VACUUM ANALYZE token.token_token");
            return store;
        }

        static async Task<double> RoundAsync(PostgresStore store, int tokens, int round)
        {
            var took = new double[LookUps];
            for (var i = 0; i < LookUps; i++)
            {
                var index = System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes((1 + ((((long)i * 7_919) + (round * 104_729L)) % tokens)).ToString(CultureInfo.InvariantCulture)));
                var from = Stopwatch.GetTimestamp();
                var found = await store.WriteAsync(session => session.Text("SELECT token FROM token_token WHERE token_index = $1", index));
                took[i] = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
                if (found is null)
                {
                    throw new InvalidOperationException("a token is not there");
                }
            }

            Array.Sort(took);
            return took[(int)(0.99 * LookUps)];
        }
    }

    internal static async Task RunAsync(PrivatePostgres server, string database, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(server.AdministratorString) { Database = database, Pooling = false, CommandTimeout = 600 }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>CPU of the postmaster's children, those that live now and those that have ended: backends, log and checkpoint writers.</summary>
    internal static TimeSpan OfServer(PrivatePostgres server)
    {
        var ticks = 0L;
        foreach (var process in Directory.GetDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out var _)))
        {
            try
            {
                // Behind the name: state ppid … utime stime are fields 3, 4, 14, 15.
                var fields = File.ReadAllText(Path.Combine(process, "stat")).Split(") ")[^1].Split(' ');
                if (Path.GetFileName(process) == server.ProcessId.ToString(CultureInfo.InvariantCulture))
                {
                    // cutime and cstime: of children that were waited for.
                    ticks += long.Parse(fields[13], CultureInfo.InvariantCulture) + long.Parse(fields[14], CultureInfo.InvariantCulture);
                }
                else if (int.Parse(fields[1], CultureInfo.InvariantCulture) == server.ProcessId)
                {
                    ticks += long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
                }
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended between the listing and the look.
            }
        }

        return TimeSpan.FromMilliseconds(ticks * 10);
    }
}
