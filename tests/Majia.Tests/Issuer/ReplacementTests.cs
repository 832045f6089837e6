using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Storage;

namespace Majia.Tests.Issuer;

/// <summary>R22 on the bank's own side: one unit at the bank, and the token service told of it at least once, in order, whatever the line does.</summary>
public sealed class ReplacementTests
{
    private static readonly PaymentToken Phone = IssuerBench.Token;

    /// <summary>The new plastic as its holder and the network have it.</summary>
    private static SeedCard With(SeedCard card, Replacement done)
    {
        var number = done.Embossing.Pan.Reveal();
        var made = card with { Id = done.New.Card, Serial = long.Parse(number[card.Bin.Length..^1], System.Globalization.CultureInfo.InvariantCulture), Expiry = done.Embossing.Expiry, Cvn2 = done.Embossing.Cvn2 };
        Assert.Equal(number, made.Pan.Reveal());
        return made;
    }

    private static async Task<Replacement> ReplaceAsync(IssuerBench bench, SeedCard card, ReplacementPolicy? policy = null)
    {
        var (done, why) = await bench.Desk.ReplaceAsync(card.Id, policy);
        Assert.Null(why);
        return done!;
    }

    /// <summary>A live device card of a card that needs no code.</summary>
    private static async Task AddAsync(IssuerBench bench, SeedCard card)
    {
        Assert.Equal(IssuerDecision.Approved, (await bench.AuthorizeAsync(IssuerBench.Typed(card))).Value!.Decision);
        Assert.Null((await bench.ActivatedAsync()).Error);
    }

    [Fact, Rule("R22")]
    public async Task By_default_the_old_plastic_and_its_device_cards_decline_for_good_and_the_new_one_has_the_same_PIN()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await AddAsync(bench, IssuerBench.Green);
        Assert.True(await bench.Desk.ReportLostAsync(IssuerBench.Green.Id));
        var done = await ReplaceAsync(bench, IssuerBench.Green);
        Assert.Equal((ReplacementPolicy.DeleteAndAddAgain, CardState.Replaced, CardState.Normal, 1), (done.Policy, done.Old.State, done.New.State, done.DeviceCards));
        Assert.Equal(("green.2", "lin-debit", "3111"), (done.New.Card, done.New.Account, done.New.Expiry));

