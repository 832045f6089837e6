using System.Diagnostics;
using System.Globalization;
using Majia.Core.Contracts;
using Majia.Host.Load;

namespace Majia.Cli.Bench;

/// <summary>P1, P3, P4, P5: durable authorisations through every party, beside a pgbench script of the same shape.</summary>
public static class AuthorisationBench
{
    public static async Task<IReadOnlyList<BenchRow>> InProcessAsync(BenchEffort effort)
    {
        var folder = Directory.CreateTempSubdirectory("majia-bench-").FullName;
        try
        {
            var plan = new LoadPlan(1, effort.Cards, 256, 1024);
            await using var world = await LoadWorld.OpenAsync(plan, Path.Combine(folder, "majia.db"), TimeProvider.System, NoTrace.Instance);
            var taps = new LoadTaps(plan, TimeProvider.System);
            var rates = new List<double>();
            var cpu = new List<double>();
            await RateAsync(world, taps, 64, Math.Min(1, effort.Seconds), []);
            for (var i = 0; i < effort.Rounds; i++)
            {
                var before = Process.GetCurrentProcess().TotalProcessorTime;
                var latencies = new List<double>();
                var made = await RateAsync(world, taps, 64, effort.Seconds, latencies);
                cpu.Add((Process.GetCurrentProcess().TotalProcessorTime - before).TotalMicroseconds / latencies.Count);
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
    private static async Task<double> RateAsync(LoadWorld world, LoadTaps taps, int inFlight, double seconds, List<double> latencies)
    {
        var ready = new Queue<LoadTap>();
        for (var i = 0; i < seconds * 12_000; i++)
        {
            ready.Enqueue(taps.Next());
        }

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
        return done / watch.Elapsed.TotalSeconds;
    }
}
