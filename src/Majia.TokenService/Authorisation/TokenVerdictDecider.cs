using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService.Authorisation;

/// <summary>What the vault knows of the token at the moment of the verdict.</summary>
/// <param name="Expiry">YYMM.</param>
public sealed record TokenFacts(TokenStatus Status, string Expiry, string Trid, AtcWindow Atc, TokenDomain? Domain = null)
{
    /// <summary>Null: contactless chip, any merchant.</summary>
    public TokenDomain Domain { get; } = Domain ?? TokenDomain.Contactless;

    /// <summary>Of a renewal whose end the vault has not heard of: the chip may show this one already.</summary>
    public string? NextExpiry { get; init; }
}

/// <summary>What a message says, and what the key module found of its cryptogram.</summary>
/// <param name="Resolve">Void, refund, reversal: the number is wanted, in any state (decisions.md 9).</param>
/// <param name="YearMonth">Now, YYMM local time.</param>
/// <param name="Expiry">F14, or null.</param>
/// <param name="EntryMode">F22, three digits.</param>
/// <param name="Chip">Field 55 as it could be read; null when absent or malformed.</param>
/// <param name="Merchant">F42, or null.</param>
public sealed record MessageFacts(bool Resolve, string YearMonth, string? Expiry, string? EntryMode, ChipFacts? Chip, string? Merchant = null);

/// <param name="AmountAgrees">9F02 is F4 and 5F2A is F49: the card signed what is asked for.</param>
/// <param name="IsRequest">The card asked to go online (ARQC), and did not decline (AAC).</param>
/// <param name="Requestor">9F19, or null when not sent.</param>
/// <param name="CryptogramRight">Recomputed with the token's keys.</param>
public sealed record ChipFacts(bool AmountAgrees, bool IsRequest, string? Requestor, bool CryptogramRight, ushort Atc);

/// <param name="UseAtc">The counter is spent: the cryptogram was right, whatever else was wrong, so it can never be shown again.</param>
/// <param name="Alarm">A counter that came back, or jumped: for the people who watch.</param>
public sealed record TokenVerdict(ResponseCode Code, ArqcResult Arqc, Text Why, bool UseAtc, AtcAlarm Alarm);

public enum AtcAlarm
{
    None,

    /// <summary>The counter came back (with the same unpredictable number: a replay; with another: a clone).</summary>
    Returned,

    /// <summary>More taps than ever went online.</summary>
    LargeGap,
}

/// <summary>The token service's say, in order of precedence (decisions.md 7–10). The caller reads before it and writes after it.</summary>
public static class TokenVerdictDecider
{
    public static TokenVerdict Decide(TokenFacts? token, MessageFacts message)
    {
        if (token is null)
        {
            return Refuse(ResponseCode.InvalidCard, ArqcResult.NotChecked, "no such device number", "设备卡号不存在");
        }

        if (message.Resolve)
        {
            return new(ResponseCode.Approved, ArqcResult.NotChecked, new("the money goes back whatever has become of the device card", "款项退回，与设备卡现状无关"), false, AtcAlarm.None);
        }

        var chip = message.Chip;
        var counter = chip is { CryptogramRight: true } ? token.Atc.Look(chip.Atc) : AtcVerdict.TooOld;
        var spends = chip is { CryptogramRight: true } && counter is AtcVerdict.Fresh or AtcVerdict.OutOfOrder;
        var alarm = chip is not { CryptogramRight: true } ? AtcAlarm.None
            : counter == AtcVerdict.Reused ? AtcAlarm.Returned
            : counter == AtcVerdict.Fresh && token.Atc.IsLargeGap(chip.Atc) ? AtcAlarm.LargeGap
            : AtcAlarm.None;
        var arqc = chip is null ? ArqcResult.NotChecked : chip.CryptogramRight ? ArqcResult.Good : ArqcResult.Failed;
        return First(token, message, chip, counter, arqc) with { UseAtc = spends, Alarm = alarm };
    }

