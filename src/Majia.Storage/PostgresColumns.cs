using Npgsql;
using NpgsqlTypes;

namespace Majia.Storage;

/// <summary>A hot table as PostgreSQL has it: its columns' types, and its statements for many rows at once.</summary>
internal sealed class PostgresColumns
{
    private readonly NpgsqlDbType[] types;
    private readonly int group;

    private PostgresColumns(HotTable table, NpgsqlDbType[] types)
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
        var select = $"SELECT {string.Join(", ", names)} FROM {from}";
        Select = many || table.Group < table.Keys ? $"{select} ORDER BY {keys}" : select;
        SelectHeld = $"{select} ORDER BY {keys} FOR UPDATE OF {table.Source}";
        SelectFree = $"{SelectHeld} SKIP LOCKED";
        Present = $"SELECT {string.Join(", ", names[..group])} FROM {from}";
        Insert = $"INSERT INTO {table.Source} ({string.Join(", ", names)}) SELECT * FROM unnest({Parameters(names.Length)})";
        Update = table.Changing.Length == 0
            ? ""
            : $"UPDATE {table.Source} SET {string.Join(", ", table.Changing.Select(at => $"{names[at]} = n_{names[at]}"))} FROM unnest({Parameters(Changed.Length)}) AS news ({string.Join(", ", Changed.Select(at => $"n_{names[at]}"))}) WHERE {string.Join(" AND ", names[..table.Keys].Select(static name => $"{name} = n_{name}"))}";
    }

    public string Select { get; }

    /// <summary>Holds the rows, and waits for whoever has them.</summary>
    public string SelectHeld { get; }

    /// <summary>Holds those rows that nobody else has.</summary>
    public string SelectFree { get; }

    /// <summary>The looked-up columns of every row, whoever holds it.</summary>
    public string Present { get; }

    public string Insert { get; }

    public string Update { get; }

    /// <summary>Which columns the arrays of a statement hold.</summary>
    public int[] All { get; }

    public int[] Group { get; }

    public int[] Changed { get; }

    /// <summary>Asks the database what a table's columns are.</summary>
    public static PostgresColumns Learn(NpgsqlConnection connection, HotTable table)
    {
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

        return new PostgresColumns(table, types);
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

/// <summary>What a process has learnt about hot tables: their columns, and to which of them rows are added that may be there already.</summary>
internal sealed class KnownTables
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<HotTable, PostgresColumns> columns = new();
    private readonly System.Collections.Concurrent.ConcurrentDictionary<HotTable, bool> grow = new();
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, bool> roles = new(StringComparer.Ordinal);

    public bool TryColumns(HotTable table, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PostgresColumns? found) => columns.TryGetValue(table, out found);

    public void Learn(HotTable table, PostgresColumns learnt) => columns[table] = learnt;

    /// <summary>Roles whose hot tables were touched.</summary>
    public IReadOnlyCollection<string> Roles => [.. roles.Keys];

    public bool HasRole(string role) => roles.ContainsKey(role);

    public void Touched(string role) => roles.TryAdd(role, true);

    /// <summary>Keys of this table are held before it is looked for their rows, so that what is not there stays so.</summary>
    public bool Grows(HotTable table) => grow.ContainsKey(table);

    public void Grow(HotTable table) => grow[table] = true;

    /// <summary>The number of the advisory lock that holds a key, whether it has a row or not.</summary>
    public static long Hold(HotTable table, string key)
    {
        Span<byte> hash = stackalloc byte[32];
        System.Security.Cryptography.SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes($"{table.Source}/{key}".AsSpan()), hash);
        return System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(hash);
    }
}
