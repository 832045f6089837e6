using System.Net;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.Web;

/// <summary>What every request passes: whose page it comes from, what the answer may do in a browser, and how an error looks.</summary>
internal static class Doors
{
    /// <summary>Nothing from outside, nothing inline.</summary>
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

    private static readonly Text
        ForeignSays = new("This request does not come from Majia's own page.", "该请求不是来自马甲自己的页面。"),
        BrokenSays = new("Something went wrong inside. Nothing of it was kept.", "内部出错，本次操作未生效。");

    public static void Use(WebApplication app, ILogger log) => app.Use(async (context, next) =>
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
        headers.CacheControl = "no-store";

        if (!IsOurName(context.Request.Host))
        {
            await AnswerAsync(context, StatusCodes.Status421MisdirectedRequest, new ApiError("HOST_NOT_SERVED", "This host name is not served here.", null, ForeignSays));
            return;
        }

        if (!IsOurPage(context.Request))
        {
            await AnswerAsync(context, StatusCodes.Status403Forbidden, new ApiError("FOREIGN_ORIGIN", "State changes are taken from the page's own origin only.", null, ForeignSays));
            return;
        }

        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }
        catch (BadHttpRequestException bad)
        {
            // Its message may quote the input.
            await AnswerAsync(context, bad.StatusCode, new ApiError("INVALID_REQUEST", "The request's address or body is not what this operation takes."));
            return;
        }
        catch (Exception error) when (!context.Response.HasStarted)
        {
            // Type and place only: a message could carry what a log must not hold.
            log.LogError("{Method} {Path} failed: {Type}\n{Place}", context.Request.Method, context.Request.Path, error.GetType().Name, error.StackTrace);
            await AnswerAsync(context, StatusCodes.Status500InternalServerError, new ApiError("INTERNAL", "An unexpected error.", null, BrokenSays));
            return;
        }

        if (context.Response is { HasStarted: false, StatusCode: StatusCodes.Status404NotFound, ContentType: null } && IsForAPerson(context.Request))
        {
            context.SetEndpoint(null);
            context.Request.RouteValues.Clear();
            context.Request.Path = "/not-found";
            context.Response.OnStarting(() =>
            {
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            });
            await next(context);
            return;
        }

        if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null })
        {
            var (code, says) = context.Response.StatusCode switch
            {
                StatusCodes.Status404NotFound => ("NOT_FOUND", "Nothing is at this address."),
                StatusCodes.Status405MethodNotAllowed => ("METHOD_NOT_ALLOWED", "This address takes another method."),
                StatusCodes.Status415UnsupportedMediaType => ("NOT_JSON", "The body must be application/json."),
                _ => ("INVALID_REQUEST", "The request is not one that this address takes."),
            };
            await AnswerAsync(context, context.Response.StatusCode, new ApiError(code, says));
        }
    });

    public static Task AnswerAsync(HttpContext context, int status, ApiError error)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(error, PageJson.Written);
    }

    /// <summary>A person's browser looks for a page; a program gets a code.</summary>
    private static bool IsForAPerson(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && !request.Path.StartsWithSegments("/api", StringComparison.Ordinal)
        && request.Headers.Accept.Any(static accept => accept?.Contains("text/html", StringComparison.OrdinalIgnoreCase) == true);

    /// <summary>A name that somebody else's DNS could point here is not ours; addresses and localhost cannot be pointed.</summary>
    private static bool IsOurName(HostString host) =>
        host.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.Host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || IPAddress.TryParse(host.Host.Trim('[', ']'), out _) || host.Host.Equals(Environment.MachineName, StringComparison.OrdinalIgnoreCase);

    /// <summary>Programs that are no browser send neither header; every browser sends Origin with a state change, and with a socket that it opens.</summary>
    private static bool IsOurPage(HttpRequest request)
    {
        if ((HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)) && request.Headers.Upgrade.Count == 0)
        {
            return true;
        }

        if (request.Headers.TryGetValue("Sec-Fetch-Site", out var site) && site != "same-origin")
        {
            return false;
        }

        return request.Headers.Origin.Count == 0 || string.Equals(request.Headers.Origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase);
    }
}
