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
            await CleanAsync(window, width, app == "messages" ? "launcher" : null);
            await window.ClickAsync($".app.{app}");
            await CleanAsync(window, width, app);
        }

        await window.ClickAsync("#add-card");
        foreach (var way in (string[])["by-typing", "by-plastic", "by-test-card"])
        {
            await window.ClickAsync($"#{way}");
            await Assertions.Expect(window[$"#{way}"]).ToHaveAttributeAsync("aria-selected", "true");
            await CleanAsync(window, width, way);
        }

        await window["#batch summary"].ClickAsync();
        await Assertions.Expect(window["#settle"]).ToBeDisabledAsync();
        await CleanAsync(window, width, "empty batch");
        await window["#batch summary"].ClickAsync();
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        await window["#journal summary"].ClickAsync();
        await CleanAsync(window, width, "receipts");
        await window["#journal summary"].ClickAsync();
        await window["#take-slip"].PressAsync("Enter");
        await CleanAsync(window, width, "slip");
        await window.ClickAsync("#slip-close");
        await window["#story .story-row"].Nth(2).ClickAsync();
        await window.ClickAsync("#knows");
        await Assertions.Expect(window["#knows-table"]).ToBeVisibleAsync();
        await CleanAsync(window, width, "who knows");
        foreach (var drawer in (string[])["bank", "network"])
        {
            await window.ClickAsync($"#open-{drawer}");
            await Assertions.Expect(window[$"#{drawer}-drawer"]).ToBeVisibleAsync();
            await CleanAsync(window, width, drawer);
            await window.ClickAsync($"#{drawer}-drawer .close");
        }

        await window["#shop"].SelectOptionAsync("gate:in-1");
        await Assertions.Expect(window["#gate"]).ToBeVisibleAsync();
        await CleanAsync(window, width, "gate");
        await window["#handset"].SelectOptionAsync("mi-mix");
        await CleanAsync(window, width, "without a home key");
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
        await CleanAsync(window, width, "sign-in");
        var first = window[".topic summary"].First;
        await first.ClickAsync();
        await CleanAsync(window, width, "an answer");
        await window.ClickAsync($"[data-demo='{SeedData.WalletAccounts[0].Account}']");
        await Assertions.Expect(window[".handset-cards > li"]).ToHaveCountAsync(1);
        await window.ClickAsync(".card-history summary");
        await CleanAsync(window, width, "handset");
        await window.ClickAsync("[data-act=lost]");
        await Assertions.Expect(window[".handset"]).ToHaveAttributeAsync("data-lost", "yes");
        await CleanAsync(window, width, "lost");
        await window.ClickAsync("[data-act=payment-off]");
        await CleanAsync(window, width, "really off?");

        await window.Page.GotoAsync(running.Address + "/tools");
        await Assertions.Expect(window["body[data-ready]"]).ToBeVisibleAsync();
        await CleanAsync(window, width, "tools");
        await window.ClickAsync("#decode-8583-pos");
        await window.ClickAsync("#decode-example");
        await Assertions.Expect(window["#decode-tree li"].First).ToBeVisibleAsync();
        await CleanAsync(window, width, "decoded");
        await window["#decode-hex"].FillAsync("6F05 84");
        await Assertions.Expect(window["#decode-error"]).ToBeVisibleAsync();
        await CleanAsync(window, width, "wrong input");

        await window.Page.GotoAsync(running.Address + "/nowhere");
        await Assertions.Expect(window["body[data-ready]"]).ToBeVisibleAsync();
        await Assertions.Expect(window["h1"]).ToHaveTextAsync(language == "en-GB" ? "Nothing is at this address" : "此地址没有页面");
        await CleanAsync(window, width, "nothing here");
        Assert.DoesNotContain(window.Complaints, line => !line.Contains("404", StringComparison.Ordinal)); // Chromium says so itself of the page that is not there
    }

    private static async Task CleanAsync(Window window, int width, string? moment)
    {
        if (moment is null)
        {
            return;
        }

        var found = await window.ViolationsAsync();
        Assert.True(found.Count == 0, $"{moment}: {string.Join('\n', found)}");
        var wide = await window.Page.EvaluateAsync<int>("document.documentElement.scrollWidth");
        Assert.True(wide <= width, $"{moment}: {wide} px in a window of {width} px");
    }
}
