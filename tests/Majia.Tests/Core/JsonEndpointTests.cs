using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Storage;
using Majia.Tests.TokenService;

namespace Majia.Tests.Core;

public class JsonEndpointTests
{
    private sealed record Ask(string RequestId, IReadOnlyList<string> Names, string? Note, int? Count);

    private sealed record Told(string Text, int? Left);

    private static async Task<JsonElement> SendAsync(JsonEndpoint endpoint, string operation, string body)
    {
        var reply = await endpoint.HandleAsync(operation, Encoding.UTF8.GetBytes(body), TestContext.Current.CancellationToken);
        return JsonSerializer.Deserialize<JsonElement>(reply);
    }

    private static string Code(JsonElement reply) => reply.GetProperty("error").GetProperty("errorCode").GetString()!;

    [Theory]
    [InlineData("{}", "MISSING_REQUIRED_FIELD", "requestId names")]
    [InlineData("null", "INVALID_JSON", "")]
    [InlineData("[]", "INVALID_JSON", "$")]
    [InlineData("{", "INVALID_JSON", "$")]
    [InlineData("""{"requestId":null,"names":[]}""", "MISSING_REQUIRED_FIELD", "requestId")]
    [InlineData("""{"requestId":"r","names":null}""", "MISSING_REQUIRED_FIELD", "names")]
    [InlineData("""{"requestId":"r","names":["a",null]}""", "INVALID_JSON", "names")]
    [InlineData("""{"requestId":"r"}""", "MISSING_REQUIRED_FIELD", "names")]
    [InlineData("""{"requestId":"r","names":[],"count":"6299010000000000018"}""", "INVALID_JSON", "count")]
    [InlineData("""{"requestId":"r","names":[],"more":1}""", "INVALID_JSON", "more")]
    public async Task A_member_that_must_be_there_and_is_absent_or_null_is_an_answer(string body, string code, string fields)
    {
        var endpoint = new JsonEndpoint("test").Map<Ask, Told>("ask", (ask, _) => Task.FromResult<ApiReply<Told>>(new Told(ask.RequestId + ask.Names.Sum(name => name.Length), ask.Count)));
        var reply = await SendAsync(endpoint, "ask", body);
        Assert.Equal(code, Code(reply));
        Assert.Equal(fields, reply.GetProperty("error").TryGetProperty("errors", out var errors) ? string.Join(' ', errors.EnumerateArray().Select(error => error.GetProperty("field").GetString())) : "");
        Assert.DoesNotContain("629901", reply.GetRawText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"requestId":"r","names":[]}""")]
    [InlineData("""{"requestId":"r","names":[],"note":null,"count":null}""")]
    [InlineData("""{"requestId":"r","names":[],"note":"n","count":1}""")]
    public async Task A_member_that_may_be_null_may_be_absent(string body)
    {
        var endpoint = new JsonEndpoint("test").Map<Ask, Told>("ask", (ask, _) => Task.FromResult<ApiReply<Told>>(new Told(ask.RequestId, ask.Count)));
        Assert.Equal("r0"[..1], (await SendAsync(endpoint, "ask", body)).GetProperty("value").GetProperty("text").GetString());
    }

    [Fact]
    public async Task What_a_party_did_not_foresee_is_answered_without_a_word_of_it()
    {
        var endpoint = new JsonEndpoint("test").Map<Ask, Told>("ask", (_, _) => throw new InvalidOperationException("6299010000000000018"));
        var reply = await SendAsync(endpoint, "ask", """{"requestId":"r","names":[]}""");
        Assert.Equal("INTERNAL_ERROR", Code(reply));
        Assert.DoesNotContain("629901", reply.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_is_gone_is_no_answer()
    {
        var endpoint = new JsonEndpoint("test").Map<Ask, Told>("ask", (_, _) => throw new StoreFailedException("no room"));
        await Assert.ThrowsAsync<StoreFailedException>(() => SendAsync(endpoint, "ask", """{"requestId":"r","names":[]}"""));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("""{"requestId":"r","deviceId":null,"credential":null,"handset":null,"seid":null}""")]
    [InlineData("""{"deviceId":"d","credential":"c","cardReference":"r","responses":[null]}""")]
    [InlineData("""{"requestId":"r","tokenUniqueReference":"t","responses":[null]}""")]
    public async Task No_body_makes_an_operation_throw(string body)
    {
        await using var bench = new Bench();
        foreach (var endpoint in (JsonEndpoint[])[bench.Wallet.Endpoint, bench.TokenEndpoint])
        {
            foreach (var operation in endpoint.Operations)
            {
                var reply = await SendAsync(endpoint, operation, body);
                Assert.True(reply.TryGetProperty("value", out _) || Code(reply) != "INTERNAL_ERROR", $"{operation} {body}");
            }
        }
    }
}
