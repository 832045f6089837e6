using System.Diagnostics;
using System.Globalization;
using Majia.Core.Contracts;
using Majia.Host.Load;

namespace Majia.Cli.Bench;

/// <summary>P1, P3, P4, P5: durable authorisations through every party, beside a pgbench script of the same shape.</summary>
public static class AuthorisationBench
{
    /// <summary>P1 as load grows: 1, 8, 64 and 512 in flight.</summary>
    public static async Task<IReadOnlyList<BenchRow>> GrowthAsync(BenchEffort effort)
    {
        var rows = new List<BenchRow>();
        await using var bench = await LoadBench.OpenAsync(Plan(effort));
        await WarmUpAsync(bench);
        foreach (var inFlight in (int[])[1, 8, 64, 512])
        {
            rows.AddRange(await FlightAsync(bench, effort, inFlight));
        }

        return rows;
    }

    private static async Task<IReadOnlyList<BenchRow>> FlightAsync(LoadBench bench, BenchEffort effort, int inFlight)
    {
        List<double> rates = [], middle = [], slow = [];
        var refused = 0;
        for (var i = 0; i < effort.Rounds; i++)
        {
            // With as many in flight as the server takes at most, the next request can come before the last one's place is free: 96, at once.
            var result = await bench.ClosedAsync(inFlight, effort.Seconds);
            refused += result.Answers.GetValueOrDefault("96");
            Good(result with { Answers = new(result.Answers.Where(static pair => pair.Key != "96").ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal) });
            rates.Add(result.Rate);
            middle.Add(result.LatenciesMs[0]);
            slow.Add(result.LatenciesMs[1]);
        }

        return [BenchRow.Figure($"in-flight-{inFlight}", new Samples(rates), "1/s", string.Create(CultureInfo.InvariantCulture, $"closed loop; half answered within {new Samples(middle).Median:F1} ms, 99 % within {new Samples(slow).Median:F1} ms{(refused > 0 ? $"; {refused} refused at once" : "")}"))];
    }

    /// <summary>What one payment costs of both processes, which says more than its rate on a machine that does other things too: user and system time, and bytes allocated.</summary>
    public static async Task<IReadOnlyList<BenchRow>> CostAsync(BenchEffort effort)
    {
        await using var bench = await LoadBench.OpenAsync(Plan(effort));
        List<double> server = [], generator = [], bytes = [], rates = [];
        for (var i = 0; i < effort.Rounds + 4; i++)
        {
            var (cpu, allocated) = (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes());
            var result = Good(await bench.ClosedAsync(64, taps: 20_000));
            if (i < 4)
            {
                continue; // until the compiler has had its second look
            }

            rates.Add(result.Rate);
            server.Add((Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / result.Approved);
            generator.Add(result.CpuMicroseconds / result.Approved);
            bytes.Add((GC.GetTotalAllocatedBytes() - allocated) / (double)result.Approved);
        }

        const string What = "less is better; one durable authorisation, 64 in flight over TCP, rounds of 20 000";
        return
        [
            BenchRow.Figure("cost-rate", new Samples(rates), "1/s", "payments a second of the same rounds"),
            BenchRow.Figure("cost-server", new Samples(server), "µs", What),
            BenchRow.Figure("cost-generator", new Samples(generator), "µs", What),
            BenchRow.Figure("cost-alloc", new Samples(bytes), "bytes", $"{What}; allocated by the server"),
        ];
    }

    private static LoadPlan Plan(BenchEffort effort) => new(1, effort.Cards, 256, 1024);

    /// <summary>P1 beside pgbench, then P3, P4, P5 on the same world.</summary>
    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchEffort effort)
    {
        const double Floor = 2, Goal = 5;
        var (postgres, why) = await PostgresYardstick.OpenAsync();
        await using var _ = postgres;
        await using var bench = await LoadBench.OpenAsync(Plan(effort));
        await WarmUpAsync(bench);
        await bench.World.Store.DurableAsync();
        var sales = bench.World.Sales();
        var rows = new List<BenchRow>();
        var cpu = new List<double>();
        var acknowledged = 0L;
        async Task<double> Ours(int inFlight, bool hot = false)
        {
            var before = Process.GetCurrentProcess().TotalProcessorTime;
            var result = Good(await bench.ClosedAsync(inFlight, effort.Seconds, hot));
            acknowledged += result.Approved;
            cpu.Add((Process.GetCurrentProcess().TotalProcessorTime - before).TotalMicroseconds / result.Approved);
            return result.Rate;
        }

        double rate;
        if (postgres is null)
        {
            rate = await Ours(64);
            rows.Add(BenchRow.Missing("authorisation", Floor, Goal, "1/s", why) with { Note = string.Create(CultureInfo.InvariantCulture, $"{why}; without it: {rate:F0} a second") });
        }
        else
        {
            await postgres.RateAsync(1);
            var rounds = await Rounds.AlternateAsync(effort.Rounds, () => Ours(64), () => postgres.RateAsync(effort.Seconds));
            rate = rounds.Ours.Median;
            rows.Add(BenchRow.Beside("authorisation", rounds, Floor, Goal, "1/s", string.Create(
                CultureInfo.InvariantCulture,
                $"durable, 64 in flight over TCP from another process, {effort.Cards} cards, SQLite WAL synchronous=FULL; {new Samples(cpu).Median:F0} µs of the server's CPU each; yardstick: pgbench -M prepared, {PostgresYardstick.Clients} clients, {postgres.Version}, fsync and synchronous_commit on")));
        }

        var hot = await Rounds.AlternateAsync(effort.Rounds, () => Ours(64, hot: true), () => Ours(64));
        rows.Add(BenchRow.Beside("hot-account", hot, 0.3, 0.7, "1/s", "every authorisation on one account, 256 device cards; yardstick: its own rate over all cards"));

        var half = new List<double>();
        for (var i = 0; i < effort.Rounds; i++)
        {
            var result = Good(await bench.OpenAsync(rate / 2, Math.Max(2, effort.Seconds)));
            acknowledged += result.Approved;
            half.Add(result.LatenciesMs[1]);
        }

        rows.Add(BenchRow.AtMost("latency-p99", new Samples(half), 20, 10, "ms", string.Create(CultureInfo.InvariantCulture, $"open loop at half of the highest rate ({rate / 2:F0}/s), from the moment a tap was due")));
        List<double> goodput = [], refusals = [];
        for (var i = 0; i < effort.Rounds; i++)
        {
            var result = await bench.OpenAsync(2 * rate, Math.Max(3, effort.Seconds));
            acknowledged += result.Approved;
            goodput.Add(result.Rate);
            if (result.RefusalsMs.Length > 0)
            {
                refusals.Add(result.RefusalsMs[1]);
            }

            if (result.Unanswered > 0)
            {
                throw new InvalidOperationException($"{result.Unanswered} taps got no answer at all under overload");
            }
        }

        var (most, good) = (rate, new Samples(goodput));
        rows.Add(new BenchRow(
            "overload", good.Median, most, good.Median / most, 0.8, 0.95, good.Median / most >= 0.8, "1/s", good.Low / most, good.High / most,
            string.Create(CultureInfo.InvariantCulture, $"approved a second when twice the highest rate comes in ({2 * rate:F0}/s, open loop); yardstick: the highest rate; refused ones answered 96, p99 {new Samples(refusals).Median:F1} ms")));
        if (bench.World.Sales() - sales != acknowledged || bench.World.BooksSum() != 0)
        {
            throw new InvalidOperationException($"the books have {bench.World.Sales() - sales} sales, {acknowledged} were acknowledged; sum {bench.World.BooksSum()}");
        }

        return rows;
    }

