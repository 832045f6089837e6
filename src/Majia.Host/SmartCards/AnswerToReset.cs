using Majia.Core.Primitives;

namespace Majia.Host.SmartCards;

/// <summary>Which interface a card pretends to be read through: what a PC/SC program sees of it is the ATR.</summary>
public enum CardInterface
{
    Contactless,
    Contact,
}

/// <summary>Answer to reset (ISO/IEC 7816-3 §8): what a reader hears first. For a contactless card the reader makes one up from its ATS (PC/SC part 3 §3.1.3.2.3).</summary>
public static class AnswerToReset
{
    public const int MaxLength = 32;

    /// <summary>PC/SC part 3, ISO 14443-4 without historical bytes: TS, T0 with TD1, TD1 (T=0 first, TD2 follows), TD2 (T=1), TCK.</summary>
    private static readonly byte[] ContactlessBody = [0x3B, 0x80, 0x80, 0x01];

    /// <summary>EMV Book 1 §8.2, basic ATR of a T=1 card: TB1 no VPP, TC1 no extra guard time, TD1 T=1, TA3 IFSC 32, TB3 BWI 4 and CWI 5, TCK.</summary>
    private static readonly byte[] ContactBody = [0x3B, 0xE0, 0x00, 0x00, 0x81, 0x31, 0x20, 0x45];

    public static byte[] Of(CardInterface side)
    {
        var body = side == CardInterface.Contact ? ContactBody : ContactlessBody;
        return [.. body, Check(body)];
    }

    /// <summary>TCK: with it the XOR over all bytes from T0 on is zero (ISO/IEC 7816-3 §8.2.5).</summary>
    public static byte Check(ReadOnlySpan<byte> body)
    {
        byte check = 0;
        foreach (var one in body[1..])
        {
            check ^= one;
        }

        return check;
    }

    /// <summary>Is this an ATR, whole and with its check byte where one is due? A reader's answer is not trusted.</summary>
    public static bool TryCheck(ReadOnlySpan<byte> atr, out ParseError error)
    {
        error = default;
        if (atr.Length is < 2 or > MaxLength)
        {
            error = new ParseError("ATR", atr.Length, "2 to 32 bytes", $"{atr.Length}");
            return false;
        }

        if (atr[0] is not (0x3B or 0x3F))
        {
            error = new ParseError("ATR TS", 0, "3B or 3F", $"{atr[0]:X2}");
            return false;
        }

        // Each TD announces the next group and names a protocol; any but T=0 alone wants TCK.
        var (at, announced, check) = (2, atr[1] >> 4, false);
        while (true)
        {
            at += System.Numerics.BitOperations.PopCount((uint)announced & 0x7);
            if ((announced & 0x8) == 0)
            {
                break;
            }

            if (at >= atr.Length)
            {
                error = new ParseError("ATR TD", at, "an interface byte", "the end");
                return false;
            }

            check |= (atr[at] & 0x0F) != 0;
            announced = atr[at++] >> 4;
        }

        var length = at + (atr[1] & 0x0F) + (check ? 1 : 0);
        if (length != atr.Length)
        {
            error = new ParseError("ATR", Math.Min(length, atr.Length), $"{length} bytes", $"{atr.Length}");
            return false;
        }

        if (check && Check(atr[..^1]) != atr[^1])
        {
            error = new ParseError("ATR TCK", atr.Length - 1, $"{Check(atr[..^1]):X2}", $"{atr[^1]:X2}");
            return false;
        }

        return true;
    }
}
