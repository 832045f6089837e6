using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Issuer;

/// <summary>A response code and the one sentence that explains it.</summary>
public sealed record Decision(ResponseCode Code, Text Why)
{
    public bool Approved => Code == ResponseCode.Approved;
}

/// <summary>What the key module says of the PIN that came, or that none came.</summary>
public enum PinEvidence
{
    Absent,
    Right,
    Wrong,
    Malformed,
}

/// <summary>What the decision wants to know of a sale.</summary>
/// <param name="Month">YYMM of the bank's date.</param>
/// <param name="Objection">Why a plastic's chip data are not its own word; null when they are, or it is a device card.</param>
/// <param name="OverDeviceLimit">Why it is too much for this device card; null when it is not, or a plastic pays.</param>
/// <param name="PinTriesLeft">Of the face that was shown: the plastic's or this device card's.</param>
public sealed record SaleFacts(Amount Amount, TokenVerdict Verdict, PinEvidence Pin, int PinTriesLeft, Amount NoPinLimit, string Month, Decision? Objection = null, Decision? OverDeviceLimit = null);

public static class AuthorisationDecider
{
    /// <summary>The whole decision, in order of precedence. The caller reads before it and writes after it.</summary>
    public static Decision Decide(SaleFacts sale, Card card, Account account)
    {
        if (card.State == CardState.Lost) return new(ResponseCode.LostCard, new("The bank card is reported lost.", "银行卡已挂失。"));
        if (card.State == CardState.Stolen) return new(ResponseCode.StolenCard, new("The bank card is reported stolen.", "银行卡已按被窃挂失。"));
        if (card.State == CardState.Inactive) return new(ResponseCode.InactiveCard, new("The bank card has not been activated.", "银行卡尚未激活。"));
        if (card.State == CardState.Closed) return new(ResponseCode.InvalidCard, new("The bank card is closed.", "银行卡已销卡。"));
        if (card.State == CardState.Replaced) return new(ResponseCode.InvalidCard, new("The bank card was replaced by a new one.", "银行卡已换发新卡，旧卡作废。"));
        if (account.Closed) return new(ResponseCode.InvalidCard, new("The account behind the card is closed.", "卡片对应的账户已销户。"));
        if (card.State == CardState.Expired || Past(card.Expiry, sale.Month)) return new(ResponseCode.ExpiredCard, new($"The bank card expired in {Words(card.Expiry)}.", $"银行卡已于 {Words(card.Expiry)} 到期。"));
        if (sale.Objection is { } plastic) return plastic;
        if (sale.Verdict == TokenVerdict.Missing) return new(ResponseCode.CardCheckFailed, new("The token service's verdict is missing.", "缺少标记服务的校验结果。"));
        if (sale.Verdict == TokenVerdict.Failed) return new(ResponseCode.CardCheckFailed, new("The token service did not vouch for this device card.", "标记服务未认可该设备卡。"));
        if (sale.PinTriesLeft <= 0) return new(ResponseCode.PinTriesExceeded, new("Too many wrong PINs: PIN entry is locked.", "密码错误次数超限，密码已锁定。"));
        if (sale.Pin == PinEvidence.Absent && WantsPin(card.PinPolicy, sale.Amount, sale.NoPinLimit)) return PinWanted(card.PinPolicy, sale.NoPinLimit);
        if (sale.Pin == PinEvidence.Malformed) return new(ResponseCode.PinFormatError, new("The PIN block does not hold a PIN.", "密码密文格式有误。"));
        if (sale.Pin == PinEvidence.Wrong) return WrongPin(sale.PinTriesLeft - 1);
        if (account.Balance.Currency != sale.Amount.Currency) return new(ResponseCode.NotPermittedToHolder, new("The account is kept in another currency.", "账户币种与交易币种不一致。"));
        if (card.AmountLimit is { } limit && sale.Amount.Minor > limit) return new(ResponseCode.OverAmountLimit, new($"Over the card's limit of {new Amount(limit, sale.Amount.Currency)} for one transaction.", $"超出该卡单笔限额 {new Amount(limit, sale.Amount.Currency)} 元。"));
        if (sale.OverDeviceLimit is { } over) return over;
        if (sale.Amount > account.Available) return Insufficient;

        return new(ResponseCode.Approved, sale.Pin == PinEvidence.Right
            ? new("Approved; the PIN was right.", "同意交易，密码正确。")
            : new("Approved; no PIN was wanted.", "同意交易，无需密码。"));
    }

