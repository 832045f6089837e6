using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Frame of the POS line: length (2) ‖ TPDU (5) ‖ header (6) ‖ message (protocols.md 6.1).</summary>
public static class PosFrame
{
    public const int TpduBytes = 5, HeaderBytes = 6, BodyOffset = 2 + TpduBytes + HeaderBytes, MaxBytes = 2 + ushort.MaxValue;

    /// <param name="tpdu">5 bytes; the host answers with destination and source swapped.</param>
    /// <param name="header">6 bytes.</param>
    public static byte[] Write(ReadOnlySpan<byte> tpdu, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(tpdu.Length, TpduBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(header.Length, HeaderBytes);
        var frame = new byte[BodyOffset + body.Length];
        BinaryPrimitives.WriteUInt16BigEndian(frame, checked((ushort)(frame.Length - 2)));
        tpdu.CopyTo(frame.AsSpan(2));
        header.CopyTo(frame.AsSpan(2 + TpduBytes));
        body.CopyTo(frame.AsSpan(BodyOffset));
        return frame;
    }

    public static bool TryRead(ReadOnlyMemory<byte> frame, out ReadOnlyMemory<byte> tpdu, out ReadOnlyMemory<byte> header, out ReadOnlyMemory<byte> body, out ParseError error)
    {
        tpdu = header = body = default;
        if (frame.Length < BodyOffset)
        {
            error = new ParseError("frame", 0, $"at least {BodyOffset} bytes", $"{frame.Length} bytes");
            return false;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(frame.Span);
        if (length != frame.Length - 2)
        {
            error = new ParseError("length", 0, $"{frame.Length - 2}, the bytes that follow", length.ToString(CultureInfo.InvariantCulture));
            return false;
        }

        if (frame.Span[2] != 0x60)
        {
            error = new ParseError("TPDU", 2, "60", frame.Span[2].ToString("X2", CultureInfo.InvariantCulture));
            return false;
        }

        tpdu = frame.Slice(2, TpduBytes);
        header = frame.Slice(2 + TpduBytes, HeaderBytes);
        body = frame[BodyOffset..];
        error = default;
        return true;
    }

    /// <summary>The TPDU to answer with: destination and source swapped.</summary>
    public static byte[] AnswerTpdu(ReadOnlySpan<byte> tpdu)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(tpdu.Length, TpduBytes);
        return [tpdu[0], tpdu[3], tpdu[4], tpdu[1], tpdu[2]];
    }
}

/// <summary>Frame of the switch line: 4 ASCII digits of length ‖ 46-byte header ‖ message (protocols.md 6.9).</summary>
/// <remarks>
/// Header: its length 1 (2E) | version 1 (02) | total length 4 | destination 11 | source 11 | reserved 3 | batch 1 | transaction information 8 | user information 1 | reject code 5.
/// Total length counts header and message, as the length in front of it does.
/// </remarks>
public static class SwitchFrame
{
    public const int LengthBytes = 4, HeaderBytes = 46, BodyOffset = LengthBytes + HeaderBytes, MaxBytes = LengthBytes + 9999;
    private const int Destination = 6, Source = 17, InstitutionBytes = 11, Reserved = 28, Batch = 31, Information = 32, User = 40, Reject = 41;

    /// <param name="destination">Institution code, up to 11 digits.</param>
    /// <param name="source">Institution code, up to 11 digits.</param>
    public static byte[] Write(string destination, string source, ReadOnlySpan<byte> body)
    {
        var total = HeaderBytes + body.Length;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(total, 9999, nameof(body));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, InstitutionBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(source.Length, InstitutionBytes);
        var frame = new byte[LengthBytes + total];
        var digits = total.ToString("D4", CultureInfo.InvariantCulture);
        Encoding.ASCII.GetBytes(digits, frame);
        var header = frame.AsSpan(LengthBytes, HeaderBytes);
        header[0] = HeaderBytes;
        header[1] = 2;
        Encoding.ASCII.GetBytes(digits, header[2..]);
        header[Destination..Reserved].Fill((byte)' ');
        Encoding.ASCII.GetBytes(destination, header[Destination..]);
        Encoding.ASCII.GetBytes(source, header[Source..]);
        header[Information..User].Fill((byte)'0');
        header[Reject..].Fill((byte)'0');
        body.CopyTo(frame.AsSpan(BodyOffset));
        return frame;
    }

    public static bool TryRead(ReadOnlyMemory<byte> frame, out string destination, out string source, out ReadOnlyMemory<byte> body, out ParseError error)
    {
        destination = source = string.Empty;
        body = default;
        var data = frame.Span;
        if (data.Length < BodyOffset)
        {
            error = new ParseError("frame", 0, $"at least {BodyOffset} bytes", $"{data.Length} bytes");
            return false;
        }

        if (!CheckLength(data, 0, data.Length - LengthBytes, "length", out error))
        {
            return false;
        }

        if (data[LengthBytes] != HeaderBytes)
        {
            error = new ParseError("header length", LengthBytes, "2E", data[LengthBytes].ToString("X2", CultureInfo.InvariantCulture));
            return false;
        }

        if (!CheckLength(data, LengthBytes + 2, data.Length - LengthBytes, "total length", out error)
            || !TryInstitution(data, LengthBytes + Destination, "destination", out destination, out error)
            || !TryInstitution(data, LengthBytes + Source, "source", out source, out error))
        {
            return false;
        }

        var reject = data.Slice(LengthBytes + Reject, 5);
        if (reject.IndexOfAnyExcept((byte)'0') >= 0)
        {
            error = new ParseError("reject code", LengthBytes + Reject, "00000", Encoding.Latin1.GetString(reject));
            return false;
        }

        body = frame[BodyOffset..];
        return true;
    }

    private static bool CheckLength(ReadOnlySpan<byte> data, int offset, int expected, string field, out ParseError error)
    {
        var value = 0;
        foreach (var b in data.Slice(offset, 4))
        {
            value = b is >= (byte)'0' and <= (byte)'9' && value >= 0 ? (10 * value) + b - '0' : -1;
        }

        error = value == expected ? default : new ParseError(field, offset, expected.ToString("D4", CultureInfo.InvariantCulture), value < 0 ? "not 4 digits" : value.ToString("D4", CultureInfo.InvariantCulture));
        return value == expected;
    }

    private static bool TryInstitution(ReadOnlySpan<byte> data, int offset, string field, out string institution, out ParseError error)
    {
        var value = data.Slice(offset, InstitutionBytes).TrimEnd((byte)' ');
        var wrong = value.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        institution = wrong < 0 ? Encoding.ASCII.GetString(value) : string.Empty;
        error = wrong < 0 ? default : new ParseError(field, offset + wrong, "digits, then spaces", "another character");
        return wrong < 0;
    }
}
