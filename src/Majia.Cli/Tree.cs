using System.Text;
using Majia.Core.Primitives;

namespace Majia.Cli;

/// <summary>A decoded tree as lines of text: offset, label, name, value, and what it says.</summary>
public static class Tree
{
    public static string Print(DescribedNode root, Language language)
    {
        var lines = new StringBuilder();
        Append(lines, root, "", "", language);
        return lines.ToString();
    }

    private static void Append(StringBuilder lines, DescribedNode node, string lead, string childLead, Language language)
    {
        lines.Append(System.Globalization.CultureInfo.InvariantCulture, $"{node.Offset,4}  {lead}{node.Label}");
        if (node.Name.In(language) is { Length: > 0 } name)
        {
            lines.Append("  ").Append(name);
        }

        if (node.Value.Length > 0)
        {
            lines.Append("  ").Append(node.Value);
        }

        if (node.Meaning?.In(language) is { Length: > 0 } meaning)
        {
            lines.Append("  = ").Append(meaning);
        }

        lines.Append('\n');
        for (var i = 0; i < node.Children.Count; i++)
        {
            var last = i == node.Children.Count - 1;
            Append(lines, node.Children[i], childLead + (last ? "└ " : "├ "), childLead + (last ? "  " : "│ "), language);
        }
    }
}
