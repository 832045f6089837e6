using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Links;
using Majia.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Scenarios.Links;

/// <summary>The client's side: what is late, what is nobody's, and lines that come and go.</summary>
public sealed class ReconnectTests
{
    private static readonly TcpIsoLinkOptions Signing = new() { OwnInstitution = "63990900", PeerInstitution = "00010000", Peer = "network" };

    private static CancellationToken Given => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_late_answer_and_one_that_nobody_asked_for_are_dropped_and_counted()
    {
        var (asked, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var handler = new Handler(async frame =>
        {
            switch (Wire.Stan(Framing.Pos, frame))
            {
                case "000001":
                    asked.SetResult();
                    await release.Task;
                    return Wire.Answer(Framing.Pos, frame);
                case "000002":
                    // An answer to something else, out of the blue.
                    return Wire.Answer(Framing.Pos, Wire.Sale(777));
                default:
                    return Wire.Answer(Framing.Pos, frame);
            }
        });
        await using var server = Wire.Serve(Framing.Pos, handler);
        await using var link = await Wire.CallAsync(server, Framing.Pos);
        using var impatient = new CancellationTokenSource();
        var late = link.ExchangeAsync(Wire.Sale(1), impatient.Token);
        var lost = link.ExchangeAsync(Wire.Sale(2), impatient.Token);
        await asked.Task;
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => late);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => lost);
        release.SetResult();

        // The line is as good as before; both strays have passed when these are answered.
        for (var stan = 3; link.State.Late + link.State.Unknown < 2; stan++)
        {
            Assert.Equal($"{stan:D6}", Wire.Stan(Framing.Pos, await link.ExchangeAsync(Wire.Sale(stan), Given)));
        }

