using System.Globalization;
using System.Text.Json;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary><c>./majia shots DIR</c>: pictures of every page and of the main moments, and of one tap in motion; made only when a folder is named.</summary>
public sealed class Shots(Browser browser) : IClassFixture<Browser>
{
    private const string Variable = "MAJIA_SHOTS";

    private static string Folder => Environment.GetEnvironmentVariable(Variable) ?? "";

    [Theory]
    [InlineData("en-GB", ColorScheme.Light, 1440)]
    [InlineData("en-GB", ColorScheme.Dark, 1440)]
    [InlineData("zh-CN", ColorScheme.Light, 1440)]
    [InlineData("zh-CN", ColorScheme.Dark, 1440)]
    [InlineData("en-GB", ColorScheme.Light, 390)]
    [InlineData("en-GB", ColorScheme.Dark, 390)]
    [InlineData("zh-CN", ColorScheme.Light, 390)]
    [InlineData("zh-CN", ColorScheme.Dark, 390)]
    public async Task Pictures_of_every_page_and_moment(string language, ColorScheme colours, int width)
    {
        Assert.SkipWhen(Folder.Length == 0, $"{Variable} names no folder: ./majia shots DIR does");
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, language, colours, width, width < 700 ? 844 : 900);
        var number = 0;

        // As a person has it before them: a narrow window shows the part of the page where the moment is.
        async Task Shoot(string name, string? at = null)
        {
            if (width < 700)
            {
                await window.Page.EvaluateAsync("at => at ? document.querySelector(at)?.scrollIntoView({ block: 'start' }) : scrollTo(0, 0)", at);
            }

            await window.SettledAsync();
            await window.Page.ScreenshotAsync(new PageScreenshotOptions
            {
                Path = Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"{language[..2]}-{colours.ToString().ToLowerInvariant()}-{width}-{++number:00}-{name}.png")),
            });
        }

        await Shoot("empty");
        await window.GuidedAsync("prepare");
        await window.StepAsync("add");
        await Shoot("which-card");
        await window.ClickAsync("#by-typing");
        await window["#typed-number"].PressSequentiallyAsync("62990100");
        await window.SeesAsync("#recognised", "…");
        await Shoot("typing");
        await window.GuidedAsync("add");
        await window.StepAsync("code");
        await Shoot("code");
        await window.ClickAsync("#use-bank-app");
        await window.ClickAsync("#open-bank-app");
        await window.ClickAsync("[data-customer=lin-xiaoyun]");
        await Assertions.Expect(window["#bank-approve"]).ToBeVisibleAsync();
        await Shoot("bank-app");
        await window.ClickAsync("[data-key=home]");
        await Shoot("apps");
        await window.ClickAsync(".app.wallet");
        await window.ClickAsync(".wallet-card .chip.strong");
        await window.GuidedAsync("code");
        await window.StepAsync("sell");
        await Shoot("added");
        await window["#shop"].SelectOptionAsync("10000002");
        await window.GuidedAsync("sell", "wake");
        await window.StepAsync("choose");
        await Shoot("choose");
        await window.GuidedAsync("choose");
        await window.StepAsync("finger");
        await Shoot("finger");
        await window.GuidedAsync("finger");
        await window.StepAsync("tap");
        await Shoot("ready");
        await window.GuidedAsync("tap");
        await window.StepAsync("pin");
        await window.ClickAsync("[data-digit='1']");
        await window.ClickAsync("[data-digit='2']");
        await Shoot("pin", ".terminal");
        foreach (var digit in "3456")
        {
            await window.ClickAsync($"[data-digit='{digit}']");
        }

        await window.ClickAsync("[data-pad=ok]");
        await window.StepAsync("done");
        await Shoot("paid", ".terminal");
        await window["#story .story-row[data-kind=iso8583]"].First.ClickAsync();
        await Assertions.Expect(window["#row-detail"]).ToBeVisibleAsync();
        await Shoot("decoded", ".story");
        await window.ClickAsync("#row-detail .close");
        await window.ClickAsync("#knows");
        await Assertions.Expect(window["#knows-table"]).ToBeVisibleAsync();
        await Shoot("who-knows", ".story");
        await window["#take-slip"].PressAsync("Enter");
        await Assertions.Expect(window["#slip"]).ToBeVisibleAsync();
        await Shoot("slip");
        await window.ClickAsync("#slip-close");
        await window.ClickAsync("#open-bank");
        await Assertions.Expect(window["#bank-drawer"]).ToBeVisibleAsync();
        await Shoot("bank");
        await window.ClickAsync("#bank-drawer [data-open=network]");
        await Assertions.Expect(window["#network-drawer"]).ToBeVisibleAsync();
        await Shoot("network");
        await window.ClickAsync("#network-drawer .close");
        await window.ClickAsync("#batch summary");
        await window.ClickAsync("#settle");
        await Assertions.Expect(window["#settled"]).ToBeVisibleAsync();
        await Shoot("batch", ".terminal");
        await window.ClickAsync("#batch summary");
        await window["#shop"].SelectOptionAsync("gate:in-1");
        await window.GuidedAsync("transit", "top-up", "gate");
        await window.StepAsync("inside");
        await window.OpenAppAsync("wallet");
        await Assertions.Expect(window["#transit-card"]).ToBeVisibleAsync();
        await window["#transit-card"].ScrollIntoViewIfNeededAsync();
        await Shoot("gate");
        await window["#shop"].SelectOptionAsync("10000001");
        await window.ClickAsync("#add-card");
        await window.ClickAsync("#by-plastic");
        await window.ClickAsync("[data-card=mingyue-01]");
        await Assertions.Expect(window["#read-number"]).ToBeVisibleAsync(new LocatorAssertionsToBeVisibleOptions { Timeout = 90_000 });
        await Shoot("plastic");
        foreach (var page in (string[])["owner", "tools"])
        {
            await window.Page.GotoAsync($"{running.Address}/{page}");
            await Assertions.Expect(window["body[data-ready]"]).ToBeVisibleAsync();
            if (page == "owner")
            {
                await Shoot("owner-sign-in");
                if (await window["#owner-elsewhere"].CountAsync() == 0)
                {
                    await window.ClickAsync("[data-demo='lin.xiaoyun']");
                    await Assertions.Expect(window[".handset"]).ToHaveCountAsync(1);
                }

                await window.ClickAsync(".card-history summary");
                await Shoot("owner");
                await window.ClickAsync(".topic >> nth=0");
            }
            else
            {
                await window.ClickAsync("#decode-example");
                await Assertions.Expect(window["#decode-tree"]).ToBeVisibleAsync();
            }

            await Shoot(page == "owner" ? "help" : "tools", page == "owner" ? ".help" : null);
        }

        Assert.Empty(window.Complaints);
    }

    /// <summary>Frames of one guided tap, for the animated picture; the script makes one file of them.</summary>
    [Fact]
    public async Task Frames_of_one_tap()
    {
        Assert.SkipWhen(Folder.Length == 0, $"{Variable} names no folder: ./majia shots DIR does");
        await using var running = await RunningPage.StartAsync();
        await using var window = await browser.OpenAsync(running, "en-GB", ColorScheme.Light, 1280, 800);
        await window.GuidedAsync("prepare", "add", "code");
        await window.StepAsync("sell");
        await window.Page.Keyboard.PressAsync("Escape");
        var film = await Film.StartAsync(window.Page, Directory.CreateDirectory(Path.Combine(Folder, "tap")).FullName);
        foreach (var step in (string[])["sell", "wake", "choose", "finger", "tap"])
        {
            await window.StepAsync(step);
            await Task.Delay(700, CancellationToken.None); // people read
            await window.ClickAsync("#coach-do");
        }

        await window.StepAsync("done");
        await Task.Delay(2600, CancellationToken.None);
        Assert.InRange(await film.EndAsync(), 10, 2000);
    }
}

