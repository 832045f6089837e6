using Majia.Core.Contracts;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;
using Majia.Tests;

namespace Majia.Scenarios.Payments;

/// <summary>The plastic itself at the counter: its bank checks its cryptogram with the card's own key; no token, no phone.</summary>
public sealed class PlasticPaymentTests
{
    [Theory]
    [InlineData("mingyue-01", 8_800, "00", false)]
    [InlineData("mingyue-01", 180_000, "00", true)] // the bank's limit
    [InlineData("beishan-01", 8_800, "00", false)] // a chip certified in SM2
    [InlineData("shahu-03", 8_800, "00", false)] // dual brand: the UnionPay side of the chip
    [InlineData("mingyue-08", 8_800, "51", false)]
    [InlineData("mingyue-07", 8_800, "41", false)]
    [Rule("R12")]
    [Rule("R15")]
    [Rule("R18")]
    public async Task Held_to_the_terminal_it_pays_from_the_same_account_with_the_same_rules(string id, long minor, string code, bool pin)
    {
        await using var world = await World.OpenAsync(190);
        var before = world.Account(id);
        var hand = new Fingers(World.Pin);
        var sale = await SellAsync(world, id, minor, hand);
        Assert.Equal(code, sale.ResponseCode?.Value);
        Assert.Equal(pin ? 1 : 0, hand.Prompts.Count);
        Assert.Equal(SeedData.Card(id).Pan.LastFour, sale.LastFour);
        Assert.Equal(code == "00" ? before.Balance - minor : before.Balance, world.Account(id).Balance);
        Assert.Equal(code == "00" ? before.Points + (minor / 100) : before.Points, world.Account(id).Points);
        world.BooksHold();
        world.NothingPending();
    }

    [Fact]
    [Rule("R15")]
    public async Task Its_PIN_is_the_banks_and_a_wrong_one_is_asked_again()
    {
        await using var world = await World.OpenAsync(191);
        var sale = await world.SellAsync(180_000, World.Books, new Fingers(World.WrongPin, World.Pin), () => TapAsync(world, "mingyue-01"), () => TapAsync(world, "mingyue-01"));
        Assert.Equal(SaleOutcome.Approved, sale.Outcome);
    }

    [Fact]
    [Rule("R20")]
    public async Task It_is_voided_and_refunded_as_any_payment()
    {
        await using var world = await World.OpenAsync(192);
        var before = world.Account("mingyue-01");
        var sale = await SellAsync(world, "mingyue-01", 8_800);
        Assert.Equal(SaleOutcome.Voided, (await world.VoidAsync(sale.Rrn!)).Outcome);
        Assert.Equal(before, world.Account("mingyue-01"));
    }

    [Fact]
    public async Task A_cryptogram_counts_once_and_a_changed_one_not_at_all()
    {
        await using var world = await World.OpenAsync(193);
        var answers = new List<byte[]>();
        var first = await world.SellAsync(8_800, World.Books, new Fingers(World.Pin), async () => new Tape(await TapAsync(world, "mingyue-01"), answers));
        Assert.Equal("00", first.ResponseCode?.Value);

        // The same answers from a tape: another unpredictable number, and the counter is spent.
        var again = await world.SellAsync(8_800, World.Books, new Fingers(World.Pin), () => Task.FromResult<ICardChannel>(new Player(answers)));
        Assert.Equal("59", again.ResponseCode?.Value);
        world.BooksHold();
    }

    [Fact]
    [Rule("R12")]
    public async Task Nothing_is_paid_where_nothing_answers()
    {
        await using var world = await World.OpenAsync(194);
        foreach (var id in (string[])["mingyue-14", "mingyue-15"])
        {
            Assert.Null(await world.System.Plastics.InFieldAsync(id));
        }

        var visa = await SellAsync(world, "visa-only", 8_800); // in the field, and no application that this terminal takes
        Assert.Equal(SaleOutcome.EndApplication, visa.Outcome);
    }

