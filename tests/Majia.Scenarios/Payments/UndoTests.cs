using Majia.Issuer;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Payments;

/// <summary>Void, end to end (R20).</summary>
public sealed class UndoTests
{
    [Theory]
    [InlineData(World.Books, false)]
    [InlineData(World.Jewellers, true)]
    [Rule("R18")]
    [Rule("R20")]
    public async Task A_void_gives_money_and_points_back_once(string shop, bool taps)
    {
        await using var world = await World.OpenAsync(30);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        var sale = await world.SellAsync(card, 8_800, shop);
        Assert.Equal((before.Balance - 8_800, before.Points + 88), world.Account("mingyue-02"));

        var voided = taps ? await world.VoidAsync(sale.Rrn!, shop, () => world.PickUpAsync(card)) : await world.VoidAsync(sale.Rrn!, shop);
        Assert.Equal(SaleOutcome.Voided, voided.Outcome);
        Assert.Equal(before, world.Account("mingyue-02"));

        Assert.Equal(SaleOutcome.Refused, (await world.VoidAsync(sale.Rrn!, shop)).Outcome);
        Assert.Equal(before, world.Account("mingyue-02"));
        world.BooksHold();
    }

    /// <summary>The bank's own table lies in the data folder; another one at the next start leaves what was given as it was.</summary>
    [Fact]
    [Rule("R18")]
    public async Task A_table_of_rules_in_the_data_folder_says_what_a_purchase_earns()
    {
        await using var world = await World.OpenAsync(32);
        var rules = Path.Combine(world.Folder, RewardRules.FileName);
        await File.WriteAllTextAsync(rules, "institution,bin,kind,category,channel,points,per\n63990100,629901,Credit,5942,TAP,3,10.00\n*,*,*,*,*,1,1.00\n", TestContext.Current.CancellationToken);
        await world.RestartAsync();
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02").Points;
        var sale = await world.SellAsync(card, 8_850);
        Assert.Equal(before + 24, world.Account("mingyue-02").Points);
        File.Delete(rules);
        await world.RestartAsync();
        await world.SellAsync(card, 1_000);
        Assert.Equal(before + 34, world.Account("mingyue-02").Points);
        Assert.Equal(SaleOutcome.Voided, (await world.VoidAsync(sale.Rrn!)).Outcome);
        Assert.Equal(before + 10, world.Account("mingyue-02").Points);
        world.BooksHold();
    }

    [Fact]
    [Rule("R20")]
    [Rule("R21")]
    public async Task A_card_deleted_since_still_gets_its_money_back()
    {
        await using var world = await World.OpenAsync(31);
        var card = await world.AddAsync("mingyue-03");
        var before = world.Account("mingyue-03");
        var sale = await world.SellAsync(card, 8_800);
        Assert.True(await world.Phone().DeleteCardAsync(card));
        await world.PumpAsync();
        Assert.Equal(SaleOutcome.Voided, (await world.VoidAsync(sale.Rrn!)).Outcome);
        Assert.Equal(before, world.Account("mingyue-03"));
        world.BooksHold();
    }

    [Fact]
    [Rule("R20")]
    public async Task A_closed_account_does_not_keep_the_money_from_its_owner()
    {
        await using var world = await World.OpenAsync(32);
        var card = await world.AddAsync("shahu-03");
        var sale = await world.SellAsync(card, 8_800);
        await world.Desk("shahu-03").CloseAccountAsync("shahu-gu-dual");
        Assert.Equal(SaleOutcome.Voided, (await world.VoidAsync(sale.Rrn!)).Outcome);
        world.BooksHold();
    }

    [Fact]
    [Rule("R20")]
    public async Task Where_the_shop_wants_the_phone_again_another_number_undoes_nothing()
    {
        await using var world = await World.OpenAsync(33);
        var card = await world.AddAsync("mingyue-03");
        var sale = await world.SellAsync(card, 8_800, World.Jewellers);
        var after = world.Account("mingyue-03");
        Assert.True(await world.Phone().DeleteCardAsync(card));
        var again = await world.AddAsync("mingyue-03");

        var refused = await world.VoidAsync(sale.Rrn!, World.Jewellers, () => world.PickUpAsync(again));
        Assert.Equal(SaleOutcome.Refused, refused.Outcome);
        Assert.Equal(after, world.Account("mingyue-03"));
        world.BooksHold();
    }
}
