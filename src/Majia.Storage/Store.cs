using Majia.Core.Contracts;

namespace Majia.Storage;

/// <summary>One party's forward-only schema: version n is statement list n − 1. Table names start with the party's prefix.</summary>
/// <param name="ReadByAll">Not one party's: every party of the same database may look at it.</param>
public sealed record PartySchema(string Party, IReadOnlyList<string> Migrations, bool ReadByAll = false);

/// <summary>The one door to a database: one writer with group commit, any number of readers (decisions.md 22).</summary>
/// <remarks>
/// <see cref="WriteAsync{T}"/> runs a unit on the writer's open transaction and returns its result when it has run, <b>not yet durable</b>:
/// inner hops of one process do not each wait for the disk. Whoever lets something leave the process awaits <see cref="DurableAsync"/> first;
/// a later commit covers everything that ran before it. Units see the rows of earlier units, committed or not. A unit that throws leaves no row behind.
/// </remarks>
public abstract class Store : IAsyncDisposable
{
    /// <summary>Runs <paramref name="unit"/> on the writer, alone and in order. It must be synchronous and touch nothing but its session.</summary>
    public abstract Task<T> WriteAsync<T>(Func<Session, T> unit);

    /// <summary>As <see cref="WriteAsync{T}(Func{Session, T})"/>, for a unit of the hot path: load, decide, save (docs/decisions/0010).</summary>
    /// <param name="wants">Names the rows that the unit will look at. Only a store that gathers the reads of many units calls it.</param>
    public virtual Task<T> WriteAsync<T>(Func<Session, T> unit, Action<Wanted> wants) => WriteAsync(unit);

    /// <summary>As <see cref="WriteAsync{T}(Func{Session, T}, Action{Wanted})"/>, for a unit that only looks, at what it will look at again when it decides: nothing is held for it.</summary>
    public virtual Task<T> LookAsync<T>(Func<Session, T> unit, Action<Wanted> wants) => WriteAsync(unit, wants);

    /// <summary>Completes when everything that ran before this call is on disk. Throws <see cref="StoreFailedException"/> when it never will be.</summary>
    /// <remarks>Of a database that can stop and come back this vouches for nothing that ran before it stopped: an edge takes a <see cref="Mark"/> when it begins and gives it to <see cref="DurableAsync(StoreMark)"/>.</remarks>
    public abstract Task DurableAsync();

    /// <summary>Where a request begins. Throws <see cref="StoreUnavailableException"/> while the database is away: then nothing has been done, and a refusal is the whole truth.</summary>
    public virtual StoreMark Mark() => default;

    /// <summary>As <see cref="DurableAsync()"/>, and fails when the database stopped after <paramref name="since"/>: what ran before may be gone with it, although its result was seen.</summary>
    public virtual Task DurableAsync(StoreMark since) => DurableAsync();

    /// <summary>Reads committed rows on a reader's own connection.</summary>
    public abstract T Read<T>(Func<Session, T> query);

    /// <summary>As <see cref="Read{T}"/>, of rows and columns that no hot table writes: on a path that may not wait for those.</summary>
    public virtual T ReadCold<T>(Func<Session, T> query) => Read(query);

    /// <summary>Why nothing can be written any more; null while all is well. Whoever takes in requests refuses new ones at once when it is not null: they could not be kept.</summary>
    public abstract StoreFailedException? Failure { get; }

    public abstract ValueTask DisposeAsync();

    /// <summary>As <see cref="WriteAsync{T}"/>, then durable: for a unit whose result leaves at once.</summary>
    public async Task<T> CommitAsync<T>(Func<Session, T> unit)
    {
        var since = Mark();
        var result = await WriteAsync(unit);
        await DurableAsync(since);
        return result;
    }

    public Task WriteAsync(Action<Session> unit) => WriteAsync(session =>
    {
        unit(session);
        return 0;
    });

    public Task CommitAsync(Action<Session> unit) => CommitAsync(session =>
    {
        unit(session);
        return 0;
    });
}

/// <summary>The store stopped: disk full, file gone, commit refused. Nothing that was not durable was answered; a restart continues from the last commit.</summary>
public class StoreFailedException(string message, Exception? inner = null) : PartyFailedException(message, inner);

/// <summary>The database is away for now: gone, restarting, or taken over by its standby. Later units find it again without a restart of this process.</summary>
public sealed class StoreUnavailableException(string message, bool inDoubt, Exception? inner = null) : StoreFailedException(message, inner)
{
    /// <summary>Whether the unit took effect is not known: silence is the only true answer. False: it certainly did not.</summary>
    public bool InDoubt { get; } = inDoubt;
}

/// <summary>Which life of its database a request began in.</summary>
public readonly record struct StoreMark(long Life)
{
    /// <summary>The request itself, where the store keeps together what it does.</summary>
    internal StoreFlow? Flow { get; init; }
}

/// <summary>A request, from its mark to its last wait for the disk: a store may keep its units together (docs/decisions/0057). Nothing but speed rests on it.</summary>
internal sealed class StoreFlow
{
    private static readonly AsyncLocal<StoreFlow?> Local = new();

    /// <summary>Of whoever runs now; null outside of a request.</summary>
    public static StoreFlow? Current => Local.Value;

    /// <summary>From here on whoever runs is of a request, until it returns. A request inside of another is part of it: they end together.</summary>
    public static StoreFlow Begin() => Local.Value ??= new StoreFlow();
}

/// <summary>The database or its folder cannot be used as it is: unreadable, of a newer program, not ours. The world is not as expected (exit code 3); nothing was touched.</summary>
public class StoreException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The database cannot be reached now, and may be later: switched off, starting, out of connections, or none of its hosts is the primary. Whoever starts may wait for it.</summary>
public sealed class StoreAbsentException(string message, Exception inner) : StoreException(message, inner);

/// <summary>Another process holds this data folder (decisions.md 30).</summary>
public sealed class DataFolderInUseException(string folder)
    : StoreException($"the data folder {folder} is in use by another process; stop it, or choose another folder with --data")
{
    public string Folder { get; } = folder;
}
