using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Meanings of the codes in F3, F22, F25, F39 of reversals, F60 (protocols.md 6.3, 6.9), one row a line.</summary>
public static class IsoCodes
{
    /// <summary>First two digits of F3.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> Processing { get; } =
    [
        ("00", new("purchase", "消费")),
        ("01", new("cash", "取现")),
        ("03", new("pre-authorisation", "预授权")),
        ("17", new("electronic cash: load void", "电子现金充值撤销")),
        ("20", new("credit to the cardholder: void or refund", "撤销或退货")),
        ("30", new("balance", "余额查询")),
        ("31", new("balance", "余额查询")),
        ("60", new("electronic cash: load from the account", "电子现金圈存")),
        ("62", new("electronic cash: load from another card", "电子现金非指定账户圈存")),
        ("63", new("electronic cash: load with cash", "电子现金现金充值")),
    ];

    /// <summary>First two digits of F22: how the number was read.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> EntryMode { get; } =
    [
        ("00", new("unspecified", "未指明")),
        ("01", new("typed", "手工输入")),
        ("02", new("magnetic stripe", "磁条")),
        ("03", new("barcode or QR code", "条码或二维码")),
        ("05", new("contact chip", "接触式芯片")),
        ("07", new("contactless chip (qPBOC)", "非接触式芯片（qPBOC）")),
        ("80", new("fallback to the stripe", "降级使用磁条")),
        ("90", new("magnetic stripe, complete", "完整磁条")),
        ("91", new("contactless magnetic stripe", "非接触式磁条")),
        ("92", new("reservation, electronic commerce", "预约消费、电子商务")),
        ("95", new("contact chip, CVV unreliable", "接触式芯片，CVV 不可靠")),
        ("96", new("mobile chip, contactless", "移动支付芯片非接触")),
        ("98", new("contactless chip (PBOC)", "非接触式芯片（标准 PBOC）")),
    ];

    /// <summary>Third digit of F22.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> PinEntry { get; } =
    [
        ("0", new("PIN unspecified", "未指明是否输入密码")),
        ("1", new("with PIN", "已输入密码")),
        ("2", new("without PIN", "未输入密码")),
    ];

    /// <summary>F25.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> Condition { get; } =
    [
        ("00", new("normal", "正常")),
        ("06", new("pre-authorisation", "预授权")),
        ("64", new("instalments", "分期付款")),
        ("65", new("points", "积分消费")),
        ("67", new("reservation", "预约消费")),
        ("91", new("electronic cash load", "电子现金圈存")),
    ];

    /// <summary>F39 of a 0400: why it is sent.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> ReversalReason { get; } =
    [
        ("06", new("other reason", "其他原因")),
        ("96", new("processing error", "处理出错")),
        ("98", new("no answer came", "未收到应答")),
        ("A0", new("MAC of the answer wrong", "应答 MAC 校验错")),
    ];

    /// <summary>F60.1 of the POS line.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> TransactionType { get; } =
    [
        ("00", new("management", "管理类交易")),
        ("01", new("balance", "余额查询")),
        ("10", new("pre-authorisation", "预授权")),
        ("11", new("pre-authorisation void", "预授权撤销")),
        ("20", new("completion, request", "预授权完成（请求）")),
        ("21", new("completion void", "预授权完成撤销")),
        ("22", new("sale", "消费")),
        ("23", new("void", "消费撤销")),
        ("24", new("completion, advice", "预授权完成（通知）")),
        ("25", new("refund", "退货")),
        ("27", new("offline refund", "脱机退货")),
        ("30", new("offline sale advice", "离线结算")),
        ("32", new("adjustment", "结算调整")),
        ("34", new("tip adjustment", "小费调整")),
        ("36", new("electronic cash sale upload", "电子现金脱机消费上送")),
        ("45", new("electronic cash: load from the account", "电子现金指定账户圈存")),
        ("46", new("electronic cash: load with cash", "电子现金现金充值")),
        ("47", new("electronic cash: load from another card", "电子现金非指定账户圈存")),
        ("51", new("electronic cash: load void", "电子现金充值撤销")),
    ];

    /// <summary>F60.3 of the POS line, F70 of the switch line.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> Management { get; } =
    [
        ("000", new("none", "无")),
        ("001", new("sign-on", "签到")),
        ("002", new("sign-off", "签退")),
        ("003", new("sign-on, double-length keys", "签到（双倍长密钥）")),
        ("004", new("sign-on, double-length keys and track key", "签到（双倍长密钥，含磁道密钥）")),
        ("101", new("key reset", "重置密钥")),
        ("201", new("settlement; cutover", "批结算；日切开始")),
        ("202", new("batch upload ends, not balanced", "批上送结束（不平）")),
        ("203", new("batch upload, chip item", "批上送 IC 卡明细")),
        ("206", new("batch upload ends", "批上送结束")),
        ("207", new("batch upload ends, balanced", "批上送结束（平账）")),
        ("301", new("echo test", "回响测试")),
        ("360", new("parameters", "参数下载")),
        ("361", new("parameters end", "参数下载结束")),
        ("370", new("certification authority keys", "公钥下载")),
        ("371", new("certification authority keys end", "公钥下载结束")),
        ("372", new("certification authority keys, query", "公钥状态上送")),
        ("380", new("application parameters", "应用参数下载")),
        ("381", new("application parameters end", "应用参数下载结束")),
        ("382", new("application parameters, query", "应用参数状态上送")),
        ("951", new("script result", "脚本结果上送")),
    ];

    /// <summary>F60.4 of the POS line, terminal capability of F60 on the switch line.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> Capability { get; } =
    [
        ("0", new("unknown", "未知")),
        ("2", new("reads magnetic stripes", "可读磁条")),
        ("5", new("reads contact chips", "可读接触式芯片")),
        ("6", new("reads contactless chips", "可读非接触式芯片")),
    ];

    /// <summary>F61.8 of the switch line.</summary>
    public static IReadOnlyList<(string Code, Text Meaning)> Arqc { get; } =
    [
        ("0", new("cryptogram not checked", "未验证 ARQC")),
        ("1", new("cryptogram good", "ARQC 验证通过")),
        ("2", new("cryptogram wrong", "ARQC 验证失败")),
    ];

    /// <summary>The meaning of a code, or null.</summary>
    public static Text? Find(IReadOnlyList<(string Code, Text Meaning)> table, ReadOnlySpan<char> code)
    {
        foreach (var row in table)
        {
            if (code.SequenceEqual(row.Code))
            {
                return row.Meaning;
            }
        }

        return null;
    }
}
