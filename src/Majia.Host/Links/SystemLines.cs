using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Operations;
using Majia.Storage;

namespace Majia.Host.Links;

/// <summary>How the parties of one process reach each other.</summary>
public enum LinkMode
{
    /// <summary>Whole frames, handed over in the process.</summary>
    Memory,

    /// <summary>The same frames over sockets: ISO 8583 on TCP, JSON on HTTP.</summary>
    Tcp,
}

/// <summary>What listens and what is called, from this process.</summary>
/// <param name="BasePort">N of <see cref="Line"/>; 0 lets the system choose each.</param>
/// <param name="Tls">Null: plain sockets, on this machine alone.</param>
/// <param name="Bind">Null: loopback.</param>
public sealed record LineOptions(LinkMode Mode, int BasePort, IReadOnlySet<Role> Roles, Peers Peers, PartyTls? Tls = null, IPAddress? Bind = null);

/// <summary>The lines of one process: in memory between parties that are both here (unless sockets are asked for), by sockets to and from parties elsewhere.</summary>
public sealed class SystemLines : IAsyncDisposable
{
    private readonly LineOptions options;
    private readonly TimeProvider time;
    private readonly Entropy entropy;
    private readonly SortedDictionary<string, HttpJsonServer> json;
    private readonly InsideConnections inside = new();
    private readonly SortedDictionary<string, TcpIsoServer> servers = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, TcpIsoLink> links = new(StringComparer.Ordinal);
    private readonly List<HttpJsonLink> jsonLinks = [];

    private SystemLines(LineOptions options, TimeProvider time, Entropy entropy, SortedDictionary<string, HttpJsonServer> json) =>
        (this.options, this.time, this.entropy, this.json) = (options, time, entropy, json);

    /// <summary>The ISO 8583 listeners by line; empty in memory.</summary>
    public IReadOnlyDictionary<string, TcpIsoServer> Servers => servers;

    /// <summary>The calling ends, by line and who calls or is called: <c>pos-line/10000001</c>; empty in memory.</summary>
    public IReadOnlyDictionary<string, TcpIsoLink> Links => links;

    /// <summary>Where each JSON line listens; empty in memory.</summary>
    public IReadOnlyDictionary<string, Uri> JsonAddresses => json.ToDictionary(line => line.Key, line => line.Value.Address, StringComparer.Ordinal);

