using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Enrolment;

/// <summary>Adding cards through the whole system: conditions, steps, limits, numbers.</summary>
public sealed class AddingTests
{
    [Fact]
    [Rule("R4")]
    public async Task An_empty_phone_names_everything_that_is_missing_at_once()
    {
        await using var world = await World.OpenAsync(80);
        var phone = world.Phone();
        await phone.SetFingerprintFunctionAsync(false);
        phone.SetAeroplaneMode(true);
        var outcome = await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("mingyue-03")));
        Assert.Equal(["SIGN_IN", "FIND_DEVICE", "FINGERPRINT_OFF", "OFFLINE"], outcome.Reasons.Select(reason => reason.Code));
        Assert.All(outcome.Reasons, reason => Assert.NotEmpty(reason.Why.Zh));

        phone.SetAeroplaneMode(false);
        await phone.SetFingerprintFunctionAsync(true);
        var reference = await world.AddAsync("mingyue-03");

        // To use one: the same, but the network.
        phone.SetAeroplaneMode(true);
        await world.PickUpAsync(reference);
        await phone.SetFingerprintFunctionAsync(false);
        await phone.ChooseAsync(reference);
        Assert.Equal(["FINGERPRINT_OFF"], (await phone.VerifyFingerprintAsync(World.Finger)).Reasons.Select(reason => reason.Code));
        await phone.SetFingerprintFunctionAsync(true);
        await phone.RemoveFingerprintAsync(World.Finger);
        await phone.ChooseAsync(reference);
        Assert.False((await phone.VerifyFingerprintAsync(World.Finger)).IsReady);
    }

    [Theory]
    [InlineData("stable", "8.0.6.0", true)]
    [InlineData("stable", "8.0.5.9", false)]
    [InlineData("stable", "10.0.0.0", true)]
    [InlineData("developer", "6.8.23", true)]
    [InlineData("developer", "6.8.22", false)]
    [InlineData("developer", "7.3.9", true)]
    [InlineData("stable", "6.8.23", false)]
    [Rule("R3")]
    public async Task Each_release_track_has_its_own_oldest_version(string track, string version, bool supported)
    {
        await using var world = await World.OpenAsync(81);
        var body = JsonSerializer.SerializeToUtf8Bytes(new PhoneWallet.CheckHandsetRequest(new PhoneWallet.Handset("Mi 5", track, version, new string('0', 20))), JsonEndpoint.Json);
        var reply = JsonSerializer.Deserialize<ApiReply<PhoneWallet.CheckHandsetReply>>(await world.System.Wallet.Endpoint.HandleAsync(PhoneWallet.Operations.CheckHandset, body, CancellationToken.None), JsonEndpoint.Json)!.Value!;
        Assert.Equal(supported, reply.Supported);
        Assert.Equal(supported ? 0 : 1, reply.Reasons.Count);
    }

    [Fact]
    [Rule("R2")]
    public async Task Each_of_the_five_models_takes_a_card_and_pays_and_any_other_is_refused()
    {
        await using var world = await World.OpenAsync(82);
        foreach (var handset in SeedData.Handsets.Where(handset => handset.Supported))
        {
            var reference = await world.AddAsync("mingyue-03", handset.Id);
            Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100, handset: handset.Id)).Outcome);
        }

        var old = await world.ReadyToAddOrRefuseAsync("mi4");
        Assert.NotEmpty(old);
        Assert.All(old, reason => Assert.NotEmpty(reason.Why.Zh));
    }

    [Fact]
    [Rule("R7")]
    public async Task A_first_fingerprint_is_a_step_and_a_second_time_there_is_no_step()
    {
        await using var world = await World.OpenAsync(83);
        var phone = world.Phone();
        Assert.Empty(await phone.SignInAsync(SeedData.WalletAccounts[0].Account, SeedData.WalletAccounts[0].Password));
        Assert.Empty(await phone.SetFindDeviceAsync(true));
        var typed = SeedData.AsTyped(SeedData.Card("mingyue-03"));
        var first = await phone.AddCardAsync(typed);
        Assert.Equal((EnrolmentStep.FingerprintNeeded, 0), (first.Step, first.Reasons.Count));
        await phone.EnrolFingerprintAsync(World.Finger);
        Assert.Equal(EnrolmentStep.Added, (await phone.AddCardAsync(typed)).Step);
        Assert.Equal(EnrolmentStep.Added, (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("mingyue-10")))).Step);
    }

    [Theory]
    [InlineData("MANUAL")]
    [InlineData("CONTACTLESS_TAP")]
    [InlineData("CAMERA")]
    [Rule("R5")]
    [Rule("R6")]
    public async Task However_the_number_came_the_bank_verifies_before_the_card_is_live(string source)
    {
        await using var world = await World.OpenAsync(84);
        var phone = await world.ReadyToAddAsync();
        var outcome = await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("mingyue-02")), source);
        Assert.Equal(EnrolmentStep.CodeNeeded, outcome.Step);
        Assert.False(await Reader.FindsCardAsync(phone));

        var wrong = await phone.EnterCodeAsync(outcome.CardReference!, world.Code("mingyue-02") == "000000" ? "000001" : "000000");
        Assert.Equal((EnrolmentStep.Refused, 2), (wrong.Step, wrong.TriesLeft));
        Assert.False(await Reader.FindsCardAsync(phone));

        await world.EnterCodeAsync("mingyue-02", outcome);
        Assert.True(await Reader.FindsCardAsync(phone));

        // The bank says so to its customer, over its own channel (decisions.md 17).
        await world.PumpAsync();
        Assert.Contains(world.Desk("mingyue-02").Messages("lin-xiaoyun"), message => message.Body.En.Contains(phone.State.Cards[0].Face.DeviceLastFour, StringComparison.Ordinal));
    }

    [Fact]
    [Rule("R6")]
    public async Task A_credit_card_without_its_security_code_or_with_a_wrong_name_is_refused()
    {
        await using var world = await World.OpenAsync(85);
        var phone = await world.ReadyToAddAsync();
        var typed = SeedData.AsTyped(SeedData.Card("mingyue-02"));
        Assert.Equal(Ineligible.MissingField, Assert.Single((await phone.AddCardAsync(typed with { Cvn2 = null })).Reasons).Code);
        Assert.Equal(Ineligible.DeclinedByIssuer, Assert.Single((await phone.AddCardAsync(typed with { HolderName = "沈若溪" })).Reasons).Code);
        Assert.Equal(Ineligible.DeclinedByIssuer, Assert.Single((await phone.AddCardAsync(typed with { Cvn2 = "321" })).Reasons).Code);
        await world.PumpAsync();
        await AgreementTests.AgreeAsync(world, 0);
    }

    [Fact]
    [Rule("R9")]
    public async Task A_phone_holds_eight_cards_and_a_ninth_only_when_one_has_left()
    {
        await using var world = await World.OpenAsync(86);
        string[] cards = ["mingyue-01", "mingyue-02", "mingyue-03", "mingyue-08", "mingyue-09", "mingyue-10", "mingyue-11", "beishan-02"];
        var references = new List<string>();
        foreach (var card in cards)
        {
            references.Add(await world.AddAsync(card));
        }

        var ninth = await world.TryAddAsync("shahu-03");
        Assert.Equal(Ineligible.TooManyOnDevice, Assert.Single(ninth.Reasons).Code);
        await world.PumpAsync();
        await AgreementTests.AgreeAsync(world, 8);

        // Every one of the eight pays.
        foreach (var reference in references)
        {
            Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100)).Outcome);
        }

        Assert.True(await world.Phone().DeleteCardAsync(references[3]));
        await world.AddAsync("shahu-03");
        await world.PumpAsync();
        await AgreementTests.AgreeAsync(world, 8);
    }

    [Fact]
    [Rule("R10")]
    public async Task A_plastic_is_in_ten_phones_at_most_and_once_in_any_of_them()
    {
        await using var world = await World.OpenAsync(87);
        await world.AddAsync("mingyue-03");
        Assert.Equal(Ineligible.AlreadyOnDevice, Assert.Single((await world.TryAddAsync("mingyue-03")).Reasons).Code);

        for (var phone = 2; phone <= 10; phone++)
        {
            Assert.Null((await DigitizeAsync(world, phone)).Error);
        }

        Assert.Equal(Ineligible.TooManyForCard, (await DigitizeAsync(world, 11)).Error?.ErrorCode);
        Assert.Equal(Ineligible.TooManyForCard, Assert.Single((await world.TryAddAsync("mingyue-03", "mi5s")).Reasons).Code);
        Assert.Equal(10, world.Count("token_token", "state <> 'Deactivated'"));
    }

    private static async Task<ApiReply<WalletToken.DigitizeReply>> DigitizeAsync(World world, int phone)
    {
        var (trid, seid) = ("99900000001", phone.ToString("X20", System.Globalization.CultureInfo.InvariantCulture));
        var key = (await CallAsync<WalletToken.GetPublicKeyRequest, WalletToken.GetPublicKeyReply>(world, WalletToken.Operations.GetPublicKey, new())).Value!;
        var card = Jwe.Encrypt(key.Jwk, JsonSerializer.SerializeToUtf8Bytes(SeedData.AsTyped(SeedData.Card("mingyue-03")), JsonEndpoint.Json));
        var eligible = await CallAsync<WalletToken.CheckEligibilityRequest, WalletToken.CheckEligibilityReply>(world, WalletToken.Operations.CheckEligibility, new($"check-{phone}", trid, seid, card, "MANUAL"));
        var reply = eligible.Value is not { } receipt
            ? eligible.Error!
            : await CallAsync<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(world, WalletToken.Operations.Digitize, new($"digitize-{phone}", trid, seid, receipt.EligibilityReceipt, card, 0, "Mi 5", "MANUAL"));
        await world.System.Store.DurableAsync();
        return reply;
    }

    private static async Task<ApiReply<TReply>> CallAsync<TRequest, TReply>(World world, string operation, TRequest request)
        where TReply : notnull =>
        JsonSerializer.Deserialize<ApiReply<TReply>>(await world.System.TokenService.EndpointFor("99900000001").HandleAsync(operation, JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json), CancellationToken.None), JsonEndpoint.Json)!;

    [Fact]
    [Rule("R13")]
    public async Task A_device_number_is_new_each_time_and_never_the_plastics()
    {
        await using var world = await World.OpenAsync(88);
        var plastic = SeedData.Card("mingyue-03").Pan;
        var numbers = new HashSet<string>();
        for (var i = 0; i < 5; i++)
        {
            var reference = await world.AddAsync("mingyue-03");
            Assert.True(await world.Phone().DeleteCardAsync(reference));
        }

        foreach (var number in world.Read(session => session.Query("SELECT token FROM token_token", row => row.GetString(0))))
        {
            Assert.True(numbers.Add(number));
            Assert.NotEqual(plastic.Reveal(), number);
            Assert.NotEqual(plastic.LastFour, number[^4..]);
            Assert.Equal((19, "819901"), (number.Length, number[..6]));
        }

        Assert.Equal(5, numbers.Count);
    }
}
