using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Majia.Interop.SmartCards;

/// <summary>One pcscd for all smart-card tests, with one virtual reader of two slots on ports of its own; started by the first that needs it and ended by pid.</summary>
public sealed class PcscDaemon : IAsyncLifetime
{
    private const string Socket = "/run/pcscd/pcscd.comm", Driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

    /// <summary>pcscd has one socket for the whole machine: whoever tests here waits for its turn.</summary>
    private static readonly string Turn = Path.Combine(Path.GetTempPath(), "majia-pcscd.lock");

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim gate = new(1, 1);
    private FileStream? turn;
    private Process? process;
    private string? configuration;

    public const string ReaderName = "Majia test";

    /// <summary>Port of the first slot.</summary>
    public int Port { get; private set; }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>pcscd runs when this returns; the test is skipped where it cannot.</summary>
    public async Task RequireAsync()
    {
        var pcscd = OutsideProgram.Require("pcscd", "pcscd");
        Assert.SkipUnless(File.Exists(Driver), $"{Driver} is not installed (Debian package vsmartcard-vpcd): ./majia test --install installs it");
        Assert.SkipUnless(Environment.UserName == "root", "pcscd makes its socket in /run: root is needed");
        await gate.WaitAsync();
        try
        {
            if (process is null)
            {
                await StartAsync(pcscd);
            }
        }
        finally
        {
            gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (process is { HasExited: false })
        {
            // SIGTERM, so that its socket goes with it.
            await OutsideProgram.RunAsync("/bin/kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
            using var end = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            try
            {
                await process.WaitForExitAsync(end.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill();
            }
        }

        process?.Dispose();
        turn?.Dispose();
        if (configuration is not null)
        {
            Directory.Delete(configuration, recursive: true);
        }
    }

    private async Task StartAsync(string pcscd)
    {
        await TakeTurnAsync();
        Assert.SkipWhen(IsServed(), $"another pcscd serves {Socket}");
        Port = FreePair();
        configuration = Directory.CreateTempSubdirectory("majia-pcscd-").FullName;
        await File.WriteAllTextAsync(Path.Combine(configuration, "reader"), $"FRIENDLYNAME \"{ReaderName}\"\nDEVICENAME /dev/null:0x{Port:X4}\nLIBPATH {Driver}\nCHANNELID 0x{Port:X4}\n");
        process = Process.Start(new ProcessStartInfo(pcscd, ["--foreground", "--info", "--config", configuration]) { RedirectStandardOutput = true, RedirectStandardError = true })
            ?? throw new InvalidOperationException($"{pcscd} did not start");
        using var end = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var said = new List<string>();
        while (await process.StandardOutput.ReadLineAsync(end.Token) is { } line)
        {
            said.Add(line);
            if (line.Contains("daemon ready", StringComparison.Ordinal))
            {
                // What it says from here on is nobody's, but a full pipe would stop it.
                _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
                _ = process.StandardError.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
                return;
            }
        }

        throw new InvalidOperationException("pcscd ended: " + string.Join('\n', said));
    }

    private async Task TakeTurnAsync()
    {
        var begin = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                turn = new FileStream(Turn, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                return;
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(begin) < Patience)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500));
            }
        }
    }

    private static bool IsServed()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(Socket));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>The virtual reader's second slot listens one port above the first.</summary>
    private static int FreePair()
    {
        while (true)
        {
            using var first = new TcpListener(IPAddress.Any, 0);
            first.Start();
            var port = ((IPEndPoint)first.LocalEndpoint).Port;
            using var second = new TcpListener(IPAddress.Any, port + 1);
            try
            {
                second.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken; or there is no port 65536.
            }
        }
    }
}

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class PcscCollection : ICollectionFixture<PcscDaemon>, ICollectionFixture<HeldPhone>
{
    public const string Name = "pcscd";
}
