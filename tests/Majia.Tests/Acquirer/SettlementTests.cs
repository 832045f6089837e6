using Majia.Acquirer;
using Majia.Core.Iso8583;
using Majia.Storage;
using Majia.Tests.Network;

namespace Majia.Tests.Acquirer;

/// <summary>0500 and 0220 at the acquirer: a batch closes once, and refunds never exceed what was captured (R20).</summary>
public sealed class SettlementTests
{
    private readonly PaymentBench bench = new();
    private readonly FakePeer network;
    private readonly InlineStore store;

    public SettlementTests()
    {
        network = bench.FakeNetwork(PaymentBench.Approve);
        store = bench.NewStore();
    }

    private Task<AcquirerParty> Open() => bench.AcquirerAsync(store, network);

    private static IsoMessage Settle(SettlementTotals totals, string stan = "000090", string batch = PaymentBench.Batch) => new IsoMessage(Mti.SettlementRequest)
        .Set(11, stan).Set(41, PaymentBench.Terminal).Set(42, PaymentBench.Merchant).Set(48, totals.Format(BatchBalance.Open)).Set(49, "156").Set(60, new Field60Pos("00", batch, "201").Format()).Set(63, "001");

    private IsoMessage Refund(string stan, string rrn, long amount, string originalStan = "000001") => bench.Sale(stan, amount)
        .Copy(Mti.FinancialAdvice).Remove(35).Remove(55).Set(3, "200000").Set(37, rrn).Set(60, Field60Pos.Payment("25", "000002").Format()).Set(61, $"{PaymentBench.Batch}{originalStan}0304").Set(63, "CUP");

    private static (BatchBalance Balance, SettlementTotals Totals) Read(IsoMessage answer)
    {
        Assert.Equal("0510", answer.Mti.Digits);
        Assert.Null(MessageMatrix.Check(Dialect.Pos, answer));
        Assert.True(SettlementTotals.TryParse(answer.Text(48), out var totals, out var balance, out var error), error.ToString());
        return (balance, totals);
    }

