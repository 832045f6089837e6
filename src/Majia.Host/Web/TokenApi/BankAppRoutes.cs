using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Issuer;
using Majia.Storage;

namespace Majia.Host.Web.TokenApi;

/// <summary>The banks' own apps over HTTP: <c>POST /bank-app/{institution}/{action}</c>. Signing in gives a session, which every other call brings along; another customer's card is not found.</summary>
internal sealed class BankAppRoutes(IReadOnlyDictionary<string, IJsonLink> apps, Store store)
{
    private static readonly ApiError
        NotFound = new("NOT_FOUND", "There is no such bank or action.", [new FieldError("action", string.Join(", ", BankApp.Actions), "another")], new("There is no such bank or action.", "没有该银行或该操作。")),
        Malformed = new("INVALID_JSON", "The body is not what this action takes.", null, new("The body is not what this action takes.", "请求内容格式有误。")),
        Away = new("UNREACHABLE", "The bank cannot be reached.", null, new("The bank cannot be reached.", "无法连接该银行。"));

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost("/bank-app/{institution}/{action}", AnswerAsync);

    private async Task AnswerAsync(HttpContext context, string institution, string action)
    {
        if (!apps.TryGetValue(institution, out var bank) || !BankApp.Actions.Contains(action))
        {
            await Doors.AnswerAsync(context, StatusCodes.Status404NotFound, NotFound);
            return;
        }

        try
        {
            await (action switch
            {
                "sign-in" => AskAsync<AppSignIn, AppSession>(context, bank, action),
                "waiting" => AskAsync<AppWaitingRequest, AppWaitingReply>(context, bank, action),
                "confirm" => AskAsync<AppConfirm, AppDone>(context, bank, action),
                "limits" => AskAsync<AppLimitsRequest, LimitHistoryReply>(context, bank, action),
                "refuse" => AskAsync<AppRefuse, AppDone>(context, bank, action),
                _ => AskAsync<AppLimit, AppDone>(context, bank, action),
            });
        }
        catch (JsonException)
        {
            await Doors.AnswerAsync(context, StatusCodes.Status400BadRequest, Malformed);
        }
        catch (PartyUnreachableException)
        {
            await Doors.AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, Away);
        }
    }

    private async Task AskAsync<TRequest, TReply>(HttpContext context, IJsonLink bank, string action)
        where TRequest : class
        where TReply : class
    {
        var request = await JsonSerializer.DeserializeAsync<TRequest>(context.Request.Body, JsonEndpoint.Json, context.RequestAborted) ?? throw new JsonException();
        var reply = await bank.CallAsync<TRequest, TReply>(action, request, context.RequestAborted);
        await store.DurableAsync(); // nothing leaves before it is on disk (decisions.md 22)
        if (reply.Error is { } error)
        {
            await Doors.AnswerAsync(context, error.ErrorCode switch
            {
                BankApp.NotSignedIn or "WRONG_PASSWORD" => StatusCodes.Status401Unauthorized,
                "LOCKED" => StatusCodes.Status429TooManyRequests,
                Ineligible.NotFound => StatusCodes.Status404NotFound,
                "UNREACHABLE" => StatusCodes.Status503ServiceUnavailable,
                JsonEndpoint.InternalError => StatusCodes.Status500InternalServerError,
                _ when error.ErrorCode.StartsWith("INVALID_", StringComparison.Ordinal) => StatusCodes.Status400BadRequest,
                _ => StatusCodes.Status409Conflict,
            }, error);
            return;
        }

        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(JsonSerializer.Serialize(reply.Value, JsonEndpoint.Json), context.RequestAborted);
    }
}
