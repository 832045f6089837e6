using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace Majia.Storage;

/// <summary>PostgreSQL's own client programs (pg_dump, pg_restore, psql): all three from one folder, not older than the server they talk to.</summary>
internal sealed partial class PostgresTools
{
    private static readonly string[] Programs = ["pg_dump", "pg_restore", "psql"];

    private readonly string folder;
    private readonly IReadOnlyDictionary<string, string> environment;

    private PostgresTools(string folder, IReadOnlyDictionary<string, string> environment) => (this.folder, this.environment) = (folder, environment);

    /// <param name="serverMajor">15, 17, …</param>
    /// <param name="folders">Where to look; null: Debian's folders, then PATH.</param>
    /// <exception cref="StoreException">None is here that can talk to this server; says what to install.</exception>
    public static PostgresTools Find(NpgsqlConnectionStringBuilder target, int serverMajor, IReadOnlyList<string>? folders = null)
    {
        var found = new List<string>();
        foreach (var folder in folders ?? Usual())
        {
            if (!Programs.All(program => File.Exists(Path.Combine(folder, program))) || Version(Path.Combine(folder, Programs[0])) is not { } version)
            {
                continue;
            }

            if (version >= serverMajor)
            {
                return new PostgresTools(folder, Variables(target));
            }

            found.Add(string.Create(CultureInfo.InvariantCulture, $"{version} in {folder}"));
        }

        throw new StoreException(string.Create(
            CultureInfo.InvariantCulture,
            $"PostgreSQL at {PostgresTrouble.Place(target)} is version {serverMajor}: expected pg_dump, pg_restore and psql of {serverMajor} or newer here, got {(found.Count == 0 ? "none" : string.Join(", ", found))}: apt-get install postgresql-client-{serverMajor}"));
    }

    /// <summary>Runs one to its end. What it writes is read by nobody.</summary>
    /// <exception cref="StoreException">It failed; with what it said.</exception>
    public async Task RunAsync(string program, params IReadOnlyList<string> arguments)
    {
        using var process = Start(program, arguments);
        process.StandardInput.Close();
        var (_, said) = (process.StandardOutput.BaseStream.CopyToAsync(Stream.Null), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        Demand(program, process, await said);
    }

    /// <summary>Starts one whose streams the caller serves.</summary>
    public Process Start(string program, params IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(folder, program), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };

        // Whatever PG… stands in our own environment is for others: the connection string alone says where to.
        foreach (var foreign in start.Environment.Keys.Where(static name => name.StartsWith("PG", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(foreign);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        start.Environment["LC_ALL"] = "C";
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception failure)
        {
            throw new StoreException($"{start.FileName} cannot be started: {failure.Message}", failure);
        }
    }

    public static void Demand(string program, Process ended, string said)
    {
        if (ended.ExitCode != 0)
        {
            throw new StoreException($"{program} failed: {(said.Trim() is { Length: > 0 } words ? words : string.Create(CultureInfo.InvariantCulture, $"exit code {ended.ExitCode}"))}");
        }
    }

    /// <summary>The connection as libpq's variables: on a command line everybody would read the password.</summary>
    internal static IReadOnlyDictionary<string, string> Variables(NpgsqlConnectionStringBuilder target)
    {
        var places = (target.Host ?? string.Empty).Split(',', StringSplitOptions.TrimEntries).Select(host => Place(host, target.Port)).ToList();
        var named = target.Keys.Cast<string>().ToHashSet(StringComparer.OrdinalIgnoreCase);
        var variables = new SortedDictionary<string, string?>(StringComparer.Ordinal)
        {
            ["PGHOST"] = string.Join(',', places.Select(static place => place.Host)),
            ["PGPORT"] = string.Join(',', places.Select(static place => place.Port.ToString(CultureInfo.InvariantCulture))),
            ["PGUSER"] = target.Username,
            ["PGPASSWORD"] = target.Password,
            ["PGDATABASE"] = target.Database ?? target.Username,
            ["PGPASSFILE"] = target.Passfile,
            ["PGOPTIONS"] = target.Options,
            ["PGAPPNAME"] = "majia backup",
            ["PGCONNECT_TIMEOUT"] = "10",
            ["PGSSLROOTCERT"] = target.RootCertificate,
            ["PGSSLCERT"] = target.SslCertificate,
            ["PGSSLKEY"] = target.SslKey,
            ["PGSSLMODE"] = named.Contains("SSL Mode") ? target.SslMode switch { SslMode.VerifyCA => "verify-ca", SslMode.VerifyFull => "verify-full", var other => other.ToString().ToLowerInvariant() } : null,
            ["PGTARGETSESSIONATTRS"] = target.TargetSessionAttributes?.ToLowerInvariant() is { } wanted and not "any" ? wanted : null,
        };
        return variables.Where(static row => !string.IsNullOrEmpty(row.Value)).ToDictionary(static row => row.Key, static row => row.Value!, StringComparer.Ordinal);
    }

    private static (string Host, int Port) Place(string host, int port) =>
        host.LastIndexOf(':') is var colon and > 0 && host.IndexOf(':', StringComparison.Ordinal) == colon && int.TryParse(host.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var own)
            ? (host[..colon], own)
            : (host, port);

    /// <summary>Debian's, the newest first, then what PATH names.</summary>
    private static IEnumerable<string> Usual() =>
    [
        .. Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending(StringComparer.Ordinal).Select(static version => Path.Combine(version, "bin")) : [],
        .. (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries),
    ];

    /// <summary>Major version of a pg_dump; null when it does not run.</summary>
    private static int? Version(string program)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var said = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return Major().Match(said) is { Success: true } match ? int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\) (\d+)")]
    private static partial Regex Major();
}
