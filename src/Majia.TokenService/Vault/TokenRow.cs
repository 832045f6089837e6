using System.Data.Common;
using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Directory;
using Majia.TokenService.Enrolment;

namespace Majia.TokenService.Vault;

internal static class PersonalisationStageWords
{
    public static Text Words(this PersonalisationStage stage) => stage switch
    {
        PersonalisationStage.None => new("untouched", "尚未写入"),
        PersonalisationStage.Started => new("personalisation begun", "个人化进行中"),
        PersonalisationStage.Personalised => new("personalised, not yet offered to readers", "已个人化，暂不对读卡器开放"),
        PersonalisationStage.Selectable => new("readers can select it", "读卡器可以选择"),
        _ => new("removed", "已移除"),
    };
}

/// <summary>How far a payment instance in the chip is.</summary>
public enum PersonalisationStage
{
    /// <summary>Nothing was sent to the chip.</summary>
    None,

    /// <summary>An instance may exist, half made: the next try deletes it first.</summary>
    Started,

    /// <summary>All keys and data are in the chip, which does not offer it to readers.</summary>
    Personalised,

    /// <summary>Readers can select it.</summary>
    Selectable,

    /// <summary>Deleted from the chip.</summary>
    Removed,
}

/// <summary>One device number and all that is decided about it. It holds no digit of the plastic.</summary>
/// <param name="Index">Keyed hash of the number: the distribution key.</param>
/// <param name="PanIndex">The plastic account that it draws on.</param>
/// <param name="Expiry">YYMM.</param>
/// <param name="Sequence">Card sequence number, two digits (5F34).</param>
/// <param name="StagedAt">When <paramref name="Stage"/> was reached.</param>
public sealed record TokenRow(
    byte[] Index,
    PaymentToken Token,
    string Tur,
    byte[] PanIndex,
    string Seid,
    string Trid,
    string Institution,
    string Bank,
    CardKind Kind,
    string ProductId,
    string InstanceAid,
    string Expiry,
    string Sequence,
    PinPolicy PinPolicy,
    bool Verify,
    string DeviceModel,
    TokenStatus Status,
    PersonalisationStage Stage,
    long PurgeEpoch,
    DateTimeOffset CreatedAt,
    DateTimeOffset StagedAt,
    AtcWindow Atc)
{
    private const string Columns =
        "token_index, token, tur, pan_index, seid, trid, institution, bank, kind, product_id, instance_aid, expiry, sequence, pin_policy, verify, device_model, state, suspended_by, stage, purge_epoch, created_at, staged_at, atc_high, atc_bits, channels, merchants, assurance, spent, version, next_expiry, issuer_merchants";

    /// <summary>Where it may pay, beside its requestor (9F19) and its device (the keys, which never leave the chip).</summary>
    public TokenDomain Domain { get; init; } = TokenDomain.Contactless;

    /// <summary>Which unpredictable numbers the counters in the window were spent with.</summary>
    public SpentCounters Spent { get; init; } = SpentCounters.None;

    /// <summary>What was done to know the holder (<see cref="AssuranceMethod"/>).</summary>
    public string Assurance { get; init; } = AssuranceMethod.None;

    /// <summary>Rises with each change of the state; a time (milliseconds), so that it rises across a restoration too.</summary>
    public long Version { get; init; } = 1;

    /// <summary>The expiry date that its chip is to get, YYMM; null: no renewal is under way. Until the chip's answer is here, it may hold either.</summary>
    public string? NextExpiry { get; init; }

    /// <summary>Its chip has still to get the new expiry date.</summary>
    public bool IsRenewing => this is { NextExpiry: not null, Stage: PersonalisationStage.Selectable, Status.State: TokenState.Active or TokenState.Suspended };

    private static readonly HotTable<TokenRow> Table = new(
        "token_token", keys: 1, columns: Columns, map: Map, changing: "atc_high, atc_bits, spent", stays: true,
        values: static row => [row.Index, (long)row.Atc.High, unchecked((long)row.Atc.Bits), row.Spent.Bytes]);

    public static TokenRow? Find(Session session, byte[] index) => session.Find(Table, index);

    /// <summary>Names what <see cref="Find(Session, byte[])"/> will look at.</summary>
    public static TokenRow? Want(Wanted wanted, byte[] index) => wanted.Row(Table, index);

    /// <summary>By token unique reference.</summary>
    public static TokenRow? Find(Session session, string tur)
    {
        var index = session.One("SELECT token_index FROM token_reference WHERE tur = $1", static row => row.Bytes(0), tur);
        return index is null ? null : Find(session, index);
    }

    /// <summary>What is decided about a chip as a whole (its purge, its claims, its next instance) is decided by one unit at a time.</summary>
    public static void LockChip(Session session, string seid) => session.Lock($"token/chip/{seid}");

    public static List<TokenRow> OfChip(Session session, string seid) =>
        session.Query($"SELECT {Columns} FROM token_token WHERE seid = $1 ORDER BY created_at, tur", Map, seid);

    /// <summary>Of one plastic, oldest first.</summary>
    public static List<TokenRow> OfCard(Session session, byte[] panIndex) =>
        session.Query($"SELECT {Columns} FROM token_token WHERE pan_index = $1 ORDER BY created_at, tur", Map, panIndex);

    /// <summary>Newest first.</summary>
    public static List<TokenRow> Latest(Session session, int limit) =>
        session.Query($"SELECT {Columns} FROM token_token ORDER BY created_at DESC, tur LIMIT $1", Map, limit);

    /// <summary>Device cards of one bank that were ever active, by reference.</summary>
    public static List<TokenRow> OfInstitution(Session session, string institution, string after, int limit) =>
        session.Query($"SELECT {Columns} FROM token_token WHERE institution = $1 AND tur > $2 AND state <> 'Inactive' AND stage <> 'None' ORDER BY tur LIMIT $3", Map, institution, after, limit);

    /// <summary>In their chips, and of an expiry before <paramref name="month"/> (YYMM).</summary>
    public static List<TokenRow> ExpiringBefore(Session session, string month) => session.Query(
        $"SELECT {Columns} FROM token_token WHERE expiry < $1 AND stage = 'Selectable' AND state IN ('Active', 'Suspended') ORDER BY expiry, tur", Map, month);

    public static void WriteNextExpiry(Session session, byte[] index, string next) => session.Execute("UPDATE token_token SET next_expiry = $2 WHERE token_index = $1", index, next);

    /// <summary>The chip has it; false when that was known, or another one is wanted by now.</summary>
    public static bool TryRenew(Session session, byte[] index, string next) =>
        session.Execute("UPDATE token_token SET expiry = next_expiry, next_expiry = NULL WHERE token_index = $1 AND next_expiry = $2", index, next) == 1;

    public static List<TokenRow> Unfinished(Session session) =>
        session.Query($"SELECT {Columns} FROM token_token WHERE state <> 'Deactivated' AND stage <> 'Selectable' ORDER BY created_at, tur", Map);

    /// <summary>False when the number was given out before.</summary>
    public bool TryInsert(Session session) =>
        session.Execute(
            $"INSERT INTO token_token ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31) ON CONFLICT DO NOTHING",
            Index, Token.Reveal(), Tur, PanIndex, Seid, Trid, Institution, Bank, Kind.ToString(), ProductId, InstanceAid, Expiry, Sequence, PinPolicy.ToString(), Verify, DeviceModel,
            Status.State.ToString(), string.Join('+', Status.SuspendedBy), Stage.ToString(), PurgeEpoch, CreatedAt, StagedAt, Atc.High, unchecked((long)Atc.Bits),
            string.Join('+', Domain.Channels), string.Join('+', Domain.Merchants), Assurance, Spent.Bytes, Version, NextExpiry, string.Join('+', Domain.IssuerMerchants)) == 1
        && session.Execute("INSERT INTO token_reference (tur, token_index) VALUES ($1, $2)", Tur, Index) == 1;

    /// <returns>The version that this makes it.</returns>
    public static long Write(Session session, byte[] index, TokenStatus status, DateTimeOffset now) => session.Number(
        "UPDATE token_token SET state = $2, suspended_by = $3, version = CASE WHEN version >= $4 THEN version + 1 ELSE $4 END WHERE token_index = $1 RETURNING version",
        index, status.State.ToString(), string.Join('+', status.SuspendedBy), now.ToUnixTimeMilliseconds()) ?? throw new InvalidOperationException("no such device card");

    public static void Write(Session session, byte[] index, string assurance) =>
        session.Execute("UPDATE token_token SET assurance = $2 WHERE token_index = $1", index, assurance);

    public static void Write(Session session, byte[] index, PersonalisationStage stage, DateTimeOffset at) =>
        session.Execute("UPDATE token_token SET stage = $2, staged_at = $3 WHERE token_index = $1", index, stage.ToString(), at);

    /// <summary>Spends a counter (decisions.md 8): false when it was spent before, or is older than the window can tell.</summary>
    public static bool TrySpend(Session session, byte[] index, ushort atc, ReadOnlySpan<byte> unpredictable)
    {
        if (Find(session, index) is not { } row || row.Atc.Look(atc) is not (AtcVerdict.Fresh or AtcVerdict.OutOfOrder))
        {
            return false;
        }

        var after = row.Atc.Use(atc);
        session.Put(Table, row with { Atc = after, Spent = row.Spent.With(atc, unpredictable) });
        return true;
    }

    /// <summary>As <see cref="TrySpend"/>, after a restoration that took all counters up to the chip's own as spent: what they were spent with is news as well.</summary>
    public static bool TryLearn(Session session, byte[] index, ushort atc, ReadOnlySpan<byte> unpredictable)
    {
        if (TrySpend(session, index, atc, unpredictable))
        {
            return true;
        }

        if (Find(session, index) is not { } row || row.Atc.Look(atc) != AtcVerdict.Reused || !row.Spent.Of(row.Atc, atc).IsEmpty)
        {
            return false;
        }

        session.Put(Table, row with { Spent = row.Spent.With(atc, unpredictable) });
        return true;
    }

    private static TokenRow Map(DbDataReader row) => new(
        row.Bytes(0),
        PaymentToken.Parse(row.GetString(1)),
        row.GetString(2),
        row.Bytes(3),
        row.GetString(4),
        row.GetString(5),
        row.GetString(6),
        row.GetString(7),
        Enum.Parse<CardKind>(row.GetString(8)),
        row.GetString(9),
        row.GetString(10),
        row.GetString(11),
        row.GetString(12),
        Enum.Parse<PinPolicy>(row.GetString(13)),
        row.GetInt64(14) != 0,
        row.GetString(15),
        new TokenStatus(Enum.Parse<TokenState>(row.GetString(16)), row.GetString(17).Split('+', StringSplitOptions.RemoveEmptyEntries)),
        Enum.Parse<PersonalisationStage>(row.GetString(18)),
        row.GetInt64(19),
        row.Instant(20),
        row.Instant(21),
        new AtcWindow((int)row.GetInt64(22), unchecked((ulong)row.GetInt64(23))))
    {
        Domain = new(Listed(row.GetString(24)), Listed(row.GetString(25))) { IssuerMerchants = Listed(row.GetString(30)) },
        Assurance = row.GetString(26),
        Spent = new(row.BytesOrNull(27)),
        Version = row.GetInt64(28),
        NextExpiry = row.TextOrNull(29),
    };

    private static string[] Listed(string text) => text.Split('+', StringSplitOptions.RemoveEmptyEntries);

    public static void Write(Session session, byte[] index, TokenDomain domain) => session.Execute(
        "UPDATE token_token SET merchants = $2, issuer_merchants = $3 WHERE token_index = $1", index, string.Join('+', domain.Merchants), string.Join('+', domain.IssuerMerchants));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Tur} {Status.State} {Stage}");
}

