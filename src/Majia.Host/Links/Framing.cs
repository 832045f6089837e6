using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Majia.Core.Iso8583;

namespace Majia.Host.Links;

/// <summary>What stands at the front of a stream of bytes.</summary>
public enum Cut
{
    /// <summary>A whole frame: it is taken off the front.</summary>
    Frame,

    /// <summary>Not yet a whole one.</summary>
    More,

    /// <summary>The length cannot be read, or is longer than the line allows: where the next frame begins cannot be known, so the connection ends.</summary>
    Broken,
}

/// <summary>By what an answer finds its request: the fields that it must echo, and those that it compares only where it has them.</summary>
/// <param name="Must">MTI of the answer and the identifying fields that every answer carries.</param>
/// <param name="May">The batch on the POS line, F32 and F33 on the switch line; empty where an early refusal left it out.</param>
public readonly record struct ExchangeKey(string Must, string May)
{
    /// <summary>True when an answer with the key <paramref name="answer"/> belongs to the request with this one.</summary>
    public bool Takes(in ExchangeKey answer) => Must == answer.Must && (answer.May.Length == 0 || answer.May == May);
}

/// <summary>One of the two ISO 8583 lines as a stream of bytes: where frames end, and which answer belongs to which request (decisions.md 19).</summary>
public sealed class Framing
{
    private readonly int lengthBytes;
    private readonly int bodyOffset;

    private Framing(Dialect dialect, int lengthBytes, int bodyOffset, int maxBytes) =>
        (Dialect, this.lengthBytes, this.bodyOffset, MaxBytes) = (dialect, lengthBytes, bodyOffset, maxBytes);

    /// <summary>2 bytes of length, TPDU, header, message (protocols.md 6.1). A length over 8 KiB is no message of this line.</summary>
    public static Framing Pos { get; } = new(Dialect.Pos, 2, PosFrame.BodyOffset, 2 + 8192);

    /// <summary>4 digits of length, 46 bytes of header, message (protocols.md 6.9).</summary>
    public static Framing Switch { get; } = new(Dialect.Switch, SwitchFrame.LengthBytes, SwitchFrame.BodyOffset, SwitchFrame.MaxBytes);

    public Dialect Dialect { get; }

    /// <summary>Of a whole frame, its length included.</summary>
    public int MaxBytes { get; }

    /// <summary>Takes one frame off the front of <paramref name="stream"/>, as a copy of its own. However the bytes were cut in chunks, the frames are the same.</summary>
    public Cut TryCut(ref ReadOnlySequence<byte> stream, out byte[] frame)
    {
        frame = [];
        if (stream.Length < lengthBytes)
        {
            return Cut.More;
        }

        Span<byte> front = stackalloc byte[4];
        front = front[..lengthBytes];
        stream.Slice(0, lengthBytes).CopyTo(front);
        var length = lengthBytes + Length(front);
        if (length < lengthBytes || length > MaxBytes)
        {
            return Cut.Broken;
        }

        if (stream.Length < length)
        {
            return Cut.More;
        }

        frame = new byte[length];
        stream.Slice(0, length).CopyTo(frame);
        stream = stream.Slice(length);
        return Cut.Frame;
    }

    /// <summary>The body of a frame, read; false when envelope or body cannot be.</summary>
    public bool TryRead(ReadOnlyMemory<byte> frame, [NotNullWhen(true)] out IsoMessage? message)
    {
        message = null;
        return frame.Length > bodyOffset && IsoCodec.TryRead(Dialect, frame[bodyOffset..], out message, out _);
    }

    /// <summary>Under which key the answer to this frame is waited for, or finds who waits.</summary>
    public bool TryKey(ReadOnlyMemory<byte> frame, out ExchangeKey key)
    {
        key = default;
        if (!TryRead(frame, out var message))
        {
            return false;
        }

        Span<char> text = stackalloc char[96];
        var length = 0;
        message.Mti.Response.Value.TryFormat(text, out length, "D4");
        if (Dialect == Dialect.Pos)
        {
            // F60.2 is the batch: two digits of type stand before it.
            Span<char> reserved = stackalloc char[32];
            var may = message.TryText(60, reserved, out var field) && field.Length >= 8 ? field[2..8].ToString() : string.Empty;
            key = new ExchangeKey(Join(message, [11, 41, 42], text, length), may);
            return true;
        }

        Span<char> institutions = stackalloc char[32];
        key = new ExchangeKey(Join(message, [7, 11], text, length), message.Has(32) ? Join(message, [32, 33], institutions, 0) : string.Empty);
        return true;
    }

    private int Length(ReadOnlySpan<byte> front)
    {
        if (lengthBytes == 2)
        {
            return BinaryPrimitives.ReadUInt16BigEndian(front);
        }

        var value = 0;
        foreach (var digit in front)
        {
            if (digit is < (byte)'0' or > (byte)'9')
            {
                return -lengthBytes - 1;
            }

            value = (10 * value) + digit - '0';
        }

        return value;
    }

    private static string Join(IsoMessage message, ReadOnlySpan<int> fields, Span<char> text, int length)
    {
        foreach (var field in fields)
        {
            text[length++] = '|';
            length += Math.Max(0, message.CopyText(field, text[length..]));
        }

        return new string(text[..length]);
    }
}
