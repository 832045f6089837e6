using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>When the writer commits without being asked.</summary>
/// <param name="IdleMilliseconds">After this long with nothing to run and nobody waiting.</param>
/// <param name="MaxUnits">Units in one commit.</param>
/// <param name="MaxAgeMilliseconds">While somebody waits and others keep coming, the oldest unit waits no longer than this.</param>
public sealed record GroupCommit(int IdleMilliseconds = 50, int MaxUnits = 512, int MaxAgeMilliseconds = 5);

/// <summary>SQLite in a file: WAL, synchronous=FULL, one writer thread with group commit (decisions.md 22).</summary>
/// <remarks>
/// Units run one after the other in one open transaction, each in a savepoint. Results are handed back when a unit has run.
/// A unit that finds the writer free runs at once on its caller's thread, the others queue up; only the writer's own thread ever waits for the disk.
/// The commit is driven by demand: as soon as somebody waits in <see cref="DurableAsync"/> and nothing is left to run, so a lone caller waits for one commit and not for company.
/// Whoever had to queue during the last commit is company on its way: the next commit waits for as many to be ready, while there is something to run, and no longer than the policy says.
/// </remarks>
public sealed class SqliteStore : Store
{
    private readonly object gate = new();
    private readonly SqliteSession writer;
    private readonly Checkpoints checkpoints;
    private readonly string readerConnection;
    private readonly Stack<SqliteSession> idleReaders = new();
    private readonly GroupCommit policy;
    private readonly TimeProvider time;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the gate.
    private Queue<IUnit> queue = new();
    private Batch batch = new();
    private int company;
    private bool busy;
    private bool due;

    /// <summary>How long the writer's thread sleeps at most, in milliseconds: it is woken only where that is too long.</summary>
    private int patience = Timeout.Infinite;
    private bool stopping;
    private StoreFailedException? failure;

    /// <summary>Before the first connection of this process. A connection here is never used by two threads at once, so the library need not lock each call (SQLITE_CONFIG_MULTITHREAD), nor count what it allocates.</summary>
    static SqliteStore()
    {
        const int MultiThread = 2, MemoryStatus = 9;
        SQLitePCL.Batteries_V2.Init();
        _ = SQLitePCL.raw.sqlite3_config(MultiThread);
        _ = SQLitePCL.raw.sqlite3_config(MemoryStatus, 0);
    }

    private SqliteStore(SqliteSession writer, Checkpoints checkpoints, string readerConnection, TimeProvider time, GroupCommit policy)
    {
        this.writer = writer;
        this.checkpoints = checkpoints;
        this.readerConnection = readerConnection;
        this.time = time;
        this.policy = policy;
    }

    /// <summary>Opens or creates the database, readable by its owner only, and migrates it. Throws <see cref="StoreException"/> when it cannot be used.</summary>
    public static SqliteStore Open(string path, IReadOnlyList<PartySchema> schemas, TimeProvider time, GroupCommit? policy = null, LogBounds? log = null)
    {
        try
        {
            CreateForOwner(path);
            var writing = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ToString();
            var writer = new SqliteSession(Connect(writing), writer: true);
            try
            {
                Migrations.Check(writer, schemas, path);
                Migrations.Run(writer.Connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 0");
                Migrations.Apply(writer, schemas);
                var copying = Connect(writing);
                Migrations.Run(copying, "PRAGMA synchronous = FULL");
                var store = new SqliteStore(writer, new Checkpoints(writer.Connection, copying, log ?? new LogBounds()), new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString(), time, policy ?? new GroupCommit());
#pragma warning disable RS0030 // the one writer has a thread of its own: SQLite blocks, and a pool thread must not wait for the disk
                new Thread(store.Run) { IsBackground = true, Name = "storage writer" }.Start();
#pragma warning restore RS0030
                return store;
            }
            catch
            {
                writer.Dispose();
                throw;
            }
        }
        catch (SqliteException error) when (error.SqliteErrorCode == SQLitePCL.raw.SQLITE_NOTADB)
        {
            throw new StoreException($"{path} is not a database; nothing in it was touched", error);
        }
        catch (Exception error) when (error is SqliteException or IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"the database {path} cannot be opened: {error.Message}", error);
        }
    }

