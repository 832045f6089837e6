using Majia.Core.Contracts;
using Majia.Tests.TokenService;
using Majia.Wallet;
using Majia.Wallet.Handsets;

namespace Majia.Tests.Wallet;

public class HandsetTests
{
    private static readonly HandsetDirectory Directory = HandsetDirectory.Load();

    private static IReadOnlyList<string> Codes(string model, string track, string version) =>
        [.. HandsetDecider.Check(new PhoneWallet.Handset(model, track, version, "00"), Directory).Select(reason => reason.Code)];

    [Theory, Rule("R2")]
    [InlineData("Mi 5"), InlineData("Mi 5S"), InlineData("mi 5s plus"), InlineData("Mi Note 2"), InlineData("Mi MIX"), InlineData("小米5")]
    public void The_five_models_hold_cards(string model) => Assert.Empty(Codes(model, "stable", "8.0.6.0"));

    [Theory, Rule("R2")]
    [InlineData("Mi 4"), InlineData("Mi 5C"), InlineData("")]
    public void Any_other_model_is_refused_with_its_reason(string model) => Assert.Equal([HandsetDecider.Model], Codes(model, "stable", "8.0.6.0"));

    [Theory, Rule("R3")]
    [InlineData("stable", "8.0.6.0", null)]
    [InlineData("stable", "8.0.5.9", HandsetDecider.TooOld)]
    [InlineData("stable", "8.0.10.0", null)]
    [InlineData("stable", "9.0.0.0", null)]
    [InlineData("stable", "V8.0.6.0", null)]
    [InlineData("stable", "6.8.23", HandsetDecider.VersionUnreadable)]
    [InlineData("developer", "6.8.23", null)]
    [InlineData("developer", "6.8.22", HandsetDecider.TooOld)]
    [InlineData("developer", "6.10.1", null)]
    [InlineData("developer", "7.1.1", null)]
    [InlineData("developer", "8.0.6.0", HandsetDecider.VersionUnreadable)]
    [InlineData("beta?", "8.0.6.0", HandsetDecider.Track)]
    public void Each_track_is_measured_by_its_own_minimum(string track, string version, string? code) =>
        Assert.Equal(code is null ? [] : [code], Codes("Mi 5", track, version));

    [Fact, Rule("R2"), Rule("R3")]
    public void All_reasons_are_named_at_once() => Assert.Equal([HandsetDecider.Model, HandsetDecider.TooOld], Codes("Mi 4", "stable", "7.0.0.0"));

    [Fact, Rule("R4"), Rule("R7")]
    public void Each_missing_condition_is_named_and_a_missing_finger_is_none()
    {
        var none = new PhoneWallet.HandsetConditions(false, false, false, false);
        Assert.Equal([HandsetDecider.NotSignedIn, HandsetDecider.FindDeviceOff, HandsetDecider.FingerprintOff], HandsetDecider.Check(none, false, false, false).Select(reason => reason.Code));
        Assert.Empty(HandsetDecider.Check(new(true, true, true, false), true, true, false));
        Assert.Equal([HandsetDecider.FindDeviceOff], HandsetDecider.Check(new(true, true, true, true), true, false, false).Select(reason => reason.Code));
    }
}

/// <summary>The wallet's own word: what it remembers of a handset.</summary>
public class WalletColourTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 9, 2, 0, 0, TimeSpan.Zero);

    [Theory, Rule("R6")]
    [InlineData(null, null)]
    [InlineData(0, null, WalletColour.LostLately)]
    [InlineData(168, null, WalletColour.LostLately)]
    [InlineData(169, null)]
    [InlineData(null, 1, WalletColour.OtherOwner)]
    [InlineData(null, 25)]
    [InlineData(3, 3, WalletColour.LostLately, WalletColour.OtherOwner)]
    public void Each_doubt_is_named_for_as_long_as_it_lasts(int? lostHoursAgo, int? otherHoursAgo, params string[] doubts)
    {
        var colour = WalletColour.Of(new HandsetPast(Ago(lostHoursAgo), Ago(otherHoursAgo)), new WalletOptions(), Now);
        Assert.Equal(doubts, colour.Reasons.Select(reason => reason.Code));
        Assert.Equal(doubts.Length > 0 ? Colour.Yellow : Colour.Green, colour.Colour);

        static DateTimeOffset? Ago(int? hours) => hours is { } past ? Now - TimeSpan.FromHours(past) : null;
    }
}

