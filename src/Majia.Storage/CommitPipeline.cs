using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>When the writer commits without being asked.</summary>
/// <param name="IdleMilliseconds">After this long with nothing to run and nobody waiting.</param>
/// <param name="MaxUnits">Units in one commit.</param>
/// <param name="MaxAgeMilliseconds">While somebody waits and others keep coming, the oldest unit waits no longer than this.</param>
/// <param name="LogAfter">After so many large commits in a row that nobody wanted to look into, commits go into the log first (docs/decisions/0058).</param>
/// <param name="Large">Units of a large commit.</param>
/// <param name="LogRows">So many rows are written into the database together.</param>
public sealed record GroupCommit(int IdleMilliseconds = 50, int MaxUnits = 512, int MaxAgeMilliseconds = 5, int LogAfter = 16, int Large = 32, int LogRows = 98_304);

/// <summary>Runs units one after the other, gathers them into commits, and writes one commit while the units of the next run ahead of it (docs/decisions/0039).</summary>
/// <remarks>
/// Two things have one holder at a time. The <em>front</em>: the rows in memory and the commit that is being gathered; whoever runs a unit has it, a caller who finds it free on his own thread.
/// The <em>connection</em>: while a commit is under way it is the writer thread's, and only that thread ever waits for the disk; otherwise it goes with the front.
/// A unit that runs ahead reads what it does not find in memory beside the writer; memory has every row that the commit under way touches, so it does not matter which commit that look sees.
/// A unit with statements of its own waits until the connection is back, and all units after it, so the order stays. Commits are written in their order: a unit that saw rows not yet durable is durable after them, or not at all.
/// The commit is driven by demand: as soon as somebody waits in <see cref="DurableAsync"/> and nothing is left to run, so a lone caller waits for one commit and not for company.
/// </remarks>
internal sealed class CommitPipeline
{
    /// <summary>A caller runs so many units of others behind his own, then somebody else does.</summary>
    private const int MostForOthers = 32;

    private readonly object gate = new();
    private readonly SqliteSession writer;
    private readonly Checkpoints checkpoints;
    private readonly string logPath;
    private readonly GroupCommit policy;
    private readonly TimeProvider time;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the gate.
    private readonly Queue<IUnit> queue = new();

    /// <summary>Goes before the queue: it ran ahead and asked for the connection.</summary>
    private IUnit? held;
    private Batch batch = new();

    /// <summary>The commit under way.</summary>
    private Batch? flight;

    /// <summary>Rows that are durable in the log and not yet in the database; null when there are none.</summary>
    private LoggedRows? logged;

    /// <summary>Rows on their way from the log into the database; the connection is the applying thread's.</summary>
    private LoggedRows? applying;

    /// <summary>Somebody waits for what is logged now.</summary>
    private bool settle;

    /// <summary>Large commits since somebody last wanted to look into the database early.</summary>
    private int calm;
    private long applied;

    /// <summary>The front has a holder.</summary>
    private bool busy;
    private bool due;
    private bool stopping;
    private StoreFailedException? failure;

    /// <summary>How long the writer's thread sleeps at most, in milliseconds: it is woken only where that is too long.</summary>
    private int patience = Timeout.Infinite;

    // The writer thread's own.
    private RedoLog? log;
    private long last;

    /// <summary>What was applied last: rows in memory may still be looked for in it.</summary>
    private LoggedRows? gone;

    public CommitPipeline(SqliteSession writer, Checkpoints checkpoints, string logPath, GroupCommit policy, TimeProvider time)
    {
        (this.writer, this.checkpoints, this.logPath, this.policy, this.time) = (writer, checkpoints, logPath, policy, time);
        last = applied = RedoLog.AppliedIn(writer);
#pragma warning disable RS0030 // the one writer has a thread of its own: SQLite blocks, and a pool thread must not wait for the disk
        new Thread(Run) { IsBackground = true, Name = "storage writer" }.Start();
#pragma warning restore RS0030
    }

    public StoreFailedException? Failure => Volatile.Read(ref failure);

    /// <summary>Something is left to run.</summary>
    private bool HasUnits => held is not null || queue.Count > 0;

