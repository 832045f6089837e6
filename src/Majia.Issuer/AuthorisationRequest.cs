using System.Globalization;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Issuer;

public enum Operation
{
    Sale,
    Void,

    /// <summary>After settlement, the whole or a part (R20).</summary>
    Refund,

    /// <summary>A plastic card approved it by itself; the money is cleared out of its electronic cash.</summary>
    Offline,
}

/// <summary>The token service's verdict as the network passes it on (F61.8 and F63 TK, decisions.md 7).</summary>
public enum TokenVerdict
{
    Good,
    Missing,
    Failed,
}

/// <summary>A 0200, 0220 or 0420 that cannot be wrong any more: checked at the door, trusted inside. Not a record: it holds the number.</summary>
public sealed class AuthorisationRequest
{
    private AuthorisationRequest(Pan pan) => Pan = pan;

    public Pan Pan { get; }

    public required Operation Operation { get; init; }

    /// <summary>F7 ‖ F11 ‖ F32 ‖ F33, institutions in their 11 digits, so that F90 spells the same key (decisions.md 19).</summary>
    public required string Key { get; init; }

    /// <summary>F90 as such a key; present in voids, refunds and reversals.</summary>
    public string? OriginalKey { get; init; }

    public required Amount Amount { get; init; }

    public required string Rrn { get; init; }

    public required string Merchant { get; init; }

    public required string Terminal { get; init; }

    public required string MerchantName { get; init; }

    /// <summary>The merchant's category, F18.</summary>
    public string? Category { get; init; }

    /// <summary>How it came, for rewards (<see cref="RewardChannel"/>).</summary>
    public string Channel { get; init; } = RewardChannel.Other;

    public required TokenVerdict Verdict { get; init; }

    public PaymentToken? Token { get; init; }

    /// <summary>No token data came (F63 TK): the number is the one on the plastic.</summary>
    public bool IsPlastic { get; init; }

    /// <summary>F55 of a plastic card; empty for a device card, whose cryptogram is the token service's to check.</summary>
    public ReadOnlyMemory<byte> ChipData { get; init; }

    /// <summary>F23, its last two digits.</summary>
    public string SequenceNumber { get; init; } = "00";

    /// <summary>F22 05: the chip's contacts, where the card waits for the bank's answer.</summary>
    public bool IsContact { get; init; }

    /// <summary>F52 under the bank's zone PIN key; empty when no PIN was typed.</summary>
    public ReadOnlyMemory<byte> PinBlock { get; init; }

    /// <summary>SHA-256 over every field but MAC and PIN block; the number is in it, so what is kept is its fingerprint under a key (decisions.md 21).</summary>
    public required byte[] Content { get; init; }

    /// <summary>What the bank offers of the line's message matrix.</summary>
    private static readonly (Mti Mti, string Processing, Operation Operation)[] Offered =
    [
        (Mti.FinancialRequest, "00", Operation.Sale),
        (Mti.FinancialRequest, "20", Operation.Void),
        (Mti.FinancialAdvice, "20", Operation.Refund),
        (Mti.FinancialAdvice, "00", Operation.Offline),
        (Mti.ReversalAdvice, "00", Operation.Sale),
        (Mti.ReversalAdvice, "20", Operation.Void),
        (Mti.ReversalAdviceRepeat, "00", Operation.Sale),
        (Mti.ReversalAdviceRepeat, "20", Operation.Void),
    ];

    /// <summary>Reads a message whose MAC is good. Otherwise the code to answer, with its why.</summary>
    public static bool TryParse(IsoMessage message, out AuthorisationRequest request, out Decision refusal)
    {
        request = null!;
        var processing = message.Text(3) ?? "";
        var offer = Array.Find(Offered, row => row.Mti == message.Mti && processing.StartsWith(row.Processing, StringComparison.Ordinal));
        if (offer.Processing is null)
        {
            refusal = new(ResponseCode.NotSupported, new("The bank does not offer this kind of transaction.", "发卡行不支持该类交易。"));
            return false;
        }

        if (MessageMatrix.Check(Dialect.Switch, message) is { } wrong)
        {
            refusal = Malformed(wrong.Field);
            return false;
        }

        SwitchKey? original = null;
        if (offer.Operation == Operation.Refund && !message.Has(90))
        {
            refusal = Malformed("F90");
            return false;
        }

        if (message.Has(90) && !SwitchKey.TryReadOriginal(message, out original, out _))
        {
            refusal = Malformed("F90");
            return false;
        }

        if (!long.TryParse(message.Text(4), NumberStyles.None, CultureInfo.InvariantCulture, out var minor) || minor > Amount.MaxMinor)
        {
            refusal = Malformed("F4");
            return false;
        }

        if (message.Has(49) && message.Text(49) != Currency.Cny.Digits)
        {
            refusal = new(ResponseCode.NotSupported, new("The bank's cards pay in CNY only.", "本行卡片仅支持人民币交易。"));
            return false;
        }

        if (!SwitchKey.TryRead(message, out var key, out _))
        {
            refusal = Malformed("F7");
            return false;
        }

        if (!Pan.TryParse(message.Text(2), out var pan, out _))
        {
            refusal = NoSuchCard;
            return false;
        }

        var verdict = ReadVerdict(message, out var token);
        request = new AuthorisationRequest(pan)
        {
            Operation = offer.Operation,
            Key = key.ToString(),
            OriginalKey = original?.ToString(),
            Amount = Amount.Cny(minor),
            Rrn = message.Text(37) ?? "",
            Terminal = (message.Text(41) ?? "").Trim(),
            Merchant = (message.Text(42) ?? "").Trim(),
            MerchantName = (message.Text(43) ?? "").Trim(),
            Category = message.Text(18),
            Channel = RewardChannel.Of(message.Text(22)),
            Verdict = verdict,
            Token = token,
            IsPlastic = !Field63Token.IsIn(message.Text(63)),
            ChipData = message.Has(55) && !Field63Token.IsIn(message.Text(63)) ? message.Binary(55) : default,
            SequenceNumber = message.Text(23) is { Length: 3 } sequence ? sequence[1..] : "00",
            IsContact = message.Text(22)?.StartsWith("05", StringComparison.Ordinal) == true,
            PinBlock = message.Has(52) ? message.Binary(52) : default,
            Content = message.ContentDigest(52),
        };
        refusal = default!;
        return true;
    }

    internal static readonly Decision NoSuchCard = new(ResponseCode.InvalidCard, new("The bank has no such card.", "本行没有这张卡。"));

    // Both are wanted: the data of the token (F63 TK) and the result of its cryptogram (F61.8).
    private static TokenVerdict ReadVerdict(IsoMessage message, out PaymentToken? token)
    {
        token = null;
        if (!Field63Token.IsIn(message.Text(63)) || !message.Has(61))
        {
            return TokenVerdict.Missing;
        }

        if (!Field63Token.TryParse(message.Text(63), out var data, out _) || !Field61Switch.TryParse(message.Text(61), out var checks, out _))
        {
            return TokenVerdict.Failed;
        }

        token = data.Token;
        return checks.Arqc switch
        {
            ArqcResult.Good when data.Verified => TokenVerdict.Good,
            ArqcResult.NotChecked => TokenVerdict.Missing,
            _ => TokenVerdict.Failed,
        };
    }

    private static Decision Malformed(string field) => new(
        ResponseCode.FormatError, new($"{field} is missing, not in its form or not wanted.", $"{field} 域缺失、格式不符或不应出现。"));
}
