using Majia.Core.Emv;
using System.Buffers.Binary;
using System.Globalization;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Terminal.EntryPoint;

namespace Majia.Terminal.Kernel;

/// <summary>What the card decided, as CID or CVR say it.</summary>
public enum CryptogramKind
{
    /// <summary>AAC: declined by the card.</summary>
    Declined,

    /// <summary>TC: approved offline.</summary>
    ApprovedOffline,

    /// <summary>ARQC: ask the bank.</summary>
    OnlineRequest,
}

/// <summary>What becomes of an offline approval that does not stand.</summary>
public enum OfflineFallback
{
    Online,
    AnotherInterface,
    Decline,
}

/// <summary>All that the reader takes from one card in one activation, checked. A class, not a record: it holds track data and prints nothing of it.</summary>
public sealed class CardAnswer
{
    public required CardNumber Number { get; init; }

    /// <summary>YYMM, F14.</summary>
    public required string Expiry { get; init; }

    /// <summary>F35: digits with D, or null when the card gave number and expiry in records only.</summary>
    public required string? Track2 { get; init; }

    /// <summary>5F34 as three digits, F23; null when absent.</summary>
    public required string? SequenceNumber { get; init; }

    public required CryptogramKind Kind { get; init; }

    public required CardTransactionQualifiers Qualifiers { get; init; }

    public required ReadOnlyMemory<byte> InterchangeProfile { get; init; }

    public required ReadOnlyMemory<byte> TransactionCounter { get; init; }

    public required ReadOnlyMemory<byte> Cryptogram { get; init; }

    public required ReadOnlyMemory<byte> IssuerApplicationData { get; init; }

    /// <summary>9F63, empty when absent.</summary>
    public required ReadOnlyMemory<byte> ProductIdentification { get; init; }

    /// <summary>9F19, six bytes; empty where the card has none: a plastic.</summary>
    public required ReadOnlyMemory<byte> TokenRequestor { get; init; }

    /// <summary>The AID that was selected, and its label.</summary>
    public required string Aid { get; init; }

    public required string Label { get; init; }

    /// <summary>The terminal's data that this cryptogram answers.</summary>
    public required TransactionData Terminal { get; init; }

    public override string ToString() => $"{Number.Masked} {Kind}";
}

/// <summary>Mandatory data and the kind of cryptogram (Book C-7; protocols.md 2.5 steps 1 and 2).</summary>
public static class CardActionAnalysis
{
    private const int Profile = 0x82, Counter = 0x9F36, Cryptogram = 0x9F26, IssuerData = 0x9F10, Track2 = 0x57, Number = 0x5A, ExpiryDate = 0x5F24,
        Sequence = 0x5F34, Information = 0x9F27, CardQualifiers = 0x9F6C, ProductIdentification = 0x9F63, TokenRequestor = 0x9F19;

    /// <summary>The card's answer, checked; an outcome when something mandatory is missing or malformed.</summary>
    /// <param name="data">Answer to GPO and records.</param>
    public static Outcome? Read(CardData data, ApplicationSelection.Selected application, TransactionData terminal, out CardAnswer? card)
    {
        card = null;
        var profile = data.Find(Profile);
        var counter = data.Find(Counter);
        var cryptogram = data.Find(Cryptogram);
        var issuerData = data.Find(IssuerData);
        var sequence = data.Find(Sequence);

        if (profile.Length != 2)
        {
            return Missing("82");
        }

        if (counter.Length != 2)
        {
            return Missing("9F36");
        }

        if (cryptogram.Length != 8)
        {
            return Missing("9F26");
        }

        // 07 ‖ DKI ‖ CVN ‖ CVR (03 …) ‖ ALG, at most 32 bytes (protocols.md 1.4).
        if (issuerData.Length is < 8 or > 32 || issuerData.Span[0] != 0x07 || issuerData.Span[3] != 0x03)
        {
            return Missing("9F10");
        }

        if (sequence.Length > 1 || (sequence.Length == 1 && !IsBcd(sequence.Span[0])))
        {
            return Missing("5F34");
        }

        if (!TryNumber(data.Find(Track2), data.Find(Number), data.Find(ExpiryDate), out var number, out var expiry, out var track))
        {
            return Missing("57");
        }

        var kind = KindOf(data.Find(Information).Span, issuerData.Span);
        if (kind is null)
        {
            return Missing("9F27");
        }

        card = new CardAnswer
        {
            Number = number!,
            Expiry = expiry,
            Track2 = track,
            SequenceNumber = sequence.Length == 1 ? Convert.ToHexString(sequence.Span).PadLeft(3, '0') : null,
            Kind = kind.Value,
            Qualifiers = data.Find(CardQualifiers).Span is { Length: 2 } wishes ? new CardTransactionQualifiers(BinaryPrimitives.ReadUInt16BigEndian(wishes)) : default,
            InterchangeProfile = profile,
            TransactionCounter = counter,
            Cryptogram = cryptogram,
            IssuerApplicationData = issuerData,
            ProductIdentification = data.Find(ProductIdentification) is { Length: <= 16 } product ? product : default,
            TokenRequestor = data.Find(TokenRequestor) is { Length: 6 } requestor ? requestor : default,
            Aid = application.Candidate.Aid.ToString(),
            Label = application.Label,
            Terminal = terminal,
        };
        return null;
    }

