using System.Text.Json;
using Majia.Cli;

namespace Majia.Scenarios.Telling;

/// <summary>The contract of <c>majia demo --json</c> (decisions.md 32).</summary>
[CollectionDefinition(nameof(ConsoleOutput), DisableParallelization = true)]
public sealed class ConsoleOutput;

[Collection(nameof(ConsoleOutput))]
public sealed class DemoCommandTests
{
    private static readonly string[] Always = ["expected", "ok", "outcome", "step", "why"], Payment = ["amount", "cvm", "panLast4", "responseCode", "rrn", "tokenLast4"];

    private static readonly string[] Payments = ["pay", "no-fingerprint", "replay", "void"], CvmWords = ["cdcvm", "cdcvm+online-pin", "online-pin", "signature", "none"];

    [Fact]
    public async Task Each_step_is_one_object_with_the_agreed_keys_and_the_exit_code_is_zero()
    {
        var (exit, lines) = await DemoAsync("--json", "--seed", "11");
        Assert.Equal(ExitCode.Ok, exit);
        Assert.Equal(StoryTests.Steps, lines.Select(line => line.GetProperty("step").GetString()));
        foreach (var line in lines)
        {
            var keys = line.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal);
            var step = line.GetProperty("step").GetString()!;
            Assert.Equal(Payments.Contains(step) ? [.. Always.Concat(Payment).Order(StringComparer.Ordinal)] : Always, keys);
            Assert.True(line.GetProperty("ok").GetBoolean(), step);
            Assert.Equal(line.GetProperty("expected").GetString(), line.GetProperty("outcome").GetString());
        }

        var pay = lines.Single(line => line.GetProperty("step").GetString() == "pay");
        Assert.Equal(("88.00", "00", "cdcvm+online-pin"), (pay.GetProperty("amount").GetString(), pay.GetProperty("responseCode").GetString(), pay.GetProperty("cvm").GetString()));
        Assert.Equal(12, pay.GetProperty("rrn").GetString()!.Length);
        Assert.NotEqual(pay.GetProperty("panLast4").GetString(), pay.GetProperty("tokenLast4").GetString());
        Assert.All(lines.Where(line => line.TryGetProperty("cvm", out _)), line => Assert.Contains(line.GetProperty("cvm").GetString(), CvmWords));
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_numbers_and_another_seed_others()
    {
        var (_, first) = await DemoAsync("--json", "--seed", "12");
        var (_, second) = await DemoAsync("--json", "--seed", "12");
        var (_, other) = await DemoAsync("--json", "--seed", "13");
        Assert.Equal(Numbers(first), Numbers(second));
        Assert.NotEqual(Numbers(first), Numbers(other));

        static List<string?> Numbers(List<JsonElement> lines) =>
            [.. lines.SelectMany(line => new[] { "tokenLast4", "panLast4", "amount", "responseCode", "cvm" }.Select(key => line.TryGetProperty(key, out var value) ? value.GetString() : ""))];
    }

    [Fact]
    public async Task A_wrong_option_is_exit_code_two()
    {
        var (exit, _) = await DemoAsync("--seed", "not-a-number");
        Assert.Equal(ExitCode.Usage, exit);
    }

    private static async Task<(int Exit, List<JsonElement> Lines)> DemoAsync(params string[] options)
    {
        var (before, errors) = (Console.Out, Console.Error);
        using var captured = new StringWriter();
        Console.SetOut(captured);
        Console.SetError(TextWriter.Null);
        try
        {
            var exit = await Entry.RunAsync(["demo", .. options]);
            var lines = captured.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement).ToList();
            return (exit, lines);
        }
        finally
        {
            Console.SetOut(before);
            Console.SetError(errors);
        }
    }
}
