using Npgsql;

namespace Majia.Storage;

/// <summary>Hot units of all parties on one PostgreSQL, in one open transaction after the other: group commit over a wire (docs/decisions/0038).</summary>
/// <remarks>
/// Units run as they come and have their results at once; nothing of it is in the database, nor seen by others, before the COMMIT that somebody waits for, and that commit waits for the disk.
/// While one transaction is written and committed by its own thread, the next one is open.
/// A transaction that comes to nothing ends the log's life: nobody vouches for results that were seen, and so it is with the transaction behind it.
/// </remarks>
internal sealed class PostgresGatherer : IAsyncDisposable
{
    private const int MostInWave = 128;

    /// <summary>How long a transaction may hold its rows while nobody waits for it, and how long it takes in more while somebody does.</summary>
    private static readonly TimeSpan Unasked = TimeSpan.FromMilliseconds(5), Busy = TimeSpan.FromMilliseconds(8);

    private readonly object gate = new();
    private readonly PostgresTarget target;
    private readonly PostgresLog log;
    private readonly TimeProvider time;
    private readonly KnownTables known = new();
    private readonly Stack<Line> lines = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the gate.
    private readonly Queue<IStoreUnit> queue = new();
    private readonly List<IStoreUnit> deferred = [];
    private Transaction? open, closing;
    private bool stopping, over;

    public PostgresGatherer(PostgresTarget target, PostgresLog log, TimeProvider time)
    {
        (this.target, this.log, this.time) = (target, log, time);
#pragma warning disable RS0030 // both block on the server, and a pool thread must not
        new Thread(Run) { IsBackground = true, Name = "storage gatherer" }.Start();
        new Thread(RunCommits) { IsBackground = true, Name = "storage committer" }.Start();
#pragma warning restore RS0030
    }

    public void Gather(IStoreUnit unit)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(stopping, this);
            queue.Enqueue(unit);
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Completes when every unit that has its result by now is committed and on disk; at once when none is open. Fails when they are lost.</summary>
    public Task SettledAsync()
    {
        lock (gate)
        {
            if (open is { Begun: true })
            {
                if (!open.Asked)
                {
                    open.Asked = true;
                    Monitor.PulseAll(gate);
                }

                return open.Done.Task;
            }

            return closing?.Done.Task ?? Task.CompletedTask;
        }
    }

    /// <summary>As <see cref="SettledAsync"/>, for a reader's thread; what was lost is not its business.</summary>
    public void Settle()
    {
        try
        {
            SettledAsync().GetAwaiter().GetResult();
        }
        catch (StoreFailedException)
        {
            // Whoever waits for it is told.
        }
    }

