using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Devices;
using Majia.Host.Web;

namespace Majia.Web;

/// <summary>The whole system with its page, in this process, on a folder and a port of its own.</summary>
public sealed class RunningPage : IAsyncDisposable
{
    private readonly string folder;
    private readonly WebHost host;

    private RunningPage(string folder, MajiaSystem system, WebHost host)
    {
        (this.folder, System, this.host) = (folder, system, host);
        Http = new HttpClient { BaseAddress = new Uri(Address) };
    }

    public MajiaSystem System { get; }

    /// <summary>Its data.</summary>
    public string Folder => folder;

    public HttpClient Http { get; }

    /// <summary>Every route that is served, with its method.</summary>
    public IReadOnlyList<(string Method, string Pattern)> Routes => host.Routes;

    public string Address => $"http://localhost:{host.Port}";

    public static async Task<RunningPage> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("majia-web-").FullName;
        var system = await MajiaSystem.OpenAsync(new SystemOptions(folder, new MovableTime(TimeProvider.System), new SystemEntropy()) { PasswordIterations = 1000 });
        return new RunningPage(folder, system, await WebHost.StartAsync(system, [0], new WebOptions()));
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await host.DisposeAsync();
        await System.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
