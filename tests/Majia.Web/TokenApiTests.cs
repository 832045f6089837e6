using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Host.Seed;
using Majia.Host.Web.TokenApi;
using Majia.Phone;
using Majia.Tests;

namespace Majia.Web;

/// <summary>The token service's HTTP door: described whole, closed to strangers, each caller on its own device cards.</summary>
public sealed class TokenApiTests : IAsyncLifetime
{
    private const string Requestor = "99900000001", Bank = "63990100", OtherBank = "63990200";

    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    private string Secret(string caller) => File.ReadAllText(Path.Combine(running.Folder, "keys", $"api-{caller}.secret"));

    private async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string path, object body, string? caller)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body as string ?? JsonSerializer.Serialize(body, JsonEndpoint.Json), Encoding.UTF8, "application/json") };
        if (caller is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", caller.Length == 64 ? caller : Secret(caller));
        }

        using var answer = await running.Http.SendAsync(request);
        Assert.Equal(32, Assert.Single(answer.Headers.GetValues("Response-Id")).Length);
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }

    private Task<(HttpStatusCode Status, JsonNode Body)> AskAsync(string operation, object body, string? caller = Requestor) => PostAsync($"{OpenApiDocument.RequestorPath}/{operation}", body, caller);

    private Task<(HttpStatusCode Status, JsonNode Body)> BankAsync(string operation, object body, string? caller = Bank) => PostAsync($"{OpenApiDocument.IssuerPath}/{operation}", body, caller);

    private async Task<JsonObject> DocumentAsync() => JsonNode.Parse(await running.Http.GetStringAsync($"{OpenApiDocument.RequestorPath}/openapi.json"))!.AsObject();

    private async Task<string> EnrolAsync()
    {
        var phone = running.System.Phones["mi5"];
        Assert.Empty(await phone.SignInAsync(SeedData.WalletAccounts[0].Account, SeedData.WalletAccounts[0].Password));
        Assert.Empty(await phone.SetFindDeviceAsync(true));
        await phone.EnrolFingerprintAsync("right thumb");
        Assert.Equal(EnrolmentStep.Added, (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("mingyue-03")))).Step);
        await running.System.Store.DurableAsync();
        return running.System.Store.Read(session => session.Text("SELECT tur FROM token_token")!);
    }

    [Fact]
    public async Task The_document_names_every_operation_that_is_served_and_none_besides()
    {
        var document = await DocumentAsync();
        Assert.Equal("3.1.0", (string?)document["openapi"]);
        var described = document["paths"]!.AsObject().Select(path => path.Key).Order(StringComparer.Ordinal);
        var served = running.System.TokenService.EndpointFor(Requestor).Operations.Select(operation => $"{OpenApiDocument.RequestorPath}/{operation}")
            .Concat(running.System.TokenService.IssuerEndpointFor(Bank).Operations.Select(operation => $"{OpenApiDocument.IssuerPath}/{operation}")).Order(StringComparer.Ordinal);
        Assert.Equal(served, described);
        Assert.Equal(
            ["accountClosed", "accountUpdate", "activate", "checkEligibility", "delete", "deleteDevice", "digitize", "expiryUpdate", "getAsset", "getPublicKey", "getTask", "getToken", "notifyProvisioningResult",
                "provision", "requestActivationCode", "requestActivationMethods", "searchTokens", "setDomain", "suspend", "unsuspend"],
            OpenApiDocument.Says.Keys);

        // Every reference leads somewhere, and every operation says what it takes, gives and refuses.
        var text = document.ToJsonString();
        foreach (var reference in System.Text.RegularExpressions.Regex.Matches(text, "\"#/([^\"]+)\"").Select(match => match.Groups[1].Value).Distinct())
        {
            JsonNode? at = document;
            foreach (var part in reference.Split('/'))
            {
                at = at?[part];
            }

            Assert.True(at is not null, reference);
        }

        var ids = document["paths"]!.AsObject().Select(path => (string)path.Value!["post"]!["operationId"]!).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        var suspend = document["components"]!["schemas"]!["WalletTokenChangeStateRequest"]!;
        Assert.Equal(["requestId", "tokenUniqueReference", "causedBy", "reasonCode"], suspend["required"]!.AsArray().Select(name => (string)name!));
        var page = await running.Http.GetStringAsync("/token-service/");
        Assert.Contains("POST /token-service/v1/digitize", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
    }

    /// <summary>A bank or a wallet of one's own finds in it all that it will be asked, with the very types that our own answer.</summary>
    [Fact]
    public async Task The_document_names_every_call_to_banks_and_requestors_as_a_webhook()
    {
        var document = await DocumentAsync();
        var asked = running.System.Issuers[Bank].Endpoint.Types.Select(row => (row.Key, row.Value))
            .Concat(running.System.Wallet.NoticeEndpoint.Types.Select(row => ($"requestor.{row.Key}", row.Value))).OrderBy(row => row.Item1, StringComparer.Ordinal).ToList();
        Assert.Equal(asked, Callbacks.All.Select(callback => (callback.Name, (callback.Request, callback.Reply))).OrderBy(row => row.Name, StringComparer.Ordinal));
        var webhooks = document["webhooks"]!.AsObject();
        Assert.Equal(asked.Select(row => row.Item1), webhooks.Select(webhook => webhook.Key).Order(StringComparer.Ordinal));
        string[] wanted = ["authorizeService", "deliverActivationCode", "validateActivationCode", "notifyServiceActivated", "notifyTokenUpdated"];
        Assert.Empty(wanted.Except(webhooks.Select(webhook => webhook.Key)));
        foreach (var (name, item) in webhooks)
        {
            var post = item!["post"]!;
            Assert.Contains(" / ", (string)post["summary"]!, StringComparison.Ordinal);
            var (request, reply) = asked.Single(row => row.Item1 == name).Item2;
            Assert.Equal(Members(request), Properties(post["requestBody"]!["content"]!["application/json"]!["schema"]!));
            var envelope = post["responses"]!["200"]!["content"]!["application/json"]!["schema"]!;
            Assert.Equal(["value", "error"], envelope["properties"]!.AsObject().Select(property => property.Key));
            Assert.Equal(Members(reply), Properties(envelope["properties"]!["value"]!));
            Assert.Contains("errorCode", Properties(envelope["properties"]!["error"]!));
        }

        Assert.Contains("validateActivationCode", await running.Http.GetStringAsync("/token-service/"), StringComparison.Ordinal);

        IEnumerable<string> Properties(JsonNode reference) =>
            (document["components"]!["schemas"]![((string)reference["$ref"]!).Split('/')[^1]]!["properties"]?.AsObject().Select(property => property.Key) ?? []).Order(StringComparer.Ordinal);

        static IEnumerable<string> Members(Type type) => type.GetProperties().Select(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name)).Order(StringComparer.Ordinal);
    }

    /// <summary>Requirement 31: every operation × nobody, a stranger, the other kind of caller, another bank.</summary>
    [Fact]
    public async Task Every_operation_refuses_nobody_a_stranger_the_other_kind_and_another_bank()
    {
        var tur = await EnrolAsync();
        foreach (var (path, item) in (await DocumentAsync())["paths"]!.AsObject())
        {
            var isBanks = path.StartsWith(OpenApiDocument.IssuerPath, StringComparison.Ordinal);
            foreach (var caller in (string?[])[null, new string('0', 64), isBanks ? Requestor : Bank])
            {
                Assert.Equal((path, HttpStatusCode.Unauthorized), (path, (await PostAsync(path, new { }, caller)).Status));
            }

            var schema = ((string)item!["post"]!["requestBody"]!["content"]!["application/json"]!["schema"]!["$ref"]!).Split('/')[^1];
            var properties = (await DocumentAsync())["components"]!["schemas"]![schema]!["properties"]?.AsObject();
            if (isBanks && properties?.ContainsKey("tokenUniqueReference") == true)
            {
                var body = properties.ToDictionary(property => property.Key, property => property.Key switch { "tokenUniqueReference" => tur, "causedBy" => "ISSUER", "merchants" => (object)Array.Empty<string>(), _ => Guid.NewGuid().ToString("N") });
                var (status, refused) = await PostAsync(path, body, OtherBank);
                Assert.Equal((path, HttpStatusCode.NotFound, "NOT_FOUND"), (path, status, (string)refused["errorCode"]!));
            }
        }

        Assert.Equal("Active", (string?)(await AskAsync("getToken", new { tokenUniqueReference = tur })).Body["state"]);
    }

    [Fact]
    public async Task A_device_card_is_looked_up_held_by_both_freed_and_deleted_over_http()
    {
        var tur = await EnrolAsync();
        var body = new WalletToken.ChangeStateRequest("held-1", tur, "CARDHOLDER", "OTHER");
        var (status, held) = await AskAsync("suspend", body);
        Assert.Equal((HttpStatusCode.OK, "Suspended"), (status, (string)held["state"]!));
        Assert.Equal(held.ToJsonString(), (await AskAsync("suspend", body)).Body.ToJsonString());
        var pan = Jwe.Encrypt((string)(await BankAsync("getPublicKey", new { })).Body["jwk"]!, JsonSerializer.SerializeToUtf8Bytes(new IssuerToken.Account(SeedData.Card("mingyue-03").Pan.Reveal()), JsonEndpoint.Json));
        var found = (await BankAsync("searchTokens", new { encryptedAccount = pan })).Body["tokens"]!.AsArray().Single()!;
        Assert.Equal((tur, "CARDHOLDER"), ((string)found["tokenUniqueReference"]!, (string)found["suspendedBy"]!.AsArray().Single()!));
        Assert.Equal(HttpStatusCode.OK, (await BankAsync("suspend", new { requestId = "b1", tokenUniqueReference = tur, causedBy = "ISSUER", reasonCode = "FRAUDULENT" })).Status);
        Assert.Equal("Suspended", (string?)(await AskAsync("unsuspend", body with { RequestId = "freed-1" })).Body["state"]);
        var (refusal, why) = await AskAsync("unsuspend", body with { RequestId = "freed-2" });
        Assert.Equal((HttpStatusCode.Conflict, "INVALID_STATE"), (refusal, (string)why["errorCode"]!));
        Assert.Equal("Active", (string?)(await BankAsync("unsuspend", new { requestId = "b2", tokenUniqueReference = tur, causedBy = "ISSUER", reasonCode = "FOUND" })).Body["state"]);
        Assert.Equal("Deactivated", (string?)(await AskAsync("delete", body with { RequestId = "gone" })).Body["state"]);
        Assert.Equal("COMPLETED", (string?)(await AskAsync("getTask", new { taskId = "gone" })).Body["status"]);
        Assert.Empty(await running.System.TokenService.VerifyAuditAsync());
    }

    [Fact]
    public async Task A_wrong_body_says_which_field_what_was_expected_and_what_came()
    {
        var (status, missing) = await AskAsync("suspend", new { requestId = "x" });
        Assert.Equal((HttpStatusCode.BadRequest, "MISSING_REQUIRED_FIELD"), (status, (string)missing["errorCode"]!));
        Assert.Equal(["tokenUniqueReference", "causedBy", "reasonCode"], missing["errors"]!.AsArray().Select(error => (string)error!["field"]!));
        Assert.Equal("tokenUniqueReference", (string?)(await AskAsync("getToken", """{"tokenUniqueReference":5}""")).Body["errors"]![0]!["field"]);
        Assert.Equal("INVALID_JSON", (string?)(await AskAsync("getToken", "{")).Body["errorCode"]);
        var (unknown, operations) = await AskAsync("transmogrify", new { });
        Assert.Equal((HttpStatusCode.NotFound, "NOT_FOUND"), (unknown, (string)operations["errorCode"]!));
        Assert.Equal("CRYPTOGRAPHY_ERROR", (string?)(await AskAsync("checkEligibility", new { requestId = "r", tokenRequestorId = Requestor, seid = new string('A', 20), encryptedCard = "plain", source = "MANUAL" })).Body["errorCode"]);
        var (other, noTrid) = await AskAsync("checkEligibility", new { requestId = "r", tokenRequestorId = "99900000002", seid = new string('A', 20), encryptedCard = "plain", source = "MANUAL" });
        Assert.Equal((HttpStatusCode.BadRequest, "tokenRequestorId"), (other, (string)noTrid["errors"]![0]!["field"]!));
    }

    [Fact]
    public async Task Secrets_are_made_once_are_their_owners_alone_and_differ()
    {
        string[] callers = [Requestor, Bank, OtherBank, "63990300"];
        Assert.Equal(callers.Length, callers.Select(Secret).Distinct().Count());
        Assert.All(callers, caller => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(running.Folder, "keys", $"api-{caller}.secret"))));
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("getPublicKey", new { })).Status);
    }
}
