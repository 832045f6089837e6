namespace Majia.Core.Emv;

/// <summary>What a counter means for this card.</summary>
public enum AtcVerdict
{
    Fresh,

    /// <summary>Behind the highest one, but never seen: the taps overtook each other.</summary>
    OutOfOrder,

    Reused,

    /// <summary>Further back than the window remembers: fresh or not cannot be told, so it is not.</summary>
    TooOld,
}

/// <summary>The highest application transaction counter seen, and which of the 64 up to it were (decisions.md 8).</summary>
/// <param name="High">−1 before the first one.</param>
/// <param name="Bits">Bit n: <paramref name="High"/> − n was seen.</param>
public readonly record struct AtcWindow(int High, ulong Bits)
{
    public static readonly AtcWindow Empty = new(-1, 0);

    /// <summary>Taps that reached nobody (read only, declined offline) move the counter too; a larger step is flagged.</summary>
    public const int LargeGap = 100;

    public AtcVerdict Look(ushort atc)
    {
        if (atc > High)
        {
            return AtcVerdict.Fresh;
        }

        var back = High - atc;
        return back >= 64 ? AtcVerdict.TooOld : (Bits >> back & 1) == 0 ? AtcVerdict.OutOfOrder : AtcVerdict.Reused;
    }

    /// <summary>The window after <paramref name="atc"/> was used.</summary>
    public AtcWindow Use(ushort atc)
    {
        if (atc <= High)
        {
            return High - atc >= 64 ? this : this with { Bits = Bits | (1UL << (High - atc)) };
        }

        var step = atc - High;
        return new(atc, (High < 0 || step >= 64 ? 0 : Bits << step) | 1);
    }

    public bool IsLargeGap(ushort atc) => High >= 0 && atc - High > LargeGap;
}
