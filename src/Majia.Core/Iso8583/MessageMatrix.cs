using System.Collections.Frozen;
using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>One row: a transaction, by which values it is known, and which fields its request and answer carry.</summary>
/// <param name="Transaction">Short name: <c>sale</c>.</param>
/// <param name="Mti">MTI of the request.</param>
/// <param name="ProcessingCode">F3, on the switch line its first digits; null when not looked at.</param>
/// <param name="Condition">F25, or null.</param>
/// <param name="Type">POS line: 60.1 of the request.</param>
/// <param name="Management">60.3 on the POS line, F70 on the switch line; null when any.</param>
/// <param name="Request">Field numbers; <c>c</c> behind one that need not be there.</param>
/// <param name="Answer">The same for the answer.</param>
public sealed record MatrixRow(Dialect Line, string Transaction, Text Name, Mti Mti, string? ProcessingCode, string? Condition, string? Type, string? Management, string Request, string Answer)
{
    internal Presence RequestFields { get; } = Presence.Parse(Request);

    internal Presence AnswerFields { get; } = Presence.Parse(Answer);
}

/// <summary>Fields that must be there and fields that may, as bitmaps (bit n−1 for field n).</summary>
internal readonly record struct Presence(UInt128 Mandatory, UInt128 Allowed)
{
    public static Presence Parse(string fields)
    {
        UInt128 mandatory = 0, allowed = 0;
        foreach (var word in fields.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var bit = UInt128.One << (int.Parse(word.TrimEnd('c'), NumberStyles.None, CultureInfo.InvariantCulture) - 1);
            allowed |= bit;
            mandatory |= word.EndsWith('c') ? 0 : bit;
        }

        return new Presence(mandatory, allowed);
    }
}

/// <summary>Which fields each message carries (protocols.md 6.3, 6.4; switch line 6.9 and decisions.md 7, 19, 20), as data.</summary>
/// <remarks>In an answer that is not an approval (F39) only 11, 39, 41, 42 and the MAC stay mandatory: who refuses early does not know the rest.</remarks>
public static class MessageMatrix
{
    private const string
        SaleRequest = "2c 3 4 11 14c 22 23c 25 26c 35c 36c 41 42 49 52c 53c 55c 59c 60 62c 64c",
        SaleAnswer = "2c 3 4 11 12 13 14c 15c 23c 25 32 37 38c 39 41 42 44 49 53c 54c 55c 60 62c 63c 64c",
        VoidRequest = "2c 3 4 11 14c 22 23c 25 26c 35c 36c 37 38c 41 42 49 52c 53c 55c 60 61 62c 64c",
        VoidAnswer = "2c 3 4 11 12 13 14c 15c 23c 25 32 37 38c 39 41 42 44 49 53c 60 63 64c",
        CompletionAnswer = "2c 3 4 11 12 13 14c 15c 23c 25 32 37 38c 39 41 42 44 49 53c 60 63c 64c",
        ReversalRequest = "2c 3 4 11 14c 22 23c 25 38c 39 41 42 49 55c 59c 60 62c 64c",
        VoidReversalRequest = "2c 3 4 11 14c 22 23c 25 38c 39 41 42 49 55c 60 61 64c",
        SwitchPayment = "2 3 4 7 11 12c 13c 14c 15c 18 19c 22 23c 25 26c 28c 32 33 35c 36c 37 38c 41 42 43c 48c 49 52c 53c 54c 55c 56c 57c 59c 60c 61c 62c 63c 100c 102c 103c 104c 121c 122c 123c 128",
        SwitchAnswer = "2 3 4 7 11 12c 13c 14c 15c 18c 19c 22c 23c 25c 28c 32 33 37 38c 39 41 42 43c 44c 48c 49 54c 55c 56c 57c 59c 60c 61c 62c 63c 90c 100c 102c 103c 104c 121c 122c 123c 128",
        SwitchVoid = SwitchPayment + " 90",
        SwitchAdvice = SwitchPayment + " 90c 39c";