    public static readonly Decision
        Cleared = new(ResponseCode.Approved, new("The chip's own approval is genuine: cleared out of the card's electronic cash.", "芯片脱机批准的交易证书有效，已从卡内电子现金清算。")),
        NoOfflineDeviceCard = new(ResponseCode.CardCheckFailed, new("Only a plastic card approves by itself; a device card always asks.", "只有实体卡可脱机批准，设备卡必须联机。"));

    public static readonly Decision Insufficient = new(ResponseCode.InsufficientFunds, new("The amount is more than what is available.", "可用余额不足。"));

    /// <summary>True when the decision got as far as the PIN: only then does a right one give the tries back.</summary>
    public static bool PassedThePin(Decision decision) =>
        decision.Approved || decision.Code == ResponseCode.NotPermittedToHolder || decision.Code == ResponseCode.OverAmountLimit || decision.Code == ResponseCode.InsufficientFunds;

    /// <summary>1 000.00 itself needs no PIN (decisions.md 12).</summary>
    public static bool WantsPin(PinPolicy policy, Amount amount, Amount noPinLimit) => policy switch
    {
        PinPolicy.Always => true,
        PinPolicy.OverLimit => amount > noPinLimit,
        _ => false,
    };

    private static Decision PinWanted(PinPolicy policy, Amount noPinLimit) => new(ResponseCode.WrongPin, policy == PinPolicy.Always
        ? new("PIN wanted: the bank asks for it on every purchase with this card.", "需要输入密码：该卡每笔消费均须验密。")
        : new($"PIN wanted: the amount is over {noPinLimit}.", $"需要输入密码：金额超过 {noPinLimit} 元。"));

    private static Decision WrongPin(int left) => new(ResponseCode.WrongPin, left > 0
        ? new($"The PIN is wrong; {left} {(left == 1 ? "try" : "tries")} left.", $"密码错误，还可输入 {left} 次。")
        : new("The PIN is wrong; no try is left.", "密码错误，已无剩余次数。"));

    // YYMM compare as text within one century, as the field does.
    private static bool Past(string expiry, string month) => string.CompareOrdinal(expiry, month) < 0;

    private static string Words(string expiry) => $"20{expiry[..2]}-{expiry[2..]}";
}

/// <summary>Where an authorisation stands. A reversed void gives its sale back.</summary>
public enum AuthorisationState
{
    Declined,
    Approved,
    Voided,
    Reversed,
}

/// <summary>What undoing does to the money of the original.</summary>
public enum MoneyEffect
{
    None,
    GiveBack,
    TakeAgain,
}

/// <summary>An authorisation as voids and reversals see it.</summary>
/// <param name="Refunded">What refunds have given back of it.</param>
/// <param name="Account">The customer's account. <paramref name="BookedAccount"/>: where the money really went (suspense when that was closed).</param>
public sealed record Authorisation(
    string SwitchKey, Operation Operation, AuthorisationState State, string Card, string Account, string BookedAccount, Amount Amount, string? OriginalKey, string Rrn, Amount Refunded)
{
    /// <summary>What refunds have left of it.</summary>
    public Amount Left => Amount - Refunded;

    /// <summary>By what it was rewarded: the same is taken back.</summary>
    public RewardRate Reward { get; init; } = RewardRate.None;
}

/// <param name="Original">The state that the original takes.</param>
/// <param name="VoidedSale">For the reversal of a void: the state that its sale takes, or null when it keeps its own.</param>
public sealed record ReversalOutcome(Decision Decision, MoneyEffect Money, AuthorisationState? Original = null, AuthorisationState? VoidedSale = null, bool Tombstone = false);

/// <summary>Voids and reversals: allowed in any state of card and account, the money is the customer's (decisions.md 9, 15, 20).</summary>
public static class UndoDecider
{
    public static Decision Void(Authorisation? original, string account, Amount amount)
    {
        if (original is null) return new(ResponseCode.NoOriginal, new("There is no such sale.", "找不到原交易。"));
        if (original.Account != account) return new(ResponseCode.OriginalMismatch, new("The sale was made with another account.", "原交易不属于该账户。"));
        if (original.Operation != Operation.Sale) return new(ResponseCode.InvalidTransaction, new("Only a sale can be voided.", "只有消费交易可以撤销。"));
        if (original.State == AuthorisationState.Declined) return new(ResponseCode.InvalidTransaction, new("The sale was declined: there is nothing to void.", "原交易未成功，无可撤销。"));
        if (original.State == AuthorisationState.Voided) return new(ResponseCode.InvalidTransaction, new("The sale has been voided already.", "原交易已撤销。"));
        if (original.State == AuthorisationState.Reversed) return new(ResponseCode.InvalidTransaction, new("The sale has been reversed already.", "原交易已冲正。"));
        if (original.Refunded.Minor > 0) return new(ResponseCode.InvalidTransaction, new("A part of the sale has been refunded already.", "原交易已部分退货。"));
        if (original.Amount != amount) return new(ResponseCode.OriginalAmountWrong, new("A void is for the full amount of the sale.", "撤销金额必须与原交易金额一致。"));

        return new(ResponseCode.Approved, new("Voided: the full amount goes back.", "撤销成功，全额退回。"));
    }

