using Npgsql;

namespace Majia.Storage;

/// <param name="Writers">Units at once; each has a connection of its own.</param>
/// <param name="FsyncMayBeOff">For tests whose subject is not durability.</param>
/// <param name="AloneAfter">After so many large commits with no small one between them and no unit with statements of its own, a node that is alone keeps rows (docs/decisions/0048).</param>
public sealed record PostgresOptions(int Writers = 4, bool FsyncMayBeOff = false, int AloneAfter = 16);

/// <summary>PostgreSQL 15 or newer: units side by side, here and on other nodes, each a transaction that others see when it has run (decisions.md 22; docs/decisions/0013).</summary>
/// <remarks>
/// A unit commits without waiting for the disk; <see cref="DurableAsync(StoreMark)"/> waits for one flush that covers every commit before it, of every party on the same server.
/// A unit that met another one (serialisation, deadlock, unique row) is undone and run again. A connection that broke before its commit is opened anew, and the unit run on it;
/// one that breaks while it commits leaves the unit in doubt, and says so.
/// </remarks>
public sealed class PostgresStore : Store
{
    private const int MostRaces = 30, MostTaken = 5;

    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(200);

    private readonly object gate = new();
    private readonly PostgresTarget target;
    private readonly PostgresLog log;
    private readonly bool owns;
    private readonly TimeProvider time;
    private readonly Queue<IStoreUnit> queue = new();
    private readonly PostgresHotUnits hot;
    private readonly long[] keys;
    private readonly string role;
    private readonly Stack<PostgresSession> idleReaders = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int running;
    private bool stopping;

    // Under the gate: after a refused connection the next attempt waits a little, and units until then are told the same.
    private long refusedAt;
    private StoreUnavailableException? refused;

    /// <param name="role">Whose tables its hot units touch; empty: the login's own.</param>
    /// <param name="parties">Whose they are.</param>
    /// <param name="owns">Hot units' place and log end with this store.</param>
    internal PostgresStore(PostgresTarget target, PostgresLog log, PostgresHotUnits hot, string role, IReadOnlyList<string> parties, bool owns, TimeProvider time, int writers)
    {
        (this.target, this.log, this.hot, this.role, this.owns, this.time) = (target, log, hot, role, owns, time);
        keys = PostgresKeys.Writers(parties);
        running = writers;
        for (var i = 0; i < writers; i++)
        {
#pragma warning disable RS0030 // each writer has a thread of its own: it blocks on the server, and a pool thread must not
            new Thread(Run) { IsBackground = true, Name = "storage writer" }.Start();
#pragma warning restore RS0030
        }
    }

    /// <summary>Opens the database, whose schemas are made and migrated where they are due, as one store for all of them. Throws <see cref="StoreException"/> when it cannot be used.</summary>
    public static PostgresStore Open(string connectionString, IReadOnlyList<PartySchema> schemas, TimeProvider time, PostgresOptions? options = null)
    {
        options ??= new();
        var (target, _) = PostgresDatabase.Prepare(connectionString, schemas, options);
        string[] parties = [.. schemas.Select(schema => schema.Party)];
        var whole = new PostgresTarget(connectionString, null, parties);
        var log = new PostgresLog(target);
        return new PostgresStore(whole, log, new PostgresHotUnits(whole, log, time, parties, new Dictionary<string, string>(), options.AloneAfter), string.Empty, parties, owns: true, time, options.Writers);
    }

    /// <summary>Looks at the committed rows of one party, as its role, on a connection of its own that writes nothing.</summary>
    /// <param name="party">Null: as the login, in no party's schema.</param>
    /// <exception cref="StoreException">The database cannot be reached, or it refuses.</exception>
    public static T Peek<T>(string connectionString, string? party, Func<Session, T> query)
    {
        var target = new PostgresTarget(connectionString);
        try
        {
            if (party is not null)
            {
                using var login = new PostgresSession(target.OpenReader(), holds: false);
                target = new PostgresTarget(connectionString, login.Text("SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1", party), [party]);
            }

            using var reader = new PostgresSession(target.OpenReader(), holds: false);
            using var transaction = reader.Connection.BeginTransaction(System.Data.IsolationLevel.RepeatableRead);
            return query(reader);
        }
        catch (StoreUnavailableException away)
        {
            throw PostgresTrouble.OfStart(away);
        }
        catch (NpgsqlException failure)
        {
            throw new StoreException(PostgresTrouble.WhyNotOpened(target.Parsed, failure), failure);
        }
    }

