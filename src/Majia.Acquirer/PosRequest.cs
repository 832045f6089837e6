using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Acquirer;

internal enum PosOperation
{
    Sale,
    Void,
    Refund,

    /// <summary>The upload of what a plastic card approved by itself.</summary>
    Offline,
    Reversal,
}

/// <summary>A refusal with its reason: the code goes to the terminal, the reason to the trace.</summary>
internal sealed record Refusal(ResponseCode Code, Text Why);

/// <summary>A request whose MAC is right and whose fields are there. Not a record: it holds a number.</summary>
internal sealed class PosRequest
{
    private const string Sale = "000000/22", Void = "200000/23";

    /// <summary>The message matrix of this end of the line (protocols.md 6.4): MTI, kind, mandatory fields.</summary>
    private static readonly (int Mti, string Kind, PosOperation Operation, int[] Mandatory)[] Matrix =
    [
        (200, Sale, PosOperation.Sale, [3, 4, 11, 22, 25, 41, 42, 49, 60]),
        (200, Void, PosOperation.Void, [3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61]),
        (200, PosTransaction.OfflineKind, PosOperation.Offline, [3, 4, 11, 14, 22, 25, 41, 42, 49, 55, 60, 63]),
        (220, PosTransaction.RefundKind, PosOperation.Refund, [3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 63]),
        (220, PosTransaction.OfflineRefundKind, PosOperation.Refund, [3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 63]),
        (400, Sale, PosOperation.Reversal, [3, 4, 11, 22, 25, 39, 41, 42, 49, 60]),
        (400, Void, PosOperation.Reversal, [3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 61]),
    ];

    private PosRequest(IsoMessage message, PosOperation operation, string kind, CardNumber number, bool numberIsToken)
    {
        Message = message;
        Operation = operation;
        Kind = kind;
        Number = number;
        NumberIsToken = numberIsToken;
        Terminal = message.Text(41)!.TrimEnd();
        Merchant = message.Text(42)!.TrimEnd();
        Batch = message.Text(60)![2..8];
        Stan = message.Text(11)!;
        Amount = message.Number(4)!.Value;
        OriginalRrn = message.Text(37);
        if (message.Text(61) is { } original)
        {
            OriginalBatch = original[..6];
            OriginalStan = original[6..12];
        }

        // A device number is worth nothing to a thief; a plastic's must not be guessed from a hash of what is kept beside it.
        Digest = numberIsToken ? message.ContentDigest() : message.ContentDigest(2, 35, 36, 52, 55);
    }

    public IsoMessage Message { get; }

    public PosOperation Operation { get; }

    /// <summary>F3 and F60.1; a reversal has its original's.</summary>
    public string Kind { get; }

    public CardNumber Number { get; }

    public bool NumberIsToken { get; }

    public string Terminal { get; }

    public string Merchant { get; }

    public string Batch { get; }

    public string Stan { get; }

    /// <summary>Fen.</summary>
    public long Amount { get; }

    /// <summary>F37 of a void or refund: the sale that it undoes.</summary>
    public string? OriginalRrn { get; }

    public string? OriginalBatch { get; }

    public string? OriginalStan { get; }

    public byte[] Digest { get; }

    /// <summary>decisions.md 19, without the MTI class, which the table of financial requests has in common.</summary>
    public string Key => $"{Merchant}:{Terminal}:{Batch}:{Stan}:{Kind}";

    public static bool TryParse(IsoMessage message, IReadOnlyList<string> tokenBins, out PosRequest request, out Refusal refusal)
    {
        request = null!;
        var kind = message.Text(60) is { Length: >= 8 } reserved ? $"{message.Text(3)}/{reserved[..2]}" : string.Empty;
        var row = Array.Find(Matrix, r => r.Mti == message.Mti.Value && r.Kind == kind);
        if (row.Mandatory is null)
        {
            refusal = kind.Length == 0 || message.Mti.Class is not (2 or 4)
                ? Malformed(60)
                : new(ResponseCode.NotSupported, new("The acquirer does not offer this kind of transaction.", "收单机构不支持该类交易。"));
            return false;
        }

        foreach (var field in row.Mandatory)
        {
            if (!message.Has(field))
            {
                refusal = Malformed(field);
                return false;
            }
        }

        if (message.Number(4) is null or 0)
        {
            refusal = new(new ResponseCode("13"), new("The amount is zero.", "交易金额为零。"));
            return false;
        }

        if (message.Text(49) != Currency.Cny.Digits)
        {
            refusal = new(ResponseCode.NotSupported, new("The merchant sells in CNY.", "商户仅受理人民币交易。"));
            return false;
        }

        if (message.Has(61) && message.Text(61)!.Length < 12)
        {
            refusal = Malformed(61);
            return false;
        }

        // A swiped card sends its number in track 2 alone (protocols.md 6.2).
        var digits = message.Text(2) ?? message.Text(35)?.Split('D', '=')[0] ?? string.Empty;
        if (!CardNumber.TryParse(digits, out var number, out _))
        {
            refusal = new(ResponseCode.InvalidCard, new("That is no card number: length or check digit is wrong.", "卡号无效：长度或校验位不正确。"));
            return false;
        }

        request = new PosRequest(message, row.Operation, kind, number, tokenBins.Contains(number.Bin));
        refusal = null!;
        return true;
    }

    private static Refusal Malformed(int field) =>
        new(ResponseCode.FormatError, new($"Field {field} is missing or malformed.", $"第 {field} 域缺失或格式不符。"));
}
