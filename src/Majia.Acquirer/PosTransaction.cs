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
    public const string TombstoneKind = "tombstone", RefundKind = "200000/25", OfflineRefundKind = "200000/27", OfflineKind = "000000/36";

    private const string Columns =
        "terminal, merchant, batch, stan, kind, digest, rrn, transmission, trace, at, deadline, token, number_box, amount, code, authorisation, settlement_date, institutions, chip_data, reversed_at, undoes, undone_by";

    private const string Read = Columns + ", refunded";

    /// <summary>Looked up by trace number: everything that came with it is looked at together.</summary>
    private static readonly HotTable<PosTransaction> Table = new(
        "acquirer_transaction", keys: 5, group: 4, columns: Read, map: Map, changing: "code, authorisation, settlement_date, institutions, chip_data, reversed_at, undone_by, refunded",
        values: static row =>
        [
            row.Terminal, row.Merchant, row.Batch, row.Stan, row.Kind, row.Digest, row.Rrn, row.Transmission, row.Trace, row.At, row.Deadline,
            row.Token, row.NumberBox, row.Amount, row.Code, row.Authorisation, row.SettlementDate, row.Institutions, row.ChipData, row.ReversedAt, row.Undoes, row.UndoneBy, row.Refunded,
        ]);

    /// <summary>Fen of this sale that refunds have taken, approved or under way.</summary>
    public long Refunded { get; init; }

    public bool IsRefund => Kind is RefundKind or OfflineRefundKind;

    /// <summary>A plastic card approved it by itself: taken over from the terminal, and sent on until the network has answered.</summary>
    public bool IsOffline => Kind == OfflineKind;

    /// <summary>Taken over, and the network has not said yet whose it is.</summary>
    public bool IsOnItsWay => IsOffline && Approved && Institutions is null;

    public bool IsTombstone => Kind == TombstoneKind;

    public bool Answered => Code is not null;

    public bool Approved => Code is { } code && new ResponseCode(code).IsApproval;

    /// <summary>A terminal's batch is one unit's at a time, whether it has rows already or not: a sale, its reversal and the settlement may come to different nodes.</summary>
    private static string LockKey(string terminal, string merchant, string batch) => $"acquirer/{terminal}/{merchant}/{batch}";

    public static void Lock(Session session, string terminal, string merchant, string batch) => session.Lock(LockKey(terminal, merchant, batch));

    public static void Lock(Session session, PosRequest request) => Lock(session, request.Terminal, request.Merchant, request.Batch);

    public static void Lock(Session session, PosTransaction row) => Lock(session, row.Terminal, row.Merchant, row.Batch);

    /// <summary>Everything that came with this trace number.</summary>
    public static IReadOnlyList<PosTransaction> OfTrace(Session session, PosRequest request) =>
        session.Rows(Table, request.Terminal, request.Merchant, request.Batch, request.Stan);

    /// <summary>Names what <see cref="OfTrace"/> will look at.</summary>
    public static void Want(Wanted wanted, PosRequest request)
    {
        wanted.Lock(LockKey(request.Terminal, request.Merchant, request.Batch));
        wanted.Row(Table, request.Terminal, request.Merchant, request.Batch, request.Stan);
    }

    public static void Want(Wanted wanted, PosTransaction row)
    {
        wanted.Lock(LockKey(row.Terminal, row.Merchant, row.Batch));
        wanted.Row(Table, row.Terminal, row.Merchant, row.Batch, row.Stan);
    }

    /// <summary>As it stands now.</summary>
    private static PosTransaction? Now(Session session, PosTransaction row) =>
        session.Rows(Table, row.Terminal, row.Merchant, row.Batch, row.Stan).FirstOrDefault(now => now.Kind == row.Kind);

    public static PosTransaction? ByRrn(Session session, string rrn) =>
        session.One($"SELECT {Read} FROM acquirer_transaction WHERE rrn = $1", Map, rrn);

    /// <summary>In progress, and nobody can be waiting any more.</summary>
    public static List<PosTransaction> Overdue(Session session, DateTimeOffset before) =>
        session.Query($"SELECT {Read} FROM acquirer_transaction WHERE code IS NULL AND deadline < $1 ORDER BY deadline, rrn LIMIT 100", Map, before);

    public static List<PosTransaction> Latest(Session session, int limit) =>
        session.Query($"SELECT {Read} FROM acquirer_transaction WHERE rrn IS NOT NULL ORDER BY at DESC, rrn DESC LIMIT $1", Map, limit);

    public static List<PosTransaction> OfBatch(Session session, string terminal, string merchant, string batch) =>
        session.Query($"SELECT {Read} FROM acquirer_transaction WHERE terminal = $1 AND merchant = $2 AND batch = $3 ORDER BY stan", Map, terminal, merchant, batch);

    public void Insert(Session session)
    {
        if (!session.TryAdd(Table, this))
        {
            throw new LostRaceException("a trace number");
        }
    }

    /// <summary>Stores the answer, once: false when it has one, or its reversal came first.</summary>
    public static bool TryAnswer(Session session, PosTransaction row, NetworkAnswer answer)
    {
        if (Now(session, row) is not { Code: null, ReversedAt: null } now)
        {
            return false;
        }

        session.Put(Table, now with { Code = answer.Code.Value, Authorisation = answer.Authorisation, SettlementDate = answer.SettlementDate, Institutions = answer.Institutions, ChipData = answer.ChipData });
        return true;
    }

    /// <summary>Closes it without the network's word: the code, and whether it is undone from now on.</summary>
    public static void Close(Session session, PosTransaction row, ResponseCode code, DateTimeOffset? reversedAt)
    {
        if (Now(session, row) is { } now)
        {
            session.Put(Table, now with { Code = code.Value, ReversedAt = now.ReversedAt ?? reversedAt });
        }
    }

    /// <summary>What the network said of an offline approval that was taken over: whose it is, or that it is nobody's.</summary>
    public static void Told(Session session, PosTransaction row, NetworkAnswer answer)
    {
        if (Now(session, row) is { } now)
        {
            session.Put(Table, now with { Code = answer.Code.Value, Authorisation = answer.Authorisation, SettlementDate = answer.SettlementDate, Institutions = answer.Institutions ?? string.Empty });
        }
    }

    public static void MarkReversed(Session session, PosTransaction row, DateTimeOffset at)
    {
        if (Now(session, row) is { ReversedAt: null } now)
        {
            session.Put(Table, now with { ReversedAt = at });
        }
    }

    /// <summary>Takes a sale for one void: false when another void has it.</summary>
    public static bool TryTakeForVoid(Session session, PosTransaction sale, string voidRrn)
    {
        if (Now(session, sale) is not { UndoneBy: null } now)
        {
            return false;
        }

        session.Put(Table, now with { UndoneBy = voidRrn });
        return true;
    }

    /// <summary>Takes a part of a sale for one refund: false when there is not so much left of it, or it is undone.</summary>
    public static bool TryTakeForRefund(Session session, PosTransaction sale, long amount)
    {
        if (Now(session, sale) is not { UndoneBy: null, ReversedAt: null } now || now.Refunded + amount > now.Amount)
        {
            return false;
        }

        session.Put(Table, now with { Refunded = now.Refunded + amount });
        return true;
    }

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