    /// <summary>A unit with statements of its own sees what hot units before it have made: their transaction is committed first.</summary>
    public override Task<T> WriteAsync<T>(Func<Session, T> unit)
    {
        var entry = new Unit<T>(this, unit, null);
        if (hot.SharedAsync(role, StoreFlow.Current) is { IsCompleted: false } settled)
        {
            _ = AfterAsync(settled, entry);
        }
        else
        {
            ToWriters(entry);
        }

        return entry.Task;
    }

    /// <summary>Hot units of all parties gather in one transaction.</summary>
    public override Task<T> WriteAsync<T>(Func<Session, T> unit, Action<Wanted> wants)
    {
        var entry = new Unit<T>(this, unit, wants);
        hot.Gather(entry);
        return entry.Task;
    }

    /// <summary>For one that the gatherer cannot run.</summary>
    internal void RunAlone(IStoreUnit unit)
    {
        if (hot.SharedAsync(role, unit.Flow) is { IsCompleted: false } settled)
        {
            _ = AfterAsync(settled, unit);
        }
        else
        {
            ToWriters(unit);
        }
    }

    private async Task AfterAsync(Task settled, IStoreUnit unit)
    {
        try
        {
            await settled;
        }
        catch (StoreFailedException)
        {
            // What was lost is for whoever waits for it; this unit runs on what stands.
        }

        try
        {
            ToWriters(unit);
        }
        catch (ObjectDisposedException closed)
        {
            unit.Fail(closed);
        }
    }

    private void ToWriters(IStoreUnit unit)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(stopping && running == 0, this);
            queue.Enqueue(unit);
            Monitor.Pulse(gate);
        }
    }

    public override StoreFailedException? Failure => log.Failure;

    /// <summary>This process alone writes hot rows now, and keeps them in memory (docs/decisions/0048).</summary>
    public bool KeepsRows => hot.IsAlone;

    public override StoreMark Mark() => log.Mark() with { Flow = StoreFlow.Begin() };

    public override Task DurableAsync() => DurableAsync(log.Mark());

    public override Task DurableAsync(StoreMark since) =>
        hot.SettledAsync(since.Flow ?? StoreFlow.Current) is { IsCompletedSuccessfully: false } settled ? SettledAndDurableAsync(settled, since) : log.DurableAsync(since);

    private async Task SettledAndDurableAsync(Task settled, StoreMark since)
    {
        await settled;
        await log.DurableAsync(since);
    }

    public override T Read<T>(Func<Session, T> query)
    {
        var since = log.Mark();
        hot.Settle(StoreFlow.Current);
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
        if (owns)
        {
            await hot.DisposeAsync();
        }

        lock (gate)
        {
            if (stopping)
            {
                return;
            }

            stopping = true;
            Monitor.PulseAll(gate);
        }

        await ended.Task;
        lock (idleReaders)
        {
            while (idleReaders.TryPop(out var reader))
            {
                reader.Dispose();
            }
        }

        if (owns)
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

    private bool Next(out IStoreUnit? unit)
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

    private void RunOne(ref PostgresSession? session, IStoreUnit unit)
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
                session.Number(PostgresKeys.Share, keys);
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

    private sealed class Unit<T>(PostgresStore store, Func<Session, T> unit, Action<Wanted>? wants) : IStoreUnit
    {
        private readonly TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T result = default!;

        public Task<T> Task => done.Task;

        public string Role => store.role;

        public StoreFlow? Flow { get; } = wants is null ? null : StoreFlow.Current;

        public bool Ended => done.Task.IsCompleted;

        public void Name(Wanted wanted) => wants?.Invoke(wanted);

        public void Run(Session session) => result = unit(session);

        public void Deliver() => done.TrySetResult(result);

        public void Alone() => store.RunAlone(this);

        public void Fail(Exception why) => done.TrySetException(why);
    }
}

/// <summary>A unit with the store that it came to.</summary>
internal interface IStoreUnit : IBatchUnit
{
    void Deliver();

    /// <summary>Of which request; null: of none.</summary>
    StoreFlow? Flow { get; }

    /// <summary>In a transaction of its own.</summary>
    void Alone();
}
