using Majia.Storage;

namespace Majia.Acquirer;

/// <summary>The numbers of claims, drawn from the counter in blocks: one claim waits for no other claim's commit, and nodes on one database do not wait for each other (docs/decisions/0056).</summary>
/// <remarks>Numbers of a block that is not used up are never given: after a restart, or when the hour has changed, the next block begins behind it.</remarks>
internal sealed class TraceNumbers(Store store, TimeSpan utcOffset)
{
    private const int Size = 200;

    private readonly Lock gate = new();

    // Under the gate.
    private Block? current;
    private TaskCompletionSource<Block>? ahead;

    /// <summary>What the counter gave: values behind <see cref="Last"/>, of one hour.</summary>
    /// <param name="Before">What the counter was when the hour began.</param>
    /// <param name="Last">The one that was taken last.</param>
    internal sealed record Block(long Hour, long Before, long Last, long End);

    /// <summary>The next numbers. Waits for the database once in a block, and seldom then: the next block is drawn when half of this one is used.</summary>
    public async ValueTask<SystemTrace> NextAsync(DateTimeOffset now)
    {
        var local = now.ToOffset(utcOffset);
        while (true)
        {
            SystemTrace? taken = null;
            TaskCompletionSource<Block> next;
            var draws = false;
            lock (gate)
            {
                if (current is { } block && block.Last < block.End && SystemTrace.HourOf(local) <= block.Hour)
                {
                    current = block with { Last = block.Last + 1 };
                    taken = SystemTrace.Of(current.Hour, current.Before, current.Last, local);
                    if (block.End - block.Last > Size / 2)
                    {
                        return taken;
                    }
                }

                if (ahead is null)
                {
                    ahead = new TaskCompletionSource<Block>(TaskCreationOptions.RunContinuationsAsynchronously);
                    draws = true;
                }

                next = ahead;
            }

            if (draws)
            {
                _ = DrawAsync(next, local);
            }

            if (taken is not null)
            {
                return taken;
            }

            var drawn = await next.Task;
            lock (gate)
            {
                if (ahead == next)
                {
                    (current, ahead) = (drawn, null);
                }
            }
        }
    }

    private async Task DrawAsync(TaskCompletionSource<Block> next, DateTimeOffset local)
    {
        try
        {
            // On the disk before a number of it is given: a server that is killed would give the same block again.
            var since = store.Mark();
            var drawn = await store.WriteAsync(session => SystemTrace.Draw(session, local, Size), SystemTrace.Want);
            await store.DurableAsync(since);
            next.SetResult(drawn);
        }
#pragma warning disable CA1031 // whoever waits for the block is told
        catch (Exception failure)
#pragma warning restore CA1031
        {
            lock (gate)
            {
                ahead = null;
            }

            next.SetException(failure);
            _ = next.Task.Exception;
        }
    }
}