    /// <summary>Runs what is queued, commits it, and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            stopping = true;
            Monitor.PulseAll(gate);
        }

        await ended.Task;
    }

    private void Run()
    {
        var wave = new List<IStoreUnit>();
        while (Next(wave))
        {
            RunWave(wave);
            wave.Clear();
        }

        lock (gate)
        {
            over = true;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Waits for units; hands the open transaction to the committer when it is its time.</summary>
    private bool Next(List<IStoreUnit> wave)
    {
        lock (gate)
        {
            while (true)
            {
                if (open is { Doomed: true } && closing is null)
                {
                    Lose(open, null);
                    open = null;
                }

                if (open is { Begun: true } && closing is null && IsTime(open))
                {
                    (closing, open) = (open, null);
                    Monitor.PulseAll(gate);
                }

                if (queue.Count > 0)
                {
                    while (wave.Count < MostInWave && queue.TryDequeue(out var unit))
                    {
                        wave.Add(unit);
                    }

                    if (open is not null)
                    {
                        open.Batch.Before = closing?.Batch;
                    }

                    return true;
                }

                if (stopping && open is not { Begun: true } && closing is null && deferred.Count == 0)
                {
                    return false;
                }

                if (open is { Begun: true, Asked: false } && closing is null && !stopping)
                {
                    Monitor.Wait(gate, Unasked);
                }
                else
                {
                    Monitor.Wait(gate);
                }
            }
        }
    }

    private bool IsTime(Transaction transaction) =>
        time.GetElapsedTime(transaction.Since) is var age && queue.Count == 0
            ? transaction.Asked || stopping || age >= Unasked
            : transaction.Asked && age >= Busy;

    private void RunWave(List<IStoreUnit> wave)
    {
        List<IStoreUnit> others = [], later = [];
        try
        {
            if (open is null)
            {
                var fresh = new Transaction(Take(), known, time.GetTimestamp());
                lock (gate)
                {
                    fresh.Batch.Before = closing?.Batch;
                    open = fresh;
                }
            }

            open.Batch.Run(wave, Ran, others, later);
        }
        catch (StoreUnavailableException away)
        {
            wave.FindAll(static unit => !unit.Ended).ForEach(unit => unit.Fail(away));
            return;
        }
#pragma warning disable CA1031 // what a batch cannot do, its units do each alone
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            Transaction failed;
            lock (gate)
            {
                (failed, open) = (open!, null);
            }

            Lose(failed, thrown);
            others = wave.FindAll(static unit => !unit.Ended);
            later.Clear();
        }

        lock (gate)
        {
            if (open is not null)
            {
                open.Begun = true;
            }

            if (closing is null)
            {
                later.ForEach(queue.Enqueue);
            }
            else
            {
                deferred.AddRange(later);
            }
        }

        others.ForEach(static unit => unit.Alone());
    }

    private void Ran(IStoreUnit unit)
    {
        lock (gate)
        {
            open!.Ran++;
            open.Begun = true;
        }

        unit.Deliver();
    }

    private void RunCommits()
    {
        while (true)
        {
            Transaction transaction;
            lock (gate)
            {
                while (closing is null)
                {
                    if (over)
                    {
                        while (lines.TryPop(out var line))
                        {
                            line.Connection.Dispose();
                        }

                        ended.SetResult();
                        return;
                    }

                    Monitor.Wait(gate);
                }

                transaction = closing;
            }

            Commit(transaction);
        }
    }

    private void Commit(Transaction transaction)
    {
        Exception? failure = null;
        var covers = log.SoFar();
        try
        {
            transaction.Line.Warned = false;
            transaction.Batch.Commit();
            if (transaction.Line.Warned)
            {
                throw new NpgsqlException("the standby did not confirm");
            }

            log.Covered(covers);
            StorageMeasures.CommitUnits.Record(transaction.Ran);
        }
#pragma warning disable CA1031 // whatever it is, nothing is vouched for
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            failure = thrown;
            Lose(transaction, thrown);
        }

        lock (gate)
        {
            if (failure is null)
            {
                lines.Push(transaction.Line);
            }
            else if (open is not null)
            {
                open.Doomed = true;
            }

            closing = null;
            deferred.ForEach(queue.Enqueue);
            deferred.Clear();
            Monitor.PulseAll(gate);
        }

        if (failure is null)
        {
            transaction.Done.SetResult();
        }
    }

    /// <summary>Undoes it. What had run in it was seen, so the log's life ends with it.</summary>
    private void Lose(Transaction transaction, Exception? thrown)
    {
        var line = transaction.Line;
        var away = thrown is not null && (PostgresTrouble.Of(thrown) == Trouble.Away || line.Connection.State != System.Data.ConnectionState.Open);
        try
        {
            if (!away)
            {
                transaction.Batch.Rollback();
            }
        }
        catch (Exception broken) when (broken is NpgsqlException or InvalidOperationException)
        {
            away = true;
        }

        if (transaction.Ran > 0)
        {
            log.EndLife();
        }

        if (away || transaction.Batch.Committing)
        {
            line.Connection.Dispose();
            log.Suspect();
        }
        else
        {
            lock (gate)
            {
                lines.Push(line);
            }
        }

        transaction.Done.TrySetException(PostgresLog.Lost(thrown));
        _ = transaction.Done.Task.Exception;
    }

    private Line Take()
    {
        lock (gate)
        {
            if (lines.TryPop(out var line))
            {
                return line;
            }
        }

        return new Line(target.OpenForBatches());
    }

    private sealed class Transaction(Line line, KnownTables known, long since)
    {
        public Line Line { get; } = line;

        public PostgresBatch Batch { get; } = new(line.Connection, known);

        public long Since { get; } = since;

        /// <summary>Units that have their results.</summary>
        public int Ran { get; set; }

        /// <summary>It may hold rows.</summary>
        public bool Begun { get; set; }

        /// <summary>Somebody waits for its commit.</summary>
        public bool Asked { get; set; }

        /// <summary>The one before it came to nothing.</summary>
        public bool Doomed { get; set; }

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>A connection, and whether a wait for the standby was cancelled on it: that ends well, with no more than a warning.</summary>
    private sealed class Line
    {
        public Line(NpgsqlConnection connection)
        {
            Connection = connection;
            connection.Notice += (_, _) => Warned = true;
        }

        public NpgsqlConnection Connection { get; }

        public bool Warned { get; set; }
    }
}