    /// <summary>The connection goes with the front, and the database has every commit.</summary>
    private bool Free => flight is null && logged is null && applying is null;

    /// <summary>Units may run: the connection is free, or every row that the database has not yet stands in memory and nobody waits for the connection.</summary>
    private bool Open => Free || (held is null && flight is not { OwnWrites: true });

    /// <summary>What is logged is to go into the database now.</summary>
    private bool ApplyDue => logged is not null && applying is null && failure is null && (settle || held is not null || stopping || logged.Count >= policy.LogRows);

    public Task<T> WriteAsync<T>(Func<Session, T> unit)
    {
        var entry = new Unit<T>(unit);
        bool ahead;
        lock (gate)
        {
            if (failure is not null)
            {
                return Task.FromException<T>(failure);
            }

            ObjectDisposedException.ThrowIf(stopping, this);
            if (busy || HasUnits || !Open || (due && flight is null))
            {
                queue.Enqueue(entry);
                if (!busy && flight is null)
                {
                    Monitor.Pulse(gate);
                }

                return entry.Task;
            }

            busy = true;
            ahead = !Free;
        }

        RunOne(entry, ahead);
        RunQueued(MostForOthers);
        return entry.Task;
    }

    public Task DurableAsync()
    {
        lock (gate)
        {
            if (failure is not null)
            {
                return Task.FromException(failure);
            }

            if (batch.Units == 0)
            {
                return flight?.Durable.Task ?? Task.CompletedTask;
            }

            batch.Waiting++;
            if (batch.Waiting == 1 && !busy && flight is null)
            {
                Monitor.Pulse(gate);
            }

            return batch.Durable.Task;
        }
    }

    /// <summary>Returns when every commit that is durable by now stands in the database. After a failure at once: then the database is as old as it is.</summary>
    public void Settle()
    {
        Task whenApplied;
        lock (gate)
        {
            if (failure is not null || (logged ?? applying) is not { } rows)
            {
                return;
            }

            if (logged is not null)
            {
                settle = true;
                if (flight is null && !busy)
                {
                    Monitor.Pulse(gate);
                }
            }

            whenApplied = rows.Applied.Task;
        }

        whenApplied.GetAwaiter().GetResult();
    }

    /// <summary>What is queued still runs and is committed; false when it was stopped before.</summary>
    public bool Stop(out Task whenEnded)
    {
        lock (gate)
        {
            whenEnded = ended.Task;
            (var before, stopping) = (stopping, true);
            Monitor.Pulse(gate);
            return !before;
        }
    }

    /// <summary>Runs what is queued, as the front's holder, and gives it back.</summary>
    private void RunQueued(int most = int.MaxValue)
    {
        while (true)
        {
            IUnit? unit;
            bool ahead;
            lock (gate)
            {
                due |= CommitDue();
                if (!Open || (due && flight is null && held is null) || most-- == 0 || !TryTake(out unit))
                {
                    Release();
                    return;
                }

                ahead = !Free;
            }

            RunOne(unit, ahead);
        }
    }

