using System.Data.Common;
using System.Runtime.CompilerServices;
using Npgsql;
using NpgsqlTypes;

namespace Majia.Storage;

/// <summary>A session on one PostgreSQL connection: each SQL text is prepared once, its parameters typed by the values that come.</summary>
/// <remarks>A parameter that was never anything but NULL has no type yet; the statement is prepared anew when its first value comes.</remarks>
/// <param name="holds">A unit's: rows of hot tables that may change are read FOR UPDATE. A reader holds nothing, whatever its statements say.</param>
internal sealed class PostgresSession(NpgsqlConnection connection, bool holds) : Session, IDisposable
{
    /// <summary>By the text's identity first: statements are constants, and hashing some hundred characters is not free.</summary>
    private readonly Dictionary<string, Statement> constants = new(ReferenceComparer.Instance);
    private readonly Dictionary<string, Statement> prepared = new(StringComparer.Ordinal);
    private readonly PostgresRow row = new();
    private bool reading;

    public NpgsqlConnection Connection { get; } = connection;

    public override int Execute(string sql, params ReadOnlySpan<object?> parameters)
    {
        // -1 is no row: a statement that changes nothing, such as SELECT.
        var changed = Bind(sql, parameters).ExecuteNonQuery();
        return Math.Max(changed, 0);
    }

    public override List<T> Query<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
    {
        using var rows = Open(sql, parameters);
        try
        {
            var found = new List<T>();
            while (rows.Read())
            {
                found.Add(map(row.On(rows)));
            }

            return found;
        }
        finally
        {
            Close();
        }
    }

    public override T? One<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
        where T : class
    {
        using var rows = Open(sql, parameters);
        try
        {
            return rows.Read() ? map(row.On(rows)) : null;
        }
        finally
        {
            Close();
        }
    }

    public override long? Number(string sql, params ReadOnlySpan<object?> parameters)
    {
        using var rows = Open(sql, parameters);
        try
        {
            return rows.Read() && !rows.IsDBNull(0) ? row.On(rows).GetInt64(0) : null;
        }
        finally
        {
            Close();
        }
    }

    public override string? Text(string sql, params ReadOnlySpan<object?> parameters)
    {
        using var rows = Open(sql, parameters);
        try
        {
            return rows.Read() && !rows.IsDBNull(0) ? rows.GetString(0) : null;
        }
        finally
        {
            Close();
        }
    }

    protected override bool HoldsRows => holds;

    /// <summary>Holds the key as batches do, on whatever node: what they have looked for in vain is not to come before they commit.</summary>
    public override bool TryAdd<T>(HotTable<T> table, T row)
    {
        Number("SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) AS held", KnownTables.Hold(table, RowCache.KeyOf(table.ValuesOf(row).AsSpan(0, table.Group))));
        return base.TryAdd(table, row);
    }

    public override void Lock(string key) => Number("SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 0))) AS held", key);

    public void Dispose()
    {
        foreach (var statement in prepared.Values)
        {
            statement.Command.Dispose();
        }

        prepared.Clear();
        constants.Clear();
        Connection.Dispose();
    }

    private NpgsqlDataReader Open(string sql, ReadOnlySpan<object?> parameters)
    {
        var command = Bind(sql, parameters);
        var rows = command.ExecuteReader();
        reading = true;
        return rows;
    }

    private void Close()
    {
        reading = false;
        row.On(null);
    }

    private NpgsqlCommand Bind(string sql, ReadOnlySpan<object?> parameters)
    {
        if (reading)
        {
            throw new InvalidOperationException($"a statement inside the rows of another: {sql}");
        }

        if (!constants.TryGetValue(sql, out var statement) && !prepared.TryGetValue(sql, out statement))
        {
            statement = new Statement(new NpgsqlCommand(holds ? sql : WithoutRowLocks(sql), Connection), parameters.Length);
            prepared.Add(sql, statement);
            if (string.IsInterned(sql) is { } constant && ReferenceEquals(constant, sql))
            {
                constants.Add(sql, statement);
            }
        }

        statement.Bind(parameters);
        return statement.Command;
    }

    /// <summary>One prepared statement with the types that its parameters have had so far.</summary>
    private sealed class Statement
    {
        private readonly NpgsqlParameter[] parameters;
        private bool ready;

        public Statement(NpgsqlCommand command, int count)
        {
            Command = command;
            parameters = new NpgsqlParameter[count];
            for (var i = 0; i < count; i++)
            {
                parameters[i] = new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Unknown, Value = DBNull.Value };
                command.Parameters.Add(parameters[i]);
            }
        }

        public NpgsqlCommand Command { get; }

        public void Bind(ReadOnlySpan<object?> values)
        {
            if (values.Length != parameters.Length)
            {
                throw new ArgumentException($"{values.Length} parameters do not fit the statement: {Command.CommandText}");
            }

            for (var i = 0; i < values.Length; i++)
            {
                var (value, type) = Typed(values[i]);
                var parameter = parameters[i];
                if (type is { } known && parameter.NpgsqlDbType != known)
                {
                    if (parameter.NpgsqlDbType != NpgsqlDbType.Unknown)
                    {
                        throw new ArgumentException($"${i + 1} was a {parameter.NpgsqlDbType} before and is a {known} now: {Command.CommandText}");
                    }

                    parameter.NpgsqlDbType = known;
                    ready = false;
                }

                parameter.Value = value;
            }

            if (!ready)
            {
                Command.Prepare();
                ready = true;
            }
        }

        private static (object Value, NpgsqlDbType? Type) Typed(object? value) => value switch
        {
            null => (DBNull.Value, null),
            string => (value, NpgsqlDbType.Text),
            long => (value, NpgsqlDbType.Bigint),
            int number => ((long)number, NpgsqlDbType.Bigint),
            bool yes => (yes ? 1L : 0L, NpgsqlDbType.Bigint),
            byte[] => (value, NpgsqlDbType.Bytea),
            DateTimeOffset instant => (instant.ToUnixTimeMilliseconds(), NpgsqlDbType.Bigint),
            string[] => (value, NpgsqlDbType.Array | NpgsqlDbType.Text),
            long[] => (value, NpgsqlDbType.Array | NpgsqlDbType.Bigint),
            byte[][] => (value, NpgsqlDbType.Array | NpgsqlDbType.Bytea),
            _ => throw new ArgumentException($"a column cannot hold a {value.GetType().Name}"),
        };
    }

    private sealed class ReferenceComparer : IEqualityComparer<string>
    {
        public static readonly ReferenceComparer Instance = new();

        public bool Equals(string? one, string? other) => ReferenceEquals(one, other);

        public int GetHashCode(string text) => RuntimeHelpers.GetHashCode(text);
    }
}
