using Majia.Core.Primitives;

namespace Majia.Core.Tlv;

/// <summary>A BER-TLV tag of one to three bytes, as its bytes read big-endian: <c>0x9F26</c>.</summary>
public readonly record struct Tag(int Value)
{
    public static implicit operator Tag(int value) => new(value);

    public int ByteCount => Value > 0xFFFF ? 3 : Value > 0xFF ? 2 : 1;

    public bool IsConstructed => ((Value >> (8 * (ByteCount - 1))) & 0x20) != 0;

    public override string ToString() => Value.ToString("X" + (2 * ByteCount), System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>BER-TLV of ISO/IEC 7816-4 as EMV uses it (EMV Book 3 annex B): spans in, values and bytes consumed out, no allocation.</summary>
public static class BerTlv
{
    /// <summary>Reads the object at the start of <paramref name="data"/>, skipping leading 00 bytes.</summary>
    /// <param name="value">The value field, a slice of <paramref name="data"/>.</param>
    /// <param name="consumed">Bytes used, padding and header included.</param>
    public static bool TryRead(ReadOnlySpan<byte> data, out Tag tag, out ReadOnlySpan<byte> value, out int consumed, out ParseError error) => throw new NotImplementedException();

    /// <summary>The value of the first <paramref name="tag"/> at this level or inside constructed objects; false when absent or malformed before it.</summary>
    public static bool TryFind(ReadOnlySpan<byte> data, Tag tag, out ReadOnlySpan<byte> value) => throw new NotImplementedException();

    /// <summary>True when <paramref name="data"/> is a sequence of well-formed objects to its end, constructed ones within (depth at most 8).</summary>
    public static bool TryCheck(ReadOnlySpan<byte> data, out ParseError error) => throw new NotImplementedException();

    /// <summary>One object: tag, length, value.</summary>
    public static byte[] Encode(Tag tag, ReadOnlySpan<byte> value) => throw new NotImplementedException();

    /// <summary>One constructed object around already encoded ones.</summary>
    public static byte[] Encode(Tag tag, params ReadOnlySpan<byte[]> children) => throw new NotImplementedException();
}

/// <summary>Data object lists (PDOL, CDOL, DDOL; EMV Book 3 §5.4): tag and length pairs without values.</summary>
public static class Dol
{
    public readonly record struct Entry(Tag Tag, int Length);

    public static bool TryParse(ReadOnlySpan<byte> dol, out IReadOnlyList<Entry> entries, out ParseError error) => throw new NotImplementedException();

    /// <summary>Builds the data a DOL asks for. Numeric values are cut and padded on the left, others on the right (cn padded with FF), unknown ones zero-filled.</summary>
    public static byte[] Build(IReadOnlyList<Entry> entries, Func<Tag, ReadOnlyMemory<byte>?> values) => throw new NotImplementedException();

    /// <summary>Splits the data that answers a DOL; false when its length is not the sum of the list.</summary>
    public static bool TrySplit(IReadOnlyList<Entry> entries, ReadOnlyMemory<byte> data, out IReadOnlyDictionary<Tag, ReadOnlyMemory<byte>> values, out ParseError error) => throw new NotImplementedException();
}
