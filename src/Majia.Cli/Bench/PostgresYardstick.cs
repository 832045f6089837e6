using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Majia.Cli.Bench;

/// <summary>The yardstick of P1: pgbench with bench/yardstick.sql on a private cluster of Debian's PostgreSQL, fsync and synchronous_commit on, 32 clients. Started for one run and ended by its own process id.</summary>
public sealed partial class PostgresYardstick : IAsyncDisposable
{
    public const int Clients = 32;

    private const string Database = "yardstick", Port = "54329";

    private readonly string folder;
    private readonly string binaries;
    private readonly int pid;

    private PostgresYardstick(string folder, string binaries, int pid) => (this.folder, this.binaries, this.pid) = (folder, binaries, pid);

    /// <summary>Of the server that runs, for the notes.</summary>
    public required string Version { get; init; }

    /// <returns>Null with what to install when it is not there.</returns>
    public static async Task<(PostgresYardstick? Yardstick, string Why)> OpenAsync()
    {
        var binaries = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending(StringComparer.Ordinal).Select(version => Path.Combine(version, "bin")).FirstOrDefault(bin => File.Exists(Path.Combine(bin, "pgbench")) && File.Exists(Path.Combine(bin, "initdb")))
            : null;
        if (binaries is null)
        {
            return (null, "PostgreSQL is not installed (Debian package postgresql)");
        }

        if (Environment.UserName != "root" && Environment.UserName != "postgres")
        {
            return (null, "PostgreSQL runs as user postgres: only root or postgres can start it");
        }

        var folder = Directory.CreateTempSubdirectory("majia-yardstick-").FullName;
        await BenchFiles.RunAsync("/bin/chown", ["postgres", folder]);
        var data = Path.Combine(folder, "data");
        await AsPostgresAsync($"{binaries}/initdb -D {data} --auth=trust --encoding=UTF8 --locale=C");
        await AsPostgresAsync($"{binaries}/pg_ctl -D {data} -l {folder}/log -w -o \"-c listen_addresses='' -c port={Port} -c unix_socket_directories={folder} -c fsync=on -c synchronous_commit=on -c max_connections=100\" start >/dev/null");
        var pid = int.Parse((await File.ReadAllLinesAsync(Path.Combine(data, "postmaster.pid")))[0], CultureInfo.InvariantCulture);
        var yardstick = new PostgresYardstick(folder, binaries, pid) { Version = (await BenchFiles.RunAsync($"{binaries}/postgres", ["--version"])).Trim() };
        try
        {
            foreach (var script in (string[])["yardstick-schema.sql", "yardstick.sql"])
            {
                File.Copy(BenchFiles.Path("bench", script), Path.Combine(folder, script));
                await BenchFiles.RunAsync("/bin/chmod", ["644", Path.Combine(folder, script)]);
            }

            await AsPostgresAsync($"{binaries}/createdb -h {folder} -p {Port} {Database}");
            await AsPostgresAsync($"{binaries}/psql -q -v ON_ERROR_STOP=1 -h {folder} -p {Port} -d {Database} -f {folder}/yardstick-schema.sql");
        }
        catch
        {
            await yardstick.DisposeAsync();
            throw;
        }

        return (yardstick, "");
    }

    /// <summary>Transactions a second of one run.</summary>
    public async Task<double> RateAsync(double seconds)
    {
        var whole = Math.Max(1, (int)Math.Ceiling(seconds)).ToString(CultureInfo.InvariantCulture);
        var output = await AsPostgresAsync($"{binaries}/pgbench -n -M prepared -c {Clients} -j 2 -T {whole} -h {folder} -p {Port} -f {folder}/yardstick.sql {Database}");
        return double.Parse(Rate().Match(output).Groups[1].Value, CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        // SIGINT: fast shutdown.
        await BenchFiles.RunAsync("/bin/kill", ["-INT", pid.ToString(CultureInfo.InvariantCulture)]);
        for (var i = 0; i < 100 && Directory.Exists($"/proc/{pid}"); i++)
        {
            await Task.Delay(100);
        }

        Directory.Delete(folder, recursive: true);
    }

    private static Task<string> AsPostgresAsync(string command) => Environment.UserName == "postgres"
        ? BenchFiles.RunAsync("/bin/sh", ["-c", command])
        : BenchFiles.RunAsync("/bin/su", ["postgres", "-s", "/bin/sh", "-c", command]);

    [GeneratedRegex(@"tps = ([0-9.]+)")]
    private static partial Regex Rate();
}
