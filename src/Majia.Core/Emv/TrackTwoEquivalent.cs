using System.Diagnostics.CodeAnalysis;
using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>Track 2 equivalent data, tag 57: <c>number D YYMM service-code discretionary [F]</c>, at most 19 bytes (ISO/IEC 7813). It prints masked; <see cref="Reveal"/> opens it.</summary>
/// <remarks>A class, not a record: records print their members.</remarks>
public sealed class TrackTwoEquivalent
{
    public const int MaxLength = 19, MaxDigits = 37;

    private const int ExpiryLength = 4, ServiceCodeLength = 3;

    private readonly string discretionary;

    private TrackTwoEquivalent(AccountNumber number, string expiry, string serviceCode, string discretionary)
    {
        Number = number;
        Expiry = expiry;
        ServiceCode = serviceCode;
        this.discretionary = discretionary;
    }

    /// <summary>A reader gets a <see cref="CardNumber"/>: it cannot tell plastic from device.</summary>
    public AccountNumber Number { get; }

    /// <summary>YYMM, the month inclusive.</summary>
    public string Expiry { get; }

    /// <summary>Three digits: interchange, authorisation, services.</summary>
    public string ServiceCode { get; }

    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out TrackTwoEquivalent? track, out ParseError error)
    {
        track = null;
        if (bytes.Length is 0 or > MaxLength)
        {
            error = new ParseError("track 2", Math.Min(bytes.Length, MaxLength), "1 to 19 bytes", $"{bytes.Length} bytes");
            return false;
        }

        Span<char> text = stackalloc char[2 * MaxLength];
        Convert.TryToHexString(bytes, text, out var length);
        text = text[..length];
        if (text[^1] == 'F')
        {
            text = text[..^1];
        }

        var separator = text.IndexOf('D');
        if (separator < 0)
        {
            error = new ParseError("track 2", 0, "a separator D after the number", "none");
            return false;
        }

        if (!CardNumber.TryParse(text[..separator], out var number, out var numberError))
        {
            error = numberError with { Field = "track 2 number", Offset = numberError.Offset / 2 };
            return false;
        }

        var rest = text[(separator + 1)..];
        var wrong = rest.IndexOfAnyExceptInRange('0', '9');
        if (rest.Length < ExpiryLength + ServiceCodeLength || wrong >= 0)
        {
            error = wrong >= 0
                ? new ParseError("track 2", (separator + 1 + wrong) / 2, "a digit", "another nibble")
                : new ParseError("track 2", bytes.Length, "expiry YYMM and a service code of 3 digits", $"{rest.Length} digits");
            return false;
        }

        if (!IsMonth(rest[2..ExpiryLength]))
        {
            error = new ParseError("track 2 expiry", (separator + 3) / 2, "a month 01 to 12", "another number");
            return false;
        }

        track = new TrackTwoEquivalent(number, rest[..ExpiryLength].ToString(), rest.Slice(ExpiryLength, ServiceCodeLength).ToString(), rest[(ExpiryLength + ServiceCodeLength)..].ToString());
        error = default;
        return true;
    }

    /// <param name="expiry">YYMM.</param>
    /// <param name="serviceCode">Three digits.</param>
    /// <param name="discretionary">Digits; what fits 37 in all.</param>
    /// <exception cref="FormatException">Parts that are no track: our own bug.</exception>
    public static TrackTwoEquivalent Of(AccountNumber number, string expiry, string serviceCode, string discretionary = "")
    {
        var whole = expiry.Length == ExpiryLength && serviceCode.Length == ServiceCodeLength && IsDigits(expiry) && IsDigits(serviceCode) && IsDigits(discretionary) && IsMonth(expiry.AsSpan(2));
        return whole && number.Length + 1 + ExpiryLength + ServiceCodeLength + discretionary.Length <= MaxDigits
            ? new TrackTwoEquivalent(number, expiry, serviceCode, discretionary)
            : throw new FormatException("track 2 is a number, YYMM, a service code of 3 digits and discretionary digits, 37 in all");
    }

    /// <summary>In clear, with the separator D and without padding: what field 35 of the POS line carries.</summary>
    public string Reveal() => $"{Number.Reveal()}D{Expiry}{ServiceCode}{discretionary}";

    /// <summary>The value of tag 57 in clear: two digits a byte, padded with one F.</summary>
    public byte[] RevealBytes()
    {
        var text = Reveal();
        return Convert.FromHexString(text.Length % 2 == 0 ? text : text + "F");
    }

    /// <summary>Masked number and expiry.</summary>
    public override string ToString() => $"{Number.Masked}D{Expiry}";

    private static bool IsDigits(ReadOnlySpan<char> text) => text.IndexOfAnyExceptInRange('0', '9') < 0;

    private static bool IsMonth(ReadOnlySpan<char> month) => ((month[0] - '0') * 10) + month[1] - '0' is >= 1 and <= 12;
}
