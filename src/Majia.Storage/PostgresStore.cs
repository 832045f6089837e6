using Npgsql;

namespace Majia.Storage;

/// <param name="Writers">Units at once; each has a connection of its own.</param>
/// <param name="FsyncMayBeOff">For tests whose subject is not durability.</param>
public sealed record PostgresOptions(int Writers = 4, bool FsyncMayBeOff = false);

/// <summary>PostgreSQL 15 or newer: units side by side, here and on other nodes, each a transaction that others see when it has run (decisions.md 22; docs/decisions/0013).</summary>
/// <remarks>
/// A unit commits without waiting for the disk; <see cref="DurableAsync(StoreMark)"/> waits for one flush that covers every commit before it, of every party on the same server.
/// A unit that met another one (serialisation, deadlock, unique row) is undone and run again. A connection that broke before its commit is opened anew, and the unit run on it;
/// one that breaks while it commits leaves the unit in doubt, and says so.
/// </remarks>
public sealed class PostgresStore : Store
{
    private const int MostRaces = 30, MostTaken = 5, MostInBatch = 128;

    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(200);

    private readonly object gate = new();
    private readonly PostgresTarget target;
    private readonly PostgresLog log;
    private readonly bool ownsLog;
    private readonly TimeProvider time;
    private readonly Queue<IUnit> queue = new();
    private readonly Gatherer decides = new(holds: true), looks = new(holds: false);
    private readonly Stack<PostgresSession> idleReaders = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int running;
    private bool stopping;

    // Under the gate: after a refused connection the next attempt waits a little, and units until then are told the same.
    private long refusedAt;
    private StoreUnavailableException? refused;

    internal PostgresStore(PostgresTarget target, PostgresLog log, bool ownsLog, TimeProvider time, int writers)
    {
        (this.target, this.log, this.ownsLog, this.time) = (target, log, ownsLog, time);
        running = writers + 2;
        for (var i = 0; i < writers; i++)
        {
#pragma warning disable RS0030 // each writer has a thread of its own: it blocks on the server, and a pool thread must not
            new Thread(Run) { IsBackground = true, Name = "storage writer" }.Start();
#pragma warning restore RS0030
        }

        foreach (var gatherer in (Gatherer[])[decides, looks])
        {
#pragma warning disable RS0030 // so has each gatherer of hot units
            new Thread(() => RunBatches(gatherer)) { IsBackground = true, Name = "storage gatherer" }.Start();
#pragma warning restore RS0030
        }
    }

    /// <summary>Opens the database, whose schemas are made and migrated where they are due, as one store for all of them. Throws <see cref="StoreException"/> when it cannot be used.</summary>
    public static PostgresStore Open(string connectionString, IReadOnlyList<PartySchema> schemas, TimeProvider time, PostgresOptions? options = null)
    {
        var (target, _) = PostgresDatabase.Prepare(connectionString, schemas, options ?? new());
        var whole = new PostgresTarget(connectionString, null, [.. schemas.Select(schema => schema.Party)]);
        return new PostgresStore(whole, new PostgresLog(target), ownsLog: true, time, (options ?? new()).Writers);
    }

    public override Task<T> WriteAsync<T>(Func<Session, T> unit)
    {
        var entry = new Unit<T>(unit, null);
        ToWriters(entry);
        return entry.Task;
    }

    /// <summary>Hot units gather while a batch of them is under way; the next batch takes all that have come.</summary>
    public override Task<T> WriteAsync<T>(Func<Session, T> unit, Action<Wanted> wants) => Gather(decides, unit, wants);

    public override Task<T> LookAsync<T>(Func<Session, T> unit, Action<Wanted> wants) => Gather(looks, unit, wants);

    private Task<T> Gather<T>(Gatherer gatherer, Func<Session, T> unit, Action<Wanted> wants)
    {
        var entry = new Unit<T>(unit, wants);
        lock (gatherer.Gate)
        {
            ObjectDisposedException.ThrowIf(stopping, this);
            gatherer.Queue.Enqueue(entry);
            if (gatherer.Queue.Count == 1 || gatherer.Queue.Count >= gatherer.Company)
            {
                Monitor.Pulse(gatherer.Gate);
            }
        }

        return entry.Task;
    }

