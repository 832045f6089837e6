using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.Web.TokenApi;

/// <summary>The token service's HTTP door as an OpenAPI 3.1 document, made of the tables that answer it: an operation that is not described is not served.</summary>
public static class OpenApiDocument
{
    public const string Version = "3.1.0", RequestorPath = "/token-service/v1", IssuerPath = "/token-service/v1/issuer";

    /// <summary>One sentence for each operation; an operation without one is a mistake that the test finds.</summary>
    public static readonly IReadOnlyDictionary<string, Text> Says = new SortedDictionary<string, Text>(StringComparer.Ordinal)
    {
        ["accountUpdate"] = new("The account has a new plastic: its device cards move to it, with number, reference and history.", "账户换发新卡：设备卡改挂新卡，号码、引用号与记录不变。"),
        ["accountClosed"] = new("The plastic is no more: every device card of it is deleted.", "实体卡已销户：其全部设备卡注销。"),
        ["activate"] = new("Ends the verification: with the holder's code, or on the bank's own word.", "完成验证：凭持卡人验证码，或由银行自行确认。"),
        ["checkEligibility"] = new("May this card go into this chip? The receipt is for digitize.", "该卡能否添加到该芯片？返回的凭据用于 digitize。"),
        ["delete"] = new("Deletes a device card for good. The plastic is not touched.", "永久注销设备卡，实体卡不受影响。"),
        ["deleteDevice"] = new("Deletes every device card of one chip at once.", "一次性注销某芯片上的全部设备卡。"),
        ["digitize"] = new("Makes a device card, inactive: wallet, network and bank decide on it.", "生成未激活的设备卡：由钱包、转接方与银行共同决策。"),
        ["expiryUpdate"] = new("The same plastic number has a new expiry date or sequence number.", "同一卡号更换有效期或序列号。"),
        ["getAsset"] = new("Card art.", "卡面素材。"),
        ["getPublicKey"] = new("The key that card data is encrypted to (ECDH-ES+A256KW, A256GCM, P-256).", "卡片信息加密所用公钥（ECDH-ES+A256KW、A256GCM、P-256）。"),
        ["getTask"] = new("What became of a request.", "查询请求的处理结果。"),
        ["getToken"] = new("One device card.", "查询一张设备卡。"),
        ["notifyProvisioningResult"] = new("What the phone says of its script; a failure ends an unfinished card.", "手机报告脚本执行结果；失败则作废未完成的卡。"),
        ["provision"] = new("The next commands for the chip; its answers to the last ones.", "下一批芯片指令；上送上一批的应答。"),
        ["requestActivationCode"] = new("Has the bank send its code to the holder.", "请银行向持卡人发送验证码。"),
        ["requestActivationMethods"] = new("The bank's ways to verify this holder.", "银行可用的验证方式。"),
        ["searchTokens"] = new("Live device cards of a chip, or all of a plastic.", "查询某芯片的有效设备卡，或某实体卡的全部设备卡。"),
        ["setDomain"] = new("Restricts a device card to merchants, for the caller's side; an empty list lifts it again.", "限定设备卡可用商户（仅限调用方自身的限定）；空列表表示解除。"),
        ["suspend"] = new("Holds a device card back; each party lifts its own hold only.", "暂停设备卡；各方只能解除自己的暂停。"),
        ["unsuspend"] = new("Lifts one's own hold; the card is active when the last one is lifted.", "解除己方暂停；全部解除后恢复使用。"),
    };

    /// <param name="requestors">What token requestors call.</param>
    /// <param name="issuers">What banks call.</param>
    public static JsonObject Of(JsonEndpoint requestors, JsonEndpoint issuers)
    {
        var (paths, schemas) = (new JsonObject(), new JsonObject());
        Add(paths, schemas, requestors, RequestorPath, "requestor", "token requestors / 标记请求方");
        Add(paths, schemas, issuers, IssuerPath, "issuer", "issuers / 发卡行");
        var webhooks = Webhooks(schemas);
        schemas["Error"] = Schema(typeof(ApiError));
        return new JsonObject
        {
            ["openapi"] = Version,
            ["info"] = new JsonObject
            {
                ["title"] = "Majia token service / 马甲标记服务",
                ["version"] = "1",
                ["description"] = "Device cards: enrolment, life cycle, look-up. Every operation is a POST with a JSON body. A request that changes something carries a requestId: its repeat gets the first answer and changes nothing. "
                    + "Card data and activation codes travel as JWE to the receiver's key. An error is {errorCode, errorDescription, errors[]} with the field, what was expected and what came, and `why` in plain words.",
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["security"] = new JsonArray(new JsonObject { ["caller"] = new JsonArray() }),
            ["tags"] = new JsonArray(new JsonObject { ["name"] = "token requestors / 标记请求方" }, new JsonObject { ["name"] = "issuers / 发卡行" }, new JsonObject { ["name"] = ToIssuers }, new JsonObject { ["name"] = ToRequestors }),
            ["paths"] = paths,
            ["webhooks"] = webhooks,
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject
                {
                    ["peer"] = new JsonObject { ["type"] = "mutualTLS", ["description"] = "Between processes each side shows its certificate (majia certs); in one process there is no wire." },
                    ["caller"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "The secret of the token requestor or bank: keys/api-NAME.secret of the data folder. It says who calls; nothing in a body does." },
                },
                ["schemas"] = schemas,
                ["responses"] = new JsonObject
                {
                    ["Error"] = new JsonObject { ["description"] = "Refused / 拒绝", ["content"] = Content(Reference("Error")) },
                },
            },
        };
    }

