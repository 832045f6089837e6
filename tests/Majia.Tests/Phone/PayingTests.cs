using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Phone;
using Majia.Tests.SecureElement;

namespace Majia.Tests.Phone;

public sealed class PayingTests
{
    private static async Task<PhoneBench> ReadyAsync()
    {
        var bench = await PhoneBench.WithCardAsync();
        await bench.Phone.ChooseAsync(bench.Phone.State.Cards[0].CardReference);
        Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);
        Assert.Equal(ScreenKind.Ready, bench.Phone.Screen.Kind);
        return bench;
    }

    [Fact]
    [Rule("R14")]
    [Rule("R16")]
    public async Task Choose_verify_tap_card_read_without_a_network()
    {
        using var bench = await PhoneBench.WithCardAsync();
        bench.Phone.SetAeroplaneMode(true);
        await bench.Phone.OpenByReader();
        Assert.Equal(ScreenKind.Cards, bench.Phone.Screen.Kind); // no card is the default unless the owner sets one
        await bench.Phone.ChooseAsync("card-1");
        Assert.Equal(ScreenKind.VerifyFingerprint, bench.Phone.Screen.Kind);
        Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);
        Assert.Equal("9000", await bench.TapAsync("000000008800"));
        Assert.Equal((ScreenKind.CardRead, "card-1", Amount.Cny(8800)), (bench.Phone.Screen.Kind, bench.Phone.Screen.CardReference, bench.Phone.Screen.Amount!.Value));
        await bench.Phone.SettledAsync();
        await bench.Store.DurableAsync();
        Assert.Equal(("CARD_READ", Amount.Cny(8800)), (bench.Phone.Messages()[0].Kind, bench.Phone.Messages()[0].Amount!.Value));
        Assert.Equal("6986", await bench.TapAsync()); // used by the tap before
    }

    [Fact]
    [Rule("R14")]
    public async Task Two_ways_in_and_the_owners_default()
    {
        using var bench = await PhoneBench.WithCardAsync();
        Assert.Equal(["NO_SUCH_GESTURE"], (await bench.Phone.OpenByGesture("DOUBLE_POWER")).Reasons.Select(reason => reason.Code));
        Assert.Equal(ScreenKind.Dark, bench.Phone.Screen.Kind);
        Assert.Empty((await bench.Phone.OpenByGesture("DOUBLE_HOME")).Reasons);
        Assert.Equal(ScreenKind.Cards, bench.Phone.Screen.Kind);
        await bench.Phone.LockAsync();
        Assert.True(await bench.Phone.SetDefaultAsync("card-1"));
        await bench.Phone.OpenByReader();
        Assert.Equal((ScreenKind.VerifyFingerprint, "card-1"), (bench.Phone.Screen.Kind, bench.Phone.Screen.CardReference));
    }

    [Fact]
    [Rule("R17")]
    public async Task A_verified_fingerprint_lasts_a_minute()
    {
        using var bench = await ReadyAsync();
        bench.Time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(ScreenKind.Ready, bench.Phone.Screen.Kind);
        bench.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(ScreenKind.VerifyFingerprint, bench.Phone.Screen.Kind);
        Assert.Equal("6986", await bench.TapAsync());
        Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);
        Assert.Equal("9000", await bench.TapAsync());
    }

    [Fact]
    [Rule("R17")]
    public async Task Another_finger_another_card_a_cancel_or_power_off_make_nothing_ready()
    {
        using var bench = await ReadyAsync();
        await bench.Phone.CancelAsync();
        Assert.Equal("6986", await bench.TapAsync());
        await bench.Phone.ChooseAsync("card-1");
        Assert.Equal(["FINGERPRINT_NOT_RECOGNISED"], (await bench.Phone.VerifyFingerprintAsync("a stranger's")).Reasons.Select(reason => reason.Code));
        Assert.Equal("6986", await bench.TapAsync());

        Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);
        var second = await bench.AddAsync();
        await bench.Phone.ChooseAsync(second);
        Assert.Equal("6986", await bench.TapAsync());
        Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);

        bench.Phone.PowerOff();
        Assert.Equal(["POWERED_OFF"], (await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).Reasons.Select(reason => reason.Code));
        await Assert.ThrowsAsync<CardRemovedException>(() => bench.TapAsync());
        bench.Phone.PowerOn();
        Assert.Equal("6986", await bench.TapAsync());
    }

    [Fact]
    [Rule("R4")]
    public async Task Without_fingerprint_function_or_finger_no_card_becomes_ready()
    {
        using var bench = await ReadyAsync();
        await bench.Phone.SetFingerprintFunctionAsync(false);
        Assert.Equal("6986", await bench.TapAsync());
        await bench.Phone.ChooseAsync("card-1");
        Assert.Equal(["FINGERPRINT_OFF"], (await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).Reasons.Select(reason => reason.Code));
        await bench.Phone.SetFingerprintFunctionAsync(true);
        Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);
        await bench.Phone.RemoveFingerprintAsync(PhoneBench.Finger);
        Assert.Equal("6986", await bench.TapAsync());
        await bench.Phone.ChooseAsync("card-1");
        Assert.Equal(["NO_FINGERPRINT"], (await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).Reasons.Select(reason => reason.Code));
    }

    [Fact]
    public async Task A_phone_taken_away_answers_no_more()
    {
        using var bench = await ReadyAsync();
        var tap = bench.Phone.Tap();
        await PhoneBench.SendAsync(tap, "00A404000E325041592E5359532E444446303100");
        tap.TakeAway();
        await Assert.ThrowsAsync<CardRemovedException>(() => PhoneBench.SendAsync(tap, "00A404000E325041592E5359532E444446303100"));
        Assert.Equal("9000", await bench.TapAsync()); // still ready: the flag lives with the power, not with the field
    }

    [Fact]
    public async Task A_slow_cloud_keeps_nobody_at_the_till()
    {
        using var bench = await PhoneBench.WithCardAsync();
        var answer = new TaskCompletionSource();
        bench.Cloud.Slow = answer.Task;
        var adding = bench.Phone.AddCardAsync(PhoneBench.Card);
        await bench.Phone.ChooseAsync("card-1");
        Assert.True((await bench.Phone.VerifyFingerprintAsync(PhoneBench.Finger)).IsReady);
        Assert.Equal("9000", await bench.TapAsync());
        Assert.False(adding.IsCompleted);
        answer.SetResult();
        Assert.Equal(EnrolmentStep.CodeNeeded, (await adding).Step);
    }

    [Theory]
    [Rule("R24")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Signing_out_or_Find_Device_off_kills_every_card_offline_and_at_once(bool signOut)
    {
        using var bench = await ReadyAsync();
        bench.Phone.SetAeroplaneMode(true);
        var heard = bench.Cloud.Heard.Count;
        if (signOut)
        {
            await bench.Phone.SignOutAsync();
        }
        else
        {
            await bench.Phone.SetFindDeviceAsync(false);
        }

        Assert.Equal("6A82", await bench.TapAsync());
        Assert.Empty(bench.Phone.State.Cards);
        Assert.Equal(heard, bench.Cloud.Heard.Count);
        bench.Restart();
        Assert.Equal("6A82", await bench.TapAsync());

        bench.Cloud.LoseCall = bench.Cloud.Calls.Count + 1; // the first try does not get through
        await bench.Phone.PumpAsync();
        Assert.Equal(heard, bench.Cloud.Heard.Count);
        bench.Time.Advance(TimeSpan.FromMinutes(1));
        await bench.Phone.PumpAsync();
        await bench.Phone.PumpAsync();
        var told = Assert.Single(bench.Cloud.Heard.Skip(heard));
        Assert.Equal(1, signOut ? Assert.IsType<PhoneWallet.SignOutRequest>(told).PurgeEpoch : Assert.IsType<PhoneWallet.SetFindDeviceRequest>(told).PurgeEpoch);

        // The same owner again: old cards stay dead, a new one lives.
        Assert.Empty(signOut ? await bench.Phone.SignInAsync("lilei", "secret") : await bench.Phone.SetFindDeviceAsync(true));
        Assert.Equal("6A82", await bench.TapAsync());
    }

    [Theory]
    [Rule("R24")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_sign_out_that_loses_power_in_the_chip_is_finished_afterwards(bool afterTheWrite)
    {
        using var bench = await ReadyAsync();
        var memory = (RamMemory)bench.Chip.Memory;
        memory.FailAfter = afterTheWrite;
        memory.FailBefore = !afterTheWrite;
        await Assert.ThrowsAsync<CardRemovedException>(() => bench.Phone.SignOutAsync());
        bench.Restart();
        Assert.False(bench.Phone.State.SignedIn);
        await bench.Phone.PumpAsync();
        Assert.Equal("6A82", await bench.TapAsync());
        Assert.Single(bench.Cloud.Heard.OfType<PhoneWallet.SignOutRequest>());
    }

    [Fact]
    public async Task The_trusted_sides_secret_is_sealed_in_the_store()
    {
        using var bench = await PhoneBench.WithCardAsync();
        var image = bench.Store.Snapshot();
        Assert.Equal(-1, image.AsSpan().IndexOf(ChipBench.BindingKey));
        Assert.Equal(-1, image.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(ChipBench.BindingKey))));
        Assert.Equal(-1, image.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(PhoneBench.Finger)));
        bench.Restart();
        Assert.Equal([PhoneBench.Finger], bench.Phone.Trusted.Fingers);
    }
}
