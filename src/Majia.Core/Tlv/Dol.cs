using Majia.Core.Primitives;

namespace Majia.Core.Tlv;

/// <summary>Data object lists (PDOL, CDOL, DDOL; EMV Book 3 §5.4): tag and length pairs without values.</summary>
public static class Dol
{
    /// <summary>What fits the data field of one short response.</summary>
    public const int MaxBytes = 252;

    public readonly record struct Entry(Tag Tag, int Length);

    /// <param name="entries">In the list's order; empty on error.</param>
    public static bool TryParse(ReadOnlySpan<byte> dol, out IReadOnlyList<Entry> entries, out ParseError error)
    {
        entries = [];
        error = default;
        if (dol.Length > MaxBytes)
        {
            error = new ParseError("DOL", MaxBytes, "at most 252 bytes", $"{dol.Length} bytes");
            return false;
        }

        var read = new List<Entry>();
        for (var at = 0; at < dol.Length;)
        {
            var start = at;
            int tag = dol[at++];
            if (tag == 0)
            {
                error = new ParseError("DOL tag", start, "a tag", "00");
                return false;
            }

            for (var more = (tag & 0x1F) == 0x1F; more;)
            {
                if (at == dol.Length || tag > 0xFFFF)
                {
                    error = new ParseError("DOL tag", at, at == dol.Length ? "another tag byte" : "a tag of one to three bytes", at == dol.Length ? "the end" : "a fourth byte");
                    return false;
                }

                more = (dol[at] & 0x80) != 0;
                tag = (tag << 8) | dol[at++];
            }

            if (at == dol.Length)
            {
                error = new ParseError($"DOL length of {new Tag(tag)}", at, "a length byte", "the end");
                return false;
            }

            read.Add(new Entry(new Tag(tag), dol[at++]));
        }

        entries = read;
        return true;
    }

    /// <summary>The list as bytes: each tag and its one length byte.</summary>
    public static byte[] Encode(params ReadOnlySpan<Entry> entries)
    {
        var bytes = new List<byte>();
        foreach (var (tag, length) in entries)
        {
            for (var shift = 8 * (tag.ByteCount - 1); shift >= 0; shift -= 8)
            {
                bytes.Add((byte)((tag.Value >> shift) & 0xFF));
            }

            bytes.Add(checked((byte)length));
        }

        return [.. bytes];
    }

    /// <summary>Length in bytes of the data that answers the list.</summary>
    public static int DataLength(IReadOnlyList<Entry> entries)
    {
        var length = 0;
        for (var i = 0; i < entries.Count; i++)
        {
            length += entries[i].Length;
        }

        return length;
    }

    /// <summary>Builds the data a DOL asks for. Numeric values are cut and padded on the left, others on the right (cn padded with FF), unknown ones zero-filled.</summary>
    public static byte[] Build(IReadOnlyList<Entry> entries, Func<Tag, ReadOnlyMemory<byte>?> values)
    {
        var data = new byte[DataLength(entries)];
        var at = 0;
        foreach (var (tag, length) in entries)
        {
            // EMV Book 3 §5.4: a constructed or unknown tag is answered with zeros.
            if (!tag.IsConstructed && values(tag) is { } value)
            {
                Fit(value.Span, Emv.TagDictionary.FormatOf(tag), data.AsSpan(at, length));
            }

            at += length;
        }

        return data;
    }

    /// <summary>Splits the data that answers a DOL; false when its length is not the sum of the list.</summary>
    /// <param name="values">Slices of <paramref name="data"/>; of a tag asked twice the first.</param>
    public static bool TrySplit(IReadOnlyList<Entry> entries, ReadOnlyMemory<byte> data, out IReadOnlyDictionary<Tag, ReadOnlyMemory<byte>> values, out ParseError error)
    {
        var split = new Dictionary<Tag, ReadOnlyMemory<byte>>(entries.Count);
        values = split;
        var wanted = DataLength(entries);
        if (data.Length != wanted)
        {
            error = new ParseError("DOL data", Math.Min(data.Length, wanted), $"{wanted} bytes", $"{data.Length} bytes");
            return false;
        }

        var at = 0;
        foreach (var (tag, length) in entries)
        {
            split.TryAdd(tag, data.Slice(at, length));
            at += length;
        }

        error = default;
        return true;
    }

    private static void Fit(ReadOnlySpan<byte> value, Emv.TagFormat format, Span<byte> field)
    {
        if (format == Emv.TagFormat.N)
        {
            var kept = value.Length > field.Length ? value[^field.Length..] : value;
            kept.CopyTo(field[(field.Length - kept.Length)..]);
            return;
        }

        var cut = value.Length > field.Length ? value[..field.Length] : value;
        cut.CopyTo(field);
        if (format == Emv.TagFormat.Cn)
        {
            field[cut.Length..].Fill(0xFF);
        }
    }
}