/// <summary>Where a device card may pay (TDRC, features.md B6). Requestor and device need no column here: 9F19 says the one, the keys are in the other alone.</summary>
/// <param name="Channels">Of <see cref="Contactless"/>; a token without a channel pays nowhere.</param>
/// <param name="Merchants">Merchant numbers (F42), as the token requestor restricts them; empty: any.</param>
public sealed record TokenDomain(IReadOnlyList<string> Channels, IReadOnlyList<string> Merchants)
{
    /// <summary>The bank's own list: neither side lifts what the other has set.</summary>
    public IReadOnlyList<string> IssuerMerchants { get; init; } = [];

    public DomainRestriction View => new(Channels, Merchants, IssuerMerchants);

    public bool Takes(string merchant) => Holds(Merchants, merchant) && Holds(IssuerMerchants, merchant);

    private static bool Holds(IReadOnlyList<string> list, string merchant) => list.Count == 0 || list.Contains(merchant, StringComparer.Ordinal);

    public const string ContactlessChip = "CONTACTLESS";

    public static readonly TokenDomain Contactless = new([ContactlessChip], []);

    /// <summary>The channel of a point-of-service entry mode (F22): 07x is a contactless chip; null: none that a token pays by.</summary>
    public static string? ChannelOf(string? entryMode) => entryMode is { Length: 3 } && entryMode.StartsWith("07", StringComparison.Ordinal) ? ContactlessChip : null;
}

