using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Links;
using Majia.Scenarios.Enrolment;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;
using Majia.Transit;

namespace Majia.Scenarios.Transit;

/// <summary>The transit card beside the bank cards: added, topped up, ridden with, and left alone by everything that takes bank cards away.</summary>
public sealed class TransitTests
{
    private static async Task<World> WithCardAsync(long seed, long amount)
    {
        var world = await World.OpenAsync(seed);
        await world.ReadyToAddAsync();
        Assert.Empty(await world.Phone().AddTransitCardAsync());
        if (amount > 0)
        {
            Assert.Empty(await world.Phone().TopUpTransitAsync(amount));
        }

        return world;
    }

    private static async Task<TransitCardView> CardAsync(World world, string handset = "mi5") => (await world.Phone(handset).TransitAsync())!;

    private static Task<GateResult> TapAsync(World world, string gate, ICardChannel? card = null) => world.System.Gates.Gate(gate).TapAsync(card ?? world.Phone().Tap(), TestContext.Current.CancellationToken);

    /// <summary>Chip and operator's books say the same, once the gates have handed in.</summary>
    private static async Task AgreeAsync(World world, long balance, string handset = "mi5")
    {
        await world.System.Gates.SettleAsync(TestContext.Current.CancellationToken);
        var card = await CardAsync(world, handset);
        Assert.Equal(Amount.Cny(balance), card.Balance);
        Assert.Equal(balance, world.System.Transit.Balance(card.Number));
    }

