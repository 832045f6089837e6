using System.Security.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Network;

/// <summary>What becomes of a 0200 whose key is taken.</summary>
internal enum Repeat
{
    /// <summary>The same again, and answered: the stored answer.</summary>
    Replay,

    /// <summary>The same again, and under way.</summary>
    Wait,

    /// <summary>Other content: 94.</summary>
    OtherContent,

    /// <summary>Its reversal came before it: 12.</summary>
    ReversedFirst,
}

/// <summary>What becomes of a 0420 or 0421.</summary>
internal enum Undo
{
    /// <summary>The original never came: a tombstone keeps it out.</summary>
    Bar,

    /// <summary>Reversed already, or barred already.</summary>
    Already,

    /// <summary>Declined: no money moved.</summary>
    NothingMoved,

    /// <summary>To the issuer, until it is acknowledged.</summary>
    Forward,

    /// <summary>It is not what the original was: refused, and nothing is marked.</summary>
    Refuse,
}

/// <summary>The switch's decisions: pure, in order of precedence.</summary>
internal static class SwitchDecider
{
    public static readonly Refusal
        MacWrong = new(ResponseCode.MacFailure, new("The MAC is wrong: nothing in the message is believed.", "报文鉴别码错误，报文内容不予采信。")),
        OtherContent = new(ResponseCode.Duplicate, new("The same transaction came before with other content.", "同一交易曾以不同内容送达。")),
        ReversedFirst = new(ResponseCode.InvalidTransaction, new("Its reversal came before it: it is never forwarded.", "冲正先于原交易到达，原交易不再转发。")),
        NotAnAcquirer = new(ResponseCode.NotSupported, new("This institution is no acquirer: it sends no payments.", "该机构不是收单机构，不得发起交易。")),
        NoOriginal = new(ResponseCode.NoOriginal, new("This institution sent no such transaction.", "该机构没有该笔原交易。")),
        OfflineToken = new(ResponseCode.CardCheckFailed, new("Only a plastic card approves by itself; a device card always asks.", "只有实体卡可脱机批准，设备卡必须联机。")),
        ReversedSale = new(ResponseCode.InvalidTransaction, new("The sale was reversed: there is nothing to give back.", "原交易已冲正，无可退回。")),
        OtherAmount = new(ResponseCode.OriginalAmountWrong, new("The original was of another amount: nothing is undone.", "与原交易金额不一致，不作任何撤销或冲正。")),
        OtherNumber = new(ResponseCode.OriginalMismatch, new("The original was made with another card: nothing is undone.", "原交易使用的是另一张卡，不作任何撤销或冲正。")),
        Overtaken = new(ResponseCode.InvalidTransaction, new("Reversed before the issuer answered.", "发卡行应答前已被冲正。")),
        PlasticNotKept = new(ResponseCode.NotSupported, new("Plastic cards are not switched: there is no key to seal their numbers under.", "未配置卡号加密密钥，不转接实体卡交易。")),
        NoRoute = new(ResponseCode.NoSuchIssuer, new("No bank behind this number.", "该卡号没有对应的发卡机构。")),
        TokenServiceSilent = new(ResponseCode.SystemMalfunction, new("The token service did not answer: declined, and nothing has gone to the bank.", "标记服务未应答：交易拒绝，未向发卡行转发。")),
        IssuerSilent = new(ResponseCode.NoIssuerAnswer, new("The bank did not answer in time: answered 98, a reversal is on its way to it.", "发卡行超时未应答：返回 98，并向其发起冲正。")),
        PinUnreadable = new(ResponseCode.PinFormatError, new("The PIN block cannot be translated for this card: wrong key, or not bound to it.", "密码数据块无法转换：密钥不符或未与该卡绑定。"));

    /// <param name="row">The row that has the key.</param>
    public static Repeat Decide(SwitchRequest request, SwitchedTransaction row, bool sameNumber) =>
        row.IsTombstone ? Repeat.ReversedFirst
        : !CryptographicOperations.FixedTimeEquals(row.Digest, request.Digest) || !sameNumber ? Repeat.OtherContent
        : row.Answered ? Repeat.Replay
        : Repeat.Wait;

    /// <param name="original">The row that F90 names, or null.</param>
    /// <param name="sameNumber">The reversal is of the same card.</param>
    public static (Undo Undo, Refusal? Refusal) DecideReversal(SwitchRequest reversal, SwitchedTransaction? original, bool sameNumber)
    {
        if (original is null) return (Undo.Bar, null);
        if (original.IsTombstone) return (Undo.Already, null);
        if (Differs(reversal, original, sameNumber) is { } difference) return (Undo.Refuse, difference);
        if (original.ReversedAt is not null) return (Undo.Already, null);
        if (original.Answered && !original.Approved && original.Code != ResponseCode.NoIssuerAnswer.Value) return (Undo.NothingMoved, null);

        return (Undo.Forward, null);
    }

    /// <summary>Why a void goes no further, or null. Whether its sale still stands is the bank's to say.</summary>
    /// <param name="sale">The row that F90 names, or null.</param>
    public static Refusal? ObjectToVoid(SwitchRequest undo, SwitchedTransaction? sale, bool sameNumber) =>
        sale is null or { IsTombstone: true } ? NoOriginal : Differs(undo, sale, sameNumber);

    /// <summary>An offline approval is the bank's to check; here it is only that a plastic can have given it.</summary>
    public static Refusal? ObjectToOffline(SwitchRequest upload) => upload.NumberIsToken ? OfflineToken : null;

    /// <summary>The bank counts what is left of the sale; here it is only that there was one, and never more than it.</summary>
    public static Refusal? ObjectToRefund(SwitchRequest refund, SwitchedTransaction? sale) =>
        sale is null or { IsTombstone: true } || !sale.Approved ? NoOriginal
        : sale.ReversedAt is not null ? ReversedSale
        : refund.Amount > sale.Amount ? OtherAmount
        : null;

    private static Refusal? Differs(SwitchRequest undo, SwitchedTransaction original, bool sameNumber) =>
        original.Amount != undo.Amount ? OtherAmount : sameNumber ? null : OtherNumber;

    /// <summary>The bank of a plastic number: the longest BIN that it begins with.</summary>
    public static string? Route(CardNumber number, IReadOnlyList<BinRoute> routes)
    {
        var digits = number.Reveal();
        BinRoute? best = null;
        foreach (var route in routes)
        {
            if (digits.StartsWith(route.Bin, StringComparison.Ordinal) && route.Bin.Length > (best?.Bin.Length ?? 0))
            {
                best = route;
            }
        }

        return best?.Institution;
    }

    /// <summary>A0 and 30 of the next hop are about our own message to it: towards the acquirer the system is out of order.</summary>
    public static ResponseCode Outward(string code) =>
        code == ResponseCode.MacFailure.Value || code == ResponseCode.FormatError.Value ? ResponseCode.SystemMalfunction : new ResponseCode(code);
}
