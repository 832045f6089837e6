namespace Majia.Storage;

/// <summary>One statement of a commit: INSERT or UPDATE of a row, with its parameters.</summary>
/// <param name="Table">Rows are written table by table, in this order.</param>
/// <param name="Key">The row's, and within a table the order.</param>
/// <param name="Replaces">It sets all that an earlier one of its kind may have set.</param>
internal readonly record struct RowWrite(string Sql, object?[] Values, int Table, string Key, bool Replaces)
{
    /// <summary>Statements of several commits as of one: what a later one sets again is left out.</summary>
    public static IEnumerable<RowWrite> InOrder(List<RowWrite> writes)
    {
        var order = new int[writes.Count];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        Array.Sort(order, (one, other) =>
        {
            var (a, b) = (writes[one], writes[other]);
            var difference = a.Table.CompareTo(b.Table);
            difference = difference != 0 ? difference : string.CompareOrdinal(a.Key, b.Key);
            return difference != 0 ? difference : one.CompareTo(other);
        });
        for (var i = 0; i < order.Length; i++)
        {
            var write = writes[order[i]];
            if (write.Replaces && i + 1 < order.Length && writes[order[i + 1]] is { Replaces: true } next && next.Table == write.Table && next.Key == write.Key)
            {
                continue;
            }

            yield return write;
        }
    }
}

/// <summary>The rows of hot tables that units of one commit have looked at or made: read once, written once, whatever happens to them in between.</summary>
/// <remarks>
/// What a unit changes stands here until somebody needs it in the database: the commit, or a statement of a party's own. So a row that is added and then
/// answered within one commit is one INSERT. A unit that throws is undone here alone, unless it had statements of its own; then by its savepoint too.
/// What commits touched stays until they stand in the database and a turn later, so meanwhile the database is asked only for rows that they did not touch (docs/decisions/0039, 0058).
/// One writer: nobody else changes these rows (decisions.md 30). One thread at a time.
/// </remarks>
/// <param name="select">Loads the rows of one group.</param>
/// <param name="execute">Runs INSERT or UPDATE.</param>
internal sealed class RowCache(Func<HotTable, object?[], List<object>> select, Action<string, object?[]> execute)
{
    /// <summary>So many groups of one table stay from commit to commit, and as many that were looked at before them.</summary>
    private const int MostThatStay = 16_384;

    private readonly Dictionary<HotTable, Groups> tables = [];
    private readonly List<(HotTable Table, List<Entry> Dirty)> written = [];
    private readonly List<Change> unit = [];

    /// <summary>Something stands here and not in the database.</summary>
    public bool IsDirty { get; private set; }

    public object? Find(HotTable table, ReadOnlySpan<object?> key) => Load(table, key) is { Count: > 0 } rows ? rows[0].Row : null;

    public List<T> Rows<T>(HotTable table, ReadOnlySpan<object?> group)
        where T : class => Load(table, group).ConvertAll(static entry => (T)entry.Row);

    /// <param name="blind">The caller knows that there is none: the database is not asked, its primary key still is.</param>
    public bool TryAdd(HotTable table, object row, bool blind)
    {
        var values = table.ValuesOf(row);
        var rows = Load(table, values.AsSpan(0, table.Group), blind);
        if (IndexOf(table, rows, values) >= 0)
        {
            return false;
        }

        var entry = new Entry(table, row, values, State.New);
        rows.Add(entry);
        unit.Add(new Change(entry, rows, null, null, State.Clean));
        Touch(entry);
        return true;
    }

