using Majia.Host.Seed;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>A person at the counter, in a real browser.</summary>
public sealed class CounterTests(Browser browser) : IClassFixture<Browser>
{
    private static readonly string[] FromNothingToPaid = ["prepare", "add", "code", "sell", "wake", "choose", "finger", "tap"];

    [Fact]
    [Rule("R4")]
    [Rule("R7")]
    [Rule("R14")]
    [Rule("R19")]
    public async Task Led_by_the_guide_a_person_adds_a_card_pays_and_sees_every_byte_of_it()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await window.PictureAsync("empty");
        await window.GuidedAsync(FromNothingToPaid);
        await window.StepAsync("done");
        await window.SeesAsync("#outcome", "Approved");
        await window.SeesAsync("#phone", "Card read");

        // The slip shows the device number, which the phone shows too; the plastic's is 0022.
        var device = Assert.Single(running.System.Phones["mi5"].State.Cards).Face.DeviceLastFour;
        await window.ClickAsync("#take-slip");
        await window.SeesAsync("#slip .slip", device);
        await window.SeesAsync("#slip .slip", "88.00");
        Assert.NotEqual("0022", device);
        using var picture = await running.Http.GetAsync("/api/terminals/10000001/slips/000001/picture.svg?copy=merchant");
        Assert.Equal("image/svg+xml", picture.Content.Headers.ContentType?.MediaType);
        Assert.Contains("商户存根", await picture.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await window.ClickAsync("#slip-close");
        await Assertions.Expect(window["#slip"]).ToHaveCountAsync(0);

        // A row opens to its message, decoded.
        await window["#story .story-row[data-kind=iso8583]"].First.ClickAsync();
        await window.SeesAsync("#row-detail", "Message type");
        Assert.Empty(await window.ViolationsAsync());

        // Who saw the plastic's number: network, token service and bank, and nobody else.
        await window.ClickAsync("#knows");
        foreach (var (party, seen) in ((string, string)[])[("terminal", "no"), ("acquirer", "no"), ("network", "yes"), ("token-service", "yes"), ("issuer", "yes")])
        {
            await Assertions.Expect(window[$"#knows-table tr[data-party={party}] td[data-seen]"]).ToHaveAttributeAsync("data-seen", seen);
        }

        await Assertions.Expect(window["#knows-table [data-breach]"]).ToHaveCountAsync(0);
        // The phone's own chip made the cryptogram and gave its device number; the bank takes the token service's verdict for it.
        foreach (var (party, column, seen) in new[] { ("phone", "Device number", "******"), ("phone", "Cryptogram", "seen"), ("issuer", "Cryptogram", "–") })
        {
            await Assertions.Expect(window[$"#knows-table tr[data-party={party}] td[data-label='{column}']"]).ToHaveTextAsync(seen);
        }

        Assert.Empty(await window.ViolationsAsync());
        await window.PictureAsync("paid");
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
        Secrets.AssertNoPan(await running.Http.GetStringAsync("/api/trace/export"));
    }

    [Fact]
    [Rule("R15")]
    [Rule("R16")]
    [Rule("R17")]
    [Rule("R20")]
    public async Task With_a_PIN_then_offline_then_without_a_finger_then_voided()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.StepAsync("sell");

        // The jeweller always asks for the PIN, which is typed on the terminal.
        await window["#shop"].SelectOptionAsync("10000002");
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("pin");
        await window.SeesAsync(".lcd", "this merchant asks it for every payment");
        Assert.Empty(await window.ViolationsAsync());
        foreach (var digit in SeedData.TestPin)
        {
            await window.ClickAsync($"[data-digit='{digit}']");
        }

        await window.ClickAsync("[data-pad=ok]");
        await window.SeesAsync("#outcome", "Approved");
        Assert.DoesNotContain(SeedData.TestPin, window.EverythingSent, StringComparison.Ordinal);

        // Aeroplane mode, at a shop that asks for no PIN under the limit; the keyboard does the rest.
        await window.OpenAppAsync("settings");
        await window.ClickAsync("#aeroplane");
        await Assertions.Expect(window["#aeroplane"]).ToHaveAttributeAsync("aria-checked", "true");
        await window["#shop"].SelectOptionAsync("10000001");
        await window["[data-pad=ok]"].PressAsync("Enter");
        await window.StepAsync("wake");
        await window["[data-key=home]"].DblClickAsync();
        await window.ClickAsync(".fan .card-button");
        await window["[data-key=home]"].HoverAsync();
        await window.Page.Mouse.DownAsync();
        await window.SeesAsync(".glass", "Ready");
        await window.Page.Mouse.UpAsync();
        await window.Page.Keyboard.PressAsync("t");
        await window.SeesAsync("#outcome", "Approved");

        // No fingerprint: the terminal says where to look, and takes the phone again.
        await window.GuidedAsync("done", "sell");
        await window.StepAsync("wake");
        await window.ClickAsync("#tap");
        await window.SeesAsync(".lcd", "See phone");
        await window.GuidedAsync("choose", "finger", "tap");
        await window.StepAsync("done");

