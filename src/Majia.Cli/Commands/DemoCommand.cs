using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Majia.Cli.Apart;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Demo;
using Majia.Host.Links;
using Spectre.Console;
using Text = Majia.Core.Primitives.Text;

namespace Majia.Cli.Commands;

/// <summary><c>majia demo</c>: the story in the terminal; exit code 0 only when each step came out as expected (decisions.md 32).</summary>
public static class DemoCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "one JSON object a step on stdout" };
        var seed = new Option<long?>("--seed") { Description = "replayable numbers and keys instead of random ones" };
        var data = new Option<string?>("--data") { Description = "keep the data in this folder (default: a temporary one)" };
        var links = new Option<LinkMode>("--links") { Description = "memory, or tcp: the parties talk over sockets", DefaultValueFactory = _ => LinkMode.Memory };
        var apart = new Option<bool>("--apart") { Description = "issuer, token service, network, acquirer, wallet and transit operator in a process each, over TLS" };
        apart.Validators.Add(result =>
        {
            if (result.GetValue(apart) && result.GetValue(seed) is not null)
            {
                result.AddError("--seed: parties apart have numbers of their own");
            }
        });
        var language = Languages.Option();
        var store = Stores.Option();
        var command = new Command("demo", "One story from an empty phone to a voided payment, every party real.") { json, seed, data, links, apart, store, language };
        command.SetAction(async parse => parse.GetValue(apart)
            ? await ApartAsync(parse.GetValue(json), parse.GetValue(data), Languages.Of(parse.GetValue(language)))
            : await RunAsync(parse.GetValue(json), parse.GetValue(seed), parse.GetValue(data), parse.GetValue(links), Stores.Of(parse.GetValue(store)), Languages.Of(parse.GetValue(language))));
        return command;
    }

    private static async Task<int> RunAsync(bool json, long? seed, string? data, LinkMode links, string? store, Language language)
    {
        var folder = data ?? Directory.CreateTempSubdirectory("majia-demo-").FullName;
        try
        {
            Entropy entropy = seed is { } number ? new SeededEntropy(number, $"demo/{NextRun(folder)}") : new SystemEntropy();
            await using var system = await Running.OpenAsync(new SystemOptions(folder, TimeProvider.System, entropy) { Links = links, Store = store });
            var story = new Story(system);
            return json ? await TellAsJsonAsync(story, language) : await TellAsync(system, story, language);
        }
        finally
        {
            if (data is null)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>The same story with six parties in processes of their own, and a ride at its end; phone and terminal are in this one, and what they see is shown.</summary>
    private static async Task<int> ApartAsync(bool json, string? data, Language language)
    {
        var folder = data ?? Directory.CreateTempSubdirectory("majia-demo-").FullName;
        try
        {
            await using var trial = await Trial.StartAsync(folder, log: static (role, line) => Console.Error.WriteLine($"{role.Name()}: {line}"));
            foreach (var role in Trial.Parties)
            {
                await Console.Error.WriteLineAsync(new Text($"{role.Name()}: process {trial.ProcessOf(role)}, {trial.OperationsOf(role)}health/ready", $"{role.Name()}：进程 {trial.ProcessOf(role)}，{trial.OperationsOf(role)}health/ready").In(language));
            }

            await using var system = await Running.OpenAsync(trial.Devices(new SystemEntropy()));
            var story = new Story(system, transit: true);
            return json ? await TellAsJsonAsync(story, language) : await TellAsync(system, story, language);
        }
        finally
        {
            if (data is null)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>How many seeded stories this folder has seen: a stream never repeats over keys that were kept.</summary>
    private static int NextRun(string folder)
    {
        var path = Path.Combine(folder, "seeded-runs");
        var run = File.Exists(path) && int.TryParse(File.ReadAllText(path), out var runs) ? runs + 1 : 1;
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(path, run.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException($"the data folder {Path.GetFullPath(folder)} cannot be written: {error.Message}");
        }

        return run;
    }

    private static async Task<int> TellAsJsonAsync(Story story, Language language)
    {
        var ok = true;
        await foreach (var step in story.TellAsync())
        {
            var line = new OrderedDictionary<string, object?>(StringComparer.Ordinal)
            {
                ["step"] = step.Step,
                ["outcome"] = step.Outcome,
                ["expected"] = step.Expected,
                ["ok"] = step.Ok,
                ["why"] = step.Why.In(language),
            };
            if (step.Payment is { } payment)
            {
                line["rrn"] = payment.Rrn;
                line["tokenLast4"] = payment.TokenLastFour;
                line["panLast4"] = payment.PanLastFour;
                line["amount"] = payment.Amount.ToString();
                line["responseCode"] = payment.ResponseCode;
                line["cvm"] = payment.Cvm;
            }

            await Console.Out.WriteLineAsync(JsonSerializer.Serialize(line, PlainJson));
            ok &= step.Ok;
        }

        return ok ? ExitCode.Ok : ExitCode.ExpectationFailed;
    }

    /// <summary>Chinese stays readable; nothing here is put into a page.</summary>
    private static readonly JsonSerializerOptions PlainJson = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static async Task<int> TellAsync(MajiaSystem system, Story story, Language language)
    {
        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = 100;
        }

        var seen = new List<TraceEvent>();
        void Watch(TraceEvent row)
        {
            lock (seen)
            {
                seen.Add(row);
            }
        }

        system.Trace.Recorded += Watch;
        var (number, good, rrn) = (0, 0, (string?)null);
        await foreach (var step in story.TellAsync())
        {
            TraceEvent[] events;
            lock (seen)
            {
                events = [.. seen];
                seen.Clear();
            }

            number++;
            good += step.Ok ? 1 : 0;
            rrn = step.Step == "pay" ? step.Payment?.Rrn : rrn;
            Print(number, step, events, language);
        }

        system.Trace.Recorded -= Watch;
        AnsiConsole.MarkupLineInterpolated(good == number
            ? (FormattableString)$"[green]{new Text($"{number} of {number} steps as expected.", $"{number} 步全部符合预期。").In(language)}[/]"
            : $"[red]{new Text($"{good} of {number} steps as expected.", $"{number} 步中 {good} 步符合预期。").In(language)}[/]");
        return good == number ? ExitCode.Ok : ExitCode.ExpectationFailed;
    }

    private static void Print(int number, StoryStep step, TraceEvent[] events, Language language)
    {
        AnsiConsole.MarkupLineInterpolated($"[bold]{number,2}  {step.Title.In(language)}[/]");
        var rows = new Grid { Expand = false };
        rows.AddColumn(new GridColumn { Padding = new Padding(4, 0, 2, 0), NoWrap = true });
        rows.AddColumn(new GridColumn { Padding = new Padding(0, 0, 0, 0) });
        foreach (var line in PartyLines.Of(events, language))
        {
            rows.AddRow(Markup.FromInterpolated($"[cyan]{line.Party}[/]"), Markup.FromInterpolated($"{line.Says}"));
        }

        rows.AddRow(
            step.Ok ? Markup.FromInterpolated($"[green]✓ {step.Outcome}[/]") : Markup.FromInterpolated($"[red]✗ {step.Outcome}[/]"),
            step.Ok
                ? Markup.FromInterpolated($"{step.Why.In(language)}")
                : Markup.FromInterpolated($"[red]{new Text("expected", "预期").In(language)} {step.Expected}.[/] {step.Why.In(language)}"));
        AnsiConsole.Write(rows);

        if (step.Paper.Length > 0)
        {
            AnsiConsole.WriteLine();
            foreach (var line in step.Paper.TrimEnd().Split('\n'))
            {
                AnsiConsole.WriteLine("        " + line);
            }
        }

        AnsiConsole.WriteLine();
    }
}