    /// <summary>CID bits 8–7 where the card gives one, else byte 2 bits 6–5 of the CVR (protocols.md 1.3, 2.5); null for the reserved value.</summary>
    public static CryptogramKind? KindOf(ReadOnlySpan<byte> information, ReadOnlySpan<byte> issuerData) =>
        (information.Length == 1 ? information[0] >> 6 : (issuerData[4] >> 4) & 3) switch
        {
            0 => CryptogramKind.Declined,
            1 => CryptogramKind.ApprovedOffline,
            2 => CryptogramKind.OnlineRequest,
            _ => null,
        };

    /// <summary>What the kind of cryptogram means; null when the bank is asked, or the card approved and its signature is to be looked at.</summary>
    /// <param name="onlineWanted">TTQ B2b8 of this tap: a card that approves all the same does not do what it was told.</param>
    public static Outcome? Decide(CryptogramKind kind, bool onlineWanted) => kind switch
    {
        CryptogramKind.OnlineRequest => null,
        CryptogramKind.ApprovedOffline when onlineWanted => new Outcome.Declined(new("The card approved offline (TC), and this payment is authorised online only.", "卡片脱机批准（TC），而本次交易须联机授权。")),
        CryptogramKind.ApprovedOffline => null,
        _ => new Outcome.Declined(new("The card declined the payment itself (AAC).", "卡片自行拒绝了交易（AAC）。")),
    };

    /// <summary>An offline approval whose card may not be used, or whose signature does not hold (protocols.md 2.5 steps 3, 4): online where the card allows it, another interface, or declined. Null: it stands.</summary>
    public static OfflineFallback? Judge(ProcessingRestrictions.Restriction restriction, bool authenticated, CardTransactionQualifiers card, bool canGoOnline) =>
        restriction == ProcessingRestrictions.Restriction.Expired && card.GoOnlineIfExpired && canGoOnline ? OfflineFallback.Online
        : restriction != ProcessingRestrictions.Restriction.None ? OfflineFallback.Decline
        : authenticated ? null
        : card.GoOnlineIfAuthenticationFails && canGoOnline ? OfflineFallback.Online
        : card.SwitchInterfaceIfAuthenticationFails ? OfflineFallback.AnotherInterface
        : OfflineFallback.Decline;

    private static bool TryNumber(ReadOnlyMemory<byte> track2, ReadOnlyMemory<byte> pan, ReadOnlyMemory<byte> expiryDate, out CardNumber? number, out string expiry, out string? track)
    {
        (number, expiry, track) = (null, string.Empty, null);
        if (!track2.IsEmpty)
        {
            // ISO/IEC 7813 track 2: number D YYMM service code discretionary, padded with one F (EMV Book 3 tag 57).
            var digits = Convert.ToHexString(track2.Span);
            digits = digits.EndsWith('F') ? digits[..^1] : digits;
            var separator = digits.IndexOf('D', StringComparison.Ordinal);
            if (separator < 0 || digits.Length is < 20 or > 37 || digits.Length < separator + 8 || digits.AsSpan(separator + 1).IndexOfAnyExceptInRange('0', '9') >= 0)
            {
                return false;
            }

            (track, expiry) = (digits, digits.Substring(separator + 1, 4));
            return CardNumber.TryParse(digits.AsSpan(0, separator), out number, out _) && IsMonth(expiry);
        }

        if (pan.Length is < 6 or > 10 || expiryDate.Length != 3)
        {
            return false;
        }

        expiry = Convert.ToHexString(expiryDate.Span)[..4];
        return CardNumber.TryParse(Convert.ToHexString(pan.Span).TrimEnd('F'), out number, out _) && IsMonth(expiry);
    }

    private static bool IsMonth(string expiry) =>
        expiry.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0 && int.Parse(expiry.AsSpan(2), CultureInfo.InvariantCulture) is >= 1 and <= 12;

    private static bool IsBcd(byte value) => value >> 4 < 10 && (value & 0x0F) < 10;

    private static Outcome.EndApplication Missing(string tag) =>
        new(new Text($"The card's answer lacks a usable {tag}.", $"卡片应答缺少有效的 {tag}。"));
}