    [Fact]
    public async Task A_batch_that_agrees_is_balanced_and_closed_and_says_the_same_when_asked_again()
    {
        var acquirer = await Open();
        await bench.TapAsync(acquirer, bench.Sale("000001", 8_800));
        await bench.TapAsync(acquirer, bench.Sale("000002", 1_200));
        var totals = new SettlementTotals(10_000, 2, 0, 0);
        var first = await bench.TapAsync(acquirer, Settle(totals));
        Assert.Equal((BatchBalance.Balanced, totals), Read(first.Message));
        bench.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(first.Frame, (await bench.TapAsync(acquirer, Settle(totals))).Frame);

        // Nothing is added to it any more; the next batch goes on.
        Assert.Equal("12", (await bench.TapAsync(acquirer, bench.Sale("000003", 100))).Message.Text(39));
        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Sale("000004", 100).Set(60, Field60Pos.Payment("22", "000002").Format()))).Message.Text(39));

        // A repeat of what is in it gets its stored answer all the same.
        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Sale("000001", 8_800))).Message.Text(39));
        await store.DurableAsync();
        Assert.Equal(BatchBalance.Balanced, Assert.Single(acquirer.Batches()).Balance);
    }

    [Fact]
    public async Task A_batch_that_does_not_agree_is_closed_as_a_break_with_both_totals()
    {
        var acquirer = await Open();
        await bench.TapAsync(acquirer, bench.Sale("000001", 8_800));
        Assert.Equal((BatchBalance.NotBalanced, new SettlementTotals(8_800, 1, 0, 0)), Read((await bench.TapAsync(acquirer, Settle(new(9_900, 1, 0, 0)))).Message));
        await store.DurableAsync();
        var closed = Assert.Single(acquirer.Batches());
        Assert.Equal((8_800, 9_900, BatchBalance.NotBalanced), (closed.Own.Debit, closed.Said.Debit, closed.Balance));
    }

    [Fact]
    public async Task While_a_sale_is_under_way_the_batch_stays_open()
    {
        var acquirer = await Open();
        network.Holds = true;
        var sale = bench.TapAsync(acquirer, bench.Sale("000001", 8_800));
        Assert.Equal(BatchBalance.Error, Read((await bench.TapAsync(acquirer, Settle(SettlementTotals.None))).Message).Balance);
        Assert.Single(network.Held)();
        await sale;
        network.Holds = false;
        Assert.Equal(BatchBalance.Balanced, Read((await bench.TapAsync(acquirer, Settle(new(8_800, 1, 0, 0)))).Message).Balance);
    }

    [Fact]
    public async Task Nobody_closes_a_batch_without_the_terminals_key()
    {
        var acquirer = await Open();
        var frame = bench.PosFrameOf(Settle(SettlementTotals.None));
        frame[^1] ^= 1;
        Assert.Equal("A0", bench.ReadPos(await acquirer.HandleAsync(frame, default)).Message.Text(39));
        Assert.Equal("30", (await bench.TapAsync(acquirer, Settle(SettlementTotals.None).Set(48, "123"))).Message.Text(39));
        Assert.Empty(acquirer.Batches());
    }

    [Fact]
    [Rule("R20")]
    public async Task Refunds_at_once_take_no_more_than_the_sale_and_a_declined_one_lets_go()
    {
        var acquirer = await Open();
        var rrn = (await bench.TapAsync(acquirer, bench.Sale("000001", 8_800))).Message.Text(37)!;
        Assert.Equal("12", (await bench.TapAsync(acquirer, Refund("000010", rrn, 100))).Message.Text(39));
        await bench.TapAsync(acquirer, Settle(new(8_800, 1, 0, 0)));

        network.Answer = static request => PaymentBench.Echo(request).Set(39, "22");
        Assert.Equal("22", (await bench.TapAsync(acquirer, Refund("000011", rrn, 8_800))).Message.Text(39));
        network.Answer = PaymentBench.Approve;
        var answers = await Task.WhenAll(Enumerable.Range(20, 12).Select(stan => bench.TapAsync(acquirer, Refund($"0000{stan}", rrn, 1_000))));
        Assert.Equal((8, 4), (answers.Count(one => one.Message.Text(39) == "00"), answers.Count(one => one.Message.Text(39) == "64")));
        Assert.All(network.Got.Where(message => message.Mti == Mti.FinancialAdvice), message => Assert.True(message.Has(90) && !message.Has(52) && !message.Has(55)));
        await store.DurableAsync();
        Assert.Equal(8_000, acquirer.ByRrn(rrn)!.Refunded.Minor);
        Assert.Equal((BatchBalance.Balanced, new SettlementTotals(0, 0, 8_000, 8)), Read((await bench.TapAsync(acquirer, Settle(new(0, 0, 8_000, 8), "000099", "000002"))).Message));
    }

    [Fact]
    [Rule("R20")]
    public async Task A_refund_that_the_network_does_not_answer_is_accepted_and_sent_unchanged_until_it_is()
    {
        var acquirer = await Open();
        var rrn = (await bench.TapAsync(acquirer, bench.Sale("000001", 8_800))).Message.Text(37)!;
        await bench.TapAsync(acquirer, Settle(new(8_800, 1, 0, 0)));
        network.Answer = static _ => null;
        var tap = bench.TapAsync(acquirer, Refund("000011", rrn, 3_000));
        bench.Clock.Advance(TimeSpan.FromSeconds(40));
        var first = await tap;
        Assert.Equal("00", first.Message.Text(39));
        Assert.Equal(first.Frame, (await bench.TapAsync(acquirer, Refund("000011", rrn, 3_000))).Frame);

        network.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        await store.DurableAsync();
        await acquirer.PumpAsync(TestContext.Current.CancellationToken);
        var sent = network.Got.Where(message => message.Mti == Mti.FinancialAdvice).ToList();
        Assert.Equal(2, sent.Count);
        Assert.Equal(sent[0].Remove(128).ContentDigest(), sent[1].Remove(128).ContentDigest());
    }
}
