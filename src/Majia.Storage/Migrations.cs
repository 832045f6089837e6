using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>Forward-only schema versions, one row a party.</summary>
internal static class Migrations
{
    /// <summary>"MAJA" in the file header: a database that is another program's is left alone.</summary>
    private const long ApplicationId = 0x4D414A41;

    /// <summary>Throws <see cref="StoreException"/> when the file is not ours or newer than the program. Reads only.</summary>
    public static void Check(Session session, IReadOnlyList<PartySchema> schemas, string name)
    {
        if (session.Number("PRAGMA schema_version") == 0)
        {
            return;
        }

        if (session.Number("PRAGMA application_id") != ApplicationId)
        {
            throw new StoreException($"{name} is a database of another program; nothing in it was touched");
        }

        foreach (var schema in schemas)
        {
            var version = Version(session, schema.Party);
            if (version > schema.Migrations.Count)
            {
                throw new StoreException($"{name} was written by a newer version of this program: {schema.Party} has schema {version}, this program knows {schema.Migrations.Count}. Start the newer program, or choose another data folder; nothing was touched");
            }
        }
    }

    /// <summary>Brings each party's tables to the program's version, all in one transaction.</summary>
    public static void Apply(SqliteSession session, IReadOnlyList<PartySchema> schemas)
    {
        Run(session.Connection, "BEGIN IMMEDIATE");
        try
        {
            Run(session.Connection, $"PRAGMA application_id = {ApplicationId}");
            Run(session.Connection, "CREATE TABLE IF NOT EXISTS schema_version (party TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID");
            Run(session.Connection, "CREATE TABLE IF NOT EXISTS redo_applied (one INTEGER PRIMARY KEY, seq INTEGER NOT NULL, life INTEGER NOT NULL)");
            foreach (var schema in schemas)
            {
                for (var version = Version(session, schema.Party); version < schema.Migrations.Count; version++)
                {
                    Run(session.Connection, schema.Migrations[(int)version]);
                }

                session.Execute(
                    "INSERT INTO schema_version (party, version) VALUES ($1, $2) ON CONFLICT (party) DO UPDATE SET version = excluded.version",
                    schema.Party,
                    schema.Migrations.Count);
            }

            Run(session.Connection, "COMMIT");
        }
        catch
        {
            if (session.InTransaction)
            {
                Run(session.Connection, "ROLLBACK");
            }

            throw;
        }
    }

    /// <summary>One or several statements, not kept prepared.</summary>
    public static void Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static long Version(Session session, string party) =>
        session.Number("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'") == 0
            ? 0
            : session.Number("SELECT version FROM schema_version WHERE party = $1", party) ?? 0;
}
