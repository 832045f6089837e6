using System.Net;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Operations;
using Majia.Host.Ui;
using Majia.Host.Web.Owner;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Json;

namespace Majia.Host.Web;

/// <summary>None of the ports could be had.</summary>
public sealed class PortTakenException(int port) : Exception($"port {port} is taken; choose another with --port")
{
    public int Port { get; } = port;
}

/// <param name="Bind">Null: loopback, both families.</param>
/// <param name="Language">What a page shows whose person has not chosen yet.</param>
public sealed record WebOptions(IPAddress? Bind = null, Language Language = Language.English)
{
    /// <summary>The process's log; null: one of its own on stderr.</summary>
    public ILoggerFactory? Logging { get; init; }

    /// <summary>Forgets everything and starts again, where the demonstration may; the page asks for it.</summary>
    public Action? Reset { get; init; }
}

/// <summary>The page and its API over a running system, and the clock that delivers what waits in the outboxes.</summary>
public sealed class WebHost : IAsyncDisposable
{
    public const int DefaultPort = 7080;

    private const int LargestBody = 16 * 1024;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly WebApplication app;
    private readonly CancellationTokenSource stopping = new();
    private readonly SortedDictionary<string, Counter> counters = new(StringComparer.Ordinal);
    private readonly MajiaSystem system;
    private readonly Changes changes = new();
    private readonly OwnerPasskeys? passkeys;
    private readonly ILogger log;
    private Task clock = Task.CompletedTask;

    /// <summary>The push channel of each handset.</summary>
    private IReadOnlyList<Task> listening = [];
    private bool stirred;

    private WebHost(MajiaSystem system, int port, WebOptions options)
    {
        this.system = system;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        if (options.Logging is { } logging)
        {
            builder.Services.AddSingleton(logging);
        }
        else
        {
            Logs.Configure(builder.Logging, json: false, system.Time);
        }

        builder.Services.AddRouting();
        builder.Services.AddSingleton(system).AddSingleton(options).AddSingleton(changes).AddSingleton<IReadOnlyDictionary<string, Counter>>(counters);
        UiHost.Add(builder.Services);
        ApiDescription.Add(builder.Services);
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        builder.Services.Configure<JsonOptions>(json =>
        {
            json.SerializerOptions.DefaultIgnoreCondition = JsonEndpoint.Json.DefaultIgnoreCondition;
            json.SerializerOptions.UnmappedMemberHandling = JsonEndpoint.Json.UnmappedMemberHandling;
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Patience);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = LargestBody;
            if (options.Bind is { } address)
            {
                kestrel.Listen(address, port);
            }
            else if (port == 0)
            {
                kestrel.Listen(IPAddress.Loopback, 0);
            }
            else
            {
                kestrel.ListenLocalhost(port);
            }
        });
        Telemetry.Add(builder, system);
        app = builder.Build();
        log = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("majia");
        foreach (var (id, terminal) in system.Terminals)
        {
            counters.Add(id, new Counter(terminal, system.Fields[id], system.Trace, changes, system.Time, log));
        }

        foreach (var phone in system.Phones.Values)
        {
            phone.ScreenChanged += changes.Say;
        }

