using System.Data.Common;

namespace Majia.Storage;

/// <summary>Rows that stay in memory while this process alone writes their tables: what units look at, make and change, and what is known not to be there (docs/decisions/0048).</summary>
/// <remarks>
/// A row that is not here is wanted from the database, and the unit runs when it has come. It cannot change meanwhile but by a unit here; what those add is noted,
/// so that an answer from before does not say that it is not there. Only the front's holder uses it.
/// </remarks>
internal sealed class KeptRows : Session
{
    /// <summary>After so many looks in vain it pays to know a table's keys.</summary>
    private const int MissesThatPay = 32;

    private readonly Dictionary<HotTable, string> roles = [];
    private readonly Dictionary<string, (HotTable Table, bool Adds)> texts = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<HotTable, Dictionary<string, object?[]>> wanted = [];
    private readonly HashSet<(HotTable, string)> addedMeanwhile = [];
    private readonly Dictionary<HotTable, int> misses = [];
    private readonly Dictionary<HotTable, KeyFilter> filters = [];
    private readonly RowCache rows;
    private readonly Names names;
    private bool loading;

    public KeptRows(int mostThatStay)
    {
        rows = new RowCache(NotAtHand, static (_, _) => throw new InvalidOperationException("rows are written by their commit")) { MostThatStay = mostThatStay };
        names = new Names(this);
    }

    /// <summary>Of the unit that runs next.</summary>
    public string Role { get; set; } = string.Empty;

    /// <summary>Something is to be asked for.</summary>
    public bool AsksForRows => wanted.Count > 0;

    /// <summary>True when everything that the unit names is known; the rest is wanted from now on.</summary>
    public bool HasAllOf(IBatchUnit unit)
    {
        Role = unit.Role;
        names.Asked = false;
        unit.Name(names);
        return !names.Asked;
    }

    public void BeginUnit() => rows.BeginUnit();

    public void UndoUnit() => rows.UndoUnit();

    /// <summary>The commit's rows, statement by statement, in the order of the tables' names and each in the order of its keys.</summary>
    public List<Written> Seal()
    {
        var statements = new Dictionary<string, Written>(ReferenceEqualityComparer.Instance);
        foreach (var write in rows.Seal())
        {
            if (!statements.TryGetValue(write.Sql, out var written))
            {
                var (table, adds) = texts[write.Sql];
                statements.Add(write.Sql, written = new Written(table, roles[table], adds, []));
            }

            written.Values.Add(write.Values);
        }

        return [.. statements.Values.OrderBy(static of => of.Table.Source, StringComparer.Ordinal).ThenByDescending(static of => of.Adds)];
    }

    /// <summary>What is wanted by now; until <see cref="TakeIn"/> it is under way.</summary>
    public List<Look> TakeWanted()
    {
        loading = true;
        var looks = wanted.OrderBy(static of => of.Key.Source, StringComparer.Ordinal).Select(of => new Look(of.Key, roles[of.Key], [.. of.Value], [])).ToList();
        wanted.Clear();
        return looks;
    }

    /// <summary>What the database said.</summary>
    /// <returns>Tables whose keys it would pay to know.</returns>
    public List<(HotTable Table, string Role)> TakeIn(List<Look> looks)
    {
        List<(HotTable Table, string Role)> pays = [];
        foreach (var look in looks)
        {
            foreach (var (key, _) in look.Groups)
            {
                if (addedMeanwhile.Contains((look.Table, key)))
                {
                    continue; // it is here, or will be asked for again
                }

                var found = look.Found.TryGetValue(key, out var list) ? list : [];
                rows.TakeIn(look.Table, key, found);
                if (found.Count == 0 && look.Table.IsWritten && ++Misses(look.Table) == MissesThatPay)
                {
                    pays.Add((look.Table, look.Role));
                }
            }
        }

        addedMeanwhile.Clear();
        loading = false;
        return pays;
    }

    /// <summary>From here on the table's keys are noted as they are added; the filter says when it has the others.</summary>
    public void Note(HotTable table, KeyFilter filter) => filters[table] = filter;

