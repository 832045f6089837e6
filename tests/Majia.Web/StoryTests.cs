using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Ui;
using Majia.Host.Ui.Owner;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>The picture of what happened, and the answers that show themselves on the counter.</summary>
public sealed class StoryTests(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task A_trace_of_two_thousand_rows_scrolls_with_few_of_them_on_the_page()
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running);
        for (var i = 0; i < 2000; i++)
        {
            running.System.Trace.Record(new TraceEvent("card:many", running.System.Time.GetUtcNow(), "phone", "wallet", "phone-wallet", TraceKind.Json, i % 2 == 0 ? TraceDirection.Sent : TraceDirection.Received, "", new Text($"row number {i}.", $"第 {i} 行。")));
        }

        await window.SeesAsync("#story-of", "2000 rows");
        var scroll = window[".story-scroll"];
        foreach (var at in (int[])[1000, 1999, 400, 0])
        {
            await scroll.EvaluateAsync("(list, row) => { list.scrollTop = row * 52 - 100; }", at);
            await Assertions.Expect(window[$".story-row:has-text('row number {at}.')"]).ToBeInViewportAsync();
            Assert.InRange(await window[".story-row"].CountAsync(), 10, 60);
        }

        Assert.Empty(window.Complaints);
    }

    [Fact]
    public async Task A_payment_is_filtered_by_party_replayed_and_linked_to()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        await Assertions.Expect(window[".lane-name[data-party=issuer]"]).ToBeVisibleAsync();
        var rows = await window[".story-row"].CountAsync();
        await window.ClickAsync(".lane-name[data-party=terminal]");
        await Assertions.Expect(window[".story-row[data-party=terminal]"]).ToHaveCountAsync(0);
        await window.ClickAsync(".lane-name[data-party=terminal]");
        await Assertions.Expect(window[".story-row"]).ToHaveCountAsync(rows);
        await window.ClickAsync("#replay");
        await Assertions.Expect(window["#replay"]).ToHaveTextAsync("Stop");
        await Assertions.Expect(window["#replay"]).ToHaveTextAsync("Replay");
        await Assertions.Expect(window[".story-row"]).ToHaveCountAsync(rows);

        // The link shows the same payment to whoever opens it here.
        var link = await window["#story-link"].GetAttributeAsync("href");
        await using var other = await browser.OpenAsync(running, path: link!);
        await Assertions.Expect(other[".story-row"]).ToHaveCountAsync(rows);
        Assert.Empty(window.Complaints);
        Assert.Empty(other.Complaints);
    }

    [Fact]
    public async Task The_trace_is_read_filtered_replayed_and_kept_by_keyboard_alone()
    {
        await using var running = await RunningPage.StartAsync();
        await running.WithCardAsync();
        await using var window = await browser.OpenAsync(running);
        await window.GuidedAsync("sell", "wake", "choose", "finger", "tap");
        await window.StepAsync("done");
        var rows = await window[".story-row"].CountAsync();
        await window["#story .story-row[data-kind=iso8583]"].First.PressAsync("Enter");
        await window.SeesAsync("#row-detail", "Message type");
        await window["#row-detail .close"].PressAsync("Enter");
        await Assertions.Expect(window["#row-detail"]).ToHaveCountAsync(0);
        await window[".lane-name[data-party=terminal]"].PressAsync(" ");
        await Assertions.Expect(window[".story-row[data-party=terminal]"]).ToHaveCountAsync(0);
        await window[".lane-name[data-party=terminal]"].PressAsync(" ");
        await Assertions.Expect(window[".story-row"]).ToHaveCountAsync(rows);
        await window["#knows"].PressAsync("Enter");
        await Assertions.Expect(window["#knows-table"]).ToBeVisibleAsync();
        await window["#replay"].PressAsync("Enter");
        await Assertions.Expect(window["#replay"]).ToHaveTextAsync("Stop");
        await window["#replay"].PressAsync("Enter");
        await Assertions.Expect(window["#replay"]).ToHaveTextAsync("Replay");

        // With the arrows through the list, and the file of it.
        await window[".story-scroll"].FocusAsync();
        await window.Page.Keyboard.PressAsync("End");
        await Assertions.Expect(window[".story-row"].Last).ToBeInViewportAsync();
        var kept = await window.Page.RunAndWaitForDownloadAsync(() => window["#export"].PressAsync("Enter"));
        await using var file = await kept.CreateReadStreamAsync();
        using var export = await System.Text.Json.JsonDocument.ParseAsync(file, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("0200", export.RootElement.GetRawText(), StringComparison.Ordinal);
        Secrets.AssertNoPan(export.RootElement.GetRawText());
        Assert.Empty(window.Complaints);
    }

    [Theory]
    [Rule("R16")]
    [Rule("R20")]
    [Rule("R23")]
    [Rule("R24")]
    [InlineData("offline-pay", "Paid. The chip needs no network")]
    [InlineData("payment-off", "Declined: the token service knew at once")]
    [InlineData("sign-out", "None is left.")]
    [InlineData("void", "Money and points are where they were.")]
    [InlineData("offline-add", "Adding a card needs the network")]
    [InlineData("transit", "The balance is in the phone.")]
    [InlineData("card-lost", "The new one is added")]
    [InlineData("pay", "The phone says card read")]
    [InlineData("add", "The phone holds a number of its own")]
    [InlineData("rewards", "The points are on the plastic's own account.")]
    [InlineData("two-phones", "Two phones, two device numbers, one plastic card.")]
    [InlineData("remove", "At the bank the plastic is as it was.")]
    [InlineData("eight", "The ninth is refused, kindly.")]
    [InlineData("no-chip", "The plastic has no contactless chip")]
    [InlineData("digits", "The slip ends with the device number's digits.")]
    [InlineData("banks", "A dual-brand card that begins with 4")]
    public async Task A_play_comes_to_its_end_and_shows_what_it_says(string play, string last)
    {
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, path: $"/?play={play}");
        await Assertions.Expect(window["#coach"]).ToHaveAttributeAsync("data-step", "played", new LocatorAssertionsToHaveAttributeOptions { Timeout = 90_000 });
        await window.SeesAsync("#coach", last);
        var (phone, counter) = (running.System.Phones["mi5"], running.System.Terminals["10000001"]);
        switch (play)
        {
            case "offline-pay":
                Assert.True(phone.AeroplaneMode);
                await window.SeesAsync("#outcome", "Approved");
                break;
            case "payment-off":
                await window.SeesAsync("#outcome", "Declined");
                break;
            case "sign-out":
                Assert.Empty(phone.State.Cards);
                break;
            case "void":
                await window.SeesAsync("#outcome", "Voided");
                break;
            case "transit":
                await window.SeesAsync("#transit-card", "ride");
                break;
            case "card-lost":
                Assert.Single(phone.State.Cards, card => card.State == EnrolmentState.Active);
                Assert.Contains(counter.Journal(), row => row.State == Majia.Terminal.JournalState.Declined);
                break;
            case "pay" or "no-chip" or "digits":
                await window.SeesAsync("#outcome", "Approved");
                break;
            case "add" or "banks":
                Assert.Single(phone.State.Cards);
                break;
            case "rewards":
                await window.SeesAsync(".account[open] .sum", "88 points");
                break;
            case "two-phones":
                Assert.Single(running.System.Phones["mi5s"].State.Cards);
                Assert.Equal(2, running.System.TokenService.Tokens(5).Select(token => token.Masked).Distinct().Count());
                break;
            case "remove":
                Assert.Empty(phone.State.Cards);
                await Assertions.Expect(window["#bank-drawer [data-card=mingyue-02]"]).ToHaveAttributeAsync("data-state", "Normal");
                break;
            case "eight":
                Assert.Equal(8, phone.State.Cards.Length);
                await window.SeesAsync(".reasons [data-code=TOO_MANY_TOKENS_FOR_DEVICE]", "Remove one first.");
                break;
            default:
                await window.SeesAsync(".reasons", "The phone is offline");
                Assert.Empty(counter.Journal());
                break;
        }

        Assert.Empty(window.Complaints);
    }

    [Fact]
    public void Every_answer_that_shows_itself_has_its_play()
    {
        var named = Help.Chapters.SelectMany(chapter => chapter.Topics).Select(topic => topic.Play).ToList();
        Assert.All(named, play => Assert.NotNull(Plays.Find(play)));
        Assert.All(Plays.All, play => Assert.Contains(play.Id, named));
    }
}
