using System.Net;
using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Links;
using Majia.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Majia.Host;

/// <param name="DataPath">The data folder; created when absent.</param>
/// <param name="PasswordIterations">PBKDF2 rounds of the wallet accounts; tests take fewer.</param>
public sealed record SystemOptions(string DataPath, TimeProvider Time, Entropy Entropy)
{
    public int PasswordIterations { get; init; } = 600_000;

    /// <summary>Refuses test keys, and to make any: nothing that the seeding makes may touch real money (decisions.md 31).</summary>
    public bool Production { get; init; }

    /// <summary>Whether the parties of this process talk in memory or over sockets (decisions.md 31). Those of other processes are reached over sockets either way.</summary>
    public LinkMode Links { get; init; } = LinkMode.Memory;

    /// <summary>N of the ports of <see cref="Line"/>; 0 lets the system choose each.</summary>
    public int BasePort { get; init; }

    /// <summary>The parties of this process; the others run elsewhere.</summary>
    public IReadOnlySet<Role> Roles { get; init; } = Composition.Roles.All;

    /// <summary>The banks of this process, where the issuer's role is here; null: all that are seeded.</summary>
    public IReadOnlyList<string>? Institutions { get; init; }

    /// <summary>Where the parties of other processes are.</summary>
    public Peers Peers { get; init; } = new();

    /// <summary>The folder of <c>majia certs</c>; null: plain sockets, on this machine alone.</summary>
    public string? Tls { get; init; }

    /// <summary>Where the lines listen under TLS; null: loopback.</summary>
    public IPAddress? Bind { get; init; }

    public ILogger Log { get; init; } = NullLogger.Instance;

    /// <summary>A connection string of PostgreSQL, or <see cref="Books.Private"/>; null: a file of SQLite in the data folder.</summary>
    public string? Store { get; init; }

    public PostgresOptions Postgres { get; init; } = new();
}

/// <summary>Production mode was asked for, and what is here is for demonstration and test.</summary>
public sealed class ProductionRefusedException(string message) : Exception(message);
