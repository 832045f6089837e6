using Majia.Core.Apdu;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Terminal.EntryPoint;

namespace Majia.Terminal.Contact;

/// <summary>Which application of an inserted card is used: its directory (PSE), or this terminal's list of AIDs where it has none (EMV Book 1 §12.3).</summary>
internal static class ContactSelection
{
    /// <summary>No honest directory has more records.</summary>
    private const int MaxRecords = 10;

    private const byte LastDirectoryFile = 10;

    private static CommandApdu SelectPse { get; } = CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, "1PAY.SYS.DDF01"u8);

    /// <summary>Candidates, best first; empty when card and terminal have nothing in common.</summary>
    /// <param name="send">One command and its answer; null when it is none.</param>
    internal static async Task<IReadOnlyList<ApplicationSelection.Candidate>> CandidatesAsync(TerminalParameters parameters, Func<CommandApdu, Task<ResponseApdu?>> send)
    {
        var found = new List<ApplicationSelection.Candidate>();
        if (await send(SelectPse) is { Status.IsOk: true } directory && FileOf(directory.Data.Span) is { } file)
        {
            for (byte record = 1; record <= MaxRecords; record++)
            {
                if (await send(CommandApdu.Of(0x00, 0xB2, record, (byte)((file << 3) | 4), [])) is not { Status.IsOk: true } answer)
                {
                    break;
                }

                found.AddRange(Entries(answer.Data.Span, parameters));
            }
        }

        if (found.Count == 0)
        {
            // 12.3.3: no directory, so each AID of the terminal is asked for; a card answers to the first part of its own.
            foreach (var row in parameters.Aids)
            {
                if (await send(ApplicationSelection.Select(row.Aid)) is { Status.IsOk: true } answer
                    && BerTlv.TryFind(answer.Data.Span, Tags.FciTemplate, out var fci) && BerTlv.TryFind(fci, Tags.DedicatedFileName, out var name) && name.Length is >= 5 and <= 16
                    && Match(Aid.From(name), parameters) is { } indicators)
                {
                    found.Add(new ApplicationSelection.Candidate(Aid.From(name), PriorityOf(fci), string.Empty, indicators));
                }
            }
        }

        return [.. found.OrderBy(candidate => candidate.Priority)];
    }

    /// <summary>Tag 88: where the directory stands, SFI 1 to 10.</summary>
    private static byte? FileOf(ReadOnlySpan<byte> answer) =>
        BerTlv.TryFind(answer, Tags.FciTemplate, out var fci) && BerTlv.TryFind(fci, Tags.FciProprietaryTemplate, out var proprietary)
        && BerTlv.TryFind(proprietary, Tags.ShortFileIdentifier, out var file) && file.Length == 1 && file[0] is >= 1 and <= LastDirectoryFile ? file[0] : null;

    private static List<ApplicationSelection.Candidate> Entries(ReadOnlySpan<byte> record, TerminalParameters parameters)
    {
        var entries = new List<ApplicationSelection.Candidate>();
        if (!BerTlv.TryFind(record, Tags.RecordTemplate, out var rest))
        {
            return entries;
        }

        while (BerTlv.TryRead(rest, out var tag, out var entry, out var consumed, out _))
        {
            if (tag == Tags.ApplicationTemplate && BerTlv.TryFind(entry, Tags.ApplicationIdentifier, out var name) && name.Length is >= 5 and <= 16 && Match(Aid.From(name), parameters) is { } indicators)
            {
                entries.Add(new ApplicationSelection.Candidate(Aid.From(name), PriorityIn(entry), BerTlv.TryFind(entry, Tags.ApplicationLabel, out var label) ? ApplicationSelection.Printable(label) : string.Empty, indicators));
            }

            rest = rest[consumed..];
        }

        return entries;
    }

    /// <summary>Contactless limits (DF19 to DF21) say nothing of an inserted card: it always asks its bank here.</summary>
    private static PreProcessing.Indicators? Match(Aid aid, TerminalParameters parameters)
    {
        foreach (var row in parameters.Aids)
        {
            if (row.ExactMatch ? aid.Equals(row.Aid) : aid.StartsWith(row.Aid.Bytes))
            {
                return new PreProcessing.Indicators(row, parameters.Qualifiers, true, new(string.Empty, string.Empty));
            }
        }

        return null;
    }

    private static int PriorityOf(ReadOnlySpan<byte> fci) => BerTlv.TryFind(fci, Tags.FciProprietaryTemplate, out var proprietary) ? PriorityIn(proprietary) : 16;

    /// <summary>1 (first) to 15; 16 for none given.</summary>
    private static int PriorityIn(ReadOnlySpan<byte> objects) => BerTlv.TryFind(objects, Tags.ApplicationPriorityIndicator, out var value) && value.Length == 1 && (value[0] & 0x0F) != 0 ? value[0] & 0x0F : 16;
}
