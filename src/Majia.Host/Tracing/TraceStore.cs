using System.Threading.Channels;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Host.Tracing;

/// <summary>A kept trace row with its number: rows are in the order in which the parties recorded them.</summary>
public sealed record TraceRow(long Sequence, TraceEvent Event);

/// <summary>Keeps what the parties saw, in a file of its own, behind a bounded queue: a payment never waits for its trace (docs/decisions/0006).</summary>
public sealed class TraceStore : ITrace, IAsyncDisposable
{
    public const int QueueLength = 8192;

    /// <summary>Payments and enrolments that are kept whole in one second; of what comes on top nothing is made.</summary>
    public const int BudgetOfASecond = 100;

    private readonly Store store;
    private readonly TimeProvider? time;
    private readonly Lock gate = new();
    private readonly Channel<object> queue = Channel.CreateBounded<object>(new BoundedChannelOptions(QueueLength) { FullMode = BoundedChannelFullMode.Wait, SingleReader = true });
    private readonly Task pump;

    // Under the gate: what was decided of the last references, in two generations, and what is left of this second's budget.
    private Dictionary<string, bool> young = new(StringComparer.Ordinal);
    private Dictionary<string, bool> old = new(StringComparer.Ordinal);
    private long second;
    private int left = BudgetOfASecond;

    /// <param name="time">Null: everything is kept, whatever the load.</param>
    public TraceStore(Store store, TimeProvider? time = null)
    {
        this.store = store;
        this.time = time;
        pump = PumpAsync();
    }

    public static PartySchema Schema { get; } = new("trace",
    [
        """
        CREATE TABLE trace_row (
            sequence INTEGER PRIMARY KEY,
            reference TEXT NOT NULL,
            at BIGINT NOT NULL,
            party TEXT NOT NULL,
            peer TEXT NOT NULL,
            link TEXT NOT NULL,
            kind TEXT NOT NULL,
            direction TEXT NOT NULL,
            hex TEXT NOT NULL,
            why_en TEXT NOT NULL,
            why_zh TEXT NOT NULL
        );
        CREATE INDEX trace_row_reference ON trace_row (reference, sequence);
        CREATE TABLE trace_same (reference TEXT NOT NULL, other TEXT NOT NULL, PRIMARY KEY (reference, other));
        CREATE INDEX trace_same_other ON trace_same (other);
        """,
    ]);

    /// <summary>Raised for each row as it is recorded, on the recording party's turn: handlers must be quick.</summary>
    public event Action<TraceEvent>? Recorded;

    public bool Takes(string reference)
    {
        if (time is null)
        {
            return true;
        }

        lock (gate)
        {
            if (young.TryGetValue(reference, out var known) || old.TryGetValue(reference, out known))
            {
                return known;
            }

            var now = time.GetUtcNow().ToUnixTimeSeconds();
            if (now != second)
            {
                (second, left) = (now, BudgetOfASecond);
            }

            var taken = left > 0;
            left -= taken ? 1 : 0;
            Decide(reference, taken);
            return taken;
        }
    }

    public void Record(TraceEvent row)
    {
        queue.Writer.TryWrite(row);
        Recorded?.Invoke(row);
    }

    public void Same(string reference, string other)
    {
        if (time is not null)
        {
            lock (gate)
            {
                // A party that did not ask has recorded all the same: what nobody decided is kept.
                if (!young.TryGetValue(reference, out var known) && !old.TryGetValue(reference, out known))
                {
                    known = true;
                }
                else if (!young.ContainsKey(other) && !old.ContainsKey(other))
                {
                    Decide(other, known);
                }

                if (!known)
                {
                    return;
                }
            }
        }

        queue.Writer.TryWrite((reference, other));
    }

    private void Decide(string reference, bool taken)
    {
        const int Generation = 16_384;
        if (young.Count >= Generation)
        {
            (old, young) = (young, new(StringComparer.Ordinal));
        }

        young[reference] = taken;
    }

