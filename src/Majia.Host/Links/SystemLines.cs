using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Host.Links;

/// <summary>How the parties of one system reach each other.</summary>
public enum LinkMode
{
    /// <summary>Whole frames, handed over in the process.</summary>
    Memory,

    /// <summary>The same frames over sockets: ISO 8583 on TCP, JSON on HTTP.</summary>
    Tcp,
}

/// <summary>The lines of one system by <see cref="LinkMode"/>: what listens, what calls, and how each stands.</summary>
/// <remarks>
/// Ports from N (decisions.md 29): N+1 POS line, N+2 acquirer–network, N+3 network–issuers (the header says which), N+4 network–token service; N+5 the JSON lines.
/// Without a base port the system chooses. All on the loopback interface.
/// </remarks>
public sealed class SystemLines : IAsyncDisposable
{
    private readonly LinkMode mode;
    private readonly int basePort;
    private readonly TimeProvider time;
    private readonly Entropy entropy;
    private readonly HttpJsonServer? json;
    private readonly InsideConnections inside = new();
    private readonly SortedDictionary<string, TcpIsoServer> servers = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, TcpIsoLink> links = new(StringComparer.Ordinal);
    private readonly List<HttpJsonLink> jsonLinks = [];

    private SystemLines(LinkMode mode, int basePort, TimeProvider time, Entropy entropy, HttpJsonServer? json) =>
        (this.mode, this.basePort, this.time, this.entropy, this.json) = (mode, basePort, time, entropy, json);

    /// <summary>The listeners by line (pos-line, acquirer-network, network-issuer, network-token); empty in memory.</summary>
    public IReadOnlyDictionary<string, TcpIsoServer> Servers => servers;

    /// <summary>The calling ends, by line and who calls or is called: <c>pos-line/10000001</c>; empty in memory.</summary>
    public IReadOnlyDictionary<string, TcpIsoLink> Links => links;

    /// <summary>Where the JSON lines listen; null in memory.</summary>
    public Uri? JsonAddress => json?.Address;

    /// <param name="basePort">N; 0 lets the system choose each port.</param>
    /// <exception cref="PortTakenException">Somebody else listens on N+5.</exception>
    public static async Task<SystemLines> OpenAsync(LinkMode mode, int basePort, TimeProvider time, Entropy entropy) =>
        new(mode, basePort, time, entropy, mode == LinkMode.Tcp ? await HttpJsonServer.StartAsync(At(basePort, 5)) : null);

    /// <summary>Lets <paramref name="server"/> listen on a line. The result connects a caller.</summary>
    /// <param name="offset">From N.</param>
    /// <param name="overload">What it says when it is full; null: nothing.</param>
    /// <param name="leaves">The server's log. Callers outside this process hear nothing that is not durable in it.</param>
    /// <param name="innerHop">True when our own callers need not wait for the disk, since an edge behind them does (decisions.md 22).</param>
    /// <exception cref="PortTakenException">Somebody else listens on the port.</exception>
    internal Func<Caller, ITappedLink> Listen(
        string line, int offset, Framing framing, IIsoServer server, LinkFaults faults, Store leaves, bool innerHop, Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? overload)
    {
        if (mode == LinkMode.Memory)
        {
            return _ => new InMemoryIsoLink(server, faults, innerHop ? null : leaves);
        }

        // Inner hops have room for all that the POS line lets in, and for the reversals beside it.
        var options = new TcpIsoServerOptions { Overload = overload, MaxInFlight = innerHop ? 1_024 : 512, Inside = innerHop ? inside : null };
        TcpIsoServer listener;
        try
        {
            listener = TcpIsoServer.Start(At(basePort, offset), framing, server, time, options, leaves);
        }
        catch (SocketException taken) when (taken.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            throw new PortTakenException(At(basePort, offset).Port, taken);
        }

        servers.Add(line, listener);
        return caller =>
        {
            var link = new TcpIsoLink(listener.LocalEndpoint, framing, time, entropy, new TcpIsoLinkOptions
            {
                Peer = caller.Peer,
                OwnInstitution = framing == Framing.Switch ? caller.Own : null,
                PeerInstitution = framing == Framing.Switch ? caller.Peer : null,
                Inside = inside,
            });
            links.Add($"{line}/{(framing == Framing.Switch ? caller.Peer : caller.Own)}", link);
            return new WiredIsoLink(link, faults);
        };
    }

    /// <summary>A JSON line to <paramref name="party"/>; each call makes one more caller.</summary>
    /// <param name="leaves">The party's log, durable before a reply leaves; in memory null on an inner hop.</param>
    internal IJsonLink Json(string party, JsonEndpoint endpoint, LinkFaults faults, Store leaves, bool innerHop)
    {
        if (json is null)
        {
            return new InMemoryJsonLink(endpoint, faults, innerHop ? null : leaves);
        }

        json.Add(party, endpoint, leaves);
        var link = new HttpJsonLink(json.Address, party, time);
        jsonLinks.Add(link);
        return new WiredJsonLink(link, faults, endpoint.Party);
    }

    /// <summary>Callers first: what is in flight ends, so that no listener waits for another.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var link in links.Values)
        {
            await link.DisposeAsync();
        }

        jsonLinks.ForEach(link => link.Dispose());
        foreach (var server in servers.Values)
        {
            await server.DisposeAsync();
        }

        if (json is not null)
        {
            await json.DisposeAsync();
        }
    }

    private static IPEndPoint At(int basePort, int offset) => new(IPAddress.Loopback, basePort == 0 ? 0 : basePort + offset);

    /// <param name="Own">Who calls: a terminal, or an institution.</param>
    /// <param name="Peer">Who is called.</param>
    internal readonly record struct Caller(string Own, string Peer);
}

/// <summary>The connections that this process has to itself, known by their calling end: an answer on them leaves no process.</summary>
public sealed class InsideConnections
{
    private readonly Lock gate = new();
    private readonly HashSet<EndPoint> calling = [];

    public bool Contains(EndPoint? remote)
    {
        lock (gate)
        {
            return remote is not null && calling.Contains(remote);
        }
    }

    internal void Add(EndPoint local)
    {
        lock (gate)
        {
            calling.Add(local);
        }
    }

    internal void Remove(EndPoint local)
    {
        lock (gate)
        {
            calling.Remove(local);
        }
    }
}
