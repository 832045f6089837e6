using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Simulation;

/// <param name="Steps">Actions of one run.</param>
/// <param name="Faults">Names of <see cref="SimActions.Faults"/>.</param>
public sealed record SimulationOptions(int Steps, IReadOnlyCollection<string> Faults, Plant Plant = Plant.None)
{
    public const int DefaultSteps = 100;

    public static SimulationOptions Default { get; } = new(DefaultSteps, SimActions.Faults);
}

/// <summary>An invariant that broke.</summary>
/// <param name="Step">After which action, from 1; one more than there are: at rest.</param>
public sealed record Finding(string Invariant, int Step, string Says);

/// <summary>What a run had in it: a simulation in which nothing happens proves nothing.</summary>
/// <param name="Reversals">Sales and voids that a terminal reversed.</param>
/// <param name="Voids">Sales that a void was sent for.</param>
/// <param name="Thefts">New messages with an overheard cryptogram.</param>
/// <param name="Crashes">Server processes that lost their power.</param>
/// <param name="Barred">Sales sent with a device card whose suspension or deletion had been acknowledged.</param>
/// <param name="Purges">Phones with cards that were signed out.</param>
/// <param name="Refunds">Refunds that a terminal printed.</param>
/// <param name="Replaced">Plastics that a bank replaced.</param>
/// <param name="RanAhead">Units that ran while an earlier commit of their store was under way.</param>
public sealed record RunCounts(int Approved, int Reversals, int Voids, int Thefts, int Crashes, int Barred, int Purges, int Refunds, int Replaced, long RanAhead);

/// <summary>One run.</summary>
/// <param name="Hash">Of everything that went over a wire, and when: the same for the same seed.</param>
public sealed record SimulationRun(long Seed, IReadOnlyList<SimAction> Actions, Finding? Finding, ulong Hash, long Frames, RunCounts Counts)
{
    /// <summary>Sales and voids that a till's people saw approved.</summary>
    public int Approved => Counts.Approved;

    public bool Ok => Finding is null;

    public string Fingerprint => Hash.ToString("x16", CultureInfo.InvariantCulture);
}

/// <summary>Runs seeds. One simulator is for one thread; several may run side by side.</summary>
/// <remarks>Every fourth seed gives each server party a process and a store of its own; the others share one log, as one process on a laptop does (decisions.md 22).</remarks>
public sealed class Simulator
{
    private WorldImage? shared, split;

    public static bool IsSplit(long seed) => seed % 4 == 3;

    public SimulationRun Run(long seed, SimulationOptions options) => Run(seed, SimActions.Draw(seed, options.Steps, options.Faults), options.Plant);

    /// <summary>The same seed with other actions: how a failure is shrunk and replayed.</summary>
    public SimulationRun Run(long seed, IReadOnlyList<SimAction> actions, Plant plant = Plant.None)
    {
        var image = IsSplit(seed) ? split ??= Genesis.Make(true) : shared ??= Genesis.Make(false);
        using var world = new World(image, seed, plant);
        var actors = new Actors(world);
        Finding? finding = null;
        for (var step = 1; step <= actions.Count && finding is null; step++)
        {
            actors.Begin(actions[step - 1]);
            world.Scheduler.Advance(TimeSpan.FromMilliseconds(actions[step - 1].WaitMilliseconds));
            finding = Look(world, step, atRest: false);
        }

        if (finding is null)
        {
            actors.Settle();
            finding = Look(world, actions.Count + 1, atRest: false) ?? Look(world, actions.Count + 1, atRest: true);
        }

        return new SimulationRun(seed, actions, finding, world.Watch.Hash, world.Watch.Frames,
            new RunCounts(actors.Approved, world.Watch.Reversed.Count, world.Watch.Voided.Count, world.Watch.Thefts.Count, actors.Crashes, world.Watch.SentWhileBarred, actors.Purged, actors.Refunded, world.Plastics.Replacements, world.RanAhead));
    }

    /// <summary>Fewer and fewer of the actions, as long as the same invariant breaks (delta debugging).</summary>
    /// <param name="budget">Runs at most.</param>
    public SimulationRun Shrink(SimulationRun failed, Plant plant = Plant.None, int budget = 400)
    {
        var best = failed.Finding!.Step <= failed.Actions.Count ? Again([.. failed.Actions.Take(failed.Finding.Step)]) ?? failed : failed;
        for (var pieces = 2; best.Actions.Count > 1 && budget > 0;)
        {
            var size = (best.Actions.Count + pieces - 1) / pieces;
            SimulationRun? smaller = null;
            for (var from = 0; from < best.Actions.Count && budget > 0 && smaller is null; from += size)
            {
                budget--;
                smaller = Again([.. best.Actions.Take(from), .. best.Actions.Skip(from + size)]);
            }

            if (smaller is not null)
            {
                (best, pieces) = (smaller, Math.Max(pieces - 1, 2));
            }
            else if (size == 1)
            {
                break;
            }
            else
            {
                pieces = Math.Min(pieces * 2, best.Actions.Count);
            }
        }

        return best;

        SimulationRun? Again(IReadOnlyList<SimAction> actions)
        {
            var run = Run(failed.Seed, actions, plant);
            return run.Finding?.Invariant == failed.Finding!.Invariant ? run : null;
        }
    }

    private static Finding? Look(World world, int step, bool atRest)
    {
        var evidence = new Evidence(world);
        foreach (var invariant in Invariants.Table)
        {
            if (invariant.AtRest == atRest && invariant.Broken(evidence) is { } says)
            {
                return new Finding(invariant.Name, step, says);
            }
        }

        return null;
    }
}
