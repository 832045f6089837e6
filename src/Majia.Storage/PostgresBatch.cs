using System.Data.Common;
using Npgsql;
using NpgsqlTypes;

namespace Majia.Storage;

/// <summary>One open transaction in which hot units run as they come: what they want is locked and read for all that have come together, they run one after the other on those rows, and everything that they made is written at the end, with the COMMIT (docs/decisions/0010, 0038).</summary>
/// <remarks>
/// The first round trip may wait for rows that others hold, in the order of keys; later ones wait for nothing, since rows are held by now: a unit whose row is taken goes to a writer.
/// So does one with statements of its own. A unit that wants what the transaction before this one has, which is being committed, waits for that commit.
/// Each statement acts as the role of the party whose table it is.
/// </remarks>
internal sealed partial class PostgresBatch : Session
{
    private const int MostRounds = 6;

    private readonly NpgsqlConnection connection;
    private readonly KnownTables known;
    private readonly long[] writers;
    private readonly Dictionary<(HotTable, string), List<object>> loaded = [];
    private readonly Dictionary<HotTable, Dictionary<string, object?[]>> wanted = [];
    private readonly HashSet<(HotTable, string)> heldKeys = [], taken = [];
    private readonly HashSet<string> held = new(StringComparer.Ordinal), takenLocks = new(StringComparer.Ordinal), locks = new(StringComparer.Ordinal);
    private readonly Dictionary<(HotTable Table, bool Adds), List<object?[]>> writes = [];
    private readonly Dictionary<string, (HotTable Table, bool Adds)> texts = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<HotTable, string> roles = [];
    private readonly PostgresRow row = new();
    private readonly RowCache rows;
    private readonly Names names;
    private bool begun;
    private string role = string.Empty, acting = string.Empty;

    /// <param name="writers">Keys that the transaction holds together with whoever else writes (<see cref="PostgresKeys"/>).</param>
    public PostgresBatch(NpgsqlConnection connection, KnownTables known, long[] writers)
    {
        (this.connection, this.known, this.writers) = (connection, known, writers);
        names = new Names(this);
        rows = new RowCache(Loaded, (sql, values) => writes[texts[sql]].Add(values));
    }

    /// <summary>The transaction before this one, while it is being committed.</summary>
    public PostgresBatch? Before { get; set; }

    /// <summary>True from the moment at which COMMIT was sent: a connection that breaks then leaves the transaction in doubt.</summary>
    public bool Committing { get; private set; }

    /// <summary>Runs what can run here.</summary>
    /// <param name="ran">Told of each unit as soon as it has run; one that threw was told so itself.</param>
    /// <param name="others">For the writers.</param>
    /// <param name="later">For when <see cref="Before"/> is committed.</param>
    public void Run<T>(List<T> units, Action<T> ran, List<T> others, List<T> later)
        where T : class, IBatchUnit
    {
        var waiting = units;
        for (var round = 0; waiting.Count > 0; round++)
        {
            var again = new List<T>();
            foreach (var unit in waiting)
            {
                role = unit.Role;
                names.Begin();
                unit.Name(names);
                if (names.Later)
                {
                    later.Add(unit);
                }
                else if (names.Asked && round < MostRounds)
                {
                    again.Add(unit);
                }
                else if (RunOne(unit, round, others, later))
                {
                    ran(unit);
                }
                else if (!unit.Ended && !others.Contains(unit) && !later.Contains(unit))
                {
                    again.Add(unit);
                }
            }

            Load();
            waiting = again;
        }
    }

    /// <summary>Writes everything and commits, by the disk's word (and the standby's, where one is named).</summary>
    public void Commit()
    {
        rows.Write();
        using var batch = new NpgsqlBatch(connection);
        var expected = new List<(int At, int Rows)>();

        // A table's columns are asked for before the first statement is put together: the question is a round trip of its own, in its own role.
        var all = writes.Where(static write => write.Value.Count > 0).OrderBy(static write => write.Key.Table.Source, StringComparer.Ordinal).ThenByDescending(static write => write.Key.Adds)
            .Select(write => (write.Key, write.Value, Columns: ColumnsOf(write.Key.Table))).ToList();
        foreach (var (of, values, columns) in all)
        {
            Begin(batch);
            Act(batch, of.Table);
            Add(batch, of.Adds ? columns.Insert : columns.Update, columns.Arrays(values, of.Adds ? columns.All : columns.Changed));
            expected.Add((batch.BatchCommands.Count - 1, values.Count));
        }

        if (!begun)
        {
            return;
        }

        Add(batch, "COMMIT", []);
        Committing = true;
        batch.ExecuteNonQuery();
        begun = false;
        if (expected.Exists(write => (int)batch.BatchCommands[write.At].RecordsAffected != write.Rows))
        {
            throw new InvalidOperationException("a batch wrote other rows than it had read");
        }
    }

