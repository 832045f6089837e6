using Majia.Storage;

namespace Majia.Host.Operations;

/// <summary>The clock of a process: each second what is due in the outboxes of its parties.</summary>
public static class Rounds
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    /// <summary>What was left undone when the process last stopped, then the rounds, until <paramref name="stopping"/> or until the store fails.</summary>
    /// <param name="after">Called after each round.</param>
    public static async Task RunAsync(MajiaSystem system, ILogger log, Action after, CancellationToken stopping)
    {
        try
        {
            foreach (var terminal in system.Terminals.Values.Where(terminal => terminal.Pending.Count > 0))
            {
                await terminal.ResolvePendingAsync(stopping);
            }

            var away = false;
            while (true)
            {
                await Task.Delay(Beat, system.Time, stopping);
                try
                {
                    await system.PumpAsync(stopping);
                    after();
                    if (away)
                    {
                        log.LogWarning("The database is back; what waited is delivered");
                        away = false;
                    }
                }
                catch (StoreUnavailableException gone)
                {
                    // Once, however long it stays away: health says so all the time.
                    if (!away)
                    {
                        log.LogWarning("The database is away, and what is to be delivered waits: {Why}", gone.Message);
                        away = true;
                    }
                }
                catch (Exception error) when (error is not (OperationCanceledException or StoreFailedException))
                {
                    log.LogError("A round of deliveries failed, the next one comes: {Type}\n{Place}", error.GetType().Name, error.StackTrace);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the day.
        }
        catch (StoreFailedException failed)
        {
            log.LogError("The store has failed; nothing is delivered any more until a restart: {Type}", failed.GetType().Name);
        }
    }
}
