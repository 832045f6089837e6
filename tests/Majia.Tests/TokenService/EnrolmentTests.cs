using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService;
using Majia.Wallet;

namespace Majia.Tests.TokenService;

public class EnrolmentTests
{
    [Fact, Rule("R13")]
    public async Task A_green_card_goes_from_number_to_selectable_instance()
    {
        await using var bench = new Bench();
        var card = Bench.Debit();
        var (tur, token, chip, instance) = await bench.EnrolAsync(card);

        Assert.Equal(19, token.Length);
        Assert.StartsWith("819901", token.Reveal(), StringComparison.Ordinal);
        Assert.NotEqual(card.Pan[^4..], token.LastFour);
        Assert.True(instance.Selectable);
        Assert.Equal(2, chip.DomainKeyVersion);
        Assert.Equal(48, instance.CardKeys.Length);
        Assert.Equal("D2911", Convert.ToHexString(instance.Groups[0x9207]).Split(token.Reveal())[1][..5]);
        Assert.Equal(card, Assert.Single(bench.Bank.Cards));
        await bench.Party.PumpAsync();
        Assert.Equal((tur, token.LastFour, "Mi 5"), bench.Bank.Activated.Select(notice => (notice.TokenUniqueReference, notice.DeviceLastFour, notice.DeviceModel)).Single());
        await bench.Party.PumpAsync();
        Assert.Single(bench.Bank.Activated);
        Assert.DoesNotContain(bench.Module.Keys, key => key.Name.StartsWith("sd-init", StringComparison.Ordinal));
        Assert.DoesNotContain(bench.SeModule.Keys, key => key.Name.StartsWith("sd-init", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(PinPolicy.Always, "9F680400008000", "9F6B06000000000000")]
    [InlineData(PinPolicy.OverLimit, "9F680400008000", "9F6B06000000100000")]
    [InlineData(PinPolicy.Never, "9F680400000000", "9F6B06000000100000")]
    public async Task The_banks_pin_policy_is_personalised(PinPolicy policy, string processes, string limit)
    {
        await using var bench = new Bench();
        bench.Bank.PinPolicy = policy;
        var (_, _, _, instance) = await bench.EnrolAsync(Bench.Credit());
        Assert.Contains(processes, Convert.ToHexString(instance.Groups[0x0D01]), StringComparison.Ordinal);
        Assert.Contains(limit, Convert.ToHexString(instance.Groups[0x0D01]), StringComparison.Ordinal);
    }

    [Fact, Rule("R6")]
    public async Task A_yellow_card_waits_personalised_and_unselectable_for_the_banks_code()
    {
        await using var bench = new Bench();
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var chip = bench.NewChip();
        var digitised = (await bench.DigitizeAsync(Bench.Credit(), chip.Seid)).Value!;
        Assert.True(digitised.VerificationRequired);

        Assert.Equal(Ineligible.InvalidState, (await ActivateAsync(bench, digitised.TokenUniqueReference, "123456")).Error!.ErrorCode);
        var reply = await bench.ProvisionAsync(digitised.TokenUniqueReference, chip);
        Assert.Equal(EnrolmentState.VerificationRequired, reply.State);
        Assert.False(chip.Instances[reply.Face.InstanceAid].Selectable);

        Assert.Equal(2, (await ActivateAsync(bench, digitised.TokenUniqueReference, "000000")).Value!.TriesLeft);
        Assert.Equal(TokenState.Active, (await ActivateAsync(bench, digitised.TokenUniqueReference, "123456")).Value!.State);
        bench.Restart();
        Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(digitised.TokenUniqueReference, chip)).State);
        Assert.True(chip.Instances[reply.Face.InstanceAid].Selectable);
    }

    private static Task<ApiReply<WalletToken.ActivateReply>> ActivateAsync(Bench bench, string tur, string code) =>
        bench.CallAsync<WalletToken.ActivateRequest, WalletToken.ActivateReply>(WalletToken.Operations.Activate, new(bench.Entropy.NewId(), tur, bench.EncryptCode(code)));

    [Fact]
    public async Task A_card_that_the_bank_declines_leaves_nothing_behind_and_says_the_banks_reason()
    {
        await using var bench = new Bench();
        bench.Bank.Decision = IssuerDecision.Declined;
        var reply = await bench.DigitizeAsync(Bench.Credit(), bench.NewChip().Seid);
        Assert.Equal((Ineligible.DeclinedByIssuer, "CVN2 有误。"), (reply.Error!.ErrorCode, reply.Error.Why!.Zh));
        Assert.Equal(0, bench.Count("SELECT (SELECT count(*) FROM token_device_slot) + (SELECT count(*) FROM token_card_slot) + (SELECT count(*) FROM token_token)"));
    }

