using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Majia.Core.Contracts;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Tests;
using Microsoft.Playwright;

namespace Majia.Web;

/// <summary>The owner's site as a program and as a browser meet it.</summary>
public sealed class OwnerApiTests(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    private RunningPage running = null!;

    /// <summary>Sends the cookie that a test names, and no other.</summary>
    private HttpClient http = null!;

    public async ValueTask InitializeAsync()
    {
        running = await RunningPage.StartAsync();
        http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = running.Http.BaseAddress };
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await running.DisposeAsync();
    }

    private static SeedWalletAccount Owner => SeedData.WalletAccounts[0];

    private async Task<HttpResponseMessage> PostAsync(string path, object? body = null, string? cookie = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/owner/{path}") { Content = JsonContent.Create(body ?? new { }) };
        if (cookie is not null)
        {
            request.Headers.Add("Cookie", cookie);
        }

        return await http.SendAsync(request);
    }

    private async Task<JsonNode> GetAsync(string path, string cookie)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/owner/{path}");
        request.Headers.Add("Cookie", cookie);
        using var answer = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage answer)
    {
        using (answer)
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        }
    }

    private async Task<string> SignInAsync(string? account = null, string? password = null)
    {
        using var answer = await PostAsync("sign-in", new { account = account ?? Owner.Account, password = password ?? Owner.Password });
        return Cookie(answer).Split(';')[0];
    }

    private static string Cookie(HttpResponseMessage answer) => Assert.Single(answer.Headers.GetValues("Set-Cookie"));

    [Fact]
    public async Task A_session_is_a_cookie_that_scripts_and_other_sites_cannot_use_and_that_a_sign_in_renews()
    {
        using var first = await PostAsync("sign-in", new { account = Owner.Account, password = Owner.Password });
        var cookie = Cookie(first);
        Assert.StartsWith("majia-owner=", cookie, StringComparison.Ordinal);
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("path=/", cookie, StringComparison.OrdinalIgnoreCase);
        var before = cookie.Split(';')[0];
        Assert.Equal(Owner.Account, (string?)(await GetAsync("me", before))["account"]);

        using var again = await PostAsync("sign-in", new { account = Owner.Account, password = Owner.Password }, before);
        var after = Cookie(again).Split(';')[0];
        Assert.NotEqual(before, after);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync("sign-out", cookie: before)).StatusCode);
        Assert.True((bool)(await ReadAsync(await PostAsync("sign-out", cookie: after)))["ok"]!);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync("sign-out", cookie: after)).StatusCode);

        var wrong = await ReadAsync(await PostAsync("sign-in", new { account = Owner.Account, password = "wrong" }));
        Assert.Equal((false, "WRONG_PASSWORD"), ((bool)wrong["ok"]!, (string?)wrong["reasons"]![0]!["code"]));
    }

    [Fact, Rule("R23")]
    public async Task From_the_site_a_card_is_held_freed_lost_found_and_gone_and_the_phone_hears_of_it_by_itself()
    {
        var phone = running.System.Phones["mi5"];
        Assert.Empty(await phone.SignInAsync(Owner.Account, Owner.Password));
        Assert.Empty(await phone.SetFindDeviceAsync(true));
        await phone.EnrolFingerprintAsync("right thumb");
        var added = await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("mingyue-03")));
        Assert.Equal(EnrolmentStep.Added, added.Step);
        var cookie = await SignInAsync();
        var handset = (await GetAsync("handsets", cookie))[0]!;
        var (device, card) = ((string)handset["deviceId"]!, (string)handset["cards"]![0]!["cardReference"]!);
        Assert.Equal(("Mi 5", added.CardReference, "Active"), ((string?)handset["model"], card, (string?)handset["cards"]![0]!["state"]));

        await DoAsync("suspend", EnrolmentState.Suspended);
        await DoAsync("resume", EnrolmentState.Active);
        Assert.True((bool)(await ReadAsync(await PostAsync($"handsets/{device}/lost", new { on = true }, cookie)))["ok"]!);
        await StateAsync(EnrolmentState.Suspended);
        Assert.True((bool)(await ReadAsync(await PostAsync($"handsets/{device}/lost", new { on = false }, cookie)))["ok"]!);
        await StateAsync(EnrolmentState.Active);
        Assert.True((bool)(await ReadAsync(await PostAsync($"handsets/{device}/payment-off", null, cookie)))["ok"]!);
        await StateAsync(null);
        Assert.Contains(phone.Messages(), message => message.Kind == "LOST");

        async Task DoAsync(string what, EnrolmentState expected)
        {
            Assert.True((bool)(await ReadAsync(await PostAsync($"handsets/{device}/cards/{card}/{what}", null, cookie)))["ok"]!);
            await StateAsync(expected);
        }

        // The push channel brings it; nobody pumps here but the system's own clock.
        async Task StateAsync(EnrolmentState? expected)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            while (phone.State.Card(card)?.State != expected)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), patience.Token);
            }
        }
    }

    /// <summary>Requirement 31: every route of the site, with nobody's session, with another's session, and with its owner's.</summary>
    [Fact]
    public async Task Every_route_refuses_who_is_nobody_and_whose_it_is_not()
    {
        var phone = running.System.Phones["mi5"];
        Assert.Empty(await phone.SignInAsync(Owner.Account, Owner.Password));
        Assert.Empty(await phone.SetFindDeviceAsync(true));
        await phone.EnrolFingerprintAsync("right thumb");
        Assert.Equal(EnrolmentStep.Added, (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("mingyue-03")))).Step);
        var owner = await SignInAsync();
        Assert.True((bool)(await ReadAsync(await PostAsync("register", new { account = "thief@example.com", password = "a good password" })))["ok"]!);
        var thief = await SignInAsync("thief@example.com", "a good password");
        var handset = (await GetAsync("handsets", owner))[0]!;
        var (device, card) = ((string)handset["deviceId"]!, (string)handset["cards"]![0]!["cardReference"]!);

        var routes = running.Routes.Where(route => route.Pattern.StartsWith("/api/owner/", StringComparison.Ordinal)).ToList();
        Assert.True(routes.Count >= 18, $"{routes.Count} routes");
        var ofObjects = 0;
        foreach (var (method, pattern) in routes.OrderBy(route => route.Pattern, StringComparer.Ordinal))
        {
            var isPublic = pattern is "/api/owner/sign-in" or "/api/owner/register" or "/api/owner/passkeys/sign-in" or "/api/owner/passkeys/sign-in-options";
            if (isPublic)
            {
                continue;
            }

            var path = pattern.Replace("{device}", device, StringComparison.Ordinal).Replace("{card}", card, StringComparison.Ordinal);
            Assert.Equal((pattern, HttpStatusCode.Unauthorized), (pattern, await StatusAsync(method, path, null)));
            Assert.Equal((pattern, HttpStatusCode.Unauthorized), (pattern, await StatusAsync(method, path, "majia-owner=" + new string('a', 64))));
            if (pattern.Contains('{', StringComparison.Ordinal))
            {
                ofObjects++;
                Assert.Equal((pattern, HttpStatusCode.NotFound), (pattern, await StatusAsync(method, path, thief)));
                Assert.Equal((pattern, HttpStatusCode.NotFound), (pattern, await StatusAsync(method, path.Replace(device, "no-such-device", StringComparison.Ordinal), owner)));
            }
        }

        Assert.True(ofObjects >= 8, $"{ofObjects} routes with objects");
        Assert.Empty((JsonArray)await GetAsync("handsets", thief));
        Assert.Equal(EnrolmentState.Active, phone.State.Card(card)!.State);
        Assert.Equal("Active", (string?)(await GetAsync("handsets", owner))[0]!["cards"]![0]!["state"]);

        async Task<HttpStatusCode> StatusAsync(string method, string path, string? cookie)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (method != "GET")
            {
                request.Content = JsonContent.Create(path.EndsWith("/lost", StringComparison.Ordinal) ? new { on = true }
                    : path.EndsWith("/name", StringComparison.Ordinal) ? new { name = "x" }
                    : path.EndsWith("/password", StringComparison.Ordinal) ? new { present = "x", next = "yyyyyyyy" }
                    : path.EndsWith("/passkeys/remove", StringComparison.Ordinal) ? new { id = "AAAA" }
                    : path.EndsWith("/passkeys", StringComparison.Ordinal) ? new { ceremony = "x", credential = new { } }
                    : (object)new { });
            }

            if (cookie is not null)
            {
                request.Headers.Add("Cookie", cookie);
            }

            using var answer = await http.SendAsync(request);
            return answer.StatusCode;
        }
    }

    private const string AddPasskey = """
        async () => {
            const post = async (path, body) => (await fetch('/api/owner/' + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}) })).json();
            const begun = await post('passkeys/options');
            const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.options) });
            return JSON.stringify(await post('passkeys', { ceremony: begun.name, credential: made.toJSON(), name: 'laptop' }));
        }
        """;

    private const string SignInByPasskey = """
        async () => {
            const post = async (path, body) => (await fetch('/api/owner/' + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}) })).json();
            const begun = await post('passkeys/sign-in-options');
            const got = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(begun.options) });
            const answer = { ceremony: begun.name, credential: got.toJSON() };
            const first = await post('passkeys/sign-in', answer);
            const replayed = await post('passkeys/sign-in', answer);
            return JSON.stringify({ first, replayed });
        }
        """;

    [Fact]
    public async Task A_passkey_is_added_and_signs_in_once_for_each_challenge()
    {
        await using var window = await browser.OpenAsync(running);
        var devtools = await window.Page.Context.NewCDPSessionAsync(window.Page);
        await devtools.SendAsync("WebAuthn.enable");
        await devtools.SendAsync("WebAuthn.addVirtualAuthenticator", new Dictionary<string, object>
        {
            ["options"] = new Dictionary<string, object>
            {
                ["protocol"] = "ctap2", ["transport"] = "internal", ["hasResidentKey"] = true, ["hasUserVerification"] = true, ["isUserVerified"] = true, ["automaticPresenceSimulation"] = true,
            },
        });
        Assert.Equal("401", await window.Page.EvaluateAsync<string>("async () => String((await fetch('/api/owner/passkeys/options', { method: 'POST' })).status)"));
        await window.Page.EvaluateAsync($"async () => fetch('/api/owner/sign-in', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, body: JSON.stringify({{ account: '{Owner.Account}', password: '{Owner.Password}' }}) }})");
        Assert.Equal("""{"ok":true,"reasons":[]}""", await window.Page.EvaluateAsync<string>(AddPasskey));
        Assert.Equal("laptop", (await running.System.Wallet.Owners.PasskeysAsync(Owner.Account)).Single().Name);
        await window.Page.EvaluateAsync("async () => fetch('/api/owner/sign-out', { method: 'POST' })");
        Assert.Equal("401", await Me());

        var answer = JsonNode.Parse(await window.Page.EvaluateAsync<string>(SignInByPasskey))!;
        Assert.True((bool)answer["first"]!["ok"]!);
        Assert.Equal("PASSKEY_REFUSED", (string?)answer["replayed"]!["reasons"]![0]!["code"]);
        Assert.Equal("200", await Me());

        Task<string> Me() => window.Page.EvaluateAsync<string>("async () => String((await fetch('/api/owner/me')).status)");
    }
}
