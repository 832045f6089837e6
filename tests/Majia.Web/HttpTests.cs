using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Majia.Host.Seed;
using Majia.Tests;

namespace Majia.Web;

/// <summary>The API as programs meet it, and what it lets nobody else's page do.</summary>
public sealed class HttpTests : IAsyncLifetime
{
    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    [Fact]
    public async Task A_foreign_page_may_change_nothing()
    {
        foreach (var (header, value) in ((string, string)[])[("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site")])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/phones/mi5/aeroplane") { Content = JsonContent.Create(new { on = true }) };
            request.Headers.Add(header, value);
            using var answer = await running.Http.SendAsync(request);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            Assert.Equal("FOREIGN_ORIGIN", await CodeOfAsync(answer));
            Assert.False(running.System.Phones["mi5"].AeroplaneMode);
        }

        using var own = new HttpRequestMessage(HttpMethod.Post, "/api/phones/mi5/aeroplane") { Content = JsonContent.Create(new { on = true }) };
        own.Headers.Add("Origin", running.Address);
        own.Headers.Add("Sec-Fetch-Site", "same-origin");
        using var taken = await running.Http.SendAsync(own);
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
        Assert.True(running.System.Phones["mi5"].AeroplaneMode);
    }

    [Fact]
    public async Task A_foreign_page_opens_no_live_line()
    {
        foreach (var (origin, accepted) in ((string, bool)[])[("http://evil.example", false), (running.Address, true)])
        {
            using var line = new System.Net.WebSockets.ClientWebSocket();
            line.Options.SetRequestHeader("Origin", origin);
            var opening = line.ConnectAsync(new Uri(running.Address.Replace("http", "ws", StringComparison.Ordinal) + "/_blazor"), TestContext.Current.CancellationToken);
            if (accepted)
            {
                await opening;
                Assert.Equal(System.Net.WebSockets.WebSocketState.Open, line.State);
            }
            else
            {
                await Assert.ThrowsAsync<System.Net.WebSockets.WebSocketException>(() => opening);
            }
        }
    }

    [Fact]
    public async Task A_name_that_somebody_else_points_here_is_not_served()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/seed");
        request.Headers.Host = "rebound.example";
        using var answer = await running.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.MisdirectedRequest, answer.StatusCode);
        Assert.Equal("HOST_NOT_SERVED", await CodeOfAsync(answer));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/ui/ui.js")]
    [InlineData("/_framework/blazor.web.js")]
    [InlineData("/api/seed")]
    [InlineData("/api/nothing-here")]
    public async Task Every_answer_carries_the_headers_of_a_careful_page(string address)
    {
        using var answer = await running.Http.GetAsync(address);
        var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-referrer", Assert.Single(answer.Headers.GetValues("Referrer-Policy")));
        Assert.False(answer.Headers.Contains("Server"));
    }

    [Fact]
    public async Task Errors_are_codes_with_sentences()
    {
        async Task Expect(HttpStatusCode status, string code, Task<HttpResponseMessage> asked)
        {
            using var answer = await asked;
            Assert.Equal(status, answer.StatusCode);
            Assert.Equal(code, await CodeOfAsync(answer));
        }

        await Expect(HttpStatusCode.NotFound, "NOT_FOUND", running.Http.GetAsync("/api/nothing-here"));
        await Expect(HttpStatusCode.NotFound, "NOT_FOUND", running.Http.GetAsync("/api/state?phone=none&terminal=10000001"));
        await Expect(HttpStatusCode.BadRequest, "INVALID_REQUEST", running.Http.GetAsync("/api/state"));
        await Expect(HttpStatusCode.MethodNotAllowed, "METHOD_NOT_ALLOWED", running.Http.GetAsync("/api/terminals/10000001/sell"));
        await Expect(HttpStatusCode.NotFound, "NOT_FOUND", PostAsync("/api/phones/none/finger", new { }));
        await Expect(HttpStatusCode.BadRequest, "INVALID_REQUEST", PostAsync("/api/phones/mi5/aeroplane", new { on = true, surprise = 1 }));
        await Expect(HttpStatusCode.BadRequest, "INVALID_AMOUNT", PostAsync("/api/terminals/10000001/sell", new { amount = "12,50" }));
        await Expect(HttpStatusCode.BadRequest, "INVALID_AMOUNT", PostAsync("/api/terminals/10000001/sell", new { amount = "0" }));
        await Expect(HttpStatusCode.Conflict, "FIELD_OFF", PostAsync("/api/terminals/10000001/tap", new { phone = "mi5" }));
        await Expect(HttpStatusCode.Conflict, "PIN_NOT_ASKED", PostAsync("/api/terminals/10000001/pin", new { request = 1, pin = "123456" }));
        await Expect(HttpStatusCode.BadRequest, "INVALID_JSON", PostAsync("/api/terminals/10000001/pin", new { pin = "123456" }));
        await Expect(HttpStatusCode.NotFound, "NO_SLIP", running.Http.GetAsync("/api/terminals/10000001/slips/000001"));
    }

    [Fact]
    public async Task One_sale_at_a_time_and_the_cancel_key_ends_it()
    {
        using (var first = await PostAsync("/api/terminals/10000001/sell", new { amount = "1.00" }))
        {
            Assert.Equal(HttpStatusCode.Accepted, first.StatusCode);
        }

        using (var second = await PostAsync("/api/terminals/10000001/sell", new { amount = "2.00" }))
        {
            Assert.Equal(HttpStatusCode.Conflict, second.StatusCode);
            Assert.Equal("TERMINAL_BUSY", await CodeOfAsync(second));
        }

        // Changes are told, so the end of it needs no waiting by the clock.
        using var events = new StreamReader(await running.Http.GetStreamAsync("/api/events"));
        using (await PostAsync("/api/terminals/10000001/cancel", new { }))
        {
        }

        JsonElement counter;
        do
        {
            while (await events.ReadLineAsync() is { } line && line != "event: change")
            {
            }

            counter = (await running.Http.GetFromJsonAsync<JsonElement>("/api/state?phone=mi5&terminal=10000001")).GetProperty("counter");
        }
        while (counter.GetProperty("busy").GetBoolean());
        Assert.Equal("Cancelled", counter.GetProperty("result").GetProperty("outcome").GetString());
    }

    [Fact]
    [Rule("R5")]
    public async Task A_plastic_at_the_phones_back_is_read_masked_and_added()
    {
        async Task<JsonElement> SaidAsync(string address, object body)
        {
            using var answer = await PostAsync(address, body);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return await answer.Content.ReadFromJsonAsync<JsonElement>();
        }

        var read = await SaidAsync("/api/phones/mi5/read", new { card = "beishan-02" });
        Assert.Equal((SeedData.Card("beishan-02").Pan.Masked, "3012"), (read.GetProperty("number").GetString(), read.GetProperty("expiry").GetString()));
        Assert.Equal("NO_CHIP", (await SaidAsync("/api/phones/mi5/read", new { card = "mingyue-15" })).GetProperty("reasons")[0].GetProperty("code").GetString());
        Assert.Equal("NO_SUCH_TEST_CARD", (await SaidAsync("/api/phones/mi5/read", new { card = "none" })).GetProperty("reasons")[0].GetProperty("code").GetString());

        await SaidAsync("/api/phones/mi5/sign-in", SeedData.WalletAccounts[1] is var account ? new { account = account.Account, password = account.Password } : null!);
        await SaidAsync("/api/phones/mi5/find-device", new { on = true });
        await SaidAsync("/api/phones/mi5/fingerprints", new { on = true });
        Assert.Equal("Added", (await SaidAsync("/api/phones/mi5/cards", new { card = "beishan-02", atTheBack = true })).GetProperty("step").GetString());
        Assert.Single(running.System.Phones["mi5"].State.Cards);
    }

    [Fact]
    [Rule("R12")]
    [Rule("R15")]
    public async Task A_plastic_is_held_to_the_terminal_or_put_into_its_slot()
    {
        using var events = new StreamReader(await running.Http.GetStreamAsync("/api/events"));
        async Task<JsonElement> UntilAsync(Func<JsonElement, bool> seen)
        {
            while (true)
            {
                var counter = (await running.Http.GetFromJsonAsync<JsonElement>("/api/state?phone=mi5&terminal=10000001")).GetProperty("counter");
                if (seen(counter))
                {
                    return counter;
                }

                while (await events.ReadLineAsync() is { } line && line != "event: change")
                {
                }
            }
        }

        async Task ExpectAsync(HttpStatusCode status, string address, object body)
        {
            using var answer = await PostAsync("/api/terminals/10000001" + address, body);
            Assert.Equal(status, answer.StatusCode);
        }

        await ExpectAsync(HttpStatusCode.Conflict, "/tap-card", new { card = "beishan-01" }); // nobody waits for a card
        await ExpectAsync(HttpStatusCode.Accepted, "/sell", new { amount = "88.00" });
        await UntilAsync(counter => counter.GetProperty("shown").GetArrayLength() > 0);
        await ExpectAsync(HttpStatusCode.NotFound, "/tap-card", new { card = "none" });
        await ExpectAsync(HttpStatusCode.Accepted, "/tap-card", new { card = "mingyue-14" }); // no antenna: the terminal goes on waiting
        await ExpectAsync(HttpStatusCode.Accepted, "/tap-card", new { card = "beishan-01" });
        var tapped = (await UntilAsync(counter => !counter.GetProperty("busy").GetBoolean())).GetProperty("result");
        Assert.Equal(("Approved", SeedData.Card("beishan-01").Pan.LastFour), (tapped.GetProperty("outcome").GetString(), tapped.GetProperty("lastFour").GetString()));

        await ExpectAsync(HttpStatusCode.BadRequest, "/insert", new { amount = "0", card = "mingyue-14" });
        await ExpectAsync(HttpStatusCode.Accepted, "/insert", new { amount = "12.00", card = "mingyue-14" });
        var pin = (await UntilAsync(counter => counter.TryGetProperty("pin", out var asked) && asked.ValueKind == JsonValueKind.Object)).GetProperty("pin").GetProperty("request").GetInt32();
        await ExpectAsync(HttpStatusCode.Accepted, "/pin", new { request = pin, pin = SeedData.TestPin });
        var inserted = (await UntilAsync(counter => !counter.GetProperty("busy").GetBoolean())).GetProperty("result");
        Assert.Equal(("Approved", "online-pin"), (inserted.GetProperty("outcome").GetString(), inserted.GetProperty("cvm").GetString()));
    }

    [Fact]
    [Rule("R20")]
    public async Task A_batch_is_settled_and_a_settled_sale_refunded_in_parts()
    {
        await running.WithCardAsync("mingyue-03");
        using var events = new StreamReader(await running.Http.GetStreamAsync("/api/events"));
        async Task<JsonElement> ResultAsync()
        {
            while (true)
            {
                var counter = (await running.Http.GetFromJsonAsync<JsonElement>("/api/state?phone=mi5&terminal=10000001")).GetProperty("counter");
                if (!counter.GetProperty("busy").GetBoolean() && counter.TryGetProperty("result", out var result) && result.ValueKind == JsonValueKind.Object)
                {
                    return result;
                }

                while (await events.ReadLineAsync() is { } line && line != "event: change")
                {
                }
            }
        }

        async Task<JsonElement> SettleAsync()
        {
            using var answer = await PostAsync("/api/terminals/10000001/settle", new { });
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return await answer.Content.ReadFromJsonAsync<JsonElement>();
        }

        async Task<string?> RefundAsync(object body)
        {
            using var answer = await PostAsync("/api/terminals/10000001/refund", body);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            return (await ResultAsync()).GetProperty("outcome").GetString();
        }

        var nothing = await SettleAsync();
        Assert.Equal(("Empty", false), (nothing.GetProperty("outcome").GetString(), nothing.GetProperty("closed").GetBoolean()));

        // A sale by the phone, through the API alone.
        using (await PostAsync("/api/phones/mi5/choose", new { running.System.Phones["mi5"].State.Cards[0].CardReference }))
        using (await PostAsync("/api/phones/mi5/finger", new { }))
        using (await PostAsync("/api/terminals/10000001/sell", new { amount = "88.00" }))
        using (var tap = await PostAsync("/api/terminals/10000001/tap", new { phone = "mi5" }))
        {
            Assert.Equal(HttpStatusCode.Accepted, tap.StatusCode);
        }

        var sale = await ResultAsync();
        Assert.Equal("Approved", sale.GetProperty("outcome").GetString());
        var rrn = sale.GetProperty("rrn").GetString();
        Assert.Equal("Refused", await RefundAsync(new { rrn })); // not settled yet: it is voided
        var settled = await SettleAsync();
        Assert.Equal(("Balanced", "000001", "88.00", 1, "88.00"), (settled.GetProperty("outcome").GetString(), settled.GetProperty("batch").GetString(), settled.GetProperty("sold").GetString(), settled.GetProperty("sales").GetInt32(), settled.GetProperty("net").GetString()));
        Assert.Contains("结算", settled.GetProperty("slip").GetString(), StringComparison.Ordinal);

        Assert.Equal("Refunded", await RefundAsync(new { rrn, amount = "30.00" }));
        Assert.Equal("Refused", await RefundAsync(new { rrn, amount = "60.00" })); // 58.00 is left
        Assert.Equal("Refunded", await RefundAsync(new { rrn }));
        Assert.Equal("Refused", await RefundAsync(new { rrn }));
        using (var wrong = await PostAsync("/api/terminals/10000001/refund", new { rrn, amount = "x" }))
        {
            Assert.Equal((HttpStatusCode.BadRequest, "INVALID_AMOUNT"), (wrong.StatusCode, await CodeOfAsync(wrong)));
        }

        using var unknown = await PostAsync("/api/terminals/none/settle", new { });
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task The_description_names_every_operation_with_its_body_and_says_what_it_does()
    {
        using var answer = await running.Http.GetAsync("/api/openapi.json");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var document = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.StartsWith("3.1", document.GetProperty("openapi").GetString(), StringComparison.Ordinal);
        Assert.Equal("/token-service/v1/openapi.json", document.GetProperty("externalDocs").GetProperty("url").GetString());
        var described = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Where(method => method.Value.ValueKind == JsonValueKind.Object && method.Name is "get" or "post" or "put" or "delete").Select(method => (Route: $"{method.Name.ToUpperInvariant()} {path.Name}", method.Value)))
            .ToDictionary(row => row.Route, row => row.Value, StringComparer.Ordinal);
        var served = running.Routes.Where(route => route.Pattern.StartsWith("/api/", StringComparison.Ordinal) && route.Pattern != "/api/openapi.json")
            .Select(route => $"{route.Method} {route.Pattern.Replace(":long", "", StringComparison.Ordinal).TrimEnd('/')}").Distinct();
        Assert.Empty(served.Except(described.Keys));
        Assert.All(described.Where(row => !row.Key.Contains("/owner/", StringComparison.Ordinal)), row => Assert.Contains(" / ", row.Value.GetProperty("summary").GetString(), StringComparison.Ordinal));

        var refund = described["POST /api/terminals/{id}/refund"].GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("schema").GetProperty("$ref").GetString()!.Split('/')[^1];
        var fields = document.GetProperty("components").GetProperty("schemas").GetProperty(refund).GetProperty("properties");
        Assert.Equal(["amount", "rrn"], fields.EnumerateObject().Select(field => field.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_the_page_chooses_from_holds_no_full_number()
    {
        var seed = await running.Http.GetStringAsync("/api/seed");
        Assert.All(SeedData.Banks.SelectMany(bank => bank.Cards), card => Assert.DoesNotContain(card.Pan.Reveal(), seed, StringComparison.Ordinal));
        Assert.All(SeedData.Banks.SelectMany(bank => bank.Customers), customer => Assert.DoesNotContain(customer.IdNumber, seed, StringComparison.Ordinal));
    }

    private Task<HttpResponseMessage> PostAsync(string address, object body) => running.Http.PostAsync(address, JsonContent.Create(body));

    private static async Task<string?> CodeOfAsync(HttpResponseMessage answer) => (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("errorCode").GetString();
}
