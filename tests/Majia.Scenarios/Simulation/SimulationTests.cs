using Majia.Cli.Commands;
using Majia.Simulation;
using Majia.Tests;

namespace Majia.Scenarios.Simulation;

/// <summary>Seeds without a finding, in two halves that run side by side.</summary>
public static class Seeds
{
    /// <summary>300 in a CI run, 2 000 in the long one.</summary>
    public static int Count => Environment.GetEnvironmentVariable("MAJIA_LONG") == "1" ? 2_000 : 300;

    internal static void HoldFor(long from, long to)
    {
        var simulator = new Simulator();
        var counts = new List<RunCounts>();
        for (var seed = from; seed <= to; seed++)
        {
            var run = simulator.Run(seed, SimulationOptions.Default);
            counts.Add(run.Counts);
            Assert.True(run.Ok, run.Ok ? null : Told(simulator, run));
        }

        // A simulation in which nobody can pay proves nothing.
        Assert.True(counts.Average(run => run.Approved) > 10, $"only {counts.Sum(run => run.Approved)} payments were approved");
        Assert.All<Func<RunCounts, int>>([run => run.Reversals, run => run.Voids, run => run.Thefts, run => run.Crashes], count => Assert.True(counts.Sum(count) > counts.Count));
        Assert.All<Func<RunCounts, int>>([run => run.Purges, run => run.Refunds, run => run.Replaced], count => Assert.True(counts.Sum(count) > counts.Count / 8));
        Assert.True(counts.Sum(run => run.RanAhead) > counts.Count, $"only {counts.Sum(run => run.RanAhead)} units ran ahead of a commit");
        Assert.True(counts.Sum(run => run.Barred) > counts.Count / 20, "hardly a suspended card was tried");
    }

    private static string Told(Simulator simulator, SimulationRun run) =>
        $"seed {run.Seed}, step {run.Finding!.Step}: {run.Finding.Invariant}: {run.Finding.Says}\n./majia simulate --seed {run.Seed} --actions '{string.Join("; ", simulator.Shrink(run, budget: 150).Actions)}'";
}

public sealed class FirstHalfOfTheSeedsTests
{
    [Fact]
    [Rule("R9")]
    [Rule("R10")]
    [Rule("R20")]
    [Rule("R22")]
    [Rule("R23")]
    [Rule("R24")]
    public void No_invariant_breaks_under_all_faults() => Seeds.HoldFor(0, (Seeds.Count / 2) - 1);
}

public sealed class SecondHalfOfTheSeedsTests
{
    [Fact]
    public void No_invariant_breaks_under_all_faults() => Seeds.HoldFor(Seeds.Count / 2, Seeds.Count - 1);
}

public sealed class SimulatorTests
{
    /// <summary>One seed for each plant, the invariant that finds it, and how short the way there is.</summary>
    public static TheoryData<string, long, string> KnownSeeds => new()
    {
        { "drop-reversal", 0, "terminals-and-books-agree" },
        { "skip-atc", 1, "one-approval-per-counter" },
        { "lose-dedupe", 5, "terminals-and-books-agree" },
        { "answer-before-commit", 0, "seen-approval-survives" },
        { "double-post", 0, "debited-at-most-once" },
        { "skip-purge", 2, "purge-holds" },
        { "forget-slot", 0, "slots-of-phone-and-card" },
        { "stale-verdict", 1, "suspended-never-approves" },
        { "forget-replacement", 0, "device-cards-follow-their-plastic" },
    };

    [Theory]
    [MemberData(nameof(KnownSeeds))]
    public void Each_plant_is_found_by_its_known_seed(string plant, long seed, string invariant)
    {
        var run = new Simulator().Run(seed, SimulationOptions.Default with { Plant = Plants.Names.Single(row => row.Name == plant).Plant });
        Assert.Equal(invariant, run.Finding?.Invariant);
    }

    /// <summary>What seeds have found once, in the shape to which it shrank.</summary>
    [Theory]
    [InlineData(1231, "resume 1 0 +280; add 1 3 +27; clone 9 +254; duplicate 6 342 +4072")]
    public void What_was_found_and_mended_stays_mended(long seed, string actions)
    {
        var run = new Simulator().Run(seed, [.. actions.Split(';').Select(text => SimAction.TryParse(text, out var action) ? action : throw new FormatException(text))]);
        Assert.True(run.Ok, run.Finding?.Says);
    }

