using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Terminal.Kernel;

namespace Majia.Terminal;

/// <summary>How a sale, a void or a refund ended, as the counter sees it. Closed.</summary>
public enum SaleOutcome
{
    Approved,
    Voided,

    /// <summary>The money, or a part of it, is on its way back.</summary>
    Refunded,

    /// <summary>By the bank, by the card, or by the kernel.</summary>
    Declined,

    /// <summary>The bank wants the (right) PIN: tap again, the card's cryptogram is used up.</summary>
    RetapForPin,

    /// <summary>The phone has no verified fingerprint, and nobody tapped again in time (R17).</summary>
    SeePhone,

    /// <summary>The card left too early, and nobody tapped again in time.</summary>
    CardRemoved,
    TryAnotherInterface,
    EndApplication,

    /// <summary>Nobody tapped, the merchant cancelled, or the holder pressed cancel on the PIN pad. Nothing was sent.</summary>
    Cancelled,

    /// <summary>This terminal does not take QuickPass (R1).</summary>
    NotOffered,

    /// <summary>No usable answer; the acquirer has the reversal, so nothing is charged.</summary>
    Reversed,

    /// <summary>No usable answer; the reversal is kept and sent before the next transaction.</summary>
    ReversalPending,

    /// <summary>No usable answer to a refund: it is kept and sent again before the next transaction.</summary>
    RefundPending,

    /// <summary>A void or refund that this terminal cannot do: unknown, other batch, already voided.</summary>
    Refused,
}

/// <summary>The end of one sale or void, with its why.</summary>
/// <param name="Voucher">F11; null when no trace number was used.</param>
/// <param name="MaskedNumber">First six and last four of the number that was tapped.</param>
/// <param name="TraceReference"><see cref="Core.Contracts.TraceReference"/> of the payment.</param>
public sealed record SaleResult(
    SaleOutcome Outcome,
    Text Why,
    Amount Amount,
    ResponseCode? ResponseCode = null,
    string? Batch = null,
    string? Voucher = null,
    string? Rrn = null,
    string? MaskedNumber = null,
    CvmDecision? Verification = null,
    CvmResult Cvm = CvmResult.None,
    Slip? Slip = null,
    string? TraceReference = null)
{
    public string? LastFour => MaskedNumber is { Length: >= 4 } masked ? masked[^4..] : null;
}
