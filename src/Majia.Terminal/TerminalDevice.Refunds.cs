using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;

namespace Majia.Terminal;

/// <summary>Closing a batch (0500), and giving money back afterwards (0220): R20, decisions.md 15.</summary>
/// <remarks>A refund is an advice: kept before it leaves, and repeated unchanged until a verified answer has come. It has no reversal.</remarks>
public sealed partial class TerminalDevice
{
    private static readonly Text
        PendingFirst = new("Reversals or refunds are still unconfirmed: they go first.", "尚有未确认的冲正或退货，须先完成。"),
        NothingToSettle = new("Nothing was sold or refunded in this batch.", "本批次没有交易，无需结算。");

    /// <summary>Refunds and offline approvals not yet answered, oldest first.</summary>
    public IReadOnlyList<(string Batch, string Stan)> PendingAdvices => store.Read(TerminalSchema.PendingAdvices);

    /// <summary>批次号 that is open, six digits.</summary>
    public string Batch => store.Read(TerminalSchema.Batch);

    /// <summary>This terminal's own totals of the batch that is open.</summary>
    public SettlementTotals Totals => store.Read(session => TerminalSchema.Totals(session, TerminalSchema.Batch(session)));

    /// <summary>Why the open batch cannot be settled now; null when it can. Settling asks again.</summary>
    public Text? RefuseSettlement => store.Read(session =>
    {
        var batch = TerminalSchema.Batch(session);
        return TerminalSchema.Totals(session, batch).IsEmpty && !TerminalSchema.HasApproved(session, batch) ? NothingToSettle : null;
    });

    /// <summary>Closes the batch: the acquirer's totals against this terminal's. Closed, whether they agree or not, the next sale begins a new one.</summary>
    public async Task<SettlementResult> SettleAsync(CancellationToken cancellation)
    {
        await counter.WaitAsync(cancellation);
        try
        {
            var kept = await ClearPendingAsync(restart: true, cancellation);
            var batch = store.Read(TerminalSchema.Batch);
            var totals = store.Read(session => TerminalSchema.Totals(session, batch));
            if (kept > 0)
            {
                return new SettlementResult(SettlementOutcome.Unfinished, PendingFirst, batch, totals);
            }

            if (totals.IsEmpty && !store.Read(session => TerminalSchema.HasApproved(session, batch)))
            {
                return new SettlementResult(SettlementOutcome.Empty, NothingToSettle, batch, totals);
            }

            var (_, stan) = await store.CommitAsync(TerminalSchema.NextStan);
            var reference = TraceReference.Pos(options.MerchantId, options.TerminalId, batch, stan);
            var result = await line.ExchangeAsync(PosMessages.Settlement(options, batch, stan, totals), options.AnswerTimeout, reference);
            if (result is not LineResult.Answered { Message: var answer } || !SettlementTotals.TryParse(answer.Text(48), out var host, out var balance, out _))
            {
                return new SettlementResult(SettlementOutcome.NoAnswer, new("The acquirer did not answer: the batch stays open.", "收单行未应答，批次未结算。"), batch, totals);
            }

            if (balance is not (BatchBalance.Balanced or BatchBalance.NotBalanced))
            {
                return new SettlementResult(SettlementOutcome.Unfinished, new("The acquirer still has something of this batch under way: settle again in a minute.", "收单行仍有该批次的在途交易，请稍后再结算。"), batch, totals);
            }

            var slip = new SettlementSlip(options.MerchantName, options.MerchantId, options.TerminalId, options.Operator, batch, answer.Text(37) ?? string.Empty, HostTime(answer), totals, host, balance);
            await store.CommitAsync(session => TerminalSchema.NextBatch(session, batch));
            return balance == BatchBalance.Balanced
                ? new SettlementResult(SettlementOutcome.Balanced, new($"Batch {batch} is closed; the totals agree.", $"批次 {batch} 已结算，对账平。"), batch, totals, slip)
                : new SettlementResult(SettlementOutcome.NotBalanced, new($"Batch {batch} is closed; the totals differ and people will look at it.", $"批次 {batch} 已结算，对账不平，将人工核对。"), batch, totals, slip);
        }
        finally
        {
            counter.Release();
        }
    }

