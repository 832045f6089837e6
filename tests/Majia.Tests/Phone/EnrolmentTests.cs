using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Phone;

namespace Majia.Tests.Phone;

public sealed class EnrolmentTests
{
    private static IEnumerable<string> Codes(IEnumerable<Refusal> reasons) => reasons.Select(reason => reason.Code);

    [Fact]
    [Rule("R4")]
    public async Task All_that_is_missing_is_named_at_once()
    {
        using var bench = await PhoneBench.FreshAsync();
        await bench.Phone.SetFingerprintFunctionAsync(false);
        bench.Phone.SetAeroplaneMode(true);
        string[] all = ["SIGN_IN", "FIND_DEVICE", "FINGERPRINT_OFF", "OFFLINE"];
        Assert.Equal(all, Codes(bench.Phone.Conditions()));
        var outcome = await bench.Phone.AddCardAsync(PhoneBench.Card);
        Assert.Equal(EnrolmentStep.Refused, outcome.Step);
        Assert.Equal(all, Codes(outcome.Reasons));
        Assert.All(outcome.Reasons, reason => Assert.True(reason.Why.En.Length > 0 && reason.Why.Zh.Length > 0));
        Assert.Empty(bench.Cloud.Calls);
    }

    [Theory]
    [Rule("R4")]
    [InlineData("SIGN_IN")]
    [InlineData("FIND_DEVICE")]
    [InlineData("FINGERPRINT_OFF")]
    [InlineData("OFFLINE")]
    public async Task Each_condition_alone_keeps_a_card_out(string missing)
    {
        using var bench = await PhoneBench.PreparedAsync();
        Assert.Empty(bench.Phone.Conditions());
        switch (missing)
        {
            case "SIGN_IN":
                await bench.Phone.SignOutAsync();
                break;
            case "FIND_DEVICE":
                await bench.Phone.SetFindDeviceAsync(false);
                break;
            case "FINGERPRINT_OFF":
                await bench.Phone.SetFingerprintFunctionAsync(false);
                break;
            default:
                bench.Phone.SetAeroplaneMode(true);
                break;
        }

        Assert.Equal([missing], Codes((await bench.Phone.AddCardAsync(PhoneBench.Card)).Reasons));
    }

    [Fact]
    [Rule("R7")]
    public async Task A_fingerprint_is_a_step_and_no_refusal()
    {
        using var bench = await PhoneBench.FreshAsync();
        Assert.Empty(await bench.Phone.SignInAsync("lilei", "secret"));
        Assert.Empty(bench.Phone.Conditions());
        Assert.Equal(EnrolmentStep.FingerprintNeeded, (await bench.Phone.AddCardAsync(PhoneBench.Card)).Step);
        Assert.DoesNotContain(PhoneWallet.Operations.AddCard, bench.Cloud.Calls);
        await bench.Phone.EnrolFingerprintAsync(PhoneBench.Finger);
        Assert.Equal(EnrolmentStep.CodeNeeded, (await bench.Phone.AddCardAsync(PhoneBench.Card)).Step);
    }

    [Fact]
    [Rule("R12")]
    public async Task A_wrong_check_digit_is_seen_on_the_phone()
    {
        using var bench = await PhoneBench.PreparedAsync();
        foreach (var number in (string[])["6299010000000000019", "62990100", "629901000000000001A", ""])
        {
            var outcome = await bench.Phone.AddCardAsync(PhoneBench.Card with { Pan = number });
            Assert.Equal([Ineligible.BadCheckDigit], Codes(outcome.Reasons));
        }

        Assert.DoesNotContain(PhoneWallet.Operations.AddCard, bench.Cloud.Calls);
    }

    [Fact]
    [Rule("R2")]
    public async Task A_handset_the_cloud_refuses_is_refused_with_its_reason()
    {
        using var bench = await PhoneBench.PreparedAsync();
        bench.Cloud.HandsetReasons.Add(new Refusal("HANDSET_NOT_SUPPORTED", new Text("no", "否")));
        Assert.Equal(["HANDSET_NOT_SUPPORTED"], Codes((await bench.Phone.AddCardAsync(PhoneBench.Card)).Reasons));
    }

