using System.Reflection;
using Majia.Host.Web;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.DataProtection;

namespace Majia.Host.Ui;

/// <summary>The pages: components drawn on the server, and their few files, carried inside the assembly.</summary>
internal static class UiHost
{
    private static readonly (string Address, string File, string Type)[] Files =
    [
        ("/ui/base.css", "ui/base.css", "text/css; charset=utf-8"),
        ("/ui/desk.css", "ui/desk.css", "text/css; charset=utf-8"),
        ("/ui/drawer.css", "ui/drawer.css", "text/css; charset=utf-8"),
        ("/ui/page.css", "ui/page.css", "text/css; charset=utf-8"),
        ("/ui/story.css", "ui/story.css", "text/css; charset=utf-8"),
        ("/ui/inter.woff2", "ui/inter.woff2", "font/woff2"),
        ("/ui/inter-licence.txt", "ui/inter-licence.txt", "text/plain; charset=utf-8"),
        ("/favicon.svg", "ui/favicon.svg", "image/svg+xml"),
        ("/ui/ui.js", "ui/ui.js", "text/javascript; charset=utf-8"),
        ("/_framework/blazor.web.js", "framework/blazor.web.js", "text/javascript; charset=utf-8"),
    ];

    public static void Add(IServiceCollection services)
    {
        // Nothing outlives the process: a page that was open before a restart is loaded anew.
        services.AddRazorComponents().AddInteractiveServerComponents();
        services.AddSingleton<IDataProtectionProvider, EphemeralDataProtectionProvider>();
        foreach (var keyRing in services.Where(service => service.ServiceType == typeof(IHostedService) && service.ImplementationType?.Name == "DataProtectionHostedService").ToList())
        {
            services.Remove(keyRing); // it would write a key ring into the home folder that nobody uses
        }

        services.Configure<AntiforgeryOptions>(forms => forms.SuppressXFrameOptionsHeader = true); // the doors have said who may frame us: nobody
        services.AddScoped<Visit>().AddScoped<Stand>();
    }

    public static void Map(WebApplication app)
    {
        app.UseAntiforgery();
        foreach (var (address, file, type) in Files)
        {
            var bytes = Read(file);
            app.MapGet(address, () => Results.Bytes(bytes, type));
        }

        app.MapRazorComponents<App>().AddInteractiveServerRenderMode(server => server.ContentSecurityFrameAncestorsPolicy = null);
    }

    private static byte[] Read(string file)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(file) ?? throw new InvalidOperationException($"{file} is not in the assembly");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
