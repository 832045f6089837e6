using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Enrolment;

/// <summary>The network is lost at each message of adding a card, in turn (R8): afterwards phone, chip, cloud, token service and bank agree.</summary>
public sealed class AgreementTests
{
    private const string Card = "mingyue-01"; // by SMS code: the longest way

    [Theory]
    [InlineData("phone", LinkFault.DropRequest)]
    [InlineData("phone", LinkFault.DropAnswer)]
    [InlineData("wallet", LinkFault.DropRequest)]
    [InlineData("wallet", LinkFault.DropAnswer)]
    [InlineData("bank", LinkFault.DropRequest)]
    [InlineData("bank", LinkFault.DropAnswer)]
    [Rule("R8")]
    public async Task Lost_at_any_message_the_next_try_resumes(string wire, LinkFault fault)
    {
        await using var world = await World.OpenAsync(70);
        await world.ReadyToAddAsync();
        var link = Link(world, wire);
        var messages = 0;
        for (var struck = true; struck; messages++)
        {
            (var reference, struck) = await LosingAsync(link, fault, messages, 1, () => AddStubbornlyAsync(world, $"{wire} {fault} at message {messages}"));
            await AgreedAndPaysAsync(world, reference);

            Assert.True(await world.Phone().DeleteCardAsync(reference));
            await world.PumpAsync();
            await AgreeAsync(world, 0);
            Assert.True(messages < 100, "adding a card never got through");

            // The bank sends eight codes a day for one plastic.
            world.Clock.Advance(TimeSpan.FromDays(1));
        }

        Assert.True(messages > 3, $"only {messages} messages on {wire}");
    }

