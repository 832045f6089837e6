using Majia.Core.Contracts;
using Majia.Host.Links;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>The bank's drawer, the network's drawer, and the tools.</summary>
public sealed class DrawerTests(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    [Rule("R18")]
    [Rule("R19")]
    [Rule("R23")]
    public async Task The_bank_sees_the_money_knows_whose_digits_stand_on_the_slip_and_stops_a_lost_card()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        await window.ClickAsync("#open-bank");
        await Assertions.Expect(window["#bank-books"]).ToHaveAttributeAsync("data-whole", "yes");
        await window.SeesAsync(".account[open] .sum", "−¥88.00");
        await window.SeesAsync(".account[open] .sum", "88 points");
        var device = Assert.Single(running.System.Phones["mi5"].State.Cards).Face.DeviceLastFour;
        await window["#resolve-digits"].FillAsync(device);
        await window.ClickAsync("#resolve");
        await window.SeesAsync("#resolved", "629901******0022");
        await window.SeesAsync("#resolved", "88.00");
        Assert.Empty(await window.ViolationsAsync());

        // One device card gets a limit of its own, and loses it again.
        await window.SeesAsync("[data-card=mingyue-02] .limits", "No limits of its own");
        await window["[data-card=mingyue-02] [data-hotline=limit]"].ClickAsync();
        await window.SeesAsync("[data-card=mingyue-02] .limits", "¥200.00 a day");
        await window["[data-card=mingyue-02] [data-hotline=limit]"].ClickAsync();
        await window.SeesAsync("[data-card=mingyue-02] .limits", "No limits of its own");

        // The hotline: the next tap is declined, and the bank lifts the report again.
        await window["[data-card=mingyue-02] [data-hotline=lost]"].ClickAsync();
        await Assertions.Expect(window["[data-card=mingyue-02]"]).ToHaveAttributeAsync("data-state", "Lost");
        await window.GuidedAsync("done", "sell", "wake", "choose", "finger", "tap");
        await window.SeesAsync("#outcome", "Declined");
        await window["[data-card=mingyue-02] [data-hotline=lift]"].ClickAsync();
        await window.GuidedAsync("ended", "sell", "wake", "choose", "finger", "tap");
        await window.SeesAsync("#outcome", "Approved");
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }

    [Fact]
    public async Task An_answer_is_lost_on_the_line_the_sale_is_reversed_and_the_books_are_whole()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.StepAsync("sell");
        await window.ClickAsync("#open-network");
        await window["[data-wire=pos-line] select"].SelectOptionAsync(nameof(LinkFault.Duplicate));
        await window.SeesAsync("[data-wire=pos-line]", "next 1");
        Assert.Empty(await window.ViolationsAsync());

        // Delivered twice: one effect.
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        await window.SeesAsync("#network-books", "sum to zero");
        await window.ClickAsync("#open-bank");
        await window.SeesAsync(".account[open] .sum", "−¥88.00");

        // The bank's answer is lost: it has booked, and books back.
        await window.ClickAsync("#open-network");
        await window["[data-wire=network-issuer] select"].SelectOptionAsync(nameof(LinkFault.DropAnswer));
        await window.GuidedAsync("done", "sell", "wake", "choose", "finger", "tap");
        await Assertions.Expect(window["#outcome"]).ToContainTextAsync("Declined", new LocatorAssertionsToContainTextOptions { Timeout = 60_000 });
        await window.ClickAsync("#open-bank");
        await Assertions.Expect(window[".account[open] .ledger"]).ToContainTextAsync("reversal", new LocatorAssertionsToContainTextOptions { Timeout = 30_000 });
        await Assertions.Expect(window["#bank-books"]).ToHaveAttributeAsync("data-whole", "yes");
        await window.SeesAsync(".account[open] .sum", "−¥88.00");
        Assert.Empty(window.Complaints);
    }

    [Fact]
    public async Task A_card_that_nobody_verified_for_thirty_days_is_gone_from_the_token_service()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync("prepare", "add");
        await window.StepAsync("code");
        await window.ClickAsync("#open-network");
        await Assertions.Expect(window[".tokens li[data-state=Inactive]"]).ToHaveCountAsync(1);
        await window.ClickAsync("#clock-30");
        await window.ClickAsync("text=+ 1 day");
        await Assertions.Expect(window[".tokens li[data-state=Deactivated]"]).ToHaveCountAsync(1);
        Assert.Equal(TokenState.Deactivated, Assert.Single(running.System.TokenService.Tokens(5)).State);
        Assert.Empty(window.Complaints);
    }

    [Theory]
    [InlineData("en-GB", ColorScheme.Light, 1440)]
    [InlineData("zh-CN", ColorScheme.Dark, 390)]
    public async Task The_tools_decode_and_compute_and_say_where_the_input_is_wrong(string language, ColorScheme colours, int width)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, language, colours, width, path: "/tools");
        await window.ClickAsync("#decode-example");
        await window.SeesAsync("#decode-tree", "9F38");
        Assert.Empty(await window.ViolationsAsync());
        await window["#decode-hex"].FillAsync("6F05 84");
        await window.SeesAsync("#decode-error", "offset");
        foreach (var kind in (string[])["apdu", "8583-pos", "8583-switch"])
        {
            await window.ClickAsync($"#decode-{kind}");
            await window.ClickAsync("#decode-example");
            await Assertions.Expect(window["#decode-tree li"].First).ToBeVisibleAsync();
        }

        await window.ClickAsync("#calc-kcv");
        await window["#calc-field-algorithm"].SelectOptionAsync("3des");
        await window["#calc-field-key"].FillAsync("00112233445566778899AABBCCDDEEFF");
        await window.ClickAsync("#calc-do");
        await window.SeesAsync("#calc-answer", "FB097599");
        await window["#calc-field-key"].FillAsync("0011");
        await window.ClickAsync("#calc-do");
        await window.SeesAsync("#calc-error", "expected 16, 24 bytes, got 2");
        await window.CleanAsync("calculator");
        Assert.Empty(window.Complaints);
    }
}
