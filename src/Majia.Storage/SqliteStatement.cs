using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Majia.Storage;

/// <summary>One prepared statement with the places of its parameters.</summary>
internal sealed class SqliteStatement : IDisposable
{
    private readonly SqliteConnection connection;
    private readonly string sql;
    private readonly sqlite3_stmt handle;
    private readonly int[] places;
    private bool open;

    public SqliteStatement(SqliteConnection connection, string sql, int parameters)
    {
        this.connection = connection;
        this.sql = sql;
        SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v2(connection.Handle, Session.WithoutRowLocks(sql), out handle, out var rest), connection.Handle);
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

    /// <summary>The record's length.</summary>
    public int Bind(in RedoRecord record)
    {
        if (record.Count != places.Length)
        {
            throw Count(record.Count);
        }

        open = true;
        var at = 0;
        var values = record.Values;
        while (values.MoveNext())
        {
            var place = places[at++];
            if (place > 0)
            {
                Check(BindOne(place, values.Current));
            }
        }

        return record.LengthBut(values);
    }

    private ArgumentException Count(int parameters) => new($"{parameters} parameters do not fit the statement: {sql}");

    private void Check(int code) => SqliteException.ThrowExceptionForRC(code, connection.Handle);

    private int BindOne(int place, in RedoRecord.Parameter value)
    {
        if (value.IsNull)
        {
            return raw.sqlite3_bind_null(handle, place);
        }

        if (value.IsNumber)
        {
            return raw.sqlite3_bind_int64(handle, place, value.AsNumber);
        }

        return value.IsText
            ? value.Bytes.IsEmpty ? raw.sqlite3_bind_text(handle, place, string.Empty) : raw.sqlite3_bind_text(handle, place, value.Bytes)
            : value.Bytes.IsEmpty ? raw.sqlite3_bind_zeroblob(handle, place, 0) : raw.sqlite3_bind_blob(handle, place, value.Bytes);
    }

    private int BindOne(int place, object? value) => value switch
    {
        null => raw.sqlite3_bind_null(handle, place),
        string text => BindText(place, text),
        byte[] bytes => bytes.Length == 0 ? raw.sqlite3_bind_zeroblob(handle, place, 0) : raw.sqlite3_bind_blob(handle, place, bytes.AsSpan()),
        ReadOnlyMemory<byte> bytes => raw.sqlite3_bind_blob(handle, place, bytes.Span),
        _ => raw.sqlite3_bind_int64(handle, place, SqliteSession.NumberOf(value)),
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
