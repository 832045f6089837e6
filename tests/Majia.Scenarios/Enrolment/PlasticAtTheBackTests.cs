using Majia.Core.Contracts;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Scenarios.Secrets;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Enrolment;

/// <summary>A plastic at the phone's back: its own chip, made by its bank, tells the number through the same APDUs that a terminal sends (R5, R12).</summary>
public sealed class PlasticAtTheBackTests
{
    [Theory]
    [InlineData("mingyue-01", "mi5")] // signature in a record
    [InlineData("beishan-01", "mi5s")] // SM2
    [InlineData("shahu-03", "mi-note2")] // dual brand, begins with 4
    [Rule("R5")]
    [Rule("R12")]
    public async Task Read_at_the_back_and_verified_by_the_bank_it_pays(string id, string handset)
    {
        await using var world = await World.OpenAsync(180);
        var phone = await world.ReadyToAddAsync(handset);
        phone.SetAeroplaneMode(true);
        var reading = await world.System.Plastics.ReadAtBackAsync(phone, id); // reading wants no network; adding does
        phone.SetAeroplaneMode(false);
        var (card, holder) = (SeedData.Card(id), SeedData.AsTyped(SeedData.Card(id)));
        Assert.Null(reading.Why);
        Assert.Equal((card.Pan.Masked, card.Expiry), (reading.Number!.Masked, reading.Number.Expiry));
        Assert.DoesNotContain(card.Pan.Reveal(), reading.ToString(), StringComparison.Ordinal);

        var outcome = await phone.AddCardAsync(reading.Number, holder.Cvn2, holder.HolderName, holder.IdNumber, holder.MobileNumber);
        var reference = await world.EnterCodeAsync(id, outcome, handset);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 8_800, handset: handset)).Outcome);

        // No file has a digit of it in clear, the plastic's own chip included.
        await world.System.Trace.FlushAsync();
        await world.System.Store.DurableAsync();
        foreach (var file in (string[])[$"phones/{handset}.db", $"phones/{handset}.db-wal", $"chips/{handset}.chip", $"chips/plastic-{id}.chip", "majia.db", "majia.db-wal", "trace.db", "trace.db-wal"])
        {
            Assert.Empty(Scan.Of(file, await File.ReadAllBytesAsync(Path.Combine(world.Folder, file)), [Secret.OfText("the plastic's number", card.Pan.Reveal())]));
        }
    }

    [Theory]
    [InlineData("mingyue-14")] // contacts alone
    [InlineData("mingyue-15")] // a stripe alone
    [Rule("R12")]
    public async Task Without_an_antenna_nothing_is_read_and_typing_adds_the_card(string id)
    {
        await using var world = await World.OpenAsync(181);
        var phone = await world.ReadyToAddAsync();
        var reading = await world.System.Plastics.ReadAtBackAsync(phone, id);
        Assert.Equal("NO_CHIP", reading.Why!.Code);
        Assert.Contains("手动输入", reading.Why.Why.Zh, StringComparison.Ordinal);
        Assert.Contains("type its number", reading.Why.Why.En, StringComparison.Ordinal);

        var reference = await world.AddAsync(id);
        Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(reference, 8_800)).Outcome);
    }

    [Fact]
    [Rule("R12")]
    public async Task A_VISA_card_is_read_and_refused_for_what_it_is()
    {
        await using var world = await World.OpenAsync(182);
        var phone = await world.ReadyToAddAsync();
        var reading = await world.System.Plastics.ReadAtBackAsync(phone, SeedData.VisaOnly.Id);
        Assert.Equal(SeedData.VisaOnly.Pan.Masked, reading.Number?.Masked);
        Assert.Equal(Ineligible.NotUnionPay, Assert.Single((await phone.AddCardAsync(reading.Number!, null, null, null, null)).Reasons).Code);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Rule("R5")]
    public async Task Taken_away_too_soon_it_is_read_at_the_next_try(int commands)
    {
        await using var world = await World.OpenAsync(183);
        var phone = world.Phone();
        var card = (await world.System.Plastics.InFieldAsync("beishan-02"))!;
        Assert.Equal("CARD_MOVED", (await phone.ReadPlasticAsync(new Leaving(card, commands))).Why?.Code);
        Assert.NotNull((await world.System.Plastics.ReadAtBackAsync(phone, "beishan-02")).Number);
    }

    [Fact]
    [Rule("R5")]
    [Rule("R17")]
    public async Task What_is_no_plastic_tells_nothing()
    {
        await using var world = await World.OpenAsync(184);
        await world.AddAsync("mingyue-03");
        var (mine, other) = (world.Phone("mi5s"), world.Phone());
        Assert.Equal("CARD_UNREADABLE", (await mine.ReadPlasticAsync(other.Tap())).Why?.Code); // a phone without a fingerprint verified
        foreach (var noise in (string[])["", "90", "9000", "6F059000", "6F0384011190009000", "6A82"])
        {
            Assert.Equal("CARD_UNREADABLE", (await mine.ReadPlasticAsync(new Parrot(Convert.FromHexString(noise)))).Why?.Code);
        }

        mine.PowerOff();
        Assert.Equal("POWERED_OFF", (await mine.ReadPlasticAsync(null)).Why?.Code);
    }

    /// <summary>A card that leaves the field at one command.</summary>
    private sealed class Leaving(ICardChannel card, int commands) : ICardChannel
    {
        private int left = commands;

        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) => --left == 0 ? throw new CardRemovedException() : card.TransmitAsync(command, cancellation);
    }

    private sealed class Parrot(byte[] answer) : ICardChannel
    {
        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) => ValueTask.FromResult<ReadOnlyMemory<byte>>(answer);
    }
}
