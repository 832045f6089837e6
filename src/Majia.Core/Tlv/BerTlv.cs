using System.Buffers.Binary;
using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Core.Tlv;

/// <summary>BER-TLV of ISO/IEC 7816-4 as EMV uses it (EMV Book 3 annex B): spans in, values and bytes consumed out, no allocation.</summary>
public static class BerTlv
{
    /// <summary>How deep constructed objects may lie in each other.</summary>
    public const int MaxDepth = 8;

    private enum Fault
    {
        None,
        NoObject,
        CutTag,
        LongTag,
        NoLength,
        IndefiniteLength,
        LongLength,
        CutLength,
        CutValue,
    }

    /// <summary>Reads the object at the start of <paramref name="data"/>, skipping leading 00 bytes.</summary>
    /// <param name="value">The value field, a slice of <paramref name="data"/>.</param>
    /// <param name="consumed">Bytes used, padding and header included.</param>
    public static bool TryRead(ReadOnlySpan<byte> data, out Tag tag, out ReadOnlySpan<byte> value, out int consumed, out ParseError error)
    {
        var fault = Read(data, out tag, out value, out consumed, out var at);
        error = fault == Fault.None ? default : Explain(fault, data, tag, at);
        return fault == Fault.None;
    }

    /// <summary>The value of the first <paramref name="tag"/> at this level or inside constructed objects; false when absent or malformed before it.</summary>
    public static bool TryFind(ReadOnlySpan<byte> data, Tag tag, out ReadOnlySpan<byte> value) => Find(data, tag, out value, depth: 1) == Search.Found;

    /// <summary>True when <paramref name="data"/> is a sequence of well-formed objects to its end, constructed ones within (depth at most 8).</summary>
    public static bool TryCheck(ReadOnlySpan<byte> data, out ParseError error) => Check(data, 0, 1, out error);

    /// <summary>The objects of one level, in order: <c>foreach (var item in BerTlv.Objects(data))</c>. Stops at the first malformed byte; a caller that cares keeps the walk in a variable, calls MoveNext itself and looks at <see cref="Enumerator.Error"/>.</summary>
    public static Enumerator Objects(ReadOnlySpan<byte> data) => new(data);

    /// <summary>One object: tag, length, value.</summary>
    /// <exception cref="ArgumentException">More than 65535 bytes: our own bug.</exception>
    public static byte[] Encode(Tag tag, ReadOnlySpan<byte> value)
    {
        var bytes = new byte[EncodedLength(tag, value.Length)];
        value.CopyTo(bytes.AsSpan(WriteHeader(tag, value.Length, bytes)));
        return bytes;
    }

    /// <summary>One constructed object around already encoded ones.</summary>
    public static byte[] Encode(Tag tag, params ReadOnlySpan<byte[]> children)
    {
        var length = 0;
        foreach (var child in children)
        {
            length += child.Length;
        }

        var bytes = new byte[EncodedLength(tag, length)];
        var at = WriteHeader(tag, length, bytes);
        foreach (var child in children)
        {
            child.CopyTo(bytes.AsSpan(at));
            at += child.Length;
        }

        return bytes;
    }

    /// <summary>Bytes that tag, length and a value of <paramref name="valueLength"/> bytes take.</summary>
    public static int EncodedLength(Tag tag, int valueLength) => valueLength switch
    {
        <= 0x7F => tag.ByteCount + 1 + valueLength,
        <= 0xFF => tag.ByteCount + 2 + valueLength,
        <= 0xFFFF => tag.ByteCount + 3 + valueLength,
        _ => throw new ArgumentException("a TLV value has at most 65535 bytes"),
    };

    private static int WriteHeader(Tag tag, int length, Span<byte> destination)
    {
        var at = 0;
        for (var shift = 8 * (tag.ByteCount - 1); shift >= 0; shift -= 8)
        {
            destination[at++] = (byte)((tag.Value >> shift) & 0xFF);
        }

        if (length > 0xFF)
        {
            destination[at++] = 0x82;
            BinaryPrimitives.WriteUInt16BigEndian(destination[at..], (ushort)length);
            return at + 2;
        }

        if (length > 0x7F)
        {
            destination[at++] = 0x81;
        }

        destination[at++] = (byte)length;
        return at;
    }

