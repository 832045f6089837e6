using System.Diagnostics.CodeAnalysis;

namespace Majia.Storage;

/// <content>What stands in it: the groups of a table, their rows, and what the running unit changed.</content>
internal sealed partial class RowCache
{
    /// <summary>Rows of one table: what was looked at since the last seal (or the last so many), and what was before that.</summary>
    private sealed class Groups
    {
        private Dictionary<string, List<Entry>> recent = new(StringComparer.Ordinal), earlier = new(StringComparer.Ordinal);
        private Dictionary<string, List<Entry>>.AlternateLookup<ReadOnlySpan<char>> inRecent, inEarlier;

        public Groups(HotTable table)
        {
            Table = table;
            (inRecent, inEarlier) = (recent.GetAlternateLookup<ReadOnlySpan<char>>(), earlier.GetAlternateLookup<ReadOnlySpan<char>>());
        }

        public HotTable Table { get; }

        /// <summary>Among the tables that were written to; -1 when none of its rows was.</summary>
        public int Number { get; set; } = -1;

        /// <summary>Rows to be written.</summary>
        public List<Entry> Dirty { get; } = [];

        /// <summary>Groups that were looked at lately.</summary>
        public int Count => recent.Count;

        public bool TryGet(ReadOnlySpan<char> key, [NotNullWhen(true)] out List<Entry>? rows)
        {
            if (inRecent.TryGetValue(key, out rows))
            {
                return true;
            }

            if (earlier.Count > 0 && inEarlier.Remove(key, out var text, out rows))
            {
                recent.Add(text, rows);
                return true;
            }

            return false;
        }

        /// <summary>As <see cref="TryGet"/>, and it is not looked at for it.</summary>
        public bool TryPeek(string key, [NotNullWhen(true)] out List<Entry>? rows) => recent.TryGetValue(key, out rows) || earlier.TryGetValue(key, out rows);

        public void Add(string key, List<Entry> rows) => recent.Add(key, rows);

        public void Remove(string key)
        {
            recent.Remove(key);
            earlier.Remove(key);
        }

        /// <summary>What is recent becomes earlier, and what was earlier goes.</summary>
        public void Turn()
        {
            (recent, earlier, inRecent, inEarlier) = (earlier, recent, inEarlier, inRecent);
            recent.Clear();
        }

        public void Clear()
        {
            recent.Clear();
            earlier.Clear();
            Dirty.Clear();
        }
    }

    private enum State
    {
        /// <summary>As the database has it; or not there any more.</summary>
        Clean,
        New,
        Changed,
    }

    private sealed class Entry(Groups of, object row, object?[]? values, State state)
    {
        public Groups Of { get; } = of;

        public HotTable Table => Of.Table;

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
