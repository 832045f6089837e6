using Npgsql;

namespace Majia.Storage;

/// <summary>The one log of a PostgreSQL, as this process waits for it: whoever asks during a flush is served by the next one, together.</summary>
/// <remarks>
/// Units commit without waiting (synchronous_commit = off): others see them at once, and the disk has them later. A flush is one commit with
/// synchronous_commit on (local, or by the standby's word where synchronous_standby_names says so); the log is one, so it covers every commit before it.
/// <para>
/// A server that stops takes with it what was not flushed. Its connections break then, so a <em>life</em> is as long as this connection holds: a
/// request that began in one life is never vouched for by a flush in the next.
/// </para>
/// </remarks>
internal sealed class PostgresLog : IDisposable
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(100);

    private readonly object gate = new();
    private readonly PostgresTarget target;

    // Under the gate.
    private TaskCompletionSource waiters = NewWaiters();
    private bool wanted;
    private bool stopping;
    private long life;
    private bool open;
    private string why = "not connected yet";
    private long ran, flushed;

    public PostgresLog(PostgresTarget target)
    {
        this.target = target;
        var connection = target.Open(synchronous: true);
        (life, open) = (1, true);
#pragma warning disable RS0030 // the log's own thread: it blocks on the disk, and a pool thread must not
        new Thread(() => Run(connection)) { IsBackground = true, Name = "storage log" }.Start();
#pragma warning restore RS0030
    }

    /// <summary>Why nothing can be kept now; null while the server is there.</summary>
    public StoreUnavailableException? Failure
    {
        get
        {
            lock (gate)
            {
                return open ? null : new StoreUnavailableException(why, inDoubt: false);
            }
        }
    }

    /// <summary>The life that is now.</summary>
    public StoreMark Mark()
    {
        lock (gate)
        {
            return open ? new StoreMark(life) : throw new StoreUnavailableException(why, inDoubt: false);
        }
    }

    /// <summary>A unit has run: the log is ahead of the disk.</summary>
    public void Ran()
    {
        lock (gate)
        {
            ran++;
        }
    }

    /// <summary>How many units have run by now, for <see cref="Covered"/>.</summary>
    public long SoFar()
    {
        lock (gate)
        {
            return ran;
        }
    }

    /// <summary>A commit that waited for the disk covers everything that had run before it was sent.</summary>
    public void Covered(long upTo)
    {
        lock (gate)
        {
            flushed = Math.Max(flushed, upTo);
        }
    }

    /// <summary>Units whose results were seen have come to nothing: whoever began before now is vouched for by nobody.</summary>
    public void EndLife()
    {
        lock (gate)
        {
            life++;
        }
    }

    /// <summary>A connection broke: is it the server? Asked at once, so that the next request learns of it.</summary>
    public void Suspect()
    {
        lock (gate)
        {
            wanted = true;
            Monitor.Pulse(gate);
        }
    }

    public Task DurableAsync(StoreMark since)
    {
        lock (gate)
        {
            if (!open || since.Life != life)
            {
                return Task.FromException(Lost(null));
            }

            if (ran == flushed && !wanted)
            {
                return Task.CompletedTask;
            }

            wanted = true;
            Monitor.Pulse(gate);
            return waiters.Task;
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            stopping = true;
            Monitor.Pulse(gate);
        }
    }

    private void Run(NpgsqlConnection? connection)
    {
        var warned = false;
        var flush = Flush(connection, () => warned = true);
        while (Next(out var asked, out var upTo))
        {
            if (connection is null)
            {
                // Who came between the failure and now asked for the life that has ended.
                Fail(asked, null);
                try
                {
                    connection = target.Open(synchronous: true);
                    flush = Flush(connection, () => warned = true);
                    Opened();
                }
                catch (StoreUnavailableException away)
                {
                    Away(away.Message);
                }
                catch (NpgsqlException failure)
                {
                    // Opened, and gone again before it could be used.
                    connection?.Dispose();
                    connection = null;
                    Away(PostgresTrouble.WhyNotOpened(target.Parsed, failure));
                }

                continue;
            }

            try
            {
                warned = false;
                flush!.ExecuteNonQuery();
                if (warned)
                {
                    throw new NpgsqlException("the standby did not confirm");
                }

                StorageMeasures.CommitUnits.Record((int)Math.Min(upTo - flushed, int.MaxValue));
                Covered(upTo);
                asked.TrySetResult();
            }
            catch (Exception failure) when (PostgresTrouble.Of(failure) != Trouble.OfTheUnit || failure is PostgresException)
            {
                connection.Dispose();
                connection = null;
                Away(PostgresTrouble.WhyNotOpened(target.Parsed, failure));
                Fail(asked, failure);
            }
        }

        connection?.Dispose();
    }

    /// <summary>Waits for somebody who asks; while the server is away it looks for it by itself.</summary>
    private bool Next(out TaskCompletionSource asked, out long upTo)
    {
        lock (gate)
        {
            while (!stopping && open && !wanted)
            {
                Monitor.Wait(gate);
            }

            if (!stopping && !open)
            {
                Monitor.Wait(gate, Between);
            }

            (asked, upTo) = (waiters, ran);
            (waiters, wanted) = (NewWaiters(), false);
            return !stopping || ran != flushed && open;
        }
    }

    private void Opened()
    {
        lock (gate)
        {
            life++;
            open = true;
            flushed = ran;
        }
    }

    private void Away(string reason)
    {
        lock (gate)
        {
            open = false;
            why = reason;
        }
    }

    private static void Fail(TaskCompletionSource asked, Exception? failure)
    {
        asked.TrySetException(Lost(failure));
        _ = asked.Task.Exception;
    }

    public static StoreUnavailableException Lost(Exception? failure) =>
        new("PostgreSQL stopped before its disk had everything that this answer says", inDoubt: true, failure);

    /// <summary>A commit record of its own: a transaction that wrote nothing would flush nothing.</summary>
    private static NpgsqlCommand? Flush(NpgsqlConnection? connection, Action warned)
    {
        if (connection is null)
        {
            return null;
        }

        // A wait for the standby that was cancelled ends well, with no more than a warning.
        connection.Notice += (_, _) => warned();
        PostgresTarget.Wait(connection);
        var command = new NpgsqlCommand("SELECT pg_logical_emit_message(true, 'majia', '')", connection);
        command.Prepare();
        return command;
    }

    private static TaskCompletionSource NewWaiters() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
