using System.Buffers.Binary;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>Commits that are durable before their rows stand in the database: one record each, in two files beside it that are written over on turn (docs/decisions/0058, 0059).</summary>
/// <remarks>
/// A commit at full load touches five pages a payment; as one record it is a few blocks in a row. The rows of all commits of one file then go into the database in one transaction,
/// which also says how far it has come (<c>redo_applied</c>), so a record is written there once whatever happens; meanwhile commits go into the other file. Only the writer's thread uses it.
/// </remarks>
internal sealed class RedoLog : IDisposable
{
    private const int ChunkSize = 1 << 20;

    private readonly string database;
    private readonly Stack<byte[]> spare = new();
    private RedoFile file, other;
    private byte[] chunk = [];
    private int used;

    private RedoLog(string database, RedoFile file, RedoFile other) => (this.database, this.file, this.other) = (database, file, other);

    /// <summary>Makes an empty log. Throws <see cref="SqliteException"/> when it cannot.</summary>
    public static RedoLog Create(string database, RedoDisk disk)
    {
        try
        {
            RedoRecovery.Delete(database);
            var (one, two) = RedoRecovery.PathsOf(database);
            var log = new RedoLog(database, new RedoFile(one, disk), new RedoFile(two, disk));
            disk.SyncFolder(Path.GetDirectoryName(Path.GetFullPath(database))!);
            return log;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SqliteException(error.Message, SQLitePCL.raw.SQLITE_CANTOPEN);
        }
    }

    /// <summary>Durable when it returns.</summary>
    /// <param name="seq">One more than that of the record before.</param>
    /// <param name="life">The database's (<see cref="RedoRecovery.Begin"/>).</param>
    public LoggedCommit Append(long seq, long life, List<RowWrite> writes)
    {
        var texts = writes.Where(write => file.Lacks(write.Statement)).ToList();
        var most = RedoFile.HeadSize;
        foreach (var text in texts)
        {
            most += 8 + (3 * text.Sql.Length);
        }

        foreach (var write in writes)
        {
            most += RedoRecord.Bound(write);
        }

        most = RedoFile.RoundUp(most);
        if (most > chunk.Length - used)
        {
            (chunk, used) = (most <= ChunkSize && spare.TryPop(out var old) ? old : new byte[Math.Max(most, ChunkSize)], 0);
        }

        var from = used;
        used += RedoFile.HeadSize;
        foreach (var text in texts)
        {
            used += Write(chunk.AsSpan(used), text);
        }

        var offsets = new int[writes.Count];
        for (var i = 0; i < offsets.Length; i++)
        {
            offsets[i] = used;
            used += RedoRecord.Write(chunk.AsSpan(used), writes[i]);
        }

        RedoFile.Finish(chunk.AsSpan(from, used - from), texts.Count, seq, life);
        var end = from + RedoFile.RoundUp(used - from);
        chunk.AsSpan(used, end - used).Clear();
        used = end;
        file.Append(chunk.AsSpan(from, end - from));
        return new LoggedCommit(chunk, offsets);
    }

    /// <summary>What was appended goes into the database; the next commit begins the other file, of which everything stands there, and a chunk of its own.</summary>
    public void Cut()
    {
        used = chunk.Length;
        (file, other) = (other, file);
        file.Begin();
    }

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

    /// <summary>Nothing waits, and a commit goes straight into the database: no record of before may be taken for one that waits.</summary>
    public void Empty()
    {
        file.Empty();
        other.Empty();
    }

    /// <summary>Closes it; <paramref name="empty"/> when all of it stands in the database: then the files go.</summary>
    public void Close(bool empty)
    {
        Dispose();
        if (empty)
        {
            try
            {
                RedoRecovery.Delete(database);
            }
            catch (IOException)
            {
                // Somebody looks at it. Nothing in it waits; the next start drops it.
            }
        }
    }

    public void Dispose()
    {
        file.Dispose();
        other.Dispose();
    }

    private static int Write(Span<byte> place, in RowWrite of)
    {
        var length = Encoding.UTF8.GetBytes(of.Sql, place[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(place, of.Statement);
        BinaryPrimitives.WriteInt32LittleEndian(place[4..], length);
        return 8 + length;
    }
}
