using System.Globalization;
using System.Text;
using Majia.Core.Primitives;

namespace Majia.SecureElement;

/// <summary>What stands behind an AID of the chip.</summary>
public enum Applet
{
    Domain,
    Ppse,
    Pse,
    Payment,
    Transit,
    Registry,
    Binding,
}

/// <summary>Who may have a command done.</summary>
public enum Authority
{
    /// <summary>Anyone on the side. It changes nothing that lasts.</summary>
    None,

    /// <summary>An open secure channel of the domain, at the level that was agreed.</summary>
    Channel,

    /// <summary>The binding key, over the chip's challenge.</summary>
    Binding,

    /// <summary>A verified fingerprint (phone), or the holder's hand (plastic): one transaction.</summary>
    Holder,

    /// <summary>The issuer, by a MAC over the transaction's cryptogram.</summary>
    Script,

    /// <summary>The transit operator's key, by a MAC over the chip's random number.</summary>
    Operator,

    /// <summary>The handset, on its own side of the chip.</summary>
    Handset,
}

/// <summary>One command of one applet.</summary>
/// <param name="Cla">Without secure messaging and chaining bits.</param>
/// <param name="Secured">Comes with a MAC in its data, class bit 04.</param>
/// <param name="Parameters">P1 and P2.</param>
/// <param name="Clause">Where it is written.</param>
public sealed record CommandRow(Applet Applet, byte Cla, byte Ins, bool Secured, string Name, Text Parameters, Text Data, Text Answer, Authority Authority, string Clause);

/// <summary>Every command that the chip knows: the dispatcher lets through what has a row here, and docs/protocols/apdu.md is made of it.</summary>
public static class CommandTable
{
    private const bool Plain = false, Mac = true;

    private static readonly Text Nothing = new("–", "–");