public class WalletTests
{
    private static readonly PhoneWallet.HandsetConditions Ready = new(true, true, true, true);

    private sealed record Phone(Bench Bench, FakeChip Chip, HandsetLink Line)
    {
        public Task<ApiReply<TReply>> CallAsync<TRequest, TReply>(string operation, TRequest request)
            where TRequest : notnull
            where TReply : notnull => Line.CallAsync<TRequest, TReply>(operation, request, TestContext.Current.CancellationToken);

        public Task<ApiReply<PhoneWallet.SignInReply>> SignInAsync(string password, string model = "Mi 5") => Line.SignInAsync(Bench.Account, password, new(model, "stable", "8.0.6.0", Chip.Seid));

        public Task<ApiReply<PhoneWallet.AddCardReply>> AddAsync(CardToEnrol card, string? requestId = null, long epoch = 0, PhoneWallet.HandsetConditions? conditions = null) =>
            CallAsync<PhoneWallet.AddCardRequest, PhoneWallet.AddCardReply>(PhoneWallet.Operations.AddCard, new(requestId ?? Bench.Entropy.NewId(), Bench.Encrypt(card), "MANUAL", epoch, conditions ?? Ready));

        public async Task<EnrolmentState> RunAsync(string card)
        {
            List<string> answers = [];
            while (true)
            {
                var reply = await CallAsync<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, new(card, answers));
                Assert.Null(reply.Error);
                if (reply.Value!.Commands.Count == 0)
                {
                    return reply.Value.State;
                }

                answers = Chip.Run(reply.Value.Commands);
            }
        }