    [Fact]
    [Rule("R12")]
    [Rule("R15")]
    public async Task Small_amounts_the_chip_approves_by_itself_and_the_bank_clears_them_afterwards()
    {
        await using var world = await World.OpenAsync(195);
        var (canteen, desk, points) = (world.System.Terminals[Canteen], world.Desk("mingyue-16"), world.Account("mingyue-16").Points);
        Assert.Equal(50_000, desk.ElectronicCash.Minor);

        // The line is down all the while: nobody is asked.
        world.System.Wires.PosLine.Set(LinkFault.Cut);
        var first = await world.SellAsync(1_250, Canteen, new Fingers(World.Pin), () => TapAsync(world, "mingyue-16"));
        Assert.Equal((SaleOutcome.Approved, null, CvmResult.None), (first.Outcome, first.Rrn, first.Cvm));
        Assert.Contains("TC: ", first.Slip!.Print(SlipCopy.Cardholder), StringComparison.Ordinal);
        Assert.Contains("脱机消费", first.Slip.Print(SlipCopy.Merchant), StringComparison.Ordinal);
        Assert.Single(canteen.PendingAdvices);
        Assert.Equal(50_000, desk.ElectronicCash.Minor);
        Assert.NotNull(TerminalDevice.Refuse(canteen.Journal(1)[0], first.Batch!));

        // The line is back: kept uploads go before the batch is closed, and the bank clears them out of the card's electronic cash.
        world.System.Wires.PosLine.Clear();
        Assert.Equal(0, await canteen.ResolvePendingAsync(CancellationToken.None));
        await world.PumpAsync();
        Assert.Equal(48_750, desk.ElectronicCash.Minor);
        Assert.Equal(points + 12, world.Account("mingyue-16").Points);
        var rrn = canteen.Journal(1)[0].Rrn!;
        Assert.Equal("""
            offline   electronic-cash             -12.50 CNY
            offline   settlement-network           12.50 CNY

            """.ReplaceLineEndings("\n"), desk.LedgerText(rrn));
        Assert.Equal(SettlementOutcome.Balanced, (await canteen.SettleAsync(CancellationToken.None)).Outcome);
        world.BooksHold();
        world.NothingPending();
    }

    [Fact]
    [Rule("R15")]
    public async Task Over_its_limit_or_its_balance_the_chip_asks_the_bank_and_a_phone_always_does()
    {
        await using var world = await World.OpenAsync(196);
        var over = await world.SellAsync(20_001, Canteen, new Fingers(World.Pin), () => TapAsync(world, "mingyue-16")); // the shop's limit
        Assert.Equal("00", over.ResponseCode?.Value);
        for (var left = 50_000; left >= 15_000; left -= 15_000)
        {
            Assert.Null((await world.SellAsync(15_000, Canteen, new Fingers(World.Pin), () => TapAsync(world, "mingyue-16"))).ResponseCode);
        }

        var empty = await world.SellAsync(15_000, Canteen, new Fingers(World.Pin), () => TapAsync(world, "mingyue-16")); // 50.00 is left on the chip
        Assert.Equal("00", empty.ResponseCode?.Value);
        var phone = await world.SellAsync(await world.AddAsync("mingyue-16"), 1_000, Canteen);
        Assert.Equal("00", phone.ResponseCode?.Value);
        world.BooksHold();
    }

    [Fact]
    [Rule("R20")]
    public async Task What_the_chip_approved_by_itself_goes_back_to_the_account_in_parts_and_at_once()
    {
        await using var world = await World.OpenAsync(199);
        var (canteen, desk, before) = (world.System.Terminals[Canteen], world.Desk("mingyue-16"), world.Account("mingyue-16"));
        var nobody = new Visit();
        world.System.Wires.PosLine.Set(LinkFault.Cut);
        var sale = await world.SellAsync(3_000, Canteen, new Fingers(World.Pin), () => TapAsync(world, "mingyue-16"));
        Assert.Equal(SaleOutcome.Approved, sale.Outcome);

        // Not taken over yet: nobody knows of it but the card and this terminal.
        var (early, _) = await world.OutwaitAsync(world.System.Wires.PosLine, () => canteen.RefundAsync(sale.Voucher!, null, nobody, CancellationToken.None), TimeSpan.FromSeconds(60));
        Assert.Equal(SaleOutcome.Refused, early.Outcome);
        Assert.Contains("has not taken", early.Why.En, StringComparison.Ordinal);

        // Taken over, and the bank has not looked: nothing to give back until it has.
        world.System.Wires.PosLine.Clear();
        Assert.Equal(0, await canteen.ResolvePendingAsync(CancellationToken.None));
        var rrn = canteen.Journal().Single(row => row.Request.Kind == TransactionKind.Offline).Rrn!;
        Assert.Equal("12", (await canteen.RefundAsync(rrn, null, nobody, CancellationToken.None)).ResponseCode?.Value);
        await world.PumpAsync();
        Assert.Equal(47_000, desk.ElectronicCash.Minor);
        Assert.Contains("not voided", (await canteen.VoidAsync(rrn, nobody, CancellationToken.None)).Why.En, StringComparison.Ordinal);

        // In parts, in the same batch; what was spent on the chip comes back on the account, with its points.
        var part = await canteen.RefundAsync(rrn, Majia.Core.Primitives.Amount.Cny(1_000), nobody, CancellationToken.None);
        Assert.Equal((SaleOutcome.Refunded, "00"), (part.Outcome, part.ResponseCode?.Value));
        Assert.Contains("脱机退货", part.Slip!.Print(SlipCopy.Merchant), StringComparison.Ordinal);
        Assert.Contains("20.00", (await canteen.RefundAsync(rrn, Majia.Core.Primitives.Amount.Cny(2_001), nobody, CancellationToken.None)).Why.En, StringComparison.Ordinal);
        Assert.Equal(SaleOutcome.Refunded, (await canteen.RefundAsync(rrn, null, nobody, CancellationToken.None)).Outcome);
        Assert.Contains("already", (await canteen.RefundAsync(rrn, null, nobody, CancellationToken.None)).Why.En, StringComparison.Ordinal);
        Assert.Equal(before.Balance + 3_000, world.Account("mingyue-16").Balance);
        Assert.Equal(before.Points, world.Account("mingyue-16").Points);
        Assert.Equal(47_000, desk.ElectronicCash.Minor);
        Assert.Equal(0, nobody.Polls);

        var batch = await canteen.SettleAsync(CancellationToken.None);
        Assert.Equal((SettlementOutcome.Balanced, 3_000, 3_000), (batch.Outcome, batch.Slip!.Own.Debit, batch.Slip.Own.Credit));
        world.BooksHold();
        world.NothingPending();
    }

