namespace Majia.Storage;

/// <content>Commits that are durable in a log before their rows stand in the database (docs/decisions/0058).</content>
internal sealed partial class CommitPipeline
{
    // Under the gate.

    /// <summary>Rows that are durable in the log and not yet in the database; null when there are none.</summary>
    private LoggedRows? logged;

    /// <summary>When the first of them came.</summary>
    private long loggedSince;

    /// <summary>Rows on their way from the log into the database; the connection is the applying thread's.</summary>
    private LoggedRows? applying;

    /// <summary>Somebody waits for what is logged now.</summary>
    private bool settle;

    /// <summary>Large commits since somebody last wanted to look into the database early.</summary>
    private int calm;

    // The writer thread's own.
    private RedoLog? log;
    private long last;

    /// <summary>Somebody waits for the rows that go into the database: they are not to be written at leisure.</summary>
    private readonly ManualResetEventSlim hurry = new(initialState: false, spinCount: 0);

    /// <summary>The database's; null when it had commits since that did not go through the log.</summary>
    private long? life;

    /// <summary>What was applied last: rows in memory may still be looked for in it.</summary>
    private LoggedRows? gone;

    /// <summary>What is logged is to go into the database now.</summary>
    private bool ApplyDue => logged is not null && applying is null && failure is null && (settle || held is not null || stopping || calm < policy.LogAfter || logged.Count >= policy.LogRows || IsOld);

    /// <summary>The writer's thread comes next: for a commit, or because somebody waits for what is in the log. Nobody takes the front before it, however many want to.</summary>
    private bool WriterIsNext => flight is null && held is null && (due || (settle && ApplyDue));

    private bool IsOld => time.GetElapsedTime(loggedSince).TotalMilliseconds >= policy.LogMilliseconds;

    /// <summary>Whose unit runs on this thread.</summary>
    [ThreadStatic]
    private static CommitPipeline? running;

    /// <summary>A unit of this store calls: it holds what everybody else waits for.</summary>
    public bool IsInUnit => running == this;

    /// <summary>Large commits lead into the log, a small one in between does not; what leads out is somebody who looks, or that little comes (<see cref="Apply"/>).</summary>
    private int Calm(Batch commit)
    {
        if (commit.OwnWrites || (calm < policy.LogAfter && commit.Units < policy.Large / 4))
        {
            return 0;
        }

        return commit.Units >= policy.Large ? Math.Min(calm + 1, policy.LogAfter) : calm;
    }

    /// <summary>Returns when every commit that is durable by now stands in the database. After a failure at once: then the database is as old as it is.</summary>
    /// <exception cref="InvalidOperationException">A unit calls: it would wait for itself.</exception>
    /// <exception cref="StoreUnavailableException">It takes longer than a reader waits.</exception>
    public void Settle()
    {
        if (IsInUnit)
        {
            throw new InvalidOperationException("a unit touches nothing but its session: a reader inside it would wait for the unit to end");
        }

        Task whenApplied;
        lock (gate)
        {
            if (failure is not null || (logged ?? applying) is not { } rows)
            {
                return;
            }

            hurry.Set();
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

        try
        {
            whenApplied.WaitAsync(TimeSpan.FromMilliseconds(policy.ReadMilliseconds), time).GetAwaiter().GetResult();
        }
        catch (TimeoutException late)
        {
            throw new StoreUnavailableException($"the last commits are durable and not yet in the database, which takes longer than {policy.ReadMilliseconds} ms; nothing was read, try again", inDoubt: false, late);
        }
    }

    /// <summary>The database has everything: what was kept to look into is let go.</summary>
    private void Tidy()
    {
        TakeIn();
        log!.Rest();
        RunQueued();
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

        log ??= RedoLog.Create(database, disk);
        life ??= RedoRecovery.Begin(writer); // nothing waits or is applied: the connection is the commit's
        lock (gate)
        {
            if (applying is not null && logged?.Count >= policy.LogRows)
            {
                hurry.Set();
                while (applying is not null && logged?.Count >= 2 * policy.LogRows)
                {
                    Monitor.Wait(gate);
                }
            }
        }

        var commit = log.Append(last + 1, life.Value, writes);
        last++;
        lock (gate)
        {
            if (failure is null)
            {
                if (logged is null)
                {
                    (logged, loggedSince) = (new LoggedRows(), time.GetTimestamp());
                }

                logged.Add(commit, last);
            }
        }
    }

    /// <summary>Before a commit that goes straight into the database, on the writer's thread: what is logged stands there first.</summary>
    private void ApplyAll(string[] statements)
    {
        life = null;
        LoggedRows? rows;
        lock (gate)
        {
            hurry.Set();
            while (applying is not null)
            {
                Monitor.Wait(gate);
            }

            if (failure is not null)
            {
                throw failure;
            }

            rows = logged;
            if (rows is not null)
            {
                log!.Cut();
                (applying, gone, logged, settle) = (rows, rows, null, false);
            }
        }

        if (rows is not null)
        {
            Write(rows, statements, TimeSpan.Zero);
            if (failure is not null)
            {
                throw failure;
            }
        }

        log?.Empty();
    }

    /// <summary>As the front's holder: what is logged goes into the database beside it.</summary>
    private void Apply()
    {
        TakeIn();
        log!.Cut();
        var statements = writer.Statements();
        LoggedRows rows;
        TimeSpan leisure;
        lock (gate)
        {
            leisure = settle || held is not null || stopping ? TimeSpan.Zero : time.GetElapsedTime(loggedSince) / 2;
            hurry.Reset();
            rows = applying = gone = logged!;
            calm = (settle || held is not null || IsOld) && rows.Count < policy.LogRows / 4 ? 0 : calm;
            (logged, settle) = (null, false);
            writer.LookInto(null, gone);
            Release();
        }

#pragma warning disable RS0030 // it waits for the disk, as the writer does
        new Thread(() => Write(rows, statements, leisure)) { IsBackground = true, Name = "storage applier" }.Start();
#pragma warning restore RS0030
    }

    /// <param name="leisure">How long it may take: while payments come, and want the cores and the disk too.</param>
    private void Write(LoggedRows rows, string[] statements, TimeSpan leisure)
    {
        try
        {
            var from = time.GetTimestamp();
            writer.Apply(rows, statements, done => Pace(done / (double)rows.Count * leisure, from, done));
            disk.Reached(ApplyStep.Committed);
            SyncDatabase();
            disk.Reached(ApplyStep.Durable);
            checkpoints.Committed();
        }
#pragma warning disable CA1031 // whatever it is, nothing that follows can be kept; the log has it
        catch (Exception error)
#pragma warning restore CA1031
        {
            Fail(error, ownsConnection: true);
        }

        lock (gate)
        {
            applying = null;
            Monitor.Pulse(gate);
        }

        rows.Applied.TrySetResult();
    }

    private void Pace(TimeSpan due, long from, int done)
    {
        const int Rows = 32;
        if (done % Rows == 1)
        {
            disk.Reached(ApplyStep.Under);
            var early = due - time.GetElapsedTime(from);
            if (early >= TimeSpan.FromMilliseconds(1))
            {
                hurry.Wait(early);
            }
        }
    }

    /// <summary>The last commits into the database are durable when it returns: until then the log has them.</summary>
    private void SyncDatabase()
    {
        using var wal = File.OpenHandle(database + "-wal", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        disk.Sync(wal);
    }
}