/// <summary>Token assurance method: what was done, not a score (features.md B6).</summary>
public static class AssuranceMethod
{
    public const string None = "00", IssuerApproved = "10", OneFactor = "11", TwoFactors = "12";
}

/// <summary>The plastic account behind tokens.</summary>
/// <param name="PanBox">The number under the key <c>vault.pan</c>, bound to <paramref name="PanIndex"/>.</param>
/// <param name="PanExpiry">YYMM.</param>
/// <param name="PanSequence">Two or three digits.</param>
public sealed record AccountRow(byte[] PanIndex, byte[] PanBox, string Par, string PanExpiry, string PanSequence)
{
    private static readonly HotTable<AccountRow> Table = new(
        "token_account", keys: 1, columns: "pan_index, pan_box, par, pan_expiry, pan_sequence", stays: true,
        map: static row => new AccountRow(row.Bytes(0), row.Bytes(1), row.GetString(2), row.GetString(3), row.GetString(4)));

    public static AccountRow? Find(Session session, byte[] panIndex) => session.Find(Table, panIndex);

    /// <summary>Names what <see cref="Find"/> will look at.</summary>
    public static void Want(Wanted wanted, byte[] panIndex) => wanted.Row(Table, panIndex);

    /// <summary>The first writer gives the PAR; later ones bring expiry and sequence up to date.</summary>
    public void Upsert(Session session) =>
        session.Execute(
            """
            INSERT INTO token_account (pan_index, pan_box, par, pan_expiry, pan_sequence) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (pan_index) DO UPDATE SET pan_expiry = excluded.pan_expiry, pan_sequence = excluded.pan_sequence
            """,
            PanIndex, PanBox, Par, PanExpiry, PanSequence);
}
