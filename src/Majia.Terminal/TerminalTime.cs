namespace Majia.Terminal;

/// <summary>The counter's clock: China Standard Time, as F12, F13 and 9A mean it.</summary>
internal static class TerminalTime
{
    private static readonly TimeSpan China = TimeSpan.FromHours(8);

    public static DateTimeOffset Local(TimeProvider clock) => clock.GetUtcNow().ToOffset(China);
}
