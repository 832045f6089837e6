using Majia.Core.Contracts;
using Majia.Issuer;

namespace Majia.Tests.Issuer;

/// <summary>The bank's end of the token service's line: who may put a card on a phone.</summary>
public sealed class EnrolmentTests
{
    [Theory]
    [InlineData("debit", IssuerDecision.RequireAdditionalAuthentication, "SMS_CODE_WANTED")]
    [InlineData("credit", IssuerDecision.RequireAdditionalAuthentication, "SMS_CODE_WANTED")]
    [InlineData("green", IssuerDecision.Approved, null)]
    [InlineData("red", IssuerDecision.Declined, "RISK_RED")]
    [InlineData("no-phone", IssuerDecision.Declined, "NO_PHONE_ON_FILE")]
    [InlineData("old-document", IssuerDecision.Declined, "DOCUMENT_EXPIRED")]
    [InlineData("lost", IssuerDecision.Declined, "CARD_LOST")]
    [InlineData("expired", IssuerDecision.Declined, "CARD_EXPIRED")]
    public async Task Each_card_gets_the_banks_decision_with_its_reason(string card, IssuerDecision decision, string? reason)
    {
        await using var bench = await IssuerBench.OpenAsync();

        var reply = (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Bank.Cards.Single(c => c.Id == card)))).Value!;

        Assert.Equal((decision, reason), (reply.Decision, reply.Reason?.Code));
        Assert.Equal(decision != IssuerDecision.Declined, reply.Methods.Count == 1);
        Assert.NotEqual("", reply.Reason?.Why.Zh);
    }

    [Fact]
    public async Task A_good_reply_tells_what_the_token_needs_and_masks_the_phone()
    {
        await using var bench = await IssuerBench.OpenAsync();

        var reply = (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit))).Value!;

        Assert.Equal(("3012", "02", PinPolicy.OverLimit), (reply.PanExpiry, reply.PanSequenceNumber, reply.PinPolicy));
        Assert.Equal(new ActivationMethod("SMS", "SMS", "129****0001"), Assert.Single(reply.Methods));
    }

    public static TheoryData<string> Fields => ["name", "id", "mobile", "expiry", "cvn2", "no-name", "no-cvn2", "no-mobile"];

    [Theory]
    [MemberData(nameof(Fields))]
    public async Task Wrong_or_missing_data_are_refused_by_name(string field)
    {
        await using var bench = await IssuerBench.OpenAsync();
        var good = IssuerBench.Typed(IssuerBench.Credit);
        var (typed, code) = field switch
        {
            "name" => (good with { HolderName = "林小云" }, "NAME_MISMATCH"),
            "id" => (good with { IdNumber = "990104199203120022" }, "ID_NUMBER_MISMATCH"),
            "mobile" => (good with { MobileNumber = "12900000009" }, "MOBILE_MISMATCH"),
            "expiry" => (good with { Expiry = "3011" }, "EXPIRY_MISMATCH"),
            "cvn2" => (good with { Cvn2 = "124" }, "CVN2_MISMATCH"),
            "no-name" => (good with { HolderName = null }, "IDENTITY_WANTED"),
            "no-cvn2" => (good with { Cvn2 = null }, "EXPIRY_AND_CVN2_WANTED"),
            _ => (good with { MobileNumber = null }, "MOBILE_WANTED"),
        };

        var reply = (await bench.AuthorizeAsync(typed)).Value!;

        Assert.Equal((IssuerDecision.Declined, code, ""), (reply.Decision, reply.Reason!.Code, reply.PanExpiry));
    }

    [Fact]
    public async Task The_name_may_be_typed_as_it_is_embossed_and_spaces_around_do_not_matter()
    {
        await using var bench = await IssuerBench.OpenAsync();

        Assert.Equal(IssuerDecision.Approved, (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green) with { HolderName = " Lin Xiaoyun " })).Value!.Decision);
    }

    [Fact]
    public async Task Guessing_a_cvn2_ends_after_five_wrong_ones_for_a_day()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var good = IssuerBench.Typed(IssuerBench.Credit);
        async Task<string> Try(CardToEnrol typed, int i) => (await bench.AuthorizeAsync(typed, $"tur-{i}", $"r-{i}")).Value!.Reason!.Code;

        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("CVN2_MISMATCH", await Try(good with { Cvn2 = $"00{i}" }, i));
        }

        Assert.Equal("TOO_MANY_ATTEMPTS", await Try(good, 6));
        bench.Time.Advance(TimeSpan.FromHours(25));
        Assert.Equal("SMS_CODE_WANTED", await Try(good, 7));
    }

    [Fact]
    public async Task Leaving_a_field_out_does_not_give_the_guesses_back()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var good = IssuerBench.Typed(IssuerBench.Credit);
        var request = 0;
        async Task<string> Try(CardToEnrol typed) => (await bench.AuthorizeAsync(typed, $"tur-{++request}", $"r-{request}")).Value!.Reason!.Code;

        for (var i = 0; i < 4; i++)
        {
            Assert.Equal("CVN2_MISMATCH", await Try(good with { Cvn2 = $"00{i}" }));
            Assert.Equal("MOBILE_WANTED", await Try(good with { MobileNumber = null }));
            Assert.Equal("IDENTITY_WANTED", await Try(good with { HolderName = null }));
        }

        Assert.Equal("CVN2_MISMATCH", await Try(good with { Cvn2 = "004" }));
        Assert.Equal("TOO_MANY_ATTEMPTS", await Try(good));
    }

    [Fact]
    public async Task The_right_data_give_the_guesses_back()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var good = IssuerBench.Typed(IssuerBench.Credit);
        var request = 0;
        async Task<string> Try(CardToEnrol typed) => (await bench.AuthorizeAsync(typed, $"tur-{++request}", $"r-{request}")).Value!.Reason!.Code;
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < 4; i++)
            {
                Assert.Equal("CVN2_MISMATCH", await Try(good with { Cvn2 = $"00{i}" }));
            }

            Assert.Equal("SMS_CODE_WANTED", await Try(good));
        }
    }

    [Fact]
    public async Task A_box_that_is_not_the_banks_and_a_card_that_is_not_the_banks_are_refused()
    {
        await using var bench = await IssuerBench.OpenAsync();

        var foreign = await bench.CallAsync<TokenIssuer.AuthorizeServiceRequest, TokenIssuer.AuthorizeServiceReply>(
            TokenIssuer.Operations.AuthorizeService, new("r", "tur", "99900000001", "not.a.jwe", "Mi 5", "MANUAL"));
        Assert.Equal("CRYPTOGRAPHY_ERROR", foreign.Error!.ErrorCode);

        var unknown = (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit) with { Pan = (IssuerBench.Debit with { Serial = 99 }).Pan.Reveal() })).Value!;
        Assert.Equal("CARD_NOT_FOUND", unknown.Reason!.Code);
    }

    [Fact]
    public async Task The_same_request_again_gets_the_same_reply_and_another_for_the_same_token_is_refused()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var first = await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        var again = await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));

        Assert.Equivalent(first.Value, again.Value);
        Assert.Equal(Majia.Core.Contracts.Ineligible.InvalidState, (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit), request: "r-other")).Error!.ErrorCode);
    }

    [Fact]
    public async Task A_request_id_with_other_content_does_not_get_the_stored_reply()
    {
        await using var bench = await IssuerBench.OpenAsync();
        Assert.Equal(IssuerDecision.Approved, (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green), "tur-green", "r-1")).Value!.Decision);

        // Another card under the same id and reference, and the same id for another reference.
        Assert.Equal("INVALID_FIELD_VALUE", (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Red), "tur-green", "r-1")).Error!.ErrorCode);
        Assert.Equal(IssuerDecision.Declined, (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Red), "tur-red", "r-1")).Value!.Decision);

        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit), "tur-1", "r-2");
        await bench.DeliverAsync("r-3");
        var code = await bench.CodeFromOutboxAsync();
        Assert.Equal(CodeVerdict.Wrong, (await bench.ValidateAsync("r-4", code == "000000" ? "000001" : "000000")).Verdict);
        var reused = await bench.CallAsync<TokenIssuer.ValidateActivationCodeRequest, TokenIssuer.ValidateActivationCodeReply>(TokenIssuer.Operations.ValidateActivationCode, new("r-4", "tur-1", bench.EncryptCode(code)));
        Assert.Equal("INVALID_FIELD_VALUE", reused.Error!.ErrorCode);
    }

    // ---- the code ----

    [Fact]
    public async Task The_code_by_sms_proves_the_holder_once_and_the_notice_follows()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        Assert.Equal(Ineligible.InvalidState, (await bench.ActivatedAsync("r-early")).Error!.ErrorCode);

        var sent = (await bench.DeliverAsync("r-1")).Value!;
        Assert.Equal(("129****0001", bench.Time.GetUtcNow().AddMinutes(5)), (sent.Masked, sent.ExpiresAt));
        var code = await bench.CodeFromOutboxAsync();
        Assert.Equal(new(CodeVerdict.Right, 3), await bench.ValidateAsync("r-2", code));
        Assert.Equal(CodeVerdict.Right, (await bench.ValidateAsync("r-2", code)).Verdict);

        Assert.Null((await bench.ActivatedAsync()).Error);
        Assert.Null((await bench.ActivatedAsync()).Error);
        Assert.Equal(CodeVerdict.NoCode, (await bench.ValidateAsync("r-3", code)).Verdict);
        await bench.Store.DurableAsync();

        var device = Assert.Single(bench.Desk.DeviceCards("debit"));
        Assert.Equal((IssuerBench.Token.LastFour, "Mi 5", TokenState.Active), (device.LastFour, device.Model, device.State));
        Assert.Equal(2, bench.Desk.Messages("lin").Count);
        Assert.Contains(IssuerBench.Token.LastFour, bench.Desk.Messages("lin")[1].Body.Zh, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Three_wrong_codes_are_all_that_anybody_has()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        Assert.Equal(CodeVerdict.NoCode, (await bench.ValidateAsync("r-0", "000000")).Verdict);
        await bench.DeliverAsync("r-1");
        var code = await bench.CodeFromOutboxAsync();
        var wrong = code == "000000" ? "000001" : "000000";

        Assert.Equal(new(CodeVerdict.Wrong, 2), await bench.ValidateAsync("r-2", wrong));
        Assert.Equal(new(CodeVerdict.Wrong, 2), await bench.ValidateAsync("r-2", wrong));
        Assert.Equal(new(CodeVerdict.Wrong, 1), await bench.ValidateAsync("r-3", wrong));
        Assert.Equal(new(CodeVerdict.TriesExceeded, 0), await bench.ValidateAsync("r-4", wrong));
        Assert.Equal(new(CodeVerdict.TriesExceeded, 0), await bench.ValidateAsync("r-5", code));
    }

    [Fact]
    public async Task Guesses_sent_all_at_once_are_still_only_three()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        await bench.DeliverAsync("r-1");
        var code = await bench.CodeFromOutboxAsync();
        var guesses = Enumerable.Range(0, 60).Select(i => $"{i:D6}").Where(guess => guess != code).ToList();

        var verdicts = await Task.WhenAll(guesses.Select(guess => Task.Run(() => bench.ValidateAsync("g-" + guess, guess))));

        Assert.Equal(2, verdicts.Count(v => v.Verdict == CodeVerdict.Wrong));
        Assert.Equal(guesses.Count - 2, verdicts.Count(v => v.Verdict == CodeVerdict.TriesExceeded));
        Assert.Equal(CodeVerdict.TriesExceeded, (await bench.ValidateAsync("r-right", code)).Verdict);
    }

    [Fact]
    public async Task Guesses_at_several_enrolments_of_one_card_all_at_once_are_still_only_twelve_a_day()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var codes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var token = 0; token < 7; token++)
        {
            await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit), $"tur-{token}", $"a-{token}");
            Assert.NotNull((await bench.DeliverAsync($"d-{token}", $"tur-{token}")).Value);
            codes[$"tur-{token}"] = await bench.CodeFromOutboxAsync();
        }

        var guesses = Enumerable.Range(0, 20).SelectMany(guess => codes.Select(each => (Token: each.Key, Code: $"{guess:D6}", Right: each.Value))).Where(guess => guess.Code != guess.Right).ToList();
        var verdicts = await Task.WhenAll(guesses.Select(guess => Task.Run(async () => (guess.Token, Said: (await bench.ValidateAsync($"g-{guess.Token}-{guess.Code}", guess.Code, guess.Token)).Verdict))));

        // A wrong one that was heard is Wrong, or the third of its token; twelve were heard, whoever asked first.
        Assert.All(verdicts.GroupBy(each => each.Token), token => Assert.InRange(token.Count(each => each.Said == CodeVerdict.Wrong), 0, 2));
        Assert.InRange(verdicts.Count(each => each.Said == CodeVerdict.Wrong), 8, 12);
        Assert.Equal(12, await bench.Store.WriteAsync(session => session.Number("SELECT wrong FROM issuer_code_days WHERE card = $1", IssuerBench.Debit.Id)));
        foreach (var (token, code) in codes)
        {
            Assert.Equal((token, CodeVerdict.TriesExceeded), (token, (await bench.ValidateAsync($"right-{token}", code, token)).Verdict));
        }
    }

    [Fact]
    [Rule("R8")]
    public async Task A_right_code_whose_answer_was_lost_is_right_again_until_the_card_is_live()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        await bench.DeliverAsync("r-1");
        var code = await bench.CodeFromOutboxAsync();
        Assert.Equal(CodeVerdict.Right, (await bench.ValidateAsync("v-lost", code)).Verdict);

        bench.Time.Advance(TimeSpan.FromMinutes(20));
        Assert.Equal(new(CodeVerdict.Wrong, 2), await bench.ValidateAsync("v-wrong", code == "000000" ? "000001" : "000000"));
        Assert.Equal(CodeVerdict.Right, (await bench.ValidateAsync("v-again", code)).Verdict);
        await bench.ActivatedAsync();

        Assert.Equal(CodeVerdict.NoCode, (await bench.ValidateAsync("v-late", code)).Verdict);
    }

    [Fact]
    public async Task The_right_code_sent_many_times_at_once_is_one_proof_and_costs_no_try()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        await bench.DeliverAsync("r-1");
        var code = await bench.CodeFromOutboxAsync();

        var verdicts = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => bench.ValidateAsync($"v-{i}", code))));

        Assert.All(verdicts, v => Assert.Equal(new(CodeVerdict.Right, 3), v));
    }

    [Fact]
    public async Task Wrong_guesses_are_counted_for_the_card_over_a_day_whatever_the_token()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit), "tur-waiting", "a-waiting");
        await bench.DeliverAsync("d-waiting", "tur-waiting");
        var waiting = await bench.CodeFromOutboxAsync();

        // A thief with the card's data begins again and again.
        var wrong = 0;
        for (var token = 1; token <= 4; token++)
        {
            await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit), $"tur-{token}", $"a-{token}");
            Assert.NotNull((await bench.DeliverAsync($"d-{token}", $"tur-{token}")).Value);
            var code = await bench.CodeFromOutboxAsync();
            CodeVerdict said;
            do
            {
                said = (await bench.ValidateAsync($"v-{++wrong}", code == "000000" ? "000001" : "000000", $"tur-{token}")).Verdict;
            }
            while (said == CodeVerdict.Wrong);
        }

        Assert.Equal(12, wrong);
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit), "tur-5", "a-5");
        Assert.Equal(Ineligible.CodeTriesExceeded, (await bench.DeliverAsync("d-5", "tur-5")).Error!.ErrorCode);
        Assert.Equal(new(CodeVerdict.TriesExceeded, 0), await bench.ValidateAsync("v-right", waiting, "tur-waiting"));

        bench.Time.Advance(TimeSpan.FromHours(25));
        Assert.NotNull((await bench.DeliverAsync("d-6", "tur-5")).Value);
        Assert.Equal(CodeVerdict.Right, (await bench.ValidateAsync("v-6", await bench.CodeFromOutboxAsync(), "tur-5")).Verdict);
    }

    [Fact]
    public async Task Codes_are_counted_for_the_card_over_a_day_whatever_the_token()
    {
        await using var bench = await IssuerBench.OpenAsync();
        for (var i = 0; i < 9; i++)
        {
            await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit), $"tur-{i}", $"a-{i}");
            var reply = await bench.DeliverAsync($"d-{i}", $"tur-{i}");
            Assert.Equal(i < 8 ? null : Ineligible.CodeTriesExceeded, reply.Error?.ErrorCode);
        }

        // Another plastic of the same customer has a day of its own.
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Credit), "tur-credit", "a-credit");
        Assert.NotNull((await bench.DeliverAsync("d-credit", "tur-credit")).Value);
    }

    [Fact]
    public async Task A_code_dies_after_five_minutes()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        await bench.DeliverAsync("r-1");
        var code = await bench.CodeFromOutboxAsync();

        bench.Time.Advance(TimeSpan.FromMinutes(5));

        Assert.Equal(CodeVerdict.Expired, (await bench.ValidateAsync("r-2", code)).Verdict);
    }

    [Fact]
    public async Task A_new_code_replaces_the_old_one_and_there_are_three_new_ones()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit));
        await bench.DeliverAsync("r-1");
        var first = await bench.CodeFromOutboxAsync();
        await bench.DeliverAsync("r-1");
        Assert.Equal(first, await bench.CodeFromOutboxAsync());

        await bench.DeliverAsync("r-2");
        var second = await bench.CodeFromOutboxAsync();
        Assert.Equal(CodeVerdict.Wrong, (await bench.ValidateAsync("v-1", first)).Verdict);
        Assert.NotNull((await bench.DeliverAsync("r-3")).Value);
        Assert.NotNull((await bench.DeliverAsync("r-4")).Value);
        Assert.Equal(Ineligible.CodeTriesExceeded, (await bench.DeliverAsync("r-5")).Error!.ErrorCode);
        Assert.Equal(CodeVerdict.Wrong, (await bench.ValidateAsync("v-2", second)).Verdict);
        Assert.Equal(CodeVerdict.Right, (await bench.ValidateAsync("v-3", await bench.CodeFromOutboxAsync())).Verdict);
        Assert.Equal(4, bench.Desk.Messages("lin").Count);
    }

    [Fact]
    public async Task Nobody_proves_a_token_that_the_bank_does_not_know()
    {
        await using var bench = await IssuerBench.OpenAsync();

        Assert.Equal(Ineligible.NotFound, (await bench.DeliverAsync("r-1", "tur-none")).Error!.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await bench.ActivatedAsync("r-2", "tur-none")).Error!.ErrorCode);
    }
}

