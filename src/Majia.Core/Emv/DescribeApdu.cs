using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Core.Emv;

/// <summary>Command and response APDUs into trees.</summary>
public static partial class Describe
{
    /// <summary>The PDOL of our payment application, in the order of the cards seen (protocols.md 2.3): recognised by its 33 bytes when no other is given.</summary>
    public static readonly IReadOnlyList<Dol.Entry> UsualPdol =
    [
        new(Tags.TerminalTransactionQualifiers, 4),
        new(Tags.AmountAuthorised, 6),
        new(Tags.AmountOther, 6),
        new(Tags.TerminalCountryCode, 2),
        new(Tags.TerminalVerificationResults, 5),
        new(Tags.TransactionCurrencyCode, 2),
        new(Tags.TransactionDate, 3),
        new(Tags.TransactionType, 1),
        new(Tags.UnpredictableNumber, 4),
    ];

    /// <summary>A command or a response: a known class and instruction make a command, a status word at the end a response.</summary>
    public static bool TryApdu(ReadOnlySpan<byte> bytes, bool reveal, [NotNullWhen(true)] out DescribedNode? node, out ParseError error)
    {
        if (bytes.Length >= CommandApdu.HeaderLength && Instructions.Find(bytes[0], bytes[1]) is not null)
        {
            return TryCommand(bytes, reveal, out node, out error);
        }

        if (bytes.Length >= 2 && LooksLikeStatus(bytes[^2], bytes[^1]))
        {
            return TryResponse(bytes, reveal, null, out node, out error);
        }

        if (CommandApdu.TryParse(bytes, out _, out error))
        {
            return TryCommand(bytes, reveal, out node, out error);
        }

        node = null;
        error = bytes.Length < 2
            ? new ParseError("APDU", bytes.Length, "a command from 4 bytes or an answer from 2", $"{bytes.Length} bytes")
            : new ParseError("APDU", bytes.Length - 2, "a command, or an answer that ends in a status word", Convert.ToHexString(bytes[^2..]));
        return false;
    }

    /// <param name="pdol">What the card asked for, so that the data of GET PROCESSING OPTIONS can be told apart; null: <see cref="UsualPdol"/>.</param>
    public static bool TryCommand(ReadOnlySpan<byte> bytes, bool reveal, [NotNullWhen(true)] out DescribedNode? node, out ParseError error, IReadOnlyList<Dol.Entry>? pdol = null)
    {
        node = null;
        if (!CommandApdu.TryParse(bytes, out var command, out error))
        {
            return false;
        }

        var row = Instructions.Find(command.Cla, command.Ins);
        var children = new List<DescribedNode>
        {
            new(0, "CLA", new Text("class", "类别"), Hex(command.Cla), ClassMeaning(command.Cla), None),
            new(1, "INS", new Text("instruction", "指令"), Hex(command.Ins), row is null ? null : Same(row.Name), None),
            new(2, "P1 P2", new Text("parameters", "参数"), Hex(command.P1) + Hex(command.P2), row is null ? null : Parameters(row.Instruction, command), None),
        };
        if (!command.Data.IsEmpty)
        {
            var lcLength = bytes[4] == 0 ? 3 : 1;
            var dataOffset = CommandApdu.HeaderLength + lcLength;
            children.Add(new DescribedNode(4, "Lc", new Text("length of the data", "数据长度"), Convert.ToHexString(bytes.Slice(4, lcLength)), Number(command.Data.Length), None));
            children.Add(CommandData(row, command, dataOffset, reveal, pdol ?? UsualPdol));
        }

        if (command.Le is { } le)
        {
            var leLength = bytes.Length - CommandApdu.HeaderLength - (command.Data.IsEmpty ? 0 : (bytes[4] == 0 ? 3 : 1) + command.Data.Length);
            var meaning = le is 256 or 65536 ? new Text("all there is", "全部可用数据") : Count(le);
            children.Add(new DescribedNode(bytes.Length - leLength, "Le", new Text("length expected", "期望长度"), Convert.ToHexString(bytes[^leLength..]), meaning, None));
        }

        node = new DescribedNode(0, "C-APDU", Same(CommandName(row, command)), string.Empty, row?.Meaning, children);
        return true;
    }