    public static IReadOnlyList<MatrixRow> All { get; } =
    [
        // POS line: transaction, name, MTI, F3, F25, 60.1, 60.3, request, answer
        Pos("balance", "balance", "余额查询", 200, "310000", "00", "01", null, "2c 3 11 14c 22 23c 25 26c 35c 36c 41 42 49 52c 53c 55c 60 62c 64c", "2c 3 11 12 13 14c 23c 25 32 37 39 41 42 44 49 53c 54c 55c 60 62c 64c"),
        Pos("sale", "sale", "消费", 200, "000000", "00", "22", null, SaleRequest, SaleAnswer),
        Pos("void", "void", "消费撤销", 200, "200000", "00", "23", null, VoidRequest, VoidAnswer),
        Pos("refund", "refund", "退货", 220, "200000", "00", "25", null, "2c 3 4 11 14c 22 23c 25 26c 35c 36c 37 38c 41 42 49 52c 53c 55c 60 61 62c 63 64c", VoidAnswer),
        Pos("offline-refund", "refund of an offline approval", "脱机退货", 220, "200000", "00", "27", null, "2c 3 4 11 14c 22 23c 25 26c 35c 36c 37 38c 41 42 49 52c 53c 60 61 62c 63 64c", VoidAnswer),
        Pos("offline-upload", "upload of an offline approval", "脱机交易上送", 200, "000000", "00", "36", null, "2c 3 4 11 14c 22 23c 25 26c 35c 36c 41 42 49 52c 53c 55c 59c 60 63 64c", "2c 3 4 11 12 13 14c 15c 23c 25 32 37 39 41 42 44 49 55c 60 63 64c"),
        Pos("pre-authorisation", "pre-authorisation", "预授权", 100, "030000", "06", "10", null, SaleRequest, "2c 3 4 11 12 13 14c 15c 23c 25 32 37 38c 39 41 42 44 49 53c 54c 55c 60 63c 64c"),
        Pos("pre-authorisation-void", "pre-authorisation void", "预授权撤销", 100, "200000", "06", "11", null, "2c 3 4 11 14c 22 23c 25 26c 35c 36c 38 41 42 49 52c 53c 55c 60 61 62c 64", CompletionAnswer),
        Pos("completion", "pre-authorisation completion", "预授权完成（请求）", 200, "000000", "06", "20", null, "2c 3 4 11 14c 22 23c 25 26c 35c 36c 38c 41 42 49 52c 53c 55c 60 61 62c 64c", "2c 3 4 11 12 13 14c 15c 23c 25 32 37 38c 39 41 42 44 49 53c 54c 60 63c 64c"),
        Pos("completion-void", "completion void", "预授权完成撤销", 200, "200000", "06", "21", null, "2c 3 4 11 14c 22 23c 25 26c 35c 36c 37 38c 41 42 49 52c 53c 55c 60 61 62c 63c 64c", CompletionAnswer),
        Pos("completion-advice", "completion advice", "预授权完成（通知）", 220, "000000", "06", "24", null, "2c 3 4 11 14c 22 23c 25 26c 35c 36c 38c 41 42 49 53c 55c 60 61 63c 64c", CompletionAnswer),
        Pos("sale-reversal", "reversal of a sale", "消费冲正", 400, "000000", "00", "22", null, ReversalRequest, "2c 3 4 11 12 13 14c 15c 23c 25 32 37 39 41 42 44 49 55c 60 62c 64c"),
        Pos("void-reversal", "reversal of a void", "消费撤销冲正", 400, "200000", "00", "23", null, VoidReversalRequest, "2c 3 4 11 12 13 14c 15c 23c 25 32 37 39 41 42 44 49 60 61 64c"),
        Pos("pre-authorisation-reversal", "reversal of a pre-authorisation", "预授权冲正", 400, "030000", "06", "10", null, "2c 3 4 11 14c 22 23c 25 38c 39 41 42 49 55c 59c 60 64c", "2c 3 4 11 12 13 14c 15c 23c 25 32 37 39 41 42 49 53c 55c 60 64c"),
        Pos("pre-authorisation-void-reversal", "reversal of a pre-authorisation void", "预授权撤销冲正", 400, "200000", "06", "11", null, VoidReversalRequest, "2c 3 4 11 12 13 14c 15c 23c 25 32 37 39 41 42 49 60 64c"),
        Pos("completion-reversal", "reversal of a completion", "预授权完成冲正", 400, "000000", "06", "20", null, VoidReversalRequest, "2c 3 4 11 12 13 14c 15c 23c 25 32 37 39 41 42 49 60 64c"),
        Pos("completion-void-reversal", "reversal of a completion void", "预授权完成撤销冲正", 400, "200000", "06", "21", null, VoidReversalRequest, "2c 3 4 11 12 13 14c 15c 23c 25 32 37 39 41 42 49 60 64c"),
        Pos("settlement", "batch settlement", "批结算", 500, null, null, "00", "201", "11 41 42 48 49 60 63 64c", "11 12 13 15 32 37 39c 41 42 48 49 60 63 64c"),
        Pos("batch-upload-ic", "batch upload, chip item", "批上送（IC 卡明细）", 320, null, null, "00", "203", "2 4 11 22 23c 41 42 55c 60 62", "2 4 11 12 13 23c 32 37 39 41 42 60"),
        Pos("batch-upload", "batch upload, stripe items", "批上送（磁条卡明细）", 320, null, null, "00", "201", "11 41 42 48 60", "11 12 13 23c 32 37 39 41 42 48c 60"),
        Pos("settlement-end", "end of batch upload", "批上送结束", 320, null, null, "00", null, "11 41 42 48 60", "11 12 13 32 37 39 41 42 48c 60"),
        Pos("sign-on", "sign-on", "签到", 800, null, null, "00", "00x", "11 41 42 60 62c 63", "11 12 13 32 37 39 41 42 60 62"),
        Pos("sign-off", "sign-off", "签退", 820, null, null, "00", "002", "11 41 42 60", "11 12 13 32 37 39 41 42 60"),
        Pos("echo", "echo test", "回响测试", 820, null, null, "00", "301", "11c 41 42 60", "11c 12 13 39 41 42c 60"),
        Pos("status-upload", "status upload", "状态上送", 820, null, null, "00", "3xx", "41 42 60 62", "12 13 39 41 42c 60 62"),
        Pos("parameter-download", "parameter download", "参数下载", 800, null, null, "00", "3xx", "41 42 60 62c", "12 13 37 39 41 42 60 62"),
        Pos("script-result", "issuer script result", "脚本结果上送", 620, null, null, "00", "951", "2c 3 4c 11 22 23c 25 32 37 38c 41 42 49 55c 60 61 64", "2c 3 11 12 13 15c 23c 25 32 38c 39 41 42 49 55c 60 64c"),

        // Switch line: transaction, name, MTI, F3, F70, request, answer
        Switch("authorisation", "authorisation, or a token resolved", "授权、标记解析", 100, null, null, SwitchPayment + " 90c", SwitchAnswer),
        Switch("balance", "balance", "余额查询", 200, "3", null, SwitchPayment.Replace("3 4 7", "3 4c 7"), SwitchAnswer.Replace("3 4 7", "3 4c 7")),
        Switch("void", "void", "消费撤销", 200, "20", null, SwitchVoid, SwitchAnswer),
        Switch("payment", "payment", "消费", 200, null, null, SwitchPayment, SwitchAnswer),
        Switch("advice", "advice: refund, completion, offline sale", "通知（退货、预授权完成等）", 220, null, null, SwitchAdvice, SwitchAnswer),
        Switch("reversal", "reversal advice", "冲正通知", 420, null, null, "2 3 4 7 11 12c 13c 14c 15c 18c 19c 22c 23c 25c 28c 32 33 37 38c 39c 41 42 43c 48c 49c 54c 55c 56c 57c 59c 60c 61c 62c 63c 90 100c 102c 103c 104c 121c 122c 123c 128", "2 3 4 7 11 12c 13c 14c 15c 18c 19c 22c 23c 25c 28c 32 33 37c 38c 39 41 42 43c 44c 48c 49c 56c 60c 61c 63c 90c 100c 102c 103c 104c 121c 122c 123c 128"),
        Switch("reversal", "reversal advice, repeated", "重复冲正通知", 421, null, null, "2 3 4 7 11 12c 13c 14c 15c 18c 19c 22c 23c 25c 28c 32 33 37 38c 39c 41 42 43c 48c 49c 54c 55c 56c 57c 59c 60c 61c 62c 63c 90 100c 102c 103c 104c 121c 122c 123c 128", "2 3 4 7 11 12c 13c 14c 15c 18c 19c 22c 23c 25c 28c 32 33 37c 38c 39 41 42 43c 44c 48c 49c 56c 60c 61c 63c 90c 100c 102c 103c 104c 121c 122c 123c 128"),
        Switch("key-exchange", "key exchange", "密钥交换", 800, null, null, "7 11 33c 48c 53c 70 96c 100c 128c", "7 11 33c 39 48c 53c 70 96c 100c 128c"),
        Switch("management", "sign-on, sign-off, echo, cutover", "签到、签退、线路测试、日切", 820, null, null, "7 11 33c 48c 70 100c 128c", "7 11 33c 39 48c 70 100c 128c"),
    ];

