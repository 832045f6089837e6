using Majia.Core.Primitives;

namespace Majia.Core.Apdu;

/// <summary>One status word, or a family of them: those whose bits under <paramref name="Mask"/> read <paramref name="Value"/>.</summary>
public sealed record StatusWordRow(ushort Value, ushort Mask, Text Meaning)
{
    /// <summary><c>9000</c>, <c>61xx</c>, <c>63Cx</c>.</summary>
    public string Label => Mask switch { 0xFF00 => $"{Value >> 8:X2}xx", 0xFFF0 => $"{Value >> 4:X3}x", _ => $"{Value:X4}" };
}

/// <summary>Status words of ISO/IEC 7816-4 §5.6, EMV Book 1 and GlobalPlatform, with what they mean at a payment. The first row that fits holds.</summary>
public static class StatusWords
{
    public const ushort Ok = 0x9000, MoreData = 0x6310, WrongLength = 0x6700, SecurityNotSatisfied = 0x6982, FileInvalid = 0x6984,
        ConditionsNotSatisfied = 0x6985, CommandNotAllowed = 0x6986, WrongData = 0x6A80, FunctionNotSupported = 0x6A81, FileNotFound = 0x6A82,
        RecordNotFound = 0x6A83, NotEnoughMemory = 0x6A84, WrongParameters = 0x6A86, ReferencedDataNotFound = 0x6A88,
        InstructionNotSupported = 0x6D00, ClassNotSupported = 0x6E00, NoPreciseDiagnosis = 0x6F00;

    public static readonly IReadOnlyList<StatusWordRow> Rows =
    [
        One(0x9000, "done", "成功"),
        Family(0x61, "done; that many bytes more by GET RESPONSE", "成功；可用 GET RESPONSE 取回更多数据"),
        One(0x6200, "warning: no information given", "警告：未给出信息"),
        One(0x6283, "selected, but the application is blocked", "已选择，但应用已锁定"),
        One(0x6300, "authentication failed", "认证失败"),
        One(0x6310, "more data: ask for the next part", "还有更多数据，请取下一部分"),
        new(0x63C0, 0xFFF0, new("verification failed; the last digit counts the tries left", "验证失败；末位为剩余次数")),
        One(0x6400, "execution error", "执行错误"),
        One(0x6581, "memory failure", "存储器故障"),
        One(0x6700, "wrong length", "长度错误"),
        One(0x6882, "secure messaging not supported", "不支持安全报文"),
        One(0x6982, "security status not satisfied", "安全状态不满足"),
        One(0x6983, "authentication method blocked", "认证方法已锁定"),
        One(0x6984, "referenced data invalid; at GPO: try another interface", "引用数据无效；GPO 时表示请改用其他界面"),
        One(0x6985, "conditions of use not satisfied", "使用条件不满足"),
        One(0x6986, "command not allowed; at GPO: see the phone, then tap again", "命令不允许；GPO 时表示请查看手机后再次挥卡"),
        One(0x6987, "secure messaging data objects missing", "缺少安全报文数据对象"),
        One(0x6988, "secure messaging data objects wrong", "安全报文数据对象错误"),
        One(0x6999, "application selection failed", "应用选择失败"),
        One(0x6A80, "wrong data in the command", "命令数据错误"),
        One(0x6A81, "function not supported, or card blocked", "不支持该功能，或卡片已锁定"),
        One(0x6A82, "file or application not found", "文件或应用未找到"),
        One(0x6A83, "record not found", "记录未找到"),
        One(0x6A84, "not enough memory", "存储空间不足"),
        One(0x6A86, "wrong P1 P2", "P1 P2 错误"),
        One(0x6A88, "referenced data not found", "引用数据未找到"),
        One(0x6A89, "file or application already exists", "文件或应用已存在"),
        One(0x6B00, "wrong P1 P2 (outside the file)", "P1 P2 超出范围"),
        Family(0x6C, "wrong Le; the second byte is the right one", "Le 错误；第二字节为正确长度"),
        One(0x6D00, "instruction not supported", "不支持该指令"),
        One(0x6E00, "class not supported", "不支持该类别"),
        One(0x6F00, "error without a precise diagnosis", "未明确诊断的错误"),
        One(0x9484, "algorithm not supported", "不支持该算法"),
        One(0x9485, "invalid key check value", "密钥校验值错误"),
    ];

    /// <summary>What the status word says; null when no row fits.</summary>
    public static Text? Meaning(StatusWord status)
    {
        foreach (var row in Rows)
        {
            if ((status.Value & row.Mask) == row.Value)
            {
                return row.Meaning;
            }
        }

        return null;
    }

    private static StatusWordRow One(ushort value, string en, string zh) => new(value, 0xFFFF, new Text(en, zh));

    private static StatusWordRow Family(byte first, string en, string zh) => new((ushort)(first << 8), 0xFF00, new Text(en, zh));
}
