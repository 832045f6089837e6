using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Network;
using Majia.Storage;

namespace Majia.Tests.Network;

public sealed class NetworkPartyTests
{
    private readonly PaymentBench bench = new();
    private readonly FakePeer vault;
    private readonly FakePeer bank;
    private readonly InlineStore store;
    private readonly NetworkParty network;

    public NetworkPartyTests()
    {
        vault = bench.Vault();
        bank = bench.ApprovingBank();
        store = bench.NewStore();
        network = bench.Network(store, vault, bank);
    }

    [Fact]
    [Rule("R19")]
    public async Task The_bank_gets_the_cards_own_number_and_the_acquirer_never_a_digit_of_it()
    {
        var (frame, answer) = await bench.SwitchAsync(network, bench.Purchase());

        var question = Assert.Single(vault.Got);
        Assert.Equal(["2", "3", "4", "7", "11", "14", "18", "22", "23", "25", "32", "33", "37", "41", "42", "49", "55", "128"], question.Fields.Select(f => f.ToString()));
        var asked = Assert.Single(bank.Got);
        Assert.Equal(["2", "3", "4", "7", "11", "12", "13", "14", "18", "22", "23", "25", "32", "33", "37", "41", "42", "43", "49", "56", "60", "61", "63", "128"], asked.Fields.Select(f => f.ToString()));
        Assert.Equal((bench.Pan.Reveal(), "3012", "001", "0304130607", "000001"), (asked.Text(2), asked.Text(14), asked.Text(23), asked.Text(7), asked.Text(11)));
        Assert.StartsWith("TK", asked.Text(63), StringComparison.Ordinal);

        Assert.Equal(("00", "135790", bench.Token.Reveal(), "0304"), (answer.Text(39), answer.Text(38), answer.Text(2), answer.Text(15)));
        bench.AssertNoPan(frame, "the answer to the acquirer");
        await store.DurableAsync();
        bench.AssertNoPan(store.Snapshot(), "the network's database");
        Assert.All(bench.Trace.Rows, row => Assert.DoesNotContain(Convert.ToHexString(System.Text.Encoding.ASCII.GetBytes(bench.Pan.Reveal()[6..14])), row.Hex, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_pin_block_is_reformed_with_the_cards_own_number_on_the_vaults_binding()
    {
        await bench.SwitchAsync(network, bench.Purchase(pin: true));

        var block = bank.Got[0].Binary(52);
        var offset = bench.BankKeys.PinOffset("pvk", bench.Pan, PaymentBench.Pin);
        Assert.Equal(PinVerdict.Right, bench.BankKeys.VerifyPin("zpk.network", "pvk", block.Span, bench.Pan, offset));

        // Read as a block over the token's digits it is another PIN, or none.
        var tokensDigits = Pan.Parse(bench.Token.Reveal());
        Assert.NotEqual(PinVerdict.Right, bench.BankKeys.VerifyPin("zpk.network", "pvk", block.Span, tokensDigits, bench.BankKeys.PinOffset("pvk", tokensDigits, PaymentBench.Pin)));
    }

    [Fact]
    public async Task A_binding_of_another_transaction_moves_no_pin()
    {
        var right = vault.Answer;
        vault.Answer = ask => right(ask)!.Set(48, new Field48Binding(bench.VaultKeys.BindTokenToPan("bind.network", bench.Token, bench.Pan, SwitchKey.Of("0304130607", "000002", PaymentBench.Acquirer, PaymentBench.Acquirer).ToString())).Format());
        Assert.Equal("99", (await bench.SwitchAsync(network, bench.Purchase("000001", pin: true))).Message.Text(39));
        Assert.Empty(bank.Got);
        Assert.Equal("00", (await bench.SwitchAsync(network, bench.Purchase("000002", pin: true))).Message.Text(39));
    }

    [Theory]
    [InlineData("14")]
    [InlineData("41")]
    [InlineData("54")]
    [InlineData("57")]
    [InlineData("59")]
    [InlineData("62")]
    public async Task A_verdict_that_is_not_good_is_the_answer_and_the_bank_is_not_asked(string verdict)
    {
        vault.Answer = ask => PaymentBench.Echo(ask).Set(39, verdict);
        Assert.Equal(verdict, (await bench.SwitchAsync(network, bench.Purchase())).Message.Text(39));
        Assert.Empty(bank.Got);
    }

    [Fact]
    public async Task Silence_of_the_token_service_is_96_and_there_is_nothing_to_reverse()
    {
        vault.Answer = static _ => null;
        var asked = bench.SwitchAsync(network, bench.Purchase());
        bench.Clock.Advance(TimeSpan.FromSeconds(25));
        Assert.Equal("96", (await asked).Message.Text(39));
        await Pump();
        Assert.Empty(bank.Got);
        Assert.Single(vault.Got);
    }

    [Fact]
    public async Task Silence_of_the_bank_is_98_and_a_reversal_that_is_repeated_until_it_is_acknowledged()
    {
        bank.Answer = static _ => null;
        var asked = bench.SwitchAsync(network, bench.Purchase());
        bench.Clock.Advance(TimeSpan.FromSeconds(25));
        var answer = await asked;
        Assert.Equal("98", answer.Message.Text(39));
        Assert.Equal(answer.Frame, (await bench.SwitchAsync(network, bench.Purchase())).Frame);

        await PumpThroughSilence();
        var waits = new List<double>();
        for (var i = 0; i < 3; i++)
        {
            var failed = bench.Clock.GetUtcNow();
            var before = bank.Got.Count;
            while (bank.Got.Count == before)
            {
                bench.Clock.Advance(TimeSpan.FromMilliseconds(500));
                await PumpThroughSilence();
            }

            waits.Add((bench.Clock.GetUtcNow() - failed).TotalSeconds - 25);
        }

        Assert.Equal([1, 2, 4], waits);
        Assert.Equal(["0200", "0420", "0421", "0421", "0421"], bank.Got.Select(m => m.Mti.Digits));
        Assert.All(bank.Got.Skip(1), reversal => Assert.Equal(
            (bench.Pan.Reveal(), "02000000010304130607" + "0006399090000063990900", "000000", "000000008800"), (reversal.Text(2), reversal.Text(90), reversal.Text(3), reversal.Text(4))));
        Assert.All(vault.Got.Skip(1), resolve => Assert.Equal(("0100", "200000", bench.Token.Reveal()), (resolve.Mti.Digits, resolve.Text(3), resolve.Text(2))));

        // The acquirer's own reversal of it changes nothing any more.
        Assert.Equal("00", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice))).Message.Text(39));
        bank.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        bench.Clock.Advance(TimeSpan.FromSeconds(8));
        await Pump();
        var count = bank.Got.Count;
        Assert.Equal(6, count);
        bench.Clock.Advance(TimeSpan.FromHours(1));
        await Pump();
        Assert.Equal(count, bank.Got.Count);
        bench.AssertNoPan(store.Snapshot(), "the network's database");
    }

