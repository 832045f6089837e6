using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Core.Emv;

/// <summary>Bytes into a tree that a person reads: names, meanings, bits spelled out. What is sensitive is masked unless it is asked for.</summary>
public static partial class Describe
{
    private static readonly IReadOnlyList<DescribedNode> None = [];

    /// <summary>How a tree is made.</summary>
    /// <param name="Currency">Four digits of 5F2A, where the neighbours said it.</param>
    private readonly record struct Manner(bool Reveal, string? Currency = null);

    /// <summary>A sequence of BER-TLV objects, such as field 55 or the answer of a card.</summary>
    public static bool TryTlv(ReadOnlySpan<byte> bytes, bool reveal, [NotNullWhen(true)] out DescribedNode? node, out ParseError error)
    {
        node = null;
        if (bytes.IndexOfAnyExcept((byte)0) < 0)
        {
            error = new ParseError("TLV tag", bytes.Length, "a tag", "the end");
            return false;
        }

        if (!BerTlv.TryCheck(bytes, out error))
        {
            return false;
        }

        node = new DescribedNode(0, "TLV", new Text("data objects", "数据对象"), string.Empty, Count(bytes.Length), Tlv(bytes, 0, reveal));
        return true;
    }

    /// <summary>The objects of <paramref name="bytes"/>, as far as they are well-formed.</summary>
    /// <param name="offset">Where <paramref name="bytes"/> stand in what is described.</param>
    public static IReadOnlyList<DescribedNode> Tlv(ReadOnlySpan<byte> bytes, int offset, bool reveal) => Objects(bytes, offset, new Manner(reveal), 1);

    /// <summary>A data object list: tags and the lengths asked for.</summary>
    public static bool TryDol(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out DescribedNode? node, out ParseError error)
    {
        node = null;
        if (bytes.IsEmpty)
        {
            error = new ParseError("DOL tag", 0, "a tag", "the end");
            return false;
        }

        if (!Dol.TryParse(bytes, out var entries, out error))
        {
            return false;
        }

        var length = Dol.DataLength(entries);
        node = new DescribedNode(0, "DOL", new Text("data object list", "数据对象列表"), string.Empty, new Text($"asks for {length} bytes", $"共需 {length} 字节数据"), DolEntries(entries, 0));
        return true;
    }

    /// <summary>The data that answers a DOL, element by element; null when the length does not fit.</summary>
    public static IReadOnlyList<DescribedNode>? DolData(IReadOnlyList<Dol.Entry> entries, ReadOnlySpan<byte> data, int offset, bool reveal)
    {
        if (Dol.DataLength(entries) != data.Length)
        {
            return null;
        }

        var manner = new Manner(reveal);
        var at = 0;
        foreach (var (tag, length) in entries)
        {
            if (tag == Tags.TransactionCurrencyCode && length == 2)
            {
                manner = manner with { Currency = Convert.ToHexString(data.Slice(at, length)) };
            }

            at += length;
        }

        var nodes = new List<DescribedNode>(entries.Count);
        at = 0;
        foreach (var (tag, length) in entries)
        {
            nodes.Add(Element(tag, data.Slice(at, length), offset + at, offset + at, manner, BerTlv.MaxDepth));
            at += length;
        }

        return nodes;
    }

    /// <summary>One element by its tag, with value and meaning, without header bytes.</summary>
    public static DescribedNode Element(Tag tag, ReadOnlySpan<byte> value, int offset, bool reveal) => Element(tag, value, offset, offset, new Manner(reveal), 1);

    /// <summary>The bits of <paramref name="bytes"/> that are set, by the table's names.</summary>
    public static IReadOnlyList<DescribedNode> Bits(BitTable table, ReadOnlySpan<byte> bytes, int offset)
    {
        if (bytes.Length != table.Length)
        {
            return None;
        }

        Span<byte> told = stackalloc byte[8];
        var nodes = new List<DescribedNode>();
        foreach (var row in table.Rows)
        {
            var read = row.Read(bytes);
            told[row.Byte - 1] |= (byte)row.Mask;
            if (row.Value is null || row.Value == read)
            {
                nodes.Add(new DescribedNode(offset + row.Byte - 1, row.Label, row.Meaning, Binary(read, row.High - row.Low + 1), row.Value is null ? Number(read) : null, None));
            }
        }

        // A bit that no row knows is reserved: say so, for it should have been 0.
        for (var i = 0; i < bytes.Length; i++)
        {
            for (var bit = 8; bit >= 1; bit--)
            {
                if ((bytes[i] & ~told[i] & (1 << (bit - 1))) != 0)
                {
                    nodes.Add(new DescribedNode(offset + i, $"B{i + 1} b{bit}", new Text("reserved bit", "保留位"), "1", null, None));
                }
            }
        }

        return nodes;
    }

