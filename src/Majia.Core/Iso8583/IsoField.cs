using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Which characters or bytes a field holds (ISO 8583:1987 §4.2.3).</summary>
public enum Content
{
    /// <summary>Decimal digits.</summary>
    N,

    /// <summary>Letters, digits and spaces.</summary>
    An,

    /// <summary>Printable characters; Chinese as GBK, its bytes counted.</summary>
    Ans,

    /// <summary>Track data: digits, D or = as separator, hex digits where the track is encrypted (protocols.md 6.6).</summary>
    Z,

    /// <summary>Usage-coded: characters with binary elements between them, no check on the bytes.</summary>
    Ansb,

    /// <summary>Bytes.</summary>
    B,
}

/// <summary>Fixed length, or a length of two or three digits in front.</summary>
public enum LengthKind
{
    Fixed,
    LL,
    LLL,
}

/// <summary>What log, trace and store keep of a field (decisions.md 21). The one list that masking comes from.</summary>
public enum Sensitive
{
    /// <summary>Kept.</summary>
    No,

    /// <summary>Kept when it is a token, masked or dropped when it is a PAN.</summary>
    Number,

    /// <summary>Kept without its tags 57 and 5A.</summary>
    CardData,

    /// <summary>Never kept.</summary>
    Drop,
}

/// <summary>On which side an odd number of digits is filled to whole bytes.</summary>
public enum Justify
{
    /// <summary>Zero nibble in front: 001 → 0001.</summary>
    Right,

    /// <summary>Zero nibble behind: 072 → 0720.</summary>
    Left,
}

/// <summary>Form of a field on one line. <paramref name="Max"/> counts digits, characters or bytes.</summary>
public readonly record struct FieldShape(Content Content, LengthKind Length, int Max)
{
    /// <summary>The standard's notation: <c>n..19 LL</c>, <c>an12</c>, <c>b8</c>.</summary>
    public override string ToString()
    {
        var content = Content switch { Content.N => "n", Content.An => "an", Content.Ans => "ans", Content.Z => "z", Content.Ansb => "ansb", _ => "b" };
        return Length == LengthKind.Fixed ? $"{content}{Max}" : $"{content}..{Max} {Length}";
    }
}

/// <summary>One row of the field table. A line that does not carry the field has no shape for it.</summary>
public sealed record IsoField(int Number, Text Name, FieldShape? Pos, FieldShape? Switch, Justify Justify, Sensitive Sensitive)
{
    /// <summary>As it is written in a parse error: <c>F55</c>.</summary>
    public string Label { get; } = "F" + Number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The field table of both lines (protocols.md 6.2, 6.9), in the standard's order.</summary>
public static class IsoFields
{
    private const Justify Right = Justify.Right, Left = Justify.Left;
    private const Sensitive No = Sensitive.No, Drop = Sensitive.Drop;

