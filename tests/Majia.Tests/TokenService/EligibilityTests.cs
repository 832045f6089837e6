using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.TokenService.Directory;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.Tests.TokenService;

public class EligibilityTests
{
    private static readonly CardDirectory Directory = CardDirectory.Load();

    private static Refusal? Check(CardToEnrol card) => Eligibility.Check(card, Directory, out _, out _);

    private static CardToEnrol Card(string bin, int length) => new(Bench.Number(bin, length, 1), "3012", "123", null, null, null);

    [Theory, Rule("R12")]
    [InlineData("629901", 16, null)]
    [InlineData("411111", 16, null)]
    [InlineData("400000", 16, Ineligible.NotUnionPay)]
    [InlineData("530000", 16, Ineligible.UnknownBin)]
    [InlineData("629901", 18, Ineligible.UnknownBin)]
    [InlineData("622947", 19, Ineligible.UnknownBank)]
    [InlineData("622630", 16, Ineligible.KindNotTaken)]
    [InlineData("622707", 16, Ineligible.KindNotTaken)]
    [InlineData("622428", 16, Eligibility.BankNotConnected)]
    public void A_card_qualifies_by_its_brand_bank_and_kind_and_each_refusal_says_why(string bin, int length, string? code)
    {
        var refusal = Check(Card(bin, length));
        Assert.Equal(code, refusal?.Code);
        if (refusal is not null)
        {
            Assert.NotEmpty(refusal.Why.En);
            Assert.Contains(refusal.Why.Zh, character => character is >= '\u4e00' and <= '\u9fff');
        }
    }

    [Fact, Rule("R12")]
    public void A_wrong_check_digit_comes_before_everything_else()
    {
        Assert.Equal(Ineligible.BadCheckDigit, Check(new("4000000000000001", null, null, null, null, null))?.Code);
        Assert.Equal(Ineligible.BadCheckDigit, Check(new("12", null, null, null, null, null))?.Code);
        Assert.Equal(Ineligible.BadCheckDigit, Check(new("", null, null, null, null, null))?.Code);
    }

    [Fact, Rule("R6")]
    public void A_credit_card_needs_expiry_and_cvn2_a_debit_card_does_not()
    {
        Assert.Equal(Ineligible.MissingField, Eligibility.Check(Bench.Credit() with { Cvn2 = null, Expiry = "3013" }, Directory, out _, out var fields)?.Code);
        Assert.Equal(["expiry", "cvn2"], fields.Select(field => field.Field));
        Assert.Null(Check(Bench.Debit()));
    }

    [Fact, Rule("R9"), Rule("R10")]
    public void The_phone_is_looked_at_before_the_card()
    {
        Assert.Equal(Ineligible.TooManyOnDevice, Eligibility.Check(new Places(8, 10, true))?.Code);
        Assert.Equal(Ineligible.TooManyForCard, Eligibility.Check(new Places(7, 10, false))?.Code);
        Assert.Equal(Ineligible.AlreadyOnDevice, Eligibility.Check(new Places(7, 3, true))?.Code);
        Assert.Null(Eligibility.Check(new Places(7, 9, false)));
    }

    [Fact, Rule("R11")]
    public void The_directory_is_the_faq()
    {
        var named = Directory.Banks.Where(bank => bank.NamedByFaq && bank.Announced is null).ToList();
        Assert.Equal(
            ["建设银行", "交通银行", "招商银行", "浦发银行", "广发银行", "光大银行", "平安银行", "民生银行", "兴业银行", "上海银行"],
            named.Where(bank => bank.Takes.Contains(CardKind.Debit) && bank.Takes.Contains(CardKind.Credit)).Select(bank => bank.Name.Zh));
        Assert.Equal(
            ["华夏银行", "北京银行", "江苏银行", "南京银行", "徽商银行", "东亚银行", "顺德农商行", "兰州银行"],
            named.Where(bank => bank.Takes is [CardKind.Credit]).Select(bank => bank.Name.Zh));
        Assert.Equal("宁夏银行", Assert.Single(Directory.Banks, bank => bank.Announced == 31).Name.Zh);
        Assert.All(Directory.Banks.Where(bank => bank.NamedByFaq), bank => Assert.Contains(Directory.Bins, bin => bin.Bank == bank.Code));
    }

    [Fact, Rule("R11")]
    public void A_bank_is_added_by_data_alone()
    {
        var directory = CardDirectory.Parse(
            "bin,length,bank,brands,kind,product_en,product_zh\n629977,16,NEW,UNIONPAY,credit,New,新卡\n",
            "code,institution,name_en,name_zh,takes,faq,announced,colour\nNEW,63997700,New Bank,新银行,credit,no,,#000000\n",
            "token_bin,length,institution,kind,product_id,aid\n819977,16,63997700,credit,0002,A000000333010102\n");
        Assert.Null(Eligibility.Check(Card("629977", 16), directory, out var eligible, out _));
        Assert.Equal("63997700", eligible!.Institution);
    }

    [Fact]
    public void A_token_range_inside_a_plastic_range_is_refused() =>
        Assert.Throws<FormatException>(() => CardDirectory.Parse(
            "bin,length,bank,brands,kind,product_en,product_zh\n819977,16,NEW,UNIONPAY,credit,New,新卡\n",
            "code,institution,name_en,name_zh,takes,faq,announced,colour\n",
            "token_bin,length,institution,kind,product_id,aid\n819977,16,63997700,credit,0002,A000000333010102\n"));

