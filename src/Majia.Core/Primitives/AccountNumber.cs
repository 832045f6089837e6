using System.Diagnostics.CodeAnalysis;

namespace Majia.Core.Primitives;

/// <summary>A primary account number of ISO/IEC 7812: 12 to 19 digits, the last one Luhn's. It prints masked and opens by <see cref="Reveal"/> alone.</summary>
/// <remarks>
/// A class, not a record: records print their members. The three kinds are siblings, so that a device number
/// can never stand where a plastic's number is wanted: <see cref="Pan"/> (the plastic's), <see cref="PaymentToken"/>
/// (the device's), <see cref="CardNumber"/> (read at a counter, nobody there knows which of the two).
/// </remarks>
public abstract class AccountNumber : IEquatable<AccountNumber>
{
    public const int MinLength = 12, MaxLength = 19;

    private readonly string digits;

    private protected AccountNumber(string digits) => this.digits = digits;

    /// <summary>The digits in clear. Every call is a decision; nothing printed, logged or serialised makes it.</summary>
    public string Reveal() => digits;

    public int Length => digits.Length;

    public string LastFour => digits[^4..];

    /// <summary>First six digits: the issuer identification number of ISO/IEC 7812-1.</summary>
    public string Bin => digits[..6];

    /// <summary>The twelve digits left of the check digit (ISO 9564-1 format 0, IBM 3624).</summary>
    public string TwelveLeftOfCheckDigit => digits.Length > 12 ? digits[^13..^1] : digits[..^1].PadLeft(12, '0');

    /// <summary>First six, stars, last four (DSS 3.4.1). What is too short to mask prints nothing.</summary>
    public string Masked => Mask(digits);

    public static string Mask(string digits) =>
        digits.Length < 13 ? string.Empty : string.Concat(digits.AsSpan(0, 6), new string('*', digits.Length - 10), digits.AsSpan(digits.Length - 4));

    public sealed override string ToString() => Masked;

    public bool Equals(AccountNumber? other) => other is not null && other.GetType() == GetType() && other.digits == digits;

    public sealed override bool Equals(object? obj) => Equals(obj as AccountNumber);

    public sealed override int GetHashCode() => HashCode.Combine(GetType(), digits);

    private protected static bool Check(ReadOnlySpan<char> text, string field, out ParseError error)
    {
        if (text.Length is < MinLength or > MaxLength)
        {
            error = new ParseError(field, 0, "12 to 19 digits", $"{text.Length} characters");
            return false;
        }

        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsAsciiDigit(text[i]))
            {
                error = new ParseError(field, i, "a digit", "another character");
                return false;
            }
        }

        if (!Luhn.IsValid(text))
        {
            error = new ParseError(field, text.Length - 1, "the Luhn check digit", "another digit");
            return false;
        }

        error = default;
        return true;
    }
}

/// <summary>The plastic's number (FPAN). Only bank, network and token service ever hold one.</summary>
public sealed class Pan : AccountNumber
{
    private Pan(string digits) : base(digits)
    {
    }

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Pan? pan, out ParseError error)
    {
        pan = Check(text, "PAN", out error) ? new Pan(text.ToString()) : null;
        return pan is not null;
    }

    public static Pan Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var pan, out var error) ? pan : throw new FormatException(error.ToString());
}

/// <summary>The device's number (DPAN, device card, payment token): worthless without the keys in its chip.</summary>
public sealed class PaymentToken : AccountNumber
{
    /// <summary>First six digits of the device numbers that the vault gives out (decisions.md 13): the default of acquirer and switch.</summary>
    public static IReadOnlyList<string> Bins { get; } = ["819901", "819902", "819903"];

    private PaymentToken(string digits) : base(digits)
    {
    }

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out PaymentToken? token, out ParseError error)
    {
        token = Check(text, "token", out error) ? new PaymentToken(text.ToString()) : null;
        return token is not null;
    }

    public static PaymentToken Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var token, out var error) ? token : throw new FormatException(error.ToString());
}

/// <summary>A number as a counter sees it: plastic's or device's, the merchant cannot tell.</summary>
public sealed class CardNumber : AccountNumber
{
    private CardNumber(string digits) : base(digits)
    {
    }

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out CardNumber? number, out ParseError error)
    {
        number = Check(text, "card number", out error) ? new CardNumber(text.ToString()) : null;
        return number is not null;
    }

    public static CardNumber Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var number, out var error) ? number : throw new FormatException(error.ToString());
}
