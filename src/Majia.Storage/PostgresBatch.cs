using System.Data.Common;
using Npgsql;
using NpgsqlTypes;

namespace Majia.Storage;

/// <summary>Many hot units in one transaction: what they want is locked and read for all of them together, they run one after the other on those rows, and what they made is written together (docs/decisions/0010, 0014).</summary>
/// <remarks>
/// Two or three round trips for a batch: locks and rows, perhaps rows that depend on rows, then every INSERT and UPDATE with the COMMIT. Rows that may change are held in the order of their keys.
/// A unit that asks for what it did not name has it read in another round; one with statements of its own goes to a writer. A batch that the database refuses is undone as a whole, and its units go to writers.
/// </remarks>
internal sealed class PostgresBatch : Session
{
    private const int MostRounds = 6;

    private readonly NpgsqlConnection connection;
    private readonly Dictionary<HotTable, Columns> known;
    private readonly Dictionary<(HotTable, string), List<object>> loaded = [];
    private readonly Dictionary<HotTable, Dictionary<string, object?[]>> wanted = [];
    private readonly HashSet<string> held = new(StringComparer.Ordinal), locks = new(StringComparer.Ordinal);
    private readonly Dictionary<(HotTable Table, bool Adds), List<object?[]>> writes = [];
    private readonly Dictionary<string, (HotTable Table, bool Adds)> texts = new(StringComparer.Ordinal);
    private readonly PostgresRow row = new();
    private readonly RowCache rows;
    private readonly Names names;
    private readonly bool holds;
    private bool begun;

    /// <param name="known">Of this connection: what was learnt about tables by earlier batches.</param>
    /// <param name="holds">False for units that only look: rows are not held, and there is no transaction.</param>
    public PostgresBatch(NpgsqlConnection connection, Dictionary<HotTable, Columns> known, bool holds)
    {
        (this.connection, this.known, this.holds) = (connection, known, holds);
        names = new Names(this);
        rows = new RowCache(Loaded, (sql, values) => writes[texts[sql]].Add(values));
    }

    /// <summary>True from the moment at which COMMIT was sent: a connection that breaks then leaves the batch in doubt.</summary>
    public bool Committing { get; private set; }

    public bool Committed { get; private set; }