    /// <summary>Looks at the committed rows of a database that another process may hold open. Throws <see cref="StoreException"/> when there is none.</summary>
    public static T Peek<T>(string path, Func<Session, T> query)
    {
        try
        {
            using var reader = new SqliteSession(Connect(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString()));
            return query(reader);
        }
        catch (SqliteException error)
        {
            throw new StoreException($"the database {path} cannot be read: {error.Message}", error);
        }
    }

    public override Task<T> WriteAsync<T>(Func<Session, T> unit)
    {
        var entry = new Unit<T>(unit);
        lock (gate)
        {
            if (failure is not null)
            {
                return Task.FromException<T>(failure);
            }

            ObjectDisposedException.ThrowIf(stopping, this);
            if (busy || due || queue.Count > 0)
            {
                queue.Enqueue(entry);
                if (!busy)
                {
                    Monitor.Pulse(gate);
                }

                return entry.Task;
            }

            busy = true;
        }

        RunHere(entry);
        return entry.Task;
    }

    public override Task DurableAsync()
    {
        lock (gate)
        {
            if (failure is not null)
            {
                return Task.FromException(failure);
            }

            if (batch.Units == 0)
            {
                return Task.CompletedTask;
            }

            batch.Waiting++;
            if (batch.Waiting == 1 || batch.Waiting >= company)
            {
                due |= batch.Waiting >= company;
                if (!busy)
                {
                    Monitor.Pulse(gate);
                }
            }

            return batch.Durable.Task;
        }
    }

    public override StoreFailedException? Failure => Volatile.Read(ref failure);

    public override T Read<T>(Func<Session, T> query)
    {
        SqliteSession? reader;
        lock (idleReaders)
        {
            idleReaders.TryPop(out reader);
        }

        reader ??= OpenReader();
        try
        {
            // A deferred transaction: every statement of the query sees the same commit.
            reader.Run("BEGIN");
            try
            {
                return query(reader);
            }
            finally
            {
                reader.Run("COMMIT");
            }
        }
        finally
        {
            lock (idleReaders)
            {
                idleReaders.Push(reader);
            }
        }
    }

    /// <summary>Runs what is queued, commits and closes.</summary>
    public override async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (stopping)
            {
                return;
            }

