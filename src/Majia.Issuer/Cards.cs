using System.Data.Common;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>借记卡, 贷记卡, 准贷记卡, 预付卡.</summary>
public enum CardKind
{
    Debit,
    Credit,
    QuasiCredit,
    Prepaid,
}

public enum CardState
{
    Normal,
    Inactive,
    Lost,
    Stolen,
    Closed,
    Expired,

    /// <summary>Another plastic has taken its place: this one is never used again.</summary>
    Replaced,
}

/// <summary>What the bank's risk rules say of adding this card to a phone (features.md B4).</summary>
public enum EnrolmentRisk
{
    Green,
    Yellow,
    Red,
}

public static class CardWords
{
    public static Text Name(this CardKind kind) => kind switch
    {
        CardKind.Debit => new("debit card", "借记卡"),
        CardKind.Credit => new("credit card", "贷记卡"),
        CardKind.QuasiCredit => new("quasi-credit card", "准贷记卡"),
        _ => new("prepaid card", "预付卡"),
    };

    public static Text Name(this CardState state) => state switch
    {
        CardState.Normal => new("normal", "正常"),
        CardState.Inactive => new("not activated", "未激活"),
        CardState.Lost => new("reported lost", "已挂失"),
        CardState.Stolen => new("reported stolen", "被窃挂失"),
        CardState.Closed => new("closed", "已销户"),
        CardState.Replaced => new("replaced", "已换卡"),
        _ => new("expired", "已过期"),
    };
}

/// <summary>A plastic card as decisions see it. The number itself stays sealed; neither PIN offset nor CVN2 is here.</summary>
/// <param name="Masked">First six and last four digits.</param>
/// <param name="Expiry">YYMM; good through the last day of that month.</param>
/// <param name="SequenceNumber">PAN sequence number, 2 digits.</param>
/// <param name="AmountLimit">Highest amount of one transaction, or null.</param>
/// <param name="PinLocked">The bank closed PIN entry for the whole card: no face of it has tries left.</param>
/// <param name="MovedTo">Of a replaced card whose device cards went with the account: the card that they belong to now.</param>
public sealed record Card(
    string Id,
    string Account,
    string Customer,
    string Masked,
    string Expiry,
    string SequenceNumber,
    CardKind Kind,
    CardState State,
    PinPolicy PinPolicy,
    long? AmountLimit,
    bool PinLocked,
    EnrolmentRisk Risk,
    int IdentityFailures,
    DateTimeOffset IdentityFailedAt,
    string? MovedTo = null)
{
    private const string Columns = "card, account, customer, masked, expiry, sequence_number, kind, state, pin_policy, amount_limit, pin_locked, risk, identity_failures, identity_failed_at, moved_to";

    /// <summary>By the keyed hash of its number, as payments look for it.</summary>
    private static readonly HotTable<Card> Numbers = new(
        "issuer_cards", keys: 2, columns: "institution, pan_index, " + Columns, stays: true, map: static row => Map(row, 2));

    internal static Card? ByNumber(Session session, string institution, byte[] index) => session.Find(Numbers, institution, index);

    /// <summary>Names what <see cref="ByNumber"/> will look at.</summary>
    internal static Card? Want(Wanted wanted, string institution, byte[] index) => wanted.Row(Numbers, institution, index);

    /// <summary>What a payment is made with: a device card whose plastic was replaced under it belongs to the new one already, also while the token service has not heard of it.</summary>
    internal Card Behind(Session session, string institution, bool deviceCard) =>
        deviceCard && State == CardState.Replaced && MovedTo is { } next && ById(session, institution, next) is { } successor ? successor.Behind(session, institution, deviceCard) : this;

    internal static Card? ById(Session session, string institution, string card) =>
        session.One($"SELECT {Columns} FROM issuer_cards WHERE institution = $1 AND card = $2", Map, institution, card);

    /// <summary>As <see cref="ById"/>, for a unit that writes what it counts on this card: one at a time.</summary>
    internal static Card? Hold(Session session, string institution, string card) =>
        session.One($"SELECT {Columns} FROM issuer_cards WHERE institution = $1 AND card = $2 FOR UPDATE", Map, institution, card);

    internal static List<Card> All(Session session, string institution) =>
        session.Query($"SELECT {Columns} FROM issuer_cards WHERE institution = $1 ORDER BY card", Map, institution);

    private static Card Map(DbDataReader row) => Map(row, 0);

    /// <param name="at">Where the columns begin.</param>
    private static Card Map(DbDataReader row, int at) => new(
        row.GetString(at), row.GetString(at + 1), row.GetString(at + 2), row.GetString(at + 3), row.GetString(at + 4), row.GetString(at + 5),
        Enum.Parse<CardKind>(row.GetString(at + 6)), Enum.Parse<CardState>(row.GetString(at + 7)), Enum.Parse<PinPolicy>(row.GetString(at + 8)),
        row.IsDBNull(at + 9) ? null : row.GetInt64(at + 9), row.GetInt64(at + 10) != 0, Enum.Parse<EnrolmentRisk>(row.GetString(at + 11)), (int)row.GetInt64(at + 12), row.Instant(at + 13),
        row.IsDBNull(at + 14) ? null : row.GetString(at + 14));
}

