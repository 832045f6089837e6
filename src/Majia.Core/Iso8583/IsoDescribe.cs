using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Emv;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>A message as a tree that a person can read: <c>decode 8583</c>, the trace and the pages print it.</summary>
public static class IsoDescribe
{
    private const string HiddenValue = "********";

    /// <summary>Describes a message that starts at its MTI, or with <paramref name="framed"/> at the length of its frame.</summary>
    /// <param name="reveal">Shows numbers, tracks, PIN blocks and MACs; without it they are masked.</param>
    public static bool TryDescribe(Dialect dialect, ReadOnlyMemory<byte> data, bool framed, bool reveal, [NotNullWhen(true)] out DescribedNode? tree, out ParseError error)
    {
        tree = null;
        var nodes = new List<DescribedNode>();
        var body = data;
        if (framed)
        {
            if (dialect == Dialect.Pos ? !DescribePosFrame(data, nodes, out body, out error) : !DescribeSwitchFrame(data, nodes, out body, out error))
            {
                return false;
            }
        }

        var start = data.Length - body.Length;
        if (!IsoCodec.TryRead(dialect.Kept, body, out var message, out error))
        {
            error = error with { Offset = error.Offset + start };
            return false;
        }

        var row = MessageMatrix.Find(dialect, message);
        var kind = message.Mti.IsResponse ? new Text("answer", "应答") : new Text("request", "请求");
        var title = row is null ? new Text($"{MtiClass(message.Mti).En}, {kind.En}", MtiClass(message.Mti).Zh + kind.Zh) : new Text($"{row.Name.En}, {kind.En}", row.Name.Zh + kind.Zh);
        nodes.Add(Leaf(start, "MTI", new Text("Message type", "消息类型"), message.Mti.Digits, title));
        nodes.Add(Leaf(start + dialect.MtiBytes, "bitmap", new Text("Bitmap", "位图"), Convert.ToHexString(body.Span.Slice(dialect.MtiBytes, dialect.BitmapBytes)), new Text($"{message.Count} fields", $"{message.Count} 个域")));
        foreach (var (field, offset, end) in IsoCodec.Layout(dialect.Kept, body.Span, message))
        {
            var format = dialect.Shape(field)!.Value;
            nodes.Add(Field(dialect, message, field, start + offset, start + offset + dialect.PrefixBytes(format.Length), end - offset, reveal));
        }

        tree = new DescribedNode(0, message.Mti.Digits, title, string.Empty, MessageMatrix.Check(dialect, message) is { } wrong && !IsRedacted(wrong) ? Wrong(wrong) : null, nodes);
        return true;
    }

    /// <summary>What a field says, beside its value; null when there is nothing to say.</summary>
    public static Text? Meaning(Dialect dialect, IsoMessage message, int field)
    {
        var text = message.Text(field) ?? string.Empty;
        return field switch
        {
            3 => IsoCodes.Find(IsoCodes.Processing, text.AsSpan(0, 2)),
            4 or 5 or 6 when message.Number(field) is { } minor => Money(minor, message.Text(field == 4 ? 49 : field == 5 ? 50 : 51)),
            7 => Both($"{text[..2]}-{text[2..4]} {text[4..6]}:{text[6..8]}:{text[8..]}"),
            12 => Both($"{text[..2]}:{text[2..4]}:{text[4..]}"),
            13 or 15 => Both($"{text[..2]}-{text[2..]}"),
            14 => new Text($"20{text[..2]}-{text[2..]}", $"20{text[..2]} 年 {text[2..]} 月"),
            22 => Join(IsoCodes.Find(IsoCodes.EntryMode, text.AsSpan(0, 2)), IsoCodes.Find(IsoCodes.PinEntry, text.AsSpan(2, 1))),
            25 => IsoCodes.Find(IsoCodes.Condition, text),
            26 => new Text($"PIN of at most {text.TrimStart('0')} digits", $"密码最长 {text.TrimStart('0')} 位"),
            39 when message.Mti is { Class: 4, IsResponse: false } => IsoCodes.Find(IsoCodes.ReversalReason, text) ?? new ResponseCode(text).Meaning,
            39 => new ResponseCode(text).Meaning,
            49 or 50 or 51 when text == "156" => new Text("CNY", "人民币"),
            53 when Field53.TryParse(text, out var security, out _) => Security(dialect, security),
            64 or 128 when System.Text.Ascii.IsValid(message.Binary(field).Span) => null,
            70 => IsoCodes.Find(IsoCodes.Management, text),
            _ => null,
        };
    }

