using Majia.Core.Contracts;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Payments;

/// <summary>One system for the whole table of test cards: every card that can be added sits in some phone of it.</summary>
public sealed class Street : IAsyncLifetime
{
    private readonly Dictionary<string, (string Handset, string Reference)> cards = [];

    public World World { get; private set; } = null!;

    public async ValueTask InitializeAsync() => World = await World.OpenAsync(2);

    public ValueTask DisposeAsync() => World.DisposeAsync();

    public async Task<(string Handset, string Reference)> CardAsync(string card)
    {
        if (!cards.TryGetValue(card, out var there))
        {
            var handset = cards.Count < 8 ? "mi5" : cards.Count < 16 ? "mi5s" : "mi5s-plus";
            there = (handset, await World.AddAsync(card, handset));
            cards.Add(card, there);
        }

        return there;
    }
}

/// <summary>docs/test-cards.md, row after row: what each card is there to show, at both shops.</summary>
public sealed class CardTableTests(Street street) : IClassFixture<Street>
{
    private World World => street.World;

    // card, fen, shop, right outcome, F39, CVM word, PIN prompts
    [Theory]
    [InlineData("mingyue-01", 8_800, World.Books, "00", "cdcvm", 0)]
    [InlineData("mingyue-01", 8_800, World.Jewellers, "00", "cdcvm+online-pin", 1)]
    [InlineData("mingyue-01", 100_000, World.Books, "00", "cdcvm", 0)] // 1000.00 itself is free
    [InlineData("mingyue-01", 100_001, World.Books, "00", "cdcvm+online-pin", 1)]
    [InlineData("mingyue-02", 100_000, World.Books, "00", "cdcvm", 0)]
    [InlineData("mingyue-02", 100_001, World.Books, "00", "cdcvm+online-pin", 1)]
    [InlineData("mingyue-02", 1, World.Jewellers, "00", "cdcvm+online-pin", 1)]
    [InlineData("mingyue-03", 8_800, World.Books, "00", "cdcvm", 0)]
    [InlineData("mingyue-08", 501, World.Books, "51", "cdcvm", 0)]
    [InlineData("mingyue-08", 500, World.Books, "00", "cdcvm", 0)]
    [InlineData("mingyue-08", 501, World.Jewellers, "51", "cdcvm+online-pin", 1)]
    [InlineData("mingyue-09", 50_001, World.Books, "61", "cdcvm", 0)]
    [InlineData("mingyue-09", 50_000, World.Books, "00", "cdcvm", 0)]
    [InlineData("mingyue-09", 50_001, World.Jewellers, "61", "cdcvm+online-pin", 1)]
    [InlineData("mingyue-10", 100, World.Books, "00", "cdcvm+online-pin", 1)] // the bank's own setting, in the chip
    [InlineData("mingyue-10", 100, World.Jewellers, "00", "cdcvm+online-pin", 1)]
    [InlineData("mingyue-11", 100_000, World.Books, "00", "cdcvm", 0)]
    [InlineData("mingyue-11", 100, World.Jewellers, "00", "cdcvm+online-pin", 1)] // never, unless the shop asks
    [InlineData("mingyue-12", 100, World.Books, "75", "cdcvm", 0)]
    [InlineData("mingyue-12", 100, World.Jewellers, "75", "cdcvm+online-pin", 1)]
    [InlineData("beishan-01", 8_800, World.Books, "00", "cdcvm", 0)]
    [InlineData("beishan-02", 3_800_001, World.Books, "51", "cdcvm+online-pin", 1)] // 12 000.00 of the 50 000.00 are owed already
    [InlineData("beishan-02", 3_800_000, World.Jewellers, "00", "cdcvm+online-pin", 1)]
    [InlineData("shahu-01", 8_800, World.Books, "00", "cdcvm", 0)]
    [InlineData("shahu-02", 8_800, World.Jewellers, "00", "cdcvm+online-pin", 1)]
    [InlineData("beishan-04", 50_001, World.Books, "61", "cdcvm", 0)] // new in its phone
    [InlineData("beishan-04", 50_000, World.Books, "00", "cdcvm", 0)]
    [InlineData("shahu-04", 80_001, World.Books, "51", "cdcvm", 0)] // 300.00 of the holder's own and 500.00 of overdraft
    [InlineData("shahu-04", 80_000, World.Jewellers, "00", "cdcvm+online-pin", 1)]
    [InlineData("shahu-05", 20_001, World.Books, "51", "cdcvm", 0)]
    [InlineData("shahu-05", 20_000, World.Books, "00", "cdcvm", 0)]
    [Rule("R15")]
    [Rule("R18")]
    public async Task Each_card_does_at_both_shops_what_its_row_says(string card, long minor, string shop, string code, string cvm, int prompts)
    {
        await PayAsync(card, minor, shop, code, cvm, prompts);
    }

