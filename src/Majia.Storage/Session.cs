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

    /// <summary>The row of a hot table with this key, or null. What earlier units made of it is seen, as everywhere.</summary>
    /// <param name="key">Values of the columns by which the table is looked up, in order.</param>
    public virtual T? Find<T>(HotTable<T> table, params ReadOnlySpan<object?> key)
        where T : class => One(SelectOf(table), row => (T)table.Read(row), key);

    /// <summary>All rows of one group of a hot table, in the order of their keys.</summary>
    public virtual IReadOnlyList<T> Rows<T>(HotTable<T> table, params ReadOnlySpan<object?> group)
        where T : class => Query(SelectOf(table), row => (T)table.Read(row), group);

    /// <summary>Adds a row; false when its key is taken, and nothing changes.</summary>
    public virtual bool TryAdd<T>(HotTable<T> table, T row)
        where T : class => Execute(table.InsertUnlessThere, table.ValuesOf(row)) == 1;

    /// <summary>Adds a row that cannot be there: a key that is taken is our own bug, and stops the commit.</summary>
    public virtual void Add<T>(HotTable<T> table, T row)
        where T : class => Execute(table.Insert, table.ValuesOf(row));

    /// <summary>Changes a row that was found in this unit: its changing columns are written, the others stay.</summary>
    public virtual void Put<T>(HotTable<T> table, T row)
        where T : class
    {
        if (Execute(table.Update, table.UpdateValues(table.ValuesOf(row))) != 1)
        {
            throw new InvalidOperationException($"a row of {table.Source} that is not there cannot change");
        }
    }

    /// <summary>True in a unit that runs beside others: rows that it may change are held from when it finds them.</summary>
    protected virtual bool HoldsRows => false;

    private string SelectOf(HotTable table) => HoldsRows && table.Changing.Length > 0 ? table.SelectForUpdate : table.Select;
}

/// <summary>Names the rows that a hot unit will look at, before it runs: a store that talks to its database over a wire fetches those of many units in one round trip.</summary>
/// <remarks>A hint and no more: what was not named is read when the unit asks for it.</remarks>
public abstract class Wanted
{
    /// <summary>The row, once it has come; null before, or when there is none. The naming is asked again as long as it names more.</summary>
    public abstract T? Row<T>(HotTable<T> table, params ReadOnlySpan<object?> key)
        where T : class;

    /// <summary>A key that the unit will <see cref="Session.Lock"/>: it is held before any row is read.</summary>
    public abstract void Lock(string key);
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
