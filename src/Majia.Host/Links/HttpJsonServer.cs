using System.Net;
using Majia.Core.Contracts;
using Majia.Storage;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Majia.Host.Links;

/// <summary>The JSON lines over HTTP: <c>POST /{party}/{operation}</c>, an <see cref="ApiReply{T}"/> back. Refusals are 200 with an error in the body; other codes are the line's own.</summary>
public sealed class HttpJsonServer : IAsyncDisposable
{
    /// <summary>The longest request is a chip's answers to one script.</summary>
    public const int MaxBody = 256 * 1024;

    private readonly Lock gate = new();
    private readonly SortedDictionary<string, (JsonEndpoint Endpoint, Store? Leaves)> parties = new(StringComparer.Ordinal);
    private readonly WebApplication application;

    private readonly Line? secured;

    /// <param name="secured">The line whose callers show certificates; null: none do.</param>
    private HttpJsonServer(WebApplication application, Line? secured)
    {
        (this.application, this.secured) = (application, secured);
        application.MapPost("/{party}/{operation}", HandleAsync);
    }

    /// <summary>Where it listens, with the port that the system chose when 0 was asked for.</summary>
    public Uri Address { get; private set; } = new("http://localhost/");

    /// <exception cref="PortTakenException">Somebody else listens there.</exception>
    /// <param name="line">With <paramref name="tls"/>: whose certificate we show, and whose we ask for.</param>
    public static async Task<HttpJsonServer> StartAsync(IPEndPoint endpoint, Line? line = null, PartyTls? tls = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBody;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Listen(endpoint, listen =>
            {
                if (line is not null && tls is not null)
                {
                    Secure(listen, line, tls);
                }
            });
        });
        builder.Services.AddRoutingCore();
        if (line is not null && tls is not null)
        {
            builder.Logging.SetMinimumLevel(LogLevel.Debug).AddFilter(static (category, _) => category?.StartsWith("Microsoft.AspNetCore.Server.Kestrel.Https", StringComparison.Ordinal) == true).AddProvider(new HandshakeLog(line, tls));
        }

        // The process belongs to whoever started it: no listening for Ctrl-C here.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        var server = new HttpJsonServer(builder.Build(), tls is null ? null : line);
        try
        {
            await server.application.StartAsync();
        }
        catch (IOException taken) when (taken.InnerException is AddressInUseException)
        {
            await server.DisposeAsync();
            throw new PortTakenException(endpoint.Port, taken);
        }

        server.Address = new Uri(server.application.Urls.First());
        return server;
    }

    /// <summary>Lets a party answer; one that does already is replaced.</summary>
    /// <param name="party">The first part of the path.</param>
    /// <param name="leaves">The store that must be durable before a reply leaves.</param>
    public void Add(string party, JsonEndpoint endpoint, Store? leaves)
    {
        lock (gate)
        {
            parties[party] = (endpoint, leaves);
        }
    }

    public ValueTask DisposeAsync() => application.DisposeAsync();

    private async Task HandleAsync(HttpContext context)
    {
        bool known;
        (JsonEndpoint Endpoint, Store? Leaves) party;
        lock (gate)
        {
            known = parties.TryGetValue((string)context.Request.RouteValues["party"]!, out party);
        }

        var operation = (string)context.Request.RouteValues["operation"]!;
        if (secured is not null && !PartyTls.SpeaksAs(secured, context.Connection.ClientCertificate, (string)context.Request.RouteValues["party"]!))
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            return;
        }

        if (!known || !party.Endpoint.Operations.Contains(operation))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        if (!context.Request.HasJsonContentType())
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        using var body = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException refused)
        {
            context.Response.StatusCode = refused.StatusCode;
            return;
        }

        var since = party.Leaves?.Mark() ?? default;
        var reply = await party.Endpoint.HandleAsync(operation, body.GetBuffer().AsMemory(0, (int)body.Length), context.RequestAborted);
        if (party.Leaves is { } leaves)
        {
            await leaves.DurableAsync(since);
        }

        context.Response.ContentType = "application/json";
        context.Response.ContentLength = reply.Length;
        await context.Response.Body.WriteAsync(reply, context.RequestAborted);
    }

    private static void Secure(ListenOptions listen, Line line, PartyTls tls)
    {
        listen.Use(next => async connection =>
        {
            HandshakeLog.Caller.Value = connection.RemoteEndPoint;
            await next(connection);
        });
        listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = context => ValueTask.FromResult(tls.Server(line, context.Connection.RemoteEndPoint)), HandshakeTimeout = TimeSpan.FromSeconds(5) });
    }

    /// <summary>Kestrel keeps a failed handshake to its own log; here its caller is named, as on every other line.</summary>
    private sealed class HandshakeLog(Line line, PartyTls tls) : ILoggerProvider, ILogger
    {
        public static readonly AsyncLocal<EndPoint?> Caller = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is not null)
            {
                tls.Refused($"{line.Name}: caller {Caller.Value}", exception);
            }
        }

        public void Dispose()
        {
        }
    }

    /// <summary>The process belongs to whoever started it.</summary>
    internal sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

/// <summary>Another program listens on a port that a line needs.</summary>
public sealed class PortTakenException(int port, Exception inner) : Exception($"port {port} is taken by another program; stop it, or choose another port", inner)
{
    public int Port { get; } = port;
}
