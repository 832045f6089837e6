using System.Security.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Acquirer;

/// <summary>What becomes of a 0200 in the acquirer's first write.</summary>
internal abstract record Claim
{
    /// <summary>It came before and has its answer.</summary>
    public sealed record Replay(PosTransaction Row) : Claim;

    /// <summary>It came before and is on its way.</summary>
    public sealed record Wait(PosTransaction Row) : Claim;

    /// <summary>Answered without the network. With <paramref name="Kept"/> the refusal is stored, so that a repeat gets the same.</summary>
    public sealed record Refuse(Refusal Refusal, bool Kept) : Claim;

    /// <summary>To the network, as a new transaction.</summary>
    public sealed record Forward : Claim;
}

/// <summary>What becomes of a 0400.</summary>
internal abstract record Undo
{
    /// <summary>No such original: 25, and a tombstone so that it is refused should it still come.</summary>
    public sealed record NoOriginal(DateTimeOffset? TombstoneAt) : Undo;

    /// <summary>Nothing more to do: reversed already.</summary>
    public sealed record Already(PosTransaction Row) : Undo;

    /// <summary>It was declined: no money moved, none comes back.</summary>
    public sealed record NothingMoved(PosTransaction Row) : Undo;

    /// <summary>A reversal goes to the network.</summary>
    public sealed record Reverse(PosTransaction Row) : Undo;

    public sealed record Refuse(PosTransaction Row, Refusal Refusal) : Undo;
}

/// <summary>The acquirer's decisions: pure, in order of precedence.</summary>
internal static class PosDecider
{
    public static readonly Refusal
        MacWrong = new(ResponseCode.MacFailure, new("The MAC is wrong: nothing in the message is believed.", "报文鉴别码错误，报文内容不予采信。")),
        UnknownTerminal = new(ResponseCode.UnknownTerminal, new("No such terminal.", "终端号不存在。")),
        OtherMerchant = new(ResponseCode.InvalidMerchant, new("The terminal does not stand at this merchant.", "该终端不属于此商户。")),
        OtherContent = new(ResponseCode.Duplicate, new("This trace number came before with other content.", "该流水号曾以不同内容送达。")),
        ReversedFirst = new(ResponseCode.InvalidTransaction, new("Its reversal came before it: it is never forwarded.", "冲正先于原交易到达，原交易不再转发。")),
        PlasticNotKept = new(ResponseCode.NotSupported, new("Plastic cards are not accepted: there is no key to seal their numbers under.", "未配置卡号加密密钥，不受理实体卡。")),
        NoSale = new(ResponseCode.NoOriginal, new("No such sale at this terminal.", "本终端没有该笔原交易。")),
        OtherBatch = new(ResponseCode.InvalidTransaction, new("The sale is of another batch: refund it instead.", "原交易不在当前批次，请办理退货。")),
        SaleNotApproved = new(ResponseCode.InvalidTransaction, new("The sale was not approved: there is nothing to void.", "原交易未成功，无需撤销。")),
        SaleUndone = new(ResponseCode.InvalidTransaction, new("The sale is already voided or reversed.", "原交易已撤销或已冲正。")),
        BatchClosed = new(ResponseCode.InvalidTransaction, new("This batch is settled: nothing is added to it.", "该批次已结算，不再受理新交易。")),
        NotSettled = new(ResponseCode.InvalidTransaction, new("The sale's batch is not settled yet: void it instead.", "原交易所在批次尚未结算，请办理撤销。")),
        OfflineSale = new(ResponseCode.InvalidTransaction, new("The card approved that sale by itself: it is neither voided nor refunded as an online one, but given back as an offline one.", "该笔为卡片脱机批准的交易，请办理脱机退货。")),
        OnlineSale = new(ResponseCode.InvalidTransaction, new("The bank approved that sale online: it is not given back as an offline one.", "该笔为联机交易，不能办理脱机退货。")),
        OnItsWay = new(ResponseCode.InvalidTransaction, new("The bank has not yet seen the card's approval: there is nothing to give back until it has.", "发卡行尚未收到该笔脱机交易，暂不能退货，请稍后再试。")),
        OverRefund = new(ResponseCode.OriginalAmountWrong, new("More than is left of the sale: refunds never exceed it.", "退货金额超过原交易剩余金额。")),
        OtherAmount = new(ResponseCode.OriginalAmountWrong, new("A void is for the full amount of its sale.", "撤销金额须与原交易金额一致。")),
        OtherNumber = new(ResponseCode.OriginalMismatch, new("The sale was made with another card.", "原交易使用的是另一张卡。")),
        PinUnreadable = new(ResponseCode.PinFormatError, new("The PIN block does not hold a PIN under the terminal's key.", "密码数据块无法用终端密钥还原。")),
        Silence = new(ResponseCode.NoIssuerAnswer, new("The network did not answer in time: answered 98, a reversal is on its way.", "银联超时未应答：返回 98，并发起冲正。")),
        Overtaken = new(ResponseCode.InvalidTransaction, new("The terminal reversed it before the network answered.", "网络应答前终端已发起冲正。"));

