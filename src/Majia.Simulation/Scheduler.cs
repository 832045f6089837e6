using Majia.Core.Primitives;

namespace Majia.Simulation;

/// <summary>Something ran on another thread than the simulation's: its order would be the machine's, and a seed would not replay.</summary>
public sealed class EscapedException(string what) : Exception($"{what} left the simulation's thread");

/// <summary>Virtual time and every continuation of every process, on one thread. What is ready runs in an order drawn from the seed; timers by due time, then creation.</summary>
public sealed class Scheduler(DateTimeOffset start, Luck luck)
{
    private readonly record struct Ready(Process Process, SendOrPostCallback Callback, object? State);

    private readonly int thread = Environment.CurrentManagedThreadId;
    private readonly List<Ready> ready = [];
    private readonly PriorityQueue<(VirtualTimer Timer, long Version), (long Due, long Order)> timers = new();
    private long order;
    private volatile string? escaped;

    public DateTimeOffset Now { get; private set; } = start;

    /// <summary>Continuations run so far.</summary>
    public long Turns { get; private set; }

    /// <exception cref="EscapedException">The caller is on another thread.</exception>
    public void Check(string what)
    {
        if (Environment.CurrentManagedThreadId != thread)
        {
            escaped ??= what;
            throw new EscapedException(what);
        }

        if (escaped is { } before)
        {
            throw new EscapedException(before);
        }
    }

    /// <summary>Runs ready continuations, at most <paramref name="turns"/>. Time stands still.</summary>
    public void Run(int turns = int.MaxValue)
    {
        for (; turns > 0 && TryTurn(); turns--)
        {
        }
    }

    /// <summary>Lets <paramref name="span"/> pass with everything that falls due in it.</summary>
    public void Advance(TimeSpan span)
    {
        var until = Now + span;
        Run();
        while (timers.TryPeek(out var next, out var at) && at.Due <= until.UtcTicks)
        {
            timers.Dequeue();
            Fire(next.Timer, next.Version, at.Due);
            Run();
        }

        Now = until;
    }

    /// <summary>Lets time pass until <paramref name="done"/>, at most <paramref name="span"/>; false when it did not come to pass.</summary>
    public bool AdvanceUntil(Func<bool> done, TimeSpan span)
    {
        var until = Now + span;
        Run();
        while (!done())
        {
            if (!timers.TryPeek(out var next, out var at) || at.Due > until.UtcTicks)
            {
                Now = until;
                return done();
            }

            timers.Dequeue();
            Fire(next.Timer, next.Version, at.Due);
            Run();
        }

        return true;
    }

    /// <summary>Runs <paramref name="callback"/> once, after <paramref name="delay"/>, in <paramref name="process"/> if it still lives then.</summary>
    public void After(TimeSpan delay, Process process, Action callback) =>
        new VirtualTimer(this, process, static state => ((Action)state!)(), callback).Change(delay, Timeout.InfiniteTimeSpan);

    internal void Post(Process process, SendOrPostCallback callback, object? state)
    {
        if (Environment.CurrentManagedThreadId != thread)
        {
            escaped ??= $"a continuation of {process.Name}";
            return;
        }

        ready.Add(new(process, callback, state));
    }

    internal void Arm(VirtualTimer timer, long version, TimeSpan due) => timers.Enqueue((timer, version), ((Now + due).UtcTicks, order++));

    private bool TryTurn()
    {
        Check("a continuation");
        while (ready.Count > 0)
        {
            var chosen = ready.Count == 1 ? 0 : luck.Below(ready.Count);
            var (process, callback, state) = ready[chosen];
            ready.RemoveAt(chosen);
            if (process.IsAlive)
            {
                Turns++;
                process.Enter(callback, state);
                return true;
            }
        }

        return false;
    }

    private void Fire(VirtualTimer timer, long version, long due)
    {
        if (due > Now.UtcTicks)
        {
            Now = new DateTimeOffset(due, TimeSpan.Zero);
        }

        timer.Fire(version);
    }
}

/// <summary>What lives and dies together: a context for its continuations, a clock for its timers. Killed, nothing of it ever runs again.</summary>
public sealed class Process : SynchronizationContext
{
    private readonly Scheduler scheduler;

    public Process(string name, Scheduler scheduler)
    {
        (Name, this.scheduler) = (name, scheduler);
        Clock = new VirtualClock(scheduler, this);
    }

    public string Name { get; }

    public bool IsAlive { get; private set; } = true;

    public TimeProvider Clock { get; }

    public void Kill() => IsAlive = false;

    public override void Post(SendOrPostCallback d, object? state) => scheduler.Post(this, d, state);

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("nobody waits for another process");

    public override SynchronizationContext CreateCopy() => this;

    public void Post(Action work) => Post(static state => ((Action)state!)(), work);

    /// <summary>Runs <paramref name="work"/> inside this process, and brings the result out. Never completes when the process dies first.</summary>
    public Task<T> CallAsync<T>(Func<Task<T>> work)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() => Start(work, result));
        return result.Task;
    }

    public Task CallAsync(Func<Task> work) => CallAsync(async () =>
    {
        await work();
        return true;
    });

    internal void Enter(SendOrPostCallback callback, object? state)
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            callback(state);
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    private static async void Start<T>(Func<Task<T>> work, TaskCompletionSource<T> result)
    {
        try
        {
            result.TrySetResult(await work());
        }
#pragma warning disable CA1031 // it is the caller's to judge
        catch (Exception error)
#pragma warning restore CA1031
        {
            result.TrySetException(error);
        }
    }

    private sealed class VirtualClock(Scheduler scheduler, Process process) : TimeProvider
    {
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow()
        {
            scheduler.Check("a clock reading");
            return scheduler.Now;
        }

        public override long GetTimestamp() => GetUtcNow().UtcTicks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            scheduler.Check("a timer");
            var timer = new VirtualTimer(scheduler, process, callback, state);
            timer.Change(dueTime, period);
            return timer;
        }
    }
}

internal sealed class VirtualTimer(Scheduler scheduler, Process process, TimerCallback callback, object? state) : ITimer
{
    private long version;
    private TimeSpan repeat;

    public bool Change(TimeSpan dueTime, TimeSpan period)
    {
        version++;
        repeat = period;
        if (dueTime != Timeout.InfiniteTimeSpan)
        {
            scheduler.Arm(this, version, dueTime);
        }

        return true;
    }

    public void Fire(long armed)
    {
        if (armed != version || !process.IsAlive)
        {
            return;
        }

        if (repeat > TimeSpan.Zero)
        {
            scheduler.Arm(this, version, repeat);
        }

        process.Enter(run => callback(run), state);
    }

    public void Dispose() => version++;

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Randomness of key modules, which outlive a run: whichever run is on this thread gives it.</summary>
internal sealed class RunEntropy : Entropy
{
    [ThreadStatic]
    private static Entropy? current;

    public static void Use(Entropy? entropy) => current = entropy;

    public override void Fill(Span<byte> buffer) => (current ?? throw new EscapedException("randomness")).Fill(buffer);
}
