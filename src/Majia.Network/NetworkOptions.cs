using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Network;

/// <summary>A row of the switch's BIN table: plastic numbers that begin so belong to this institution.</summary>
public sealed record BinRoute(string Bin, string Institution);

/// <summary>What the switch is configured with.</summary>
public sealed record NetworkOptions
{
    public string Institution { get; init; } = "00010000";

    public string TokenService { get; init; } = "00019900";

    /// <summary>Institutions that may send 0200 and 0420. A bank has a line too, but answers on it only.</summary>
    public IReadOnlyList<string> Acquirers { get; init; } = ["63990900"];

    /// <summary>First six digits of device numbers: only the token service knows what is behind them.</summary>
    public IReadOnlyList<string> TokenBins { get; init; } = PaymentToken.Bins;

    /// <summary>Plastic cards, longest match first.</summary>
    public IReadOnlyList<BinRoute> Routes { get; init; } =
    [
        new("629901", "63990100"),
        new("629902", "63990200"),
        new("629903", "63990300"),
        new("629904", "63990300"),
        new("629905", "63990300"),
        new("629906", "63990200"),
        new("411111", "63990300"),
    ];

    /// <summary>Silence of the token service is answered 96: nothing has gone to the issuer.</summary>
    public TimeSpan TokenServiceTimeout { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>Silence of an issuer is answered 98 and reversed.</summary>
    public TimeSpan IssuerTimeout { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>Of all its lines; SM4 is a setting.</summary>
    public MacAlgorithm Mac { get; init; } = MacAlgorithm.UnionPayEcb;

    /// <summary>F7 and F15 are local time.</summary>
    public TimeSpan UtcOffset { get; init; } = TimeSpan.FromHours(8);
}

/// <summary>One transaction as the switch keeps it: the number as a token, or sealed and shown masked.</summary>
public sealed record SwitchedView(string Rrn, DateTimeOffset At, string Key, string Processing, Amount Amount, string Number, string? Institution, string? Code, bool Reversed);
