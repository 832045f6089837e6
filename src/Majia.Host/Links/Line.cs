using System.Globalization;
using Majia.Core.Primitives;
using Majia.Host.Composition;

namespace Majia.Host.Links;

/// <summary>A wire between two parties: who listens on it, who calls, on which port from N (decisions.md 29).</summary>
/// <param name="Name">Who calls, then who answers: the one name of it, in options, traces, pages and scenarios (<c>pos-line</c> is the terminal's to the acquirer).</param>
/// <param name="Offset">From N, the base port of the process that listens.</param>
/// <param name="PerInstitution">Each bank has its own end of it, which may be anywhere.</param>
/// <param name="Framing">Of an ISO 8583 line over TCP; null: JSON over HTTP.</param>
public sealed record Line(string Name, Text Says, int Offset, Role Server, Role Caller, Framing? Framing = null, bool PerInstitution = false)
{
    public static Line Pos { get; } = new("pos-line", new("terminal → acquirer", "终端 → 收单"), 1, Role.Acquirer, Role.Terminal, Links.Framing.Pos);

    public static Line AcquirerNetwork { get; } = new("acquirer-network", new("acquirer → network", "收单 → 转接"), 2, Role.Network, Role.Acquirer, Links.Framing.Switch);

    public static Line NetworkIssuer { get; } = new("network-issuer", new("network → bank", "转接 → 发卡行"), 3, Role.Issuer, Role.Network, Links.Framing.Switch, PerInstitution: true);

    public static Line NetworkToken { get; } = new("network-token", new("network → token service", "转接 → 标记服务"), 4, Role.Token, Role.Network, Links.Framing.Switch);

    public static Line PhoneWallet { get; } = new("phone-wallet", new("phone → wallet cloud", "手机 → 钱包云"), 5, Role.Wallet, Role.Phone);

    public static Line WalletToken { get; } = new("wallet-token", new("wallet cloud → token service", "钱包云 → 标记服务"), 6, Role.Token, Role.Wallet);

    public static Line TokenIssuer { get; } = new("token-issuer", new("token service → bank", "标记服务 → 发卡行"), 7, Role.Issuer, Role.Token, PerInstitution: true);

    /// <summary>The bank's own staff: what its counter sees and does.</summary>
    public static Line BankDesk { get; } = new("bank-desk", new("counter and hotline → bank", "柜台与客服 → 发卡行"), 8, Role.Issuer, Role.Web, PerInstitution: true);

    /// <summary>What the switch remembers, for a token service that was restored (decisions.md 24).</summary>
    public static Line TokenNetwork { get; } = new("token-network", new("token service → network, after a restoration", "标记服务 → 转接（恢复后）"), 9, Role.Network, Role.Token);

    /// <summary>What becomes of a device card, whoever did it; and what the wallet remembers, for a token service that was restored.</summary>
    public static Line TokenWallet { get; } = new("token-wallet", new("token service → wallet cloud", "标记服务 → 钱包云"), 10, Role.Wallet, Role.Token);

    /// <summary>What becomes of plastic, and a bank's say over its device cards. Each bank has an end of its own there, under its name.</summary>
    public static Line IssuerToken { get; } = new("issuer-token", new("bank → token service", "发卡行 → 标记服务"), 11, Role.Token, Role.Issuer);

    /// <summary>A transit card into a phone's chip, and money onto it. The phone relays.</summary>
    public static Line PhoneTransit { get; } = new("phone-transit", new("phone → transit operator", "手机 → 公交运营方"), 12, Role.Transit, Role.Phone);

    /// <summary>What the gates took. A gate is a terminal of its operator.</summary>
    public static Line GateTransit { get; } = new("gate-transit", new("gate → transit operator", "闸机 → 公交运营方"), 13, Role.Transit, Role.Terminal);

    /// <summary>All of them, by port.</summary>
    public static IReadOnlyList<Line> All { get; } = [Pos, AcquirerNetwork, NetworkIssuer, NetworkToken, PhoneWallet, WalletToken, TokenIssuer, BankDesk, TokenNetwork, TokenWallet, IssuerToken, PhoneTransit, GateTransit];

    /// <summary>Where a process without pages shows health and metrics: N+20 and the first line's offset of its first party; with pages N itself.</summary>
    public static int OperationsOffset(IReadOnlySet<Role> roles) => roles.Contains(Role.Web) ? 0 : 20 + (All.FirstOrDefault(line => roles.Contains(line.Server))?.Offset ?? 0);
}

/// <summary>Where a party, or one line of it, is.</summary>
public readonly record struct HostPort(string Host, int Port)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");
}

/// <summary>Where the parties of other processes are: <c>PARTY=HOST[:N]</c>, the ports following from that process's N, or one line exactly, <c>LINE[/BANK]=HOST:PORT</c>.</summary>
/// <remarks>What is not named is looked for on this machine at the ports of our own N, which is how a trial runs.</remarks>
public sealed class Peers
{
    private readonly SortedDictionary<string, HostPort> parties = new(StringComparer.Ordinal), lines = new(StringComparer.Ordinal);

    /// <summary>Adds one row. The last word on a name holds.</summary>
    /// <returns>What is wrong, or null.</returns>
    public string? Add(string row, int defaultBase)
    {
        var (key, value) = row.IndexOf('=', StringComparison.Ordinal) is var at and > 0 ? (row[..at].Trim(), row[(at + 1)..].Trim()) : (row, string.Empty);
        var line = Line.All.FirstOrDefault(one => key == one.Name || (one.PerInstitution && key.StartsWith(one.Name + "/", StringComparison.Ordinal)));
        var party = line is null && (Enum.GetValues<Role>().Any(role => role.Name() == key) || key.StartsWith("issuer-", StringComparison.Ordinal));
        if (line is null && !party)
        {
            return $"'{row}' names no party and no line; expected PARTY=HOST[:N] with a party of acquirer, network, token, issuer, issuer-BANK, wallet, transit, or LINE[/BANK]=HOST:PORT with a line of {string.Join(", ", Line.All.Select(one => one.Name))}";
        }

        if (!TryRead(value, party ? defaultBase : null, out var address))
        {
            return $"'{row}': expected {(party ? "HOST[:N]" : "HOST:PORT")} after the =, got '{value}'";
        }

        (party ? parties : lines)[key] = address;
        return null;
    }

    /// <summary>Where <paramref name="line"/> is answered for <paramref name="institution"/> (a bank; null elsewhere).</summary>
    public HostPort Find(Line line, string? institution, int ownBase)
    {
        if ((institution is not null && lines.TryGetValue($"{line.Name}/{institution}", out var exact)) || lines.TryGetValue(line.Name, out exact))
        {
            return exact;
        }

        return (institution is not null && parties.TryGetValue($"issuer-{institution}", out var at)) || parties.TryGetValue(line.Server.Name(), out at)
            ? new HostPort(at.Host, at.Port + line.Offset)
            : new HostPort("127.0.0.1", ownBase + line.Offset);
    }

    private static bool TryRead(string text, int? otherwise, out HostPort address)
    {
        address = default;
        var colon = text.LastIndexOf(':');
        var bare = colon < 0 || text.EndsWith(']');
        var host = (bare ? text : text[..colon]).Trim('[', ']');
        int port;
        if (bare)
        {
            port = otherwise ?? 0;
        }
        else if (!int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port))
        {
            return false;
        }

        address = new HostPort(host, port);
        return Uri.CheckHostName(host) != UriHostNameType.Unknown && port is > 0 and <= 65535;
    }
}
