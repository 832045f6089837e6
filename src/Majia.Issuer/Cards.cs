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
        _ => new("expired", "已过期"),
    };
}

/// <summary>A plastic card as decisions see it. The number itself stays sealed; neither PIN offset nor CVN2 is here.</summary>
/// <param name="Masked">First six and last four digits.</param>
/// <param name="Expiry">YYMM; good through the last day of that month.</param>
/// <param name="SequenceNumber">PAN sequence number, 2 digits.</param>
/// <param name="AmountLimit">Highest amount of one transaction, or null.</param>
/// <param name="PinLocked">The bank closed PIN entry for the whole card: no face of it has tries left.</param>
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
    DateTimeOffset IdentityFailedAt)
{
    private const string Columns = "card, account, customer, masked, expiry, sequence_number, kind, state, pin_policy, amount_limit, pin_locked, risk, identity_failures, identity_failed_at";

    internal static Card? ByNumber(Session session, string institution, byte[] index) =>
        session.One($"SELECT {Columns} FROM issuer_cards WHERE institution = $1 AND pan_index = $2", Map, institution, index);

    internal static Card? ById(Session session, string institution, string card) =>
        session.One($"SELECT {Columns} FROM issuer_cards WHERE institution = $1 AND card = $2", Map, institution, card);

    /// <summary>As <see cref="ById"/>, for a unit that writes what it counts on this card: one at a time.</summary>
    internal static Card? Hold(Session session, string institution, string card) =>
        session.One($"SELECT {Columns} FROM issuer_cards WHERE institution = $1 AND card = $2 FOR UPDATE", Map, institution, card);

    internal static List<Card> All(Session session, string institution) =>
        session.Query($"SELECT {Columns} FROM issuer_cards WHERE institution = $1 ORDER BY card", Map, institution);

    private static Card Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5),
        Enum.Parse<CardKind>(row.GetString(6)), Enum.Parse<CardState>(row.GetString(7)), Enum.Parse<PinPolicy>(row.GetString(8)),
        row.IsDBNull(9) ? null : row.GetInt64(9), row.GetInt64(10) != 0, Enum.Parse<EnrolmentRisk>(row.GetString(11)), (int)row.GetInt64(12), row.Instant(13));
}

/// <summary>A customer's account. Balance as the customer sees it: below zero is owed to the bank.</summary>
/// <param name="CreditLimit">Minor units that the balance may fall below zero; 0 for debit and prepaid.</param>
public sealed record Account(string Id, string Customer, CardKind Kind, Amount Balance, long CreditLimit, bool Closed)
{
    public Amount Available => Balance + new Amount(CreditLimit, Balance.Currency);

    internal const string Columns = "account, customer, kind, currency, balance, credit_limit, closed";

    internal static Account? ById(Session session, string institution, string account) =>
        session.One($"SELECT {Columns} FROM issuer_accounts WHERE institution = $1 AND account = $2", Map, institution, account);

    internal static Account Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), Enum.Parse<CardKind>(row.GetString(2)),
        new Amount(row.GetInt64(4), new Currency((int)row.GetInt64(3))), row.GetInt64(5), row.GetInt64(6) != 0);
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

    public static int Left(Session session, string institution, string card, string face, int full) =>
        (int)(session.Number("SELECT tries_left FROM issuer_pin_tries WHERE institution = $1 AND card = $2 AND face = $3", institution, card, face) ?? full);

    public static void Set(Session session, string institution, string card, string face, int left) =>
        session.Execute(
            "INSERT INTO issuer_pin_tries (institution, card, face, tries_left) VALUES ($1, $2, $3, $4) ON CONFLICT (institution, card, face) DO UPDATE SET tries_left = excluded.tries_left",
            institution, card, face, left);
}
