using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Host.Links;
using Majia.Phone;

namespace Majia.Web;

/// <summary>Wires have one name each, everywhere: that of their line, who calls and who answers.</summary>
public sealed class WireTests : IAsyncLifetime
{
    private RunningPage running = null!;

    public async ValueTask InitializeAsync() => running = await RunningPage.StartAsync();

    public ValueTask DisposeAsync() => running.DisposeAsync();

    private async Task<(HttpStatusCode Status, JsonElement Body)> StrikeAsync(string wire, object strike)
    {
        using var answer = await running.Http.PostAsJsonAsync($"/api/wires/{wire}", strike);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    [Fact]
    public async Task Every_line_is_a_wire_by_its_own_name_and_words_that_are_none_are_told_what_there_is()
    {
        var wires = (await running.Http.GetFromJsonAsync<JsonElement>("/api/wires")).EnumerateArray().ToList();
        Assert.Equal(Line.All.Select(line => line.Name), wires.Select(wire => wire.GetProperty("wire").GetString()));
        Assert.All(wires, wire => Assert.Equal("none", wire.GetProperty("fault").GetString()));

        foreach (var wire in running.System.Wires.All)
        {
            var (status, body) = await StrikeAsync(wire.Name, new { fault = "drop-answer", next = 2 });
            Assert.Equal((wire.Name, HttpStatusCode.OK, "drop-answer", 2), (wire.Name, status, body.GetProperty("fault").GetString()!, body.GetProperty("left").GetInt32()));
            Assert.Equal((wire.Name, LinkFault.DropAnswer), (wire.Name, wire.Faults.Now));
            Assert.Single(running.System.Wires.All, other => other.Faults.IsSet);
            Assert.Equal("none", (await StrikeAsync(wire.Name, new { fault = "none" })).Body.GetProperty("fault").GetString());
        }

        var (unknown, which) = await StrikeAsync("wallet", new { fault = "cut" });
        Assert.Equal((HttpStatusCode.NotFound, "wire"), (unknown, which.GetProperty("errors")[0].GetProperty("field").GetString()!));
        Assert.Contains("token-wallet", which.GetProperty("errors")[0].GetProperty("expected").GetString(), StringComparison.Ordinal);
        var (wrong, words) = await StrikeAsync("pos-line", new { fault = "explode" });
        Assert.Equal((HttpStatusCode.BadRequest, "none, drop-request, drop-answer, delay, duplicate, cut"), (wrong, words.GetProperty("errors")[0].GetProperty("expected").GetString()!));
        Assert.Equal(HttpStatusCode.BadRequest, (await StrikeAsync("pos-line", new { fault = "cut", next = 0 })).Status);
    }

    /// <summary>What the token service tells the wallet goes over its own wire: the wallet's own calls are not cut with it, and what waited arrives afterwards.</summary>
    [Fact]
    public async Task Cutting_token_wallet_keeps_back_the_notices_and_cutting_wallet_token_does_not()
    {
        var card = await running.WithCardAsync();
        var (phone, system) = (running.System.Phones["mi5"], running.System);
        var line = new InMemoryJsonLink(system.TokenService.IssuerEndpointFor("63990100"), new LinkFaults(), null);
        var tur = system.Store.Read(session => session.Text("SELECT tur FROM token_token")!);
        async Task<EnrolmentState> AfterAsync(string operation, string request)
        {
            Assert.Null((await line.CallAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(operation, new(request, tur, SuspendedBy.Issuer, "OTHER"), CancellationToken.None)).Error);
            await system.PumpAsync(CancellationToken.None);
            await phone.FetchCommandsAsync();
            return phone.State.Card(card.CardReference)!.State;
        }

        await StrikeAsync("token-wallet", new { fault = "cut" });
        Assert.Equal(EnrolmentState.Active, await AfterAsync(IssuerToken.Operations.Suspend, "s1"));
        await StrikeAsync("token-wallet", new { fault = "none" });
        ((Majia.Host.Devices.MovableTime)system.Time).Forward(TimeSpan.FromMinutes(1)); // its next try is due
        Assert.Equal(EnrolmentState.Active, await AfterAsync(IssuerToken.Operations.Unsuspend, "s2"));
        await StrikeAsync("wallet-token", new { fault = "cut" });
        Assert.Equal(EnrolmentState.Suspended, await AfterAsync(IssuerToken.Operations.Suspend, "s3"));
    }
}
