using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Majia.Core.Primitives;
using Majia.Simulation;

namespace Majia.Cli.Commands;

/// <summary><c>majia simulate</c>: whole worlds on a virtual clock under seeded faults; exit code 1 when an invariant breaks (decisions.md 33).</summary>
public static class SimulateCommand
{
    public static Command Create()
    {
        var seed = new Option<string?>("--seed") { Description = "one seed" };
        var seeds = new Option<string?>("--seeds") { Description = "A..B, both included" };
        var taps = new Option<int>("--taps") { Description = "actions of one seed", DefaultValueFactory = _ => SimulationOptions.DefaultSteps };
        var faults = new Option<string>("--faults") { Description = $"all, none, or some of {string.Join(',', SimActions.Faults)}", DefaultValueFactory = _ => "all" };
        var plant = new Option<string?>("--plant") { Description = $"a bug put in on purpose, to be found: {string.Join(", ", Plants.Names.Select(row => row.Name))}" };
        var actions = new Option<string?>("--actions") { Description = "with --seed: this list of actions, separated by semicolons, instead of the seed's own" };
        var json = new Option<bool>("--json") { Description = "one JSON object a seed on stdout" };
        var command = new Command("simulate", "Every party's production code on a virtual clock, with seeded faults; invariants after every step.") { seed, seeds, taps, faults, plant, actions, json };
        command.SetAction(parse => Run(
            Range(parse.GetValue(seed), parse.GetValue(seeds)),
            new SimulationOptions(Positive(parse.GetValue(taps)), FaultsOf(parse.GetValue(faults)!), PlantOf(parse.GetValue(plant))),
            ActionsOf(parse.GetValue(actions)),
            parse.GetValue(json)));
        return command;
    }

    private static int Run((long From, long To) range, SimulationOptions options, IReadOnlyList<SimAction>? actions, bool json)
    {
        if (actions is not null && range.From != range.To)
        {
            throw new UsageException("simulate: --actions goes with one --seed");
        }

        var simulator = new Simulator();
        var started = TimeProvider.System.GetTimestamp();
        var (runs, approved, failed) = (0, 0L, 0);
        for (var seed = range.From; seed <= range.To; seed++)
        {
            var run = actions is null ? simulator.Run(seed, options) : simulator.Run(seed, actions, options.Plant);
            (runs, approved) = (runs + 1, approved + run.Approved);
            var shrunk = run.Ok ? null : simulator.Shrink(run, options.Plant);
            failed += run.Ok ? 0 : 1;
            if (json)
            {
                Console.Out.WriteLine(AsJson(run, shrunk));
            }
            else if (shrunk is not null)
            {
                Print(run, shrunk, options.Plant);
            }

            if (!run.Ok && !json)
            {
                break; // one finding at a time is what a person can work on
            }
        }

        if (!json)
        {
            var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{runs} seeds, {approved} payments approved, {failed} findings; {runs / Math.Max(seconds, 0.001):F1} seeds a second"));
        }

        return failed == 0 ? ExitCode.Ok : ExitCode.ExpectationFailed;
    }

    private static void Print(SimulationRun run, SimulationRun shrunk, Plant plant)
    {
        var finding = run.Finding!;
        Console.Out.WriteLine($"seed {run.Seed}, step {finding.Step} of {run.Actions.Count}{(finding.Step > run.Actions.Count ? " (at rest)" : "")}: {finding.Invariant}");
        Console.Out.WriteLine($"  {finding.Says}");
        Console.Out.WriteLine($"shrunk from {run.Actions.Count} actions to {shrunk.Actions.Count}: {shrunk.Finding!.Says}");
        for (var i = 0; i < shrunk.Actions.Count; i++)
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {i + 1,3}  {shrunk.Actions[i]}"));
        }

        var planted = plant == Plant.None ? "" : $" --plant {Plants.Names.Single(row => row.Plant == plant).Name}";
        Console.Out.WriteLine($"replay: ./majia simulate --seed {run.Seed}{planted} --actions '{string.Join("; ", shrunk.Actions)}'");
    }

    private static string AsJson(SimulationRun run, SimulationRun? shrunk) => JsonSerializer.Serialize(new SortedDictionary<string, object?>(StringComparer.Ordinal)
    {
        ["seed"] = run.Seed,
        ["ok"] = run.Ok,
        ["stores"] = Simulator.IsSplit(run.Seed) ? "split" : "shared",
        ["steps"] = run.Actions.Count,
        ["approved"] = run.Approved,
        ["reversals"] = run.Counts.Reversals,
        ["voids"] = run.Counts.Voids,
        ["thefts"] = run.Counts.Thefts,
        ["crashes"] = run.Counts.Crashes,
        ["barred"] = run.Counts.Barred,
        ["purges"] = run.Counts.Purges,
        ["refunds"] = run.Counts.Refunds,
        ["replaced"] = run.Counts.Replaced,
        ["frames"] = run.Frames,
        ["hash"] = run.Fingerprint,
        ["invariant"] = run.Finding?.Invariant,
        ["step"] = run.Finding?.Step,
        ["says"] = run.Finding?.Says,
        ["actions"] = shrunk is null ? null : string.Join("; ", shrunk.Actions),
    }, PlainJson);

    private static readonly JsonSerializerOptions PlainJson = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static (long From, long To) Range(string? seed, string? seeds)
    {
        if (seed is null == seeds is null)
        {
            throw new UsageException("simulate: give --seed N or --seeds A..B");
        }

        var ends = seed is not null ? [seed, seed] : seeds!.Split("..");
        return ends.Length == 2 && long.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out var from) && long.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out var to) && from <= to
            ? (from, to)
            : throw new UsageException("simulate: a seed is a number from 0, a range is A..B");
    }

    private static int Positive(int steps) => steps > 0 ? steps : throw new UsageException("simulate: --taps is at least 1");

    private static IReadOnlyList<string> FaultsOf(string text)
    {
        if (text is "all" or "none")
        {
            return text == "all" ? SimActions.Faults : [];
        }

        var names = text.Split(',');
        return Array.Find(names, name => !SimActions.Faults.Contains(name)) is { } unknown
            ? throw new UsageException($"simulate: unknown fault {unknown}; known: all, none, {string.Join(", ", SimActions.Faults)}")
            : names;
    }

    private static Plant PlantOf(string? name) =>
        name is null ? Plant.None
        : Plants.Names.FirstOrDefault(row => row.Name == name) is { Name: not null } row ? row.Plant
        : throw new UsageException($"simulate: unknown plant {name}; known: {string.Join(", ", Plants.Names.Select(known => known.Name))}");

    private static List<SimAction>? ActionsOf(string? text) => text?.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(one => SimAction.TryParse(one, out var action) ? action : throw new UsageException($"simulate: no action: {one}"))
        .ToList();
}
