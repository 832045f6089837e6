using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Same transaction on the switch line? F7, F11, F32, F33: the same on every hop (decisions.md 19).</summary>
public sealed record SwitchKey
{
    private SwitchKey(string transmissionTime, string stan, string acquirer, string forwarder) =>
        (TransmissionTime, Stan, Acquirer, Forwarder) = (transmissionTime, stan, acquirer, forwarder);

    /// <summary>F7, MMDDhhmmss.</summary>
    public string TransmissionTime { get; }

    /// <summary>F11, the acquirer's system trace number.</summary>
    public string Stan { get; }

    /// <summary>F32 as it stands in F90: 11 digits, zeros in front, so that a key read from F90 equals the key of its original.</summary>
    public string Acquirer { get; }

    /// <summary>F33, in the same way.</summary>
    public string Forwarder { get; }

    /// <param name="acquirer">Up to 11 digits.</param>
    /// <param name="forwarder">Up to 11 digits.</param>
    public static SwitchKey Of(string transmissionTime, string stan, string acquirer, string forwarder) => new(
        Subfield.Require(transmissionTime, 10, "F7"), Subfield.Require(stan, 6, "F11"),
        Subfield.Require(acquirer.PadLeft(11, '0'), 11, "F32"), Subfield.Require(forwarder.PadLeft(11, '0'), 11, "F33"));

    public static bool TryRead(IsoMessage message, [NotNullWhen(true)] out SwitchKey? key, out ParseError error)
    {
        key = null;
        foreach (var field in (ReadOnlySpan<int>)[7, 11, 32, 33])
        {
            if (!message.Has(field))
            {
                error = new ParseError("F" + field.ToString(CultureInfo.InvariantCulture), 0, "present", "absent");
                return false;
            }
        }

        error = default;
        key = Of(message.Text(7)!, message.Text(11)!, message.Text(32)!, message.Text(33)!);
        return true;
    }

    /// <summary>The key of the original that F90 names.</summary>
    public static bool TryReadOriginal(IsoMessage message, [NotNullWhen(true)] out SwitchKey? key, out ParseError error)
    {
        key = Field90.TryParse(message.Text(90), out var original, out error) ? original.Original : null;
        return key is not null;
    }

    /// <summary>F7 ‖ F11 ‖ F32 ‖ F33, 38 digits: one value for a unique column and for the binding MAC.</summary>
    public override string ToString() => TransmissionTime + Stan + Acquirer + Forwarder;
}

/// <summary>F90, original data elements: MTI 4 ‖ F11 6 ‖ F7 10 ‖ F32 11 ‖ F33 11, institutions with zeros in front.</summary>
public sealed record Field90(Mti Mti, SwitchKey Original)
{
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field90? value, out ParseError error)
    {
        value = Subfield.Digits(text, "F90", "MTI 4, trace 6, time 10, acquirer 11, forwarder 11", [42], out error)
            ? new Field90(new Mti(int.Parse(text[..4], NumberStyles.None, CultureInfo.InvariantCulture)), SwitchKey.Of(text[10..20].ToString(), text[4..10].ToString(), text[20..31].ToString(), text[31..].ToString()))
            : null;
        return value is not null;
    }

    /// <summary>F90 that names <paramref name="original"/>.</summary>
    public static bool TryNaming(IsoMessage original, [NotNullWhen(true)] out Field90? value, out ParseError error)
    {
        value = SwitchKey.TryRead(original, out var key, out error) ? new Field90(original.Mti, key) : null;
        return value is not null;
    }

    public string Format() => Mti.Digits + Original.Stan + Original.TransmissionTime + Original.Acquirer + Original.Forwarder;
}

