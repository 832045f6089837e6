using Majia.Core.Tlv;

namespace Majia.Tests.Fuzz;

/// <summary>Makes bad bytes out of good ones: flips, cuts, doubles, lengths that lie, splices, deep nesting; now and then bytes from nowhere.</summary>
internal static class Mutator
{
    private static readonly byte[] Telling = [0x00, 0x01, 0x0F, 0x1F, 0x20, 0x30, 0x39, 0x3F, 0x61, 0x6F, 0x70, 0x77, 0x7F, 0x80, 0x81, 0x82, 0x83, 0x84, 0x9F, 0xA5, 0xBF, 0xDF, 0xFE, 0xFF];

    /// <summary>One input of at most <paramref name="max"/> bytes.</summary>
    public static byte[] Bytes(Dice dice, IReadOnlyList<byte[]> corpus, int max)
    {
        if (corpus.Count == 0 || dice.Once(16))
        {
            return dice.Bytes(dice.Size(Math.Min(max, 600)));
        }

        var bytes = dice.Of(corpus);
        for (var left = 1 + dice.Size(4); left > 0; left--)
        {
            bytes = Once(dice, bytes, corpus, max);
        }

        return bytes.Length <= max ? bytes : bytes[..max];
    }

    public static byte[] Once(Dice dice, byte[] bytes, IReadOnlyList<byte[]> corpus, int max)
    {
        if (bytes.Length == 0)
        {
            return dice.Bytes(dice.Size(32));
        }

        var at = dice.Below(bytes.Length);
        var span = 1 + dice.Size(bytes.Length - at - 1);
        byte[] one;
        switch (dice.Below(13))
        {
            case 0:
                one = [.. bytes];
                one[at] ^= (byte)(1 << dice.Below(8));
                return one;
            case 1:
                one = [.. bytes];
                one[at] = dice.Of(Telling);
                return one;
            case 2:
                return bytes[..at];
            case 3:
                return [.. bytes[..at], .. bytes[(at + span)..]];
            case 4:
                return [.. bytes[..at], .. bytes.AsSpan(at, span), .. bytes[at..]];
            case 5:
                return [.. bytes[..at], .. dice.Bytes(dice.Size(24)), .. bytes[at..]];
            case 6: // a length that lies by a little
                one = [.. bytes];
                one[at] = unchecked((byte)(one[at] + dice.Below(5) - 2));
                return one;
            case 7: // a length that lies by a lot
                return [.. bytes[..at], .. (dice.Below(4) switch { 0 => (byte[])[0x81, 0xFF], 1 => [0x82, 0xFF, 0xFF], 2 => [0x84, 0xFF, 0xFF, 0xFF, 0xFF], _ => [0xFF, 0xFF, 0xFF] }), .. bytes[Math.Min(bytes.Length, at + 1)..]];
            case 8:
                var other = dice.Of(corpus);
                return [.. bytes[..at], .. other.AsSpan(dice.Below(other.Length + 1))];
            case 9 when dice.Once(6): // the same piece again and again
                var copies = 1 + dice.Below(1 + (max / span));
                var many = new byte[Math.Min(max, at + (copies * span) + bytes.Length - at)];
                for (var i = 0; i < many.Length; i++)
                {
                    many[i] = i < at ? bytes[i] : bytes[at + ((i - at) % span)];
                }

                return many;
            case 10: // one inside the other inside the other
                var inner = bytes.AsSpan(at, span).ToArray();
                for (var depth = dice.Once(8) ? 40 + dice.Below(400) : 1 + dice.Below(12); depth > 0 && inner.Length < Math.Min(max, 0xFF00); depth--)
                {
                    inner = BerTlv.Encode(dice.Below(4) switch { 0 => 0x70, 1 => 0x6F, 2 => 0xBF0C, _ => 0xA5 }, inner);
                }

                return [.. bytes[..at], .. inner, .. bytes[(at + span)..]];
            case 11: // two pieces change places
                one = [.. bytes];
                var to = dice.Below(bytes.Length);
                (one[at], one[to]) = (one[to], one[at]);
                return one;
            default:
                one = [.. bytes];
                dice.Bytes(span).CopyTo(one, at);
                return one;
        }
    }
}