    [Fact]
    public async Task A_forged_approval_is_no_money_and_the_batch_does_not_balance()
    {
        await using var world = await World.OpenAsync(197);
        var (canteen, desk) = (world.System.Terminals[Canteen], world.Desk("mingyue-16"));
        await world.SellAsync(1_000, Canteen, new Fingers(World.Pin), () => TapAsync(world, "mingyue-16"));

        // The chip's signature is genuine, so the terminal sells; the cryptogram for the bank is not.
        var forged = await world.SellAsync(2_000, Canteen, new Fingers(World.Pin), async () => new OtherCryptogram(await TapAsync(world, "mingyue-16")));
        Assert.Equal(SaleOutcome.Approved, forged.Outcome);
        await canteen.ResolvePendingAsync(CancellationToken.None);
        Assert.Equal(SettlementOutcome.Unfinished, (await canteen.SettleAsync(CancellationToken.None)).Outcome); // the bank has not looked yet
        await world.PumpAsync();
        Assert.Equal(49_000, desk.ElectronicCash.Minor);
        var batch = await canteen.SettleAsync(CancellationToken.None);
        Assert.Equal(SettlementOutcome.NotBalanced, batch.Outcome);
        Assert.Equal((3_000, 1_000), (batch.Slip!.Own.Debit, batch.Slip.Host.Debit));
        Assert.Single(world.System.Acquirer.DeadLetters());
        world.BooksHold();
    }

    [Fact]
    [Rule("R20")]
    public async Task An_upload_whose_answers_are_lost_is_cleared_once()
    {
        await using var world = await World.OpenAsync(198);
        var (canteen, desk) = (world.System.Terminals[Canteen], world.Desk("mingyue-16"));
        await world.SellAsync(3_000, Canteen, new Fingers(World.Pin), () => TapAsync(world, "mingyue-16"));
        world.System.Wires.PosLine.Set(LinkFault.DropAnswer, 1);
        var (kept, _) = await world.OutwaitAsync(world.System.Wires.PosLine, () => canteen.ResolvePendingAsync(CancellationToken.None), TimeSpan.FromSeconds(60));
        Assert.Equal(1, kept);
        Assert.Equal(0, await canteen.ResolvePendingAsync(CancellationToken.None));
        world.System.Wires.AcquirerNetwork.Set(LinkFault.DropAnswer, 1);
        await world.OutwaitAsync(world.System.Wires.AcquirerNetwork, async () =>
        {
            await world.PumpAsync();
            return true;
        }, TimeSpan.FromSeconds(40));
        world.Clock.Advance(TimeSpan.FromMinutes(10));
        await world.PumpAsync();
        Assert.Equal(47_000, desk.ElectronicCash.Minor);
        Assert.Equal(1, world.Count("issuer_authorisations", "operation = 'Offline'"));
        Assert.Equal(SettlementOutcome.Balanced, (await canteen.SettleAsync(CancellationToken.None)).Outcome);
        world.NothingPending();
    }

    private const string Canteen = "10000003";

    /// <summary>9F26 of the answer to GPO with one bit changed.</summary>
    private sealed class OtherCryptogram(ICardChannel card) : ICardChannel
    {
        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            var answer = (await card.TransmitAsync(command, cancellation)).ToArray();
            if (command.Span[1] == 0xA8)
            {
                answer[answer.AsSpan().IndexOf([(byte)0x9F, (byte)0x26, (byte)0x08]) + 3] ^= 1;
            }

            return answer;
        }
    }

    private static Task<SaleResult> SellAsync(World world, string id, long minor, IKeypad? hand = null) => world.SellAsync(minor, World.Books, hand ?? new Fingers(World.Pin), () => TapAsync(world, id));

    private static async Task<ICardChannel> TapAsync(World world, string id) => (await world.System.Plastics.InFieldAsync(id))!;

    /// <summary>Keeps what a card answered.</summary>
    private sealed class Tape(ICardChannel card, List<byte[]> answers) : ICardChannel
    {
        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            var answer = await card.TransmitAsync(command, cancellation);
            answers.Add(answer.ToArray());
            return answer;
        }
    }

    private sealed class Player(List<byte[]> answers) : ICardChannel
    {
        private int at;

        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) => ValueTask.FromResult<ReadOnlyMemory<byte>>(answers[at++]);
    }
}