    public static IReadOnlyList<IsoField> All { get; } =
    [
        //  number, name En, name Zh, POS line, switch line, odd digits, what is kept
        Row(2, "Primary account number", "主账号", N(19, 2), N(19, 2), Left, Sensitive.Number),
        Row(3, "Processing code", "交易处理码", N(6), N(6)),
        Row(4, "Amount, transaction", "交易金额", N(12), N(12)),
        Row(5, "Amount, settlement", "清算金额", null, N(12)),
        Row(6, "Amount, cardholder billing", "持卡人扣账金额", null, N(12)),
        Row(7, "Transmission date and time", "交易传输时间", null, N(10)),
        Row(9, "Conversion rate, settlement", "清算汇率", null, N(8)),
        Row(10, "Conversion rate, cardholder billing", "持卡人扣账汇率", null, N(8)),
        Row(11, "System trace audit number", "系统跟踪号", N(6), N(6)),
        Row(12, "Time, local transaction", "受卡方所在地时间", N(6), N(6)),
        Row(13, "Date, local transaction", "受卡方所在地日期", N(4), N(4)),
        Row(14, "Date, expiration", "卡有效期", N(4), N(4)),
        Row(15, "Date, settlement", "清算日期", N(4), N(4)),
        Row(16, "Date, conversion", "兑换日期", null, N(4)),
        Row(18, "Merchant's type", "商户类型", null, N(4)),
        Row(19, "Acquiring institution country code", "受理机构国家代码", null, N(3)),
        Row(22, "Point of service entry mode", "服务点输入方式码", N(3), N(3), Left),
        Row(23, "Card sequence number", "卡序列号", N(3), N(3)),
        Row(25, "Point of service condition code", "服务点条件码", N(2), N(2)),
        Row(26, "Point of service PIN capture code", "服务点 PIN 获取码", N(2), N(2)),
        Row(28, "Amount, transaction fee", "交易手续费", null, An(9)),
        Row(32, "Acquiring institution identification code", "受理机构标识码", N(11, 2), N(11, 2)),
        Row(33, "Forwarding institution identification code", "发送机构标识码", null, N(11, 2)),
        Row(35, "Track 2 data", "第二磁道数据", Z(37, 2), Z(37, 2), Left, Drop),
        Row(36, "Track 3 data", "第三磁道数据", Z(104, 3), Z(104, 3), Left, Drop),
        Row(37, "Retrieval reference number", "检索参考号", An(12), An(12)),
        Row(38, "Authorization identification response", "授权标识应答码", An(6), An(6)),
        Row(39, "Response code", "应答码", An(2), An(2)),
        Row(41, "Card acceptor terminal identification", "受卡机终端标识码", Ans(8), Ans(8)),
        Row(42, "Card acceptor identification code", "受卡方标识码", Ans(15), Ans(15)),
        Row(43, "Card acceptor name and location", "受卡方名称地址", null, Ans(40)),
        Row(44, "Additional response data", "附加响应数据", Ans(25, 2), Ans(25, 2)),
        Row(45, "Track 1 data", "第一磁道数据", Ans(79, 2), Ans(79, 2), Right, Drop),
        Row(48, "Additional data, private", "附加数据", N(322, 3), Ansb(512, 3), Left),
        Row(49, "Currency code, transaction", "交易货币代码", An(3), An(3)),
        Row(50, "Currency code, settlement", "清算货币代码", null, An(3)),
        Row(51, "Currency code, cardholder billing", "持卡人账户货币代码", null, An(3)),
        Row(52, "PIN data", "个人标识码数据", B(8), B(8), Right, Drop),
        Row(53, "Security related control information", "安全控制信息", N(16), N(16)),
        Row(54, "Additional amounts", "附加金额", An(20, 3), An(40, 3)),
        Row(55, "Integrated circuit card data", "基于 IC 卡数据域", B(255, 3), B(255, 3), Right, Sensitive.CardData),
        Row(56, "Additional information (PAR)", "附加信息（支付账户参考号）", null, Ansb(512, 3)),
        Row(57, "Additional data, private", "附加交易信息", null, Ansb(100, 3)),
        Row(58, "Electronic cash data", "电子钱包交易信息", Ans(100, 3), Ans(100, 3)),
        Row(59, "Detailed transaction data", "明细查询数据", Ansb(600, 3), Ansb(600, 3)),
        Row(60, "Terminal, batch and capability", "自定义域（交易类型、批次号、终端能力）", N(17, 3), Ans(100, 3), Left),
        Row(61, "Original message; holder authentication", "原始信息域；持卡人身份认证信息", N(29, 3), Ans(200, 3), Left),
        Row(62, "Private data: keys, parameters", "自定义域（密钥、参数）", Ansb(999, 3), Ansb(512, 3), Right, Drop),
        Row(63, "Card organisation and texts; security and token data", "国际卡组织与附言；安全与标记数据", Ans(163, 3), Ansb(512, 3)),
        Row(64, "Message authentication code", "报文鉴别码", B(8), null, Right, Drop),
        Row(70, "Network management information code", "网络管理信息码", null, N(3)),
        Row(90, "Original data elements", "原始数据元", null, N(42)),
        Row(96, "Message security code", "报文安全码", null, B(8), Right, Drop),
        Row(100, "Receiving institution identification code", "接收机构标识码", null, N(11, 2)),
        Row(102, "Account identification 1", "账户标识 1", null, Ans(28, 2), Right, Drop),
        Row(103, "Account identification 2", "账户标识 2", null, Ans(28, 2), Right, Drop),
        Row(104, "Transaction and industry data", "交易及行业应用信息", null, Ansb(512, 3)),
        Row(113, "Additional information 1", "附加信息 1", null, Ansb(512, 3)),
        Row(116, "Additional information 2", "附加信息 2", null, Ansb(512, 3)),
        Row(117, "Additional information 3", "附加信息 3", null, Ansb(256, 3)),
        Row(121, "Reserved for the network", "银联处理中心保留", null, Ans(100, 3)),
        Row(122, "Reserved for the acquirer", "受理方保留", null, Ans(100, 3)),
        Row(123, "Reserved for the issuer", "发卡方保留", null, Ans(100, 3)),
        Row(125, "Security information", "安全及风险评估信息", null, Ansb(256, 3)),
        Row(126, "Information on electronic commerce", "电子商务信息", null, Ansb(256, 3)),
        Row(128, "Message authentication code", "报文鉴别码", null, B(8), Right, Drop),
    ];

    private static readonly IsoField?[] ByNumber = Index();

    /// <summary>The row of <paramref name="number"/>, or null when neither line has it.</summary>
    public static IsoField? Find(int number) => (uint)number < (uint)ByNumber.Length ? ByNumber[number] : null;

    private static IsoField Row(int number, string en, string zh, FieldShape? pos, FieldShape? between, Justify justify = Right, Sensitive sensitive = No) =>
        new(number, new Text(en, zh), pos, between, justify, sensitive);

    private static FieldShape N(int max, int prefix = 0) => new(Content.N, Kind(prefix), max);

    private static FieldShape An(int max, int prefix = 0) => new(Content.An, Kind(prefix), max);

    private static FieldShape Ans(int max, int prefix = 0) => new(Content.Ans, Kind(prefix), max);

    private static FieldShape Ansb(int max, int prefix) => new(Content.Ansb, Kind(prefix), max);

    private static FieldShape Z(int max, int prefix) => new(Content.Z, Kind(prefix), max);

    private static FieldShape B(int max, int prefix = 0) => new(Content.B, Kind(prefix), max);

    private static LengthKind Kind(int prefix) => prefix switch { 2 => LengthKind.LL, 3 => LengthKind.LLL, _ => LengthKind.Fixed };

    private static IsoField?[] Index()
    {
        var index = new IsoField?[129];
        foreach (var row in All)
        {
            index[row.Number] = row;
        }

        return index;
    }
}