    /// <summary>Gives back a settled sale, or a part of it. The card may have left the phone, or come back with another number (R20).</summary>
    /// <param name="rrn">参考号 of the sale's slip, twelve characters.</param>
    /// <param name="amount">Null: all that is left of it.</param>
    /// <param name="field">Polled only when the merchant's parameter wants the phone tapped again.</param>
    public async Task<SaleResult> RefundAsync(string rrn, Amount? amount, ICardField field, CancellationToken cancellation)
    {
        await counter.WaitAsync(cancellation);
        try
        {
            await ClearPendingAsync(restart: false, cancellation);
            if (cancellation.IsCancellationRequested)
            {
                return new SaleResult(SaleOutcome.Cancelled, CancelledEarly, Amount.Cny(0));
            }

            var batch = store.Read(TerminalSchema.Batch);
            var sale = store.Read(session => TerminalSchema.FindByVoucherOrRrn(session, batch, rrn));
            var left = sale is null ? Amount.Cny(0) : sale.Request.Amount - Amount.Cny(store.Read(session => TerminalSchema.Refunded(session, sale.Rrn ?? string.Empty)));
            var wanted = amount ?? left;
            return RefuseRefund(sale, batch, wanted, left) is { } why
                ? new SaleResult(SaleOutcome.Refused, why, wanted, MaskedNumber: sale?.MaskedNumber)
                : await RefundOnceAsync(sale!, wanted, field, cancellation);
        }
        finally
        {
            counter.Release();
        }
    }

    /// <summary>What forbids this refund; null when nothing does.</summary>
    public static Text? RefuseRefund(JournalRow? sale, string batch, Amount amount, Amount left) => sale switch
    {
        null => new("This terminal has no such payment.", "本终端没有该笔交易。"),
        { Request.Kind: not (TransactionKind.Sale or TransactionKind.Offline) } => new("Only a sale is refunded.", "只有消费交易可以退货。"),
        { State: JournalState.Voided } => new("The payment has been voided: the money has gone back.", "该笔交易已撤销，款项已退回。"),
        { State: JournalState.Reversed } => new("The payment was reversed: nothing is charged.", "该笔交易已冲正，未扣款。"),
        { Request.Kind: TransactionKind.Offline, Rrn: null } => new("The acquirer has not taken the card's approval over: there is nothing to refund yet.", "收单行尚未受理该笔脱机交易，暂不能退货。"),
        { State: not JournalState.Approved } => new("The payment was not approved: there is nothing to refund.", "该笔交易未获批准，无可退回。"),
        _ when sale.Request.Batch == batch && sale.Request.Kind != TransactionKind.Offline => new("The batch of that payment is not settled yet: void it instead.", "该笔交易所在批次尚未结算，请办理撤销。"),
        _ when left.Minor == 0 => new("The payment has been refunded already.", "该笔交易已全部退货。"),
        _ when amount > left => new($"Only {left} is left of the payment.", $"该笔交易仅余 {left} 元可退。"),
        _ when amount.Minor <= 0 => new("The amount is zero.", "退货金额为零。"),
        _ => null,
    };

    private async Task<SaleResult> RefundOnceAsync(JournalRow sale, Amount amount, ICardField field, CancellationToken cancellation)
    {
        var (batch, stan) = await store.CommitAsync(TerminalSchema.NextStan);
        var reference = TraceReference.Pos(options.MerchantId, options.TerminalId, batch, stan);
        var start = new SaleResult(SaleOutcome.Refused, new(string.Empty, string.Empty), amount, Batch: batch, Voucher: stan, MaskedNumber: sale.MaskedNumber, TraceReference: reference);
        if (Unseal(sale) is not { } number)
        {
            return start with { Why = new("The number of that payment is no longer kept here.", "本终端已不再保存该笔交易的卡号。") };
        }

        if (options.Parameters.RetapForVoid)
        {
            var presented = await reader.ReadAsync(new Presentation(amount, Type: 0x20, NumberOnly: true, BankAsked: false, reference), field, cancellation);
            if (presented is not PresentationResult.Read read)
            {
                return Unread(start, presented);
            }

            // Perhaps another device number than then: whether it is the same account, only network and bank can tell (decisions.md 9).
            number = read.Card.Number;
            start = start with { MaskedNumber = number.Masked };
        }

        var request = new Request(
            sale.Request.Kind == TransactionKind.Offline ? TransactionKind.OfflineRefund : TransactionKind.Refund, batch, stan, amount, Expiry: null, "072", SequenceNumber: null, default,
            sale.Rrn, sale.Authorisation, new Field61Pos(sale.Request.Batch, sale.Request.Stan, sale.HostDate).Format());
        var row = new JournalRow(request, number.Masked, Seal(request, number), CvmResult.None.Name(), JournalState.Sent, null, null, null, null, sale.Request.Stan, clock.GetUtcNow(), null);
        await store.CommitAsync(session => TerminalSchema.BeginAdvice(session, row));
        Show(DisplayMessage.Of(UiMessage.Authorising));
        return await AdviseAsync(start, row, number);
    }

