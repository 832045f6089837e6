using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.TokenService.Vault;

namespace Majia.Tests.TokenService;

/// <summary>A device card that is set to a merchant pays there and nowhere else; requestor and bank restrict each for itself.</summary>
public class DomainControlTests
{
    private const string Books = "990031058120001", Jewels = "990031058120002";

    private static Task<ApiReply<WalletToken.TokenReply>> SetAsync(Bench bench, string tur, string request, params string[] merchants) =>
        bench.CallAsync<WalletToken.SetDomainRequest, WalletToken.TokenReply>(WalletToken.Operations.SetDomain, new(request, tur, merchants, "ONE_SHOP"));

    private static Task<ApiReply<IssuerToken.TokenView>> SetByBankAsync(Bench bench, string tur, string request, params string[] merchants) =>
        bench.IssuerAsync<WalletToken.SetDomainRequest, IssuerToken.TokenView>(IssuerToken.Operations.SetDomain, new(request, tur, merchants, "AGREED"));

    [Fact]
    public async Task Set_to_a_merchant_it_is_refused_at_another_and_neither_side_lifts_the_others_word()
    {
        await using var bench = new Bench();
        var (tur, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        ushort atc = 0;
        async Task<string?> PayAsync(string merchant)
        {
            var tap = FakeChip.Tap(instance, ++atc, "000000008800", [1, 2, 3, (byte)atc]);
            return (await bench.AskAsync(bench.Request(token, tap, atc).Set(42, merchant))).Text(39);
        }

        Assert.Equal(("00", "00"), (await PayAsync(Books), await PayAsync(Jewels)));
        var set = (await SetAsync(bench, tur, "d1", Books)).Value!;
        Assert.Equal([TokenDomain.ContactlessChip, Books], [.. set.Domain!.Channels, .. set.Domain.Merchants]);
        Assert.Equal(("00", "57"), (await PayAsync(Books), await PayAsync(Jewels)));

        // The bank's own list is another one: what lies in both is what is left, and its lifting leaves the requestor's.
        Assert.Equal([Jewels], (await SetByBankAsync(bench, tur, "d2", Jewels)).Value!.Domain!.IssuerMerchants);
        Assert.Equal(("57", "57"), (await PayAsync(Books), await PayAsync(Jewels)));
        await SetByBankAsync(bench, tur, "d3");
        bench.Restart();
        Assert.Equal(("00", "57"), (await PayAsync(Books), await PayAsync(Jewels)));
        await SetAsync(bench, tur, "d4");
        Assert.Equal(("00", "00"), (await PayAsync(Books), await PayAsync(Jewels)));

        var history = (await bench.IssuerAsync<IssuerToken.GetTokenRequest, IssuerToken.TokenView>(IssuerToken.Operations.GetToken, new(tur))).Value!.History;
        Assert.Equal(
            [(Bench.Trid, $"setDomain {Books}", "ONE_SHOP"), ("63990100", $"setDomain {Jewels}", "AGREED"), ("63990100", "setDomain ANY", "AGREED"), (Bench.Trid, "setDomain ANY", "ONE_SHOP")],
            history.Where(change => change.Action.StartsWith("setDomain", StringComparison.Ordinal)).Select(change => (change.Actor, change.Action, change.ReasonCode)));
        Assert.Empty(await bench.Party.VerifyAuditAsync());
        await bench.Party.PumpAsync(TestContext.Current.CancellationToken);
        Assert.Equal(4, bench.Bank.Updated.Count(notice => notice.ReasonCode == "DOMAIN_UPDATED"));
    }

    [Fact, Rule("R20")]
    public async Task Money_of_before_goes_back_whatever_the_domain_is_now()
    {
        await using var bench = new Bench();
        var (tur, token, _, instance) = await bench.EnrolAsync(Bench.Debit());
        Assert.Equal("00", (await bench.AskAsync(bench.Request(token, FakeChip.Tap(instance, 1, "000000008800", [1, 2, 3, 4]), 1).Set(42, Jewels))).Text(39));
        await SetAsync(bench, tur, "d1", Books);
        Assert.Equal("00", (await bench.AskAsync(bench.Request(token, [], 2, processing: "200000").Set(42, Jewels))).Text(39));
    }

    public static TheoryData<string[], string> Wrong => new()
    {
        { ["99003105812000199"], "17 characters" },
        { [""], "0 characters" },
        { ["99003+1"], "7 characters" },
        { [Books, Books], "one of them twice" },
        { [.. Enumerable.Range(0, 21).Select(i => $"{i}")], "21" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task A_list_that_cannot_be_one_is_refused_with_what_is_wrong_and_changes_nothing(string[] merchants, string got)
    {
        await using var bench = new Bench();
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit());
        Assert.Equal(("merchants", got), (await SetAsync(bench, tur, "d", merchants)).Error!.Errors!.Select(error => (error.Field, error.Got)).Single());
        Assert.Equal("merchants", (await SetByBankAsync(bench, tur, "d", merchants)).Error!.Errors!.Single().Field);
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_token WHERE merchants <> '' OR issuer_merchants <> ''"));
    }

    [Fact]
    public async Task A_deleted_device_card_has_no_domain_to_set()
    {
        await using var bench = new Bench();
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit());
        await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new("gone", tur, SuspendedBy.Cardholder, "SOLD"));
        var refused = (await SetAsync(bench, tur, "d", Books)).Error!;
        Assert.Equal(Ineligible.InvalidState, refused.ErrorCode);
        Assert.Contains("删除", refused.Why!.Zh, StringComparison.Ordinal);
        Assert.Equal(Ineligible.InvalidState, (await SetByBankAsync(bench, tur, "d", Books)).Error!.ErrorCode);
    }
}
