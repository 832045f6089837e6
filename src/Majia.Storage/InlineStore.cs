using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>An in-memory database for simulation and tests: units run on the calling thread, a commit is made when somebody asks for it (decisions.md 28).</summary>
/// <remarks>
/// It promises what <see cref="SqliteStore"/> promises and no more: readers see committed rows only, and a crash
/// (<see cref="Snapshot"/> given to a new store) forgets every unit that nobody made durable.
/// With a disk that takes its time, units run ahead of the commit under way as they do there (docs/decisions/0039).
/// </remarks>
public sealed class InlineStore : Store
{
    private readonly Lock gate = new();
    private readonly SqliteSession writer;

    /// <summary>The same connection without the rows in memory: what is committed, while the writer has no transaction open.</summary>
    private readonly SqliteSession committed;
    private readonly Action<Action>? disk;
    private StoreFailedException? failure;
    private bool running;
    private bool closed;

    /// <summary>Units ran since the last seal.</summary>
    private bool pending;

    /// <summary>Who waits for them, while an earlier commit is under way.</summary>
    private TaskCompletionSource? waiting;
    private Flight? flight;

    // The committed image while a transaction is open, and a reader on it.
    private nint image;
    private long imageLength;
    private SqliteSession? reader;

    /// <param name="schemas">Migrated as in production.</param>
    /// <param name="snapshot">What another store had committed.</param>
    /// <param name="disk">Calls back, later, when a commit has reached the disk; null: at once. Never called back, the commit is lost.</param>
    public InlineStore(IReadOnlyList<PartySchema> schemas, byte[]? snapshot = null, Action<Action>? disk = null)
    {
        this.disk = disk;
        var connection = Connect();
        committed = new SqliteSession(connection);
        writer = new SqliteSession(connection, writer: true, beside: committed) { Opening = KeepImage };
        if (snapshot is not null)
        {
            using var source = new SqliteSession(Connect());
            var copy = Marshal.AllocHGlobal(snapshot.Length);
            Marshal.Copy(snapshot, 0, copy, snapshot.Length);
            Load(source, copy, snapshot.Length);
            source.Connection.BackupDatabase(connection);
            source.Dispose();
            Marshal.FreeHGlobal(copy);
        }

        Migrations.Check(writer, schemas, "the snapshot");
        Migrations.Run(connection, "PRAGMA foreign_keys = ON");
        Migrations.Apply(writer, schemas);
    }

    public InlineStore(params PartySchema[] schemas)
        : this((IReadOnlyList<PartySchema>)schemas)
    {
    }

    /// <summary>Simulated disk trouble: the next commit fails with this message, and with it the store.</summary>
    public string? FailNextCommit { get; set; }

    /// <summary>Units that ran while a commit was under way.</summary>
    public long RanAhead { get; private set; }

    public override Task<T> WriteAsync<T>(Func<Session, T> unit)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            if (running)
            {
                throw new InvalidOperationException("a unit touches nothing but its session");
            }

            if (flight is not null && writer.HasOwnWrites)
            {
                Land(flight);
            }

            if (failure is not null)
            {
                return Task.FromException<T>(failure);
            }

