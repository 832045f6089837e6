using System.Diagnostics;
using System.Text.RegularExpressions;
using Majia.Tests;

namespace Majia.Web;

/// <summary>The tutorial's commands, run as they are printed, against a system of their own.</summary>
public sealed partial class TutorialTests : IAsyncLifetime
{
    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    [Fact]
    [Rule("R4")]
    [Rule("R21")]
    public async Task The_first_card_by_http_goes_as_it_is_written()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/curl"), "curl is not installed (Debian package curl): ./majia test --install installs it");
        var text = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "tutorials", "first-card-by-http.md"), TestContext.Current.CancellationToken);
        var script = string.Concat(Blocks().Matches(text).Select(block => block.Groups[1].Value));
        Assert.Contains("http://localhost:7080", script, StringComparison.Ordinal);
        script = script.Replace("http://localhost:7080", running.Address.TrimEnd('/'), StringComparison.Ordinal).Replace("data=data", $"data={running.Folder}", StringComparison.Ordinal);

        var start = new ProcessStartInfo("/bin/bash", ["-euo", "pipefail", "-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var shell = Process.Start(start)!;
        var said = await shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = await shell.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(shell.ExitCode == 0, errors + said);

        // An answer a line, in the order of the text.
        var answers = said.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] expected =
        [
            "\"ok\":false", "\"ok\":true", "\"ok\":true", "\"ok\":true", "\"step\":\"Added\"",
            "\"state\":\"Active\"", "\"state\":\"Active\"",
            "\"suspendedBy\":[\"CARDHOLDER\"]", "\"suspendedBy\":[\"CARDHOLDER\"]", "INVALID_STATE", "\"state\":\"Active\"",
            "\"merchants\":[\"990031058120001\"]", "\"merchants\":[]",
            "\"state\":\"Deactivated\"", "\"state\":\"Deactivated\"",
        ];
        Assert.True(expected.Length == answers.Length, said);
        Assert.All(expected.Zip(answers), pair => Assert.Contains(pair.First, pair.Second, StringComparison.Ordinal));
    }

    [GeneratedRegex("```sh\\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Blocks();
}
