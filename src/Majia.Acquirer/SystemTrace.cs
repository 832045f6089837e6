using System.Globalization;
using Majia.Storage;

namespace Majia.Acquirer;

/// <summary>The acquirer's own numbers for one message to the network, all from one counter.</summary>
/// <param name="Rrn">F37, 12 characters: YDDDHH of local time and a serial within the hour.</param>
/// <param name="Trace">F11, 6 digits. It goes on over hours and days: F7 has no year, and a number that began anew each hour would meet last year's (decisions.md 19).</param>
/// <param name="Transmission">F7, MMDDhhmmss local time.</param>
internal sealed record SystemTrace(string Rrn, string Trace, string Transmission)
{
    private const string Base36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    /// <param name="Before">What <paramref name="Value"/> was when the hour began.</param>
    private sealed record Counter(long Hour, long Before, long Value);

    private static readonly HotTable<Counter> Counters = new(
        "acquirer_sequence", keys: 1, columns: "name, hour, before, value", changing: "hour, before, value", stays: true,
        map: static row => new Counter(row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), values: static row => ["rrn", row.Hour, row.Before, row.Value]);

    /// <summary>Names what <see cref="Draw"/> will look at.</summary>
    public static void Want(Wanted wanted) => wanted.Row(Counters, "rrn");

    /// <summary>Takes the next numbers straight from the counter: of what is rare, and must not wait outside its unit.</summary>
    public static SystemTrace Next(Session session, DateTimeOffset local) => Of(Draw(session, local, 1), local);

    /// <summary>Takes a block of numbers. A clock set back does not give a number twice: the hour never goes back.</summary>
    public static TraceNumbers.Block Draw(Session session, DateTimeOffset local, int size)
    {
        var hour = HourOf(local);
        var last = session.Find(Counters, "rrn")!;
        var before = hour > last.Hour ? last.Value : last.Before;
        hour = Math.Max(hour, last.Hour);
        session.Put(Counters, new Counter(hour, before, last.Value + size));
        return new TraceNumbers.Block(hour, before, last.Value, last.Value + size);
    }

    public static long HourOf(DateTimeOffset local) => (long)Math.Floor((local.DateTime - DateTime.UnixEpoch).TotalHours);

    private static SystemTrace Of(TraceNumbers.Block one, DateTimeOffset local) => Of(one.Hour, one.Before, one.End, local);

    /// <param name="before">What the counter was when the hour began.</param>
    public static SystemTrace Of(long hour, long before, long value, DateTimeOffset local)
    {
        var named = DateTime.UnixEpoch.AddHours(hour);
        return new SystemTrace(
            string.Create(CultureInfo.InvariantCulture, $"{named.Year % 10}{named.DayOfYear:D3}{named.Hour:D2}{Serial(value - before)}"),
            (value % 1_000_000).ToString("D6", CultureInfo.InvariantCulture),
            local.ToString("MMddHHmmss", CultureInfo.InvariantCulture));
    }

    /// <summary>Six digits up to 999999, then six characters that begin with a letter: 1.5 thousand million in an hour.</summary>
    internal static string Serial(long serial)
    {
        if (serial <= 999_999)
        {
            return serial.ToString("D6", CultureInfo.InvariantCulture);
        }

        Span<char> text = stackalloc char[6];
        var rest = serial - 1_000_000;
        for (var i = 5; i > 0; i--)
        {
            text[i] = Base36[(int)(rest % 36)];
            rest /= 36;
        }

        text[0] = Base36[checked((int)rest) + 10];
        return text.ToString();
    }
}