    private static TokenVerdict First(TokenFacts token, MessageFacts message, ChipFacts? chip, AtcVerdict counter, ArqcResult arqc)
    {
        if (token.Status.State == TokenState.Deactivated)
        {
            return Refuse(ResponseCode.InvalidCard, arqc, "this device card was deleted", "该设备卡已删除");
        }

        if (token.Status.State == TokenState.Inactive)
        {
            return Refuse(ResponseCode.InvalidCard, arqc, "this device card was never activated", "该设备卡尚未激活");
        }

        if (token.Status.State == TokenState.Suspended)
        {
            return Refuse(ResponseCode.RestrictedCard, arqc, $"this device card is suspended by {string.Join(", ", token.Status.SuspendedBy)}", $"该设备卡已被暂停（{string.Join("、", token.Status.SuspendedBy)}）");
        }

        var expiry = message.Expiry is not null && message.Expiry == token.NextExpiry ? token.NextExpiry : token.Expiry;
        if (string.CompareOrdinal(expiry, message.YearMonth) < 0)
        {
            return Refuse(ResponseCode.ExpiredCard, arqc, "this device card has expired", "该设备卡已过期");
        }

        if (message.Expiry is not null && message.Expiry != expiry)
        {
            return Refuse(ResponseCode.ExpiredCard, arqc, "the expiry date is not this device card's", "有效期与该设备卡不符");
        }

        if (TokenDomain.ChannelOf(message.EntryMode) is not { } channel || !token.Domain.Channels.Contains(channel, StringComparer.Ordinal))
        {
            return Refuse(ResponseCode.NotPermittedToHolder, arqc, "outside its domain: a device card pays by contactless chip only", "超出使用范围：设备卡仅限非接触芯片支付");
        }

        if (!token.Domain.Takes(message.Merchant ?? ""))
        {
            return Refuse(ResponseCode.NotPermittedToHolder, arqc, "outside its domain: another merchant", "超出使用范围：商户不符");
        }

        if (chip is null)
        {
            return Refuse(ResponseCode.FormatError, arqc, "no chip data, or chip data that cannot be read", "没有芯片数据或芯片数据无法解析");
        }

        if (chip.Requestor is not null && chip.Requestor != token.Trid)
        {
            return Refuse(ResponseCode.NotPermittedToHolder, arqc, "outside its domain: another token requestor", "超出使用范围：标记请求方不符");
        }

        if (!chip.AmountAgrees)
        {
            return Refuse(ResponseCode.CardCheckFailed, arqc, "the card signed another amount or currency", "卡片签名的金额或币种与交易不符");
        }

        if (!chip.IsRequest)
        {
            return Refuse(ResponseCode.CardCheckFailed, arqc, "the card declined: this is no request to pay", "卡片已拒绝交易，并非联机请求");
        }

        if (!chip.CryptogramRight)
        {
            return Refuse(ResponseCode.CardCheckFailed, arqc, "the cryptogram is wrong", "应用密文校验失败");
        }

        return counter switch
        {
            AtcVerdict.Reused => Refuse(ResponseCode.CardCheckFailed, arqc, "this tap was seen before: the counter came back", "该次挥卡已使用过：交易计数器重复"),
            AtcVerdict.TooOld => Refuse(ResponseCode.CardCheckFailed, arqc, "this tap is too far back: its counter has left the window", "该次挥卡过旧：交易计数器已超出窗口"),
            AtcVerdict.OutOfOrder => new(ResponseCode.Approved, arqc, new("cryptogram right; an earlier tap that was overtaken, seen for the first time", "应用密文正确；较早的一次挥卡，首次收到"), true, AtcAlarm.None),
            _ => new(ResponseCode.Approved, arqc, new("cryptogram right, counter fresh", "应用密文正确，计数器未使用过"), true, AtcAlarm.None),
        };
    }

    private static TokenVerdict Refuse(ResponseCode code, ArqcResult arqc, string en, string zh) => new(code, arqc, new(en, zh), false, AtcAlarm.None);
}
