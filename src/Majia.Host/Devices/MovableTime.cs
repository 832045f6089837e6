namespace Majia.Host.Devices;

/// <summary>The machine's clock, which the person at the page may set forward. Only the date moves: whoever waits a second still waits one.</summary>
public sealed class MovableTime(TimeProvider machine) : TimeProvider
{
    private long ahead;

    /// <summary>How far the demonstration's date is ahead of the machine's.</summary>
    public TimeSpan Ahead => TimeSpan.FromTicks(Interlocked.Read(ref ahead));

    public override TimeZoneInfo LocalTimeZone => machine.LocalTimeZone;

    public override long TimestampFrequency => machine.TimestampFrequency;

    public void Forward(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        Interlocked.Add(ref ahead, by.Ticks);
    }

    public override DateTimeOffset GetUtcNow() => machine.GetUtcNow() + Ahead;

    public override long GetTimestamp() => machine.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => machine.CreateTimer(callback, state, dueTime, period);
}
