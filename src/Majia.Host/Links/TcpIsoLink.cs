using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.Links;

/// <summary>Patience and identity of one TCP line, seen from its client.</summary>
public sealed record TcpIsoLinkOptions
{
    /// <summary>Who is at the other end, for messages.</summary>
    public string Peer { get; init; } = "the other side";

    /// <summary>Our institution on the switch line; with <see cref="PeerInstitution"/> the line signs on, tests itself when it is quiet, and stays connected. Null: it connects when somebody wants to send.</summary>
    public string? OwnInstitution { get; init; }

    public string? PeerInstitution { get; init; }

    /// <summary>How long an exchange waits for a connection before its caller hears that nobody is there.</summary>
    public TimeSpan ConnectPatience { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>First wait after a failed connection; it doubles up to <see cref="MaxBackoff"/>, half of it by chance.</summary>
    public TimeSpan MinBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A line that is quiet for this long tests itself.</summary>
    public TimeSpan EchoInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Sign-on and line test want their answer in this time, or the connection is given up.</summary>
    public TimeSpan EchoTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Where this process notes its own connections, so that its listeners know them.</summary>
    public InsideConnections? Inside { get; init; }

    /// <summary>With <see cref="Line"/>: both sides show who they are before the first frame. Null: plain TCP.</summary>
    public PartyTls? Tls { get; init; }

    public Line? Line { get; init; }

    /// <summary>The bank that must be at the other end, by its certificate; null elsewhere.</summary>
    public string? Institution { get; init; }
}

/// <summary>The calling end of an ISO 8583 line over TCP: one connection, many requests in flight, answers matched by what they say (decisions.md 19).</summary>
/// <remarks>
/// A connection that is lost is made again, with growing waits. What was in flight on it ends with <see cref="PartyUnreachableException"/> at once:
/// its fate is unknown, and nothing is ever sent twice here: to repeat or to reverse is the party's matter.
/// </remarks>
public sealed class TcpIsoLink : IIsoLink, IAsyncDisposable
{
    private readonly EndPoint endpoint;
    private readonly Framing framing;
    private readonly TimeProvider time;
    private readonly Entropy entropy;
    private readonly TcpIsoLinkOptions options;
    private readonly CancellationTokenSource stop = new();
    private readonly Lock gate = new();
    private readonly Task running;

    // Under the gate.
    private TaskCompletionSource wanted = Signal();
    private TaskCompletionSource<Connected> connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DateTimeOffset? lastSeen;
    private bool signedOn;
    private int managementTrace;

    private long late, unknown, connections;

    /// <summary>Nothing is connected yet; see <see cref="ConnectAsync"/> to start with a connection made.</summary>
    public TcpIsoLink(EndPoint endpoint, Framing framing, TimeProvider time, Entropy entropy, TcpIsoLinkOptions? options = null)
    {
        (this.endpoint, this.framing, this.time, this.entropy, this.options) = (endpoint, framing, time, entropy, options ?? new TcpIsoLinkOptions());
        if (Signs)
        {
            wanted.SetResult();
        }

        running = RunAsync();
    }

    public LinkState State
    {
        get
        {
            lock (gate)
            {
                var line = connected.Task.IsCompletedSuccessfully ? connected.Task.Result : null;
                return new LinkState(line is not null, signedOn, line?.LastSeen ?? lastSeen, line?.Pending.Count ?? 0, Interlocked.Read(ref late), Interlocked.Read(ref unknown), Interlocked.Read(ref connections));
            }
        }
    }

    /// <summary>A switch line: it signs on and tests itself.</summary>
    public bool Signs => options is { OwnInstitution: not null, PeerInstitution: not null };

    /// <summary>A link whose connection stands.</summary>
    /// <exception cref="PartyUnreachableException">Nobody listens there within <see cref="TcpIsoLinkOptions.ConnectPatience"/>.</exception>
    public static async Task<TcpIsoLink> ConnectAsync(EndPoint endpoint, Framing framing, TimeProvider time, Entropy entropy, TcpIsoLinkOptions? options = null, CancellationToken cancellation = default)
    {
        var link = new TcpIsoLink(endpoint, framing, time, entropy, options);
        try
        {
            await link.LineAsync(cancellation);
            return link;
        }
        catch
        {
            await link.DisposeAsync();
            throw;
        }
    }

