namespace Majia.Storage;

/// <summary>One statement of a commit: INSERT or UPDATE of a row, with its parameters.</summary>
/// <param name="Statement">Twice the table's number, and one more where a row changes.</param>
/// <param name="Key">The row's.</param>
/// <param name="GroupLength">So much of the key is the group by which rows are looked up.</param>
internal readonly record struct RowWrite(string Sql, object?[] Values, int Statement, string Key, int GroupLength);

/// <summary>The rows of hot tables that units of one commit have looked at or made: read once, written once, whatever happens to them in between.</summary>
/// <remarks>
/// What a unit changes stands here until somebody needs it in the database: the commit, or a statement of a party's own. So a row that is added and then
/// answered within one commit is one INSERT. A unit that throws is undone here alone, unless it had statements of its own; then by its savepoint too.
/// What one commit touched stays until the next one is sealed, so while it is on its way to the disk the database is asked only for rows that it did not touch (docs/decisions/0039),
/// and of commits that are in the log and not yet in the database their records are looked into (0058).
/// One writer: nobody else changes these rows (decisions.md 30). One thread at a time.
/// </remarks>
/// <param name="select">Loads the rows of one group.</param>
/// <param name="execute">Runs INSERT or UPDATE.</param>
/// <param name="values">As <paramref name="select"/>, the values of the columns; where there is a log.</param>
internal sealed partial class RowCache(Func<HotTable, object?[], List<object>> select, Action<string, object?[]> execute, Func<HotTable, object?[], List<object?[]>>? values = null)
{
    /// <summary>So many groups of one table stay from commit to commit, and as many that were looked at before them.</summary>
    public int MostThatStay { get; init; } = 16_384;

    /// <summary>Characters of a key that stand on the stack while it is looked for.</summary>
    private const int NearKey = 256;

    private readonly Dictionary<HotTable, Groups> tables = [];
    private readonly List<Groups> written = [];
    private readonly List<Change> unit = [];
    private readonly List<LoggedRow> found = [];
    private LoggedRows? logged, earlierLogged;

    /// <summary>Something stands here and not in the database.</summary>
    public bool IsDirty { get; private set; }

    public object? Find(HotTable table, ReadOnlySpan<object?> key) => Load(GroupsOf(table), key) is { Count: > 0 } rows ? rows[0].Row : null;

    public List<T> Rows<T>(HotTable table, ReadOnlySpan<object?> group)
        where T : class => Load(GroupsOf(table), group).ConvertAll(static entry => (T)entry.Row);

    /// <param name="blind">The caller knows that there is none: the database is not asked, its primary key still is.</param>
    public bool TryAdd(HotTable table, object row, bool blind)
    {
        var values = table.ValuesOf(row);
        var groups = GroupsOf(table);
        var rows = Load(groups, values.AsSpan(0, table.Group), blind);
        if (IndexOf(table, rows, values) >= 0)
        {
            return false;
        }

        var entry = new Entry(groups, row, values, State.New);
        unit.Add(new Change(entry, rows, null, null, State.Clean));
        Touch(entry);
        rows.Insert(PlaceOf(rows, entry), entry);
        return true;
    }

    public void Put(HotTable table, object row)
    {
        var values = table.ValuesOf(row);
        var rows = Load(GroupsOf(table), values.AsSpan(0, table.Group));
        var at = IndexOf(table, rows, values);
        if (at < 0)
        {
            throw new InvalidOperationException($"a row of {table.Source} that is not there cannot change");
        }

        var entry = rows[at];
        unit.Add(new Change(entry, rows, entry.Row, entry.Values, entry.State));
        (entry.Row, entry.Values) = (row, values);
        if (entry.State == State.Clean)
        {
            entry.State = State.Changed;
            Touch(entry);
        }
    }

    /// <summary>Whether this group was looked at, or something of it made.</summary>
    public bool Knows(HotTable table, string key) => GroupsOf(table).TryPeek(key, out _);

    /// <summary>The first row of a group that is known, or null; false when the group is not known.</summary>
    public bool TryPeek(HotTable table, string key, out object? row)
    {
        var known = GroupsOf(table).TryPeek(key, out var rows) ? rows : null;
        row = known is { Count: > 0 } ? known[0].Row : null;
        return known is not null;
    }

    /// <summary>A group as the database has it, unless it is known already.</summary>
    public void TakeIn(HotTable table, string key, List<object> found)
    {
        var groups = GroupsOf(table);
        if (!groups.TryPeek(key, out _))
        {
            groups.Add(key, found.ConvertAll(row => new Entry(groups, row, null, State.Clean) { Key = key }));
        }
    }

