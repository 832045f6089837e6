using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Messages to bytes and back. Reading checks every field against the table and copies nothing out; values are decoded when they are asked for.</summary>
public static class IsoCodec
{
    private static readonly SearchValues<byte> AlphanumericBytes = SearchValues.Create(" 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> TrackBytes = SearchValues.Create("0123456789ABCDEF="u8);

    /// <summary>Reads a message that starts at its MTI, from a copy of <paramref name="body"/>.</summary>
    public static bool TryRead(Dialect dialect, ReadOnlySpan<byte> body, [NotNullWhen(true)] out IsoMessage? message, out ParseError error)
    {
        if (body.Length > IsoMessage.MaxBytes)
        {
            message = null;
            return Fail("message", 0, $"at most {IsoMessage.MaxBytes} bytes", $"{body.Length} bytes", out error);
        }

        return TryRead(dialect, (ReadOnlyMemory<byte>)body.ToArray(), out message, out error);
    }

    /// <summary>Reads a message that starts at its MTI without copying: <paramref name="body"/> belongs to the message from now on and must not change.</summary>
    public static bool TryRead(Dialect dialect, ReadOnlyMemory<byte> body, [NotNullWhen(true)] out IsoMessage? message, out ParseError error)
    {
        message = null;
        var data = body.Span;
        if (data.Length > IsoMessage.MaxBytes)
        {
            return Fail("message", 0, $"at most {IsoMessage.MaxBytes} bytes", $"{data.Length} bytes", out error);
        }

        if (!TryReadNumber(dialect, data, 0, dialect.MtiBytes, out var mti))
        {
            return Fail("MTI", 0, "4 digits", data.Length < dialect.MtiBytes ? $"{data.Length} bytes" : "another character", out error);
        }

        var position = dialect.MtiBytes + dialect.BitmapBytes;
        if (data.Length < position)
        {
            return Fail("bitmap", dialect.MtiBytes, $"{dialect.BitmapBytes} bytes", $"{data.Length - dialect.MtiBytes} bytes", out error);
        }

        // Bit 1, the leftmost, announces a second bitmap and is no field.
        var first = BinaryPrimitives.ReadUInt64BigEndian(data[dialect.MtiBytes..]);
        var second = dialect.BitmapBytes == 16 ? BinaryPrimitives.ReadUInt64BigEndian(data[(dialect.MtiBytes + 8)..]) : 0;
        if ((first >> 63 != 0) != (dialect.BitmapBytes == 16))
        {
            return Fail("bitmap", dialect.MtiBytes, dialect.BitmapBytes == 16 ? "128 bits (bit 1 set)" : "64 bits (bit 1 clear)", dialect.BitmapBytes == 16 ? "bit 1 clear" : "bit 1 set", out error);
        }

        first &= ~(1UL << 63);
        Span<IsoMessage.Slot> slots = stackalloc IsoMessage.Slot[127];
        var count = 0;
        ulong low = 0, high = 0;
        for (var half = 0; half < 2; half++)
        {
            var bits = half == 0 ? first : second;
            while (bits != 0)
            {
                var zeros = BitOperations.LeadingZeroCount(bits);
                bits &= ~(1UL << (63 - zeros));
                if (half == 0)
                {
                    low |= 1UL << zeros;
                }
                else
                {
                    high |= 1UL << zeros;
                }

                if (!TryReadField(dialect, (64 * half) + zeros + 1, data, ref position, out slots[count], out error))
                {
                    return false;
                }

                count++;
            }
        }

        if (position != data.Length)
        {
            return Fail("message", position, "its end after the last field", $"{data.Length - position} more bytes", out error);
        }

        error = default;
        message = new IsoMessage(new Mti(mti), low, high, dialect, body, slots[..count]);
        return true;
    }

    /// <summary>Writes MTI, bitmap, fields. A value that does not fit its field throws: that is our own bug.</summary>
    public static byte[] Write(Dialect dialect, IsoMessage message)
    {
        var bytes = new byte[Size(dialect, message)];
        Write(dialect, message, bytes);
        return bytes;
    }

    /// <summary>As <see cref="Write(Dialect, IsoMessage)"/> into a buffer of at least <see cref="Size"/> bytes; returns the bytes used. Allocates nothing.</summary>
    public static int Write(Dialect dialect, IsoMessage message, Span<byte> destination)
    {
        WriteNumber(dialect, message.Mti.Value, destination[..dialect.MtiBytes]);
        var (low, high) = message.Map;
        BinaryPrimitives.WriteUInt64BigEndian(destination[dialect.MtiBytes..], Mirror(low) | (dialect.BitmapBytes == 16 ? 1UL << 63 : 0));
        if (dialect.BitmapBytes == 16)
        {
            BinaryPrimitives.WriteUInt64BigEndian(destination[(dialect.MtiBytes + 8)..], Mirror(high));
        }

        var position = dialect.MtiBytes + dialect.BitmapBytes;
        var index = 0;
        for (var half = 0; half < 2; half++)
        {
            for (var bits = half == 0 ? low : high; bits != 0; bits &= bits - 1)
            {
                var field = (64 * half) + BitOperations.TrailingZeroCount(bits) + 1;
                var slot = message.Slots[index++];
                ref readonly var format = ref dialect.Format(field);
                var prefix = dialect.PrefixBytes(format.Length);
                if (message.TryWire(dialect, slot, prefix, out var wire))
                {
                    wire.CopyTo(destination[position..]);
                    position += wire.Length;
                    continue;
                }

                CheckFits(dialect, field, slot.Length, format);
                WriteNumber(dialect, slot.Length, destination.Slice(position, prefix));
                position += prefix;
                var into = destination.Slice(position, format.BytesFor(slot.Length));
                if (!TryCopy(message.BytesOf(slot), slot, format, into))
                {
                    throw new InvalidOperationException($"F{field} does not hold {dialect.Shape(field)}");
                }

                position += into.Length;
            }
        }

        return position;
    }

    /// <summary>Bytes that <see cref="Write(Dialect, IsoMessage)"/> will make.</summary>
    public static int Size(Dialect dialect, IsoMessage message)
    {
        var size = dialect.MtiBytes + dialect.BitmapBytes;
        var (low, high) = message.Map;
        var index = 0;
        for (var half = 0; half < 2; half++)
        {
            for (var bits = half == 0 ? low : high; bits != 0; bits &= bits - 1)
            {
                var field = (64 * half) + BitOperations.TrailingZeroCount(bits) + 1;
                var length = message.Slots[index++].Length;
                ref readonly var format = ref dialect.Format(field);
                CheckFits(dialect, field, length, format);
                size += dialect.PrefixBytes(format.Length) + format.BytesFor(length);
            }
        }

        return size;
    }

    /// <summary>Where the fields of a body stand: number, offset of its length or value, offset behind it. For showing bytes beside fields.</summary>
    internal static IReadOnlyList<(int Field, int Offset, int End)> Layout(Dialect dialect, ReadOnlySpan<byte> body, IsoMessage message)
    {
        var rows = new List<(int, int, int)>(message.Count);
        var position = dialect.MtiBytes + dialect.BitmapBytes;
        foreach (var field in message.Fields)
        {
            var start = position;
            if (!TryReadField(dialect, field, body, ref position, out _, out _))
            {
                break;
            }

            rows.Add((field, start, position));
        }

        return rows;
    }

    private static bool TryReadField(Dialect dialect, int field, ReadOnlySpan<byte> data, ref int position, out IsoMessage.Slot slot, out ParseError error)
    {
        slot = default;
        ref readonly var format = ref dialect.Format(field);
        if (!format.Defined)
        {
            return Fail(field, position, $"a field of the {dialect.Name} line", "a bit set in the bitmap", out error);
        }

        var length = format.Max;
        if (format.Length != LengthKind.Fixed)
        {
            var prefix = dialect.PrefixBytes(format.Length);
            if (!TryReadNumber(dialect, data, position, prefix, out length))
            {
                return Fail(field, position, $"a length of {prefix} bytes in digits", data.Length - position < prefix ? $"{data.Length - position} bytes" : "another character", out error);
            }

            if (length > format.Max)
            {
                return Fail(field, position, $"a length of at most {format.Max}", length.ToString(CultureInfo.InvariantCulture), out error);
            }

            position += prefix;
        }

        var bytes = format.BytesFor(length);
        if (data.Length - position < bytes)
        {
            return Fail(field, position, $"{bytes} bytes", $"{data.Length - position} bytes", out error);
        }

        var value = data.Slice(position, bytes);
        var wrong = FirstWrong(value, length, format);
        if (wrong >= 0)
        {
            return Fail(field, position + wrong, dialect.Shape(field)!.Value.ToString(), "another character", out error);
        }

        slot = new IsoMessage.Slot(position, length, format.Coding, own: false);
        position += bytes;
        error = default;
        return true;
    }

    /// <summary>Index of the first byte that the content class does not allow, or −1.</summary>
    private static int FirstWrong(ReadOnlySpan<byte> value, int length, in FieldFormat format)
    {
        if (format.Coding == Coding.Raw)
        {
            return format.Content switch
            {
                Content.N => value.IndexOfAnyExceptInRange((byte)'0', (byte)'9'),
                Content.An => value.IndexOfAnyExcept(AlphanumericBytes),
                Content.Ans => value.IndexOfAnyInRange((byte)0, (byte)0x1F),
                Content.Z => value.IndexOfAnyExcept(TrackBytes),
                _ => -1,
            };
        }

        // The filling nibble of an odd length is zero; F stands there on some terminals.
        if ((length & 1) != 0)
        {
            var fill = format.Coding == Coding.PackedLeft ? value[^1] & 0xF : value[0] >> 4;
            if (fill is not (0 or 0xF))
            {
                return format.Coding == Coding.PackedLeft ? value.Length - 1 : 0;
            }
        }

        if (format.Content == Content.N)
        {
            // A nibble is above 9 when its bit 8 and one of its bits 4 and 2 are set; the filling nibble was looked at above.
            for (var i = 0; i < value.Length; i++)
            {
                var b = value[i];
                var above = b & ((b << 1) | (b << 2)) & 0x88;
                if (above != 0 && !((length & 1) != 0 && (format.Coding == Coding.PackedLeft ? i == value.Length - 1 && above == 0x08 : i == 0 && above == 0x80)))
                {
                    return i;
                }
            }
        }

        return -1;
    }

    private static bool TryCopy(ReadOnlySpan<byte> value, IsoMessage.Slot slot, in FieldFormat format, Span<byte> into)
    {
        if (slot.Coding == format.Coding)
        {
            // Read from this line, or text as it was set: the bytes stand as they are.
            value.CopyTo(into);
            return FirstWrong(into, slot.Length, format) < 0;
        }

        if (format.Coding == Coding.Raw)
        {
            IsoMessage.Unpack(value, slot, into);
            return FirstWrong(into, slot.Length, format) < 0;
        }

        Span<byte> digits = stackalloc byte[slot.Length];
        if (slot.Coding == Coding.Raw)
        {
            value.CopyTo(digits);
        }
        else
        {
            IsoMessage.Unpack(value, slot, digits);
        }

        return TryPack(digits, format, into);
    }

    private static bool TryPack(ReadOnlySpan<byte> digits, in FieldFormat format, Span<byte> into)
    {
        var shift = format.Coding == Coding.PackedRight ? digits.Length & 1 : 0;
        if ((digits.Length & 1) != 0)
        {
            into[format.Coding == Coding.PackedRight ? 0 : into.Length - 1] = 0;
        }

        for (var i = 0; i < digits.Length; i++)
        {
            var c = digits[i];
            var nibble = c is >= (byte)'0' and <= (byte)'9' ? c - '0'
                : format.Content == Content.N ? 16
                : c is >= (byte)'A' and <= (byte)'F' ? c - 'A' + 10
                : c == '=' ? 0xD
                : 16;
            if (nibble == 16)
            {
                return false;
            }

            var at = (i + shift) >> 1;
            into[at] = ((i + shift) & 1) == 0 ? (byte)(nibble << 4) : (byte)(into[at] | nibble);
        }

        return true;
    }

    private static bool TryReadNumber(Dialect dialect, ReadOnlySpan<byte> data, int offset, int bytes, out int value)
    {
        value = 0;
        if (data.Length - offset < bytes)
        {
            return false;
        }

        unchecked
        {
            foreach (var b in data.Slice(offset, bytes))
            {
                if (dialect.Packed)
                {
                    if (b > 0x99 || (b & 0xF) > 9)
                    {
                        return false;
                    }

                    value = (100 * value) + (10 * (b >> 4)) + (b & 0xF);
                }
                else
                {
                    if (b is < (byte)'0' or > (byte)'9')
                    {
                        return false;
                    }

                    value = (10 * value) + b - '0';
                }
            }
        }

        return true;
    }

    private static void WriteNumber(Dialect dialect, int value, Span<byte> into)
    {
        for (var i = into.Length - 1; i >= 0; i--)
        {
            if (dialect.Packed)
            {
                into[i] = (byte)((value / 10 % 10 << 4) | (value % 10));
                value /= 100;
            }
            else
            {
                into[i] = (byte)('0' + (value % 10));
                value /= 10;
            }
        }
    }

    private static void CheckFits(Dialect dialect, int field, int length, in FieldFormat format)
    {
        if (!format.Defined)
        {
            throw new InvalidOperationException($"F{field} is not a field of the {dialect.Name} line");
        }

        if (length > format.Max || (format.Length == LengthKind.Fixed && length != format.Max))
        {
            throw new InvalidOperationException($"F{field} wants {dialect.Shape(field)}, not a length of {length}");
        }
    }

    /// <summary>Bit n−1 from the right to bit n from the left.</summary>
    private static ulong Mirror(ulong value)
    {
        value = ((value >> 1) & 0x5555555555555555) | ((value & 0x5555555555555555) << 1);
        value = ((value >> 2) & 0x3333333333333333) | ((value & 0x3333333333333333) << 2);
        value = ((value >> 4) & 0x0F0F0F0F0F0F0F0F) | ((value & 0x0F0F0F0F0F0F0F0F) << 4);
        return BinaryPrimitives.ReverseEndianness(value);
    }

    private static bool Fail(int field, int offset, string expected, string got, out ParseError error) =>
        Fail("F" + field.ToString(CultureInfo.InvariantCulture), offset, expected, got, out error);

    private static bool Fail(string field, int offset, string expected, string got, out ParseError error)
    {
        error = new ParseError(field, offset, expected, got);
        return false;
    }
}
