using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Demo;
using Majia.Scenarios.Stage;
using Majia.Tests;

namespace Majia.Scenarios.Telling;

public sealed class StoryTests
{
    internal static readonly string[] Steps = ["refuse-handset", "add-card", "go-offline", "pay", "slip", "last-four", "rewards", "no-fingerprint", "replay", "void"];

    internal static readonly string[] Outcomes = ["refused", "added", "offline", "approved", "printed", "differs", "credited", "see-phone", "declined", "voided"];

    [Theory]
    [InlineData(1)]
    [InlineData(20260601)]
    [InlineData(-7)]
    [Rule("R7")]
    [Rule("R13")]
    [Rule("R16")]
    [Rule("R17")]
    [Rule("R18")]
    [Rule("R19")]
    [Rule("R20")]
    public async Task The_story_comes_out_as_expected_whatever_the_numbers(long seed)
    {
        await using var world = await World.OpenAsync(seed);
        var steps = await TellAsync(world);

        Assert.Equal(Steps, steps.Select(step => step.Step));
        Assert.Equal(Outcomes, steps.Select(step => step.Outcome));
        Assert.All(steps, step => Assert.True(step.Ok, $"{step.Step}: {step.Outcome}, {step.Why.En}"));
        Assert.All(steps, step => Assert.NotEmpty(step.Why.Zh));
        world.BooksHold();
        world.NothingPending();
    }

    [Fact]
    public async Task The_same_seed_tells_the_same_story()
    {
        var first = await OnceAsync();
        Assert.Equal(first, await OnceAsync());

        static async Task<List<StoryStep>> OnceAsync()
        {
            await using var world = await World.OpenAsync(42);
            return await TellAsync(world);
        }
    }

    [Fact]
    public async Task The_story_can_be_told_again_in_the_same_folder_after_the_card_is_deleted()
    {
        await using var world = await World.OpenAsync(5);
        await TellAsync(world);
        Assert.True(await world.Phone().DeleteCardAsync(Assert.Single(world.Phone().State.Cards).CardReference));
        await world.RestartAsync();
        Assert.Equal(Outcomes, (await TellAsync(world)).Select(step => step.Outcome));
    }

    private static async Task<List<StoryStep>> TellAsync(World world)
    {
        var steps = new List<StoryStep>();
        await foreach (var step in new Story(world.System).TellAsync())
        {
            steps.Add(step);
        }

        return steps;
    }
}
