using System.Data.Common;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.Terminal.Line;

namespace Majia.Terminal;

/// <summary>Where one journal row stands.</summary>
public enum JournalState
{
    /// <summary>Written before the 0200 left; its reversal stands beside it.</summary>
    Sent,
    Approved,
    Declined,

    /// <summary>The acquirer confirmed the 0400 (or knew no original).</summary>
    Reversed,

    /// <summary>A sale that an approved void undid.</summary>
    Voided,
}

/// <summary>One request of this terminal's journal.</summary>
/// <param name="SealedNumber">F2 under the journal key, only while a void or reversal may need it; else null.</param>
/// <param name="HostDate">F13 of the answer, MMDD: the date part of F61.</param>
public sealed record JournalRow(
    Request Request,
    string MaskedNumber,
    byte[]? SealedNumber,
    string Cvm,
    JournalState State,
    string? ResponseCode,
    string? Rrn,
    string? Authorisation,
    string? HostDate,
    string? OriginalStan,
    DateTimeOffset At,
    string? Slip);

/// <summary>A reversal not yet confirmed.</summary>
/// <param name="Tries">0400s sent since the count was last restarted.</param>
public sealed record PendingReversal(string Batch, string Stan, string Reason, int Tries);

/// <summary>The terminal's own store: trace number, batch, journal with slips, pending reversals. All pure SQL over one session; who calls decides when it is durable.</summary>
public static class TerminalSchema
{
    public static PartySchema Schema { get; } = new("terminal",
    [
        """
        CREATE TABLE terminal_state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            stan INTEGER NOT NULL,
            batch INTEGER NOT NULL);
        CREATE TABLE terminal_journal (
            batch TEXT NOT NULL,
            stan TEXT NOT NULL,
            kind TEXT NOT NULL,
            amount INTEGER NOT NULL,
            currency INTEGER NOT NULL,
            number_masked TEXT NOT NULL,
            number_sealed BLOB,
            expiry TEXT,
            entry_mode TEXT NOT NULL,
            sequence_number TEXT,
            reversal_chip BLOB NOT NULL,
            original_rrn TEXT,
            original_authorisation TEXT,
            original_reference TEXT,
            original_stan TEXT,
            cvm TEXT NOT NULL,
            state TEXT NOT NULL,
            response_code TEXT,
            rrn TEXT,
            authorisation TEXT,
            host_date TEXT,
            at BIGINT NOT NULL,
            slip TEXT,
            PRIMARY KEY (batch, stan));
        CREATE INDEX terminal_journal_rrn ON terminal_journal (rrn);
        CREATE TABLE terminal_reversal (
            batch TEXT NOT NULL,
            stan TEXT NOT NULL,
            reason TEXT NOT NULL,
            tries INTEGER NOT NULL,
            PRIMARY KEY (batch, stan));
        """,
        """
        -- Refunds without an answer: each goes again, unchanged, until it has one.
        CREATE TABLE terminal_advice (batch TEXT NOT NULL, stan TEXT NOT NULL, PRIMARY KEY (batch, stan));
        CREATE INDEX terminal_journal_original ON terminal_journal (original_rrn);
        """,
    ]);

    /// <summary>The next trace number with its batch. The caller commits before either is used.</summary>
    public static (string Batch, string Stan) NextStan(Session session)
    {
        if (session.Execute("UPDATE terminal_state SET stan = CASE WHEN stan >= 999999 THEN 1 ELSE stan + 1 END WHERE id = 1") == 0)
        {
            session.Execute("INSERT INTO terminal_state (id, stan, batch) VALUES (1, 1, 1)");
        }

        return (Six(session.Number("SELECT batch FROM terminal_state WHERE id = 1")), Six(session.Number("SELECT stan FROM terminal_state WHERE id = 1")));
    }

    /// <summary>The current batch number, six digits; the first before anything was sold.</summary>
    public static string Batch(Session session) => Six(session.Number("SELECT batch FROM terminal_state WHERE id = 1") ?? 1);

    /// <summary>Journal row and its reversal, together: from here on no answer means that the 0400 is sent.</summary>
    public static void Begin(Session session, JournalRow row)
    {
        Insert(session, row);
        session.Execute("INSERT INTO terminal_reversal (batch, stan, reason, tries) VALUES ($1, $2, $3, 0)", row.Request.Batch, row.Request.Stan, ReversalReason.NoAnswer);
    }

    /// <summary>Journal row and the mark that it has no answer, together: from here on it is sent until it has one.</summary>
    public static void BeginAdvice(Session session, JournalRow row)
    {
        Insert(session, row);
        session.Execute("INSERT INTO terminal_advice (batch, stan) VALUES ($1, $2)", row.Request.Batch, row.Request.Stan);
    }

