using System.Net;
using Majia.Core.Contracts;

namespace Majia.Host.Operations;

/// <summary>What stands at a process's port while its database is not there yet: alive, not ready, and everything else refused with 503. No party exists, so nothing is taken in.</summary>
public sealed class WaitingHost : IAsyncDisposable
{
    private readonly WebApplication app;

    /// <summary>Why it waits; newer words replace older ones.</summary>
    private string why;

    private WaitingHost(IPEndPoint endpoint, string roles, string why)
    {
        this.why = why;
        app = PlainPort.At(endpoint).Build();
        app.MapGet("/health/live", () => Results.Json(new { status = "live" }, JsonEndpoint.Json));
        app.MapFallback("{*path}", (HttpContext context) =>
        {
            context.Response.Headers.RetryAfter = "1";
            return Results.Json(new Readiness("not-ready", roles, [new HealthCheck("store", false, this.why)]), JsonEndpoint.Json, statusCode: StatusCodes.Status503ServiceUnavailable);
        });
    }

    public Uri Address => new(app.Urls.First());

    public void Says(string reason) => why = reason;

    /// <exception cref="PortTakenException">Somebody else listens there.</exception>
    public static async Task<WaitingHost> StartAsync(IPEndPoint endpoint, string roles, string why)
    {
        var host = new WaitingHost(endpoint, roles, why);
        await PlainPort.ListenAsync(host.app, endpoint, host);
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }
}
