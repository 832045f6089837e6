using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>Commits that are durable before their rows stand in the database: one record each, in a SQLite file beside it (WAL, synchronous=FULL; docs/decisions/0058).</summary>
/// <remarks>
/// A commit at full load touches more pages than it has payments; as one record it is a few pages in a row. The rows of many commits then go into the database in one transaction,
/// which also says how far it has come (<c>redo_applied</c>), so a record is written there once whatever happens. Only the writer's thread uses it.
/// </remarks>
internal sealed class RedoLog : IDisposable
{
    private readonly string path;
    private readonly SqliteSession session;
    private readonly Dictionary<string, long> texts = new(StringComparer.Ordinal);
    private readonly ArrayBufferWriter<byte> record = new(64 * 1024);

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
            Migrations.Run(session.Connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000");
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
    public void Append(long seq, List<RowWrite> writes, long applied)
    {
        record.ResetWrittenCount();
        session.Run("BEGIN IMMEDIATE");
        try
        {
            foreach (var write in writes)
            {
                if (!texts.TryGetValue(write.Sql, out var text))
                {
                    texts.Add(write.Sql, text = texts.Count);
                    session.Run("INSERT INTO redo_text (id, text) VALUES ($1, $2)", text, write.Sql);
                }

                RedoRecord.Write(record, text, write.Values);
            }

            session.Run("DELETE FROM redo WHERE seq <= $1", applied);
            session.Run("INSERT INTO redo (seq, rows) VALUES ($1, $2)", seq, record.WrittenMemory);
            session.Run("COMMIT");
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

        var texts = log.Query("SELECT text FROM redo_text ORDER BY id", static row => row.GetString(0));
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

                foreach (var (text, values) in RedoRecord.Read(rows))
                {
                    main.Run(texts[text], values);
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

/// <summary>The statements of one record: number of the text, count of parameters, and each parameter behind its kind. Numbers are little-endian.</summary>
internal static class RedoRecord
{
    private const byte Null = 0, Number = 1, Text = 2, Blob = 3;

    public static void Write(IBufferWriter<byte> record, long text, object?[] values)
    {
        var head = record.GetSpan(4);
        BinaryPrimitives.WriteUInt16LittleEndian(head, checked((ushort)text));
        BinaryPrimitives.WriteUInt16LittleEndian(head[2..], checked((ushort)values.Length));
        record.Advance(4);
        foreach (var value in values)
        {
            switch (value)
            {
                case null:
                    record.GetSpan(1)[0] = Null;
                    record.Advance(1);
                    break;
                case string words:
                    var most = Encoding.UTF8.GetMaxByteCount(words.Length);
                    var place = record.GetSpan(5 + most);
                    var length = Encoding.UTF8.GetBytes(words, place[5..]);
                    Head(place, Text, length);
                    record.Advance(5 + length);
                    break;
                case byte[] bytes:
                    var room = record.GetSpan(5 + bytes.Length);
                    Head(room, Blob, bytes.Length);
                    bytes.CopyTo(room[5..]);
                    record.Advance(5 + bytes.Length);
                    break;
                default:
                    var number = record.GetSpan(9);
                    number[0] = Number;
                    BinaryPrimitives.WriteInt64LittleEndian(number[1..], SqliteSession.NumberOf(value));
                    record.Advance(9);
                    break;
            }
        }
    }

    public static IEnumerable<(int Text, object?[] Values)> Read(ReadOnlyMemory<byte> record)
    {
        while (!record.IsEmpty)
        {
            var (text, count) = (BinaryPrimitives.ReadUInt16LittleEndian(record.Span), BinaryPrimitives.ReadUInt16LittleEndian(record.Span[2..]));
            record = record[4..];
            var values = new object?[count];
            for (var i = 0; i < count; i++)
            {
                values[i] = One(ref record);
            }

            yield return (text, values);
        }
    }

    private static object? One(ref ReadOnlyMemory<byte> record)
    {
        var kind = record.Span[0];
        if (kind is Null or Number)
        {
            object? number = kind == Null ? null : BinaryPrimitives.ReadInt64LittleEndian(record.Span[1..]);
            record = record[(kind == Null ? 1 : 9)..];
            return number;
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(record.Span[1..]);
        var bytes = record.Span.Slice(5, length);
        object value = kind == Text ? Encoding.UTF8.GetString(bytes) : bytes.ToArray();
        record = record[(5 + length)..];
        return value;
    }

    private static void Head(Span<byte> place, byte kind, int length)
    {
        place[0] = kind;
        BinaryPrimitives.WriteInt32LittleEndian(place[1..], length);
    }
}
