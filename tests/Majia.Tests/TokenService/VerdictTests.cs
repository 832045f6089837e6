using CsCheck;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.TokenService.Authorisation;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.Tests.TokenService;

public class VerdictTests
{
    private static readonly ChipFacts GoodChip = new(true, true, null, true, 5);
    private static readonly MessageFacts Good = new(false, "2611", "3111", "072", GoodChip);
    private static readonly TokenFacts Live = new(TokenStatus.Active, "3111", Bench.Trid, AtcWindow.Empty);

    [Fact]
    public void The_order_of_precedence_is_pinned()
    {
        Assert.Equal(ResponseCode.Approved, TokenVerdictDecider.Decide(Live, Good).Code);
        Assert.Equal(ResponseCode.InvalidCard, TokenVerdictDecider.Decide(null, Good).Code);

        // Each row is wrong in its own way and in every way of the rows above it taken away one after the other.
        var chip = GoodChip with { CryptogramRight = false };
        var message = Good with { Chip = chip };
        Check(ResponseCode.CardCheckFailed, "cryptogram", Live, message);
        message = message with { Chip = chip = chip with { IsRequest = false } };
        Check(ResponseCode.CardCheckFailed, "declined", Live, message);
        message = message with { Chip = chip = chip with { AmountAgrees = false } };
        Check(ResponseCode.CardCheckFailed, "amount", Live, message);
        message = message with { Chip = chip with { Requestor = "99900000002" } };
        Check(ResponseCode.NotPermittedToHolder, "requestor", Live, message);
        message = message with { Chip = null };
        Check(ResponseCode.FormatError, "chip data", Live, message);
        message = message with { EntryMode = "012" };
        Check(ResponseCode.NotPermittedToHolder, "contactless", Live, message);
        message = message with { Expiry = "3112" };
        Check(ResponseCode.ExpiredCard, "expiry date", Live, message);
        message = message with { YearMonth = "3112" };
        Check(ResponseCode.ExpiredCard, "has expired", Live, message);
        Check(ResponseCode.RestrictedCard, "CARDHOLDER", Live with { Status = new(TokenState.Suspended, ["CARDHOLDER"]) }, message);
        Check(ResponseCode.InvalidCard, "activated", Live with { Status = TokenStatus.Inactive }, message);
        Check(ResponseCode.InvalidCard, "deleted", Live with { Status = TokenStatus.Deactivated }, message);
    }

    private static void Check(ResponseCode code, string why, TokenFacts token, MessageFacts message)
    {
        var verdict = TokenVerdictDecider.Decide(token, message);
        Assert.Equal(code, verdict.Code);
        Assert.Contains(why, verdict.Why.En, StringComparison.Ordinal);
        Assert.NotEmpty(verdict.Why.Zh);
    }

    [Theory]
    [InlineData("2911", null, "2911", "2911", null)]
    [InlineData("2911", null, "2912", "2911", "has expired")]
    [InlineData("2911", null, "2910", "3210", "not this device card's")]
    [InlineData("2911", "3210", "2910", "2911", null)]
    [InlineData("2911", "3210", "2910", "3210", null)] // the chip's answer was lost: it has its new date, and the vault has not heard
    [InlineData("2911", "3210", "2912", "3210", null)]
    [InlineData("2911", "3210", "2912", "2911", "has expired")]
    [InlineData("2911", "3210", "2912", null, "has expired")]
    [InlineData("2911", "3210", "3211", "3210", "has expired")]
    [InlineData("2911", "3210", "2910", "3211", "not this device card's")]
    public void An_expired_device_card_is_54_and_while_it_is_renewed_either_date_is_its_own(string expiry, string? next, string now, string? said, string? why)
    {
        var verdict = TokenVerdictDecider.Decide(Live with { Expiry = expiry, NextExpiry = next }, Good with { YearMonth = now, Expiry = said });
        Assert.Equal(why is null ? ResponseCode.Approved : ResponseCode.ExpiredCard, verdict.Code);
        Assert.Contains(why ?? "cryptogram right", verdict.Why.En, StringComparison.Ordinal);
    }

    [Fact, Rule("R20")]
    public void Money_goes_back_in_any_state()
    {
        foreach (var status in (TokenStatus[])[TokenStatus.Inactive, TokenStatus.Active, TokenStatus.Deactivated, new(TokenState.Suspended, ["ISSUER"])])
        {
            var verdict = TokenVerdictDecider.Decide(Live with { Status = status, Expiry = "2001" }, new(true, "2611", null, "012", null));
            Assert.Equal((ResponseCode.Approved, false), (verdict.Code, verdict.UseAtc));
        }
    }

