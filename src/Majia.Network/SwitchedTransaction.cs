using System.Data.Common;
using Majia.Core.Iso8583;
using Majia.Storage;

namespace Majia.Network;

/// <summary>One transaction in the switch: a row when it comes, an update when it is answered. No PAN is ever in it.</summary>
/// <param name="Key">F7, F11, F32, F33 as 38 digits (decisions.md 19).</param>
/// <param name="Processing">F3, or empty for the tombstone of an original that was reversed before it came.</param>
/// <param name="Token">The device number; a plastic's stands sealed in <paramref name="NumberBox"/>.</param>
/// <param name="Code">F39 of its answer; null while in progress.</param>
/// <param name="Institution">The bank that it went to, known from the answer on.</param>
internal sealed record SwitchedTransaction(
    string Key, byte[] Digest, string Rrn, string Processing, DateTimeOffset At, DateTimeOffset Deadline, string? Token, byte[]? NumberBox, long Amount, string Terminal, string Merchant,
    string? Code, string? Authorisation, string? Institution, byte[]? ChipData, string? AccountReference, DateTimeOffset? ReversedAt)
{
    private const string Columns =
        "switch_key, digest, rrn, processing, at, deadline, token, number_box, amount, terminal, merchant, code, authorisation, institution, chip_data, account_reference, reversed_at";

    private static readonly HotTable<SwitchedTransaction> Table = new(
        "network_transaction", keys: 1, columns: Columns + ", counter", map: Map, changing: "code, authorisation, institution, chip_data, account_reference, reversed_at",
        values: static row =>
        [
            row.Key, row.Digest, row.Rrn, row.Processing, row.At, row.Deadline, row.Token, row.NumberBox, row.Amount, row.Terminal, row.Merchant,
            row.Code, row.Authorisation, row.Institution, row.ChipData, row.AccountReference, row.ReversedAt, row.Counter,
        ]);

    public static readonly Outbox Outbox = new("network");

    public static readonly PartySchema Schema = new(
        "network",
        [
            """
            CREATE TABLE network_transaction (
                switch_key TEXT PRIMARY KEY,
                digest BLOB NOT NULL,
                rrn TEXT NOT NULL,
                processing TEXT NOT NULL,
                at INTEGER NOT NULL,
                deadline INTEGER NOT NULL,
                token TEXT,
                number_box BLOB,
                amount INTEGER NOT NULL,
                terminal TEXT NOT NULL,
                merchant TEXT NOT NULL,
                code TEXT,
                authorisation TEXT,
                institution TEXT,
                chip_data BLOB,
                account_reference TEXT,
                reversed_at INTEGER) WITHOUT ROWID;
            CREATE INDEX network_transaction_open ON network_transaction (deadline) WHERE code IS NULL;
            """
            + Outbox.Migration("network"),
            """
            -- 9F36 and 9F37 of a tap, six bytes: for a token service that comes back from a backup.
            ALTER TABLE network_transaction ADD COLUMN counter BLOB;
            """,
        ]);

    /// <summary>F3 of a refund or an offline approval, and its MTI: an advice waits for its next repeat, and no reversal is ever sent for it.</summary>
    public const string Refund = "200000" + Advice, OfflineSale = "000000" + Advice;

    private const string Advice = "/0220";

    /// <summary>9F36 ‖ 9F37 of a tap with a device number, six bytes; else null. Written with the row, and read by <see cref="Taps"/> alone.</summary>
    public byte[]? Counter { get; init; }

    public bool IsTombstone => Processing.Length == 0;

    public bool Answered => Code is not null;

    public bool Approved => Code is { } code && new ResponseCode(code).IsApproval;

    /// <summary>False when the key is taken.</summary>
    public bool TryInsert(Session session) => session.TryAdd(Table, this);

    public static SwitchedTransaction? ByKey(Session session, string key) => session.Find(Table, key);

    /// <summary>Names what <see cref="ByKey"/> will look at.</summary>
    public static void Want(Wanted wanted, string key) => wanted.Row(Table, key);

    /// <summary>In progress, and nobody can be waiting any more. Advices are not among them.</summary>
    public static List<SwitchedTransaction> Overdue(Session session, DateTimeOffset before) =>
        session.Query($"SELECT {Columns} FROM network_transaction WHERE code IS NULL AND deadline < $1 AND processing NOT LIKE $2 ORDER BY deadline, switch_key LIMIT 100", Map, before, "%" + Advice);

    public static List<SwitchedTransaction> Latest(Session session, int limit) =>
        session.Query($"SELECT {Columns} FROM network_transaction WHERE processing <> '' ORDER BY at DESC, switch_key DESC LIMIT $1", Map, limit);

    /// <summary>Taps with device numbers from <paramref name="since"/> on, by key.</summary>
    public static List<(string Key, string Token, byte[] Counter, DateTimeOffset At)> Taps(Session session, DateTimeOffset since, string after, int limit) => session.Query(
        "SELECT switch_key, token, counter, at FROM network_transaction WHERE counter IS NOT NULL AND token IS NOT NULL AND at >= $1 AND switch_key > $2 ORDER BY switch_key LIMIT $3",
        static row => (row.GetString(0), row.GetString(1), row.Bytes(2), row.Instant(3)), since, after, limit);

    /// <summary>Stores the answer, once: false when it has one, or its reversal came first.</summary>
    public static bool TryAnswer(Session session, string key, IssuerAnswer answer)
    {
        if (ByKey(session, key) is not { Code: null, ReversedAt: null } now)
        {
            return false;
        }

        session.Put(Table, now with { Code = answer.Code.Value, Authorisation = answer.Authorisation, Institution = answer.Institution, ChipData = answer.ChipData, AccountReference = answer.AccountReference });
        return true;
    }

    /// <summary>Closes it without the issuer's word.</summary>
    public static void Close(Session session, string key, ResponseCode code, string? institution, DateTimeOffset reversedAt)
    {
        if (ByKey(session, key) is { } now)
        {
            session.Put(Table, now with { Code = code.Value, Institution = institution, ReversedAt = now.ReversedAt ?? reversedAt });
        }
    }

    public static void MarkReversed(Session session, string key, DateTimeOffset at)
    {
        if (ByKey(session, key) is { ReversedAt: null } now)
        {
            session.Put(Table, now with { ReversedAt = at });
        }
    }

    private static SwitchedTransaction Map(DbDataReader r) => new(
        r.GetString(0), r.Bytes(1), r.GetString(2), r.GetString(3), r.Instant(4), r.Instant(5), r.TextOrNull(6), r.BytesOrNull(7), r.GetInt64(8), r.GetString(9), r.GetString(10),
        r.TextOrNull(11), r.TextOrNull(12), r.TextOrNull(13), r.BytesOrNull(14), r.TextOrNull(15), r.IsDBNull(16) ? null : r.Instant(16));
}

/// <summary>What of an issuer's answer goes on to the acquirer, or the switch's own refusal.</summary>
/// <param name="AccountReference">F56, PAR; no digit of the PAN is in it.</param>
internal sealed record IssuerAnswer(ResponseCode Code, string? Authorisation, string? Institution, byte[]? ChipData, string? AccountReference)
{
    public static IssuerAnswer Refused(ResponseCode code, string? institution = null) => new(code, null, institution, null, null);
}
