using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Tests.Issuer;

namespace Majia.Tests.TokenService;

/// <summary>Every operation of the token service and of a bank, one by one: a repeat gets the same answer, another content under its id is refused with the field, and what is wrong is named.</summary>
public class OperationsTests
{
    /// <summary>One operation with what it takes, and the member that is another one in the second request.</summary>
    private sealed record Row(string Name, Func<Stage, JsonEndpoint> Of, Func<Stage, Task<object>> Request, string? Changed, object? To = null);

    /// <summary>A bench with a live debit card, and a credit card that waits for its code.</summary>
    private sealed class Stage : IAsyncDisposable
    {
        public Bench Bench { get; } = new();

        public string Live { get; private set; } = "";

        public string Waiting { get; private set; } = "";

        public FakeChip Chip { get; private set; } = null!;

        public static async Task<Stage> OpenAsync()
        {
            var stage = new Stage();
            (stage.Live, _, stage.Chip, _) = await stage.Bench.EnrolAsync(Bench.Debit());
            stage.Bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
            var chip = stage.Bench.NewChip();
            stage.Waiting = (await stage.Bench.DigitizeAsync(Bench.Credit(), chip.Seid)).Value!.TokenUniqueReference;
            Assert.Equal(EnrolmentState.VerificationRequired, (await stage.Bench.ProvisionAsync(stage.Waiting, chip)).State);
            return stage;
        }

        public ValueTask DisposeAsync() => Bench.DisposeAsync();
    }

    private static JsonEndpoint Requestor(Stage stage) => stage.Bench.TokenEndpoint;

    private static JsonEndpoint Bank(Stage stage) => stage.Bench.Party.IssuerEndpointFor("63990100");

    private static Func<Stage, Task<object>> Of(Func<Stage, object> request) => stage => Task.FromResult(request(stage));

    private static string Account(Stage stage, IssuerToken.Account account) => stage.Bench.Encrypt(account);

