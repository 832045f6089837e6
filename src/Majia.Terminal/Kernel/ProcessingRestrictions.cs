using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Terminal.Kernel;

/// <summary>May this card be used here and today (EMV Book 3 §10.4; protocols.md 2.5 step 3)? Asked where the card decides offline; online the bank knows better.</summary>
public static class ProcessingRestrictions
{
    private const int Expires = 0x5F24, Effective = 0x5F25, UsageControl = 0x9F07, IssuerCountry = 0x5F28;

    // AUC byte 1 (EMV Book 3 annex C2).
    private const byte DomesticGoods = 0x20, InternationalGoods = 0x10, OtherThanAtm = 0x01;

    public enum Restriction
    {
        None,
        Expired,
        NotYetEffective,
        UsageNotAllowed,
    }

    /// <summary>The first restriction in the book's order, with its why.</summary>
    /// <param name="country">9F1A.</param>
    public static (Restriction Restriction, Text Why) Check(CardData card, ReadOnlySpan<byte> country, DateOnly today)
    {
        // 10.4.2: usage control is looked at only when the card has one.
        if (card.Find(UsageControl) is { Length: 2 } usage)
        {
            var allowed = usage.Span[0];
            var goods = card.Find(IssuerCountry) is { Length: 2 } issuer && !issuer.Span.SequenceEqual(country) ? InternationalGoods : DomesticGoods;
            if ((allowed & OtherThanAtm) == 0 || (allowed & goods) == 0)
            {
                return (Restriction.UsageNotAllowed, new("The card is not for purchases at this kind of terminal (9F07).", "该卡不允许在此类终端消费（9F07）。"));
            }
        }

        // 10.4.3.
        if (Date(card.Find(Effective).Span) is { } from && today < from)
        {
            return (Restriction.NotYetEffective, new($"The card is good from {from:yyyy-MM-dd} on (5F25).", $"该卡自 {from:yyyy-MM-dd} 起生效（5F25）。"));
        }

        if (Date(card.Find(Expires).Span) is not { } until || today > until)
        {
            return (Restriction.Expired, new("The card has expired (5F24).", "该卡已过期（5F24）。"));
        }

        return (Restriction.None, new("The card may be used here and today.", "该卡可在此时此地使用。"));
    }

    /// <summary>YYMMDD; null for what is no day.</summary>
    private static DateOnly? Date(ReadOnlySpan<byte> value) =>
        value.Length == 3 && DateOnly.TryParseExact("20" + Convert.ToHexString(value), "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? day : null;
}