    /// <summary>A refund is the customer's money in any state of card and account (decisions.md 9); parts of it never exceed the sale (decisions.md 15).</summary>
    public static Decision Refund(Authorisation? original, string account, Amount amount)
    {
        if (original is null) return new(ResponseCode.NoOriginal, new("There is no such sale.", "找不到原交易。"));
        if (original.Account != account) return new(ResponseCode.OriginalMismatch, new("The sale was made with another account.", "原交易不属于该账户。"));
        if (original.Operation is not (Operation.Sale or Operation.Offline)) return new(ResponseCode.InvalidTransaction, new("Only a sale can be refunded.", "只有消费交易可以退货。"));
        if (original.State == AuthorisationState.Declined) return new(ResponseCode.InvalidTransaction, new("The sale was declined: there is nothing to refund.", "原交易未成功，无可退回。"));
        if (original.State == AuthorisationState.Voided) return new(ResponseCode.InvalidTransaction, new("The sale has been voided: the money has gone back.", "原交易已撤销，款项已退回。"));
        if (original.State == AuthorisationState.Reversed) return new(ResponseCode.InvalidTransaction, new("The sale has been reversed: the money has gone back.", "原交易已冲正，款项已退回。"));
        if (amount > original.Left) return new(ResponseCode.OriginalAmountWrong, new($"Only {original.Left} is left of the sale.", $"原交易仅余 {original.Left} 元可退。"));

        return new(ResponseCode.Approved, amount == original.Left
            ? new("Refunded: nothing is left of the sale.", "退货成功，原交易已全部退回。")
            : new($"Refunded; {original.Left - amount} is left of the sale.", $"退货成功，原交易尚余 {original.Left - amount} 元。"));
    }

    /// <param name="original">What F90 names, or null.</param>
    /// <param name="voided">When the original is a void: the sale that it voided.</param>
    public static ReversalOutcome Reverse(Authorisation? original, Authorisation? voided, Amount amount)
    {
        if (original is null) return new(Accept("No such transaction yet: should it come later, it will be refused.", "尚无该交易；若随后到达将予拒绝。"), MoneyEffect.None, Tombstone: true);
        if (original.Amount != amount) return new(new(ResponseCode.OriginalAmountWrong, new("A reversal is for the full amount.", "冲正金额必须与原交易金额一致。")), MoneyEffect.None);
        if (original.State == AuthorisationState.Declined) return new(Accept("The original was declined: nothing to give back.", "原交易未成功，无需退回。"), MoneyEffect.None);
        if (original.State == AuthorisationState.Reversed) return new(Accept("Reversed already.", "已冲正过。"), MoneyEffect.None);

        if (original.Operation == Operation.Refund || original.Refunded.Minor > 0) return new(new(ResponseCode.InvalidTransaction, new("Refunds are not reversed, and what they have touched is not either.", "退货及已退货的交易不可冲正。")), MoneyEffect.None);

        if (original.Operation == Operation.Void)
        {
            return voided?.State == AuthorisationState.Voided
                ? new(Accept("The void is reversed: the sale stands again.", "撤销已冲正，原消费恢复有效。"), MoneyEffect.TakeAgain, AuthorisationState.Reversed, AuthorisationState.Approved)
                : new(Accept("The void is reversed; its sale had been reversed before.", "撤销已冲正，原消费此前已冲正。"), MoneyEffect.None, AuthorisationState.Reversed);
        }

        return original.State == AuthorisationState.Voided
            ? new(Accept("Reversed; the money had gone back with the void.", "已冲正，款项此前已随撤销退回。"), MoneyEffect.None, AuthorisationState.Reversed)
            : new(Accept("Reversed: the money goes back.", "已冲正，款项退回。"), MoneyEffect.GiveBack, AuthorisationState.Reversed);
    }

    private static Decision Accept(string english, string chinese) => new(ResponseCode.Approved, new(english, chinese));
}
