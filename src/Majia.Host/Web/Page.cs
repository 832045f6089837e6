using System.Reflection;

namespace Majia.Host.Web;

/// <summary>The page's own files, carried inside the assembly.</summary>
internal static class Page
{
    private static readonly (string Address, string File, string Type)[] Files =
    [
        ("/old", "index.html", "text/html; charset=utf-8"),
        ("/page.css", "page.css", "text/css; charset=utf-8"),
        ("/page.js", "page.js", "text/javascript; charset=utf-8"),
        ("/screen.js", "screen.js", "text/javascript; charset=utf-8"),
        ("/trace.js", "trace.js", "text/javascript; charset=utf-8"),
        ("/texts.js", "texts.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "favicon.svg", "image/svg+xml"),
    ];

    public static void Map(WebApplication app)
    {
        foreach (var (address, file, type) in Files)
        {
            var bytes = Read(file);
            app.MapGet(address, () => Results.Bytes(bytes, type));
        }
    }

    private static byte[] Read(string file)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"page/{file}") ?? throw new InvalidOperationException($"{file} is not in the assembly");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
