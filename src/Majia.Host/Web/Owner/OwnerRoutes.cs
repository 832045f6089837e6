using System.Buffers.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.Wallet;

namespace Majia.Host.Web.Owner;

/// <summary>
/// The owner's site as JSON, under <c>/api/owner</c>: sign-in by password or passkey, then the account's handsets and cards. A refusal is an answer
/// (200, <c>ok</c> false, its reasons); without a session it is 401; another account's handset, card or passkey is 404.
/// </summary>
internal sealed class OwnerRoutes(WalletParty wallet, Store store, OwnerPasskeys passkeys, Action changed)
{
    private sealed record SignIn(string Account, string Password)
    {
        public override string ToString() => nameof(SignIn);
    }

    private sealed record NewPassword(string Present, string Next)
    {
        public override string ToString() => nameof(NewPassword);
    }

    private sealed record Switch(bool On);

    private sealed record Nickname(string Name);

    private sealed record PasskeyAnswer(string Ceremony, JsonElement Credential, string? Name);

    private sealed record PasskeyId(string Id);

    private sealed record Said(bool Ok, IReadOnlyList<Refusal> Reasons)
    {
        public static readonly Said Yes = new(true, []);

        public static Said Of(Refusal? why) => why is null ? Yes : new(false, [why]);
    }

    private static readonly ApiError NotSignedIn = new("NOT_SIGNED_IN", "Sign in first.", null, new Text("Sign in first.", "请先登录。"));

    private static readonly Refusal PasskeyRefused = new("PASSKEY_REFUSED", new("This passkey was not accepted. Try again.", "通行密钥未通过验证，请重试。"));

    /// <summary>Over TLS the name binds the cookie to this host and path; a plain name is for localhost alone.</summary>
    private static string CookieName(HttpContext context) => context.Request.IsHttps ? "__Host-majia-owner" : "majia-owner";

    public void Map(RouteGroupBuilder api)
    {
        var routes = api.MapGroup("/owner");
        routes.MapPost("/register", async (HttpContext context, SignIn body) =>
        {
            if (await wallet.Owners.RegisterAsync(body.Account, body.Password) is { } why)
            {
                return Answer(Said.Of(why));
            }

            return await OpenedAsync(context, body.Account.Trim());
        });
        routes.MapPost("/sign-in", async (HttpContext context, SignIn body) =>
        {
            var signedIn = await wallet.Owners.SignInAsync(body.Account, body.Password, context.Request.Cookies[CookieName(context)]);
            await store.DurableAsync();
            if (signedIn.Session is { } session)
            {
                SetCookie(context, session);
            }

            return Answer(Said.Of(signedIn.Why));
        });
        routes.MapPost("/passkeys/sign-in-options", (Delegate)(async (HttpContext context) => await DurableAsync(await passkeys.BeginSignInAsync(context))));
        routes.MapPost("/passkeys/sign-in", async (HttpContext context, PasskeyAnswer body) =>
            await passkeys.SignInAsync(body.Ceremony, body.Credential, context) is { } account ? await OpenedAsync(context, account) : Answer(Said.Of(PasskeyRefused)));

        SignedIn(routes, HttpMethods.Get, "/me", async (_, account) => Answer(new { account, passkeys = (await wallet.Owners.PasskeysAsync(account)).Count }));
        SignedIn(routes, HttpMethods.Post, "/sign-out", async (context, _) =>
        {
            await wallet.Owners.EndSessionAsync(context.Request.Cookies[CookieName(context)]!);
            context.Response.Cookies.Delete(CookieName(context), Cookie(context));
            return Answer(Said.Yes);
        });
        SignedIn<NewPassword>(routes, "/password", async (context, account, body) =>
            Answer(Said.Of(await wallet.Owners.ChangePasswordAsync(account, body.Present, body.Next, context.Request.Cookies[CookieName(context)]!))));
        SignedIn(routes, HttpMethods.Get, "/passkeys", async (_, account) =>
            Answer((await wallet.Owners.PasskeysAsync(account)).Select(each => new { id = Base64Url.EncodeToString(each.CredentialId), each.Name, each.CreatedAt })));
        SignedIn(routes, HttpMethods.Post, "/passkeys/options", async (context, account) => Answer(await passkeys.BeginAddingAsync(account, context)));
        SignedIn<PasskeyAnswer>(routes, "/passkeys", async (context, account, body) =>
            Answer(Said.Of(await passkeys.AddAsync(account, body.Ceremony, body.Credential, body.Name ?? "", context) ? null : PasskeyRefused)));
        SignedIn<PasskeyId>(routes, "/passkeys/remove", async (_, account, body) =>
            Base64Url.IsValid(body.Id) && await wallet.Owners.RemovePasskeyAsync(account, Base64Url.DecodeFromChars(body.Id)) ? Answer(Said.Yes) : Results.NotFound());

        SignedIn(routes, HttpMethods.Get, "/handsets", async (_, account) => Answer(await wallet.HandsetsOfAsync(account)));
        Handset(routes, "payment-off", wallet.PaymentOffAsync);
        Handset(routes, "sign-out", wallet.RemoteSignOutAsync);
        Handset(routes, "find-device-off", wallet.RemoteFindDeviceOffAsync);
        SignedIn<Switch>(routes, "/handsets/{device}/lost", async (context, account, body) =>
            Outcome(await wallet.SetLostModeAsync(account, Route(context, "device"), body.On, context.RequestAborted)));
        Card(routes, "suspend", WalletToken.Operations.Suspend);
        Card(routes, "resume", WalletToken.Operations.Unsuspend);
        Card(routes, "delete", WalletToken.Operations.Delete);
        SignedIn<Nickname>(routes, "/handsets/{device}/cards/{card}/name", async (context, account, body) =>
            Outcome(await wallet.NameCardAsync(account, Route(context, "device"), Route(context, "card"), body.Name)));
    }

