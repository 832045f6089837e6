using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>Commits that are durable before their rows stand in the database: one record each, in a SQLite file beside it (WAL, synchronous=FULL; docs/decisions/0058).</summary>
/// <remarks>
/// A commit at full load touches five pages a payment; as one record it is a few pages in a row. The rows of many commits then go into the database in one transaction,
/// which also says how far it has come (<c>redo_applied</c>), so a record is written there once whatever happens. Only the writer's thread uses it.
/// </remarks>
internal sealed class RedoLog : IDisposable
{
    private const int ChunkSize = 1 << 20;

    private readonly string path;
    private readonly SqliteSession session;
    private readonly HashSet<int> texts = [];
    private readonly Stack<byte[]> spare = new();
    private byte[] chunk = [];
    private int used;

    private RedoLog(string path, SqliteSession session) => (this.path, this.session) = (path, session);

    /// <summary>Makes an empty log. Throws <see cref="SqliteException"/> when it cannot.</summary>
    public static RedoLog Create(string path)
    {
        try
        {
            RedoRecovery.Delete(path);
            SqliteStore.CreateForOwner(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SqliteException(error.Message, SQLitePCL.raw.SQLITE_CANTOPEN);
        }

        var session = new SqliteSession(SqliteStore.Connect(path, SqliteOpenMode.ReadWrite));
        try
        {
            Migrations.Run(session.Connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 500");
            Migrations.Run(session.Connection, "CREATE TABLE redo_text (id INTEGER PRIMARY KEY, text TEXT NOT NULL); CREATE TABLE redo (seq INTEGER PRIMARY KEY, life INTEGER NOT NULL, rows BLOB NOT NULL)");
            return new RedoLog(path, session);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Durable when it returns.</summary>
    /// <param name="seq">One more than that of the record before.</param>
    /// <param name="life">The database's (<see cref="RedoRecovery.Begin"/>).</param>
    /// <param name="applied">Records up to here stand in the database and are dropped.</param>
    public LoggedCommit Append(long seq, long life, List<RowWrite> writes, long applied)
    {
        var commit = Encode(writes);
        session.Run("BEGIN IMMEDIATE");
        try
        {
            foreach (var write in writes)
            {
                if (texts.Add(write.Statement))
                {
                    session.Run("INSERT INTO redo_text (id, text) VALUES ($1, $2)", write.Statement, write.Sql);
                }
            }

            session.Run("DELETE FROM redo WHERE seq <= $1", applied);
            session.Run("INSERT INTO redo (seq, life, rows) VALUES ($1, $2, $3)", seq, life, commit.Bytes);
            session.Run("COMMIT");
            return commit;
        }
        catch (SqliteException)
        {
            if (session.InTransaction)
            {
                session.Run("ROLLBACK");
            }

            throw;
        }
    }

    /// <summary>The next commit begins a chunk of its own.</summary>
    public void Cut() => used = chunk.Length;

    /// <summary>Nobody looks into these any more.</summary>
    public void Reuse(IEnumerable<byte[]> chunks)
    {
        foreach (var old in chunks.Where(static old => old.Length == ChunkSize))
        {
            spare.Push(old);
        }
    }

    /// <summary>Nothing waits: what was kept for the next commits is let go.</summary>
    public void Rest()
    {
        spare.Clear();
        (chunk, used) = ([], 0);
    }

    private LoggedCommit Encode(List<RowWrite> writes)
    {
        var most = 0;
        foreach (var write in writes)
        {
            most += RedoRecord.Bound(write);
        }

        if (most > chunk.Length - used)
        {
            (chunk, used) = (most <= ChunkSize && spare.TryPop(out var old) ? old : new byte[Math.Max(most, ChunkSize)], 0);
        }

        var from = used;
        var offsets = new int[writes.Count];
        for (var i = 0; i < offsets.Length; i++)
        {
            offsets[i] = used;
            used += RedoRecord.Write(chunk.AsSpan(used), writes[i]);
        }

        return new LoggedCommit(chunk, from, used - from, offsets);
    }

    /// <summary>Closes it; <paramref name="empty"/> when all of it stands in the database: then the file goes.</summary>
    public void Close(bool empty)
    {
        Dispose();
        if (empty)
        {
            try
            {
                RedoRecovery.Delete(path);
            }
            catch (IOException)
            {
                // Somebody looks at it. Nothing in it waits; the next start drops it.
            }
        }
    }

    public void Dispose() => session.Dispose();
}
