using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Issuer;

namespace Majia.Tests.Issuer;

/// <summary>Order is precedence: each row takes the fault of its place and every fault after it, and the earlier one speaks.</summary>
public sealed class AuthorisationDeciderTests
{
    private sealed record Case(SaleFacts Sale, Card Card, Account Account);

    private static readonly DateTimeOffset Never = DateTimeOffset.UnixEpoch;

    private static readonly Case Good = new(
        new SaleFacts(Amount.Cny(8_800), TokenVerdict.Good, PinEvidence.Absent, 3, Amount.Cny(100_000), "2611"),
        new Card("c", "a", "p", "629901*********0011", "3012", "01", CardKind.Debit, CardState.Normal, PinPolicy.OverLimit, null, false, EnrolmentRisk.Yellow, 0, Never),
        new Account("a", "p", CardKind.Debit, Amount.Cny(10_000), 0, false));

    /// <summary>The faults in the order in which the bank looks for them (DESIGN: who decides what).</summary>
    private static readonly (string Name, string Code, string Why, Func<Case, Case> Break)[] Faults =
    [
        ("lost", "41", "reported lost", c => c with { Card = c.Card with { State = CardState.Lost } }),
        ("account closed", "14", "account behind the card is closed", c => c with { Account = c.Account with { Closed = true } }),
        ("expired", "54", "expired in 2026-10", c => c with { Card = c.Card with { Expiry = "2610" } }),
        ("no verdict", "59", "verdict is missing", c => c with { Sale = c.Sale with { Verdict = TokenVerdict.Missing } }),
        ("PIN locked", "75", "locked", c => c with { Sale = c.Sale with { PinTriesLeft = 0 } }),
        ("PIN wrong", "55", "PIN is wrong", c => c with { Sale = c.Sale with { Pin = PinEvidence.Wrong } }),
        ("over the card's limit", "61", "limit of 50.00", c => c with { Card = c.Card with { AmountLimit = 5_000 } }),
        ("over the device card's limit", "61", "device card's own", c => c with { Sale = c.Sale with { OverDeviceLimit = new DeviceCardLimits(new(5_000, null), null, Never).Object(c.Sale.Amount, Amount.Cny(0)) } }),
        ("no funds", "51", "more than what is available", c => c with { Account = c.Account with { Balance = Amount.Cny(8_799) } }),
    ];

    public static TheoryData<int> Places => new(Enumerable.Range(0, Faults.Length));

    [Theory]
    [MemberData(nameof(Places))]
    public void The_first_fault_in_order_speaks(int place)
    {
        var broken = Faults[place..].Aggregate(Good, (c, fault) => fault.Break(c));

        var decision = AuthorisationDecider.Decide(broken.Sale, broken.Card, broken.Account);

        Assert.Equal(Faults[place].Code, decision.Code.Value);
        Assert.Contains(Faults[place].Why, decision.Why.En, StringComparison.Ordinal);
        Assert.NotEmpty(decision.Why.Zh);
    }

    [Theory]
    [InlineData(CardState.Normal, "00")]
    [InlineData(CardState.Inactive, "21")]
    [InlineData(CardState.Lost, "41")]
    [InlineData(CardState.Stolen, "43")]
    [InlineData(CardState.Closed, "14")]
    [InlineData(CardState.Expired, "54")]
    public void Each_state_of_a_card_has_its_code(CardState state, string code) =>
        Assert.Equal(code, AuthorisationDecider.Decide(Good.Sale, Good.Card with { State = state }, Good.Account).Code.Value);

    [Theory]
    [InlineData(TokenVerdict.Good, "00")]
    [InlineData(TokenVerdict.Missing, "59")]
    [InlineData(TokenVerdict.Failed, "59")]
    public void Without_a_good_verdict_of_the_token_service_nothing_is_approved(TokenVerdict verdict, string code) =>
        Assert.Equal(code, AuthorisationDecider.Decide(Good.Sale with { Verdict = verdict }, Good.Card, Good.Account).Code.Value);

    [Theory]
    [Rule("R15")]
    [InlineData(PinPolicy.Always, 1, "55")]
    [InlineData(PinPolicy.OverLimit, 100_000, "00")]
    [InlineData(PinPolicy.OverLimit, 100_001, "55")]
    [InlineData(PinPolicy.Never, 100_001, "00")]
    public void A_pin_that_the_bank_wanted_and_did_not_get_is_55_with_its_why(PinPolicy policy, long minor, string code)
    {
        var decision = AuthorisationDecider.Decide(
            Good.Sale with { Amount = Amount.Cny(minor) }, Good.Card with { PinPolicy = policy }, Good.Account with { Balance = Amount.Cny(1_000_000) });

        Assert.Equal(code, decision.Code.Value);
        Assert.Equal(code == "55", decision.Why.En.StartsWith("PIN wanted", StringComparison.Ordinal));
        Assert.Equal(code == "55", decision.Why.Zh.StartsWith("需要输入密码", StringComparison.Ordinal));
    }

