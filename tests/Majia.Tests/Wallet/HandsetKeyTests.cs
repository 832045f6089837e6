using System.Security.Cryptography;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Tests.TokenService;

namespace Majia.Tests.Wallet;

/// <summary>A handset is known by its own key: what the cloud believes of a call, and what it does not.</summary>
public class HandsetKeyTests
{
    private const string Seid = "0102030405060708090A", Stranger = "zhao@example.com";

    private static readonly PhoneWallet.Handset Handset = new("Mi 5", "stable", "8.0.6.0", Seid);

    private static async Task<(Bench Bench, HandsetLink Handset)> SignedInAsync()
    {
        var bench = new Bench();
        await bench.Wallet.AddAccountAsync(Bench.Account, Bench.Password);
        await bench.Wallet.AddAccountAsync(Stranger, Bench.Password);
        var handset = bench.NewHandset();
        Assert.NotNull((await handset.SignInAsync(Bench.Account, Bench.Password, Handset)).Value);
        return (bench, handset);
    }

    private static HandsetCall List(HandsetLink handset) => handset.Call(PhoneWallet.Operations.ListCards, new PhoneWallet.ListCardsRequest());

    private static async Task<string?> SendAsync(Bench bench, HandsetCall call, string operation = PhoneWallet.Operations.ListCards) =>
        (await bench.WalletLink.CallAsync<HandsetCall, JsonElement>(operation, call, TestContext.Current.CancellationToken)).Error?.ErrorCode;

    [Fact, Rule("R24")]
    public async Task A_call_counts_once()
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        var call = List(handset);
        Assert.Null(await SendAsync(bench, call));
        Assert.Equal(HandsetCall.Repeated, await SendAsync(bench, call));

