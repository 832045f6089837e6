using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>What a device card may spend while it is new: whoever has stolen an identity has little of it in the first days (decision 0041).</summary>
/// <param name="Bin">First digits of the plastic's number.</param>
/// <param name="Days">From the moment when the card went live.</param>
/// <param name="PerPayment">Minor units.</param>
/// <param name="PerDay">Minor units, of the bank's local day.</param>
public sealed record NewCardLimits(string Bin, int Days, long PerPayment, long PerDay)
{
    /// <summary>The rule for a plastic, the longest range first; null: none.</summary>
    public static NewCardLimits? Of(IReadOnlyList<NewCardLimits> rules, string masked) =>
        rules.Where(rule => masked.StartsWith(rule.Bin, StringComparison.Ordinal)).MaxBy(rule => rule.Bin.Length);

    internal DateTimeOffset Until(DateTimeOffset since) => since.AddDays(Days);
}

/// <summary>What was set for one device card, by the bank or by its holder. Minor units; null: no limit of its own.</summary>
public sealed record OwnLimits(long? PerPayment, long? PerDay);

/// <summary>What holds for one device card at this moment.</summary>
/// <param name="Own">Null: none was set.</param>
/// <param name="New">Null: it is not new any more, or its bank does not mind.</param>
public sealed record DeviceCardLimits(OwnLimits? Own, NewCardLimits? New, DateTimeOffset NewUntil)
{
    internal bool CountsTheDay => Own?.PerDay is not null || New is not null;

    /// <summary>Why this payment is too much for the device card; null when it is not.</summary>
    /// <param name="spent">With this device card on the bank's day, what was undone left out.</param>
    public Decision? Object(Amount amount, Amount spent)
    {
        var currency = amount.Currency;
        if (New is { } young && amount.Minor > young.PerPayment) return Over(new(
            $"The device card is new: until {BankTime.Minute(NewUntil)} at most {new Amount(young.PerPayment, currency)} a payment.", $"设备卡为新添加：{BankTime.Minute(NewUntil)} 前单笔限额 {new Amount(young.PerPayment, currency)} 元。"));
        if (Own?.PerPayment is { } payment && amount.Minor > payment) return Over(new(
            $"Over this device card's own limit of {new Amount(payment, currency)} a payment.", $"超出该设备卡单笔限额 {new Amount(payment, currency)} 元。"));
        if (New is { } counted && spent.Minor + amount.Minor > counted.PerDay) return Over(new(
            $"The device card is new: until {BankTime.Minute(NewUntil)} at most {new Amount(counted.PerDay, currency)} a day, {Left(counted.PerDay, spent)} of it is left.", $"设备卡为新添加：{BankTime.Minute(NewUntil)} 前单日限额 {new Amount(counted.PerDay, currency)} 元，今日剩余 {Left(counted.PerDay, spent)} 元。"));
        if (Own?.PerDay is { } day && spent.Minor + amount.Minor > day) return Over(new(
            $"Over this device card's own limit of {new Amount(day, currency)} a day, {Left(day, spent)} of it is left.", $"超出该设备卡单日限额 {new Amount(day, currency)} 元，今日剩余 {Left(day, spent)} 元。"));

        return null;
    }

    private static Amount Left(long limit, Amount spent) => new(Math.Max(0, limit - spent.Minor), spent.Currency);

    private static Decision Over(Text why) => new(ResponseCode.OverAmountLimit, why);
}

/// <summary>A device card's row of limits. The bank knows a device card by its last four digits; should two of one plastic share them, both have the row.</summary>
internal sealed record LimitRow(string Institution, string Card, string LastFour, DateTimeOffset Since, long? PerPayment, long? PerDay)
{
    public const string Migration = """
        -- Limits of one device card: since when it is live, and what was set for it.
        CREATE TABLE issuer_device_limits (
          institution TEXT NOT NULL, card TEXT NOT NULL, last_four TEXT NOT NULL, since BIGINT NOT NULL, per_payment BIGINT, per_day BIGINT, PRIMARY KEY (institution, card, last_four));
        INSERT INTO issuer_device_limits (institution, card, last_four, since)
          SELECT institution, card, last_four, MAX(at) FROM issuer_devices GROUP BY institution, card, last_four;
        """;

    private static readonly HotTable<LimitRow> Table = new(
        "issuer_device_limits", keys: 3, columns: "institution, card, last_four, since, per_payment, per_day", changing: "since, per_payment, per_day", stays: true,
        map: static row => new LimitRow(
            row.GetString(0), row.GetString(1), row.GetString(2), row.Instant(3), row.IsDBNull(4) ? null : row.GetInt64(4), row.IsDBNull(5) ? null : row.GetInt64(5)),
        values: static row => [row.Institution, row.Card, row.LastFour, row.Since, row.PerPayment, row.PerDay]);

    public static LimitRow? Find(Session session, string institution, string card, string lastFour) => session.Find(Table, institution, card, lastFour);

    /// <summary>Names what <see cref="Find"/> will look at.</summary>
    public static void Want(Wanted wanted, string institution, string card, string lastFour) => wanted.Row(Table, institution, card, lastFour);

    public DeviceCardLimits At(NewCardLimits? rule, DateTimeOffset now) => new(
        PerPayment is null && PerDay is null ? null : new(PerPayment, PerDay), rule is not null && now < rule.Until(Since) ? rule : null, rule?.Until(Since) ?? Since);

    public void Write(Session session)
    {
        if (!session.TryAdd(Table, this))
        {
            session.Put(Table, this);
        }
    }

    /// <summary>A device card that goes live is new, and nothing was set for it.</summary>
    public static void Begin(Session session, string institution, string card, string lastFour, DateTimeOffset now)
    {
        var shared = session.Number(
            "SELECT COUNT(*) FROM issuer_devices WHERE institution = $1 AND card = $2 AND last_four = $3 AND state <> 'Deactivated'", institution, card, lastFour) > 1
            ? Find(session, institution, card, lastFour) : null;
        new LimitRow(institution, card, lastFour, now, shared?.PerPayment, shared?.PerDay).Write(session);
    }

    /// <summary>With a plastic's device cards their limits go to the new one (R22).</summary>
    public static void Move(Session session, string institution, string from, string to)
    {
        foreach (var row in session.Query(
            "SELECT last_four, since, per_payment, per_day FROM issuer_device_limits WHERE institution = $1 AND card = $2 ORDER BY last_four",
            row => new LimitRow(institution, to, row.GetString(0), row.Instant(1), row.IsDBNull(2) ? null : row.GetInt64(2), row.IsDBNull(3) ? null : row.GetInt64(3)), institution, from))
        {
            row.Write(session);
        }
    }

    /// <summary>What stands of today's purchases with this device card. Whoever looks holds its row of limits: two payments at once are counted one after the other.</summary>
    public static Amount Spent(Session session, string institution, string account, string lastFour, DateTimeOffset now, Currency currency) => new(
        session.Number(
            """
            SELECT SUM(amount - refunded) FROM issuer_authorisations
            WHERE institution = $1 AND device_last_four = $2 AND account = $3 AND operation = 'Sale' AND state = 'Approved' AND at >= $4
            """,
            institution, lastFour, account, BankTime.Midnight(now)) ?? 0, currency);
}
