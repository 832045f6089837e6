using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Majia.Scenarios.Failures;

/// <summary>A run that is interrupted leaves no victim behind.</summary>
public sealed class VictimTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("majia-victim-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_victim_ends_when_whoever_started_it_is_killed()
    {
        using var hurry = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        using var parent = VictimProcess.Start($"parent;0;{folder}");
        var server = new IPEndPoint(IPAddress.Loopback, int.Parse(await parent.SaysAsync("READY"), CultureInfo.InvariantCulture));
        using var line = new TcpClient();
        await line.ConnectAsync(server, hurry.Token);

        await parent.KillAsync();
        Assert.Equal(0, await ReadAsync(line, hurry.Token));
        using var again = new TcpClient();
        var refused = await Assert.ThrowsAsync<SocketException>(async () => await again.ConnectAsync(server, hurry.Token));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    /// <summary>0 at the line's end, however it came.</summary>
    private static async Task<int> ReadAsync(TcpClient line, CancellationToken cancellation)
    {
        try
        {
            return await line.GetStream().ReadAsync(new byte[1], cancellation);
        }
        catch (IOException)
        {
            return 0; // reset
        }
    }
}