    [Fact]
    [Rule("R6")]
    public async Task A_card_is_added_end_to_end_and_its_number_is_nowhere()
    {
        using var bench = await PhoneBench.PreparedAsync();
        var outcome = await bench.Phone.AddCardAsync(PhoneBench.Card);
        Assert.Equal(EnrolmentStep.CodeNeeded, outcome.Step);
        Assert.Equal("6A82", await bench.TapAsync()); // not selectable before the bank has agreed
        var wrong = await bench.Phone.EnterCodeAsync(outcome.CardReference!, "000000");
        Assert.Equal((EnrolmentStep.Refused, 2), (wrong.Step, wrong.TriesLeft));
        Assert.Equal(EnrolmentStep.Added, (await bench.Phone.EnterCodeAsync(outcome.CardReference!, TestCloud.Code)).Step);

        Assert.Equal(PhoneBench.Card, bench.Cloud.Received); // it arrived where it should
        Assert.Equal(EnrolmentState.Active, Assert.Single(bench.Phone.State.Cards).State);
        var kept = Encoding.Latin1.GetString(bench.Store.Snapshot()) + string.Join('\n', bench.Trace.Rows) + string.Join('\n', bench.Cloud.Bodies);
        Assert.DoesNotContain(PhoneBench.Pan, kept);
        Assert.DoesNotContain(PhoneBench.Pan[^8..], kept);
        Assert.Contains(bench.Trace.Rows, row => row.Kind == TraceKind.Apdu);
    }

    [Theory]
    [Rule("R8")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_network_lost_at_any_call_is_resumed_and_nothing_half_added_can_be_selected(bool answerLost)
    {
        for (var lost = 1; ; lost++)
        {
            using var bench = await PhoneBench.PreparedAsync();
            var before = bench.Cloud.Calls.Count;
            bench.Cloud.LoseCall = (answerLost ? -1 : 1) * (before + lost);
            var outcome = await bench.Phone.AddCardAsync(PhoneBench.Card);
            if (outcome.Step == EnrolmentStep.CodeNeeded)
            {
                outcome = await bench.Phone.EnterCodeAsync(outcome.CardReference!, TestCloud.Code);
            }

            var reached = bench.Cloud.Calls.Count - before >= lost;
            bench.Cloud.LoseCall = 0;
            if (outcome.Step != EnrolmentStep.Added)
            {
                Assert.NotEqual(EnrolmentStep.CodeNeeded, outcome.Step);
                bench.Restart();
                var saw = await bench.TapAsync();
                Assert.True(saw is "6A82" or "6986", saw);
                outcome = await FinishAsync(bench);
            }

            Assert.Equal(EnrolmentStep.Added, outcome.Step);
            Assert.Single(bench.Phone.State.Cards);
            Assert.Null(bench.Phone.State.Pending);
            Assert.Single(bench.Chip.State.Payments);
            await bench.Phone.ChooseAsync(outcome.CardReference!);
            Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);
            Assert.Equal("9000", await bench.TapAsync());
            if (!reached)
            {
                return;
            }
        }
    }

    private static async Task<EnrolmentOutcome> FinishAsync(PhoneBench bench)
    {
        var outcome = (await bench.Phone.ResumeAsync()).LastOrDefault()
            ?? (bench.Phone.State.Cards is [{ State: EnrolmentState.Active } card] ? new EnrolmentOutcome(EnrolmentStep.Added, card.CardReference, [], []) : await bench.Phone.AddCardAsync(PhoneBench.Card));
        return outcome.Step == EnrolmentStep.CodeNeeded ? await bench.Phone.EnterCodeAsync(outcome.CardReference!, TestCloud.Code) : outcome;
    }

    [Fact]
    [Rule("R8")]
    public async Task A_cloud_that_cannot_reach_the_token_service_has_refused_nothing()
    {
        using var bench = await PhoneBench.PreparedAsync();
        bench.Cloud.TokenServiceDown = true;
        Assert.Equal(EnrolmentStep.Interrupted, (await bench.Phone.AddCardAsync(PhoneBench.Card)).Step);
        bench.Restart();
        bench.Cloud.TokenServiceDown = false;
        var outcome = Assert.Single(await bench.Phone.ResumeAsync());
        Assert.Equal(EnrolmentStep.Added, (await bench.Phone.EnterCodeAsync(outcome.CardReference!, TestCloud.Code)).Step);

        bench.Cloud.TokenServiceDown = true;
        await bench.Phone.DeleteCardAsync(outcome.CardReference!);
        bench.Cloud.TokenServiceDown = false;
        bench.Time.Advance(TimeSpan.FromMinutes(1));
        await bench.Phone.PumpAsync();
        Assert.Single(bench.Cloud.Heard.OfType<PhoneWallet.DeleteCardRequest>());
    }

    [Fact]
    [Rule("R21")]
    public async Task A_deleted_card_is_dead_at_once_and_the_cloud_hears_of_it_later()
    {
        using var bench = await PhoneBench.WithCardAsync();
        var reference = bench.Phone.State.Cards[0].CardReference;
        bench.Phone.SetAeroplaneMode(true);
        Assert.True(await bench.Phone.DeleteCardAsync(reference));
        Assert.Empty(bench.Phone.State.Cards);
        Assert.Equal("6A82", await bench.TapAsync());
        bench.Restart();
        Assert.Equal("6A82", await bench.TapAsync());
        await bench.Phone.PumpAsync();
        Assert.Equal(reference, Assert.Single(bench.Cloud.Heard.OfType<PhoneWallet.DeleteCardRequest>()).CardReference);
    }
}
