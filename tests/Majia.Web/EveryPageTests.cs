using Majia.Host.Seed;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>Each page and each sheet of it, in both languages, light and dark, wide and narrow: nothing that axe finds, nothing wider than the window, nothing in the console.</summary>
public sealed class EveryPageTests(Browser browser) : IClassFixture<Browser>
{
    [Theory]
    [InlineData("en-GB", ColorScheme.Light, 1440)]
    [InlineData("en-GB", ColorScheme.Dark, 390)]
    [InlineData("zh-CN", ColorScheme.Light, 360)]
    [InlineData("zh-CN", ColorScheme.Dark, 1440)]
    public async Task The_counter_with_all_that_opens_on_it(string language, ColorScheme colours, int width)
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running, language, colours, width);
        foreach (var app in (string[])["messages", "settings", "wallet"])
        {
            await window.ClickAsync("[data-key=home]");
            await Assertions.Expect(window[".launcher"]).ToBeVisibleAsync();
            if (app == "messages")
            {
                await window.CleanAsync("launcher");
            }

            await window.ClickAsync($".app.{app}");
            await window.CleanAsync(app);
        }

        await window.ClickAsync("[data-key=home]");
        await window.ClickAsync(".app[data-bank='63990300']");
        await Assertions.Expect(window["#bank-sign-in"]).ToBeVisibleAsync();
        await window.CleanAsync("bank's app");
        await window.OpenAppAsync("wallet");
        await window.ClickAsync("#add-card");
        foreach (var way in (string[])["by-typing", "by-plastic", "by-test-card"])
        {
            await window.ClickAsync($"#{way}");
            await Assertions.Expect(window[$"#{way}"]).ToHaveAttributeAsync("aria-selected", "true");
            await window.CleanAsync(way);
        }

        await window["#batch summary"].ClickAsync();
        await Assertions.Expect(window["#settle"]).ToBeDisabledAsync();
        await window.CleanAsync("empty batch");
        await window["#batch summary"].ClickAsync();
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        await window["#journal summary"].ClickAsync();
        await window.CleanAsync("receipts");
        await window["#journal summary"].ClickAsync();
        await window["#take-slip"].PressAsync("Enter");
        await window.CleanAsync("slip");
        await window.ClickAsync("#slip-close");
        await window["#story .story-row"].Nth(2).ClickAsync();
        await window.ClickAsync("#knows");
        await Assertions.Expect(window["#knows-table"]).ToBeVisibleAsync();
        await window.CleanAsync("who knows");
        foreach (var drawer in (string[])["bank", "network"])
        {
            await window.ClickAsync($"#open-{drawer}");
            await Assertions.Expect(window[$"#{drawer}-drawer"]).ToBeVisibleAsync();
            await window.CleanAsync(drawer);
            await window.ClickAsync($"#{drawer}-drawer .close");
        }

        await window["#shop"].SelectOptionAsync("gate:in-1");
        await Assertions.Expect(window["#gate"]).ToBeVisibleAsync();
        await window.CleanAsync("gate");
        await window["#handset"].SelectOptionAsync("mi-mix");
        await window.CleanAsync("without a home key");
        Assert.Empty(window.Complaints);
    }

    [Theory]
    [InlineData("en-GB", ColorScheme.Light, 390)]
    [InlineData("en-GB", ColorScheme.Dark, 1440)]
    [InlineData("zh-CN", ColorScheme.Light, 1440)]
    [InlineData("zh-CN", ColorScheme.Dark, 360)]
    public async Task The_owners_page_and_the_tools(string language, ColorScheme colours, int width)
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running, language, colours, width, path: "/owner");
        await window.CleanAsync("sign-in");
        var first = window[".topic summary"].First;
        await first.ClickAsync();
        await window.CleanAsync("an answer");
        await window.ClickAsync($"[data-demo='{SeedData.WalletAccounts[0].Account}']");
        await Assertions.Expect(window[".handset-cards > li"]).ToHaveCountAsync(1);
        await window.ClickAsync(".card-history summary");
        await window.CleanAsync("handset");
        await window.ClickAsync("[data-act=lost]");
        await Assertions.Expect(window[".handset"]).ToHaveAttributeAsync("data-lost", "yes");
        await window.CleanAsync("lost");
        await window.ClickAsync("[data-act=payment-off]");
        await window.CleanAsync("really off?");

        await window.Page.GotoAsync(running.Address + "/tools");
        await Assertions.Expect(window["body[data-ready]"]).ToBeVisibleAsync();
        await window.CleanAsync("tools");
        await window.ClickAsync("#decode-8583-pos");
        await window.ClickAsync("#decode-example");
        await Assertions.Expect(window["#decode-tree li"].First).ToBeVisibleAsync();
        await window.CleanAsync("decoded");
        await window["#decode-hex"].FillAsync("6F05 84");
        await Assertions.Expect(window["#decode-error"]).ToBeVisibleAsync();
        await window.CleanAsync("wrong input");

        await window.Page.GotoAsync(running.Address + "/nowhere");
        await Assertions.Expect(window["body[data-ready]"]).ToBeVisibleAsync();
        await Assertions.Expect(window["h1"]).ToHaveTextAsync(language == "en-GB" ? "Nothing is at this address" : "此地址没有页面");
        await window.CleanAsync("nothing here");
        Assert.DoesNotContain(window.Complaints, line => !line.Contains("404", StringComparison.Ordinal)); // Chromium says so itself of the page that is not there
    }
}
