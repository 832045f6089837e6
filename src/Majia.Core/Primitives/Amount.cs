using System.Globalization;

namespace Majia.Core.Primitives;

/// <summary>ISO 4217 numeric currency code with its minor-unit digits.</summary>
public readonly record struct Currency(int Numeric)
{
    public static readonly Currency Cny = new(156);

    /// <summary>Three digits, as field 49 on the wire.</summary>
    public string Digits => Numeric.ToString("D3", CultureInfo.InvariantCulture);

    public string Letters => Numeric == 156 ? "CNY" : Digits;

    public override string ToString() => Letters;
}

/// <summary>An amount of money in minor units (fen), with its currency. Arithmetic is checked and never mixes currencies.</summary>
public readonly record struct Amount(long Minor, Currency Currency) : IComparable<Amount>
{
    /// <summary>Twelve digits: what field 4 and tag 9F02 can carry.</summary>
    public const long MaxMinor = 999_999_999_999;

    public static Amount Cny(long minor) => new(minor, Currency.Cny);

    public static Amount Zero(Currency currency) => new(0, currency);

    /// <summary>Twelve digits of field 4 or 9F02. Throws when negative or too large: that is our own bug.</summary>
    public string Digits12 => Minor is >= 0 and <= MaxMinor
        ? Minor.ToString("D12", CultureInfo.InvariantCulture)
        : throw new InvalidOperationException("amount outside 12 digits");

    /// <summary>Decimal text such as <c>88.00</c>: digits, optionally a point and one or two more.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, Currency currency, out Amount amount, out ParseError error)
    {
        amount = default;
        error = default;
        var point = text.IndexOf('.');
        var whole = point < 0 ? text : text[..point];
        var fraction = point < 0 ? [] : text[(point + 1)..];
        if (whole.Length is 0 or > 10 || !AllDigits(whole) || !AllDigits(fraction) || fraction.Length > 2 || (point >= 0 && fraction.Length == 0))
        {
            error = new ParseError("amount", 0, "digits with at most two decimals, e.g. 88.00", text.Length > 24 ? "a longer text" : text.ToString());
            return false;
        }

        var fen = fraction.Length switch { 0 => 0, 1 => (fraction[0] - '0') * 10, _ => ((fraction[0] - '0') * 10) + (fraction[1] - '0') };
        amount = new Amount((long.Parse(whole, CultureInfo.InvariantCulture) * 100) + fen, currency);
        return true;
    }

    public static Amount operator +(Amount left, Amount right) => new(checked(left.Minor + Same(left, right).Minor), left.Currency);

    public static Amount operator -(Amount left, Amount right) => new(checked(left.Minor - Same(left, right).Minor), left.Currency);

    public static Amount operator -(Amount value) => new(checked(-value.Minor), value.Currency);

    public static bool operator <(Amount left, Amount right) => left.Minor < Same(left, right).Minor;

    public static bool operator >(Amount left, Amount right) => left.Minor > Same(left, right).Minor;

    public static bool operator <=(Amount left, Amount right) => left.Minor <= Same(left, right).Minor;

    public static bool operator >=(Amount left, Amount right) => left.Minor >= Same(left, right).Minor;

    public int CompareTo(Amount other) => Minor.CompareTo(Same(this, other).Minor);

    /// <summary><c>88.00</c>, without the currency.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(Minor < 0 ? "-" : "")}{Math.Abs(Minor) / 100}.{Math.Abs(Minor) % 100:D2}");

    private static Amount Same(Amount left, Amount right) =>
        left.Currency == right.Currency ? right : throw new InvalidOperationException($"{left.Currency} and {right.Currency} do not mix");

    private static bool AllDigits(ReadOnlySpan<char> text) => text.IndexOfAnyExceptInRange('0', '9') < 0;
}
