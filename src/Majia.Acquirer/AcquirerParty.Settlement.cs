using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Acquirer;

/// <summary>0500: a terminal closes its batch. The acquirer holds its totals against the terminal's, and closes it once.</summary>
public sealed partial class AcquirerParty
{
    private static readonly Refusal
        SettlementMalformed = new(ResponseCode.FormatError, new("A field of the settlement is missing or malformed.", "批结算报文缺少必备域或格式不符。"));

    /// <summary>Batches that were closed, newest first.</summary>
    public IReadOnlyList<SettledBatch> Batches(int limit = 100) => store.Read(session => SettledBatch.Latest(session, limit));

    private async Task<IsoMessage> SettleAsync(IsoMessage message, string reference)
    {
        if (MessageMatrix.Check(Dialect.Pos, message) is not null
            || !Field60Pos.TryParse(message.Text(60), out var field60, out _)
            || !SettlementTotals.TryParse(message.Text(48), out var said, out _, out _)
            || message.Text(49) != Currency.Cny.Digits)
        {
            return Refuse(message, SettlementMalformed, reference);
        }

        var now = time.GetUtcNow();
        var (terminal, merchant) = (message.Text(41)!.TrimEnd(), message.Text(42)!.TrimEnd());
        var (place, batch, balance) = await store.WriteAsync(session =>
        {
            PosTransaction.Lock(session, terminal, merchant, field60.Batch);
            var at = AcquirerSchema.Place(session, terminal, field60.Batch);
            if (at is null || at.Merchant != merchant)
            {
                return (at, (SettledBatch?)null, BatchBalance.Error);
            }

            // The same batch again: it was closed then, and is as it was then.
            if (SettledBatch.Find(session, terminal, merchant, field60.Batch) is { } closed)
            {
                return (at, closed, closed.Said == said ? closed.Balance : BatchBalance.NotBalanced);
            }

            var (own, underWay) = SettledBatch.Add(session, terminal, merchant, field60.Batch);
            var settled = new SettledBatch(terminal, merchant, field60.Batch, now, SystemTrace.Next(session, now.ToOffset(options.UtcOffset)).Rrn, own, said);
            if (!underWay)
            {
                settled.Insert(session);
            }

            return (at, settled, underWay ? BatchBalance.Error : settled.Balance);
        });

        if (place is null || place.Merchant != merchant)
        {
            return Refuse(message, place is null ? PosDecider.UnknownTerminal : PosDecider.OtherMerchant, reference);
        }

        trace.Decision(reference, balance switch
        {
            BatchBalance.Balanced => new($"Batch {field60.Batch} is closed and balances: {batch!.Own.DebitCount} sales, {batch.Own.CreditCount} refunds.", $"批次 {field60.Batch} 已结算，对账平：消费 {batch.Own.DebitCount} 笔，退货 {batch.Own.CreditCount} 笔。"),
            BatchBalance.NotBalanced => new($"Batch {field60.Batch} is closed and does not balance: a break for people to look at.", $"批次 {field60.Batch} 已结算，对账不平，转人工核对。"),
            _ => new($"Batch {field60.Batch} stays open: something of it is under way.", $"批次 {field60.Batch} 暂不能结算：仍有交易在途。"),
        });
        var local = batch!.At.ToOffset(options.UtcOffset);
        return new IsoMessage(message.Mti.Response, 16)
            .Take(message, 11)
            .Set(12, local.ToString("HHmmss", CultureInfo.InvariantCulture))
            .Set(13, local.ToString("MMdd", CultureInfo.InvariantCulture))
            .Set(15, local.ToString("MMdd", CultureInfo.InvariantCulture))
            .Set(32, options.Institution)
            .Set(37, batch.Rrn)
            .Take(message, 41, 42)
            .Set(48, batch.Own.Format(balance))
            .Take(message, 49, 60, 63);
    }
}