    private static DescribedNode Field(Dialect dialect, IsoMessage message, int field, int offset, int at, int bytes, bool reveal)
    {
        var row = IsoFields.Find(field)!;
        var value = message.Text(field)!;
        var binary = message.Binary(field);
        var usage = binary.Span;
        var secret = row.Sensitive == Sensitive.Drop
            || (dialect == Dialect.Switch && field == 48 && (usage.StartsWith("TB"u8) || usage.StartsWith("NK"u8)))
            || (dialect == Dialect.Switch && field == 63 && usage.StartsWith("SM"u8));
        if (secret && !reveal)
        {
            return Leaf(offset, row.Label, row.Name, HiddenValue, new Text($"{bytes} bytes, not shown", $"{bytes} 字节，不显示"));
        }

        if (row.Sensitive == Sensitive.Number && !reveal)
        {
            return Leaf(offset, row.Label, row.Name, Masked(value), null);
        }

        // F64 and F128 are eight characters when the MAC is UnionPay's.
        if (field is 64 or 128 or 62 or 59)
        {
            var printable = usage.IndexOfAnyExceptInRange((byte)0x20, (byte)0x7E) < 0;
            return Leaf(offset, row.Label, row.Name, printable ? System.Text.Encoding.ASCII.GetString(usage) : Convert.ToHexString(usage), null);
        }

        var children = Children(dialect, field, value, binary, at, reveal);
        return new DescribedNode(offset, row.Label, row.Name, children.Count > 0 && field is 55 or 63 or 61 ? string.Empty : value, Meaning(dialect, message, field), children);
    }

    private static IReadOnlyList<DescribedNode> Children(Dialect dialect, int field, string value, ReadOnlyMemory<byte> bytes, int at, bool reveal)
    {
        // Where digit n of the value stands.
        int Place(int index) => at + (dialect.Packed && field is 60 or 61 && dialect == Dialect.Pos ? index / 2 : index);
        DescribedNode Part(string label, int index, int length, string en, string zh, Text? meaning = null) =>
            Leaf(Place(index), label, new Text(en, zh), value.Substring(index, length), meaning);

        switch (field)
        {
            case 44 when value.Length >= 22:
                return [Part("F44.1", 0, 11, "Issuer", "发卡机构"), Part("F44.2", 11, 11, "Acquirer", "收单机构")];

            case 54 when Field54.TryParse(value, out var balances, out _):
                return [.. balances.Select((balance, index) => Leaf(at + (Field54.Length * index), "F54", new Text("Balance", "余额"), value.Substring(Field54.Length * index, Field54.Length), Money(balance.Balance.Minor, balance.Balance.Currency.Digits)))];

            case 55:
                return Describe.Tlv(bytes.Span, at, reveal);

            case 56 when Field56Par.TryParse(value, out _, out _):
                return [Part("PR.01", 7, Field56Par.ParLength, "Payment account reference", "支付账户参考号（PAR）")];

            case 60 when dialect == Dialect.Pos && Field60Pos.TryParse(value, out var field60, out _):
            {
                var parts = new List<DescribedNode>
                {
                    Part("F60.1", 0, 2, "Transaction type", "交易类型码", IsoCodes.Find(IsoCodes.TransactionType, field60.Type)),
                    Part("F60.2", 2, 6, "Batch", "批次号"),
                    Part("F60.3", 8, 3, "Network management", "网络管理信息码", IsoCodes.Find(IsoCodes.Management, field60.NetworkManagement)),
                };
                if (field60.Capability is { } capability)
                {
                    parts.Add(Part("F60.4", 11, 1, "Terminal capability", "终端读取能力", IsoCodes.Find(IsoCodes.Capability, [capability])));
                }

                if (field60.IcCondition is not null)
                {
                    parts.Add(Part("F60.5", 12, 1, "Chip condition", "IC 卡条件代码"));
                }

                return parts;
            }

            case 60 when dialect == Dialect.Switch && Field60Switch.TryParse(value, out var point, out _):
                return
                [
                    Part("F60.1", 0, 4, "Reason", "报文原因代码"),
                    Part("F60.2.2", 5, 1, "Terminal capability", "终端读取能力", IsoCodes.Find(IsoCodes.Capability, [point.Capability])),
                    Part("F60.2.3", 6, 1, "Chip condition", "IC 卡条件代码"),
                    Part("F60.2.5", 8, 2, "Terminal type", "终端类型", point.TerminalType == "03" ? new Text("POS", "销售点终端") : null),
                    Part("F60.2.6", 10, 1, "No-PIN payment", "小额免密标志"),
                    Part("F60.2.8", 12, 2, "Electronic commerce indicator", "电子商务标志"),
                ];

            case 61 when dialect == Dialect.Pos && Field61Pos.TryParse(value, out var original, out _):
            {
                var parts = new List<DescribedNode> { Part("F61.1", 0, 6, "Original batch", "原批次号"), Part("F61.2", 6, 6, "Original trace number", "原凭证号") };
                if (original.Date is not null)
                {
                    parts.Add(Part("F61.3", 12, 4, "Original date", "原交易日期"));
                }

                return parts;
            }

            case 61 when dialect == Dialect.Switch && Field61Switch.TryParse(value, out var checks, out _):
                return
                [
                    Part("F61.1", 0, 2, "Type of ID", "证件类型"),
                    Leaf(at + 2, "F61.2", new Text("ID number", "证件号码"), reveal || checks.IdNumber.Length == 0 ? checks.IdNumber : HiddenValue, null),
                    Part("F61.3", 22, 1, "CVV result", "CVV 校验结果"),
                    Part("F61.4", 23, 1, "PVV result", "PVV 校验结果"),
                    Part("F61.7", 30, 1, "CVN2 result", "无卡校验结果"),
                    Part("F61.8", 31, 1, "ARQC result", "ARQC 认证结果", IsoCodes.Find(IsoCodes.Arqc, [(char)checks.Arqc])),
                ];

            case 63 when dialect == Dialect.Switch && Field63Token.TryParse(value, out var token, out _):
                return TokenElements(token, value, at, reveal);

            case 63 when dialect == Dialect.Pos && Field63Pos.TryParse(bytes.Span, out var texts, out _):
                return [.. new (string Label, int At, string En, string Zh, string Value)[]
                {
                    ("F63.1", 0, "Card organisation", "国际信用卡公司代码", texts.Organisation), ("F63.2.1", 3, "Issuer's text", "发卡方保留", texts.Issuer), ("F63.2.2", 23, "Network's text", "银联保留", texts.Network),
                    ("F63.2.3", 43, "Acquirer's text", "受理机构保留", texts.Acquirer), ("F63.2.4", 63, "Terminal's text", "终端保留", texts.Terminal),
                }.Where(static part => part.Value.Length > 0).Select(part => Leaf(at + part.At, part.Label, new Text(part.En, part.Zh), part.Value, null))];

            case 90 when Field90.TryParse(value, out _, out _):
                return
                [
                    Part("F90.1", 0, 4, "Original message type", "原消息类型"), Part("F90.2", 4, 6, "Original trace number", "原系统跟踪号"), Part("F90.3", 10, 10, "Original transmission time", "原交易传输时间"),
                    Part("F90.4", 20, 11, "Original acquirer", "原受理机构"), Part("F90.5", 31, 11, "Original forwarder", "原发送机构"),
                ];

            default:
                return [];
        }
    }