    /// <summary>Until the compiler has had its second look: some thousand payments, however slow the machine is.</summary>
    internal static async Task WarmUpAsync(LoadBench bench)
    {
        var made = 0;
        for (var i = 0; i < 8 && made < 12_000; i++)
        {
            made += Good(await bench.ClosedAsync(64, 1.5)).Approved;
        }
    }

    internal static LoadResult Good(LoadResult result) => result.Unanswered == 0 && result.Approved == result.Answers.Values.Sum()
        ? result
        : throw new InvalidOperationException($"not all approved: {string.Join(", ", result.Answers.Select(pair => $"{pair.Key} × {pair.Value}"))}, {result.Unanswered} unanswered");

    public static async Task<IReadOnlyList<BenchRow>> InProcessAsync(BenchEffort effort)
    {
        var folder = Directory.CreateTempSubdirectory("majia-bench-").FullName;
        try
        {
            var plan = Plan(effort);
            await using var world = await LoadWorld.OpenAsync(plan, Path.Combine(folder, "majia.db"), TimeProvider.System, NoTrace.Instance);
            var taps = new LoadTaps(plan, TimeProvider.System);
            var rates = new List<double>();
            var cpu = new List<double>();
            await RateAsync(world, taps, 64, 4, []);
            for (var i = 0; i < effort.Rounds; i++)
            {
                var latencies = new List<double>();
                var (made, spent) = await RateAsync(world, taps, 64, effort.Seconds, latencies);
                cpu.Add(spent.TotalMicroseconds / latencies.Count);
                rates.Add(made);
            }

            return [BenchRow.Figure("authorisation-inner", new Samples(rates), "1/s", string.Create(CultureInfo.InvariantCulture, $"64 in flight, AcquirerParty.HandleAsync and the wait for the disk in one process, no line; {new Samples(cpu).Median:F0} µs of CPU each"))];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Authorisations a second with so many in flight; every answer must be 00.</summary>
    private static async Task<(double Rate, TimeSpan Cpu)> RateAsync(LoadWorld world, LoadTaps taps, int inFlight, double seconds, List<double> latencies)
    {
        var ready = new Queue<LoadTap>();
        for (var i = 0; i < seconds * 12_000; i++)
        {
            ready.Enqueue(taps.Next());
        }

        var before = Process.GetCurrentProcess().TotalProcessorTime;
        var gate = new Lock();
        var watch = Stopwatch.StartNew();
        var done = 0;
        async Task OneAsync()
        {
            await Task.Yield();
            while (watch.Elapsed.TotalSeconds < seconds)
            {
                LoadTap? tap;
                lock (gate)
                {
                    if (!ready.TryDequeue(out tap))
                    {
                        return;
                    }
                }

                var from = watch.Elapsed;
                var answer = await world.Acquirer.HandleAsync(tap.Frame, default);
                await world.Store.DurableAsync();
                var took = (watch.Elapsed - from).TotalMilliseconds;
                if (!taps.TryRead(answer, checkMac: false, out _, out _, out var code) || code != "00")
                {
                    throw new InvalidOperationException($"answered {code}");
                }

                lock (gate)
                {
                    done++;
                    latencies.Add(took);
                }
            }
        }

        await Task.WhenAll(Enumerable.Range(0, inFlight).Select(_ => OneAsync()));
        return (done / watch.Elapsed.TotalSeconds, Process.GetCurrentProcess().TotalProcessorTime - before);
    }
}
