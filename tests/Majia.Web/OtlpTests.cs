using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;

namespace Majia.Web;

/// <summary>With the standard variable set, a process sends metrics and traces by OTLP, and no card number with them.</summary>
[Collection(Processes.Name)]
public sealed class OtlpTests : IDisposable
{
    private const int Terminate = 15;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-otlp-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Metrics_and_traces_go_where_the_environment_says()
    {
        var (port, collectorPort) = (FreePort(), FreePort());
        using var collector = new HttpListener();
        collector.Prefixes.Add($"http://127.0.0.1:{collectorPort}/");
        collector.Start();
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "majia.dll"), "up", "--no-browser", "--data", folder, "--port", $"{port}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://127.0.0.1:{collectorPort}";
        start.Environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf";
        start.Environment["OTEL_METRIC_EXPORT_INTERVAL"] = "500";
        start.Environment["OTEL_BSP_SCHEDULE_DELAY"] = "500";
        using var process = Process.Start(start)!;
        try
        {
            Assert.StartsWith("Majia is ready", await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
            using var http = new HttpClient { BaseAddress = new Uri($"http://localhost:{port}") };
            using var signedIn = await http.PostAsJsonAsync("/api/phones/mi5/sign-in", new { account = "lin.xiaoyun", password = "majia-demo-1" }, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, signedIn.StatusCode);

            var seen = new SortedDictionary<string, string>(StringComparer.Ordinal);
            while (!(seen.TryGetValue("/v1/metrics", out var metrics) && metrics.Contains("majia.commit.units", StringComparison.Ordinal) && seen.ContainsKey("/v1/traces")))
            {
                var context = await collector.GetContextAsync().WaitAsync(Patience, TestContext.Current.CancellationToken);
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body, TestContext.Current.CancellationToken);
                var path = context.Request.Url!.AbsolutePath;
                seen[path] = seen.GetValueOrDefault(path, "") + Encoding.Latin1.GetString(body.ToArray());
                context.Response.Close();
            }

            Assert.Contains("/api/phones/{id}/sign-in", seen["/v1/traces"], StringComparison.Ordinal);
            Assert.All(seen.Values, sent => Assert.DoesNotMatch("(6299|8199|4111)[0-9]{9,15}", sent));
        }
        finally
        {
            Assert.Equal(0, Signals.Send(process.Id, Terminate));
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
