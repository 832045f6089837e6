using System.Globalization;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Issuer;

public enum Operation
{
    Sale,
    Void,
}

/// <summary>The token service's verdict as the network passes it on (F61.8 and F63 TK, decisions.md 7).</summary>
public enum TokenVerdict
{
    Good,
    Missing,
    Failed,
}

/// <summary>A 0200 or 0420 that cannot be wrong any more: checked at the door, trusted inside. Not a record: it holds the number.</summary>
public sealed class AuthorisationRequest
{
    private AuthorisationRequest(Pan pan) => Pan = pan;

    public Pan Pan { get; }

    public required Operation Operation { get; init; }

    /// <summary>F7 ‖ F11 ‖ F32 ‖ F33, institutions in their 11 digits, so that F90 spells the same key (decisions.md 19).</summary>
    public required string SwitchKey { get; init; }

    /// <summary>F90 as such a key; present in voids and reversals.</summary>
    public string? OriginalKey { get; init; }

    public required Amount Amount { get; init; }

    public required string Rrn { get; init; }

    public required string Merchant { get; init; }

    public required string Terminal { get; init; }

    public required string MerchantName { get; init; }

    public required TokenVerdict Verdict { get; init; }

    public PaymentToken? Token { get; init; }

    /// <summary>F52 under the bank's zone PIN key; empty when no PIN was typed.</summary>
    public ReadOnlyMemory<byte> PinBlock { get; init; }

    /// <summary>SHA-256 over every field but the MAC: same key, other content is answered 94.</summary>
    public required byte[] Digest { get; init; }

    /// <summary>The message matrix of the bank's end of the line (protocols.md 6.4, 6.9).</summary>
    private static readonly (int Mti, string Processing, Operation Operation, int[] Mandatory)[] Matrix =
    [
        (200, "00", Operation.Sale, [2, 3, 4, 7, 11, 14, 22, 25, 32, 33, 37, 41, 42, 49]),
        (200, "20", Operation.Void, [2, 3, 4, 7, 11, 32, 33, 37, 41, 42, 49, 90]),
        (420, "00", Operation.Sale, [2, 3, 4, 7, 11, 32, 33, 90]),
        (420, "20", Operation.Void, [2, 3, 4, 7, 11, 32, 33, 90]),
        (421, "00", Operation.Sale, [2, 3, 4, 7, 11, 32, 33, 90]),
        (421, "20", Operation.Void, [2, 3, 4, 7, 11, 32, 33, 90]),
    ];

    /// <summary>Reads a message whose MAC is good. Otherwise the code to answer, with its why.</summary>
    public static bool TryParse(IsoMessage message, out AuthorisationRequest request, out Decision refusal)
    {
        request = null!;
        var processing = message.Text(3) ?? "";
        var row = Array.Find(Matrix, r => r.Mti == message.Mti.Value && processing.StartsWith(r.Processing, StringComparison.Ordinal));
        if (row.Mandatory is null)
        {
            refusal = new(ResponseCode.NotSupported, new("The bank does not offer this kind of transaction.", "发卡行不支持该类交易。"));
            return false;
        }

        foreach (var field in row.Mandatory)
        {
            if (!message.Has(field))
            {
                refusal = Malformed(field);
                return false;
            }
        }

        if (!long.TryParse(message.Text(4), NumberStyles.None, CultureInfo.InvariantCulture, out var minor) || minor > Amount.MaxMinor)
        {
            refusal = Malformed(4);
            return false;
        }

        if (message.Has(49) && message.Text(49) != Currency.Cny.Digits)
        {
            refusal = new(ResponseCode.NotSupported, new("The bank's cards pay in CNY only.", "本行卡片仅支持人民币交易。"));
            return false;
        }

        if (!Pan.TryParse(message.Text(2), out var pan, out _))
        {
            refusal = NoSuchCard;
            return false;
        }

        string? original = null;
        if (message.Has(90) && !TryOriginalKey(message.Text(90)!, out original))
        {
            refusal = Malformed(90);
            return false;
        }

        var verdict = ReadVerdict(message, out var token);
        request = new AuthorisationRequest(pan)
        {
            Operation = row.Operation,
            SwitchKey = Key(message.Text(7)!, message.Text(11)!, message.Text(32)!, message.Text(33)!),
            OriginalKey = original,
            Amount = Amount.Cny(minor),
            Rrn = message.Text(37) ?? "",
            Terminal = (message.Text(41) ?? "").Trim(),
            Merchant = (message.Text(42) ?? "").Trim(),
            MerchantName = (message.Text(43) ?? "").Trim(),
            Verdict = verdict,
            Token = token,
            PinBlock = message.Has(52) ? message.Binary(52) : default,
            Digest = message.ContentDigest(),
        };
        refusal = default!;
        return true;
    }

    internal static readonly Decision NoSuchCard = new(ResponseCode.InvalidCard, new("The bank has no such card.", "本行没有这张卡。"));

    public static string Key(string f7, string f11, string f32, string f33) => $"{f7}{f11}{f32.PadLeft(11, '0')}{f33.PadLeft(11, '0')}";

    /// <summary>F90: MTI 4 ‖ F11 6 ‖ F7 10 ‖ F32 11 ‖ F33 11.</summary>
    private static bool TryOriginalKey(string f90, out string? key)
    {
        key = f90.Length == 42 && f90.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0
            ? $"{f90[10..20]}{f90[4..10]}{f90[20..]}"
            : null;
        return key is not null;
    }

    // Both are wanted: the data of the token (F63 TK) and the result of its cryptogram (F61.8).
    private static TokenVerdict ReadVerdict(IsoMessage message, out PaymentToken? token)
    {
        token = null;
        if (message.Text(63) is not { } tk || message.Text(61) is not { } checks)
        {
            return TokenVerdict.Missing;
        }

        if (!TokenData.TryRead(tk, out var data))
        {
            return TokenVerdict.Missing;
        }

        if (!PaymentToken.TryParse(data.Token, out token, out _))
        {
            return TokenVerdict.Failed;
        }

        return TokenData.CryptogramResult(checks) switch
        {
            '1' when data.Verified => TokenVerdict.Good,
            '0' or null => TokenVerdict.Missing,
            _ => TokenVerdict.Failed,
        };
    }

    private static Decision Malformed(int field) => new(
        ResponseCode.FormatError, new($"Field {field} is missing or not in its form.", $"第 {field} 域缺失或格式不符。"));
}