    /// <summary>The group is read again when somebody asks for it; false when something of it was made or changed here.</summary>
    public bool TryForget(HotTable table, string key)
    {
        var groups = GroupsOf(table);
        if (groups.TryPeek(key, out var rows) && rows.Exists(static entry => entry.State != State.Clean))
        {
            return false;
        }

        groups.Remove(key);
        return true;
    }

    public void BeginUnit() => unit.Clear();

    /// <summary>As if the unit had not run. Not after <see cref="Write"/> in the same unit: then the database knows better, see <see cref="Forget"/>.</summary>
    public void UndoUnit()
    {
        for (var i = unit.Count - 1; i >= 0; i--)
        {
            unit[i].Swap();
            if (unit[i].Added)
            {
                unit[i].Rows.Remove(unit[i].Entry);
            }
        }

        unit.Clear();
    }

    /// <summary>Writes what earlier units left, without what this one did: before its savepoint.</summary>
    public void WriteEarlier()
    {
        for (var i = unit.Count - 1; i >= 0; i--)
        {
            unit[i].Swap();
        }

        Write();
        foreach (var change in unit)
        {
            change.Swap();
            var entry = change.Entry;
            entry.State = unit.Exists(other => other.Added && other.Entry == entry) ? State.New : State.Changed;
            Touch(entry);
        }

        unit.Clear();
    }

    /// <summary>Writes everything into the open transaction, table by table and in the order of the keys.</summary>
    public void Write()
    {
        if (!IsDirty)
        {
            return;
        }

        foreach (var write in Collect())
        {
            execute(write.Sql, write.Values);
        }
    }

    /// <summary>The commit's statements, in order. From here on units belong to the next one.</summary>
    public List<RowWrite> Seal()
    {
        var writes = Collect();
        foreach (var groups in tables.Values)
        {
            if (!groups.Table.Stays || groups.Count > MostThatStay)
            {
                // What is dropped was last touched before the seal before this one, so its commit is over.
                groups.Turn();
            }
        }

        return writes;
    }

    /// <summary>Where commits are that the database has not yet, the older ones second: what is not at hand is looked for there too.</summary>
    public void LookInto(LoggedRows? recent, LoggedRows? earlier) => (logged, earlierLogged) = (recent, earlier);

    /// <summary>Texts by number, of every table that was written to.</summary>
    public string[] Statements() => [.. written.SelectMany(static of => (string[])[of.Table.Insert, of.Table.Update])];

    private List<RowWrite> Collect()
    {
        var count = 0;
        foreach (var groups in written)
        {
            count += groups.Dirty.Count;
        }

        var writes = new List<RowWrite>(count);
        foreach (var groups in written)
        {
            var (table, statement) = (groups.Table, 2 * groups.Number);
            groups.Dirty.Sort(static (one, other) => string.CompareOrdinal(one.Key, other.Key));
            foreach (var entry in groups.Dirty)
            {
                entry.Listed = false;
                switch (entry.State)
                {
                    case State.New:
                        writes.Add(new RowWrite(table.Insert, entry.Values ??= table.ValuesOf(entry.Row), statement, entry.Key, GroupLength(table, entry)));
                        break;
                    case State.Changed:
                        writes.Add(new RowWrite(table.Update, table.UpdateValues(entry.Values ??= table.ValuesOf(entry.Row)), statement + 1, entry.Key, GroupLength(table, entry)));
                        break;
                }

                entry.State = State.Clean;
                if (table.Group == table.Keys)
                {
                    entry.Values = null; // the row has them; a row that stays need not hold them twice
                }
            }

            groups.Dirty.Clear();
        }

        IsDirty = false;
        return writes;
    }

    /// <summary>Everything is read again: somebody wrote past this cache, or a transaction was rolled back.</summary>
    public void Forget()
    {
        foreach (var groups in tables.Values)
        {
            groups.Clear();
        }

        unit.Clear();
        IsDirty = false;
    }

    private Groups GroupsOf(HotTable table) => tables.TryGetValue(table, out var groups) ? groups : tables[table] = new(table);

    private List<Entry> Load(Groups groups, ReadOnlySpan<object?> group, bool blind = false)
    {
        Span<char> near = stackalloc char[NearKey];
        var key = KeyOf(group, near);
        return groups.TryGet(key, out var rows) ? rows : Read(groups, group, key.ToString(), blind);
    }

