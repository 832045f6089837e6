using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>Copies of databases, taken while they are used, and what a copy is looked at with.</summary>
public static class Snapshots
{
    private static int looks;

    /// <summary>A whole and consistent copy of a database that a process may be writing to. Owner-readable only.</summary>
    /// <exception cref="StoreException">The source cannot be read, or the copy is there already.</exception>
    public static void Take(string source, string copy)
    {
        try
        {
            if (File.Exists(copy))
            {
                throw new IOException("it is there already");
            }

            // The log first: what it has dropped when the copy is taken stands in the copy.
            var left = RedoRecovery.Look(source);
            try
            {
                // VACUUM INTO takes an empty file as its target.
                SqliteStore.CreateForOwner(copy);
                using (var reader = new SqliteSession(SqliteStore.Connect(source, SqliteOpenMode.ReadOnly)))
                {
                    reader.Run("VACUUM INTO $1", copy);
                }

                if (left is not null)
                {
                    using var writer = new SqliteSession(SqliteStore.Connect(copy, SqliteOpenMode.ReadWrite));
                    RedoRecovery.Replay(writer, left);
                }
            }
            catch
            {
                File.Delete(copy);
                throw;
            }
        }
        catch (Exception error) when (error is SqliteException or IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"{source} cannot be copied to {copy}: {error.Message}", error);
        }
    }

    /// <summary>A look at a copy that is thrown away: what waits in the log is in it.</summary>
    internal static T Look<T>(string source, Func<Session, T> query)
    {
        using var settled = new SettledDatabase(source);
        using var reader = new SqliteSession(SqliteStore.Connect(settled.Path, SqliteOpenMode.ReadOnly));
        return query(reader);
    }

    /// <summary>A database for many looks: itself, or where records wait in its log one copy that has them, thrown away at the end.</summary>
    /// <exception cref="StoreException">It cannot be read or copied.</exception>
    public sealed class SettledDatabase : IDisposable
    {
        private readonly bool copied;

        public SettledDatabase(string source)
        {
            try
            {
                copied = RedoRecovery.Waits(source);
            }
            catch (SqliteException error)
            {
                throw new StoreException($"the database {source} cannot be read: {error.Message}", error);
            }

            Path = copied ? string.Create(CultureInfo.InvariantCulture, $"{source}-look-{Environment.ProcessId}-{Interlocked.Increment(ref looks)}") : source;
            if (copied)
            {
                Take(source, Path);
            }
        }

        /// <summary>Where to look; nobody writes there.</summary>
        public string Path { get; }

        public void Dispose()
        {
            if (copied)
            {
                File.Delete(Path);
            }
        }
    }

    /// <summary>Schema versions of a database, as <c>party=version</c>.</summary>
    public static IReadOnlyList<string> Versions(string path) => SqliteStore.Peek(path, static session =>
        session.Query("SELECT party, version FROM schema_version ORDER BY party", static row => string.Create(CultureInfo.InvariantCulture, $"{row.GetString(0)}={row.GetInt64(1)}")));

    /// <summary>Rows that a start after a crash could not take in from the log: which record, and why.</summary>
    public static IReadOnlyList<string> Refused(string path) => SqliteStore.Peek(path, static session =>
        RedoRecovery.Refused(session).Select(static row => string.Create(CultureInfo.InvariantCulture, $"record {row.Seq}, {row.Statement[..Math.Min(60, row.Statement.Length)]}…: {row.Why}")).ToList());

    /// <summary>What SQLite itself finds wrong with a file; empty is good.</summary>
    public static IReadOnlyList<string> Damage(string path)
    {
        try
        {
            using var reader = new SqliteSession(SqliteStore.Connect(path, SqliteOpenMode.ReadOnly));
            return reader.Query("PRAGMA integrity_check", static row => row.GetString(0)).Where(static line => line != "ok").ToList();
        }
        catch (SqliteException error)
        {
            throw new StoreException($"the database {path} cannot be read: {error.Message}", error);
        }
    }
}
