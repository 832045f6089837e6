using System.Diagnostics.CodeAnalysis;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Message type indicator, as its four digits.</summary>
public readonly record struct Mti(int Value)
{
    public static readonly Mti AuthorisationRequest = new(100), AuthorisationResponse = new(110), FinancialRequest = new(200), FinancialResponse = new(210),
        FinancialAdvice = new(220), FinancialAdviceResponse = new(230), ReversalRequest = new(400), ReversalResponse = new(410), ReversalAdvice = new(420),
        ReversalAdviceRepeat = new(421), ReversalAdviceResponse = new(430), NetworkRequest = new(800), NetworkResponse = new(810);

    public string Digits => Value.ToString("D4", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The MTI that answers this one: function digit 0 becomes 1, 2 and its repeats become 3.</summary>
    public Mti Response => throw new NotImplementedException();

    public override string ToString() => Digits;
}

/// <summary>Field table row set and coding of one line: field contents are the same, only BCD or ASCII differs.</summary>
public sealed class Dialect
{
    private Dialect(string name) => Name = name;

    /// <summary>POS–acquirer: BCD, 64-bit bitmap (protocols.md 6.1–6.2).</summary>
    public static Dialect Pos { get; } = new("pos");

    /// <summary>Between institutions: ASCII, 128-bit bitmap (protocols.md 6.9).</summary>
    public static Dialect Switch { get; } = new("switch");

    public string Name { get; }
}

/// <summary>An ISO 8583 message: an MTI and fields 2 to 128, text or binary by the field table.</summary>
/// <remarks>Text fields hold the value as a person writes it (digits, letters; F35 with D or =); binary fields their bytes. F22 is three digits on both lines.</remarks>
public sealed class IsoMessage(Mti mti)
{
    public Mti Mti { get; } = mti;

    public bool Has(int field) => throw new NotImplementedException();

    /// <summary>A text field; null when absent.</summary>
    public string? Text(int field) => throw new NotImplementedException();

    /// <summary>A binary field; empty when absent.</summary>
    public ReadOnlyMemory<byte> Binary(int field) => throw new NotImplementedException();

    /// <summary>Sets a text field; null removes it. Returns this, so that a message reads as its list of fields.</summary>
    public IsoMessage Set(int field, string? value) => throw new NotImplementedException();

    public IsoMessage Set(int field, ReadOnlySpan<byte> value) => throw new NotImplementedException();

    public IEnumerable<int> Fields => throw new NotImplementedException();
}

/// <summary>Messages to bytes and back.</summary>
public static class IsoCodec
{
    /// <summary>Reads a message that starts at its MTI.</summary>
    public static bool TryRead(Dialect dialect, ReadOnlySpan<byte> body, [NotNullWhen(true)] out IsoMessage? message, out ParseError error) => throw new NotImplementedException();

    /// <summary>Writes MTI, bitmap, fields. A value that does not fit its field throws: that is our own bug.</summary>
    public static byte[] Write(Dialect dialect, IsoMessage message) => throw new NotImplementedException();
}

/// <summary>Frame of the POS line: length (2) ‖ TPDU (5) ‖ header (6) ‖ message (protocols.md 6.1).</summary>
public static class PosFrame
{
    /// <param name="tpdu">5 bytes; the host answers with destination and source swapped.</param>
    /// <param name="header">6 bytes.</param>
    public static byte[] Write(ReadOnlySpan<byte> tpdu, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body) => throw new NotImplementedException();

    public static bool TryRead(ReadOnlyMemory<byte> frame, out ReadOnlyMemory<byte> tpdu, out ReadOnlyMemory<byte> header, out ReadOnlyMemory<byte> body, out ParseError error) => throw new NotImplementedException();

    /// <summary>The TPDU to answer with.</summary>
    public static byte[] AnswerTpdu(ReadOnlySpan<byte> tpdu) => throw new NotImplementedException();
}

/// <summary>Frame of the switch line: 4 ASCII digits of length ‖ 46-byte header ‖ message (protocols.md 6.9).</summary>
public static class SwitchFrame
{
    public static byte[] Write(string destination, string source, ReadOnlySpan<byte> body) => throw new NotImplementedException();

    public static bool TryRead(ReadOnlyMemory<byte> frame, out string destination, out string source, out ReadOnlyMemory<byte> body, out ParseError error) => throw new NotImplementedException();
}

/// <summary>What the MAC covers and where it stands: F64 on the POS line, F128 on the switch line (protocols.md 6.7, 6.9).</summary>
public static class MacBlock
{
    /// <summary>POS line: everything from the MTI up to, not including, F64, with the bitmap announcing F64.</summary>
    public static ReadOnlyMemory<byte> Pos(ReadOnlyMemory<byte> body) => throw new NotImplementedException();

    /// <summary>Switch line: the elements of protocols.md 6.9 joined with single spaces, upper-cased, other characters dropped.</summary>
    public static byte[] Switch(IsoMessage message) => throw new NotImplementedException();
}

/// <summary>F39: what it means and what a terminal does with it (protocols.md 6.8).</summary>
public readonly record struct ResponseCode(string Value)
{
    public static readonly ResponseCode Approved = new("00"), InvalidMerchant = new("03"), InvalidTransaction = new("12"), InvalidCard = new("14"), NoSuchIssuer = new("15"),
        InactiveCard = new("21"), OriginalMismatch = new("22"), NoOriginal = new("25"), FormatError = new("30"), NotSupported = new("40"), LostCard = new("41"), StolenCard = new("43"),
        InsufficientFunds = new("51"), ExpiredCard = new("54"), WrongPin = new("55"), NotPermittedToHolder = new("57"), CardCheckFailed = new("59"), OverAmountLimit = new("61"),
        RestrictedCard = new("62"), OriginalAmountWrong = new("64"), OverCountLimit = new("65"), IssuerTimeout = new("68"), PinTriesExceeded = new("75"), IssuerUnavailable = new("91"), Duplicate = new("94"),
        SystemMalfunction = new("96"), UnknownTerminal = new("97"), NoIssuerAnswer = new("98"), PinFormatError = new("99"), MacFailure = new("A0");

    public bool IsApproval => throw new NotImplementedException();

    /// <summary>Meaning in both languages; an unknown code says so.</summary>
    public Text Meaning => throw new NotImplementedException();

    public override string ToString() => Value;
}
