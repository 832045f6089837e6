namespace Majia.Storage;

/// <summary>What became of one sending.</summary>
/// <param name="Why">Of <see cref="Fate.Never"/>: who refused it, and how.</param>
public readonly record struct Delivery(Fate Fate, string Why = "")
{
    public static readonly Delivery Done = new(Fate.Done), Again = new(Fate.Again);

    public static Delivery Never(string why) => new(Fate.Never, why);
}

public enum Fate
{
    /// <summary>It arrived: the entry goes.</summary>
    Done,

    /// <summary>Silence, or a refusal that passes: sent again later.</summary>
    Again,

    /// <summary>Refused for good: a dead letter.</summary>
    Never,
}

/// <summary>Sends what is due of one party's outbox, all at once, each entry by one sender at a time. One entry that fails does not hold up the others.</summary>
/// <param name="send">Sends one entry and says what became of it.</param>
/// <param name="failed">Told when a sending threw: for the trace. The entry is tried again later.</param>
public sealed class OutboxPump(Outbox outbox, Store store, TimeProvider time, Func<OutboxEntry, Task<Delivery>> send, Action<OutboxEntry, Exception> failed)
{
    private readonly Lock gate = new();
    private readonly HashSet<long> sending = [];

    public async Task RunAsync(CancellationToken cancellation)
    {
        var now = time.GetUtcNow();

        // Committed rows only: what is sent leaves the process (decisions.md 22).
        var due = store.Read(session => outbox.Due(session, now));
        var tasks = new List<Task>();
        foreach (var entry in due)
        {
            cancellation.ThrowIfCancellationRequested();
            lock (gate)
            {
                if (!sending.Add(entry.Id))
                {
                    continue;
                }
            }

            tasks.Add(DeliverAsync(entry));
        }

        await Task.WhenAll(tasks);
    }

    private async Task DeliverAsync(OutboxEntry entry)
    {
        try
        {
            var delivery = await TrySendAsync(entry);
            var now = time.GetUtcNow();
            await store.WriteAsync(session =>
            {
                switch (delivery.Fate)
                {
                    case Fate.Done:
                        outbox.Delivered(session, entry.Id);
                        break;

                    case Fate.Again:
                        outbox.Failed(session, entry, now);
                        break;

                    default:
                        outbox.Bury(session, entry, delivery.Why, now);
                        break;
                }
            });
        }
        finally
        {
            lock (gate)
            {
                sending.Remove(entry.Id);
            }
        }
    }

    private async Task<Delivery> TrySendAsync(OutboxEntry entry)
    {
        try
        {
            return await send(entry);
        }
#pragma warning disable CA1031 // whatever one entry meets, the others go on; a store that failed says so when it is written to
        catch (Exception error)
#pragma warning restore CA1031
        {
            failed(entry, error);
            return Delivery.Again;
        }
    }
}