        system.Trace.Recorded += OnRecorded;
        passkeys = system.Roles.Contains(Role.Wallet) ? new OwnerPasskeys(system.Wallet.Owners, app.Services) : null;
        Doors.Use(app, log);
        app.UseRouting();
        UiHost.Map(app);
        new Health(system).Map(app);
        Telemetry.Map(app);
        MapApi(app.MapGroup("/api"), options.Language);
        system.Hotline().Map(app);
        system.BankApps().Map(app);
        if (system.Roles.Contains(Role.Token))
        {
            system.TokenApi().Map(app);
        }
    }

    public int Port => new Uri(app.Urls.First()).Port;

    /// <summary>Every route that is served, with its method: for whoever checks each of them.</summary>
    public IReadOnlyList<(string Method, string Pattern)> Routes =>
    [
        .. ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(route => (route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(method => (method, "/" + route.RoutePattern.RawText!.TrimStart('/')))),
    ];

    /// <summary>Starts on the first of <paramref name="ports"/> that is free (0: any). It serves when this returns.</summary>
    /// <param name="taken">Called for each port that was not free, before the next is tried.</param>
    /// <exception cref="PortTakenException">None was free.</exception>
    public static async Task<WebHost> StartAsync(MajiaSystem system, IReadOnlyList<int> ports, WebOptions options, Action<int>? taken = null)
    {
        foreach (var port in ports)
        {
            var host = new WebHost(system, port, options);
            try
            {
                await host.app.StartAsync();
                host.clock = Rounds.RunAsync(system, host.log, host.AfterRound, host.stopping.Token);
                host.listening = [.. system.Phones.Values.Select(phone => phone.ListenAsync(host.stopping.Token))];
                return host;
            }
            catch (IOException error) when (error.InnerException is AddressInUseException)
            {
                await host.DisposeAsync();
                taken?.Invoke(port);
            }
            catch
            {
                await host.DisposeAsync();
                throw;
            }
        }

        throw new PortTakenException(ports[^1]);
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        foreach (var phone in system.Phones.Values)
        {
            phone.ScreenChanged -= changes.Say;
        }

        system.Trace.Recorded -= OnRecorded;

        foreach (var counter in counters.Values)
        {
            await counter.DisposeAsync();
        }

        await app.StopAsync();
        await app.DisposeAsync();
        await clock;
        await Task.WhenAll(listening).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        passkeys?.Dispose();
        stopping.Dispose();
    }

    private void MapApi(RouteGroupBuilder api, Language language)
    {
        api.MapOpenApi("/openapi.json");
        api.MapGet("/seed", () => Results.Json(Views.Seed(language), PageJson.Written)).WithSummary("What there is to choose from: handsets, test cards, shops. / 可选的机型、测试卡与商户。");
        api.MapGet("/state", (string phone, string terminal) => system.Phones.ContainsKey(phone) && counters.TryGetValue(terminal, out var counter)
            ? Results.Json(Views.State(system, phone, counter), PageJson.Written)
            : Results.NotFound()).WithSummary("One phone and one terminal as they are now, with the bank's drawer. / 手机、终端与银行抽屉的当前状态。");
        api.MapGet("/events", (Delegate)((HttpContext context) => changes.ServeAsync(context, system.Time, stopping.Token))).WithSummary("Server-sent events: something has changed, read the state again. / 状态变化通知（SSE）。");
        api.MapGet("/trace", async (string reference) =>
        {
            await system.Trace.FlushAsync();
            return Results.Json(Views.Trace(system.Trace.Read(reference)), PageJson.Written);
        }).WithSummary("Every message of one payment or enrolment, in order. / 一笔交易或一次添加的全部消息。");
        api.MapGet("/trace/export", async (string? reference) =>
        {
            await system.Trace.FlushAsync();
            return Results.Json(Views.Export(reference is null ? system.Trace.ReadLast(2000) : system.Trace.Read(reference)), PageJson.Written);
        }).WithSummary("The same with bytes and decoded trees, to keep; without a reference the last 2000 rows. / 导出追踪，含报文与解码。");
        api.MapGet("/trace/{sequence:long}", (long sequence, string reference) =>
            Views.Row(system.Trace.Read(reference), sequence) is { } row ? Results.Json(row, PageJson.Written) : Results.NotFound()).WithSummary("One row's bytes and what they say. / 一条消息的报文与解码。");
        PhoneRoutes.Map(api, system, changes);
        WireRoutes.Map(api, system, changes);
        CounterRoutes.Map(api, system, counters, changes);
        if (passkeys is not null)
        {
            new OwnerRoutes(system.Wallet, system.Store, passkeys, changes.Say).Map(api); // the site is the wallet cloud's
        }
    }

    private void OnRecorded(TraceEvent row) => Volatile.Write(ref stirred, true);

    /// <summary>What was recorded is decided and kept by now.</summary>
    private void AfterRound()
    {
        if (Interlocked.Exchange(ref stirred, false))
        {
            changes.Say();
        }
    }
}