    public static readonly IReadOnlyList<CommandRow> Rows =
    [
        new(Applet.Domain, 0x80, 0x50, Plain, "INITIALIZE UPDATE", new("key version (00: the default one), 00", "密钥版本（00 为默认）, 00"), new("host challenge (8)", "主机随机数（8）"), new("SEID (10), version, 03, i, card challenge (8), card cryptogram (8), with i bit 10 also the sequence counter (3)", "SEID（10）、版本、03、i、卡片随机数（8）、卡片密文（8），i 含 10 位时另加序列计数器（3）"), Authority.None, "GP Amendment D §7.1.1"),
        new(Applet.Domain, 0x80, 0x82, Mac, "EXTERNAL AUTHENTICATE", new("level 01, 03, 11, 13 or 33 as i allows, 00", "安全级别 01、03、11、13 或 33（取决于 i）, 00"), new("host cryptogram (8), MAC (8)", "主机密文（8）、MAC（8）"), Nothing, Authority.Channel, "GP Amendment D §7.1.2"),
        new(Applet.Domain, 0x80, 0xE6, Plain, "INSTALL", new("04 install, 08 make selectable, 0C both, 20 for personalisation, 40 registry update; 00", "04 安装、08 可选择、0C 两者、20 个人化、40 更新注册表；00"), new("package, module, instance, privileges, parameters, token: each length and value", "包、模块、实例、权限、参数、令牌，均为长度加值"), new("00", "00"), Authority.Channel, "GP §11.5"),
        new(Applet.Domain, 0x80, 0xE2, Plain, "STORE DATA", new("80 last, 60 encrypted, 08 DGI or 10 BER, 01 answer wanted; block number", "80 末块、60 加密、08 DGI 或 10 BER、01 需应答；块号"), new("DGIs of the instance to be personalised, or data objects of the issuer domain", "待个人化实例的 DGI，或主安全域的数据对象"), new("with 01: the object asked for", "含 01 位时：所请求的数据对象"), Authority.Channel, "GP §11.11"),
        new(Applet.Domain, 0x80, 0xD8, Plain, "PUT KEY", new("version to replace (00: a new one), 81", "被替换的版本（00 为新增）, 81"), new("new version, then three times 88, length (10 …, or its own length and 10 …), key under the DEK, 03, check value", "新版本，随后三组：88、长度、DEK 加密的密钥、03、校验值"), new("version, three check values", "版本、三个校验值"), Authority.Channel, "GP §11.8, Amendment D §7.2"),
        new(Applet.Domain, 0x80, 0xE4, Plain, "DELETE", new("00; 80 with what belongs to it", "00；80 连同所属对象"), new("4F instance or domain; D2 key version", "4F 实例或安全域；D2 密钥版本"), new("00", "00"), Authority.Channel, "GP §11.2"),
        new(Applet.Domain, 0x80, 0xF0, Plain, "SET STATUS", new("80 card, 60 domain, 40 instance; state", "80 卡片、60 安全域、40 实例；状态"), new("AID", "AID"), Nothing, Authority.Channel, "GP §11.10"),
        new(Applet.Domain, 0x80, 0xF2, Plain, "GET STATUS", new("80 issuer domain, 40 instances and domains, 20 and 10 load files; 02 tagged, 01 next", "80 主安全域、40 实例与安全域、20/10 装载文件；02 带标签、01 后续"), new("4F prefix, [5C wanted tags]", "4F 前缀，[5C 所需标签]"), new("E3 each; 6310: more with P2 bit 01", "每项 E3；6310 表示可用 P2 的 01 位续取"), Authority.Channel, "GP §11.4"),
        new(Applet.Domain, 0x80, 0xCA, Plain, "GET DATA", new("0042, 0045, 0066, 00C1, 00CF, 00E0, 9F7F", "0042、0045、0066、00C1、00CF、00E0、9F7F"), Nothing, new("the object", "数据对象"), Authority.None, "GP §11.3"),
        new(Applet.Domain, 0x00, 0xCA, Plain, "GET DATA", new("as with class 80", "同 80 类"), Nothing, new("the object", "数据对象"), Authority.None, "GP §11.3"),
        new(Applet.Pse, 0x00, 0xB2, Plain, "READ RECORD", new("record, SFI 1", "记录号, SFI 1"), Nothing, new("70 with one 61 for each application", "70，每个应用一个 61"), Authority.None, "EMV Book 1 §12.2.3"),
        new(Applet.Payment, 0x80, 0xA8, Plain, "GET PROCESSING OPTIONS", new("00, 00", "00, 00"), new("83 with the PDOL's data", "83 加 PDOL 数据"), new("77: contactless cryptogram and track 2, or AIP and AFL", "77：非接触应用密文与二磁道，或 AIP 与 AFL"), Authority.Holder, "EMV Book 3 §6.5.8; PBOC 3.0 part 12"),
        new(Applet.Payment, 0x00, 0xB2, Plain, "READ RECORD", new("record, SFI", "记录号, SFI"), Nothing, new("70", "70"), Authority.None, "EMV Book 3 §6.5.11"),
        new(Applet.Payment, 0x80, 0xCA, Plain, "GET DATA", new("tag: 9F36, 9F13, 9F17, 9F79, …", "标签：9F36、9F13、9F17、9F79 等"), Nothing, new("the object", "数据对象"), Authority.None, "EMV Book 3 §6.5.7"),
        new(Applet.Payment, 0x00, 0x84, Plain, "GET CHALLENGE", new("00, 00", "00, 00"), Nothing, new("8 random bytes", "8 字节随机数"), Authority.None, "EMV Book 3 §6.5.6"),
        new(Applet.Payment, 0x00, 0x88, Plain, "INTERNAL AUTHENTICATE", new("00, 00; contacts", "00, 00；接触界面"), new("the DDOL's data", "DDOL 数据"), new("77 with 9F4B", "77 含 9F4B"), Authority.Holder, "EMV Book 3 §6.5.9"),
        new(Applet.Payment, 0x00, 0x20, Plain, "VERIFY", new("00, 80 plain PIN, 88 enciphered for this chip after GET CHALLENGE; contacts", "00, 80 明文 PIN、88 取随机数后以芯片公钥加密；接触界面"), new("PIN block format 2 (8), or as long as the chip's key", "格式 2 PIN 数据块（8），或与芯片公钥等长"), Nothing, Authority.Holder, "EMV Book 3 §6.5.12"),
        new(Applet.Payment, 0x80, 0xAE, Plain, "GENERATE AC", new("00 AAC, 40 TC, 80 ARQC; 00; contacts", "00 AAC、40 TC、80 ARQC；00；接触界面"), new("the data of CDOL1, then of CDOL2", "CDOL1 数据，其后 CDOL2 数据"), new("77 with 9F27, 9F36, 9F26, 9F10", "77 含 9F27、9F36、9F26、9F10"), Authority.Holder, "EMV Book 3 §6.5.5"),
        new(Applet.Payment, 0x00, 0x82, Plain, "EXTERNAL AUTHENTICATE", new("00, 00; contacts", "00, 00；接触界面"), new("ARPC (8), response code (2)", "ARPC（8）、授权响应码（2）"), Nothing, Authority.Holder, "EMV Book 3 §6.5.4"),
        new(Applet.Payment, 0x80, 0x1E, Mac, "APPLICATION BLOCK", new("00, 00", "00, 00"), new("MAC (4)", "MAC（4）"), Nothing, Authority.Script, "EMV Book 3 §6.5.1"),
        new(Applet.Payment, 0x80, 0x18, Mac, "APPLICATION UNBLOCK", new("00, 00", "00, 00"), new("MAC (4)", "MAC（4）"), Nothing, Authority.Script, "EMV Book 3 §6.5.2"),
        new(Applet.Payment, 0x80, 0x16, Mac, "CARD BLOCK", new("00, 00; plastic", "00, 00；实体卡"), new("MAC (4)", "MAC（4）"), Nothing, Authority.Script, "EMV Book 3 §6.5.3"),
        new(Applet.Payment, 0x80, 0x24, Mac, "PIN CHANGE/UNBLOCK", new("00, 00 unblock, 02 change", "00, 00 解锁、02 修改"), new("[PIN under the ENC key,] MAC (4)", "[ENC 密钥加密的 PIN，] MAC（4）"), Nothing, Authority.Script, "EMV Book 3 §6.5.10"),
        new(Applet.Payment, 0x00, 0xDA, Mac, "PUT DATA", new("tag: 9F58, 9F59, 9F68, 9F6B, 9F6D, 9F77, 9F78, 9F79", "标签：9F58、9F59、9F68、9F6B、9F6D、9F77、9F78、9F79"), new("value, MAC (4)", "值、MAC（4）"), Nothing, Authority.Script, "EMV CPS; protocols.md 3.5"),
        new(Applet.Payment, 0x00, 0xDC, Mac, "UPDATE RECORD", new("record, SFI", "记录号, SFI"), new("70 as long as before, MAC (4)", "与原长度相同的 70、MAC（4）"), Nothing, Authority.Script, "ISO/IEC 7816-4 §11.3.5"),
        new(Applet.Transit, 0x00, 0xB0, Plain, "READ BINARY", new("80 + SFI 15 (card), 17 (journey); offset", "80 + SFI 15（卡片信息）、17（行程）；偏移"), Nothing, new("the file", "文件内容"), Authority.None, "ISO/IEC 7816-4 §11.2.3"),
        new(Applet.Transit, 0x00, 0xB2, Plain, "READ RECORD", new("record, SFI 18 (log)", "记录号, SFI 18（交易明细）"), Nothing, new("one log entry (23)", "一条明细（23）"), Authority.None, "PBOC electronic purse"),
        new(Applet.Transit, 0x80, 0x5C, Plain, "GET BALANCE", new("00, 02", "00, 02"), Nothing, new("balance (4)", "余额（4）"), Authority.None, "PBOC electronic purse"),
        new(Applet.Transit, 0x80, 0x50, Plain, "INITIALIZE FOR LOAD / DEBIT", new("00, 02 top-up; 03, 02 debit with journey", "00, 02 圈存；03, 02 复合消费"), new("key index, amount (4), terminal (6)", "密钥索引、金额（4）、终端号（6）"), new("balance (4), number (2), key version, 04, random (4), top-up also MAC1 (4)", "余额（4）、序号（2）、密钥版本、04、随机数（4），圈存另加 MAC1（4）"), Authority.None, "PBOC electronic purse"),
        new(Applet.Transit, 0x80, 0x52, Plain, "CREDIT FOR LOAD", new("00, 00", "00, 00"), new("date (4), time (3), MAC2 (4)", "日期（4）、时间（3）、MAC2（4）"), new("TAC (4)", "TAC（4）"), Authority.Operator, "PBOC electronic purse"),
        new(Applet.Transit, 0x80, 0xDC, Plain, "UPDATE JOURNEY CACHE", new("00, 00", "00, 00"), new("journey (32)", "行程（32）"), Nothing, Authority.None, "PBOC electronic purse"),
        new(Applet.Transit, 0x80, 0x54, Plain, "DEBIT WITH JOURNEY", new("01, 00", "01, 00"), new("terminal number (4), date (4), time (3), MAC1 (4)", "终端交易序号（4）、日期（4）、时间（3）、MAC1（4）"), new("TAC (4), MAC2 (4)", "TAC（4）、MAC2（4）"), Authority.Operator, "PBOC electronic purse"),
        new(Applet.Transit, 0x80, 0x5A, Plain, "GET TRANSACTION PROOF", new("00, kind 02 or 09", "00, 类型 02 或 09"), new("number (2)", "序号（2）"), new("MAC2 (4), TAC (4)", "MAC2（4）、TAC（4）"), Authority.None, "PBOC electronic purse"),
        new(Applet.Registry, 0x80, 0xF2, Plain, "GET STATUS", new("40, 00 first, 01 next", "40, 00 首次、01 后续"), new("4F prefix", "4F 前缀"), new("61 each with 4F, 9F70, 81; 6310: more", "每项 61 含 4F、9F70、81；6310 表示还有"), Authority.None, "GP Amendment C §3.11.1"),
        new(Applet.Registry, 0x80, 0xF0, Plain, "SET STATUS", new("01, 01 activate or 00 deactivate; 02, 01 first or 81 first until power-off", "01, 01 激活或 00 停用；02, 01 最高优先或 81 断电前最高优先"), new("4F instance", "4F 实例"), Nothing, Authority.Handset, "GP Amendment C §3.11.2"),
        new(Applet.Registry, 0x80, 0xCA, Plain, "GET DATA", new("00A5", "00A5"), Nothing, new("A5 with the service's version", "A5 含服务版本"), Authority.None, "GP Amendment C §3.11.3"),
        new(Applet.Binding, 0x80, 0x84, Plain, "GET CHALLENGE", new("00, 00", "00, 00"), Nothing, new("16 random bytes", "16 字节随机数"), Authority.None, "decisions.md 3"),
        new(Applet.Binding, 0x80, 0x2A, Plain, "AUTHORISE", new("00, 00", "00, 00"), new("MAC (16) over 01, challenge, AID; AID", "对 01、随机数、AID 的 MAC（16）；AID"), Nothing, Authority.Binding, "decisions.md 4"),
        new(Applet.Binding, 0x80, 0x2C, Plain, "CANCEL", new("00, 00", "00, 00"), Nothing, Nothing, Authority.None, "decisions.md 4"),
        new(Applet.Binding, 0x80, 0x2E, Plain, "PURGE", new("00, 00", "00, 00"), new("MAC (16) over 02, challenge", "对 02、随机数的 MAC（16）"), Nothing, Authority.Binding, "decisions.md 3"),
        new(Applet.Binding, 0x80, 0x30, Plain, "RETIRE", new("00, 00", "00, 00"), new("MAC (16) over 03, challenge, AID; AID", "对 03、随机数、AID 的 MAC（16）；AID"), Nothing, Authority.Binding, "decisions.md 3"),
        new(Applet.Binding, 0x80, 0xCA, Plain, "GET STATE, GET LAST", new("00, 01 state; 02 last", "00, 01 状态；02 最近一次"), Nothing, new("purge epoch (4), live cards (1); or 4F, 9F02, 5F2A, 9F36, 9F6C", "清除代次（4）、有效卡数（1）；或 4F、9F02、5F2A、9F36、9F6C"), Authority.None, "decisions.md 3"),
    ];

