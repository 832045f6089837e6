using System.Net;
using System.Net.Sockets;
using System.Text;
using Majia.Core.Contracts;
using Majia.Host.Links;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Scenarios.Links;

public sealed class HttpJsonTests
{
    private static CancellationToken Given => TestContext.Current.CancellationToken;

    private static JsonEndpoint Endpoint => new JsonEndpoint("wallet")
        .Map<Question, Reply>("double", (question, _) => Task.FromResult<ApiReply<Reply>>(new Reply(2 * question.Number)))
        .Map<Question, Reply>("refuse", (_, _) => Task.FromResult<ApiReply<Reply>>(new ApiError("NO", "Not today.")))
        .Map<Question, Reply>("hang", async (_, cancellation) =>
        {
            await Task.Delay(Timeout.Infinite, cancellation);
            return new Reply(0);
        });

    [Fact]
    public async Task A_call_brings_a_value_and_a_refusal_is_a_value_too()
    {
        await using var server = await ServeAsync();
        using var link = new HttpJsonLink(server.Address, "wallet", TimeProvider.System);
        Assert.Equal(42, (await link.CallAsync<Question, Reply>("double", new Question(21), Given)).Value!.Number);
        Assert.Equal("NO", (await link.CallAsync<Question, Reply>("refuse", new Question(1), Given)).Error!.ErrorCode);
    }

    [Theory]
    [InlineData("POST", "wallet/double", "text/plain", "{}", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("POST", "wallet/nothing", "application/json", "{}", HttpStatusCode.NotFound)]
    [InlineData("POST", "nobody/double", "application/json", "{}", HttpStatusCode.NotFound)]
    [InlineData("PUT", "wallet/double", "application/json", "{}", HttpStatusCode.MethodNotAllowed)]
    [InlineData("POST", "wallet/double", "application/json", "{\"number\":", HttpStatusCode.OK)]
    public async Task What_is_no_call_is_refused_by_code(string method, string path, string type, string body, HttpStatusCode code)
    {
        await using var server = await ServeAsync();
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(server.Address, path)) { Content = new StringContent(body, Encoding.UTF8, type) };
        using var response = await client.SendAsync(request, Given);
        Assert.Equal(code, response.StatusCode);
        if (code == HttpStatusCode.OK)
        {
            Assert.Contains("INVALID_JSON", await response.Content.ReadAsStringAsync(Given), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused_and_the_next_call_served()
    {
        await using var server = await ServeAsync();
        using var client = new HttpClient();
        using var content = new StringContent(new string(' ', HttpJsonServer.MaxBody + 1), Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri(server.Address, "wallet/double"), content, Given);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        using var link = new HttpJsonLink(server.Address, "wallet", TimeProvider.System);
        Assert.Equal(4, (await link.CallAsync<Question, Reply>("double", new Question(2), Given)).Value!.Number);
    }

    [Fact]
    public async Task Who_does_not_answer_in_time_cannot_be_reached()
    {
        var time = new FakeTimeProvider();
        await using var server = await ServeAsync();
        using var link = new HttpJsonLink(server.Address, "wallet", time, TimeSpan.FromSeconds(5));
        var call = link.CallAsync<Question, Reply>("hang", new Question(1), Given);
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("wallet", (await Assert.ThrowsAsync<PartyUnreachableException>(() => call)).Party);
    }

    [Fact]
    public async Task Who_is_not_there_cannot_be_reached()
    {
        var server = await ServeAsync();
        await server.DisposeAsync();
        using var link = new HttpJsonLink(server.Address, "wallet", TimeProvider.System);
        await Assert.ThrowsAsync<PartyUnreachableException>(() => link.CallAsync<Question, Reply>("double", new Question(1), Given));
    }

    [Fact]
    public async Task A_taken_port_is_named()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var taken = (IPEndPoint)other.LocalEndpoint;
        var error = await Assert.ThrowsAsync<PortTakenException>(() => HttpJsonServer.StartAsync(taken));
        Assert.Equal(taken.Port, error.Port);
    }

    private static async Task<HttpJsonServer> ServeAsync()
    {
        var server = await HttpJsonServer.StartAsync(new IPEndPoint(IPAddress.Loopback, 0));
        server.Add("wallet", Endpoint, null);
        return server;
    }

    private sealed record Question(int Number);

    private sealed record Reply(int Number);
}