    private static readonly FrozenDictionary<(Dialect, int), MatrixRow[]> ByMti =
        All.GroupBy(static row => (row.Line, row.Mti.Response.Value)).ToFrozenDictionary(static group => group.Key, static group => group.ToArray());

    /// <summary>Mandatory in every answer, whatever it says.</summary>
    private static readonly UInt128 AlwaysInAnswer = Presence.Parse("11 39 41 42 128").Mandatory;

    /// <summary>The row of a message, request or answer; null when there is none.</summary>
    public static MatrixRow? Find(Dialect dialect, IsoMessage message)
    {
        if (!ByMti.TryGetValue((dialect, message.Mti.Response.Value), out var rows))
        {
            return null;
        }

        var field60 = dialect == Dialect.Pos && Field60Pos.TryParse(message.Text(60), out var parsed, out _) ? parsed : null;
        var management = dialect == Dialect.Pos ? field60?.NetworkManagement : message.Text(70);
        foreach (var row in rows)
        {
            var fits = dialect == Dialect.Pos
                ? field60 is not null && row.Type == field60.Type && FitsManagement(row.Management, management)
                : (row.ProcessingCode is null || message.Text(3)?.StartsWith(row.ProcessingCode, StringComparison.Ordinal) == true) && (message.Mti.IsResponse || row.Mti == message.Mti);
            if (fits)
            {
                return row;
            }
        }

        return null;
    }

