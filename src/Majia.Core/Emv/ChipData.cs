using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.Core.Emv;

/// <summary>Field 55 as whoever checks a cryptogram needs it: the token service a device card's, the bank its plastic's (protocols.md 6.5).</summary>
/// <param name="Cryptogram">9F26.</param>
/// <param name="Requestor">9F19, or null.</param>
public sealed record ChipData(CryptogramInput Input, CryptogramVersion Version, byte Algorithm, byte[] Cryptogram, string? Requestor)
{
    /// <summary>False when a tag is missing, of the wrong length, or the cryptogram is of no version that we know.</summary>
    public static bool TryRead(ReadOnlySpan<byte> field55, [NotNullWhen(true)] out ChipData? chip)
    {
        chip = null;
        if (!BerTlv.TryCheck(field55, out _)
            || !TryTag(field55, 0x9F02, 6, out var amount)
            || !TryTag(field55, 0x9F03, 6, out var other)
            || !TryTag(field55, 0x9F1A, 2, out var country)
            || !TryTag(field55, 0x95, 5, out var results)
            || !TryTag(field55, 0x5F2A, 2, out var currency)
            || !TryTag(field55, 0x9A, 3, out var date)
            || !TryTag(field55, 0x9C, 1, out var type)
            || !TryTag(field55, 0x9F37, 4, out var unpredictable)
            || !TryTag(field55, 0x82, 2, out var profile)
            || !TryTag(field55, 0x9F36, 2, out var counter)
            || !TryTag(field55, 0x9F26, 8, out var cryptogram)
            || !BerTlv.TryFind(field55, 0x9F10, out var application))
        {
            return false;
        }

        // 07 ‖ DKI ‖ CVN ‖ CVR (03 and three bytes) ‖ algorithm (protocols.md 1.4).
        if (application.Length < 8 || application[0] != 0x07 || application[3] != 0x03 || application[2] is not ((byte)CryptogramVersion.Full or (byte)CryptogramVersion.Reduced))
        {
            return false;
        }

        chip = new(
            new CryptogramInput(amount, other, country, results, currency, date, type[0], unpredictable, profile, BinaryPrimitives.ReadUInt16BigEndian(counter), application[3..7].ToArray()),
            (CryptogramVersion)application[2],
            application[7],
            cryptogram,
            BerTlv.TryFind(field55, 0x9F19, out var requestor) ? Convert.ToHexString(requestor).TrimEnd('F').TrimStart('0') : null);
        return true;
    }

    /// <summary>CVR byte 2 bits 6–5: 10 is ARQC (protocols.md 1.3).</summary>
    public bool IsRequest => (Input.CardVerificationResults.Span[1] & 0x30) == 0x20;

    /// <summary>01 is TC: the card approved by itself.</summary>
    public bool IsApproval => (Input.CardVerificationResults.Span[1] & 0x30) == 0x10;

    public ushort Atc => Input.ApplicationTransactionCounter;

    /// <summary>9F02 is the amount asked for (12 digits), 5F2A its currency (3 digits).</summary>
    public bool Agrees(string? amount, string? currency) =>
        amount is not null && currency is not null
        && Convert.ToHexString(Input.AmountAuthorised.Span) == amount
        && Convert.ToHexString(Input.TransactionCurrency.Span) == currency.PadLeft(4, '0');

    public string UnpredictableNumber => Convert.ToHexString(Input.UnpredictableNumber.Span);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"ATC {Input.ApplicationTransactionCounter:X4}, CVN {(byte)Version:X2}");

    private static bool TryTag(ReadOnlySpan<byte> data, Tag tag, int length, [NotNullWhen(true)] out byte[]? value)
    {
        value = BerTlv.TryFind(data, tag, out var found) && found.Length == length ? found.ToArray() : null;
        return value is not null;
    }
}
