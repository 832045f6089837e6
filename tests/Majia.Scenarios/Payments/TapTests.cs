using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Storage;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Tests;

namespace Majia.Scenarios.Payments;

/// <summary>At the till: ways of tapping, of typing, and of not paying.</summary>
public sealed class TapTests
{
    [Fact]
    [Rule("R15")]
    public async Task A_wrong_pin_then_the_right_one_is_one_sale_with_two_taps()
    {
        await using var world = await World.OpenAsync(3);
        var card = await world.AddAsync("mingyue-03");
        var before = world.Account("mingyue-03");
        var hand = new Fingers(World.WrongPin, World.Pin);
        var result = await world.SellAsync(100_001, World.Books, hand, () => world.PickUpAsync(card), () => world.PickUpAsync(card));

        Assert.Equal((SaleOutcome.Approved, "00"), (result.Outcome, result.ResponseCode?.Value));
        Assert.Equal(2, hand.Prompts.Count);
        Assert.NotNull(hand.Prompts[1].Again);
        Assert.Equal(before.Balance - 100_001, world.Account("mingyue-03").Balance);
        world.BooksHold();
    }

    [Fact]
    [Rule("R15")]
    public async Task Three_wrong_pins_lock_it_until_the_bank_unlocks_it()
    {
        await using var world = await World.OpenAsync(4);
        var card = await world.AddAsync("mingyue-10");
        var before = world.Account("mingyue-10");
        Task<ICardChannel> Tap() => world.PickUpAsync(card);

        var third = await world.SellAsync(100, World.Books, new Fingers(World.WrongPin), Tap, Tap, Tap);
        Assert.Equal((SaleOutcome.Declined, "55"), (third.Outcome, third.ResponseCode?.Value));

        var fourth = await world.SellAsync(card, 100);
        Assert.Equal("75", fourth.ResponseCode?.Value);
        Assert.Equal(before, world.Account("mingyue-10"));

        await world.Desk("mingyue-10").UnlockPinAsync("mingyue-10");
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(card, 100)).Outcome);
        world.BooksHold();
    }

    [Fact]
    [Rule("R16")]
    public async Task A_phone_in_aeroplane_mode_pays_and_one_that_is_off_does_not()
    {
        await using var world = await World.OpenAsync(5);
        var card = await world.AddAsync("mingyue-03");
        world.Phone().SetAeroplaneMode(true);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(card, 8_800)).Outcome);

        // Ready, and then switched off before it reaches the terminal.
        using var merchant = new CancellationTokenSource();
        world.System.Terminals[World.Books].Displayed += message => CancelOn(message, UiMessage.PresentAgain, merchant);
        var dead = await world.System.Terminals[World.Books].SellAsync(
            Amount.Cny(100),
            new Visit(async () =>
            {
                var tap = await world.PickUpAsync(card);
                world.Phone().PowerOff();
                return tap;
            }),
            new Fingers(World.Pin),
            merchant.Token);
        Assert.Equal(SaleOutcome.CardRemoved, dead.Outcome);

        world.Phone().PowerOn();
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(card, 100)).Outcome);
        world.BooksHold();
    }

    [Fact]
    [Rule("R17")]
    public async Task See_phone_then_a_fingerprint_then_the_second_tap_ends_the_same_sale()
    {
        await using var world = await World.OpenAsync(6);
        var card = await world.AddAsync("mingyue-03");
        await world.SellAsync(card, 100); // the last used card answers the reader while none is ready
        var seen = new List<UiMessage>();
        world.System.Terminals[World.Books].Displayed += message => seen.Add(message.Id);

        SaleResult? result = null;
        var frames = await world.OverhearAsync(World.Books, async () => result = await world.SellAsync(
            8_800, World.Books, new Fingers(World.Pin), () => Task.FromResult<ICardChannel>(world.Phone().Tap()), () => world.PickUpAsync(card)));

        Assert.Equal(SaleOutcome.Approved, result!.Outcome);
        Assert.Contains(UiMessage.SeePhone, seen);
        Assert.Single(frames); // one sale, one message
    }

    [Fact]
    [Rule("R17")]
    public async Task A_fingerprint_is_good_for_one_tap_and_for_one_minute()
    {
        await using var world = await World.OpenAsync(7);
        var card = await world.AddAsync("mingyue-03");
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(card, 100)).Outcome);
        Assert.Equal(SaleOutcome.SeePhone, await SellAndGiveUpAsync(world, () => Task.FromResult<ICardChannel>(world.Phone().Tap())));
        Assert.Equal(SaleOutcome.SeePhone, await SellAndGiveUpAsync(world, async () =>
        {
            await world.PickUpAsync(card);
            world.Clock.Advance(TimeSpan.FromSeconds(60));
            await world.Phone().SettledAsync();
            return world.Phone().Tap();
        }));
    }

    private static async Task<SaleOutcome> SellAndGiveUpAsync(World world, Func<Task<ICardChannel>> tap)
    {
        using var merchant = new CancellationTokenSource();
        void Watch(DisplayMessage message) => CancelOn(message, UiMessage.SeePhone, merchant);
        var terminal = world.System.Terminals[World.Books];
        terminal.Displayed += Watch;
        var result = await terminal.SellAsync(Amount.Cny(100), new Visit(tap), new Fingers(World.Pin), merchant.Token);
        terminal.Displayed -= Watch;
        return result.Outcome;
    }

    private static void CancelOn(DisplayMessage message, UiMessage id, CancellationTokenSource merchant)
    {
        if (message.Id == id)
        {
            merchant.Cancel();
        }
    }

    [Fact]
    [Rule("R14")]
    public async Task Two_ways_in_and_no_default_card_unless_the_owner_sets_one()
    {
        await using var world = await World.OpenAsync(8);
        await world.AddAsync("mingyue-03");
        var second = await world.AddAsync("mingyue-10");
        var phone = world.Phone();

        await phone.LockAsync();
        Assert.Empty((await phone.OpenByReader()).Reasons);
        Assert.Equal(ScreenKind.Cards, phone.Screen.Kind);

        await phone.LockAsync();
        Assert.NotEmpty((await phone.OpenByGesture("wave")).Reasons);
        Assert.Empty((await phone.OpenByGesture(phone.State.WakeGesture!)).Reasons);
        Assert.Equal(ScreenKind.Cards, phone.Screen.Kind);

        await phone.LockAsync();
        Assert.True(await phone.SetDefaultAsync(second));
        await phone.OpenByReader();
        Assert.Equal((ScreenKind.VerifyFingerprint, second), (phone.Screen.Kind, phone.Screen.CardReference));

        Assert.True((await phone.VerifyFingerprintAsync(World.Finger)).IsReady);
        Assert.Equal(ScreenKind.Ready, phone.Screen.Kind);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(100, World.Books, new Fingers(World.Pin), () => Task.FromResult<ICardChannel>(phone.Tap()))).Outcome);
        Assert.Equal((ScreenKind.CardRead, Amount.Cny(100)), (phone.Screen.Kind, phone.Screen.Amount));
    }

    [Fact]
    [Rule("R1")]
    public async Task A_terminal_without_quickpass_does_not_even_look_and_an_empty_phone_does_not_pay()
    {
        await using var world = await World.OpenAsync(9);
        var card = await world.AddAsync("mingyue-03");
        var real = world.System.Terminals[World.Books];
        await using var store = new InlineStore([TerminalDevice.Schema]);
        using var old = new TerminalDevice(
            real.Options with { Parameters = real.Options.Parameters with { QuickPass = false } }, store, world.System.TerminalKeys(World.Books), world.System.PosLines[World.Books], world.Clock, new SeededEntropy(1), NoTrace.Instance);
        var field = new Visit(() => world.PickUpAsync(card));
        Assert.Equal(SaleOutcome.NotOffered, (await old.SellAsync(Amount.Cny(100), field, new Fingers(World.Pin), CancellationToken.None)).Outcome);
        Assert.Equal(0, field.Polls);

        await world.ReadyToAddAsync("mi5s");
        var frames = await world.OverhearAsync(World.Books, async () =>
        {
            var empty = await world.SellAsync(100, World.Books, new Fingers(World.Pin), () => Task.FromResult<ICardChannel>(world.Phone("mi5s").Tap()));
            Assert.True(empty.Outcome is SaleOutcome.TryAnotherInterface or SaleOutcome.EndApplication, empty.Outcome.ToString());
        });
        Assert.Empty(frames);
    }

    [Fact]
    [Rule("R19")]
    public async Task The_merchants_side_never_meets_a_digit_of_the_plastic()
    {
        await using var world = await World.OpenAsync(10);
        var card = await world.AddAsync("mingyue-03");
        SaleResult? sale = null;
        var frames = await world.OverhearAsync(World.Books, async () => sale = await world.SellAsync(card, 8_800));
        var plastic = Majia.Host.Seed.SeedData.Card("mingyue-03").Pan;
        Assert.NotEqual(plastic.LastFour, sale!.LastFour);
        Assert.StartsWith("8199", sale.MaskedNumber!, StringComparison.Ordinal);
        Assert.All(frames, frame => Assert.DoesNotContain(plastic.Reveal()[..15], Convert.ToHexString(frame.Span), StringComparison.Ordinal));

        // Only the bank can tell whose digits those are.
        var resolved = Assert.Single(world.Desk("mingyue-03").Resolve(sale.LastFour!, sale.Rrn).Sales);
        Assert.Equal(plastic.Masked, resolved.Plastic.Masked);
        var view = world.System.Acquirer.ByRrn(sale.Rrn!)!;
        Assert.Equal(sale.LastFour, view.LastFour);
    }
}
