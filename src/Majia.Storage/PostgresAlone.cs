using Npgsql;

namespace Majia.Storage;

/// <summary>Hot units while this process alone writes their tables: over rows in memory, each on its caller's thread, and one commit after the other on the session that holds the writers' keys (docs/decisions/0048).</summary>
/// <remarks>
/// The <em>front</em> — rows in memory and the commit that is gathered — has one holder at a time; whoever runs a unit has it. Two threads block on the server: one writes commits, the other asks for rows that are not at hand,
/// for all units that wait for some. Units of the next commit run while one is written, and its answers wait for it.
/// A commit that fails ends everything: what had run behind it has been seen, so the log's life ends too, and units that have not run go on elsewhere.
/// </remarks>
internal sealed partial class PostgresAlone
{
    private const int MostForOthers = 32, MostRounds = 6, MostThatStay = 65_536, MostUnits = 512;

    /// <summary>How long a commit waits for units that keep coming, for somebody who waits for it, and for requests that are in the middle of it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(5), Unasked = TimeSpan.FromMilliseconds(50), Insiders = TimeSpan.FromMilliseconds(10);

    private readonly object gate = new();
    private readonly NpgsqlConnection writer, reader;
    private readonly KnownTables known;
    private readonly PostgresLog log;
    private readonly TimeProvider time;
    private readonly Action<IReadOnlyList<IStoreUnit>> left;
    private readonly KeptRows rows = new(MostThatStay);
    private readonly HashSet<string> roles;

    // Under the gate.
    private readonly Queue<IStoreUnit> queue = new();

    /// <summary>Requests that have units in this commit and have not asked for its end; new ones wait at the door when it is about to be written (docs/decisions/0057).</summary>
    private readonly HashSet<StoreFlow> inside = [];
    private readonly Queue<IStoreUnit> door = new();
    private Batch batch = new();
    private Batch? flight;
    private bool busy, called, asked, leaving, over;

    /// <summary>Threads that wait for the front; before them nobody else takes it.</summary>
    private int claims;
    private long lastUnit;

    // The front's holder's.
    private readonly List<(IStoreUnit Unit, int Rounds)> waiting = [];
    private bool warned;

    /// <param name="writer">Holds the writers' keys alone, of those parties who act as <paramref name="roles"/>.</param>
    /// <param name="left">Told, once, when it is over: with the units that have not run. No key is held any more.</param>
    public PostgresAlone(NpgsqlConnection writer, NpgsqlConnection reader, IEnumerable<string> roles, KnownTables known, PostgresLog log, TimeProvider time, Func<NpgsqlConnection> look, Action<IReadOnlyList<IStoreUnit>> left)
    {
        (this.writer, this.reader, this.known, this.log, this.time, this.look, this.left) = (writer, reader, known, log, time, look, left);
        this.roles = [.. roles];
        lastUnit = time.GetTimestamp();
        writer.Notice += (_, _) => warned = true;
#pragma warning disable RS0030 // both block on the server, and a pool thread must not
        new Thread(RunCommits) { IsBackground = true, Name = "storage committer" }.Start();
        new Thread(RunLooks) { IsBackground = true, Name = "storage loader" }.Start();
#pragma warning restore RS0030
    }

    /// <summary>When it ran a unit last.</summary>
    public long LastUnit => Volatile.Read(ref lastUnit);

    /// <summary>Whether these tables are written by nobody else.</summary>
    public bool Has(string role) => roles.Contains(role);

    /// <summary>Runs it, now or soon; false when it is over, or will be. A unit of a party that was not there when it began ends it: the next time its tables are among them.</summary>
    public bool TryGather(IStoreUnit unit)
    {
        lock (gate)
        {
            leaving |= !roles.Contains(unit.Role);
            if (leaving || over)
            {
                Monitor.PulseAll(gate);
                return false;
            }

            if (unit.Flow is { } flow && !inside.Contains(flow))
            {
                if (batch.Closing != 0)
                {
                    door.Enqueue(unit);
                    return true;
                }

                inside.Add(flow);
            }

            if (busy || claims > 0 || queue.Count > 0)
            {
                queue.Enqueue(unit);
                return true;
            }

            busy = true;
        }

        RunOne(unit, 0);
        RunQueued(MostForOthers);
        return true;
    }

