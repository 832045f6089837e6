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
    private const int MostInWave = 128, FewInside = 16;

    /// <summary>How long a transaction stays open with nobody in it and nobody who waits for it; and how long it waits for those who are in it, while somebody waits for its end and while nobody does.</summary>
    private static readonly TimeSpan Unasked = TimeSpan.FromMilliseconds(5), Busy = TimeSpan.FromMilliseconds(20), Long = TimeSpan.FromMilliseconds(50);

    private readonly object gate = new();
    private readonly PostgresTarget target;
    private readonly PostgresLog log;
    private readonly TimeProvider time;
    private readonly KnownTables known;
    private readonly long[] writers;
    private readonly Action<int> committed;
    private readonly Stack<Line> lines = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the gate.
    private readonly Queue<IStoreUnit> queue = new();
    private readonly Queue<IStoreUnit> door = new();
    private readonly HashSet<StoreFlow> inside = [];
    private readonly List<IStoreUnit> deferred = [];
    private Transaction? open, closing;
    private int admitted, underCommit;
    private bool stopping, over;
    private TaskCompletionSource? idle;

    /// <param name="writers">Keys that each transaction holds (<see cref="PostgresKeys"/>).</param>
    /// <param name="committed">Told of each transaction how many units ran in it.</param>
    public PostgresGatherer(PostgresTarget target, PostgresLog log, TimeProvider time, KnownTables known, long[] writers, Action<int> committed)
    {
        (this.target, this.log, this.time, this.known, this.writers, this.committed) = (target, log, time, known, writers, committed);
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

    /// <summary>Completes when nothing is left to run or to commit. Nobody brings more meanwhile.</summary>
    public Task IdleAsync()
    {
        lock (gate)
        {
            idle ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            Monitor.PulseAll(gate);
            return idle.Task;
        }
    }

    /// <summary>Completes when every unit that has its result by now is committed and on disk; at once when none is open. Fails when they are lost.</summary>
    /// <param name="flow">Has nothing more to do for now.</param>
    public Task SettledAsync(StoreFlow? flow = null)
    {
        lock (gate)
        {
            if (open is { Begun: true })
            {
                var last = flow is not null && inside.Remove(flow) && inside.Count == 0;
                if (!open.Asked)
                {
                    open.Asked = true;
                    open.AskedAt = time.GetTimestamp();
                    last = true;
                }

                if (last)
                {
                    Monitor.PulseAll(gate);
                }

                return open.Done.Task;
            }

            return closing?.Done.Task ?? Task.CompletedTask;
        }
    }

    /// <summary>As <see cref="SettledAsync"/>, for a reader's thread; what was lost is not its business.</summary>
    public void Settle(StoreFlow? flow)
    {
        try
        {
            SettledAsync(flow).GetAwaiter().GetResult();
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
                    Close();
                }

                Admit(wave);
                if (open is { Begun: true } && closing is null && (IsLate(open) || (wave.Count == 0 && IsQuiet(open))))
                {
                    (closing, underCommit) = (open, admitted);
                    Close();
                    wave.ForEach(Enter);
                    Monitor.PulseAll(gate);
                    Admit(wave);
                }

                if (wave.Count > 0)
                {
                    if (open is not null)
                    {
                        open.Batch.Before = closing?.Batch;
                    }

                    return true;
                }

                if (IsHurried && open is not { Begun: true } && closing is null && deferred.Count == 0 && door.Count == 0)
                {
                    idle?.SetResult();
                    idle = null;
                    if (stopping)
                    {
                        return false;
                    }
                }

                if (open is { Begun: true } && closing is null && !IsHurried)
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

    /// <summary>Takes what may run now: units of requests that are in the open transaction, and of new ones while there is room.</summary>
    private void Admit(List<IStoreUnit> wave)
    {
        while (wave.Count < MostInWave && queue.TryDequeue(out var unit))
        {
            if (unit.Flow is { } flow && !inside.Contains(flow) && !HasRoom)
            {
                door.Enqueue(unit);
            }
            else
            {
                Enter(unit);
                wave.Add(unit);
            }
        }

        while (wave.Count < MostInWave && HasRoom && door.TryDequeue(out var first))
        {
            Enter(first);
            wave.Add(first);
        }
    }

    /// <summary>No transaction is open: whoever was in it enters the next one.</summary>
    private void Close()
    {
        open = null;
        inside.Clear();
        admitted = 0;
    }

    private void Enter(IStoreUnit unit)
    {
        if (unit.Flow is { } flow && inside.Add(flow))
        {
            admitted++;
        }
    }

    /// <summary>Whether a new request may enter. Not once somebody waits for the transaction: else it would never end, or end in the middle of many.
    /// And half of all requests at most: while these run, the other half is committed.</summary>
    private bool HasRoom => IsHurried || (open is not { Asked: true } && admitted < Math.Max(FewInside, (admitted + underCommit + door.Count + 1) / 2));

    /// <summary>Nobody waits for company.</summary>
    private bool IsHurried => stopping || idle is not null;

    /// <summary>Everybody in it is done, or nobody came for a while.</summary>
    private bool IsQuiet(Transaction transaction) => IsHurried || (inside.Count == 0 && (transaction.Asked || time.GetElapsedTime(transaction.Since) >= Unasked));

    /// <summary>It does not wait any longer for those who are in it.</summary>
    private bool IsLate(Transaction transaction) => transaction.Asked ? time.GetElapsedTime(transaction.AskedAt) >= Busy : time.GetElapsedTime(transaction.Since) >= Long;

    private void RunWave(List<IStoreUnit> wave)
    {
        List<IStoreUnit> others = [], later = [];
        try
        {
            if (open is null)
            {
                var fresh = new Transaction(Take(), known, writers, time.GetTimestamp());
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
            lock (gate)
            {
                Close();
            }

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
                failed = open!;
                Close();
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
            committed(transaction.Ran);
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
            underCommit = 0;
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

    private sealed class Transaction(Line line, KnownTables known, long[] writers, long since)
    {
        public Line Line { get; } = line;

        public PostgresBatch Batch { get; } = new(line.Connection, known, writers);

        public long Since { get; } = since;

        /// <summary>Units that have their results.</summary>
        public int Ran { get; set; }

        /// <summary>It may hold rows.</summary>
        public bool Begun { get; set; }

        /// <summary>Somebody waits for its commit.</summary>
        public bool Asked { get; set; }

        public long AskedAt { get; set; }

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
