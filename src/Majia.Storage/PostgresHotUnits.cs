using Npgsql;

namespace Majia.Storage;

/// <summary>Where hot units run: in transactions that hold what they look at, beside other nodes (<see cref="PostgresGatherer"/>); or, while much comes and no other node is there, over rows in memory (<see cref="PostgresAlone"/>; docs/decisions/0048).</summary>
/// <remarks>A thread of its own looks who else is there. It may be mistaken: the server's keys decide who writes (<see cref="PostgresKeys"/>).</remarks>
internal sealed class PostgresHotUnits : IAsyncDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100), Glance = TimeSpan.FromMilliseconds(500), Quiet = TimeSpan.FromSeconds(10), Patience = TimeSpan.FromSeconds(3);

    private readonly object gate = new();
    private readonly PostgresTarget target;
    private readonly PostgresLog log;
    private readonly TimeProvider time;
    private readonly IReadOnlyDictionary<string, string> partiesByRole;
    private readonly long[] nodes;
    private readonly int aloneAfter;
    private readonly KnownTables known = new();
    private readonly PostgresGatherer gatherer;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the gate.
    private readonly List<IStoreUnit> held = [];
    private PostgresAlone? alone;
    private TaskCompletionSource? whenShared;
    private int calm;
    private bool entering, stopping;
    private long arrived;

    // The watching thread's own.
    private NpgsqlConnection? watcher;
    private long[] watched = [], watchedNodes = [];
    private long hungSince;

    /// <param name="parties">Whose schemas these are.</param>
    /// <param name="partiesByRole">Which of them acts as which role; a role that is not named is the login, for all of them.</param>
    public PostgresHotUnits(PostgresTarget target, PostgresLog log, TimeProvider time, IReadOnlyList<string> parties, IReadOnlyDictionary<string, string> partiesByRole, int aloneAfter)
    {
        (this.target, this.log, this.time, this.partiesByRole, this.aloneAfter) = (target, log, time, partiesByRole, aloneAfter);
        Parties = parties;
        nodes = PostgresKeys.Nodes(parties);
        watcher = Watch();
        gatherer = new PostgresGatherer(target, log, time, known, PostgresKeys.Writers(parties), Committed);
#pragma warning disable RS0030 // it blocks on the server, and a pool thread must not
        new Thread(Run) { IsBackground = true, Name = "storage watcher" }.Start();
#pragma warning restore RS0030
    }

    public IReadOnlyList<string> Parties { get; }

    /// <summary>This process alone writes, for now.</summary>
    public bool IsAlone => Volatile.Read(ref alone) is not null;

    public void Gather(IStoreUnit unit)
    {
        Volatile.Write(ref arrived, time.GetTimestamp());
        if (Volatile.Read(ref alone) is { } now && now.TryGather(unit))
        {
            return;
        }

        lock (gate)
        {
            ObjectDisposedException.ThrowIf(stopping, this);
            if (entering || alone is not null)
            {
                held.Add(unit); // it comes soon, or is over soon
                return;
            }

            gatherer.Gather(unit);
        }
    }

    /// <summary>Completes when every unit that has its result by now is committed and on disk. Fails when they are lost.</summary>
    /// <param name="flow">Has nothing more to do for now.</param>
    public Task SettledAsync(StoreFlow? flow = null) => Volatile.Read(ref alone) is { } now ? now.DurableAsync(flow) : gatherer.SettledAsync(flow);

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

    /// <summary>As <see cref="SettledAsync"/>, for a unit with statements of its own: its party's rows are nobody's alone then.</summary>
    public Task SharedAsync(string role, StoreFlow? flow)
    {
        lock (gate)
        {
            if (known.HasRole(role))
            {
                calm = 0;
            }

            if (alone is not null && alone.Has(role))
            {
                alone.Leave();
                return (whenShared ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }

        return SettledAsync(flow);
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
        await gatherer.DisposeAsync();
    }

    /// <summary>A transaction of the gatherer's is committed.</summary>
    private void Committed(int units)
    {
        const int Large = 32, Small = 8;
        lock (gate)
        {
            calm = units >= Large ? calm + 1 : units < Small && calm < aloneAfter ? 0 : calm;
            if (calm == aloneAfter)
            {
                Monitor.PulseAll(gate);
            }
        }
    }

    private void Run()
    {
        while (true)
        {
            PostgresAlone? now;
            bool enter, last;
            lock (gate)
            {
                if (alone is null && !stopping && calm < aloneAfter)
                {
                    Monitor.Wait(gate, Glance);
                }
                else if (!stopping)
                {
                    Monitor.Wait(gate, Look);
                }

                (now, last) = (alone, stopping);
                enter = now is null && !last && calm >= aloneAfter && known.Roles.Count > 0;
            }

            if (last)
            {
                break;
            }

            if (now is not null)
            {
                if (time.GetElapsedTime(now.LastUnit) >= Quiet || !IsNobodyElseThere())
                {
                    now.Leave();
                }
            }
            else if (enter)
            {
                Enter();
            }
            else if (hungSince != 0 || time.GetElapsedTime(Volatile.Read(ref arrived)) < Glance + Glance)
            {
                _ = IsNobodyElseThere();
            }
        }

        Task? shared = null;
        lock (gate)
        {
            if (alone is not null)
            {
                alone.Leave();
                shared = (whenShared ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }

        shared?.GetAwaiter().GetResult();
        watcher?.Dispose();
        ended.SetResult();
    }

    /// <summary>Nobody else is there, by the server's word; and whoever holds a key alone and does not give it back is ended.</summary>
    private bool IsNobodyElseThere()
    {
        try
        {
            watcher ??= Watch();
            using var command = new NpgsqlCommand(PostgresKeys.Look, watcher) { Parameters = { PostgresKeys.Parameter(watched.Length > 0 ? watched : PostgresKeys.Writers(Parties)), PostgresKeys.Parameter(watchedNodes.Length > 0 ? watchedNodes : nodes) } };
            long others;
            int holder;
            using (var found = command.ExecuteReader())
            {
                found.Read();
                (others, holder) = (found.GetInt64(0), found.GetInt32(1));
            }

            if (holder == 0 || IsAlone)
            {
                hungSince = 0;
            }
            else if (hungSince == 0)
            {
                hungSince = time.GetTimestamp();
            }
            else if (time.GetElapsedTime(hungSince) >= Patience)
            {
                // It was asked by our waiting, and does not hear: stopped, or gone without the server's knowing. Its session ends, and with it its keys.
                using var end = new NpgsqlCommand("SELECT pg_terminate_backend($1)", watcher) { Parameters = { new NpgsqlParameter { Value = holder } } };
                end.ExecuteNonQuery();
                hungSince = 0;
            }

            return others == 0;
        }
        catch (Exception broken) when (broken is NpgsqlException or InvalidOperationException or StoreUnavailableException)
        {
            watcher?.Dispose();
            watcher = null;
            return false;
        }
    }

    private NpgsqlConnection Watch()
    {
        var connection = target.Open(synchronous: true);
        try
        {
            using var present = new NpgsqlCommand(PostgresKeys.BePresent, connection) { Parameters = { PostgresKeys.Parameter(nodes) } };
            present.ExecuteNonQuery();
            return connection;
        }
        catch (NpgsqlException failure)
        {
            connection.Dispose();
            throw new StoreUnavailableException(PostgresTrouble.WhyNotOpened(target.Parsed, failure), inDoubt: false, failure);
        }
    }

    private void Enter()
    {
        var roles = known.Roles;
        IReadOnlyList<string> mine = [.. roles.SelectMany(role => partiesByRole.TryGetValue(role, out var party) ? (IReadOnlyList<string>)[party] : Parties).Distinct()];
        (watched, watchedNodes) = (PostgresKeys.Writers(mine), PostgresKeys.Nodes(mine));
        if (!IsNobodyElseThere())
        {
            lock (gate)
            {
                calm = 0;
            }

            return;
        }

        NpgsqlConnection? writer = null, reader = null;
        PostgresAlone? entered = null;
        try
        {
            writer = target.OpenForBatches();
            reader = target.OpenForBatches();
            lock (gate)
            {
                entering = true;
            }

            gatherer.IdleAsync().GetAwaiter().GetResult();
            using var take = new NpgsqlCommand(PostgresKeys.TakeAlone, writer) { Parameters = { PostgresKeys.Parameter(watched) } };
            if (take.ExecuteScalar() is true)
            {
                entered = new PostgresAlone(writer, reader, roles, known, log, time, target.OpenReader, Left);
            }
        }
        catch (Exception broken) when (broken is NpgsqlException or InvalidOperationException or StoreUnavailableException)
        {
            // Not alone, then.
        }

        if (entered is null)
        {
            writer?.Dispose(); // with what it holds
            reader?.Dispose();
            Shared([]);
            return;
        }

        List<IStoreUnit> units;
        lock (gate)
        {
            (alone, entering) = (entered, false);
            units = [.. held];
            held.Clear();
        }

        units.ForEach(Gather);
    }

    /// <summary>It is over: the keys are given back, or were lost.</summary>
    private void Left(IReadOnlyList<IStoreUnit> rest) => Shared(rest);

    private void Shared(IReadOnlyList<IStoreUnit> rest)
    {
        List<IStoreUnit> units;
        TaskCompletionSource? told;
        lock (gate)
        {
            (alone, entering, calm) = (null, false, 0);
            units = [.. rest, .. held];
            held.Clear();
            (told, whenShared) = (whenShared, null);
            units.ForEach(gatherer.Gather);
        }

        told?.SetResult();
    }
}
