using System.Globalization;
using System.Net;
using Majia.Host.Load;
using Majia.Tests;

namespace Majia.Scenarios.Failures;

/// <summary>The disk runs full under a server that sells.</summary>
public sealed class FullDiskTests
{
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(4);

    [Fact]
    public async Task With_the_disk_full_new_payments_are_refused_at_once_and_nothing_acknowledged_is_lost()
    {
        using var disk = SmallDisk.Mount(32);
        var taps = new LoadTaps(LoadKillTests.Plan, TimeProvider.System);
        var acknowledged = new List<string>();
        var open = new List<LoadTap>();
        using (var victim = VictimProcess.Start($"serve;1;{disk.Path}"))
        {
            var server = new IPEndPoint(IPAddress.Loopback, int.Parse(await victim.SaysAsync("READY"), CultureInfo.InvariantCulture));
            disk.FillUpTo(4_000_000); // the log grows by whole megabytes
            var refused = false;
            while (!refused)
            {
                refused = await SellAsync(server, taps, acknowledged, open);
            }

            Assert.NotEmpty(acknowledged);

            // It stays so until a restart, even with room again: what is in memory may not be what is on disk.
            disk.Relieve();
            Assert.True(await SellAsync(server, taps, acknowledged, open));
            await victim.KillAsync();
        }

        await LoadKillTests.VerifyAsync(disk.Path, taps, open, acknowledged);
    }

    /// <summary>Sells until something goes wrong; true when the server said 96, false when it said nothing.</summary>
    private static async Task<bool> SellAsync(IPEndPoint server, LoadTaps taps, List<string> acknowledged, List<LoadTap> open)
    {
        using var line = await PosClient.OpenAsync(server);
        while (true)
        {
            var tap = taps.Next();
            using var hurry = new CancellationTokenSource(Silence);
            try
            {
                var answer = await line.AskAsync(tap.Frame, hurry.Token);
                if (answer.Text(39) == "96")
                {
                    return true;
                }

                Assert.Equal("00", answer.Text(39));
                acknowledged.Add(answer.Text(37)!);
                Assert.InRange(acknowledged.Count, 1, 20_000); // otherwise nothing ever fills it
            }
            catch (OperationCanceledException)
            {
                open.Add(tap);
                Assert.InRange(open.Count, 1, 5);
                return false;
            }
        }
    }
}
