using System.Net;
using Majia.Host.Links;
using Microsoft.AspNetCore.Connections;

namespace Majia.Host.Operations;

/// <summary>The port of a process without pages: plain HTTP, nothing taken in but the request line.</summary>
internal static class PlainPort
{
    public static WebApplicationBuilder At(IPEndPoint endpoint)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, HttpJsonServer.NoLifetime>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(endpoint);
        });
        return builder;
    }

    /// <exception cref="PortTakenException">Somebody else listens there; <paramref name="host"/> is disposed of.</exception>
    public static async Task ListenAsync(WebApplication app, IPEndPoint endpoint, IAsyncDisposable host)
    {
        try
        {
            await app.StartAsync();
        }
        catch (IOException taken) when (taken.InnerException is AddressInUseException)
        {
            await host.DisposeAsync();
            throw new PortTakenException(endpoint.Port, taken);
        }
    }
}
