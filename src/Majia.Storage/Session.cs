using System.Data.Common;

namespace Majia.Storage;

/// <summary>One unit of work on the writer's open transaction, or one reader's look at committed rows. Valid inside its callback only.</summary>
/// <remarks>
/// SQL is the common subset of SQLite and PostgreSQL with positional parameters <c>$1, $2 …</c>; each text is prepared once per connection.
/// Parameters: <see langword="null"/>, <see cref="string"/>, <see cref="long"/>, <see cref="int"/>, <see cref="bool"/>, <see cref="T:byte[]"/>, <see cref="DateTimeOffset"/> (stored as UTC milliseconds).
/// On SQLite units run one after the other. On PostgreSQL they run side by side, here and on other nodes, each a transaction at READ COMMITTED:
/// what a unit reads and then writes by hand it reads with <c>FOR UPDATE</c> at the end of the SELECT (left out on SQLite, in one place: <see cref="WithoutRowLocks"/>),
/// what has no row yet it holds by <see cref="Lock"/>, and a race that it lost it gives up by <see cref="LostRaceException"/>. Rows and keys are taken in ascending order.
/// </remarks>
public abstract class Session
{
    /// <summary>Runs a statement; the number of rows it changed.</summary>
    public abstract int Execute(string sql, params ReadOnlySpan<object?> parameters);

    /// <summary>All rows, mapped in order. Say ORDER BY: nothing else fixes the order.</summary>
    public abstract List<T> Query<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters);

    /// <summary>The first row, or null.</summary>
    public abstract T? One<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
        where T : class;

    /// <summary>First column of the first row as a number; null when there is no row or it is NULL.</summary>
    public abstract long? Number(string sql, params ReadOnlySpan<object?> parameters);

    /// <summary>First column of the first row as text; null when there is no row or it is NULL.</summary>
    public abstract string? Text(string sql, params ReadOnlySpan<object?> parameters);

    /// <summary>Keeps every other unit that asks for the same key waiting until this one has ended. Nothing to do where units run one after the other.</summary>
    /// <param name="key">Begins with the party: <c>acquirer/10000001</c>.</param>
    public virtual void Lock(string key)
    {
    }

    /// <summary>The same text for a database whose writer runs one unit at a time.</summary>
    internal static string WithoutRowLocks(string sql) => sql.Replace(" FOR UPDATE", string.Empty, StringComparison.Ordinal);
}

/// <summary>Another unit wrote first what this one was about to: the store undoes it and runs it again, on what stands now.</summary>
public sealed class LostRaceException(string what) : Exception($"{what} was written by another unit at the same time");

/// <summary>Column readers that the mappers share.</summary>
public static class DbColumns
{
    public static DateTimeOffset Instant(this DbDataReader row, int column) => DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));

    public static string? TextOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    public static byte[] Bytes(this DbDataReader row, int column) => (byte[])row.GetValue(column);

    public static byte[]? BytesOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : (byte[])row.GetValue(column);
}
