using System.Globalization;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Terminal.Kernel;

namespace Majia.Terminal.Line;

/// <summary>What kind of request a journal row is.</summary>
public enum TransactionKind
{
    Sale,
    Void,

    /// <summary>After settlement, the whole or a part.</summary>
    Refund,

    /// <summary>A sale that the plastic approved by itself, and its upload.</summary>
    Offline,

    /// <summary>Of such a sale, the whole or a part: at once, since it is not voided.</summary>
    OfflineRefund,
}

/// <summary>F39 of a 0400: why it is sent (protocols.md 6.4).</summary>
public static class ReversalReason
{
    public const string NoAnswer = "98", ProcessingError = "96", MacError = "A0", Other = "06";

    public static Text Meaning(string reason) => reason switch
    {
        NoAnswer => new("no answer came", "未收到应答"),
        MacError => new("the answer's MAC was wrong", "应答 MAC 校验错"),
        ProcessingError => new("the answer could not be used", "应答处理出错"),
        _ => new("another reason", "其他原因"),
    };
}

/// <summary>One request as the journal keeps it until its fate is known: enough to build the 0200's reversal after a restart. No track, no PIN, no cryptogram.</summary>
/// <param name="EntryMode">F22, three digits.</param>
/// <param name="ReversalChipData">F55 of the 0400, or of an upload; empty when no card was tapped (a void without re-tap).</param>
/// <param name="OriginalRrn">F37 of the sale that a void or refund undoes.</param>
/// <param name="OriginalReference">F61 of a void or refund: batch, trace, date of the sale.</param>
public sealed record Request(
    TransactionKind Kind,
    string Batch,
    string Stan,
    Amount Amount,
    string? Expiry,
    string EntryMode,
    string? SequenceNumber,
    ReadOnlyMemory<byte> ReversalChipData,
    string? OriginalRrn,
    string? OriginalAuthorisation,
    string? OriginalReference)
{
    public string ProcessingCode => Kind is TransactionKind.Sale or TransactionKind.Offline ? "000000" : "200000";

    /// <summary>F60.1: 22 sale, 23 void, 25 refund, 27 refund of an offline sale, 36 upload of an offline approval (protocols.md 6.3).</summary>
    public string Type => Kind switch { TransactionKind.Sale => "22", TransactionKind.Void => "23", TransactionKind.Offline => "36", TransactionKind.OfflineRefund => "27", _ => "25" };

    /// <summary>Money goes back by an advice.</summary>
    public bool IsRefund => Kind is TransactionKind.Refund or TransactionKind.OfflineRefund;
}

/// <summary>Requests and reversals of the POS line, field by field in the table's order (protocols.md 6.4).</summary>
public static class PosMessages
{
    /// <summary>0200: sale or void; 0220: refund. F64 is added by whoever holds the key.</summary>
    /// <param name="card">What was tapped for this request; null for a void without re-tap.</param>
    /// <param name="pinBlock">Empty when no PIN was entered.</param>
    public static IsoMessage Financial(TerminalOptions terminal, Request request, AccountNumber number, CardAnswer? card, CvmResult cvm, ReadOnlySpan<byte> pinBlock)
    {
        var message = Common(new IsoMessage(request.IsRefund ? Mti.FinancialAdvice : Mti.FinancialRequest), terminal, request, number);
        if (card is not null)
        {
            message.Set(35, card.Track2).Set(55, Field55.Request(card, cvm, terminal.TerminalId, request.Stan));
        }

        if (!pinBlock.IsEmpty)
        {
            message.Set(26, PinPad.PinLength.ToString("D2", CultureInfo.InvariantCulture)).Set(52, pinBlock).Set(53, terminal.PinSecurity);
        }

        // 63.1: the card organisation, wanted of a refund (protocols.md 6.4).
        return message.Set(37, request.OriginalRrn).Set(38, request.OriginalAuthorisation).Set(63, request.IsRefund ? "CUP" : null);
    }

    /// <summary>0200 of type 36: what a card approved by itself, with the chip's own approval in F55.</summary>
    public static IsoMessage Upload(TerminalOptions terminal, Request request, AccountNumber number) =>
        Common(new IsoMessage(Mti.FinancialRequest), terminal, request, number).Set(55, request.ReversalChipData.Span).Set(63, "CUP");

    /// <summary>0500: the totals of a batch (protocols.md 6.4), with a MAC: nobody else closes it.</summary>
    public static IsoMessage Settlement(TerminalOptions terminal, string batch, string stan, SettlementTotals totals) => new IsoMessage(Mti.SettlementRequest)
        .Set(11, stan)
        .Set(41, terminal.TerminalId)
        .Set(42, terminal.MerchantId)
        .Set(48, totals.Format(BatchBalance.Open))
        .Set(49, Currency.Cny.Digits)
        .Set(60, new Field60Pos("00", batch, "201").Format())
        .Set(63, terminal.Operator.PadLeft(3, '0'));

    /// <summary>0400: the original's fields and trace number, with the reason.</summary>
    public static IsoMessage Reversal(TerminalOptions terminal, Request request, AccountNumber number, string reason)
    {
        var message = Common(new IsoMessage(Mti.ReversalRequest), terminal, request, number).Set(38, request.OriginalAuthorisation).Set(39, reason);
        return request.ReversalChipData.IsEmpty ? message : message.Set(55, request.ReversalChipData.Span);
    }

    private static IsoMessage Common(IsoMessage message, TerminalOptions terminal, Request request, AccountNumber number) => message
        .Set(2, number.Reveal())
        .Set(3, request.ProcessingCode)
        .Set(4, request.Amount.Digits12)
        .Set(11, request.Stan)
        .Set(14, request.Expiry)
        .Set(22, request.EntryMode)
        .Set(23, request.SequenceNumber)
        .Set(25, "00")
        .Set(41, terminal.TerminalId)
        .Set(42, terminal.MerchantId)
        .Set(49, request.Amount.Currency.Digits)
        .Set(60, Field60Pos.Payment(request.Type, request.Batch).Format())
        .Set(61, request.OriginalReference);

    /// <summary>Is this the answer to that request? The fields that an answer repeats (protocols.md 6.4). Null when it is; else the field that differs.</summary>
    public static int? Mismatch(IsoMessage request, IsoMessage answer)
    {
        if (answer.Mti != request.Mti.Response)
        {
            return 0;
        }

        foreach (var (field, mandatory) in AnswerFields)
        {
            var got = answer.Text(field);
            if (got is null ? mandatory && request.Has(field) : got != request.Text(field))
            {
                return field;
            }
        }

        return null;
    }

    private static readonly (int Field, bool Mandatory)[] AnswerFields =
    [
        (3, true),
        (4, true),
        (11, true),
        (41, true),
        (42, true),
        (49, false),
    ];
}
