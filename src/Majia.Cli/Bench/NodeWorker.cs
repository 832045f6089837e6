using System.Globalization;
using System.Text.Json;

namespace Majia.Cli.Bench;

/// <summary>The yardstick codecs of npm, in a process of their own (bench/node). Installed from the lock file when first asked for.</summary>
public sealed class NodeWorker
{
    private readonly string node;
    private readonly string modules;

    private NodeWorker(string node, string modules) => (this.node, this.modules) = (node, modules);

    /// <returns>Null with what is missing when node or npm is not there.</returns>
    public static async Task<(NodeWorker? Worker, string Why)> OpenAsync()
    {
        if (BenchFiles.Find("node") is not { } node || BenchFiles.Find("npm") is not { } npm)
        {
            return (null, "node and npm are not installed (Debian packages nodejs, npm)");
        }

        var modules = BenchFiles.Path("artifacts", "bench-node");
        var done = Path.Combine(modules, "package-lock.json");
        var wanted = BenchFiles.Path("bench", "node", "package-lock.json");
        if (!File.Exists(done) || !Directory.Exists(Path.Combine(modules, "node_modules")) || await File.ReadAllTextAsync(done) != await File.ReadAllTextAsync(wanted))
        {
            Directory.CreateDirectory(modules);
            File.Delete(done);
            File.Copy(BenchFiles.Path("bench", "node", "package.json"), Path.Combine(modules, "package.json"), overwrite: true);
            File.Copy(wanted, done, overwrite: true);
            try
            {
                await BenchFiles.RunAsync(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], folder: modules);
            }
            catch (EnvironmentException error)
            {
                Directory.Delete(modules, recursive: true);
                return (null, $"npm ci in bench/node: {error.Message}");
            }
        }

        return (new NodeWorker(node, modules), "");
    }

    /// <summary>Operations a second of one run.</summary>
    /// <param name="what">iso or emv.</param>
    public async Task<double> RateAsync(string what, double seconds, object input)
    {
        var output = await BenchFiles.RunAsync(
            node, [BenchFiles.Path("bench", "node", "codec.js"), what, seconds.ToString(CultureInfo.InvariantCulture), modules], JsonSerializer.Serialize(input));
        return JsonDocument.Parse(output).RootElement.GetProperty("rate").GetDouble();
    }
}
