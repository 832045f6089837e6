using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Terminal.Contact;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;

namespace Majia.Terminal;

/// <summary>A purchase with an inserted card: the chip's contacts, its bank online, the bank's answer back into the card (R12, R15).</summary>
public sealed partial class TerminalDevice
{
    /// <param name="slot">The card in the reader's slot, reset; null: nothing there answers, the card has no chip.</param>
    /// <param name="cancellation">The merchant's cancel key. It counts until the request has left.</param>
    public async Task<SaleResult> SellInsertedAsync(Amount amount, ICardChannel? slot, IKeypad holder, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(amount.Currency, Currency.Cny, nameof(amount));
        ArgumentOutOfRangeException.ThrowIfLessThan(amount.Minor, 1, nameof(amount));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(amount.Minor, Amount.MaxMinor, nameof(amount));
        await counter.WaitAsync(cancellation);
        try
        {
            await ClearPendingAsync(restart: false, cancellation);
            if (cancellation.IsCancellationRequested)
            {
                return new SaleResult(SaleOutcome.Cancelled, CancelledEarly, amount);
            }

            if (slot is null)
            {
                Show(DisplayMessage.Of(UiMessage.TryAnotherCard, NoChip));
                return new SaleResult(SaleOutcome.EndApplication, NoChip, amount);
            }

            for (var attempt = 1; ; attempt++)
            {
                var result = await InsertedOnceAsync(amount, slot, holder, bankAsked: attempt > 1, cancellation);
                if (result.Outcome != SaleOutcome.RetapForPin || attempt >= options.PinAttempts || cancellation.IsCancellationRequested)
                {
                    return result.Outcome == SaleOutcome.RetapForPin ? result with { Outcome = SaleOutcome.Declined } : result;
                }
            }
        }
        finally
        {
            counter.Release();
        }
    }

    private static Text CancelledAtPinPad => new("Cancelled at the PIN pad. Nothing was sent.", "已在密码键盘上取消，交易未发送。");

    private static Text NoChip => new("Nothing in the slot answers: this card has a magnetic stripe alone, which this terminal does not take.", "卡槽中的卡片没有应答：该卡仅有磁条，本终端不受理。");

    private async Task<SaleResult> InsertedOnceAsync(Amount amount, ICardChannel slot, IKeypad holder, bool bankAsked, CancellationToken cancellation)
    {
        var (batch, stan) = await store.CommitAsync(TerminalSchema.NextStan);
        var reference = TraceReference.Pos(options.MerchantId, options.TerminalId, batch, stan);
        var start = new SaleResult(SaleOutcome.EndApplication, new(string.Empty, string.Empty), amount, Batch: batch, Voucher: stan, TraceReference: reference);
        Show(DisplayMessage.Of(UiMessage.Processing));
        var chip = new ContactTransaction(options, clock, entropy, trace, issuers, slot, reference);
        try
        {
            var (cvm, number, why) = await chip.BeginAsync(amount, bankAsked, cancellation);
            trace.Decision(reference, why);
            if (cvm is null || number is not CardNumber read)
            {
                return Ended(start, SaleOutcome.EndApplication, why);
            }

            if (cvm.Result == CvmResult.OfflinePin)
            {
                Show(DisplayMessage.Of(UiMessage.EnterPin, cvm.Why));
                cvm = await chip.VerifyByChipAsync(pinPad, holder, cancellation);
                if (cvm is null)
                {
                    return Ended(start with { MaskedNumber = number.Masked }, SaleOutcome.Cancelled, CancelledAtPinPad);
                }
            }

            start = start with { MaskedNumber = number.Masked, Verification = cvm, Cvm = cvm.Result };
            byte[] block = [];
            if (cvm is { Accepted: true, AsksPin: true })
            {
                Show(DisplayMessage.Of(UiMessage.EnterPin, cvm.Why));
                var entry = await pinPad.AskAsync(holder, number, amount, cvm.Why, bankAsked, cancellation);
                if (entry.Verdict == PinPad.Verdict.Cancelled)
                {
                    return Ended(start, SaleOutcome.Cancelled, CancelledAtPinPad);
                }

                block = entry.Verdict == PinPad.Verdict.Bypassed ? [] : entry.Block;
                start = start with { Cvm = block.Length == 0 ? CvmResult.None : cvm.Result };
            }

            var (card, asks) = await chip.AskAsync(block.Length > 0, cvm.AsksPin && block.Length == 0);
            trace.Decision(reference, asks);
            if (card is null)
            {
                return Ended(start, SaleOutcome.Declined, asks);
            }

            var request = new Request(
                TransactionKind.Sale, batch, stan, amount, card.Expiry, block.Length > 0 ? "051" : "052", card.SequenceNumber,
                Field55.Reversal(card, options.TerminalId), OriginalRrn: null, OriginalAuthorisation: null, OriginalReference: null);
            return await AuthoriseAsync(start, request, read, card, block, originalStan: null, chip);
        }
        catch (CardRemovedException)
        {
            return Ended(start, SaleOutcome.CardRemoved, new("The card was taken out too soon: insert it again.", "卡片被过早拔出，请重新插卡。"));
        }
    }

    private SaleResult Ended(SaleResult start, SaleOutcome outcome, Text why)
    {
        trace.Decision(start.TraceReference!, why);
        Show(DisplayMessage.Of(outcome is SaleOutcome.EndApplication or SaleOutcome.CardRemoved ? UiMessage.TryAnotherCard : UiMessage.NotAuthorised, why));
        return start with { Outcome = outcome, Why = why };
    }
}
