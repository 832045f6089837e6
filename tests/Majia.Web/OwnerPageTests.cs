using System.Net;
using Majia.Core.Contracts;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>The owner at the web site: phones, lost mode, payment off, and help.</summary>
public sealed class OwnerPageTests(Browser browser) : IClassFixture<Browser>
{
    [Theory]
    [InlineData("en-GB", ColorScheme.Light, 1440)]
    [InlineData("zh-CN", ColorScheme.Dark, 390)]
    public async Task Help_is_read_in_both_languages_and_leads_to_the_counter(string language, ColorScheme colours, int width)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, language, colours, width, path: "/owner");
        await window["a[data-play=conditions]"].Locator("xpath=..").Locator("summary").ClickAsync();
        Assert.Empty(await window.ViolationsAsync());
        Assert.InRange(await window.Page.EvaluateAsync<int>("document.documentElement.scrollWidth"), 0, width);
        await window.ClickAsync("a[data-play=conditions]");
        await Assertions.Expect(window["#coach"]).ToHaveAttributeAsync("data-step", "played");
        await Assertions.Expect(window[".reasons p"]).Not.ToHaveCountAsync(0);
        Assert.Empty(window.Complaints);
    }

    [Fact]
    [Rule("R23")]
    public async Task The_owner_suspends_finds_and_turns_payment_off_while_the_phone_is_away()
    {
        await using var running = await RunningPage.StartAsync();
        using (var me = await running.Http.GetAsync("/api/owner/me"))
        {
            Assert.SkipWhen(me.StatusCode == HttpStatusCode.NotFound, "the owner's API is not part of this build");
        }

        await using var counter = await browser.OpenAsync(running);
        await counter.GuidedAsync("prepare", "add", "code");
        await counter.StepAsync("sell");
        running.System.Phones["mi5"].SetAeroplaneMode(true);

        await using var window = await browser.OpenAsync(running, path: "/owner");
        await window["#owner-account"].FillAsync("lin.xiaoyun");
        await window["#owner-password"].FillAsync("wrong-password-1");
        await window.ClickAsync("#owner-do");
        await window.SeesAsync(".wrong", "wrong");
        await window["#owner-password"].FillAsync("majia-demo-1");
        await window.ClickAsync("#owner-do");
        await window.SeesAsync("#owner-name", "lin.xiaoyun");
        Assert.DoesNotContain("majia-demo-1", window.EverythingSent, StringComparison.Ordinal);
        Assert.Empty(await window.ViolationsAsync());

        await window.ClickAsync("[data-act=lost]");
        await Assertions.Expect(window[".handset"]).ToHaveAttributeAsync("data-lost", "yes");
        Assert.Equal(TokenState.Suspended, Assert.Single(running.System.TokenService.Tokens(5)).State);
        await window.ClickAsync("[data-act=found]");
        await Assertions.Expect(window[".handset"]).ToHaveAttributeAsync("data-lost", "no");
        Assert.Equal(TokenState.Active, Assert.Single(running.System.TokenService.Tokens(5)).State);
        await window.ClickAsync("[data-act=payment-off]");
        await window.ClickAsync("[data-act=payment-off-sure]");
        await Assertions.Expect(window[".handset-cards li"]).ToHaveCountAsync(0);
        Assert.Equal(TokenState.Deactivated, Assert.Single(running.System.TokenService.Tokens(5)).State);

        // The phone, still away, does not know; the terminal finds out.
        await counter.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await counter.SeesAsync("#outcome", "Declined");
        Assert.Empty(window.Complaints);
    }
}
