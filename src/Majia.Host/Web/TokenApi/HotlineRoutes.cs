using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Issuer;
using Majia.Storage;

namespace Majia.Host.Web.TokenApi;

/// <summary>The banks' hotlines over HTTP: <c>POST /hotline/{action}</c> with the bank's own secret, which says whose hotline it is; an agent signs in with his own, and the session goes with every other call. A bank that runs elsewhere is reached over its desk's line.</summary>
internal sealed class HotlineRoutes(IReadOnlyDictionary<string, IJsonLink> hotlines, ApiSecrets secrets, Store store)
{
    public const string Path = "/hotline";

    private static readonly ApiError
        NotAuthenticated = new("NOT_AUTHENTICATED", "Say which bank you are: Authorization: Bearer SECRET.", null, new("This caller is no bank's hotline.", "未识别调用方。")),
        Away = new("UNREACHABLE", "The bank cannot be reached.", null, new("The bank cannot be reached.", "无法连接该银行。"));

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost($"{Path}/{{action}}", AnswerAsync);

    private async Task AnswerAsync(HttpContext context, string action)
    {
        if (secrets.CallerOf(context.Request.Headers.Authorization) is not { } caller || !hotlines.TryGetValue(caller, out var bank))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await Doors.AnswerAsync(context, StatusCodes.Status401Unauthorized, NotAuthenticated);
            return;
        }

        if (action is not ("history" or "limits" or "sign-in") && !Hotline.Actions.Contains(action))
        {
            await Doors.AnswerAsync(context, StatusCodes.Status404NotFound, new ApiError("NOT_FOUND", "There is no such action.", [new FieldError("action", string.Join(", ", [.. Hotline.Actions, "history", "limits", "sign-in"]), "another")]));
            return;
        }

        try
        {
            if (action == "sign-in")
            {
                await SayAsync(context, await bank.CallAsync<AgentSignIn, AgentSession>(action, await ReadAsync<AgentSignIn>(context), context.RequestAborted));
            }
            else if (action == "limits")
            {
                await SayAsync(context, await bank.CallAsync<HotlineHistoryRequest, LimitHistoryReply>(action, await ReadAsync<HotlineHistoryRequest>(context), context.RequestAborted));
            }
            else if (action == "history")
            {
                await SayAsync(context, await bank.CallAsync<HotlineHistoryRequest, HotlineHistory>(action, await ReadAsync<HotlineHistoryRequest>(context), context.RequestAborted));
            }
            else
            {
                await SayAsync(context, await bank.CallAsync<HotlineRequest, HotlineReply>(action, await ReadAsync<HotlineRequest>(context), context.RequestAborted));
            }
        }
        catch (JsonException)
        {
            await Doors.AnswerAsync(context, StatusCodes.Status400BadRequest, new ApiError("INVALID_JSON", "The body is not what this action takes: session, reason, card, and device or comment where wanted; for sign-in agent and secret.", null, new("The body is not what this action takes.", "请求内容格式有误。")));
        }
        catch (PartyUnreachableException)
        {
            await Doors.AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, Away);
        }
    }

    private static async Task<T> ReadAsync<T>(HttpContext context)
        where T : class =>
        await JsonSerializer.DeserializeAsync<T>(context.Request.Body, JsonEndpoint.Json, context.RequestAborted) ?? throw new JsonException();

    private async Task SayAsync<T>(HttpContext context, ApiReply<T> reply)
        where T : notnull
    {
        await store.DurableAsync(); // nothing leaves before it is on disk (decisions.md 22)
        if (reply.Error is { } error)
        {
            await Doors.AnswerAsync(context, error.ErrorCode switch
            {
                HotlineErrors.NotSignedIn or HotlineErrors.WrongSecret => StatusCodes.Status401Unauthorized,
                HotlineErrors.TestAgent => StatusCodes.Status403Forbidden,
                HotlineErrors.Locked => StatusCodes.Status429TooManyRequests,
                Ineligible.NotFound => StatusCodes.Status404NotFound,
                "UNREACHABLE" => StatusCodes.Status503ServiceUnavailable,
                JsonEndpoint.InternalError => StatusCodes.Status500InternalServerError,
                _ when error.ErrorCode.StartsWith("INVALID_FIELD", StringComparison.Ordinal) => StatusCodes.Status400BadRequest,
                _ => StatusCodes.Status409Conflict,
            }, error);
            return;
        }

        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(JsonSerializer.Serialize(reply.Value, JsonEndpoint.Json), context.RequestAborted);
    }
}