    [Fact]
    public async Task A_token_service_that_is_away_delays_a_reversal_and_does_not_lose_it()
    {
        await bench.SwitchAsync(network, bench.Purchase());
        await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice));
        var right = vault.Answer;
        vault.Answer = ask => PaymentBench.Echo(ask).Set(39, "96");
        await Pump();
        Assert.Single(bank.Got);

        vault.Answer = right;
        bench.Clock.Advance(TimeSpan.FromSeconds(1));
        await Pump();
        Assert.Equal(["0200", "0421"], bank.Got.Select(m => m.Mti.Digits));
        Assert.Empty(network.DeadLetters());
    }

    [Fact]
    public async Task A_reversal_that_nobody_can_deliver_is_a_dead_letter_that_stays_visible()
    {
        await bench.SwitchAsync(network, bench.Purchase());
        await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice));
        vault.Answer = ask => PaymentBench.Echo(ask).Set(39, "14");
        await Pump();
        Assert.Equal("the token service answered 14", Assert.Single(network.DeadLetters()).Why);
    }

    [Fact]
    public async Task A_wrong_mac_is_A0_and_an_unknown_institution_gets_no_answer()
    {
        var frame = bench.SwitchFrameOf(bench.Purchase());
        frame[^1] ^= 1;
        Assert.Equal("A0", bench.ReadSwitch(await network.HandleAsync(frame, default)).Message.Text(39));
        Assert.Empty(vault.Got);

        var stranger = SwitchFrame.Write(PaymentBench.Switch, "63999999", IsoCodec.Write(Dialect.Switch, bench.Purchase()));
        Assert.True((await network.HandleAsync(stranger, default)).IsEmpty);
        Assert.Equal("30", (await bench.SwitchAsync(network, bench.Purchase().Set(33, "63990100"))).Message.Text(39));
    }

    [Fact]
    public async Task A_repeat_gets_the_same_bytes_one_effect_and_other_content_94()
    {
        var first = await bench.SwitchAsync(network, bench.Purchase(pin: true));
        bench.Clock.Advance(TimeSpan.FromHours(30));
        Assert.Equal(first.Frame, (await bench.SwitchAsync(network, bench.Purchase(pin: true))).Frame);
        Assert.Equal("94", (await bench.SwitchAsync(network, bench.Purchase(amount: 1))).Message.Text(39));
        Assert.Single(bank.Got);
    }

    [Fact]
    public async Task A_repeat_while_the_first_is_under_way_waits_for_its_answer()
    {
        bank.Holds = true;
        var first = bench.SwitchAsync(network, bench.Purchase());
        var again = bench.SwitchAsync(network, bench.Purchase());
        Assert.False(again.IsCompleted);
        Assert.Single(bank.Held)();
        Assert.Equal((await first).Frame, (await again).Frame);
        Assert.Single(bank.Got);
    }

    [Fact]
    public async Task A_reversal_before_its_original_is_acknowledged_and_keeps_the_original_out()
    {
        Assert.Equal("00", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice))).Message.Text(39));
        Assert.Equal("00", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdviceRepeat))).Message.Text(39));
        Assert.Equal("12", (await bench.SwitchAsync(network, bench.Purchase())).Message.Text(39));
        await Pump();
        Assert.Empty(bank.Got);
        Assert.Empty(vault.Got);
    }

    [Fact]
    public async Task A_reversal_goes_to_the_bank_once_however_often_it_comes()
    {
        await bench.SwitchAsync(network, bench.Purchase());
        Assert.Equal("0430", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice))).Message.Mti.Digits);
        await Pump();
        Assert.Equal("0430", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdviceRepeat))).Message.Mti.Digits);
        await Pump();
        var reversal = Assert.Single(bank.Got, m => m.Mti.Class == 4);
        Assert.Equal((bench.Pan.Reveal(), "0304130700", "900001"), (reversal.Text(2), reversal.Text(7), reversal.Text(11)));
    }

    [Fact]
    public async Task A_reversal_of_a_declined_one_stays_here()
    {
        bank.Answer = static request => PaymentBench.Echo(request).Set(39, "51");
        await bench.SwitchAsync(network, bench.Purchase());
        Assert.Equal("00", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice))).Message.Text(39));
        await Pump();
        Assert.Single(bank.Got);
    }

    [Fact]
    public async Task A_reversal_that_overtakes_the_banks_answer_makes_the_sale_12_and_reaches_the_bank()
    {
        bank.Holds = true;
        var sale = bench.SwitchAsync(network, bench.Purchase());
        await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice));
        Assert.Single(bank.Held)();
        bank.Holds = false;
        Assert.Equal("12", (await sale).Message.Text(39));
        await Pump();
        Assert.Equal(["0200", "0420"], bank.Got.Select(m => m.Mti.Digits));
    }

    [Fact]
    [Rule("R20")]
    public async Task A_void_resolves_the_number_and_names_its_sale()
    {
        await bench.SwitchAsync(network, bench.Purchase());
        Assert.True(Field90.TryNaming(bench.Purchase(), out var named, out _));
        var undo = bench.Purchase("000002").Set(3, "200000").Set(38, "135790").Set(90, named.Format()).Remove(35).Remove(55);
        Assert.Equal("00", (await bench.SwitchAsync(network, undo)).Message.Text(39));
        Assert.Equal("200000", vault.Got[1].Text(3));
        Assert.Equal((bench.Pan.Reveal(), "200000", named.Format(), "135790"), (bank.Got[1].Text(2), bank.Got[1].Text(3), bank.Got[1].Text(90), bank.Got[1].Text(38)));
    }

    private static IsoMessage Undo(IsoMessage sale, IsoMessage undo)
    {
        Assert.True(Field90.TryNaming(sale, out var named, out _));
        return undo.Set(3, "200000").Set(90, named.Format()).Remove(35).Remove(55);
    }

    [Fact]
    public async Task An_acquirer_neither_reverses_nor_voids_nor_bars_what_is_anothers()
    {
        await bench.SwitchAsync(network, bench.Purchase());
        var reversal = PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice);
        var bar = PaymentBench.ReversalAdvice(bench.Purchase("000007"), Mti.ReversalAdvice);
        Assert.Equal("25", PaymentBench.CodeOf(await network.HandleAsync(bench.SwitchFrameOf(reversal, PaymentBench.OtherAcquirer), default)));
        Assert.Equal("25", PaymentBench.CodeOf(await network.HandleAsync(bench.SwitchFrameOf(bar, PaymentBench.OtherAcquirer), default)));
        Assert.Equal("25", PaymentBench.CodeOf(await network.HandleAsync(bench.SwitchFrameOf(Undo(bench.Purchase(), bench.Purchase("000002")), PaymentBench.OtherAcquirer), default)));
        await Pump();
        Assert.Single(bank.Got);

        // The owner is not disturbed.
        Assert.Equal("00", (await bench.SwitchAsync(network, bench.Purchase("000007"))).Message.Text(39));
        Assert.Equal("00", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice))).Message.Text(39));
        await Pump();
        Assert.Equal(["0200", "0200", "0420"], bank.Got.Select(m => m.Mti.Digits));
    }

    [Fact]
    public async Task A_reversal_of_another_amount_or_card_is_refused_and_marks_nothing()
    {
        await bench.SwitchAsync(network, bench.Purchase());
        var other = PaymentToken.Parse("8199010000000999" + Luhn.CheckDigit("8199010000000999"));
        Assert.Equal("64", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(amount: 8801), Mti.ReversalAdvice))).Message.Text(39));
        Assert.Equal("22", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase().Set(2, other.Reveal()), Mti.ReversalAdvice))).Message.Text(39));
        await store.DurableAsync();
        Assert.False(Assert.Single(network.Latest(10)).Reversed);
        await Pump();
        Assert.Single(bank.Got);

        Assert.Equal("00", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(), Mti.ReversalAdvice))).Message.Text(39));
        await Pump();
        Assert.Equal(["0200", "0420"], bank.Got.Select(m => m.Mti.Digits));
        Assert.Equal("64", (await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(bench.Purchase(amount: 8801), Mti.ReversalAdviceRepeat))).Message.Text(39));
    }

    [Fact]
    [Rule("R20")]
    public async Task A_void_is_of_a_sale_that_the_switch_knows_for_its_amount_and_card()
    {
        await bench.SwitchAsync(network, bench.Purchase());
        var other = PaymentToken.Parse("8199010000000999" + Luhn.CheckDigit("8199010000000999"));
        Assert.Equal("64", (await bench.SwitchAsync(network, Undo(bench.Purchase(), bench.Purchase("000002", amount: 8801)))).Message.Text(39));
        Assert.Equal("22", (await bench.SwitchAsync(network, Undo(bench.Purchase(), bench.Purchase("000003").Set(2, other.Reveal())))).Message.Text(39));
        Assert.Equal("25", (await bench.SwitchAsync(network, Undo(bench.Purchase("000099"), bench.Purchase("000004")))).Message.Text(39));
        Assert.Single(bank.Got);
        Assert.Equal("00", (await bench.SwitchAsync(network, Undo(bench.Purchase(), bench.Purchase("000005")))).Message.Text(39));
    }

    [Fact]
    public async Task A_bank_sends_no_payments()
    {
        Assert.Equal("40", PaymentBench.CodeOf(await network.HandleAsync(bench.SwitchFrameOf(bench.Purchase(), PaymentBench.Bank), default)));
        Assert.Equal("40", PaymentBench.CodeOf(await network.HandleAsync(bench.SwitchFrameOf(PaymentBench.ReversalAdvice(bench.Purchase("000002"), Mti.ReversalAdvice), PaymentBench.Bank), default)));
        Assert.Empty(vault.Got);
        Assert.Empty(bank.Got);
        await store.DurableAsync();
        Assert.Empty(network.Latest(10));
    }

    [Fact]
    public async Task A_message_with_a_wrong_mac_writes_nothing_into_the_history_of_the_payment_that_it_names()
    {
        var frame = bench.SwitchFrameOf(bench.Purchase());
        frame[^1] ^= 1;
        await network.HandleAsync(frame, default);
        Assert.DoesNotContain(bench.Trace.Rows, row => row.Reference == TraceReference.Rrn("606313000001"));
        Assert.NotEmpty(bench.Trace.Rows);
    }

    [Fact]
    public async Task A_crash_between_the_last_write_and_the_answer_loses_nothing()
    {
        var before = await bench.SwitchAsync(network, bench.Purchase(pin: true));
        await store.DurableAsync();
        var restarted = bench.Network(bench.NewStore(store.Snapshot()), vault, bank);
        Assert.Equal(before.Frame, (await bench.SwitchAsync(restarted, bench.Purchase(pin: true))).Frame);
        Assert.Single(bank.Got);
    }

    [Fact]
    public async Task A_crash_while_the_bank_is_asked_ends_in_98_and_a_reversal()
    {
        bank.Answer = static _ => null;
        _ = bench.SwitchAsync(network, bench.Purchase());
        await store.DurableAsync();

        await using var store2 = bench.NewStore(store.Snapshot());
        var restarted = bench.Network(store2, vault, bank);
        bench.Clock.Advance(TimeSpan.FromSeconds(56));
        await restarted.PumpAsync(default);
        await store2.DurableAsync();
        bank.Answer = static request => PaymentBench.Echo(request).Set(39, "00");
        await restarted.PumpAsync(default);
        Assert.Equal("98", (await bench.SwitchAsync(restarted, bench.Purchase())).Message.Text(39));
        Assert.Equal(["0200", "0420"], bank.Got.Select(m => m.Mti.Digits));
    }

    [Fact]
    public async Task A_plastic_number_goes_by_its_bin_with_track_and_chip_data_as_they_are()
    {
        IsoMessage Plastic(string stan) => bench.Purchase(stan).Set(2, bench.Pan.Reveal()).Set(35, bench.Pan.Reveal() + "D30122200000000000").Set(26, "06")
            .Set(52, bench.ZonePad.EncryptPin("zpk.network", PaymentBench.Pin, bench.Pan)).Set(53, Field53.TripleDesWithNumber.Format());
        Assert.Equal("40", (await bench.SwitchAsync(network, Plastic("000001"))).Message.Text(39));

        bench.NetworkKeys.Generate("card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes, test: true);
        Assert.Equal("00", (await bench.SwitchAsync(network, Plastic("000002"))).Message.Text(39));
        Assert.Empty(vault.Got);
        var asked = Assert.Single(bank.Got);
        Assert.Equal((bench.Pan.Reveal(), bench.Pan.Reveal() + "D30122200000000000", "9F2608A1A2A3A4A5A6A7A8"), (asked.Text(2), asked.Text(35), asked.Text(55)));
        Assert.Equal(PinVerdict.Right, bench.BankKeys.VerifyPin("zpk.network", "pvk", asked.Binary(52).Span, bench.Pan, bench.BankKeys.PinOffset("pvk", bench.Pan, PaymentBench.Pin)));
        Assert.Equal("15", (await bench.SwitchAsync(network, Plastic("000003").Set(2, "4000000000000002"))).Message.Text(39));

        // Reversed, it is sealed at rest all the same.
        await bench.SwitchAsync(network, PaymentBench.ReversalAdvice(Plastic("000002"), Mti.ReversalAdvice));
        await store.DurableAsync();
        bench.AssertNoPan(store.Snapshot(), "the network's database");
        await Pump();
        Assert.Equal(bench.Pan.Reveal(), bank.Got[^1].Text(2));
    }

    [Fact]
    [Rule("R19")]
    public async Task From_terminal_to_switch_and_back_nobody_meets_the_plastics_number()
    {
        var line = new DirectLine(network);
        var acquirer = await bench.AcquirerAsync(store, line);
        var sale = await bench.TapAsync(acquirer, bench.Sale(pin: true));
        Assert.Equal("00", sale.Message.Text(39));
        var undone = await bench.TapAsync(acquirer, bench.Void(sale.Message));
        Assert.Equal("00", undone.Message.Text(39));
        await bench.TapAsync(acquirer, bench.Reversal(bench.Void(sale.Message)));
        await store.DurableAsync();
        await acquirer.PumpAsync(default);
        await Pump();

        Assert.Equal(["0200", "0200", "0420"], bank.Got.Select(m => m.Mti.Digits));
        Assert.All(bank.Got, m => Assert.Equal(bench.Pan.Reveal(), m.Text(2)));
        Assert.Equal(6, line.Frames.Count);
        Assert.All([sale.Frame, undone.Frame, .. line.Frames], frame => bench.AssertNoPan(frame, "a frame of the acquirer"));
        Assert.All(bench.Trace.Rows.Where(row => row.Party == "acquirer"), row => bench.AssertNoPan(Convert.FromHexString(row.Hex), "the acquirer's trace"));
        bench.AssertNoPan(store.Snapshot(), "the database");
        Assert.NotEqual(bench.Pan.LastFour, acquirer.ByRrn(sale.Message.Text(37)!)!.LastFour);
        Assert.Equal(bench.Token.LastFour, acquirer.ByRrn(sale.Message.Text(37)!)!.LastFour);
        Assert.All(bench.Trace.Rows, row => Assert.False(string.IsNullOrEmpty(row.Why.Zh)));
    }

    private async Task Pump()
    {
        await store.DurableAsync();
        await network.PumpAsync(TestContext.Current.CancellationToken);
        await store.DurableAsync();
    }

    private async Task PumpThroughSilence()
    {
        await store.DurableAsync();
        var before = bank.Got.Count;
        var pump = network.PumpAsync(TestContext.Current.CancellationToken);
        if (bank.Got.Count > before)
        {
            bench.Clock.Advance(TimeSpan.FromSeconds(25));
        }

        await pump;
        await store.DurableAsync();
    }
}
