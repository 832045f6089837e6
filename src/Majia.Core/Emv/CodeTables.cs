using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>One value of a coded element.</summary>
public sealed record CodeRow(string Code, Text Meaning);

/// <summary>Short code lists that decoders put into words.</summary>
public static class CodeTables
{
    /// <summary>ISO 3166-1 numeric.</summary>
    public static readonly IReadOnlyList<CodeRow> Countries =
    [
        new("0036", new("Australia", "澳大利亚")),
        new("0124", new("Canada", "加拿大")),
        new("0156", new("China", "中国")),
        new("0158", new("Taiwan, China", "中国台湾")),
        new("0250", new("France", "法国")),
        new("0276", new("Germany", "德国")),
        new("0344", new("Hong Kong, China", "中国香港")),
        new("0392", new("Japan", "日本")),
        new("0410", new("Korea", "韩国")),
        new("0446", new("Macao, China", "中国澳门")),
        new("0643", new("Russia", "俄罗斯")),
        new("0702", new("Singapore", "新加坡")),
        new("0764", new("Thailand", "泰国")),
        new("0826", new("United Kingdom", "英国")),
        new("0840", new("United States", "美国")),
    ];

    /// <summary>ISO 4217 numeric.</summary>
    public static readonly IReadOnlyList<CodeRow> Currencies =
    [
        new("0036", new("AUD", "澳大利亚元")),
        new("0124", new("CAD", "加拿大元")),
        new("0156", new("CNY", "人民币")),
        new("0344", new("HKD", "港元")),
        new("0392", new("JPY", "日元")),
        new("0410", new("KRW", "韩元")),
        new("0446", new("MOP", "澳门元")),
        new("0643", new("RUB", "卢布")),
        new("0702", new("SGD", "新加坡元")),
        new("0764", new("THB", "泰铢")),
        new("0826", new("GBP", "英镑")),
        new("0840", new("USD", "美元")),
        new("0978", new("EUR", "欧元")),
        new("0999", new("no currency", "无币种")),
    ];

    /// <summary>Tag 9C: the first two digits of the processing code.</summary>
    public static readonly IReadOnlyList<CodeRow> TransactionTypes =
    [
        new("00", new("purchase", "消费")),
        new("01", new("cash", "取现")),
        new("03", new("pre-authorisation", "预授权")),
        new("09", new("purchase with cashback", "消费返现")),
        new("17", new("void of a load", "圈存撤销")),
        new("20", new("refund", "退货")),
        new("21", new("deposit", "存款")),
        new("31", new("balance enquiry", "余额查询")),
        new("40", new("transfer", "转账")),
        new("60", new("load from the account", "指定账户圈存")),
        new("62", new("load from another account", "非指定账户圈存")),
        new("63", new("load with cash", "现金圈存")),
    ];

    /// <summary>Tag 9F35 (EMV Book 4 annex A1).</summary>
    public static readonly IReadOnlyList<CodeRow> TerminalTypes =
    [
        new("11", new("bank's, attended, online only", "金融机构，有人值守，仅联机")),
        new("12", new("bank's, attended, offline with online capability", "金融机构，有人值守，可脱机可联机")),
        new("13", new("bank's, attended, offline only", "金融机构，有人值守，仅脱机")),
        new("14", new("bank's, unattended, online only", "金融机构，无人值守，仅联机")),
        new("15", new("bank's, unattended, offline with online capability", "金融机构，无人值守，可脱机可联机")),
        new("16", new("bank's, unattended, offline only", "金融机构，无人值守，仅脱机")),
        new("21", new("merchant's, attended, online only", "商户，有人值守，仅联机")),
        new("22", new("merchant's, attended, offline with online capability", "商户，有人值守，可脱机可联机")),
        new("23", new("merchant's, attended, offline only", "商户，有人值守，仅脱机")),
        new("24", new("merchant's, unattended, online only", "商户，无人值守，仅联机")),
        new("25", new("merchant's, unattended, offline with online capability", "商户，无人值守，可脱机可联机")),
        new("26", new("merchant's, unattended, offline only", "商户，无人值守，仅脱机")),
        new("34", new("cardholder's, online only", "持卡人，仅联机")),
        new("35", new("cardholder's, offline with online capability", "持卡人，可脱机可联机")),
        new("36", new("cardholder's, offline only", "持卡人，仅脱机")),
    ];

