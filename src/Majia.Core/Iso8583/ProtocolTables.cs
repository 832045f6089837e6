using System.Globalization;
using System.Text;

namespace Majia.Core.Iso8583;

/// <summary>The tables of this room as documents (docs/protocols), made from what the code uses.</summary>
public static class ProtocolTables
{
    private const string Made = "\n<!-- Made from the tables in src/Majia.Core/Iso8583; a test compares. Write again with MAJIA_WRITE_DOCS=1. -->\n\n";

    /// <summary>docs/protocols/iso8583-fields.md.</summary>
    public static string IsoFields()
    {
        var text = new StringBuilder("# ISO 8583 fields · 报文域\n").Append(Made)
            .Append("POS line: digits packed two to a byte, 64-bit bitmap. Switch line: characters, 128-bit bitmap. A length counts digits, characters or bytes. ")
            .Append("*Kept* says what log, trace and store may hold of a field.\n\n")
            .Append("| field | name | 名称 | POS line | switch line | odd digits | kept |\n|---|---|---|---|---|---|---|\n");
        foreach (var row in Iso8583.IsoFields.All)
        {
            var odd = row.Pos is { Content: Content.N or Content.Z } pos && (pos.Length != LengthKind.Fixed || pos.Max % 2 == 1) ? row.Justify == Justify.Left ? "0 behind" : "0 in front" : "";
            var kept = row.Sensitive switch { Sensitive.No => "yes", Sensitive.Number => "a token; a PAN masked or dropped", Sensitive.CardData => "without numbers and tracks", _ => "never" };
            text.Append(CultureInfo.InvariantCulture, $"| {row.Number} | {row.Name.En} | {row.Name.Zh} | {Shape(row.Pos)} | {Shape(row.Switch)} | {odd} | {kept} |\n");
        }

        return text.ToString();
    }

    /// <summary>docs/protocols/message-matrix.md.</summary>
    public static string Matrix()
    {
        var text = new StringBuilder("# Message matrix · 报文矩阵\n").Append(Made)
            .Append("`c` behind a field: it need not be there. In an answer that declines only 11, 39, 41, 42 and the MAC stay mandatory.\n");
        foreach (var line in (Dialect[])[Dialect.Pos, Dialect.Switch])
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## {(line == Dialect.Pos ? "POS line · 终端线" : "Switch line · 转接线")}\n\n");
            text.Append("| transaction | 交易 | MTI | F3 | F25 | " + (line == Dialect.Pos ? "60.1 | 60.3" : "F70") + " | request | answer |\n|---|---|---|---|---|---|" + (line == Dialect.Pos ? "---|" : "") + "---|---|\n");
            foreach (var row in MessageMatrix.All.Where(row => row.Line == line))
            {
                var keys = line == Dialect.Pos ? $"{row.Type} | {row.Management ?? "any"}" : row.Management ?? "";
                var processing = row.ProcessingCode?.PadRight(6, 'x');
                text.Append(CultureInfo.InvariantCulture, $"| {row.Name.En} | {row.Name.Zh} | {row.Mti}/{row.Mti.Response} | {processing} | {row.Condition} | {keys} | {Sorted(row.Request)} | {Sorted(row.Answer)} |\n");
            }
        }

        return text.ToString();
    }

    /// <summary>docs/protocols/response-codes.md.</summary>
    public static string Codes()
    {
        var text = new StringBuilder("# Response codes, F39 · 应答码\n").Append(Made)
            .Append("| code | English | 中文 | class | the terminal |\n|---|---|---|---|---|\n");
        foreach (var row in ResponseCodes.All)
        {
            var group = row.Class switch { ResponseClass.Approve => "approve", ResponseClass.Accepted => "accept (advice)", ResponseClass.PickUp => "pick up", _ => "decline" };
            var action = row.Action switch
            {
                TerminalAction.Complete => "completes",
                TerminalAction.Refer => "declines; call the issuer",
                TerminalAction.KeepCard => "declines; a plastic card is kept",
                TerminalAction.AskPinAgain => "asks for the PIN again",
                TerminalAction.UseChip => "asks to insert the card",
                TerminalAction.SignOnAgain => "signs on again",
                TerminalAction.TryLater => "declines; may be repeated later",
                _ => "declines",
            };
            text.Append(CultureInfo.InvariantCulture, $"| {row.Code} | {row.Meaning.En} | {row.Meaning.Zh} | {group} | {action} |\n");
        }

        return text.ToString();
    }

    private static string Shape(FieldShape? shape) => shape?.ToString() ?? "–";

    private static string Sorted(string fields) =>
        string.Join(' ', fields.Split(' ').OrderBy(static word => int.Parse(word.TrimEnd('c'), NumberStyles.None, CultureInfo.InvariantCulture)));
}
