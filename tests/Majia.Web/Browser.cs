using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

// Every test has a server, a folder and a window of its own; what they wait for is mostly the pace that people watch, so three at a time keep two cores busy.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.Collections, MaxThreads = 3)]

namespace Majia.Web;

/// <summary>Tests that start processes on ports which they looked for before: one at a time, while nothing else takes ports.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Processes
{
    public const string Name = "processes";
}

/// <summary>One Chromium for the tests of a class; absent, they are skipped and say what is missing.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Program = "/usr/bin/chromium";

    private IPlaywright? playwright;
    private IBrowser? chromium;

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Program))
        {
            return;
        }

        playwright = await Playwright.CreateAsync();
        chromium = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Program,
            Args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
    }

    /// <summary>A person's window on a page that has just been opened.</summary>
    public Task<Window> OpenAsync(RunningPage running, string language = "en-GB", ColorScheme colours = ColorScheme.Light, int width = 1440, int height = 900, string path = "/") =>
        OpenAsync(running.Address + path, language, colours, width, height);

    /// <summary>The same at any address, of another process too.</summary>
    public async Task<Window> OpenAsync(string address, string language = "en-GB", ColorScheme colours = ColorScheme.Light, int width = 1440, int height = 900)
    {
        Assert.SkipWhen(chromium is null, $"{Program} is not installed (Debian package chromium): ./majia test --install installs it");
        var context = await chromium!.NewContextAsync(new BrowserNewContextOptions { Locale = language, ColorScheme = colours, ViewportSize = new ViewportSize { Width = width, Height = height } });
        context.SetDefaultTimeout(90_000);
        Assertions.SetDefaultExpectTimeout(90_000); // a loaded machine is slow, not wrong
        var window = new Window(context, await context.NewPageAsync(), $"{language[..2]}-{colours.ToString().ToLowerInvariant()}");
        await window.Page.GotoAsync(address);
        await Assertions.Expect(window.Page.Locator("body[data-ready]")).ToBeVisibleAsync();
        return window;
    }

    public async ValueTask DisposeAsync()
    {
        if (chromium is not null)
        {
            await chromium.DisposeAsync();
        }

        playwright?.Dispose();
    }
}

/// <summary>A page and everything it has complained about.</summary>
public sealed class Window : IAsyncDisposable
{
    private readonly IBrowserContext context;
    private readonly string opened;
    private readonly List<string> complaints = [];
    private readonly List<Task<string>> bodies = [];
    private readonly List<string> frames = [], sent = [];

    /// <param name="opened">In which language and colours: pictures are named by it.</param>
    public Window(IBrowserContext context, IPage page, string opened)
    {
        (this.context, this.opened) = (context, opened);
        Page = page;
        page.Console += (_, line) =>
        {
            if (line.Type is "error" or "warning")
            {
                complaints.Add(line.Text);
            }
        };
        page.WebSocket += (_, line) =>
        {
            line.FrameReceived += (_, frame) => frames.Add(Readable(frame));
            line.FrameSent += (_, frame) => sent.Add(Readable(frame));
        };
        page.PageError += (_, error) => complaints.Add(error);
        page.Response += (_, response) =>
        {
            if (!response.Url.EndsWith("/api/events", StringComparison.Ordinal))
            {
                bodies.Add(BodyOfAsync(response));
            }
        };
    }

    public IPage Page { get; }

    /// <summary>Errors and warnings of the console, and uncaught exceptions.</summary>
    public IReadOnlyList<string> Complaints => complaints;

    /// <summary>Every answer the page has had, and all that came over its live line, as text.</summary>
    public async Task<string> EverythingReceivedAsync() => string.Join('\n', await Task.WhenAll(bodies)) + '\n' + string.Join('\n', frames);

    /// <summary>All that the page has sent over its live line.</summary>
    public string EverythingSent => string.Join('\n', sent);

    public ILocator this[string selector] => Page.Locator(selector);

    public Task ClickAsync(string selector) => Page.Locator(selector).ClickAsync();

    public Task SeesAsync(string selector, string text) => Assertions.Expect(Page.Locator(selector)).ToContainTextAsync(text);

    /// <summary>One of the phone's apps, from its first screen: wallet, messages, settings.</summary>
    public async Task OpenAppAsync(string app)
    {
        await ClickAsync("[data-key=home]");
        await ClickAsync($".app.{app}");
    }

    /// <summary>The phone's app or step that the guide has come to.</summary>
    public Task StepAsync(string step) => Assertions.Expect(Page.Locator("#coach")).ToHaveAttributeAsync("data-step", step);

    /// <summary>Does what the guide proposes at this step.</summary>
    public async Task GuidedAsync(params IReadOnlyList<string> steps)
    {
        foreach (var step in steps)
        {
            await StepAsync(step);
            await ClickAsync("#coach-do");
        }
    }

    /// <summary>Whatever slides or fades in has arrived.</summary>
    public Task SettledAsync() => Page.EvaluateAsync("() => Promise.all(document.getAnimations().filter(a => a.effect.getComputedTiming().iterations !== Infinity).map(a => a.finished.catch(() => {})))");

    /// <summary>What axe finds wrong, one line each, once nothing moves any more: half-way in, a sheet has half its contrast.</summary>
    public async Task<IReadOnlyList<string>> ViolationsAsync()
    {
        await SettledAsync();
        var found = await Page.RunAxe();
        return [.. found.Violations.SelectMany(violation => violation.Nodes.Select(node => $"{violation.Id}: {node.Target} {node.Html}"))];
    }

    /// <summary>At this moment axe finds nothing, and nothing is wider than the window.</summary>
    public async Task CleanAsync(string moment)
    {
        var found = await ViolationsAsync();
        Assert.True(found.Count == 0, $"{moment}: {string.Join('\n', found)}");
        var (wide, width) = (await Page.EvaluateAsync<int>("document.documentElement.scrollWidth"), Page.ViewportSize!.Width);
        Assert.True(wide <= width, $"{moment}: {wide} px in a window of {width} px");
        await PictureAsync(moment);
    }

    /// <summary>With MAJIA_SCREENSHOTS set, keeps a picture of the whole page there.</summary>
    public async Task PictureAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("MAJIA_SCREENSHOTS") is { Length: > 0 } folder)
        {
            await Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, $"{Page.ViewportSize!.Width}-{opened}-{name.Replace(' ', '-')}.png"), FullPage = true });
        }
    }

    public async ValueTask DisposeAsync() => await context.DisposeAsync();

    private static string Readable(IWebSocketFrame frame) => frame.Text ?? System.Text.Encoding.Latin1.GetString(frame.Binary ?? []);

    private static async Task<string> BodyOfAsync(IResponse response)
    {
        try
        {
            return await response.TextAsync();
        }
        catch (PlaywrightException)
        {
            return ""; // an answer without a body, or the window closed meanwhile
        }
    }
}
