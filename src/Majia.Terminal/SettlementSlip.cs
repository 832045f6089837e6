using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Terminal;

/// <summary>结算单: what is printed when a batch is closed. Both totals stand there when they differ.</summary>
/// <param name="Own">Of this terminal's journal.</param>
/// <param name="Host">Of the acquirer.</param>
public sealed record SettlementSlip(
    Text MerchantName, string MerchantNumber, string TerminalNumber, string Operator, string Batch, string Rrn, DateTime LocalTime, SettlementTotals Own, SettlementTotals Host, BatchBalance Balance)
{
    /// <param name="columns">32 to 48: the printer's width.</param>
    public string Print(int columns = 40) => new SlipPaper(columns).Print(this);
}

/// <summary>How closing a batch ended.</summary>
public enum SettlementOutcome
{
    Balanced,

    /// <summary>Closed, and the totals differ: people look at it.</summary>
    NotBalanced,

    /// <summary>Nothing was sold or refunded: there is nothing to close.</summary>
    Empty,

    /// <summary>Reversals or refunds of this terminal are not confirmed yet, or the acquirer still has something under way: the batch stays open.</summary>
    Unfinished,

    /// <summary>The acquirer did not answer: the batch stays open, and closing it again has the same result.</summary>
    NoAnswer,
}

/// <summary>The end of one settlement, with its why.</summary>
public sealed record SettlementResult(SettlementOutcome Outcome, Text Why, string Batch, SettlementTotals Totals, SettlementSlip? Slip = null)
{
    /// <summary>The terminal goes on with a new batch.</summary>
    public bool Closed => Outcome is SettlementOutcome.Balanced or SettlementOutcome.NotBalanced;
}