    private void ToWriters(IUnit unit)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(stopping && running == 0, this);
            queue.Enqueue(unit);
            Monitor.Pulse(gate);
        }
    }

    public override StoreFailedException? Failure => log.Failure;

    public override StoreMark Mark() => log.Mark();

    public override Task DurableAsync() => log.DurableAsync(log.Mark());

    public override Task DurableAsync(StoreMark since) => log.DurableAsync(since);

    public override T Read<T>(Func<Session, T> query)
    {
        var since = log.Mark();
        var (result, ahead) = ReadOnce(query);
        if (ahead)
        {
            // What another unit committed is seen before it is on disk; what is read may leave the process.
            log.Ran();
            log.DurableAsync(since).GetAwaiter().GetResult();
        }

        return result;
    }

    /// <summary>Runs what is queued and closes.</summary>
    public override async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (stopping)
            {
                return;
            }

            stopping = true;
            Monitor.PulseAll(gate);
        }

        foreach (var gatherer in (Gatherer[])[decides, looks])
        {
            lock (gatherer.Gate)
            {
                Monitor.PulseAll(gatherer.Gate);
            }
        }

        await ended.Task;
        lock (idleReaders)
        {
            while (idleReaders.TryPop(out var reader))
            {
                reader.Dispose();
            }
        }

        if (ownsLog)
        {
            log.Dispose();
        }
    }

    private void Run()
    {
        PostgresSession? session = null;
        while (Next(out var unit))
        {
            RunOne(ref session, unit!);
        }

        session?.Dispose();
        lock (gate)
        {
            if (--running == 0)
            {
                ended.SetResult();
            }
        }
    }

    private bool Next(out IUnit? unit)
    {
        lock (gate)
        {
            while (!queue.TryDequeue(out unit))
            {
                if (stopping)
                {
                    return false;
                }

                Monitor.Wait(gate);
            }

            return true;
        }
    }

    private void RunOne(ref PostgresSession? session, IUnit unit)
    {
        var (races, taken) = (0, 0);
        while (true)
        {
            var fresh = session is null;
            var committing = false;
            try
            {
                session ??= Connect();
                using var transaction = session.Connection.BeginTransaction();
                unit.Run(session);
                committing = true;
                transaction.Commit();
                log.Ran();
                unit.Deliver();
                return;
            }
            catch (StoreUnavailableException away)
            {
                unit.Fail(away);
                return;
            }
#pragma warning disable CA1031 // whatever a unit throws is its caller's, and undone here
            catch (Exception thrown)
#pragma warning restore CA1031
            {
                var trouble = PostgresTrouble.Of(thrown);
                if (trouble == Trouble.Away || session!.Connection.State != System.Data.ConnectionState.Open)
                {
                    session?.Dispose();
                    session = null;
                    log.Suspect();
                    if (!committing && !fresh)
                    {
                        continue;
                    }

                    unit.Fail(new StoreUnavailableException(PostgresTrouble.WhyNotOpened(target.Parsed, thrown), inDoubt: committing, thrown));
                    return;
                }

                if ((trouble == Trouble.Race && ++races <= MostRaces) || (trouble == Trouble.Taken && ++taken <= MostTaken))
                {
                    continue;
                }

                unit.Fail(thrown);
                return;
            }
        }
    }

    private void RunBatches(Gatherer gatherer)
    {
        NpgsqlConnection? connection = null;
        var known = new Dictionary<HotTable, Columns>();
        var units = new List<IUnit>();
        while (NextBatch(gatherer, units))
        {
            RunBatch(ref connection, known, units, gatherer.Holds);
            units.Clear();
        }

        connection?.Dispose();
        lock (gate)
        {
            if (--running == 0)
            {
                ended.SetResult();
            }
        }
    }

    /// <summary>All that have come. Where the last batch was large, company is on its way: it is waited for a moment, for a batch costs the same for two units and for twenty.</summary>
    private bool NextBatch(Gatherer gatherer, List<IUnit> units)
    {
        lock (gatherer.Gate)
        {
            while (gatherer.Queue.Count == 0)
            {
                if (stopping)
                {
                    return false;
                }

                Monitor.Wait(gatherer.Gate);
            }

            if (gatherer.Queue.Count < gatherer.Company && !stopping)
            {
                Monitor.Wait(gatherer.Gate, 1);
            }

            while (units.Count < MostInBatch && gatherer.Queue.TryDequeue(out var unit))
            {
                units.Add(unit);
            }

            gatherer.Company = units.Count < 4 ? 0 : units.Count;
            return true;
        }
    }

    private void RunBatch(ref NpgsqlConnection? connection, Dictionary<HotTable, Columns> known, List<IUnit> units, bool holds)
    {
        PostgresBatch? batch = null;
        var others = new List<IUnit>();
        try
        {
            connection ??= Opened(target.OpenForBatches);
            batch = new PostgresBatch(connection, known, holds);
            var done = batch.Run(units, others);
            log.Ran();
            done.ForEach(static unit => unit.Deliver());
            others.ForEach(ToWriters);
        }
        catch (StoreUnavailableException away)
        {
            units.ForEach(unit => unit.Fail(away));
        }
#pragma warning disable CA1031 // what one batch cannot do, its units do each alone
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            var away = PostgresTrouble.Of(thrown) == Trouble.Away || connection!.State != System.Data.ConnectionState.Open;
            try
            {
                if (!away)
                {
                    batch!.Rollback();
                }
            }
            catch (Exception broken) when (broken is NpgsqlException or InvalidOperationException)
            {
                away = true;
            }

            if (away)
            {
                connection?.Dispose();
                connection = null;
                log.Suspect();
            }

            if (batch is { Committing: true, Committed: true })
            {
                units.ForEach(unit => unit.Fail(thrown));
                return;
            }

            if (away && batch is { Committing: true })
            {
                var lost = new StoreUnavailableException(PostgresTrouble.WhyNotOpened(target.Parsed, thrown), inDoubt: true, thrown);
                units.ForEach(unit => unit.Fail(lost));
                return;
            }

            units.FindAll(static unit => !unit.Ended).ForEach(ToWriters);
        }
    }

    private (T Result, bool Ahead) ReadOnce<T>(Func<Session, T> query)
    {
        for (var fresh = false; ; fresh = true)
        {
            PostgresSession? reader = null;
            if (!fresh)
            {
                lock (idleReaders)
                {
                    idleReaders.TryPop(out reader);
                }
            }

            fresh |= reader is null;
            reader ??= new PostgresSession(Opened(target.OpenReader), holds: false);
            try
            {
                // Every statement of the query sees the same commits.
                using var transaction = reader.Connection.BeginTransaction(System.Data.IsolationLevel.RepeatableRead);
                var result = query(reader);
                var ahead = reader.Number("SELECT CASE WHEN pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn() OR current_setting('synchronous_standby_names') <> '' THEN 1 ELSE 0 END") == 1;
                transaction.Commit();
                lock (idleReaders)
                {
                    idleReaders.Push(reader);
                }

                return (result, ahead);
            }
            catch (Exception failure) when (PostgresTrouble.Of(failure) == Trouble.Away)
            {
                reader.Dispose();
                log.Suspect();
                if (fresh)
                {
                    throw new StoreUnavailableException(PostgresTrouble.WhyNotOpened(target.Parsed, failure), inDoubt: false, failure);
                }
            }
            catch
            {
                reader.Dispose();
                throw;
            }
        }
    }

    private PostgresSession Connect() => new(Opened(() => target.Open(synchronous: false)), holds: true);

    private NpgsqlConnection Opened(Func<NpgsqlConnection> open)
    {
        lock (gate)
        {
            if (refused is { } before && time.GetElapsedTime(refusedAt) < Breath)
            {
                throw new StoreUnavailableException(before.Message, inDoubt: false, before);
            }
        }

        try
        {
            var connection = open();
            lock (gate)
            {
                refused = null;
            }

            return connection;
        }
        catch (StoreUnavailableException away)
        {
            lock (gate)
            {
                (refused, refusedAt) = (away, time.GetTimestamp());
            }

            throw;
        }
    }

    private sealed class Gatherer(bool holds)
    {
        public object Gate { get; } = new();

        public Queue<IUnit> Queue { get; } = new();

        public bool Holds { get; } = holds;

        /// <summary>How many came together last time.</summary>
        public int Company { get; set; }
    }

    private interface IUnit : IBatchUnit
    {
        void Deliver();
    }

    private sealed class Unit<T>(Func<Session, T> unit, Action<Wanted>? wants) : IUnit
    {
        private readonly TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T result = default!;

        public Task<T> Task => done.Task;

        public bool Ended => done.Task.IsCompleted;

        public void Name(Wanted wanted) => wants?.Invoke(wanted);

        public void Run(Session session) => result = unit(session);

        public void Deliver() => done.TrySetResult(result);

        public void Fail(Exception why) => done.TrySetException(why);
    }
}
