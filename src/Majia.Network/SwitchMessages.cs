using System.Globalization;
using Majia.Core.Iso8583;

namespace Majia.Network;

/// <summary>What the switch sends, field by field (protocols.md 6.9, decisions.md 7).</summary>
internal static class SwitchMessages
{
    /// <summary>0100 to the token service: is this token good, and whose is it?</summary>
    public static IsoMessage AskTokenService(IsoMessage request) =>
        new IsoMessage(Mti.AuthorisationRequest, 24).Take(request, 2, 3, 4, 7, 11, 14, 18, 22, 23, 25, 32, 33, 37, 41, 42, 49, 55);

    /// <summary>0100 that only resolves: no cryptogram is looked at, the token may be in any state (decisions.md 9).</summary>
    public static IsoMessage Resolve(IsoMessage reversal) =>
        new IsoMessage(Mti.AuthorisationRequest, 24).Take(reversal, 2, 4, 7, 11, 32, 33, 37, 41, 42, 49).Set(3, "200000").Set(18, reversal.Text(18) ?? "0000").Set(22, "000").Set(25, "00");

    /// <summary>0200 to the bank of a device card: PAN in the token's place, the verdict instead of the chip data. No track, no F55.</summary>
    /// <param name="resolved">The token service's 0110.</param>
    /// <param name="pinBlock">Under the bank's key, formed with the PAN; null when there is no PIN.</param>
    public static IsoMessage ToIssuer(IsoMessage request, IsoMessage resolved, byte[]? pinBlock)
    {
        var message = new IsoMessage(Mti.FinancialRequest, 36)
            .Take(resolved, 2, 14, 23, 56, 61, 63)
            .Take(request, 3, 4, 7, 11, 12, 13, 18, 22, 25, 32, 33, 37, 38, 41, 42, 43, 49, 60, 90);
        return pinBlock is null ? message : message.Take(request, 26, 53).Set(52, pinBlock);
    }

    /// <summary>0200, or 0220 of an offline approval, to the bank of a plastic card: as it came, but for the PIN block.</summary>
    public static IsoMessage ToIssuer(IsoMessage request, byte[]? pinBlock)
    {
        var message = request.Copy().Remove(128);
        return pinBlock is null ? message.Remove(52) : message.Set(52, pinBlock);
    }

    /// <summary>0220 to the bank: PAN in the token's place, and the sale that it belongs to.</summary>
    /// <param name="resolved">The token service's 0110; null for a plastic card.</param>
    public static IsoMessage RefundToIssuer(IsoMessage request, IsoMessage? resolved)
    {
        var message = new IsoMessage(Mti.FinancialAdvice, 28).Take(request, 2, 3, 4, 7, 11, 12, 13, 18, 22, 25, 32, 33, 37, 38, 41, 42, 43, 49, 60, 90);
        return resolved is null ? message : message.Take(resolved, 2, 14, 23, 56, 63);
    }

    /// <summary>0420 of the switch itself, without F2, for an original that a bank left unanswered: its forwarder is the switch.</summary>
    public static IsoMessage OwnReversal(SwitchedTransaction original, NetworkOptions options, DateTimeOffset now)
    {
        var key = original.Key;
        return new IsoMessage(Mti.ReversalAdvice, 20)
            .Set(3, original.Processing)
            .SetNumber(4, original.Amount, 12)
            .Set(7, now.ToOffset(options.UtcOffset).ToString("MMddHHmmss", CultureInfo.InvariantCulture))
            .Set(11, key[10..16])
            .Set(25, "00")
            .Set(32, key[16..27])
            .Set(33, options.Institution)
            .Set(37, original.Rrn)
            .Set(39, ResponseCode.NoIssuerAnswer.Value)
            .Set(41, original.Terminal)
            .Set(42, original.Merchant)
            .Set(49, "156")
            .Set(90, new Field90(Mti.FinancialRequest, SwitchKey.Of(key[..10], key[10..16], key[16..27], key[27..])).Format());
    }

    /// <summary>Any answer to an acquirer starts so: its own fields back, its own number in F2. Nothing of the issuer's answer is copied blindly.</summary>
    public static IsoMessage Answer(IsoMessage request, ResponseCode code) =>
        new IsoMessage(request.Mti.Response, 28).Take(request, 2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37).Set(39, code.Value).Take(request, 41, 42, 49, 90);

    /// <summary>0210 of an answered row: the same bytes each time.</summary>
    public static IsoMessage Answer(IsoMessage request, SwitchedTransaction row, NetworkOptions options)
    {
        var answer = Answer(request, new ResponseCode(row.Code!))
            .Set(15, row.At.ToOffset(options.UtcOffset).ToString("MMdd", CultureInfo.InvariantCulture))
            .Set(38, row.Authorisation)
            .Set(44, new Field44(row.Institution ?? string.Empty, request.Text(32)!).Format())
            .Set(56, row.AccountReference);
        return row.ChipData is { } chip ? answer.Set(55, chip) : answer;
    }
}
