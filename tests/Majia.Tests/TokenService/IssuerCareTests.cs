using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.TokenService;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.Tests.TokenService;

/// <summary>The bank's line to the token service, and what its plastics' life means for their device cards.</summary>
public class IssuerCareTests
{
    private static Task<ApiReply<IssuerToken.TokenView>> HoldAsync(Bench bench, string operation, string tur, string who = SuspendedBy.Issuer, string? request = null, string institution = "63990100") =>
        bench.IssuerAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(operation, new(request ?? bench.Entropy.NewId(), tur, who, "LOST"), institution);

    private static Task<ApiReply<WalletToken.TokenReply>> OwnerAsync(Bench bench, string operation, string tur, string who = SuspendedBy.Cardholder) =>
        bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(operation, new(bench.Entropy.NewId(), tur, who, "OTHER"));

    [Fact, Rule("R23")]
    public async Task A_resume_that_was_long_on_its_way_does_not_undo_the_suspension_behind_it()
    {
        await using var bench = new Bench();
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit());
        Task<ApiReply<WalletToken.TokenReply>> Order(string operation, long number, string who = SuspendedBy.Cardholder) =>
            bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(operation, new(bench.Entropy.NewId(), tur, who, "LOST", number));

        Assert.Equal(TokenState.Suspended, (await Order(WalletToken.Operations.Suspend, 2)).Value!.State);
        Assert.Equal(Ineligible.OutOfOrder, (await Order(WalletToken.Operations.Unsuspend, 1)).Error!.ErrorCode);
        Assert.Equal(Ineligible.OutOfOrder, (await Order(WalletToken.Operations.Unsuspend, 2)).Error!.ErrorCode);
        Assert.Equal(["CARDHOLDER", "TOKEN_REQUESTOR"], (await Order(WalletToken.Operations.Suspend, 1, SuspendedBy.TokenRequestor)).Value!.SuspendedBy); // a hold of its own has numbers of its own
        Assert.Equal(["TOKEN_REQUESTOR"], (await Order(WalletToken.Operations.Unsuspend, 3)).Value!.SuspendedBy);
    }

    [Fact, Rule("R23")]
    public async Task Each_of_four_lifts_its_own_hold_only_and_the_last_one_makes_it_active()
    {
        await using var bench = new Bench();
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit());
        await HoldAsync(bench, IssuerToken.Operations.Suspend, tur);
        await HoldAsync(bench, IssuerToken.Operations.Suspend, tur, SuspendedBy.PinLocked);
        await OwnerAsync(bench, WalletToken.Operations.Suspend, tur);
        await OwnerAsync(bench, WalletToken.Operations.Suspend, tur, SuspendedBy.TokenRequestor);
        Assert.Equal(["CARDHOLDER", "ISSUER", "PIN_LOCKED", "TOKEN_REQUESTOR"], (await bench.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(tur))).Value!.SuspendedBy);

        // Nobody speaks for another.
        Assert.Equal("causedBy", (await OwnerAsync(bench, WalletToken.Operations.Unsuspend, tur, SuspendedBy.Issuer)).Error!.Errors![0].Field);
        Assert.Equal("causedBy", (await OwnerAsync(bench, WalletToken.Operations.Unsuspend, tur, SuspendedBy.PinLocked)).Error!.Errors![0].Field);
        Assert.Equal("causedBy", (await HoldAsync(bench, IssuerToken.Operations.Unsuspend, tur, SuspendedBy.Cardholder)).Error!.Errors![0].Field);

        Assert.Equal(["ISSUER", "PIN_LOCKED", "TOKEN_REQUESTOR"], (await OwnerAsync(bench, WalletToken.Operations.Unsuspend, tur)).Value!.SuspendedBy);
        Assert.Equal(Ineligible.InvalidState, (await OwnerAsync(bench, WalletToken.Operations.Unsuspend, tur)).Error!.ErrorCode);
        Assert.Equal(["ISSUER", "PIN_LOCKED"], (await OwnerAsync(bench, WalletToken.Operations.Unsuspend, tur, SuspendedBy.TokenRequestor)).Value!.SuspendedBy);
        Assert.Equal(["PIN_LOCKED"], (await HoldAsync(bench, IssuerToken.Operations.Unsuspend, tur)).Value!.SuspendedBy);
        Assert.Equal(TokenState.Active, (await HoldAsync(bench, IssuerToken.Operations.Unsuspend, tur, SuspendedBy.PinLocked)).Value!.State);
        await bench.Party.PumpAsync();
        Assert.Equal(["ISSUER", "ISSUER+PIN_LOCKED", "CARDHOLDER+ISSUER+PIN_LOCKED", "CARDHOLDER+ISSUER+PIN_LOCKED+TOKEN_REQUESTOR", "ISSUER+PIN_LOCKED+TOKEN_REQUESTOR", "ISSUER+PIN_LOCKED", "PIN_LOCKED", ""],
            bench.Bank.Updated.Select(notice => string.Join('+', notice.SuspendedBy ?? [])));
    }

    [Fact]
    public async Task A_bank_reaches_the_device_cards_of_its_own_plastics_only()
    {
        await using var bench = new Bench();
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit());
        const string Other = "63990200";
        Assert.Equal(Ineligible.NotFound, (await bench.IssuerAsync<IssuerToken.GetTokenRequest, IssuerToken.TokenView>(IssuerToken.Operations.GetToken, new(tur), Other)).Error!.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await bench.IssuerAsync<IssuerToken.ActivateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Activate, new("a", tur, "ASKED"), Other)).Error!.ErrorCode);
        foreach (var operation in (string[])[IssuerToken.Operations.Suspend, IssuerToken.Operations.Unsuspend, IssuerToken.Operations.Delete])
        {
            Assert.Equal(Ineligible.NotFound, (await HoldAsync(bench, operation, tur, institution: Other)).Error!.ErrorCode);
        }

        var jwe = bench.Encrypt(new IssuerToken.Account(Bench.Debit().Pan, Bench.Number("629901", 19, 77), "3112"));
        Assert.Equal("encryptedAccount.pan", (await bench.IssuerAsync<IssuerToken.SearchTokensRequest, IssuerToken.TokensReply>(IssuerToken.Operations.SearchTokens, new(jwe), Other)).Error!.Errors![0].Field);
        Assert.Equal("encryptedAccount.pan", (await bench.IssuerAsync<IssuerToken.AccountClosedRequest, IssuerToken.TokensReply>(IssuerToken.Operations.AccountClosed, new("c", jwe, "X"), Other)).Error!.Errors![0].Field);
        var foreign = bench.Encrypt(new IssuerToken.Account(Bench.Debit().Pan, Bench.Number("629902", 16, 77), "3112"));
        Assert.Equal("encryptedAccount.newPan", (await bench.IssuerAsync<IssuerToken.AccountUpdateRequest, IssuerToken.TokensReply>(IssuerToken.Operations.AccountUpdate, new("u", foreign))).Error!.Errors![0].Field);
        Assert.Equal("CRYPTOGRAPHY_ERROR", (await bench.IssuerAsync<IssuerToken.SearchTokensRequest, IssuerToken.TokensReply>(IssuerToken.Operations.SearchTokens, new("no jwe"))).Error!.ErrorCode);
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));
    }

    [Fact]
    public async Task A_request_that_comes_again_changes_nothing_and_gets_the_first_answer()
    {
        await using var bench = new Bench();
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit());
        var first = await HoldAsync(bench, IssuerToken.Operations.Suspend, tur, request: "one");
        await HoldAsync(bench, IssuerToken.Operations.Unsuspend, tur, request: "two");
        var again = await HoldAsync(bench, IssuerToken.Operations.Suspend, tur, request: "one");
        Assert.Equal((TokenState.Suspended, first.Value!.History.Count), (again.Value!.State, again.Value.History.Count));
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));
        Assert.Equal("requestId", (await HoldAsync(bench, IssuerToken.Operations.Delete, tur, request: "one")).Error!.Errors![0].Field);
        Assert.Equal("requestId", (await HoldAsync(bench, IssuerToken.Operations.Suspend, tur, request: "")).Error!.Errors![0].Field);

        // The same id of another caller is another request; each may ask for his own.
        Assert.NotNull((await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Suspend, new("one", tur, SuspendedBy.Cardholder, "OTHER"))).Value);
        var task = (await bench.CallAsync<WalletToken.GetTaskRequest, WalletToken.GetTaskReply>(WalletToken.Operations.GetTask, new("one"))).Value!;
        Assert.Equal(("suspend", "COMPLETED", tur), (task.Operation, task.Status, task.TokenUniqueReference));
        Assert.Equal(Ineligible.NotFound, (await bench.CallAsync<WalletToken.GetTaskRequest, WalletToken.GetTaskReply>(WalletToken.Operations.GetTask, new("two"))).Error!.ErrorCode);
    }

    [Fact, Rule("R22")]
    public async Task A_bank_that_moves_its_tokens_to_the_new_plastic_keeps_number_reference_account_and_history()
    {
        await using var bench = new Bench();
        var (tur, token, chip, instance) = await bench.EnrolAsync(Bench.Debit(1));
        var (second, _, _, _) = await bench.EnrolAsync(Bench.Debit(1));
        var before = (await bench.IssuerAsync<IssuerToken.GetTokenRequest, IssuerToken.TokenView>(IssuerToken.Operations.GetToken, new(tur))).Value!;
        var newPan = Bench.Number("629901", 19, 99);
        var moved = await bench.IssuerAsync<IssuerToken.AccountUpdateRequest, IssuerToken.TokensReply>(IssuerToken.Operations.AccountUpdate, new("move", bench.Encrypt(new IssuerToken.Account(Bench.Debit(1).Pan, newPan, "3306", "02"))));
        Assert.Equal([.. new[] { tur, second }.Order(StringComparer.Ordinal)], moved.Value!.Tokens.Select(view => view.TokenUniqueReference).Order(StringComparer.Ordinal));
        var after = (await bench.IssuerAsync<IssuerToken.GetTokenRequest, IssuerToken.TokenView>(IssuerToken.Operations.GetToken, new(tur))).Value!;
        Assert.Equal((before.DeviceLastFour, before.PaymentAccountReference, before.State), (after.DeviceLastFour, after.PaymentAccountReference, after.State));
        Assert.Equal(before.History.Count + 1, after.History.Count);

        // The next tap meets the new plastic; the old one has no device card and its places are free.
        var verdict = await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1));
        Assert.Equal(("00", newPan, "3306", "002"), (verdict.Text(39), verdict.Text(2), verdict.Text(14), verdict.Text(23)));
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_card_slot s JOIN token_token t ON t.tur = s.tur WHERE s.pan_index <> t.pan_index"));
        Assert.Equal(Ineligible.AlreadyOnDevice, (await bench.CheckAsync(Bench.Debit(99), chip.Seid)).Error!.ErrorCode);
        Assert.NotNull((await bench.CheckAsync(Bench.Debit(1), chip.Seid)).Value);
        Assert.Empty(await bench.Party.VerifyAuditAsync());
    }

    [Fact]
    public async Task A_new_expiry_of_the_same_number_is_what_the_next_tap_brings_to_the_bank()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        Assert.Single((await bench.IssuerAsync<IssuerToken.ExpiryUpdateRequest, IssuerToken.TokensReply>(IssuerToken.Operations.ExpiryUpdate, new("e", bench.Encrypt(new IssuerToken.Account(Bench.Debit().Pan, null, "3401", "02"))))).Value!.Tokens);
        var verdict = await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1));
        Assert.Equal(("3401", "002"), (verdict.Text(14), verdict.Text(23)));
        Assert.Equal("encryptedAccount.expiry", (await bench.IssuerAsync<IssuerToken.ExpiryUpdateRequest, IssuerToken.TokensReply>(IssuerToken.Operations.ExpiryUpdate, new("f", bench.Encrypt(new IssuerToken.Account(Bench.Debit().Pan, null, "3413"))))).Error!.Errors![0].Field);
    }

    [Fact]
    public async Task A_closed_account_takes_every_device_card_with_it_for_good()
    {
        await using var bench = new Bench();
        var (tur, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        await bench.EnrolAsync(Bench.Debit());
        var closed = await bench.IssuerAsync<IssuerToken.AccountClosedRequest, IssuerToken.TokensReply>(IssuerToken.Operations.AccountClosed, new("c", bench.Encrypt(new IssuerToken.Account(Bench.Debit().Pan)), "ACCOUNT_CLOSED"));
        Assert.All(closed.Value!.Tokens, view => Assert.Equal((TokenState.Deactivated, "ACCOUNT_CLOSED"), (view.State, view.History[^1].ReasonCode)));
        Assert.Equal(0, bench.Count("SELECT (SELECT count(*) FROM token_device_slot) + (SELECT count(*) FROM token_card_slot)"));
        Assert.Equal("14", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1))).Text(39));
        Assert.Equal(Ineligible.InvalidState, (await HoldAsync(bench, IssuerToken.Operations.Unsuspend, tur)).Error!.ErrorCode);
    }

    [Fact, Rule("R6")]
    public async Task A_bank_that_has_asked_its_customer_activates_a_waiting_card()
    {
        await using var bench = new Bench();
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var chip = bench.NewChip();
        var tur = (await bench.DigitizeAsync(Bench.Credit(), chip.Seid)).Value!.TokenUniqueReference;
        Assert.Equal(Ineligible.InvalidState, (await bench.IssuerAsync<IssuerToken.ActivateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Activate, new("early", tur, "ASKED"))).Error!.ErrorCode);
        await bench.ProvisionAsync(tur, chip);
        Assert.Equal(["sms"], (await bench.CallAsync<WalletToken.RequestActivationMethodsRequest, WalletToken.RequestActivationMethodsReply>(WalletToken.Operations.RequestActivationMethods, new(tur))).Value!.Methods.Select(method => method.Id));
        var active = (await bench.IssuerAsync<IssuerToken.ActivateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Activate, new("late", tur, "QUESTIONS_ANSWERED"))).Value!;
        Assert.Equal((TokenState.Active, "11", "63990100"), (active.State, active.AssuranceMethod, active.History[^1].Actor));
        Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(tur, chip)).State);
        await bench.Party.PumpAsync();
        Assert.Single(bench.Bank.Activated);
    }

    [Fact, Rule("R8")]
    public async Task A_card_that_is_never_verified_is_gone_after_thirty_days_and_one_whose_script_failed_at_once()
    {
        await using var bench = new Bench();
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var chip = bench.NewChip();
        var tur = (await bench.DigitizeAsync(Bench.Credit(), chip.Seid)).Value!.TokenUniqueReference;
        await bench.ProvisionAsync(tur, chip);
        bench.Clock.Advance(TimeSpan.FromDays(30));
        Assert.Equal(0, await bench.Party.SweepAsync());
        bench.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, await bench.Party.SweepAsync());
        Assert.Equal("NEVER_ACTIVATED", (await bench.IssuerAsync<IssuerToken.GetTokenRequest, IssuerToken.TokenView>(IssuerToken.Operations.GetToken, new(tur))).Value!.History[^1].ReasonCode);

        var other = (await bench.DigitizeAsync(Bench.Credit(2), chip.Seid, "task")).Value!.TokenUniqueReference;
        Assert.Equal("IN_PROGRESS", (await bench.CallAsync<WalletToken.GetTaskRequest, WalletToken.GetTaskReply>(WalletToken.Operations.GetTask, new("task"))).Value!.Status);
        Assert.Equal("result", (await NotifyAsync(bench, other, "MAYBE")).Error!.Errors![0].Field);
        Assert.Equal(TokenState.Inactive, (await NotifyAsync(bench, other, "SUCCESS")).Value!.State);
        Assert.Equal(TokenState.Deactivated, (await NotifyAsync(bench, other, "FAILURE")).Value!.State);
        Assert.Equal("FAILED", (await bench.CallAsync<WalletToken.GetTaskRequest, WalletToken.GetTaskReply>(WalletToken.Operations.GetTask, new("task"))).Value!.Status);
        Assert.Equal(0, bench.Count("SELECT (SELECT count(*) FROM token_device_slot) + (SELECT count(*) FROM token_card_slot)"));
    }

    private static Task<ApiReply<WalletToken.TokenReply>> NotifyAsync(Bench bench, string tur, string result) =>
        bench.CallAsync<WalletToken.NotifyProvisioningResultRequest, WalletToken.TokenReply>(WalletToken.Operations.NotifyProvisioningResult, new(bench.Entropy.NewId(), tur, result));

    [Fact]
    public async Task A_device_card_bound_to_a_merchant_pays_nowhere_else_and_one_without_a_channel_nowhere()
    {
        await using var bench = new Bench();
        var (_, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        await bench.Store.WriteAsync(session => session.Execute("UPDATE token_token SET merchants = '990031058120001+990031059440002'"));
        Assert.Equal("00", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1))).Text(39));
        Assert.Equal("57", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 2, "000000008800", [1, 2, 3, 4]), 2).Set(42, "990031050000009"))).Text(39));
        await bench.Store.WriteAsync(session => session.Execute("UPDATE token_token SET merchants = '', channels = ''"));
        Assert.Equal("57", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 3, "000000008800", [1, 2, 3, 4]), 3))).Text(39));
    }

    [Fact]
    public async Task Card_art_is_the_banks_and_nobody_elses()
    {
        await using var bench = new Bench();
        var face = (await bench.CheckAsync(Bench.Debit(), bench.NewChip().Seid)).Value!.Face;
        var asset = (await bench.CallAsync<WalletToken.GetAssetRequest, WalletToken.GetAssetReply>(WalletToken.Operations.GetAsset, new(face.AssetId!))).Value!;
        var svg = System.Xml.Linq.XDocument.Parse(System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(asset.Data)));
        Assert.Contains("明月银行", svg.Root!.Value, StringComparison.Ordinal);
        Assert.Contains("#1F4E8C", svg.ToString(), StringComparison.Ordinal);
        Assert.Equal(Ineligible.NotFound, (await bench.CallAsync<WalletToken.GetAssetRequest, WalletToken.GetAssetReply>(WalletToken.Operations.GetAsset, new("../keys"))).Error!.ErrorCode);
    }
}