    /// <param name="command">What was asked, when it is known: an answer alone does not say whether it is BER-TLV.</param>
    public static bool TryResponse(ReadOnlySpan<byte> bytes, bool reveal, CommandApdu? command, [NotNullWhen(true)] out DescribedNode? node, out ParseError error)
    {
        node = null;
        if (!ResponseApdu.TryParse(bytes.ToArray(), out var response, out error))
        {
            return false;
        }

        var children = new List<DescribedNode>();
        var data = response.Data.Span;
        if (!data.IsEmpty)
        {
            var secured = command is not null && Instructions.IsSecured(command.Cla);
            if (!secured && command is { } asked && Instructions.Find(asked.Cla, asked.Ins)?.Instruction is Instruction.InitializeUpdate && data.Length is 29 or 32)
            {
                children.Add(new DescribedNode(0, "data", new Text("answer", "响应数据"), string.Empty, Count(data.Length), InitializeUpdateAnswer(data)));
            }
            else if (!secured && BerTlv.TryCheck(data, out var fault))
            {
                children.Add(new DescribedNode(0, "data", new Text("answer", "响应数据"), string.Empty, Count(data.Length), Tlv(data, 0, reveal)));
            }
            else if (!secured && data[0] is Tags.FciTemplate or Tags.RecordTemplate or Tags.ResponseFormat2)
            {
                BerTlv.TryCheck(data, out error);
                return false;
            }
            else
            {
                children.Add(new DescribedNode(0, "data", new Text("answer", "响应数据"), Convert.ToHexString(data), secured ? Protected : Count(data.Length), None));
            }
        }

        children.Add(new DescribedNode(data.Length, "SW", new Text("status word", "状态字"), response.Status.ToString(), StatusWords.Meaning(response.Status), None));
        node = new DescribedNode(0, "R-APDU", new Text("answer", "响应"), response.Status.ToString(), StatusWords.Meaning(response.Status), children);
        return true;
    }

    private static readonly Text Protected = new("protected by the secure channel", "受安全通道保护");

    private static bool LooksLikeStatus(byte sw1, byte sw2) => (sw1 is >= 0x61 and <= 0x6F) || (sw1 == 0x90 && sw2 == 0) || sw1 == 0x94;

    private static Text ClassMeaning(byte cla)
    {
        var proprietary = (cla & 0x80) != 0;
        var secured = Instructions.IsSecured(cla);
        return new Text(
            (proprietary ? "EMV or GlobalPlatform" : "interindustry") + (secured ? ", secure messaging" : ""),
            (proprietary ? "EMV 或 GlobalPlatform" : "行业间") + (secured ? "，安全报文" : ""));
    }

    private static string CommandName(InstructionRow? row, CommandApdu command) => row switch
    {
        null => string.Create(CultureInfo.InvariantCulture, $"INS {command.Ins:X2}"),
        { Instruction: Instruction.GetData, Proprietary: true } when (command.P1, command.P2) is (0, 1) => "GET STATE",
        { Instruction: Instruction.GetData, Proprietary: true } when (command.P1, command.P2) is (0, 2) => "GET LAST",
        _ => row.Name,
    };

