using Majia.Host.Seed;
using Majia.Simulation.Scenarios;
using Majia.Tests;

namespace Majia.Scenarios.Stories;

/// <summary>Every file in scenarios/ comes out as it says; and what a file says is really looked at.</summary>
public sealed class ScenarioFilesTests
{
    /// <summary>A world's keys and randomness belong to the thread that made it.</summary>
    [ThreadStatic]
    private static ScenarioRunner? runner;

    public static string Folder { get; } = Path.Combine(Repository.Root, "scenarios");

    public static IReadOnlyList<string> All { get; } = [.. Directory.EnumerateFiles(Folder, "*.yaml").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal)];

    public static TheoryData<string> Files => new(All);

    private static ScenarioRunner Runner => runner ??= new ScenarioRunner(SeedCast.Cast);

    [Theory]
    [MemberData(nameof(Files))]
    public void The_story_comes_out_as_it_says(string id)
    {
        var run = Runner.Run(Read(id));
        Assert.True(run.Ok, run.Wrong);
        Assert.Contains(run.Scenario.Steps, step => step.Expect is not null);
    }

    [Fact]
    public void The_same_story_is_the_same_run()
    {
        var (one, other) = (Runner.Run(Read("points-are-the-plastics")), Runner.Run(Read("points-are-the-plastics")));
        Assert.Equal(one.Steps.Select(step => (step.Result.Outcome, step.Result.Why, step.Result.Slip)), other.Steps.Select(step => (step.Result.Outcome, step.Result.Why, step.Result.Slip)));
    }

    [Theory]
    [InlineData("outcome: approved", "outcome: declined", "expected declined, got approved")]
    [InlineData("code: \"00\"", "code: \"51\"", "expected code 51, got 00")]
    [InlineData("asked: no", "asked: yes", "expected the PIN to be asked, it was not")]
    [InlineData("mingyue-lin-credit: -88.00", "mingyue-lin-credit: -88.01", "expected -88.01 on mingyue-lin-credit, got -88.00")]
    [InlineData("mingyue-lin-credit: 88 }", "mingyue-lin-credit: 89 }", "expected 89 points on mingyue-lin-credit, got 88")]
    [InlineData("not 629901", "not 消费", "expected the slip not to have '消费'")]
    [InlineData("mi5: cardread", "mi5: dark", "expected mi5 to be dark, it is cardread")]
    [InlineData("why: [629901]", "why: [nobody's]", "expected a reason with 'nobody's'")]
    [InlineData("mingyue-lin-credit: -88.00", "no-such-account: -88.00", "there is no account no-such-account")]
    public void Another_expectation_fails_and_says_where(string said, string other, string wrong)
    {
        var text = File.ReadAllText(Path.Combine(Folder, "pay-without-network.yaml"));
        var at = text.IndexOf(said, StringComparison.Ordinal);
        Assert.True(at > 0, said);
        var run = Runner.Run(Scenario.Parse("pay-without-network.yaml", text[..at] + other + text[(at + said.Length)..], SeedCast.Cast));
        Assert.Contains(wrong, run.Wrong, StringComparison.Ordinal);
        Assert.StartsWith($"pay-without-network.yaml:{text[..at].Count(letter => letter == '\n') + 1}: ", run.Wrong, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_that_says_nothing_of_its_outcome_has_to_work()
    {
        const string Text = "id: x\nrules: [R1]\ntitle: { en: x, zh: x }\nseed: 1\nsteps:\n  - tap: { shop: kiosk, amount: 1.00 }\n";
        Assert.Equal("x.yaml:6: tap shop kiosk, amount 1.00: expected approved, got not-offered: This merchant does not take UnionPay QuickPass: phones are not offered here.", Runner.Run(Scenario.Parse("x.yaml", Text, SeedCast.Cast)).Wrong);
    }

    [Theory]
    [InlineData("steal: mi5", 6, "unknown verb steal; known: ready, holds")]
    [InlineData("tap: { shop: books, amount: 1.00, colour: red }", 6, "tap: unknown key colour")]
    [InlineData("tap: { shop: books, amount: free }", 6, "tap: amount: expected yuan, such as 88.00, got free")]
    [InlineData("tap: { shop: moon, amount: 1.00 }", 6, "tap: shop: expected a shop of the seed, got moon")]
    [InlineData("tap: { amount: 1.00 }", 6, "tap: shop is missing")]
    [InlineData("void: yesterday", 6, "void: sale: expected the name that an earlier step got with as, got yesterday")]
    [InlineData("add: mingyue-99", 6, "add: card: expected a card of the seed, got mingyue-99")]
    [InlineData("after: soon", 6, "after: time: expected a number with s, m, h or d, such as 30d, got soon")]
    [InlineData("ready: mi5\n    expect:\n      outcome: approved", 8, "ready never comes to approved; it comes to done, refused")]
    [InlineData("ready: mi5\n    expect:\n      mood: good", 8, "expect: unknown key mood")]
    [InlineData("ready: mi5\n    ready: mi5s", 7, "no YAML")]
    [InlineData("ready: mi5\n    offline: mi5", 6, "a step is exactly one verb, got ready, offline")]
    [InlineData("ready: mi5\n    note: { en: x }", 7, "note: expected en and zh")]
    public void What_cannot_be_read_says_file_and_line(string step, int line, string wrong)
    {
        var error = Assert.Throws<ScenarioFormatException>(() => Scenario.Parse("x.yaml", $"id: x\nrules: [R1]\ntitle: {{ en: x, zh: x }}\nseed: 1\nsteps:\n  - {step}\n", SeedCast.Cast));
        Assert.StartsWith($"x.yaml:{line}: {wrong}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("id: y", 1, "id is y, the file's name is x")]
    [InlineData("id: x\nrules: [R25]", 2, "R25 is no rule")]
    [InlineData("id: x\nrules: [R1]\nmood: good", 3, "unknown key mood")]
    [InlineData("id: x\nrules: [R1]\ntitle: { en: x, zh: x }\nseed: often\nsteps: [{ ready: mi5 }]", 4, "seed: expected a number, got often")]
    [InlineData("id: x\nrules: [R1]\ntitle: { en: x, zh: x }\nseed: 1\nsteps: []", 5, "expected a list of steps")]
    public void What_a_file_must_have_is_said_too(string text, int line, string wrong) =>
        Assert.StartsWith($"x.yaml:{line}: {wrong}", Assert.Throws<ScenarioFormatException>(() => Scenario.Parse("x.yaml", text, SeedCast.Cast)).Message, StringComparison.Ordinal);

    [Fact]
    public void Verbs_and_titles_are_in_both_languages()
    {
        Assert.All(Verbs.Table, verb => Assert.True(verb.Says.En.Length > 0 && verb.Says.Zh.Any(letter => letter > 0x2E80), verb.Name));
        Assert.All(All, id => Assert.True(Read(id).Title is { En.Length: > 20 } title && title.Zh.Any(letter => letter > 0x2E80), id));
        Assert.Equal(Verbs.Table.Count, Verbs.Table.Select(verb => verb.Name).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Every_verb_is_in_some_story()
    {
        var used = All.Select(Read).SelectMany(story => story.Given.Concat(story.Steps)).Select(step => step.Verb.Name).ToHashSet(StringComparer.Ordinal);
        Assert.Empty(Verbs.Table.Select(verb => verb.Name).Except(used));
    }

    internal static Scenario Read(string id) => Scenario.Parse($"{id}.yaml", File.ReadAllText(Path.Combine(Folder, $"{id}.yaml")), SeedCast.Cast);
}

public sealed class ScenarioCommandTests
{
    [Fact]
    public async Task Its_exit_code_says_whether_a_story_came_out()
    {
        var folder = Directory.CreateTempSubdirectory("majia-story-");
        try
        {
            var good = Path.Combine(ScenarioFilesTests.Folder, "five-models-hold-cards.yaml");
            var text = await File.ReadAllTextAsync(good);
            Assert.Equal(0, await Majia.Cli.Entry.RunAsync(["scenario", "run", good, "--json"]));
            Assert.Equal(1, await Majia.Cli.Entry.RunAsync(["scenario", "run", await WriteAsync(text.Replace("HANDSET_NOT_SUPPORTED", "SYSTEM_TOO_OLD", StringComparison.Ordinal))]));
            Assert.Equal(2, await Majia.Cli.Entry.RunAsync(["scenario", "run", await WriteAsync(text.Replace("- ready:", "- steady:", StringComparison.Ordinal))]));
            Assert.Equal(2, await Majia.Cli.Entry.RunAsync(["scenario", "run", Path.Combine(folder.FullName, "missing.yaml")]));
            Assert.Equal(0, await Majia.Cli.Entry.RunAsync(["scenario", "list", "--lang", "zh"]));
            Assert.Equal(0, await Majia.Cli.Entry.RunAsync(["scenario", "list", "--verbs", "--json"]));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        async Task<string> WriteAsync(string story)
        {
            var file = Path.Combine(folder.FullName, "five-models-hold-cards.yaml");
            await File.WriteAllTextAsync(file, story);
            return file;
        }
    }
}
