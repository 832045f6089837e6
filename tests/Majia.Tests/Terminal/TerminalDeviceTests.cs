using CsCheck;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;

namespace Majia.Tests.Terminal;

public class TerminalDeviceTests
{
    private static byte[] Good(string ctq = "0080", int atc = 1, string number = FakeCard.Token) => FakeCard.Template77(FakeCard.Answer(number, ctq, atc));

    // ---- selling ----

    [Fact]
    [Rule("R19")]
    public async Task A_tap_becomes_an_approved_slip_with_the_device_number()
    {
        var counter = new Counter();
        var result = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));

        Assert.Equal((SaleOutcome.Approved, CvmResult.Cdcvm, "7890"), (result.Outcome, result.Cvm, result.LastFour));
        var sent = Assert.Single(counter.Acquirer.Received);
        Assert.Equal("2 3 4 11 14 22 23 25 35 41 42 49 55 60 64", string.Join(' ', sent.Fields));
        Assert.Equal(("000000", "000000008800", "000001", "3012", "072", "001"), (sent.Text(3), sent.Text(4), sent.Text(11), sent.Text(14), sent.Text(22), sent.Text(23)));
        Assert.Equal("2200000100060", sent.Text(60));
        Assert.Equal(FakeCard.Token, sent.Text(2));
        Assert.Equal("9F26 9F27 9F10 9F37 9F36 95 9A 9C 9F02 5F2A 82 9F1A 9F03 9F33 9F34 9F35 9F1E 84 9F09 9F41", string.Join(' ', Tags(sent.Binary(55).Span)));
        Assert.Equal("80", Find(sent, 0x9F27));
        Assert.Equal("260701", Find(sent, 0x9A));
        Assert.Equal(FakeCard.DebitAid, Find(sent, 0x84));

        Assert.Equal("819901******7890", result.Slip!.MaskedNumber);
        Assert.Equal(result.Rrn, result.Slip.Rrn);
        Assert.Empty(counter.Device.Pending);
        Assert.Equal(
            [UiMessage.PresentCard, UiMessage.Processing, UiMessage.CardReadOk, UiMessage.Authorising, UiMessage.Approved],
            counter.Shown);
    }

    [Fact]
    [Rule("R1")]
    public async Task A_terminal_without_quickpass_does_not_offer_the_phone()
    {
        var counter = new Counter(TerminalParameters.Default with { QuickPass = false });
        var field = new FakeField(FakeCard.Phone(Good()));
        var result = await counter.SellAsync("88.00", field);
        Assert.Equal(SaleOutcome.NotOffered, result.Outcome);
        Assert.Equal(0, field.Polls);
        Assert.Empty(counter.Shown);
    }

    [Fact]
    public async Task An_amount_over_the_contactless_limit_never_opens_the_field()
    {
        var counter = new Counter();
        var field = new FakeField(FakeCard.Phone(Good()));
        Assert.Equal(SaleOutcome.TryAnotherInterface, (await counter.SellAsync("100000.01", field)).Outcome);
        Assert.Equal(0, field.Polls);
    }

    [Fact]
    [Rule("R15")]
    public async Task The_merchants_rule_asks_the_pin_and_only_its_block_leaves()
    {
        var counter = new Counter(TerminalParameters.Default with { PinRule = MerchantPinRule.Always });
        var keypad = new FakeKeypad("12", "246810");
        var result = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())), keypad);

        Assert.Equal((SaleOutcome.Approved, CvmResult.CdcvmAndOnlinePin), (result.Outcome, result.Cvm));
        Assert.Equal("PIN asked: this merchant asks it for every payment.", keypad.Prompts[0].Why.En);
        Assert.Equal("密码为六位数字。", keypad.Prompts[1].Again!.Zh);
        Assert.All(keypad.Arrays, digits => Assert.All(digits, digit => Assert.Equal('\0', digit)));
        var sent = Assert.Single(counter.Acquirer.Received);
        Assert.Equal(("071", "06", "2600000000000000"), (sent.Text(22), sent.Text(26), sent.Text(53)));
        Assert.Equal(8, sent.Binary(52).Length);
        Assert.Equal("020000", Find(sent, 0x9F34));
        Assert.True(counter.Keys.TryTranslatePin("pik.acquirer", "pik.acquirer", sent.Binary(52).Span, CardNumber.Parse(FakeCard.Token), out _));
    }

    [Fact]
    [Rule("R15")]
    public async Task Cancel_on_the_pin_pad_sends_nothing()
    {
        var counter = new Counter();
        var result = await counter.SellAsync("1000.01", new FakeField(FakeCard.Phone(Good("8080"))), new FakeKeypad([null]));
        Assert.Equal(SaleOutcome.Cancelled, result.Outcome);
        Assert.Empty(counter.Acquirer.Received);
        Assert.Empty(counter.Device.Pending);
    }

    [Fact]
    public async Task A_wrong_pin_wants_a_new_tap_a_new_trace_number_and_a_new_cryptogram()
    {
        var counter = new Counter();
        counter.Acquirer.Script.Enqueue(request => counter.Acquirer.Answer(request, "55"));
        var phone = FakeCard.Phone(Good("8080", atc: 1), Good("8080", atc: 2));
        var keypad = new FakeKeypad("111111", "246810");
        var result = await counter.SellAsync("2000.00", new FakeField(phone, phone), keypad);

        Assert.Equal(SaleOutcome.Approved, result.Outcome);
        Assert.Equal(["000001", "000002"], counter.Acquirer.Received.Select(message => message.Text(11)));
        Assert.Equal(["0001", "0002"], counter.Acquirer.Received.Select(message => Find(message, 0x9F36)));
        Assert.NotNull(keypad.Prompts[1].Again);
    }

    [Fact]
    public async Task A_pin_that_the_bank_wanted_is_asked_at_the_next_tap()
    {
        var counter = new Counter();
        counter.Acquirer.Script.Enqueue(request => counter.Acquirer.Answer(request, "55"));
        var phone = FakeCard.Phone(Good(atc: 1), Good(atc: 2));
        var keypad = new FakeKeypad("246810");
        var result = await counter.SellAsync("88.00", new FakeField(phone, phone), keypad);
        Assert.Equal((SaleOutcome.Approved, CvmResult.CdcvmAndOnlinePin), (result.Outcome, result.Cvm));
        Assert.Equal(["072", "071"], counter.Acquirer.Received.Select(message => message.Text(22)));
    }

    [Fact]
    public async Task Nobody_taps_again_after_a_wrong_pin()
    {
        var counter = new Counter();
        counter.Acquirer.Script.Enqueue(request => counter.Acquirer.Answer(request, "55"));
        var result = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())));
        Assert.Equal((SaleOutcome.RetapForPin, "55"), (result.Outcome, result.ResponseCode?.Value));
    }

    [Fact]
    public async Task Three_wrong_pins_end_the_sale()
    {
        var counter = new Counter();
        for (var i = 0; i < 3; i++)
        {
            counter.Acquirer.Script.Enqueue(request => counter.Acquirer.Answer(request, "55"));
        }

        var phone = FakeCard.Phone(Good("8080"));
        var result = await counter.SellAsync("88.00", new FakeField(phone, phone, phone, phone), new FakeKeypad("111111", "222222", "333333"));
        Assert.Equal(SaleOutcome.Declined, result.Outcome);
        Assert.Equal(3, counter.Acquirer.Received.Count);
    }

    // ---- the phone is not ready ----

    [Fact]
    [Rule("R17")]
    public async Task See_phone_then_the_second_tap_pays_the_same_amount()
    {
        var counter = new Counter();
        var phone = FakeCard.Phone(FakeCard.Status(0x6986), Good());
        var result = await counter.SellAsync("88.00", new FakeField(phone, phone));

        Assert.Equal((SaleOutcome.Approved, "000001"), (result.Outcome, result.Voucher));
        Assert.Equal(
            [UiMessage.PresentCard, UiMessage.Processing, UiMessage.SeePhone, UiMessage.Processing, UiMessage.CardReadOk, UiMessage.Authorising, UiMessage.Approved],
            counter.Shown);
        var gpos = phone.Commands.Where(command => command.Ins == 0xA8).Select(command => command.Data.ToArray()).ToList();
        Assert.Equal(gpos[0][..^4], gpos[1][..^4]);
        Assert.NotEqual(gpos[0][^4..], gpos[1][^4..]);
    }

    [Fact]
    [Rule("R17")]
    public async Task A_phone_without_fingerprint_does_not_pay()
    {
        var counter = new Counter();
        var result = await counter.WaitsExactlyAsync(30, counter.Device.SellAsync(Amount.Cny(8800), new FakeField(FakeCard.Phone(FakeCard.Status(0x6986))), new FakeKeypad(), TestContext.Current.CancellationToken));
        Assert.Equal(SaleOutcome.SeePhone, result.Outcome);
        Assert.Equal("请看手机", DisplayMessage.Words(UiMessage.SeePhone).Zh);
        Assert.Empty(counter.Acquirer.Received);
    }

    [Fact]
    public async Task The_merchants_cancel_ends_the_wait_for_a_second_tap()
    {
        var counter = new Counter();
        using var cancel = new CancellationTokenSource();
        counter.Device.Displayed += message =>
        {
            if (message.Id == UiMessage.SeePhone)
            {
                cancel.Cancel();
            }
        };
        var result = await counter.Device.SellAsync(Amount.Cny(8800), new FakeField(FakeCard.Phone(FakeCard.Status(0x6986))), new FakeKeypad(), cancel.Token);
        Assert.Equal(SaleOutcome.SeePhone, result.Outcome);
    }

    [Fact]
    public async Task A_torn_tap_is_tried_again_with_a_fresh_gpo()
    {
        var counter = new Counter();
        var torn = new FakeCard(command => command.Ins == 0xA8 ? throw new CardRemovedException() : command.Data.Length == 14 ? FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid)) : FakeCard.Fci(FakeCard.DebitAid));
        var result = await counter.SellAsync("88.00", new FakeField(torn, FakeCard.Phone(Good(atc: 2))));
        Assert.Equal(SaleOutcome.Approved, result.Outcome);
        Assert.Contains(UiMessage.PresentAgain, counter.Shown);
        Assert.Equal("0002", Find(counter.Acquirer.Received.Single(), 0x9F36));
    }

    [Theory]
    [InlineData(0x6984, SaleOutcome.TryAnotherInterface)]
    [InlineData(0x6985, SaleOutcome.EndApplication)]
    [InlineData(0x6A82, SaleOutcome.EndApplication)]
    public async Task Other_answers_to_gpo_end_the_tap(int status, SaleOutcome outcome)
    {
        var counter = new Counter();
        Assert.Equal(outcome, (await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(FakeCard.Status((ushort)status))))).Outcome);
        Assert.Empty(counter.Acquirer.Received);
    }

    [Fact]
    public async Task A_blocked_card_declines_itself()
    {
        var counter = new Counter();
        var result = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(FakeCard.Template77(FakeCard.Answer(cvr: "03800000")))));
        Assert.Equal(SaleOutcome.Declined, result.Outcome);
        Assert.Empty(counter.Acquirer.Received);
    }

    [Fact]
    public async Task The_next_candidate_has_its_turn()
    {
        var counter = new Counter();
        const string Second = "A0000003330101020001";
        var last = string.Empty;
        var card = new FakeCard(command =>
        {
            if (command.Ins == 0xA8)
            {
                return last == Second ? Good() : FakeCard.Status(0x6985);
            }

            last = Convert.ToHexString(command.Data.Span);
            return command.Data.Length == 14 ? FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid), FakeCard.Entry(Second, priority: 2)) : FakeCard.Fci(last);
        });
        var result = await counter.SellAsync("88.00", new FakeField(card));
        Assert.Equal(SaleOutcome.Approved, result.Outcome);
        Assert.Equal(Second, result.Slip!.Chip!.Aid);
    }

    [Fact]
    public async Task Records_are_read_when_the_card_locates_them()
    {
        var counter = new Counter();
        var objects = FakeCard.Answer();
        objects[0x94] = "10010100";
        var card = new FakeCard(command => command.Ins switch
        {
            0xA4 => command.Data.Length == 14 ? FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid)) : FakeCard.Fci(FakeCard.DebitAid),
            0xA8 => FakeCard.Template77(objects),
            _ => FakeCard.Ok(BerTlv.Encode(0x70, FakeCard.Hex("9F19 06 099900000001"))),
        });
        Assert.Equal(SaleOutcome.Approved, (await counter.SellAsync("88.00", new FakeField(card))).Outcome);
        Assert.Equal("00B2011400", Convert.ToHexString(card.Commands[^1].ToBytes()));
    }

    [Fact]
    public void Malformed_and_truncated_answers_never_throw()
    {
        byte[][] whole = [FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid)), FakeCard.Fci(FakeCard.DebitAid), Good()];
        var counter = new Counter();

        // Each answer cut to every length, and with every byte changed.
        for (var which = 0; which < whole.Length; which++)
        {
            for (var at = 0; at < whole[which].Length; at++)
            {
                var changed = (byte[])whole[which].Clone();
                changed[at] ^= 0xFF;
                Tap(which, whole[which][..at]);
                Tap(which, changed);
                Tap(which, [.. whole[which][..at], 0x90, 0x00]);
            }
        }

        Gen.Select(Gen.Int[0, 2], Gen.Byte.Array[0, 80]).Sample((which, bytes) => Tap(which, [.. bytes, 0x90, 0x00]), iter: 300, threads: 1);

        void Tap(int which, byte[] answer)
        {
            var card = new FakeCard(command => command.Ins switch
            {
                0xA4 when command.Data.Length == 14 => which == 0 ? answer : whole[0],
                0xA4 => which == 1 ? answer : whole[1],
                _ => which == 2 ? answer : whole[2],
            });
            using var nobodyElse = new CancellationTokenSource();
            counter.Device.Displayed += Restarted;
            var sale = counter.Device.SellAsync(Amount.Cny(100), new FakeField(card), new FakeKeypad("246810"), nobodyElse.Token);
            counter.Device.Displayed -= Restarted;
            Assert.True(sale.IsCompletedSuccessfully, sale.Exception?.ToString() ?? "still waiting");

            void Restarted(DisplayMessage message)
            {
                if (message.Id is UiMessage.SeePhone or UiMessage.PresentAgain)
                {
                    nobodyElse.Cancel();
                }
            }
        }
    }

    // ---- what is kept ----

    [Fact]
    public async Task Neither_trace_nor_store_holds_number_pin_or_track_in_clear()
    {
        var counter = new Counter(TerminalParameters.Default with { PinRule = MerchantPinRule.Always });
        var result = await counter.SellAsync("88.00", new FakeField(FakeCard.Phone(Good())), new FakeKeypad("246810"));
        Assert.Equal(SaleOutcome.Approved, result.Outcome);

        var pan = FakeCard.Token;
        var panAscii = Convert.ToHexString(System.Text.Encoding.ASCII.GetBytes(pan));
        foreach (var row in counter.Trace)
        {
            var text = $"{row.Hex} {row.Why.En} {row.Why.Zh}";
            Assert.DoesNotContain(pan, text, StringComparison.Ordinal);
            Assert.DoesNotContain(panAscii, text, StringComparison.Ordinal);
            Assert.DoesNotContain("246810", text, StringComparison.Ordinal);
        }

        var disk = Convert.ToHexString(counter.Store.Snapshot());
        Assert.DoesNotContain(panAscii, disk, StringComparison.Ordinal);
        Assert.DoesNotContain(pan, disk, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexString("246810"u8), disk, StringComparison.Ordinal);
        Assert.Contains(counter.Trace, row => row.Kind == TraceKind.Decision && row.Why.En.StartsWith("PIN asked", StringComparison.Ordinal));
        Assert.Equal(["SELECT PPSE", "SELECT application", "GET PROCESSING OPTIONS"],
            counter.Trace.Where(row => row is { Kind: TraceKind.Apdu, Direction: TraceDirection.Sent }).Select(row => row.Why.En));
        Assert.Equal("pos:990031058120001:10000001:000001:000001", counter.Trace[0].Reference);
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

    private static string Find(IsoMessage message, Tag tag) =>
        BerTlv.TryFind(message.Binary(55).Span, tag, out var value) ? Convert.ToHexString(value) : string.Empty;
}