    /// <summary>A verified answer to a refund or an upload.</summary>
    public static void AdviceAnswered(Session session, JournalRow row, JournalState state, string responseCode, string? rrn, string? authorisation, string? hostDate, string? slip)
    {
        var (batch, stan) = (row.Request.Batch, row.Request.Stan);
        session.Execute(
            "UPDATE terminal_journal SET state = $3, response_code = $4, rrn = $5, authorisation = $6, host_date = $7, slip = $8 WHERE batch = $1 AND stan = $2",
            batch, stan, state.ToString(), responseCode, rrn, authorisation, hostDate, slip);
        session.Execute("DELETE FROM terminal_advice WHERE batch = $1 AND stan = $2", batch, stan);
        if (row.Request.Kind != TransactionKind.Offline || !new ResponseCode(responseCode).IsApproval)
        {
            Forget(session, batch, stan); // an offline sale that was taken over may be refunded, as any other
        }
    }

    public static List<(string Batch, string Stan)> PendingAdvices(Session session) =>
        session.Query("SELECT batch, stan FROM terminal_advice ORDER BY batch, stan", row => (row.GetString(0), row.GetString(1)));

    /// <summary>Fen that refunds have given back of a sale, or are about to.</summary>
    public static long Refunded(Session session, string rrn) =>
        session.Number("SELECT COALESCE(SUM(amount), 0) FROM terminal_journal WHERE original_rrn = $1 AND kind IN ('Refund', 'OfflineRefund') AND state IN ('Approved', 'Sent')", rrn) ?? 0;

    /// <summary>What stands in a batch: sales that were not undone, and refunds.</summary>
    public static SettlementTotals Totals(Session session, string batch) => session.One(
        """
        SELECT COALESCE(SUM(CASE WHEN kind IN ('Sale', 'Offline') THEN amount ELSE 0 END), 0), COALESCE(SUM(CASE WHEN kind IN ('Sale', 'Offline') THEN 1 ELSE 0 END), 0),
          COALESCE(SUM(CASE WHEN kind IN ('Refund', 'OfflineRefund') THEN amount ELSE 0 END), 0), COALESCE(SUM(CASE WHEN kind IN ('Refund', 'OfflineRefund') THEN 1 ELSE 0 END), 0)
        FROM terminal_journal WHERE batch = $1 AND state = 'Approved'
        """,
        row => new SettlementTotals(row.GetInt64(0), (int)row.GetInt64(1), row.GetInt64(2), (int)row.GetInt64(3)), batch)!;

    /// <summary>Whether anything of the batch was ever approved, undone or not.</summary>
    public static bool HasApproved(Session session, string batch) =>
        session.Number("SELECT 1 FROM terminal_journal WHERE batch = $1 AND state IN ('Approved', 'Voided')", batch) is not null;

    /// <summary>The batch is closed: the next one begins. After 999999 comes 1.</summary>
    public static void NextBatch(Session session, string closed) =>
        session.Execute("UPDATE terminal_state SET batch = CASE WHEN batch >= 999999 THEN 1 ELSE batch + 1 END WHERE id = 1 AND batch = $1", long.Parse(closed, System.Globalization.CultureInfo.InvariantCulture));

    private static void Insert(Session session, JournalRow row)
    {
        var request = row.Request;
        session.Execute(
            """
            INSERT INTO terminal_journal (batch, stan, kind, amount, currency, number_masked, number_sealed, expiry, entry_mode, sequence_number, reversal_chip,
                original_rrn, original_authorisation, original_reference, original_stan, cvm, state, at, slip)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
            """,
            request.Batch, request.Stan, request.Kind.ToString(), request.Amount.Minor, request.Amount.Currency.Numeric, row.MaskedNumber, row.SealedNumber, request.Expiry,
            request.EntryMode, request.SequenceNumber, request.ReversalChipData.ToArray(), request.OriginalRrn, request.OriginalAuthorisation, request.OriginalReference,
            row.OriginalStan, row.Cvm, row.State.ToString(), row.At, row.Slip);
    }

    /// <summary>A verified approval: the reversal goes, the slip stays. An approved void closes its sale.</summary>
    public static void Approve(Session session, JournalRow row, string responseCode, string rrn, string? authorisation, string? hostDate, string slip)
    {
        var (batch, stan) = (row.Request.Batch, row.Request.Stan);
        var isVoid = row.Request.Kind == TransactionKind.Void;
        session.Execute(
            "UPDATE terminal_journal SET state = $3, response_code = $4, rrn = $5, authorisation = $6, host_date = $7, slip = $8 WHERE batch = $1 AND stan = $2",
            batch, stan, nameof(JournalState.Approved), responseCode, rrn, authorisation, hostDate, slip);
        session.Execute("DELETE FROM terminal_reversal WHERE batch = $1 AND stan = $2", batch, stan);
        if (isVoid)
        {
            Forget(session, batch, stan);
            session.Execute("UPDATE terminal_journal SET state = $3, number_sealed = NULL WHERE batch = $1 AND stan = $2", batch, row.OriginalStan, nameof(JournalState.Voided));
        }
    }