    private static Text? Parameters(Instruction instruction, CommandApdu command)
    {
        var (p1, p2) = (command.P1, command.P2);
        switch (instruction)
        {
            case Instruction.Select:
                return (p1, p2) switch
                {
                    (4, 0) => new Text("by name, first or only occurrence", "按名称选择，首个或唯一匹配"),
                    (4, 2) => new Text("by name, next occurrence", "按名称选择，下一个匹配"),
                    _ => null,
                };
            case Instruction.ReadRecord or Instruction.UpdateRecord:
                return new Text($"record {p1} of file {p2 >> 3}", $"文件 {p2 >> 3} 的记录 {p1}");
            case Instruction.GetData or Instruction.PutData:
                return (p1, p2) switch
                {
                    (0, 1) => new Text("purge epoch and number of live payment cards", "作废序号和有效支付卡数"),
                    (0, 2) => new Text("the last payment", "上一笔支付"),
                    _ => TagDictionary.Find(TagOf(command))?.Name,
                };
            case Instruction.GenerateAc:
                return (p1 >> 6) switch { 0 => Same("AAC"), 1 => Same("TC"), 2 => Same("ARQC"), _ => null };
            case Instruction.InitializeUpdate:
                return new Text($"key version {p1:X2}", $"密钥版本 {p1:X2}");
            case Instruction.ExternalAuthenticate:
                return CodeTables.Meaning(CodeTables.SecurityLevels, Hex(p1));
            case Instruction.Install:
                return CodeTables.Meaning(CodeTables.InstallPurposes, Hex(p1));
            case Instruction.StoreData or Instruction.Load:
                return (p1 & 0x80) != 0 ? new Text($"block {p2}, the last", $"数据块 {p2}，末块") : new Text($"block {p2}, more follow", $"数据块 {p2}，后续还有");
            case Instruction.PutKey:
                return p1 == 0 ? new Text("new key version", "新增密钥版本") : new Text($"replaces key version {p1:X2}", $"替换密钥版本 {p1:X2}");
            case Instruction.Delete:
                return (p2 & 0x80) != 0 ? new Text("with related objects", "连同相关对象") : new Text("the object alone", "仅删除该对象");
            case Instruction.GetStatus:
                return p1 switch
                {
                    0x80 => new Text("issuer security domain", "主安全域"),
                    0x40 => new Text("applications and security domains", "应用和安全域"),
                    0x20 => new Text("load files", "装载文件"),
                    0x10 => new Text("load files and modules", "装载文件及模块"),
                    _ => null,
                };
            case Instruction.SetStatus:
                return p1 switch
                {
                    0x80 => new Text($"chip to state {p2:X2}", $"芯片置为状态 {p2:X2}"),
                    0x40 => new Text($"application to state {p2:X2}", $"应用置为状态 {p2:X2}"),
                    0x01 => p2 == 1 ? new Text("activate on the contactless interface", "激活非接触界面") : new Text("deactivate on the contactless interface", "停用非接触界面"),
                    0x02 => new Text("change priority", "调整优先级"),
                    _ => null,
                };
            default:
                return null;
        }
    }

    private static Tag TagOf(CommandApdu command) => new(command.P1 == 0 ? command.P2 : (command.P1 << 8) | command.P2);