    private List<Entry> Read(Groups groups, ReadOnlySpan<object?> group, string key, bool blind)
    {
        List<Entry> rows = [];
        if (!blind || groups.Table.Group < groups.Table.Keys)
        {
            foreach (var row in Stored(groups, group.ToArray(), key))
            {
                rows.Add(new Entry(groups, row, null, State.Clean) { Key = key });
            }
        }

        groups.Add(key, rows);
        return rows;
    }

    /// <summary>A group as the last commit left it: in the database, or in the log.</summary>
    private List<object> Stored(Groups groups, object?[] group, string key)
    {
        var (table, number) = (groups.Table, groups.Number);
        if ((logged is null && earlierLogged is null) || number < 0)
        {
            return select(table, group);
        }

        found.Clear();
        earlierLogged?.Collect(number, key, found);
        logged?.Collect(number, key, found);
        if (found.Count == 0)
        {
            return select(table, group);
        }

        // Rows that the log only changes, and others of the group, stand in the database. Whether it has some of the log's already does not matter: they are set again.
        var rows = new Dictionary<string, object?[]>(StringComparer.Ordinal);
        if (table.Group < table.Keys || found[0].Changes)
        {
            foreach (var row in values!(table, group))
            {
                rows.Add(KeyOf(row.AsSpan(0, table.Keys)), row);
            }
        }

        foreach (var row in found)
        {
            if (row.Changes)
            {
                table.Change(rows[row.Key], row.Values);
            }
            else
            {
                rows[row.Key] = row.Values;
            }
        }

        return [.. rows.Values.Order(table.ByKey).Select(row => table.Read(new ValuesRow(table.Columns, row)))];
    }

    private static int GroupLength(HotTable table, Entry entry) => table.Group == table.Keys ? entry.Key.Length : KeyOf(entry.Values.AsSpan(0, table.Group)).Length;

    private void Touch(Entry entry)
    {
        IsDirty = true;
        if (entry.Listed)
        {
            return;
        }

        entry.Listed = true;
        if (entry.Key.Length == 0 || entry.Table.Group < entry.Table.Keys)
        {
            entry.Key = KeyOf((entry.Values ??= entry.Table.ValuesOf(entry.Row)).AsSpan(0, entry.Table.Keys));
        }

        if (entry.Of.Number < 0)
        {
            entry.Of.Number = written.Count;
            written.Add(entry.Of);
        }

        entry.Of.Dirty.Add(entry);
    }

    /// <summary>Rows of a group stand in the order in which the database would give them.</summary>
    private static int PlaceOf(List<Entry> rows, Entry entry)
    {
        var at = rows.Count;
        for (; at > 0; at--)
        {
            var before = rows[at - 1];
            if (entry.Table.ByKey.Compare(before.Values ??= before.Table.ValuesOf(before.Row), entry.Values!) < 0)
            {
                break;
            }
        }

        return at;
    }

    private static int IndexOf(HotTable table, List<Entry> rows, object?[] values)
    {
        for (var i = 0; i < rows.Count; i++)
        {
            if (table.Group == table.Keys || KeyOf((rows[i].Values ??= table.ValuesOf(rows[i].Row)).AsSpan(table.Group, table.Keys - table.Group)) == KeyOf(values.AsSpan(table.Group, table.Keys - table.Group)))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Each part behind its length, so that no two keys read the same.</summary>
    internal static string KeyOf(ReadOnlySpan<object?> parts)
    {
        Span<char> near = stackalloc char[NearKey];
        return KeyOf(parts, near).ToString();
    }

    /// <param name="near">Where it may stand; one that is longer stands elsewhere.</param>
    private static ReadOnlySpan<char> KeyOf(ReadOnlySpan<object?> parts, Span<char> near)
    {
        var text = near;
        var length = 0;
        foreach (var part in parts)
        {
            var size = part switch { string words => words.Length, byte[] bytes => bytes.Length, long or int => 20, _ => throw new ArgumentException("a key holds text, bytes and numbers") };
            if (length + size + 1 > text.Length)
            {
                Span<char> wider = new char[2 * (length + size + 1)];
                text[..length].CopyTo(wider);
                text = wider;
            }

            text[length++] = (char)size;
            switch (part)
            {
                case string words:
                    words.CopyTo(text[length..]);
                    break;
                case byte[] bytes:
                    System.Text.Encoding.Latin1.GetChars(bytes, text[length..]);
                    break;
                default:
                    // Twenty digits from the least number on: in the numbers' order, negative ones too.
                    (unchecked((ulong)Convert.ToInt64(part, null)) ^ (1UL << 63)).TryFormat(text[length..], out _, "D20", System.Globalization.CultureInfo.InvariantCulture);
                    break;
            }

            length += size;
        }

        return text[..length];
    }
}