    [Fact]
    public async Task Added_topped_up_and_ridden_without_fingerprint_network_or_account()
    {
        await using var world = await WithCardAsync(300, 5_000);
        var phone = world.Phone();
        Assert.Equal(16, (await CardAsync(world)).Number.Length);
        Assert.Empty(await phone.AddTransitCardAsync()); // there already: nothing happens
        await AgreeAsync(world, 5_000);

        phone.SetAeroplaneMode(true);
        await phone.SignOutAsync();
        var entered = await TapAsync(world, "in-1");
        Assert.True(entered.Opens, entered.Says.En);
        Assert.Equal(6, entered.Commands);
        Assert.True((await CardAsync(world)).Inside);
        var left = await TapAsync(world, "out-8");
        Assert.True(left.Opens, left.Says.En);
        Assert.Equal(Amount.Cny(Fares.Between(1, 8)), left.Fare);
        var card = await CardAsync(world);
        Assert.False(card.Inside);
        Assert.Equal(["RIDE", "RIDE", "TOP_UP"], card.Log.Select(entry => entry.Kind));
        await AgreeAsync(world, 5_000 - Fares.Between(1, 8));
        Assert.Equal(0, await world.System.Gates.SettleAsync(TestContext.Current.CancellationToken)); // once
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("R24")]
    public async Task Signing_out_or_Find_Device_off_leaves_the_transit_card(bool signOut)
    {
        await using var world = await WithCardAsync(301, 1_000);
        var reference = await world.AddAsync("mingyue-03");
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100)).Outcome);
        Assert.True((await TapAsync(world, "in-1")).Opens);
        world.Phone().SetAeroplaneMode(true);
        if (signOut)
        {
            await world.Phone().SignOutAsync();
        }
        else
        {
            Assert.Empty(await world.Phone().SetFindDeviceAsync(false));
        }

        Assert.False(await Reader.FindsCardAsync(world.Phone()));
        Assert.True((await TapAsync(world, "out-8")).Opens);
        world.Phone().SetAeroplaneMode(false);
        await world.PumpAsync();
        await world.RestartAsync();
        Assert.True((await TapAsync(world, "in-1")).Opens);
        await AgreeAsync(world, 1_000 - Fares.Between(1, 8));
    }

    [Fact]
    public async Task The_gate_says_why_it_stays_shut()
    {
        await using var world = await World.OpenAsync(302);
        await world.ReadyToAddAsync();
        Assert.Contains("No transit card", (await TapAsync(world, "in-1")).Says.En, StringComparison.Ordinal);
        Assert.Equal("NO_CARD", Assert.Single(await world.Phone().TopUpTransitAsync(100)).Code);
        Assert.Empty(await world.Phone().AddTransitCardAsync());
        Assert.Contains("Balance too low", (await TapAsync(world, "in-1")).Says.En, StringComparison.Ordinal);
        Assert.Equal("INVALID_AMOUNT", Assert.Single(await world.Phone().TopUpTransitAsync(0)).Code);
        Assert.Empty(await world.Phone().TopUpTransitAsync(1_000));
        Assert.Contains("not entered", (await TapAsync(world, "out-8")).Says.En, StringComparison.Ordinal);
        Assert.Equal("CARD_REFUSED", Assert.Single(await world.Phone().TopUpTransitAsync(99_001)).Code); // more than a card may hold
        world.Phone().PowerOff();
        Assert.False((await TapAsync(world, "in-1")).Opens);
        world.Phone().PowerOn();

        // Entered and never seen leaving: the next entry takes the whole line's fare.
        Assert.Empty(await world.Phone().TopUpTransitAsync(1_000));
        Assert.True((await TapAsync(world, "in-1")).Opens);
var again = await TapAsync(world, "in-1");
        Assert.True(again.Opens, again.Says.En);
        Assert.Equal(Amount.Cny(Fares.Highest), again.Fare);
        await AgreeAsync(world, 2_000 - Fares.Highest);
    }

    [Theory]
    [InlineData(LinkFault.DropRequest)]
    [InlineData(LinkFault.DropAnswer)]
    [Rule("R8")]
    public async Task Lost_at_any_message_the_next_try_ends_with_one_card_and_the_money_once(LinkFault fault)
    {
        // Five chips in each of two worlds: one for each message that may be lost.
        string[] handsets = ["mi5", "mi5s", "mi5s-plus", "mi-note2", "mi-mix"];
        for (var first = 0; first < 10; first += handsets.Length)
        {
            await using var world = await World.OpenAsync(310 + first);
            for (var i = 0; i < handsets.Length; i++)
            {
                var (phone, after) = (await world.ReadyToAddAsync(handsets[i]), first + i);
                world.System.Wires.PhoneTransit.Set(fault, count: 1, after);
                if (await phone.AddTransitCardAsync() is { Count: > 0 } why)
                {
                    Assert.Equal("OFFLINE", why[0].Code);
                    Assert.False((await TapAsync(world, "in-1", phone.Tap())).Opens); // nothing half-made is met
                    Assert.Empty(await phone.AddTransitCardAsync());
                }

                world.System.Wires.PhoneTransit.Set(fault, count: 1, after % 3);
                if ((await phone.TopUpTransitAsync(2_000)).Count > 0)
                {
                    Assert.Empty(await phone.TopUpTransitAsync(2_000));
                }

                world.System.Wires.PhoneTransit.Clear();
                await AgreeAsync(world, 2_000, handsets[i]);
                Assert.True((await TapAsync(world, "in-1", phone.Tap())).Opens);
            }
        }
    }

    [Fact]
    public async Task Torn_at_any_command_or_its_answer_a_passenger_pays_once_and_passes()
    {
        await using var world = await WithCardAsync(330, 20_000);
        for (var cut = 0; cut < 12; cut++)
        {
            Assert.True((await TapAsync(world, "in-1")).Opens);
            var torn = await TapAsync(world, "out-8", new TornTap(world.Phone().Tap(), cut / 2, before: cut % 2 == 0));
            Assert.False(torn.Opens);
            var again = await TapAsync(world, "out-8");
            Assert.True(again.Opens, $"cut {cut}: {again.Says.En}");
            Assert.Equal(Amount.Cny(Fares.Between(1, 8)), again.Fare);
            await AgreeAsync(world, 20_000 - ((cut + 1) * Fares.Between(1, 8)));
        }
    }

    [Fact]
    public async Task A_ride_that_no_card_made_is_not_booked()
    {
        await using var world = await WithCardAsync(350, 2_000);
        Assert.True((await TapAsync(world, "in-1")).Opens);
        Assert.True((await TapAsync(world, "out-8")).Opens);
        var ride = Assert.Single(world.System.Gates.Gate("out-8").Unsettled());
        Assert.Empty((await world.System.Transit.SettleAsync([ride with { Amount = 900 }])).Booked);
        Assert.Empty((await world.System.Transit.SettleAsync([ride with { PurchaseNumber = 7 }])).Booked);
        Assert.Single((await world.System.Transit.SettleAsync([ride])).Booked);
        Assert.Equal(2_000 - Fares.Between(1, 8), world.System.Transit.Balance(ride.CardNumber));
    }

    [Fact]
    public async Task What_the_operator_does_not_hear_a_gate_keeps_and_what_it_does_not_believe_is_not_shown_again()
    {
        await using var world = await WithCardAsync(351, 2_000);
        Assert.True((await TapAsync(world, "in-1")).Opens);
        Assert.True((await TapAsync(world, "out-8")).Opens);
        foreach (var fault in (LinkFault[])[LinkFault.DropRequest, LinkFault.DropAnswer])
        {
            world.System.Wires.GateTransit.Set(fault, count: 1, after: 0);
            await world.System.PumpAsync(TestContext.Current.CancellationToken); // its trouble is its own
            Assert.Single(world.System.Gates.Gate("out-8").Unsettled());
        }

        await world.System.PumpAsync(TestContext.Current.CancellationToken);
        Assert.Empty(world.System.Gates.Gate("out-8").Unsettled());
        await AgreeAsync(world, 2_000 - Fares.Between(1, 8)); // once

        Assert.True((await TapAsync(world, "in-1")).Opens);
        Assert.True((await TapAsync(world, "out-8")).Opens);
        var gate = world.System.Gates.Gate("out-8");
        await gate.SettledAsync(gate.Unsettled(), await world.System.Transit.SettleAsync([.. gate.Unsettled().Select(ride => ride with { Code = "00000000" })]));
        Assert.Empty(gate.Unsettled());
    }

    [Theory]
    [InlineData("rides[1].cardNumber", "16 digits", "1", 1, 100, "000099000802", 1, "20260101000000", "00000000")]
    [InlineData("rides[1].purchaseNumber", "0 to 65535", "1234567812345678", 65536, 100, "000099000802", 1, "20260101000000", "00000000")]
    [InlineData("rides[1].amount", "minor units, up to what a card may hold", "1234567812345678", 1, 0, "000099000802", 1, "20260101000000", "00000000")]
    [InlineData("rides[1].gate", "12 upper-case hex digits", "1234567812345678", 1, 100, "00009900080z", 1, "20260101000000", "00000000")]
    [InlineData("rides[1].gateNumber", "0 to 4294967295", "1234567812345678", 1, 100, "000099000802", -1, "20260101000000", "00000000")]
    [InlineData("rides[1].when", "14 digits, yyyyMMddHHmmss", "1234567812345678", 1, 100, "000099000802", 1, "2026", "00000000")]
    [InlineData("rides[1].code", "8 upper-case hex digits", "1234567812345678", 1, 100, "000099000802", 1, "20260101000000", "0")]
    public async Task A_ride_of_a_wrong_form_is_refused_by_the_name_of_its_field(string field, string expected, string number, int purchase, long amount, string gate, long count, string when, string code)
    {
        await using var world = await World.OpenAsync(352);
        var good = new TransitOperator.Ride("1234567812345678", 1, 100, "000099000802", 1, "20260101000000", "00000000");
        var line = new InMemoryJsonLink(world.System.Transit.GateEndpoint, world.System.Wires.GateTransit, world.System.Store);
        var reply = await line.CallAsync<TransitOperator.SettleRequest, TransitOperator.SettleReply>(
            TransitOperator.Operations.Settle, new([good, new(number, purchase, amount, gate, count, when, code)]), TestContext.Current.CancellationToken);
        Assert.Equal((field, expected), Assert.Single(reply.Error!.Errors!) is var wrong ? (wrong.Field, wrong.Expected) : default);
    }

    /// <summary>The phone leaves the gate at one command: before it is heard, or before its answer is.</summary>
    private sealed class TornTap(ICardChannel card, int at, bool before) : ICardChannel
    {
        private int count;

        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            var mine = count++;
            if (mine > at || (mine == at && before))
            {
                throw new CardRemovedException();
            }

            var answer = await card.TransmitAsync(command, cancellation);
            return mine == at ? throw new CardRemovedException() : answer;
        }
    }
}
