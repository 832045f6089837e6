using System.Net;

namespace Majia.Host.Operations;

/// <summary>A process without pages: its clock, and the port where it tells how it is (health, metrics). Plain HTTP, on this machine unless bound elsewhere.</summary>
public sealed class OperationsHost : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly CancellationTokenSource stopping = new();
    private readonly MajiaSystem system;
    private readonly ILogger log;
    private Task clock = Task.CompletedTask;

    private OperationsHost(MajiaSystem system, IPEndPoint endpoint, ILogger log)
    {
        (this.system, this.log) = (system, log);
        var builder = PlainPort.At(endpoint);
        Telemetry.Add(builder, system);
        app = builder.Build();
        new Health(system).Map(app);
        Telemetry.Map(app);
    }

    public Uri Address => new(app.Urls.First());

    /// <exception cref="PortTakenException">Somebody else listens there.</exception>
    public static async Task<OperationsHost> StartAsync(MajiaSystem system, IPEndPoint endpoint, ILogger log)
    {
        var host = new OperationsHost(system, endpoint, log);
        await PlainPort.ListenAsync(host.app, endpoint, host);
        host.clock = Rounds.RunAsync(system, log, static () => { }, host.stopping.Token);
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await clock;
        await app.StopAsync();
        await app.DisposeAsync();
        stopping.Dispose();
    }
}