    [Fact]
    public void The_window_remembers_sixty_four_counters()
    {
        var window = AtcWindow.Empty;
        Assert.Equal(AtcVerdict.Fresh, window.Look(0));
        window = window.Use(100).Use(103);
        Assert.Equal(AtcVerdict.OutOfOrder, window.Look(102));
        Assert.Equal(AtcVerdict.Reused, window.Look(100));
        window = window.Use(102);
        Assert.Equal(AtcVerdict.Reused, window.Look(102));
        Assert.Equal(AtcVerdict.OutOfOrder, window.Look(40));
        Assert.Equal(AtcVerdict.TooOld, window.Look(39));
        Assert.Equal(AtcVerdict.OutOfOrder, window.Use(166).Look(104));
        Assert.Equal(AtcVerdict.Reused, window.Use(166).Look(103));
        Assert.Equal(new AtcWindow(65535, 1), window.Use(65535));
        Assert.True(window.IsLargeGap(204));
        Assert.False(window.IsLargeGap(203));
    }

    [Fact]
    public void Against_a_set_of_numbers_the_window_is_right()
    {
        Gen.UShort[0, 300].List[0, 200].Sample(counters =>
        {
            var window = AtcWindow.Empty;
            var seen = new HashSet<ushort>();
            foreach (var atc in counters)
            {
                var verdict = window.Look(atc);
                var high = seen.Count == 0 ? -1 : seen.Max();
                var expected = atc > high ? AtcVerdict.Fresh : high - atc >= 64 ? AtcVerdict.TooOld : seen.Contains(atc) ? AtcVerdict.Reused : AtcVerdict.OutOfOrder;
                Assert.Equal(expected, verdict);
                if (verdict is AtcVerdict.Fresh or AtcVerdict.OutOfOrder)
                {
                    window = window.Use(atc);
                    seen.Add(atc);
                }
            }
        });
    }

    [Fact, Rule("R19")]
    public async Task A_tap_is_resolved_to_the_plastic_with_all_that_the_network_needs()
    {
        await using var bench = new Bench();
        var card = Bench.Debit();
        var (_, token, _, instance) = await bench.EnrolAsync(card);
        var request = bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1);
        var answer = await bench.AskAsync(request);

