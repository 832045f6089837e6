using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>What the acquirer found when it held its totals against the terminal's: the digit behind them in F48 of a 0510 (protocols.md 6.3).</summary>
public enum BatchBalance
{
    /// <summary>In a request: not compared yet.</summary>
    Open = 0,
    Balanced = 1,
    NotBalanced = 2,

    /// <summary>The acquirer cannot say: something of the batch is still under way. The batch stays open.</summary>
    Error = 3,
}

/// <summary>A batch in two sums: what customers paid, and what they got back. A voided sale and its void cancel out and are in neither.</summary>
/// <param name="Debit">Fen of standing sales.</param>
/// <param name="Credit">Fen of refunds.</param>
public sealed record SettlementTotals(long Debit, int DebitCount, long Credit, int CreditCount)
{
    /// <summary>Domestic 30 and a digit, foreign 30 and a digit.</summary>
    private const int Length = 62, Block = 30;

    private const long MostAmount = 999_999_999_999;
    private const int MostCount = 999;

    public static readonly SettlementTotals None = new(0, 0, 0, 0);

    /// <summary>Net to the merchant.</summary>
    public Amount Net => Amount.Cny(Debit - Credit);

    public bool IsEmpty => DebitCount == 0 && CreditCount == 0;

    /// <summary>F48 (protocols.md 6.2): debit amount 12, count 3, credit amount 12, count 3, the balance digit; then the same for foreign cards, which are none here.</summary>
    /// <remarks>Totals that the field cannot carry go as the most that it can, and never as balanced: people look at them.</remarks>
    public string Format(BatchBalance balance)
    {
        var sent = new SettlementTotals(Math.Clamp(Debit, 0, MostAmount), Math.Clamp(DebitCount, 0, MostCount), Math.Clamp(Credit, 0, MostAmount), Math.Clamp(CreditCount, 0, MostCount));
        var said = balance == BatchBalance.Balanced && sent != this ? BatchBalance.NotBalanced : balance;
        return string.Create(CultureInfo.InvariantCulture, $"{sent.Debit:D12}{sent.DebitCount:D3}{sent.Credit:D12}{sent.CreditCount:D3}{(int)said}{0:D30}{(said == BatchBalance.Open ? 0 : 1)}");
    }

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out SettlementTotals? totals, out BatchBalance balance, out ParseError error)
    {
        (totals, balance) = (null, BatchBalance.Open);
        if (!Subfield.Digits(text, "F48", "62 digits of totals", [Length], out error))
        {
            return false;
        }

        if (text[Block] > '3')
        {
            error = new ParseError("F48", Block, "0 open, 1 balanced, 2 not balanced or 3 error", "another digit");
            return false;
        }

        balance = (BatchBalance)(text[Block] - '0');
        totals = new SettlementTotals(Number(text[..12]), (int)Number(text[12..15]), Number(text[15..27]), (int)Number(text[27..30]));
        return true;
    }

    /// <summary>What the terminal may carry in one batch: after that it has to settle.</summary>
    public static bool Fits(int count) => count <= MostCount;

    private static long Number(ReadOnlySpan<char> digits) => long.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
}
