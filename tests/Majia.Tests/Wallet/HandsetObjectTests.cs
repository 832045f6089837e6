using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Tests.TokenService;

namespace Majia.Tests.Wallet;

/// <summary>Every operation that a handset may ask of the cloud × nobody, another key, another account's handset with somebody else's card.</summary>
public class HandsetObjectTests
{
    private const string Stranger = "zhao@example.com";

    private static readonly PhoneWallet.HandsetConditions Ready = new(true, true, true, true);

    /// <summary>What is asked, and whether a card is named in it.</summary>
    private static IReadOnlyList<(string Operation, object Request, bool OfCard)> Table(Bench bench, string card) =>
    [
        (PhoneWallet.Operations.SignOut, new PhoneWallet.SignOutRequest("r1", 1), false),
        (PhoneWallet.Operations.SetFindDevice, new PhoneWallet.SetFindDeviceRequest("r2", false, 1), false),
        (PhoneWallet.Operations.AddCard, new PhoneWallet.AddCardRequest("r3", bench.Encrypt(Bench.Debit(5)), "MANUAL", 0, Ready), false),
        (PhoneWallet.Operations.ExchangeScript, new PhoneWallet.ExchangeScriptRequest(card, []), true),
        (PhoneWallet.Operations.RequestActivationCode, new PhoneWallet.RequestActivationCodeRequest("r4", card, "sms"), true),
        (PhoneWallet.Operations.Activate, new PhoneWallet.ActivateRequest("r5", card, bench.EncryptCode("123456")), true),
        (PhoneWallet.Operations.ListCards, new PhoneWallet.ListCardsRequest(), false),
        (PhoneWallet.Operations.DeleteCard, new PhoneWallet.DeleteCardRequest("r6", card), true),
        (PhoneWallet.Operations.PrepareTransit, new PhoneWallet.PrepareTransitRequest([]), false),
        (PhoneWallet.Operations.FetchCommands, new PhoneWallet.FetchCommandsRequest(0), false),
        (PhoneWallet.Operations.ReportInventory, new PhoneWallet.ReportInventoryRequest(0, 0, [new(card, EnrolmentState.Active, false)]), true),
    ];

    private static async Task<HandsetLink> SignedInAsync(Bench bench, string account, string seid)
    {
        await bench.Wallet.AddAccountAsync(account, Bench.Password);
        var handset = bench.NewHandset();
        Assert.NotNull((await handset.SignInAsync(account, Bench.Password, new("Mi 5", "stable", "8.0.6.0", seid))).Value);
        Assert.Null((await handset.CallAsync<PhoneWallet.SetFindDeviceRequest, PhoneWallet.Done>(PhoneWallet.Operations.SetFindDevice, new("f", true, 0), TestContext.Current.CancellationToken)).Error);
        return handset;
    }

    private static async Task<ApiReply<JsonElement>> SendAsync(Bench bench, HandsetLink handset, string operation, object request) =>
        await bench.WalletLink.CallAsync<HandsetCall, JsonElement>(operation, handset.Call(operation, JsonSerializer.Serialize(request, request.GetType(), JsonEndpoint.Json)), TestContext.Current.CancellationToken);

    [Fact, Rule("R23")]
    public async Task Nobody_speaks_for_anothers_handset_or_card_in_any_operation()
    {
        await using var bench = new Bench();
        var chip = bench.NewChip();
        var owner = await SignedInAsync(bench, Bench.Account, chip.Seid);
        var added = (await owner.CallAsync<PhoneWallet.AddCardRequest, PhoneWallet.AddCardReply>(PhoneWallet.Operations.AddCard, new("add", bench.Encrypt(Bench.Debit()), "MANUAL", 0, Ready), TestContext.Current.CancellationToken)).Value!.CardReference;
        for (List<string> answers = []; ;)
        {
            var script = (await owner.CallAsync<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, new(added, answers), TestContext.Current.CancellationToken)).Value!;
            if (script.Commands.Count == 0)
            {
                Assert.Equal(EnrolmentState.Active, script.State);
                break;
            }

            answers = chip.Run(script.Commands);
        }

        var thief = await SignedInAsync(bench, Stranger, bench.NewChip().Seid);
        var table = Table(bench, added);

        // The two that name nobody, the sign-in, and this table: that is all that the cloud serves.
        Assert.Equal(
            bench.Wallet.Endpoint.Operations,
            table.Select(row => row.Operation).Concat([PhoneWallet.Operations.SignIn, PhoneWallet.Operations.CheckHandset, PhoneWallet.Operations.GetEnrolmentKey]).Order(StringComparer.Ordinal));
        var before = await StateAsync();
        foreach (var (operation, request, ofCard) in table)
        {
            // Nobody, who names the owner's handset; the thief's key in the owner's name; a call without its wrapping.
            var nobody = bench.NewHandset();
            nobody.DeviceId = owner.DeviceId;
            Assert.Equal((operation, "NOT_AUTHENTICATED"), (operation, (await SendAsync(bench, nobody, operation, request)).Error?.ErrorCode));
            var borrowed = new HandsetLink(bench.WalletLink, thief.Key, bench.Entropy, bench.Clock) { DeviceId = owner.DeviceId };
            Assert.Equal((operation, "NOT_AUTHENTICATED"), (operation, (await SendAsync(bench, borrowed, operation, request)).Error?.ErrorCode));
            var bare = JsonSerializer.Deserialize<ApiReply<JsonElement>>(await bench.Wallet.Endpoint.HandleAsync(operation, JsonSerializer.SerializeToUtf8Bytes(request, request.GetType(), JsonEndpoint.Json), TestContext.Current.CancellationToken), JsonEndpoint.Json)!;
            Assert.Equal((operation, "MISSING_REQUIRED_FIELD"), (operation, bare.Error?.ErrorCode));

            // The thief as himself, with the owner's card.
            if (ofCard && operation != PhoneWallet.Operations.ReportInventory)
            {
                Assert.Equal((operation, Ineligible.NotFound), (operation, (await SendAsync(bench, thief, operation, request)).Error?.ErrorCode));
            }
            else if (ofCard)
            {
                Assert.NotNull((await SendAsync(bench, thief, operation, request)).Value.GetProperty("differences").GetRawText()); // what he says of a card that is not his is about nothing
            }
        }

        Assert.Equal(before, await StateAsync());
        Assert.Equal("[]", (await SendAsync(bench, thief, PhoneWallet.Operations.ListCards, new PhoneWallet.ListCardsRequest())).Value.GetProperty("cards").GetRawText());

        Task<string> StateAsync() => bench.Store.WriteAsync(session => string.Join(';', session.Query(
            "SELECT device_id || account || signed_in || find_device || purge_epoch AS says FROM wallet_device UNION ALL SELECT card_reference || state FROM wallet_card UNION ALL SELECT tur || state FROM token_token ORDER BY 1", static row => row.GetString(0))));
    }
}