/// <summary>What the browser draws, frame by frame, each with the time that it stood.</summary>
internal sealed class Film
{
    private readonly ICDPSession session;
    private readonly string folder;
    private readonly List<(string File, double At)> frames = [];

    private Film(ICDPSession session, string folder) => (this.session, this.folder) = (session, folder);

    public static async Task<Film> StartAsync(IPage page, string folder)
    {
        var film = new Film(await page.Context.NewCDPSessionAsync(page), folder);
        film.session.Event("Page.screencastFrame").OnEvent += (_, frame) => film.Take(frame!.Value);
        await film.session.SendAsync("Page.startScreencast", new Dictionary<string, object> { ["format"] = "png", ["everyNthFrame"] = 2 });
        return film;
    }

    /// <summary>Writes the list that ffmpeg's concat reads; the number of frames.</summary>
    public async Task<int> EndAsync()
    {
        await session.SendAsync("Page.stopScreencast");
        var list = new List<string> { "ffconcat version 1.0" };
        frames.Sort((one, other) => one.At.CompareTo(other.At));
        for (var i = 0; i < frames.Count; i++)
        {
            list.Add($"file '{frames[i].File}'");
            list.Add(string.Create(CultureInfo.InvariantCulture, $"duration {(i + 1 < frames.Count ? Math.Max(frames[i + 1].At - frames[i].At, 0.001) : 2):0.000}"));
        }

        await File.WriteAllLinesAsync(Path.Combine(folder, "frames.txt"), list);
        return frames.Count;
    }

    private void Take(JsonElement frame)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{frames.Count:0000}.png");
        File.WriteAllBytes(Path.Combine(folder, name), Convert.FromBase64String(frame.GetProperty("data").GetString()!));
        frames.Add((name, frame.GetProperty("metadata").GetProperty("timestamp").GetDouble()));
        _ = session.SendAsync("Page.screencastFrameAck", new Dictionary<string, object> { ["sessionId"] = frame.GetProperty("sessionId").GetInt32() });
    }
}
