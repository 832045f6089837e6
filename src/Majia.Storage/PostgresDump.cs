using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Majia.Storage;

/// <param name="Name">Of the dump, a file in the folder that was given.</param>
/// <param name="Schema">The party's version, as <c>party=version</c>.</param>
public sealed record PartyDump(string Party, string Name, string Schema);

/// <summary>The parties' schemas out of a PostgreSQL and into another, by PostgreSQL's own programs (docs/decisions/0055).</summary>
/// <remarks>Out: one dump a party, all of one snapshot, so that the parties agree with each other. In: all of them, the marks and the fence in one transaction.</remarks>
public static class PostgresDump
{
    private const string Extension = ".dump";

    /// <summary>Dumps every party that this login may read.</summary>
    /// <param name="folder">Exists.</param>
    /// <param name="except">Schemas that are nobody's data.</param>
    /// <exception cref="StoreException">The database cannot be read, it has no party, or PostgreSQL's programs are not here.</exception>
    public static async Task<IReadOnlyList<PartyDump>> TakeAsync(string connectionString, string folder, IReadOnlyList<string> except)
    {
        var target = new PostgresTarget(Patient(connectionString));
        try
        {
            await using var reader = target.OpenReader();
            var tools = PostgresTools.Find(target.Parsed, reader.PostgreSqlVersion.Major);

            // The snapshot lives as long as this transaction, which is idle meanwhile.
            await RunAsync(reader, "SET idle_in_transaction_session_timeout = 0");
            await using var transaction = await reader.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
            var parties = await PartiesAsync(reader, except);
            if (parties.Count == 0)
            {
                throw new StoreException($"the database {target.Parsed.Database} at {PostgresTrouble.Place(target.Parsed)} has no schema of a party, or none that this login may read");
            }

            var snapshot = (string)(await ScalarAsync(reader, "SELECT pg_export_snapshot()"))!;
            var dumps = new List<PartyDump>();
            foreach (var (party, owner, version) in parties)
            {
                var name = party + Extension;
                await tools.RunAsync(
                    "pg_dump", "--no-password", "--format=custom", "--no-owner", "--no-privileges", $"--schema={party}", $"--role={owner}",
                    $"--snapshot={snapshot}", $"--file={Path.Combine(Path.GetFullPath(folder), name)}");
                dumps.Add(new PartyDump(party, name, string.Create(CultureInfo.InvariantCulture, $"{party}={version}")));
            }

            return dumps;
        }
        catch (StoreUnavailableException away)
        {
            throw PostgresTrouble.OfStart(away);
        }
        catch (NpgsqlException failure)
        {
            throw new StoreException(PostgresTrouble.WhyNotOpened(target.Parsed, failure), failure);
        }
    }

    /// <summary>Brings dumps into a database where these parties have nothing yet. All or nothing: whatever fails, the database is as it was.</summary>
    /// <param name="dumps">Full paths by party.</param>
    /// <param name="mark">Written with them.</param>
    /// <param name="also">More statements of one transaction, by party: each runs in its schema, as its role.</param>
    /// <exception cref="StoreException">A party has tables there; the database or PostgreSQL's programs cannot be used; a dump is none.</exception>
    public static async Task RestoreAsync(string connectionString, IReadOnlyDictionary<string, string> dumps, Restoration mark, IReadOnlyDictionary<string, string> also, PostgresOptions? options = null)
    {
        options ??= new();
        if (dumps.Keys.FirstOrDefault(static party => party.Length == 0 || !party.All(char.IsAsciiLetterLower)) is { } foreign)
        {
            throw new StoreException($"'{foreign}' is no party; nothing was touched");
        }

        connectionString = Patient(connectionString);
        var place = new PostgresTarget(connectionString);
        PostgresTools tools;
        try
        {
            using var first = place.OpenFirst(options.FsyncMayBeOff);
            tools = PostgresTools.Find(place.Parsed, first.PostgreSqlVersion.Major);
            foreach (var party in dumps.Keys)
            {
                if (await ScalarAsync(first, $"SELECT count(*) > 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{party}'") is true)
                {
                    throw new StoreException($"the database {place.Parsed.Database} at {PostgresTrouble.Place(place.Parsed)} is not empty: party {party} has tables there. Restore into a new database (createdb), or drop the schema first; nothing was touched");
                }
            }
        }
        catch (StoreUnavailableException away)
        {
            throw PostgresTrouble.OfStart(away);
        }

        var (_, roles) = PostgresDatabase.Prepare(connectionString, [Restoration.Schema, .. dumps.Keys.Select(static party => new PartySchema(party, []))], options);
        await InOneTransactionAsync(tools, async script =>
        {
            // No process migrates these schemas meanwhile.
            foreach (var party in dumps.Keys.Order(StringComparer.Ordinal))
            {
                await script.WriteAsync($"SELECT pg_advisory_xact_lock(hashtextextended('majia/migrations/{party}', 0));\n");
            }

            foreach (var (party, dump) in dumps.OrderBy(static row => row.Key, StringComparer.Ordinal))
            {
                await script.WriteAsync(As(roles[party]));
                await script.FlushAsync();
                using var restore = tools.Start("pg_restore", "--no-owner", "--no-privileges", $"--schema={party}", "--file=-", Path.GetFullPath(dump));
                restore.StandardInput.Close();
                var said = restore.StandardError.ReadToEndAsync();
                try
                {
                    await restore.StandardOutput.BaseStream.CopyToAsync(script.BaseStream);
                }
                finally
                {
                    restore.StandardOutput.Close();
                    await restore.WaitForExitAsync();
                }

                PostgresTools.Demand("pg_restore", restore, await said);
            }

            foreach (var (party, statement) in also.Append(new(Restoration.Schema.Party, mark.Statement)))
            {
                await script.WriteAsync($"{As(roles[party])}SET search_path = {party};\n{statement};\n");
            }
        });
    }

