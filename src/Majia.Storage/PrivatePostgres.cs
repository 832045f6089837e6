using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Majia.Storage;

/// <summary>A PostgreSQL of our own for a trial and for tests: Debian's package, a folder, a socket that its owner alone can use. Ended by its process id.</summary>
/// <remarks>PostgreSQL does not run as root: then it runs as user postgres, which must be able to reach the folder. One that still runs there, left by a process that was killed, is taken over.</remarks>
public sealed class PrivatePostgres : IAsyncDisposable
{
    private const string Database = "majia", Login = "majia", Administrator = "postgres";

    private static readonly string[] AsPostgres = ["/usr/bin/setpriv", $"--reuid={Administrator}", $"--regid={Administrator}", "--init-groups", "--"];

    private readonly string binaries, data, sockets;

    private PrivatePostgres(string binaries, string data, string sockets) => (this.binaries, this.data, this.sockets) = (binaries, data, sockets);

    /// <summary>Of a login that may make roles and owns its database, and is no administrator.</summary>
    public string ConnectionString => new NpgsqlConnectionStringBuilder { Host = sockets, Username = Login, Database = Database }.ConnectionString;

    /// <summary>Of the administrator, to the database <c>postgres</c>.</summary>
    public string AdministratorString => new NpgsqlConnectionStringBuilder { Host = sockets, Username = Administrator, Database = "postgres" }.ConnectionString;

    /// <summary>True when it ran already: another process's, which ends it.</summary>
    public bool WasRunning { get; private set; }

    /// <summary>Of the postmaster that runs now.</summary>
    public int ProcessId => int.Parse(File.ReadLines(Path.Combine(data, "postmaster.pid")).First(), CultureInfo.InvariantCulture);

    /// <summary>Where initdb and pg_ctl of the newest installed version are; null when none is.</summary>
    public static string? Binaries { get; } = Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql")
            .OrderDescending(Comparer<string>.Create(static (one, other) => Version(one).CompareTo(Version(other))))
            .Select(version => Path.Combine(version, "bin")).FirstOrDefault(bin => File.Exists(Path.Combine(bin, "initdb")))
        : null;

