using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Terminal.EntryPoint;

namespace Majia.Terminal.Kernel;

/// <summary>READ RECORD over the application file locator, when the card returned one (EMV Book 3 §10.2; protocols.md 2.3).</summary>
/// <remarks>A token's answer usually has no AFL; one that has gives PAR and token requestor in its records.</remarks>
public static class ReadRecords
{
    private const int ApplicationFileLocator = 0x94, RecordTemplate = 0x70;

    /// <summary>No honest card has more; a hostile one does not keep the field busy.</summary>
    private const int MaxRecords = 32;

    /// <param name="IsSigned">Its content enters offline data authentication: among the first of its range that the AFL counts for it.</param>
    public readonly record struct RecordAddress(byte Sfi, byte Number, bool IsSigned = false)
    {
        public CommandApdu Command => CommandApdu.Of(0x00, 0xB2, Number, (byte)((Sfi << 3) | 4), []);
    }

    /// <summary>The records to read, in order; an outcome when the locator is malformed.</summary>
    public static Outcome? Plan(ReadOnlySpan<byte> content, out IReadOnlyList<RecordAddress> records)
    {
        records = [];
        if (!BerTlv.TryFind(content, ApplicationFileLocator, out var afl) || afl.Length == 0)
        {
            return null;
        }

        var plan = new List<RecordAddress>();
        for (var rest = afl; rest.Length >= 4; rest = rest[4..])
        {
            var (sfi, first, last, signed) = ((byte)(rest[0] >> 3), rest[1], rest[2], rest[3]);
            if (sfi is 0 or > 30 || first == 0 || last < first || signed > last - first + 1 || plan.Count + last - first >= MaxRecords)
            {
                return Malformed;
            }

            for (int number = first; number <= last; number++)
            {
                plan.Add(new RecordAddress(sfi, (byte)number, number - first < signed));
            }
        }

        if (afl.Length % 4 != 0)
        {
            return Malformed;
        }

        records = plan;
        return null;
    }

    /// <summary>The content of one record's template 70; an outcome when it cannot be used.</summary>
    public static Outcome? Interpret(ResponseApdu answer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        if (!answer.Status.IsOk
            || !BerTlv.TryRead(answer.Data.Span, out var tag, out var value, out var consumed, out _)
            || tag != RecordTemplate
            || !BerTlv.TryCheck(value, out _))
        {
            return new Outcome.EndApplication(new($"A record cannot be read ({answer.Status}).", $"卡片记录无法读取（{answer.Status}）。"));
        }

        content = answer.Data.Slice(consumed - value.Length, value.Length);
        return null;
    }

    private static Outcome.EndApplication Malformed => new(new Text("The application file locator is malformed.", "应用文件定位器（AFL）格式有误。"));
}
