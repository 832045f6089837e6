using System.Data.Common;
using Majia.Core.Iso8583;
using Majia.Storage;

namespace Majia.Acquirer;

/// <summary>A batch that a terminal has closed: what it said, what the acquirer had, and whether that is the same.</summary>
/// <param name="Rrn">F37 of the 0510.</param>
public sealed record SettledBatch(
    string Terminal, string Merchant, string Batch, DateTimeOffset At, string Rrn, SettlementTotals Own, SettlementTotals Said)
{
    /// <summary>A batch that does not balance is closed too: the difference is a break for people to look at (decisions.md 20).</summary>
    public BatchBalance Balance => Own == Said ? BatchBalance.Balanced : BatchBalance.NotBalanced;

    internal const string Migration = """
        -- A batch is closed once; what comes for it afterwards is refused, but for reversals.
        CREATE TABLE acquirer_batch (
            terminal TEXT NOT NULL,
            merchant TEXT NOT NULL,
            batch TEXT NOT NULL,
            at BIGINT NOT NULL,
            rrn TEXT NOT NULL,
            own_debit BIGINT NOT NULL,
            own_debits BIGINT NOT NULL,
            own_credit BIGINT NOT NULL,
            own_credits BIGINT NOT NULL,
            said_debit BIGINT NOT NULL,
            said_debits BIGINT NOT NULL,
            said_credit BIGINT NOT NULL,
            said_credits BIGINT NOT NULL,
            PRIMARY KEY (terminal, merchant, batch));
        -- What refunds have taken of a sale already: never more than it.
        ALTER TABLE acquirer_transaction ADD COLUMN refunded BIGINT NOT NULL DEFAULT 0;
        """;

    private const string Columns = "terminal, merchant, batch, at, rrn, own_debit, own_debits, own_credit, own_credits, said_debit, said_debits, said_credit, said_credits";

    internal static SettledBatch? Find(Session session, string terminal, string merchant, string batch) => session.One(
        $"SELECT {Columns} FROM acquirer_batch WHERE terminal = $1 AND merchant = $2 AND batch = $3", Map, terminal, merchant, batch);

    internal static List<SettledBatch> Latest(Session session, int limit) =>
        session.Query($"SELECT {Columns} FROM acquirer_batch ORDER BY at DESC, terminal, batch DESC LIMIT $1", Map, limit);

    internal void Insert(Session session) => session.Execute(
        $"INSERT INTO acquirer_batch ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        Terminal, Merchant, Batch, At, Rrn, Own.Debit, Own.DebitCount, Own.Credit, Own.CreditCount, Said.Debit, Said.DebitCount, Said.Credit, Said.CreditCount);

    /// <summary>The acquirer's own totals, and whether something of the batch has no answer yet.</summary>
    internal static (SettlementTotals Totals, bool UnderWay) Add(Session session, string terminal, string merchant, string batch)
    {
        var (debit, debits, credit, credits, open) = (0L, 0, 0L, 0, false);
        foreach (var row in PosTransaction.OfBatch(session, terminal, merchant, batch))
        {
            if (row.IsTombstone || row.ReversedAt is not null)
            {
                continue;
            }

            open |= !row.Answered || row.IsOnItsWay;
            if (!row.Approved)
            {
                continue;
            }

            if (row.IsRefund)
            {
                (credit, credits) = (credit + row.Amount, credits + 1);
            }
            else if (row.Undoes is null && row.UndoneBy is null)
            {
                (debit, debits) = (debit + row.Amount, debits + 1);
            }
        }

        return (new SettlementTotals(debit, debits, credit, credits), open);
    }

    private static SettledBatch Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.Instant(3), row.GetString(4),
        new SettlementTotals(row.GetInt64(5), (int)row.GetInt64(6), row.GetInt64(7), (int)row.GetInt64(8)),
        new SettlementTotals(row.GetInt64(9), (int)row.GetInt64(10), row.GetInt64(11), (int)row.GetInt64(12)));
}
