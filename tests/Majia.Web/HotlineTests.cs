using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Majia.Core.Contracts;
using Majia.Host.Devices;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;
using Majia.Tests;

namespace Majia.Web;

/// <summary>A bank's hotline over HTTP: in effect before the answer, the phone offline or not, and every call in a book that only grows (R23).</summary>
public sealed class HotlineTests : IAsyncLifetime
{
    private const string Bank = "63990100", Card = "mingyue-03";

    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    private async Task<(HttpStatusCode Status, JsonNode Body)> AskAsync(string action, object body, string? caller = Bank)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/hotline/{action}") { Content = new StringContent(body as string ?? JsonSerializer.Serialize(body, JsonEndpoint.Json), Encoding.UTF8, "application/json") };
        if (caller is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", caller.Length == 8 || caller.Length == 11 ? File.ReadAllText(Path.Combine(running.Folder, "keys", $"api-{caller}.secret")) : caller);
        }

        using var answer = await running.Http.SendAsync(request);
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }

    private const string Agent = "li-na", AgentSecret = "majia-agent-1";

    private readonly Dictionary<string, string> sessions = [];

    private async Task<string> SignedInAsync(string agent = Agent, string secret = AgentSecret, string bank = Bank)
    {
        if (!sessions.TryGetValue(agent, out var session))
        {
            var (status, body) = await AskAsync("sign-in", new AgentSignIn(agent, secret), bank);
            Assert.Equal(HttpStatusCode.OK, status);
            sessions[agent] = session = (string)body["session"]!;
        }

        return session;
    }

    private async Task<(HttpStatusCode Status, JsonNode Body)> CallAsync(string action, string card = Card, string? device = null) =>
        await AskAsync(action, new HotlineRequest(await SignedInAsync(), "the holder called", card, device, "asked for the date of birth"));

    private async Task<PhoneDevice> WithCardAsync()
    {
        var phone = running.System.Phones["mi5"];
        Assert.Empty(await phone.SignInAsync(SeedData.WalletAccounts[0].Account, SeedData.WalletAccounts[0].Password));
        Assert.Empty(await phone.SetFindDeviceAsync(true));
        await phone.EnrolFingerprintAsync("right thumb");
        return phone;
    }

    private string? Vault() => running.System.Store.Read(session => session.Text("SELECT state FROM token_token"));

    [Fact, Rule("R23")]
    public async Task Everything_that_an_agent_does_is_in_effect_when_the_answer_comes_and_stands_in_the_book()
    {
        var phone = await WithCardAsync();
        Assert.Equal(EnrolmentStep.Added, (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Card)))).Step);
        await running.System.PumpAsync(CancellationToken.None);
        phone.SetAeroplaneMode(true);
        var desk = running.System.Issuers[Bank].Desk;

        Assert.Equal("Suspended", (string)(await CallAsync("hold")).Body["state"]!);
        Assert.Equal("Suspended", Vault());
        Assert.Equal("Active", (string)(await CallAsync("release")).Body["state"]!);
        Assert.Equal("Active", Vault());
        var modest = await AskAsync("limit", new HotlineRequest(await SignedInAsync(), "the holder called", Card, PerPayment: "60.00", PerDay: "100.00"));
        Assert.Contains("60.00", (string)modest.Body["says"]!["zh"]!, StringComparison.Ordinal);
        Assert.Equal(new OwnLimits(6_000, 10_000), Assert.Single(desk.DeviceCards(Card)).Limits!.Own);
        var change = (await AskAsync("limits", new HotlineHistoryRequest(await SignedInAsync(), Card))).Body["changes"]!.AsArray().Single()!;
        Assert.Equal((Agent, null, "100.00"), ((string)change["author"]!, (string?)change["before"]!["perDay"], (string)change["after"]!["perDay"]!));
        Assert.Equal("Lost", (string)(await CallAsync("report-lost")).Body["state"]!);
        Assert.Equal(CardState.Lost, desk.Cards().Single(card => card.Card == Card).State);
        var (status, twice) = await CallAsync("report-stolen");
        Assert.Equal((HttpStatusCode.Conflict, Ineligible.InvalidState), (status, (string)twice["errorCode"]!));
        Assert.Equal("Normal", (string)(await CallAsync("lift")).Body["state"]!);
        Assert.Equal("device", (string)(await CallAsync("delete", device: "0000")).Body["errors"]![0]!["field"]!);
        Assert.Equal("Deactivated", (string)(await CallAsync("delete")).Body["state"]!);
        Assert.Equal("Deactivated", Vault());
        Assert.Equal($"{Card}.2", (string)(await CallAsync("replace")).Body["card"]!);
        Assert.Equal("CARD_REPLACED", (string)(await CallAsync("replace")).Body["errorCode"]!);

        var lines = (await AskAsync("history", new HotlineHistoryRequest(await SignedInAsync(), Card))).Body["lines"]!.AsArray();
        Assert.Equal(
            ["hold done", "release done", "limit done", "report-lost done", "report-stolen INVALID_STATE", "lift done", "delete NOT_FOUND", "delete done", "replace done", "replace CARD_REPLACED"],
            lines.Where(line => (string)line!["outcome"]! != "asked").Select(line => $"{line!["action"]} {line["outcome"]}"));
        Assert.All(lines.Chunk(2), call => Assert.Equal(("asked", (string)call[0]!["call"]!), ((string)call[0]!["outcome"]!, (string)call[1]!["call"]!)));
        Assert.All(lines, line => Assert.Equal((Agent, "the holder called"), ((string)line!["agent"]!, (string)line["reason"]!)));
    }

    [Fact, Rule("R23")]
    public async Task A_waiting_card_gets_a_new_code_or_is_activated_after_questions()
    {
        const string Waits = "mingyue-01";
        var phone = await WithCardAsync();
        Assert.Equal(Ineligible.NotFound, (string)(await CallAsync("resend-code", Waits)).Body["errorCode"]!);
        Assert.Equal(EnrolmentStep.CodeNeeded, (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Waits)))).Step);
        await running.System.Store.DurableAsync();
        var desk = running.System.Issuers[Bank].Desk;
        var before = desk.Messages("lin-xiaoyun").Count;
        Assert.Contains("129****0001", (string)(await CallAsync("resend-code", Waits)).Body["says"]!["en"]!, StringComparison.Ordinal);
        Assert.Equal(before + 1, desk.Messages("lin-xiaoyun").Count);
        Assert.Equal("Active", (string)(await CallAsync("activate", Waits)).Body["state"]!);
        Assert.Equal("Active", Vault());
        await running.System.PumpAsync(CancellationToken.None);
        await phone.FetchCommandsAsync();
        Assert.Equal(1, phone.State.Cards.Count(card => card.State == EnrolmentState.Active));
        Assert.Equal(TokenState.Active, Assert.Single(desk.DeviceCards(Waits)).State);
    }

    [Fact, Rule("R23")]
    public async Task The_token_service_away_a_hold_says_so_and_a_report_works_all_the_same()
    {
        var phone = await WithCardAsync();
        Assert.Equal(EnrolmentStep.Added, (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(Card)))).Step);
        await running.System.PumpAsync(CancellationToken.None);
        running.System.Wires.IssuerToken.Set(LinkFault.Cut);
        var (status, away) = await CallAsync("hold");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "UNREACHABLE"), (status, (string)away["errorCode"]!));
        Assert.Equal("Lost", (string)(await CallAsync("report-lost")).Body["state"]!);
    }

    [Fact, Rule("R23")]
    public async Task Each_act_and_comment_stands_under_the_name_of_whoever_is_signed_in()
    {
        await CallAsync("report-lost");
        var other = await SignedInAsync("he-ming", "majia-agent-2");
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("comment", new HotlineRequest(other, "called again", Card, Comment: "found it in a coat"))).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("lift", new HotlineRequest(other, "found", Card))).Status);
        var lines = (await AskAsync("history", new HotlineHistoryRequest(other, Card))).Body["lines"]!.AsArray().Where(line => (string)line!["outcome"]! == "done")
            .Select(line => ((string)line!["agent"]!, (string)line["action"]!, (string?)line["comment"]));
        Assert.Equal([(Agent, "report-lost", "asked for the date of birth"), ("he-ming", "comment", "found it in a coat"), ("he-ming", "lift", null)], lines);
        Assert.Equal("comment", (string)(await AskAsync("comment", new HotlineRequest(other, "called", Card))).Body["errors"]![0]!["field"]!);
    }

    [Fact]
    public async Task Who_is_not_signed_in_does_nothing_and_sees_nothing()
    {
        var foreign = await SignedInAsync("wang-lei", "majia-agent-3", "63990200"); // another bank's agent
        foreach (var session in (string[])["", new string('0', 64), Agent, foreign])
        {
            foreach (var action in Hotline.Actions)
            {
                var (status, body) = await AskAsync(action, new HotlineRequest(session, "b", Card, Comment: "c"));
                Assert.Equal((action, HttpStatusCode.Unauthorized, "NOT_SIGNED_IN"), (action, status, (string)body["errorCode"]!));
            }

            Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("history", new HotlineHistoryRequest(session, Card))).Status);
        }

        Assert.Equal(0L, running.System.Store.Read(session => session.Number("SELECT COUNT(*) FROM issuer_hotline")));
        Assert.Equal(CardState.Normal, running.System.Issuers[Bank].Desk.Cards().Single(card => card.Card == Card).State);
        Assert.Equal((HttpStatusCode.Unauthorized, "WRONG_SECRET"), await RefusedAsync(Agent, "majia-agent-2"));
        Assert.Equal((HttpStatusCode.Unauthorized, "WRONG_SECRET"), await RefusedAsync("nobody", AgentSecret));
    }

    private async Task<(HttpStatusCode, string)> RefusedAsync(string agent, string secret)
    {
        var (status, body) = await AskAsync("sign-in", new AgentSignIn(agent, secret));
        return (status, (string)body["errorCode"]!);
    }

    /// <summary>Five guesses, sent all at once or in turn: then the right secret does not open either, for half an hour, and another agent works on.</summary>
    [Fact]
    public async Task Wrong_secrets_are_counted_also_many_at_once_and_then_the_right_one_does_not_open_either()
    {
        var guesses = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => RefusedAsync(Agent, $"guess {i}")));
        Assert.Equal((5, 7), (guesses.Count(guess => guess.Item2 == "WRONG_SECRET"), guesses.Count(guess => guess == (HttpStatusCode.TooManyRequests, "LOCKED"))));
        Assert.Equal((HttpStatusCode.TooManyRequests, "LOCKED"), await RefusedAsync(Agent, AgentSecret));
        Assert.NotEmpty(await SignedInAsync("he-ming", "majia-agent-2"));
        ((MovableTime)running.System.Time).Forward(TimeSpan.FromMinutes(31));
        var session = await SignedInAsync();
        ((MovableTime)running.System.Time).Forward(TimeSpan.FromHours(9));
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("history", new HotlineHistoryRequest(session, Card))).Status);
    }

    [Fact]
    public async Task Strangers_other_banks_and_bad_requests_get_nothing()
    {
        var (a, other) = (await SignedInAsync(), await SignedInAsync("wang-lei", "majia-agent-3", "63990200"));
        foreach (var stranger in (string?[])[null, new string('0', 64), "99900000001"])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("lift", new HotlineRequest(a, "b", Card), stranger)).Status);
            Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("sign-in", new AgentSignIn(Agent, AgentSecret), stranger)).Status);
        }

        Assert.Equal("card", (string)(await AskAsync("report-lost", new HotlineRequest(other, "b", Card), "63990200")).Body["errors"]![0]!["field"]!);
        Assert.Equal(CardState.Normal, running.System.Issuers[Bank].Desk.Cards().Single(card => card.Card == Card).State);
        Assert.Equal("reason", (string)(await AskAsync("lift", new HotlineRequest(a, " ", Card))).Body["errors"]![0]!["field"]!);
        Assert.Equal("device", (string)(await AskAsync("hold", new HotlineRequest(a, "b", Card, "12"))).Body["errors"]![0]!["field"]!);
        Assert.Equal(HttpStatusCode.BadRequest, (await AskAsync("lift", "{")).Status);
        Assert.Equal("perDay", (string)(await AskAsync("limit", new HotlineRequest(a, "b", Card, PerDay: "much"))).Body["errors"]![0]!["field"]!);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("burn", new HotlineRequest(a, "b", Card))).Status);
    }
}