    private static DescribedNode CommandData(InstructionRow? row, CommandApdu command, int offset, bool reveal, IReadOnlyList<Dol.Entry> pdol)
    {
        var data = command.Data.Span;
        var name = new Text("data", "数据");
        var secured = Instructions.IsSecured(command.Cla);

        // EXTERNAL AUTHENTICATE of GlobalPlatform carries a MAC, but its data is not encrypted.
        if (row is null || (secured && row.Instruction is not Instruction.ExternalAuthenticate and not Instruction.PutData))
        {
            return new DescribedNode(offset, "data", name, Convert.ToHexString(data), row is null ? Count(data.Length) : Protected, None);
        }

        if (row.Instruction is Instruction.Verify or Instruction.PinChange && !reveal)
        {
            return new DescribedNode(offset, "data", name, Stars(data.Length), new Text("PIN data", "PIN 数据"), None);
        }

        var parts = row.Instruction switch
        {
            Instruction.Select => [Part("AID", new Text("application identifier", "应用标识符"), data, offset, AidDirectory.Find(data)?.Name)],
            Instruction.GetProcessingOptions => ProcessingOptions(data, offset, reveal, pdol),
            Instruction.InitializeUpdate => [Part("challenge", new Text("host challenge", "主机随机数"), data, offset)],
            Instruction.ExternalAuthenticate when data.Length == 16 =>
            [
                Part("cryptogram", new Text("host cryptogram", "主机密文"), data[..8], offset),
                Part("C-MAC", new Text("command MAC", "命令 MAC"), data[8..], offset + 8),
            ],
            Instruction.IssuerAuthenticate when data.Length == 10 => [Element(Tags.IssuerAuthenticationData, data, offset, reveal)],
            Instruction.Install => InstallFields(command, offset),
            Instruction.StoreData => Groupings(data, offset, reveal),
            Instruction.PutKey => KeyFields(data, offset, reveal),
            Instruction.Delete or Instruction.GetStatus or Instruction.UpdateRecord when BerTlv.TryCheck(data, out _) => Tlv(data, offset, reveal),
            Instruction.SetStatus => [Part("AID", new Text("application identifier", "应用标识符"), data, offset, AidDirectory.Find(data)?.Name)],
            Instruction.PutData => [Element(TagOf(command), data, offset, reveal)],
            Instruction.BindingAuthorise when data.Length > 16 =>
            [
                Part("MAC", new Text("MAC under the binding key", "绑定密钥 MAC"), data[..16], offset),
                Part("AID", new Text("payment card allowed", "被授权的支付卡"), data[16..], offset + 16, AidDirectory.Find(data[16..])?.Name),
            ],
            Instruction.BindingPurge when data.Length == 16 => [Part("MAC", new Text("MAC under the binding key", "绑定密钥 MAC"), data, offset)],
            _ => None,
        };
        var shown = parts.Count > 0 ? string.Empty : row.Instruction is Instruction.StoreData or Instruction.PutKey or Instruction.UpdateRecord && !reveal ? Stars(data.Length) : Convert.ToHexString(data);
        return new DescribedNode(offset, "data", name, shown, Count(data.Length), parts);
    }

    private static DescribedNode Part(string label, Text name, ReadOnlySpan<byte> value, int offset, Text? meaning = null) =>
        new(offset, label, name, Convert.ToHexString(value), meaning, None);

    private static IReadOnlyList<DescribedNode> ProcessingOptions(ReadOnlySpan<byte> data, int offset, bool reveal, IReadOnlyList<Dol.Entry> pdol)
    {
        if (!BerTlv.TryRead(data, out var tag, out var value, out var consumed, out _) || tag != Tags.CommandTemplate || consumed != data.Length)
        {
            return None;
        }

        var elements = DolData(pdol, value, offset + consumed - value.Length, reveal);
        var meaning = elements is null ? Count(value.Length) : new Text("the data the card asked for in its PDOL", "卡片在 PDOL 中要求的数据");
        return [new DescribedNode(offset, "83", TagDictionary.Find(tag)!.Name, elements is null ? Convert.ToHexString(value) : string.Empty, meaning, elements ?? None)];
    }

    private static readonly IReadOnlyList<Text> InstallNames =
    [
        new("package", "装载文件"),
        new("module", "模块"),
        new("application instance", "应用实例"),
        new("privileges", "权限"),
        new("parameters", "参数"),
        new("token", "令牌"),
    ];

    private static readonly IReadOnlyList<Text> LoadNames =
    [
        new("package", "装载文件"),
        new("security domain", "安全域"),
        new("hash", "哈希值"),
        new("parameters", "参数"),
        new("token", "令牌"),
    ];

    private static IReadOnlyList<DescribedNode> InstallFields(CommandApdu command, int offset)
    {
        // GlobalPlatform Card Specification §11.5.2.3: length-value fields, which ones depends on P1.
        var names = command.P1 == 0x02 ? LoadNames : InstallNames;
        var data = command.Data.Span;
        var nodes = new List<DescribedNode>();
        for (var at = 0; at < data.Length;)
        {
            int length = data[at];
            if (nodes.Count == names.Count || data.Length - at - 1 < length)
            {
                return None;
            }

            var value = data.Slice(at + 1, length);
            var isParameters = names[nodes.Count].En == "parameters" && length > 0 && BerTlv.TryCheck(value, out _);
            var label = nodes.Count.ToString(CultureInfo.InvariantCulture);
            nodes.Add(isParameters
                ? new DescribedNode(offset + at, label, names[nodes.Count], string.Empty, Count(length), Tlv(value, offset + at + 1, reveal: false))
                : new DescribedNode(offset + at, label, names[nodes.Count], Convert.ToHexString(value), AidDirectory.Find(value)?.Name, None));
            at += 1 + length;
        }

        return nodes;
    }

