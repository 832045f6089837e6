using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Network;

/// <summary>A refusal with its reason: the code goes to the acquirer, the reason to the trace.</summary>
internal sealed record Refusal(ResponseCode Code, Text Why);

/// <summary>A 0200, 0220, 0420 or 0421 of an acquirer whose MAC is right and whose fields are there. Not a record: it holds a number.</summary>
internal sealed class SwitchRequest
{
    private SwitchRequest(IsoMessage message, CardNumber number, bool numberIsToken, SwitchKey key, SwitchKey? original)
    {
        Message = message;
        Number = number;
        NumberIsToken = numberIsToken;
        Key = key;
        Original = original;

        // A device number is worth nothing to a thief; a plastic's must not be guessed from a hash of what is kept beside it.
        Digest = numberIsToken ? message.ContentDigest() : message.ContentDigest(2, 35, 36, 52, 55);
    }

    public IsoMessage Message { get; }

    public CardNumber Number { get; }

    public bool NumberIsToken { get; }

    public SwitchKey Key { get; }

    /// <summary>F90: of a void or refund the sale, of a reversal what it undoes.</summary>
    public SwitchKey? Original { get; }

    public bool IsReversal => Message.Mti.Class == 4;

    /// <summary>0220, a refund or an offline approval: repeated until it is answered.</summary>
    public bool IsAdvice => Message.Mti == Mti.FinancialAdvice;

    /// <summary>What a plastic card approved by itself.</summary>
    public bool IsOffline => IsAdvice && !Processing.StartsWith("20", StringComparison.Ordinal);

    public bool IsVoid => !IsReversal && !IsAdvice && Processing.StartsWith("20", StringComparison.Ordinal);

    public string Processing => Message.Text(3)!;

    /// <summary>Fen.</summary>
    public long Amount => Message.Number(4)!.Value;

    public string Rrn => Message.Text(37)!;

    public byte[] Digest { get; }

    /// <param name="source">The institution whose MAC it bears: it speaks for itself only.</param>
    public static bool TryParse(IsoMessage message, string source, IReadOnlyList<string> tokenBins, out SwitchRequest request, out Refusal refusal)
    {
        request = null!;
        var refund = message.Mti == Mti.FinancialAdvice && message.Text(3)?.StartsWith("20", StringComparison.Ordinal) == true;
        var offline = message.Mti == Mti.FinancialAdvice && message.Text(3)?.StartsWith("00", StringComparison.Ordinal) == true;
        if (message.Mti != Mti.FinancialRequest && !refund && !offline && message.Mti != Mti.ReversalAdvice && message.Mti != Mti.ReversalAdviceRepeat)
        {
            refusal = new(ResponseCode.NotSupported, new("The switch does not take this kind of message from an acquirer.", "转接系统不受理收单方的该类报文。"));
            return false;
        }

        if (MessageMatrix.Check(Dialect.Switch, message) is { } wrong)
        {
            refusal = Malformed(wrong.ToString());
            return false;
        }

        if (!SwitchKey.TryRead(message, out var key, out var error))
        {
            refusal = Malformed(error.ToString());
            return false;
        }

        if (key.Forwarder != source.PadLeft(11, '0'))
        {
            refusal = new(ResponseCode.FormatError, new("Field 33 names another institution than the line it came on.", "第 33 域机构与来报线路不符。"));
            return false;
        }

        if (refund && !message.Has(90))
        {
            refusal = Malformed("F90");
            return false;
        }

        SwitchKey? original = null;
        if (message.Has(90) && !SwitchKey.TryReadOriginal(message, out original, out error))
        {
            refusal = Malformed(error.ToString());
            return false;
        }

        // An institution undoes what is its own: what another one sent does not exist for it.
        if (original is not null && (original.Forwarder != key.Forwarder || original.Acquirer != key.Acquirer))
        {
            refusal = SwitchDecider.NoOriginal;
            return false;
        }

        if (message.Number(4) is null || message.Text(3)!.Length != 6)
        {
            refusal = Malformed("F4");
            return false;
        }

        if (!CardNumber.TryParse(message.Text(2), out var number, out _))
        {
            refusal = new(ResponseCode.InvalidCard, new("That is no card number: length or check digit is wrong.", "卡号无效：长度或校验位不正确。"));
            return false;
        }

        request = new SwitchRequest(message, number, tokenBins.Contains(number.Bin), key, original);
        refusal = null!;
        return true;
    }

    private static Refusal Malformed(string what) => new(ResponseCode.FormatError, new($"Malformed: {what}.", $"报文格式错误：{what}。"));
}
