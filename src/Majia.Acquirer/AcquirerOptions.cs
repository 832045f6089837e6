using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Acquirer;

/// <summary>What the acquirer is configured with.</summary>
public sealed record AcquirerOptions
{
    /// <summary>F32 and F33 of its messages.</summary>
    public string Institution { get; init; } = "63990900";

    /// <summary>Where its switch line leads.</summary>
    public string Network { get; init; } = "00010000";

    /// <summary>First six digits of device numbers: such a number may be kept, any other is sealed (decisions.md 21).</summary>
    public IReadOnlyList<string> TokenBins { get; init; } = PaymentToken.Bins;

    /// <summary>After this the network's silence is answered 98 and reversed.</summary>
    public TimeSpan NetworkTimeout { get; init; } = TimeSpan.FromSeconds(40);

    /// <summary>Of both lines; SM4 is a setting.</summary>
    public MacAlgorithm Mac { get; init; } = MacAlgorithm.UnionPayEcb;

    /// <summary>F7, F12 and F13 are local time.</summary>
    public TimeSpan UtcOffset { get; init; } = TimeSpan.FromHours(8);
}

/// <summary>A merchant with its terminals.</summary>
/// <param name="Number">F42, 15 characters.</param>
/// <param name="CategoryCode">MCC, F18.</param>
/// <param name="Terminals">F41, 8 characters each.</param>
public sealed record Merchant(string Number, Text Name, string CategoryCode, IReadOnlyList<string> Terminals);

/// <summary>The merchants that exist from the start.</summary>
public sealed record AcquirerSeed(IReadOnlyList<Merchant> Merchants);

/// <summary>One payment as its merchant may see it: the device number's first six and last four, no more.</summary>
/// <param name="Kind">F3 and F60.1: <c>000000/22</c> sale, <c>200000/23</c> void, <c>200000/25</c> refund.</param>
/// <param name="Code">F39; null while the answer is awaited.</param>
/// <param name="UndoneBy">RRN of the void that undoes it.</param>
/// <param name="Refunded">Of a sale: what refunds have given back of it.</param>
/// <param name="Undoes">Of a void or refund: RRN of its sale.</param>
public sealed record PaymentView(
    string Rrn, DateTimeOffset At, string Merchant, string Terminal, string Batch, string Stan, string Kind, Amount Amount, string Number, string LastFour, string? Code, string? Authorisation, bool Reversed, string? UndoneBy, Amount Refunded, string? Undoes);
