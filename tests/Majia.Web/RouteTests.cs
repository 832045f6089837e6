using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Majia.Web;

/// <summary>Every route that a running system maps has somebody who may use it: a route that is in no row of this table fails, and each row's refusals are asked for.</summary>
public sealed class RouteTests : IAsyncLifetime
{
    /// <summary>Who may use a route.</summary>
    private enum Door
    {
        /// <summary>Pages, files and answers about the system itself: no person's or bank's object is behind them.</summary>
        Anyone,

        /// <summary>The counter and the phones on it: whoever sits at this machine holds them in his hands; no other origin.</summary>
        Hands,

        /// <summary>A session of an owner (every object of it: OwnerApiTests.Every_route_refuses_who_is_nobody_and_whose_it_is_not).</summary>
        Owner,

        /// <summary>Where a session begins.</summary>
        SignIn,

        /// <summary>A token requestor's secret (every operation and object: TokenApiTests, OperationsTests).</summary>
        Requestor,

        /// <summary>A bank's customer: signs in there, and says so with every other call (every refusal: BankAppTests).</summary>
        Customer,

        /// <summary>A bank's secret.</summary>
        Bank,
    }

    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    /// <summary>One row a route, by whom it is for. A route that is mapped and has no row fails, and so does a row whose route is gone.</summary>
    private static readonly (Door Door, string[] Routes)[] Table =
    [
        (Door.Anyone,
        [
            "GET /", "GET /api/openapi.json", "GET /api/seed", "GET /favicon.svg", "GET /health/live", "GET /health/ready", "GET /metrics", "GET /not-found", "GET /owner",
            "GET /token-service/", "GET /token-service/v1/openapi.json", "GET /tools", "GET /ui/base.css", "GET /ui/desk.css", "GET /ui/drawer.css", "GET /ui/inter-licence.txt",
            "GET /ui/inter.woff2", "GET /ui/page.css", "GET /ui/story.css", "GET /ui/ui.js",
        ]),
        (Door.Hands,
        [
            "GET /api/events", "GET /api/state", "GET /api/terminals/{id}/slips/{number}", "GET /api/terminals/{id}/slips/{number}/picture.svg", "GET /api/trace", "GET /api/wires",
            "GET /api/trace/export", "GET /api/trace/{sequence:long}", "POST /api/phones/{id}/aeroplane", "POST /api/phones/{id}/cancel", "POST /api/phones/{id}/cards",
            "POST /api/phones/{id}/choose", "POST /api/phones/{id}/code", "POST /api/phones/{id}/delete", "POST /api/phones/{id}/find-device", "POST /api/phones/{id}/finger",
            "POST /api/phones/{id}/fingerprints", "POST /api/phones/{id}/read", "POST /api/phones/{id}/resend", "POST /api/phones/{id}/resume", "POST /api/phones/{id}/sign-in",
            "POST /api/phones/{id}/sign-out", "POST /api/phones/{id}/wrong-finger", "POST /api/terminals/{id}/cancel", "POST /api/terminals/{id}/insert",
            "POST /api/terminals/{id}/pin", "POST /api/terminals/{id}/refund", "POST /api/terminals/{id}/sell", "POST /api/terminals/{id}/settle", "POST /api/terminals/{id}/tap",
            "POST /api/terminals/{id}/tap-card", "POST /api/terminals/{id}/void", "POST /api/wires/{wire}",
            "POST /", "POST /not-found", "POST /owner", "POST /tools", // a page takes forms by the framework's own route; ours has none
        ]),
        (Door.Owner,
        [
            "GET /api/owner/handsets", "GET /api/owner/me", "GET /api/owner/passkeys", "POST /api/owner/handsets/{device}/cards/{card}/delete",
            "POST /api/owner/handsets/{device}/cards/{card}/name", "POST /api/owner/handsets/{device}/cards/{card}/resume", "POST /api/owner/handsets/{device}/cards/{card}/suspend",
            "POST /api/owner/handsets/{device}/find-device-off", "POST /api/owner/handsets/{device}/lost", "POST /api/owner/handsets/{device}/payment-off",
            "POST /api/owner/handsets/{device}/sign-out", "POST /api/owner/passkeys", "POST /api/owner/passkeys/options", "POST /api/owner/passkeys/remove",
            "POST /api/owner/password", "POST /api/owner/sign-out",
        ]),
        (Door.SignIn, ["POST /api/owner/passkeys/sign-in", "POST /api/owner/passkeys/sign-in-options", "POST /api/owner/register", "POST /api/owner/sign-in"]),
        (Door.Requestor, ["POST /token-service/v1/{operation}"]),
        (Door.Customer, ["POST /bank-app/{institution}/{action}"]),
        (Door.Bank, ["POST /hotline/{action}", "POST /token-service/v1/issuer/{operation}"]),
    ];

