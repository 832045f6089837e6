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
}

/// <summary>The switch's decisions: pure, in order of precedence.</summary>
internal static class SwitchDecider
{
    public static readonly Refusal
        MacWrong = new(ResponseCode.MacFailure, new("The MAC is wrong: nothing in the message is believed.", "报文鉴别码错误，报文内容不予采信。")),
        OtherContent = new(ResponseCode.Duplicate, new("The same transaction came before with other content.", "同一交易曾以不同内容送达。")),
        ReversedFirst = new(ResponseCode.InvalidTransaction, new("Its reversal came before it: it is never forwarded.", "冲正先于原交易到达，原交易不再转发。")),
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
    public static Undo DecideReversal(SwitchedTransaction? original) =>
        original is null ? Undo.Bar
        : original.ReversedAt is not null ? Undo.Already
        : original.Answered && !original.Approved && original.Code != ResponseCode.NoIssuerAnswer.Value ? Undo.NothingMoved
        : Undo.Forward;

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