    public void Rollback()
    {
        if (begun)
        {
            using var command = new NpgsqlCommand("ROLLBACK", connection);
            command.ExecuteNonQuery();
            begun = false;
        }
    }

    public override T? Find<T>(HotTable<T> table, params ReadOnlySpan<object?> key)
        where T : class => (T?)rows.Find(Registered(table), key);

    public override IReadOnlyList<T> Rows<T>(HotTable<T> table, params ReadOnlySpan<object?> group) => rows.Rows<T>(Registered(table), group);

    public override bool TryAdd<T>(HotTable<T> table, T row)
    {
        var values = Registered(table).ValuesOf(row);
        var key = RowCache.KeyOf(values.AsSpan(0, table.Group));
        if (!heldKeys.Contains((table, key)))
        {
            // What was not there when it was looked for may be by now: held first, and looked for again.
            known.Grow(table);
            if (rows.TryForget(table, key))
            {
                loaded.Remove((table, key));
                Want(table, values.AsSpan(0, table.Group), key);
                throw new NotNamedException();
            }
        }

        return rows.TryAdd(table, row, blind: false);
    }

    public override void Add<T>(HotTable<T> table, T row)
    {
        if (!rows.TryAdd(Registered(table), row, blind: true))
        {
            throw new LostRaceException($"a row of {table.Source}");
        }
    }

    public override void Put<T>(HotTable<T> table, T row) => rows.Put(Registered(table), row);

    public override void Lock(string key)
    {
        if (!held.Contains(key))
        {
            throw new NotHotException();
        }
    }