    /// <summary>A verified refusal: nothing happened, nothing to reverse.</summary>
    public static void Decline(Session session, string batch, string stan, string responseCode, string? rrn)
    {
        session.Execute("UPDATE terminal_journal SET state = $3, response_code = $4, rrn = $5 WHERE batch = $1 AND stan = $2", batch, stan, nameof(JournalState.Declined), responseCode, rrn);
        session.Execute("DELETE FROM terminal_reversal WHERE batch = $1 AND stan = $2", batch, stan);
        Forget(session, batch, stan);
    }

    /// <summary>The answer could not be believed or used: the 0400 says why.</summary>
    public static void SetReason(Session session, string batch, string stan, string reason) =>
        session.Execute("UPDATE terminal_reversal SET reason = $3 WHERE batch = $1 AND stan = $2", batch, stan, reason);

    public static void CountTry(Session session, string batch, string stan) =>
        session.Execute("UPDATE terminal_reversal SET tries = tries + 1 WHERE batch = $1 AND stan = $2", batch, stan);

    public static void RestartTries(Session session) => session.Execute("UPDATE terminal_reversal SET tries = 0");

    /// <summary>The acquirer confirmed the reversal.</summary>
    public static void Reversed(Session session, string batch, string stan)
    {
        session.Execute("DELETE FROM terminal_reversal WHERE batch = $1 AND stan = $2", batch, stan);
        session.Execute("UPDATE terminal_journal SET state = $3 WHERE batch = $1 AND stan = $2", batch, stan, nameof(JournalState.Reversed));
        Forget(session, batch, stan);
    }

    /// <summary>Oldest first.</summary>
    public static List<PendingReversal> Pending(Session session) => session.Query(
        "SELECT batch, stan, reason, tries FROM terminal_reversal ORDER BY batch, stan",
        row => new PendingReversal(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt32(3)));

    public static JournalRow? Find(Session session, string batch, string stan) =>
        session.One($"SELECT {Columns} FROM terminal_journal WHERE batch = $1 AND stan = $2", Map, batch, stan);

    /// <summary>By voucher of the given batch (six digits) or RRN (twelve characters).</summary>
    public static JournalRow? FindByVoucherOrRrn(Session session, string batch, string voucherOrRrn) => voucherOrRrn.Length <= 6
        ? Find(session, batch, voucherOrRrn.PadLeft(6, '0'))
        : session.One($"SELECT {Columns} FROM terminal_journal WHERE rrn = $1", Map, voucherOrRrn);

    /// <summary>The last request that printed a slip.</summary>
    public static JournalRow? LastSlip(Session session) =>
        session.One($"SELECT {Columns} FROM terminal_journal WHERE slip IS NOT NULL ORDER BY at DESC, batch DESC, stan DESC LIMIT 1", Map);

    /// <summary>The whole journal, newest first.</summary>
    public static List<JournalRow> Journal(Session session, int limit) =>
        session.Query($"SELECT {Columns} FROM terminal_journal ORDER BY at DESC, batch DESC, stan DESC LIMIT $1", Map, limit);

    private const string Columns =
        "batch, stan, kind, amount, currency, number_masked, number_sealed, expiry, entry_mode, sequence_number, reversal_chip, original_rrn, original_authorisation, "
        + "original_reference, original_stan, cvm, state, response_code, rrn, authorisation, host_date, at, slip";

    /// <summary>A number that no void, refund or reversal needs any more is not kept.</summary>
    private static void Forget(Session session, string batch, string stan) =>
        session.Execute("UPDATE terminal_journal SET number_sealed = NULL WHERE batch = $1 AND stan = $2", batch, stan);

    private static JournalRow Map(DbDataReader row) => new(
        new Request(
            Enum.Parse<TransactionKind>(row.GetString(2)), row.GetString(0), row.GetString(1), new Amount(row.GetInt64(3), new Currency(row.GetInt32(4))),
            row.TextOrNull(7), row.GetString(8), row.TextOrNull(9), row.Bytes(10), row.TextOrNull(11), row.TextOrNull(12), row.TextOrNull(13)),
        row.GetString(5), row.BytesOrNull(6), row.GetString(15), Enum.Parse<JournalState>(row.GetString(16)), row.TextOrNull(17), row.TextOrNull(18), row.TextOrNull(19),
        row.TextOrNull(20), row.TextOrNull(14), row.Instant(21), row.TextOrNull(22));

    private static string Six(long? value) => (value ?? 1).ToString("D6", System.Globalization.CultureInfo.InvariantCulture);
}
