using Majia.Core.Contracts;
using Majia.Host.Seed;
using Majia.Issuer.Plastic;
using Majia.Scenarios.Stage;
using Majia.SecureElement;
using Majia.Terminal;
using Majia.Terminal.Kernel;
using Majia.Tests;

namespace Majia.Scenarios.Payments;

/// <summary>The plastic in the slot: a whole EMV transaction over contacts, with the bank's answer back into the chip.</summary>
public sealed class InsertedPlasticTests
{
    [Theory]
    [InlineData("mingyue-14", CvmResult.OnlinePin)] // no antenna: the slot is its only way
    [InlineData("mingyue-01", CvmResult.OnlinePin)]
    [InlineData("beishan-01", CvmResult.OnlinePin)] // SM2
    [InlineData("shahu-03", CvmResult.OnlinePin)] // dual brand
    [InlineData("mingyue-11", CvmResult.Signature)] // this bank never asks a PIN of it
    [Rule("R12")]
    [Rule("R15")]
    public async Task It_pays_and_its_chip_verifies_its_banks_answer(string id, CvmResult cvm)
    {
        await using var world = await World.OpenAsync(200);
        var (before, hand, chip) = (world.Account(id), new Fingers(World.Pin), new Recorder());
        var sale = await InsertAsync(world, id, 8_800, hand, chip);
        Assert.True(sale.Outcome == SaleOutcome.Approved, sale.Why.En);
        Assert.Equal((cvm, cvm == CvmResult.OnlinePin ? 1 : 0), (sale.Cvm, hand.Prompts.Count));
        Assert.Equal(before.Balance - 8_800, world.Account(id).Balance);
        Assert.Contains($"/I", sale.Slip!.Print(SlipCopy.Cardholder), StringComparison.Ordinal);

        // PSE, application, GPO, DDA, first cryptogram; then the bank's cryptogram, which the chip took for its bank's, and the second one: a TC.
        Assert.Equal("9000", chip.Status(0x88));
        Assert.Equal("9000", chip.Status(0x82));
        Assert.Equal(2, chip.Answers.Count(row => row.Ins == 0xAE));
        Assert.Contains("9F270140", chip.Answers.Last(row => row.Ins == 0xAE).Answer, StringComparison.Ordinal);
        world.BooksHold();
        world.NothingPending();
    }

    [Fact]
    [Rule("R15")]
    public async Task A_wrong_PIN_is_asked_again_with_another_transaction_of_the_same_card()
    {
        await using var world = await World.OpenAsync(201);
        var hand = new Fingers(World.WrongPin, World.Pin);
        var sale = await InsertAsync(world, "mingyue-14", 8_800, hand);
        Assert.Equal((SaleOutcome.Approved, 2), (sale.Outcome, hand.Prompts.Count));
    }

    [Theory]
    [InlineData(0, CvmResult.OfflinePin, 1)]
    [InlineData(2, CvmResult.OfflinePin, 3)]
    [InlineData(3, CvmResult.OnlinePin, 4)] // the chip takes no more: its list goes on to the bank
    [Rule("R15")]
    public async Task Its_own_chip_verifies_the_PIN_enciphered_for_it(int wrong, CvmResult cvm, int prompts)
    {
        await using var world = await World.OpenAsync(210);
        var (before, chip) = (world.Account("mingyue-10"), new Recorder());
        var hand = new Fingers([.. Enumerable.Repeat(World.WrongPin, wrong), World.Pin]);
        var sale = await InsertAsync(world, "mingyue-10", 8_800, hand, chip);
        Assert.Equal((SaleOutcome.Approved, cvm, prompts), (sale.Outcome, sale.Cvm, hand.Prompts.Count));
        Assert.Equal(before.Balance - 8_800, world.Account("mingyue-10").Balance);
        Assert.Equal(cvm == CvmResult.OfflinePin ? "9000" : "63C0", chip.Status(0x20));
        Assert.Equal(10, chip.Answers.First(row => row.Ins == 0x84).Answer.Length / 2);
        Assert.All(chip.Answers.Where(row => row.Ins == 0xAE), row => Assert.Contains("9F36", row.Answer, StringComparison.Ordinal));

        // Wrong at the chip is no try at the bank, and the next sale finds the chip as the last one left it.
        if (cvm == CvmResult.OnlinePin)
        {
            var next = new Fingers(World.Pin);
            Assert.Equal((SaleOutcome.Approved, CvmResult.OnlinePin), ((await InsertAsync(world, "mingyue-10", 100, next)) is { } again ? (again.Outcome, again.Cvm) : default));
            Assert.Single(next.Prompts);
        }

        world.BooksHold();
        world.NothingPending();
    }

