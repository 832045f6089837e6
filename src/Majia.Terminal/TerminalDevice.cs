using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;
using Majia.Terminal.Contact;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;

namespace Majia.Terminal;

/// <summary>A point-of-sale terminal: reader, PIN pad, line to the acquirer, printer, and a store of its own.</summary>
/// <remarks>
/// One transaction at a time. Order of what is durable: trace number, then journal row with its reversal, then the 0200 leaves; the reversal goes
/// only with a verified answer. A terminal that stops anywhere between reverses when it comes back (decisions.md 20).
/// </remarks>
public sealed partial class TerminalDevice : IDisposable
{
    private readonly TerminalOptions options;
    private readonly Store store;
    private readonly KeyModule keys;
    private readonly TimeProvider clock;
    private readonly Entropy entropy;
    private readonly TerminalTrace trace;
    private readonly ContactlessReader reader;
    private readonly VerifiedIssuers issuers = new();
    private readonly PinPad pinPad;
    private readonly AcquirerLine line;
    private readonly SemaphoreSlim counter = new(1, 1);

    public TerminalDevice(TerminalOptions options, Store store, KeyModule keys, IIsoLink acquirer, TimeProvider clock, Entropy entropy, ITrace trace)
    {
        (this.options, this.store, this.keys, this.clock, this.entropy) = (options, store, keys, clock, entropy);
        this.trace = new TerminalTrace(trace, clock);
        reader = new ContactlessReader(options, clock, entropy, this.trace, issuers, Show);
        pinPad = new PinPad(keys, options.PinKey, options.PinWindow, clock);
        line = new AcquirerLine(options, keys, acquirer, clock, this.trace);
        if (!keys.TryInfo(options.JournalKey, out _))
        {
            keys.Generate(options.JournalKey, KeyUsage.DataEncryption, CipherAlgorithm.Aes, test: false);
        }
    }

    public static PartySchema Schema => TerminalSchema.Schema;

    /// <summary>What the screen shows, as it changes.</summary>
    public event Action<DisplayMessage>? Displayed;

    public TerminalOptions Options => options;

    /// <summary>Reversals not yet confirmed, oldest first.</summary>
    public IReadOnlyList<PendingReversal> Pending => store.Read(TerminalSchema.Pending);

    /// <summary>The journal, newest first.</summary>
    public IReadOnlyList<JournalRow> Journal(int limit = 100) => store.Read(session => TerminalSchema.Journal(session, limit));

    /// <summary>One purchase: from <i>hold your phone here</i> to the slip, re-taps included.</summary>
    /// <param name="cancellation">The merchant's cancel key. It counts until the request has left; after that the sale is seen through.</param>
    public async Task<SaleResult> SellAsync(Amount amount, ICardField field, IKeypad holder, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(amount.Currency, Currency.Cny, nameof(amount));
        ArgumentOutOfRangeException.ThrowIfLessThan(amount.Minor, 0, nameof(amount));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(amount.Minor, Amount.MaxMinor, nameof(amount));
        if (!options.Parameters.QuickPass)
        {
            return new SaleResult(SaleOutcome.NotOffered, NotOffered, amount);
        }

        await counter.WaitAsync(cancellation);
        try
        {
            await ClearPendingAsync(restart: false, cancellation);
            if (cancellation.IsCancellationRequested)
            {
                return new SaleResult(SaleOutcome.Cancelled, CancelledEarly, amount);
            }

            SaleResult? wrongPin = null;
            for (var attempt = 1; ; attempt++)
            {
                var result = await SellOnceAsync(amount, field, holder, bankAsked: wrongPin is not null, cancellation);
                if (wrongPin is not null && result.Outcome is SaleOutcome.Cancelled or SaleOutcome.SeePhone or SaleOutcome.CardRemoved)
                {
                    return wrongPin;
                }

                if (result.Outcome != SaleOutcome.RetapForPin || cancellation.IsCancellationRequested)
                {
                    return result;
                }

                if (attempt >= options.PinAttempts)
                {
                    return options.PinAttempts == 1 ? result : result with { Outcome = SaleOutcome.Declined };
                }

                wrongPin = result;
            }
        }
        finally
        {
            counter.Release();
        }
    }

