using Majia.Core.Contracts;
using Majia.TokenService;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.Tests.TokenService;

/// <summary>Wallet's, network's and bank's colours: any red declines, all green passes, any yellow verifies; every reason is kept and shown.</summary>
public class ColoursTests
{
    public static TheoryData<Colour, Colour, Colour> All
    {
        get
        {
            var rows = new TheoryData<Colour, Colour, Colour>();
            foreach (var wallet in Enum.GetValues<Colour>())
            {
                foreach (var network in Enum.GetValues<Colour>())
                {
                    foreach (var issuer in Enum.GetValues<Colour>())
                    {
                        rows.Add(wallet, network, issuer);
                    }
                }
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Any_red_declines_all_green_passes_any_yellow_verifies(Colour wallet, Colour network, Colour issuer)
    {
        Colour[] colours = [wallet, network, issuer];
        var expected = colours.Contains(Colour.Red) ? IssuerDecision.Declined : colours.Contains(Colour.Yellow) ? IssuerDecision.RequireAdditionalAuthentication : IssuerDecision.Approved;
        Assert.Equal(expected, EnrolmentColours.Decide([.. colours.Select(colour => new Assessment("ANY", colour, []))]));
    }

    private static readonly Refusal Lately = new("LOST_LATELY", new("The phone was in lost mode lately.", "手机近期曾处于丢失模式。"));

    private static async Task<ApiReply<WalletToken.DigitizeReply>> DigitizeAsync(Bench bench, FakeChip chip, Colour wallet, long account = 1)
    {
        var receipt = (await bench.CheckAsync(Bench.Debit(account), chip.Seid)).Value!.EligibilityReceipt;
        return await bench.CallAsync<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(
            WalletToken.Operations.Digitize,
            new(bench.Entropy.NewId(), Bench.Trid, chip.Seid, receipt, bench.Encrypt(Bench.Debit(account)), 0, "Mi 5", "MANUAL", new("whoever", wallet, [Lately])));
    }

    [Fact, Rule("R6")]
    public async Task A_yellow_wallet_has_the_bank_verify_whom_it_would_have_let_in()
    {
        await using var bench = new Bench();
        var chip = bench.NewChip();
        var reply = (await DigitizeAsync(bench, chip, Colour.Yellow)).Value!;
        Assert.True(reply.VerificationRequired);
        Assert.Equal(["WALLET Yellow LOST_LATELY", "NETWORK Green ", "ISSUER Green "], reply.Assessments!.Select(each => $"{each.By} {each.Colour} {string.Join(',', each.Reasons.Select(reason => reason.Code))}"));
        Assert.Equal(Colour.Yellow, bench.Bank.Authorised.Single().Assessments![0].Colour);
        Assert.Equal(EnrolmentState.VerificationRequired, (await bench.ProvisionAsync(reply.TokenUniqueReference, chip)).State);
    }

    [Fact, Rule("R12")]
    public async Task A_red_wallet_declines_before_the_bank_is_asked_and_says_why()
    {
        await using var bench = new Bench();
        var reply = await DigitizeAsync(bench, bench.NewChip(), Colour.Red);
        Assert.Equal(("LOST_LATELY", "手机近期曾处于丢失模式。"), (reply.Error!.ErrorCode, reply.Error.Why!.Zh));
        Assert.Equal("WALLET: The phone was in lost mode lately.", reply.Error.Errors!.Single().Got);
        Assert.Empty(bench.Bank.Authorised);
        Assert.Equal(0, bench.Count("SELECT (SELECT count(*) FROM token_device_slot) + (SELECT count(*) FROM token_card_slot) + (SELECT count(*) FROM token_token)"));
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_enrolment"));
    }

    [Fact, Rule("R12")]
    public async Task A_card_goes_live_on_one_phone_five_times_a_day_and_the_next_day_again()
    {
        await using var bench = new Bench();
        var chip = bench.NewChip();
        for (var time = 0; time < 5; time++)
        {
            var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit(), chip);
            await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new(bench.Entropy.NewId(), tur, SuspendedBy.Cardholder, "CONSUMER_DELETED"));
            bench.Clock.Advance(TimeSpan.FromHours(1));
        }

        Assert.Equal(Ineligible.TooOften, (await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Error!.ErrorCode);
        Assert.NotNull((await bench.DigitizeAsync(Bench.Debit(2), chip.Seid)).Value);
        Assert.NotNull((await bench.DigitizeAsync(Bench.Debit(), bench.NewChip().Seid)).Value);
        bench.Clock.Advance(TimeSpan.FromHours(20));
        Assert.NotNull((await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Value);
    }

    [Fact]
    public void Many_attempts_on_one_phone_are_yellow_and_far_too_many_red()
    {
        var options = new TokenServiceOptions();
        Assert.Equal(Colour.Green, EnrolmentColours.OfNetwork(new(options.DeviceAttemptsYellow - 1, 0), options).Colour);
        Assert.Equal(Colour.Yellow, EnrolmentColours.OfNetwork(new(options.DeviceAttemptsYellow, 0), options).Colour);
        Assert.Equal(Colour.Red, EnrolmentColours.OfNetwork(new(options.DeviceAttemptsRed, 0), options).Colour);
        Assert.Equal([Ineligible.TooOften, "DEVICE_ATTEMPTS"], EnrolmentColours.OfNetwork(new(options.DeviceAttemptsYellow, options.ActivationsPerDay), options).Reasons.Select(reason => reason.Code));
        Assert.Equal(Colour.Red, EnrolmentColours.OfNetwork(new(options.DeviceAttemptsYellow, options.ActivationsPerDay), options).Colour);
    }
}