    private void Handset(RouteGroupBuilder routes, string name, Func<string, string, CancellationToken, Task<ApiError?>> act) =>
        SignedIn(routes, HttpMethods.Post, $"/handsets/{{device}}/{name}", async (context, account) => Outcome(await act(account, Route(context, "device"), context.RequestAborted)));

    private void Card(RouteGroupBuilder routes, string name, string operation) =>
        SignedIn(routes, HttpMethods.Post, $"/handsets/{{device}}/cards/{{card}}/{name}", async (context, account) =>
            Outcome(await wallet.ChangeCardAsync(account, Route(context, "device"), Route(context, "card"), operation, context.RequestAborted)));

    private void SignedIn(RouteGroupBuilder routes, string method, string pattern, Func<HttpContext, string, Task<IResult>> act) =>
        routes.MapMethods(pattern, [method], (Delegate)(async (HttpContext context) => await ActAsync(context, account => act(context, account))));

    private void SignedIn<T>(RouteGroupBuilder routes, string pattern, Func<HttpContext, string, T, Task<IResult>> act) =>
        routes.MapPost(pattern, async (HttpContext context, T body) => await ActAsync(context, account => act(context, account, body)));

    /// <summary>Who is signed in, then the act; nothing leaves before it is on disk.</summary>
    private async Task<IResult> ActAsync(HttpContext context, Func<string, Task<IResult>> act)
    {
        var session = context.Request.Cookies[CookieName(context)];
        if (await wallet.Owners.AccountOfAsync(session) is not { } account)
        {
            return Results.Json(NotSignedIn, PageJson.Written, statusCode: StatusCodes.Status401Unauthorized);
        }

        var result = await act(account);
        await store.DurableAsync();
        if (!HttpMethods.IsGet(context.Request.Method))
        {
            changed();
        }

        return result;
    }

    private async Task<IResult> OpenedAsync(HttpContext context, string account)
    {
        var session = await wallet.Owners.OpenSessionAsync(account, context.Request.Cookies[CookieName(context)]);
        await store.DurableAsync();
        SetCookie(context, session);
        return Answer(Said.Yes);
    }

    private async Task<IResult> DurableAsync<T>(T value)
    {
        await store.DurableAsync();
        return Answer(value);
    }

    private static void SetCookie(HttpContext context, string session) => context.Response.Cookies.Append(CookieName(context), session, Cookie(context));

    private static CookieOptions Cookie(HttpContext context) => new() { HttpOnly = true, Secure = context.Request.IsHttps, SameSite = SameSiteMode.Strict, Path = "/", IsEssential = true };

    private static string Route(HttpContext context, string name) => (string)context.Request.RouteValues[name]!;

    private static IResult Outcome(ApiError? error) => error switch
    {
        null => Answer(Said.Yes),
        { ErrorCode: Ineligible.NotFound } => Results.Json(error, PageJson.Written, statusCode: StatusCodes.Status404NotFound),
        _ => Answer(new Said(false, [new Refusal(error.ErrorCode, error.Why ?? new Text(error.ErrorDescription, error.ErrorDescription))])),
    };

    private static IResult Answer<T>(T value) => Results.Json(value, PageJson.Written);
}
