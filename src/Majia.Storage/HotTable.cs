using System.Data.Common;

namespace Majia.Storage;

/// <summary>A table that payments read and write row by row, by primary key: what a session needs to load, keep and save its rows without a statement of their own in the party.</summary>
/// <remarks>
/// A hot unit is <em>load, decide, save</em>: <see cref="Session.Find{T}"/>, a pure decision, <see cref="Session.TryAdd{T}"/>, <see cref="Session.Add{T}"/> or <see cref="Session.Put{T}"/>.
/// When the rows are really read and written is the store's business: one by one, or those of many units together (docs/decisions/0010).
/// </remarks>
public abstract class HotTable
{
    /// <param name="source">The table; or, for rows that are only read, tables joined.</param>
    /// <param name="keys">How many of the first columns are the primary key.</param>
    /// <param name="group">By how many of them rows are looked up: fewer than <paramref name="keys"/> when all rows of a group are looked at together.</param>
    /// <param name="columns">Comma-separated, the key first, in the order of the mapper.</param>
    /// <param name="changing">Columns that <see cref="Session.Put{T}"/> may change; empty when rows are only added.</param>
    /// <param name="stays">Rows may be kept from one commit to the next where this process alone writes: they are read again and again.</param>
    private protected HotTable(string source, int keys, int group, string columns, string changing, bool stays)
    {
        (Source, Keys, Group, Stays) = (source, keys, group, stays);
        Columns = Split(columns);
        ByKey = Comparer<object?[]>.Create((one, other) =>
        {
            var order = 0;
            for (var i = group; i < keys && order == 0; i++)
            {
                order = Compare(one[i], other[i]);
            }

            return order;
        });
        Changing = [.. Split(changing).Select(name => Array.IndexOf(Columns, name) is var at and >= 0 ? at : throw new ArgumentException($"{source} has no column {name}", nameof(changing)))];

        // Interned: a session finds a statement by its text's identity.
        Select = string.Intern($"SELECT {columns} FROM {source} WHERE {Where(group)}" + (group < keys ? $" ORDER BY {string.Join(", ", Columns[group..keys])}" : ""));
        SelectForUpdate = string.Intern($"{Select} FOR UPDATE");
        Insert = string.Intern($"INSERT INTO {source} ({columns}) VALUES ({string.Join(", ", Columns.Select((_, i) => $"${i + 1}"))})");
        InsertUnlessThere = string.Intern($"{Insert} ON CONFLICT DO NOTHING");
        Update = string.Intern($"UPDATE {source} SET {string.Join(", ", Changing.Select((at, i) => $"{Columns[at]} = ${keys + i + 1}"))} WHERE {Where(keys)}");
    }

    public string Source { get; }

    public int Keys { get; }

    public int Group { get; }

    public bool Stays { get; }

    public IReadOnlyList<string> ColumnNames => Columns;

    internal string[] Columns { get; }

    /// <summary>Rows of one group, as ORDER BY has them: numbers by value, text and bytes by their bytes (text in UTF-8).</summary>
    internal IComparer<object?[]> ByKey { get; }

    /// <summary>Indexes into the columns.</summary>
    internal int[] Changing { get; }

    /// <summary>Rows of one group; $1 … its columns.</summary>
    internal string Select { get; }

    internal string SelectForUpdate { get; }

    /// <summary>$1 … all columns.</summary>
    internal string Insert { get; }

    internal string InsertUnlessThere { get; }

    /// <summary>$1 … the key, then the changing columns.</summary>
    internal string Update { get; }

    /// <summary>Rows are added to it, or change.</summary>
    internal abstract bool IsWritten { get; }

    internal abstract object?[] ValuesOf(object row);

    internal abstract object Read(DbDataReader reader);

    /// <summary>Parameters of <see cref="Update"/>.</summary>
    internal object?[] UpdateValues(object?[] values)
    {
        if (values.Length == Keys + Changing.Length && values.Length < Columns.Length)
        {
            return values;
        }

        var parameters = new object?[Keys + Changing.Length];
        values.AsSpan(0, Keys).CopyTo(parameters);
        for (var i = 0; i < Changing.Length; i++)
        {
            parameters[Keys + i] = values[Changing[i]];
        }

        return parameters;
    }

    /// <summary>Sets the changing columns of a row (all of them at hand) to parameters of <see cref="Update"/>.</summary>
    internal void Change(object?[] row, object?[] parameters)
    {
        for (var i = 0; i < Changing.Length; i++)
        {
            row[Changing[i]] = parameters[Keys + i];
        }
    }

    private static int Compare(object? one, object? other) => (one, other) switch
    {
        (string a, string b) => CompareText(a, b),
        (byte[] a, byte[] b) => a.AsSpan().SequenceCompareTo(b),
        (not null, not null) => SqliteSession.NumberOf(one).CompareTo(SqliteSession.NumberOf(other)),
        _ => throw new ArgumentException("a part of a key is null"),
    };

    /// <summary>As their bytes in UTF-8 compare: by code points, so pairs of surrogates come last.</summary>
    private static int CompareText(string one, string other)
    {
        var same = one.AsSpan().CommonPrefixLength(other);
        return same == one.Length || same == other.Length ? one.Length - other.Length : Weight(one[same]) - Weight(other[same]);

        static int Weight(char letter) => char.IsSurrogate(letter) ? letter + 0x10000 : letter;
    }

    private string Where(int count) => string.Join(" AND ", Columns.Take(count).Select((name, i) => $"{name} = ${i + 1}"));

    private static string[] Split(string names) => names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}

/// <inheritdoc/>
public sealed class HotTable<T> : HotTable
    where T : class
{
    private readonly Func<DbDataReader, T> map;
    private readonly Func<T, object?[]>? values;

    /// <param name="values">All columns of a row, in order. Of rows that only change, the key and the changing columns; null for rows that are only read.</param>
    /// <inheritdoc cref="HotTable(string, int, int, string, string, bool)"/>
    public HotTable(string source, int keys, string columns, Func<DbDataReader, T> map, Func<T, object?[]>? values = null, string changing = "", int? group = null, bool stays = false)
        : base(source, keys, group ?? keys, columns, changing, stays) => (this.map, this.values) = (map, values);

    internal override bool IsWritten => values is not null;

    internal override object?[] ValuesOf(object row) => (values ?? throw new InvalidOperationException($"{Source} is only read"))((T)row);

    internal override object Read(DbDataReader reader) => map(reader);
}
