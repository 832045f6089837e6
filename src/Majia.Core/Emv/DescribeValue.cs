using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Core.Emv;

/// <summary>Values into plain words, by the <see cref="Reading"/> column of the dictionary.</summary>
public static partial class Describe
{
    private static Text? Meaning(TagRow row, ReadOnlySpan<byte> value, Manner manner) => row.Reading switch
    {
        Reading.Digits => row.Tag == Tags.TokenRequestorId ? Same(Convert.ToHexString(value)[1..]) : null,
        Reading.Aid => AidDirectory.Find(value)?.Name,
        Reading.Ascii => Ascii(value),
        Reading.TrackTwo => TrackTwoMeaning(value),
        Reading.TagList => TagNames(value),
        Reading.Date => Date(value),
        Reading.Time => Time(value),
        Reading.Country => CodeTables.Meaning(CodeTables.Countries, Convert.ToHexString(value)),
        Reading.Currency => CodeTables.Meaning(CodeTables.Currencies, Convert.ToHexString(value)),
        Reading.Priority => Priority(value[0]),
        Reading.Number => value.Length <= 7 ? Number(BigEndian(value)) : null,
        Reading.Amount => AmountOf(value, manner.Currency),
        Reading.TransactionType => CodeTables.Meaning(CodeTables.TransactionTypes, Convert.ToHexString(value)),
        Reading.TerminalType => CodeTables.Meaning(CodeTables.TerminalTypes, Convert.ToHexString(value)),
        Reading.Capp => CodeTables.Meaning(CodeTables.CappIndicators, Convert.ToHexString(value)),
        Reading.LifeCycle => CodeTables.Meaning(CodeTables.LifeCycleStates, Convert.ToHexString(value[..1])),
        Reading.LogEntry => new Text($"file {value[0]}, {value[1]} records", $"文件 {value[0]}，共 {value[1]} 条记录"),
        Reading.YesNo => value[0] switch { 0 => new Text("no", "否"), 1 => new Text("yes", "是"), _ => null },
        Reading.Product => Ascii(value[..8]),
        _ => null,
    };

    private static IReadOnlyList<DescribedNode> Parts(TagRow row, ReadOnlySpan<byte> value, int offset, Manner manner) => row.Reading switch
    {
        Reading.Bits when BitTables.Of(row.Tag) is { } table => Bits(table, value, offset),
        Reading.TvrMask => Bits(BitTables.TerminalVerificationResults, value, offset),
        Reading.Dol when Dol.TryParse(value, out var entries, out _) => DolEntries(entries, offset),
        Reading.Afl => AflParts(value, offset),
        Reading.Iad => IadParts(value, offset),
        Reading.CvmList => CvmListParts(value, offset),
        Reading.IssuerAuthentication when value.Length == 10 =>
        [
            new DescribedNode(offset, "ARPC", new Text("authorisation response cryptogram", "授权响应密文"), Convert.ToHexString(value[..8]), null, None),
            new DescribedNode(offset + 8, "ARC", new Text("authorisation response code", "授权响应代码"), Convert.ToHexString(value[8..]), Ascii(value[8..]), None),
        ],
        Reading.Command when TryCommand(value, manner.Reveal, out var command, out _) => [Shift(command, offset)],
        _ => None,
    };

    private static string Masked(TagRow row, ReadOnlySpan<byte> value)
    {
        var hex = Convert.ToHexString(value);
        switch (row.Reading)
        {
            case Reading.TrackTwo:
                return MaskTrackTwo(hex);
            case Reading.Digits:
                var digits = hex.TrimEnd('F');
                var masked = digits.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0 ? AccountNumber.Mask(digits) : string.Empty;
                return masked.Length > 0 ? masked : new string('*', hex.Length);
            case Reading.Ascii when value.IndexOfAnyExcept((byte)' ', (byte)'/') < 0:
                return hex; // an empty name
            default:
                return new string('*', hex.Length);
        }
    }

    /// <summary>First six, last four, expiry and service code stay; all that does not look like a track becomes stars.</summary>
    private static string MaskTrackTwo(string hex)
    {
        var separator = hex.IndexOf('D', StringComparison.Ordinal);
        var rest = separator < 0 ? string.Empty : hex[(separator + 1)..].TrimEnd('F');
        if (separator is < 13 or > AccountNumber.MaxLength || rest.Length < 7 || rest.AsSpan().IndexOfAnyExceptInRange('0', '9') >= 0 || hex.AsSpan(0, separator).IndexOfAnyExceptInRange('0', '9') >= 0)
        {
            return new string('*', hex.Length);
        }

        return $"{AccountNumber.Mask(hex[..separator])}D{rest[..7]}{new string('*', hex.Length - separator - 8)}";
    }