    /// <summary>Completes when every unit that has its result by now is on disk. Fails when they are lost.</summary>
    /// <param name="flow">Has nothing more to do for now.</param>
    public Task DurableAsync(StoreFlow? flow)
    {
        lock (gate)
        {
            var last = flow is not null && inside.Remove(flow) && inside.Count == 0;
            if (batch.Units == 0)
            {
                return flight?.Done.Task ?? Task.CompletedTask;
            }

            if (!batch.Asked)
            {
                batch.Asked = last = true;
                CloseDoor();
            }

            if (last && !busy && flight is null)
            {
                Monitor.PulseAll(gate);
            }

            return batch.Done.Task;
        }
    }

    /// <summary>Under the gate: the commit is about to be written, as soon as those inside are done.</summary>
    private void CloseDoor()
    {
        if (batch.Asked && flight is null)
        {
            batch.Closing = time.GetTimestamp();
        }
    }

    /// <summary>Takes nobody in any more, commits, and lets go of the keys.</summary>
    public void Leave()
    {
        lock (gate)
        {
            leaving = true;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Waits for the front; given back by <see cref="RunQueued"/> or <see cref="Release"/>. False when it is over: nobody gets it any more.</summary>
    private bool Claim()
    {
        lock (gate)
        {
            claims++;
            while (busy && !over)
            {
                Monitor.Wait(gate);
            }

            claims--;
            busy = true;
            return !over;
        }
    }

    private void RunQueued(int most)
    {
        while (true)
        {
            IStoreUnit? unit;
            lock (gate)
            {
                if (over || claims > 0 || most-- == 0 || !queue.TryDequeue(out unit))
                {
                    Release();
                    return;
                }
            }

            RunOne(unit, 0);
        }
    }

    /// <summary>Under the gate: the front is free, and whoever has something to do with it is told.</summary>
    private void Release()
    {
        busy = false;
        asked |= rows.AsksForRows;
        if (claims > 0 || asked || leaving || (flight is null && IsDue))
        {
            Monitor.PulseAll(gate);
        }

        if (queue.Count > 0 && claims == 0 && !called && !over)
        {
            called = true;
            ThreadPool.UnsafeQueueUserWorkItem(static alone => alone.RunCalled(), this, preferLocal: false);
        }
    }

    private void RunCalled()
    {
        lock (gate)
        {
            called = false;
            if (busy || claims > 0 || over)
            {
                return; // whoever has the front sees to it
            }

            busy = true;
        }

        RunQueued(int.MaxValue);
    }

    private void RunOne(IStoreUnit unit, int rounds)
    {
        if (!rows.HasAllOf(unit))
        {
            Wait(unit, rounds);
            return;
        }

        rows.BeginUnit();
        try
        {
            unit.Run(rows);
        }
        catch (NotNamedException)
        {
            rows.UndoUnit();
            Wait(unit, rounds);
            return;
        }
        catch (Exception own) when (own is NotHotException or LostRaceException)
        {
            rows.UndoUnit();
            unit.Alone();
            return;
        }
#pragma warning disable CA1031 // whatever a unit throws is its caller's, and undone here
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            rows.UndoUnit();
            unit.Fail(thrown);
            return;
        }

        lock (gate)
        {
            lastUnit = time.GetTimestamp();
            if (batch.Units++ == 0)
            {
                batch.Since = lastUnit;
            }
        }

        unit.Deliver();
    }

    private void Wait(IStoreUnit unit, int rounds)
    {
        if (rounds >= MostRounds)
        {
            unit.Alone();
        }
        else
        {
            waiting.Add((unit, rounds + 1));
        }
    }

    private bool IsDue => batch.Units > 0 && (leaving || batch.Units >= MostUnits
        || (batch.Closing != 0 ? (queue.Count == 0 && inside.Count == 0) || time.GetElapsedTime(batch.Closing) >= Insiders : !batch.Asked && time.GetElapsedTime(batch.Since) >= Patience));

    private void RunCommits()
    {
        while (Next() is { } next)
        {
            Commit(next);
        }
    }

    /// <summary>Takes the front when a commit is due; null when it is over.</summary>
    private Batch? Next()
    {
        lock (gate)
        {
            while (!over)
            {
                if (!busy && IsDue)
                {
                    busy = true;
                    return flight = batch;
                }

                if (!busy && leaving && batch.Units == 0 && queue.Count == 0 && waiting.Count == 0)
                {
                    busy = true; // for good
                    break;
                }

                Monitor.Wait(gate, batch.Asked ? Insiders : Unasked);
            }
        }

        LetGo();
        return null;
    }

    private void Commit(Batch done)
    {
        var writes = rows.Seal();
        lock (gate)
        {
            batch = new Batch();
            inside.Clear();
            while (door.TryDequeue(out var unit))
            {
                inside.Add(unit.Flow!);
                queue.Enqueue(unit);
            }

            Release();
        }

        var covers = log.SoFar();
        try
        {
            warned = false;
            if (writes.Count > 0)
            {
                Write(writes);
            }
            else
            {
                // They only looked, at rows that nobody else can have changed while this session lives.
                using var lives = new NpgsqlCommand("SELECT 1", writer);
                lives.ExecuteNonQuery();
            }

            if (warned)
            {
                throw new NpgsqlException("the standby did not confirm");
            }

            log.Covered(covers);
            StorageMeasures.CommitUnits.Record(done.Units);
        }
#pragma warning disable CA1031 // whatever it is, nothing is vouched for
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            Lose(thrown);
            return;
        }

        lock (gate)
        {
            flight = null;
            CloseDoor();
        }

        done.Done.SetResult();
    }

