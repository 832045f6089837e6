using System.Net;
using Majia.Host.Ui;
using Microsoft.Extensions.Logging.Abstractions;

namespace Majia.Host.Web;

/// <summary>The machinery of the pages, run once on a port of its own while the parties open their books: a first visitor then does not wait for it to be compiled.</summary>
/// <remarks>It knows no party and serves the page that says that nothing is there. Whatever goes wrong in it the real host meets again, and says.</remarks>
public static class Rehearsal
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    public static async Task HoldAsync()
    {
        try
        {
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.Services.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddRouting().AddSingleton(new WebOptions());
            UiHost.Add(builder.Services);
            builder.WebHost.UseKestrelCore().ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
            await using var app = builder.Build();
            app.UseRouting();
            UiHost.Map(app);
            await app.StartAsync();
            using var visitor = new HttpClient { BaseAddress = new Uri(app.Urls.First()), Timeout = Longest };
            (await visitor.GetAsync("/not-found")).Dispose();
            (await visitor.PostAsync("/_blazor/negotiate?negotiateVersion=1", null)).Dispose();
            await app.StopAsync();
        }
        catch (Exception unheard) when (unheard is IOException or HttpRequestException or InvalidOperationException or OperationCanceledException)
        {
            // No port or no time for a rehearsal: the performance goes on without.
        }
    }
}