/// <summary>F60 of the switch line (protocols.md 6.9), 30 characters: where and how the card was read. Trailing elements may be absent.</summary>
/// <param name="Reason">60.1, reason of the message, 4.</param>
/// <param name="Capability">Terminal capability: 0 unknown, 2 magnetic stripe, 5 contact chip, 6 contactless chip.</param>
/// <param name="IcCondition">0 the chip was read, or none was there.</param>
/// <param name="TerminalType">2 digits, 03 a POS terminal.</param>
/// <param name="NoPinAccepted">Small payment without PIN and signature.</param>
/// <param name="Rest">What follows the first 15 characters: 60.3.</param>
public sealed record Field60Switch(
    string Reason = "0000", char Owner = '0', char Capability = '6', char IcCondition = '0', char Reserved = '0', string TerminalType = "03",
    char NoPinAccepted = '0', char IcReliability = '0', string EcommerceIndicator = "00", char Interaction = '0', string Rest = "000000000000000")
{
    private const int Fixed = 15, MacAlgorithmAt = 5;

    /// <summary>60.3, third reserved digit: the MAC algorithm, 4 for SM4.</summary>
    public char MacAlgorithm => Rest.Length > MacAlgorithmAt ? Rest[MacAlgorithmAt] : '0';

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field60Switch? value, out ParseError error)
    {
        value = null;
        if (text.Length is < Fixed or > 100)
        {
            error = new ParseError("F60", 0, "15 to 100 characters", $"{text.Length} characters");
            return false;
        }

        error = default;
        value = new Field60Switch(
            text[..4].ToString(), text[4], text[5], text[6], text[7], text[8..10].ToString(), text[10], text[11], text[12..14].ToString(), text[14], text[Fixed..].ToString());
        return true;
    }

    public string Format() => $"{Subfield.Require(Reason, 4, "F60.1")}{Owner}{Capability}{IcCondition}{Reserved}{Subfield.Require(TerminalType, 2, "terminal type")}{NoPinAccepted}{IcReliability}{Subfield.Require(EcommerceIndicator, 2, "ECI")}{Interaction}{Rest}";
}

/// <summary>F61.8: what the token service found of the cryptogram.</summary>
public enum ArqcResult
{
    NotChecked = '0',
    Good = '1',
    Failed = '2',
}

/// <summary>F61 of the switch line (protocols.md 6.9), 32 characters and more: holder and card checks.</summary>
/// <param name="IdType">61.1, 2 digits, 00 none.</param>
/// <param name="IdNumber">61.2, up to 20 characters; never kept.</param>
/// <param name="Cvv">61.3 result of the CVV check, 0 not checked.</param>
/// <param name="Pvv">61.4 result of the PVV check.</param>
/// <param name="NoCardValue">61.6, CVN2, 3; never kept.</param>
/// <param name="NoCardResult">61.7.</param>
/// <param name="Arqc">61.8.</param>
/// <param name="Security">61.9: AM, AR or CR and its data, or empty.</param>
public sealed record Field61Switch(ArqcResult Arqc, string IdType = "00", string IdNumber = "", char Cvv = '0', char Pvv = '0', string NoCardValue = "", char NoCardResult = '0', string Security = "")
{
    private const int Fixed = 32;

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field61Switch? value, out ParseError error)
    {
        value = null;
        if (text.Length is < Fixed or > 200)
        {
            error = new ParseError("F61", 0, "32 to 200 characters", $"{text.Length} characters");
            return false;
        }

        if (!text[24..27].SequenceEqual("CUP"))
        {
            error = new ParseError("F61", 24, "CUP", "other characters");
            return false;
        }

        if (text[31] is not ('0' or '1' or '2'))
        {
            error = new ParseError("F61", 31, "ARQC result 0, 1 or 2", "another character");
            return false;
        }

        error = default;
        value = new Field61Switch(
            (ArqcResult)text[31], text[..2].ToString(), text[2..22].TrimEnd(' ').ToString(), text[22], text[23], text[27..30].TrimEnd(' ').ToString(), text[30], text[Fixed..].ToString());
        return true;
    }

    public string Format() => Subfield.Require(
        $"{Subfield.Require(IdType, 2, "F61.1")}{IdNumber,-20}{Cvv}{Pvv}CUP{NoCardValue,-3}{NoCardResult}{(char)Arqc}", Fixed, "F61") + Security;

    /// <summary>Prints no ID number and no CVN2.</summary>
    public override string ToString() => $"ARQC {Arqc}";
}

/// <summary>F63 usage TK: <c>TK</c> ‖ (tag 2 ‖ length 3 ‖ value)…, what the token service says of the token (protocols.md 6.9, 8).</summary>
/// <param name="Verified">01: 1 the token service checked the token and vouches for it.</param>
/// <param name="Token">02.</param>
/// <param name="Expiry">03, YYMM of the token.</param>
/// <param name="Assurance">04, assurance method, 2 digits.</param>
/// <param name="Scenario">05, 2 digits: 01 contactless.</param>
/// <param name="TokenRequestor">06, TRID, 11 digits.</param>
/// <param name="Product">08, 4 characters; may be empty.</param>
public sealed record Field63Token(bool Verified, PaymentToken Token, string Expiry, string Assurance, string Scenario, string TokenRequestor, string Product = "")
{
    public const string Usage = "TK";