    public void Put(HotTable table, object row)
    {
        var values = table.ValuesOf(row);
        var rows = Load(table, values.AsSpan(0, table.Group));
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
    public bool Knows(HotTable table, string key) => tables.TryGetValue(table, out var groups) && (groups.Recent.ContainsKey(key) || groups.Earlier.ContainsKey(key));

    /// <summary>The first row of a group that is known, or null; false when the group is not known.</summary>
    public bool TryPeek(HotTable table, string key, out object? row)
    {
        var known = tables.TryGetValue(table, out var groups) && (groups.Recent.TryGetValue(key, out var rows) || groups.Earlier.TryGetValue(key, out rows)) ? rows : null;
        row = known is { Count: > 0 } ? known[0].Row : null;
        return known is not null;
    }

    /// <summary>The group is read again when somebody asks for it; false when something of it was made or changed here.</summary>
    public bool TryForget(HotTable table, string key)
    {
        if (!tables.TryGetValue(table, out var groups))
        {
            return true;
        }

        if ((groups.Recent.TryGetValue(key, out var rows) || groups.Earlier.TryGetValue(key, out rows)) && rows.Exists(static entry => entry.State != State.Clean))
        {
            return false;
        }

        groups.Recent.Remove(key);
        groups.Earlier.Remove(key);
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

        var writes = new List<RowWrite>();
        Collect(writes);
        foreach (var write in writes)
        {
            execute(write.Sql, write.Values);
        }
    }

    /// <summary>The commit's statements, in order. From here on units belong to the next one.</summary>
    public List<RowWrite> Seal()
    {
        var writes = new List<RowWrite>();
        Collect(writes);
        return writes;
    }

    /// <summary>What was last touched before the turn before this one is dropped: every commit of that time stands in the database.</summary>
    public void Turn()
    {
        foreach (var (table, groups) in tables)
        {
            if (!table.Stays || groups.Recent.Count > MostThatStay)
            {
                (groups.Recent, groups.Earlier) = (groups.Earlier, groups.Recent);
                groups.Recent.Clear();
            }
        }

        // Of a commit that is not sealed yet: touched after this turn, too.
        foreach (var (table, dirty) in written)
        {
            var groups = tables[table];
            foreach (var entry in dirty)
            {
                if (groups.Earlier.Remove(KeyOf(entry.Values.AsSpan(0, table.Group)), out var rows))
                {
                    groups.Recent.Add(KeyOf(entry.Values.AsSpan(0, table.Group)), rows);
                }
            }
        }
    }

    private void Collect(List<RowWrite> writes)
    {
        for (var at = 0; at < written.Count; at++)
        {
            var (table, dirty) = written[at];
            dirty.Sort(static (one, other) => string.CompareOrdinal(one.Key, other.Key));
            foreach (var entry in dirty)
            {
                entry.Listed = false;
                switch (entry.State)
                {
                    case State.New:
                        writes.Add(new RowWrite(table.Insert, entry.Values!, at, entry.Key, Replaces: false));
                        break;
                    case State.Changed:
                        writes.Add(new RowWrite(table.Update, table.UpdateValues(entry.Values ??= table.ValuesOf(entry.Row)), at, entry.Key, Replaces: true));
                        break;
                }

                entry.State = State.Clean;
            }

            dirty.Clear();
        }

        IsDirty = false;
    }

    /// <summary>Everything is read again: somebody wrote past this cache, or a transaction was rolled back.</summary>
    public void Forget()
    {
        foreach (var groups in tables.Values)
        {
            groups.Recent.Clear();
            groups.Earlier.Clear();
        }

        foreach (var (_, dirty) in written)
        {
            dirty.Clear();
        }

        unit.Clear();
        IsDirty = false;
    }

    private List<Entry> Load(HotTable table, ReadOnlySpan<object?> group, bool blind = false)
    {
        if (!tables.TryGetValue(table, out var groups))
        {
            tables.Add(table, groups = new());
        }

        var key = KeyOf(group);
        if (!groups.Recent.TryGetValue(key, out var rows))
        {
            if (groups.Earlier.Remove(key, out rows))
            {
                groups.Recent.Add(key, rows);
                return rows;
            }

            rows = blind && table.Group == table.Keys ? [] : select(table, group.ToArray()).ConvertAll(row => new Entry(table, row, null, State.Clean) { Key = key });
            groups.Recent.Add(key, rows);
        }

        return rows;
    }

    private void Touch(Entry entry)
    {
        IsDirty = true;
        if (entry.Listed)
        {
            return;
        }

        entry.Listed = true;
        entry.Key = KeyOf((entry.Values ??= entry.Table.ValuesOf(entry.Row)).AsSpan(0, entry.Table.Keys));
        var at = written.FindIndex(of => of.Table == entry.Table);
        if (at < 0)
        {
            at = written.Count;
            written.Add((entry.Table, []));
        }

        written[at].Dirty.Add(entry);
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
        Span<char> near = stackalloc char[256];
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
                    Convert.ToInt64(part, null).ToString("D20", null).CopyTo(text[length..]);
                    break;
            }

            length += size;
        }

        return new string(text[..length]);
    }

    /// <summary>Rows of one table: what was looked at since the last turn (or the last so many), and what was before that.</summary>
    private sealed class Groups
    {
        public Dictionary<string, List<Entry>> Recent { get; set; } = new(StringComparer.Ordinal);

        public Dictionary<string, List<Entry>> Earlier { get; set; } = new(StringComparer.Ordinal);
    }

    private enum State
    {
        /// <summary>As the database has it; or not there any more.</summary>
        Clean,
        New,
        Changed,
    }

    private sealed class Entry(HotTable table, object row, object?[]? values, State state)
    {
        public HotTable Table { get; } = table;

        public object Row { get; set; } = row;

        public object?[]? Values { get; set; } = values;

        public State State { get; set; } = state;

        public string Key { get; set; } = string.Empty;

        /// <summary>Among those to be written.</summary>
        public bool Listed { get; set; }
    }

    /// <summary>One change of the running unit, with what was before it. Swapped, it holds what came after.</summary>
    private sealed class Change(Entry entry, List<Entry> rows, object? row, object?[]? values, State state)
    {
        private object? row = row;
        private object?[]? values = values;
        private State state = state;

        public Entry Entry { get; } = entry;

        public List<Entry> Rows { get; } = rows;

        public bool Added { get; } = row is null;

        public void Swap()
        {
            (Entry.Row, row) = (row ?? Entry.Row, Entry.Row);
            (Entry.Values, values) = (values, Entry.Values);
            (Entry.State, state) = (state, Entry.State);
        }
    }
}
