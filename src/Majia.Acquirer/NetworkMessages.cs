using System.Globalization;
using Majia.Core.Iso8583;

namespace Majia.Acquirer;

/// <summary>What the acquirer sends on the switch line, field by field (protocols.md 6.9).</summary>
internal static class NetworkMessages
{
    /// <summary>A POS terminal that reads contact and contactless chips; its PIN blocks and MACs are triple DES.</summary>
    private static readonly string Reserved = new Field60Switch().Format();

    /// <summary>0200: sale or void. F128 is added by the line.</summary>
    /// <param name="pinBlock">Under the zone key; null when there is no PIN.</param>
    /// <param name="original">The sale that a void undoes.</param>
    public static IsoMessage Financial(PosRequest request, PosTransaction row, TerminalPlace place, AcquirerOptions options, byte[]? pinBlock, PosTransaction? original)
    {
        var pos = request.Message;
        var message = new IsoMessage(Mti.FinancialRequest, 32)
            .Set(2, request.Number.Reveal())
            .Take(pos, 3, 4, 14, 22, 23, 25, 35, 49, 55);
        Common(message, row.Transmission!, row.Trace!, row.At.ToOffset(options.UtcOffset), place, options)
            .Set(37, row.Rrn)
            .Set(41, row.Terminal)
            .Set(42, row.Merchant);
        if (pinBlock is not null)
        {
            message.Take(pos, 26, 53).Set(52, pinBlock);
        }

        if (original is not null)
        {
            message.Set(38, original.Authorisation).Set(90, OriginalElements(original, options));
        }

        return message;
    }

    /// <summary>0220 of a refund, without F2: built of the stored rows alone, so that it is the same however often it is sent.</summary>
    /// <param name="original">The sale of which it gives back a part, or all.</param>
    public static IsoMessage Refund(PosTransaction row, PosTransaction original, TerminalPlace place, AcquirerOptions options) =>
        Common(new IsoMessage(Mti.FinancialAdvice, 28), row.Transmission!, row.Trace!, row.At.ToOffset(options.UtcOffset), place, options)
            .Set(3, row.Kind[..6])
            .SetNumber(4, row.Amount, 12)
            .Set(22, "000")
            .Set(25, "00")
            .Set(37, row.Rrn)
            .Set(38, original.Authorisation)
            .Set(41, row.Terminal)
            .Set(42, row.Merchant)
            .Set(49, "156")
            .Set(90, OriginalElements(original, options));

    /// <summary>0220 of an offline approval, without F2 and track: the chip's own approval goes with it, for the bank to check.</summary>
    public static IsoMessage Offline(PosRequest request, PosTransaction row, TerminalPlace place, AcquirerOptions options) =>
        Common(new IsoMessage(Mti.FinancialAdvice, 28).Take(request.Message, 3, 4, 14, 22, 23, 25, 49, 55), row.Transmission!, row.Trace!, row.At.ToOffset(options.UtcOffset), place, options)
            .Set(37, row.Rrn)
            .Set(41, row.Terminal)
            .Set(42, row.Merchant);

    /// <summary>0420 of a 0200, without F2: the number is put in when it is sent.</summary>
    /// <param name="own">Its own F7 and F11; the same when it is repeated as 0421.</param>
    /// <param name="reason">F39: 98 no answer, 96, A0, 06.</param>
    public static IsoMessage Reversal(PosTransaction original, TerminalPlace place, AcquirerOptions options, SystemTrace own, string reason, DateTimeOffset now) =>
        Common(new IsoMessage(Mti.ReversalAdvice), own.Transmission, own.Trace, now.ToOffset(options.UtcOffset), place, options)
            .Set(3, original.Kind[..6])
            .SetNumber(4, original.Amount, 12)
            .Set(25, "00")
            .Set(37, original.Rrn)
            .Set(38, original.Authorisation)
            .Set(39, reason)
            .Set(41, original.Terminal)
            .Set(42, original.Merchant)
            .Set(49, "156")
            .Set(90, OriginalElements(original, options));

    private static string OriginalElements(PosTransaction original, AcquirerOptions options) =>
        new Field90(original.IsOffline ? Mti.FinancialAdvice : Mti.FinancialRequest, SwitchKey.Of(original.Transmission!, original.Trace!, options.Institution, options.Institution)).Format();

    private static IsoMessage Common(IsoMessage message, string transmission, string trace, DateTimeOffset local, TerminalPlace place, AcquirerOptions options)
    {
        var name = "CHN" + place.Name.En;
        return message
            .Set(7, transmission)
            .Set(11, trace)
            .Set(12, local.ToString("HHmmss", CultureInfo.InvariantCulture))
            .Set(13, local.ToString("MMdd", CultureInfo.InvariantCulture))
            .Set(18, place.CategoryCode)
            .Set(32, options.Institution)
            .Set(33, options.Institution)
            .Set(43, name.Length > 40 ? name[..40] : name)
            .Set(60, Reserved);
    }
}
