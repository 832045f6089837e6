using System.Diagnostics;
using System.Globalization;
using Majia.Host.Load;

namespace Majia.Cli.Bench;

/// <summary>P1 as data grows: the same load on ten thousand device cards and on many more, in turn.</summary>
public static class DataGrowthBench
{
    private const int Few = 10_000;

    /// <summary>A million cards; ten million too with <c>--long</c>, a hundred thousand alone with <c>--quick</c>.</summary>
    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchEffort effort)
    {
        int[] sizes = effort.Long ? [1_000_000, 10_000_000] : effort == BenchEffort.Quick ? [100_000] : [1_000_000];
        var rows = new List<BenchRow>();
        await using var few = await LoadBench.OpenAsync(PlanOf(Few));
        await AuthorisationBench.WarmUpAsync(few);
        foreach (var cards in sizes)
        {
            var watch = Stopwatch.StartNew();
            await using var many = await LoadBench.OpenAsync(PlanOf(cards));
            var seeded = watch.Elapsed;
            await AuthorisationBench.WarmUpAsync(many);
            var rounds = await Rounds.AlternateAsync(effort.Rounds, () => RateAsync(many, effort), () => RateAsync(few, effort));
            rows.Add(new BenchRow(
                string.Create(CultureInfo.InvariantCulture, $"cards-{cards}"), rounds.Ours.Median, rounds.Yardstick.Median, rounds.Ours.Median / rounds.Yardstick.Median, null, null, null, "1/s", rounds.Ratios.Low, rounds.Ratios.High,
                string.Create(CultureInfo.InvariantCulture, $"P1 on {cards} device cards that pay in turn; yardstick: on {Few}; put there in {seeded.TotalSeconds:F0} s")));
        }

        return rows;
    }

    private static LoadPlan PlanOf(int cards) => new(1, cards, 256, 1024);

    private static async Task<double> RateAsync(LoadBench bench, BenchEffort effort) => AuthorisationBench.Good(await bench.ClosedAsync(64, effort.Seconds)).Rate;
}