    [Theory]
    [InlineData("phone", LinkFault.DropAnswer)]
    [InlineData("wallet", LinkFault.DropRequest)]
    [InlineData("wallet", LinkFault.DropAnswer)]
    [InlineData("bank", LinkFault.DropAnswer)]
    [Rule("R8")]
    public async Task Lost_and_never_taken_up_again_nothing_stays_anywhere(string wire, LinkFault fault)
    {
        await using var world = await World.OpenAsync(71);
        await world.ReadyToAddAsync();
        var link = Link(world, wire);
        var messages = 0;
        for (var struck = true; struck; messages++)
        {
            var phone = world.Phone();
            (var outcome, struck) = await LosingAsync(link, fault, messages, int.MaxValue, () => phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Card))));
            if (!struck)
            {
                break;
            }

            Assert.NotEqual(EnrolmentStep.Added, outcome.Step);
            Assert.False(await Reader.FindsCardAsync(phone), "something half-added shows itself to a reader");
            world.Clock.Advance(TimeSpan.FromDays(31));
            await world.PumpAsync();
            Assert.Equal((0L, 0L), (world.Count("token_token", "state <> 'Deactivated'"), world.Count("token_device_slot") + world.Count("token_card_slot")));
            Assert.DoesNotContain(world.Desk(Card).DeviceCards(Card), device => device.State != TokenState.Deactivated);
            await phone.ResumeAsync(); // learns what became of it
            Assert.DoesNotContain(phone.State.Cards, card => card.State == EnrolmentState.Active);
        }

        // And then it is added as if nothing had been.
        await AgreedAndPaysAsync(world, await AddStubbornlyAsync(world, "at last"));
        Assert.True(messages >= (wire == "bank" ? 3 : 6), $"only {messages} messages on {wire}");
    }

    /// <summary>The day's task tells the wallet, the wallet the phone, and the chip gets its new date by scripts: cut at each message in turn, the card is renewed in the end and pays.</summary>
    [Theory]
    [InlineData("phone", LinkFault.DropRequest)]
    [InlineData("phone", LinkFault.DropAnswer)]
    [InlineData("wallet", LinkFault.DropRequest)]
    [InlineData("wallet", LinkFault.DropAnswer)]
    [InlineData("notices", LinkFault.DropRequest)]
    [InlineData("notices", LinkFault.DropAnswer)]
    [Rule("R8")]
    public async Task A_renewal_that_is_lost_at_any_message_ends_all_the_same(string wire, LinkFault fault)
    {
        await using var world = await World.OpenAsync(73);
        await world.ReadyToAddAsync();
        var reference = await AddStubbornlyAsync(world, "before");
        await world.PumpAsync();
        await world.Phone().PumpAsync();
        var link = Link(world, wire);
        var messages = 0;
        for (var struck = true; struck; messages++)
        {
            // As if its date were near: the day's task finds it due.
            world.Clock.Advance(TimeSpan.FromDays(1));
            var month = (world.Clock.GetUtcNow() + TimeSpan.FromHours(8)).ToString("yyMM", System.Globalization.CultureInfo.InvariantCulture);
            await world.System.Store.WriteAsync(session => session.Execute("UPDATE token_token SET expiry = $1 WHERE state = 'Active'", month));
            (_, struck) = await LosingAsync(link, fault, messages, 1, () => RoundsAsync(world, 4));
            world.Clock.Advance(TimeSpan.FromDays(1)); // told again, should nobody have heard
            await RoundsAsync(world, 3);

            Assert.Equal((wire, messages, 1L), (wire, messages, world.Count("token_token", $"state = 'Active' AND expiry > '{month}' AND next_expiry IS NULL")));
            await AgreeAsync(world, 1);
            Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100)).Outcome);
            Assert.True(messages < 60, "a renewal never got through");
        }

        Assert.True(messages > (wire == "notices" ? 1 : 3), $"only {messages} messages on {wire}");
    }

    [Fact]
    [Rule("R8")]
    public async Task A_restart_in_the_middle_goes_on_where_it_was()
    {
        await using var world = await World.OpenAsync(72);
        var phone = await world.ReadyToAddAsync();
        world.System.Wires.PhoneWallet.Set(LinkFault.Cut, after: 8);
        Assert.Equal(EnrolmentStep.Interrupted, (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Card)))).Step);
        await world.RestartAsync();
        Assert.False(await Reader.FindsCardAsync(world.Phone()));
        var resumed = Assert.Single(await world.Phone().ResumeAsync());
        await AgreedAndPaysAsync(world, await world.EnterCodeAsync(Card, resumed));
    }

    private static LinkFaults Link(World world, string wire) => wire switch
    {
        "phone" => world.System.Wires.PhoneWallet,
        "wallet" => world.System.Wires.WalletToken,
        "notices" => world.System.Wires.TokenWallet,
        _ => world.System.Wires.TokenIssuer,
    };

    /// <summary>Does it while <paramref name="count"/> messages from this one on are lost.</summary>
    /// <returns>What it came to, and whether there was such a message.</returns>
    private static async Task<(T Result, bool Struck)> LosingAsync<T>(LinkFaults link, LinkFault fault, int message, int count, Func<Task<T>> act)
    {
        var struck = false;
        void Strike(ReadOnlyMemory<byte> request) => struck = true;
        link.Lost += Strike;
        link.Set(fault, count, after: message);
        var result = await act();
        link.Clear();
        link.Lost -= Strike;
        return (result, struck);
    }

    private static async Task AgreedAndPaysAsync(World world, string reference)
    {
        await world.PumpAsync();
        await AgreeAsync(world, 1);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 100)).Outcome);
    }

    /// <summary>Servers and phone, two minutes apart.</summary>
    private static async Task<int> RoundsAsync(World world, int rounds)
    {
        for (var round = 0; round < rounds; round++)
        {
            await world.PumpAsync();
            await world.Phone().PumpAsync();
            world.Clock.Advance(TimeSpan.FromMinutes(2));
        }

        return rounds;
    }

    /// <summary>As a person does: again, from where it stopped, until the card is there. Nothing half-added ever shows itself to a reader.</summary>
    private static async Task<string> AddStubbornlyAsync(World world, string when)
    {
        var phone = world.Phone();
        var outcome = await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Card)));
        for (var tries = 0; tries < 8; tries++)
        {
            if (outcome.Step == EnrolmentStep.Added)
            {
                return outcome.CardReference!;
            }

            if (phone.State.Cards.All(card => card.State != EnrolmentState.Active) && world.Count("token_token", "state = 'Active'") == 0)
            {
                Assert.False(await Reader.FindsCardAsync(phone), when);
            }

            outcome = outcome.Step switch
            {
                EnrolmentStep.CodeNeeded when outcome.Reasons.Count > 0 => await phone.ResendCodeAsync(outcome.CardReference!),
                EnrolmentStep.Refused when outcome.Reasons.Any(reason => reason.Code == Ineligible.CodeInvalid) => await phone.ResendCodeAsync(outcome.CardReference!), // none was on its way
                EnrolmentStep.CodeNeeded => await phone.EnterCodeAsync(outcome.CardReference!, world.Code(Card)),
                _ => (await phone.ResumeAsync()).FirstOrDefault() ?? (phone.State.Cards is [{ State: EnrolmentState.Active } live]
                    ? new EnrolmentOutcome(EnrolmentStep.Added, live.CardReference, [], [])
                    : await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Card)))),
            };
        }

        Assert.Fail($"{when}: {outcome.Step} {string.Join(' ', outcome.Reasons.Select(reason => reason.Code + " " + reason.Why.En))}");
        return "";
    }

    /// <summary>Five parties, one number: how many live device cards there are.</summary>
    internal static async Task AgreeAsync(World world, int expected, string handset = "mi5")
    {
        var phone = world.Phone(handset);
        var seid = world.Seid(handset);
        var reply = await world.System.TokenService.EndpointFor("99900000001").HandleAsync(WalletToken.Operations.SearchTokens, System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new WalletToken.SearchTokensRequest(seid), JsonEndpoint.Json), CancellationToken.None);
        var tokens = System.Text.Json.JsonSerializer.Deserialize<ApiReply<WalletToken.SearchTokensReply>>(reply, JsonEndpoint.Json)!.Value!.Tokens;
        await world.System.Store.DurableAsync();
        var found = (
            Phone: phone.State.Cards.Count(card => card.State == EnrolmentState.Active),
            Chip: (await phone.Trusted.StateAsync(CancellationToken.None)).Live,
            Cloud: (int)world.Count("wallet_card", "state NOT IN ('Deleted', 'Failed')"),
            Tokens: tokens.Count,
            Active: tokens.Count(token => token.State == TokenState.Active),
            DeviceSlots: (int)world.Count("token_device_slot", $"seid = '{seid}'"),
            CardSlots: (int)world.Count("token_card_slot", $"seid = '{seid}'"),
            Bank: (int)world.Count("issuer_devices", "state = 'Active'"));
        Assert.Equal((expected, expected, expected, expected, expected, expected, expected, expected), found);
        Assert.Equal(phone.State.Cards.Select(card => card.Face.DeviceLastFour).Order(), tokens.Select(token => token.Face.DeviceLastFour).Order());
    }
}
