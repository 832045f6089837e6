using System.Diagnostics;

namespace Majia.Cli.Bench;

/// <summary>A tight loop on one thread: operations a second, and what one of them allocates.</summary>
public static class Loop
{
    /// <summary>Long enough for the compiler's second look at hot code.</summary>
    private const double WarmUpSeconds = 0.7;

    /// <summary>Operations a second over about <paramref name="seconds"/>, after a warm-up.</summary>
    public static double Rate(double seconds, Action once)
    {
        Run(WarmUpSeconds, once);
        return Run(seconds, once);
    }

    /// <summary>Bytes allocated by one call, averaged over a thousand.</summary>
    public static double BytesPerCall(Action once)
    {
        for (var i = 0; i < 100; i++)
        {
            once();
        }

        const int Calls = 1000;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Calls; i++)
        {
            once();
        }

        return (GC.GetAllocatedBytesForCurrentThread() - before) / (double)Calls;
    }

    private static double Run(double seconds, Action once)
    {
        var watch = Stopwatch.StartNew();
        long operations = 0;
        do
        {
            for (var i = 0; i < 200; i++)
            {
                once();
            }

            operations += 200;
        }
        while (watch.Elapsed.TotalSeconds < seconds);

        return operations / watch.Elapsed.TotalSeconds;
    }
}
