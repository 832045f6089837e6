using System.Data.Common;
using Majia.Core.Iso8583;
using Majia.Storage;

namespace Majia.Acquirer;

/// <summary>A row of what one terminal did: a sale, a void, or the tombstone of one that was reversed before it came.</summary>
/// <param name="At">When it was claimed: F12 and F13 of every answer to it.</param>
/// <param name="Deadline">Nobody waits for the network any longer than this.</param>
/// <param name="Token">The device number; a plastic's stands sealed in <paramref name="NumberBox"/>.</param>
/// <param name="Code">F39 of its answer; null while in progress.</param>
/// <param name="Institutions">F44: issuer and acquirer.</param>
/// <param name="Undoes">RRN of the sale that this void or refund undoes.</param>
/// <param name="UndoneBy">RRN of the void, in progress or approved, that undoes this sale.</param>
internal sealed record PosTransaction(
    string Terminal, string Merchant, string Batch, string Stan, string Kind, byte[] Digest, string? Rrn, string? Transmission, string? Trace, DateTimeOffset At, DateTimeOffset Deadline,
    string? Token, byte[]? NumberBox, long Amount, string? Code, string? Authorisation, string? SettlementDate, string? Institutions, byte[]? ChipData, DateTimeOffset? ReversedAt, string? Undoes, string? UndoneBy)
{
    public const string TombstoneKind = "tombstone", RefundKind = "200000/25";

    private const string Columns =
        "terminal, merchant, batch, stan, kind, digest, rrn, transmission, trace, at, deadline, token, number_box, amount, code, authorisation, settlement_date, institutions, chip_data, reversed_at, undoes, undone_by";

    private const string Read = Columns + ", refunded";

    private const string Key = "terminal = $1 AND merchant = $2 AND batch = $3 AND stan = $4";

    /// <summary>Fen of this sale that refunds have taken, approved or under way.</summary>
    public long Refunded { get; init; }

    public bool IsRefund => Kind == RefundKind;

    public bool IsTombstone => Kind == TombstoneKind;

    public bool Answered => Code is not null;

    public bool Approved => Code is { } code && new ResponseCode(code).IsApproval;

    /// <summary>Everything that came with this trace number.</summary>
    public static List<PosTransaction> OfTrace(Session session, PosRequest request) => session.Query(
        $"SELECT {Read} FROM acquirer_transaction WHERE {Key}", Map, request.Terminal, request.Merchant, request.Batch, request.Stan);

    public static PosTransaction? ByRrn(Session session, string rrn) =>
        session.One($"SELECT {Read} FROM acquirer_transaction WHERE rrn = $1", Map, rrn);

    /// <summary>In progress, and nobody can be waiting any more.</summary>
    public static List<PosTransaction> Overdue(Session session, DateTimeOffset before) =>
        session.Query($"SELECT {Read} FROM acquirer_transaction WHERE code IS NULL AND deadline < $1 ORDER BY deadline, rrn LIMIT 100", Map, before);

    public static List<PosTransaction> Latest(Session session, int limit) =>
        session.Query($"SELECT {Read} FROM acquirer_transaction WHERE rrn IS NOT NULL ORDER BY at DESC, rrn DESC LIMIT $1", Map, limit);

    public static List<PosTransaction> OfBatch(Session session, string terminal, string merchant, string batch) =>
        session.Query($"SELECT {Read} FROM acquirer_transaction WHERE terminal = $1 AND merchant = $2 AND batch = $3 ORDER BY stan", Map, terminal, merchant, batch);

    public void Insert(Session session) => session.Execute(
        $"INSERT INTO acquirer_transaction ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
        Terminal, Merchant, Batch, Stan, Kind, Digest, Rrn, Transmission, Trace, At, Deadline, Token, NumberBox, Amount, Code, Authorisation, SettlementDate, Institutions, ChipData, ReversedAt, Undoes, UndoneBy);

    /// <summary>Stores the answer, once: false when it has one, or its reversal came first.</summary>
    public static bool TryAnswer(Session session, PosTransaction row, NetworkAnswer answer) => session.Execute(
        $"UPDATE acquirer_transaction SET code = $6, authorisation = $7, settlement_date = $8, institutions = $9, chip_data = $10 WHERE {Key} AND kind = $5 AND code IS NULL AND reversed_at IS NULL",
        row.Terminal, row.Merchant, row.Batch, row.Stan, row.Kind, answer.Code.Value, answer.Authorisation, answer.SettlementDate, answer.Institutions, answer.ChipData) == 1;

    /// <summary>Closes it without the network's word: the code, and whether it is undone from now on.</summary>
    public static void Close(Session session, PosTransaction row, ResponseCode code, DateTimeOffset? reversedAt) => session.Execute(
        $"UPDATE acquirer_transaction SET code = $6, reversed_at = COALESCE(reversed_at, $7) WHERE {Key} AND kind = $5",
        row.Terminal, row.Merchant, row.Batch, row.Stan, row.Kind, code.Value, reversedAt);

    public static void MarkReversed(Session session, PosTransaction row, DateTimeOffset at) => session.Execute(
        $"UPDATE acquirer_transaction SET reversed_at = $6 WHERE {Key} AND kind = $5 AND reversed_at IS NULL",
        row.Terminal, row.Merchant, row.Batch, row.Stan, row.Kind, at);

    /// <summary>Takes a sale for one void: false when another void has it.</summary>
    public static bool TryTakeForVoid(Session session, PosTransaction sale, string voidRrn) => session.Execute(
        $"UPDATE acquirer_transaction SET undone_by = $6 WHERE {Key} AND kind = $5 AND undone_by IS NULL",
        sale.Terminal, sale.Merchant, sale.Batch, sale.Stan, sale.Kind, voidRrn) == 1;

    /// <summary>Takes a part of a sale for one refund: false when there is not so much left of it, or it is undone.</summary>
    public static bool TryTakeForRefund(Session session, PosTransaction sale, long amount) => session.Execute(
        $"UPDATE acquirer_transaction SET refunded = refunded + $6 WHERE {Key} AND kind = $5 AND refunded + $6 <= amount AND undone_by IS NULL AND reversed_at IS NULL",
        sale.Terminal, sale.Merchant, sale.Batch, sale.Stan, sale.Kind, amount) == 1;

    /// <summary>The void or refund did not happen: the sale stands as before.</summary>
    public static void Release(Session session, PosTransaction undo)
    {
        if (undo.IsRefund)
        {
            session.Execute("UPDATE acquirer_transaction SET refunded = refunded - $3 WHERE rrn = $1 AND merchant = $2", undo.Undoes, undo.Merchant, undo.Amount);
        }
        else
        {
            ReleaseFromVoid(session, undo);
        }
    }

    private static void ReleaseFromVoid(Session session, PosTransaction voided) => session.Execute(
        "UPDATE acquirer_transaction SET undone_by = NULL WHERE rrn = $1 AND terminal = $2 AND undone_by = $3",
        voided.Undoes, voided.Terminal, voided.Rrn);

    private static PosTransaction Map(DbDataReader r) => new(
        r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.Bytes(5), r.TextOrNull(6), r.TextOrNull(7), r.TextOrNull(8), r.Instant(9), r.Instant(10),
        r.TextOrNull(11), r.BytesOrNull(12), r.GetInt64(13), r.TextOrNull(14), r.TextOrNull(15), r.TextOrNull(16), r.TextOrNull(17), r.BytesOrNull(18), r.IsDBNull(19) ? null : r.Instant(19), r.TextOrNull(20), r.TextOrNull(21)) { Refunded = r.GetInt64(22) };
}

/// <summary>What of the network's 0210 goes on to the terminal.</summary>
/// <param name="SettlementDate">F15, MMDD.</param>
/// <param name="Institutions">F44.</param>
/// <param name="ChipData">F55 of the answer; null when none.</param>
internal sealed record NetworkAnswer(ResponseCode Code, string? Authorisation, string? SettlementDate, string? Institutions, byte[]? ChipData)
{
    public static NetworkAnswer Of(IsoMessage message) => new(
        new ResponseCode(message.Text(39)!), message.Text(38), message.Text(15), message.Text(44), message.Has(55) ? message.Binary(55).ToArray() : null);
}
