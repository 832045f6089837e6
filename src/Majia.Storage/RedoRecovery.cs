using System.Buffers.Binary;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>What waits in the log beside a database whose process ended without closing it, or has it open.</summary>
internal static class RedoRecovery
{
    private static readonly byte[] Sqlite = "SQLite format 3\0"u8.ToArray();

    /// <summary>Records of a log at one moment, by number, and the statements that they are of.</summary>
    public sealed record Left(IReadOnlyDictionary<int, string> Statements, IReadOnlyList<Record> Records);

    /// <summary>One commit.</summary>
    /// <param name="Texts">So many statements' texts stand before the rows.</param>
    public readonly record struct Record(long Seq, long Life, int Texts, ReadOnlyMemory<byte> Body);

    /// <summary>Where the log of a database is.</summary>
    public static (string One, string Two) PathsOf(string database) => (database + "-redo", database + "-redo2");

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
        if (Look(database) is not { Records: [.., var last] })
        {
            return false;
        }

        using var main = new SqliteSession(SqliteStore.Connect(database, SqliteOpenMode.ReadOnly));
        return last.Seq > StandOf(main).Applied;
    }

    /// <summary>What a log has now; null when there is none.</summary>
    /// <exception cref="StoreException">It is none of ours.</exception>
    public static Left? Look(string database)
    {
        var (one, two) = PathsOf(database);
        if (!File.Exists(one) && !File.Exists(two))
        {
            return null;
        }

        var statements = new Dictionary<int, string>();
        var records = new List<Record>();
        foreach (var record in (IEnumerable<Record>)[.. Read(one), .. Read(two)])
        {
            records.Add(record with { Texts = 0, Body = TakeTexts(record, statements) });
        }

        return new Left(statements, [.. records.OrderBy(static record => record.Seq)]);
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

                for (var rest = record.Body; !rest.IsEmpty;)
                {
                    rest = rest[Write(main, left.Statements, record.Seq, rest)..];
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

    /// <summary>Rows that were acknowledged and did not fit: our own bug. They are kept to be looked at, and <c>verify</c> finds them.</summary>
    public static IReadOnlyList<(long Seq, string Statement, string Why)> Refused(Session session) =>
        session.Number("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'redo_refused'") is null
            ? []
            : session.Query("SELECT seq, statement, why FROM redo_refused ORDER BY id", static row => (row.GetInt64(0), row.GetString(1), row.GetString(2)));

    /// <summary>One row of a commit; its length. A row that does not fit (a key that is taken, a row to change that is not there) stopped the store that logged it; it must not keep everything else from being there, and is put aside.</summary>
    private static int Write(SqliteSession main, IReadOnlyDictionary<int, string> statements, long seq, ReadOnlyMemory<byte> row)
    {
        try
        {
            return main.Run(statements, row);
        }
        catch (SqliteException error) when (error.SqliteErrorCode == SQLitePCL.raw.SQLITE_CONSTRAINT)
        {
            var record = new RedoRecord(row.Span);
            main.Run("CREATE TABLE IF NOT EXISTS redo_refused (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, statement TEXT NOT NULL, record BLOB NOT NULL, why TEXT NOT NULL)");
            main.Run("INSERT INTO redo_refused (seq, statement, record, why) VALUES ($1, $2, $3, $4)", seq, statements[record.Statement], row[..record.Length].ToArray(), error.Message);
            return record.Length;
        }
    }

    public static void Delete(string database)
    {
        var (one, two) = PathsOf(database);
        File.Delete(one);
        File.Delete(two);
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
        new($"the log beside {main.Connection.DataSource} {why}; nothing was changed. Restore a backup, or move the log (-redo, -redo2) aside and lose what waits in it", inner);

    private static List<Record> Read(string path)
    {
        byte[] bytes;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            bytes = new byte[file.Length];
            _ = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false); // it may be emptied meanwhile
        }
        catch (FileNotFoundException)
        {
            return [];
        }

        return bytes.AsSpan().StartsWith(Sqlite)
            ? throw new StoreException($"the log {path} was left by an earlier program; start and stop that one once, or move it aside and lose what waits in it")
            : RedoFile.Read(bytes);
    }

    /// <summary>The rows behind the texts.</summary>
    private static ReadOnlyMemory<byte> TakeTexts(in Record record, Dictionary<int, string> statements)
    {
        var rest = record.Body;
        for (var i = 0; i < record.Texts; i++)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(rest.Span[4..]);
            statements[BinaryPrimitives.ReadInt32LittleEndian(rest.Span)] = Encoding.UTF8.GetString(rest.Span.Slice(8, length));
            rest = rest[(8 + length)..];
        }

        return rest;
    }
}
