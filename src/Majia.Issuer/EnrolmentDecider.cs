using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Issuer;

/// <summary>How the typed data compare with the bank's records. Null: nothing was typed. Compared in constant time before.</summary>
public sealed record IdentityEvidence(bool? Name, bool? IdNumber, bool? Mobile, bool? Expiry, bool? Cvn2)
{
    /// <summary>Something that was typed is not what the bank has.</summary>
    public bool AnyWrong => Name == false || IdNumber == false || Mobile == false || Expiry == false || Cvn2 == false;
}

/// <param name="Today">yyyy-MM-dd, the bank's date; <paramref name="Month"/> the same as YYMM.</param>
public sealed record EnrolmentFacts(IdentityEvidence Identity, bool PhoneOnFile, string DocumentExpires, string Today, string Month, bool Paused);

/// <summary>A card is added, verified first, or refused, with the reason (features.md B4).</summary>
public sealed record EnrolmentDecision(IssuerDecision Decision, Refusal? Reason);

public static class EnrolmentDecider
{
    public static readonly EnrolmentDecision NoSuchCard = Declined("CARD_NOT_FOUND", "The bank has no such card.", "本行没有这张卡。");

    /// <summary>The whole decision, in order of precedence: state of the card, data, phone, document, risk.</summary>
    public static EnrolmentDecision Decide(EnrolmentFacts facts, Card card)
    {
        if (card.State == CardState.Lost) return Declined("CARD_LOST", "The bank card is reported lost.", "银行卡已挂失。");
        if (card.State == CardState.Stolen) return Declined("CARD_STOLEN", "The bank card is reported stolen.", "银行卡已按被窃挂失。");
        if (card.State == CardState.Inactive) return Declined("CARD_INACTIVE", "The bank card has not been activated.", "银行卡尚未激活。");
        if (card.State == CardState.Closed) return Declined("CARD_CLOSED", "The bank card is closed.", "银行卡已销卡。");
        if (card.State == CardState.Replaced) return Declined("CARD_REPLACED", "The bank card was replaced: add the new one.", "银行卡已换发新卡，请添加新卡。");
        if (card.State == CardState.Expired || string.CompareOrdinal(card.Expiry, facts.Month) < 0) return Declined("CARD_EXPIRED", "The bank card has expired.", "银行卡已过期。");
        if (facts.Paused) return Declined("TOO_MANY_ATTEMPTS", "Wrong data too often: try again tomorrow or call the bank.", "信息多次不符，请明日再试或致电银行。");
        if (NeedsExpiryAndCvn2(card.Kind) && (facts.Identity.Expiry is null || facts.Identity.Cvn2 is null)) return Declined("EXPIRY_AND_CVN2_WANTED", "For a credit card the bank wants expiry and CVN2.", "信用卡须提供有效期和卡背面末三位校验码。");
        if (facts.Identity.Name is null || facts.Identity.IdNumber is null) return Declined("IDENTITY_WANTED", "The bank wants the holder's name and ID number.", "须提供持卡人姓名和证件号码。");
        if (facts.Identity.Name == false) return Declined("NAME_MISMATCH", "The name is not the card holder's.", "姓名与持卡人不符。");
        if (facts.Identity.IdNumber == false) return Declined("ID_NUMBER_MISMATCH", "The ID number is not the card holder's.", "证件号码与持卡人不符。");
        if (!facts.PhoneOnFile) return Declined("NO_PHONE_ON_FILE", "The bank has no mobile number of yours: leave one at a counter first.", "您未在银行预留手机号，请先到网点登记。");
        if (facts.Identity.Mobile is null) return Declined("MOBILE_WANTED", "The bank wants the mobile number that it has on file.", "须提供在银行预留的手机号。");
        if (facts.Identity.Mobile == false) return Declined("MOBILE_MISMATCH", "The mobile number is not the one on file.", "手机号与银行预留的不一致。");
        if (facts.Identity.Expiry == false) return Declined("EXPIRY_MISMATCH", "The expiry date is not the card's.", "有效期与卡片不符。");
        if (facts.Identity.Cvn2 == false) return Declined("CVN2_MISMATCH", "The CVN2 is not the card's.", "卡背面末三位校验码不符。");
        if (string.CompareOrdinal(facts.DocumentExpires, facts.Today) < 0) return Declined("DOCUMENT_EXPIRED", "Your identity document on file has expired: bring the new one to a counter.", "您在银行登记的证件已过期，请到网点更新。");
        if (card.Risk == EnrolmentRisk.Red) return Declined("RISK_RED", "The bank's risk rules refuse this card on a phone: call the bank.", "银行风控未通过，请致电银行客服。");

        return card.Risk == EnrolmentRisk.Green
            ? new(IssuerDecision.Approved, null)
            : new(IssuerDecision.RequireAdditionalAuthentication, new("SMS_CODE_WANTED", new("The bank wants to verify you with a code by SMS.", "银行须以短信验证码核实您的身份。")));
    }

    /// <summary>Failures in a row after this attempt. Only data that got the holder further give the guesses back: what is merely left out is not right.</summary>
    /// <param name="before">Counted so far.</param>
    /// <param name="paused">The pause is on: nothing counts, nothing is given back.</param>
    /// <param name="fresh">The last failure is a whole pause ago.</param>
    public static int Failures(int before, IdentityEvidence evidence, EnrolmentDecision decision, bool paused, bool fresh) =>
        paused ? before
        : evidence.AnyWrong ? (fresh ? 1 : before + 1)
        : decision.Decision != IssuerDecision.Declined ? 0
        : before;

    // R6: expiry and CVN2 for cards with a credit line.
    public static bool NeedsExpiryAndCvn2(CardKind kind) => kind is CardKind.Credit or CardKind.QuasiCredit;

    private static EnrolmentDecision Declined(string code, string english, string chinese) =>
        new(IssuerDecision.Declined, new Refusal(code, new Text(english, chinese)));
}
