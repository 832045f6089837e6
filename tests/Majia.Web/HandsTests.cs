using Majia.Core.Contracts;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Tests;
using Majia.Terminal;
using Majia.Terminal.Line;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>What hands do at the counter beside a plain payment: plastic at the phone's back, gates, settling, refunding, a bank that is away.</summary>
public sealed class HandsTests(Browser browser) : IClassFixture<Browser>
{
    private const float Patience = 90_000;

    [Theory]
    [Rule("R5")]
    [Rule("R12")]
    [InlineData("en-GB", "type its number")]
    [InlineData("zh-CN", "手动输入")]
    public async Task A_plastic_laid_on_the_phones_back_is_read_and_added_and_one_without_antenna_asks_for_typing(string language, string typing)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, language);
        await window.GuidedAsync("prepare");
        await window.StepAsync("add");
        await window.ClickAsync("#by-plastic");
        await window.ClickAsync("[data-card=mingyue-14]");
        await Assertions.Expect(window[".reasons"]).ToContainTextAsync(typing, new LocatorAssertionsToContainTextOptions { Timeout = Patience, IgnoreCase = true });
        Assert.Empty(running.System.Phones["mi5"].State.Cards);

        await window.ClickAsync("[data-card=mingyue-02]");
        await Assertions.Expect(window["#read-number"]).ToHaveTextAsync("629901******0022", new LocatorAssertionsToHaveTextOptions { Timeout = Patience });
        await Assertions.Expect(window[".laid"]).ToHaveCountAsync(1);
        Assert.Empty(await window.ViolationsAsync());
        await window.ClickAsync("#add-read");
        await window.GuidedAsync("code");
        await window.StepAsync("sell");
        Assert.NotEqual("0022", Assert.Single(running.System.Phones["mi5"].State.Cards).Face.DeviceLastFour);

        // The next card begins anew.
        await window.ClickAsync("#added-done");
        await window.ClickAsync("#add-card");
        await window.ClickAsync("[data-card=mingyue-03]");
        await window.ClickAsync("#added-done");
        Assert.Equal(2, running.System.Phones["mi5"].State.Cards.Length);
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
        Secrets.AssertNoPan(await window.Page.ContentAsync());
    }

    [Fact]
    [Rule("R24")]
    public async Task Through_the_gates_with_the_screen_off_and_signing_out_takes_the_bank_cards_and_leaves_the_transit_card()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.StepAsync("sell");
        await window["#shop"].SelectOptionAsync("gate:in-1");
        await window.GuidedAsync("transit", "top-up");
        await window.StepAsync("gate");
        await window.OpenAppAsync("settings");
        await window.ClickAsync("#aeroplane");
        await Assertions.Expect(window["#aeroplane"]).ToHaveAttributeAsync("aria-checked", "true");
        await window.ClickAsync("[data-key=power]");
        await Assertions.Expect(window[".glass"]).ToHaveAttributeAsync("data-lit", "no");
        await window.Page.Keyboard.PressAsync("t");
        await window.StepAsync("inside");
        await window.SeesAsync("#gate-says", "Welcome. Balance 50.00.");
        await Assertions.Expect(window["#gate"]).ToHaveAttributeAsync("data-open", "yes");
        Assert.Empty(await window.ViolationsAsync());

        // Signed out: the bank card is gone, the passenger still gets out.
        await window.OpenAppAsync("settings");
        await window.ClickAsync("text=Sign out");
        await Assertions.Expect(window["#sign-in"]).ToBeVisibleAsync();
        Assert.Empty(running.System.Phones["mi5"].State.Cards);
        await window.GuidedAsync("inside", "gate");
        await window.StepAsync("left");
        await window.SeesAsync("#gate-says", "Fare");
        await window.OpenAppAsync("wallet");
        await window.SeesAsync("#transit-card", "ride");
        await Assertions.Expect(window["#transit-balance"]).Not.ToHaveTextAsync("¥50.00");
        await Assertions.Expect(window[".story-row[data-party=transit]"]).Not.ToHaveCountAsync(0);
        Assert.Empty(window.Complaints);
    }

    [Theory]
    [Rule("R14")]
    [InlineData("mi-mix")]
    [InlineData("mi5s-plus")]
    public async Task A_model_without_a_home_key_wakes_by_its_power_key_and_has_its_sensor_on_the_back(string model)
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync(phone: model);
        await using var window = await browser.OpenAsync(running);
        await window["#handset"].SelectOptionAsync(model);
        await Assertions.Expect(window["[data-key=home]"]).ToHaveCountAsync(0);
        await window.GuidedAsync("sell");
        await window.StepAsync("wake");
        await window["[data-key=power]"].DblClickAsync();
        await window.ClickAsync(".fan .card-button");
        await window["[data-key=sensor]"].HoverAsync();
        await window.Page.Mouse.DownAsync();
        await window.SeesAsync(".glass", "Ready");
        await window.Page.Mouse.UpAsync();
        Assert.Empty(await window.ViolationsAsync());
        await window.Page.Keyboard.PressAsync("t");
        await window.SeesAsync("#outcome", "Approved");
        Assert.Empty(window.Complaints);
    }

    [Theory]
    [InlineData("en-GB")]
    [InlineData("zh-CN")]
    public async Task Taken_away_too_soon_at_the_gate_it_stays_shut_and_the_next_tap_pays_once(string language)
    {
        await using var running = await RunningPage.StartAsync();
        await running.ReadyAsync();
        await using var window = await browser.OpenAsync(running, language);
        await window["#shop"].SelectOptionAsync("gate:in-1");
        await window.GuidedAsync("transit", "top-up");
        await window.StepAsync("gate");
        await window.Page.Keyboard.PressAsync("Shift+T");
        await Assertions.Expect(window["#gate"]).ToHaveAttributeAsync("data-open", "no");
        await window.SeesAsync("#gate-says", language == "en-GB" ? "a little longer" : "稍候再移开");
        Assert.Empty(await window.ViolationsAsync());

        // The same journey begins with the next tap, and no money went with the first.
        await window.GuidedAsync("gate");
        await window.StepAsync("inside");
        await window.SeesAsync("#gate-says", "50.00");
        await window.GuidedAsync("inside");
        await window.StepAsync("gate");
        await window.Page.Keyboard.PressAsync("Shift+T");
        await Assertions.Expect(window["#gate"]).ToHaveAttributeAsync("data-open", "no");
        await window.GuidedAsync("gate");
        await window.StepAsync("left");
        await window.OpenAppAsync("wallet");
        await Assertions.Expect(window["#transit-balance"]).ToHaveTextAsync("¥46.00"); // one fare of seven stations
        Assert.Empty(window.Complaints);
    }

    [Fact]
    [Rule("R20")]
    [Rule("R19")]
    public async Task The_batch_is_settled_the_sale_refunded_and_the_slip_kept_as_a_picture()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        await window.ClickAsync("#take-slip");
        var kept = await window.Page.RunAndWaitForDownloadAsync(() => window.ClickAsync("#slip >> text=PNG"));
        Assert.EndsWith(".png", kept.SuggestedFilename, StringComparison.Ordinal);
        await using (var picture = await kept.CreateReadStreamAsync())
        {
            var signature = new byte[8];
            await picture.ReadExactlyAsync(signature, TestContext.Current.CancellationToken);
            Assert.Equal("89504E470D0A1A0A", Convert.ToHexString(signature));
        }

        await window.ClickAsync("#slip-close");
        await window.ClickAsync("#batch summary");
        await window.SeesAsync("#batch .totals", "¥88.00");
        await window.ClickAsync("#settle");
        await Assertions.Expect(window["#settled"]).ToHaveAttributeAsync("data-outcome", nameof(SettlementOutcome.Balanced));
        await Assertions.Expect(window["#batch .settlement svg"]).ToBeVisibleAsync();
        await Assertions.Expect(window["#settle"]).ToBeDisabledAsync(); // the new batch has nothing in it
        Assert.Empty(await window.ViolationsAsync());
        await window.ClickAsync("#batch summary");

        // Settled: no void any more, a refund.
        await window.ClickAsync("#journal summary");
        await Assertions.Expect(window["#journal [data-void]"]).ToHaveCountAsync(0);
        await window.ClickAsync("#journal [data-refund]");
        await window.SeesAsync("#outcome", "Refunded");
        await window.ClickAsync("#open-bank");
        await window.SeesAsync(".account[open] .sum", "¥0.00");
        await Assertions.Expect(window["#bank-books"]).ToHaveAttributeAsync("data-whole", "yes");
        Assert.Empty(window.Complaints);
    }

    [Theory]
    [InlineData("en-GB")]
    [InlineData("zh-CN")]
    public async Task The_bank_is_away_nothing_is_charged_and_the_books_are_whole(string language)
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running, language);
        await window.StepAsync("sell");
        await window.ClickAsync("#open-network");
        await window.ClickAsync("#issuer-away");
        await Assertions.Expect(window["#issuer-away"]).ToHaveAttributeAsync("aria-checked", "true");
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await Assertions.Expect(window["#coach"]).ToHaveAttributeAsync("data-step", "ended", new LocatorAssertionsToHaveAttributeOptions { Timeout = Patience });
        await Assertions.Expect(window["#network-books"]).ToHaveAttributeAsync("data-whole", "yes");
        await window.ClickAsync("#issuer-away");
        await Assertions.Expect(window["#issuer-away"]).ToHaveAttributeAsync("aria-checked", "false");
        Assert.Equal(LinkFault.None, running.System.Wires.NetworkIssuer.Now);

        // The bank is back, and the next sale goes through; one sale is charged, not two.
        await window.GuidedAsync("ended", "sell", "wake", "choose", "finger", "tap");
        await Assertions.Expect(window["#coach"]).ToHaveAttributeAsync("data-step", "done", new LocatorAssertionsToHaveAttributeOptions { Timeout = Patience });
        await window.ClickAsync("#network-drawer [data-open=bank]");
        await Assertions.Expect(window["#bank-books"]).ToHaveAttributeAsync("data-whole", "yes");
        await window.SeesAsync(".account[open] .sum", "−¥88.00");
        Assert.Single(running.System.Terminals["10000001"].Journal(), row => row.State == JournalState.Approved);
        Assert.Empty(window.Complaints);
    }

    [Fact]
    [Rule("R22")]
    public async Task A_replaced_plastic_takes_its_device_card_along_and_the_new_one_is_added()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.StepAsync("sell");
        var before = Assert.Single(running.System.Phones["mi5"].State.Cards).Face.DeviceLastFour;
        await window.ClickAsync("#open-bank");
        await window.ClickAsync("[data-card=mingyue-02] [data-hotline=replace]");
        await window.SeesAsync("#replaced", "is replaced by");
        await Assertions.Expect(window["[data-card=mingyue-02]"]).ToHaveAttributeAsync("data-state", "Replaced");
        Assert.Empty(await window.ViolationsAsync());
        await window.ClickAsync("#bank-drawer [data-open=network]");
        await Assertions.Expect(window[".tokens li[data-state=Deactivated]"]).ToHaveCountAsync(1);

        // The phone hears of it, and the new plastic goes in.
        await window.StepAsync("add");
        await window.ClickAsync("#network-drawer .close");
        await window.OpenAppAsync("wallet");
        await window.ClickAsync("#add-card");
        await window.ClickAsync("[data-new-plastic]");
        await window.GuidedAsync("code");
        await window.StepAsync("sell");
        var after = Assert.Single(running.System.Phones["mi5"].State.Cards, card => card.State == EnrolmentState.Active).Face.DeviceLastFour;
        Assert.NotEqual(before, after);
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }

    [Fact]
    [Rule("R15")]
    public async Task Above_the_limit_the_PIN_is_asked_and_below_it_is_not()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done"); // 88.00 at the bookshop: no PIN on the way
        await window.ClickAsync("#coach-do");
        await window.StepAsync("sell");
        await window.ClickAsync("[data-pad=cancel]");
        await window.SeesAsync(".lcd-sum", "¥0.00");
        foreach (var digit in "100001")
        {
            await window.ClickAsync($"[data-digit='{digit}']");
        }

        await window.SeesAsync(".lcd-sum", "¥1,000.01");
        await window.ClickAsync("[data-pad=ok]");
        await window.GuidedAsync("wake", "choose", "finger", "tap");
        await window.StepAsync("pin");
        foreach (var digit in SeedData.TestPin)
        {
            await window.ClickAsync($"[data-digit='{digit}']");
        }

        await window.ClickAsync("[data-pad=ok]");
        await window.StepAsync("done");
        Assert.Empty(window.Complaints);
    }

    [Fact]
    [Rule("R12")]
    [Rule("R15")]
    public async Task Plastic_is_held_to_the_reader_or_put_into_the_slot_and_one_without_antenna_says_so()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        var till = running.System.Terminals["10000001"];
        await window.ClickAsync("[data-pad=cancel]");
        await window.SeesAsync(".lcd-sum", "¥0.00");
        foreach (var digit in "8800")
        {
            await window.ClickAsync($"[data-digit='{digit}']");
        }

        await window.SeesAsync(".lcd-sum", "¥88.00");
        await window.ClickAsync("#plastic summary");
        Assert.Empty(await window.ViolationsAsync());
        await window.ClickAsync("#hold-plastic");
        await window.SeesAsync("#outcome", "Approved");
        Assert.Equal("none", till.Journal(1)[0].Cvm);

        // In the slot, where its chip verifies the PIN that is typed on the terminal.
        await window.ClickAsync("#plastic summary");
        await window["#plastic-card"].SelectOptionAsync("mingyue-10");
        await window.ClickAsync("#insert-plastic");
        await Assertions.Expect(window[".lcd-pin"]).ToHaveCountAsync(1, new LocatorAssertionsToHaveCountOptions { Timeout = Patience });
        foreach (var digit in SeedData.TestPin)
        {
            await window.ClickAsync($"[data-digit='{digit}']");
        }

        await window.ClickAsync("[data-pad=ok]");
        await window.SeesAsync("#outcome", "Approved");
        Assert.Equal("offline-pin", till.Journal(1)[0].Cvm);

        // Without an antenna nothing happens at the reader; the slot is its way.
        await window.ClickAsync("#plastic summary");
        await window["#plastic-card"].SelectOptionAsync("mingyue-14");
        await window.ClickAsync("#hold-plastic");
        await window.SeesAsync("#plastic-says", "no contactless chip");
        await window.ClickAsync("#insert-plastic");
        await Assertions.Expect(window[".lcd-pin"]).ToHaveCountAsync(1, new LocatorAssertionsToHaveCountOptions { Timeout = Patience });
        await window.ClickAsync("[data-pad=cancel]");
        await window.SeesAsync("#outcome", "Cancelled");
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
        Secrets.AssertNoPan(await window.Page.ContentAsync());
    }
}
