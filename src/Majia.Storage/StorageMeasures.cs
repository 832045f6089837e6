using System.Diagnostics.Metrics;

namespace Majia.Storage;

/// <summary>What the store measures of itself. Nobody listens unless a host does, and then nothing is recorded.</summary>
public static class StorageMeasures
{
    public const string MeterName = "Majia.Storage";

    private static readonly Meter Meter = new(MeterName);

    /// <summary>How many units one wait for the disk covered.</summary>
    internal static readonly Histogram<int> CommitUnits = Meter.CreateHistogram<int>(
        "majia.commit.units", "{unit}", "Units of work that one durable commit covered.", null, new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 512] });
}
