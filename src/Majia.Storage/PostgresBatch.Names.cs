namespace Majia.Storage;

/// <content>What units name before they run: it is at hand, or in the transaction before this one, or wanted from the database.</content>
internal sealed partial class PostgresBatch
{
    /// <summary>Whether another transaction would miss something of this group as long as this one is not committed, or wait for it.</summary>
    private bool Has(HotTable table, string key) =>
        table.Changing.Length == 0 && loaded.TryGetValue((table, key), out var found) ? table.Group < table.Keys || found.Count == 0
        : heldKeys.Contains((table, key)) || loaded.ContainsKey((table, key)) || rows.Knows(table, key);

    private void Want(HotTable table, ReadOnlySpan<object?> group, string key)
    {
        Registered(table);
        if (!wanted.TryGetValue(table, out var keys))
        {
            wanted.Add(table, keys = new(StringComparer.Ordinal));
        }

        if (!keys.ContainsKey(key))
        {
            keys.Add(key, group.ToArray());
        }
    }

    private sealed class Names(PostgresBatch batch) : Wanted
    {
        /// <summary>Something is not here yet.</summary>
        public bool Asked { get; private set; }

        /// <summary>Something is in the transaction before this one.</summary>
        public bool Later { get; private set; }

        public void Begin() => (Asked, Later) = (false, false);

        public override T? Row<T>(HotTable<T> table, params ReadOnlySpan<object?> group)
            where T : class
        {
            var key = RowCache.KeyOf(group);
            if (batch.rows.TryPeek(table, key, out var known))
            {
                return (T?)known;
            }

            if (batch.loaded.TryGetValue((table, key), out var found))
            {
                return found.Count > 0 ? (T)found[0] : null;
            }

            if (batch.taken.Contains((table, key)))
            {
                return null;
            }

            if (batch.Before is { } before && before.Has(table, key))
            {
                Later = true;
                return null;
            }

            Asked = true;
            batch.Want(table, group, key);
            return null;
        }

        public override void Lock(string key)
        {
            if (batch.held.Contains(key) || batch.takenLocks.Contains(key))
            {
                return;
            }

            if (batch.Before is { } before && before.held.Contains(key))
            {
                Later = true;
                return;
            }

            Asked = true;
            batch.locks.Add(key);
        }
    }
}

/// <summary>A unit of <see cref="PostgresBatch"/>.</summary>
internal interface IBatchUnit
{
    /// <summary>Whose tables it touches; empty: the login's own.</summary>
    string Role { get; }

    void Name(Wanted wanted);

    void Run(Session session);

    void Fail(Exception why);

    /// <summary>It has its result, or was told why it has none.</summary>
    bool Ended { get; }
}
