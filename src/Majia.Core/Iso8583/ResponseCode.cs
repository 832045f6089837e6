using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Class of a response code (protocols.md 6.8: A approve, B and C decline, D pick up).</summary>
public enum ResponseClass
{
    /// <summary>A: approved.</summary>
    Approve,

    /// <summary>A for an advice only: taken, the issuer is asked later.</summary>
    Accepted,

    /// <summary>B, C: declined.</summary>
    Decline,

    /// <summary>D: declined, and the card is kept. A phone is not.</summary>
    PickUp,
}

/// <summary>What the terminal does when it reads the code.</summary>
public enum TerminalAction
{
    /// <summary>Completes the transaction and prints the slip.</summary>
    Complete,

    /// <summary>Shows the code's text and ends.</summary>
    Decline,

    /// <summary>Declines; the cashier calls the issuer.</summary>
    Refer,

    /// <summary>Declines; a plastic card is kept.</summary>
    KeepCard,

    /// <summary>Asks for the PIN again and repeats with a new trace number.</summary>
    AskPinAgain,

    /// <summary>Asks to insert the card.</summary>
    UseChip,

    /// <summary>Signs on again, then the transaction may be repeated.</summary>
    SignOnAgain,

    /// <summary>Declines; the cashier may repeat it later.</summary>
    TryLater,
}

/// <summary>One row of the response code table.</summary>
public sealed record ResponseCodeRow(string Code, ResponseClass Class, TerminalAction Action, Text Meaning);

/// <summary>F39: what it means and what a terminal does with it (protocols.md 6.8).</summary>
public readonly record struct ResponseCode(string Value)
{
    public static readonly ResponseCode Approved = new("00"), InvalidMerchant = new("03"), InvalidTransaction = new("12"), InvalidCard = new("14"), NoSuchIssuer = new("15"),
        InactiveCard = new("21"), OriginalMismatch = new("22"), NoOriginal = new("25"), FormatError = new("30"), NotSupported = new("40"), LostCard = new("41"), StolenCard = new("43"),
        InsufficientFunds = new("51"), ExpiredCard = new("54"), WrongPin = new("55"), NotPermittedToHolder = new("57"), CardCheckFailed = new("59"), OverAmountLimit = new("61"),
        RestrictedCard = new("62"), OriginalAmountWrong = new("64"), OverCountLimit = new("65"), IssuerTimeout = new("68"), PinTriesExceeded = new("75"), IssuerUnavailable = new("91"), Duplicate = new("94"),
        SystemMalfunction = new("96"), UnknownTerminal = new("97"), NoIssuerAnswer = new("98"), PinFormatError = new("99"), MacFailure = new("A0");

    /// <summary>00, 10, 11. The codes A2, A4, A5, A6 are an approval of an advice only: <see cref="IsAcceptance"/>.</summary>
    public bool IsApproval => Row?.Class == ResponseClass.Approve;

    /// <summary>True when an advice, a reversal or an upload is taken: an approval, or <em>accepted, confirm with issuer</em>.</summary>
    public bool IsAcceptance => Row?.Class is ResponseClass.Approve or ResponseClass.Accepted;

    /// <summary>True when what was refused is worth sending again later: out of order, no route, no answer, a key out of step. Of an advice that must arrive.</summary>
    public bool Passes => Value is "68" or "91" or "92" or "96" or "98" or "A0";

    /// <summary>Meaning in both languages; an unknown code says so.</summary>
    public Text Meaning => Row?.Meaning ?? new Text($"unknown response code {Value}", $"未知应答码 {Value}");

    /// <summary>What the terminal does; an unknown code is a decline.</summary>
    public TerminalAction Action => Row?.Action ?? TerminalAction.Decline;

    private ResponseCodeRow? Row => Value is not null && ResponseCodes.ByCode.TryGetValue(Value, out var row) ? row : null;

    public override string ToString() => Value ?? string.Empty;
}