        public async Task<IReadOnlyList<PhoneWallet.ListedCard>> ListAsync() =>
            (await CallAsync<PhoneWallet.ListCardsRequest, PhoneWallet.ListCardsReply>(PhoneWallet.Operations.ListCards, new())).Value!.Cards;
    }

    private static async Task<Phone> PhoneAsync(Bench bench, string model = "Mi 5")
    {
        await bench.Wallet.AddAccountAsync(Bench.Account, Bench.Password);
        var chip = bench.NewChip();
        var phone = new Phone(bench, chip, bench.NewHandset());
        Assert.NotNull((await phone.SignInAsync(Bench.Password, model)).Value);
        await phone.CallAsync<PhoneWallet.SetFindDeviceRequest, PhoneWallet.Done>(PhoneWallet.Operations.SetFindDevice, new("f", true, 0));
        return phone;
    }

    [Fact, Rule("R5")]
    public async Task A_card_is_added_to_an_empty_chip_through_the_wallet()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        var added = await phone.AddAsync(Bench.Debit());
        Assert.Null(added.Error);
        Assert.Equal(EnrolmentState.Active, await phone.RunAsync(added.Value!.CardReference));
        var card = Assert.Single(await phone.ListAsync());
        Assert.Equal((EnrolmentState.Active, "明月银行", "A0000003330101010001"), (card.State, card.Face.Bank.Zh, card.Face.InstanceAid));
        Assert.True(phone.Chip.Instances[card.Face.InstanceAid].Selectable);

        var second = await phone.AddAsync(Bench.Credit(2));
        Assert.Equal(EnrolmentState.Active, await phone.RunAsync(second.Value!.CardReference));
        Assert.Equal(2, phone.Chip.Instances.Count);
    }

    [Fact, Rule("R8")]
    public async Task Adding_survives_the_loss_of_any_line_at_any_command()
    {
        for (var commands = 0; commands < 18; commands += 3)
        {
            await using var bench = new Bench();
            var phone = await PhoneAsync(bench);
            var added = (await phone.AddAsync(Bench.Debit(), "r")).Value!;
            phone.Chip.FailAfter = commands;
            await Assert.ThrowsAsync<PowerLostException>(() => phone.RunAsync(added.CardReference));
            Assert.Equal(added.CardReference, (await phone.AddAsync(Bench.Debit(), "r")).Value!.CardReference);
            Assert.Equal(EnrolmentState.Active, await phone.RunAsync(added.CardReference));
            Assert.True(Assert.Single(phone.Chip.Instances).Value.Selectable);
        }
    }

    [Fact, Rule("R6")]
    public async Task A_verified_card_becomes_selectable_by_one_more_script()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var added = (await phone.AddAsync(Bench.Credit())).Value!;
        Assert.Equal("sms", Assert.Single(added.Methods).Id);
        Assert.Equal(EnrolmentState.VerificationRequired, await phone.RunAsync(added.CardReference));
        var sent = await phone.CallAsync<PhoneWallet.RequestActivationCodeRequest, WalletToken.RequestActivationCodeReply>(PhoneWallet.Operations.RequestActivationCode, new("c", added.CardReference, "sms"));
        Assert.Equal("138****0001", sent.Value!.Masked);
        var activated = await phone.CallAsync<PhoneWallet.ActivateRequest, PhoneWallet.ActivateReply>(PhoneWallet.Operations.Activate, new("a", added.CardReference, bench.EncryptCode("123456")));
        Assert.Equal(EnrolmentState.Activating, activated.Value!.State);
        Assert.Equal(EnrolmentState.Active, await phone.RunAsync(added.CardReference));

        // Neither on the wallet's line nor on the bank's does the code stand in clear, and each has a box of its own.
        var boxes = bench.TokenLink.Bodies.Where(body => body.StartsWith("activate ", StringComparison.Ordinal)).Concat(bench.Bank.Link.Bodies.Where(body => body.StartsWith("validateActivationCode ", StringComparison.Ordinal)))
            .Select(body => (string)System.Text.Json.Nodes.JsonNode.Parse(body[body.IndexOf('{', StringComparison.Ordinal)..])!["encryptedCode"]!).ToList();
        Assert.Equal(2, boxes.Distinct().Count());
        Assert.All(bench.TokenLink.Bodies.Concat(bench.Bank.Link.Bodies), body => Assert.DoesNotContain("123456", body, StringComparison.Ordinal));
    }

    [Fact, Rule("R6")]
    public async Task The_same_code_encrypted_anew_is_the_same_request_and_a_code_in_clear_is_none()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var added = (await phone.AddAsync(Bench.Credit())).Value!;
        await phone.RunAsync(added.CardReference);
        Task<ApiReply<PhoneWallet.ActivateReply>> ActivateAsync(string encrypted, string request = "a") =>
            phone.CallAsync<PhoneWallet.ActivateRequest, PhoneWallet.ActivateReply>(PhoneWallet.Operations.Activate, new(request, added.CardReference, encrypted));

        var clear = (await ActivateAsync("123456", "c")).Error!;
        Assert.Equal(("CRYPTOGRAPHY_ERROR", "encryptedCode"), (clear.ErrorCode, clear.Errors!.Single().Field));
        Assert.Equal(2, (await ActivateAsync(bench.EncryptCode("000000"))).Value!.TriesLeft);
        Assert.Equal(2, (await ActivateAsync(bench.EncryptCode("000000"))).Value!.TriesLeft);
        Assert.Single(bench.Bank.Link.Bodies, body => body.StartsWith("validateActivationCode ", StringComparison.Ordinal));
        Assert.Equal("requestId", (await ActivateAsync(bench.EncryptCode("123456"))).Error!.Errors!.Single().Field);
        Assert.Equal(EnrolmentState.Activating, (await ActivateAsync(bench.EncryptCode("123456"), "b")).Value!.State);
    }

    [Fact, Rule("R4")]
    public async Task The_cloud_checks_the_conditions_again()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench, "Mi 4");
        var refused = (await phone.AddAsync(Bench.Debit(), conditions: new(true, true, false, false))).Error!;
        Assert.Equal("CONDITIONS_NOT_MET", refused.ErrorCode);
        Assert.Equal([HandsetDecider.Model, HandsetDecider.FingerprintOff], refused.Errors!.Select(error => error.Field));
        Assert.Contains("指纹", refused.Why!.Zh, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_reaches_the_phone_with_its_why_and_leaves_no_card()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        var refused = (await phone.AddAsync(Bench.Credit(1, "400000"))).Error!;
        Assert.Equal(Ineligible.NotUnionPay, refused.ErrorCode);
        Assert.Contains("VISA", refused.Why!.Zh, StringComparison.Ordinal);
        Assert.Equal(0, bench.Count("SELECT count(*) FROM wallet_card"));
    }

    [Fact]
    public async Task Wrong_password_and_wrong_key_are_refused()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        Assert.Equal("WRONG_PASSWORD", (await phone.SignInAsync("wrong")).Error!.ErrorCode);
        var stranger = phone with { Line = bench.NewHandset() };
        stranger.Line.DeviceId = phone.Line.DeviceId;
        Assert.Equal("NOT_AUTHENTICATED", (await stranger.AddAsync(Bench.Debit())).Error!.ErrorCode);
    }

    [Fact, Rule("R21")]
    public async Task A_deleted_card_leaves_the_chip_with_the_next_script()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        var added = (await phone.AddAsync(Bench.Debit())).Value!;
        await phone.RunAsync(added.CardReference);
        Assert.Null((await phone.CallAsync<PhoneWallet.DeleteCardRequest, PhoneWallet.Done>(PhoneWallet.Operations.DeleteCard, new("d", added.CardReference))).Error);
        Assert.Empty(await phone.ListAsync());
        Assert.Equal(EnrolmentState.Deleted, await phone.RunAsync(added.CardReference));
        Assert.Empty(phone.Chip.Instances);
    }

    [Fact, Rule("R24")]
    public async Task Signing_out_deletes_every_device_card_and_signing_in_again_starts_empty()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        await phone.RunAsync((await phone.AddAsync(Bench.Debit())).Value!.CardReference);
        Assert.Null((await phone.CallAsync<PhoneWallet.SignOutRequest, PhoneWallet.Done>(PhoneWallet.Operations.SignOut, new("s", 1))).Error);
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Deactivated'"));
        Assert.Empty(await phone.ListAsync());
        Assert.Equal(HandsetDecider.NotSignedIn, (await phone.AddAsync(Bench.Debit(), epoch: 1)).Error!.ErrorCode);

        Assert.NotNull((await phone.SignInAsync(Bench.Password)).Value);
        Assert.Null((await phone.AddAsync(Bench.Debit(), epoch: 1)).Error);
    }

    [Fact, Rule("R6")]
    public async Task A_card_added_on_a_phone_that_was_lost_lately_is_verified_even_where_the_bank_would_not_ask()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, true, TestContext.Current.CancellationToken));
        Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, false, TestContext.Current.CancellationToken));
        var added = (await phone.AddAsync(Bench.Debit())).Value!;
        Assert.Equal(EnrolmentState.VerificationRequired, await phone.RunAsync(added.CardReference));
        Assert.Equal([WalletColour.LostLately], bench.Bank.Authorised[^1].Assessments![0].Reasons.Select(reason => reason.Code));

        bench.Clock.Advance(TimeSpan.FromDays(8));
        var later = (await phone.AddAsync(Bench.Debit(2))).Value!;
        Assert.Equal(EnrolmentState.Active, await phone.RunAsync(later.CardReference));
    }

    [Fact, Rule("R23")]
    public async Task Payment_off_takes_effect_at_the_token_service_with_the_phone_away()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        await phone.RunAsync((await phone.AddAsync(Bench.Debit())).Value!.CardReference);
        Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, true, TestContext.Current.CancellationToken));
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Suspended'"));
        Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, false, TestContext.Current.CancellationToken));
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));

        bench.TokenLink.IsCut = true;
        Assert.Equal("TOKEN_SERVICE_UNREACHABLE", (await bench.Wallet.PaymentOffAsync(phone.Line.DeviceId, TestContext.Current.CancellationToken))!.ErrorCode);
        bench.TokenLink.IsCut = false;
        Assert.Null(await bench.Wallet.PaymentOffAsync(phone.Line.DeviceId, TestContext.Current.CancellationToken));
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Deactivated'"));
    }

    [Fact]
    public async Task The_wallets_tables_hold_no_digit_of_the_plastic_but_by_chance()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        var card = Bench.Credit(987654321);
        await phone.RunAsync((await phone.AddAsync(card)).Value!.CardReference);
        var rows = string.Join('\n', await bench.Store.WriteAsync(session => session.Query(
            "SELECT card_reference || device_id || tur || state || CAST(face AS TEXT) || CAST(methods AS TEXT) FROM wallet_card UNION ALL SELECT device_id || seid || account || model FROM wallet_device ORDER BY 1", static row => row.GetString(0))));
        Assert.NotEmpty(rows);
        Assert.DoesNotContain(card.Pan[6..12], rows, StringComparison.Ordinal);
        Assert.DoesNotContain(card.Pan[^5..], rows, StringComparison.Ordinal);
    }

    // ---- whose handset it is ----

    private const string Stranger = "zhao@example.com";

    [Fact]
    public async Task Another_account_cannot_take_a_handset_by_naming_its_chip()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        await phone.RunAsync((await phone.AddAsync(Bench.Debit())).Value!.CardReference);
        await bench.Wallet.AddAccountAsync(Stranger, Bench.Password);
        Assert.Equal("HANDSET_OF_ANOTHER_ACCOUNT", (await bench.NewHandset().SignInAsync(Stranger, Bench.Password, new("Mi 5", "stable", "8.0.6.0", phone.Chip.Seid))).Error?.ErrorCode);
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));
        Assert.Single(await phone.ListAsync());
    }

    // ---- lost mode, and what happens meanwhile ----

    [Fact, Rule("R23")]
    public async Task Lost_mode_stops_a_card_that_is_being_added()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var yellow = (await phone.AddAsync(Bench.Credit())).Value!.CardReference;
        await phone.RunAsync(yellow);
        bench.Bank.Decision = IssuerDecision.Approved;
        var green = (await phone.AddAsync(Bench.Debit())).Value!.CardReference;
        Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, true, TestContext.Current.CancellationToken));

        var activated = await phone.CallAsync<PhoneWallet.ActivateRequest, PhoneWallet.ActivateReply>(PhoneWallet.Operations.Activate, new("a", yellow, bench.EncryptCode("123456")));
        Assert.Equal(HandsetDecider.LostMode, activated.Error?.ErrorCode);
        var script = await phone.CallAsync<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, new(green, []));
        Assert.Equal(HandsetDecider.LostMode, script.Error?.ErrorCode);
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));

        // A deletion goes through all the same.
        Assert.Null((await phone.CallAsync<PhoneWallet.DeleteCardRequest, PhoneWallet.Done>(PhoneWallet.Operations.DeleteCard, new("d", yellow))).Error);
        Assert.Equal(EnrolmentState.Deleted, await phone.RunAsync(yellow));
    }

    [Fact, Rule("R23")]
    public async Task Lost_mode_that_did_not_reach_every_card_says_so_and_can_be_repeated()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        await phone.RunAsync((await phone.AddAsync(Bench.Debit())).Value!.CardReference);
        bench.TokenLink.IsCut = true;
        Assert.Equal("TOKEN_SERVICE_UNREACHABLE", (await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, true, TestContext.Current.CancellationToken))?.ErrorCode);
        bench.TokenLink.IsCut = false;
        Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, true, TestContext.Current.CancellationToken));
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Suspended'"));
        Assert.Equal(EnrolmentState.Suspended, Assert.Single(await phone.ListAsync()).State);

        bench.TokenLink.IsCut = true;
        Assert.Equal("TOKEN_SERVICE_UNREACHABLE", (await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, false, TestContext.Current.CancellationToken))?.ErrorCode);
        bench.TokenLink.IsCut = false;
        Assert.Equal(HandsetDecider.LostMode, (await phone.AddAsync(Bench.Credit())).Error?.ErrorCode);
        Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, false, TestContext.Current.CancellationToken));
        Assert.Equal(EnrolmentState.Active, Assert.Single(await phone.ListAsync()).State);
    }

    [Fact, Rule("R23")]
    public async Task Lost_mode_in_the_middle_of_a_script_suspends_what_the_script_made_active()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        var card = (await phone.AddAsync(Bench.Debit())).Value!.CardReference;
        List<string> answers = [];
        for (var lost = false; ;)
        {
            if (!lost && phone.Chip.Instances.Values.Any(instance => instance.Personalised))
            {
                lost = true;
                bench.TokenLink.Before = (WalletToken.Operations.Provision, async () => Assert.Null(await bench.Wallet.SetLostModeAsync(phone.Line.DeviceId, true, TestContext.Current.CancellationToken)));
            }

            var reply = await phone.CallAsync<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, new(card, answers));
            if (lost)
            {
                Assert.Equal(HandsetDecider.LostMode, reply.Error?.ErrorCode);
                break;
            }

            answers = phone.Chip.Run(reply.Value!.Commands);
        }

        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));
    }

    [Theory, Rule("R24")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_remote_sign_out_during_an_addition_leaves_no_token(bool findDevice)
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        bench.TokenLink.Before = (WalletToken.Operations.Digitize, async () => Assert.Null(findDevice
            ? await bench.Wallet.RemoteFindDeviceOffAsync(phone.Line.DeviceId, TestContext.Current.CancellationToken)
            : await bench.Wallet.RemoteSignOutAsync(phone.Line.DeviceId, TestContext.Current.CancellationToken)));
        Assert.Equal(findDevice ? HandsetDecider.FindDeviceOff : HandsetDecider.NotSignedIn, (await phone.AddAsync(Bench.Debit(), "r")).Error?.ErrorCode);
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_token WHERE state <> 'Deactivated'"));
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_device_slot"));
        Assert.Empty(await phone.ListAsync());
    }

    [Fact, Rule("R21")]
    public async Task A_card_that_is_deleted_during_a_script_stays_deleted()
    {
        await using var bench = new Bench();
        var phone = await PhoneAsync(bench);
        var card = (await phone.AddAsync(Bench.Debit())).Value!.CardReference;
        await bench.Store.WriteAsync(session => session.Execute("UPDATE wallet_card SET state = 'Activating'"));
        bench.TokenLink.Before = (WalletToken.Operations.Provision, async () =>
        {
            bench.TokenLink.Before = null;
            await bench.Store.WriteAsync(session => session.Execute("UPDATE wallet_card SET state = 'Deleted'"));
        });
        await phone.CallAsync<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, new(card, []));
        Assert.Equal(1, bench.Count("SELECT count(*) FROM wallet_card WHERE state = 'Deleted'"));
    }
}
