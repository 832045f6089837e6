using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;

namespace Majia.Terminal;

/// <summary>A sale that the plastic approved by itself, its signature verified: the goods go over the counter now, the chip's approval to the bank later (docs/decisions/0034).</summary>
/// <remarks>Kept with its slip before the screen says so; sent before the next transaction and before the batch is closed, unchanged, until the acquirer has it. It has no reversal and no void: it is refunded.</remarks>
public sealed partial class TerminalDevice
{
    private async Task<SaleResult> ApproveOfflineAsync(SaleResult start, PresentationResult.Approved approved)
    {
        var (card, cvm) = (approved.Card, approved.Cvm.Result);
        var (batch, stan) = (start.Batch!, start.Voucher!);
        start = start with { MaskedNumber = card.Number.Masked, Verification = approved.Cvm, Cvm = cvm };
        var request = new Request(
            TransactionKind.Offline, batch, stan, start.Amount, card.Expiry, "072", card.SequenceNumber,
            Field55.Request(card, cvm, options.TerminalId, stan), OriginalRrn: null, OriginalAuthorisation: null, OriginalReference: null);
        var free = start.Amount <= options.Parameters.NoSignatureLimit && cvm != CvmResult.Signature;
        var slip = new Slip(
            TransactionKind.Offline, options.MerchantName, options.MerchantId, options.TerminalId, options.Operator, Issuer: string.Empty, Acquirer: string.Empty, card.Number.Masked, Entry: 'C', batch, stan,
            OriginalVoucher: null, Authorisation: null, Rrn: string.Empty, TerminalTime.Local(clock).DateTime, start.Amount, cvm, free ? options.Parameters.NoSignatureLimit : null, SlipChipData.Of(card), Remark: null);
        var row = new JournalRow(request, card.Number.Masked, Seal(request, card.Number), cvm.Name(), JournalState.Approved, null, null, null, null, null, clock.GetUtcNow(), slip.ToJson());
        await store.CommitAsync(session => TerminalSchema.BeginAdvice(session, row));
        trace.Decision(start.TraceReference!, new($"Approved by the card itself: slip {stan} printed with {slip.LastFour}; the approval goes to the bank later.", $"卡片脱机批准：已打印签购单 {stan}，卡号尾号 {slip.LastFour}，交易稍后上送。"));
        Show(DisplayMessage.Of(free ? UiMessage.Approved : UiMessage.ApprovedSign));
        return start with { Outcome = SaleOutcome.Approved, Why = approved.Why, Slip = slip };
    }

    /// <summary>The upload, once. Any verified answer is an end of it: what the bank then makes of it is settled with the batch. True when there was one.</summary>
    private async Task<bool> UploadAsync(JournalRow row, CardNumber number)
    {
        var request = row.Request;
        var reference = TraceReference.Pos(options.MerchantId, options.TerminalId, request.Batch, request.Stan);
        switch (Judge(await line.ExchangeAsync(PosMessages.Upload(options, request, number), options.AnswerTimeout, reference)))
        {
            case Verdict.Approved approved:
                await store.CommitAsync(session => TerminalSchema.AdviceAnswered(
                    session, row, JournalState.Approved, approved.Code.Value, approved.Rrn, approved.Answer.Text(38)?.Trim(), approved.Answer.Text(13), WithReference(row, approved.Rrn)));
                trace.Decision(TraceReference.Rrn(approved.Rrn), new($"The acquirer has taken the card's approval of slip {request.Stan} over.", $"收单行已受理签购单 {request.Stan} 的脱机交易。"));
                return true;

            case Verdict.Declined declined:
                await store.CommitAsync(session => TerminalSchema.AdviceAnswered(session, row, JournalState.Approved, declined.Code.Value, declined.Rrn, null, null, row.Slip));
                trace.Decision(reference, new(
                    $"The acquirer does not take the card's approval ({declined.Code}): the shop has given the goods, and the batch will not balance.", $"收单行未受理脱机交易（{declined.Code}）：货物已交付，批次将对账不平。"));
                return true;

            default:
                trace.Decision(reference, new("No usable answer: the card's approval is kept and sent again.", "未收到有效应答：脱机交易已保存，将再次上送。"));
                return false;
        }
    }

    private static string? WithReference(JournalRow row, string rrn) => row.Slip is { } json ? (Slip.FromJson(json) with { Rrn = rrn }).ToJson() : null;
}