    private static void Add(JsonObject paths, JsonObject schemas, JsonEndpoint endpoint, string root, string prefix, string tag)
    {
        foreach (var (operation, (request, reply)) in endpoint.Types)
        {
            var says = Says[operation];
            paths[$"{root}/{operation}"] = new JsonObject
            {
                ["post"] = new JsonObject
                {
                    ["operationId"] = prefix == "issuer" ? $"issuer.{operation}" : operation,
                    ["tags"] = new JsonArray(tag),
                    ["summary"] = $"{says.En} / {says.Zh}",
                    ["requestBody"] = new JsonObject { ["required"] = true, ["content"] = Content(Named(schemas, request)) },
                    ["responses"] = new JsonObject
                    {
                        ["200"] = new JsonObject { ["description"] = "Done / 成功", ["content"] = Content(Named(schemas, reply)) },
                        ["default"] = new JsonObject { ["$ref"] = "#/components/responses/Error" },
                    },
                },
            };
        }
    }

    private const string ToIssuers = "to issuers / 至发卡行", ToRequestors = "to token requestors / 至标记请求方";

    /// <summary>What the token service calls. Its caller reads one envelope: <c>value</c>, or <c>error</c>, both with status 200.</summary>
    private static JsonObject Webhooks(JsonObject schemas)
    {
        var webhooks = new JsonObject();
        foreach (var callback in Callbacks.All)
        {
            var (party, tag) = callback.ToIssuer ? ("issuer-INSTITUTION", ToIssuers) : ("wallet-notices", ToRequestors);
            webhooks[callback.Name] = new JsonObject
            {
                ["post"] = new JsonObject
                {
                    ["operationId"] = $"to.{callback.Name}",
                    ["tags"] = new JsonArray(tag),
                    ["summary"] = $"{callback.Says.En} / {callback.Says.Zh}",
                    ["description"] = $"POST /{party}/{callback.Operation} at the address that --peer gives that line.",
                    ["security"] = new JsonArray(new JsonObject { ["peer"] = new JsonArray() }),
                    ["requestBody"] = new JsonObject { ["required"] = true, ["content"] = Content(Named(schemas, callback.Request)) },
                    ["responses"] = new JsonObject
                    {
                        ["200"] = new JsonObject
                        {
                            ["description"] = "Answered: a value, or an error / 应答：value 或 error",
                            ["content"] = Content(new JsonObject
                            {
                                ["type"] = "object",
                                ["properties"] = new JsonObject { ["value"] = Named(schemas, callback.Reply), ["error"] = Reference("Error") },
                                ["oneOf"] = new JsonArray(Requires("value"), Requires("error")),
                            }),
                        },
                        ["default"] = new JsonObject { ["description"] = "Not answered: the token service sends it again / 未应答：标记服务将重发" },
                    },
                },
            };
        }

        return webhooks;
    }

    private static JsonObject Requires(string property) => new() { ["required"] = new JsonArray(property) };

    private static JsonObject Content(JsonNode schema) => new() { ["application/json"] = new JsonObject { ["schema"] = schema } };

    private static JsonObject Named(JsonObject schemas, Type type)
    {
        // Records of two contracts may have one name: then the contract's is put before it.
        var name = $"{type.DeclaringType?.Name}{type.Name}";
        schemas[name] ??= Schema(type);
        return Reference(name);
    }

    private static JsonObject Reference(string name) => new() { ["$ref"] = $"#/components/schemas/{name}" };

    private static JsonNode Schema(Type type) => JsonEndpoint.Json.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true });

    /// <summary>The document as a page without scripts: what can be called, what calls, and with what.</summary>
    public static string Page(JsonObject document) => $"""
        <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{Escape((string?)document["info"]!["title"])}</title><link rel="stylesheet" href="/page.css"></head>
        <body><main><h1>{Escape((string?)document["info"]!["title"])}</h1><p>{Escape((string?)document["info"]!["description"])}</p><p><a href="{RequestorPath}/openapi.json">openapi.json</a> (OpenAPI {Version})</p>
        <table><thead><tr><th>operation</th><th>what it does</th><th>fields</th></tr></thead><tbody>
        {Rows(document, "paths", "POST ")}</tbody></table>
        <h2>What the token service calls / 标记服务发出的调用</h2>
        <table><thead><tr><th>webhook</th><th>what it asks or tells</th><th>fields</th></tr></thead><tbody>
        {Rows(document, "webhooks", "")}</tbody></table></main></body></html>
        """;

    private static string Escape(string? text) => System.Net.WebUtility.HtmlEncode(text ?? "");

    private static string Rows(JsonObject document, string section, string before)
    {
        var rows = new System.Text.StringBuilder();
        foreach (var (name, item) in document[section]!.AsObject())
        {
            var post = item!["post"]!;
            var schema = ((string)post["requestBody"]!["content"]!["application/json"]!["schema"]!["$ref"]!).Split('/')[^1];
            var properties = document["components"]!["schemas"]![schema]!["properties"]?.AsObject().Select(property => property.Key) ?? [];
            rows.Append($"<tr><td><code>{before}{Escape(name)}</code></td><td>{Escape((string?)post["summary"])}</td><td><code>{Escape(string.Join(", ", properties))}</code></td></tr>\n");
        }

        return rows.ToString();
    }
}