            stopping = true;
            Monitor.Pulse(gate);
        }

        await ended.Task;
        await checkpoints.DisposeAsync();
        lock (idleReaders)
        {
            while (idleReaders.TryPop(out var reader))
            {
                reader.Dispose();
            }
        }

        writer.Dispose();
    }

    /// <summary>Runs one unit on the thread of its caller, who has found the writer free; then what came meanwhile, once.</summary>
    private void RunHere(IUnit unit)
    {
        var more = new Queue<IUnit>(0);
        if (RunOne(unit) && !CommitDue())
        {
            lock (gate)
            {
                if (queue.Count > 0 && !due)
                {
                    (queue, more) = (more, queue);
                }
            }

            RunAll(more);
        }

        Free(CommitDue());
    }

    private void RunAll(Queue<IUnit> running)
    {
        while (running.TryDequeue(out var unit))
        {
            if (!RunOne(unit))
            {
                Abandon(running);
            }
        }
    }

    /// <summary>Gives the writer back, and wakes its thread where there is something for it.</summary>
    private void Free(bool commit)
    {
        lock (gate)
        {
            busy = false;
            due |= commit;
            var soon = batch.Waiting > 0 && (batch.Waiting >= company || patience != 1);
            if (due || queue.Count > 0 || soon || (batch.Units > 0 && patience == Timeout.Infinite) || stopping)
            {
                Monitor.Pulse(gate);
            }
        }
    }

    private void Run()
    {
        var running = new Queue<IUnit>();
        while (Next(ref running, out var commit))
        {
            if (commit)
            {
                Commit();
            }
            else
            {
                RunAll(running);
            }

            Free(CommitDue());
        }

        ended.SetResult();
    }

    /// <summary>Takes the writer, for units or for a commit that is wanted or due; false when the store has stopped.</summary>
    private bool Next(ref Queue<IUnit> running, out bool commit)
    {
        lock (gate)
        {
            var seen = -1;
            var quiet = false;
            while (true)
            {
                commit = batch.Units > 0 && (due || (queue.Count == 0 && (stopping || quiet || (batch.Waiting > 0 && batch.Waiting >= company))));
                due &= batch.Units > 0;
                if (!busy && (commit || queue.Count > 0))
                {
                    busy = true;
                    if (!commit)
                    {
                        (queue, running) = (running, queue);
                    }

                    return true;
                }

                if (batch.Units == 0 && queue.Count == 0 && stopping && !busy)
                {
                    return false;
                }

                // Quiet: nobody ran anything for this long, whoever is expected.
                seen = batch.Units;
                patience = batch.Units == 0 && !busy ? Timeout.Infinite : batch.Waiting > 0 ? 1 : policy.IdleMilliseconds;
                quiet = !Monitor.Wait(gate, patience) && !busy && batch.Units == seen;
            }
        }
    }

    private bool RunOne(IUnit unit)
    {
        try
        {
            if (batch.Units == 0)
            {
                if (!writer.InTransaction)
                {
                    writer.Run("BEGIN IMMEDIATE");
                }

                batch.Since = time.GetTimestamp();
            }

            writer.BeginUnit();
        }
        catch (SqliteException error)
        {
            Fail(error);
            unit.Fail(failure!);
            return false;
        }

        Exception? thrown = null;
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

        try
        {
            if (!writer.InTransaction)
            {
                // Disk full or broken: SQLite gave up the whole transaction, and with it the units before this one.
                throw thrown as SqliteException ?? new SqliteException("a unit ended the transaction", SQLitePCL.raw.SQLITE_MISUSE);
            }

            if (thrown is not null)
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
            Fail(error);
            unit.Fail(failure!);
            return false;
        }

        if (thrown is SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_FULL or SQLitePCL.raw.SQLITE_IOERR or SQLitePCL.raw.SQLITE_CORRUPT or SQLitePCL.raw.SQLITE_READONLY } broken)
        {
            Fail(broken);
            unit.Fail(failure!);
            return false;
        }

        if (thrown is not null)
        {
            unit.Fail(thrown);
            return true;
        }

        lock (gate)
        {
            batch.Units++;
        }

        unit.Deliver();
        return true;
    }

    private bool CommitDue() =>
        batch.Units >= policy.MaxUnits
        || (batch.Units > 0 && time.GetElapsedTime(batch.Since).TotalMilliseconds >= (Volatile.Read(ref batch.Waiting) > 0 ? policy.MaxAgeMilliseconds : policy.IdleMilliseconds));

    private bool Commit()
    {
        try
        {
            writer.Commit();
            StorageMeasures.CommitUnits.Record(batch.Units);
        }
        catch (SqliteException error)
        {
            Fail(error);
            return false;
        }

        Batch done;
        lock (gate)
        {
            done = batch;
            batch = new Batch();
            due = false;
            company = queue.Count;
        }

        done.Durable.TrySetResult();
        checkpoints.Committed();
        return true;
    }

    /// <summary>No commit any more: who waits and who comes is told so, and nothing that was not durable has been answered.</summary>
    private void Fail(SqliteException error)
    {
        Queue<IUnit> refused;
        Batch lost;
        lock (gate)
        {
            failure = new StoreFailedException($"the database cannot be written any more ({error.Message}); everything answered so far is kept, restart when there is room and the disk is well", error);
            (refused, queue) = (queue, new Queue<IUnit>());
            lost = batch;
            batch = new Batch();
            due = false;
            company = 0;
        }

        if (writer.InTransaction)
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
        Abandon(refused);
    }

    private void Abandon(Queue<IUnit> units)
    {
        while (units.TryDequeue(out var unit))
        {
            unit.Fail(failure!);
        }
    }

    private SqliteSession OpenReader()
    {
        var session = new SqliteSession(Connect(readerConnection));
        Migrations.Run(session.Connection, "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY");
        return session;
    }

    private static SqliteConnection Connect(string connectionString)
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        Migrations.Run(connection, "PRAGMA busy_timeout = 5000");
        return connection;
    }

    internal static void CreateForOwner(string path)
    {
        if (File.Exists(path))
        {
            return;
        }

        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Windows))
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        new FileStream(path, options).Dispose();
    }

    /// <summary>The units of one commit, and who waits for it.</summary>
    private sealed class Batch
    {
        public readonly TaskCompletionSource Durable = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public int Units;
        public int Waiting;
        public long Since;
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