/// <summary>What the bank's own staff see and do.</summary>
public sealed class IssuerDeskTests
{
    private static async Task<IssuerBench> WithDeviceCardAsync()
    {
        var bench = await IssuerBench.OpenAsync();
        await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green));
        await bench.ActivatedAsync();
        return bench;
    }

    [Fact]
    [Rule("R19")]
    public async Task The_digits_on_a_slip_lead_to_the_plastic_the_sale_and_how_to_undo_it()
    {
        await using var bench = await WithDeviceCardAsync();
        var sale = bench.Sale(IssuerBench.Green, 8_800);
        await bench.SendAsync(sale);
        await bench.SendAsync(bench.Sale(IssuerBench.Green, 1_200));
        await bench.Store.DurableAsync();

        Assert.NotEqual(IssuerBench.Token.LastFour, IssuerBench.Green.Pan.LastFour);
        Assert.Equal(2, bench.Desk.Resolve(IssuerBench.Token.LastFour).Sales.Count);
        var found = Assert.Single(bench.Desk.Resolve(IssuerBench.Token.LastFour, rrn: sale.Text(37)).Sales);
        Assert.Equal((IssuerBench.Green.Pan.Masked, "林**", "Mi 5", "88.00", "Morning Light Books"), (found.Plastic.Masked, found.Plastic.Holder, found.DeviceModel, found.Amount.ToString(), found.MerchantName));
        Assert.Contains("void", found.HowToUndo.En, StringComparison.Ordinal);
        Assert.Single(bench.Desk.Resolve(IssuerBench.Token.LastFour, amount: Majia.Core.Primitives.Amount.Cny(1_200)).Sales);
        Assert.Empty(bench.Desk.Resolve(IssuerBench.Token.LastFour, day: new DateOnly(2026, 11, 22)).Sales);
        Assert.Equal("green", Assert.Single(bench.Desk.Resolve(IssuerBench.Token.LastFour).Plastics).Card);

        bench.Time.Advance(TimeSpan.FromDays(1));
        Assert.Contains("refund", bench.Desk.Resolve(IssuerBench.Token.LastFour, rrn: sale.Text(37)).Sales[0].HowToUndo.En, StringComparison.Ordinal);
        await bench.SendAsync(bench.Void(IssuerBench.Green, sale));
        await bench.Store.DurableAsync();
        Assert.Contains(bench.Desk.Resolve(IssuerBench.Token.LastFour).Sales, s => s.State == AuthorisationState.Voided && s.HowToUndo.En.Contains("gone back", StringComparison.Ordinal));
    }

    [Fact]
    [Rule("R23")]
    public async Task The_hotline_stops_the_plastic_and_every_device_card_until_the_report_is_lifted()
    {
        await using var bench = await WithDeviceCardAsync();
        Assert.True(await bench.Desk.ReportLostAsync("green"));
        Assert.False(await bench.Desk.ReportLostAsync("green"));

        Assert.Equal("41", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 100)));
        Assert.Equal("41", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 100, token: IssuerBench.OtherToken)));
        Assert.Equal("CARD_LOST", (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green), "tur-2", "r-2")).Value!.Reason!.Code);

        Assert.True(await bench.Desk.LiftReportAsync("green"));
        Assert.False(await bench.Desk.LiftReportAsync("green"));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 100)));

        Assert.True(await bench.Desk.ReportLostAsync("green", stolen: true));
        Assert.Equal("43", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 100)));
    }

    [Fact]
    [Rule("R21")]
    public async Task A_device_card_that_is_removed_does_not_touch_the_plastic()
    {
        await using var bench = await WithDeviceCardAsync();
        var before = bench.Desk.Find(IssuerBench.Green.Pan);

        var reply = await bench.CallAsync<TokenIssuer.NotifyTokenUpdatedRequest, TokenIssuer.Done>(
            TokenIssuer.Operations.NotifyTokenUpdated, new("r-gone", "tur-1", TokenState.Deactivated, "CONSUMER_DELETED"));
        await bench.Store.DurableAsync();

        Assert.Null(reply.Error);
        Assert.Equal(TokenState.Deactivated, Assert.Single(bench.Desk.DeviceCards("green")).State);
        Assert.Equal(before, bench.Desk.Find(IssuerBench.Green.Pan));
    }

    [Fact]
    public async Task A_notice_that_comes_behind_a_later_one_changes_nothing()
    {
        await using var bench = await WithDeviceCardAsync();
        Assert.Equal(TokenState.Active, await ToldAsync("r-2", TokenState.Active, 20));
        Assert.Equal(TokenState.Active, await ToldAsync("r-1", TokenState.Suspended, 10));
        Assert.Equal(TokenState.Suspended, await ToldAsync("r-3", TokenState.Suspended, 30));
        Assert.Equal(TokenState.Active, await ToldAsync("r-old-sender", TokenState.Active, null));
        Assert.Equal(TokenState.Deactivated, await ToldAsync("r-gone", TokenState.Deactivated, 5)); // gone is gone in any order
        Assert.Equal(TokenState.Deactivated, await ToldAsync("r-4", TokenState.Active, 40));

        async Task<TokenState> ToldAsync(string id, TokenState state, long? version)
        {
            Assert.Null((await bench.CallAsync<TokenIssuer.NotifyTokenUpdatedRequest, TokenIssuer.Done>(TokenIssuer.Operations.NotifyTokenUpdated, new(id, "tur-1", state, "LOST", Version: version))).Error);
            await bench.Store.DurableAsync();
            return Assert.Single(bench.Desk.DeviceCards("green")).State;
        }
    }

    [Fact]
    public async Task Nothing_that_the_desk_shows_holds_a_full_number()
    {
        await using var bench = await WithDeviceCardAsync();
        await bench.SendAsync(bench.Sale(IssuerBench.Green, 8_800));
        await bench.Store.DurableAsync();
        var shown = string.Join('\n', bench.Desk.Cards().Select(c => c.ToString())) + string.Join('\n', bench.Desk.Accounts().Select(a => a.ToString()))
            + string.Join('\n', bench.Desk.Resolve(IssuerBench.Token.LastFour).Sales.Select(s => s.ToString())) + string.Join('\n', bench.Desk.Messages("lin").Select(m => m.ToString()));

        foreach (var card in IssuerBench.Bank.Cards)
        {
            Assert.DoesNotContain(card.Pan.Reveal(), shown, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(IssuerBench.Lin.Name, shown, StringComparison.Ordinal);
        Assert.DoesNotContain(IssuerBench.Lin.Mobile!, shown, StringComparison.Ordinal);
        Assert.DoesNotContain(IssuerBench.Lin.IdNumber, shown, StringComparison.Ordinal);
    }
}