        Assert.Equal((Mti.AuthorisationResponse, "00", card.Pan, "3012", "001", "63990100"), (answer.Mti, answer.Text(39), answer.Text(2), answer.Text(14), answer.Text(23), answer.Text(100)));
        Assert.True(Field61Switch.TryParse(answer.Text(61), out var checks, out _));
        Assert.Equal(ArqcResult.Good, checks.Arqc);
        Assert.True(Field63Token.TryParse(answer.Text(63), out var told, out _));
        Assert.Equal((token, "2911", Bench.Trid, "01", "0001"), (told.Token, told.Expiry, told.TokenRequestor, told.Scenario, told.Product));
        Assert.True(Field56Par.TryParse(answer.Text(56), out var par, out _));
        Assert.StartsWith("UP00", par.Par, StringComparison.Ordinal);
        Assert.True(SwitchKey.TryRead(request, out var key, out _));
        Assert.True(Field48Binding.TryParse(answer.Text(48), out var binding, out _));
        Assert.True(bench.Network.VerifyBinding("bind.token-service", token, Pan.Parse(card.Pan), key.ToString(), binding.Bytes));
    }

    [Fact]
    public async Task A_declined_answer_tells_no_digit_of_the_plastic()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        var answer = await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4], spoil: mac => mac[0] ^= 1), 1));
        Assert.Equal(("59", token.Reveal()), (answer.Text(39), answer.Text(2)));
        Assert.All((int[])[14, 48, 56, 63, 100], field => Assert.False(answer.Has(field)));
    }

    [Fact]
    public async Task Fifty_messages_with_one_counter_have_one_approval()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        var tap = FakeChip.Tap(instance, 7, "000000008800", [9, 9, 9, 9]);
        var answers = await Task.WhenAll(Enumerable.Range(1, 50).Select(stan => bench.AskAsync(bench.Request(token, tap, stan))));
        Assert.Equal(1, answers.Count(answer => answer.Text(39) == "00"));
        Assert.Equal(49, answers.Count(answer => answer.Text(39) == "59"));
        await bench.Store.DurableAsync();
        Assert.All(bench.Party.Alarms(token), alarm => Assert.Equal(("REPLAY", 7), alarm));
    }

    [Fact]
    public async Task A_repeat_of_the_same_message_gets_the_stored_verdict_and_another_message_under_its_key_does_not()
    {
        await using var bench = new Bench();
        var (tur, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        var tap = FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]);
        Assert.Equal("00", (await bench.AskAsync(bench.Request(token, tap, 1))).Text(39));
        await SuspendAsync(bench, tur);
        Assert.Equal("00", (await bench.AskAsync(bench.Request(token, tap, 1))).Text(39));
        Assert.Equal("94", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 2, "000000009900", [1, 2, 3, 4]), 1, "000000009900"))).Text(39));
        Assert.Equal("62", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 3, "000000008800", [1, 2, 3, 4]), 3))).Text(39));
    }

    private static Task<ApiReply<WalletToken.TokenReply>> SuspendAsync(Bench bench, string tur) =>
        bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Suspend, new(bench.Entropy.NewId(), tur, "CARDHOLDER", "LOST"));

    [Fact]
    public async Task A_tap_made_while_suspended_is_worth_nothing_after_the_resume()
    {
        await using var bench = new Bench();
        var (tur, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        var tap = FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]);
        await SuspendAsync(bench, tur);
        Assert.Equal("62", (await bench.AskAsync(bench.Request(token, tap, 1))).Text(39));
        var resumed = await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Unsuspend, new("r", tur, "CARDHOLDER", "FOUND"));
        Assert.Equal(TokenState.Active, resumed.Value!.State);
        Assert.Equal("59", (await bench.AskAsync(bench.Request(token, tap, 2))).Text(39));
        Assert.Equal("00", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 2, "000000008800", [1, 2, 3, 4]), 3))).Text(39));
    }

    [Fact]
    public async Task No_bit_of_the_cryptogram_can_be_another()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Credit());
        for (var bit = 0; bit < 64; bit++)
        {
            var tap = FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4], spoil: mac => mac[bit / 8] ^= (byte)(1 << (bit % 8)));
            Assert.Equal("59", (await bench.AskAsync(bench.Request(token, tap, bit + 1))).Text(39));
        }

        // None of them spent the counter.
        Assert.Equal("00", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 99))).Text(39));
    }

    [Fact]
    public async Task Overtaken_taps_pass_once_inside_the_window_and_a_clone_is_told()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        async Task<string?> TapAsync(ushort atc, byte un, int stan) => (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, atc, "000000008800", [un, 0, 0, 0]), stan))).Text(39);

        Assert.Equal("00", await TapAsync(80, 1, 1));
        Assert.Equal("00", await TapAsync(78, 1, 2));
        Assert.Equal("59", await TapAsync(78, 2, 3));
        Assert.Equal("59", await TapAsync(16, 1, 4));
        Assert.Equal("00", await TapAsync(17, 1, 5));
        Assert.Equal("00", await TapAsync(500, 1, 6));
        await bench.Store.DurableAsync();
        Assert.Equal([("CLONE", 78), ("GAP", 500)], bench.Party.Alarms(token).OrderBy(alarm => alarm.Atc));
    }

    [Fact]
    public async Task The_card_signed_the_amount_and_asked_to_pay()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        Assert.Equal("59", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1, "000000008801"))).Text(39));
        Assert.Equal("59", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 2, "000000008800", [1, 2, 3, 4], cvr2: 0x80), 2))).Text(39));
        Assert.Equal("30", (await bench.AskAsync(bench.Request(token, [0x9F], 3))).Text(39));
        Assert.Equal("57", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 3, "000000008800", [1, 2, 3, 4]), 4).Set(22, "012"))).Text(39));
    }

    [Fact, Rule("R20")]
    public async Task A_deleted_device_card_is_still_resolved_for_a_refund()
    {
        await using var bench = new Bench();
        var card = Bench.Debit();
        var (tur, token, _, instance) = await bench.EnrolAsync(card);
        await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new("d", tur, "CARDHOLDER", "CONSUMER_DELETED"));
        Assert.Equal("14", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1))).Text(39));
        var answer = await bench.AskAsync(bench.Request(token, [], 2, processing: "200000"));
        Assert.Equal(("00", card.Pan), (answer.Text(39), answer.Text(2)));
        Assert.Equal("14", (await bench.AskAsync(bench.Request(PaymentToken.Parse("8199010000000006"[..15] + Luhn.CheckDigit("819901000000000")), [], 3, processing: "200000"))).Text(39));
    }

    [Fact]
    public async Task A_message_with_a_wrong_mac_is_believed_in_nothing()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        var body = IsoSealing.Seal(Dialect.Switch, bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1), _ => "00000000"u8.ToArray());
        var answer = await bench.Party.HandleAsync(SwitchFrame.Write("00019900", "00010000", body), TestContext.Current.CancellationToken);
        Assert.True(SwitchFrame.TryRead(answer, out _, out _, out var answered, out _));
        Assert.True(IsoCodec.TryRead(Dialect.Switch, answered.Span, out var response, out _));
        Assert.Equal("A0", response.Text(39));
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_token WHERE atc_high >= 0"));
    }
}
