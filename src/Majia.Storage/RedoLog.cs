using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>Commits that are durable before their rows stand in the database: one record each, in a SQLite file beside it (WAL, synchronous=FULL; docs/decisions/0058).</summary>
/// <remarks>
/// A commit at full load touches five pages a payment; as one record it is a few pages in a row. The rows of many commits then go into the database in one transaction,
/// which also says how far it has come (<c>redo_applied</c>), so a record is written there once whatever happens. Only the writer's thread uses it.
/// </remarks>
internal sealed class RedoLog : IDisposable
{
    private readonly string path;
    private readonly SqliteSession session;
    private const int ChunkSize = 1 << 20;

    private readonly HashSet<int> texts = [];
    private readonly Stack<byte[]> spare = new();
    private byte[] chunk = [];
    private int used;

    private RedoLog(string path, SqliteSession session) => (this.path, this.session) = (path, session);

    /// <summary>Where the log of a database is.</summary>
    public static string PathOf(string database) => database + "-redo";

    /// <summary>Makes an empty log. Throws <see cref="SqliteException"/>, as its other methods do.</summary>
    public static RedoLog Create(string path)
    {
        Delete(path);
        try
        {
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
            Migrations.Run(session.Connection, "CREATE TABLE redo_text (id INTEGER PRIMARY KEY, text TEXT NOT NULL); CREATE TABLE redo (seq INTEGER PRIMARY KEY, rows BLOB NOT NULL)");
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
    /// <param name="applied">Records up to here stand in the database and are dropped.</param>
    public LoggedCommit Append(long seq, List<RowWrite> writes, long applied)
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
            session.Run("INSERT INTO redo (seq, rows) VALUES ($1, $2)", seq, commit.Bytes);
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
            Delete(path);
        }
    }

    public void Dispose() => session.Dispose();

    // ---- what a process left that ended without closing it ----

    /// <summary>Whether records wait beside a database.</summary>
    public static bool Waits(string database)
    {
        if (!File.Exists(PathOf(database)))
        {
            return false;
        }

        using var main = new SqliteSession(SqliteStore.Connect(database, SqliteOpenMode.ReadOnly));
        using var log = new SqliteSession(SqliteStore.Connect(PathOf(database), SqliteOpenMode.ReadOnly));
        return IsMade(log) && log.Number("SELECT 1 FROM redo WHERE seq > $1 LIMIT 1", AppliedIn(main)) is not null;
    }

    /// <summary>Writes into a database what its log, or the log that it was copied beside, has and it has not; all or nothing. Records that the log has dropped stand in the database already.</summary>
    /// <param name="main">Nobody else writes to it.</param>
    /// <exception cref="StoreException">A record is missing: the two files are not of one another.</exception>
    public static void Replay(SqliteSession main, SqliteSession log)
    {
        if (!IsMade(log))
        {
            return;
        }

        var texts = log.Query("SELECT id, text FROM redo_text", static row => (Id: row.GetInt32(0), Text: row.GetString(1)));
        var statements = new string[texts.Select(static text => text.Id + 1).DefaultIfEmpty().Max()];
        foreach (var (id, text) in texts)
        {
            statements[id] = text;
        }

        var applied = AppliedIn(main);
        var records = log.Query("SELECT seq, rows FROM redo WHERE seq > $1 ORDER BY seq", static row => (Seq: row.GetInt64(0), Rows: row.Bytes(1)), applied);
        if (records.Count == 0)
        {
            return;
        }

        main.Run("BEGIN IMMEDIATE");
        try
        {
            foreach (var (seq, rows) in records)
            {
                if (seq != ++applied)
                {
                    throw new StoreException($"the log beside {main.Connection.DataSource} goes on with record {seq}, expected {applied}: it is of another database; nothing was changed");
                }

                try
                {
                    for (ReadOnlyMemory<byte> rest = rows; !rest.IsEmpty;)
                    {
                        rest = rest[main.Run(statements, rest)..];
                    }
                }
                catch (SqliteException error) when (error.SqliteErrorCode == SQLitePCL.raw.SQLITE_CONSTRAINT)
                {
                    throw new StoreException($"record {seq} of the log beside {main.Connection.DataSource} does not fit it: {error.Message}; nothing was changed", error);
                }
            }

            Mark(main, applied);
            main.Run("COMMIT");
        }
        catch
        {
            if (main.InTransaction)
            {
                main.Run("ROLLBACK");
            }

            throw;
        }
    }

    /// <summary>A look at a log, at one moment of it; null when there is none.</summary>
    public static SqliteSession? Look(string database)
    {
        if (!File.Exists(PathOf(database)))
        {
            return null;
        }

        var log = new SqliteSession(SqliteStore.Connect(PathOf(database), SqliteOpenMode.ReadOnly));
        log.Run("BEGIN");
        _ = IsMade(log);
        return log;
    }

    /// <summary>How far a database has come.</summary>
    public static long AppliedIn(SqliteSession main) =>
        main.Number("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'redo_applied'") is null ? 0 : main.Number("SELECT max(seq) FROM redo_applied") ?? 0;

    /// <summary>In the transaction that writes the rows.</summary>
    public static void Mark(SqliteSession main, long applied) =>
        main.Run("INSERT INTO redo_applied (one, seq) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET seq = excluded.seq", applied);

    public static void Delete(string path)
    {
        foreach (var file in (string[])[path + "-wal", path + "-shm", path])
        {
            File.Delete(file);
        }
    }

    private static bool IsMade(SqliteSession log) => log.Number("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'redo'") is not null;
}
