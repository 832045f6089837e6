using Npgsql;

namespace Majia.Storage;

/// <content>What is not at hand: rows are asked for, of all units that wait, and what a table has not is learnt once (docs/decisions/0048).</content>
internal sealed partial class PostgresAlone
{
    private const long FewestKeys = 1 << 20, MostKeys = 1 << 25;

    /// <summary>Opens a connection that only reads.</summary>
    private readonly Func<NpgsqlConnection> look;
    private readonly PostgresRow row = new();

    private void RunLooks()
    {
        try
        {
            while (IsAsked() && Claim())
            {
                var looks = rows.TakeWanted();
                lock (gate)
                {
                    Release();
                }

                Look(looks);
                if (!Claim())
                {
                    break;
                }

                var pays = rows.TakeIn(looks);
                List<(IStoreUnit Unit, int Rounds)> ready = [.. waiting];
                waiting.Clear();
                foreach (var (unit, rounds) in ready)
                {
                    RunOne(unit, rounds);
                }

                RunQueued(MostForOthers);
                pays.ForEach(Learn);
            }
        }
        catch (Exception broken) when (broken is NpgsqlException or InvalidOperationException or StoreUnavailableException)
        {
            // Commits may still go on. Whoever waits for rows runs elsewhere, and so does everybody soon.
            lock (gate)
            {
                (leaving, asked) = (true, true);
            }

            RefuseLooks();
        }

        reader.Dispose();
    }

    /// <summary>Until it is over: units that run still may wait for rows, and nobody asks for them any more.</summary>
    private void RefuseLooks()
    {
        while (IsAsked() && Claim())
        {
            rows.TakeWanted();
            List<IStoreUnit> others = [.. waiting.Select(static of => of.Unit)];
            waiting.Clear();
            lock (gate)
            {
                Release();
            }

            others.ForEach(static unit => unit.Alone());
        }
    }

    private bool IsAsked()
    {
        lock (gate)
        {
            while (!over && !asked)
            {
                Monitor.Wait(gate);
            }

            asked = false;
            return !over;
        }
    }

    private void Look(List<KeptRows.Look> looks)
    {
        using var statements = new PostgresStatements(reader, known);
        var all = looks.ConvertAll(of => (Of: of, Columns: statements.ColumnsOf(of.Table, of.Role)));
        if (all.Count == 0)
        {
            return;
        }

        statements.Add("BEGIN");
        foreach (var (of, columns) in all)
        {
            statements.Add(of.Role, columns.Select, columns.Arrays(of.Groups.ConvertAll(static group => group.Value), columns.Group));
        }

        statements.Add("COMMIT");
        using var found = statements.Batch.ExecuteReader();
        row.On(found);
        foreach (var (of, columns) in all)
        {
            while (found.Read())
            {
                var key = RowCache.KeyOf(columns.KeyAt(row));
                (System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(of.Found, key, out _) ??= []).Add(of.Table.Read(row));
            }

            found.NextResult();
        }

        row.On(null);
    }

    /// <summary>On a thread of its own: what keys a table has. From then on a key that it has not is not looked for.</summary>
    private void Learn((HotTable Table, string Role) of)
    {
#pragma warning disable RS0030 // it reads a whole index
        new Thread(() => LearnKeys(of.Table, of.Role)) { IsBackground = true, Name = "storage keys" }.Start();
#pragma warning restore RS0030
    }

    private void LearnKeys(HotTable table, string role)
    {
        try
        {
            using var connection = look();
            using var transaction = connection.BeginTransaction(System.Data.IsolationLevel.ReadCommitted);
            using (var act = new NpgsqlCommand(PostgresStatements.Acting(role), connection))
            {
                act.ExecuteNonQuery();
            }

            using var sizes = new NpgsqlCommand("SELECT greatest(reltuples::bigint, pg_relation_size(oid) / 128) FROM pg_class WHERE oid = $1::regclass", connection) { Parameters = { new NpgsqlParameter { Value = table.Source } } };
            var size = 2 * (long)sizes.ExecuteScalar()!;
            if (size > MostKeys || !known.TryColumns(table, out var columns))
            {
                return; // they are asked for
            }

            var filter = new KeyFilter(Math.Max(size, FewestKeys));
            if (!Claim())
            {
                return;
            }

            rows.Note(table, filter);
            Task before;
            lock (gate)
            {
                before = batch.Units > 0 ? batch.Done.Task : flight?.Done.Task ?? Task.CompletedTask;
                Release();
            }

            // What was added before it was noted is in the database then; what comes later is noted.
            before.GetAwaiter().GetResult();
            using (var keys = new NpgsqlCommand($"SELECT {string.Join(", ", table.Columns[..table.Group])} FROM {table.Source}", connection))
            using (var found = keys.ExecuteReader())
            {
                var at = new PostgresRow().On(found);
                while (found.Read() && !Volatile.Read(ref over) && !filter.IsFull)
                {
                    filter.Add(RowCache.KeyOf(columns.KeyAt(at)));
                }
            }

            if (!Claim())
            {
                return;
            }

            if (filter.IsFull)
            {
                rows.NoteNot(table);
            }

            filter.IsWhole = !filter.IsFull;
            lock (gate)
            {
                Release();
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or InvalidOperationException or StoreFailedException)
        {
            // They go on being asked for.
        }
    }
}
