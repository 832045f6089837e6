using System.Globalization;
using System.Net;
using System.Text;
using Majia.Terminal;

namespace Majia.Host.Ui;

/// <summary>A slip as an SVG picture: the printer's own lines, each character in its cell.</summary>
public static class SlipPicture
{
    private const double Cell = 7.5, Line = 15.5, Margin = 18;
    private const int Columns = 40;

    /// <param name="background">White paper behind it, for a picture that is kept; on the page the paper is the page's.</param>
    public static string Draw(Slip slip, SlipCopy copy, bool background)
    {
        return Draw(slip.Print(copy), $"Slip {slip.Voucher} 签购单", background);
    }

    /// <summary>The paper of a closed batch.</summary>
    public static string Draw(SettlementSlip slip) => Draw(slip.Print(), $"Settlement {slip.Batch} 结算单", background: false);

    private static string Draw(string print, string label, bool background)
    {
        var lines = print.TrimEnd('\n').Split('\n');
        var (width, height) = ((Columns * Cell) + (2 * Margin), (lines.Length * Line) + (2 * Margin));
        var drawing = new StringBuilder();
        drawing.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"slip\" viewBox=\"0 0 {width:0.#} {height:0.#}\" width=\"{width:0}\" height=\"{height:0}\" role=\"img\" aria-label=\"{label}\">");
        if (background)
        {
            drawing.Append("<rect width=\"100%\" height=\"100%\" fill=\"#fffdf8\"/>");
        }

        drawing.Append("<g fill=\"#1c1b19\" font-family=\"ui-monospace,'SF Mono',Menlo,Consolas,'Noto Sans Mono CJK SC',monospace\" font-size=\"12.5\">");
        for (var row = 0; row < lines.Length; row++)
        {
            Draw(drawing, lines[row], Margin + ((row + 0.75) * Line));
        }

        return drawing.Append("</g></svg>").ToString();
    }

    private static void Draw(StringBuilder drawing, string line, double y)
    {
        if (line.Length > 2 && line.AsSpan().IndexOfAnyExcept(line[0]) < 0 && line[0] is '-' or '=' or '_')
        {
            drawing.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Margin} {y - 4:0.#}h{Columns * Cell:0.#}\" stroke=\"#1c1b19\" stroke-width=\"{(line[0] == '=' ? 1.6 : 0.8):0.#}\"{(line[0] == '-' ? " stroke-dasharray=\"4 3\"" : "")}/>");
            return;
        }

        var (places, text, column) = (new StringBuilder(), new StringBuilder(), 0);
        foreach (var rune in line.EnumerateRunes())
        {
            if (rune.Value != ' ')
            {
                // One x for each UTF-16 unit; the second of a pair is not drawn apart.
                for (var unit = 0; unit < rune.Utf16SequenceLength; unit++)
                {
                    places.Append(CultureInfo.InvariantCulture, $"{Margin + (column * Cell):0.#} ");
                }

                text.Append(rune);
            }
            else if (text.Length > 0 && text[^1] != ' ')
            {
                places.Append(CultureInfo.InvariantCulture, $"{Margin + (column * Cell):0.#} ");
                text.Append(' ');
            }

            column += Slip.Columns(rune.ToString());
        }

        drawing.Append(CultureInfo.InvariantCulture, $"<text y=\"{y:0.#}\" x=\"{places.ToString().TrimEnd()}\">{WebUtility.HtmlEncode(text.ToString().TrimEnd())}</text>");
    }
}
