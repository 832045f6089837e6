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
        await window.CleanAsync("an answer");
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

        await running.WithCardAsync();
        await using var counter = await browser.OpenAsync(running);
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

    [Theory]
    [InlineData("en-GB", "suspended", "live")]
    [InlineData("zh-CN", "已暂停", "可以使用")]
    public async Task Each_card_tells_its_own_history_without_a_number_and_without_a_payment(string language, string suspended, string live)
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var counter = await browser.OpenAsync(running);
        await counter.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await counter.StepAsync("done");
        await using var window = await browser.OpenAsync(running, language, ColorScheme.Dark, path: "/owner");
        await window.ClickAsync("[data-demo='lin.xiaoyun']");
        await window.ClickAsync("[data-act=suspend]");
        await Assertions.Expect(window[".handset-cards > li"]).ToHaveAttributeAsync("data-state", nameof(EnrolmentState.Suspended));
        await window.ClickAsync("[data-act=resume]");
        await Assertions.Expect(window[".handset-cards > li"]).ToHaveAttributeAsync("data-state", nameof(EnrolmentState.Active));
        await window[".card-history summary"].PressAsync("Enter");
        await Assertions.Expect(window[".card-history li[data-state=Suspended]"]).ToHaveCountAsync(1);
        await Assertions.Expect(window[".card-history li[data-state=Active]"]).ToHaveCountAsync(2);
        await Assertions.Expect(window[".card-history li[data-state=Suspended]"]).ToContainTextAsync(suspended);
        await window.SeesAsync(".card-history li:first-child", live);
        await Assertions.Expect(window[".card-history"]).Not.ToContainTextAsync("88.00");
        Assert.Empty(await window.ViolationsAsync());
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }

    [Fact]
    public async Task A_passkey_is_made_and_signs_in_without_a_password()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, path: "/owner");
        var authenticators = await window.Page.Context.NewCDPSessionAsync(window.Page);
        await authenticators.SendAsync("WebAuthn.enable");
        await authenticators.SendAsync("WebAuthn.addVirtualAuthenticator", new Dictionary<string, object>
        {
            ["options"] = new Dictionary<string, object>
            {
                ["protocol"] = "ctap2", ["transport"] = "internal", ["hasResidentKey"] = true, ["hasUserVerification"] = true, ["isUserVerified"] = true, ["automaticPresenceSimulation"] = true,
            },
        });
        await window.ClickAsync("[data-demo='lin.xiaoyun']");
        await window.SeesAsync("#owner-name", "lin.xiaoyun");
        await window.ClickAsync("#owner-add-passkey");
        await window.SeesAsync("#owner-passkeys", "1");
        await window.ClickAsync("#owner-out");
        await Assertions.Expect(window["#owner-sign-in"]).ToBeVisibleAsync();
        await window.ClickAsync("#owner-passkey");
        await window.SeesAsync("#owner-name", "lin.xiaoyun");
        Assert.Empty(await window.ViolationsAsync());
        Assert.Empty(window.Complaints);
    }
}
