using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Majia.Acquirer;
using Majia.Host.Links;
using Majia.Host.Load;
using Majia.Host.Tracing;
using Majia.Storage;

namespace Majia.Cli.Bench;

/// <summary>A load world behind its TCP POS line in this process, and the load generator in another.</summary>
public sealed class LoadBench : IAsyncDisposable
{
    private readonly string folder;
    private readonly TraceStore trace;
    private readonly TcpIsoServer line;
    private readonly Process generator;

    private LoadBench(string folder, LoadWorld world, TraceStore trace, TcpIsoServer line, Process generator) => (this.folder, World, this.trace, this.line, this.generator) = (folder, world, trace, line, generator);

    public LoadWorld World { get; }

    /// <param name="postgres">A connection string; null: SQLite in a file.</param>
    public static async Task<LoadBench> OpenAsync(LoadPlan plan, string? postgres = null, PostgresOptions? options = null)
    {
        var folder = Directory.CreateTempSubdirectory("majia-bench-").FullName;
        var trace = new TraceStore(SqliteStore.Open(Path.Combine(folder, "trace.db"), [TraceStore.Schema], TimeProvider.System), TimeProvider.System);
        var world = postgres is null
            ? await LoadWorld.OpenAsync(plan, Path.Combine(folder, "majia.db"), TimeProvider.System, trace)
            : await LoadWorld.OpenOnPostgresAsync(plan, postgres, TimeProvider.System, trace, options);
        var acquirer = new AcquirerOptions();
        var lineOptions = new TcpIsoServerOptions { Overload = OverloadAnswers.Pos(world.AcquirerKeys, acquirer.Mac, acquirer.Institution, acquirer.UtcOffset, TimeProvider.System) };
        var line = TcpIsoServer.Start(new IPEndPoint(IPAddress.Loopback, 0), Framing.Pos, world.Acquirer, TimeProvider.System, lineOptions, world.Store);
        string[] arguments =
        [
            "bench-load", "--acquirer", line.LocalEndpoint.ToString(), "--seed", Number(plan.Seed), "--cards", Number(plan.Cards), "--hot-cards", Number(plan.HotCards), "--terminals", Number(plan.Terminals),
        ];
        var own = Environment.ProcessPath!;
        var start = own.EndsWith("dotnet", StringComparison.Ordinal)
            ? new ProcessStartInfo(own, [typeof(LoadBench).Assembly.Location, .. arguments])
            : new ProcessStartInfo(own, arguments);
        start.RedirectStandardInput = start.RedirectStandardOutput = true;
        return new LoadBench(folder, world, trace, line, Process.Start(start)!);
    }

    /// <summary>64 in flight as quality.md says, or another number.</summary>
    public Task<LoadResult> ClosedAsync(int inFlight, double seconds, bool hot = false) =>
        OrderAsync(string.Create(CultureInfo.InvariantCulture, $"closed {inFlight} {seconds} {(int)(20_000 * seconds)}{(hot ? " hot" : "")}"));

    /// <summary>So many taps, however long they take.</summary>
    public Task<LoadResult> ClosedAsync(int inFlight, int taps) => OrderAsync(string.Create(CultureInfo.InvariantCulture, $"closed {inFlight} 600 {taps}"));

    public Task<LoadResult> OpenAsync(double rate, double seconds) => OrderAsync(string.Create(CultureInfo.InvariantCulture, $"open {rate:F0} {seconds}"));

    public async ValueTask DisposeAsync()
    {
        generator.StandardInput.Close();
        await generator.WaitForExitAsync();
        generator.Dispose();
        await line.DisposeAsync();
        await World.DisposeAsync();
        await trace.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>What the line counted, for when something is missing.</summary>
    public ServerState LineState => line.State;

    private async Task<LoadResult> OrderAsync(string order)
    {
        await generator.StandardInput.WriteLineAsync(order);
        await generator.StandardInput.FlushAsync();
        var answer = await generator.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the load generator ended");
        var result = JsonSerializer.Deserialize<LoadResult>(answer)!;
        if (result.Unanswered > 0)
        {
            await Console.Error.WriteLineAsync($"majia: {result.Unanswered} unanswered; the line: {LineState}");
        }

        return result;
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
