using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>What cannot be added is said in a sentence with what to do, and nothing of it is left behind.</summary>
public sealed class LimitTests(Browser browser) : IClassFixture<Browser>
{
    private static readonly string[] Eight = ["mingyue-03", "mingyue-08", "mingyue-09", "mingyue-10", "mingyue-11", "mingyue-12", "beishan-02", "shahu-03"];

    [Theory]
    [Rule("R9")]
    [InlineData("en-GB", ColorScheme.Light, "This phone holds 8 cards", "Remove one first.")]
    [InlineData("zh-CN", ColorScheme.Dark, "本机已有 8 张银行卡", "请先删除一张")]
    public async Task A_full_phone_says_so_before_one_tries_and_takes_the_ninth_when_one_has_left(string language, ColorScheme colours, string full, string refused)
    {
        await using var running = await RunningPage.StartAsync();
        foreach (var card in Eight)
        {
            await running.WithCardAsync(card);
        }

        await using var window = await browser.OpenAsync(running, language, colours);
        await window.OpenAppAsync("wallet");
        await Assertions.Expect(window[".wallet-card"]).ToHaveCountAsync(8);
        await window.ClickAsync("#add-card");
        await window.SeesAsync("#phone-full", full);
        Assert.Empty(await window.ViolationsAsync());
        await window.ClickAsync("[data-card=mingyue-01]");
        await window.SeesAsync(".reasons [data-code=TOO_MANY_TOKENS_FOR_DEVICE]", refused);
        Assert.Empty(await window.ViolationsAsync());
        Assert.Equal(8, running.System.Phones["mi5"].State.Cards.Length);
        Assert.Equal(8, running.System.TokenService.Tokens(20).Count);

        // All eight fan out to pay with, each of them to be reached.
        await window.ClickAsync("[data-key=power]");
        await Assertions.Expect(window[".glass"]).ToHaveAttributeAsync("data-lit", "no");
        await window["[data-key=home]"].DblClickAsync();
        await Assertions.Expect(window[".fan .card-button"]).ToHaveCountAsync(8);
        await window[".fan .card-button"].Last.ScrollIntoViewIfNeededAsync();
        await Assertions.Expect(window[".fan .card-button"].Last).ToBeInViewportAsync();
        Assert.Empty(await window.ViolationsAsync());

        // One leaves, and the next goes in.
        await window.OpenAppAsync("wallet");
        await window[".wallet-card .card-actions button:last-child"].First.ClickAsync();
        await window.ClickAsync(".wallet-card .chip.danger");
        await Assertions.Expect(window[".wallet-card"]).ToHaveCountAsync(7);
        await window.ClickAsync("#add-card");
        await Assertions.Expect(window["#phone-full"]).ToHaveCountAsync(0);
        await window.ClickAsync("[data-card=mingyue-01]");
        await window.ClickAsync("#use-code");
        await Assertions.Expect(window[".added"]).ToBeVisibleAsync();
        Assert.Equal(8, running.System.Phones["mi5"].State.Cards.Length);
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }

    [Theory]
    [Rule("R10")]
    [InlineData("en-GB", ColorScheme.Dark, "already on this phone", "already on 10 devices", "Remove it from one first.")]
    [InlineData("zh-CN", ColorScheme.Light, "已添加到这部手机", "已添加到 10 台设备", "请先从其中一台删除")]
    public async Task A_plastic_that_is_on_this_phone_or_on_ten_devices_is_refused_with_what_to_do(string language, ColorScheme colours, string here, string everywhere, string instead)
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync("mingyue-03");
        await using var window = await browser.OpenAsync(running, language, colours);
        await window.OpenAppAsync("wallet");
        await window.ClickAsync("#add-card");
        await window.ClickAsync("[data-card=mingyue-03]");
        await window.SeesAsync(".reasons [data-code=DUPLICATE_TOKEN_ON_DEVICE]", here);

        // Nine other devices have it too; the next handset hears why it cannot.
        Assert.Null(await running.DigitizeElsewhereAsync("mingyue-03", 9));
        await running.ReadyAsync("mi5s");
        await window["#handset"].SelectOptionAsync("mi5s");
        await window.OpenAppAsync("wallet");
        await window.ClickAsync("#add-card");
        await window.ClickAsync("[data-card=mingyue-03]");
        await window.SeesAsync(".reasons [data-code=TOO_MANY_TOKENS_FOR_PAN]", everywhere);
        await window.SeesAsync(".reasons", instead);
        Assert.Empty(await window.ViolationsAsync());
        Assert.Empty(running.System.Phones["mi5s"].State.Cards);
        Assert.Equal(10, running.System.TokenService.Tokens(20).Count);
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }
}
