using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Terminal.EntryPoint;

/// <summary>Start C: what the card offers, what this terminal takes of it, in which order (EMV Book B §3.3; protocols.md 2.2 step 3).</summary>
public static class ApplicationSelection
{
    private const int DirectoryEntry = 0x61, AdfName = 0x4F, Label = 0x50, Priority = 0x87, KernelIdentifier = 0x9F2A, FciTemplate = 0x6F, DfName = 0x84, Pdol = 0x9F38,
        ProprietaryTemplate = 0xA5, DiscretionaryData = 0xBF0C, PreferredName = 0x9F12;

    /// <summary>Kernel 7 (UnionPay) as 9F2A says it: kernel identifier type 00, short id 7 (Book B table 3-7).</summary>
    private const byte UnionPayKernel = 0x07;

    /// <summary>SELECT 2PAY.SYS.DDF01.</summary>
    public static CommandApdu SelectPpse { get; } = CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, "2PAY.SYS.DDF01"u8);

    public static CommandApdu Select(Aid aid) => CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, aid.Bytes);

    /// <summary>One application that card and terminal have in common.</summary>
    /// <param name="Priority">1 (first) to 15; 16 for none given.</param>
    public sealed record Candidate(Aid Aid, int Priority, string Label, PreProcessing.Indicators Indicators);

    /// <summary>A selected application: what its FCI says.</summary>
    public sealed record Selected(Candidate Candidate, string Label, ReadOnlyMemory<byte> Pdol);

    /// <summary>The candidates of a PPSE answer, best first; empty when nothing fits. Malformed entries are left out, never thrown at.</summary>
    public static IReadOnlyList<Candidate> Candidates(ResponseApdu ppse, IReadOnlyList<PreProcessing.Indicators> indicators)
    {
        if (!ppse.Status.IsOk
            || !BerTlv.TryFind(ppse.Data.Span, FciTemplate, out var fci)
            || !BerTlv.TryFind(fci, ProprietaryTemplate, out var proprietary)
            || !BerTlv.TryFind(proprietary, DiscretionaryData, out var rest))
        {
            return [];
        }

        var candidates = new List<Candidate>();
        while (BerTlv.TryRead(rest, out var tag, out var entry, out var consumed, out _))
        {
            if (tag == DirectoryEntry && Match(entry, indicators) is { } candidate)
            {
                candidates.Add(candidate);
            }

            rest = rest[consumed..];
        }

        // Highest priority first; equal ones in the card's order (OrderBy is stable).
        return [.. candidates.OrderBy(candidate => candidate.Priority)];
    }

    /// <summary>The FCI of the final SELECT; null when the application cannot be used, so the next candidate's turn comes.</summary>
    public static Selected? Open(Candidate candidate, ResponseApdu answer)
    {
        if (!answer.Status.IsOk
            || !BerTlv.TryFind(answer.Data.Span, FciTemplate, out var fci)
            || !BerTlv.TryFind(fci, DfName, out var name)
            || !name.SequenceEqual(candidate.Aid.Bytes)
            || !BerTlv.TryFind(fci, ProprietaryTemplate, out var proprietary))
        {
            return null;
        }

        BerTlv.TryFind(proprietary, Pdol, out var pdol);
        var label = BerTlv.TryFind(proprietary, PreferredName, out var preferred) || BerTlv.TryFind(proprietary, Label, out preferred) ? Printable(preferred) : candidate.Label;
        return new Selected(candidate, label, pdol.ToArray());
    }

    private static Candidate? Match(ReadOnlySpan<byte> entry, IReadOnlyList<PreProcessing.Indicators> indicators)
    {
        if (!BerTlv.TryFind(entry, AdfName, out var name) || name.Length is < 5 or > 16)
        {
            return null;
        }

        // Absent means the RID's default kernel; present it must ask for ours.
        if (BerTlv.TryFind(entry, KernelIdentifier, out var kernel) && (kernel.Length == 0 || kernel[0] != UnionPayKernel))
        {
            return null;
        }

        var aid = Aid.From(name);
        foreach (var row in indicators)
        {
            if (row.Allowed && (row.Row.ExactMatch ? aid.Equals(row.Row.Aid) : aid.StartsWith(row.Row.Aid.Bytes)))
            {
                var priority = BerTlv.TryFind(entry, Priority, out var value) && value.Length == 1 && (value[0] & 0x0F) != 0 ? value[0] & 0x0F : 16;
                return new Candidate(aid, priority, BerTlv.TryFind(entry, Label, out var label) ? Printable(label) : string.Empty, row);
            }
        }

        return null;
    }

    internal static string Printable(ReadOnlySpan<byte> value) =>
        string.Concat(System.Text.Encoding.ASCII.GetString(value[..Math.Min(value.Length, 16)]).Select(c => c is >= ' ' and <= '~' ? c : '?'));
}
