using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Simulation.Scenarios;

/// <summary>A step that ran.</summary>
/// <param name="Wrong">What was expected and did not come, with the line of the file; null: all came.</param>
public sealed record StepRun(Step Step, StepResult Result, string? Wrong);

/// <summary>A scenario that ran to its end, or to the first step that surprised.</summary>
/// <param name="Broken">An invariant that did not hold when everything had come to rest; null: all held.</param>
public sealed record ScenarioRun(Scenario Scenario, IReadOnlyList<StepRun> Steps, string? Broken)
{
    public string? Wrong => Steps is [.., { Wrong: { } wrong }] ? wrong : Broken is null ? null : $"{Scenario.File}: at the end, at rest: {Broken}";

    public bool Ok => Wrong is null;
}

/// <summary>Runs scenarios, each in a world of its own that begins at rest. One runner is for one thread.</summary>
public sealed class ScenarioRunner(Cast cast)
{
    private WorldImage? beginning;

    public ScenarioRun Run(Scenario scenario)
    {
        using var world = new World(beginning ??= Genesis.Make(split: false, cast), scenario.Seed);
        var stage = new Stage(world);
        var runs = new List<StepRun>();
        foreach (var (step, given) in scenario.Given.Select(step => (step, true)).Concat(scenario.Steps.Select(step => (step, false))))
        {
            var result = step.Verb.Do(stage, step);
            stage.Round();
            var wrong = Compare(stage, step, result) is { } difference ? $"{scenario.File}:{difference.Line}: {(given ? "given: " : "")}{step.Verb.Name} {step.Arguments}: {difference.Says}" : null;
            runs.Add(new StepRun(step, result, wrong));
            if (wrong is not null)
            {
                return new ScenarioRun(scenario, runs, null);
            }
        }

        return new ScenarioRun(scenario, runs, stage.Settle());
    }

    private static (int Line, string Says)? Compare(Stage stage, Step step, StepResult result)
    {
        var expect = step.Expect;
        var outcome = expect?.Outcome?.Text ?? step.Verb.Outcomes[0];
        if (result.Outcome != outcome)
        {
            return (expect?.Outcome?.Line ?? step.Line, $"expected {outcome}, got {result.Outcome}{(result.Codes.Count > 0 ? $" {string.Join(' ', result.Codes)}" : "")}: {result.Why.En}");
        }

        if (expect is null)
        {
            return null;
        }

        if (expect.Code.Count > 0 && !expect.Code.Select(code => code.Text).Order(StringComparer.Ordinal).SequenceEqual(result.Codes.Order(StringComparer.Ordinal)))
        {
            return (expect.Code[0].Line, $"expected code {string.Join(' ', expect.Code.Select(code => code.Text))}, got {(result.Codes.Count == 0 ? "none" : string.Join(' ', result.Codes))}: {result.Why.En}");
        }

        foreach (var why in expect.Why)
        {
            if (!result.Why.En.Contains(why.Text, StringComparison.OrdinalIgnoreCase) && !result.Why.Zh.Contains(why.Text, StringComparison.OrdinalIgnoreCase))
            {
                return (why.Line, $"expected a reason with '{why.Text}', got: {result.Why.En} / {result.Why.Zh}");
            }
        }

        foreach (var (who, what) in expect.State)
        {
            if (stage.StateOf(who.Text) is not { } state)
            {
                return (who.Line, $"nothing here is called {who.Text}");
            }

            if (state != what.Text)
            {
                return (who.Line, $"expected {who.Text} to be {what.Text}, it is {state}");
            }
        }

        foreach (var (account, moved) in expect.Ledger)
        {
            var got = stage.MovedOn(account.Text)?.Money.ToString();
            if (got != moved.Text.TrimStart('+'))
            {
                return (account.Line, got is null ? $"there is no account {account.Text}" : $"expected {moved.Text} on {account.Text}, got {got}");
            }
        }

        foreach (var (account, moved) in expect.Points)
        {
            var got = stage.MovedOn(account.Text)?.Points.ToString(CultureInfo.InvariantCulture);
            if (got != moved.Text.TrimStart('+'))
            {
                return (account.Line, got is null ? $"there is no account {account.Text}" : $"expected {moved.Text} points on {account.Text}, got {got}");
            }
        }

        if (expect.Slip.Count > 0 && result.Slip is null)
        {
            return (expect.Slip[0].Line, "expected a slip, none was printed");
        }

        var paper = result.Slip ?? string.Empty;
        foreach (var line in expect.Slip)
        {
            var absent = line.Text.StartsWith("not ", StringComparison.Ordinal);
            if (paper.Contains(absent ? line.Text[4..] : line.Text, StringComparison.Ordinal) == absent)
            {
                return (line.Line, $"expected the slip {(absent ? "not to have" : "to have")} '{(absent ? line.Text[4..] : line.Text)}':\n{paper}");
            }
        }

        return expect.Asked is { } asked && (asked.Text == "yes") != result.Asked
            ? (asked.Line, result.Asked ? "expected no PIN to be asked, it was" : "expected the PIN to be asked, it was not")
            : null;
    }
}