    /// <summary>Completes when everything recorded before this call can be read.</summary>
    /// <exception cref="ObjectDisposedException">The trace is closed.</exception>
    public async Task FlushAsync()
    {
        var mark = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // A full queue refuses rows, which are then lost; the mark waits for room, as long as somebody makes any.
        while (!queue.Writer.TryWrite(mark))
        {
            var room = queue.Writer.WaitToWriteAsync().AsTask();
            if (await Task.WhenAny(room, pump) == pump)
            {
                break;
            }

            ObjectDisposedException.ThrowIf(!await room, this);
        }

        await Task.WhenAny(mark.Task, pump);
        await store.DurableAsync();
    }

    /// <summary>All rows of one payment or enrolment, whoever recorded them, in order.</summary>
    public static IReadOnlyList<TraceRow> Rows(Session session, string reference)
    {
        var references = new SortedSet<string>(StringComparer.Ordinal) { reference };
        references.UnionWith(session.Query("SELECT reference FROM trace_same WHERE other = $1 UNION SELECT other FROM trace_same WHERE reference = $1 ORDER BY 1", row => row.GetString(0), reference));
        return references
            .SelectMany(one => session.Query(
                "SELECT sequence, reference, at, party, peer, link, kind, direction, hex, why_en, why_zh FROM trace_row WHERE reference = $1 ORDER BY sequence", Map, one))
            .OrderBy(row => row.Sequence)
            .ToList();
    }

    /// <summary>The last rows of whatever happened, in order.</summary>
    public IReadOnlyList<TraceRow> ReadLast(int limit) => store.Read(session => session
        .Query("SELECT sequence, reference, at, party, peer, link, kind, direction, hex, why_en, why_zh FROM trace_row ORDER BY sequence DESC LIMIT $1", Map, limit)
        .OrderBy(row => row.Sequence)
        .ToList());

    private static TraceRow Map(System.Data.Common.DbDataReader row) => new(
        row.GetInt64(0),
        new TraceEvent(
            row.GetString(1), row.Instant(2), row.GetString(3), row.GetString(4), row.GetString(5), Enum.Parse<TraceKind>(row.GetString(6)), Enum.Parse<TraceDirection>(row.GetString(7)), row.GetString(8),
            new Text(row.GetString(9), row.GetString(10))));

    public IReadOnlyList<TraceRow> Read(string reference) => store.Read(session => Rows(session, reference));

    public async ValueTask DisposeAsync()
    {
        queue.Writer.TryComplete();
        await pump;
        await store.DisposeAsync();
    }

    private async Task PumpAsync()
    {
        while (await queue.Reader.WaitToReadAsync())
        {
            var batch = new List<object>();
            while (batch.Count < 512 && queue.Reader.TryRead(out var item))
            {
                batch.Add(item);
            }

            try
            {
                await store.WriteAsync(session => Write(session, batch));
            }
            catch (StoreFailedException)
            {
                // The trace is part of no decision: a full disk stops it, and nothing else.
                return;
            }

            foreach (var mark in batch.OfType<TaskCompletionSource>())
            {
                mark.SetResult();
            }
        }
    }

    private static void Write(Session session, List<object> batch)
    {
        foreach (var item in batch)
        {
            if (item is TraceEvent row)
            {
                session.Execute(
                    "INSERT INTO trace_row (reference, at, party, peer, link, kind, direction, hex, why_en, why_zh) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    row.Reference, row.At, row.Party, row.Peer, row.Link, row.Kind.ToString(), row.Direction.ToString(), row.Hex, row.Why.En, row.Why.Zh);
            }
            else if (item is (string reference, string other))
            {
                session.Execute("INSERT INTO trace_same (reference, other) VALUES ($1, $2) ON CONFLICT DO NOTHING", reference, other);
            }
        }
    }
}