    [Fact]
    public void A_block_that_holds_no_pin_is_99() =>
        Assert.Equal("99", AuthorisationDecider.Decide(Good.Sale with { Pin = PinEvidence.Malformed }, Good.Card, Good.Account).Code.Value);

    [Fact]
    public void A_card_is_good_through_the_last_month_printed_on_it()
    {
        Assert.True(AuthorisationDecider.Decide(Good.Sale, Good.Card with { Expiry = "2611" }, Good.Account).Approved);
        Assert.Equal("54", AuthorisationDecider.Decide(Good.Sale with { Month = "2612" }, Good.Card with { Expiry = "2611" }, Good.Account).Code.Value);
    }

    [Fact]
    public void A_credit_line_is_available_money_and_its_last_fen_too()
    {
        var credit = Good.Account with { Balance = Amount.Cny(-1_200), CreditLimit = 10_000 };

        Assert.True(AuthorisationDecider.Decide(Good.Sale with { Amount = Amount.Cny(8_800) }, Good.Card, credit).Approved);
        Assert.Equal("51", AuthorisationDecider.Decide(Good.Sale with { Amount = Amount.Cny(8_801) }, Good.Card, credit).Code.Value);
    }

    [Fact]
    public void An_account_in_another_currency_is_57() =>
        Assert.Equal("57", AuthorisationDecider.Decide(Good.Sale, Good.Card, Good.Account with { Balance = new Amount(1_000_000, new Currency(840)) }).Code.Value);
}

public sealed class UndoDeciderTests
{
    private static readonly Authorisation Sale = new("sale", Operation.Sale, AuthorisationState.Approved, "c", "a", "a", Amount.Cny(8_800), null, "000000000001", Amount.Cny(0));
    private static readonly Authorisation Void = Sale with { SwitchKey = "void", Operation = Operation.Void, OriginalKey = "sale" };

    [Theory]
    [Rule("R20")]
    [InlineData(AuthorisationState.Approved, "00")]
    [InlineData(AuthorisationState.Declined, "12")]
    [InlineData(AuthorisationState.Voided, "12")]
    [InlineData(AuthorisationState.Reversed, "12")]
    public void A_sale_is_voided_once_and_only_when_it_stands(AuthorisationState state, string code) =>
        Assert.Equal(code, UndoDecider.Void(Sale with { State = state }, "a", Sale.Amount).Code.Value);

    [Fact]
    public void A_void_of_nothing_of_another_account_of_a_void_or_of_a_part_is_refused()
    {
        Assert.Equal("25", UndoDecider.Void(null, "a", Sale.Amount).Code.Value);
        Assert.Equal("22", UndoDecider.Void(Sale, "b", Sale.Amount).Code.Value);
        Assert.Equal("12", UndoDecider.Void(Void, "a", Sale.Amount).Code.Value);
        Assert.Equal("64", UndoDecider.Void(Sale, "a", Amount.Cny(8_799)).Code.Value);
    }

    [Theory]
    //          original, its state, the sale that it voided, money, original after, sale after
    [InlineData(Operation.Sale, AuthorisationState.Approved, null, MoneyEffect.GiveBack, AuthorisationState.Reversed, null)]
    [InlineData(Operation.Sale, AuthorisationState.Voided, null, MoneyEffect.None, AuthorisationState.Reversed, null)]
    [InlineData(Operation.Sale, AuthorisationState.Reversed, null, MoneyEffect.None, null, null)]
    [InlineData(Operation.Sale, AuthorisationState.Declined, null, MoneyEffect.None, null, null)]
    [InlineData(Operation.Void, AuthorisationState.Approved, AuthorisationState.Voided, MoneyEffect.TakeAgain, AuthorisationState.Reversed, AuthorisationState.Approved)]
    [InlineData(Operation.Void, AuthorisationState.Approved, AuthorisationState.Reversed, MoneyEffect.None, AuthorisationState.Reversed, null)]
    [InlineData(Operation.Void, AuthorisationState.Reversed, AuthorisationState.Approved, MoneyEffect.None, null, null)]
    public void A_reversal_has_its_effect_once(Operation operation, AuthorisationState state, AuthorisationState? voided, MoneyEffect money, AuthorisationState? after, AuthorisationState? saleAfter)
    {
        var original = (operation == Operation.Sale ? Sale : Void) with { State = state };
        var outcome = UndoDecider.Reverse(original, voided is { } v ? Sale with { State = v } : null, Sale.Amount);

        Assert.Equal(("00", money, after, saleAfter, false), (outcome.Decision.Code.Value, outcome.Money, outcome.Original, outcome.VoidedSale, outcome.Tombstone));
    }

    [Fact]
    public void A_reversal_of_what_never_came_lays_a_tombstone()
    {
        var outcome = UndoDecider.Reverse(null, null, Sale.Amount);

        Assert.Equal((ResponseCode.Approved, MoneyEffect.None, true), (outcome.Decision.Code, outcome.Money, outcome.Tombstone));
    }
}