    private static Text? TrackTwoMeaning(ReadOnlySpan<byte> value)
    {
        var hex = Convert.ToHexString(value);
        var separator = hex.IndexOf('D', StringComparison.Ordinal);
        var rest = separator < 0 ? [] : hex.AsSpan(separator + 1);
        if (rest.Length < 7 || rest[..7].IndexOfAnyExceptInRange('0', '9') >= 0)
        {
            return null;
        }

        return new Text($"number of {separator} digits, valid to 20{rest[..2]}-{rest[2..4]}, service code {rest[4..7]}", $"{separator} 位卡号，有效期至 20{rest[..2]} 年 {rest[2..4]} 月，服务码 {rest[4..7]}");
    }

    private static Text? Ascii(ReadOnlySpan<byte> value)
    {
        foreach (var one in value)
        {
            if (one is < 0x20 or > 0x7E)
            {
                return null;
            }
        }

        return value.IsEmpty ? null : Same($"\"{Encoding.ASCII.GetString(value)}\"");
    }

    private static Text? TagNames(ReadOnlySpan<byte> value)
    {
        var names = new List<string>();
        for (var at = 0; at < value.Length;)
        {
            int tag = value[at++];
            for (var more = (tag & 0x1F) == 0x1F; more;)
            {
                if (at == value.Length || tag > 0xFFFF)
                {
                    return null;
                }

                more = (value[at] & 0x80) != 0;
                tag = (tag << 8) | value[at++];
            }

            names.Add(new Tag(tag).ToString());
        }

        return Same(string.Join(' ', names));
    }

