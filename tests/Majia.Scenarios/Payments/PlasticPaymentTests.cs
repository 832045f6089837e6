using Majia.Core.Contracts;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Payments;

/// <summary>The plastic itself at the counter: its bank checks its cryptogram with the card's own key; no token, no phone.</summary>
public sealed class PlasticPaymentTests
{
    [Theory]
    [InlineData("mingyue-01", 8_800, "00", false)]
    [InlineData("mingyue-01", 180_000, "00", true)] // the bank's limit
    [InlineData("beishan-01", 8_800, "00", false)] // a chip certified in SM2
    [InlineData("shahu-03", 8_800, "00", false)] // dual brand: the UnionPay side of the chip
    [InlineData("mingyue-08", 8_800, "51", false)]
    [InlineData("mingyue-07", 8_800, "41", false)]
    [Rule("R12")]
    [Rule("R15")]
    [Rule("R18")]
    public async Task Held_to_the_terminal_it_pays_from_the_same_account_with_the_same_rules(string id, long minor, string code, bool pin)
    {
        await using var world = await World.OpenAsync(190);
        var before = world.Account(id);
        var hand = new Fingers(World.Pin);
        var sale = await SellAsync(world, id, minor, hand);
        Assert.Equal(code, sale.ResponseCode?.Value);
        Assert.Equal(pin ? 1 : 0, hand.Prompts.Count);
        Assert.Equal(SeedData.Card(id).Pan.LastFour, sale.LastFour);
        Assert.Equal(code == "00" ? before.Balance - minor : before.Balance, world.Account(id).Balance);
        Assert.Equal(code == "00" ? before.Points + (minor / 100) : before.Points, world.Account(id).Points);
        world.BooksHold();
        world.NothingPending();
    }

    [Fact]
    [Rule("R15")]
    public async Task Its_PIN_is_the_banks_and_a_wrong_one_is_asked_again()
    {
        await using var world = await World.OpenAsync(191);
        var sale = await world.SellAsync(180_000, World.Books, new Fingers(World.WrongPin, World.Pin), () => TapAsync(world, "mingyue-01"), () => TapAsync(world, "mingyue-01"));
        Assert.Equal(SaleOutcome.Approved, sale.Outcome);
    }

    [Fact]
    [Rule("R20")]
    public async Task It_is_voided_and_refunded_as_any_payment()
    {
        await using var world = await World.OpenAsync(192);
        var before = world.Account("mingyue-01");
        var sale = await SellAsync(world, "mingyue-01", 8_800);
        Assert.Equal(SaleOutcome.Voided, (await world.VoidAsync(sale.Rrn!)).Outcome);
        Assert.Equal(before, world.Account("mingyue-01"));
    }

    [Fact]
    public async Task A_cryptogram_counts_once_and_a_changed_one_not_at_all()
    {
        await using var world = await World.OpenAsync(193);
        var answers = new List<byte[]>();
        var first = await world.SellAsync(8_800, World.Books, new Fingers(World.Pin), async () => new Tape(await TapAsync(world, "mingyue-01"), answers));
        Assert.Equal("00", first.ResponseCode?.Value);

        // The same answers from a tape: another unpredictable number, and the counter is spent.
        var again = await world.SellAsync(8_800, World.Books, new Fingers(World.Pin), () => Task.FromResult<ICardChannel>(new Player(answers)));
        Assert.Equal("59", again.ResponseCode?.Value);
        world.BooksHold();
    }

    [Fact]
    [Rule("R12")]
    public async Task Nothing_is_paid_where_nothing_answers()
    {
        await using var world = await World.OpenAsync(194);
        foreach (var id in (string[])["mingyue-14", "mingyue-15"])
        {
            Assert.Null(await world.System.Plastics.InFieldAsync(id));
        }

        var visa = await SellAsync(world, "visa-only", 8_800); // in the field, and no application that this terminal takes
        Assert.Equal(SaleOutcome.EndApplication, visa.Outcome);
    }

    private static Task<SaleResult> SellAsync(World world, string id, long minor, IKeypad? hand = null) => world.SellAsync(minor, World.Books, hand ?? new Fingers(World.Pin), () => TapAsync(world, id));

    private static async Task<ICardChannel> TapAsync(World world, string id) => (await world.System.Plastics.InFieldAsync(id))!;

    /// <summary>Keeps what a card answered.</summary>
    private sealed class Tape(ICardChannel card, List<byte[]> answers) : ICardChannel
    {
        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            var answer = await card.TransmitAsync(command, cancellation);
            answers.Add(answer.ToArray());
            return answer;
        }
    }

    private sealed class Player(List<byte[]> answers) : ICardChannel
    {
        private int at;

        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) => ValueTask.FromResult<ReadOnlyMemory<byte>>(answers[at++]);
    }
}
