using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Simulation.Scenarios;

namespace Majia.Cli.Commands;

/// <summary><c>majia scenario run|list</c>: stories in YAML, run by the whole composed system on a virtual clock (decisions.md 36).</summary>
public static class ScenarioCommand
{
    public const string Folder = "scenarios";

    private static readonly JsonSerializerOptions PlainJson = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var files = new Argument<string[]>("files") { Description = $"scenario files; none: every .yaml in {Folder}/", Arity = ArgumentArity.ZeroOrMore };
        var json = new Option<bool>("--json") { Description = "one JSON object a scenario on stdout" };
        var language = Languages.Option();
        var run = new Command("run", "Runs scenarios; exit code 1 when one does not come out as it says, 2 with file and line when one cannot be read.") { files, json, language };
        run.SetAction(parse => Run(FilesOf(parse.GetValue(files) ?? []), parse.GetValue(json), Languages.Of(parse.GetValue(language))));

        var (listFiles, listJson, listLanguage) = (new Argument<string[]>("files") { Arity = ArgumentArity.ZeroOrMore, Description = $"scenario files; none: every .yaml in {Folder}/" }, new Option<bool>("--json") { Description = "one JSON object a line" }, Languages.Option());
        var verbs = new Option<bool>("--verbs") { Description = "what a step can be, instead of the scenarios" };
        var list = new Command("list", "The scenarios with their rules, or with --verbs what can be written in them.") { listFiles, verbs, listJson, listLanguage };
        list.SetAction(parse => parse.GetValue(verbs)
            ? ListVerbs(parse.GetValue(listJson), Languages.Of(parse.GetValue(listLanguage)))
            : List(FilesOf(parse.GetValue(listFiles) ?? []), parse.GetValue(listJson), Languages.Of(parse.GetValue(listLanguage))));
        return new Command("scenario", "Stories for every rule, in plain language, that run.") { run, list };
    }

    private static int Run(IReadOnlyList<string> files, bool json, Language language)
    {
        var scenarios = files.Select(Read).ToList();
        var runner = new ScenarioRunner(SeedCast.Cast);
        var failed = 0;
        foreach (var scenario in scenarios)
        {
            var run = runner.Run(scenario);
            failed += run.Ok ? 0 : 1;
            if (json)
            {
                Console.Out.WriteLine(AsJson(run));
            }
            else
            {
                Print(run, language, whole: scenarios.Count == 1 || !run.Ok);
            }
        }

        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{scenarios.Count} scenarios, {failed} failed"));
        return failed == 0 ? ExitCode.Ok : ExitCode.ExpectationFailed;
    }

    private static int List(IReadOnlyList<string> files, bool json, Language language)
    {
        foreach (var scenario in files.Select(Read))
        {
            Console.Out.WriteLine(json
                ? Serialize(("id", scenario.Id), ("file", scenario.File), ("rules", scenario.Rules), ("title", new { en = scenario.Title.En, zh = scenario.Title.Zh }), ("steps", scenario.Steps.Count))
                : $"{string.Join(' ', scenario.Rules),-12} {scenario.Id,-40} {scenario.Title.In(language)}");
        }

        return ExitCode.Ok;
    }

    private static int ListVerbs(bool json, Language language)
    {
        foreach (var verb in Verbs.Table)
        {
            Console.Out.WriteLine(json
                ? Serialize(
                    ("verb", verb.Name), ("says", new { en = verb.Says.En, zh = verb.Says.Zh }), ("outcomes", verb.Outcomes),
                    ("keys", verb.Parameters.Select(parameter => new { name = parameter.Name, expected = parameter.Kind.Expected, needed = parameter.Needed })))
                : $"{verb.Name,-24} {verb.Says.In(language)}\n{"",25}{string.Join(", ", verb.Parameters.Select(parameter => parameter.Needed ? parameter.Name : $"[{parameter.Name}]"))} → {string.Join(" | ", verb.Outcomes)}");
        }

        return ExitCode.Ok;
    }

    private static void Print(ScenarioRun run, Language language, bool whole)
    {
        var scenario = run.Scenario;
        Console.Out.WriteLine($"{(run.Ok ? "ok  " : "FAIL")} {string.Join(' ', scenario.Rules),-12} {scenario.Id}: {scenario.Title.In(language)}");
        if (!whole)
        {
            return;
        }

        foreach (var step in run.Steps)
        {
            var why = step.Result == StepResult.Done ? "" : $" · {step.Result.Why.In(language)}";
            Console.Out.WriteLine($"       {(step.Wrong is null ? " " : "✗")} {step.Step.Verb.Says.In(language)} ({step.Step.Arguments}) → {string.Join(' ', [step.Result.Outcome, .. step.Result.Codes])}{why}");
            if (step.Step.Note is { } note)
            {
                Console.Out.WriteLine($"         {note.In(language)}");
            }
        }

        if (run.Wrong is { } wrong)
        {
            Console.Out.WriteLine($"     {wrong}");
        }
    }

    private static string AsJson(ScenarioRun run) => Serialize(
        ("id", run.Scenario.Id), ("file", run.Scenario.File), ("rules", run.Scenario.Rules), ("title", new { en = run.Scenario.Title.En, zh = run.Scenario.Title.Zh }), ("ok", run.Ok), ("wrong", run.Wrong),
        ("steps", run.Steps.Select(step => new
        {
            line = step.Step.Line,
            verb = step.Step.Verb.Name,
            arguments = step.Step.Arguments.ToString(),
            outcome = step.Result.Outcome,
            codes = step.Result.Codes,
            why = new { en = step.Result.Why.En, zh = step.Result.Why.Zh },
            ok = step.Wrong is null,
        })));

    private static string Serialize(params (string Key, object? Value)[] members) => JsonSerializer.Serialize(members.ToDictionary(member => member.Key, member => member.Value), PlainJson);

    private static Scenario Read(string file)
    {
        try
        {
            return Scenario.Parse(file, File.ReadAllText(file), SeedCast.Cast);
        }
        catch (ScenarioFormatException wrong)
        {
            throw new UsageException(wrong.Message);
        }
        catch (IOException missing)
        {
            throw new UsageException($"scenario: {missing.Message}");
        }
    }

    /// <summary>The named ones; none: every one beside the program, or above it.</summary>
    private static IReadOnlyList<string> FilesOf(IReadOnlyList<string> named)
    {
        if (named.Count > 0)
        {
            return [.. named.SelectMany(name => Directory.Exists(name) ? InFolder(name) : [name])];
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, Folder);
            if (Directory.Exists(candidate) && InFolder(candidate) is { Length: > 0 } found)
            {
                var here = Environment.CurrentDirectory;
                return [.. found.Select(file => Path.GetRelativePath(here, file) is var near && !near.StartsWith("..", StringComparison.Ordinal) ? near : file)];
            }
        }

        throw new UsageException($"scenario: there is no folder {Folder}/ with scenarios; name files");
    }

    private static string[] InFolder(string folder) => [.. Directory.EnumerateFiles(folder, "*.yaml").Order(StringComparer.Ordinal)];
}