    [Fact]
    public async Task Digitise_is_idempotent_by_request_id()
    {
        await using var bench = new Bench();
        var seid = bench.NewChip().Seid;
        var first = await bench.DigitizeAsync(Bench.Debit(), seid, "one");
        var receipt = "used";
        var again = await bench.CallAsync<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(WalletToken.Operations.Digitize, new("one", Bench.Trid, seid, receipt, bench.Encrypt(Bench.Debit()), 0, "Mi 5", "MANUAL"));
        Assert.Equal(first.Value!.TokenUniqueReference, again.Value!.TokenUniqueReference);
        Assert.Single(bench.Bank.Authorised);
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token"));

        var other = await bench.CallAsync<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(WalletToken.Operations.Digitize, new("one", Bench.Trid, seid, receipt, bench.Encrypt(Bench.Debit(2)), 0, "Mi 5", "MANUAL"));
        Assert.Equal("requestId", other.Error!.Errors![0].Field);
    }

    [Fact, Rule("R8")]
    public async Task A_bank_that_cannot_be_reached_costs_a_repeat_and_no_more()
    {
        await using var bench = new Bench();
        var seid = bench.NewChip().Seid;
        bench.Bank.Link.IsCut = true;
        Assert.Equal("ISSUER_UNREACHABLE", (await bench.DigitizeAsync(Bench.Debit(), seid, "one")).Error!.ErrorCode);
        bench.Bank.Link.IsCut = false;
        bench.Restart();
        Assert.NotNull((await bench.DigitizeAsync(Bench.Debit(), seid, "one")).Value);
        Assert.Equal((1, 1), (bench.Count("SELECT count(*) FROM token_device_slot"), bench.Count("SELECT count(*) FROM token_card_slot")));

        bench.Bank.Link.IsCut = true;
        await bench.DigitizeAsync(Bench.Debit(2), seid, "two");
        Assert.Equal(2, bench.Count("SELECT count(*) FROM token_device_slot"));
        bench.Clock.Advance(TimeSpan.FromMinutes(31));
        Assert.Equal(2, await bench.Party.SweepAsync());
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_device_slot"));
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_card_slot"));
        bench.Bank.Link.IsCut = false;
        await bench.Party.PumpAsync();
        Assert.Equal(2, bench.Bank.Updated.Count);
    }

    [Fact, Rule("R9")]
    public async Task A_phone_takes_eight_cards_and_the_ninth_is_refused()
    {
        await using var bench = new Bench();
        var chip = bench.NewChip();
        var receipts = await Task.WhenAll(Enumerable.Range(1, 12).Select(account => bench.DigitizeAsync(Bench.Debit(account), chip.Seid)));
        Assert.Equal(8, receipts.Count(reply => reply.Value is not null));
        Assert.All(receipts.Where(reply => reply.Error is not null), reply => Assert.Equal(Ineligible.TooManyOnDevice, reply.Error!.ErrorCode));

        var tur = receipts.First(reply => reply.Value is not null).Value!.TokenUniqueReference;
        Assert.Null((await DeleteAsync(bench, tur)).Error);
        Assert.NotNull((await bench.DigitizeAsync(Bench.Debit(50), chip.Seid)).Value);
        Assert.Equal(Ineligible.TooManyOnDevice, (await bench.DigitizeAsync(Bench.Debit(51), chip.Seid)).Error!.ErrorCode);
    }

    [Fact, Rule("R10")]
    public async Task A_plastic_has_ten_device_cards_and_the_eleventh_is_refused()
    {
        await using var bench = new Bench();
        var chips = Enumerable.Range(0, 14).Select(_ => bench.NewChip()).ToList();
        var replies = await Task.WhenAll(chips.Select(chip => bench.DigitizeAsync(Bench.Debit(), chip.Seid)));
        Assert.Equal(10, replies.Count(reply => reply.Value is not null));
        Assert.All(replies.Where(reply => reply.Error is not null), reply => Assert.Equal(Ineligible.TooManyForCard, reply.Error!.ErrorCode));
        Assert.Equal(10, replies.Where(reply => reply.Value is not null).Select(reply => bench.TokenOf(reply.Value!.TokenUniqueReference).Reveal()).Distinct().Count());
        Assert.Equal(10, bench.Count("SELECT count(*) FROM token_device_slot"));
        Assert.Equal(1, bench.Count("SELECT count(DISTINCT par) FROM token_account"));
    }