    /// <exception cref="PortTakenException">Somebody else listens on a JSON line's port.</exception>
    public static async Task<SystemLines> OpenAsync(LineOptions options, TimeProvider time, Entropy entropy)
    {
        var lines = new SystemLines(options, time, entropy, new(StringComparer.Ordinal));
        try
        {
            foreach (var line in Line.All.Where(line => line.Framing is null && lines.Listens(line)))
            {
                lines.json.Add(line.Name, await HttpJsonServer.StartAsync(lines.At(line), line, options.Tls));
            }

            return lines;
        }
        catch
        {
            await lines.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets <paramref name="server"/> listen on a line. The result connects a caller of this process.</summary>
    /// <param name="server">Null: it runs elsewhere, and the result connects to it there.</param>
    /// <param name="overload">What it says when it is full; null: nothing.</param>
    /// <param name="leaves">The log of this process. Callers outside hear nothing that is not durable in it, and nothing is asked of parties outside before it is.</param>
    /// <param name="innerHop">True when our own callers need not wait for the disk, since an edge behind them does (decisions.md 22).</param>
    /// <exception cref="PortTakenException">Somebody else listens on the port.</exception>
    internal Func<Caller, ITappedLink> Listen(Line line, IIsoServer? server, LinkFaults faults, Store leaves, bool innerHop, Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? overload)
    {
        server = server is null ? null : Measures.Of(line, server, time);
        var listener = server is not null && Listens(line) ? Start(line, server, leaves, innerHop, overload) : null;
        return caller => server is null ? Elsewhere(line, caller, faults, leaves)
            : options.Mode == LinkMode.Memory ? new InMemoryIsoLink(server, faults, innerHop ? null : leaves)
            : Call(line, listener!.LocalEndpoint, caller, faults, ours: true);
    }

    /// <summary>A line to a party elsewhere.</summary>
    internal ITappedLink Elsewhere(Line line, Caller caller, LinkFaults faults, Store leaves)
    {
        var peer = options.Peers.Find(line, line.PerInstitution ? caller.Peer : null, options.BasePort);
        EndPoint endpoint = IPAddress.TryParse(peer.Host, out var address) ? new IPEndPoint(address, peer.Port) : new DnsEndPoint(peer.Host, peer.Port);
        return Call(line, endpoint, caller, faults, ours: false, line.Caller == Role.Terminal ? null : leaves);
    }

    /// <summary>Lets a party of this process answer on a JSON line.</summary>
    /// <param name="party">The first part of the path, and what a caller calls it.</param>
    /// <param name="leaves">The party's log, durable before a reply leaves.</param>
    internal void Answer(Line line, string party, JsonEndpoint endpoint, Store leaves)
    {
        if (json.TryGetValue(line.Name, out var server))
        {
            server.Add(party, endpoint, leaves);
        }
    }

    /// <summary>A JSON line to <paramref name="party"/>; each call makes one more caller.</summary>
    /// <param name="endpoint">Null: it runs elsewhere.</param>
    /// <param name="leaves">Of this process; in memory null on an inner hop, and never waited for by a caller with a store of its own.</param>
    internal IJsonLink Json(Line line, string party, string? institution, JsonEndpoint? endpoint, LinkFaults faults, Store leaves, bool innerHop)
    {
        if (endpoint is not null && options.Mode == LinkMode.Memory)
        {
            return new InMemoryJsonLink(endpoint, faults, innerHop ? null : leaves);
        }

        var own = endpoint is not null ? json[line.Name].Address : null;
        var peer = own is null ? options.Peers.Find(line, institution, options.BasePort) : new HostPort(own.Host, own.Port);
        var address = own ?? new Uri($"{(options.Tls is null ? "http" : "https")}://{peer}/");
        var link = new HttpJsonLink(address, party, time, tls: options.Tls?.Client(line, institution, peer.ToString()), leaves: own is null && innerHop ? leaves : null);
        jsonLinks.Add(link);
        return new WiredJsonLink(link, faults, party);
    }

    /// <summary>Signs off, takes nothing new, and lets what is in work end, no longer than <paramref name="limit"/>.</summary>
    /// <returns>Requests that were still in work.</returns>
    public async Task<int> DrainAsync(TimeSpan limit)
    {
        await Task.WhenAll(links.Values.Select(link => link.SignOffAsync()));
        var left = await Task.WhenAll(servers.Values.Select(server => server.DrainAsync(limit)));
        return left.Sum();
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

        foreach (var server in json.Values)
        {
            await server.DisposeAsync();
        }
    }

    /// <summary>In memory a party listens only for callers that are elsewhere.</summary>
    private bool Listens(Line line) => options.Roles.Contains(line.Server) && (options.Mode == LinkMode.Tcp || !options.Roles.Contains(line.Caller));

    private TcpIsoServer Start(Line line, IIsoServer server, Store leaves, bool innerHop, Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? overload)
    {
        // Inner hops have room for all that the POS line lets in, and for the reversals beside it.
        var bounds = new TcpIsoServerOptions { Overload = overload, MaxInFlight = innerHop ? 1_024 : 512, Inside = innerHop ? inside : null, Tls = options.Tls, Line = line };
        try
        {
            var listener = TcpIsoServer.Start(At(line), line.Framing!, server, time, bounds, leaves);
            servers.Add(line.Name, listener);
            return listener;
        }
        catch (SocketException taken) when (taken.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            throw new PortTakenException(At(line).Port, taken);
        }
    }

    private WiredIsoLink Call(Line line, EndPoint endpoint, Caller caller, LinkFaults faults, bool ours, Store? leaves = null)
    {
        var signs = line.Framing == Framing.Switch;
        var link = new TcpIsoLink(endpoint, line.Framing!, time, entropy, new TcpIsoLinkOptions
        {
            Peer = caller.Peer,
            OwnInstitution = signs ? caller.Own : null,
            PeerInstitution = signs ? caller.Peer : null,
            Inside = ours ? inside : null,
            Tls = options.Tls,
            Line = line,
            Institution = line.PerInstitution ? caller.Peer : null,
        });
        links.Add($"{line.Name}/{(signs ? caller.Peer : caller.Own)}", link);
        return new WiredIsoLink(leaves is null ? link : new LeavingIsoLink(link, leaves), faults);
    }

    private IPEndPoint At(Line line) => new(options.Tls is null ? IPAddress.Loopback : options.Bind ?? IPAddress.Loopback, options.BasePort == 0 ? 0 : options.BasePort + line.Offset);

    /// <param name="Own">Who calls: a terminal, or an institution.</param>
    /// <param name="Peer">Who is called.</param>
    internal readonly record struct Caller(string Own, string Peer);
}

/// <summary>A line out of the process: nothing is asked of another party before what it rests on is on our disk (decisions.md 22).</summary>
public sealed class LeavingIsoLink(IIsoLink line, Store leaves) : IIsoLink
{
    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        await leaves.DurableAsync();
        return await line.ExchangeAsync(frame, cancellation);
    }
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
