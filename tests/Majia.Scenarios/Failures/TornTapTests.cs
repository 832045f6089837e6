using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Tlv;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Storage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Failures;

/// <summary>The phone leaves the field, or loses its power, at each command of a tap: the counter goes up or stays, and never comes back.</summary>
public sealed class TornTapTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("R17")]
    public async Task Torn_at_any_command_the_same_sale_goes_on_with_another_tap(bool afterwards)
    {
        await using var world = await World.OpenAsync(50);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        var (sales, counters) = (0, new List<int>());
        for (var at = 1; at <= 3; at++) // SELECT PPSE, SELECT AID, GPO
        {
            TornTap? torn = null;
            var frames = await world.OverhearAsync(World.Books, async () =>
            {
                var result = await world.SellAsync(
                    100, World.Books, new Fingers(World.Pin), async () => torn = new TornTap((PhoneTap)await world.PickUpAsync(card), at, afterwards), () => world.PickUpAsync(card));
                Assert.Equal(SaleOutcome.Approved, result.Outcome);
            });
            sales++;
            counters.Add(Counter(Assert.Single(frames)));
            Assert.Equal(at == 3 ? 0xA8 : 0xA4, torn!.LastInstruction);
        }

        // Only a GPO that was heard costs a value: before it the counter does not move.
        Assert.Equal(afterwards ? [1, 2, 4] : [1, 2, 3], counters);
        Assert.Equal(before.Balance - (100L * sales), world.Account("mingyue-02").Balance);
        Assert.Equal(sales, world.Count("token_verdict"));
        world.BooksHold();
    }

    [Fact]
    public async Task Power_lost_between_the_counters_write_and_the_answer_repeats_no_counter_even_after_a_restart()
    {
        await using var world = await World.OpenAsync(51);
        var card = await world.AddAsync("mingyue-02");
        var counters = new List<int>();
        for (var round = 0; round < 3; round++)
        {
            using var merchant = new CancellationTokenSource();
            var torn = await world.System.Terminals[World.Books].SellAsync(
                Majia.Core.Primitives.Amount.Cny(100),
                new Visit(
                    async () => new TornTap((PhoneTap)await world.PickUpAsync(card), 3, afterwards: true),
                    async () =>
                    {
                        world.Phone().PowerOff();
                        await merchant.CancelAsync();
                        return world.Phone().Tap();
                    }),
                new Fingers(World.Pin),
                merchant.Token);
            Assert.NotEqual(SaleOutcome.Approved, torn.Outcome);
            if (round == 1)
            {
                await world.RestartAsync();
            }

            world.Phone().PowerOn();
            var frames = await world.OverhearAsync(World.Books, async () => Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(card, 100)).Outcome));
            counters.Add(Counter(Assert.Single(frames)));
        }

        Assert.Equal([2, 4, 6], counters);
        world.BooksHold();
    }

    [Fact]
    [Rule("R17")]
    public async Task A_reader_that_taps_without_a_fingerprint_wears_out_nothing()
    {
        await using var world = await World.OpenAsync(52);
        var card = await world.AddAsync("mingyue-02");
        await world.SellAsync(card, 100);
        for (var i = 0; i < 20; i++)
        {
            var tap = world.Phone().Tap();
            await tap.TransmitAsync(Convert.FromHexString("00A404000E325041592E5359532E444446303100"), CancellationToken.None);
            await tap.TransmitAsync(Convert.FromHexString("00A404000AA000000333010102000100"), CancellationToken.None);
            var answer = await tap.TransmitAsync(Convert.FromHexString("80A8000023" + "8321" + new string('0', 66) + "00"), CancellationToken.None);
            Assert.NotEqual("9000", Convert.ToHexString(answer.Span)[^4..]);
        }

        var frames = await world.OverhearAsync(World.Books, () => world.SellAsync(card, 100));
        Assert.Equal(2, Counter(Assert.Single(frames)));
    }

    private static int Counter(ReadOnlyMemory<byte> frame)
    {
        Assert.True(BerTlv.TryFind(World.Pos(frame).Binary(55).Span, 0x9F36, out var counter));
        return int.Parse(Convert.ToHexString(counter), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