    private static Fault Read(ReadOnlySpan<byte> data, out Tag tag, out ReadOnlySpan<byte> value, out int consumed, out int at)
    {
        tag = default;
        value = default;
        consumed = 0;
        at = 0;

        // EMV Book 3 annex B1: 00 bytes before an object are skipped.
        while (at < data.Length && data[at] == 0)
        {
            at++;
        }

        if (at == data.Length)
        {
            return Fault.NoObject;
        }

        int tagValue = data[at++];
        if ((tagValue & 0x1F) == 0x1F)
        {
            bool more;
            do
            {
                if (at == data.Length)
                {
                    return Fault.CutTag;
                }

                if (tagValue > 0xFFFF)
                {
                    return Fault.LongTag;
                }

                more = (data[at] & 0x80) != 0;
                tagValue = (tagValue << 8) | data[at++];
            }
            while (more);
        }

        tag = new Tag(tagValue);
        if (at == data.Length)
        {
            return Fault.NoLength;
        }

        int length = data[at];
        if (length == 0x80)
        {
            return Fault.IndefiniteLength;
        }

        if (length > 0x82)
        {
            return Fault.LongLength;
        }

        var extra = length > 0x80 ? length - 0x80 : 0;
        if (data.Length - at - 1 < extra)
        {
            return Fault.CutLength;
        }

        if (extra == 1)
        {
            length = data[at + 1];
        }
        else if (extra == 2)
        {
            length = BinaryPrimitives.ReadUInt16BigEndian(data[(at + 1)..]);
        }

        var start = at + 1 + extra;
        if (data.Length - start < length)
        {
            return Fault.CutValue;
        }

        value = data.Slice(start, length);
        consumed = start + length;
        at = start;
        return Fault.None;
    }

    private static ParseError Explain(Fault fault, ReadOnlySpan<byte> data, Tag tag, int at) => fault switch
    {
        Fault.NoObject => new ParseError("TLV tag", at, "a tag", "the end"),
        Fault.CutTag => new ParseError("TLV tag", at, "another tag byte", "the end"),
        Fault.LongTag => new ParseError("TLV tag", at, "a tag of one to three bytes", "a fourth byte"),
        Fault.NoLength => new ParseError($"length of {tag}", at, "a length byte", "the end"),
        Fault.IndefiniteLength => new ParseError($"length of {tag}", at, "00-7F, 81 or 82", "80 (indefinite form)"),
        Fault.LongLength => new ParseError($"length of {tag}", at, "00-7F, 81 or 82", data[at].ToString("X2", CultureInfo.InvariantCulture)),
        Fault.CutLength => new ParseError($"length of {tag}", at + 1, data[at] == 0x81 ? "1 more length byte" : "2 more length bytes", $"{data.Length - at - 1} bytes"),
        _ => ExplainCutValue(data, tag, at),
    };

    private static ParseError ExplainCutValue(ReadOnlySpan<byte> data, Tag tag, int at)
    {
        var (length, start) = data[at] switch
        {
            0x81 => (data[at + 1], at + 2),
            0x82 => (BinaryPrimitives.ReadUInt16BigEndian(data[(at + 1)..]), at + 3),
            _ => (data[at], at + 1),
        };
        return new ParseError($"value of {tag}", start, $"{length} bytes", $"{data.Length - start} bytes");
    }

    private enum Search
    {
        Absent,
        Found,
        Malformed,
    }

