using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>Who sets a limit, and where.</summary>
/// <param name="Channel">HOTLINE, APP or COUNTER.</param>
/// <param name="Name">The agent or the customer who was signed in.</param>
public sealed record LimitAuthor(string Channel, string Name)
{
    public static readonly LimitAuthor Counter = new("COUNTER", "counter");

    public static LimitAuthor Agent(string agent) => new("HOTLINE", agent);

    public static LimitAuthor Customer(string customer) => new("APP", customer);

    public Text Words() => Channel switch
    {
        "HOTLINE" => new($"hotline, {Name}", $"客服 {Name}"),
        "APP" => new("its holder, in the bank's app", "持卡人（银行应用）"),
        _ => new("the counter", "柜面"),
    };
}

/// <summary>Limits as people and programs read them: yuan, such as 500.00; null: none.</summary>
public sealed record LimitsSaid(string? PerPayment, string? PerDay)
{
    internal static LimitsSaid Of(OwnLimits limits) => new(Said(limits.PerPayment), Said(limits.PerDay));

    private static string? Said(long? minor) => minor is { } amount ? Amount.Cny(amount).ToString() : null;

    public Text Words() => new($"{PerPayment ?? "any amount"} a payment, {PerDay ?? "any amount"} a day", $"单笔{PerPayment ?? "不限"}、单日{PerDay ?? "不限"}");
}

/// <summary>One change of one device card's own limits: who, when, from what, to what.</summary>
/// <param name="Device">Its last four digits.</param>
public sealed record LimitChange(DateTimeOffset At, string Channel, string Author, string TokenUniqueReference, string Device, LimitsSaid Before, LimitsSaid After)
{
    /// <summary>A line for people.</summary>
    public Text Words()
    {
        var (by, was, now) = (new LimitAuthor(Channel, Author).Words(), Before.Words(), After.Words());
        return new($"{BankTime.Minute(At)}, {by.En}: {was.En} → {now.En}", $"{BankTime.Minute(At)} {by.Zh}：{was.Zh} → {now.Zh}");
    }
}

/// <summary>The history of limits, whoever changed them: lines are added in the unit of the change, and never changed. It belongs to the device card and goes with it to a new plastic.</summary>
internal static class LimitHistory
{
    public const string Migration = """
        -- Every change of a device card's own limits: lines are added, never changed.
        CREATE TABLE issuer_limit_changes (
          institution TEXT NOT NULL, sequence BIGINT NOT NULL, at BIGINT NOT NULL, token_reference TEXT NOT NULL, last_four TEXT NOT NULL, channel TEXT NOT NULL, author TEXT NOT NULL,
          payment_before BIGINT, day_before BIGINT, payment_after BIGINT, day_after BIGINT, PRIMARY KEY (institution, sequence));
        CREATE INDEX issuer_limit_changes_by_device ON issuer_limit_changes (institution, token_reference);
        """;

    public static void Add(Session session, string institution, string tokenReference, string lastFour, LimitAuthor by, OwnLimits before, OwnLimits after, DateTimeOffset now)
    {
        if (before == after)
        {
            return;
        }

        session.Lock($"issuer/limits/{institution}");
        session.Execute(
            """
            INSERT INTO issuer_limit_changes (institution, sequence, at, token_reference, last_four, channel, author, payment_before, day_before, payment_after, day_after)
            VALUES ($1, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM issuer_limit_changes WHERE institution = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            institution, now, tokenReference, lastFour, by.Channel, by.Name, before.PerPayment, before.PerDay, after.PerPayment, after.PerDay);
    }

    /// <summary>Of every device card of a plastic, deleted ones too, oldest first; of one alone when it is named.</summary>
    public static List<LimitChange> Of(Session session, string institution, string card, string? tokenReference = null) => session.Query(
        """
        SELECT h.at, h.channel, h.author, h.token_reference, h.last_four, h.payment_before, h.day_before, h.payment_after, h.day_after
        FROM issuer_limit_changes h JOIN issuer_devices d ON d.institution = h.institution AND d.token_reference = h.token_reference
        WHERE h.institution = $1 AND d.card = $2 AND ($3 = '' OR h.token_reference = $3) ORDER BY h.sequence
        """,
        static row => new LimitChange(
            row.Instant(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4),
            LimitsSaid.Of(new(Minor(row, 5), Minor(row, 6))), LimitsSaid.Of(new(Minor(row, 7), Minor(row, 8)))),
        institution, card, tokenReference ?? "");

    private static long? Minor(System.Data.Common.DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);
}
