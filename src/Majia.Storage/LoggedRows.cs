using System.Runtime.InteropServices;

namespace Majia.Storage;

/// <summary>A commit in the log: where each of its records begins.</summary>
internal readonly record struct LoggedCommit(byte[] Chunk, IReadOnlyList<int> Offsets);

/// <summary>Rows of commits that are durable in the log and not yet in the database, until they are written there together (docs/decisions/0058).</summary>
/// <remarks>The writer's thread adds commits; whoever holds the front takes them in and looks into them; then they are only read, by the thread that writes them into the database and by the front's holder.</remarks>
internal sealed class LoggedRows
{
    private readonly List<Record> records = [];
    private readonly List<byte[]> chunks = [];

    /// <summary>The last record of each group, by the hash of table and group. Another group with the same hash is told apart by its key.</summary>
    private readonly Dictionary<int, int> last = [];
    private readonly List<LoggedCommit> fresh = [];

    /// <summary>Completes when the database has them.</summary>
    public TaskCompletionSource Applied { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Count { get; private set; }

    /// <summary>The last commit's number in the log.</summary>
    public long UpTo { get; private set; }

    public IReadOnlyList<byte[]> Chunks => chunks;

    public void Add(LoggedCommit commit, long seq)
    {
        fresh.Add(commit);
        UpTo = seq;
        Count += commit.Offsets.Count;
    }

    /// <summary>As the front's holder: what was added can be found from here on.</summary>
    public void TakeIn()
    {
        foreach (var commit in fresh)
        {
            if (chunks.Count == 0 || chunks[^1] != commit.Chunk)
            {
                chunks.Add(commit.Chunk);
            }

            foreach (var offset in commit.Offsets)
            {
                var record = new RedoRecord(commit.Chunk.AsSpan(offset));
                ref var before = ref CollectionsMarshal.GetValueRefOrAddDefault(last, HashOf(record.Table, record.Group), out var known);
                records.Add(new Record(chunks.Count - 1, offset, known ? before : -1));
                before = records.Count - 1;
            }
        }

        fresh.Clear();
    }

    /// <summary>Adds to a group's rows what commits made of them here, oldest first.</summary>
    public void Collect(int table, string group, List<LoggedRow> found)
    {
        if (!last.TryGetValue(HashOf(table, group), out var at))
        {
            return;
        }

        var from = found.Count;
        for (; at >= 0; at = records[at].Before)
        {
            var record = Of(records[at]);
            if (record.Table == table && record.Group.SequenceEqual(group))
            {
                found.Add(new LoggedRow(record.Key.ToString(), record.Changes, record.ToArray()));
            }
        }

        found.Reverse(from, found.Count - from);
    }

    /// <summary>Calls for each record, table by table and in the order of the keys; what a later one sets again is left out.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> InOrder()
    {
        var order = new int[records.Count];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        Array.Sort(order, (one, other) =>
        {
            var a = Of(records[one]);
            var b = Of(records[other]);
            var difference = a.Table.CompareTo(b.Table);
            difference = difference != 0 ? difference : a.Key.SequenceCompareTo(b.Key);
            return difference != 0 ? difference : one.CompareTo(other);
        });
        for (var i = 0; i < order.Length; i++)
        {
            if (i + 1 == order.Length || !IsReplaced(records[order[i]], records[order[i + 1]]))
            {
                var (chunk, offset, _) = records[order[i]];
                yield return chunks[chunk].AsMemory(offset);
            }
        }
    }

    private bool IsReplaced(Record one, Record next) => Of(one) is { Changes: true } record && Of(next) is var other && other.Statement == record.Statement && other.Key.SequenceEqual(record.Key);

    private RedoRecord Of(Record record) => new(chunks[record.Chunk].AsSpan(record.Offset));

    private static int HashOf(int table, ReadOnlySpan<char> group) => string.GetHashCode(group) ^ table;

    /// <param name="Before">The record before it with the same hash; -1 when it is the first.</param>
    private readonly record struct Record(int Chunk, int Offset, int Before);
}

/// <summary>What a commit made of a row.</summary>
/// <param name="Changes">Values are the key and the changing columns; otherwise all columns.</param>
internal readonly record struct LoggedRow(string Key, bool Changes, object?[] Values);