    /// <summary>Null when the message is a known one with all fields that it must have and none that it must not; else the first thing wrong.</summary>
    public static ParseError? Check(Dialect dialect, IsoMessage message)
    {
        var row = Find(dialect, message);
        if (row is null)
        {
            return ByMti.ContainsKey((dialect, message.Mti.Response.Value)) && dialect == Dialect.Pos
                ? new ParseError("F60", 0, $"a transaction of MTI {message.Mti} in 60.1 and 60.3", message.Has(60) ? "another one" : "absent")
                : new ParseError("MTI", 0, $"a message of the {dialect.Name} line", message.Mti.Digits);
        }

        if (dialect == Dialect.Pos)
        {
            // The three codes must tell the same story (protocols.md 6.3).
            if (row.ProcessingCode is not null && message.Has(3) && !message.Is(3, row.ProcessingCode))
            {
                return new ParseError("F3", 0, $"{row.ProcessingCode} ({row.Transaction})", message.Text(3)!);
            }

            if (row.Condition is not null && message.Has(25) && !message.Is(25, row.Condition))
            {
                return new ParseError("F25", 0, $"{row.Condition} ({row.Transaction})", message.Text(25)!);
            }
        }

        var presence = message.Mti.IsResponse ? row.AnswerFields : row.RequestFields;
        var (low, high) = message.Map;
        var there = new UInt128(high, low);
        var must = message.Mti.IsResponse && message.Text(39) is { } code && !new ResponseCode(code).IsAcceptance ? presence.Mandatory & AlwaysInAnswer : presence.Mandatory;
        var missing = must & ~there;
        var unexpected = there & ~presence.Allowed;
        if (missing == 0 && unexpected == 0)
        {
            return null;
        }

        var first = (int)UInt128.TrailingZeroCount(missing | unexpected) + 1;
        var label = "F" + first.ToString(CultureInfo.InvariantCulture);
        return ((missing >> (first - 1)) & 1) != 0
            ? new ParseError(label, 0, $"present in {message.Mti} {row.Transaction}", "absent")
            : new ParseError(label, 0, $"absent from {message.Mti} {row.Transaction}", "present");
    }

    /// <summary><c>x</c> stands for any digit; sign-on is 001, 003 or 004.</summary>
    private static bool FitsManagement(string? pattern, string? value)
    {
        if (pattern is null)
        {
            return true;
        }

        for (var i = 0; value is not null && i < pattern.Length; i++)
        {
            if (pattern[i] != 'x' && pattern[i] != value[i])
            {
                return false;
            }
        }

        return value is not null;
    }

    private static MatrixRow Pos(string transaction, string en, string zh, int mti, string? processing, string? condition, string type, string? management, string request, string answer) =>
        new(Dialect.Pos, transaction, new Text(en, zh), new Mti(mti), processing, condition, type, management, request, answer);

    private static MatrixRow Switch(string transaction, string en, string zh, int mti, string? processing, string? management, string request, string answer) =>
        new(Dialect.Switch, transaction, new Text(en, zh), new Mti(mti), processing, null, null, management, request, answer);
}
