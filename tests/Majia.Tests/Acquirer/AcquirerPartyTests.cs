using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Hsm;
using Majia.Storage;
using Majia.Tests.Network;

namespace Majia.Tests.Acquirer;

public sealed class AcquirerPartyTests
{
    private readonly PaymentBench bench = new();
    private readonly FakePeer network;
    private readonly InlineStore store;

    public AcquirerPartyTests()
    {
        network = bench.FakeNetwork(PaymentBench.Approve);
        store = bench.NewStore();
    }

    [Fact]
    public async Task A_sale_goes_to_the_network_with_numbers_of_the_acquirers_own_and_comes_back_as_an_0210()
    {
        var acquirer = await Open();
        var (_, answer) = await bench.TapAsync(acquirer, bench.Sale(pin: true));

        var asked = Assert.Single(network.Got);
        Assert.Equal(["2", "3", "4", "7", "11", "12", "13", "14", "18", "22", "23", "25", "26", "32", "33", "35", "37", "41", "42", "43", "49", "52", "53", "55", "60", "128"], asked.Fields.Select(f => f.ToString()));
        Assert.Equal(
            (bench.Token.Reveal(), "0304130607", "000001", "5942", "071", "63990900", "63990900", "606313000001", "CHNMorning Light Books"),
            (asked.Text(2), asked.Text(7), asked.Text(11), asked.Text(18), asked.Text(22), asked.Text(32), asked.Text(33), asked.Text(37), asked.Text(43)!.TrimEnd()));

        Assert.Equal(
            ("0210", "00", "606313000001", "135790", "130607", "0304", "0304", "63990900", "CUP"),
            (answer.Mti.Digits, answer.Text(39), answer.Text(37), answer.Text(38), answer.Text(12), answer.Text(13), answer.Text(15), answer.Text(32), answer.Text(63)));
        Assert.Contains((TraceReference.Pos(PaymentBench.Merchant, PaymentBench.Terminal, "000001", "000001"), TraceReference.Rrn("606313000001")), bench.Trace.Pairs);
        Assert.Equal("00", acquirer.ByRrn("606313000001")?.Code ?? await Committed(acquirer, "606313000001"));
    }

    [Fact]
    public async Task The_pin_leaves_under_the_zone_key_over_the_same_number()
    {
        await bench.TapAsync(await Open(), bench.Sale(pin: true));

        var block = network.Got[0].Binary(52).ToArray();
        Assert.NotEqual(bench.TerminalKeys.EncryptPin("pik", PaymentBench.Pin, bench.Token), block);
        Assert.Equal(bench.ZonePad.EncryptPin("zpk.network", PaymentBench.Pin, bench.Token), block);
    }

