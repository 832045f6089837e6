using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Majia.Core.Contracts;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;
using Majia.Tests;

namespace Majia.Web;

/// <summary>The bank's own app over HTTP: its customer signs in there and confirms the card that is being added, in place of a code (R6).</summary>
public sealed class BankAppTests : IAsyncLifetime
{
    private const string Bank = "63990100", Card = "mingyue-01", Customer = "lin-xiaoyun", Password = "majia-bank-1";

    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    private async Task<(HttpStatusCode Status, JsonNode Body)> AskAsync(string action, object body, string bank = Bank)
    {
        using var content = new StringContent(body as string ?? JsonSerializer.Serialize(body, JsonEndpoint.Json), Encoding.UTF8, "application/json");
        using var answer = await running.Http.PostAsync($"/bank-app/{bank}/{action}", content);
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }

    private async Task<string> SignInAsync(string customer = Customer, string password = Password) =>
        (string)(await AskAsync("sign-in", new { customer, password })).Body["session"]!;

    /// <summary>A card that waits in the phone for its verification; with the app asked for when <paramref name="ask"/>.</summary>
    private async Task<(PhoneDevice Phone, string Card)> WaitingAsync(bool ask = true)
    {
        var phone = await running.ReadyAsync();
        var added = await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Card)));
        Assert.Equal((EnrolmentStep.CodeNeeded, "SMS BANK_APP"), (added.Step, string.Join(' ', added.Methods.Select(method => method.Id))));
        if (ask)
        {
            Assert.Equal(EnrolmentStep.CodeNeeded, (await phone.ResendCodeAsync(added.CardReference!, BankApp.Method)).Step);
        }

        await running.System.Store.DurableAsync();
        return (phone, added.CardReference!);
    }

    private string Token() => running.System.Store.Read(session => session.Text("SELECT tur FROM token_token"))!;

    private string? State() => running.System.Store.Read(session => session.Text("SELECT state FROM token_token"));

    [Fact, Rule("R6")]
    public async Task The_holder_signs_in_sees_the_card_that_waits_and_confirms_it_once()
    {
        var (phone, reference) = await WaitingAsync();
        var session = await SignInAsync();
        var waits = Assert.Single((await AskAsync("waiting", new { session })).Body["waiting"]!.AsArray())!;
        Assert.Equal((Token(), "Mi 5"), ((string)waits["tokenUniqueReference"]!, (string)waits["deviceModel"]!));
        Assert.EndsWith(SeedData.Card(Card).Pan.LastFour, (string)waits["masked"]!, StringComparison.Ordinal);
        Secrets.AssertNoPan(waits.ToJsonString());

        var confirm = new { session, tokenUniqueReference = Token() };
        var (status, done) = await AskAsync("confirm", confirm);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("is live", (string)done["says"]!["en"]!, StringComparison.Ordinal);
        Assert.Equal("Active", State());
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("confirm", confirm)).Status); // once
        Assert.Empty((await AskAsync("waiting", new { session })).Body["waiting"]!.AsArray());
        await running.System.PumpAsync(CancellationToken.None);
        await phone.FetchCommandsAsync();
        Assert.Equal(EnrolmentState.Active, phone.State.Cards.Single(card => card.CardReference == reference).State);

        // The holder's own limits of it, at the same place.
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("limit", new { session, tokenUniqueReference = Token(), perPayment = "80.00", perDay = "200.00" })).Status);
        Assert.Equal(new OwnLimits(8_000, 20_000), Assert.Single(running.System.Issuers[Bank].Desk.DeviceCards(Card)).Limits!.Own);
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync("limit", new { session, tokenUniqueReference = Token(), perDay = "much" })).Status);
    }

    [Fact, Rule("R6")]
    public async Task Nobody_else_confirms_it_and_nothing_that_was_not_asked_for_or_is_late()
    {
        var (phone, reference) = await WaitingAsync(ask: false);
        var (mine, other) = (await SignInAsync(), await SignInAsync("ye-zhiqiu", "majia-bank-5"));
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("confirm", new { session = mine, tokenUniqueReference = Token() })).Status); // not asked for

        Assert.Equal(EnrolmentStep.CodeNeeded, (await phone.ResendCodeAsync(reference, BankApp.Method)).Step);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("confirm", new { session = other, tokenUniqueReference = Token() })).Status); // another customer
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("limit", new { session = other, tokenUniqueReference = Token(), perDay = "1.00" })).Status);
        Assert.Empty((await AskAsync("waiting", new { session = other })).Body["waiting"]!.AsArray());
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("confirm", new { session = new string('0', 64), tokenUniqueReference = Token() })).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("waiting", new { session = "" })).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("confirm", new { session = mine, tokenUniqueReference = "DNIT000000" })).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("confirm", new { session = mine, tokenUniqueReference = Token() }, "63990300")).Status); // another bank
        Assert.Equal("Inactive", State());

        // The line is away: confirmed at the bank, and the same press again brings it over.
        running.System.Wires.IssuerToken.Set(LinkFault.Cut);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await AskAsync("confirm", new { session = mine, tokenUniqueReference = Token() })).Status);
        Assert.Equal("Inactive", State());
        running.System.Wires.IssuerToken.Set(LinkFault.None);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("confirm", new { session = mine, tokenUniqueReference = Token() })).Status);
        Assert.Equal("Active", State());

        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("burn", "{}")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync("confirm", "[1]")).Status);
    }

    /// <summary>Every action of the app × nobody, a stranger's session, another customer, another bank's customer. An action without its row here fails.</summary>
    [Fact]
    public async Task Every_action_refuses_who_is_nobody_and_whose_it_is_not()
    {
        await WaitingAsync();
        var bodies = new Dictionary<string, Func<string, object>>(StringComparer.Ordinal)
        {
            ["waiting"] = session => new { session },
            ["confirm"] = session => new { session, tokenUniqueReference = Token() },
            ["refuse"] = session => new { session, tokenUniqueReference = Token() },
            ["limit"] = session => new { session, tokenUniqueReference = Token(), perDay = "1.00" },
            ["limits"] = session => new { session, tokenUniqueReference = Token() },
        };
        Assert.Equal(BankApp.Actions.Except(["sign-in"]), bodies.Keys);
        var (mine, other) = (await SignInAsync(), await SignInAsync("ye-zhiqiu", "majia-bank-5"));
        foreach (var (action, body) in bodies)
        {
            foreach (var session in (string[])["", new string('0', 64), Customer])
            {
                Assert.Equal((action, HttpStatusCode.Unauthorized), (action, (await AskAsync(action, body(session))).Status));
            }

            Assert.Equal((action, HttpStatusCode.Unauthorized), (action, (await AskAsync(action, body(mine), "63990300")).Status));
            var (status, seen) = await AskAsync(action, body(other));
            Assert.Equal((action, action == "waiting" ? HttpStatusCode.OK : HttpStatusCode.NotFound), (action, status));
            Assert.Empty(seen["waiting"]?.AsArray() ?? []);
        }

        Assert.Equal("Inactive", State());
        Assert.Single((await AskAsync("waiting", bodies["waiting"](mine))).Body["waiting"]!.AsArray());
    }

    [Fact, Rule("R6")]
    public async Task Refused_it_has_no_code_any_more_and_is_deleted_as_soon_as_the_token_service_hears_of_it()
    {
        var (phone, reference) = await WaitingAsync();
        var refuse = new { session = await SignInAsync(), tokenUniqueReference = Token() };
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("refuse", refuse with { session = await SignInAsync("ye-zhiqiu", "majia-bank-5") })).Status); // another customer
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("refuse", refuse with { session = "" })).Status);
        Assert.Equal("Inactive", State());

        // The line is away: refused all the same, and the next round brings it over.
        running.System.Wires.IssuerToken.Set(LinkFault.Cut);
        var (status, done) = await AskAsync("refuse", refuse);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("does not come to that phone", (string)done["says"]!["en"]!, StringComparison.Ordinal);
        Assert.Equal("Inactive", State());
        Assert.NotEqual(EnrolmentStep.Added, (await phone.EnterCodeAsync(reference, running.LastCode())).Step);
        Assert.NotEqual(EnrolmentStep.CodeNeeded, (await phone.ResendCodeAsync(reference)).Step);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("confirm", refuse)).Status);
        Assert.Equal("Inactive", State());

        running.System.Wires.IssuerToken.Set(LinkFault.None);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("refuse", refuse)).Status); // said again
        await running.System.PumpAsync(CancellationToken.None);
        Assert.Equal("Deactivated", State());
        await phone.FetchCommandsAsync();
        Assert.Empty(phone.State.Cards);
        Assert.Empty((await AskAsync("waiting", new { refuse.session })).Body["waiting"]!.AsArray());
    }

    [Fact, Rule("R6")]
    public async Task Wrong_passwords_are_counted_also_many_at_once_and_then_the_right_one_does_not_open_either()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => AskAsync("sign-in", new { customer = Customer, password = $"guess-{i}" })));
        Assert.Equal((5, 15), (answers.Count(one => one.Status == HttpStatusCode.Unauthorized), answers.Count(one => one.Status == HttpStatusCode.TooManyRequests)));
        Assert.Equal("LOCKED", (string)(await AskAsync("sign-in", new { customer = Customer, password = Password })).Body["errorCode"]!);
        Assert.Equal("WRONG_PASSWORD", (string)(await AskAsync("sign-in", new { customer = "nobody", password = Password })).Body["errorCode"]!);
        Assert.NotEmpty(await SignInAsync("ye-zhiqiu", "majia-bank-5")); // another customer is not locked with it
    }
}