    /// <summary>Runs them and commits. What cannot run here is in <paramref name="others"/>; what threw has been told so; the rest is for the caller to deliver.</summary>
    public List<T> Run<T>(IReadOnlyList<T> units, List<T> others)
        where T : IBatchUnit
    {
        for (var round = 0; round < MostRounds; round++)
        {
            foreach (var unit in units)
            {
                unit.Name(names);
            }

            if (!Load())
            {
                break;
            }
        }

        var done = new List<T>(units.Count);
        IReadOnlyList<T> waiting = units;
        for (var round = 0; waiting.Count > 0; round++)
        {
            var again = new List<T>();
            foreach (var unit in waiting)
            {
                rows.BeginUnit();
                try
                {
                    unit.Run(this);
                    done.Add(unit);
                }
                catch (NotNamedException) when (round < MostRounds)
                {
                    rows.UndoUnit();
                    again.Add(unit);
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
            }

            if (again.Count > 0)
            {
                Load();
            }

            waiting = again;
        }

        Write();
        return done;
    }

    public void Rollback()
    {
        if (begun)
        {
            using var command = new NpgsqlCommand("ROLLBACK", connection);
            command.ExecuteNonQuery();
        }
    }

    public override T? Find<T>(HotTable<T> table, params ReadOnlySpan<object?> key)
        where T : class => (T?)rows.Find(Registered(table), key);

    public override IReadOnlyList<T> Rows<T>(HotTable<T> table, params ReadOnlySpan<object?> group) => rows.Rows<T>(Registered(table), group);

    public override bool TryAdd<T>(HotTable<T> table, T row) => rows.TryAdd(Registered(table), row, blind: false);

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

    private HotTable Registered(HotTable table)
    {
        if (texts.TryAdd(table.Insert, (table, true)))
        {
            texts.TryAdd(table.Update, (table, false));
            writes[(table, true)] = [];
            writes[(table, false)] = [];
        }

        return table;
    }

    private List<object> Loaded(HotTable table, object?[] key)
    {
        if (loaded.TryGetValue((table, RowCache.KeyOf(key)), out var found))
        {
            return found;
        }

        Want(table, key);
        throw new NotNamedException();
    }

    private void Want(HotTable table, ReadOnlySpan<object?> key)
    {
        if (!wanted.TryGetValue(table, out var keys))
        {
            wanted.Add(table, keys = new(StringComparer.Ordinal));
        }

        keys.TryAdd(RowCache.KeyOf(key), key.ToArray());
    }

    /// <summary>One round trip for everything that was named since the last one; false when that is nothing.</summary>
    private bool Load()
    {
        var tables = wanted.Where(static table => table.Value.Count > 0).OrderBy(static table => table.Key.Source, StringComparer.Ordinal).Select(static table => (Table: table.Key, table.Value)).ToList();
        if (tables.Count == 0 && locks.Count == 0)
        {
            return false;
        }

        foreach (var (table, _) in tables)
        {
            Columns.Learn(connection, table, known);
        }

        using var batch = new NpgsqlBatch(connection);
        Begin(batch);
        if (locks.Count > 0)
        {
            Add(batch, "SELECT count(pg_advisory_xact_lock(k)) FROM (SELECT DISTINCT hashtextextended(t, 0) AS k FROM unnest($1) AS t ORDER BY 1) AS keys", [Columns.Array(NpgsqlDbType.Text, [.. locks])]);
        }

        foreach (var (table, keys) in tables)
        {
            var columns = known[table];
            Add(batch, holds ? columns.SelectHeld : columns.Select, columns.Arrays([.. keys.OrderBy(static key => key.Key, StringComparer.Ordinal).Select(static key => key.Value)], columns.Group));
            foreach (var key in keys.Keys)
            {
                loaded[(table, key)] = [];
            }
        }

        using var reader = batch.ExecuteReader();
        row.On(reader);
        if (locks.Count > 0)
        {
            reader.NextResult();
            held.UnionWith(locks);
            locks.Clear();
        }

        foreach (var (table, keys) in tables)
        {
            var columns = known[table];
            while (reader.Read())
            {
                loaded[(table, RowCache.KeyOf(columns.KeyAt(row)))].Add(table.Read(row));
            }

            keys.Clear();
            reader.NextResult();
        }

        row.On(null);
        return true;
    }

    private void Write()
    {
        rows.Write();
        using var batch = new NpgsqlBatch(connection);
        var expected = new List<(int At, int Rows)>();
        foreach (var (of, values) in writes.Where(static write => write.Value.Count > 0).OrderBy(static write => write.Key.Table.Source, StringComparer.Ordinal).ThenByDescending(static write => write.Key.Adds))
        {
            Columns.Learn(connection, of.Table, known);
            Begin(batch);
            var columns = known[of.Table];
            Add(batch, of.Adds ? columns.Insert : columns.Update, columns.Arrays(values, of.Adds ? columns.All : columns.Changed));
            expected.Add((batch.BatchCommands.Count - 1, values.Count));
        }

        if (!begun)
        {
            if (expected.Count > 0)
            {
                throw new InvalidOperationException("a unit that only looks has written");
            }

            return;
        }

        Add(batch, "COMMIT", []);
        Committing = true;
        batch.ExecuteNonQuery();
        (begun, Committed) = (false, true);
        if (expected.Exists(write => (int)batch.BatchCommands[write.At].RecordsAffected != write.Rows))
        {
            throw new InvalidOperationException("a batch wrote other rows than it had read");
        }
    }

    private void Begin(NpgsqlBatch batch)
    {
        if (!begun && holds)
        {
            Add(batch, "BEGIN", []);
            begun = true;
        }
    }

    private static void Add(NpgsqlBatch batch, string sql, ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
    }

    private sealed class Names(PostgresBatch batch) : Wanted
    {
        public override T? Row<T>(HotTable<T> table, params ReadOnlySpan<object?> key)
            where T : class
        {
            if (batch.loaded.TryGetValue((table, RowCache.KeyOf(key)), out var found))
            {
                return found.Count > 0 ? (T)found[0] : null;
            }

            batch.Want(table, key);
            return null;
        }

        public override void Lock(string key)
        {
            if (!batch.held.Contains(key))
            {
                batch.locks.Add(key);
            }
        }
    }

    private sealed class NotNamedException : Exception;

    private sealed class NotHotException : Exception;
}

/// <summary>A unit of <see cref="PostgresBatch"/>.</summary>
internal interface IBatchUnit
{
    void Name(Wanted wanted);

    void Run(Session session);

    void Fail(Exception why);

    /// <summary>It has its result, or was told why it has none.</summary>
    bool Ended { get; }
}

/// <summary>A hot table as PostgreSQL has it: its columns' types, and its statements for many rows at once.</summary>
internal sealed class Columns
{
    private readonly NpgsqlDbType[] types;
    private readonly int group;