    [Fact, Rule("R13"), Rule("R19")]
    public void Device_numbers_are_uniform_in_their_range_and_never_end_like_the_plastic()
    {
        var plastic = Pan.Parse(Bench.Credit().Pan);
        Assert.True(Directory.TryRange("63990100", CardKind.Credit, 16, out var range));
        var entropy = new SeededEntropy(3);
        var counts = new int[9, 10];
        const int drawn = 20_000;
        for (var i = 0; i < drawn; i++)
        {
            var token = TokenNumber.Draw(range, plastic, new HashSet<string>(), entropy);
            Assert.StartsWith("819901", token.Reveal(), StringComparison.Ordinal);
            Assert.NotEqual(plastic.LastFour, token.LastFour);
            for (var place = 0; place < 9; place++)
            {
                counts[place, token.Reveal()[6 + place] - '0']++;
            }
        }

        // Chi-square, 9 degrees of freedom: 33.7 is passed once in 10 000.
        for (var place = 0; place < 9; place++)
        {
            var sum = Enumerable.Range(0, 10).Sum(digit => Math.Pow(counts[place, digit] - (drawn / 10.0), 2) / (drawn / 10.0));
            Assert.True(sum < 33.7, $"place {place}: {sum}");
        }
    }

    [Fact, Rule("R13")]
    public void A_device_number_that_would_end_like_another_of_the_plastic_is_drawn_again()
    {
        var plastic = Pan.Parse(Bench.Credit().Pan);
        Assert.True(Directory.TryRange("63990100", CardKind.Credit, 16, out var range));
        var others = Enumerable.Range(0, 10_000).Select(four => four.ToString("D4")).Where(four => four[3] != '7').ToHashSet(StringComparer.Ordinal);
        var entropy = new SeededEntropy(7);
        for (var i = 0; i < 200; i++)
        {
            Assert.EndsWith("7", TokenNumber.Draw(range, plastic, others, entropy).Reveal(), StringComparison.Ordinal);
        }
    }

    [Fact, Rule("R13")]
    public void A_device_number_that_would_end_like_the_plastic_is_drawn_again()
    {
        // A range of 10 numbers: each last four comes up often.
        var range = new TokenRange("819901000", 12, "63990100", CardKind.Credit, "0002", "A000000333010102");
        var entropy = new SeededEntropy(5);
        var first = TokenNumber.Draw(range, Pan.Parse(Bench.Credit().Pan), new HashSet<string>(), entropy);
        var payload = "62990100" + first.LastFour[..3];
        for (var digit = 0; digit < 10; digit++)
        {
            if (Pan.TryParse($"6299010{digit}{first.LastFour}", out var plastic, out _))
            {
                for (var i = 0; i < 500; i++)
                {
                    Assert.NotEqual(first.LastFour, TokenNumber.Draw(range, plastic, new HashSet<string>(), entropy).LastFour);
                }

                return;
            }
        }

        Assert.Fail($"no plastic ends like {payload}");
    }
}

public class TokenLifecycleTests
{
    private static readonly TokenStatus ByOwner = new(TokenState.Suspended, ["CARDHOLDER"]), ByBoth = new(TokenState.Suspended, ["CARDHOLDER", "ISSUER"]);

    [Fact]
    public void Only_the_steps_of_the_state_machine_are_taken()
    {
        Assert.Equal(TokenState.Active, TokenLifecycle.Decide(TokenStatus.Inactive, LifecycleStep.Activate).Next!.State);
        Assert.Null(TokenLifecycle.Decide(TokenStatus.Inactive, LifecycleStep.Suspend, "CARDHOLDER").Next);
        Assert.Null(TokenLifecycle.Decide(TokenStatus.Deactivated, LifecycleStep.Activate).Next);
        Assert.Null(TokenLifecycle.Decide(TokenStatus.Deactivated, LifecycleStep.Unsuspend, "CARDHOLDER").Next);
        Assert.Null(TokenLifecycle.Decide(ByOwner, LifecycleStep.Activate).Next);
        Assert.Equal(TokenState.Deactivated, TokenLifecycle.Decide(TokenStatus.Deactivated, LifecycleStep.Delete).Next!.State);
    }

    [Fact]
    public void Each_lifts_its_own_hold_and_it_is_free_when_nobody_holds_it()
    {
        Assert.Equal(["CARDHOLDER", "ISSUER"], TokenLifecycle.Decide(ByOwner, LifecycleStep.Suspend, "ISSUER").Next!.SuspendedBy);
        Assert.Equal(["ISSUER"], TokenLifecycle.Decide(ByBoth, LifecycleStep.Unsuspend, "CARDHOLDER").Next!.SuspendedBy);
        Assert.Null(TokenLifecycle.Decide(new(TokenState.Suspended, ["ISSUER"]), LifecycleStep.Unsuspend, "CARDHOLDER").Next);
        Assert.Equal(TokenState.Active, TokenLifecycle.Decide(ByOwner, LifecycleStep.Unsuspend, "CARDHOLDER").Next!.State);
    }
}
