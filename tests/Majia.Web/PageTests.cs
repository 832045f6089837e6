using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Majia.Host.Seed;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>A person at the page, in a real browser.</summary>
public sealed partial class PageTests(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    [Rule("R4")]
    [Rule("R7")]
    [Rule("R8")]
    [Rule("R14")]
    [Rule("R17")]
    [Rule("R19")]
    [Rule("R20")]
    public async Task A_person_adds_a_card_pays_with_a_PIN_pays_offline_sees_why_the_phone_must_be_looked_at_and_voids()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await window.PictureAsync("1280-en-light-empty");
        await AddCardAsync(window);
        await window.PictureAsync("1280-en-light-added");

        // The jeweller always asks for the PIN.
        await window["#shop"].SelectOptionAsync("10000002");
        await PickUpAsync(window);
        await window.ClickAsync("#sell");
        await window.SeesAsync("#display-text", "Hold your phone");
        await window.ClickAsync("#tap");
        await Assertions.Expect(window["#pin-pad"]).ToBeVisibleAsync();
        await window.PictureAsync("1280-en-light-pin");
        Assert.Empty(await window.ViolationsAsync());
        foreach (var digit in SeedData.TestPin)
        {
            await window.ClickAsync($"#pin-keys button:has-text('{digit}')");
        }

        await window.ClickAsync("#pin-form button[type=submit]");
        await window.SeesAsync("#outcome-words", "Approved");
        await Assertions.Expect(window["#pin-pad"]).ToBeHiddenAsync();
        var device = (await window[".card .digits"].InnerTextAsync())[^4..];
        await window.SeesAsync("#slip", "消费 SALE");
        await window.SeesAsync("#slip", device);
        await window.SeesAsync("#slip", "88.00");
        await window.SeesAsync("#screen-amount", "88.00");
        await window.SeesAsync("#bank-payment", "629901******0022");
        await window.SeesAsync("dd[data-fact=points]", "88");
        await window.SeesAsync("#trace-rows", "PIN encrypted in the PIN pad");
        await window.SeesAsync("#trace-rows", "bank");

        // A row opens to its message, decoded.
        await window["#trace-rows .line:has(.kind.iso8583)"].First.ClickAsync();
        await window.SeesAsync("#trace-rows .inside:not([hidden])", "Message type");
        Assert.Empty(await window.ViolationsAsync());
        await window.PictureAsync("1280-en-light-paid");

        // Offline at a shop that asks for no PIN under the limit.
        await window.ClickAsync("#aeroplane");
        await window.SeesAsync("#phone-net", "offline");
        await window["#shop"].SelectOptionAsync("10000001");
        await Assertions.Expect(window["#journal li"]).ToHaveCountAsync(0);
        await PickUpAsync(window);
        await window.ClickAsync("#sell");
        await window.ClickAsync("#tap");
        await window.SeesAsync("#outcome-words", "Approved");
        await Assertions.Expect(window["#pin-pad"]).ToBeHiddenAsync();

        // No fingerprint: the terminal says where to look, and takes the phone again.
        await window["#amount"].FillAsync("12.50");
        await window.ClickAsync("#sell");
        await window.SeesAsync("#display-text", "Hold your phone");
        await window.ClickAsync("#tap");
        await window.SeesAsync("#display-text", "See phone");
        await window.PictureAsync("1280-en-light-see-phone");
        await PickUpAsync(window);
        await window.ClickAsync("#tap");
        await window.SeesAsync("#outcome-words", "Approved");
        await window.SeesAsync("#slip", "12.50");

        // The merchant voids it by the number on the slip.
        var rrn = Rrn().Match(await window["#slip"].TextContentAsync() ?? "").Groups[1].Value;
        await window["#void-number"].FillAsync(rrn);
        await window.ClickAsync("#void");
        await window.SeesAsync("#outcome-words", "Voided");
        await window.SeesAsync("#slip", "消费撤销 VOID");
        await Assertions.Expect(window["#journal .state.Voided"]).ToHaveCountAsync(1);
        await window.SeesAsync("dd[data-fact=points]", "176");

        Assert.Empty(window.Complaints);
        AssertNoPan(await window.EverythingReceivedAsync());
        await AssertNoPanInAnyTraceAsync(running);
    }

    [Theory]
    [InlineData("zh-CN", ColorScheme.Light, 390)]
    [InlineData("zh-CN", ColorScheme.Dark, 1280)]
    [InlineData("en-GB", ColorScheme.Dark, 390)]
    [InlineData("en-GB", ColorScheme.Light, 360)]
    public async Task The_page_reads_well_in_each_language_light_dark_and_narrow(string language, ColorScheme colours, int width)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, language, colours, width, 844);
        var chinese = language.StartsWith("zh", StringComparison.Ordinal);
        await window.SeesAsync("#phone-title", chinese ? "手机" : "Phone");
        await AddCardAsync(window);
        await PickUpAsync(window);
        await window.ClickAsync("#sell");
        await window.ClickAsync("#tap");
        await window.SeesAsync("#outcome-words", chinese ? "交易成功" : "Approved");
        await window["#trace-rows .line"].Nth(3).ClickAsync();
        await window.SeesAsync("#trace-rows .inside:not([hidden])", chinese ? "十六进制" : "Hex");
        await window.PictureAsync($"{width}-{language[..2]}-{colours.ToString().ToLowerInvariant()}");
        Assert.Empty(await window.ViolationsAsync());
        Assert.Equal(width, await window.Page.EvaluateAsync<int>("document.documentElement.scrollWidth"));

        // The other language at once, and remembered.
        await window.ClickAsync(chinese ? "[data-language=en]" : "[data-language=zh]");
        await window.SeesAsync("#outcome-words", chinese ? "Approved" : "交易成功");
        await window.Page.ReloadAsync();
        await window.SeesAsync("#phone-title", chinese ? "Phone" : "手机");
        Assert.Empty(window.Complaints);
        AssertNoPan(await window.EverythingReceivedAsync());
    }

    [Fact]
    [Rule("R4")]
    public async Task Without_the_conditions_a_card_is_refused_with_every_reason_and_the_keyboard_alone_is_enough()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await window["#test-card"].FocusAsync();
        await window.Page.Keyboard.PressAsync("Tab");
        await window.Page.Keyboard.PressAsync("Enter");
        await window.SeesAsync("#phone-said", "Sign in to your account first.");
        await window.SeesAsync("#phone-said", "Turn on Find Device first.");

        await window["#sign-in button"].FocusAsync();
        await window.Page.Keyboard.PressAsync("Enter");
        await window.SeesAsync("#signed-in-as", "lin.xiaoyun");
        await window["#find-device"].FocusAsync();
        await window.Page.Keyboard.PressAsync("Space");
        await Assertions.Expect(window["#find-device"]).ToHaveAttributeAsync("aria-checked", "true");
        await window["#add-form button[type=submit]"].FocusAsync();
        await window.Page.Keyboard.PressAsync("Enter");
        await window.SeesAsync("#phone-said", "Enrol a fingerprint first");
        Assert.Equal("enrol", await window.Page.EvaluateAsync<string>("document.activeElement.id"));
        Assert.Empty(window.Complaints);
    }

    [Fact]
    public async Task A_typed_number_goes_into_the_phone_and_comes_back_nowhere()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await SetUpAsync(window);
        var card = SeedData.Card("mingyue-01");
        var holder = SeedData.CustomerOf(card);
        await window.ClickAsync("details:has(#type-form) > summary");
        await window["#typed-number"].FillAsync(card.Pan.Reveal());
        await window["#typed-holder"].FillAsync(holder.Name);
        await window["#typed-id"].FillAsync(holder.IdNumber);
        await window["#typed-mobile"].FillAsync(holder.Mobile!);
        await window.ClickAsync("#type-form button[type=submit]");
        await EnterCodeAsync(window);
        await Assertions.Expect(window["#typed-number"]).ToHaveValueAsync("");
        Assert.Empty(window.Complaints);
        AssertNoPan(await window.EverythingReceivedAsync());
        AssertNoPan(await window.Page.ContentAsync());
    }

    [Fact]
    [Rule("R24")]
    public async Task Signing_out_takes_the_cards_away()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await AddCardAsync(window);
        await window.ClickAsync("#sign-out");
        await Assertions.Expect(window["#cards .card"]).ToHaveCountAsync(0);
        await window.SeesAsync("#cards", "No card in this phone yet.");
        Assert.Empty(window.Complaints);
    }

    private static async Task SetUpAsync(Window window)
    {
        await window.ClickAsync("#sign-in button");
        await Assertions.Expect(window["#signed-in"]).ToBeVisibleAsync();
        await window.ClickAsync("#find-device");
        await Assertions.Expect(window["#find-device"]).ToHaveAttributeAsync("aria-checked", "true");
        await window.ClickAsync("#enrol");
        await Assertions.Expect(window["#enrol"]).ToHaveAttributeAsync("aria-checked", "true");
    }

    /// <summary>The seeded credit card, by the code that the bank sends.</summary>
    private static async Task AddCardAsync(Window window)
    {
        await SetUpAsync(window);
        await window["#test-card"].SelectOptionAsync("mingyue-02");
        await window.ClickAsync("#add-form button[type=submit]");
        await EnterCodeAsync(window);
    }

    private static async Task EnterCodeAsync(Window window)
    {
        await Assertions.Expect(window["#code-form"]).ToBeVisibleAsync();
        var code = await window["#message-list .code"].First.InnerTextAsync();
        await window["#code"].FillAsync(code);
        await window.ClickAsync("#code-form button[type=submit]");
        await Assertions.Expect(window["#code-form"]).ToBeHiddenAsync();
        await Assertions.Expect(window["#cards .card:not(:disabled)"]).ToHaveCountAsync(1);
    }

    private static async Task PickUpAsync(Window window)
    {
        await window.ClickAsync("#cards .card");
        await Assertions.Expect(window["#phone-screen[data-kind=VerifyFingerprint]"]).ToBeVisibleAsync();
        await window.ClickAsync("#finger");
        await Assertions.Expect(window["#phone-screen[data-kind=Ready]"]).ToBeVisibleAsync();
    }

    /// <summary>Every row of every payment and enrolment, opened.</summary>
    private static async Task AssertNoPanInAnyTraceAsync(RunningPage running)
    {
        var references = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var terminal in running.System.Terminals.Keys)
        {
            var state = await running.Http.GetFromJsonAsync<JsonElement>($"/api/state?phone=mi5&terminal={terminal}");
            references.UnionWith(state.GetProperty("counter").GetProperty("journal").EnumerateArray().Select(row => row.GetProperty("trace").GetString()!));
            references.UnionWith(state.GetProperty("phone").GetProperty("cards").EnumerateArray().Select(row => row.GetProperty("trace").GetString()!));
        }

        Assert.Equal(5, references.Count); // one card, three sales, one void
        foreach (var reference in references)
        {
            var trace = await running.Http.GetFromJsonAsync<JsonElement>($"/api/trace?reference={reference}");
            Assert.NotEqual(0, trace.GetProperty("rows").GetArrayLength());
            foreach (var row in trace.GetProperty("rows").EnumerateArray())
            {
                AssertNoPan(await running.Http.GetStringAsync($"/api/trace/{row.GetProperty("seq").GetInt64()}?reference={reference}"));
            }
        }
    }

    private static void AssertNoPan(string text)
    {
        foreach (var card in SeedData.Banks.SelectMany(bank => bank.Cards).Append(SeedData.VisaOnly))
        {
            Assert.DoesNotContain(card.Pan.Reveal(), text, StringComparison.Ordinal);

            // On the switch line the digits are ASCII inside the hex.
            Assert.DoesNotContain(Convert.ToHexString(Encoding.ASCII.GetBytes(card.Pan.Reveal())), text, StringComparison.Ordinal);
        }
    }

    [GeneratedRegex(@"REFER NO:\s*(\w{12})")]
    private static partial Regex Rrn();
}