        // Neither the line nor anybody's answer was waited for.
        Assert.Equal("14", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 100)));
        var made = With(IssuerBench.Green, done);
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(made, 200_000, IssuerBench.Green.Pin)));
        Assert.Equal("55", await bench.CodeAsync(bench.Sale(made, 200_000, "654321")));

        // A report is not lifted from a plastic that is no more, nor made; nor is it replaced twice or renewed.
        Assert.False(await bench.Desk.LiftReportAsync(IssuerBench.Green.Id));
        Assert.False(await bench.Desk.ReportLostAsync(IssuerBench.Green.Id));
        Assert.Equal("CARD_REPLACED", (await bench.Desk.ReplaceAsync(IssuerBench.Green.Id)).Why!.Code);
        Assert.Equal("CARD_REPLACED", (await bench.Desk.RenewAsync(IssuerBench.Green.Id)).Why!.Code);
        Assert.Equal("CARD_NOT_FOUND", (await bench.Desk.ReplaceAsync("nobody")).Why!.Code);
        Assert.Equal("CARD_REPLACED", (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green), "tur-2", "r-2")).Value!.Reason!.Code);
        Assert.Equal(IssuerDecision.Approved, (await bench.AuthorizeAsync(IssuerBench.Typed(made), "tur-3", "r-3")).Value!.Decision);
        await bench.Store.DurableAsync();
        Assert.Contains("replaced by one ending " + made.Pan.LastFour, bench.Desk.Messages("lin")[^1].Body.En, StringComparison.Ordinal);
        Assert.Equal("green.3", (await ReplaceAsync(bench, made)).New.Card);
    }

    [Fact, Rule("R22")]
    public async Task Where_tokens_move_the_device_card_pays_on_before_and_after_the_token_service_knows_and_a_purchase_of_before_is_undone()
    {
        await using var bench = await IssuerBench.OpenAsync();
        await AddAsync(bench, IssuerBench.Green);
        var (voided, refunded) = (bench.Sale(IssuerBench.Green, 3_000), bench.Sale(IssuerBench.Green, 4_000));
        Assert.Equal("00", await bench.CodeAsync(voided));
        Assert.Equal("00", await bench.CodeAsync(refunded));
        Assert.Equal("55", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 200_000, "000000")));
        var made = With(IssuerBench.Green, await ReplaceAsync(bench, IssuerBench.Green, ReplacementPolicy.MoveTokens));

        // The vault still names the old number: the device card is the new plastic's all the same, with the PIN and the tries that it had.
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 1_000)));
        Assert.Equal("55", await bench.CodeAsync(bench.Sale(IssuerBench.Green, 200_000, "000000")));
        Assert.Equal("55", await bench.CodeAsync(bench.Sale(made, 200_000, "000000")));
        Assert.Equal("75", await bench.CodeAsync(bench.Sale(made, 200_000, IssuerBench.Green.Pin)));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(made, 200_000, IssuerBench.Green.Pin, IssuerBench.OtherToken)));

        // By the new number, as after the vault has moved it: the account is the same.
        Assert.Equal("00", await bench.CodeAsync(bench.Void(made, voided)));
        Assert.Equal("00", await bench.CodeAsync(bench.Refund(made, refunded, 4_000)));
        await bench.Store.DurableAsync();
        Assert.Equal(500_000 - 1_000 - 200_000, bench.Balance());
        Assert.Equal("Mi 5", Assert.Single(bench.Desk.DeviceCards("green.2")).Model);
        Assert.Equal("Mi 5", bench.Desk.Resolve(Phone.LastFour, refunded.Text(37)).Sales[0].DeviceModel);
        Assert.Empty(bench.Desk.BrokenInvariants());

        // Reported lost is the new one, and the device card with it, whichever number comes.
        Assert.True(await bench.Desk.ReportLostAsync("green.2"));
        Assert.Equal(("41", "41"), (await bench.CodeAsync(bench.Sale(IssuerBench.Green, 100)), await bench.CodeAsync(bench.Sale(made, 100))));
    }

    [Theory, Rule("R22")]
    [InlineData(ReplacementPolicy.DeleteAndAddAgain, IssuerToken.Operations.AccountClosed)]
    [InlineData(ReplacementPolicy.MoveTokens, IssuerToken.Operations.AccountUpdate)]
    public async Task Cut_at_each_message_and_crashed_after_each_the_token_service_hears_one_request_with_one_content(ReplacementPolicy policy, string operation)
    {
        for (var cut = 0; cut < 4; cut++)
        {
            await using var bench = await IssuerBench.OpenAsync();
            var vault = new Vault();
            var done = await ReplaceAsync(bench, IssuerBench.Debit, policy);
            await bench.Party.PumpAsync(); // no line yet: it waits

            // Messages: key asked (0), key answered (1), news sent (2), news answered (3).
            vault.CutAt = cut;
            bench.Party.TokenService = vault;
            await bench.Party.PumpAsync();
            Assert.Null(Assert.Single(bench.Desk.ErrandsOf("debit")).DoneAt);

            // A new process over the same store.
            var again = new IssuerParty(new IssuerOptions(IssuerBench.Institution, IssuerBench.Bank.Name), bench.Store, bench.Keys, bench.Time, new SeededEntropy(8, "again"), NoTrace.Instance) { TokenService = vault };
            await again.PumpAsync(); // not due yet
            Assert.Null(bench.Desk.ErrandsOf("debit")[0].DoneAt);
            bench.Time.Advance(TimeSpan.FromSeconds(1));
            await again.PumpAsync();
            await bench.Store.DurableAsync();
            Assert.Equal("OK", Assert.Single(bench.Desk.ErrandsOf("debit")).Answer);
            Assert.Equal((operation, 1), (Assert.Single(vault.Heard.Select(news => news.Operation).Distinct()), vault.Heard.Distinct().Count()));
            Assert.Equal(cut == 3 ? 2 : 1, vault.Heard.Count);
            var account = vault.Open(vault.Heard[0].Payload);
            Assert.Equal((IssuerBench.Debit.Pan.Reveal(), policy == ReplacementPolicy.MoveTokens ? done.Embossing.Pan.Reveal() : null), (account.Pan, account.NewPan));
        }
    }

    [Fact, Rule("R22")]
    public async Task News_keep_their_order_and_a_move_that_is_refused_becomes_a_deletion()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var vault = new Vault { Refuses = IssuerToken.Operations.AccountUpdate };
        await ReplaceAsync(bench, IssuerBench.Debit, ReplacementPolicy.MoveTokens);
        Assert.Null((await bench.Desk.RenewAsync(IssuerBench.Expired.Id)).Why);
        await bench.Desk.CloseAccountAsync("lin-credit");
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 100)));
        bench.Party.TokenService = vault;
        await bench.Party.PumpAsync();
        await bench.Store.DurableAsync();
        Assert.Equal(
            [(IssuerToken.Operations.AccountUpdate, "debit"), (IssuerToken.Operations.ExpiryUpdate, "expired"), (IssuerToken.Operations.AccountClosed, "credit"), (IssuerToken.Operations.AccountClosed, "debit")],
            vault.Heard.Select(news => (news.Operation, IssuerBench.Bank.Cards.Single(card => card.Pan.Reveal() == vault.Open(news.Payload).Pan).Id)));
        Assert.Equal(["TOO_MANY", "OK"], bench.Desk.ErrandsOf("debit").Select(errand => errand.Answer));
        Assert.Equal("14", await bench.CodeAsync(bench.Sale(IssuerBench.Debit, 100)));
    }

    [Fact, Rule("R22")]
    public async Task An_expired_plastic_is_renewed_under_its_number_and_a_lost_one_is_not()
    {
        await using var bench = await IssuerBench.OpenAsync();
        Assert.Equal("54", await bench.CodeAsync(bench.Sale(IssuerBench.Expired, 100)));
        var (done, _) = await bench.Desk.RenewAsync("expired");
        Assert.Equal((IssuerBench.Expired.Pan.Reveal(), "3111"), (done!.Embossing.Pan.Reveal(), done.New.Expiry));
        Assert.Equal("00", await bench.CodeAsync(bench.Sale(IssuerBench.Expired, 100)));
        Assert.Equal("NEW_NUMBER_WANTED", (await bench.Desk.RenewAsync("lost")).Why!.Code);
        Assert.Null((await bench.Desk.ReplaceAsync("lost")).Why);
        await bench.Desk.CloseAccountAsync("lin-credit");
        Assert.Equal("CARD_CLOSED", (await bench.Desk.ReplaceAsync("credit")).Why!.Code);
    }

    [Fact, Rule("R22")]
    public async Task A_device_card_that_comes_live_after_its_plastic_was_replaced_goes_as_the_others_went()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var vault = new Vault();
        bench.Party.TokenService = vault;
        Assert.Equal(IssuerDecision.Approved, (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Green))).Value!.Decision);
        await ReplaceAsync(bench, IssuerBench.Green);
        await bench.Party.PumpAsync();
        Assert.Null((await bench.ActivatedAsync()).Error);
        await bench.ActivatedAsync(); // the notice comes twice, the news of it goes once
        await bench.Party.PumpAsync();
        Assert.Equal([IssuerToken.Operations.AccountClosed, IssuerToken.Operations.AccountClosed], vault.Heard.Select(news => news.Operation));
        Assert.Equal(2, vault.Heard.Select(news => news.Request).Distinct().Count());
    }

    [Fact, Rule("R22")]
    public async Task Many_replacements_at_once_make_one_new_plastic()
    {
        await using var bench = await IssuerBench.OpenAsync();
        var all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => bench.Desk.ReplaceAsync("debit")));
        Assert.Single(all, one => one.Done is not null);
        await bench.Store.DurableAsync();
        Assert.Single(bench.Desk.Cards(), card => card.Card.StartsWith("debit.", StringComparison.Ordinal));
        Assert.Single(bench.Desk.ErrandsOf("debit"));
    }

    /// <summary>The token service's end: remembers what it heard; one message is lost where the test says.</summary>
    private sealed class Vault : IJsonLink
    {
        private readonly KeyModule keys = KeyModule.InMemory("token-service", new SeededEntropy(4, "vault"));
        private int messages;

        public Vault() => keys.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);

        public int CutAt { get; set; } = -1;

        public string? Refuses { get; init; }

        public List<(string Operation, string Request, string Payload)> Heard { get; } = [];

        public IssuerToken.Account Open(string jwe) => keys.TryDecryptJwe("jwe", jwe, out var plain) ? JsonSerializer.Deserialize<IssuerToken.Account>(plain, JsonEndpoint.Json)! : throw new InvalidOperationException("it does not open");

        public Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
            where TRequest : notnull
            where TResponse : notnull
        {
            Pass();
            object reply = new IssuerToken.TokensReply([]);
            switch (request)
            {
                case IssuerToken.AccountUpdateRequest update: Heard.Add((operation, update.RequestId, update.EncryptedAccount)); break;
                case IssuerToken.ExpiryUpdateRequest expiry: Heard.Add((operation, expiry.RequestId, expiry.EncryptedAccount)); break;
                case IssuerToken.AccountClosedRequest closed: Heard.Add((operation, closed.RequestId, closed.EncryptedAccount)); break;
                default: reply = new TokenIssuer.GetPublicKeyReply(keys.PublicJwk("jwe")); break;
            }

            Pass();
            return Task.FromResult(operation == Refuses ? new ApiError("TOO_MANY", "No place.") : (ApiReply<TResponse>)(TResponse)reply);
        }

        private void Pass()
        {
            if (messages++ == CutAt)
            {
                throw new PartyUnreachableException("token-service");
            }
        }
    }
}
