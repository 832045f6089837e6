using System.Diagnostics;
using System.Globalization;

namespace Majia.Cli.Bench;

/// <summary>P12: from starting the built program to its first page, and its memory at rest.</summary>
public static class StartBench
{
    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchEffort effort)
    {
        List<double> seconds = [], memory = [];
        for (var i = 0; i < Math.Min(3, effort.Rounds); i++)
        {
            var folder = Directory.CreateTempSubdirectory("majia-start-").FullName;
            var port = 18_080 + i;
            var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
            if (Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal))
            {
                start.ArgumentList.Add(typeof(StartBench).Assembly.Location);
            }

            foreach (var word in (string[])["up", "--no-browser", "--port", port.ToString(CultureInfo.InvariantCulture), "--data", folder])
            {
                start.ArgumentList.Add(word);
            }

            var watch = Stopwatch.StartNew();
            using var process = Process.Start(start)!;
            _ = process.StandardOutput.ReadToEndAsync();
            _ = process.StandardError.ReadToEndAsync();
            try
            {
                seconds.Add(await FirstPageAsync(process, port, watch));
                await Task.Delay(TimeSpan.FromSeconds(3));
                process.Refresh();
                memory.Add(process.WorkingSet64 / 1e6);
            }
            finally
            {
                if (!process.HasExited)
                {
                    process.Kill();
                }

                await process.WaitForExitAsync();
                Directory.Delete(folder, recursive: true);
            }
        }

        return
        [
            BenchRow.AtMost("start", new Samples(seconds), 5, 5, "s", "first start with an empty data folder, to the first page over HTTP"),
            BenchRow.AtMost("memory", new Samples(memory), 300, 300, "MB", "resident, three seconds after the first page"),
        ];
    }

    private static async Task<double> FirstPageAsync(Process process, int port, Stopwatch watch)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        while (watch.Elapsed.TotalSeconds < 120 && !process.HasExited)
        {
            try
            {
                using var answer = await client.GetAsync(new Uri($"http://localhost:{port}/"));
                if (answer.IsSuccessStatusCode)
                {
                    return watch.Elapsed.TotalSeconds;
                }
            }
            catch (HttpRequestException)
            {
                // Not yet.
            }

            await Task.Delay(20);
        }

        throw new InvalidOperationException("majia up gave no page");
    }
}