    public override int Execute(string sql, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    public override List<T> Query<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    public override T? One<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
        where T : class => throw new NotHotException();

    public override long? Number(string sql, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    public override string? Text(string sql, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    /// <summary>True when it has run; false when it is among the others, waits, is told why not, or is to be run again.</summary>
    private bool RunOne<T>(T unit, int round, List<T> others, List<T> later)
        where T : class, IBatchUnit
    {
        rows.BeginUnit();
        try
        {
            unit.Run(this);
            return true;
        }
        catch (NotNamedException) when (round < MostRounds)
        {
            rows.UndoUnit();
        }
        catch (LaterException)
        {
            rows.UndoUnit();
            later.Add(unit);
        }
        catch (Exception needsMore) when (needsMore is NotNamedException or NotHotException or LostRaceException)
        {
            rows.UndoUnit();
            others.Add(unit);
        }
#pragma warning disable CA1031 // whatever a unit throws is its caller's, and undone here
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            rows.UndoUnit();
            unit.Fail(thrown);
        }

        return false;
    }

    private HotTable Registered(HotTable table)
    {
        if (roles.TryAdd(table, role))
        {
            known.Touched(role);
            texts[table.Insert] = (table, true);
            texts[table.Update] = (table, false);
            writes[(table, true)] = [];
            writes[(table, false)] = [];
        }

        return table;
    }

    private List<object> Loaded(HotTable table, object?[] group)
    {
        var key = RowCache.KeyOf(group);
        if (loaded.TryGetValue((table, key), out var found))
        {
            return found;
        }

        if (taken.Contains((table, key)))
        {
            throw new NotHotException();
        }

        if (Before is { } before && before.Has(table, key))
        {
            throw new LaterException();
        }

        Want(table, group, key);
        throw new NotNamedException();
    }

    private PostgresColumns ColumnsOf(HotTable table)
    {
        if (known.TryColumns(table, out var columns))
        {
            return columns;
        }

        using var batch = new NpgsqlBatch(connection);
        Begin(batch);
        Act(batch, table);
        if (batch.BatchCommands.Count > 0)
        {
            batch.ExecuteNonQuery();
        }

        columns = PostgresColumns.Learn(connection, table);
        known.Learn(table, columns);
        return columns;
    }

    /// <summary>One round trip for everything that was named since the last one.</summary>
    private void Load()
    {
        var tables = wanted.Where(static table => table.Value.Count > 0).OrderBy(static table => table.Key.Source, StringComparer.Ordinal)
            .Select(table => (Table: table.Key, Keys: table.Value, Columns: ColumnsOf(table.Key))).ToList();
        if (tables.Count == 0 && locks.Count == 0)
        {
            return;
        }

        var late = begun;
        using var batch = new NpgsqlBatch(connection);
        Begin(batch);
        string[] named = [.. locks];
        locks.Clear();
        if (named.Length > 0)
        {
            Add(batch, late
                ? "SELECT pg_try_advisory_xact_lock(hashtextextended(t, 0)) FROM unnest($1) AS t"
                : "SELECT count(pg_advisory_xact_lock(k)) FROM (SELECT DISTINCT hashtextextended(t, 0) AS k FROM unnest($1) AS t ORDER BY 1) AS keys", [PostgresColumns.Array(NpgsqlDbType.Text, named)]);
        }

        List<(long Lock, HotTable Table, string Key)> holds = [.. tables.Where(table => known.Grows(table.Table)).SelectMany(static table => table.Keys.Keys.Select(key => (KnownTables.Hold(table.Table, key), table.Table, key)))];
        holds.Sort(static (one, other) => one.Lock.CompareTo(other.Lock));
        if (holds.Count > 0)
        {
            Add(batch, late ? "SELECT pg_try_advisory_xact_lock(k) FROM unnest($1) AS k" : "SELECT count(pg_advisory_xact_lock(k)) FROM unnest($1) AS k", [PostgresColumns.Array(NpgsqlDbType.Bigint, [.. holds.Select(static hold => (object?)hold.Lock)])]);
        }

        foreach (var (table, keys, columns) in tables)
        {
            Act(batch, table);
            List<object?[]> groups = [.. keys.OrderBy(static key => key.Key, StringComparer.Ordinal).Select(static key => key.Value)];
            Add(batch, table.Changing.Length == 0 ? columns.Select : late ? columns.SelectFree : columns.SelectHeld, columns.Arrays(groups, columns.Group));
            if (late && table.Changing.Length > 0)
            {
                Add(batch, columns.Present, columns.Arrays(groups, columns.Group));
            }

            foreach (var key in keys.Keys)
            {
                loaded[(table, key)] = [];
            }
        }

        using var reader = batch.ExecuteReader();
        row.On(reader);
        if (!late)
        {
            reader.NextResult(); // of the writers' keys
        }

        if (named.Length > 0)
        {
            for (var i = 0; reader.Read(); i++)
            {
                if (late)
                {
                    (reader.GetBoolean(0) ? held : takenLocks).Add(named[i]);
                }
            }

            if (!late)
            {
                held.UnionWith(named);
            }

            reader.NextResult();
        }

        if (holds.Count > 0)
        {
            for (var i = 0; reader.Read(); i++)
            {
                if (late)
                {
                    (reader.GetBoolean(0) ? heldKeys : taken).Add((holds[i].Table, holds[i].Key));
                }
            }

            if (!late)
            {
                heldKeys.UnionWith(holds.Select(static hold => (hold.Table, hold.Key)));
            }

            reader.NextResult();
        }

        foreach (var (table, keys, columns) in tables)
        {
            while (reader.Read())
            {
                loaded[(table, RowCache.KeyOf(columns.KeyAt(row)))].Add(table.Read(row));
            }

            reader.NextResult();
            if (late && table.Changing.Length > 0)
            {
                var present = new Dictionary<string, int>(StringComparer.Ordinal);
                while (reader.Read())
                {
                    var key = RowCache.KeyOf(columns.KeyAt(row));
                    present[key] = present.GetValueOrDefault(key) + 1;
                }

                taken.UnionWith(present.Where(group => loaded[(table, group.Key)].Count != group.Value).Select(group => (table, group.Key)));
                reader.NextResult();
            }

            keys.Clear();
        }

        row.On(null);
        foreach (var gone in taken)
        {
            loaded.Remove(gone);
        }
    }

    private void Begin(NpgsqlBatch batch)
    {
        if (!begun)
        {
            Add(batch, "BEGIN", []);
            Add(batch, PostgresKeys.Share, [PostgresKeys.Parameter(writers)]);
            (begun, acting) = (true, string.Empty);
        }
    }

    /// <summary>From here on the transaction is the party whose table this is; an empty role is the login itself.</summary>
    private void Act(NpgsqlBatch batch, HotTable table)
    {
        if (roles[table] is var party && party != acting)
        {
            Add(batch, PostgresStatements.Acting(party), []);
            acting = party;
        }
    }

    private static void Add(NpgsqlBatch batch, string sql, ReadOnlySpan<NpgsqlParameter> parameters) => PostgresStatements.Add(batch, sql, parameters);

    private sealed class LaterException : Exception;
}