    [Fact]
    public async Task A_wrong_mac_is_answered_A0_under_a_right_one_and_nothing_is_believed()
    {
        var acquirer = await Open();
        var frame = bench.PosFrameOf(bench.Sale());
        frame[^1] ^= 1;
        var (_, answer) = bench.ReadPos(await acquirer.HandleAsync(frame, default));
        Assert.Equal("A0", answer.Text(39));
        Assert.Empty(network.Got);

        // Any other bit too: the MAC covers the bytes.
        frame = bench.PosFrameOf(bench.Sale());
        frame[40] ^= 1;
        Assert.Equal("A0", bench.ReadPos(await acquirer.HandleAsync(frame, default)).Message.Text(39));
        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Sale())).Message.Text(39));
    }

    [Fact]
    public async Task A_terminal_without_a_key_or_without_a_place_is_97_and_one_at_another_merchant_03()
    {
        var acquirer = await Open();
        var stranger = await acquirer.HandleAsync(bench.PosFrameOf(bench.Sale().Set(41, "10009999")), default);
        Assert.Equal("97", bench.ReadPos(stranger, signed: false).Message.Text(39));

        var unseeded = bench.Sale().Set(41, PaymentBench.Unseeded);
        var frame = PosFrame.Write(PaymentBench.Tpdu, PaymentBench.Header, IsoSealing.Seal(Dialect.Pos, unseeded, block => bench.AcquirerKeys.Mac($"mak.{PaymentBench.Unseeded}", MacAlgorithm.UnionPayEcb, block)));
        Assert.Equal("97", bench.ReadPos(await acquirer.HandleAsync(frame, default), signed: false).Message.Text(39));

        Assert.Equal("03", (await bench.TapAsync(acquirer, bench.Sale().Set(42, PaymentBench.OtherMerchant))).Message.Text(39));
        Assert.Empty(network.Got);
    }

    [Fact]
    public async Task A_repeat_gets_the_same_bytes_and_has_no_second_effect()
    {
        var acquirer = await Open();
        var first = await bench.TapAsync(acquirer, bench.Sale(pin: true));
        bench.Clock.Advance(TimeSpan.FromMinutes(3));
        var again = await bench.TapAsync(acquirer, bench.Sale(pin: true));

        Assert.Equal(first.Frame, again.Frame);
        Assert.Single(network.Got);
    }

    [Fact]
    public async Task The_same_trace_number_with_other_content_is_94()
    {
        var acquirer = await Open();
        await bench.TapAsync(acquirer, bench.Sale(amount: 8800));
        Assert.Equal("94", (await bench.TapAsync(acquirer, bench.Sale(amount: 9900))).Message.Text(39));
        Assert.Single(network.Got);
    }

    [Fact]
    public async Task A_repeat_while_the_first_is_under_way_waits_for_its_answer()
    {
        var acquirer = await Open();
        network.Holds = true;
        var first = bench.TapAsync(acquirer, bench.Sale());
        var again = bench.TapAsync(acquirer, bench.Sale());
        Assert.False(again.IsCompleted);

        Assert.Single(network.Held)();
        Assert.Equal((await first).Frame, (await again).Frame);
        Assert.Single(network.Got);
    }

    [Fact]
    public async Task A_reversal_before_its_original_is_25_and_its_original_is_12_for_ever()
    {
        var acquirer = await Open();
        var reversal = await bench.TapAsync(acquirer, bench.Reversal(bench.Sale()));
        Assert.Equal(("0410", "25"), (reversal.Message.Mti.Digits, reversal.Message.Text(39)));
        bench.Clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(reversal.Frame, (await bench.TapAsync(acquirer, bench.Reversal(bench.Sale()))).Frame);

        var late = await bench.TapAsync(acquirer, bench.Sale());
        Assert.Equal("12", late.Message.Text(39));
        bench.Clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(late.Frame, (await bench.TapAsync(acquirer, bench.Sale())).Frame);
        Assert.Empty(network.Got);
    }

    [Fact]
    public async Task Silence_of_the_network_is_98_and_a_0420_that_is_repeated_as_0421_until_it_is_acknowledged()
    {
        var acquirer = await Open();
        network.Answer = static _ => null;
        var tap = bench.TapAsync(acquirer, bench.Sale());
        bench.Clock.Advance(TimeSpan.FromSeconds(39));
        Assert.False(tap.IsCompleted);
        bench.Clock.Advance(TimeSpan.FromSeconds(1));
        var answer = await tap;
        Assert.Equal("98", answer.Message.Text(39));
        await store.DurableAsync();

        // The terminal reverses as well: stored, and still one reversal.
        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Reversal(bench.Sale()))).Message.Text(39));
        Assert.Equal(answer.Frame, (await bench.TapAsync(acquirer, bench.Sale())).Frame);

        var sale = network.Got[0];
        var waits = new List<double>();
        var sent = bench.Clock.GetUtcNow();
        await PumpThroughSilence(acquirer);
        for (var i = 0; i < 4; i++)
        {
            var failed = bench.Clock.GetUtcNow();
            var before = network.Got.Count;
            while (network.Got.Count == before)
            {
                bench.Clock.Advance(TimeSpan.FromMilliseconds(500));
                await PumpThroughSilence(acquirer);
            }

            waits.Add((bench.Clock.GetUtcNow() - failed).TotalSeconds - 40);
        }

        Assert.Equal([1, 2, 4, 8], waits);
        Assert.Equal(["0200", "0420", "0421", "0421", "0421", "0421"], network.Got.Select(m => m.Mti.Digits));
        Assert.All(network.Got.Skip(1), reversal =>
        {
            Assert.Equal(bench.Token.Reveal(), reversal.Text(2));
            Assert.Equal(("98", sale.Text(37), "000000", sale.Text(4)), (reversal.Text(39), reversal.Text(37), reversal.Text(3), reversal.Text(4)));
            Assert.Equal($"0200{sale.Text(11)}{sale.Text(7)}0006399090000063990900", reversal.Text(90));
            Assert.Equal((network.Got[1].Text(7), network.Got[1].Text(11)), (reversal.Text(7), reversal.Text(11)));
        });

        network.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        bench.Clock.Advance(TimeSpan.FromSeconds(16));
        await Pump(acquirer);
        Assert.Equal(7, network.Got.Count);
        bench.Clock.Advance(TimeSpan.FromHours(1));
        await Pump(acquirer);
        Assert.Equal(7, network.Got.Count);
        Assert.Empty(acquirer.DeadLetters());
    }

    [Fact]
    public async Task A_broken_line_and_an_answer_with_a_wrong_mac_are_silence()
    {
        var acquirer = await Open();
        network.SpoilsMacs = true;
        Assert.Equal("98", (await bench.TapAsync(acquirer, bench.Sale("000001"))).Message.Text(39));
        network.SpoilsMacs = false;
        network.Answer = static _ => throw new IOException("the line is down");
        Assert.Equal("98", (await bench.TapAsync(acquirer, bench.Sale("000002"))).Message.Text(39));

        await store.DurableAsync();
        network.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        await Pump(acquirer);
        Assert.Equal(2, network.Got.Count(m => m.Mti == Mti.ReversalAdvice));
    }

    [Fact]
    public async Task A_reversal_of_an_approved_sale_is_00_and_goes_on_once()
    {
        var acquirer = await Open();
        await bench.TapAsync(acquirer, bench.Sale());
        var first = await bench.TapAsync(acquirer, bench.Reversal(bench.Sale(), "A0"));
        bench.Clock.Advance(TimeSpan.FromSeconds(5));
        var again = await bench.TapAsync(acquirer, bench.Reversal(bench.Sale(), "A0"));
        Assert.Equal("00", first.Message.Text(39));
        Assert.Equal(first.Frame, again.Frame);

        await store.DurableAsync();
        network.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        await Pump(acquirer);
        await Pump(acquirer);
        Assert.Equal("A0", Assert.Single(network.Got, m => m.Mti == Mti.ReversalAdvice).Text(39));
        Assert.True(acquirer.ByRrn("606313000001")!.Reversed);
    }

    [Fact]
    public async Task A_reversal_of_a_declined_sale_moves_nothing()
    {
        var acquirer = await Open();
        network.Answer = static request => PaymentBench.Echo(request).Set(39, "51");
        Assert.Equal("51", (await bench.TapAsync(acquirer, bench.Sale())).Message.Text(39));
        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Reversal(bench.Sale()))).Message.Text(39));
        await store.DurableAsync();
        await Pump(acquirer);
        Assert.Single(network.Got);
    }

    [Fact]
    public async Task A_reversal_that_overtakes_the_networks_answer_makes_the_sale_12()
    {
        var acquirer = await Open();
        network.Holds = true;
        var sale = bench.TapAsync(acquirer, bench.Sale());
        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Reversal(bench.Sale()))).Message.Text(39));
        Assert.Single(network.Held)();
        Assert.Equal("12", (await sale).Message.Text(39));
    }

    [Fact]
    [Rule("R20")]
    public async Task A_void_undoes_a_sale_of_the_same_batch_once_and_in_full()
    {
        var acquirer = await Open();
        var sale = (await bench.TapAsync(acquirer, bench.Sale())).Message;

        Assert.Equal("64", (await bench.TapAsync(acquirer, bench.Void(sale, "000002", amount: 4400))).Message.Text(39));
        Assert.Equal("25", (await bench.TapAsync(acquirer, bench.Void(sale, "000003").Set(37, "606313999999"))).Message.Text(39));
        Assert.Equal("25", (await bench.TapAsync(acquirer, bench.Void(sale, "000004").Set(61, new Field61Pos("000001", "000077").Format()))).Message.Text(39));
        Assert.Equal("12", (await bench.TapAsync(acquirer, bench.Void(sale, "000005").Set(60, Field60Pos.Payment("23", "000002").Format()))).Message.Text(39));
        Assert.Single(network.Got);

        var done = await bench.TapAsync(acquirer, bench.Void(sale, "000006"));
        Assert.Equal("00", done.Message.Text(39));
        var asked = network.Got[1];
        Assert.Equal(("200000", "135790"), (asked.Text(3), asked.Text(38)));
        Assert.NotEqual(sale.Text(37), asked.Text(37));
        Assert.Equal($"0200{network.Got[0].Text(11)}{network.Got[0].Text(7)}0006399090000063990900", asked.Text(90));

        Assert.Equal("12", (await bench.TapAsync(acquirer, bench.Void(sale, "000007"))).Message.Text(39));
        Assert.Equal(done.Frame, (await bench.TapAsync(acquirer, bench.Void(sale, "000006"))).Frame);
        Assert.Equal(2, network.Got.Count);
    }

    [Fact]
    [Rule("R20")]
    public async Task A_void_that_is_declined_or_reversed_lets_go_of_its_sale()
    {
        var acquirer = await Open();
        var sale = (await bench.TapAsync(acquirer, bench.Sale())).Message;
        network.Answer = static request => PaymentBench.Echo(request).Set(39, "91");
        Assert.Equal("91", (await bench.TapAsync(acquirer, bench.Void(sale, "000002"))).Message.Text(39));

        network.Answer = PaymentBench.Approve;
        var undone = bench.Void(sale, "000003");
        Assert.Equal("00", (await bench.TapAsync(acquirer, undone)).Message.Text(39));
        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Reversal(bench.Void(sale, "000003")))).Message.Text(39));

        Assert.Equal("00", (await bench.TapAsync(acquirer, bench.Void(sale, "000004"))).Message.Text(39));
        await store.DurableAsync();
        network.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        await Pump(acquirer);
        Assert.Equal("200000", Assert.Single(network.Got, m => m.Mti == Mti.ReversalAdvice).Text(3));
    }

    [Fact]
    public async Task A_crash_between_the_last_write_and_the_answer_loses_nothing()
    {
        var acquirer = await Open();
        var before = await bench.TapAsync(acquirer, bench.Sale(pin: true));
        await store.DurableAsync();

        var restarted = await bench.AcquirerAsync(bench.NewStore(store.Snapshot()), network);
        var again = await bench.TapAsync(restarted, bench.Sale(pin: true));

        Assert.Equal(before.Frame, again.Frame);
        Assert.Single(network.Got);
    }

    [Fact]
    public async Task A_crash_while_the_network_is_asked_ends_in_98_and_a_reversal()
    {
        var acquirer = await Open();
        network.Answer = static _ => null;
        _ = bench.TapAsync(acquirer, bench.Sale());
        await store.DurableAsync();

        await using var store2 = bench.NewStore(store.Snapshot());
        var restarted = await bench.AcquirerAsync(store2, network);
        bench.Clock.Advance(TimeSpan.FromSeconds(20));
        await restarted.PumpAsync(default);
        bench.Clock.Advance(TimeSpan.FromSeconds(26));
        await restarted.PumpAsync(default);
        await store2.DurableAsync();
        network.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        await restarted.PumpAsync(default);

        Assert.Equal("98", (await bench.TapAsync(restarted, bench.Sale())).Message.Text(39));
        Assert.Equal(["0200", "0420"], network.Got.Select(m => m.Mti.Digits));
    }

    [Fact]
    public async Task A_crash_before_the_first_write_is_durable_is_as_if_the_request_had_never_come()
    {
        await Open();
        network.Answer = static _ => null;
        _ = bench.TapAsync(await bench.AcquirerAsync(store, network), bench.Sale());

        network.Answer = PaymentBench.Approve;
        var restarted = await bench.AcquirerAsync(bench.NewStore(store.Snapshot()), network);
        Assert.Equal("00", (await bench.TapAsync(restarted, bench.Sale())).Message.Text(39));
    }

    [Fact]
    public async Task A_number_that_is_no_token_is_kept_sealed_or_not_taken_at_all()
    {
        var acquirer = await Open();
        IsoMessage Plastic(string stan) => bench.Sale(stan).Set(2, bench.Pan.Reveal()).Remove(35);
        Assert.Equal("40", (await bench.TapAsync(acquirer, Plastic("000001"))).Message.Text(39));

        bench.AcquirerKeys.Generate("card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes, test: true);
        network.Answer = static _ => null;
        var tap = bench.TapAsync(acquirer, Plastic("000002"));
        bench.Clock.Advance(TimeSpan.FromSeconds(40));
        Assert.Equal("98", (await tap).Message.Text(39));
        await store.DurableAsync();

        bench.AssertNoPan(store.Snapshot(), "the acquirer's database");
        Assert.DoesNotContain(bench.Trace.Rows, row => row.Hex.Contains(bench.Pan.Reveal()[..18], StringComparison.Ordinal));
        network.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        await Pump(acquirer);
        Assert.Equal(bench.Pan.Reveal(), network.Got[^1].Text(2));
    }

    [Fact]
    public async Task What_is_no_message_is_dropped_and_what_lacks_a_field_is_30()
    {
        var acquirer = await Open();
        Assert.True((await acquirer.HandleAsync(new byte[] { 1, 2, 3 }, default)).IsEmpty);
        Assert.True((await acquirer.HandleAsync(bench.PosFrameOf(new IsoMessage(Mti.FinancialResponse).Set(11, "000001")), default)).IsEmpty);
        Assert.Equal("30", (await bench.TapAsync(acquirer, bench.Sale().Remove(4))).Message.Text(39));
        Assert.Equal("40", (await bench.TapAsync(acquirer, bench.Sale().Remove(4).Set(3, "310000").Set(60, Field60Pos.Payment("01", "000001").Format()))).Message.Text(39));
        Assert.Equal("14", (await bench.TapAsync(acquirer, bench.Sale().Set(2, "8199010000000000001"))).Message.Text(39));
    }

    [Fact]
    public async Task No_number_is_given_twice_when_the_clock_goes_back()
    {
        var session = bench.NewStore();
        var at = new DateTimeOffset(2026, 3, 4, 13, 0, 0, TimeSpan.FromHours(8));
        var numbers = new List<string>();
        foreach (var offset in (int[])[0, 0, 60, -60, -600, 61, 0])
        {
            numbers.Add((await session.WriteAsync(s => SystemTrace.Next(s, at.AddMinutes(offset)))).Rrn);
        }

        Assert.Equal(numbers.Count, numbers.Distinct().Count());
        Assert.All(numbers, rrn => Assert.Equal(12, rrn.Length));
        Assert.Equal(["000001", "999999", "A00000", "A0000Z", "A00010"], ((long[])[1, 999_999, 1_000_000, 1_000_035, 1_000_036]).Select(SystemTrace.Serial));
    }

    [Fact]
    public async Task The_trace_number_goes_on_when_the_hour_changes()
    {
        await using var session = bench.NewStore();
        var at = new DateTimeOffset(2026, 3, 4, 13, 59, 59, TimeSpan.FromHours(8));
        var numbers = new List<(string Rrn, string Trace)>();
        foreach (var seconds in (int[])[0, 0, 1, 1, 3601])
        {
            var next = await session.WriteAsync(s => SystemTrace.Next(s, at.AddSeconds(seconds)));
            numbers.Add((next.Rrn, next.Trace));
        }

        Assert.Equal([("606313000001", "000001"), ("606313000002", "000002"), ("606314000001", "000003"), ("606314000002", "000004"), ("606315000001", "000005")], numbers);
    }

    [Fact]
    public async Task A_number_that_was_given_is_not_given_again_by_a_database_that_lost_what_was_not_durable()
    {
        var seen = new HashSet<string>();
        var at = new DateTimeOffset(2026, 3, 4, 13, 0, 0, TimeSpan.FromHours(8));
        await using var before = bench.NewStore();
        var numbers = new TraceNumbers(before, TimeSpan.FromHours(8));
        for (var i = 0; i < 250; i++)
        {
            Assert.True(seen.Add((await numbers.NextAsync(at)).Rrn));
        }

        await using var after = bench.NewStore(before.Snapshot());
        Assert.True(seen.Add((await new TraceNumbers(after, TimeSpan.FromHours(8)).NextAsync(at)).Rrn));
    }

    [Fact]
    public async Task Two_nodes_draw_their_numbers_in_blocks_and_give_none_twice_over_the_hours()
    {
        await using var session = bench.NewStore();
        var nodes = new[] { new TraceNumbers(session, TimeSpan.FromHours(8)), new TraceNumbers(session, TimeSpan.FromHours(8)) };
        var at = new DateTimeOffset(2026, 3, 4, 13, 59, 59, TimeSpan.FromHours(8));
        var numbers = new List<SystemTrace>();
        foreach (var seconds in (int[])[0, 1, 1, -60, 3601])
        {
            numbers.AddRange(await Task.WhenAll(Enumerable.Range(0, 450).Select(async i => await nodes[i % 2].NextAsync(at.AddSeconds(seconds)))));
        }

        Assert.Equal(numbers.Count, numbers.Select(number => number.Rrn).Distinct().Count());
        Assert.Equal(numbers.Count, numbers.Select(number => number.Trace).Distinct().Count());
        Assert.Equal("606313000001", numbers[0].Rrn);
        Assert.Contains(numbers, number => number.Rrn == "606314000001");
        Assert.Contains(numbers, number => number.Rrn == "606315000001");

        // What is drawn for once goes behind the blocks.
        var one = await session.WriteAsync(s => SystemTrace.Next(s, at.AddSeconds(3601)));
        Assert.DoesNotContain(numbers, number => number.Rrn == one.Rrn || number.Trace == one.Trace);
    }

    [Fact]
    public async Task A_message_with_a_wrong_mac_writes_nothing_into_the_history_of_the_payment_that_it_names()
    {
        var acquirer = await Open();
        var frame = bench.PosFrameOf(bench.Sale());
        frame[^1] ^= 1;
        await acquirer.HandleAsync(frame, default);
        Assert.DoesNotContain(bench.Trace.Rows, row => row.Reference == TraceReference.Pos(PaymentBench.Merchant, PaymentBench.Terminal, PaymentBench.Batch, "000001"));
        Assert.NotEmpty(bench.Trace.Rows);
    }

    private Task<AcquirerParty> Open() => bench.AcquirerAsync(store, network);

    private async Task<string?> Committed(AcquirerParty acquirer, string rrn)
    {
        await store.DurableAsync();
        return acquirer.ByRrn(rrn)?.Code;
    }

    private async Task Pump(AcquirerParty acquirer)
    {
        await store.DurableAsync();
        await acquirer.PumpAsync(TestContext.Current.CancellationToken);
        await store.DurableAsync();
    }

    private async Task PumpThroughSilence(AcquirerParty acquirer)
    {
        var before = network.Got.Count;
        var pump = acquirer.PumpAsync(TestContext.Current.CancellationToken);
        if (network.Got.Count > before)
        {
            bench.Clock.Advance(TimeSpan.FromSeconds(40));
        }

        await pump;
        await store.DurableAsync();
    }
}
