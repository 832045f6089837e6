using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Majia.Interop;

/// <summary>openssl's own TLS server on a port of its own: it asks for a certificate and prints what it was shown. Ended by pid.</summary>
internal sealed class OpenSslServer : IAsyncDisposable
{
    private readonly Process process;
    private readonly StringBuilder heard = new();

    private OpenSslServer(Process process, int port) => (this.process, Port) = (process, port);

    public int Port { get; }

    /// <param name="files">Its certificate and key, without their ending.</param>
    public static async Task<OpenSslServer> StartAsync(string files, string authority)
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        var port = ((IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        var start = new ProcessStartInfo(OutsideProgram.Require("openssl", "openssl"),
            ["s_server", "-accept", $"127.0.0.1:{port}", "-cert", files + ".pem", "-key", files + ".key", "-CAfile", authority, "-Verify", "1", "-verify_return_error"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        var server = new OpenSslServer(Process.Start(start)!, port);
        await server.HearsAsync("ACCEPT");
        return server;
    }

    /// <summary>Everything that it printed, once <paramref name="words"/> are among it.</summary>
    public async Task<string> HearsAsync(string words)
    {
        using var hurry = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!heard.ToString().Contains(words, StringComparison.Ordinal))
        {
            heard.Append(await process.StandardOutput.ReadLineAsync(hurry.Token) ?? throw new InvalidOperationException($"openssl s_server ended: {await process.StandardError.ReadToEndAsync(hurry.Token)}")).Append('\n');
        }

        return heard.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
