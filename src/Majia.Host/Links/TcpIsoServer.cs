using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Host.Links;

/// <summary>Bounds of one listener.</summary>
public sealed record TcpIsoServerOptions
{
    /// <summary>Requests in the handler at once, over all connections. What comes on top is answered by <see cref="Overload"/> and never queued.</summary>
    public int MaxInFlight { get; init; } = 512;

    public int MaxConnections { get; init; } = 4_096;

    /// <summary>A connection without a whole frame for this long, and without a request in work, is closed.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>A frame whose first byte came this long ago is not waited for any more.</summary>
    public TimeSpan PartialFrameTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Answers a request that is not taken, at once and without any row written; empty drops it. Null: dropped. Whoever has the line's MAC key supplies it.</summary>
    public Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? Overload { get; init; }

    /// <summary>Callers of this same process, whose answers need not be durable here because an edge behind them waits (decisions.md 22). Null: everybody waits.</summary>
    public InsideConnections? Inside { get; init; }

    /// <summary>With <see cref="Line"/>: callers show who they are before the first frame. Null: plain TCP.</summary>
    public PartyTls? Tls { get; init; }

    public Line? Line { get; init; }
}

/// <summary>The listening end of an ISO 8583 line over TCP: many peers, many requests at once on each, answers as they become ready.</summary>
/// <remarks>An answer is put on the socket only when what it says is durable (decisions.md 22): answers that wait for the same commit leave together.</remarks>
public sealed class TcpIsoServer : IAsyncDisposable
{
    private readonly Socket listener;
    private readonly Framing framing;
    private readonly IIsoServer server;
    private readonly TimeProvider time;
    private readonly TcpIsoServerOptions options;
    private readonly Store? leaves;
    private readonly CancellationTokenSource stop = new();
    private readonly Lock gate = new();
    private readonly HashSet<Peer> peers = [];
    private readonly SortedSet<string> signedOn = new(StringComparer.Ordinal);
    private readonly Task accepting;
    private readonly ITimer sweeper;
    private int inFlight, shaking;
    private TaskCompletionSource? drained;
    private long answered, overloaded, unanswered, hungUp;

    private TcpIsoServer(Socket listener, Framing framing, IIsoServer server, TimeProvider time, TcpIsoServerOptions options, Store? leaves)
    {
        (this.listener, this.framing, this.server, this.time, this.options, this.leaves) = (listener, framing, server, time, options, leaves);
        LocalEndpoint = (IPEndPoint)listener.LocalEndPoint!;
        accepting = AcceptAsync();
        var often = TimeSpan.FromTicks(Math.Min(options.IdleTimeout.Ticks, options.PartialFrameTimeout.Ticks) / 4);
        sweeper = time.CreateTimer(static self => ((TcpIsoServer)self!).Sweep(), this, often, often);
    }

    /// <summary>Where it listens; its port is the one that the system chose when 0 was asked for.</summary>
    public IPEndPoint LocalEndpoint { get; }

    public ServerState State
    {
        get
        {
            lock (gate)
            {
                return new ServerState(
                    peers.Count, Volatile.Read(ref inFlight), Interlocked.Read(ref answered), Interlocked.Read(ref overloaded), Interlocked.Read(ref unanswered), Interlocked.Read(ref hungUp), [.. signedOn]);
            }
        }
    }

    /// <param name="leaves">The store that must be durable before an answer leaves; null where the server writes none.</param>
    /// <exception cref="SocketException">The port is taken, or not ours to take.</exception>
    public static TcpIsoServer Start(IPEndPoint endpoint, Framing framing, IIsoServer server, TimeProvider time, TcpIsoServerOptions? options = null, Store? leaves = null)
    {
        var listener = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(endpoint);
            listener.Listen(512);
        }
        catch
        {
            listener.Dispose();
            throw;
        }