    /// <summary>True when an F63 carries this usage.</summary>
    public static bool IsIn(ReadOnlySpan<char> field63) => field63.StartsWith(Usage);

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field63Token? value, out ParseError error)
    {
        value = null;
        if (!IsIn(text))
        {
            error = new ParseError("F63", 0, "usage TK", text.Length < 2 ? $"{text.Length} characters" : "another usage");
            return false;
        }

        string?[] values = new string?[10];
        var at = 2;
        while (at < text.Length)
        {
            // 07 is reserved; a tag of two digits that we do not know is passed over.
            if (text.Length - at < 5 || text.Slice(at, 5).IndexOfAnyExceptInRange('0', '9') >= 0)
            {
                error = new ParseError("F63", at, "tag 2 and length 3 in digits", text.Length - at < 5 ? $"{text.Length - at} characters" : "another character");
                return false;
            }

            var tag = int.Parse(text.Slice(at, 2), NumberStyles.None, CultureInfo.InvariantCulture);
            var length = int.Parse(text.Slice(at + 2, 3), NumberStyles.None, CultureInfo.InvariantCulture);
            if (text.Length - at - 5 < length)
            {
                error = new ParseError("F63", at + 5, $"{length} characters of tag {tag:D2}", $"{text.Length - at - 5} characters");
                return false;
            }

            if (tag < values.Length)
            {
                if (values[tag] is not null)
                {
                    error = new ParseError("F63", at, $"tag {tag:D2} once", "twice");
                    return false;
                }

                values[tag] = text.Slice(at + 5, length).ToString();
            }

            at += 5 + length;
        }

        if (values[1] is not ("0" or "1"))
        {
            error = new ParseError("F63.01", 0, "0 or 1", values[1] is null ? "absent" : "another value");
            return false;
        }

        if (!PaymentToken.TryParse(values[2], out var token, out var inner))
        {
            error = inner with { Field = "F63.02" };
            return false;
        }

        error = default;
        value = new Field63Token(values[1] == "1", token, values[3] ?? "", values[4] ?? "", values[5] ?? "", values[6] ?? "", values[8] ?? "");
        return true;
    }

    public string Format() => string.Concat(
        Usage + Element("01", Verified ? "1" : "0") + Element("02", Token.Reveal()), Element("03", Expiry) + Element("04", Assurance), Element("05", Scenario) + Element("06", TokenRequestor), Element("08", Product));

    private static string Element(string tag, string value) => value.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{tag}{value.Length:D3}{value}");
}

/// <summary>F56 usage PR: <c>PR</c> ‖ <c>01</c> ‖ <c>029</c> ‖ payment account reference of 29 letters and digits.</summary>
public sealed record Field56Par(string Par)
{
    public const int ParLength = 29;

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field56Par? value, out ParseError error)
    {
        value = null;
        if (text.Length != 7 + ParLength)
        {
            error = new ParseError("F56", 0, "PR01029 and 29 characters", $"{text.Length} characters");
            return false;
        }

        if (!text.StartsWith("PR01029"))
        {
            error = new ParseError("F56", 0, "PR01029", "other characters");
            return false;
        }

        foreach (var c in text[7..])
        {
            if (!char.IsAsciiLetterUpper(c) && !char.IsAsciiDigit(c))
            {
                error = new ParseError("F56", 7, "29 capital letters and digits", "another character");
                return false;
            }
        }

        error = default;
        value = new Field56Par(text[7..].ToString());
        return true;
    }

    public string Format() => "PR01029" + Subfield.Require(Par, ParLength, "PAR");
}

/// <summary>F48 usage TB, ours: <c>TB</c> ‖ 16 hex digits. The vault's MAC that binds token, PAN and this transaction's switch key, so that the network's key module translates a PIN for no other number (decisions.md 11).</summary>
/// <remarks>Runs between token service and network only. A MAC, so it is never kept.</remarks>
public sealed record Field48Binding(string Mac)
{
    public const string Usage = "TB";

    public Field48Binding(ReadOnlySpan<byte> mac)
        : this(Convert.ToHexString(mac))
    {
    }

    /// <summary>Eight bytes.</summary>
    public byte[] Bytes => Convert.FromHexString(Mac);

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field48Binding? value, out ParseError error)
    {
        value = null;
        if (text.Length != 18)
        {
            error = new ParseError("F48", 0, "TB and 16 hex digits", $"{text.Length} characters");
            return false;
        }

        if (!text.StartsWith(Usage))
        {
            error = new ParseError("F48", 0, "usage TB", "another usage");
            return false;
        }

        var wrong = text[2..].IndexOfAnyExcept("0123456789ABCDEF");
        error = wrong < 0 ? default : new ParseError("F48", 2 + wrong, "an upper-case hex digit", "another character");
        value = wrong < 0 ? new Field48Binding(text[2..].ToString()) : null;
        return value is not null;
    }

    public string Format() => Usage + Subfield.Require(Mac, 16, "F48 TB");

    /// <summary>Prints no MAC.</summary>
    public override string ToString() => Usage;
}