    private static readonly IReadOnlyList<Row> Table =
    [
        new(WalletToken.Operations.GetPublicKey, Requestor, Of(_ => new WalletToken.GetPublicKeyRequest()), null),
        new(WalletToken.Operations.CheckEligibility, Requestor, Of(stage => new WalletToken.CheckEligibilityRequest("r", Bench.Trid, stage.Chip.Seid, stage.Bench.Encrypt(Bench.Debit(2)), "MANUAL")), "source", "CAMERA"),
        new(WalletToken.Operations.Digitize, Requestor, async stage => new WalletToken.DigitizeRequest("r", Bench.Trid, stage.Chip.Seid, (await stage.Bench.CheckAsync(Bench.Debit(2), stage.Chip.Seid)).Value!.EligibilityReceipt, stage.Bench.Encrypt(Bench.Debit(2)), 0, "Mi 5", "MANUAL"), "deviceModel", "Mi MIX"),
        new(WalletToken.Operations.Provision, Requestor, Of(stage => new WalletToken.ProvisionRequest("r", stage.Live, [], null)), "responses", new JsonArray("9000")),
        new(WalletToken.Operations.NotifyProvisioningResult, Requestor, Of(stage => new WalletToken.NotifyProvisioningResultRequest("r", stage.Live, "SUCCESS")), "result", "FAILURE"),
        new(WalletToken.Operations.RequestActivationMethods, Requestor, Of(stage => new WalletToken.RequestActivationMethodsRequest(stage.Waiting)), null),
        new(WalletToken.Operations.RequestActivationCode, Requestor, Of(stage => new WalletToken.RequestActivationCodeRequest("r", stage.Waiting, "sms")), "methodId", "mail"),
        new(WalletToken.Operations.Activate, Requestor, Of(stage => new WalletToken.ActivateRequest("r", stage.Waiting, stage.Bench.EncryptCode("123456"))), "encryptedCode", (Func<Stage, string>)(stage => stage.Bench.EncryptCode("123457"))),
        new(WalletToken.Operations.Suspend, Requestor, Of(stage => new WalletToken.ChangeStateRequest("r", stage.Live, SuspendedBy.Cardholder, "LOST")), "reasonCode", "OTHER"),
        new(WalletToken.Operations.Unsuspend, Requestor, Of(stage => new WalletToken.ChangeStateRequest("r", stage.Live, SuspendedBy.Cardholder, "FOUND")), "reasonCode", "OTHER"),
        new(WalletToken.Operations.Delete, Requestor, Of(stage => new WalletToken.ChangeStateRequest("r", stage.Live, SuspendedBy.Cardholder, "SOLD")), "reasonCode", "OTHER"),
        new(WalletToken.Operations.SetDomain, Requestor, Of(stage => new WalletToken.SetDomainRequest("r", stage.Live, ["990031058120001"], "ONE_SHOP")), "reasonCode", "OTHER"),
        new(WalletToken.Operations.GetToken, Requestor, Of(stage => new WalletToken.GetTokenRequest(stage.Live)), null),
        new(WalletToken.Operations.SearchTokens, Requestor, Of(stage => new WalletToken.SearchTokensRequest(stage.Chip.Seid)), null),
        new(WalletToken.Operations.DeleteDevice, Requestor, Of(stage => new WalletToken.DeleteDeviceRequest("r", stage.Chip.Seid, long.MaxValue, "SIGNED_OUT")), "reasonCode", "OTHER"),
        new(WalletToken.Operations.GetTask, Requestor, Of(_ => new WalletToken.GetTaskRequest("none")), null),
        new(WalletToken.Operations.GetAsset, Requestor, Of(_ => new WalletToken.GetAssetRequest("card-art-mingyue")), null),
        new(IssuerToken.Operations.GetPublicKey, Bank, Of(_ => new TokenIssuer.GetPublicKeyRequest()), null),
        new(IssuerToken.Operations.SearchTokens, Bank, Of(stage => new IssuerToken.SearchTokensRequest(Account(stage, new(Bench.Debit().Pan)))), null),
        new(IssuerToken.Operations.GetToken, Bank, Of(stage => new IssuerToken.GetTokenRequest(stage.Live)), null),
        new(IssuerToken.Operations.Activate, Bank, Of(stage => new IssuerToken.ActivateRequest("r", stage.Waiting, "CALLED")), "reasonCode", "OTHER"),
        new(IssuerToken.Operations.Suspend, Bank, Of(stage => new IssuerToken.ChangeStateRequest("r", stage.Live, SuspendedBy.Issuer, "STOLEN")), "reasonCode", "OTHER"),
        new(IssuerToken.Operations.Unsuspend, Bank, Of(stage => new IssuerToken.ChangeStateRequest("r", stage.Live, SuspendedBy.Issuer, "FOUND")), "reasonCode", "OTHER"),
        new(IssuerToken.Operations.Delete, Bank, Of(stage => new IssuerToken.ChangeStateRequest("r", stage.Live, SuspendedBy.Issuer, "CLOSED")), "reasonCode", "OTHER"),
        new(IssuerToken.Operations.SetDomain, Bank, Of(stage => new WalletToken.SetDomainRequest("r", stage.Live, ["990031058120001"], "ONE_SHOP")), "merchants", new JsonArray("990031058120002")),
        new(IssuerToken.Operations.AccountUpdate, Bank, Of(stage => new IssuerToken.AccountUpdateRequest("r", Account(stage, new(Bench.Debit().Pan, Bench.Debit(9).Pan, "3212", "02")))), "encryptedAccount", "another"),
        new(IssuerToken.Operations.ExpiryUpdate, Bank, Of(stage => new IssuerToken.ExpiryUpdateRequest("r", Account(stage, new(Bench.Debit().Pan, Expiry: "3212")))), "encryptedAccount", "another"),
        new(IssuerToken.Operations.AccountClosed, Bank, Of(stage => new IssuerToken.AccountClosedRequest("r", Account(stage, new(Bench.Debit().Pan)), "CLOSED")), "reasonCode", "OTHER"),
    ];

    private static async Task<JsonObject> AskAsync(JsonEndpoint endpoint, string operation, JsonNode body) =>
        JsonNode.Parse(await endpoint.HandleAsync(operation, Encoding.UTF8.GetBytes(body.ToJsonString()), TestContext.Current.CancellationToken))!.AsObject();

    private static async Task<JsonObject> BodyAsync(Row row, Stage stage)
    {
        var request = await row.Request(stage);
        return JsonSerializer.SerializeToNode(request, request.GetType(), JsonEndpoint.Json)!.AsObject();
    }

