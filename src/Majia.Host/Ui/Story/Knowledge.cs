using System.Text.RegularExpressions;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Tracing;

namespace Majia.Host.Ui.Story;

/// <summary>What one party had in its hands during one payment or enrolment, read off its own rows and the air.</summary>
/// <param name="Plastic">The plastic's number, masked; null when no row of the party shows one.</param>
/// <param name="Device">The device number, masked.</param>
public sealed partial record Knowledge(string? Plastic, string? Device, bool Cryptogram, bool PinBlock)
{
    /// <summary>Ranges of device numbers (docs/protocols): a number outside them is a plastic's.</summary>
    private static readonly string[] DeviceRanges = ["819901", "819902", "819903"];

    /// <summary>A device number that was there and of which no digit is kept.</summary>
    private const string Hidden = "******";

    public static Knowledge Of(IReadOnlyList<TraceRow> rows, string party)
    {
        string? plastic = null, device = null;
        var (cryptogram, pin) = (false, false);
        foreach (var row in TraceView.Of([.. rows.Where(row => Held(row.Event, party))]))
        {
            foreach (var node in Nodes(row.Tree))
            {
                cryptogram |= node.Label == "9F26";
                pin |= node.Label == "F52" || (row.Event.Kind == TraceKind.Key && node.Label == "PIN");
                Number(node.Value);
                if (node.Label is "57" or "5A" && node.Value.Length > 0)
                {
                    device ??= Hidden; // read from the chip; nothing of it is kept
                }
            }

            Number(row.Event.Why.En);
            pin |= row.Event.Kind == TraceKind.Key && row.Event.Why.En.Contains("PIN", StringComparison.Ordinal);
        }

        return new Knowledge(plastic, device, cryptogram, pin);

        void Number(string text)
        {
            foreach (Match match in Masked().Matches(text))
            {
                if (DeviceRanges.Contains(match.Value[..6], StringComparer.Ordinal))
                {
                    device = device is null or Hidden ? match.Value : device;
                }
                else
                {
                    plastic ??= match.Value;
                }
            }
        }
    }

    /// <summary>Its own rows; and the commands and answers whose other end it was, for what passes in the air was in both hands.</summary>
    private static bool Held(TraceEvent row, string party) => Lane.KeyOf(row.Party) == party || (row.Kind == TraceKind.Apdu && Lane.KeyOf(row.Peer) == party);

    private static IEnumerable<DescribedNode> Nodes(DescribedNode? node) => node is null ? [] : node.Children.SelectMany(Nodes).Prepend(node);

    [GeneratedRegex(@"\d{6}\*{2,9}\d{4}")]
    private static partial Regex Masked();
}
