using Majia.Storage;
using Npgsql;

[assembly: AssemblyFixture(typeof(Majia.PostgresServer))]

namespace Majia;

/// <summary>One PostgreSQL for a whole run, started by the first test that asks and ended with the run. fsync is off: what survives a power failure has its own tests.</summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private readonly SemaphoreSlim gate = new(1);
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"majia-test-postgres-{Environment.ProcessId}");
    private PrivatePostgres? cluster;
    private int databases;

    /// <summary>For the stores of tests.</summary>
    public static PostgresOptions Options { get; } = new(FsyncMayBeOff: true);

    /// <summary>A database that nobody has used, as a connection string. Skips the test where PostgreSQL is not installed.</summary>
    public async Task<string> NewDatabaseAsync()
    {
        var server = await StartAsync();
        var name = $"test_{Interlocked.Increment(ref databases)}";
        await RunAsync(server.AdministratorString, $"CREATE DATABASE {name} OWNER majia");
        return new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = name }.ConnectionString;
    }

    /// <summary>The administrator's string to the same database, for what a party's own role may not do.</summary>
    public async Task<string> AdministratorOfAsync(string database) =>
        new NpgsqlConnectionStringBuilder((await StartAsync()).AdministratorString) { Database = new NpgsqlConnectionStringBuilder(database).Database }.ConnectionString;

    public static async Task<object?> RunAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    /// <summary>Skips the calling test where Debian's package is not installed, or nobody here may run it.</summary>
    public static void Require()
    {
        Assert.SkipWhen(PrivatePostgres.Binaries is null, "PostgreSQL is not installed (Debian package postgresql): ./majia test --install installs it");
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
        {
            await cluster.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }

        gate.Dispose();
    }

    private async Task<PrivatePostgres> StartAsync()
    {
        Require();
        await gate.WaitAsync();
        try
        {
            return cluster ??= await PrivatePostgres.StartAsync(folder, ["fsync = off", "full_page_writes = off", "shared_buffers = 64MB", "deadlock_timeout = 50ms"]);
        }
        finally
        {
            gate.Release();
        }
    }
}