    [Fact]
    [Rule("R15")]
    public async Task A_wedge_that_says_the_PIN_was_right_is_found_out_by_the_bank()
    {
        await using var world = await World.OpenAsync(211);
        var hand = new Fingers(World.WrongPin);
        var slot = (await world.System.Plastics.InSlotAsync("mingyue-10"))!;
        var sale = await world.System.Terminals[World.Books].SellInsertedAsync(Core.Primitives.Amount.Cny(8_800), new Wedge(slot), hand, CancellationToken.None);
        Assert.NotEqual(SaleOutcome.Approved, sale.Outcome);
        Assert.Equal("55", sale.ResponseCode?.Value);
    }

    [Fact]
    [Rule("R15")]
    public async Task A_PIN_that_is_not_given_to_the_chip_is_asked_by_the_bank_and_cancelled_ends_it()
    {
        await using var world = await World.OpenAsync(212);
        Assert.Equal(CvmResult.OnlinePin, (await InsertAsync(world, "mingyue-10", 8_800, new Fingers("", World.Pin))).Cvm);
        var cancelled = await InsertAsync(world, "mingyue-10", 8_800, new Fingers((string?)null));
        Assert.Equal(SaleOutcome.Cancelled, cancelled.Outcome);
        world.NothingPending();
    }

    [Fact]
    [Rule("R12")]
    public async Task A_stripe_alone_and_a_foreign_brand_end_with_their_reason()
    {
        await using var world = await World.OpenAsync(202);
        var stripe = await world.System.Terminals[World.Books].SellInsertedAsync(Core.Primitives.Amount.Cny(8_800), await world.System.Plastics.InSlotAsync("mingyue-15"), new Fingers(World.Pin), CancellationToken.None);
        Assert.Equal(SaleOutcome.EndApplication, stripe.Outcome);
        Assert.Contains("magnetic stripe", stripe.Why.En, StringComparison.Ordinal);
        var visa = await InsertAsync(world, "visa-only", 8_800);
        Assert.Equal(SaleOutcome.EndApplication, visa.Outcome);
        Assert.Contains("no application", visa.Why.En, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x82)] // before the bank's cryptogram
    [InlineData(0xAE)] // before the second cryptogram
    public async Task Taken_out_before_the_end_nothing_is_charged(byte ins)
    {
        await using var world = await World.OpenAsync(203);
        var before = world.Account("mingyue-14");
        var sale = await InsertAsync(world, "mingyue-14", 8_800, new Fingers(World.Pin), new Recorder { LeavesAt = ins, Spared = ins == 0xAE ? 1 : 0 });
        Assert.Equal(SaleOutcome.Reversed, sale.Outcome);
        await world.PumpAsync();
        Assert.Equal(before, world.Account("mingyue-14"));
        world.NothingPending();
    }

    [Fact]
    public async Task An_answer_that_is_not_its_banks_is_refused_by_the_chip_and_taken_back()
    {
        await using var world = await World.OpenAsync(204);
        var (before, chip) = (world.Account("mingyue-14"), new Recorder { Spoils = 0x82 });
        var sale = await InsertAsync(world, "mingyue-14", 8_800, new Fingers(World.Pin), chip);
        Assert.Equal("6300", chip.Status(0x82));
        Assert.Equal(SaleOutcome.Reversed, sale.Outcome);
        await world.PumpAsync();
        Assert.Equal(before, world.Account("mingyue-14"));
    }

