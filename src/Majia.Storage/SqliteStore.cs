using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace Majia.Storage;

/// <summary>SQLite in a file: WAL, synchronous=FULL, one writer with group commit (decisions.md 22, <see cref="CommitPipeline"/>).</summary>
public sealed class SqliteStore : Store
{
    private readonly SqliteSession writer;
    private readonly Checkpoints checkpoints;
    private readonly CommitPipeline pipeline;
    private readonly string readerConnection;
    private readonly Stack<SqliteSession> idleReaders = new();

    /// <summary>Before the first connection of this process. A connection here is never used by two threads at once, so the library need not lock each call (SQLITE_CONFIG_MULTITHREAD), nor count what it allocates.</summary>
    static SqliteStore()
    {
        const int MultiThread = 2, MemoryStatus = 9;
        SQLitePCL.Batteries_V2.Init();
        _ = SQLitePCL.raw.sqlite3_config(MultiThread);
        _ = SQLitePCL.raw.sqlite3_config(MemoryStatus, 0);
    }

    private SqliteStore(SqliteSession writer, Checkpoints checkpoints, string path, string readerConnection, TimeProvider time, GroupCommit policy, RedoDisk disk)
    {
        this.writer = writer;
        this.checkpoints = checkpoints;
        this.readerConnection = readerConnection;
        pipeline = new CommitPipeline(writer, checkpoints, path, disk, policy, time);
    }

    /// <summary>Opens or creates the database, readable by its owner only, and migrates it. Throws <see cref="StoreException"/> when it cannot be used.</summary>
    public static SqliteStore Open(string path, IReadOnlyList<PartySchema> schemas, TimeProvider time, GroupCommit? policy = null, LogBounds? log = null) =>
        Open(path, schemas, time, RedoDisk.Real, policy ?? new GroupCommit(), log ?? new LogBounds());

    /// <summary>As the other one, on a disk that may be a test's.</summary>
    internal static SqliteStore Open(string path, IReadOnlyList<PartySchema> schemas, TimeProvider time, RedoDisk disk, GroupCommit policy, LogBounds log)
    {
        try
        {
            CreateForOwner(path);
            var writing = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ToString();
            var reading = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString();
            var writer = new SqliteSession(Connect(writing), writer: true, beside: OpenReader(reading));
            try
            {
                Migrations.Check(writer, schemas, path);
                Migrations.Run(writer.Connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 0");
                TakeIn(writer, path);
                Migrations.Apply(writer, schemas);
                var copying = Connect(writing);
                Migrations.Run(copying, "PRAGMA synchronous = FULL");
                return new SqliteStore(writer, new Checkpoints(writer.Connection, copying, log), path, reading, time, policy, disk);
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

    /// <summary>What the log has of an earlier process, by the schema of that process: before any migration.</summary>
    private static void TakeIn(SqliteSession writer, string path)
    {
        if (RedoRecovery.Look(path) is { } left)
        {
            RedoRecovery.Replay(writer, left);
        }

        RedoRecovery.Delete(path);
    }

    /// <summary>Looks at the committed rows of a database that another process may hold open, or has left. Throws <see cref="StoreException"/> when there is none.</summary>
    public static T Peek<T>(string path, Func<Session, T> query)
    {
        try
        {
            if (RedoRecovery.Waits(path))
            {
                return Snapshots.Look(path, query);
            }

            using var reader = new SqliteSession(Connect(path, SqliteOpenMode.ReadOnly));
            return query(reader);
        }
        catch (SqliteException error)
        {
            throw new StoreException($"the database {path} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Whether a database that no process has open lacks commits that are in the log beside it: its next start writes them.</summary>
    public static bool HasWaiting(string path) => RedoRecovery.Waits(path);

    public override Task<T> WriteAsync<T>(Func<Session, T> unit) => pipeline.WriteAsync(unit);

    public override Task DurableAsync() => pipeline.DurableAsync();

    public override StoreFailedException? Failure => pipeline.Failure;

    public override T Read<T>(Func<Session, T> query)
    {
        pipeline.Settle();
        return ReadCold(query);
    }

    public override T ReadCold<T>(Func<Session, T> query)
    {
        SqliteSession? reader;
        lock (idleReaders)
        {
            idleReaders.TryPop(out reader);
        }

        reader ??= OpenReader(readerConnection);
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
        if (!pipeline.Stop(out var ended))
        {
            return;
        }

        await ended;
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

    private static SqliteSession OpenReader(string connectionString)
    {
        var session = new SqliteSession(Connect(connectionString));
        Migrations.Run(session.Connection, "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY");
        return session;
    }

    internal static SqliteConnection Connect(string path, SqliteOpenMode mode) => Connect(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false }.ToString());

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
}