    /// <summary>Tag DF60.</summary>
    public static readonly IReadOnlyList<CodeRow> CappIndicators =
    [
        new("00", new("none", "无")),
        new("01", new("segment deduction", "分段扣费")),
        new("02", new("pre-authorisation", "脱机预授权")),
        new("03", new("completion", "脱机预授权完成")),
    ];

    /// <summary>GlobalPlatform Card Specification §11.1.1, application life cycle (first byte of 9F70).</summary>
    public static readonly IReadOnlyList<CodeRow> LifeCycleStates =
    [
        new("01", new("loaded", "已装载")),
        new("03", new("installed", "已安装")),
        new("07", new("selectable", "可选择")),
        new("0F", new("personalised", "已个人化")),
        new("83", new("locked (was installed)", "已锁定（原已安装）")),
        new("87", new("locked (was selectable)", "已锁定（原可选择）")),
        new("8F", new("locked (was personalised)", "已锁定（原已个人化）")),
    ];

    /// <summary>P1 of EXTERNAL AUTHENTICATE (GlobalPlatform amendment D §7.1.2.1).</summary>
    public static readonly IReadOnlyList<CodeRow> SecurityLevels =
    [
        new("00", new("no secure messaging", "无安全报文")),
        new("01", new("commands MACed", "命令带 MAC")),
        new("03", new("commands encrypted and MACed", "命令加密并带 MAC")),
        new("11", new("commands and answers MACed", "命令和响应均带 MAC")),
        new("13", new("commands encrypted and MACed, answers MACed", "命令加密并带 MAC，响应带 MAC")),
        new("33", new("commands and answers encrypted and MACed", "命令和响应均加密并带 MAC")),
    ];

    /// <summary>P1 of INSTALL (GlobalPlatform Card Specification §11.5.2.1).</summary>
    public static readonly IReadOnlyList<CodeRow> InstallPurposes =
    [
        new("02", new("for load", "用于装载")),
        new("04", new("for install", "用于安装")),
        new("08", new("for make selectable", "用于置为可选择")),
        new("0C", new("for install and make selectable", "用于安装并置为可选择")),
        new("20", new("for personalisation", "用于个人化")),
    ];

    /// <summary>Data grouping identifiers of personalisation (protocols.md 5.5; 4D4A is ours).</summary>
    public static readonly IReadOnlyList<CodeRow> DataGroupings =
    [
        new("0D01", new("internal data for GET DATA and PUT DATA", "内部数据（GET/PUT DATA）")),
        new("0E01", new("internal data, second part", "内部数据（第二部分）")),
        new("4D4A", new("cryptogram algorithm", "密文算法")),
        new("8000", new("card keys AC, MAC, ENC (encrypted)", "卡片密钥 AC、MAC、ENC（加密）")),
        new("8001", new("key of the dynamic verification number (encrypted)", "动态验证码密钥（加密）")),
        new("8010", new("reference PIN block (encrypted)", "参考 PIN 数据块（加密）")),
        new("9000", new("key check values of the card keys", "卡片密钥校验值")),
        new("9010", new("PIN try counter and limit", "PIN 重试计数器和上限")),
        new("9102", new("answer to SELECT, contact", "接触式 SELECT 响应数据")),
        new("9103", new("answer to SELECT, contactless", "非接触式 SELECT 响应数据")),
        new("9104", new("answer to GPO, contact", "接触式 GPO 响应数据")),
        new("9200", new("issuer application data, contact", "接触式发卡机构应用数据")),
        new("9203", new("answer to GPO, electronic cash", "电子现金 GPO 响应数据")),
        new("9207", new("answer to GPO, qPBOC", "qPBOC GPO 响应数据")),
    ];

    public static Text? Meaning(IReadOnlyList<CodeRow> rows, string code)
    {
        foreach (var row in rows)
        {
            if (row.Code == code)
            {
                return row.Meaning;
            }
        }

        return null;
    }
}
