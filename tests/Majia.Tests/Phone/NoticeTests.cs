using Majia.Core.Contracts;
using Majia.Phone;

namespace Majia.Tests.Phone;

public sealed class NoticeTests
{
    [Fact]
    [Rule("R24")]
    public async Task A_sign_out_that_the_cloud_does_not_believe_is_kept_and_the_next_sign_in_settles_it()
    {
        using var bench = await PhoneBench.WithCardAsync();
        bench.Cloud.Forgotten = true;
        await bench.Phone.SignOutAsync();
        bench.Time.Advance(TimeSpan.FromMinutes(10));
        await bench.Phone.PumpAsync();
        Assert.Empty(bench.Store.Read(PhoneTables.Notices.DeadLetters));
        Assert.NotNull(bench.Store.Read(PhoneTables.Notices.NextAt));

        Assert.Empty(await bench.Phone.SignInAsync("lilei", "secret"));
        Assert.Null(bench.Store.Read(PhoneTables.Notices.NextAt));
        Assert.Empty(bench.Cloud.Heard.OfType<PhoneWallet.SignOutRequest>()); // it would end the sign-in that came after it
    }

    [Fact]
    [Rule("R21")]
    public async Task A_deletion_that_the_cloud_did_not_believe_is_told_again_after_the_next_sign_in()
    {
        using var bench = await PhoneBench.WithCardAsync();
        bench.Cloud.Forgotten = true;
        await bench.Phone.DeleteCardAsync(bench.Phone.State.Cards[0].CardReference);
        Assert.Empty(await bench.Phone.SignInAsync("lilei", "secret"));
        bench.Time.Advance(TimeSpan.FromMinutes(10));
        await bench.Phone.PumpAsync();
        Assert.Single(bench.Cloud.Heard.OfType<PhoneWallet.DeleteCardRequest>());
        Assert.Null(bench.Store.Read(PhoneTables.Notices.NextAt));
    }

    [Fact]
    [Rule("R24")]
    public async Task A_chip_that_refuses_to_purge_leaves_the_phone_signed_out_and_its_other_work_going_on()
    {
        using var bench = PhoneBench.Unpaired();
        Assert.Empty(await bench.Phone.SignInAsync("lilei", "secret"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => bench.Phone.SignOutAsync());
        await bench.Phone.PumpAsync();
        Assert.False(bench.Phone.State.SignedIn);
        Assert.Equal("CHIP", Assert.Single(await bench.Phone.SignInAsync("lilei", "secret")).Code);

        await bench.Phone.Trusted.PairAsync(Majia.Tests.SecureElement.ChipBench.BindingKey);
        await bench.Phone.PumpAsync();
        Assert.Null(bench.Phone.State.Purging);
        Assert.Single(bench.Cloud.Heard.OfType<PhoneWallet.SignOutRequest>());
    }

    [Theory]
    [Rule("R8")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_right_code_whose_answer_is_lost_is_the_same_request_again(bool restarts)
    {
        using var bench = await PhoneBench.PreparedAsync();
        var card = (await bench.Phone.AddCardAsync(PhoneBench.Card)).CardReference!;
        bench.Cloud.LoseCall = -(bench.Cloud.Calls.Count + 2); // the key comes first
        Assert.Equal(EnrolmentStep.Interrupted, (await bench.Phone.EnterCodeAsync(card, TestCloud.Code)).Step);
        if (restarts)
        {
            bench.Restart();
        }

        Assert.Equal(EnrolmentStep.Added, (await bench.Phone.EnterCodeAsync(card, TestCloud.Code)).Step);
        Assert.Equal(2, bench.Cloud.Activations.Count);
        Assert.Equal(bench.Cloud.Activations[0].RequestId, bench.Cloud.Activations[1].RequestId);
    }

    [Fact]
    [Rule("R6")]
    public async Task Each_answered_try_of_a_code_is_a_request_of_its_own()
    {
        using var bench = await PhoneBench.PreparedAsync();
        var card = (await bench.Phone.AddCardAsync(PhoneBench.Card)).CardReference!;
        await bench.Phone.EnterCodeAsync(card, "000000");
        await bench.Phone.EnterCodeAsync(card, "000000");
        Assert.Equal(2, bench.Cloud.Activations.Select(request => request.RequestId).Distinct().Count());
    }
}
