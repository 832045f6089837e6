using System.Diagnostics;
using System.Globalization;

namespace Majia.Tests.Fuzz;

/// <summary>Runs one target over many inputs and fails with seed, index and the smallest input that still breaks it.</summary>
/// <remarks>
/// Broken is: any exception out of the target (what it declares is its own return value), more than 1 MB allocated or more than 100 ms taken for one input (requirement 34).
/// Time and allocation are measured again on a fresh target before they count: a shared machine and a first call are no defects.
/// 100 000 inputs, or 1.5 seconds; chip and kernel 15 seconds, but for <c>MAJIA_QUICK=1</c>. <c>MAJIA_LONG=1</c>: a million inputs each. <c>MAJIA_FUZZ_SEED</c>: another seed. <c>MAJIA_FUZZ_COUNT</c>: another number of inputs.
/// </remarks>
internal static class Fuzzer
{
    public const long MaxAllocated = 1 << 20;

    public static readonly TimeSpan MaxTime = TimeSpan.FromMilliseconds(100);

    private static readonly bool Long = Environment.GetEnvironmentVariable("MAJIA_LONG") == "1";

    private static readonly ulong Seed = ulong.TryParse(Environment.GetEnvironmentVariable("MAJIA_FUZZ_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : 20261123;

    private static readonly long Inputs = long.TryParse(Environment.GetEnvironmentVariable("MAJIA_FUZZ_COUNT"), CultureInfo.InvariantCulture, out var count) ? count : Long ? 1_000_000 : 100_000;

    private static readonly bool Quick = Environment.GetEnvironmentVariable("MAJIA_QUICK") == "1";

    private static readonly TimeSpan Budget = Long || Environment.GetEnvironmentVariable("MAJIA_FUZZ_COUNT") is not null ? TimeSpan.FromMinutes(30) : TimeSpan.FromSeconds(1.5);

    private static readonly TimeSpan Thorough = TimeSpan.FromSeconds(15);

    /// <summary>A target of bytes with <see cref="Mutator"/>.</summary>
    public static void Run(string target, IReadOnlyList<byte[]> corpus, Action<byte[]> once, int max = 70_000) =>
        Run(target, dice => Mutator.Bytes(dice, corpus, max), () => once, corpus);

    /// <param name="make">One input out of dice.</param>
    /// <param name="open">A fresh target; opened again every <paramref name="renew"/> inputs, when it has state.</param>
    /// <param name="memory">More where one input is a whole conversation of two real parties; then ten times the time, too.</param>
    /// <param name="corpus">Run first, as they are.</param>
    /// <param name="thorough">A chip or a kernel: what strangers' cards and readers can reach.</param>
    public static void Run(string target, Func<Dice, byte[]> make, Func<Action<byte[]>> open, IReadOnlyList<byte[]>? corpus = null, long renew = long.MaxValue, long memory = MaxAllocated, bool thorough = false)
    {
        var budget = thorough && !Quick && Budget < Thorough ? Thorough : Budget;
        var once = open();
        foreach (var input in corpus ?? [])
        {
            Check(target, -1, input, ref once, open, memory);
        }

        var start = Stopwatch.GetTimestamp();
        long index = 0;
        for (; index < Inputs && (index % 16 != 0 || Stopwatch.GetElapsedTime(start) < budget); index++)
        {
            if (index % renew == renew - 1)
            {
                once = open();
            }

            Check(target, index, make(Dice.Of(Seed, index)), ref once, open, memory);
        }

        var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"fuzz {target}: {index} inputs, {index / took:F0}/s"));
    }

    private static void Check(string target, long index, byte[] input, ref Action<byte[]> once, Func<Action<byte[]>> open, long memory)
    {
        if (Measure(once, input, memory) is not { } broken)
        {
            return;
        }

        if (!broken.IsException)
        {
            for (var again = 0; again < 4; again++)
            {
                once = open();
                Measure(once, input, memory); // what only a first call costs
                if (Measure(once, input, memory) is not { } still)
                {
                    return;
                }

                broken = still;
                if (broken.IsException)
                {
                    break;
                }
            }
        }

        var small = Shrink(input, broken, open, memory);
        var last = Measure(open(), small, memory);
        Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"fuzz {target}: seed {Seed}, input {index}: {(last ?? broken).What}{(last is null ? " (only after the inputs before it)" : "")}\nshrunk to {small.Length} bytes: {Convert.ToHexString(small.AsSpan(0, Math.Min(small.Length, 2000)))}"));
    }

    private sealed record Broken(string Kind, string What, bool IsException);

    private static Broken? Measure(Action<byte[]> once, byte[] input, long memory)
    {
        var given = input.ToArray();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var start = Stopwatch.GetTimestamp();
        try
        {
            once(given);
        }
#pragma warning disable CA1031 // any exception is the finding
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            var where = thrown.StackTrace?.Split('\n').FirstOrDefault(static line => line.Contains("Majia.", StringComparison.Ordinal) && !line.Contains("Fuzz", StringComparison.Ordinal));
            return new Broken(thrown.GetType().Name + where, thrown.ToString(), true);
        }

        var took = Stopwatch.GetElapsedTime(start);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated > memory ? new Broken("allocated", $"{allocated} bytes allocated", false)
            : took > (memory > MaxAllocated ? 10 * MaxTime : MaxTime) ? new Broken("time", $"{took.TotalMilliseconds:F0} ms", false)
            : null;
    }

    /// <summary>Takes pieces away as long as the same thing breaks; then makes bytes zero.</summary>
    private static byte[] Shrink(byte[] input, Broken broken, Func<Action<byte[]>> open, long memory)
    {
        var start = Stopwatch.GetTimestamp();
        bool Breaks(byte[] candidate)
        {
            var once = open();
            return (Measure(once, candidate, memory) is { } found && found.Kind == broken.Kind) && (broken.IsException || Measure(once, candidate, memory) is not null);
        }

        if (!Breaks(input))
        {
            return input;
        }

        var small = input;
        for (var piece = Math.Max(1, small.Length / 2); piece > 0; piece = piece == 1 ? 0 : piece / 2)
        {
            for (var at = 0; at + piece <= small.Length && Stopwatch.GetElapsedTime(start).TotalSeconds < 5;)
            {
                byte[] shorter = [.. small[..at], .. small[(at + piece)..]];
                if (Breaks(shorter))
                {
                    small = shorter;
                }
                else
                {
                    at += piece;
                }
            }
        }

        for (var at = 0; at < small.Length && Stopwatch.GetElapsedTime(start).TotalSeconds < 6; at++)
        {
            byte[] zeroed = [.. small];
            zeroed[at] = 0;
            if (small[at] != 0 && Breaks(zeroed))
            {
                small = zeroed;
            }
        }

        return small;
    }
}
