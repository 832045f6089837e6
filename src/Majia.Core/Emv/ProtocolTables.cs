using System.Globalization;
using System.Text;
using Majia.Core.Apdu;

namespace Majia.Core.Emv;

/// <summary>The tables of this room as Markdown: docs/protocols/emv-tags.md and bits.md are exactly these texts.</summary>
public static class ProtocolTables
{
    public static string EmvTags()
    {
        var text = new StringBuilder();
        Head(text, "EMV, PBOC and GlobalPlatform tags", "EMV、PBOC 与 GlobalPlatform 标签", "src/Majia.Core/Emv/TagDictionary.cs");
        text.Append("Format: n digits, cn digits padded with F, an and ans characters, b binary, var as its maker likes. Length in bytes. *Sensitive* values are masked wherever they are shown and blanked in the trace.\n\n");
        text.Append("| Tag | Name | 名称 | Format | Length | Source | Sensitive |\n|---|---|---|---|---|---|---|\n");
        foreach (var row in TagDictionary.Rows)
        {
            var length = row.Min == row.Max ? Number(row.Min) : $"{Number(row.Min)}–{Number(row.Max)}";
            Row(text, row.Tag.ToString(), row.En, row.Zh, row.Format.ToString().ToLowerInvariant(), length, row.Source.ToString().ToLowerInvariant(), row.Sensitive ? "yes" : "");
        }

        text.Append("\n## Commands 指令\n\n| Class | INS | Command | Meaning | 含义 |\n|---|---|---|---|---|\n");
        foreach (var row in Instructions.Rows)
        {
            Row(text, row.Proprietary ? "8x" : "0x", row.Ins.ToString("X2", CultureInfo.InvariantCulture), row.Name, row.Meaning.En, row.Meaning.Zh);
        }

        text.Append("\n## Status words 状态字\n\n| SW | Meaning | 含义 |\n|---|---|---|\n");
        foreach (var row in StatusWords.Rows)
        {
            Row(text, row.Label, row.Meaning.En, row.Meaning.Zh);
        }

        text.Append("\n## Applications 应用\n\n| AID or prefix | Name | 名称 |\n|---|---|---|\n");
        foreach (var row in AidDirectory.Rows)
        {
            Row(text, row.Prefix, row.Name.En, row.Name.Zh);
        }

        return text.ToString();
    }

    public static string Bits()
    {
        var text = new StringBuilder();
        Head(text, "Bits of the data elements", "数据元位定义", "src/Majia.Core/Emv/BitTables.cs");
        text.Append("Byte 1 is the first on the wire, b8 the highest bit. A row with a value applies when the bits read it.\n");
        foreach (var table in BitTables.All)
        {
            var tag = table.Tag is { } known && known.ToString() != table.Label ? $" · {known}" : string.Empty;
            text.Append(CultureInfo.InvariantCulture, $"\n## {table.Label}{tag}: {table.Name.En} {table.Name.Zh}\n\n{table.Length} {(table.Length == 1 ? "byte" : "bytes")}. Source: {table.Source}.\n\n");
            text.Append("| Byte | Bits | Value | Meaning | 含义 |\n|---|---|---|---|---|\n");
            foreach (var row in table.Rows)
            {
                var bits = row.IsFlag ? $"b{row.High}" : $"b{row.High}–b{row.Low}";
                var value = row.Value is { } fixedValue ? Convert.ToString(fixedValue, 2).PadLeft(row.High - row.Low + 1, '0') : "number";
                Row(text, Number(row.Byte), bits, value, row.Meaning.En, row.Meaning.Zh);
            }
        }

        return text.ToString();
    }

    private static void Head(StringBuilder text, string en, string zh, string source) =>
        text.Append(CultureInfo.InvariantCulture, $"# {en}\n\n{zh}\n\nGenerated from `{source}` and its neighbours; a test holds the two equal. Write it again: `MAJIA_WRITE_DOCS=1` while that test runs.\n\n");

    private static void Row(StringBuilder text, params ReadOnlySpan<string> cells)
    {
        foreach (var cell in cells)
        {
            text.Append("| ").Append(cell).Append(' ');
        }

        text.Append("|\n");
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
