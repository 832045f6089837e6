using Majia.Core.Contracts;
using Majia.Host.Composition;
using Majia.Host.Links;
using Majia.Host.Operations;
using Majia.Host.Tracing;
using Majia.Scenarios.Links;
using Majia.Storage;

namespace Majia.Scenarios.Operations;

/// <summary>A process that is told to stop, and the words on its command line and in its log.</summary>
public sealed class DrainTests
{
    private static CancellationToken Given => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_in_work_ends_and_what_comes_now_is_refused_at_once()
    {
        var (begun, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var slow = new Handler(async frame =>
        {
            begun.TrySetResult();
            await release.Task;
            return Wire.Answer(Framing.Switch, frame);
        });
        await using var server = Wire.Serve(Framing.Switch, slow, new TcpIsoServerOptions { Overload = frame => Wire.Answer(Framing.Switch, frame, "91") });
        await using var link = await Wire.CallAsync(server, Framing.Switch);
        var working = link.ExchangeAsync(Wire.Financial(1), Given);
        await begun.Task.WaitAsync(Given);

        var drained = server.DrainAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("91", Wire.Read(Framing.Switch, await link.ExchangeAsync(Wire.Financial(2), Given)).Text(39));
        await Assert.ThrowsAsync<PartyUnreachableException>(() => Wire.CallAsync(server, Framing.Switch, new TcpIsoLinkOptions { ConnectPatience = TimeSpan.FromMilliseconds(300) }));
        Assert.False(drained.IsCompleted);

        release.SetResult();
        Assert.Equal("00", Wire.Read(Framing.Switch, await working).Text(39));
        Assert.Equal(0, await drained);
    }

    /// <summary>A page that was still open when the system stopped asked for ever, and kept a processor busy with it.</summary>
    [Fact]
    public async Task Who_asks_the_trace_after_the_system_has_stopped_is_told_so()
    {
        var trace = new TraceStore(new InlineStore(TraceStore.Schema));
        trace.Record(new TraceEvent("r", DateTimeOffset.UnixEpoch, "phone", "chip", "apdu", TraceKind.Apdu, TraceDirection.Sent, "00A4", new("a", "b")));
        await trace.FlushAsync();
        Assert.Single(trace.Read("r"));
        await trace.DisposeAsync();
        var asked = Task.Run(trace.FlushAsync, Given);
        Assert.Same(asked, await Task.WhenAny(asked, Task.Delay(TimeSpan.FromSeconds(30), Given)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => asked);
    }

    [Fact]
    public async Task What_does_not_end_in_time_is_counted()
    {
        var never = new TaskCompletionSource<ReadOnlyMemory<byte>>();
        var begun = new TaskCompletionSource();
        await using var server = Wire.Serve(Framing.Switch, new Handler(_ =>
        {
            begun.SetResult();
            return never.Task;
        }));
        await using var link = await Wire.CallAsync(server, Framing.Switch);
        var working = link.ExchangeAsync(Wire.Financial(1), Given);
        await begun.Task.WaitAsync(Given);
        Assert.Equal(1, await server.DrainAsync(TimeSpan.FromMilliseconds(50)));
        never.SetResult(ReadOnlyMemory<byte>.Empty);
        await link.DisposeAsync();
        await Assert.ThrowsAsync<PartyUnreachableException>(() => working);
    }

    [Theory]
    [InlineData("card 6299010000000000018 here", "card 629901*********0018 here")]
    [InlineData("4111110000000039", "411111******0039")]
    [InlineData("merchant 990031058120001 at terminal 10000001", "merchant 990031058120001 at terminal 10000001")]
    public void A_log_line_shows_no_card_number(string said, string shown) => Assert.Equal(shown, Logs.Mask(said));

    [Fact]
    public void Peers_are_a_party_with_its_base_port_or_one_line_exactly()
    {
        var peers = new Peers();
        Assert.Null(peers.Add("network=10.0.0.5", 7080));
        Assert.Null(peers.Add("issuer=banks.example:7180", 7080));
        Assert.Null(peers.Add("network-issuer/63990300=[::1]:9000", 7080));
        Assert.Equal(new HostPort("10.0.0.5", 7082), peers.Find(Line.AcquirerNetwork, null, 7080));
        Assert.Equal(new HostPort("banks.example", 7183), peers.Find(Line.NetworkIssuer, "63990100", 7080));
        Assert.Equal(new HostPort("banks.example", 7187), peers.Find(Line.TokenIssuer, "63990300", 7080));
        Assert.Equal(new HostPort("::1", 9000), peers.Find(Line.NetworkIssuer, "63990300", 7080));
        Assert.Equal(new HostPort("127.0.0.1", 7205), peers.Find(Line.PhoneWallet, null, 7200));

        Assert.Contains("names no party and no line", peers.Add("bank=10.0.0.5", 7080), StringComparison.Ordinal);
        Assert.Contains("expected HOST:PORT", peers.Add("pos-line=10.0.0.5", 7080), StringComparison.Ordinal);
        Assert.Contains("expected HOST[:N]", peers.Add("network=10.0.0.5:70000", 7080), StringComparison.Ordinal);
    }

    [Fact]
    public void Roles_are_known_words_and_pages_come_with_their_devices()
    {
        Assert.Equal([Role.Token, Role.Issuer], Roles.Parse("issuer, token", out _)!);
        Assert.Null(Roles.Parse("issuer,bank", out var unknown));
        Assert.Contains("unknown role 'bank'; expected some of phone,terminal", unknown, StringComparison.Ordinal);
        Assert.Null(Roles.Parse("web", out var alone));
        Assert.Contains("wants phone and terminal", alone, StringComparison.Ordinal);
    }
}
