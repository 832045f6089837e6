using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Majia.Storage;

/// <summary>How far the log runs ahead of the database, in pages of 4 KB.</summary>
/// <param name="Step">After so many new pages they are copied into the database, beside the writer.</param>
/// <param name="Most">From here on the writer copies the small rest itself between two commits, so that the log begins anew. At twice as many it does so however large the rest is, at four times as many it waits for a copy under way.</param>
public sealed record LogBounds(int Step = 1_000, int Most = 16_000);

/// <summary>Copies the log's pages into the database on a thread and a connection of its own, so that no commit waits for the copy and its sync.</summary>
/// <remarks>
/// A log begins anew only when every page is copied at a moment when nobody writes; beside a busy writer that moment never comes, so the writer makes one (<see cref="LogBounds.Most"/>).
/// A reader that stays on an old snapshot holds the log; it is tried again a step later. An error here loses nothing, for the rows are in the log: the commit that finds no room fails the store.
/// </remarks>
internal sealed class Checkpoints : IAsyncDisposable
{
    /// <summary>SQLITE_DBSTATUS_CACHE_WRITE: pages that this connection has written.</summary>
    private const int PagesWritten = 9;

    private readonly object gate = new();
    private readonly SqliteConnection writer;
    private readonly SqliteConnection own;
    private readonly LogBounds bounds;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the gate.
    private long length;
    private long fresh;
    private bool wanted;
    private bool copying;
    private bool stopping;

    /// <param name="writer">Used only in <see cref="Committed"/>, by whoever holds it.</param>
    /// <param name="own">Nobody else's from here on.</param>
    public Checkpoints(SqliteConnection writer, SqliteConnection own, LogBounds bounds)
    {
        (this.writer, this.own, this.bounds) = (writer, own, bounds);
#pragma warning disable RS0030 // it waits for the disk, as the writer does
        new Thread(Run) { IsBackground = true, Name = "storage checkpoints" }.Start();
#pragma warning restore RS0030
    }

    /// <summary>The writer has committed and is still the caller's.</summary>
    public void Committed()
    {
        _ = raw.sqlite3_db_status(writer.Handle, PagesWritten, out var pages, out _, 1);
        lock (gate)
        {
            length += pages;
            fresh += pages;
            while (copying && length >= 4L * bounds.Most)
            {
                Monitor.Wait(gate);
            }

            if (copying)
            {
                return;
            }

            // The rest is small right after a copy: so copies follow one another closely once the log is long.
            var isLong = length >= bounds.Most;
            if (!isLong || (fresh > bounds.Step / 4 && length < 2L * bounds.Most))
            {
                if (isLong || fresh >= bounds.Step)
                {
                    wanted = true;
                    Monitor.PulseAll(gate);
                }

                return;
            }

            wanted = false;
        }

        var (inLog, copied) = Copy(writer);
        lock (gate)
        {
            // Held by a reader: another step before the next try.
            length = copied == inLog ? 0 : Math.Max(0, bounds.Most - bounds.Step);
            fresh = 0;
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            stopping = true;
            Monitor.PulseAll(gate);
        }

        await ended.Task;
        await own.DisposeAsync();
    }

    private void Run()
    {
        while (Next())
        {
            var (inLog, _) = Copy(own);
            lock (gate)
            {
                length = inLog < 0 ? length : inLog + fresh;
            }
        }

        ended.SetResult();
    }

    private bool Next()
    {
        lock (gate)
        {
            copying = false;
            Monitor.PulseAll(gate);
            while (!wanted && !stopping)
            {
                Monitor.Wait(gate);
            }

            (wanted, copying, fresh) = (false, true, 0);
            return !stopping;
        }
    }

    /// <summary>Pages in the log, and how many of them the database has; -1 and 0 when it could not be told.</summary>
    private static (int InLog, int Copied) Copy(SqliteConnection connection)
    {
        const int Passive = 0;
        var result = raw.sqlite3_wal_checkpoint_v2(connection.Handle, "main", Passive, out var inLog, out var copied);
        return result == raw.SQLITE_OK && inLog >= 0 ? (inLog, copied) : (-1, 0);
    }
}
