using System.Diagnostics;
using System.Text.Json;
using Majia.Storage;
using Npgsql;

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

        // What happened to a payment is told from the data folder, with its database stopped.
        var paid = said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).First(step => step.GetProperty("step").GetString() == "pay").GetProperty("rrn").GetString()!;
        said = await RunAsync([], "trace", paid, "--json", "--data", folder);
        Assert.True(said.ExitCode == 0, said.Errors);
        var kinds = said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("kind").GetString()).ToHashSet();
        Assert.Superset(new HashSet<string?> { "apdu", "iso8583", "key", "ledger", "decision" }, kinds);

        // The books of what it did agree, and one fen that somebody moved by hand is found.
        await ExpectAsync(0, "nothing found", [], "verify", "--store", "postgres");
        Assert.False(File.Exists(Path.Combine(folder, "postgres", "cluster", "postmaster.pid")), "the private server still runs");
        await using var cluster = await PrivatePostgres.StartAsync(Path.Combine(folder, "postgres"));
        var account = await PostgresServer.RunAsync(
            new NpgsqlConnectionStringBuilder(cluster.AdministratorString) { Database = "majia" }.ConnectionString,
            "UPDATE issuer.issuer_accounts SET balance = balance + 1 WHERE account = (SELECT min(account) FROM issuer.issuer_accounts) RETURNING account");
        said = await RunAsync([], "verify", "--store", "postgres", "--data", folder);
        Assert.Equal(1, said.ExitCode);
        Assert.Contains($"account {account} shows", said.Output, StringComparison.Ordinal);
        Assert.Contains("ledger: ", said.Errors, StringComparison.Ordinal);
        await ExpectAsync(1, "findings", [("MAJIA_STORE", cluster.ConnectionString)], "verify");
        await ExpectAsync(3, "cannot be reached", [], "verify", "--store", "Host=127.0.0.1;Port=1;Username=nobody;Database=majia");
    }

    [Fact]
    public async Task A_backup_of_one_database_is_restored_into_a_new_one_which_serves_once_its_fence_is_lifted()
    {
        PostgresServer.Require();
        var (copy, backup) = (Path.Combine(folder, "copy"), Path.Combine(folder, "night.tar"));
        var said = await RunAsync([], "demo", "--json", "--store", "postgres", "--data", folder);
        Assert.True(said.ExitCode == 0, said.Errors);
        said = await RunAsync([], "backup", backup, "--with-keys", "--store", "postgres", "--data", folder);
        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains("with keys", said.Output, StringComparison.Ordinal);
        using (var tar = Process.Start(new ProcessStartInfo("tar", ["-tf", backup]) { RedirectStandardOutput = true })!)
        {
            var names = (await tar.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Split('\n').Select(name => name.Replace("./", "", StringComparison.Ordinal)).ToList();
            foreach (var party in (string[])["acquirer", "issuer", "network", "token", "transit", "wallet"])
            {
                Assert.Contains($"postgres/{party}.dump", names);
            }
        }

        // What the folder's file says counts as a flag does.
        Directory.CreateDirectory(copy);
        await File.WriteAllTextAsync(Path.Combine(copy, "majia.json"), """{ "store": "postgres" }""", TestContext.Current.CancellationToken);
        said = await RunAsync([], "restore", backup, "--data", copy);
        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains("postgres/token.dump", said.Output, StringComparison.Ordinal);
        said = await RunAsync([], "verify", "--data", copy);
        Assert.True(said.ExitCode == 0, said.Output + said.Errors);
        said = await RunAsync([], "restore", backup, "--data", copy);
        Assert.Equal(3, said.ExitCode);
        Assert.Contains("is not empty", said.Errors, StringComparison.Ordinal);

        // All parties came from one backup: nobody can tell what the vault missed, and a person decides.
        said = await RunAsync([], "demo", "--json", "--data", copy, "--store", "postgres");
        Assert.Equal(1, said.ExitCode);
        said = await RunAsync([], "restore", "--lift", "--data", copy);
        Assert.True(said.ExitCode == 0 && said.Output.Contains("The fence is gone", StringComparison.Ordinal), said.Output + said.Errors);
        said = await RunAsync([], "demo", "--json", "--data", copy, "--store", "postgres");
        Assert.True(said.ExitCode == 0, said.Output + said.Errors);
        said = await RunAsync([], "verify", "--data", copy);
        Assert.True(said.ExitCode == 0, said.Output + said.Errors);
        Assert.False(File.Exists(Path.Combine(copy, "postgres", "cluster", "postmaster.pid")), "the private server still runs");
    }

    [Fact]
    public async Task A_database_that_cannot_be_used_is_exit_code_3_with_its_reason()
    {
        const string Absent = "Host=127.0.0.1;Port=1;Username=nobody;Database=majia";
        await ExpectAsync(3, "cannot be reached", [], "demo", "--store", Absent);
        var missing = new NpgsqlConnectionStringBuilder(await server.NewDatabaseAsync()) { Database = "nowhere" }.ConnectionString;
        await ExpectAsync(3, "has no database nowhere", [], "up", "--no-browser", "--store", missing);
        await ExpectAsync(3, "has no database nowhere", [("MAJIA_STORE", missing)], "up", "--no-browser");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "majia.json"), JsonSerializer.Serialize(new { store = missing }), TestContext.Current.CancellationToken);
        await ExpectAsync(3, "has no database nowhere", [], "up", "--no-browser");
        await ExpectAsync(2, "expected sqlite, postgres or a connection string", [], "up", "--store", "oracle");

        // fsync is off on the server of the tests: nobody's money is put there.
        await ExpectAsync(3, "fsync off", [], "demo", "--store", await server.NewDatabaseAsync());
    }

    [Fact]
    public async Task A_database_that_is_not_there_yet_is_waited_for_and_everything_is_refused_meanwhile()
    {
        PostgresServer.Require();
        var patience = TimeSpan.FromSeconds(60);
        var cancellation = TestContext.Current.CancellationToken;
        await using var cluster = await PrivatePostgres.StartAsync(Path.Combine(folder, "later"));
        await cluster.StopAsync();
        var port = FreePort();
        using var up = Process.Start(new ProcessStartInfo(
            "dotnet", [typeof(Cli.Entry).Assembly.Location, "up", "--no-browser", "--port", $"{port}", "--store", cluster.ConnectionString, "--data", Path.Combine(folder, "node")])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            var said = await up.StandardError.ReadLineAsync(cancellation).AsTask().WaitAsync(patience, cancellation);
            Assert.Contains("cannot be reached", said!, StringComparison.Ordinal);
            Assert.Contains("It is waited for", said!, StringComparison.Ordinal);
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
            Assert.Equal(System.Net.HttpStatusCode.OK, (await client.GetAsync(new Uri("health/live", UriKind.Relative), cancellation)).StatusCode);
            foreach (var page in (string[])["health/ready", "", "api/seed"])
            {
                using var refused = await client.GetAsync(new Uri(page, UriKind.Relative), cancellation);
                Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, refused.StatusCode);
                Assert.Contains("cannot be reached", await refused.Content.ReadAsStringAsync(cancellation), StringComparison.Ordinal);
            }

            var errors = up.StandardError.ReadToEndAsync(cancellation);
            await cluster.StartAsync();
            Assert.StartsWith("Majia is ready", await up.StandardOutput.ReadLineAsync(cancellation).AsTask().WaitAsync(patience, cancellation), StringComparison.Ordinal);
            Assert.Equal(System.Net.HttpStatusCode.OK, (await client.GetAsync(new Uri("health/ready", UriKind.Relative), cancellation)).StatusCode);
            Assert.False(up.HasExited);
        }
        finally
        {
            up.Kill();
            await up.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
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