    private bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IUnit? unit)
    {
        if ((unit = held) is not null)
        {
            held = null;
            return true;
        }

        return queue.TryDequeue(out unit);
    }

    /// <summary>Under the gate: the front is free again, and whoever has something to do with it is told.</summary>
    private void Release()
    {
        busy = false;
        if (flight is null)
        {
            var soon = batch.Waiting > 0 && !HasUnits;
            if (due || HasUnits || soon || ApplyDue || (batch.Units > 0 && patience == Timeout.Infinite) || stopping)
            {
                Monitor.Pulse(gate);
            }
        }
        else if (HasUnits && Open)
        {
            busy = true;
            ThreadPool.UnsafeQueueUserWorkItem(static pipeline => pipeline.RunQueued(), this, preferLocal: false);
        }
    }

    private void Run()
    {
        while (Next() is { } job)
        {
            job();
        }

        log?.Close(empty: failure is null);
        ended.SetResult();
    }

    /// <summary>Takes the front, to run units, for a commit that is wanted or due, or to send logged rows on; null when the store has stopped.</summary>
    private Action? Next()
    {
        lock (gate)
        {
            var seen = -1;
            var quiet = false;
            while (true)
            {
                due &= batch.Units > 0;
                settle |= quiet && logged is not null;
                if (!busy && ApplyDue)
                {
                    busy = true;
                    return Apply;
                }

                var commit = batch.Units > 0 && held is null && (due || (queue.Count == 0 && (stopping || quiet || batch.Waiting > 0)));
                if (!busy && (commit || (HasUnits && Open)))
                {
                    busy = true;
                    return commit ? Commit : RunAll;
                }

                if (batch.Units == 0 && !HasUnits && stopping && !busy && logged is null && applying is null)
                {
                    return null;
                }

                // Quiet: nobody ran anything for this long, whoever is expected.
                seen = batch.Units;
                patience = batch.Units == 0 && logged is null && !busy ? Timeout.Infinite : policy.IdleMilliseconds;
                quiet = !Monitor.Wait(gate, patience) && !busy && batch.Units == seen;
            }
        }
    }

    private void RunAll() => RunQueued();

    private void RunOne(IUnit unit, bool ahead)
    {
        if (batch.Units == 0)
        {
            batch.Since = time.GetTimestamp();
        }

        if (!ahead)
        {
            writer.LookInto(null, null); // the database has everything
        }

        Exception? thrown = null;
        SqliteException? broken = null;
        writer.BeginUnit(ahead);
        try
        {
            unit.Run(writer);
        }
#pragma warning disable CA1031 // whatever a unit throws is its caller's, and undone here
        catch (Exception error)
#pragma warning restore CA1031
        {
            thrown = error;
        }

        var again = writer.NeedsConnection;
        try
        {
            if (!ahead && writer.LostTransaction)
            {
                // Disk full or broken: SQLite gave up the whole transaction, and with it the units before this one.
                broken = thrown as SqliteException ?? new SqliteException("a unit ended the transaction", SQLitePCL.raw.SQLITE_MISUSE);
            }
            else if (thrown is not null || again)
            {
                writer.UndoUnit();
            }
            else
            {
                writer.EndUnit();
            }
        }
        catch (SqliteException error)
        {
            broken = error;
        }

        if (thrown is SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_FULL or SQLitePCL.raw.SQLITE_IOERR or SQLitePCL.raw.SQLITE_CORRUPT or SQLitePCL.raw.SQLITE_READONLY } no)
        {
            broken ??= no;
        }

        if (broken is not null)
        {
            Fail(broken, ownsConnection: !ahead);
        }

        lock (gate)
        {
            if (failure is null && again)
            {
                held = unit;
                return;
            }

            if (failure is null && thrown is null)
            {
                batch.Units++;
            }
        }

        if (failure is not null)
        {
            unit.Fail(failure);
        }
        else if (thrown is not null)
        {
            unit.Fail(thrown);
        }
        else
        {
            unit.Deliver();
        }
    }

    private bool CommitDue() =>
        batch.Units >= policy.MaxUnits
        || (batch.Units > 0 && time.GetElapsedTime(batch.Since).TotalMilliseconds >= (batch.Waiting > 0 ? policy.MaxAgeMilliseconds : policy.IdleMilliseconds));

    private void Commit()
    {
        TakeIn();
        var writes = writer.Seal();
        Batch done;
        bool toLog;
        lock (gate)
        {
            done = flight = batch;
            done.OwnWrites = writer.HasOwnWrites;
            toLog = logged is not null || applying is not null || (calm >= policy.LogAfter && !done.OwnWrites);
            calm = done.OwnWrites ? 0 : done.Units >= policy.Large ? calm + 1 : calm;
            batch = new Batch();
            due = false;
            Release();
        }

        try
        {
            if (toLog)
            {
                Append(writes);
            }
            else
            {
                writer.Commit(writes);
            }

            StorageMeasures.CommitUnits.Record(done.Units);
        }
        catch (SqliteException error)
        {
            Fail(error, ownsConnection: !toLog);
            lock (gate)
            {
                flight = null;
            }

            done.Durable.TrySetException(failure!);
            _ = done.Durable.Task.Exception;
            return;
        }

        done.Durable.TrySetResult();
        if (!toLog)
        {
            checkpoints.Committed();
        }

        lock (gate)
        {
            flight = null;
        }
    }

    /// <summary>As the front's holder: from here on rows are looked for in the commits that are in the log, and in none that the database has.</summary>
    private void TakeIn()
    {
        lock (gate)
        {
            if (gone is not null && applying is null)
            {
                log!.Reuse(gone.Chunks);
                gone = null;
            }
        }

        logged?.TakeIn();
        writer.LookInto(logged, gone);
    }

    /// <summary>The commit is durable in the log, and its rows are among those that go into the database next. Waits while too many do already.</summary>
    private void Append(List<RowWrite> writes)
    {
        if (writes.Count == 0)
        {
            return; // they only looked
        }

        log ??= RedoLog.Create(logPath);
        long upTo;
        lock (gate)
        {
            while (applying is not null && logged?.Count >= 2 * policy.LogRows)
            {
                Monitor.Wait(gate);
            }

            upTo = applied;
        }

        var commit = log.Append(last + 1, writes, upTo);
        last++;
        lock (gate)
        {
            logged ??= new LoggedRows();
            logged.Add(commit, last);
        }
    }

    /// <summary>As the front's holder: what is logged goes into the database beside it.</summary>
    private void Apply()
    {
        TakeIn();
        log!.Cut();
        var statements = writer.Statements();
        LoggedRows rows;
        lock (gate)
        {
            rows = applying = gone = logged!;
            calm = settle && rows.Count < policy.LogRows / 8 ? 0 : calm;
            (logged, settle) = (null, false);
            writer.LookInto(null, gone);
            Release();
        }

#pragma warning disable RS0030 // it waits for the disk, as the writer does
        new Thread(() => Write(rows, statements)) { IsBackground = true, Name = "storage applier" }.Start();
#pragma warning restore RS0030
    }

    private void Write(LoggedRows rows, string[] statements)
    {
        try
        {
            writer.Apply(rows, statements);
            checkpoints.Committed();
        }
        catch (SqliteException error)
        {
            Fail(error, ownsConnection: true);
        }

        lock (gate)
        {
            applying = null;
            applied = failure is null ? rows.UpTo : applied;
            Monitor.Pulse(gate);
        }

        rows.Applied.TrySetResult();
    }

    /// <summary>No commit any more: who waits and who comes is told so, and nothing that was not durable has been answered. A commit under way may still succeed; nothing that follows it can.</summary>
    private void Fail(SqliteException error, bool ownsConnection)
    {
        List<IUnit> refused = [];
        Batch lost;
        LoggedRows? late;
        lock (gate)
        {
            failure ??= new StoreFailedException($"the database cannot be written any more ({error.Message}); everything answered so far is kept, restart when there is room and the disk is well", error);
            while (TryTake(out var unit))
            {
                refused.Add(unit);
            }

            (lost, late) = (batch, logged);
            (batch, logged) = (new Batch(), null);
            due = false;
        }

        late?.Applied.TrySetResult(); // the log keeps them for the next start
        if (ownsConnection)
        {
            try
            {
                writer.Rollback();
            }
            catch (SqliteException)
            {
                // Closing the connection rolls back as well.
            }
        }

        lost.Durable.TrySetException(failure);
        _ = lost.Durable.Task.Exception;
        foreach (var unit in refused)
        {
            unit.Fail(failure);
        }
    }

    /// <summary>The units of one commit, and who waits for it.</summary>
    private sealed class Batch
    {
        public readonly TaskCompletionSource Durable = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public int Units;
        public int Waiting;
        public long Since;

        /// <summary>Rows of it stand in the open transaction and not in memory.</summary>
        public bool OwnWrites;
    }

    private interface IUnit
    {
        void Run(Session session);

        void Deliver();

        void Fail(Exception error);
    }

    private sealed class Unit<T>(Func<Session, T> unit) : TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously), IUnit
    {
        private T result = default!;

        public void Run(Session session) => result = unit(session);

        public void Deliver() => TrySetResult(result);

        public void Fail(Exception error) => TrySetException(error);
    }
}