    /// <param name="request">A sale or a void.</param>
    /// <param name="sameTrace">Rows of the same terminal, batch and trace number.</param>
    /// <param name="place">Where the terminal stands; null when unknown.</param>
    /// <param name="canSeal">Whether a plastic's number can be kept.</param>
    /// <param name="original">The sale that a void names, if this terminal made it.</param>
    /// <param name="originalSettled">The batch of <paramref name="original"/> is closed.</param>
    public static Claim Decide(PosRequest request, IReadOnlyList<PosTransaction> sameTrace, TerminalPlace? place, bool canSeal, PosTransaction? original, bool originalSettled, Func<PosTransaction, bool> sameNumber)
    {
        if (place is null)
        {
            return new Claim.Refuse(UnknownTerminal, Kept: false);
        }

        if (place.Merchant != request.Merchant)
        {
            return new Claim.Refuse(OtherMerchant, Kept: false);
        }

        if (sameTrace.FirstOrDefault(row => row.Kind == request.Kind) is { } same)
        {
            return !CryptographicOperations.FixedTimeEquals(same.Digest, request.Digest) || !sameNumber(same) ? new Claim.Refuse(OtherContent, Kept: false)
                : same.Answered ? new Claim.Replay(same)
                : new Claim.Wait(same);
        }

        if (sameTrace.Any(row => row.IsTombstone))
        {
            return new Claim.Refuse(ReversedFirst, Kept: true);
        }

        if (place.BatchClosed)
        {
            return new Claim.Refuse(BatchClosed, Kept: false);
        }

        if (!request.NumberIsToken && !canSeal)
        {
            return new Claim.Refuse(PlasticNotKept, Kept: false);
        }

        var objection = request.Operation switch
        {
            PosOperation.Void => Objection(request, original, sameNumber),
            PosOperation.Refund => ObjectionToRefund(request, original, originalSettled, sameNumber),
            _ => null,
        };
        return objection is null ? new Claim.Forward() : new Claim.Refuse(objection, Kept: true);
    }

    /// <summary>decisions.md 9, 15: after the batch is settled, at any terminal of the merchant, parts up to the sale. Another device number may be the same card come back: the network tells.</summary>
    private static Refusal? ObjectionToRefund(PosRequest request, PosTransaction? sale, bool settled, Func<PosTransaction, bool> sameNumber)
    {
        if (sale is null || sale.Undoes is not null || sale.Merchant != request.Merchant || sale.Stan != request.OriginalStan || sale.Batch != request.OriginalBatch)
        {
            return NoSale;
        }

        return sale.ReversedAt is not null || sale.UndoneBy is not null ? SaleUndone
            : sale.IsOffline != (request.Kind == PosTransaction.OfflineRefundKind) ? sale.IsOffline ? OfflineSale : OnlineSale
            : !sale.Approved ? SaleNotApproved
            : sale.IsOnItsWay ? OnItsWay
            : !settled && !sale.IsOffline ? NotSettled // what cannot be voided is given back at once (docs/decisions/0034)
            : sale.Refunded + request.Amount > sale.Amount ? OverRefund
            : sale.Token is null != !request.NumberIsToken || (sale.Token is null && !sameNumber(sale)) ? OtherNumber
            : null;
    }

    /// <summary>decisions.md 15: the same unsettled batch, the full amount, once.</summary>
    private static Refusal? Objection(PosRequest request, PosTransaction? sale, Func<PosTransaction, bool> sameNumber)
    {
        if (sale is null || sale.Undoes is not null || sale.Merchant != request.Merchant || sale.Stan != request.OriginalStan || sale.Batch != request.OriginalBatch)
        {
            return NoSale;
        }

        return sale.IsOffline ? OfflineSale
            : sale.Batch != request.Batch ? OtherBatch
            : sale.ReversedAt is not null || sale.UndoneBy is not null ? SaleUndone
            : !sale.Approved ? SaleNotApproved
            : sale.Amount != request.Amount ? OtherAmount
            : !sameNumber(sale) ? OtherNumber
            : null;
    }

    /// <param name="sameTrace">Rows of the terminal, batch and trace number that the reversal repeats.</param>
    public static Undo Decide(PosRequest reversal, IReadOnlyList<PosTransaction> sameTrace)
    {
        var original = sameTrace.FirstOrDefault(row => row.Kind == reversal.Kind) ?? sameTrace.FirstOrDefault(row => !row.IsTombstone);
        if (original is null)
        {
            return new Undo.NoOriginal(sameTrace.Count > 0 ? sameTrace[0].At : null);
        }

        if (original.ReversedAt is not null)
        {
            return new Undo.Already(original);
        }

        if (original.Amount != reversal.Amount)
        {
            return new Undo.Refuse(original, OtherAmount);
        }

        if (original.UndoneBy is not null || original.Refunded > 0)
        {
            return new Undo.Refuse(original, SaleUndone);
        }

        // 98 from the network: it has no answer either, so nobody knows. Its own reversal and ours have one effect.
        return original.Answered && !original.Approved && original.Code != ResponseCode.NoIssuerAnswer.Value
            ? new Undo.NothingMoved(original)
            : new Undo.Reverse(original);
    }
}