    /// <summary>Elements of F63 usage TK, whose form <see cref="Field63Token.TryParse"/> has checked.</summary>
    private static List<DescribedNode> TokenElements(Field63Token token, string value, int at, bool reveal)
    {
        var parts = new List<DescribedNode>();
        for (var index = 2; index < value.Length;)
        {
            var tag = value.Substring(index, 2);
            var length = int.Parse(value.AsSpan(index + 2, 3), NumberStyles.None, CultureInfo.InvariantCulture);
            var content = value.Substring(index + 5, length);
            var (name, meaning) = tag switch
            {
                "01" => (new Text("Token verified", "标记验证标志"), token.Verified ? new Text("yes", "已验证") : new Text("no", "未验证")),
                "02" => (new Text("Payment token", "支付标记"), null),
                "03" => (new Text("Token expiry", "标记有效期"), null),
                "04" => (new Text("Assurance method", "标记担保方式"), null),
                "05" => (new Text("Scenario", "交易场景"), content == "01" ? new Text("contactless", "近场支付") : null),
                "06" => (new Text("Token requestor (TRID)", "标记请求方（TRID）"), null),
                "08" => (new Text("Token product", "标记产品"), null),
                _ => (new Text("Element", "子域"), (Text?)null),
            };
            parts.Add(Leaf(at + index, "TK." + tag, name, tag == "02" && !reveal ? AccountNumber.Mask(content) : content, meaning));
            index += 5 + length;
        }

        return parts;
    }

