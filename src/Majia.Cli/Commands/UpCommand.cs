using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Devices;
using Majia.Host.Links;
using Majia.Host.Operations;
using Majia.Host.Web;
using Majia.Storage;
using Microsoft.Extensions.Logging;
using PortTakenException = Majia.Host.Web.PortTakenException;

namespace Majia.Cli.Commands;

/// <summary><c>majia up</c>: every party in this process, and a page to use them. Ctrl-C or SIGTERM stops it cleanly (exit code 0).</summary>
public static class UpCommand
{
    /// <summary>How many ports after the default are tried when nobody named one (decisions.md 29).</summary>
    private const int PortsTried = 10;

    /// <summary>Longer than any request may take that is answered at all.</summary>
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var port = new Option<int?>("--port") { Description = $"port of the page (default {WebHost.DefaultPort}; taken: the next {PortsTried} are tried)" };
        port.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<int?>() is < 1 or > 65535)
            {
                result.AddError("--port: expected a number from 1 to 65535");
            }
        });
        var data = new Option<string?>("--data") { Description = "the data folder (default: data, or MAJIA_DATA)" };
        var bind = new Option<string?>("--bind") { Description = "IP address to listen on (default: this machine only)" };
        var noBrowser = new Option<bool>("--no-browser") { Description = "do not open the page in a browser" };
        var mode = new Option<string?>("--mode") { Description = "demo (the default) | production, which refuses test keys and seeded cards", DefaultValueFactory = _ => "demo" };
        mode.AcceptOnlyFromAmong("demo", "production");
        var store = Stores.Option();
        var apart = new ApartOptions();
        var language = Languages.Option();
        var command = new Command("up", "Starts the parties, all or some of them, and a page to use them.") { port, data, bind, noBrowser, mode, store, language };
        apart.AddTo(command);
        command.SetAction(async (parse, cancellation) =>
        {
            var folder = parse.GetValue(data) ?? Environment.GetEnvironmentVariable("MAJIA_DATA") ?? "data";
            var settings = apart.Over(parse, Settings(folder, parse.GetValue(port), parse.GetValue(bind), parse.GetValue(noBrowser)));
            settings = parse.GetValue(store) is { } named ? settings with { Store = Stores.Of(named) } : settings;
            return await RunAsync(folder, settings, parse.GetValue(mode) == "production", Languages.Of(parse.GetValue(language)), cancellation);
        });
        return command;
    }

    private static Configuration Settings(string folder, int? port, string? bind, bool noBrowser)
    {
        try
        {
            var settings = Configuration.Read(folder, Environment.GetEnvironmentVariable);
            var address = bind is null ? settings.Bind : IPAddress.TryParse(bind, out var parsed) ? parsed : throw new UsageException($"--bind: expected an IP address, got '{bind}'");
            return settings with { Port = port ?? settings.Port, Bind = address, NoBrowser = noBrowser || settings.NoBrowser };
        }
        catch (ConfigurationException wrong)
        {
            throw new UsageException(wrong.Message);
        }
    }

    private static async Task<int> RunAsync(string folder, Configuration settings, bool production, Language language, CancellationToken cancellation)
    {
        using var logging = Logs.Create(settings.Log == "json", TimeProvider.System);
        var roles = settings.Roles ?? Roles.All;
        TimeProvider time = production ? TimeProvider.System : new MovableTime(TimeProvider.System);
        var options = new SystemOptions(folder, time, new SystemEntropy())
        {
            Production = production,
            Store = settings.Store,
            Roles = roles,
            Institutions = settings.Institutions,
            Links = settings.Links ?? LinkMode.Memory,
            BasePort = settings.Port ?? WebHost.DefaultPort,
            Peers = ApartOptions.Peers(settings),
            Tls = settings.Tls,
            Bind = settings.Bind,
            Log = logging.CreateLogger("majia"),
        };
        var place = new IPEndPoint(settings.Bind ?? IPAddress.Loopback, roles.Contains(Role.Web) ? options.BasePort : OperationsPort(options, settings));
        if (!roles.Contains(Role.Web))
        {
            await using var parties = await Running.WhenItsDatabaseIsThereAsync(options, place, language, cancellation);
            return parties is null ? ExitCode.Ok : await WithoutPagesAsync(parties, options, settings, cancellation);
        }

        var rehearsal = Task.Run(Rehearsal.HoldAsync, CancellationToken.None);
        while (true)
        {
            using var round = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            await using (var system = await Running.WhenItsDatabaseIsThereAsync(options, place, language, cancellation))
            {
                if (system is null)
                {
                    return ExitCode.Ok;
                }

                // A folder that this process has alone may be forgotten; parties apart may not.
                Action? reset = production || !Roles.All.All(roles.Contains) ? null : round.Cancel;
                await rehearsal;
                settings = settings with { Port = await WithPagesAsync(system, options, settings, logging, language, reset, round.Token), NoBrowser = true };
            }

            if (cancellation.IsCancellationRequested || !round.IsCancellationRequested)
            {
                return ExitCode.Ok;
            }

            DataFolder.Forget(folder);
        }
    }

    /// <returns>The port that it had.</returns>
    private static async Task<int> WithPagesAsync(
        MajiaSystem system, SystemOptions options, Configuration settings, ILoggerFactory logging, Language language, Action? reset, CancellationToken cancellation)
    {
        // Where lines listen at their ports from N, the page does not wander off to another N.
        IReadOnlyList<int> ports = settings.Port is { } named ? [named] : system.Lines.Servers.Count > 0 ? [WebHost.DefaultPort] : [.. Enumerable.Range(WebHost.DefaultPort, PortsTried + 1)];
        WebHost host;
        try
        {
            host = await WebHost.StartAsync(system, ports, new WebOptions(settings.Bind, language) { Logging = logging, Reset = reset }, taken =>
            {
                if (ports.Count > 1)
                {
                    Console.Error.WriteLine(new Text($"majia: port {taken} is taken, the next one is tried", $"majia: 端口 {taken} 已被占用，尝试下一个").In(language));
                }
            });
        }
        catch (PortTakenException taken)
        {
            throw new EnvironmentException(ports.Count > 1 ? $"ports {ports[0]} to {ports[^1]} are taken; name a free one with --port" : taken.Message);
        }
        catch (Exception error) when (error is IOException or System.Net.Sockets.SocketException)
        {
            throw new EnvironmentException($"cannot listen: {error.Message}");
        }

        await using (host)
        {
            var address = $"http://{Name(settings.Bind)}:{host.Port}";
            await Console.Out.WriteLineAsync($"Majia is ready at {address}");
            await Console.Out.FlushAsync(CancellationToken.None);
            if (!settings.NoBrowser)
            {
                OpenBrowser(address);
            }

            await UntilStoppedAsync(system, options.Log, cancellation);
            return host.Port;
        }
    }

    private static async Task<int> WithoutPagesAsync(MajiaSystem system, SystemOptions options, Configuration settings, CancellationToken cancellation)
    {
        var port = OperationsPort(options, settings);
        OperationsHost host;
        try
        {
            host = await OperationsHost.StartAsync(system, new IPEndPoint(settings.Bind ?? IPAddress.Loopback, port), options.Log);
        }
        catch (Majia.Host.Links.PortTakenException taken)
        {
            throw new EnvironmentException(taken.Message);
        }

        await using (host)
        {
            await Console.Out.WriteLineAsync($"Majia {string.Join(",", options.Roles.Order().Select(Roles.Name))} is ready; health at {host.Address}health/ready");
            await Console.Out.FlushAsync(CancellationToken.None);
            await UntilStoppedAsync(system, options.Log, cancellation);
        }

        return ExitCode.Ok;
    }

    private static int OperationsPort(SystemOptions options, Configuration settings) => settings.Operations ?? options.BasePort + Line.OperationsOffset(options.Roles);

    /// <summary>Ctrl-C or SIGTERM: what is under way is finished first.</summary>
    private static async Task UntilStoppedAsync(MajiaSystem system, ILogger log, CancellationToken cancellation)
    {
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        }
        catch (OperationCanceledException)
        {
            if (await system.Lines.DrainAsync(DrainLimit) is var left and > 0)
            {
                log.LogWarning("Stopped with {Requests} requests still in work after {Seconds} s; their senders reverse", left, DrainLimit.TotalSeconds);
            }
        }
    }

    private static string Name(IPAddress? bind) =>
        bind is null || IPAddress.IsLoopback(bind) || bind.Equals(IPAddress.Any) || bind.Equals(IPAddress.IPv6Any) ? "localhost"
        : bind.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{bind}]"
        : bind.ToString();

    /// <summary>A person without a desktop opens the printed address.</summary>
    private static void OpenBrowser(string address)
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DISPLAY")) && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("WAYLAND_DISPLAY")))
        {
            return;
        }

        try
        {
            using var opener = Process.Start(new ProcessStartInfo("xdg-open", address) { RedirectStandardOutput = true, RedirectStandardError = true });
        }
        catch (Exception error) when (error is Win32Exception or InvalidOperationException)
        {
            // There is none.
        }
    }
}
