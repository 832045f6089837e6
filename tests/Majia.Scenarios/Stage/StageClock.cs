using Microsoft.Extensions.Time.Testing;

namespace Majia.Scenarios.Stage;

/// <summary>The one clock of a scenario. It stands still until it is moved, and knows who waits for it: nobody has to guess when to move it.</summary>
public sealed class StageClock(DateTimeOffset start) : FakeTimeProvider(start)
{
    private readonly Lock gate = new();
    private readonly List<Waiting> timers = [];
    private readonly List<(TimeSpan Due, TaskCompletionSource Seen)> watchers = [];

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Waiting(this, dueTime);
        timer.Inner = base.CreateTimer(
            now =>
            {
                timer.End();
                callback(now);
            },
            state, dueTime, period);
        lock (gate)
        {
            if (!timer.Ended)
            {
                timers.Add(timer);
            }

            foreach (var watcher in watchers.Where(watcher => watcher.Due == dueTime).ToList())
            {
                watchers.Remove(watcher);
                watcher.Seen.TrySetResult();
            }
        }

        return timer;
    }

    /// <summary>Completes when somebody waits for <paramref name="due"/>.</summary>
    public Task WaitingAsync(TimeSpan due)
    {
        lock (gate)
        {
            if (timers.Any(timer => timer.Due == due))
            {
                return Task.CompletedTask;
            }

            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            watchers.Add((due, seen));
            return seen.Task;
        }
    }

    private sealed class Waiting(StageClock clock, TimeSpan due) : ITimer
    {
        public TimeSpan Due { get; } = due;

        public ITimer? Inner { get; set; }

        public bool Ended { get; private set; }

        public void End()
        {
            lock (clock.gate)
            {
                Ended = true;
                clock.timers.Remove(this);
            }
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => Inner!.Change(dueTime, period);

        public void Dispose()
        {
            End();
            Inner!.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
