using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Terminal;

namespace Majia.Tests.Terminal;

/// <summary>What happens when no answer comes, and how a payment is undone.</summary>
public class UndoingTests
{
    private static byte[] Good(int atc = 1, string number = FakeCard.Token) => FakeCard.Template77(FakeCard.Answer(number, atc: atc));

    // ---- reversals ----

    [Fact]
    public async Task No_answer_becomes_a_reversal_with_the_original_trace_number()
    {
        var counter = new Counter();
        counter.Acquirer.Script.Enqueue(_ => null);
        var result = await counter.WaitsExactlyAsync(60, counter.Device.SellAsync(Amount.Cny(8800), new FakeField(FakeCard.Phone(Good())), new FakeKeypad(), TestContext.Current.CancellationToken));

        Assert.Equal(SaleOutcome.Reversed, result.Outcome);
        Assert.Null(result.Slip);
        var reversal = Assert.Single(counter.Acquirer.Reversals);
        Assert.Equal("2 3 4 11 14 22 23 25 39 41 42 49 55 60 64", string.Join(' ', reversal.Fields));
        Assert.Equal(("000001", "98", "000000008800", "072"), (reversal.Text(11), reversal.Text(39), reversal.Text(4), reversal.Text(22)));
        Assert.Equal("95 9F1E 9F10 9F36", string.Join(' ', Tags(reversal.Binary(55).Span)));
        Assert.Empty(counter.Device.Pending);
        Assert.Equal(JournalState.Reversed, counter.Device.Journal()[0].State);
        Assert.Null(counter.Device.Journal()[0].SealedNumber);
    }

