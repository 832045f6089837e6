using System.Text;
using CsCheck;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Storage;

namespace Majia.Tests.Issuer;

/// <summary>The bank's end of the switch line, frame in and frame out.</summary>
public sealed class IssuerLineTests
{
    [Fact]
    [Rule("R18")]
    public async Task A_sale_moves_the_money_gives_the_points_and_answers_with_a_good_mac()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_888);

        var answer = await bench.SendAsync(sale);
        await bench.Store.DurableAsync();

        Assert.Equal("0210", answer.Mti.Digits);
        Assert.Equal("00", answer.Text(39));
        Assert.Matches("^[0-9]{6}$", answer.Text(38));
        Assert.Equal(("1123", "63990100   63990900   "), (answer.Text(15), answer.Text(44)));
        Assert.Equal(sale.Text(37), answer.Text(37));
        Assert.Null(MessageMatrix.Check(Dialect.Switch, answer));
        Assert.Equal(500_000 - 8_888, bench.Balance());
        Assert.Equal(88, bench.Desk.Points("lin-debit"));
        Assert.Equal(
            "sale      lin-debit                   -88.88 CNY\n" +
            "sale      settlement-network           88.88 CNY\n",
            bench.Desk.LedgerText(sale.Text(37)!));
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    [Fact]
    [Rule("R18")]
    public async Task A_credit_card_earns_the_same_points_and_a_void_or_a_reversal_takes_them_back()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var first = bench.Sale(IssuerBench.Credit, 15_099);
        var second = bench.Sale(IssuerBench.Credit, 2_000);
        Assert.Equal("00", await bench.CodeAsync(first));
        Assert.Equal("00", await bench.CodeAsync(second));
        await bench.Store.DurableAsync();
        Assert.Equal(150 + 20, bench.Desk.Points("lin-credit"));

        Assert.Equal("00", await bench.CodeAsync(bench.Void(IssuerBench.Credit, first)));
        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(second)));
        await bench.Store.DurableAsync();

        Assert.Equal(0, bench.Desk.Points("lin-credit"));
        Assert.Equal(-100_000, bench.Balance("lin-credit"));
    }

    [Fact]
    public async Task A_repeat_gets_the_stored_answer_byte_for_byte_and_moves_nothing()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var frame = bench.Frame(bench.Sale(IssuerBench.Debit, 8_800));

        var first = await bench.SendFrameAsync(frame);
        bench.Time.Advance(TimeSpan.FromDays(2));
        var second = await bench.SendFrameAsync(frame);
        await bench.Store.DurableAsync();

        Assert.Equal(first.ToArray(), second.ToArray());
        Assert.Equal(491_200, bench.Balance());
    }

    [Fact]
    public async Task The_same_key_with_other_content_is_94_and_moves_nothing()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800);
        Assert.Equal("00", await bench.CodeAsync(sale));

        Assert.Equal("94", await bench.CodeAsync(sale.Copy().Set(4, "000000008801")));
        Assert.Equal("94", await bench.CodeAsync(sale.Copy().Set(26, "06").Set(52, bench.Keys.EncryptPin("zpk.pad", "123456", IssuerBench.Debit.Pan))));
        await bench.Store.DurableAsync();

        Assert.Equal(491_200, bench.Balance());
    }

    [Fact]
    public async Task What_is_kept_to_know_a_repeat_by_is_no_unkeyed_hash_of_the_number()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800, "123456");
        await bench.SendAsync(sale);
        await bench.Store.DurableAsync();
        var kept = bench.Store.Read(session => session.One("SELECT fingerprint FROM issuer_authorisations", static row => row.Bytes(0)))!;

        // Whoever has the row has all of the message but number and PIN: no hash of a guess is what is kept.
        foreach (var guess in (IsoMessage[])[sale, sale.Copy().Remove(52), sale.Copy().Remove(2), sale.Copy().Remove(2).Remove(35).Remove(36).Remove(52).Remove(55)])
        {
            Assert.NotEqual(guess.ContentDigest(), kept);
        }

        Assert.Equal("94", await bench.CodeAsync(sale.Copy().Set(2, IssuerBench.Green.Pan.Reveal())));
    }

    [Fact]
    public async Task A_message_with_a_wrong_mac_writes_nothing_into_the_history_of_the_payment_that_it_names()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800);
        var frame = bench.Frame(sale);
        frame[^1] ^= 1;

        await bench.SendFrameAsync(frame);

        Assert.DoesNotContain(bench.Trace.Rows, row => row.Reference == TraceReference.Rrn(sale.Text(37)!));
        Assert.Contains(bench.Trace.Rows, row => row.Why.En.StartsWith("A0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_wrong_mac_is_A0_and_nothing_of_the_message_is_believed()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var frame = bench.Frame(bench.Sale(IssuerBench.Debit, 8_800));
        frame[^1] ^= 1;

        Assert.Equal("A0", bench.Read(await bench.SendFrameAsync(frame)).Text(39));
        frame[^1] ^= 1;
        Assert.Equal("00", bench.Read(await bench.SendFrameAsync(frame)).Text(39));
    }

    [Fact]
    public void Random_bytes_are_dropped_and_never_throw()
    {
        using var bench = new DisposableBench();
        Gen.Byte.Array[0, 300].Sample(bytes => bench.Value.SendFrameAsync(bytes).GetAwaiter().GetResult().IsEmpty, iter: 300, threads: 1);
    }

    [Theory]
    [InlineData("lost", 8_800, "41", "reported lost")]
    [InlineData("expired", 8_800, "54", "expired")]
    [InlineData("locked", 8_800, "75", "locked")]
    [InlineData("pin-always", 8_800, "55", "PIN wanted")]
    [InlineData("debit", 100_001, "55", "PIN wanted")]
    [InlineData("limited", 50_001, "61", "limit of 500.00")]
    [InlineData("green", 100_000, "00", "Approved")]
    public async Task Every_card_answers_as_it_should_with_its_why_in_the_trace(string card, long minor, string code, string why)
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Bank.Cards.Single(c => c.Id == card), minor);

        Assert.Equal(code, await bench.CodeAsync(sale));
        await bench.Store.DurableAsync();

        var decision = Assert.Single(bench.Trace.Rows, row => row.Kind == TraceKind.Decision);
        Assert.Equal((TraceReference.Rrn(sale.Text(37)!), "issuer"), (decision.Reference, decision.Party));
        Assert.Contains(why, decision.Why.En, StringComparison.Ordinal);
        Assert.Equal(code == "00" ? 500_000 - minor : 500_000, bench.Balance());
        Assert.Equal(code == "00" ? 2 : 0, bench.Trace.Rows.Count(row => row.Kind == TraceKind.Ledger));
    }

    [Fact]
    public async Task Refusals_at_the_door_have_their_codes()
    {
        await using var bench = await IssuerBench.OpenAsync();
        IsoMessage Sale() => bench.Sale(IssuerBench.Debit, 8_800);

        Assert.Equal("51", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 500_001, "123456")));
        Assert.Equal("30", await bench.CodeAsync(Sale().Remove(37)));
        Assert.Equal("40", await bench.CodeAsync(Sale().Set(3, "310000")));
        Assert.Equal("40", await bench.CodeAsync(Sale().Set(49, "840")));
        Assert.Equal("14", await bench.CodeAsync(Sale().Set(2, "6299010000000000000")));
        Assert.Equal("14", await bench.CodeAsync(Sale().Set(2, "62299900000000000" + Luhn.CheckDigit("62299900000000000"))));
    }

    [Fact]
    public async Task Without_the_token_services_verdict_a_tap_is_59()
    {
        await using var bench = await IssuerBench.OpenAsync();
        IsoMessage Sale() => bench.Sale(IssuerBench.Debit, 8_800);

        Assert.Equal("59", await bench.CodeAsync(Sale().Remove(63)));
        Assert.Equal("59", await bench.CodeAsync(Sale().Remove(61)));
        Assert.Equal("59", await bench.CodeAsync(Sale().Set(61, new Field61Switch(ArqcResult.Failed).Format())));
        Assert.Equal("59", await bench.CodeAsync(Sale().Set(61, new Field61Switch(ArqcResult.NotChecked).Format())));
        Assert.Equal("59", await bench.CodeAsync(Sale().Set(63, new Field63Token(false, IssuerBench.Token, "3012", "12", "01", "99900000001").Format())));
    }

    // ---- PIN ----

    [Fact]
    [Rule("R15")]
    public async Task Three_wrong_pins_close_pin_entry_and_another_device_card_of_the_plastic_is_not_touched()
    {
        await using var bench = await IssuerBench.OpenAsync();
        Task<string> Try(string pin, PaymentToken? token = null) => bench.CodeAsync(bench.Sale(IssuerBench.Debit, 8_800, pin, token));

        Assert.Equal("55", await Try("000000"));
        Assert.Equal("55", await Try("000000"));
        Assert.Equal("00", await Try("123456"));
        Assert.Equal("55", await Try("000000"));
        Assert.Equal("55", await Try("000000"));
        Assert.Equal("55", await Try("654321"));
        Assert.Equal("75", await Try("123456"));
        Assert.Equal("00", await Try("123456", IssuerBench.OtherToken));

        await bench.Desk.UnlockPinAsync("debit");
        Assert.Equal("00", await Try("123456"));
    }

    [Fact]
    public async Task Wrong_pins_sent_all_at_once_are_still_only_three()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var guesses = Enumerable.Range(0, 40).Select(i => bench.Sale(IssuerBench.Debit, 8_800, $"00{i:D4}")).ToList();

        var codes = await Task.WhenAll(guesses.Select(guess => Task.Run(() => bench.CodeAsync(guess))));

        Assert.Equal(3, codes.Count(code => code == "55"));
        Assert.Equal(37, codes.Count(code => code == "75"));
    }

    [Fact]
    public async Task The_same_message_sent_twice_costs_one_try()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var frame = bench.Frame(bench.Sale(IssuerBench.Debit, 8_800, "000000"));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("55", bench.Read(await bench.SendFrameAsync(frame)).Text(39));
        }

        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 8_800, "123456")));
    }

    [Fact]
    public async Task A_pin_block_under_another_number_is_99_and_costs_no_try()
    {
        await using var bench = await IssuerBench.OpenAsync();
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal("99", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 8_800).Set(26, "06").Set(52, [1, 2, 3, 4, 5, 6, 7, (byte)i])));
        }

        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 8_800, "123456")));
    }

    // ---- void and reversal ----

    [Fact]
    [Rule("R20")]
    public async Task A_sale_is_voided_once_for_its_full_amount()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800);
        await bench.SendAsync(sale);

        Assert.Equal("64", await bench.CodeAsync(bench.Void(IssuerBench.Debit, sale, 8_700)));
        Assert.Equal("22", await bench.CodeAsync(bench.Void(IssuerBench.Credit, sale)));
        Assert.Equal("00", await bench.CodeAsync(bench.Void(IssuerBench.Debit, sale)));
        Assert.Equal("12", await bench.CodeAsync(bench.Void(IssuerBench.Debit, sale)));
        Assert.Equal("25", await bench.CodeAsync(bench.Void(IssuerBench.Debit, bench.Sale(IssuerBench.Debit, 8_800))));
        await bench.Store.DurableAsync();

        Assert.Equal(500_000, bench.Balance());
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    [Fact]
    [Rule("R20")]
    public async Task A_void_is_taken_whatever_became_of_the_card_and_waits_in_suspense_when_the_account_is_closed()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var first = bench.Sale(IssuerBench.Debit, 8_800);
        var second = bench.Sale(IssuerBench.Debit, 1_100);
        await bench.SendAsync(first);
        await bench.SendAsync(second);

        await bench.Desk.ReportLostAsync("debit");
        Assert.Equal("41", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 100)));
        Assert.Equal("00", await bench.CodeAsync(bench.Void(IssuerBench.Debit, first)));
        await bench.Store.DurableAsync();
        Assert.Equal(500_000 - 1_100, bench.Balance());

        await bench.Desk.CloseAccountAsync("lin-debit");
        Assert.Equal("14", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 100)));
        var undo = bench.Void(IssuerBench.Debit, second);
        Assert.Equal("00", await bench.CodeAsync(undo));
        await bench.Store.DurableAsync();

        Assert.Equal(500_000 - 1_100, bench.Balance());
        Assert.Equal(["suspense", "settlement-network"], bench.Desk.LedgerOf(undo.Text(37)!).Select(entry => entry.Account));
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    [Fact]
    public async Task A_reversal_gives_the_money_back_once_however_often_it_comes()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800);
        await bench.SendAsync(sale);
        var reversal = bench.Reversal(sale);

        var answer = await bench.SendAsync(reversal);
        Assert.Equal(("0430", "00"), (answer.Mti.Digits, answer.Text(39)));
        Assert.Null(MessageMatrix.Check(Dialect.Switch, answer));
        Assert.Equal("00", await bench.CodeAsync(reversal));
        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(sale, Mti.ReversalAdviceRepeat)));
        await bench.Store.DurableAsync();

        Assert.Equal(500_000, bench.Balance());
        Assert.Equal(4, bench.Desk.LedgerOf(sale.Text(37)!).Count);
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    [Fact]
    public async Task A_sale_that_comes_after_its_reversal_is_12_and_moves_nothing()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800);

        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(sale)));
        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(sale)));
        Assert.Equal("12", await bench.CodeAsync(sale));
        Assert.Equal("12", await bench.CodeAsync(sale));
        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(sale)));
        await bench.Store.DurableAsync();

        Assert.Equal(500_000, bench.Balance());
        Assert.Empty(bench.Desk.LedgerOf(sale.Text(37)!));
    }

    [Fact]
    public async Task A_declined_sale_is_reversed_with_00_and_no_entry()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 100_001);

        Assert.Equal("55", await bench.CodeAsync(sale));
        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(sale)));
        await bench.Store.DurableAsync();

        Assert.Empty(bench.Desk.LedgerOf(sale.Text(37)!));
    }

    [Fact]
    public async Task A_void_that_is_reversed_leaves_the_sale_standing_and_it_can_be_voided_again()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var sale = bench.Sale(IssuerBench.Debit, 8_800);
        await bench.SendAsync(sale);
        var undo = bench.Void(IssuerBench.Debit, sale);
        await bench.SendAsync(undo);

        Assert.Equal("00", await bench.CodeAsync(bench.Reversal(undo)));
        await bench.Store.DurableAsync();
        Assert.Equal(491_200, bench.Balance());
        Assert.Equal(88, bench.Desk.Points("lin-debit"));

        Assert.Equal("00", await bench.CodeAsync(bench.Void(IssuerBench.Debit, sale)));
        await bench.Store.DurableAsync();
        Assert.Equal(500_000, bench.Balance());
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    [Fact]
    public void Whatever_order_sales_voids_and_reversals_come_in_the_books_are_right()
    {
        // Each step: what (0 sale, 1 void of a sale, 2 reversal of a sale, 3 reversal of a void, 4 repeat of anything), which one, amount.
        Gen.Select(Gen.Int[0, 4], Gen.Int[0, 7], Gen.Long[1, 90_000]).Array[1, 25].Sample(
            steps =>
            {
                using var bench = new DisposableBench();
                var (sales, voids, all) = (new List<IsoMessage>(), new List<(IsoMessage Message, IsoMessage Sale)>(), new List<IsoMessage>());
                var money = new Dictionary<IsoMessage, long>();
                var expected = 500_000L;
                foreach (var (what, which, minor) in steps)
                {
                    switch (what)
                    {
                        case 0:
                            var sale = bench.Value.Sale(IssuerBench.Debit, minor);
                            sales.Add(sale);
                            all.Add(sale);
                            var approved = bench.Value.CodeAsync(sale).GetAwaiter().GetResult() == "00";
                            Assert.Equal(minor <= expected, approved);
                            money[sale] = approved ? minor : 0;
                            expected -= money[sale];
                            break;
                        case 1 when sales.Count > 0:
                            var target = sales[which % sales.Count];
                            var undo = bench.Value.Void(IssuerBench.Debit, target);
                            all.Add(undo);
                            if (bench.Value.CodeAsync(undo).GetAwaiter().GetResult() == "00")
                            {
                                voids.Add((undo, target));
                                expected += money[target];
                                money[target] = 0;
                            }

                            break;
                        case 2 when sales.Count > 0:
                            var reversed = sales[which % sales.Count];
                            Assert.Equal("00", bench.Value.CodeAsync(bench.Value.Reversal(reversed)).GetAwaiter().GetResult());
                            expected += money[reversed];
                            money[reversed] = 0;
                            break;
                        case 3 when voids.Count > 0:
                            // What it did to the sale is the decider's to say; the books below must agree with themselves.
                            var before = bench.Balance();
                            Assert.Equal("00", bench.Value.CodeAsync(bench.Value.Reversal(voids[which % voids.Count].Message)).GetAwaiter().GetResult());
                            var taken = before - bench.Balance();
                            Assert.Contains(taken, (long[])[0, voids[which % voids.Count].Sale.Number(4)!.Value]);
                            expected -= taken;
                            money[voids[which % voids.Count].Sale] += taken;
                            break;
                        case 4 when all.Count > 0:
                            var repeat = bench.Value.Frame(all[which % all.Count]);
                            var once = bench.Value.SendFrameAsync(repeat).GetAwaiter().GetResult().ToArray();
                            Assert.Equal(once, bench.Value.SendFrameAsync(repeat).GetAwaiter().GetResult().ToArray());
                            break;
                        default:
                            break;
                    }
                }

                Assert.Equal(expected, bench.Balance());
                Assert.Empty(bench.Value.Desk.BrokenInvariants());
                Assert.Equal(money.Values.Sum(v => v / 100), bench.Value.Desk.Points("lin-debit"));
            },
            iter: 40, threads: 1);
    }

    // ---- storage ----

    [Fact]
    public async Task Fifty_sales_at_once_never_overdraw()
    {
        var folder = Directory.CreateTempSubdirectory("majia-issuer-");
        try
        {
            await using var bench = await IssuerBench.OpenAsync(SqliteStore.Open(Path.Combine(folder.FullName, "majia.db"), [IssuerParty.Schema], TimeProvider.System));
            var sales = Enumerable.Range(0, 50).Select(_ => bench.Sale(IssuerBench.Debit, 30_000)).ToList();

            var codes = await Task.WhenAll(sales.Select(sale => Task.Run(() => bench.CodeAsync(sale))));
            await bench.Store.DurableAsync();

            Assert.Equal(16, codes.Count(code => code == "00"));
            Assert.Equal(34, codes.Count(code => code == "51"));
            Assert.Equal(500_000 - (16 * 30_000), bench.Balance());
            Assert.Empty(bench.Desk.BrokenInvariants());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task No_card_number_id_number_or_code_stands_in_clear_in_the_database_or_the_trace()
    {
        var folder = Directory.CreateTempSubdirectory("majia-issuer-");
        try
        {
            var bench = await IssuerBench.OpenAsync(SqliteStore.Open(Path.Combine(folder.FullName, "majia.db"), [IssuerParty.Schema], TimeProvider.System));
            await bench.SendAsync(bench.Sale(IssuerBench.Debit, 8_800, "123456"));
            await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Credit));
            await bench.DeliverAsync("r-1");
            var code = await bench.CodeFromOutboxAsync();
            await bench.DisposeAsync();

            var bytes = Directory.GetFiles(folder.FullName).Order(StringComparer.Ordinal).SelectMany(File.ReadAllBytes).ToArray();
            Assert.NotEmpty(bytes);
            Assert.True(Holds(bytes, IssuerBench.Debit.Pan.Masked));
            foreach (var secret in IssuerBench.Bank.Cards.Select(card => card.Pan.Reveal()).Append(IssuerBench.Lin.IdNumber).Append("is your code"))
            {
                Assert.False(Holds(bytes, secret));
            }

            Assert.Matches("^[0-9]{6}$", code);
            foreach (var row in bench.Trace.Rows)
            {
                foreach (var card in IssuerBench.Bank.Cards)
                {
                    Assert.DoesNotContain(Convert.ToHexString(Encoding.ASCII.GetBytes(card.Pan.Reveal())), row.Hex, StringComparison.Ordinal);
                    Assert.DoesNotContain(card.Pan.Reveal(), row.Why.En + row.Why.Zh, StringComparison.Ordinal);
                }

                Assert.DoesNotContain(code, row.Why.En, StringComparison.Ordinal);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Seeding_again_changes_nothing_and_a_newer_version_adds_only_what_is_new()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.SendAsync(bench.Sale(IssuerBench.Debit, 8_800));
        await bench.Desk.ReportLostAsync("green");

        Assert.False(await IssuerSeed.ApplyAsync(IssuerBench.Bank, bench.Store, bench.Keys, bench.Time));
        var added = IssuerBench.Debit with { Id = "added", Serial = 77 };
        Assert.True(await IssuerSeed.ApplyAsync(IssuerBench.Bank with { Version = 2, Cards = [.. IssuerBench.Bank.Cards, added] }, bench.Store, bench.Keys, bench.Time));

        Assert.Equal(491_200, bench.Balance());
        Assert.Equal(CardState.Lost, bench.Desk.Find(IssuerBench.Green.Pan)!.State);
        Assert.Equal("added", bench.Desk.Find(added.Pan)!.Card);
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    [Fact]
    public async Task A_crash_before_the_commit_forgets_sale_and_answer_together()
    {
        var store = new InlineStore([IssuerParty.Schema]);
        await using var bench = await IssuerBench.OpenAsync(store);
        var frame = bench.Frame(bench.Sale(IssuerBench.Debit, 8_800));
        await bench.SendFrameAsync(frame);
        var image = store.Snapshot();

        await using var restarted = new InlineStore([IssuerParty.Schema], image);
        Assert.Equal(0, restarted.Read(session => session.Number("SELECT COUNT(*) FROM issuer_authorisations")));
        Assert.Equal(500_000, restarted.Read(session => session.Number("SELECT balance FROM issuer_accounts WHERE account = 'lin-debit'")));
    }

    private static bool Holds(byte[] bytes, string text) => bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0;

    private sealed class DisposableBench : IDisposable
    {
        public IssuerBench Value { get; } = IssuerBench.OpenAsync().GetAwaiter().GetResult();

        public long Balance()
        {
            Value.Store.DurableAsync().GetAwaiter().GetResult();
            return Value.Balance();
        }

        public void Dispose() => Value.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}
