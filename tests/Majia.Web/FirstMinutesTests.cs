using System.Diagnostics;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>What a person meets first: <c>majia up</c> as a process on a fresh folder, the page, a paid slip, and everything forgotten again.</summary>
[Collection(Processes.Name)]
public sealed class FirstMinutesTests(Browser browser, ITestOutputHelper output) : IClassFixture<Browser>, IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("majia-first-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    [Rule("R14")]
    public async Task From_nothing_to_a_page_to_a_paid_slip_and_back_to_the_first_day()
    {
        var clock = Stopwatch.StartNew();
        using var process = UpTests.Start(folder, ["--port", UpTests.FreePort()]);
        try
        {
            var address = await UpTests.ReadyAsync(process);
            var ready = clock.Elapsed;
            await using var window = await browser.OpenAsync(address.ToString());
            var page = clock.Elapsed;
            await window.GuidedAsync("prepare", "add", "code", "sell", "wake", "choose", "finger", "tap");
            await window.StepAsync("done");
            var paid = clock.Elapsed - page;
            output.WriteLine($"fresh folder: served after {ready.TotalSeconds:0.0} s, page live after {page.TotalSeconds:0.0} s, approved slip {paid.TotalSeconds:0.0} s of clicks later");

            // The bars of an idle machine are 5 s and 60 s (docs/performance.md); a machine that does ten other things gets four times that.
            Assert.InRange(page.TotalSeconds, 0, 20);
            Assert.InRange(paid.TotalSeconds, 0, 60);

            // As on the first day: same process, same address, nothing left.
            await window.ClickAsync("#open-network");
            await window.ClickAsync("#reset");
            await window.ClickAsync("#reset-sure");
            await Assertions.Expect(window["#coach"]).ToHaveAttributeAsync("data-step", "prepare", new LocatorAssertionsToHaveAttributeOptions { Timeout = 90_000 });
            await window.SeesAsync("#journal", "Receipts");
            using var http = new HttpClient { BaseAddress = address };
            var state = await http.GetStringAsync("/api/state?phone=mi5&terminal=10000001");
            Assert.DoesNotContain("lin.xiaoyun", state, StringComparison.Ordinal);
        }
        finally
        {
            await UpTests.SignalAsync(process, UpTests.Terminate);
        }
    }
}
