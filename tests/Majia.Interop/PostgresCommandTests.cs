using System.Diagnostics;
using System.Text.Json;

namespace Majia.Interop;

/// <summary><c>--store</c> as a person uses it: from the command line, the environment and the data folder's file.</summary>
public sealed class PostgresCommandTests(PostgresServer server) : IDisposable
{
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"majia-store-{Environment.ProcessId}");

    public void Dispose()
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task The_story_on_a_private_postgres_that_ends_with_it()
    {
        PostgresServer.Require();
        var said = await RunAsync([], "demo", "--json", "--store", "postgres", "--data", folder);
        Assert.True(said.ExitCode == 0, said.Errors);
        var steps = said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("ok").GetBoolean()).ToList();
        Assert.Equal(10, steps.Count);
        Assert.DoesNotContain(false, steps);
        Assert.True(File.Exists(Path.Combine(folder, "postgres", "cluster", "PG_VERSION")));
        Assert.False(File.Exists(Path.Combine(folder, "postgres", "cluster", "postmaster.pid")), "the private server still runs");
        Assert.False(File.Exists(Path.Combine(folder, "majia.db")));
    }

    [Fact]
    public async Task A_database_that_cannot_be_used_is_exit_code_3_with_its_reason()
    {
        const string Absent = "Host=127.0.0.1;Port=1;Username=nobody;Database=majia";
        await ExpectAsync(3, "cannot be reached", [], "up", "--no-browser", "--store", Absent);
        await ExpectAsync(3, "cannot be reached", [("MAJIA_STORE", Absent)], "up", "--no-browser");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "majia.json"), JsonSerializer.Serialize(new { store = Absent }), TestContext.Current.CancellationToken);
        await ExpectAsync(3, "cannot be reached", [], "up", "--no-browser");
        await ExpectAsync(2, "expected sqlite, postgres or a connection string", [], "up", "--store", "oracle");

        // fsync is off on the server of the tests: nobody's money is put there.
        await ExpectAsync(3, "fsync off", [], "demo", "--store", await server.NewDatabaseAsync());
    }

    private async Task ExpectAsync(int code, string words, (string, string)[] environment, params string[] arguments)
    {
        var said = await RunAsync(environment, [.. arguments, "--data", folder]);
        Assert.Equal(code, said.ExitCode);
        Assert.Contains(words, said.Errors, StringComparison.Ordinal);
    }

    private static async Task<Said> RunAsync((string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Cli.Entry).Assembly.Location, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
        return new Said(process.ExitCode, await output, await errors);
    }
}
