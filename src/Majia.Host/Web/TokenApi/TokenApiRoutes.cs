using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService;

namespace Majia.Host.Web.TokenApi;

/// <summary>The token service for token requestors and banks outside, over HTTP: the same tables that our own parties call, each caller on its own.</summary>
/// <remarks>200 and the value, or an error with its own status: the body is the value or the error, nothing around it.</remarks>
internal sealed class TokenApiRoutes(TokenServiceParty service, ApiSecrets secrets, IReadOnlyList<string> requestors, IReadOnlyList<string> institutions, Store store, Entropy entropy)
{
    private static readonly ApiError NotAuthenticated = new("NOT_AUTHENTICATED", "Say who you are: Authorization: Bearer SECRET.", null, new("This caller is not known here.", "未识别调用方。"));

    public void Map(IEndpointRouteBuilder routes)
    {
        var ofRequestors = requestors.ToDictionary(trid => trid, service.EndpointFor, StringComparer.Ordinal);
        var ofIssuers = institutions.ToDictionary(bank => bank, service.IssuerEndpointFor, StringComparer.Ordinal);
        var document = OpenApiDocument.Of(ofRequestors.Values.First(), ofIssuers.Values.First());
        var text = document.ToJsonString(new JsonSerializerOptions { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        var page = OpenApiDocument.Page(document);
        routes.MapGet($"{OpenApiDocument.RequestorPath}/openapi.json", () => Results.Text(text, "application/json"));
        routes.MapGet("/token-service/", () => Results.Content(page, "text/html; charset=utf-8"));
        routes.MapPost($"{OpenApiDocument.RequestorPath}/{{operation}}", (HttpContext context, string operation) => AnswerAsync(context, operation, ofRequestors));
        routes.MapPost($"{OpenApiDocument.IssuerPath}/{{operation}}", (HttpContext context, string operation) => AnswerAsync(context, operation, ofIssuers));
    }

    private async Task AnswerAsync(HttpContext context, string operation, Dictionary<string, JsonEndpoint> endpoints)
    {
        context.Response.Headers["Response-Id"] = entropy.NewId();

        // A requestor's secret opens no bank's door, and the other way round.
        if (secrets.CallerOf(context.Request.Headers.Authorization) is not { } caller || !endpoints.TryGetValue(caller, out var endpoint))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await Doors.AnswerAsync(context, StatusCodes.Status401Unauthorized, NotAuthenticated);
            return;
        }

        if (!endpoint.Operations.Contains(operation))
        {
            await Doors.AnswerAsync(context, StatusCodes.Status404NotFound, new ApiError("NOT_FOUND", "There is no such operation.", [new FieldError("operation", string.Join(", ", endpoint.Operations), "another")]));
            return;
        }

        if (!context.Request.HasJsonContentType())
        {
            await Doors.AnswerAsync(context, StatusCodes.Status415UnsupportedMediaType, new ApiError("NOT_JSON", "The body must be application/json."));
            return;
        }

        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var reply = await endpoint.HandleAsync(operation, body.GetBuffer().AsMemory(0, (int)body.Length), context.RequestAborted);
        await store.DurableAsync(); // nothing leaves before it is on disk (decisions.md 22)
        using var read = JsonDocument.Parse(reply);
        var failed = read.RootElement.TryGetProperty("error", out var error);
        context.Response.StatusCode = failed ? StatusOf(error.GetProperty("errorCode").GetString()!) : StatusCodes.Status200OK;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync((failed ? error : read.RootElement.GetProperty("value")).GetRawText(), context.RequestAborted);
    }

    private static int StatusOf(string code) => code switch
    {
        Ineligible.NotFound => StatusCodes.Status404NotFound,
        Ineligible.InvalidState => StatusCodes.Status409Conflict,
        Ineligible.TooOften => StatusCodes.Status429TooManyRequests,
        "ISSUER_UNREACHABLE" => StatusCodes.Status503ServiceUnavailable,
        JsonEndpoint.InternalError => StatusCodes.Status500InternalServerError,
        "INVALID_JSON" or Ineligible.MissingField or "CRYPTOGRAPHY_ERROR" => StatusCodes.Status400BadRequest,
        _ when code.StartsWith("INVALID_FIELD", StringComparison.Ordinal) => StatusCodes.Status400BadRequest,
        _ => StatusCodes.Status422UnprocessableEntity,
    };
}
