using Majia.Core.Emv;
using Majia.Core.Primitives;

namespace Majia.Terminal.Kernel;

/// <summary>How the holder was, or is to be, verified: the whole set that a trace or a slip may name (decisions.md 32).</summary>
public enum CvmResult
{
    None,
    Cdcvm,
    CdcvmAndOnlinePin,
    OnlinePin,

    /// <summary>The chip itself compared it; over contacts alone.</summary>
    OfflinePin,
    Signature,
}

public static class CvmResultWords
{
    /// <summary><c>cdcvm, cdcvm+online-pin, online-pin, offline-pin, signature, none</c>.</summary>
    public static string Name(this CvmResult result) => result switch
    {
        CvmResult.Cdcvm => "cdcvm",
        CvmResult.CdcvmAndOnlinePin => "cdcvm+online-pin",
        CvmResult.OnlinePin => "online-pin",
        CvmResult.OfflinePin => "offline-pin",
        CvmResult.Signature => "signature",
        _ => "none",
    };

    /// <summary>9F34, as field 55 carries it.</summary>
    public static CvmResults Tag9F34(this CvmResult result) => result switch
    {
        CvmResult.OnlinePin or CvmResult.CdcvmAndOnlinePin => CvmResults.OnlinePin,
        CvmResult.OfflinePin => CvmResults.OfflinePin,
        CvmResult.Signature => CvmResults.Signature,
        CvmResult.Cdcvm => CvmResults.Cdcvm,
        _ => CvmResults.NoCvm,
    };
}

/// <summary>The decision and its reason, as holder and merchant may read it (R15).</summary>
/// <param name="Accepted">False: a verification was required and none is possible; the sale ends here.</param>
public sealed record CvmDecision(bool Accepted, CvmResult Result, Text Why)
{
    public bool AsksPin => Result is CvmResult.OnlinePin or CvmResult.CdcvmAndOnlinePin;
}

/// <summary>PIN, signature, fingerprint or nothing (protocols.md 2.5 step 5, decisions.md 12).</summary>
public static class CardholderVerification
{
    /// <summary>All that the decision looks at.</summary>
    /// <param name="Limit">DF21 of the application that was selected.</param>
    /// <param name="BankAsked">The bank answered 55 to the try before this one.</param>
    public readonly record struct Question(
        TerminalTransactionQualifiers Terminal,
        CardTransactionQualifiers Card,
        MerchantPinRule Merchant,
        Amount Amount,
        Amount Limit,
        bool BankAsked);

    /// <summary>The whole decision, in order of precedence: bank's last answer, card (the bank's setting), merchant, limit; then what needs no PIN.</summary>
    public static CvmDecision Decide(Question question)
    {
        var (terminal, card, _, amount, limit, _) = question;
        var fingerprint = card.CdcvmPerformed && terminal.CdcvmSupported;
        var free = new Amount(Math.Max(limit.Minor - 1, 0), limit.Currency); // the largest amount below DF21
        var pin = fingerprint ? CvmResult.CdcvmAndOnlinePin : CvmResult.OnlinePin;

        if (terminal.OnlinePinSupported)
        {
            if (question.BankAsked)
            {
                return new(true, pin, new("PIN asked: the bank wants the right PIN for this payment.", "需输入密码：发卡行要求本次交易验证密码。"));
            }

            if (card.OnlinePinRequired)
            {
                return new(true, pin, new("PIN asked: the bank has set this card to need it for this amount.", "需输入密码：发卡行为此卡设置了本金额须验密。"));
            }

            if (question.Merchant == MerchantPinRule.Always)
            {
                return new(true, pin, new("PIN asked: this merchant asks it for every payment.", "需输入密码：本商户对每笔交易均验密。"));
            }

            if (amount >= limit)
            {
                return new(true, pin, new($"PIN asked: {amount} is over the no-PIN limit of {free}.", $"需输入密码：金额 {amount} 超过免密限额 {free}。"));
            }
        }

        if (card.SignatureRequired && terminal.SignatureSupported)
        {
            return new(true, CvmResult.Signature, new("No PIN: the card asks for a signature on the slip.", "免输密码：卡片要求在签购单上签名。"));
        }

        if (fingerprint)
        {
            return new(true, CvmResult.Cdcvm, new($"No PIN: the fingerprint was verified on the phone, and neither bank, merchant nor the limit of {free} asks more.", $"免输密码：手机已验证指纹，且发卡行、商户和限额 {free} 均无进一步要求。"));
        }

        return terminal.CvmRequired || amount >= limit || card.OnlinePinRequired || card.SignatureRequired
            ? new(false, CvmResult.None, new("The holder must be verified, and card and terminal have no way in common.", "须验证持卡人，但卡片与终端没有共同支持的方式。"))
            : new(true, CvmResult.None, new($"No PIN: {amount} is within the limit of {free}.", $"免输密码：金额 {amount} 未超过限额 {free}。"));
    }
}