        // Neither is it forgotten before it is too old: the nonce stays exactly as long as the call could be taken.
        bench.Clock.Advance(HandsetCall.ClockTolerance);
        Assert.Null(await SendAsync(bench, List(handset)));
        Assert.Equal(HandsetCall.Repeated, await SendAsync(bench, call));
        bench.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(HandsetCall.ClockWrong, await SendAsync(bench, call));
        Assert.Null(await SendAsync(bench, List(handset)));
        Assert.True(bench.Count("SELECT count(*) FROM wallet_handset_nonce") <= 3);
    }

    [Fact]
    public async Task Sent_a_hundred_times_at_once_it_counts_once()
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        var call = List(handset);
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
        {
            await Task.Yield();
            return await SendAsync(bench, call);
        }));
        Assert.Single(answers, static code => code is null);
        Assert.Equal(99, answers.Count(static code => code == HandsetCall.Repeated));
    }

    [Fact]
    public async Task A_call_is_of_one_operation_handset_time_and_body()
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        var call = List(handset);
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call, PhoneWallet.Operations.FetchCommands));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call with { Body = "{ }" }));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call with { At = call.At + 1 }));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call with { Nonce = bench.Entropy.NewId() }));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call with { DeviceId = "another" }));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call with { Signature = "" }));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call with { Signature = Convert.ToBase64String(new byte[64]) }));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, call with { Nonce = "short" }));
        var foreign = bench.NewHandset();
        foreign.DeviceId = handset.DeviceId;
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, List(foreign)));
        Assert.Null(await SendAsync(bench, call)); // none of these took its nonce
    }

    [Theory]
    [InlineData(-301, HandsetCall.ClockWrong), InlineData(-300, null), InlineData(300, null), InlineData(301, HandsetCall.ClockWrong)]
    public async Task A_handset_whose_clock_is_wrong_is_told_so(int seconds, string? code)
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        var call = (List(handset) with { At = bench.Clock.GetUtcNow().AddSeconds(seconds).ToUnixTimeMilliseconds() }).SignedBy(handset.Key, PhoneWallet.Operations.ListCards);
        Assert.Equal(code, await SendAsync(bench, call));
        Assert.Equal(HandsetCall.ClockWrong, await SendAsync(bench, (call with { At = long.MinValue }).SignedBy(handset.Key, PhoneWallet.Operations.ListCards)));
    }

    [Fact, Rule("R24")]
    public async Task The_key_survives_sign_out_and_lets_its_handset_change_hands_which_another_key_does_not()
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        Assert.Null((await handset.CallAsync<PhoneWallet.SignOutRequest, PhoneWallet.Done>(PhoneWallet.Operations.SignOut, new("s", 1), TestContext.Current.CancellationToken)).Error);
        Assert.Null(await SendAsync(bench, List(handset)));
        Assert.Equal("HANDSET_OF_ANOTHER_ACCOUNT", (await bench.NewHandset().SignInAsync(Stranger, Bench.Password, Handset)).Error?.ErrorCode);
        Assert.NotNull((await handset.SignInAsync(Stranger, Bench.Password, Handset, 1)).Value);
        Assert.Equal(1, bench.Count("SELECT count(*) FROM wallet_device"));
    }

    [Fact, Rule("R8")]
    public async Task A_sign_in_whose_answer_was_lost_is_the_same_handset_again_and_its_copy_is_none()
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        var first = handset.DeviceId;
        var call = handset.Call(PhoneWallet.Operations.SignIn, new PhoneWallet.SignInRequest(Bench.Account, Bench.Password, Handset, Convert.ToBase64String(handset.Key.PublicKey())));
        Assert.Null(await SendAsync(bench, call, PhoneWallet.Operations.SignIn));
        Assert.Equal(HandsetCall.Repeated, await SendAsync(bench, call, PhoneWallet.Operations.SignIn));
        Assert.Equal(first, (await handset.SignInAsync(Bench.Account, Bench.Password, Handset)).Value!.DeviceId);
        Assert.Null(await SendAsync(bench, List(handset)));
    }

    [Fact]
    public async Task A_sign_in_is_signed_with_the_key_that_it_brings()
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        var body = new PhoneWallet.SignInRequest(Bench.Account, Bench.Password, Handset, Convert.ToBase64String(bench.NewHandset().Key.PublicKey()));
        Assert.Equal("NOT_AUTHENTICATED", await SendAsync(bench, handset.Call(PhoneWallet.Operations.SignIn, body), PhoneWallet.Operations.SignIn));

        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        foreach (var none in new[] { "", "AAAA", Convert.ToBase64String(new byte[91]), Convert.ToBase64String(other.ExportSubjectPublicKeyInfo()) })
        {
            Assert.Equal("INVALID_FIELD_VALUE", await SendAsync(bench, handset.Call(PhoneWallet.Operations.SignIn, body with { PublicKey = none }), PhoneWallet.Operations.SignIn));
        }
    }

    [Fact]
    public async Task The_cloud_holds_the_public_half_alone()
    {
        var (bench, handset) = await SignedInAsync();
        await using var _ = bench;
        var kept = await bench.Store.WriteAsync(session => session.One("SELECT public_key FROM wallet_device", static row => Tuple.Create((byte[])row.GetValue(0))));
        Assert.Equal(handset.Key.PublicKey(), kept!.Item1);
        Assert.True(kept.Item1.AsSpan().IndexOf(handset.Key.Secret()) < 0);
    }

    [Fact]
    public void A_key_is_one_of_its_entropy_and_comes_back_from_its_secret()
    {
        var key = HandsetKey.New(new SeededEntropy(5));
        Assert.Equal(key.PublicKey(), HandsetKey.New(new SeededEntropy(5)).PublicKey());
        Assert.Equal(key.PublicKey(), HandsetKey.From(key.Secret()).PublicKey());
        Assert.Throws<ArgumentException>(() => HandsetKey.From(new byte[32]));
        Assert.Throws<ArgumentException>(() => HandsetKey.From(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
    }
}