    private Columns(HotTable table, NpgsqlDbType[] types)
    {
        this.types = types;
        group = table.Group;
        All = [.. Enumerable.Range(0, table.Columns.Length)];
        Group = All[..group];
        Changed = [.. All[..table.Keys], .. table.Changing];
        var names = table.Columns;
        var keys = string.Join(", ", names[..table.Keys]);
        var many = group > 1;
        var from = many
            ? $"{table.Source} JOIN unnest({Parameters(group)}) AS wanted ({string.Join(", ", names[..group].Select(static name => $"w_{name}"))}) ON {string.Join(" AND ", names[..group].Select(static name => $"{name} = w_{name}"))}"
            : $"{table.Source} WHERE {names[0]} = ANY($1)";
        Select = $"SELECT {string.Join(", ", names)} FROM {from}";
        SelectHeld = $"{Select} ORDER BY {keys}{(table.Changing.Length == 0 ? "" : $" FOR UPDATE OF {table.Source}")}";
        Select = many || table.Group < table.Keys ? $"{Select} ORDER BY {keys}" : Select;
        Insert = $"INSERT INTO {table.Source} ({string.Join(", ", names)}) SELECT * FROM unnest({Parameters(names.Length)})";
        Update = table.Changing.Length == 0
            ? ""
            : $"UPDATE {table.Source} SET {string.Join(", ", table.Changing.Select(at => $"{names[at]} = n_{names[at]}"))} FROM unnest({Parameters(Changed.Length)}) AS news ({string.Join(", ", Changed.Select(at => $"n_{names[at]}"))}) WHERE {string.Join(" AND ", names[..table.Keys].Select(static name => $"{name} = n_{name}"))}";
    }

    public string Select { get; }

    public string SelectHeld { get; }

    public string Insert { get; }

    public string Update { get; }

    /// <summary>Which columns the arrays of a statement hold.</summary>
    public int[] All { get; }

    public int[] Group { get; }

    public int[] Changed { get; }

    /// <summary>Asks the database once what a table's columns are.</summary>
    public static void Learn(NpgsqlConnection connection, HotTable table, Dictionary<HotTable, Columns> known)
    {
        if (known.ContainsKey(table))
        {
            return;
        }

        using var command = new NpgsqlCommand($"SELECT {string.Join(", ", table.Columns)} FROM {table.Source} LIMIT 0", connection);
        using var reader = command.ExecuteReader();
        var types = new NpgsqlDbType[reader.FieldCount];
        for (var i = 0; i < types.Length; i++)
        {
            types[i] = reader.GetDataTypeName(i) switch
            {
                "text" => NpgsqlDbType.Text,
                "bigint" => NpgsqlDbType.Bigint,
                "bytea" => NpgsqlDbType.Bytea,
                var other => throw new InvalidOperationException($"{table.Source}.{table.Columns[i]} is {other}"),
            };
        }

        known.Add(table, new Columns(table, types));
    }

    /// <summary>The rows' values, column by column.</summary>
    public NpgsqlParameter[] Arrays(IReadOnlyList<object?[]> values, int[] columns)
    {
        var parameters = new NpgsqlParameter[columns.Length];
        for (var i = 0; i < columns.Length; i++)
        {
            var (column, at) = (new object?[values.Count], i);
            for (var n = 0; n < column.Length; n++)
            {
                column[n] = values[n][at];
            }

            parameters[i] = Array(types[columns[i]], column);
        }

        return parameters;
    }

    public static NpgsqlParameter Array(NpgsqlDbType type, object?[] values) => new()
    {
        NpgsqlDbType = NpgsqlDbType.Array | type,
        Value = type switch
        {
            NpgsqlDbType.Text => System.Array.ConvertAll(values, static value => (string?)value),
            NpgsqlDbType.Bytea => System.Array.ConvertAll(values, static value => (byte[]?)value),
            _ => System.Array.ConvertAll<object?, long?>(values, static value => value switch
            {
                null => null,
                bool yes => yes ? 1 : 0,
                DateTimeOffset instant => instant.ToUnixTimeMilliseconds(),
                int number => number,
                _ => (long)value,
            }),
        },
    };

    /// <summary>Values of the columns by which a row is looked up.</summary>
    public object?[] KeyAt(PostgresRow row)
    {
        var key = new object?[group];
        for (var i = 0; i < group; i++)
        {
            key[i] = types[i] switch { NpgsqlDbType.Text => row.GetString(i), NpgsqlDbType.Bigint => row.GetInt64(i), _ => row.GetValue(i) };
        }

        return key;
    }

    private static string Parameters(int count) => string.Join(", ", Enumerable.Range(1, count).Select(static i => $"${i}"));
}