    [Fact]
    public async Task The_table_is_what_is_served()
    {
        await using var stage = await Stage.OpenAsync();
        Assert.Equal(Requestor(stage).Operations, Table.Where(row => row.Of == Requestor).Select(row => row.Name).Order(StringComparer.Ordinal));
        Assert.Equal(Bank(stage).Operations, Table.Where(row => row.Of == Bank).Select(row => row.Name).Order(StringComparer.Ordinal));

        // Whatever changes something has a request id; whatever has none only looks.
        Assert.All(Table, row => Assert.Equal(row.Changed is not null, row.Of(stage).Types[row.Name].Request.GetProperty("RequestId") is not null));
        Assert.Equal(
            ["getAsset", "getPublicKey", "getTask", "getToken", "requestActivationMethods", "searchTokens"],
            Table.Where(row => row.Changed is null).Select(row => row.Name).Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>Numbers, names and secrets of a card travel inside a JWE and in no member of their own.</summary>
    [Fact]
    public async Task No_operation_takes_or_gives_card_data_in_clear()
    {
        await using var stage = await Stage.OpenAsync();
        string[] sensitive = ["Pan", "NewPan", "CardNumber", "Cvn2", "Expiry", "HolderName", "IdNumber", "MobileNumber", "Token", "DeviceNumber"];
        var seen = 0;
        foreach (var (name, (request, reply)) in Requestor(stage).Types.Concat(Bank(stage).Types))
        {
            Assert.Null(request.GetProperty("Code")); // the bank's code too
            foreach (var type in Reached(request).Concat(Reached(reply)).Distinct())
            {
                seen++;
                Assert.All(type.GetProperties(), property => Assert.False(sensitive.Contains(property.Name, StringComparer.Ordinal), $"{name}: {type.Name}.{property.Name}"));
            }
        }

        Assert.True(seen > 40, $"{seen}");

        static IEnumerable<Type> Reached(Type type)
        {
            var open = new Queue<Type>([type]);
            var found = new HashSet<Type>();
            while (open.TryDequeue(out var next))
            {
                var inner = next.IsGenericType ? next.GetGenericArguments() : [next];
                foreach (var one in inner.Where(one => one.Namespace == typeof(WalletToken).Namespace && found.Add(one)))
                {
                    foreach (var property in one.GetProperties())
                    {
                        open.Enqueue(property.PropertyType);
                    }
                }
            }

            return found;
        }
    }

    [Fact, Rule("R8")]
    public async Task A_repeat_gets_the_same_answer_and_other_content_under_its_id_is_refused_with_the_field()
    {
        foreach (var row in Table.Where(row => row.Changed is not null))
        {
            await using var stage = await Stage.OpenAsync();
            var body = await BodyAsync(row, stage);
            var first = await AskAsync(row.Of(stage), row.Name, body);
            var isDone = first["error"] is null || row.Name is "unsuspend"; // nobody held it: refused, and the same again
            Assert.True(isDone, $"{row.Name}: {first.ToJsonString()}");
            stage.Bench.Clock.Advance(TimeSpan.FromMinutes(1));
            Assert.Equal((row.Name, first.ToJsonString()), (row.Name, (await AskAsync(row.Of(stage), row.Name, body)).ToJsonString()));

            body[row.Changed!] = row.To is JsonNode node ? node.DeepClone() : row.To is Func<Stage, string> made ? made(stage) : JsonValue.Create((string)row.To!);
            var reply = await AskAsync(row.Of(stage), row.Name, body);
            Assert.True(reply["error"] is not null, $"{row.Name}: {reply.ToJsonString()}");
            var other = reply["error"]!;
            Assert.Equal((row.Name, "INVALID_FIELD_VALUE", "requestId"), (row.Name, (string?)other["errorCode"], (string?)other["errors"]?[0]?["field"]));
            Assert.NotEmpty((string)other["errorDescription"]!);
        }
    }

    /// <summary>Whatever is required is asked for by name, and what nobody knows is a NOT_FOUND with its words in both languages.</summary>
    [Fact]
    public async Task What_is_missing_is_named_and_a_card_that_nobody_has_is_unknown()
    {
        await using var stage = await Stage.OpenAsync();
        foreach (var row in Table)
        {
            var body = await BodyAsync(row, stage);
            foreach (var member in body.Select(pair => pair.Key).ToList())
            {
                var without = body.DeepClone().AsObject();
                without.Remove(member);
                var property = row.Of(stage).Types[row.Name].Request.GetConstructors().Single(constructor => constructor.GetParameters().Length > 0).GetParameters().Single(parameter => JsonNamingPolicy.CamelCase.ConvertName(parameter.Name!) == member);
                if (property.HasDefaultValue)
                {
                    continue;
                }

                var error = (await AskAsync(row.Of(stage), row.Name, without))["error"]!;
                Assert.Equal((row.Name, "MISSING_REQUIRED_FIELD", member), (row.Name, (string?)error["errorCode"], (string?)error["errors"]?[0]?["field"]));
            }

            if (body.ContainsKey("tokenUniqueReference"))
            {
                body["tokenUniqueReference"] = "nobodys";
                if (body.ContainsKey("requestId"))
                {
                    body["requestId"] = $"{row.Name}-nobodys";
                }

                var error = (await AskAsync(row.Of(stage), row.Name, body))["error"]!;
                Assert.Equal((row.Name, Ineligible.NotFound), (row.Name, (string?)error["errorCode"]));
                Assert.NotEqual((string?)error["why"]!["en"], (string?)error["why"]!["zh"]);
            }
        }
    }

    /// <summary>Every operation × the other requestor, or the other bank × what is not its own: as unknown as nothing at all, and nothing of it moves.</summary>
    [Fact]
    public async Task Whatever_is_anothers_is_refused_by_every_operation()
    {
        foreach (var row in Table)
        {
            await using var stage = await Stage.OpenAsync();
            var stranger = row.Of == Requestor ? stage.Bench.Party.EndpointFor(Bench.OtherTrid) : stage.Bench.Party.IssuerEndpointFor("63990200");
            var (tokens, trail) = (await TokensAsync(stage), stage.Bench.Count("SELECT count(*) FROM token_audit"));
            var body = await BodyAsync(row, stage);
            if (row.Name == WalletToken.Operations.GetTask)
            {
                await AskAsync(Requestor(stage), WalletToken.Operations.Suspend, JsonSerializer.SerializeToNode(new WalletToken.ChangeStateRequest("task-of-one", stage.Waiting, SuspendedBy.Cardholder, "X"), JsonEndpoint.Json)!);
                body["taskId"] = "task-of-one";
            }

            var reply = await AskAsync(stranger, row.Name, body);
            var says = (string?)reply["error"]?["errorCode"];
            switch (row.Name)
            {
                case "getPublicKey" or "getAsset":
                    Assert.Null(says); // everybody's
                    break;
                case "checkEligibility" or "digitize":
                    Assert.Equal((row.Name, "tokenRequestorId"), (row.Name, (string?)reply["error"]!["errors"]![0]!["field"]));
                    break;
                case "searchTokens" or "deleteDevice" when row.Of == Requestor:
                    Assert.Empty(reply["value"]!["tokens"]!.AsArray());
                    break;
                case "searchTokens" or "accountUpdate" or "expiryUpdate" or "accountClosed":
                    Assert.True(says is not null || reply["value"]!["tokens"]!.AsArray().Count == 0, $"{row.Name}: {reply.ToJsonString()}");
                    break;
                default:
                    Assert.Equal((row.Name, Ineligible.NotFound), (row.Name, says));
                    break;
            }

            Assert.Equal((row.Name, tokens), (row.Name, await TokensAsync(stage)));
            Assert.Equal((row.Name, trail), (row.Name, stage.Bench.Count("SELECT count(*) FROM token_audit")));
        }

        static Task<string> TokensAsync(Stage stage) => stage.Bench.Store.WriteAsync(session => string.Join(';', session.Query(
            "SELECT t.tur || t.state || t.suspended_by || t.stage || t.version || a.pan_expiry || a.par FROM token_token t JOIN token_account a ON a.pan_index = t.pan_index ORDER BY t.tur", static row => row.GetString(0))));
    }

    [Fact, Rule("R6")]
    public async Task An_eligibility_is_answered_anew_when_its_receipt_has_ended()
    {
        await using var stage = await Stage.OpenAsync();
        var row = Table.Single(row => row.Name == WalletToken.Operations.CheckEligibility);
        var body = await BodyAsync(row, stage);
        var first = await AskAsync(row.Of(stage), row.Name, body);
        stage.Bench.Clock.Advance(TimeSpan.FromDays(1));
        var later = await AskAsync(row.Of(stage), row.Name, body);
        Assert.NotEqual((string?)first["value"]!["eligibilityReceipt"], (string?)later["value"]!["eligibilityReceipt"]);
        Assert.Equal(later.ToJsonString(), (await AskAsync(row.Of(stage), row.Name, body)).ToJsonString());
    }
}