    private static List<DescribedNode> Objects(ReadOnlySpan<byte> bytes, int offset, Manner manner, int depth)
    {
        var nodes = new List<DescribedNode>();
        foreach (var item in BerTlv.Objects(bytes))
        {
            if (item.Tag == Tags.TransactionCurrencyCode && item.Value.Length == 2)
            {
                manner = manner with { Currency = Convert.ToHexString(item.Value) };
            }
        }

        foreach (var item in BerTlv.Objects(bytes))
        {
            nodes.Add(Element(item.Tag, item.Value, offset + item.Offset, offset + item.ValueOffset, manner, depth));
        }

        return nodes;
    }

    private static DescribedNode Element(Tag tag, ReadOnlySpan<byte> value, int offset, int valueOffset, Manner manner, int depth)
    {
        var row = TagDictionary.Find(tag);
        var name = row?.Name ?? new Text("unknown tag", "未知标签");
        if (tag.IsConstructed && value.Length > 0)
        {
            if (depth < BerTlv.MaxDepth && BerTlv.TryCheck(value, out _))
            {
                return new DescribedNode(offset, tag.ToString(), name, string.Empty, Count(value.Length), Objects(value, valueOffset, manner, depth + 1));
            }

            // What cannot be read may hide anything.
            return new DescribedNode(offset, tag.ToString(), name, manner.Reveal ? Convert.ToHexString(value) : Stars(value.Length), new Text("not read: malformed or too deep", "未解读：格式有误或嵌套过深"), None);
        }

        if (row is null)
        {
            return new DescribedNode(offset, tag.ToString(), name, Convert.ToHexString(value), null, None);
        }

        if (value.Length < row.Min || value.Length > row.Max)
        {
            var wanted = row.Min == row.Max ? $"{row.Min}" : $"{row.Min}–{row.Max}";
            var shown = row.Sensitive && !manner.Reveal ? Stars(value.Length) : Convert.ToHexString(value);
            return new DescribedNode(offset, tag.ToString(), name, shown, new Text($"unusual length: {value.Length} bytes, the standard says {wanted}", $"长度异常：{value.Length} 字节，标准为 {wanted}"), None);
        }

        if (row.Sensitive && !manner.Reveal)
        {
            return new DescribedNode(offset, tag.ToString(), name, Masked(row, value), row.Reading == Reading.TrackTwo ? TrackTwoMeaning(value) : null, None);
        }

        var parts = Parts(row, value, valueOffset, manner);
        var meaning = row.Reading is Reading.Bits or Reading.TvrMask && parts.Count == 0 ? new Text("no bit set", "无置位") : Meaning(row, value, manner);
        return new DescribedNode(offset, tag.ToString(), name, Convert.ToHexString(value), meaning, parts);
    }

    private static List<DescribedNode> DolEntries(IReadOnlyList<Dol.Entry> entries, int offset)
    {
        var nodes = new List<DescribedNode>(entries.Count);
        foreach (var (tag, length) in entries)
        {
            var name = TagDictionary.Find(tag)?.Name ?? new Text("unknown tag", "未知标签");
            nodes.Add(new DescribedNode(offset, tag.ToString(), name, length.ToString("X2", CultureInfo.InvariantCulture), Count(length), None));
            offset += tag.ByteCount + 1;
        }

        return nodes;
    }

    private static Text Count(int bytes) => new(bytes == 1 ? "1 byte" : $"{bytes} bytes", $"{bytes} 字节");

    private static Text Number(long number) => Same(number.ToString(CultureInfo.InvariantCulture));

    private static Text Same(string text) => new(text, text);

    private static string Binary(int value, int bits) => Convert.ToString(value, 2).PadLeft(bits, '0');

    private static string Stars(int bytes) => new('*', 2 * bytes);
}