    /// <summary>Starts the cluster in <paramref name="folder"/>, which is made on the first start.</summary>
    /// <param name="settings">Lines of postgresql.conf beside our own.</param>
    /// <exception cref="StoreException">PostgreSQL is not installed, cannot reach the folder, or does not start; with what it said.</exception>
    public static async Task<PrivatePostgres> StartAsync(string folder, params IReadOnlyList<string> settings)
    {
        var binaries = Binaries ?? throw new StoreException("PostgreSQL is not installed: apt-get install postgresql");
        var full = Path.GetFullPath(folder);
        var data = Path.Combine(full, "cluster");
        Make(full);
        if (IsRoot)
        {
            await LetReachAsync(full);
        }

        var sockets = SocketFolder(full);
        var cluster = new PrivatePostgres(binaries, data, sockets);
        if (!File.Exists(Path.Combine(data, "PG_VERSION")))
        {
            await cluster.RunAsync("initdb", "-D", data, "--auth=trust", "--encoding=UTF8", "--locale=C", $"--username={Administrator}", "--no-instructions");
        }

        await File.WriteAllLinesAsync(
            Path.Combine(data, "postgresql.auto.conf"),
            ["listen_addresses = ''", $"unix_socket_directories = '{sockets.Replace("'", "''", StringComparison.Ordinal)}'", "max_connections = 200", "logging_collector = off", .. settings]);
        await cluster.StartAsync();
        await cluster.CreateAsync();
        return cluster;
    }

    /// <summary>Starts it again after it was stopped or killed.</summary>
    public async Task StartAsync()
    {
        if (Running)
        {
            WasRunning = true;
            return;
        }

        WasRunning = false;
        Make(sockets);
        if (IsRoot)
        {
            await RunToEndAsync(["/bin/chown", $"{Administrator}:", sockets]);
        }

        await RunAsync("pg_ctl", "-D", data, "-l", Path.Combine(data, "server.log"), "-w", "-t", "60", "start");
    }

    public Task StopAsync() => Running ? RunAsync("pg_ctl", "-D", data, "-m", "fast", "-w", "-t", "60", "stop") : Task.CompletedTask;

    public async ValueTask DisposeAsync() => await StopAsync();

    private static bool IsRoot => Environment.UserName == "root";

    private bool Running => File.Exists(Path.Combine(data, "postmaster.pid")) && Directory.Exists($"/proc/{ProcessId}")
        && File.ReadAllText($"/proc/{ProcessId}/cmdline").Contains("postgres", StringComparison.Ordinal);

    private static int Version(string folder) => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : 0;

    /// <summary>The login and its database; made once.</summary>
    private async Task CreateAsync()
    {
        await using var administrator = new NpgsqlConnection(AdministratorString + ";Pooling=false");
        await administrator.OpenAsync();
        foreach (var (exists, make) in ((string, string)[])
                 [
                     ($"SELECT 1 FROM pg_roles WHERE rolname = '{Login}'", $"CREATE ROLE {Login} LOGIN CREATEROLE"),
                     ($"SELECT 1 FROM pg_database WHERE datname = '{Database}'", $"CREATE DATABASE {Database} OWNER {Login}"),
                 ])
        {
            await using var ask = new NpgsqlCommand(exists, administrator);
            if (await ask.ExecuteScalarAsync() is null)
            {
                await using var command = new NpgsqlCommand(make, administrator);
                await command.ExecuteNonQueryAsync();
            }
        }
    }

    /// <summary>User postgres owns the folder, and may go through ours without listing it.</summary>
    private static async Task LetReachAsync(string full)
    {
        await RunToEndAsync(["/bin/chown", $"{Administrator}:", full]);
        if (Directory.GetParent(full) is { } parent && !OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(parent.FullName, File.GetUnixFileMode(parent.FullName) | UnixFileMode.OtherExecute);
        }

        var (code, _) = await RunAsync([.. AsPostgres, "/usr/bin/test", "-w", full]);
        if (code != 0)
        {
            throw new StoreException($"PostgreSQL runs as user {Administrator}, who cannot reach {full}: choose a folder outside of another user's home with --data");
        }
    }

    /// <summary>A socket's path has at most 107 bytes: a long folder has its socket among the temporary files.</summary>
    private static string SocketFolder(string full)
    {
        var own = Path.Combine(full, "socket");
        return Encoding.UTF8.GetByteCount(own) < 80 ? own : Path.Combine(Path.GetTempPath(), $"majia-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(full)))[..16]}");
    }

    private static void Make(string folder)
    {
        if (!Directory.Exists(folder))
        {
            if (OperatingSystem.IsWindows())
            {
                throw new StoreException("a private PostgreSQL is started on Debian only");
            }

            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    private Task RunAsync(string program, params IReadOnlyList<string> arguments) => RunToEndAsync([.. IsRoot ? AsPostgres : [], Path.Combine(binaries, program), .. arguments]);

    private static async Task RunToEndAsync(IReadOnlyList<string> words)
    {
        var (code, said) = await RunAsync(words);
        if (code != 0)
        {
            throw new StoreException($"{string.Join(' ', words.Where(word => !AsPostgres.Contains(word)))} failed: {said}");
        }
    }

    /// <summary>Its output goes to a file: a server that it starts keeps what it inherits, and a pipe would never end.</summary>
    private static async Task<(int Code, string Said)> RunAsync(IReadOnlyList<string> words)
    {
        var output = Path.GetTempFileName();
        try
        {
            var line = string.Join(' ', words.Select(word => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'"));
            using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"cd / && exec {line} > '{output}' 2>&1 < /dev/null"]))!;
            await process.WaitForExitAsync();
            return (process.ExitCode, (await File.ReadAllTextAsync(output)).Trim());
        }
        finally
        {
            File.Delete(output);
        }
    }
}
