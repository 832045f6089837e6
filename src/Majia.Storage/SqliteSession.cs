using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Majia.Storage;

/// <summary>A session on one SQLite connection: each SQL text is prepared once and its parameters are bound anew, straight on the library's statements.</summary>
/// <remarks>A payment is some twenty statements; commands and readers made anew for each were most of what they cost.</remarks>
internal sealed class SqliteSession(SqliteConnection connection) : Session, IDisposable
{
    /// <summary>By the text's identity first: statements are constants, and hashing some hundred characters is not free.</summary>
    private readonly Dictionary<string, Statement> constants = new(ReferenceComparer.Instance);
    private readonly Dictionary<string, Statement> prepared = new(StringComparer.Ordinal);

    public SqliteConnection Connection { get; } = connection;

    /// <summary>True inside a transaction. SQLite ends one by itself when the disk is full or broken.</summary>
    public bool InTransaction => raw.sqlite3_get_autocommit(Connection.Handle) == 0;

    public override int Execute(string sql, params ReadOnlySpan<object?> parameters)
    {
        var statement = Bind(sql, parameters);
        try
        {
            while (statement.Step())
            {
            }

            return raw.sqlite3_changes(Connection.Handle);
        }
        finally
        {
            statement.Reset();
        }
    }

    public override List<T> Query<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
    {
        var statement = Bind(sql, parameters);
        try
        {
            var rows = new List<T>();
            while (statement.Step())
            {
                rows.Add(map(statement.Row));
            }

            return rows;
        }
        finally
        {
            statement.Reset();
        }
    }

    public override T? One<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
        where T : class
    {
        var statement = Bind(sql, parameters);
        try
        {
            return statement.Step() ? map(statement.Row) : null;
        }
        finally
        {
            statement.Reset();
        }
    }

    public override long? Number(string sql, params ReadOnlySpan<object?> parameters)
    {
        var statement = Bind(sql, parameters);
        try
        {
            return statement.Step() && !statement.Row.IsDBNull(0) ? statement.Row.GetInt64(0) : null;
        }
        finally
        {
            statement.Reset();
        }
    }

    public override string? Text(string sql, params ReadOnlySpan<object?> parameters)
    {
        var statement = Bind(sql, parameters);
        try
        {
            return statement.Step() && !statement.Row.IsDBNull(0) ? statement.Row.GetString(0) : null;
        }
        finally
        {
            statement.Reset();
        }
    }

    public void Dispose()
    {
        foreach (var statement in prepared.Values)
        {
            statement.Dispose();
        }

        prepared.Clear();
        constants.Clear();
        Connection.Dispose();
    }

    private Statement Bind(string sql, ReadOnlySpan<object?> parameters)
    {
        if (!constants.TryGetValue(sql, out var statement) && !prepared.TryGetValue(sql, out statement))
        {
            statement = new Statement(Connection, sql, parameters.Length);
            prepared.Add(sql, statement);
            if (string.IsInterned(sql) is { } constant && ReferenceEquals(constant, sql))
            {
                constants.Add(sql, statement);
            }
        }

        statement.Bind(parameters);
        return statement;
    }

    /// <summary>One prepared statement with the places of its parameters.</summary>
    private sealed class Statement : IDisposable
    {
        private readonly SqliteConnection connection;
        private readonly string sql;
        private readonly sqlite3_stmt handle;
        private readonly int[] places;
        private bool open;

        public Statement(SqliteConnection connection, string sql, int parameters)
        {
            this.connection = connection;
            this.sql = sql;
            SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v2(connection.Handle, WithoutRowLocks(sql), out handle, out var rest), connection.Handle);
            if (!string.IsNullOrWhiteSpace(rest))
            {
                handle.Dispose();
                throw new ArgumentException($"more than one statement: {sql}");
            }

            // $1 is a name to SQLite: its place is where it first stands.
            places = new int[parameters];
            for (var i = 0; i < parameters; i++)
            {
                places[i] = raw.sqlite3_bind_parameter_index(handle, $"${i + 1}");
            }

            if (raw.sqlite3_bind_parameter_count(handle) != places.Count(static place => place > 0))
            {
                handle.Dispose();
                throw Count(parameters);
            }

            Row = new SqliteRow(handle);
        }

        public SqliteRow Row { get; }

        public void Bind(ReadOnlySpan<object?> parameters)
        {
            if (parameters.Length != places.Length)
            {
                throw Count(parameters.Length);
            }

            if (open)
            {
                throw new InvalidOperationException($"a statement inside its own rows: {sql}");
            }

            open = true;
            try
            {
                for (var i = 0; i < parameters.Length; i++)
                {
                    if (places[i] > 0)
                    {
                        Check(BindOne(places[i], parameters[i]));
                    }
                }
            }
            catch
            {
                Reset();
                throw;
            }
        }

        /// <summary>True with a row, false at the end.</summary>
        public bool Step()
        {
            var code = raw.sqlite3_step(handle);
            if (code is not (raw.SQLITE_ROW or raw.SQLITE_DONE))
            {
                Check(code);
            }

            return code == raw.SQLITE_ROW;
        }

        public void Reset()
        {
            open = false;
            _ = raw.sqlite3_reset(handle); // says again what Step said
        }

        public void Dispose() => handle.Dispose();

        private ArgumentException Count(int parameters) => new($"{parameters} parameters do not fit the statement: {sql}");

        private void Check(int code) => SqliteException.ThrowExceptionForRC(code, connection.Handle);

        private int BindOne(int place, object? value) => value switch
        {
            null => raw.sqlite3_bind_null(handle, place),
            string text => BindText(place, text),
            long number => raw.sqlite3_bind_int64(handle, place, number),
            int number => raw.sqlite3_bind_int64(handle, place, number),
            bool yes => raw.sqlite3_bind_int64(handle, place, yes ? 1 : 0),
            byte[] bytes => bytes.Length == 0 ? raw.sqlite3_bind_zeroblob(handle, place, 0) : raw.sqlite3_bind_blob(handle, place, bytes.AsSpan()),
            DateTimeOffset instant => raw.sqlite3_bind_int64(handle, place, instant.ToUnixTimeMilliseconds()),
            _ => throw new ArgumentException($"a column cannot hold a {value.GetType().Name}"),
        };

        private int BindText(int place, string text)
        {
            const int Near = 512;
            if (text.Length is 0 or > Near / 3)
            {
                return raw.sqlite3_bind_text(handle, place, text);
            }

            Span<byte> bytes = stackalloc byte[Near];
            return raw.sqlite3_bind_text(handle, place, bytes[..Encoding.UTF8.GetBytes(text, bytes)]);
        }
    }

    private sealed class ReferenceComparer : IEqualityComparer<string>
    {
        public static readonly ReferenceComparer Instance = new();

        public bool Equals(string? one, string? other) => ReferenceEquals(one, other);

        public int GetHashCode(string text) => RuntimeHelpers.GetHashCode(text);
    }
}