    [Fact, Rule("R10")]
    public async Task A_plastic_is_once_on_one_phone_but_an_unfinished_try_starts_over()
    {
        await using var bench = new Bench();
        var chip = bench.NewChip();
        var half = (await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Value!;
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit(), chip);
        Assert.NotEqual(half.TokenUniqueReference, tur);
        Assert.Equal(Ineligible.AlreadyOnDevice, (await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Error!.ErrorCode);
        await DeleteAsync(bench, tur);
        Assert.NotNull((await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Value);
    }

    private static Task<ApiReply<WalletToken.TokenReply>> DeleteAsync(Bench bench, string tur) =>
        bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new(bench.Entropy.NewId(), tur, "CARDHOLDER", "CONSUMER_DELETED"));

    [Theory, Rule("R8")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Power_lost_at_any_command_or_its_answer_ends_with_one_clean_instance(bool losesAnswer)
    {
        for (var commands = 0; commands < 24; commands++)
        {
            await using var bench = new Bench();
            var chip = bench.NewChip();
            var tur = (await bench.DigitizeAsync(Bench.Credit(), chip.Seid)).Value!.TokenUniqueReference;
            chip.FailAfter = commands;
            chip.LosesAnswer = losesAnswer;
            try
            {
                await bench.ProvisionAsync(tur, chip);
            }
            catch (PowerLostException) when (losesAnswer)
            {
                Assert.True(chip.Instances.Count <= 1);
            }
            catch (PowerLostException)
            {
                Assert.DoesNotContain(chip.Instances.Values, instance => instance.Selectable);
            }

            if (commands % 2 == 0)
            {
                bench.Restart();
            }

            chip.FailAfter = null;
            Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(tur, chip)).State);
            Assert.True(Assert.Single(chip.Instances).Value.Selectable);
        }
    }

    [Fact, Rule("R24")]
    public async Task A_purge_deletes_older_cards_first_and_a_late_notice_does_not_touch_newer_ones()
    {
        await using var bench = new Bench();
        var (old, _, chip, _) = await bench.EnrolAsync(Bench.Debit());
        var fresh = (await bench.DigitizeAsync(Bench.Credit(), chip.Seid, epoch: 1)).Value!.TokenUniqueReference;
        Assert.Equal(TokenState.Deactivated, (await GetAsync(bench, old)).State);

        await bench.ProvisionAsync(fresh, chip);
        Assert.Single(chip.Instances);
        var left = await bench.CallAsync<WalletToken.DeleteDeviceRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.DeleteDevice, new("late", chip.Seid, 1, "SIGNED_OUT"));
        Assert.Equal(fresh, Assert.Single(left.Value!.Tokens).TokenUniqueReference);
        left = await bench.CallAsync<WalletToken.DeleteDeviceRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.DeleteDevice, new("all", chip.Seid, long.MaxValue, "PAYMENT_OFF"));
        Assert.Empty(left.Value!.Tokens);
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_device_slot"));
        Assert.Equal(Ineligible.InvalidState, (await bench.DigitizeAsync(Bench.Credit(9), chip.Seid, epoch: 0)).Error!.ErrorCode);
    }

    private static async Task<WalletToken.TokenReply> GetAsync(Bench bench, string tur) =>
        (await bench.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(tur))).Value!;

    [Fact]
    public async Task A_card_that_nobody_verifies_is_gone_after_thirty_days()
    {
        await using var bench = new Bench();
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var chip = bench.NewChip();
        var tur = (await bench.DigitizeAsync(Bench.Credit(), chip.Seid)).Value!.TokenUniqueReference;
        await bench.ProvisionAsync(tur, chip);
        bench.Clock.Advance(TimeSpan.FromDays(29));
        Assert.Equal(0, await bench.Party.SweepAsync());
        bench.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(1, await bench.Party.SweepAsync());
        Assert.Equal(TokenState.Deactivated, (await GetAsync(bench, tur)).State);

        // The remains in the chip go with its next script.
        Assert.Equal(EnrolmentState.Deleted, (await bench.ProvisionAsync(tur, chip)).State);
        Assert.Empty(chip.Instances);
    }

    [Fact]
    public async Task No_plastics_number_stands_in_the_database_in_clear()
    {
        var path = Path.Combine(Path.GetTempPath(), $"majia-vault-{Environment.ProcessId}.db");
        try
        {
            var cards = new[] { Bench.Debit(), Bench.Credit(), Bench.Credit(5, "411111") };
            await using (var bench = new Bench(SqliteStore.Open(path, [TokenServiceParty.Schema, WalletParty.Schema], TimeProvider.System)))
            {
                foreach (var card in cards)
                {
                    await bench.EnrolAsync(card);
                }

                await bench.Store.DurableAsync();
            }

            foreach (var file in Directory.GetFiles(Path.GetTempPath(), Path.GetFileName(path) + "*"))
            {
                var bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
                foreach (var card in cards)
                {
                    Assert.True(bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(card.Pan)) < 0);
                    Assert.True(bytes.AsSpan().IndexOf(Convert.FromHexString(card.Pan.Length % 2 == 0 ? card.Pan : card.Pan + "F")) < 0);
                }
            }
        }
        finally
        {
            foreach (var file in Directory.GetFiles(Path.GetTempPath(), Path.GetFileName(path) + "*"))
            {
                File.Delete(file);
            }
        }
    }
}