    /// <summary>What the framework maps for the pages by itself: their own line, and its scripts.</summary>
    private static bool IsThePages(string pattern) => pattern.StartsWith("/_blazor", StringComparison.Ordinal) || pattern.StartsWith("/_framework/", StringComparison.Ordinal);

    private static Door? DoorOf(string method, string pattern) => IsThePages(pattern) ? Door.Hands
        : Table.Where(row => row.Routes.Contains($"{method} {pattern}", StringComparer.Ordinal)).Select(row => (Door?)row.Door).SingleOrDefault();

    [Fact]
    public void Every_route_has_its_row_and_every_row_its_route()
    {
        var routes = running.Routes.Where(route => !IsThePages(route.Pattern)).Select(route => $"{route.Method} {route.Pattern}").Distinct().ToList();
        Assert.Equal(routes.Order(StringComparer.Ordinal), Table.SelectMany(row => row.Routes).Order(StringComparer.Ordinal));
    }

    /// <summary>Nobody, a made-up secret, an owner's made-up session and every other kind of caller: refused before anything is looked at.</summary>
    [Fact]
    public async Task Every_route_behind_a_secret_refuses_whoever_does_not_have_it()
    {
        var requestor = Secret("99900000001");
        var bank = Secret("63990100");
        var asked = 0;
        foreach (var (method, pattern) in running.Routes.Distinct())
        {
            if (DoorOf(method, pattern) is not ((Door.Owner or Door.Requestor or Door.Bank) and var door))
            {
                continue;
            }

            var path = pattern.Replace("{operation}", "suspend", StringComparison.Ordinal).Replace("{action}", "report-lost", StringComparison.Ordinal).Replace("{device}", "any", StringComparison.Ordinal).Replace("{card}", "any", StringComparison.Ordinal);
            string?[] wrong = [null, new string('0', 64), .. door switch { Door.Requestor => (string[])[bank], Door.Bank => [requestor], _ => [bank, requestor] }];
            foreach (var secret in wrong)
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), path);
                if (method != "GET")
                {
                    request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
                }

                if (secret is not null)
                {
                    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", secret);
                    request.Headers.Add("Cookie", $"majia-owner={secret}");
                }

                using var answer = await running.Http.SendAsync(request);
                // A body that is none is refused at the door of the owner's site, before the session is looked at: nothing is done either way.
                Assert.True(answer.StatusCode == HttpStatusCode.Unauthorized || (door == Door.Owner && answer.StatusCode == HttpStatusCode.BadRequest), $"{method} {pattern}: {answer.StatusCode}");
                asked++;
            }
        }

        Assert.True(asked > 60, $"{asked}");
    }

    /// <summary>What is held in somebody's hands is nobody's from another origin.</summary>
    [Fact]
    public async Task Every_route_that_changes_something_refuses_another_origin()
    {
        var asked = 0;
        foreach (var (method, pattern) in running.Routes.Distinct().Where(route => route.Method is "POST" or "PUT" or "DELETE" && DoorOf(route.Method, route.Pattern) is Door.Hands or Door.Owner or Door.SignIn or Door.Customer))
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), pattern.Replace("{id}", "mi5", StringComparison.Ordinal).Replace("{institution}", "63990100", StringComparison.Ordinal).Replace("{action}", "confirm", StringComparison.Ordinal).Replace("{device}", "any", StringComparison.Ordinal).Replace("{card}", "any", StringComparison.Ordinal))
            {
                Content = new StringContent("{}", Encoding.UTF8, "application/json"),
            };
            request.Headers.Add("Origin", "https://elsewhere.example");
            request.Headers.Add("Sec-Fetch-Site", "cross-site");
            using var answer = await running.Http.SendAsync(request);
            Assert.True(answer.StatusCode == HttpStatusCode.Forbidden, $"{method} {pattern}: {answer.StatusCode}");
            asked++;
        }

        Assert.True(asked > 30, $"{asked}");
    }

    private string Secret(string caller) => File.ReadAllText(Path.Combine(running.Folder, "keys", $"api-{caller}.secret"));
}