    [Fact]
    public async Task A_reversal_has_three_tries_before_the_next_sale_and_is_never_lost()
    {
        var counter = new Counter();
        for (var i = 0; i < 4; i++)
        {
            counter.Acquirer.Script.Enqueue(_ => null);
        }

        Assert.Equal(SaleOutcome.ReversalPending, (await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())))).Outcome);
        Assert.Single(counter.Acquirer.Reversals);

        // Two more tries, both silent; then the next sale has its turn, the reversal stays.
        Assert.Equal(SaleOutcome.Approved, (await counter.SellAsync("5.00", new FakeField(FakeCard.Phone(Good(atc: 2))))).Outcome);
        Assert.Equal(["0200", "0400", "0400", "0400", "0200"], counter.Acquirer.Received.Select(message => message.Mti.Digits));
        Assert.Equal(["000001", "000001", "000001", "000001", "000002"], counter.Acquirer.Received.Select(message => message.Text(11)));
        Assert.Equal(3, Assert.Single(counter.Device.Pending).Tries);

        // At the next sign-on the acquirer is there again.
        Assert.Equal(0, await counter.RunAsync(counter.Device.ResolvePendingAsync(TestContext.Current.CancellationToken)));
        Assert.Empty(counter.Device.Pending);
    }

    [Fact]
    public async Task A_terminal_restarted_between_request_and_answer_reverses_before_anything_else()
    {
        var counter = new Counter();
        Counter? after = null;
        counter.Acquirer.Arrived = request => after ??= new Counter(before: counter);
        await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));

        Assert.NotNull(after);
        Assert.Equal("000001", Assert.Single(after.Device.Pending).Stan);
        Assert.Equal(SaleOutcome.Approved, (await after.SellAsync("5.00", new FakeField(FakeCard.Phone(Good(atc: 2))))).Outcome);
        Assert.Equal(["0400", "0200"], after.Acquirer.Received.Select(message => message.Mti.Digits));
        Assert.Equal(("000001", "98", FakeCard.Token), (after.Acquirer.Received[0].Text(11), after.Acquirer.Received[0].Text(39), after.Acquirer.Received[0].Text(2)));
        Assert.Equal("000002", after.Acquirer.Received[1].Text(11));
    }

    [Fact]
    public async Task An_answer_with_a_wrong_mac_is_not_believed()
    {
        var counter = new Counter();
        counter.Acquirer.Spoil = frame =>
        {
            frame[^1] ^= 1;
            return frame;
        };
        var result = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        Assert.Equal((SaleOutcome.Reversed, "A0"), (result.Outcome, counter.Acquirer.Reversals.Single().Text(39)));
    }

    [Theory]
    [InlineData(11, "000777")]
    [InlineData(41, "10000009")]
    [InlineData(42, "990031058120009")]
    [InlineData(4, "000000000001")]
    [InlineData(37, null)] // approved without an RRN
    public async Task An_answer_that_is_not_ours_is_reversed(int field, string? value)
    {
        var counter = new Counter();
        counter.Acquirer.Script.Enqueue(request => counter.Acquirer.Answer(request, "00").Set(field, value));
        var result = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        Assert.Equal((SaleOutcome.Reversed, "96"), (result.Outcome, counter.Acquirer.Reversals.Single().Text(39)));
    }

    [Theory]
    [InlineData("25", 0)] // nothing to reverse: closed
    [InlineData("00", 0)]
    [InlineData("96", 1)] // kept
    public async Task What_the_acquirer_says_to_a_reversal(string code, int kept)
    {
        var counter = new Counter();
        counter.Acquirer.Script.Enqueue(_ => null);
        counter.Acquirer.Script.Enqueue(request => counter.Acquirer.Answer(request, code));
        await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        Assert.Equal(kept, counter.Device.Pending.Count);
    }

    [Fact]
    public async Task The_reversal_is_on_disk_before_the_request_leaves()
    {
        var counter = new Counter();
        counter.Acquirer.Arrived = _ => Assert.Equal("000001", Assert.Single(new Counter(before: counter).Device.Pending).Stan);
        Assert.Equal(SaleOutcome.Approved, (await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())))).Outcome);
    }

    [Fact]
    public async Task A_trace_number_is_never_used_twice_after_a_restart()
    {
        var counter = new Counter();
        await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(FakeCard.Status(0x6984))));
        var after = new Counter(before: counter);
        Assert.Equal("000002", (await after.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())))).Voucher);
    }

    // ---- void, reprint ----

    [Theory]
    [Rule("R20")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_void_undoes_the_whole_sale_with_or_without_a_second_tap(bool retap)
    {
        var counter = new Counter(TerminalParameters.Default with { RetapForVoid = retap });
        var sale = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));

        // The card may be blocked by now: an AAC is enough to read its number.
        var blocked = FakeCard.Phone(FakeCard.Template77(FakeCard.Answer(atc: 2, cvr: "03800000")));
        var result = await counter.RunAsync(counter.Device.VoidAsync("1", new FakeField(blocked), TestContext.Current.CancellationToken));

        Assert.Equal(SaleOutcome.Voided, result.Outcome);
        var sent = counter.Acquirer.Received[1];
        Assert.Equal(
            retap ? "2 3 4 11 14 22 23 25 35 37 38 41 42 49 55 60 61 64" : "2 3 4 11 14 22 23 25 37 38 41 42 49 60 61 64",
            string.Join(' ', sent.Fields));
        Assert.Equal(("200000", "000000008800", sale.Rrn, "A1B2C3", "2300000100060", "0000010000010701"),
            (sent.Text(3), sent.Text(4), sent.Text(37), sent.Text(38), sent.Text(60), sent.Text(61)));
        Assert.Equal(FakeCard.Token, sent.Text(2));
        Assert.Equal(retap ? 3 : 0, blocked.Commands.Count);
        Assert.Equal("000001", result.Slip!.OriginalVoucher);
        Assert.Equal([JournalState.Approved, JournalState.Voided], counter.Device.Journal().Select(row => row.State));
        Assert.All(counter.Device.Journal(), row => Assert.Null(row.SealedNumber));

        var again = await counter.RunAsync(counter.Device.VoidAsync(sale.Rrn!, new FakeField(), TestContext.Current.CancellationToken));
        Assert.Equal((SaleOutcome.Refused, "该笔交易已撤销。"), (again.Outcome, again.Why.Zh));
    }

    [Fact]
    [Rule("R20")]
    public async Task A_second_tap_with_another_number_voids_nothing()
    {
        var counter = new Counter(TerminalParameters.Default with { RetapForVoid = true });
        await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        var result = await counter.RunAsync(counter.Device.VoidAsync("000001", new FakeField(FakeCard.Phone(Good(number: FakeCard.OtherToken))), TestContext.Current.CancellationToken));
        Assert.Equal(SaleOutcome.Refused, result.Outcome);
        Assert.Single(counter.Acquirer.Received);
    }

    [Fact]
    [Rule("R20")]
    public async Task A_void_without_answer_is_reversed_and_the_sale_stands()
    {
        var counter = new Counter();
        await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        counter.Acquirer.Script.Enqueue(_ => null);
        var result = await counter.RunAsync(counter.Device.VoidAsync("000001", new FakeField(), TestContext.Current.CancellationToken));
        Assert.Equal(SaleOutcome.Reversed, result.Outcome);
        var reversal = counter.Acquirer.Reversals.Single();
        Assert.Equal(("000002", "200000", "0000010000010701", "2300000100060"), (reversal.Text(11), reversal.Text(3), reversal.Text(61), reversal.Text(60)));
        Assert.Equal([JournalState.Reversed, JournalState.Approved], counter.Device.Journal().Select(row => row.State));
        Assert.Equal(SaleOutcome.Voided, (await counter.RunAsync(counter.Device.VoidAsync("000001", new FakeField(), TestContext.Current.CancellationToken))).Outcome);
    }

    [Fact]
    public async Task A_declined_sale_and_an_unknown_voucher_cannot_be_voided()
    {
        var counter = new Counter();
        counter.Acquirer.Script.Enqueue(request => counter.Acquirer.Answer(request, "51"));
        Assert.Equal(SaleOutcome.Declined, (await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())))).Outcome);
        Assert.Equal(SaleOutcome.Refused, (await counter.RunAsync(counter.Device.VoidAsync("000001", new FakeField(), TestContext.Current.CancellationToken))).Outcome);
        Assert.Equal(SaleOutcome.Refused, (await counter.RunAsync(counter.Device.VoidAsync("000999", new FakeField(), TestContext.Current.CancellationToken))).Outcome);
        Assert.Null(await counter.Device.ReprintAsync());
    }

    [Fact]
    [Rule("R20")]
    public async Task A_settled_batch_is_refunded_not_voided()
    {
        var counter = new Counter();
        await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        var sale = counter.Device.Journal()[0];
        Assert.Null(TerminalDevice.Refuse(sale, "000001"));
        Assert.Equal("该笔交易所在批次已结算，请办理退货。", TerminalDevice.Refuse(sale, "000002")!.Zh);
    }

    [Fact]
    public async Task A_slip_survives_a_restart_and_prints_the_same_again()
    {
        var counter = new Counter();
        var sale = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        var again = await new Counter(before: counter).Device.ReprintAsync(sale.Rrn);
        Assert.Equal(sale.Slip!.Print(SlipCopy.Merchant), again!.Print(SlipCopy.Merchant));
        Assert.Contains("*** 重打印 DUPLICATE ***", again.Print(SlipCopy.Cardholder, duplicate: true), StringComparison.Ordinal);
    }

    private static List<string> Tags(ReadOnlySpan<byte> data)
    {
        var tags = new List<string>();
        while (BerTlv.TryRead(data, out var tag, out _, out var consumed, out _))
        {
            tags.Add(tag.ToString());
            data = data[consumed..];
        }

        return tags;
    }
}