    private void Write(List<KeptRows.Written> writes)
    {
        using var statements = new PostgresStatements(writer, known);
        var all = writes.ConvertAll(of => (Of: of, Columns: statements.ColumnsOf(of.Table, of.Role)));
        statements.Add("BEGIN");
        var expected = new List<(int At, int Rows)>();
        foreach (var (of, columns) in all)
        {
            expected.Add((statements.Add(of.Role, of.Adds ? columns.Insert : columns.Update, columns.Arrays(of.Values, of.Adds ? columns.All : columns.Changed)), of.Values.Count));
        }

        statements.Add("COMMIT");
        statements.Batch.ExecuteNonQuery();
        if (expected.Exists(write => (int)statements.Batch.BatchCommands[write.At].RecordsAffected != write.Rows))
        {
            throw new InvalidOperationException("a commit wrote other rows than it had read");
        }
    }

    /// <summary>What had run is lost: nobody who began before now is vouched for, and nobody runs on these rows any more.</summary>
    private void Lose(Exception thrown)
    {
        _ = Claim(); // this thread alone ends it
        Batch ahead;
        Batch? lost;
        lock (gate)
        {
            over = true;
            (ahead, lost, flight) = (batch, flight, null);
        }

        log.EndLife();
        End(PostgresLog.Lost(thrown), lost, ahead);
        log.Suspect();
    }

    /// <summary>All is committed.</summary>
    private void LetGo()
    {
        try
        {
            using var command = new NpgsqlCommand(PostgresKeys.LetGo, writer);
            command.ExecuteNonQuery();
        }
        catch (Exception broken) when (broken is NpgsqlException or InvalidOperationException)
        {
            // Then the server lets go of them with the session.
        }

        End(null);
    }

    /// <summary>As the front's holder for good.</summary>
    private void End(Exception? why, params ReadOnlySpan<Batch?> lost)
    {
        writer.Dispose();
        List<IStoreUnit> rest;
        lock (gate)
        {
            over = true;
            rest = [.. waiting.Select(static of => of.Unit), .. queue, .. door];
            waiting.Clear();
            queue.Clear();
            door.Clear();
            Monitor.PulseAll(gate);
        }

        foreach (var of in lost)
        {
            if (of is not null && why is not null && of.Done.TrySetException(why))
            {
                _ = of.Done.Task.Exception;
            }
        }

        left(rest);
    }

    private sealed class Batch
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>That have their results.</summary>
        public int Units { get; set; }

        public long Since { get; set; }

        /// <summary>Somebody waits for it.</summary>
        public bool Asked { get; set; }

        /// <summary>Since when it is about to be written; 0: not yet.</summary>
        public long Closing { get; set; }
    }
}