    private static bool DescribePosFrame(ReadOnlyMemory<byte> data, List<DescribedNode> nodes, out ReadOnlyMemory<byte> body, out ParseError error)
    {
        if (!PosFrame.TryRead(data, out var tpdu, out var header, out body, out error))
        {
            return false;
        }

        var id = Convert.ToHexString(tpdu.Span);
        nodes.Add(Leaf(0, "length", new Text("Length", "报文长度"), Convert.ToHexString(data.Span[..2]), new Text($"{data.Length - 2} bytes follow", $"后续 {data.Length - 2} 字节")));
        nodes.Add(Leaf(2, "TPDU", new Text("Transport header", "传输协议数据单元"), id, new Text($"to {id[2..6]} from {id[6..]}", $"目的 {id[2..6]}，源 {id[6..]}")));
        nodes.Add(Leaf(2 + PosFrame.TpduBytes, "header", new Text("Message header", "报文头"), Convert.ToHexString(header.Span), null));
        return true;
    }

    private static bool DescribeSwitchFrame(ReadOnlyMemory<byte> data, List<DescribedNode> nodes, out ReadOnlyMemory<byte> body, out ParseError error)
    {
        if (!SwitchFrame.TryRead(data, out var destination, out var source, out body, out error))
        {
            return false;
        }

        nodes.Add(Leaf(0, "length", new Text("Length", "报文长度"), (data.Length - SwitchFrame.LengthBytes).ToString("D4", CultureInfo.InvariantCulture), new Text($"{data.Length - SwitchFrame.LengthBytes} bytes follow", $"后续 {data.Length - SwitchFrame.LengthBytes} 字节")));
        nodes.Add(Leaf(SwitchFrame.LengthBytes, "header", new Text("Message header", "报文头"), Convert.ToHexString(data.Span.Slice(SwitchFrame.LengthBytes, SwitchFrame.HeaderBytes)), new Text($"to {destination} from {source}", $"目的 {destination}，源 {source}")));
        return true;
    }

    private static Text MtiClass(Mti mti) => mti.Class switch
    {
        1 => new Text("authorisation", "授权"),
        2 => new Text("financial transaction", "金融交易"),
        3 => new Text("file transfer", "文件传送"),
        4 => new Text("reversal", "冲正"),
        5 => new Text("settlement", "结算"),
        6 => new Text("administration", "管理"),
        8 => new Text("network management", "网络管理"),
        _ => new Text("unknown message", "未知消息"),
    };

    private static Text Security(Dialect dialect, Field53 security)
    {
        var pin = security.PinFormat switch { '0' => new Text("no PIN", "无密码"), '1' => new Text("PIN block without the number", "密码不带主账号"), _ => new Text("PIN block with the number", "密码带主账号") };
        var algorithm = security.Algorithm switch
        {
            '0' => "DES",
            '6' => "3DES",
            '3' when dialect == Dialect.Pos => "SM4",
            '4' when dialect == Dialect.Switch => "SM4",
            _ => $"algorithm {security.Algorithm}",
        };
        return new Text($"{pin.En}, {algorithm}{(security.TrackEncrypted ? ", track encrypted" : "")}", $"{pin.Zh}，{algorithm}{(security.TrackEncrypted ? "，磁道加密" : "")}");
    }

    /// <summary>A field that is missing because it is never kept is not wrong.</summary>
    private static bool IsRedacted(ParseError wrong) => wrong.Got == "absent" && IsoFields.All.Any(row => row.Label == wrong.Field && row.Sensitive is Sensitive.Drop or Sensitive.Number);

    private static Text Wrong(ParseError wrong) => new($"{wrong.Field}: expected {wrong.Expected}, got {wrong.Got}", $"{wrong.Field} 域与报文要求不符");

    private static Text Money(long minor, string? currency)
    {
        var amount = string.Create(CultureInfo.InvariantCulture, $"{(minor < 0 ? "-" : "")}{Math.Abs(minor) / 100}.{Math.Abs(minor) % 100:D2}");
        return currency is null or "156" ? new Text($"{amount} CNY", $"{amount} 元") : new Text($"{minor} minor units of {currency}", $"币种 {currency}，最小单位 {minor}");
    }

    private static Text? Join(Text? first, Text? second) => first is null ? second : second is null ? first : new Text($"{first.En}, {second.En}", $"{first.Zh}，{second.Zh}");

    private static Text Both(string text) => new(text, text);

    private static string Masked(string digits) => digits.Contains('*') ? digits : AccountNumber.Mask(digits) is { Length: > 0 } masked ? masked : HiddenValue;

    private static DescribedNode Leaf(int offset, string label, Text name, string value, Text? meaning) => new(offset, label, name, value, meaning, []);
}
