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

    /// <summary>Takes the next numbers. A clock set back does not give a number twice: the hour never goes back.</summary>
    public static SystemTrace Next(Session session, DateTimeOffset local)
    {
        var hour = (long)Math.Floor((local.DateTime - DateTime.UnixEpoch).TotalHours);
        var (lastHour, before, last) = session.One("SELECT hour, before, value FROM acquirer_sequence WHERE name = 'rrn'", static row => Tuple.Create(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)))!;
        if (hour > lastHour)
        {
            before = last;
        }

        hour = Math.Max(hour, lastHour);
        var value = last + 1;
        session.Execute("UPDATE acquirer_sequence SET hour = $1, before = $2, value = $3 WHERE name = 'rrn'", hour, before, value);
        var serial = value - before;
        var named = DateTime.UnixEpoch.AddHours(hour);
        return new SystemTrace(
            string.Create(CultureInfo.InvariantCulture, $"{named.Year % 10}{named.DayOfYear:D3}{named.Hour:D2}{Serial(serial)}"),
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
