using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Enrolment;

/// <summary>Cards that leave: deleted, lost, switched off, signed out (R21, R23, R24).</summary>
public sealed class LeavingTests
{
    [Fact]
    [Rule("R21")]
    public async Task Deleting_a_card_touches_neither_plastic_nor_account()
    {
        await using var world = await World.OpenAsync(90);
        var reference = await world.AddAsync("mingyue-03");
        var (card, account) = (world.Desk("mingyue-03").Find(SeedData.Card("mingyue-03").Pan), world.Account("mingyue-03"));
        Assert.True(await world.Phone().DeleteCardAsync(reference));
        await world.PumpAsync();
        Assert.Equal(card, world.Desk("mingyue-03").Find(SeedData.Card("mingyue-03").Pan));
        Assert.Equal(account, world.Account("mingyue-03"));
        Assert.False(await Reader.FindsCardAsync(world.Phone()));
        await AgreementTests.AgreeAsync(world, 0);
        await world.AddAsync("mingyue-03");
    }

    [Fact]
    [Rule("R23")]
    public async Task Reported_lost_the_plastic_and_every_device_card_decline_until_the_report_is_lifted()
    {
        await using var world = await World.OpenAsync(91);
        var one = await world.AddAsync("mingyue-03");
        var other = await world.AddAsync("mingyue-03", "mi5s", account: 1);
        var before = world.Account("mingyue-03");
        Assert.True(await world.Desk("mingyue-03").ReportLostAsync("mingyue-03"));

        Assert.Equal("41", (await world.SellAsync(one, 100)).ResponseCode?.Value);
        Assert.Equal("41", (await world.SellAsync(other, 100, handset: "mi5s")).ResponseCode?.Value);
        Assert.Equal("41", await SwipePlasticAsync(world, "mingyue-03", 1));
        Assert.Equal(before, world.Account("mingyue-03"));

        Assert.True(await world.Desk("mingyue-03").LiftReportAsync("mingyue-03"));
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(one, 100)).Outcome);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(other, 100, handset: "mi5s")).Outcome);
        Assert.NotEqual("41", await SwipePlasticAsync(world, "mingyue-03", 2));
        world.BooksHold();
    }

    /// <summary>The plastic itself, as the switch sends it to its bank: the number and no token data.</summary>
    private static async Task<string?> SwipePlasticAsync(World world, string card, int trace)
    {
        var (bank, network) = (World.Bank(card), world.System.Keys("network"));
        var message = new IsoMessage(Mti.FinancialRequest)
            .Set(2, SeedData.Card(card).Pan.Reveal()).Set(3, "000000").Set(4, "000000000100").Set(7, "0601100000").Set(11, trace.ToString("D6", System.Globalization.CultureInfo.InvariantCulture))
            .Set(12, "100000").Set(13, "0601").Set(14, "3012").Set(18, "5942").Set(22, "021").Set(25, "00").Set(32, "63990900").Set(33, "00010000").Set(37, $"99900000000{trace}")
            .Set(41, World.Books).Set(42, "990031058120001").Set(43, "MORNING LIGHT BOOKS").Set(49, "156");
        var body = IsoSealing.Seal(Dialect.Switch, message, block => network.Mac($"zak.{bank.Institution}", Majia.Core.Cryptography.MacAlgorithm.UnionPayEcb, block));
        var answer = await world.System.Issuers[bank.Institution].HandleAsync(SwitchFrame.Write(bank.Institution, "00010000", body), CancellationToken.None);
        await world.System.Store.DurableAsync();
        return World.Switch(answer).Text(39);
    }

    [Fact]
    [Rule("R23")]
    public async Task Payment_turned_off_from_afar_works_at_once_with_the_phone_offline()
    {
        await using var world = await World.OpenAsync(92);
        var reference = await world.AddAsync("mingyue-03");
        var before = world.Account("mingyue-03");
        world.Phone().SetAeroplaneMode(true);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100)).Outcome);

        var device = Assert.Single(await world.System.Wallet.DevicesAsync(SeedData.WalletAccounts[0].Account));
        Assert.Null(await world.System.Wallet.PaymentOffAsync(device.DeviceId));
        Assert.Equal("14", (await world.SellAsync(reference, 100)).ResponseCode?.Value);
        Assert.Equal(before.Balance - 100, world.Account("mingyue-03").Balance);

        // Online again, the phone learns of it, and the card can be added anew.
        world.Phone().SetAeroplaneMode(false);
        await world.Phone().ResumeAsync();
        Assert.Empty(world.Phone().State.Cards);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(await world.AddAsync("mingyue-03"), 100)).Outcome);
        await world.PumpAsync();
        await AgreementTests.AgreeAsync(world, 1);
        world.BooksHold();
    }

    [Fact]
    [Rule("R23")]
    public async Task Lost_mode_suspends_and_its_end_resumes()
    {
        await using var world = await World.OpenAsync(93);
        var reference = await world.AddAsync("mingyue-03");
        var device = Assert.Single(await world.System.Wallet.DevicesAsync(SeedData.WalletAccounts[0].Account));
        Assert.Null(await world.System.Wallet.SetLostModeAsync(device.DeviceId, true));
        Assert.Equal("62", (await world.SellAsync(reference, 100)).ResponseCode?.Value);
        Assert.Null(await world.System.Wallet.SetLostModeAsync(device.DeviceId, false));
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100)).Outcome);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("R24")]
    public async Task Signing_out_or_Find_Device_off_takes_every_card_at_once_even_offline(bool signOut)
    {
        await using var world = await World.OpenAsync(94);
        var phone = await world.ReadyToAddAsync();
        var reference = await world.AddAsync("mingyue-03");
        await world.AddAsync("mingyue-10");
        var lastFour = phone.State.Card(reference)!.Face.DeviceLastFour;
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100)).Outcome);
        var before = world.Account("mingyue-03");

        // Ready for a tap, and then: gone in the chip itself, before anybody hears of it.
        phone.SetAeroplaneMode(true);
        var tap = await world.PickUpAsync(reference);
        if (signOut)
        {
            await phone.SignOutAsync();
        }
        else
        {
            Assert.Empty(await phone.SetFindDeviceAsync(false));
        }

        Assert.False(await Reader.FindsCardAsync(phone));
        var dead = await world.SellAsync(100, World.Books, new Fingers(World.Pin), () => Task.FromResult(tap), () => Task.FromResult<ICardChannel>(phone.Tap()));
        Assert.NotEqual(SaleOutcome.Approved, dead.Outcome);
        Assert.Empty(phone.State.Cards);
        Assert.Equal(2, world.Count("token_token", "state = 'Active'")); // nobody told the token service yet

        // Online: the server side follows.
        phone.SetAeroplaneMode(false);
        await world.PumpAsync();
        await world.PumpAsync();
        Assert.Equal(0, world.Count("token_token", "state = 'Active'"));
        Assert.Equal(0, world.Count("issuer_devices", "state = 'Active'"));
        Assert.Equal(before, world.Account("mingyue-03"));

        // And again: a new number.
        var again = await world.AddAsync("mingyue-03");
        Assert.NotEqual(lastFour, phone.State.Card(again)!.Face.DeviceLastFour);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(again, 100)).Outcome);
        await world.PumpAsync();
        await AgreementTests.AgreeAsync(world, 1);
    }

    [Fact]
    [Rule("R24")]
    public async Task Signed_out_offline_and_power_lost_the_cards_stay_gone_and_the_news_still_arrives()
    {
        await using var world = await World.OpenAsync(95);
        await world.AddAsync("mingyue-03");
        world.Phone().SetAeroplaneMode(true);
        await world.Phone().SignOutAsync();
        await world.RestartAsync();
        Assert.False(await Reader.FindsCardAsync(world.Phone()));
        await world.PumpAsync();
        Assert.Equal(0, world.Count("token_token", "state = 'Active'"));
    }

    [Fact]
    [Rule("R24")]
    public async Task Signed_out_from_afar_the_token_service_knows_first()
    {
        await using var world = await World.OpenAsync(96);
        var reference = await world.AddAsync("mingyue-03");
        world.Phone().SetAeroplaneMode(true);
        var device = Assert.Single(await world.System.Wallet.DevicesAsync(SeedData.WalletAccounts[0].Account));
        Assert.Null(await world.System.Wallet.RemoteSignOutAsync(device.DeviceId));
        Assert.Equal("14", (await world.SellAsync(reference, 100)).ResponseCode?.Value);
    }
}