        Assert.Equal((1, 1, 0, 1), (link.State.Late, link.State.Unknown, link.State.InFlight, link.State.Connections));
    }

    [Fact]
    public async Task The_same_request_sent_twice_gets_two_answers()
    {
        await using var server = Wire.Serve(Framing.Switch, Handler.Good(Framing.Switch));
        await using var link = await Wire.CallAsync(server, Framing.Switch);
        var answers = await Task.WhenAll(link.ExchangeAsync(Wire.Financial(1), Given), link.ExchangeAsync(Wire.Financial(1), Given));
        Assert.All(answers, answer => Assert.Equal("000001", Wire.Stan(Framing.Switch, answer)));
        Assert.Equal(0, link.State.Unknown);
    }

    [Fact]
    public async Task What_is_in_flight_ends_with_its_connection_and_the_next_exchange_finds_the_restarted_server()
    {
        var arrived = new TaskCompletionSource();
        var server = Wire.Serve(Framing.Switch, new Handler(async _ =>
        {
            arrived.SetResult();
            return await new TaskCompletionSource<ReadOnlyMemory<byte>>().Task;
        }));
        await using var link = await Wire.CallAsync(server, Framing.Switch, new() { MinBackoff = TimeSpan.FromMilliseconds(2), MaxBackoff = TimeSpan.FromMilliseconds(4), ConnectPatience = TimeSpan.FromSeconds(20) });
        var hanging = link.ExchangeAsync(Wire.Financial(1), Given);
        await arrived.Task;
        await server.DisposeAsync();
        await Assert.ThrowsAsync<PartyUnreachableException>(() => hanging);

        var waiting = link.ExchangeAsync(Wire.Financial(2), Given);
        await using var again = TcpIsoServer.Start(server.LocalEndpoint, Framing.Switch, Handler.Good(Framing.Switch), TimeProvider.System);
        Assert.Equal("000002", Wire.Stan(Framing.Switch, await waiting));
        Assert.Equal(2, link.State.Connections);
    }

    [Fact]
    public async Task Where_nobody_listens_the_caller_hears_it_in_time()
    {
        var time = new FakeTimeProvider();
        using var nobody = new Socket(SocketType.Stream, ProtocolType.Tcp);
        nobody.Bind(Wire.Anywhere);
        await using var link = new TcpIsoLink(nobody.LocalEndPoint!, Framing.Pos, time, new SeededEntropy(1));
        var call = link.ExchangeAsync(Wire.Sale(1), Given);
        while (!call.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await Assert.ThrowsAsync<PartyUnreachableException>(() => call);
        Assert.False(link.State.Connected);
    }

    [Fact]
    public async Task A_line_signs_on_tests_itself_when_quiet_and_leaves_a_peer_that_is_half_open()
    {
        using var time = new WatchedTime(Signing.EchoInterval);
        using var listener = new TcpListener(Wire.Anywhere);
        listener.Start();
        var connecting = TcpIsoLink.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Framing.Switch, time, new SeededEntropy(1), Signing, Given);
        await using var first = (await listener.AcceptTcpClientAsync(Given)).GetStream();
        Assert.Equal("001", await AnswerManagementAsync(first));
        await using var link = await connecting;
        Assert.True(link.State.SignedOn);

        // A quiet line: the test comes, and is answered.
        await time.StartedAsync();
        time.Advance(Signing.EchoInterval);
        Assert.Equal("301", await AnswerManagementAsync(first));

        // Then the peer is there and says nothing more: the link takes a new connection, and signs on again.
        await time.StartedAsync();
        time.Advance(Signing.EchoInterval);
        Assert.NotNull(await first.ReadFrameAsync(Framing.Switch));
        time.Advance(Signing.EchoTimeout);
        await using var second = (await listener.AcceptTcpClientAsync(Given)).GetStream();
        Assert.Equal("001", await AnswerManagementAsync(second));
        await time.StartedAsync();
        var sale = link.ExchangeAsync(Wire.Financial(4), Given);
        await second.WriteAsync(Wire.Answer(Framing.Switch, (await second.ReadFrameAsync(Framing.Switch))!), Given);
        Assert.Equal("000004", Wire.Stan(Framing.Switch, await sale));
        Assert.True(link.State is { SignedOn: true, Connections: 2 });
    }

    [Fact]
    public async Task A_peer_that_lets_sign_on_go_unanswered_is_no_connection()
    {
        var time = new FakeTimeProvider();
        using var listener = new TcpListener(Wire.Anywhere);
        listener.Start();
        var connecting = TcpIsoLink.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Framing.Switch, time, new SeededEntropy(1), Signing, Given);
        await using var mute = (await listener.AcceptTcpClientAsync(Given)).GetStream();
        Assert.NotNull(await mute.ReadFrameAsync(Framing.Switch));
        await AdvanceUntilAsync(time, connecting);
        await Assert.ThrowsAsync<PartyUnreachableException>(() => connecting);
        Assert.Null(await mute.ReadFrameAsync(Framing.Switch));
    }

    [Fact]
    public async Task A_server_knows_who_is_signed_on_until_the_last_connection_ends()
    {
        await using var server = Wire.Serve(Framing.Switch, Handler.Good(Framing.Switch));
        var link = await Wire.CallAsync(server, Framing.Switch, Signing);
        await link.ExchangeAsync(Wire.Financial(1), Given);
        Assert.Equal(["63990900"], server.State.SignedOn);
        await link.DisposeAsync();
        while (server.State.Connections > 0)
        {
            await Task.Yield();
        }

        Assert.Empty(server.State.SignedOn);
    }

    [Fact]
    public async Task Nothing_leaves_before_it_is_durable()
    {
        await using var store = new SlowStore();
        await using var server = Wire.Serve(Framing.Pos, Handler.Good(Framing.Pos), leaves: store);
        await using var peer = await Wire.RawAsync(server);
        await peer.WriteAsync((byte[])[.. Wire.Sale(1), .. Wire.Sale(2), .. Wire.Sale(3)], Given);
        await store.Awaited(3);
        Assert.Equal((3, 0), (server.State.InFlight, peer.Socket.Available));

        store.Commit();
        var stans = new SortedSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 3; i++)
        {
            stans.Add(Wire.Stan(Framing.Pos, (await peer.ReadFrameAsync(Framing.Pos))!));
        }

        Assert.Equal(["000001", "000002", "000003"], stans);
    }

    [Fact]
    public async Task What_will_never_be_durable_is_never_said()
    {
        await using var store = new SlowStore();
        await using var server = Wire.Serve(Framing.Pos, Handler.Good(Framing.Pos), leaves: store);
        await using var peer = await Wire.RawAsync(server);
        await peer.WriteAsync(Wire.Sale(1), Given);
        peer.Socket.Shutdown(SocketShutdown.Send);
        await store.Awaited(1);
        store.Fail();
        Assert.Null(await peer.ReadFrameAsync(Framing.Pos));
        Assert.Equal(1, server.State.Unanswered);
    }

    [Fact]
    public async Task Only_callers_of_the_same_process_are_answered_before_the_disk()
    {
        await using var store = new SlowStore();
        var inside = new InsideConnections();
        await using var server = Wire.Serve(Framing.Switch, Handler.Good(Framing.Switch), new() { Inside = inside }, leaves: store);
        await using var own = await Wire.CallAsync(server, Framing.Switch, new() { Inside = inside });
        Assert.Equal("000001", Wire.Stan(Framing.Switch, await own.ExchangeAsync(Wire.Financial(1), Given)));

        await using var stranger = await Wire.RawAsync(server);
        await stranger.WriteAsync(Wire.Financial(2), Given);
        await store.Awaited(1);
        Assert.Equal(0, stranger.Socket.Available);
        store.Commit();
        Assert.Equal("000002", Wire.Stan(Framing.Switch, (await stranger.ReadFrameAsync(Framing.Switch))!));
    }

    /// <summary>Answers one 0820 and tells its F70.</summary>
    private static async Task<string> AnswerManagementAsync(NetworkStream peer)
    {
        var frame = (await peer.ReadFrameAsync(Framing.Switch))!;
        Assert.True(LineManagement.TryAnswer(frame, out var source, out var what, out var answer));
        Assert.Equal("63990900", source);
        Assert.Equal(Mti.NetworkAdviceResponse, Wire.Read(Framing.Switch, answer).Mti);
        await peer.WriteAsync(answer);
        return what;
    }

    private static async Task AdvanceUntilAsync(FakeTimeProvider time, Task task)
    {
        while (!task.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }
    }

    /// <summary>A clock that tells when somebody has begun to wait for just so long.</summary>
    private sealed class WatchedTime(TimeSpan watched) : FakeTimeProvider, IDisposable
    {
        private readonly SemaphoreSlim started = new(0);

        public Task StartedAsync() => started.WaitAsync(Given);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            if (dueTime == watched)
            {
                started.Release();
            }

            return timer;
        }

        public void Dispose() => started.Dispose();
    }

    /// <summary>A log whose disk takes as long as a test wants.</summary>
    private sealed class SlowStore : Store
    {
        private readonly TaskCompletionSource durable = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim awaited = new(0);

        public async Task Awaited(int times)
        {
            for (var i = 0; i < times; i++)
            {
                await awaited.WaitAsync();
            }
        }

        public void Commit() => durable.SetResult();

        public void Fail() => durable.SetException(new StoreFailedException("the disk is full"));

        public override Task DurableAsync()
        {
            awaited.Release();
            return durable.Task;
        }

        public override StoreFailedException? Failure => null;

        public override Task<T> WriteAsync<T>(Func<Session, T> unit) => throw new NotSupportedException();

        public override T Read<T>(Func<Session, T> query) => throw new NotSupportedException();

        public override ValueTask DisposeAsync()
        {
            awaited.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