    /// <summary>Nobody stands at a till meanwhile: a busy server is given the time that it wants to take a connection.</summary>
    private static string Patient(string connectionString)
    {
        var parsed = new PostgresTarget(connectionString).Parsed;
        return parsed.ContainsTimeout() ? connectionString : new NpgsqlConnectionStringBuilder(parsed.ConnectionString) { Timeout = 30 }.ConnectionString;
    }

    private static bool ContainsTimeout(this NpgsqlConnectionStringBuilder parsed) => parsed.Keys.Cast<string>().Contains("Timeout", StringComparer.OrdinalIgnoreCase);

    /// <summary>One psql over a script that is written while it runs. It commits at the script's last word alone: a script that breaks off leaves nothing.</summary>
    private static async Task InOneTransactionAsync(PostgresTools tools, Func<StreamWriter, Task> write)
    {
        using var psql = tools.Start("psql", "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-");
        var said = psql.StandardError.ReadToEndAsync();
        var heard = psql.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        try
        {
            await psql.StandardInput.WriteAsync("BEGIN;\n");
            await write(psql.StandardInput);
            await psql.StandardInput.WriteAsync("COMMIT;\n");
            await psql.StandardInput.FlushAsync();
        }
        catch (IOException)
        {
            // psql has ended: what it said is the reason, and it did not commit.
        }
        finally
        {
            End(psql);
            await heard;
            await psql.WaitForExitAsync();
        }

        PostgresTools.Demand("psql", psql, await said);
    }

    private static void End(Process psql)
    {
        try
        {
            psql.StandardInput.Close();
        }
        catch (IOException)
        {
            // It is gone already.
        }
    }

    private static string As(string? role) => role is null ? "RESET ROLE;\n" : $"SET ROLE {role};\n";

    private static async Task<List<(string Party, string Owner, long Version)>> PartiesAsync(NpgsqlConnection reader, IReadOnlyList<string> except)
    {
        var parties = new List<(string Party, string Owner)>();
        await using (var command = new NpgsqlCommand(
            """
            SELECT n.nspname::text, pg_get_userbyid(n.nspowner)::text FROM pg_namespace n
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_version'
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'party'
            WHERE n.nspname ~ '^[a-z]+$' AND pg_has_role(current_user, n.nspowner, 'MEMBER') ORDER BY n.nspname
            """, reader))
        await using (var rows = await command.ExecuteReaderAsync())
        {
            while (await rows.ReadAsync())
            {
                parties.Add((rows.GetString(0), rows.GetString(1)));
            }
        }

        var ours = new List<(string, string, long)>();
        foreach (var (party, owner) in parties.Where(row => !except.Contains(row.Party, StringComparer.Ordinal)))
        {
            // A login that made roles is a member of them, and need not inherit what they may.
            await RunAsync(reader, $"SET LOCAL ROLE \"{owner.Replace("\"", "\"\"", StringComparison.Ordinal)}\"");
            if (await ScalarAsync(reader, $"SELECT version FROM {party}.schema_version WHERE party = '{party}'") is long version)
            {
                ours.Add((party, owner, version));
            }

            await RunAsync(reader, "RESET ROLE");
        }

        return ours;
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
