using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>What waits in the log beside a database whose process ended without closing it, or has it open.</summary>
internal static class RedoRecovery
{
    /// <summary>Records of a log at one moment, and the statements that they are of.</summary>
    public sealed record Left(string[] Statements, IReadOnlyList<Record> Records);

    /// <summary>One commit.</summary>
    public sealed record Record(long Seq, long Life, byte[] Rows);

    /// <summary>Where the log of a database is.</summary>
    public static string PathOf(string database) => database + "-redo";

    /// <summary>Where a database stands: the last record that it has, and the life that records of the log must be of.</summary>
    public static (long Applied, long Life) StandOf(SqliteSession main) =>
        main.Number("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'redo_applied'") is null
            ? (0, 0)
            : main.One("SELECT seq, life FROM redo_applied", static row => Tuple.Create(row.GetInt64(0), row.GetInt64(1))) is { } stand ? (stand.Item1, stand.Item2) : (0, 0);

    /// <summary>In the transaction that writes the rows.</summary>
    public static void Mark(SqliteSession main, long applied) =>
        Changes(main.Run("UPDATE redo_applied SET seq = $1", applied), "the mark of the log");

    /// <summary>Before the first record after commits that went straight into the database: a copy of it from before them is of another life, so that no log is ever written over a database that lacks what came between.</summary>
    public static long Begin(SqliteSession main)
    {
        main.Run("INSERT INTO redo_applied (one, seq, life) VALUES (1, 0, random()) ON CONFLICT (one) DO UPDATE SET life = random()");
        return main.RunForNumber("SELECT life FROM redo_applied");
    }

    /// <summary>Whether records wait beside a database.</summary>
    public static bool Waits(string database)
    {
        if (!File.Exists(PathOf(database)))
        {
            return false;
        }

        using var main = new SqliteSession(SqliteStore.Connect(database, SqliteOpenMode.ReadOnly));
        using var log = new SqliteSession(SqliteStore.Connect(PathOf(database), SqliteOpenMode.ReadOnly));
        return IsMade(log) && log.Number("SELECT 1 FROM redo WHERE seq > $1 LIMIT 1", StandOf(main).Applied) is not null;
    }

    /// <summary>What a log has now; null when there is none.</summary>
    public static Left? Look(string database)
    {
        if (!File.Exists(PathOf(database)))
        {
            return null;
        }

        using var log = new SqliteSession(SqliteStore.Connect(PathOf(database), SqliteOpenMode.ReadOnly));
        log.Run("BEGIN");
        if (!IsMade(log))
        {
            return null;
        }

        var texts = log.Query("SELECT id, text FROM redo_text", static row => (Id: row.GetInt32(0), Text: row.GetString(1)));
        var statements = new string[texts.Select(static text => text.Id + 1).DefaultIfEmpty().Max()];
        foreach (var (id, text) in texts)
        {
            statements[id] = text;
        }

        return new Left(statements, log.Query("SELECT seq, life, rows FROM redo ORDER BY seq", static row => new Record(row.GetInt64(0), row.GetInt64(1), row.Bytes(2))));
    }

    /// <summary>Writes into a database what its log, or the log that it was copied beside, has and it has not; all or nothing. Records that the log has dropped stand in the database already.</summary>
    /// <param name="main">Nobody else writes to it.</param>
    /// <exception cref="StoreException">The two files are not of one another.</exception>
    public static void Replay(SqliteSession main, Left left)
    {
        var (applied, life) = StandOf(main);
        var waiting = left.Records.Where(record => record.Seq > applied).ToList();
        if (waiting.Count == 0)
        {
            return;
        }

        main.Run("BEGIN IMMEDIATE");
        try
        {
            foreach (var record in waiting)
            {
                if (record.Seq != ++applied || record.Life != life)
                {
                    throw Refused(main, $"goes on with record {record.Seq} of life {record.Life:x}, expected {applied} of {life:x}: it is of another database, or of another time of it");
                }

                try
                {
                    for (ReadOnlyMemory<byte> rest = record.Rows; !rest.IsEmpty;)
                    {
                        rest = rest[main.Run(left.Statements, rest)..];
                    }
                }
                catch (SqliteException error) when (error.SqliteErrorCode == SQLitePCL.raw.SQLITE_CONSTRAINT)
                {
                    throw Refused(main, $"has record {record.Seq}, which does not fit: {error.Message}", error);
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

    /// <summary>The file first: what else is left of it is of no use without it, and is dropped with the next log.</summary>
    public static void Delete(string path)
    {
        foreach (var file in (string[])[path, path + "-wal", path + "-shm"])
        {
            File.Delete(file);
        }
    }

    /// <summary>Each statement of a record is about one row.</summary>
    public static void Changes(int rows, string what)
    {
        if (rows != 1)
        {
            throw new SqliteException($"{what} changes {rows} rows, expected 1", SQLitePCL.raw.SQLITE_CONSTRAINT);
        }
    }

    private static StoreException Refused(SqliteSession main, string why, Exception? inner = null) =>
        new($"the log beside {main.Connection.DataSource} {why}; nothing was changed. Restore a backup, or move the log (-redo, -redo-wal) aside and lose what waits in it", inner);

    private static bool IsMade(SqliteSession log) => log.Number("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'redo'") is not null;
}
