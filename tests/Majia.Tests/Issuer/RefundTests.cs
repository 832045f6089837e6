using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Issuer;

namespace Majia.Tests.Issuer;

/// <summary>0220 at the bank: money back in any state, in parts, never more than the sale (R20, R18).</summary>
public sealed class RefundTests
{
    private static readonly Authorisation Sale = new("sale", Operation.Sale, AuthorisationState.Approved, "c", "a", "a", Amount.Cny(8_800), null, "000000000001", Amount.Cny(0));

    [Theory]
    [Rule("R20")]
    [InlineData(8_800, 0, "00")]
    [InlineData(1, 8_799, "00")]
    [InlineData(8_801, 0, "64")]
    [InlineData(2, 8_799, "64")]
    [InlineData(1, 8_800, "64")]
    public void Parts_up_to_the_sale(long amount, long before, string code) =>
        Assert.Equal(code, UndoDecider.Refund(Sale with { Refunded = Amount.Cny(before) }, "a", Amount.Cny(amount)).Code.Value);

    [Fact]
    public void What_is_not_a_standing_sale_of_this_account_is_not_refunded()
    {
        Assert.Equal("25", UndoDecider.Refund(null, "a", Amount.Cny(1)).Code.Value);
        Assert.Equal("22", UndoDecider.Refund(Sale, "b", Amount.Cny(1)).Code.Value);
        Assert.Equal("12", UndoDecider.Refund(Sale with { Operation = Operation.Refund }, "a", Amount.Cny(1)).Code.Value);
        Assert.All<AuthorisationState>([AuthorisationState.Declined, AuthorisationState.Voided, AuthorisationState.Reversed], state => Assert.Equal("12", UndoDecider.Refund(Sale with { State = state }, "a", Amount.Cny(1)).Code.Value));
    }

    [Fact]
    public void What_refunds_have_touched_is_neither_voided_nor_reversed()
    {
        var touched = Sale with { Refunded = Amount.Cny(1) };
        Assert.Equal("12", UndoDecider.Void(touched, "a", Sale.Amount).Code.Value);
        Assert.Equal(("12", MoneyEffect.None), (UndoDecider.Reverse(touched, null, Sale.Amount).Decision.Code.Value, UndoDecider.Reverse(touched, null, Sale.Amount).Money));
        Assert.Equal(MoneyEffect.None, UndoDecider.Reverse(Sale with { Operation = Operation.Refund }, null, Sale.Amount).Money);
    }

    [Fact]
    [Rule("R20")]
    public async Task Many_refunds_at_once_give_back_the_sale_and_not_a_fen_more()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var before = bench.Balance();
        var sale = bench.Sale(IssuerBench.Debit, 8_850);
        Assert.Equal("00", await bench.CodeAsync(sale));
        var codes = await Task.WhenAll(Enumerable.Range(0, 24).Select(_ => bench.CodeAsync(bench.Refund(IssuerBench.Debit, sale, 500))));
        await bench.Store.DurableAsync();

        Assert.Equal((17, 7), (codes.Count(code => code == "00"), codes.Count(code => code == "64")));
        Assert.Equal(before - 350, bench.Balance());
        Assert.Empty(bench.Desk.BrokenInvariants());
        Assert.Equal("00", await bench.CodeAsync(bench.Refund(IssuerBench.Debit, sale, 350)));
        await bench.Store.DurableAsync();
        Assert.Equal(before, bench.Balance());
    }

    [Fact]
    [Rule("R18")]
    public async Task Points_of_what_is_left_stay_whatever_the_parts_are()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var account = IssuerBench.Debit.Account;
        var sale = bench.Sale(IssuerBench.Debit, 10_050);
        await bench.CodeAsync(sale);
        foreach (var (part, left) in (List<(long, long)>)[(60, 99), (60, 99), (30, 99), (9_899, 0), (1, 0)])
        {
            Assert.Equal("00", await bench.CodeAsync(bench.Refund(IssuerBench.Debit, sale, part)));
            await bench.Store.DurableAsync();
            Assert.Equal(left, bench.Desk.Points(account));
        }

        Assert.Equal("64", await bench.CodeAsync(bench.Refund(IssuerBench.Debit, sale, 1)));
    }

    [Fact]
    [Rule("R20")]
    public async Task A_repeat_gets_the_stored_answer_and_moves_nothing_and_a_lost_or_closed_card_gets_its_money()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800);
        await bench.CodeAsync(sale);
        await bench.Desk.ReportLostAsync(IssuerBench.Debit.Id);
        var refund = bench.Refund(IssuerBench.Debit, sale, 4_400);
        var (first, again) = (await bench.SendAsync(refund), await bench.SendAsync(refund));
        Assert.Equal(("0230", "00"), (first.Mti.Digits, first.Text(39)));
        Assert.Equal(first.Text(38), again.Text(38));
        Assert.Equal("94", await bench.CodeAsync(refund.Copy(refund.Mti).SetNumber(4, 4_300, 12)));
        await bench.Store.DurableAsync();
        var half = bench.Balance();

        await bench.Desk.CloseAccountAsync(IssuerBench.Debit.Account);
        Assert.Equal("00", await bench.CodeAsync(bench.Refund(IssuerBench.Debit, sale, 4_400)));
        await bench.Store.DurableAsync();
        Assert.Equal(half, bench.Balance());
        Assert.Empty(bench.Desk.BrokenInvariants());
        Assert.Equal("30", await bench.CodeAsync(bench.Refund(IssuerBench.Debit, sale, 1).Remove(90)));
    }
}