    /// <summary>True when the applet has the command in this class, secure messaging put aside; <paramref name="otherClass"/> when it has it in no other way than another class.</summary>
    public static bool Knows(Applet applet, byte cla, byte ins, out bool otherClass)
    {
        otherClass = false;
        foreach (var row in Rows)
        {
            if (row.Applet != applet || row.Ins != ins)
            {
                continue;
            }

            if (row.Cla == (cla & ~0x04))
            {
                return true;
            }

            otherClass = true;
        }

        return false;
    }

    /// <summary>The table as Markdown: docs/protocols/apdu.md is exactly this text.</summary>
    public static string Markdown()
    {
        var text = new StringBuilder("# Commands of the chip 芯片指令\n\nMade from `src/Majia.SecureElement/CommandTable.cs`; a test compares. Do not edit. 由代码生成，请勿手改。\n\n");
        text.Append("SELECT (`00A4 04 00|02`, by full or partial name; without a name the issuer domain on the contacts and on the handset's side) and GET RESPONSE (`00C0`, or `80C0`) belong to the dispatcher. ");
        text.Append("Class bit 10 chains commands of up to ").Append(Chip.MaxChain.ToString(CultureInfo.InvariantCulture)).Append(" bytes together; an answer that Le leaves no room for, or that came without Le, is fetched by GET RESPONSE after `61xx`. One logical channel.\n\n");
        text.Append("*Authority* 授权: who may have it done. None 无 · Channel 安全通道 · Binding 绑定密钥 · Holder 持卡人（手机需指纹） · Script 发卡行脚本 MAC · Operator 公交运营方 MAC · Handset 手机自身.\n\n");
        text.Append(SecureChannels.SlowDownRule.En).Append('\n').Append(SecureChannels.SlowDownRule.Zh).Append("\n");
        foreach (var applet in Enum.GetValues<Applet>())
        {
            var rows = Rows.Where(row => row.Applet == applet).ToList();
            if (rows.Count == 0)
            {
                continue;
            }

            text.Append("\n## ").Append(Title(applet)).Append("\n\n| CLA INS | Command | P1, P2 | Data | Answer | Authority | Source |\n|---|---|---|---|---|---|---|\n");
            foreach (var row in rows)
            {
                var cla = row.Secured ? row.Cla | 0x04 : row.Cla;
                text.Append(CultureInfo.InvariantCulture, $"| {cla:X2} {row.Ins:X2} | {row.Name} | {Both(row.Parameters)} | {Both(row.Data)} | {Both(row.Answer)} | {row.Authority} | {row.Clause} |\n");
            }
        }

        return text.ToString();
    }

    private static string Both(Text text) => text.En == text.Zh ? text.En : $"{text.En} · {text.Zh}";

    private static string Title(Applet applet) => applet switch
    {
        Applet.Domain => "Security domain 安全域",
        Applet.Pse => "PSE `315041592E5359532E4444463031` 接触支付系统环境",
        Applet.Payment => "Payment application 支付应用",
        Applet.Transit => "Transit application 公交应用",
        Applet.Registry => "Contactless registry `A00000015143525300` 非接触注册服务",
        Applet.Binding => "Binding applet `F04D4A42494E44` 绑定应用",
        _ => "PPSE",
    };
}