    [Theory]
    [InlineData("mingyue-14", 8_800, World.Books)] // plastic without a contactless chip
    [InlineData("shahu-03", 8_800, World.Books)] // begins with 4, is UnionPay too
    [InlineData("shahu-03", 100_001, World.Jewellers)]
    [Rule("R12")]
    public async Task A_card_qualifies_by_its_brand_and_not_by_its_plastic(string card, long minor, string shop) =>
        await PayAsync(card, minor, shop, "00", minor > 100_000 ? "cdcvm+online-pin" : "cdcvm", minor > 100_000 ? 1 : 0);

    private async Task PayAsync(string card, long minor, string shop, string code, string cvm, int prompts)
    {
        var (handset, reference) = await street.CardAsync(card);
        var before = World.Account(card);
        var hand = new Fingers(World.Pin);
        var result = await World.SellAsync(reference, minor, shop, handset, hand);

        Assert.Equal((code, cvm, prompts), (result.ResponseCode?.Value, Majia.Terminal.Kernel.CvmResultWords.Name(result.Cvm), hand.Prompts.Count));
        Assert.Equal(code == "00" ? SaleOutcome.Approved : SaleOutcome.Declined, result.Outcome);
        Assert.All(hand.Prompts, prompt => Assert.NotEmpty(prompt.Why.Zh));
        Assert.Equal(code == "00" ? (before.Balance - minor, before.Points + (minor / 100)) : before, World.Account(card));
        World.BooksHold();
    }

    [Theory]
    [InlineData("mingyue-04", Ineligible.DeclinedByIssuer)] // red
    [InlineData("mingyue-05", Ineligible.DeclinedByIssuer)] // no phone on file
    [InlineData("mingyue-06", Ineligible.DeclinedByIssuer)] // document expired
    [InlineData("mingyue-07", Ineligible.DeclinedByIssuer)] // reported lost
    [InlineData("mingyue-13", Ineligible.DeclinedByIssuer)] // card expired
    [InlineData("visa-only", Ineligible.NotUnionPay)]
    [Rule("R12")]
    public async Task A_card_that_cannot_be_added_says_why_and_leaves_nothing(string card, string code)
    {
        var phone = await World.ReadyToAddAsync("mi-mix");
        var typed = card == "visa-only"
            ? new CardToEnrol(Majia.Host.Seed.SeedData.VisaOnly.Pan.Reveal(), "3012", "123", "林晓云", "990104199203120021", "12900000001")
            : Majia.Host.Seed.SeedData.AsTyped(Majia.Host.Seed.SeedData.Card(card)) with { MobileNumber = "12900000003" };
        var outcome = await phone.AddCardAsync(typed);
        Assert.Equal(EnrolmentStep.Refused, outcome.Step);
        var reason = Assert.Single(outcome.Reasons);
        Assert.Equal(code, reason.Code);
        Assert.NotEmpty(reason.Why.Zh);
        Assert.Empty(phone.State.Cards);
        Assert.Equal(0, World.Count("token_device_slot", $"seid = '{World.Seid("mi-mix")}'"));
    }
}