/// <summary>The table of protocols.md 6.8, in the standard's order.</summary>
public static class ResponseCodes
{
    public static IReadOnlyList<ResponseCodeRow> All { get; } =
    [
        Row("00", ResponseClass.Approve, TerminalAction.Complete, "approved", "交易成功"),
        Row("01", ResponseClass.Decline, TerminalAction.Refer, "refer to issuer", "请持卡人与发卡银行联系"),
        Row("03", ResponseClass.Decline, TerminalAction.Decline, "invalid merchant", "无效商户"),
        Row("04", ResponseClass.PickUp, TerminalAction.KeepCard, "pick up card", "此卡被没收"),
        Row("05", ResponseClass.Decline, TerminalAction.Decline, "do not honour: authentication failed", "身份认证失败"),
        Row("10", ResponseClass.Approve, TerminalAction.Complete, "approved for part of the amount", "部分金额批准"),
        Row("11", ResponseClass.Approve, TerminalAction.Complete, "approved (VIP)", "交易成功（VIP 客户）"),
        Row("12", ResponseClass.Decline, TerminalAction.Decline, "invalid transaction", "无效的关联交易"),
        Row("13", ResponseClass.Decline, TerminalAction.Decline, "invalid amount", "无效金额"),
        Row("14", ResponseClass.Decline, TerminalAction.Decline, "invalid card number", "无效卡号"),
        Row("15", ResponseClass.Decline, TerminalAction.Decline, "no such issuer", "此卡无对应发卡方"),
        Row("20", ResponseClass.Decline, TerminalAction.Decline, "refused by risk control", "风险控制拒绝"),
        Row("21", ResponseClass.Decline, TerminalAction.Decline, "card not active", "该卡未初始化或为睡眠卡"),
        Row("22", ResponseClass.Decline, TerminalAction.Decline, "does not match the original transaction", "关联交易有误"),
        Row("25", ResponseClass.Decline, TerminalAction.Decline, "original transaction not found", "没有原始交易"),
        Row("26", ResponseClass.Decline, TerminalAction.Decline, "contactless check failed", "非接验证失败"),
        Row("30", ResponseClass.Decline, TerminalAction.Decline, "format error", "报文格式错误"),
        Row("34", ResponseClass.PickUp, TerminalAction.KeepCard, "suspected fraud", "有作弊嫌疑"),
        Row("38", ResponseClass.Decline, TerminalAction.Decline, "PIN tries exceeded", "密码错误次数超限"),
        Row("40", ResponseClass.Decline, TerminalAction.Decline, "function not supported", "请求的功能尚不支持"),
        Row("41", ResponseClass.PickUp, TerminalAction.KeepCard, "card reported lost", "挂失卡"),
        Row("43", ResponseClass.PickUp, TerminalAction.KeepCard, "card reported stolen", "被窃卡"),
        Row("45", ResponseClass.Decline, TerminalAction.UseChip, "use the chip", "请使用芯片卡"),
        Row("51", ResponseClass.Decline, TerminalAction.Decline, "insufficient funds", "资金不足"),
        Row("54", ResponseClass.Decline, TerminalAction.Decline, "card expired", "过期的卡"),
        Row("55", ResponseClass.Decline, TerminalAction.AskPinAgain, "wrong PIN", "密码错误"),
        Row("57", ResponseClass.Decline, TerminalAction.Decline, "not permitted to the cardholder", "不允许持卡人进行的交易"),
        Row("58", ResponseClass.Decline, TerminalAction.Decline, "not permitted to the terminal", "不允许终端进行的交易"),
        Row("59", ResponseClass.Decline, TerminalAction.Decline, "card check failed", "卡片校验错"),
        Row("61", ResponseClass.Decline, TerminalAction.Decline, "over the amount limit", "超出金额限制"),
        Row("62", ResponseClass.Decline, TerminalAction.Decline, "restricted card", "受限制的卡"),
        Row("64", ResponseClass.Decline, TerminalAction.Decline, "original amount wrong", "原始金额不正确"),
        Row("65", ResponseClass.Decline, TerminalAction.Decline, "over the count limit", "超出交易次数限制"),
        Row("68", ResponseClass.Decline, TerminalAction.TryLater, "issuer answered too late", "发卡行响应超时"),
        Row("75", ResponseClass.Decline, TerminalAction.Decline, "PIN tries exceeded", "允许的输入密码次数超限"),
        Row("77", ResponseClass.Decline, TerminalAction.SignOnAgain, "sign on again", "请重新签到"),
        Row("90", ResponseClass.Decline, TerminalAction.TryLater, "end-of-day processing", "正在日终处理"),
        Row("91", ResponseClass.Decline, TerminalAction.TryLater, "issuer unavailable", "发卡方暂不能处理"),
        Row("92", ResponseClass.Decline, TerminalAction.TryLater, "no route to the issuer", "无法连接发卡方网络"),
        Row("94", ResponseClass.Decline, TerminalAction.Decline, "duplicate transaction", "重复交易"),
        Row("96", ResponseClass.Decline, TerminalAction.TryLater, "system malfunction", "交换中心系统异常"),
        Row("97", ResponseClass.Decline, TerminalAction.Decline, "unknown terminal", "终端未登记"),
        Row("98", ResponseClass.Decline, TerminalAction.TryLater, "no answer from the issuer", "未收到发卡方应答"),
        Row("99", ResponseClass.Decline, TerminalAction.SignOnAgain, "PIN block format error", "PIN 格式错误，请重新签到"),
        Row("A0", ResponseClass.Decline, TerminalAction.SignOnAgain, "MAC failure", "MAC 鉴别失败，请重新签到"),
        Row("A1", ResponseClass.Decline, TerminalAction.Decline, "transfer currencies differ", "转账货币不一致"),
        Row("A2", ResponseClass.Accepted, TerminalAction.Complete, "accepted, confirm with the issuer", "交易成功，请向发卡行确认"),
        Row("A3", ResponseClass.Decline, TerminalAction.Decline, "receiving account wrong", "转入账户不正确"),
        Row("A4", ResponseClass.Accepted, TerminalAction.Complete, "accepted, confirm with the issuer", "交易成功，请向发卡行确认"),
        Row("A5", ResponseClass.Accepted, TerminalAction.Complete, "accepted, confirm with the issuer", "交易成功，请向发卡行确认"),
        Row("A6", ResponseClass.Accepted, TerminalAction.Complete, "accepted, confirm with the issuer", "交易成功，请向发卡行确认"),
        Row("A7", ResponseClass.Decline, TerminalAction.TryLater, "security processing failed", "安全处理失败"),
    ];

    internal static readonly Dictionary<string, ResponseCodeRow> ByCode = All.ToDictionary(static row => row.Code, StringComparer.Ordinal);

    private static ResponseCodeRow Row(string code, ResponseClass @class, TerminalAction action, string en, string zh) => new(code, @class, action, new Text(en, zh));
}