        // The merchant voids it.
        await window.ClickAsync("#journal summary");
        await window["#journal [data-void]"].First.ClickAsync();
        await window.SeesAsync("#outcome", "Voided");
        await Assertions.Expect(window["#journal li[data-state=Voided]"]).ToHaveCountAsync(1);
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }

    [Fact]
    [Rule("R14")]
    public async Task Taken_away_too_soon_the_tap_is_torn_and_the_same_sale_goes_on()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync(FromNothingToPaid[3..^1]);
        await window.StepAsync("tap");
        await window.Page.Keyboard.PressAsync("Shift+T");
        await window.SeesAsync(".lcd", "Present card again");
        await window.GuidedAsync("tap");
        await window.StepAsync("done");
        Assert.Single(running.System.Terminals["10000001"].Journal());
        Assert.Empty(window.Complaints);
    }

    [Fact]
    [Rule("R14")]
    public async Task Dragged_to_the_terminal_the_phone_pays()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync(FromNothingToPaid[3..^1]);
        await window.StepAsync("tap");
        var (phone, terminal) = ((await window["#phone"].BoundingBoxAsync())!, (await window["#terminal"].BoundingBoxAsync())!);
        var mouse = window.Page.Mouse;
        await mouse.MoveAsync(phone.X + (phone.Width / 2), phone.Y + 12);
        await mouse.DownAsync();
        await mouse.MoveAsync(terminal.X + (terminal.Width / 2), terminal.Y + 40, new MouseMoveOptions { Steps = 12 });
        await window.SeesAsync("#outcome", "Approved");
        await mouse.UpAsync();
        Assert.Empty(window.Complaints);
    }

    [Fact]
    [Rule("R4")]
    public async Task Without_the_conditions_a_card_is_refused_with_every_reason_and_each_has_its_switch()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await window.OpenAppAsync("wallet");
        await window["#add-card"].PressAsync("Enter");
        await window["[data-card=mingyue-02]"].PressAsync("Enter");
        await window.SeesAsync(".reasons", "Sign in to your account first.");
        await window.SeesAsync(".reasons", "Turn on Find Device first.");
        foreach (var condition in (string[])["need-account", "need-find", "need-finger"])
        {
            await window[$"#{condition}"].PressAsync("Enter");
            if (condition != "need-finger")
            {
                await Assertions.Expect(window[$"#{condition}"]).ToHaveAttributeAsync("aria-checked", "true");
            }
        }

        await Assertions.Expect(window["#conditions"]).ToHaveCountAsync(0);
        Assert.Empty(await window.ViolationsAsync());
        Assert.Empty(window.Complaints);
    }

    [Fact]
    [Rule("R12")]
    public async Task A_typed_number_is_recognised_goes_into_the_phone_and_comes_back_nowhere()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync("prepare");
        await window.StepAsync("add");
        await window.ClickAsync("#by-typing");

        await window["#typed-number"].PressSequentiallyAsync("400000");
        await window.SeesAsync("#recognised", "not a UnionPay card");
        await window["#typed-number"].FillAsync("");

        var card = SeedData.Card("mingyue-01");
        var holder = SeedData.CustomerOf(card);
        await window["#typed-number"].PressSequentiallyAsync(card.Pan.Reveal()[..^1]);
        await window.SeesAsync("#recognised", "Mingyue Bank");
        await window["#typed-number"].PressSequentiallyAsync(card.Pan.Reveal()[^1..]);
        await window.SeesAsync("#recognised", "debit card ✓");
        await window["#typed-holder"].FillAsync(holder.Name);
        await window["#typed-id"].FillAsync(holder.IdNumber);
        await window["#typed-mobile"].FillAsync(holder.Mobile!);
        Assert.DoesNotContain(card.Pan.Reveal(), window.EverythingSent, StringComparison.Ordinal);
        await window.ClickAsync("#add-typed");
        await window.ClickAsync("#use-code");
        await window.SeesAsync(".added", "Added");
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
        Secrets.AssertNoPan(await window.Page.ContentAsync());
    }

    [Fact]
    [Rule("R24")]
    public async Task Signing_out_takes_the_cards_away()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.StepAsync("sell");
        await window.OpenAppAsync("settings");
        await window.ClickAsync("text=Sign out");
        await window.StepAsync("prepare");
        await window.OpenAppAsync("wallet");
        await window.SeesAsync(".glass", "No bank card on this phone yet.");
        Assert.Empty(window.Complaints);
    }

    [Theory]
    [InlineData("zh-CN", ColorScheme.Light, 390)]
    [InlineData("zh-CN", ColorScheme.Dark, 1440)]
    [InlineData("en-GB", ColorScheme.Dark, 390)]
    [InlineData("en-GB", ColorScheme.Light, 360)]
    [InlineData("en-GB", ColorScheme.Dark, 3840)]
    public async Task The_page_reads_well_in_each_language_light_dark_and_narrow(string language, ColorScheme colours, int width)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, language, colours, width, 844);
        var chinese = language.StartsWith("zh", StringComparison.Ordinal);
        await window.SeesAsync("#story-title", chinese ? "全程追踪" : "What happened");
        await window.GuidedAsync(FromNothingToPaid);
        await window.StepAsync("done");
        await window.SeesAsync("#outcome", chinese ? "交易成功" : "Approved");
        await window["#story .story-row"].Nth(3).ClickAsync();
        await window.SeesAsync("#row-detail", chinese ? "字节" : "bytes");
        await window.CleanAsync("a row open");

        // The other language at once, and remembered.
        await window.ClickAsync(chinese ? "[data-language=en]" : "[data-language=zh]");
        await window.SeesAsync("#outcome", chinese ? "Approved" : "交易成功");
        await window.Page.ReloadAsync();
        await window.SeesAsync("#story-title", chinese ? "What happened" : "全程追踪");
        Assert.Empty(window.Complaints);
        Secrets.AssertNoPan(await window.EverythingReceivedAsync());
    }
}
