using Majia.Core.Emv;
using System.Globalization;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Terminal.Kernel;

/// <summary>The terminal's data objects of one activation: what a PDOL may ask and field 55 repeats (protocols.md 1.2).</summary>
/// <remarks>The unpredictable number is new for each GPO; the TVR is the one the card signed, so field 55 repeats it unchanged.</remarks>
/// <param name="Type">9C: 00 purchase, 20 void or refund.</param>
/// <param name="LocalTime">Terminal's local time: 9A and 9F21.</param>
public sealed record TransactionData(
    Amount Amount,
    byte Type,
    DateTimeOffset LocalTime,
    ReadOnlyMemory<byte> UnpredictableNumber,
    TerminalTransactionQualifiers Qualifiers,
    TerminalParameters Parameters)
{
    /// <summary>95: nothing to report for a contactless online purchase (protocols.md 1.2).</summary>
    public static readonly ReadOnlyMemory<byte> VerificationResults = new byte[5];

    /// <summary>95 of this transaction.</summary>
    public ReadOnlyMemory<byte> Results { get; init; } = VerificationResults;

    /// <summary>9F34, where a card asks for it; over contacts alone.</summary>
    public ReadOnlyMemory<byte>? HolderVerification { get; init; }

    /// <summary>8A: what the bank answered, for the second cryptogram.</summary>
    public ReadOnlyMemory<byte>? ResponseCode { get; init; }

    /// <summary>The value of a terminal data object; null when the terminal has none (a DOL fills it with zeros).</summary>
    public ReadOnlyMemory<byte>? Value(Tag tag) => tag.Value switch
    {
        0x9F66 => Qualifiers.ToBytes(),
        0x9F02 => Bcd(Amount.Digits12),
        0x9F03 => new byte[6],
        0x9F1A => Parameters.Country,
        0x95 => Results,
        0x5F2A => Bcd("0" + Amount.Currency.Digits),
        0x9A => Bcd(LocalTime.ToString("yyMMdd", CultureInfo.InvariantCulture)),
        0x9F21 => Bcd(LocalTime.ToString("HHmmss", CultureInfo.InvariantCulture)),
        0x9C => new[] { Type },
        0x9F37 => UnpredictableNumber,
        0x9F34 => HolderVerification,
        0x8A => ResponseCode,
        0x9F33 => Parameters.Capabilities,
        0x9F35 => new[] { Parameters.TerminalType },
        0x9F09 => Parameters.ApplicationVersion,
        0x9F7A => new byte[1], // no electronic cash
        0xDF60 => new byte[1], // no CAPP
        0xDF69 => new byte[1], // 3DES until the line speaks SM
        _ => null,
    };

    private static byte[] Bcd(string digits) => Convert.FromHexString(digits);
}
