using System.Globalization;

namespace Majia.Cli.Bench;

/// <summary>One line of <c>majia bench</c> (decisions.md 33). Ratio: more is better unless the note says otherwise.</summary>
/// <param name="Ours">Median over the rounds, in <paramref name="Unit"/>; null when the row could not be measured.</param>
/// <param name="Yardstick">Median of what stood beside it in the same run, or null.</param>
/// <param name="Met">The floor was reached; null without a floor or without a measurement.</param>
/// <param name="Low">Lowest round: of the ratio where there is one, else of ours.</param>
/// <param name="High">Highest round, likewise.</param>
public sealed record BenchRow(
    string Name, double? Ours, double? Yardstick, double? Ratio, double? Floor, double? Goal, bool? Met, string Unit, double? Low, double? High, string Note)
{
    /// <summary>A row that has no yardstick here: it says what to install.</summary>
    public static BenchRow Missing(string name, double floor, double goal, string unit, string note) => new(name, null, null, null, floor, goal, null, unit, null, null, note);

    /// <summary>Measured beside a yardstick, round by round.</summary>
    public static BenchRow Beside(string name, Rounds rounds, double floor, double goal, string unit, string note)
    {
        var ratio = rounds.Ours.Median / rounds.Yardstick.Median;
        return new(name, rounds.Ours.Median, rounds.Yardstick.Median, ratio, floor, goal, ratio >= floor, unit, rounds.Ratios.Low, rounds.Ratios.High, note);
    }

    /// <summary>A figure that must not be above its floor.</summary>
    public static BenchRow AtMost(string name, Samples samples, double floor, double goal, string unit, string note) =>
        new(name, samples.Median, null, null, floor, goal, samples.Median <= floor, unit, samples.Low, samples.High, $"less is better; {note}");

    /// <summary>A figure without a floor.</summary>
    public static BenchRow Figure(string name, Samples samples, string unit, string note) =>
        new(name, samples.Median, null, null, null, null, null, unit, samples.Low, samples.High, note);
}

/// <summary>What several rounds gave, in ascending order.</summary>
public sealed class Samples
{
    private readonly double[] sorted;

    public Samples(IEnumerable<double> values) => sorted = [.. values.Order()];

    public double Median => sorted.Length == 0 ? double.NaN : sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;

    public double Low => sorted.Length == 0 ? double.NaN : sorted[0];

    public double High => sorted.Length == 0 ? double.NaN : sorted[^1];

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Median:G4} ({Low:G4}–{High:G4})");
}

/// <summary>Ours and the yardstick in turn, A B A B: what else the machine does falls on both.</summary>
public sealed record Rounds(Samples Ours, Samples Yardstick, Samples Ratios)
{
    public static async Task<Rounds> AlternateAsync(int rounds, Func<Task<double>> ours, Func<Task<double>> yardstick)
    {
        List<double> a = [], b = [], ratios = [];
        for (var i = 0; i < rounds; i++)
        {
            a.Add(await ours());
            b.Add(await yardstick());
            ratios.Add(a[^1] / b[^1]);
        }

        return new(new(a), new(b), new(ratios));
    }
}

/// <summary>How long and how often.</summary>
public sealed record BenchEffort(int Rounds, double Seconds, int Cards, bool Long)
{
    public static readonly BenchEffort
        Quick = new(3, 0.5, 2_000, false),
        Usual = new(5, 1.5, 10_000, false),
        Longer = new(7, 4, 10_000, true);
}
