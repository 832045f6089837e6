using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Majia.Host.Demo;
using Majia.Host.Seed;

namespace Majia.Web;

/// <summary>What an operator asks a process: does it live, can it serve, how much has it done.</summary>
public sealed partial class OperationsTests : IAsyncLifetime
{
    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    [Fact]
    public async Task A_process_says_that_it_lives_and_each_thing_that_it_needs_to_serve()
    {
        Assert.Equal("live", (await running.Http.GetFromJsonAsync<JsonElement>("/health/live")).GetProperty("status").GetString());
        var ready = await ReadyAsync();
        Assert.Equal("ready", ready.GetProperty("status").GetString());
        Assert.Contains(ready.GetProperty("checks").EnumerateArray(), check => check.GetProperty("name").GetString() == "store" && check.GetProperty("ok").GetBoolean());

        await running.System.Store.DisposeAsync();
        using var failed = await running.Http.GetAsync("/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, failed.StatusCode);
        Assert.Equal("not-ready", (await failed.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("status").GetString());
    }

    /// <summary>As a load balancer does: asks until it is so. A party may have a moment's work left after its page is there.</summary>
    private async Task<JsonElement> ReadyAsync()
    {
        using var hurry = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            using var answer = await running.Http.GetAsync("/health/ready", hurry.Token);
            if (answer.IsSuccessStatusCode)
            {
                return await answer.Content.ReadFromJsonAsync<JsonElement>(hurry.Token);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), hurry.Token);
        }
    }

    [Fact]
    public async Task Metrics_count_by_line_message_and_code_and_name_no_card()
    {
        await foreach (var step in new Story(running.System).TellAsync())
        {
            Assert.True(step.Ok, step.Step);
        }

        var metrics = await running.Http.GetStringAsync("/metrics");
        Assert.Equal(2, Value(metrics, "majia_requests_total", "code=\"00\"", "line=\"pos-line\"", "mti=\"0200\""));
        Assert.Equal(1, Value(metrics, "majia_requests_total", "code=\"59\"", "line=\"network-token\""));
        Assert.Contains("majia_request_duration_seconds_bucket{", metrics, StringComparison.Ordinal);
        Assert.Equal(0, Value(metrics, "majia_outbox_pending", "party=\"network\""));
        Assert.Equal(1, Value(metrics, "majia_atc_anomalies_total", "kind=\"REPLAY\""));
        Assert.Contains("majia_commit_units", metrics, StringComparison.Ordinal);

        // No number of any card, plastic or device, in any label or value.
        Assert.DoesNotContain(SeedData.Card("mingyue-02").Pan.Reveal(), metrics, StringComparison.Ordinal);
        Assert.DoesNotMatch(CardNumber(), metrics);
    }

    private static double Value(string metrics, string name, params string[] labels)
    {
        var line = Assert.Single(metrics.Split('\n'), line => line.StartsWith(name + "{", StringComparison.Ordinal) && labels.All(label => line.Contains(label, StringComparison.Ordinal)));
        return double.Parse(line[(line.IndexOf('}', StringComparison.Ordinal) + 2)..].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
    }

    [GeneratedRegex("(6299|8199|4111)[0-9]{9,15}")]
    private static partial Regex CardNumber();
}