    /// <summary>The 0220, once. Without a usable answer it is kept, and goes again before the next transaction.</summary>
    private async Task<SaleResult> AdviseAsync(SaleResult start, JournalRow row, CardNumber number)
    {
        var request = row.Request;
        var verdict = Judge(await line.ExchangeAsync(PosMessages.Financial(options, request, number, null, CvmResult.None, []), options.AnswerTimeout, start.TraceReference!));
        switch (verdict)
        {
            case Verdict.Approved approved:
                var answer = approved.Answer;
                var slip = SlipFor(start with { Cvm = CvmResult.None }, request, null, row.OriginalStan, answer);
                await store.CommitAsync(session => TerminalSchema.AdviceAnswered(session, row, JournalState.Approved, approved.Code.Value, approved.Rrn, answer.Text(38)?.Trim(), answer.Text(13), slip.ToJson()));
                trace.Decision(TraceReference.Rrn(approved.Rrn), new($"Refunded: slip {request.Stan} printed with {slip.LastFour}.", $"退货成功：已打印签购单 {request.Stan}，卡号尾号 {slip.LastFour}。"));
                Show(DisplayMessage.Of(UiMessage.ApprovedSign));
                return start with { Outcome = SaleOutcome.Refunded, Why = approved.Code.Meaning, ResponseCode = approved.Code, Rrn = approved.Rrn, Slip = slip };

            case Verdict.Declined declined:
                await store.CommitAsync(session => TerminalSchema.AdviceAnswered(session, row, JournalState.Declined, declined.Code.Value, declined.Rrn, null, null, null));
                Show(DisplayMessage.Of(UiMessage.NotAuthorised, declined.Code.Meaning));
                return start with { Outcome = SaleOutcome.Declined, Why = declined.Code.Meaning, ResponseCode = declined.Code, Rrn = declined.Rrn };

            default:
                Show(DisplayMessage.Of(UiMessage.ProcessingError));
                return start with
                {
                    Outcome = SaleOutcome.RefundPending,
                    Why = new("No usable answer: the refund is kept and sent again before the next payment.", "未收到有效应答：退货已保存，将在下一笔交易前重发。"),
                };
        }
    }

    /// <summary>Refunds and offline approvals that have had no answer, each once.</summary>
    /// <returns>How many are still kept.</returns>
    private async Task<int> ClearAdvicesAsync(CancellationToken cancellation)
    {
        var kept = 0;
        foreach (var (batch, stan) in store.Read(TerminalSchema.PendingAdvices))
        {
            var row = store.Read(session => TerminalSchema.Find(session, batch, stan));
            if (row is null || cancellation.IsCancellationRequested || Unseal(row) is not { } number)
            {
                kept++; // the journal was damaged, or the merchant is in a hurry: it stays visible
                continue;
            }

            if (row.Request.Kind == TransactionKind.Offline)
            {
                kept += await UploadAsync(row, number) ? 0 : 1;
                continue;
            }

            var start = new SaleResult(
                SaleOutcome.RefundPending, new(string.Empty, string.Empty), row.Request.Amount, Batch: batch, Voucher: stan, MaskedNumber: row.MaskedNumber,
                TraceReference: TraceReference.Pos(options.MerchantId, options.TerminalId, batch, stan));
            kept += (await AdviseAsync(start, row, number)).Outcome == SaleOutcome.RefundPending ? 1 : 0;
        }

        return kept;
    }
}