    [Fact]
    public async Task What_the_bank_has_to_tell_its_card_goes_with_the_next_answer_and_is_confirmed_by_the_one_after()
    {
        await using var world = await World.OpenAsync(205);
        var (desk, limit) = (world.Desk("mingyue-01"), Convert.FromHexString("000000050000"));
        Assert.True(await desk.TellPlasticAsync("mingyue-01", PlasticOrderKind.PutData, 0x9F6B, limit));
        Assert.True(await desk.TellPlasticAsync("mingyue-01", PlasticOrderKind.PutData, 0x9F58, new byte[] { 3 }));
        Assert.False(await desk.TellPlasticAsync("nobody", PlasticOrderKind.Block));
        Assert.False(await desk.TellPlasticAsync("mingyue-01", PlasticOrderKind.PutData, 0x5A, limit));
        Assert.Equal(2, desk.WaitingForPlastic("mingyue-01"));

        // A tap carries none: the card is away before the answer.
        await world.SellAsync(8_800, World.Books, new Fingers(World.Pin), async () => (await world.System.Plastics.InFieldAsync("mingyue-01"))!);
        var first = new Recorder();
        Assert.Equal(SaleOutcome.Approved, (await InsertAsync(world, "mingyue-01", 8_800, new Fingers(World.Pin), first)).Outcome);
        Assert.Equal(["9000", "9000"], first.Answers.Where(row => row.Ins == 0xDA).Select(row => row.Answer));
        var card = await world.System.Plastics.OpenAsync("mingyue-01");
        card.Transmit(ChipPort.Contact, Convert.FromHexString("00A4040008A00000033301010100"));
        Assert.Equal("9F6B060000000500009000", Convert.ToHexString(card.Transmit(ChipPort.Contact, Convert.FromHexString("80CA9F6B00"))));
        Assert.Equal(2, desk.WaitingForPlastic("mingyue-01"));
        await InsertAsync(world, "mingyue-01", 8_800); // its CVR counts two commands and no failure
        Assert.Equal(0, desk.WaitingForPlastic("mingyue-01"));
    }

    [Fact]
    [Rule("R23")]
    public async Task A_card_that_its_bank_blocks_declines_from_then_on()
    {
        await using var world = await World.OpenAsync(206);
        await world.Desk("mingyue-14").TellPlasticAsync("mingyue-14", PlasticOrderKind.Block);
        await world.Desk("mingyue-14").ReportLostAsync("mingyue-14");
        var lost = await InsertAsync(world, "mingyue-14", 8_800);
        Assert.Equal("41", lost.ResponseCode?.Value); // the command came with the refusal
        var blocked = await InsertAsync(world, "mingyue-14", 8_800);
        Assert.Equal((SaleOutcome.EndApplication, null), (blocked.Outcome, blocked.ResponseCode)); // 6283: this terminal does not use a blocked application
    }

    [Fact]
    public async Task Commands_that_never_came_go_again()
    {
        await using var world = await World.OpenAsync(207);
        var desk = world.Desk("mingyue-01");
        await desk.TellPlasticAsync("mingyue-01", PlasticOrderKind.PutData, 0x9F58, new byte[] { 3 });
        await InsertAsync(world, "mingyue-01", 8_800, new Fingers(World.Pin), new Recorder { LeavesAt = 0xDA });
        Assert.Equal(1, desk.WaitingForPlastic("mingyue-01"));
        var again = new Recorder();
        await InsertAsync(world, "mingyue-01", 8_800, new Fingers(World.Pin), again);
        Assert.Equal("9000", again.Status(0xDA));
    }

    private static async Task<SaleResult> InsertAsync(World world, string id, long minor, IKeypad? hand = null, Recorder? chip = null)
    {
        var slot = (await world.System.Plastics.InSlotAsync(id))!;
        return await world.System.Terminals[World.Books].SellInsertedAsync(Core.Primitives.Amount.Cny(minor), chip?.Over(slot) ?? slot, hand ?? new Fingers(World.Pin), CancellationToken.None);
    }

    /// <summary>Between card and slot: VERIFY is answered without the card.</summary>
    private sealed class Wedge(ICardChannel card) : ICardChannel
    {
        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) =>
            command.Span[1] == 0x20 ? (byte[])[0x90, 0x00] : await card.TransmitAsync(command, cancellation);
    }

    /// <summary>Listens at the contacts; spoils one command, or pulls the card before it.</summary>
    private sealed class Recorder : ICardChannel
    {
        private ICardChannel card = null!;
        private int spared;

        public List<(byte Ins, string Answer)> Answers { get; } = [];

        public byte LeavesAt { get; init; }

        public int Spared { get; init; }

        public byte Spoils { get; init; }

        public Recorder Over(ICardChannel slot)
        {
            card = slot;
            return this;
        }

        public string Status(byte ins) => Answers.Last(row => row.Ins == ins).Answer[^4..];

        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            var (ins, sent) = (command.Span[1], command.ToArray());
            if (ins == LeavesAt && spared++ >= Spared)
            {
                throw new CardRemovedException();
            }

            sent[^2] ^= (byte)(ins == Spoils ? 1 : 0);
            var answer = await card.TransmitAsync(sent, cancellation);
            Answers.Add((ins, Convert.ToHexString(answer.Span)));
            return answer;
        }
    }
}