            running = true;
            try
            {
                return RunUnit(unit);
            }
            finally
            {
                running = false;
            }
        }
    }

    public override Task DurableAsync()
    {
        lock (gate)
        {
            if (failure is not null)
            {
                return Task.FromException(failure);
            }

            if (!pending)
            {
                return flight?.Durable.Task ?? Task.CompletedTask;
            }

            if (flight is not null)
            {
                return (waiting ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            return Seal();
        }
    }

    public override StoreFailedException? Failure => Volatile.Read(ref failure);

    public override T Read<T>(Func<Session, T> query)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            if (running)
            {
                throw new InvalidOperationException("a unit touches nothing but its session: a reader inside it would wait for the unit to end");
            }

            if (!writer.HasOwnWrites)
            {
                return query(committed);
            }

            if (reader is null)
            {
                reader = new SqliteSession(Connect());
                Load(reader, image, imageLength);
            }

            return query(reader);
        }
    }

    /// <summary>Makes everything durable now, whatever the disk says.</summary>
    public void Flush()
    {
        lock (gate)
        {
            while (failure is null && (flight is not null || pending))
            {
                if (flight is null)
                {
                    _ = Seal();
                }

                if (flight is not null)
                {
                    Land(flight);
                }
            }
        }
    }

    /// <summary>The image of the last commit: what a machine finds that comes back after the power failed now.</summary>
    public byte[] Snapshot()
    {
        lock (gate)
        {
            var data = writer.HasOwnWrites ? image : SQLitePCL.raw.sqlite3_serialize(writer.Connection.Handle, "main", out imageLength, 0);
            var bytes = new byte[imageLength];
            Marshal.Copy(data, bytes, 0, bytes.Length);
            if (!writer.HasOwnWrites)
            {
                SQLitePCL.raw.sqlite3_free(data);
            }

            return bytes;
        }
    }

    public override ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (!closed)
            {
                Flush();
                closed = true;
                writer.Dispose();
            }
        }

        return ValueTask.CompletedTask;
    }

    private Task<T> RunUnit<T>(Func<Session, T> unit)
    {
        writer.BeginUnit(whileCommitting: flight is not null);
        try
        {
            var result = unit(writer);
            if (!writer.NeedsConnection)
            {
                writer.EndUnit();
                pending = true;
                RanAhead += flight is null ? 0 : 1;
                return Task.FromResult(result);
            }
        }
#pragma warning disable CA1031 // whatever a unit throws is its caller's, and undone here
        catch (Exception error)
#pragma warning restore CA1031
        {
            if (!writer.NeedsConnection)
            {
                writer.UndoUnit();
                return Task.FromException<T>(error);
            }
        }

        // It ran ahead and has a statement of its own: not before the commit under way has landed.
        writer.UndoUnit();
        Land(flight!);
        return failure is null ? RunUnit(unit) : Task.FromException<T>(failure);
    }

    private Task Seal()
    {
        pending = false;
        var sealedNow = flight = new Flight(writer.Seal(), waiting ?? new(TaskCreationOptions.RunContinuationsAsynchronously));
        waiting = null;
        if (disk is null)
        {
            Land(sealedNow);
        }
        else
        {
            disk(() =>
            {
                lock (gate)
                {
                    Land(sealedNow);
                }
            });
        }

        return sealedNow.Durable.Task;
    }

    private void Land(Flight landing)
    {
        if (landing != flight)
        {
            return;
        }

        flight = null;
        if (FailNextCommit is { } message)
        {
            failure = new StoreFailedException(message);
            writer.Rollback();
            EndImage();
            Tell(landing.Durable);
            Tell(waiting);
            return;
        }

        writer.Commit(landing.Writes);
        EndImage();
        landing.Durable.TrySetResult();
        if (waiting is not null)
        {
            _ = Seal();
        }

        void Tell(TaskCompletionSource? who)
        {
            if (who?.TrySetException(failure) == true)
            {
                _ = who.Task.Exception;
            }
        }
    }

    private void KeepImage() => image = SQLitePCL.raw.sqlite3_serialize(writer.Connection.Handle, "main", out imageLength, 0);

    private void EndImage()
    {
        reader?.Dispose();
        reader = null;
        if (image != 0)
        {
            SQLitePCL.raw.sqlite3_free(image);
            image = 0;
        }
    }

    private static SqliteConnection Connect()
    {
        var connection = new SqliteConnection("Data Source=:memory:;Pooling=False");
        connection.Open();
        return connection;
    }

    /// <summary>Lets an empty connection read an image that stays its caller's.</summary>
    private static void Load(SqliteSession session, nint data, long length)
    {
        var code = SQLitePCL.raw.sqlite3_deserialize(session.Connection.Handle, "main", data, length, length, SQLitePCL.raw.SQLITE_DESERIALIZE_READONLY);
        if (code != SQLitePCL.raw.SQLITE_OK)
        {
            throw new StoreException($"the snapshot cannot be read (SQLite {code})");
        }
    }

    /// <summary>A commit on its way to the disk.</summary>
    private sealed record Flight(List<RowWrite> Writes, TaskCompletionSource Durable);
}