    /// <summary>Undoes a sale of the current batch, whole amount (R20, decisions.md 15).</summary>
    /// <param name="voucherOrRrn">凭证号 (up to six digits) or 参考号 (twelve characters) of the slip.</param>
    /// <param name="field">Polled only when the merchant's parameter wants the phone tapped again.</param>
    public async Task<SaleResult> VoidAsync(string voucherOrRrn, ICardField field, CancellationToken cancellation)
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
            var sale = store.Read(session => TerminalSchema.FindByVoucherOrRrn(session, batch, voucherOrRrn));
            if (Refuse(sale, batch) is { } why)
            {
                return new SaleResult(SaleOutcome.Refused, why, sale?.Request.Amount ?? Amount.Cny(0), MaskedNumber: sale?.MaskedNumber);
            }

            return await VoidOnceAsync(sale!, field, cancellation);
        }
        finally
        {
            counter.Release();
        }
    }

    /// <summary>A slip printed before: the last one, or the one named; null when there is none. Print it with <c>duplicate: true</c>.</summary>
    public Task<Slip?> ReprintAsync(string? voucherOrRrn = null)
    {
        var row = store.Read(session => voucherOrRrn is null ? TerminalSchema.LastSlip(session) : TerminalSchema.FindByVoucherOrRrn(session, TerminalSchema.Batch(session), voucherOrRrn));
        return Task.FromResult(row?.Slip is { } json ? Slip.FromJson(json) : null);
    }

    /// <summary>Sends every reversal that is not confirmed, three tries each, the count beginning anew: at start-up, at sign-on, or on demand.</summary>
    /// <returns>How many are still kept.</returns>
    public async Task<int> ResolvePendingAsync(CancellationToken cancellation)
    {
        await counter.WaitAsync(cancellation);
        try
        {
            return await ClearPendingAsync(restart: true, cancellation);
        }
        finally
        {
            counter.Release();
        }
    }

    public void Dispose() => counter.Dispose();

    /// <summary>What forbids voiding this row; null when nothing does.</summary>
    public static Text? Refuse(JournalRow? sale, string batch) => sale switch
    {
        null => new("This terminal has no such payment in its batch.", "本终端当前批次中没有该笔交易。"),
        { Request.IsRefund: true } => new("That voucher is a refund: it is not undone.", "该凭证号对应的是一笔退货，不可撤销。"),
        { Request.Kind: TransactionKind.Offline } => new("The card approved that payment by itself: it is not voided. Refund it: the amount goes to the account behind the card.", "该笔为卡片脱机批准的交易，不能撤销；请办理退货，款项退回卡片对应的账户。"),
        { Request.Kind: TransactionKind.Void } => new("That voucher is a void itself.", "该凭证号对应的是一笔撤销交易。"),
        { State: JournalState.Voided } => new("The payment has been voided already.", "该笔交易已撤销。"),
        { State: JournalState.Reversed } => new("The payment was reversed: nothing is charged.", "该笔交易已冲正，未扣款。"),
        { State: not JournalState.Approved } => new("The payment was not approved: there is nothing to void.", "该笔交易未获批准，无需撤销。"),
        _ when sale.Request.Batch != batch => new("The batch of that payment is settled: refund it instead.", "该笔交易所在批次已结算，请办理退货。"),
        _ => null,
    };

    private static Text CancelledEarly => new("Cancelled at the terminal before anything new was started.", "已在终端上取消，未开始新交易。");

    private static Text NotOffered => new("This merchant does not take UnionPay QuickPass: phones are not offered here.", "本商户未开通银联云闪付，不支持手机支付。");

    private async Task<SaleResult> SellOnceAsync(Amount amount, ICardField field, IKeypad holder, bool bankAsked, CancellationToken cancellation)
    {
        var (batch, stan) = await store.CommitAsync(TerminalSchema.NextStan);
        var reference = TraceReference.Pos(options.MerchantId, options.TerminalId, batch, stan);
        var start = new SaleResult(SaleOutcome.Cancelled, new(string.Empty, string.Empty), amount, Batch: batch, Voucher: stan, TraceReference: reference);

        var presented = await reader.ReadAsync(new Presentation(amount, Type: 0x00, NumberOnly: false, bankAsked, reference), field, cancellation);
        if (presented is PresentationResult.Approved approved)
        {
            return await ApproveOfflineAsync(start, approved);
        }

        if (presented is not PresentationResult.Read read)
        {
            return Unread(start, presented);
        }

        var (card, cvm) = (read.Card, read.Cvm.Result);
        start = start with { MaskedNumber = card.Number.Masked, Verification = read.Cvm, Cvm = cvm };
        byte[] pinBlock = [];
        if (read.Cvm.AsksPin)
        {
            Show(DisplayMessage.Of(UiMessage.EnterPin, read.Cvm.Why));
            var entry = await pinPad.AskAsync(holder, card.Number, amount, read.Cvm.Why, bankAsked, cancellation);
            switch (entry.Verdict)
            {
                case PinPad.Verdict.Cancelled:
                    var cancelled = new Text("Cancelled at the PIN pad. Nothing was sent.", "已在密码键盘上取消，交易未发送。");
                    trace.Decision(reference, cancelled);
                    Show(DisplayMessage.Of(UiMessage.NotAuthorised, cancelled));
                    return start with { Why = cancelled };
                case PinPad.Verdict.Bypassed:
                    cvm = cvm == CvmResult.CdcvmAndOnlinePin ? CvmResult.Cdcvm : CvmResult.None;
                    start = start with { Cvm = cvm };
                    trace.Decision(reference, new("The holder confirmed without a PIN.", "持卡人未输入密码，直接按确认。"));
                    break;
                default:
                    pinBlock = entry.Block;
                    trace.Key(reference, new($"PIN encrypted in the PIN pad under {options.PinKey} (KCV {CheckValue(options.PinKey)}), bound to {card.Number.Masked}.",
                        $"密码已在密码键盘内用 {options.PinKey} 加密（校验值 {CheckValue(options.PinKey)}），并与 {card.Number.Masked} 绑定。"));
                    break;
            }
        }

        var request = new Request(
            TransactionKind.Sale, batch, stan, amount, card.Expiry, pinBlock.Length > 0 ? "071" : "072", card.SequenceNumber,
            Field55.Reversal(card, options.TerminalId), OriginalRrn: null, OriginalAuthorisation: null, OriginalReference: null);
        return await AuthoriseAsync(start, request, card.Number, card, pinBlock, originalStan: null);
    }

    private async Task<SaleResult> VoidOnceAsync(JournalRow sale, ICardField field, CancellationToken cancellation)
    {
        var amount = sale.Request.Amount;
        var (batch, stan) = await store.CommitAsync(TerminalSchema.NextStan);
        var reference = TraceReference.Pos(options.MerchantId, options.TerminalId, batch, stan);
        var start = new SaleResult(SaleOutcome.Refused, new(string.Empty, string.Empty), amount, Batch: batch, Voucher: stan, MaskedNumber: sale.MaskedNumber, TraceReference: reference);

        if (Unseal(sale) is not { } number)
        {
            return start with { Why = new("The number of that payment is no longer kept here.", "本终端已不再保存该笔交易的卡号。") };
        }

        CardAnswer? card = null;
        if (options.Parameters.RetapForVoid)
        {
            var presented = await reader.ReadAsync(new Presentation(amount, Type: 0x20, NumberOnly: true, BankAsked: false, reference), field, cancellation);
            if (presented is not PresentationResult.Read read)
            {
                return Unread(start, presented);
            }

            if (!read.Card.Number.Equals(number))
            {
                var other = new Text("This is not the card that paid: the device number differs. A refund does without it.", "不是原支付卡：设备卡号不一致。可改为办理退货。");
                trace.Decision(reference, other);
                Show(DisplayMessage.Of(UiMessage.NotAuthorised, other));
                return start with { Why = other };
            }

            card = read.Card;
        }

        var request = new Request(
            TransactionKind.Void, batch, stan, amount, sale.Request.Expiry, "072", sale.Request.SequenceNumber,
            card is null ? default : Field55.Reversal(card, options.TerminalId), sale.Rrn, sale.Authorisation, new Field61Pos(sale.Request.Batch, sale.Request.Stan, sale.HostDate).Format());
        return await AuthoriseAsync(start, request, number, card, [], sale.Request.Stan);
    }

    /// <summary>Journal and reversal first, then the line, then what its answer means.</summary>
    /// <param name="chip">An inserted card, which waits for the answer; null for a tap.</param>
    private async Task<SaleResult> AuthoriseAsync(SaleResult start, Request request, CardNumber number, CardAnswer? card, byte[] pinBlock, string? originalStan, ContactTransaction? chip = null)
    {
        var row = new JournalRow(request, number.Masked, Seal(request, number), start.Cvm.Name(), JournalState.Sent, null, null, null, null, originalStan, clock.GetUtcNow(), null);
        var message = PosMessages.Financial(options, request, number, card, start.Cvm, pinBlock);
        await store.CommitAsync(session => TerminalSchema.Begin(session, row));

        Show(DisplayMessage.Of(UiMessage.Authorising));
        var reference = start.TraceReference!;
        var verdict = Judge(await line.ExchangeAsync(message, options.AnswerTimeout, reference));
        switch (verdict)
        {
            case Verdict.Approved approved:
                var answer = approved.Answer;
                if (chip is not null && await chip.CompleteAsync(answer.Binary(55), approved.Code.Value, approved: true) is { } refused)
                {
                    // The card has the last word: what its bank approved is taken back (EMV Book 3 §10.11).
                    trace.Decision(TraceReference.Rrn(approved.Rrn), refused);
                    return await ReverseAsync(start, request, ReversalReason.Other);
                }

                var slip = SlipFor(start, request, card, originalStan, answer);
                await store.CommitAsync(session => TerminalSchema.Approve(session, row, approved.Code.Value, approved.Rrn, answer.Text(38)?.Trim(), answer.Text(13), slip.ToJson()));
                trace.Decision(TraceReference.Rrn(approved.Rrn), new($"Approved: slip {request.Stan} printed with {slip.LastFour}.", $"交易成功：已打印签购单 {request.Stan}，卡号尾号 {slip.LastFour}。"));
                Show(DisplayMessage.Of(slip.NoSignatureLimit is null ? UiMessage.ApprovedSign : UiMessage.Approved));
                return start with
                {
                    Outcome = request.Kind == TransactionKind.Void ? SaleOutcome.Voided : SaleOutcome.Approved,
                    Why = approved.Code.Meaning,
                    ResponseCode = approved.Code,
                    Rrn = approved.Rrn,
                    Slip = slip,
                };

            case Verdict.Declined declined:
                if (chip is not null)
                {
                    await chip.CompleteAsync(declined.ChipData, declined.Code.Value, approved: false);
                }

                await store.CommitAsync(session => TerminalSchema.Decline(session, request.Batch, request.Stan, declined.Code.Value, declined.Rrn));
                var retap = request.Kind == TransactionKind.Sale && declined.Code == ResponseCode.WrongPin && options.Parameters.Qualifiers.OnlinePinSupported;
                var why = retap
                    ? new Text("The bank wants the right PIN: tap again, then type it.", "发卡行要求输入正确密码：请重新挥卡并输入密码。")
                    : declined.Code.Meaning;
                trace.Decision(declined.Rrn is null ? reference : TraceReference.Rrn(declined.Rrn), new($"Declined, {declined.Code}: {why.En}", $"交易未批准，{declined.Code}：{why.Zh}"));
                Show(DisplayMessage.Of(UiMessage.NotAuthorised, why));
                return start with { Outcome = retap ? SaleOutcome.RetapForPin : SaleOutcome.Declined, Why = why, ResponseCode = declined.Code, Rrn = declined.Rrn };

            default:
                if (chip is not null)
                {
                    await chip.CompleteAsync(default, code: null, approved: false);
                }

                return await ReverseAsync(start, request, ((Verdict.Unknown)verdict).Reason);
        }
    }

    /// <summary>The request's fate is unknown: one 0400 at once, the rest before the next transaction.</summary>
    private async Task<SaleResult> ReverseAsync(SaleResult start, Request request, string reason)
    {
        await store.CommitAsync(session => TerminalSchema.SetReason(session, request.Batch, request.Stan, reason));
        var cause = ReversalReason.Meaning(reason);
        trace.Decision(start.TraceReference!, new($"Reversal with reason {reason}: {cause.En}.", $"发起冲正，原因码 {reason}：{cause.Zh}。"));
        Show(DisplayMessage.Of(UiMessage.ProcessingError, cause));
        var confirmed = await TryReversalAsync(new PendingReversal(request.Batch, request.Stan, reason, 0));
        return start with
        {
            Outcome = confirmed ? SaleOutcome.Reversed : SaleOutcome.ReversalPending,
            ResponseCode = new ResponseCode(reason),
            Why = confirmed
                ? new($"Not completed ({cause.En}). Reversed: nothing is charged.", $"交易未完成（{cause.Zh}），已冲正，不会扣款。")
                : new($"Not completed ({cause.En}). The reversal is kept and sent before the next payment.", $"交易未完成（{cause.Zh}），冲正已保存，将在下一笔交易前发送。"),
        };
    }

    /// <summary>Reversals before anything new: up to three tries each, then they stay and the counter goes on (decisions.md 20).</summary>
    /// <returns>How many are still kept.</returns>
    private async Task<int> ClearPendingAsync(bool restart, CancellationToken cancellation)
    {
        if (restart)
        {
            await store.CommitAsync(TerminalSchema.RestartTries);
        }

        var kept = 0;
        foreach (var pending in store.Read(TerminalSchema.Pending))
        {
            var confirmed = false;
            for (var tries = pending.Tries; tries < options.ReversalTries && !confirmed && !cancellation.IsCancellationRequested; tries++)
            {
                confirmed = await TryReversalAsync(pending);
            }

            kept += confirmed ? 0 : 1;
        }

        return kept + await ClearAdvicesAsync(cancellation);
    }

    /// <summary>One 0400. True when the acquirer has it (00), or knows no such original (25).</summary>
    private async Task<bool> TryReversalAsync(PendingReversal pending)
    {
        var row = store.Read(session => TerminalSchema.Find(session, pending.Batch, pending.Stan));
        var number = row is null ? null : Unseal(row);
        if (row is null || number is null)
        {
            return false; // the journal was damaged: the reversal stays visible until somebody looks
        }

        var reference = TraceReference.Pos(options.MerchantId, options.TerminalId, pending.Batch, pending.Stan);
        await store.CommitAsync(session => TerminalSchema.CountTry(session, pending.Batch, pending.Stan));
        var result = await line.ExchangeAsync(PosMessages.Reversal(options, row.Request, number, pending.Reason), options.ReversalTimeout, reference);
        var code = result is LineResult.Answered answered && answered.Message.Text(39) is { } value ? new ResponseCode(value) : (ResponseCode?)null;
        if (code != ResponseCode.Approved && code != ResponseCode.NoOriginal)
        {
            trace.Decision(reference, new($"Reversal not confirmed ({code?.Value ?? "no answer"}): kept.", $"冲正未得到确认（{code?.Value ?? "无应答"}），已保留。"));
            return false;
        }

        await store.CommitAsync(session => TerminalSchema.Reversed(session, pending.Batch, pending.Stan));
        trace.Decision(reference, code == ResponseCode.Approved
            ? new("The acquirer has stored the reversal: nothing is charged.", "收单行已受理冲正，不会扣款。")
            : new("The acquirer knows no such payment: nothing to reverse.", "收单行没有原交易，无需冲正。"));
        return true;
    }

    private abstract record Verdict
    {
        public sealed record Approved(IsoMessage Answer, ResponseCode Code, string Rrn) : Verdict;

        public sealed record Declined(ResponseCode Code, string? Rrn, ReadOnlyMemory<byte> ChipData) : Verdict;

        public sealed record Unknown(string Reason) : Verdict;
    }

    /// <summary>What an exchange means for the sale. An approval without its RRN could never be voided: it is reversed instead.</summary>
    private static Verdict Judge(LineResult result)
    {
        switch (result)
        {
            case LineResult.Silent:
                return new Verdict.Unknown(ReversalReason.NoAnswer);
            case LineResult.MacWrong:
                return new Verdict.Unknown(ReversalReason.MacError);
            case LineResult.Answered { Message: var answer } when answer.Text(39) is { Length: 2 } code:
                var response = new ResponseCode(code);
                var rrn = answer.Text(37);
                return !response.IsApproval ? new Verdict.Declined(response, rrn, answer.Binary(55))
                    : string.IsNullOrWhiteSpace(rrn) ? new Verdict.Unknown(ReversalReason.ProcessingError)
                    : new Verdict.Approved(answer, response, rrn);
            default:
                return new Verdict.Unknown(ReversalReason.ProcessingError);
        }
    }

    private SaleResult Unread(SaleResult start, PresentationResult presented) => start with
    {
        Why = presented.Why,
        Outcome = presented switch
        {
            PresentationResult.Ended { Last: Outcome.Declined } => SaleOutcome.Declined,
            PresentationResult.Ended { Last: Outcome.SeePhone } => SaleOutcome.SeePhone,
            PresentationResult.Ended { Last: Outcome.TryAgain } => SaleOutcome.CardRemoved,
            PresentationResult.Ended { Last: Outcome.TryAnotherInterface } => SaleOutcome.TryAnotherInterface,
            PresentationResult.Ended => SaleOutcome.EndApplication,
            _ => SaleOutcome.Cancelled,
        },
    };

    private Slip SlipFor(SaleResult start, Request request, CardAnswer? card, string? originalStan, IsoMessage answer)
    {
        var free = request.Kind == TransactionKind.Sale && request.Amount <= options.Parameters.NoSignatureLimit && start.Cvm != CvmResult.Signature;
        Field44.TryParse(answer.Text(44), out var institutions, out _);
        var remark = answer.Text(63) is { Length: > 3 } texts ? texts[3..].Trim() : null;
        return new Slip(
            request.Kind,
            options.MerchantName,
            options.MerchantId,
            options.TerminalId,
            options.Operator,
            institutions?.Issuer ?? string.Empty,
            institutions is { Acquirer.Length: > 0 } ? institutions.Acquirer : answer.Text(32) ?? string.Empty,
            start.MaskedNumber ?? string.Empty,
            Entry: request.EntryMode.StartsWith("05", StringComparison.Ordinal) ? 'I' : 'C',
            request.Batch,
            request.Stan,
            originalStan,
            answer.Text(38)?.Trim(),
            answer.Text(37)!,
            HostTime(answer),
            request.Amount,
            start.Cvm,
            free ? options.Parameters.NoSignatureLimit : null,
            card is null ? null : SlipChipData.Of(card),
            string.IsNullOrEmpty(remark) ? null : remark);
    }

    /// <summary>F13 and F12 with this year; the terminal's clock when the host gave none that exist.</summary>
    private DateTime HostTime(IsoMessage answer)
    {
        var local = TerminalTime.Local(clock);
        var text = $"{local.Year:D4}{answer.Text(13)}{answer.Text(12)}";
        return DateTime.TryParseExact(text, "yyyyMMddHHmmss", System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.None, out var host)
            ? host
            : local.DateTime;
    }

    private string CheckValue(string key) => keys.TryInfo(key, out var info) ? info.CheckValue : string.Empty;

    private byte[] Seal(Request request, CardNumber number) =>
        keys.Seal(options.JournalKey, System.Text.Encoding.ASCII.GetBytes(number.Reveal()), SealContext(request));

    private CardNumber? Unseal(JournalRow row) =>
        row.SealedNumber is not null && keys.TryUnseal(options.JournalKey, row.SealedNumber, SealContext(row.Request), out var digits)
            && CardNumber.TryParse(System.Text.Encoding.ASCII.GetString(digits), out var number, out _) ? number : null;

    private string SealContext(Request request) => $"{options.TerminalId}/{request.Batch}/{request.Stan}";

    private void Show(DisplayMessage message) => Displayed?.Invoke(message);
}