/// <summary>A customer's account. Balance as the customer sees it: below zero is owed to the bank.</summary>
/// <param name="CreditLimit">Minor units that the balance may fall below zero; 0 for debit and prepaid.</param>
public sealed record Account(string Id, string Customer, CardKind Kind, Amount Balance, long CreditLimit, bool Closed)
{
    public Amount Available => Balance + new Amount(CreditLimit, Balance.Currency);

    internal const string Columns = "account, customer, kind, currency, balance, credit_limit, closed";

    private sealed record Row(string Institution, Account Account);

    private static readonly HotTable<Row> Table = new(
        "issuer_accounts", keys: 2, columns: "institution, " + Columns, changing: "balance", stays: true,
        map: static row => new Row(row.GetString(0), Map(row, 1)), values: static row => [row.Institution, row.Account.Id, row.Account.Balance.Minor]);

    internal static Account? ById(Session session, string institution, string account) => session.Find(Table, institution, account)?.Account;

    /// <summary>Names what <see cref="ById"/> will look at.</summary>
    internal static void Want(Wanted wanted, string institution, string account) => wanted.Row(Table, institution, account);

    /// <summary>Writes the balance.</summary>
    internal void Put(Session session, string institution) => session.Put(Table, new(institution, this));

    internal static Account Map(DbDataReader row) => Map(row, 0);

    private static Account Map(DbDataReader row, int at) => new(
        row.GetString(at), row.GetString(at + 1), Enum.Parse<CardKind>(row.GetString(at + 2)),
        new Amount(row.GetInt64(at + 4), new Currency((int)row.GetInt64(at + 3))), row.GetInt64(at + 5), row.GetInt64(at + 6) != 0);
}

/// <summary>A customer. Print only the masked forms.</summary>
/// <param name="DocumentExpires">yyyy-MM-dd, last good day of the identity document.</param>
/// <param name="MaskedMobile">Empty: none on file. The whole number is in <paramref name="MobileBox"/> only.</param>
internal sealed record Customer(string Id, string Name, string Pinyin, byte[] IdentityBox, string MaskedMobile, byte[]? MobileBox, string DocumentExpires)
{
    /// <summary>王小明 → 王**: the family name stays, as on a Chinese slip.</summary>
    public string MaskedName => Name.Length == 0 ? "" : Name[..1] + new string('*', Name.Length - 1);

    /// <summary>12900000001 → 129****0001; what is too short to mask prints nothing.</summary>
    public static string MaskMobile(string? mobile) => mobile is { Length: >= 11 } ? $"{mobile[..3]}****{mobile[^4..]}" : "";

    public static Customer? ById(Session session, string institution, string customer) =>
        session.One("SELECT customer, name, pinyin, identity_box, mobile_masked, mobile_box, document_expires FROM issuer_customers WHERE institution = $1 AND customer = $2",
            row => new Customer(row.GetString(0), row.GetString(1), row.GetString(2), row.Bytes(3), row.GetString(4), row.BytesOrNull(5), row.GetString(6)), institution, customer);
}

/// <summary>PIN tries left: the plastic and each device card count apart (features.md C). No row yet means none was wrong.</summary>
internal static class PinTries
{
    /// <summary>The face of a card that was shown: a device card by the keyed hash of its number.</summary>
    public static string DeviceFace(byte[] tokenIndex) => Convert.ToHexStringLower(tokenIndex);

    private sealed record Tries(string Institution, string Card, string Face, long Left);

    private static readonly HotTable<Tries> Table = new(
        "issuer_pin_tries", keys: 3, columns: "institution, card, face, tries_left", changing: "tries_left", stays: true,
        map: static row => new Tries(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3)), values: static row => [row.Institution, row.Card, row.Face, row.Left]);

    public static int Left(Session session, string institution, string card, string face, int full) =>
        (int)(session.Find(Table, institution, card, face)?.Left ?? full);

    /// <summary>Names what <see cref="Left"/> will look at.</summary>
    public static void Want(Wanted wanted, string institution, string card, string face) => wanted.Row(Table, institution, card, face);

    public static void Set(Session session, string institution, string card, string face, int left)
    {
        var row = new Tries(institution, card, face, left);
        if (!session.TryAdd(Table, row))
        {
            session.Put(Table, row);
        }
    }
}