    private static IReadOnlyList<DescribedNode> Groupings(ReadOnlySpan<byte> data, int offset, bool reveal)
    {
        var nodes = new List<DescribedNode>();
        for (var at = 0; at < data.Length;)
        {
            if (!DataGrouping.TryRead(data[at..], out var group, out _))
            {
                return None;
            }

            var value = group.Value;
            var valueOffset = offset + at + group.Consumed - value.Length;
            var label = group.Id.ToString("X4", CultureInfo.InvariantCulture);
            var name = CodeTables.Meaning(CodeTables.DataGroupings, label) ?? new Text($"record {group.Id & 0xFF} of file {group.Id >> 8}", $"文件 {group.Id >> 8} 的记录 {group.Id & 0xFF}");
            var readable = group.IsTlv && BerTlv.TryCheck(value, out _);
            var shown = readable ? string.Empty : (group.IsSecret || group.IsTlv) && !reveal ? Stars(value.Length) : Convert.ToHexString(value);
            nodes.Add(new DescribedNode(offset + at, label, name, shown, Count(value.Length), readable ? Tlv(value, valueOffset, reveal) : None));
            at += group.Consumed;
        }

        return nodes;
    }

    private static IReadOnlyList<DescribedNode> KeyFields(ReadOnlySpan<byte> data, int offset, bool reveal)
    {
        // GlobalPlatform Card Specification §11.8.2.3: version, then type, length, key, check value length, check value.
        var nodes = new List<DescribedNode> { Part("version", new Text("new key version", "新密钥版本"), data[..1], offset) };
        for (var at = 1; at < data.Length;)
        {
            var rest = data[at..];
            if (rest.Length < 3 || rest.Length < 3 + rest[1] || rest.Length < 3 + rest[1] + rest[2 + rest[1]])
            {
                return None;
            }

            int length = rest[1], check = rest[2 + length];
            var key = rest.Slice(2, length);
            nodes.Add(new DescribedNode(offset + at, $"key {nodes.Count}", new Text("encrypted key", "加密的密钥"), reveal ? Convert.ToHexString(key) : Stars(length), rest[0] switch { 0x88 => Same("AES"), 0x80 or 0x82 => Same("3DES"), _ => null },
                [Part("KCV", new Text("key check value", "密钥校验值"), rest.Slice(3 + length, check), offset + at + 3 + length)]));
            at += 3 + length + check;
        }

        return nodes;
    }

    private static List<DescribedNode> InitializeUpdateAnswer(ReadOnlySpan<byte> data)
    {
        // GlobalPlatform amendment D §7.1.1.6.
        var nodes = new List<DescribedNode>
        {
            Part("diversification", new Text("key diversification data", "密钥分散数据"), data[..10], 0),
            Part("key version", new Text("key version", "密钥版本"), data.Slice(10, 1), 10),
            Part("protocol", new Text("secure channel protocol", "安全通道协议"), data.Slice(11, 1), 11),
            Part("i", new Text("protocol options", "协议选项"), data.Slice(12, 1), 12),
            Part("challenge", new Text("card challenge", "卡片随机数"), data.Slice(13, 8), 13),
            Part("cryptogram", new Text("card cryptogram", "卡片密文"), data.Slice(21, 8), 21),
        };
        if (data.Length == 32)
        {
            nodes.Add(Part("sequence", new Text("sequence counter", "序列计数器"), data[29..], 29));
        }

        return nodes;
    }
}