    private static Search Find(ReadOnlySpan<byte> data, Tag wanted, out ReadOnlySpan<byte> value, int depth)
    {
        while (!IsPadding(data))
        {
            if (Read(data, out var tag, out value, out var consumed, out _) != Fault.None)
            {
                value = default;
                return Search.Malformed;
            }

            if (tag == wanted)
            {
                return Search.Found;
            }

            if (tag.IsConstructed)
            {
                // An empty template may stand on the last level, as TryCheck has it.
                var inside = depth < MaxDepth ? Find(value, wanted, out value, depth + 1) : IsPadding(value) ? Search.Absent : Search.Malformed;
                if (inside != Search.Absent)
                {
                    return inside;
                }
            }

            data = data[consumed..];
        }

        value = default;
        return Search.Absent;
    }

    private static bool Check(ReadOnlySpan<byte> data, int offset, int depth, out ParseError error)
    {
        while (!IsPadding(data))
        {
            var fault = Read(data, out var tag, out var value, out var consumed, out var at);
            if (fault != Fault.None)
            {
                var found = Explain(fault, data, tag, at);
                error = found with { Offset = found.Offset + offset };
                return false;
            }

            if (tag.IsConstructed)
            {
                if (depth == MaxDepth && !IsPadding(value))
                {
                    error = new ParseError($"value of {tag}", offset + at, "at most 8 levels", "a ninth");
                    return false;
                }

                if (!Check(value, offset + at, depth + 1, out error))
                {
                    return false;
                }
            }

            offset += consumed;
            data = data[consumed..];
        }

        error = default;
        return true;
    }

    private static bool IsPadding(ReadOnlySpan<byte> data) => data.IndexOfAnyExcept((byte)0) < 0;

    /// <summary>One object of a level.</summary>
    /// <param name="Offset">Where the tag begins, from the start of the level.</param>
    public readonly ref struct Item(Tag tag, ReadOnlySpan<byte> value, int offset, int valueOffset)
    {
        public Tag Tag { get; } = tag;

        public ReadOnlySpan<byte> Value { get; } = value;

        /// <summary>Where the tag begins, from the start of the level.</summary>
        public int Offset { get; } = offset;

        /// <summary>Where the value begins, from the start of the level.</summary>
        public int ValueOffset { get; } = valueOffset;
    }

    /// <summary>Walks one level without allocation.</summary>
    public ref struct Enumerator
    {
        private readonly ReadOnlySpan<byte> data;
        private int next, start, valueStart, valueLength;
        private Tag tag;

        internal Enumerator(ReadOnlySpan<byte> data) => this.data = data;

        public readonly Item Current => new(tag, data.Slice(valueStart, valueLength), start, valueStart);

        /// <summary>After the loop: what stopped it early; default when it came to the end.</summary>
        public ParseError Error { get; private set; }

        /// <summary>True when the walk met a malformed object.</summary>
        public bool Failed { get; private set; }

        public readonly Enumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            // The usual object: a tag of one or two bytes, a length of one, its whole value. Everything else is Read's.
            var rest = data;
            var at = next;
            unchecked
            {
                while ((uint)at < (uint)rest.Length && rest[at] == 0)
                {
                    at++;
                }

                start = at;
                if ((uint)at >= (uint)rest.Length || Failed)
                {
                    return false;
                }

                int value = rest[at++];
                if ((value & 0x1F) == 0x1F && (uint)at < (uint)rest.Length && (rest[at] & 0x80) == 0)
                {
                    value = (value << 8) | rest[at++];
                }
                else if ((value & 0x1F) == 0x1F)
                {
                    return MoveSlowly();
                }

                if ((uint)at >= (uint)rest.Length || rest[at] > 0x7F || rest[at] > rest.Length - at - 1)
                {
                    return MoveSlowly();
                }

                tag = new Tag(value);
                valueLength = rest[at];
                valueStart = at + 1;
                next = at + 1 + valueLength;
                return true;
            }
        }

        private bool MoveSlowly()
        {
            var rest = data[start..];
            var fault = Read(rest, out tag, out var value, out var consumed, out var at);
            if (fault != Fault.None)
            {
                var found = Explain(fault, rest, tag, at);
                Error = found with { Offset = found.Offset + start };
                Failed = true;
                return false;
            }

            (valueStart, valueLength) = (start + at, value.Length);
            next = start + consumed;
            return true;
        }
    }
}
