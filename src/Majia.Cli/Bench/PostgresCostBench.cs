using System.Globalization;
using Majia.Host.Load;
using Majia.Storage;
using Npgsql;

namespace Majia.Cli.Bench;

/// <summary>What one payment costs on PostgreSQL: CPU of our server, of PostgreSQL and of the generator; for a node that is alone and keeps rows, and for one that reckons with others, in turn (docs/decisions/0048).</summary>
public static class PostgresCostBench
{
    private const int WarmUps = 3;

    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchEffort effort)
    {
        if (PrivatePostgres.Binaries is null)
        {
            return [BenchRow.Missing("cost-postgres-alone", 0, 0, "µs", "PostgreSQL is not installed (Debian package postgresql)")];
        }

        var folder = Path.Combine(Path.GetTempPath(), $"majia-bench-cost-{Environment.ProcessId}");
        await using var server = await PrivatePostgres.StartAsync(folder);
        try
        {
            await using var alone = await OpenAsync(server, "one", effort, new PostgresOptions());
            await using var shared = await OpenAsync(server, "two", effort, new PostgresOptions(AloneAfter: int.MaxValue));
            var payments = effort == BenchEffort.Quick ? 4_000 : 10_000;
            for (var i = 0; i < WarmUps; i++)
            {
                await RoundAsync(server, alone, payments);
                await RoundAsync(server, shared, payments);
            }

            List<Cost> ofAlone = [], ofShared = [];
            for (var i = 0; i < effort.Rounds; i++)
            {
                ofAlone.Add(await RoundAsync(server, alone, payments));
                ofShared.Add(await RoundAsync(server, shared, payments));
            }

            return [.. Rows("alone", payments, ofAlone), .. Rows("shared", payments, ofShared)];
        }
        finally
        {
            await server.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<LoadBench> OpenAsync(PrivatePostgres server, string database, BenchEffort effort, PostgresOptions options)
    {
        await PostgresBench.RunAsync(server, "postgres", $"CREATE DATABASE {database} OWNER majia");
        return await LoadBench.OpenAsync(new LoadPlan(1, effort.Cards, 256, 1024), new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = database }.ConnectionString, options);
    }

    private static async Task<Cost> RoundAsync(PrivatePostgres server, LoadBench bench, int payments)
    {
        var (cpu, database, allocated) = (Environment.CpuUsage.TotalTime, PostgresBench.OfServer(server), GC.GetTotalAllocatedBytes());
        var result = AuthorisationBench.Good(await bench.ClosedAsync(64, taps: payments));
        return new Cost(
            result.Rate, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / result.Approved, (PostgresBench.OfServer(server) - database).TotalMicroseconds / result.Approved,
            result.CpuMicroseconds / result.Approved, (GC.GetTotalAllocatedBytes() - allocated) / (double)result.Approved);
    }

    private static IEnumerable<BenchRow> Rows(string name, int payments, List<Cost> rounds)
    {
        var what = string.Create(CultureInfo.InvariantCulture, $"less is better; one durable authorisation on PostgreSQL, 64 in flight over TCP, rounds of {payments}");
        yield return BenchRow.Figure($"{name}-rate", new Samples([.. rounds.Select(static round => round.Rate)]), "1/s", "payments a second of the same rounds");
        yield return BenchRow.Figure($"{name}-server", new Samples([.. rounds.Select(static round => round.Server)]), "µs", what);
        yield return BenchRow.Figure($"{name}-postgres", new Samples([.. rounds.Select(static round => round.Database)]), "µs", $"{what}; PostgreSQL's own");
        yield return BenchRow.Figure($"{name}-generator", new Samples([.. rounds.Select(static round => round.Generator)]), "µs", what);
        yield return BenchRow.Figure($"{name}-alloc", new Samples([.. rounds.Select(static round => round.Bytes)]), "bytes", $"{what}; allocated by the server");
    }

    private readonly record struct Cost(double Rate, double Server, double Database, double Generator, double Bytes);
}