        return new TcpIsoServer(listener, framing, server, time, options ?? new TcpIsoServerOptions(), leaves);
    }

    /// <summary>True from <see cref="DrainAsync"/> on.</summary>
    public bool Draining { get; private set; }

    /// <summary>Lets nobody new in, refuses new requests as a full server does, and waits for those in work, no longer than <paramref name="limit"/>.</summary>
    /// <returns>Requests still in work when it gave up.</returns>
    public async Task<int> DrainAsync(TimeSpan limit)
    {
        Draining = true;
        listener.Close();
        TaskCompletionSource done;
        lock (gate)
        {
            done = drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        if (Volatile.Read(ref inFlight) == 0)
        {
            done.TrySetResult();
        }

        try
        {
            await done.Task.WaitAsync(limit, time);
        }
        catch (TimeoutException)
        {
        }

        return Volatile.Read(ref inFlight);
    }

    /// <summary>Stops listening and hangs up on everybody. Requests in the handler run to their end; their answers go nowhere.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        await sweeper.DisposeAsync();
        await accepting;
        Peer[] all;
        lock (gate)
        {
            all = [.. peers];
        }

        foreach (var peer in all)
        {
            peer.Connection.Abort();
        }

        await Task.WhenAll(all.Select(peer => peer.Connection.Ended));
    }

    private async Task AcceptAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptAsync(stop.Token);
            }
            catch (Exception ended) when (ended is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException) when (Draining)
            {
                return;
            }
            catch (SocketException)
            {
                // Out of descriptors, or the peer left between: others still want to come in.
                if (stop.IsCancellationRequested)
                {
                    return;
                }

                await Task.Delay(TimeSpan.FromMilliseconds(50), time);
                continue;
            }

            if (options is { Tls: { } tls, Line: { } line })
            {
                _ = WelcomeAsync(socket, tls, line);
            }
            else
            {
                Welcome(socket, null);
            }
        }
    }

    /// <summary>Others come in while one shakes hands. Who is refused never reaches a frame.</summary>
    private async Task WelcomeAsync(Socket socket, PartyTls tls, Line line)
    {
        if (Interlocked.Increment(ref shaking) > options.MaxConnections)
        {
            socket.Dispose();
        }
        else if (await tls.WelcomeAsync(socket, line, stop.Token) is { } secured)
        {
            Welcome(socket, secured);
        }
        else
        {
            Interlocked.Increment(ref hungUp);
        }

        Interlocked.Decrement(ref shaking);
    }

    private void Welcome(Socket socket, Stream? secured)
    {
        Peer peer;
        try
        {
            peer = new Peer(new IsoConnection(socket, framing, time, secured), options.Inside?.Contains(socket.RemoteEndPoint) == true);
        }
        catch (SocketException)
        {
            socket.Dispose();
            return;
        }

        lock (gate)
        {
            if (peers.Count >= options.MaxConnections)
            {
                Interlocked.Increment(ref hungUp);
                peer.Connection.Abort();
                return;
            }

            peers.Add(peer);
        }

        peer.Connection.Start(frame => Take(peer, frame), peer.LastWords);
        _ = FarewellAsync(peer);
    }

    private async Task FarewellAsync(Peer peer)
    {
        await peer.Connection.Ended;
        if (peer.Connection.Broken)
        {
            Interlocked.Increment(ref hungUp);
        }

        lock (gate)
        {
            peers.Remove(peer);
            if (peer.Institution is { } institution && peers.All(other => other.Institution != institution))
            {
                signedOn.Remove(institution);
            }
        }
    }

    /// <summary>One frame has come. Runs on the reading loop of its connection.</summary>
    private void Take(Peer peer, byte[] frame)
    {
        if (framing == Framing.Switch && LineManagement.TryAnswer(frame, out var source, out var what, out var answer))
        {
            lock (gate)
            {
                switch (what)
                {
                    case LineManagement.SignOn:
                        peer.Institution = source;
                        signedOn.Add(source);
                        break;
                    case LineManagement.SignOff:
                        peer.Institution = null;
                        signedOn.Remove(source);
                        break;
                }
            }

            peer.Connection.TrySend(answer);
            return;
        }

        // What cannot be kept or finished is not begun: full, about to stop, or a store that writes no more.
        if (Interlocked.Increment(ref inFlight) > options.MaxInFlight || Draining || leaves is { Failure: not null })
        {
            Release();
            Interlocked.Increment(ref overloaded);
            if (options.Overload?.Invoke(frame) is { IsEmpty: false } refusal)
            {
                peer.Connection.TrySend(refusal.Span);
            }

            return;
        }

        peer.Begin();
        _ = ServeAsync(peer, frame);
    }

    private async Task ServeAsync(Peer peer, byte[] frame)
    {
        // The reading loop goes on with the next frame.
        await Task.Yield();
        var said = false;
        try
        {
            var since = leaves?.Mark() ?? default;
            var answer = await server.HandleAsync(frame, stop.Token);
            if (!answer.IsEmpty)
            {
                if (leaves is not null && !peer.Inside)
                {
                    await leaves.DurableAsync(since);
                }

                said = peer.Connection.TrySend(answer.Span);
            }
        }
#pragma warning disable CA1031 // whatever a handler throws, its peer hears nothing and the next frame is served
        catch (Exception)
#pragma warning restore CA1031
        {
        }

        Interlocked.Increment(ref said ? ref answered : ref unanswered);
        Release();
        peer.End();
    }

    private void Release()
    {
        if (Interlocked.Decrement(ref inFlight) == 0 && Draining)
        {
            lock (gate)
            {
                drained?.TrySetResult();
            }
        }
    }

    /// <summary>Hangs up on who is idle, and on who began a frame and does not end it.</summary>
    private void Sweep()
    {
        Peer[] all;
        lock (gate)
        {
            all = [.. peers];
        }

        foreach (var peer in all)
        {
            var connection = peer.Connection;
            if (connection.Partial >= options.PartialFrameTimeout || (peer.Working == 0 && connection.Quiet >= options.IdleTimeout))
            {
                Interlocked.Increment(ref hungUp);
                connection.Abort();
            }
        }
    }

    /// <summary>One connected peer. One that has sent its last word still gets the answers that are due.</summary>
    private sealed class Peer(IsoConnection connection, bool inside)
    {
        private readonly Lock gate = new();
        private int working;
        private bool silent;

        public IsoConnection Connection { get; } = connection;

        public bool Inside { get; } = inside;

        /// <summary>Who signed on over this connection. Under the server's gate.</summary>
        public string? Institution { get; set; }

        public int Working => Volatile.Read(ref working);

        public void Begin()
        {
            lock (gate)
            {
                working++;
            }
        }

        public void End()
        {
            bool last;
            lock (gate)
            {
                last = --working == 0 && silent;
            }

            if (last)
            {
                Connection.Finish();
            }
        }

        /// <summary>The peer sends no more.</summary>
        public void LastWords()
        {
            lock (gate)
            {
                silent = true;
                if (working > 0)
                {
                    return;
                }
            }

            Connection.Finish();
        }
    }
}
