using Majia.Core.Contracts;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>The bank's own app on the counter's phone: a card that is being added waits there for its holder's word, in place of a code (R6).</summary>
public sealed class BankScreenTests(Browser browser) : IClassFixture<Browser>
{
    private const string Bank = "63990100", Holder = "lin-xiaoyun";

    [Theory]
    [Rule("R6")]
    [InlineData("en-GB", ColorScheme.Light, 1440, "Is this you?", "is live", "Customer or password is wrong.")]
    [InlineData("zh-CN", ColorScheme.Dark, 390, "是您本人操作吗？", "已生效", "客户号或密码错误。")]
    public async Task Approved_in_the_banks_app_the_card_is_live_and_pays(string language, ColorScheme colours, int width, string question, string live, string wrong)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await WaitingAsync(running, language, colours, width);
        await window.ClickAsync("#use-bank-app");
        await Assertions.Expect(window["#asked-in-app"]).ToBeVisibleAsync();
        await window.CleanAsync("asked in the app");
        await window.ClickAsync("#use-code-instead");
        await Assertions.Expect(window["#send-code"]).ToBeVisibleAsync();
        await window.ClickAsync("#use-bank-app");
        await window.ClickAsync("#open-bank-app");
        await window.StepAsync("bank-app");
        await Assertions.Expect(window["#bank-app"]).ToHaveAttributeAsync("data-bank", Bank);

        // A wrong password opens nothing; the keyboard does the rest.
        await window["#bank-customer"].FillAsync(Holder);
        await window["#bank-password"].FillAsync("majia-bank-0");
        await window["#bank-password"].PressAsync("Enter");
        await window.SeesAsync("#bank-says[data-wrong=yes]", wrong);
        await window.CleanAsync("wrong password");
        await window["#bank-password"].FillAsync("majia-bank-1");
        await window["#bank-password"].PressAsync("Enter");
        await window.SeesAsync(".ask", question);
        await window.SeesAsync(".ask", "0022");
        await window.SeesAsync(".ask", "Mi 5");
        await window.CleanAsync("is this you");
        Assert.Equal(TokenState.Inactive, Assert.Single(running.System.TokenService.Tokens(5)).State);

        await window["#bank-approve"].PressAsync("Enter");
        await window.SeesAsync("#bank-says[data-wrong=no]", live);
        Assert.Equal(TokenState.Active, Assert.Single(running.System.TokenService.Tokens(5)).State);
        await window.CleanAsync("approved");
        await window.ClickAsync("#bank-wallet");
        await Assertions.Expect(window[".wallet-card .card-art"]).ToHaveAttributeAsync("data-state", "live");
        await window.StepAsync("sell");
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }

    [Theory]
    [Rule("R6")]
    [InlineData("en-GB", ColorScheme.Dark, 390, "does not come to that phone")]
    [InlineData("zh-CN", ColorScheme.Light, 1440, "不会添加到那部手机")]
    public async Task Refused_in_the_banks_app_the_card_leaves_the_phone_and_its_code_is_worth_nothing(string language, ColorScheme colours, int width, string refused)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await WaitingAsync(running, language, colours, width);
        var phone = running.System.Phones["mi5"];
        var card = Assert.Single(phone.State.Cards).CardReference;
        await window.ClickAsync("#use-bank-app");
        await Assertions.Expect(window["#asked-in-app"]).ToBeVisibleAsync();

        // From among the phone's apps; somebody else of the bank's customers sees nothing of it.
        await window.ClickAsync("[data-key=home]");
        await window.CleanAsync("apps");
        await window.ClickAsync($".app[data-bank='{Bank}']");
        await window.ClickAsync("[data-customer=ye-zhiqiu]");
        await Assertions.Expect(window["#bank-nothing"]).ToBeVisibleAsync();
        await window.CleanAsync("nothing waits");
        await window.ClickAsync("#bank-out");
        await window.ClickAsync($"[data-customer={Holder}]");
        await window["#bank-refuse"].FocusAsync();
        await window.Page.Keyboard.PressAsync("Enter");
        await window.SeesAsync("#bank-says[data-wrong=no]", refused);
        await window.CleanAsync("refused");
        Assert.Equal(TokenState.Deactivated, Assert.Single(running.System.TokenService.Tokens(5)).State);
        Assert.NotEqual(EnrolmentStep.Added, (await phone.EnterCodeAsync(card, running.LastCode())).Step);

        await window.ClickAsync("#bank-wallet");
        await Assertions.Expect(window[".wallet-card"]).ToHaveCountAsync(0);
        await window.StepAsync("add");
        Assert.Empty(phone.State.Cards);
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }

    /// <summary>Lin's credit card is being added, and the bank wants to know who does it.</summary>
    private async Task<Window> WaitingAsync(RunningPage running, string language, ColorScheme colours, int width)
    {
        await running.ReadyAsync();
        var window = await browser.OpenAsync(running, language, colours, width);
        await window.GuidedAsync("add");
        await window.StepAsync("code");
        return window;
    }
}