    /// <summary>Nobody knows the table's keys any more.</summary>
    public void NoteNot(HotTable table)
    {
        filters.Remove(table);
        Misses(table) = 0;
    }

    public override T? Find<T>(HotTable<T> table, params ReadOnlySpan<object?> key)
        where T : class => (T?)rows.Find(Registered(table), key);

    public override IReadOnlyList<T> Rows<T>(HotTable<T> table, params ReadOnlySpan<object?> group) => rows.Rows<T>(Registered(table), group);

    public override bool TryAdd<T>(HotTable<T> table, T row)
    {
        var added = rows.TryAdd(Registered(table), row, blind: false);
        NoteAdded(table, row);
        return added;
    }

    public override void Add<T>(HotTable<T> table, T row)
    {
        if (!rows.TryAdd(Registered(table), row, blind: true))
        {
            throw new LostRaceException($"a row of {table.Source}");
        }

        NoteAdded(table, row);
    }

    public override void Put<T>(HotTable<T> table, T row) => rows.Put(Registered(table), row);

    /// <summary>Units run one after the other.</summary>
    public override void Lock(string key)
    {
    }

    public override int Execute(string sql, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    public override List<T> Query<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    public override T? One<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
        where T : class => throw new NotHotException();

    public override long? Number(string sql, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    public override string? Text(string sql, params ReadOnlySpan<object?> parameters) => throw new NotHotException();

    private ref int Misses(HotTable table) => ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(misses, table, out _);

    private void NoteAdded(HotTable table, object row)
    {
        if (loading || filters.ContainsKey(table))
        {
            var key = RowCache.KeyOf(table.ValuesOf(row).AsSpan(0, table.Group));
            if (loading)
            {
                addedMeanwhile.Add((table, key));
            }

            if (filters.TryGetValue(table, out var filter))
            {
                filter.Add(key);
            }
        }
    }

    private HotTable Registered(HotTable table)
    {
        if (roles.TryAdd(table, Role))
        {
            texts[table.Insert] = (table, true);
            texts[table.Update] = (table, false);
        }

        return table;
    }

    private List<object> NotAtHand(HotTable table, object?[] group)
    {
        var key = RowCache.KeyOf(group);
        if (IsNotThere(table, key))
        {
            return [];
        }

        Want(table, group, key);
        throw new NotNamedException();
    }

    private bool IsNotThere(HotTable table, string key) => filters.TryGetValue(table, out var filter) && filter.IsWhole && !filter.MayHave(key);

    private void Want(HotTable table, ReadOnlySpan<object?> group, string key)
    {
        if (!wanted.TryGetValue(Registered(table), out var keys))
        {
            wanted.Add(table, keys = new(StringComparer.Ordinal));
        }

        if (!keys.ContainsKey(key))
        {
            keys.Add(key, group.ToArray());
        }
    }

    private sealed class Names(KeptRows kept) : Wanted
    {
        public bool Asked { get; set; }

        public override T? Row<T>(HotTable<T> table, params ReadOnlySpan<object?> group)
            where T : class
        {
            var key = RowCache.KeyOf(group);
            if (kept.rows.TryPeek(table, key, out var known))
            {
                return (T?)known;
            }

            if (!kept.IsNotThere(table, key))
            {
                Asked = true;
                kept.Want(table, group, key);
            }

            return null;
        }

        public override void Lock(string key)
        {
        }
    }

    /// <summary>Rows of one statement.</summary>
    public sealed record Written(HotTable Table, string Role, bool Adds, List<object?[]> Values);

    /// <summary>Groups that are asked for, and the rows that were found of each.</summary>
    public sealed record Look(HotTable Table, string Role, List<KeyValuePair<string, object?[]>> Groups, Dictionary<string, List<object>> Found);
}

/// <summary>The unit looked at something that is not at hand: it is asked for, and the unit runs again.</summary>
internal sealed class NotNamedException : Exception;

/// <summary>The unit has statements of its own.</summary>
internal sealed class NotHotException : Exception;
