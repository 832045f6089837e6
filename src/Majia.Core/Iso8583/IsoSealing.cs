using System.Security.Cryptography;
using System.Text;

namespace Majia.Core.Iso8583;

/// <summary>What the MAC covers and where it stands: F64 on the POS line, F128 on the switch line (protocols.md 6.7, 6.9).</summary>
public static class MacBlock
{
    /// <summary>Bytes of the MAC field on both lines.</summary>
    public const int MacBytes = 8;

    private static ReadOnlySpan<byte> SwitchElements => [2, 3, 4, 7, 11, 18, 25, 28, 32, 33, 38, 39, 41, 42, 90, 102, 103];

    /// <summary>POS line: everything from the MTI up to, not including, F64, with the bitmap announcing F64. Empty when F64 is not announced.</summary>
    public static ReadOnlyMemory<byte> Pos(ReadOnlyMemory<byte> body) =>
        body.Length >= 2 + 8 + MacBytes && (body.Span[9] & 1) != 0 ? body[..^MacBytes] : default;

    /// <summary>Switch line: the elements of protocols.md 6.9 joined with single spaces, upper-cased, other characters dropped. Absent elements leave nothing.</summary>
    public static byte[] Switch(IsoMessage message)
    {
        Span<byte> block = stackalloc byte[1024];
        var length = Append(block, 0, Encoding.ASCII.GetBytes(message.Mti.Digits));
        foreach (var field in SwitchElements)
        {
            if (message.Has(field))
            {
                var value = message.Binary(field).Span;
                length = Append(block, length, field == 90 && value.Length > 20 ? value[..20] : value);
            }
        }

        return block[..length].TrimEnd((byte)' ').ToArray();
    }

    /// <summary>Appends a space and the characters A–Z 0–9 space , . of an element; runs of spaces become one.</summary>
    private static int Append(Span<byte> block, int length, ReadOnlySpan<byte> element)
    {
        if (length > 0 && block[length - 1] != ' ')
        {
            block[length++] = (byte)' ';
        }

        foreach (var b in element)
        {
            var c = b is >= (byte)'a' and <= (byte)'z' ? (byte)(b - 32) : b;
            var kept = c is (>= (byte)'A' and <= (byte)'Z') or (>= (byte)'0' and <= (byte)'9') or (byte)',' or (byte)'.' || (c == ' ' && length > 0 && block[length - 1] != ' ');
            if (kept && length < block.Length)
            {
                block[length++] = c;
            }
        }

        return length;
    }
}

/// <summary>Puts the MAC on a message and checks it. The key stays where it is: the caller gives the computation.</summary>
public static class IsoSealing
{
    /// <summary>The bytes of <paramref name="message"/> with its MAC field (F64 or F128). The message itself gets the MAC too.</summary>
    /// <param name="mac">Eight bytes over the MAC block, as they stand in the field.</param>
    public static byte[] Seal(Dialect dialect, IsoMessage message, Func<ReadOnlySpan<byte>, byte[]> mac)
    {
        message.Set(dialect.MacField, stackalloc byte[MacBlock.MacBytes]);
        var body = IsoCodec.Write(dialect, message);
        var value = dialect == Dialect.Pos ? mac(MacBlock.Pos(body).Span) : mac(MacBlock.Switch(message));
        ArgumentOutOfRangeException.ThrowIfNotEqual(value.Length, MacBlock.MacBytes, nameof(mac));

        // F64 and F128 are the last field of their line.
        value.CopyTo(body, body.Length - MacBlock.MacBytes);
        message.Set(dialect.MacField, value);
        return body;
    }

    /// <summary>True when the message carries a MAC and it is right. Compared in constant time.</summary>
    /// <param name="body">The bytes as received: on the POS line the MAC covers them, not their meaning.</param>
    /// <param name="mac">Eight bytes over the MAC block.</param>
    public static bool Verify(Dialect dialect, ReadOnlyMemory<byte> body, IsoMessage message, Func<ReadOnlySpan<byte>, byte[]> mac) =>
        Verify(dialect, body, message, (block, expected) => CryptographicOperations.FixedTimeEquals(mac(block), expected));

    /// <inheritdoc cref="Verify(Dialect, ReadOnlyMemory{byte}, IsoMessage, Func{ReadOnlySpan{byte}, byte[]})"/>
    /// <param name="check">Says whether the second argument is the MAC of the first; a key module does this inside.</param>
    public static bool Verify(Dialect dialect, ReadOnlyMemory<byte> body, IsoMessage message, Func<ReadOnlySpan<byte>, ReadOnlySpan<byte>, bool> check)
    {
        if (!message.Has(dialect.MacField))
        {
            return false;
        }

        var carried = message.Binary(dialect.MacField).Span;
        return dialect == Dialect.Pos ? check(MacBlock.Pos(body).Span, carried) : check(MacBlock.Switch(message), carried);
    }
}
