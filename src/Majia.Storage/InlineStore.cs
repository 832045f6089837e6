using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>An in-memory database for simulation and tests: units run on the calling thread, a commit is made when somebody asks for it (decisions.md 28).</summary>
/// <remarks>
/// It promises what <see cref="SqliteStore"/> promises and no more: readers see committed rows only, and a crash
/// (<see cref="Snapshot"/> given to a new store) forgets every unit that nobody made durable.
/// </remarks>
public sealed class InlineStore : Store
{
    private readonly Lock gate = new();
    private readonly SqliteSession writer;
    private StoreFailedException? failure;
    private bool running;
    private bool closed;

    // The committed image while units are open, and a reader on it.
    private bool open;
    private nint image;
    private long imageLength;
    private SqliteSession? reader;

    /// <param name="schemas">Migrated as in production.</param>
    /// <param name="snapshot">What another store had committed.</param>
    public InlineStore(IReadOnlyList<PartySchema> schemas, byte[]? snapshot = null)
    {
        writer = Connect(writer: true);
        if (snapshot is not null)
        {
            using var source = Connect();
            var copy = Marshal.AllocHGlobal(snapshot.Length);
            Marshal.Copy(snapshot, 0, copy, snapshot.Length);
            Load(source, copy, snapshot.Length);
            source.Connection.BackupDatabase(writer.Connection);
            source.Dispose();
            Marshal.FreeHGlobal(copy);
        }

        Migrations.Check(writer, schemas, "the snapshot");
        Migrations.Run(writer.Connection, "PRAGMA foreign_keys = ON");
        Migrations.Apply(writer, schemas);
    }

    public InlineStore(params PartySchema[] schemas)
        : this((IReadOnlyList<PartySchema>)schemas)
    {
    }

    /// <summary>Simulated disk trouble: the next commit fails with this message, and with it the store.</summary>
    public string? FailNextCommit { get; set; }

    public override Task<T> WriteAsync<T>(Func<Session, T> unit)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            if (running)
            {
                throw new InvalidOperationException("a unit touches nothing but its session");
            }

            if (failure is not null)
            {
                return Task.FromException<T>(failure);
            }

            if (!open)
            {
                image = SQLitePCL.raw.sqlite3_serialize(writer.Connection.Handle, "main", out imageLength, 0);
                writer.Run("BEGIN IMMEDIATE");
                open = true;
            }

            running = true;
            writer.BeginUnit();
            try
            {
                var result = unit(writer);
                writer.EndUnit();
                return Task.FromResult(result);
            }
#pragma warning disable CA1031 // whatever a unit throws is its caller's, and undone here
            catch (Exception error)
#pragma warning restore CA1031
            {
                writer.UndoUnit();
                return Task.FromException<T>(error);
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

            if (!open)
            {
                return Task.CompletedTask;
            }

            if (FailNextCommit is { } message)
            {
                failure = new StoreFailedException(message);
                EndTransaction(commit: false);
                return Task.FromException(failure);
            }

            EndTransaction(commit: true);
            return Task.CompletedTask;
        }
    }

    public override StoreFailedException? Failure => Volatile.Read(ref failure);

    public override T Read<T>(Func<Session, T> query)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            if (!open)
            {
                return query(writer);
            }

            if (reader is null)
            {
                reader = Connect();
                Load(reader, image, imageLength);
            }

            return query(reader);
        }
    }

    /// <summary>The image of the last commit: what a machine finds that comes back after the power failed now.</summary>
    public byte[] Snapshot()
    {
        lock (gate)
        {
            var data = open ? image : SQLitePCL.raw.sqlite3_serialize(writer.Connection.Handle, "main", out imageLength, 0);
            var bytes = new byte[imageLength];
            Marshal.Copy(data, bytes, 0, bytes.Length);
            if (!open)
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
                closed = true;
                if (open)
                {
                    EndTransaction(commit: failure is null);
                }

                writer.Dispose();
            }
        }

        return ValueTask.CompletedTask;
    }

    private void EndTransaction(bool commit)
    {
        if (commit)
        {
            writer.Commit();
        }
        else
        {
            writer.Rollback();
        }

        open = false;
        reader?.Dispose();
        reader = null;
        SQLitePCL.raw.sqlite3_free(image);
        image = 0;
    }

    private static SqliteSession Connect(bool writer = false)
    {
        var connection = new SqliteConnection("Data Source=:memory:;Pooling=False");
        connection.Open();
        return new SqliteSession(connection, writer);
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
}