    /// <exception cref="PartyUnreachableException">There is no connection, or it was lost: whether the request took effect is unknown.</exception>
    /// <exception cref="ArgumentException">The frame cannot be read: nothing could ever answer it.</exception>
    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        if (!framing.TryKey(frame, out var key))
        {
            throw new ArgumentException($"no frame of the {framing.Dialect.Name} line", nameof(frame));
        }

        var line = await LineAsync(cancellation);
        return await ExchangeAsync(line, key, frame, cancellation);
    }

    /// <summary>Says good-bye where a sign-on stands; the connection stays for what is under way.</summary>
    public async Task SignOffAsync()
    {
        Connected? line;
        lock (gate)
        {
            line = signedOn && connected.Task.IsCompletedSuccessfully ? connected.Task.Result : null;
        }

        if (line is not null)
        {
            await ManageAsync(line, LineManagement.SignOff);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
    }

    private async Task<ReadOnlyMemory<byte>> ExchangeAsync(Connected line, ExchangeKey key, ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        var waiting = line.Pending.Add(key, time.GetTimestamp());
        if (!line.Connection.TrySend(frame.Span))
        {
            line.Pending.Fail(Unreachable());
        }

        if (!cancellation.CanBeCanceled)
        {
            return await waiting.Task;
        }

        await using var end = cancellation.UnsafeRegister(
            static (state, token) =>
            {
                var (self, line, waiting) = ((TcpIsoLink, Connected, PendingExchanges.Waiting))state!;
                line.Pending.Abandon(waiting);
                if (waiting.TrySetCanceled(token) && self.IsSilentSince(line, waiting.Since))
                {
                    line.Connection.Abort();
                }
            },
            (this, line, waiting));
        return await waiting.Task;
    }

    /// <summary>Not one byte since it was asked, for long: the other end may be gone without a word. The next exchange gets a new connection.</summary>
    private bool IsSilentSince(Connected line, long asked) => line.Connection.LastByte <= asked && time.GetElapsedTime(asked) >= options.EchoTimeout;

    private async Task<Connected> LineAsync(CancellationToken cancellation)
    {
        Task<Connected> next;
        lock (gate)
        {
            wanted.TrySetResult();
            next = connected.Task;
        }

        if (next.IsCompletedSuccessfully)
        {
            return next.Result;
        }

        try
        {
            return await next.WaitAsync(options.ConnectPatience, time, cancellation);
        }
        catch (TimeoutException)
        {
            throw Unreachable();
        }
    }

    private async Task RunAsync()
    {
        var failures = 0;
        try
        {
            while (true)
            {
                await Wanted().WaitAsync(stop.Token);
                if (await TryConnectAsync() is { } line)
                {
                    await LiveAsync(line);

                    // Let in and shown out without a word is no connection either.
                    failures = line.LastSeen is null ? failures + 1 : 0;
                }
                else
                {
                    failures++;
                }

                if (failures > 0)
                {
                    await Task.Delay(Backoff(failures), time, stop.Token);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            lock (gate)
            {
                connected.TrySetException(Unreachable());
            }

            // Nobody may be waiting: the exception has been seen.
            _ = connected.Task.Exception;
        }
    }

    private Task Wanted()
    {
        lock (gate)
        {
            return wanted.Task;
        }
    }

    private async Task<Connected?> TryConnectAsync()
    {
        var socket = new Socket(endpoint.AddressFamily == AddressFamily.Unspecified ? AddressFamily.InterNetwork : endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        EndPoint? local = null;
        try
        {
            using var patience = new CancellationTokenSource(options.ConnectPatience, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, stop.Token);
            if (options.Inside is { } inside)
            {
                // Noted before the other end can see it.
                socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                local = socket.LocalEndPoint!;
                inside.Add(local);
            }

            await socket.ConnectAsync(endpoint, either.Token);
            if (options is not { Tls: { } tls, Line: { } wire })
            {
                return new Connected(new IsoConnection(socket, framing, time), local);
            }

            if (await tls.MeetAsync(socket, wire, options.Institution, $"{endpoint}", stop.Token) is { } secured)
            {
                return new Connected(new IsoConnection(socket, framing, time, secured), local);
            }

            Leave(socket, local);
            return null;
        }
        catch (Exception failed) when (failed is SocketException || (failed is OperationCanceledException && !stop.IsCancellationRequested))
        {
            Leave(socket, local);
            return null;
        }
        catch
        {
            Leave(socket, local);
            throw;
        }
    }

    private void Leave(Socket? socket, EndPoint? local)
    {
        if (local is not null)
        {
            options.Inside?.Remove(local);
        }

        socket?.Dispose();
    }

    /// <summary>From the connection made to the connection lost.</summary>
    private async Task LiveAsync(Connected line)
    {
        line.Connection.Start(frame => Receive(line, frame));
        var ended = line.Connection.Ended;
        Interlocked.Increment(ref connections);
        await using var hangUp = stop.Token.UnsafeRegister(static connection => ((IsoConnection)connection!).Abort(), line.Connection);
        if (Signs)
        {
            await ManageAsync(line, LineManagement.SignOn);
        }

        // A peer that lets sign-on go unanswered is none: whoever waits goes on waiting for a better connection.
        if (!line.Connection.Closed)
        {
            TaskCompletionSource<Connected> waiters;
            lock (gate)
            {
                waiters = connected;
            }

            waiters.TrySetResult(line);
        }

        while (!ended.IsCompleted)
        {
            if (!Signs)
            {
                await ended;
                break;
            }

            using var woken = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
            if (await Task.WhenAny(ended, Task.Delay(options.EchoInterval, time, woken.Token)) != ended && line.Connection.Quiet >= options.EchoInterval)
            {
                await ManageAsync(line, signedOn ? LineManagement.Echo : LineManagement.SignOn);
            }

            await woken.CancelAsync();
        }

        lock (gate)
        {
            lastSeen = line.LastSeen ?? lastSeen;
            signedOn = false;
            if (connected.Task.IsCompleted)
            {
                connected = new TaskCompletionSource<Connected>(TaskCreationOptions.RunContinuationsAsynchronously);
                if (!Signs)
                {
                    wanted = Signal();
                }
            }
        }

        Leave(null, line.Local);
        line.Pending.Fail(Unreachable());
        stop.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Sign-on or line test; no answer in time means that the other end is half open, and the connection is given up.</summary>
    private async Task ManageAsync(Connected line, string what)
    {
        var frame = LineManagement.Request(options.OwnInstitution!, options.PeerInstitution!, what, managementTrace++ % 1_000_000, time.GetUtcNow());
        framing.TryKey(frame, out var key);
        try
        {
            using var patience = new CancellationTokenSource(options.EchoTimeout, time);
            var answer = await ExchangeAsync(line, key, frame, patience.Token);
            var good = framing.TryRead(answer, out var message) && message.Is(39, "00");
            lock (gate)
            {
                signedOn = good && what != LineManagement.SignOff && (signedOn || what == LineManagement.SignOn);
            }
        }
        catch (Exception silent) when (silent is OperationCanceledException or PartyUnreachableException)
        {
            line.Connection.Abort();
        }
    }

    private void Receive(Connected line, byte[] frame)
    {
        line.LastSeen = time.GetUtcNow();
        switch (framing.TryKey(frame, out var key) ? line.Pending.Answer(key, frame) : PendingExchanges.Fit.Unknown)
        {
            case PendingExchanges.Fit.Late:
                Interlocked.Increment(ref late);
                break;
            case PendingExchanges.Fit.Unknown:
                Interlocked.Increment(ref unknown);
                break;
        }
    }

    private TimeSpan Backoff(int failures)
    {
        var most = (long)Math.Min(options.MaxBackoff.TotalMilliseconds, options.MinBackoff.TotalMilliseconds * Math.Pow(2, Math.Min(failures - 1, 20)));
        return TimeSpan.FromMilliseconds((most / 2) + entropy.Below((int)(most / 2) + 1));
    }

    private PartyUnreachableException Unreachable() => new(options.Peer);

    private static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>One connection and who waits on it.</summary>
    private sealed class Connected(IsoConnection connection, EndPoint? local)
    {
        public IsoConnection Connection { get; } = connection;

        /// <summary>Our end of it, where it is noted.</summary>
        public EndPoint? Local { get; } = local;

        public PendingExchanges Pending { get; } = new();

        public DateTimeOffset? LastSeen { get; set; }
    }
}
