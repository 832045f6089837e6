using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>An authorisation as the bank keeps it, with the answer that a repeat gets again.</summary>
/// <param name="Fingerprint">Of the request, under a key: to know the same again.</param>
/// <param name="Answer">Without number and MAC.</param>
/// <param name="BookedAccount">Where the money really went: suspense when the account was closed.</param>
internal sealed record StoredAuthorisation(
    string Institution, string SwitchKey, byte[] Fingerprint, byte[] Answer, Operation Operation, AuthorisationState State, Decision Decision, string Card, string Account, string BookedAccount,
    Amount Amount, string Rrn, string Approval, string DeviceLastFour, string Merchant, string Terminal, string MerchantName, string? OriginalKey, DateTimeOffset At)
{
    private static readonly HotTable<StoredAuthorisation> Table = new(
        "issuer_authorisations", keys: 2, changing: "state",
        columns: "institution, switch_key, fingerprint, answer, operation, state, code, why_en, why_zh, card, account, booked_account, amount, currency, rrn, approval, device_last_four, merchant, terminal, merchant_name, original_key, at, refunded, points_each, points_per",
        map: static row => new StoredAuthorisation(
            row.GetString(0), row.GetString(1), row.Bytes(2), row.Bytes(3), Enum.Parse<Operation>(row.GetString(4)), Enum.Parse<AuthorisationState>(row.GetString(5)),
            new(new ResponseCode(row.GetString(6)), new Text(row.GetString(7), row.GetString(8))), row.GetString(9), row.GetString(10), row.GetString(11),
            new Amount(row.GetInt64(12), new Currency((int)row.GetInt64(13))), row.GetString(14), row.GetString(15), row.GetString(16), row.GetString(17), row.GetString(18), row.GetString(19), row.TextOrNull(20), row.Instant(21)) { Refunded = row.GetInt64(22), Reward = new(row.GetInt64(23), row.GetInt64(24)) },
        values: static row =>
        [
            row.Institution, row.SwitchKey, row.Fingerprint, row.Answer, row.Operation.ToString(), row.State.ToString(), row.Decision.Code.Value, row.Decision.Why.En, row.Decision.Why.Zh, row.Card, row.Account,
            row.BookedAccount, row.Amount.Minor, (long)row.Amount.Currency.Numeric, row.Rrn, row.Approval, row.DeviceLastFour, row.Merchant, row.Terminal, row.MerchantName, row.OriginalKey, row.At, row.Refunded, row.Reward.Points, row.Reward.Per,
        ]);

    /// <summary>What refunds have given back of it, in minor units.</summary>
    public long Refunded { get; init; }

    /// <summary>By what it was rewarded.</summary>
    public RewardRate Reward { get; init; } = RewardRate.None;

    /// <summary>As voids, refunds and reversals see it.</summary>
    public Authorisation Facts => new(SwitchKey, Operation, State, Card, Account, BookedAccount, Amount, OriginalKey, Rrn, new Amount(Refunded, Amount.Currency)) { Reward = Reward };

    public static StoredAuthorisation? Find(Session session, string institution, string key) => session.Find(Table, institution, key);

    /// <summary>Names what <see cref="Find"/> will look at.</summary>
    public static void Want(Wanted wanted, string institution, string key) => wanted.Row(Table, institution, key);

    public void Add(Session session)
    {
        if (!session.TryAdd(Table, this))
        {
            throw new LostRaceException("an authorisation");
        }
    }

    /// <summary>False when it does not stand at <paramref name="from"/> any more.</summary>
    public static bool Move(Session session, string institution, string key, AuthorisationState from, AuthorisationState to)
    {
        if (Find(session, institution, key) is not { } row || row.State != from)
        {
            return false;
        }

        session.Put(Table, row with { State = to });
        return true;
    }
}

/// <summary>What stands where a reversal came before its original: the original is refused when it comes.</summary>
internal sealed record Tombstone(string Institution, string SwitchKey, DateTimeOffset At)
{
    private static readonly HotTable<Tombstone> Table = new(
        "issuer_tombstones", keys: 2, columns: "institution, switch_key, at",
        map: static row => new Tombstone(row.GetString(0), row.GetString(1), row.Instant(2)), values: static row => [row.Institution, row.SwitchKey, row.At]);

    public static bool Stands(Session session, string institution, string key) => session.Find(Table, institution, key) is not null;

    /// <summary>Names what <see cref="Stands"/> will look at.</summary>
    public static void Want(Wanted wanted, string institution, string key) => wanted.Row(Table, institution, key);

    /// <summary>Once; a second reversal changes nothing.</summary>
    public void Lay(Session session) => session.TryAdd(Table, this);
}
