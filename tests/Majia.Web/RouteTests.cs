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

    private static Door? DoorOf(string method, string pattern) => pattern switch
    {
        "/api/owner/sign-in" or "/api/owner/register" or "/api/owner/passkeys/sign-in" or "/api/owner/passkeys/sign-in-options" => Door.SignIn,
        _ when pattern.StartsWith("/api/owner/", StringComparison.Ordinal) => Door.Owner,
        "/token-service/v1/openapi.json" or "/token-service/" => Door.Anyone,
        "/token-service/v1/{operation}" => Door.Requestor,
        "/token-service/v1/issuer/{operation}" or "/hotline/{action}" => Door.Bank,
        "/bank-app/{institution}/{action}" => Door.Customer,
        _ when pattern.StartsWith("/api/phones/{id}", StringComparison.Ordinal) || pattern.StartsWith("/api/terminals/{id}", StringComparison.Ordinal) => Door.Hands,
        "/api/wires" or "/api/wires/{wire}" => Door.Hands,
        "/api/state" or "/api/events" or "/api/trace" or "/api/trace/export" or "/api/trace/{sequence:long}" => Door.Hands,
        _ when method == "GET" && !pattern.StartsWith("/api/", StringComparison.Ordinal) && !pattern.StartsWith("/token-service/", StringComparison.Ordinal) && !pattern.StartsWith("/hotline", StringComparison.Ordinal) => Door.Anyone,
        "/api/seed" or "/api/openapi.json" => Door.Anyone,
        "/" or "/not-found" or "/tools" or "/owner" => Door.Hands, // a page takes forms by the framework's own route; ours has none
        _ when pattern.StartsWith("/_blazor", StringComparison.Ordinal) || pattern.StartsWith("/_framework", StringComparison.Ordinal) => Door.Hands, // the pages' own line
        _ => null,
    };

    [Fact]
    public void Every_route_has_its_row()
    {
        var routes = running.Routes.Distinct().ToList();
        Assert.Empty(routes.Where(route => DoorOf(route.Method, route.Pattern) is null).Select(route => $"{route.Method} {route.Pattern}"));
        foreach (var door in Enum.GetValues<Door>())
        {
            Assert.Contains(routes, route => DoorOf(route.Method, route.Pattern) == door);
        }
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
