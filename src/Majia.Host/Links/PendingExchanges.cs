namespace Majia.Host.Links;

/// <summary>Who waits for which answer on one connection. Answers come in any order, late, twice, or to nobody.</summary>
internal sealed class PendingExchanges
{
    /// <summary>How many requests are remembered whose callers went away, to tell a late answer from an unknown one.</summary>
    private const int Remembered = 1_024;

    private readonly Lock gate = new();
    private readonly Dictionary<string, Waiting> waiting = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> abandoned = new(StringComparer.Ordinal);
    private readonly Queue<string> abandonedInOrder = new();
    private Exception? lost;

    public enum Fit
    {
        Answered,

        /// <summary>Its caller has stopped waiting.</summary>
        Late,

        /// <summary>Nobody asked.</summary>
        Unknown,
    }

    public int Count { get; private set; }

    /// <summary>Somebody waits under this key from now on; behind those who already do, where the same request was sent again.</summary>
    public Waiting Add(in ExchangeKey key, long since)
    {
        var entry = new Waiting(key, since);
        lock (gate)
        {
            if (lost is not null)
            {
                entry.TrySetException(lost);
                return entry;
            }

            Count++;
            if (waiting.TryAdd(key.Must, entry))
            {
                return entry;
            }

            var last = waiting[key.Must];
            while (last.Next is { } next)
            {
                last = next;
            }

            last.Next = entry;
        }

        return entry;
    }

    /// <summary>Hands an answer to the one who has waited longest for it.</summary>
    public Fit Answer(in ExchangeKey key, ReadOnlyMemory<byte> frame)
    {
        Waiting? found = null;
        lock (gate)
        {
            if (waiting.TryGetValue(key.Must, out var first))
            {
                // Without the batch two requests cannot be told apart: then it is nobody's.
                found = key.May.Length == 0 && HasTwoKinds(first) ? null : Find(first, key);
            }

            if (found is null)
            {
                return Forget(key.Must) ? Fit.Late : Fit.Unknown;
            }

            Remove(found);
        }

        return found.TrySetResult(frame) ? Fit.Answered : Fit.Late;
    }

    /// <summary>The caller stopped waiting.</summary>
    public void Abandon(Waiting entry)
    {
        lock (gate)
        {
            if (!Remove(entry))
            {
                return;
            }

            abandoned[entry.Key.Must] = abandoned.GetValueOrDefault(entry.Key.Must) + 1;
            abandonedInOrder.Enqueue(entry.Key.Must);
            if (abandonedInOrder.Count > Remembered)
            {
                Forget(abandonedInOrder.Dequeue());
            }
        }
    }

    /// <summary>The connection is gone: nobody is answered any more.</summary>
    public void Fail(Exception reason)
    {
        Waiting[] all;
        lock (gate)
        {
            lost ??= reason;
            all = [.. waiting.Values];
            waiting.Clear();
            Count = 0;
        }

        foreach (var first in all)
        {
            for (var entry = first; entry is not null; entry = entry.Next)
            {
                entry.TrySetException(reason);
            }
        }
    }

    private bool Remove(Waiting entry)
    {
        if (!waiting.TryGetValue(entry.Key.Must, out var at))
        {
            return false;
        }

        if (ReferenceEquals(at, entry))
        {
            if (entry.Next is { } next)
            {
                waiting[entry.Key.Must] = next;
            }
            else
            {
                waiting.Remove(entry.Key.Must);
            }

            Count--;
            return true;
        }

        for (; at.Next is { } next; at = next)
        {
            if (ReferenceEquals(next, entry))
            {
                at.Next = next.Next;
                Count--;
                return true;
            }
        }

        return false;
    }

    private bool Forget(string key)
    {
        if (!abandoned.TryGetValue(key, out var count))
        {
            return false;
        }

        if (count > 1)
        {
            abandoned[key] = count - 1;
        }
        else
        {
            abandoned.Remove(key);
        }

        return true;
    }

    private static Waiting? Find(Waiting? entry, in ExchangeKey answer)
    {
        while (entry is not null && !entry.Key.Takes(answer))
        {
            entry = entry.Next;
        }

        return entry;
    }

    private static bool HasTwoKinds(Waiting first)
    {
        for (var entry = first.Next; entry is not null; entry = entry.Next)
        {
            if (entry.Key.May != first.Key.May)
            {
                return true;
            }
        }

        return false;
    }

    /// <param name="since">Timestamp of when it was sent.</param>
    public sealed class Waiting(ExchangeKey key, long since) : TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public ExchangeKey Key { get; } = key;

        public long Since { get; } = since;

        public Waiting? Next { get; set; }
    }
}
