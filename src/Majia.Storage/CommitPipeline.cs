using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>Runs units one after the other, gathers them into commits, and writes one commit while the units of the next run ahead of it (docs/decisions/0039).</summary>
/// <remarks>
/// Two things have one holder at a time. The <em>front</em>: the rows in memory and the commit that is being gathered; whoever runs a unit has it, a caller who finds it free on his own thread.
/// The <em>connection</em>: while a commit is under way it is the writer thread's, and only that thread ever waits for the disk; otherwise it goes with the front.
/// A unit that runs ahead reads what it does not find in memory beside the writer; memory has every row that the commit under way touches, so it does not matter which commit that look sees.
/// A unit with statements of its own waits until the connection is back, and all units after it, so the order stays. Commits are written in their order: a unit that saw rows not yet durable is durable after them, or not at all.
/// The commit is driven by demand: as soon as somebody waits in <see cref="DurableAsync"/> and nothing is left to run, so a lone caller waits for one commit and not for company.
/// </remarks>
internal sealed partial class CommitPipeline
{
    /// <summary>A caller runs so many units of others behind his own, then somebody else does.</summary>
    private const int MostForOthers = 32;

    private readonly object gate = new();
    private readonly SqliteSession writer;
    private readonly Checkpoints checkpoints;
    private readonly string database;
    private readonly RedoDisk disk;
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

    /// <summary>The front has a holder.</summary>
    private bool busy;

    /// <summary>Somebody of the pool will come and run what is queued.</summary>
    private bool called;
    private bool due;
    private bool stopping;
    private StoreFailedException? failure;

    /// <summary>How long the writer's thread sleeps at most, in milliseconds: it is woken only where that is too long.</summary>
    private int patience = Timeout.Infinite;

    public CommitPipeline(SqliteSession writer, Checkpoints checkpoints, string database, RedoDisk disk, GroupCommit policy, TimeProvider time)
    {
        (this.writer, this.checkpoints, this.database, this.disk, this.policy, this.time) = (writer, checkpoints, database, disk, policy, time);
        last = RedoRecovery.StandOf(writer).Applied;
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
            if (busy || HasUnits || !Open || WriterIsNext)
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

    /// <summary>What is queued still runs and is committed; false when it was stopped before.</summary>
    public bool Stop(out Task whenEnded)
    {
        lock (gate)
        {
            whenEnded = ended.Task;
            (var before, stopping) = (stopping, true);
            hurry.Set();
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
                if (!Open || WriterIsNext || most-- == 0 || !TryTake(out unit))
                {
                    Release();
                    return;
                }

                ahead = !Free;
            }

            RunOne(unit, ahead);
        }
    }

    private void RunCalled()
    {
        lock (gate)
        {
            called = false;
            if (busy || !HasUnits || !Open)
            {
                return; // whoever has the front, or gives it back, sees to it
            }

            busy = true;
        }

        RunQueued();
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
        else if (HasUnits && Open && !called)
        {
            called = true;
            ThreadPool.UnsafeQueueUserWorkItem(static pipeline => pipeline.RunCalled(), this, preferLocal: false);
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

                if (!busy && Free && gone is not null)
                {
                    busy = true;
                    return Tidy;
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
        running = this;
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
        finally
        {
            running = null;
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
                hurry.Set();
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
        var statements = logged is null ? [] : writer.Statements();
        var writes = writer.Seal();
        Batch done;
        bool toLog;
        lock (gate)
        {
            if (failure is not null)
            {
                Release(); // the batch was told so
                return;
            }

            done = flight = batch;
            done.OwnWrites = writer.HasOwnWrites;
            toLog = calm >= policy.LogAfter && !done.OwnWrites;
            calm = Calm(done);
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
                ApplyAll(statements);
                writer.Commit(writes);
            }

            StorageMeasures.CommitUnits.Record(done.Units);
        }
#pragma warning disable CA1031 // whatever it is, nothing that follows can be kept
        catch (Exception error)
#pragma warning restore CA1031
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

    /// <summary>No commit any more: who waits and who comes is told so, and nothing that was not durable has been answered. A commit under way may still succeed; nothing that follows it can.</summary>
    private void Fail(Exception error, bool ownsConnection)
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