    private static Text? Date(ReadOnlySpan<byte> value)
    {
        var hex = Convert.ToHexString(value);
        return DateOnly.TryParseExact("20" + hex, "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            ? new Text(date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"{date.Year} 年 {date.Month} 月 {date.Day} 日"))
            : new Text("not a date", "不是日期");
    }

    private static Text? Time(ReadOnlySpan<byte> value)
    {
        var hex = Convert.ToHexString(value);
        return TimeOnly.TryParseExact(hex, "HHmmss", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)
            ? Same(time.ToString("HH:mm:ss", CultureInfo.InvariantCulture))
            : new Text("not a time", "不是时间");
    }

    private static Text? AmountOf(ReadOnlySpan<byte> value, string? currency)
    {
        var digits = Convert.ToHexString(value);
        if (digits.AsSpan().IndexOfAnyExceptInRange('0', '9') >= 0)
        {
            return new Text("not a decimal amount", "不是十进制金额");
        }

        // ISO 4217: yen and won have no minor unit.
        var minor = long.Parse(digits, CultureInfo.InvariantCulture);
        var name = currency is null ? null : CodeTables.Meaning(CodeTables.Currencies, currency);
        var text = currency is "0392" or "0410" ? minor.ToString(CultureInfo.InvariantCulture) : new Amount(minor, Currency.Cny).ToString();
        return name is null ? Same(text) : new Text($"{name.En} {text}", currency == "0156" ? $"人民币 {text} 元" : $"{name.Zh} {text}");
    }

    private static Text Priority(byte value)
    {
        var confirm = (value & 0x80) != 0;
        var order = value & 0x0F;
        return order == 0
            ? new Text(confirm ? "no priority, after the holder's confirmation" : "no priority", confirm ? "无优先级，须持卡人确认" : "无优先级")
            : new Text($"priority {order}{(confirm ? ", after the holder's confirmation" : "")}", $"优先级 {order}{(confirm ? "，须持卡人确认" : "")}");
    }

    private static long BigEndian(ReadOnlySpan<byte> value)
    {
        long number = 0;
        foreach (var one in value)
        {
            number = (number << 8) | one;
        }

        return number;
    }

    private static List<DescribedNode> AflParts(ReadOnlySpan<byte> value, int offset)
    {
        var nodes = new List<DescribedNode>();
        for (var at = 0; at + 4 <= value.Length; at += 4)
        {
            var (file, first, last, signed) = (value[at] >> 3, value[at + 1], value[at + 2], value[at + 3]);
            nodes.Add(new DescribedNode(
                offset + at,
                $"SFI {file}",
                new Text("records to read", "待读记录"),
                Convert.ToHexString(value.Slice(at, 4)),
                new Text($"file {file}, records {first} to {last}, {signed} of them under offline authentication", $"文件 {file}，记录 {first} 至 {last}，其中 {signed} 条参与脱机数据认证"),
                None));
        }

        return nodes;
    }

    private static List<DescribedNode> IadParts(ReadOnlySpan<byte> value, int offset)
    {
        var nodes = new List<DescribedNode>();
        if (value.Length < IssuerApplicationData.BaseLength || value[0] != 7 || value[IssuerApplicationData.CvrOffset] != 3)
        {
            return nodes;
        }

        var cvr = value.Slice(IssuerApplicationData.CvrOffset, CardVerificationResults.Length);
        nodes.Add(new DescribedNode(offset + 1, "DKI", new Text("derivation key index", "分散密钥索引"), Hex(value[1]), null, None));
        nodes.Add(new DescribedNode(offset + 2, "CVN", new Text("cryptogram version", "密文版本号"), Hex(value[2]), value[2] switch
        {
            (byte)CryptogramVersion.Full => new Text("01: over all transaction data", "01：完整交易数据"),
            (byte)CryptogramVersion.Reduced => new Text("17: over reduced data", "17：精简数据"),
            _ => null,
        }, None));
        nodes.Add(new DescribedNode(offset + 3, "CVR", BitTables.CardVerificationResults.Name, Convert.ToHexString(cvr), null, Bits(BitTables.CardVerificationResults, cvr, offset + 3)));
        nodes.Add(new DescribedNode(offset + 7, "ALG", new Text("algorithm", "算法标识"), Hex(value[7]), value[7] switch { 1 => Same("3DES"), 4 => Same("SM4"), _ => null }, None));
        if (value.Length > IssuerApplicationData.BaseLength + 5 && value[8] == value.Length - 9)
        {
            var balance = value[9] == 1 && value.Length == 19 ? AmountOf([0, .. value[10..15]], "0156") : null;
            nodes.Add(new DescribedNode(offset + 9, "IDD", new Text("issuer discretionary data", "发卡机构自定义数据"), Convert.ToHexString(value[9..]), null,
            [
                new DescribedNode(offset + 9, "ID", new Text("kind of data", "数据标识"), Hex(value[9]), value[9] == 1 ? new Text("electronic cash balance", "电子现金余额") : null, None),
                new DescribedNode(offset + 10, "DATA", new Text("value", "数据值"), Convert.ToHexString(value[10..^4]), balance, None),
                new DescribedNode(offset + value.Length - 4, "MAC", new Text("message authentication code", "报文鉴别码"), Convert.ToHexString(value[^4..]), null, None),
            ]));
        }

        return nodes;
    }

    private static List<DescribedNode> CvmListParts(ReadOnlySpan<byte> value, int offset)
    {
        var nodes = new List<DescribedNode>
        {
            new(offset, "X", new Text("amount X", "金额 X"), Convert.ToHexString(value[..4]), Number(BinaryPrimitives.ReadUInt32BigEndian(value)), None),
            new(offset + 4, "Y", new Text("amount Y", "金额 Y"), Convert.ToHexString(value[4..8]), Number(BinaryPrimitives.ReadUInt32BigEndian(value[4..])), None),
        };
        Span<byte> rule = stackalloc byte[3];
        for (var at = 8; at + 2 <= value.Length; at += 2)
        {
            value.Slice(at, 2).CopyTo(rule);
            var parts = new List<DescribedNode>();
            foreach (var part in Bits(BitTables.CvmResults, rule, offset + at))
            {
                if (!part.Label.StartsWith("B3", StringComparison.Ordinal))
                {
                    parts.Add(part);
                }
            }

            nodes.Add(new DescribedNode(offset + at, $"CVM {(at - 6) / 2}", new Text("verification rule", "验证规则"), Convert.ToHexString(value.Slice(at, 2)), null, parts));
        }

        return nodes;
    }

    private static DescribedNode Shift(DescribedNode node, int by)
    {
        var children = new List<DescribedNode>(node.Children.Count);
        foreach (var child in node.Children)
        {
            children.Add(Shift(child, by));
        }

        return node with { Offset = node.Offset + by, Children = children };
    }

    private static string Hex(byte value) => value.ToString("X2", CultureInfo.InvariantCulture);
}