    /// <summary>R22, and R13 with it: bank and vault name the same plastic and the same device number.</summary>
    [Theory]
    [Rule("R22")]
    [InlineData("last_four = '0000'", "…0000 of everyday-1 at the bank")]
    [InlineData("card = 'thin-1'", "of thin-1 at the bank")]
    public void A_device_card_that_has_another_number_or_plastic_at_its_bank_than_at_the_vault_is_noticed(string wrong, string says)
    {
        using var world = new World(Genesis.Make(false), seed: 1);
        var follows = Invariants.Table.Single(row => row.Name == "device-cards-follow-their-plastic");
        Assert.Null(follows.Broken(new Evidence(world)));

        var bank = world.NodeOf("issuer-63990100");
        world.Do(bank.Process, () => bank.Store.CommitAsync(session => session.Execute($"UPDATE issuer_devices SET {wrong} WHERE card = 'everyday-1'")));
        Assert.Contains(says, follows.Broken(new Evidence(world)), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_plant_has_a_known_seed() => Assert.Equal(Plants.Names.Select(row => row.Name), KnownSeeds.Select(row => row.Data.Item1));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void The_same_seed_is_the_same_run_down_to_every_byte_on_every_wire(long seed)
    {
        var (one, other) = (new Simulator().Run(seed, SimulationOptions.Default), new Simulator().Run(seed, SimulationOptions.Default));
        Assert.Equal((one.Fingerprint, one.Frames, one.Approved), (other.Fingerprint, other.Frames, other.Approved));
        Assert.True(one.Frames > 100);
    }

    [Fact]
    public void A_seed_runs_the_same_whatever_ran_before_it()
    {
        var busy = new Simulator();
        busy.Run(5, SimulationOptions.Default);
        Assert.Equal(new Simulator().Run(6, SimulationOptions.Default).Fingerprint, busy.Run(6, SimulationOptions.Default).Fingerprint);
    }

    [Fact]
    public void Different_seeds_are_different_runs()
    {
        var simulator = new Simulator();
        Assert.Equal(4, Enumerable.Range(0, 4).Select(seed => simulator.Run(seed, SimulationOptions.Default with { Steps = 20 }).Fingerprint).Distinct().Count());
    }

    [Fact]
    public void A_failure_shrinks_and_what_is_left_replays_from_its_text()
    {
        var simulator = new Simulator();
        var failed = simulator.Run(0, SimulationOptions.Default with { Plant = Plant.SkipAtc });
        var shrunk = simulator.Shrink(failed, Plant.SkipAtc);
        Assert.InRange(shrunk.Actions.Count, 1, 5); // of a hundred
        Assert.Equal(failed.Finding!.Invariant, shrunk.Finding!.Invariant);

        var read = shrunk.Actions.Select(action => SimAction.TryParse(action.ToString(), out var parsed) ? parsed : throw new FormatException(action.ToString())).ToList();
        var again = new Simulator().Run(0, read, Plant.SkipAtc);
        Assert.Equal((shrunk.Finding, shrunk.Fingerprint), (again.Finding, again.Fingerprint));
        Assert.True(new Simulator().Run(0, read).Ok);
    }

    [Fact]
    public void Without_faults_nearly_every_sale_is_approved_or_declined_for_a_reason()
    {
        var run = new Simulator().Run(8, new SimulationOptions(80, []));
        Assert.True(run.Ok, run.Finding?.Says);
        Assert.True(run.Approved >= 20, $"{run.Approved} approved");
    }

    [Fact]
    public void Every_action_of_the_table_is_drawn_and_reads_back_from_its_text()
    {
        var drawn = SimActions.Draw(1, 5_000, SimActions.Faults);
        Assert.Equal(SimActions.Table.Select(row => row.Verb).Order(StringComparer.Ordinal), drawn.Select(action => action.Verb).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        Assert.All(drawn, action => Assert.Equal(action.ToString(), SimAction.TryParse(action.ToString(), out var read) ? read.ToString() : "unreadable"));
        Assert.False(SimAction.TryParse("steal everything +5", out _));
        Assert.False(SimAction.TryParse("sale one", out _));
    }

    [Fact]
    public void Faults_that_are_not_asked_for_do_not_happen()
    {
        Assert.DoesNotContain(SimActions.Draw(1, 2_000, ["drop"]), action => action.Verb is "crash" or "clone" or "delay-answer");
        Assert.Contains(SimActions.Draw(1, 2_000, ["drop"]), action => action.Verb == "drop-answer");
    }
}

public sealed class SimulateCommandTests
{
    [Theory]
    [InlineData(0, "--seeds", "4..5", "--taps", "15", "--json")]
    [InlineData(1, "--seed", "0", "--plant", "skip-atc", "--actions", "torn-sale 2 1 0 100429 0 40 +21; clone 3 +57", "--json")]
    [InlineData(2, "--seed", "0", "--plant", "no-such-plant")]
    [InlineData(2, "--seeds", "5..4")]
    [InlineData(2, "--seed", "1", "--faults", "earthquake")]
    [InlineData(2, "--taps", "3")]
    public async Task Its_exit_code_says_whether_an_invariant_broke(int expected, params string[] arguments) =>
        Assert.Equal(expected, await Majia.Cli.Entry.RunAsync(["simulate", .. arguments]));

    [Fact]
    public void It_says_which_faults_and_plants_there_are() =>
        Assert.All(SimActions.Faults.Concat(Plants.Names.Select(row => row.Name)), name => Assert.Contains(name, string.Concat(SimulateCommand.Create().Options.Select(option => option.Description)), StringComparison.Ordinal));
}
