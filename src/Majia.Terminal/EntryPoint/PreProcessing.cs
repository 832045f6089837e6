using Majia.Core.Emv;
using Majia.Core.Primitives;

namespace Majia.Terminal.EntryPoint;

/// <summary>Start A: before any card is there, each AID's limits against the amount (EMV Book A §3.1.1, Book B §3.1; protocols.md 2.2 step 1).</summary>
public static class PreProcessing
{
    /// <summary>One AID's indicators for this transaction.</summary>
    /// <param name="Allowed">False: this AID is not used over the contactless interface for this amount.</param>
    public sealed record Indicators(AidParameters Row, TerminalTransactionQualifiers Qualifiers, bool Allowed, Text Why);

    /// <summary>One row each, in the order of the parameters.</summary>
    /// <param name="numberOnly">Nothing is bought: a card that approved by itself would spend its electronic cash on a void or refund.</param>
    public static IReadOnlyList<Indicators> Run(TerminalParameters parameters, Amount amount, bool numberOnly = false) =>
        [.. parameters.Aids.Select(row => Decide(row, parameters.Qualifiers, amount, numberOnly))];

    public static Indicators Decide(AidParameters row, TerminalTransactionQualifiers configured, Amount amount, bool numberOnly = false)
    {
        // Book A, 3.1.1.3: status check, one unit of currency.
        var online = numberOnly || (row.StatusCheck && amount.Minor == 100);

        // 3.1.1.4–5: zero amount.
        if (amount.Minor == 0)
        {
            if (!row.ZeroAmountAllowed)
            {
                return new(row, configured with { OnlineCryptogramRequired = false, CvmRequired = false }, false, new("Amount 0.00 is not taken contactless.", "金额为 0.00，不支持挥卡。"));
            }

            online = true;
        }

        // 3.1.1.6: reaches or exceeds the transaction limit (DF20).
        if (amount >= row.TransactionLimit)
        {
            return new(row, configured with { OnlineCryptogramRequired = false, CvmRequired = false }, false,
                new($"{amount} reaches the contactless limit of {row.TransactionLimit} (DF20).", $"金额 {amount} 已达到非接触交易上限 {row.TransactionLimit}（DF20）。"));
        }

        // 3.1.1.7: exceeds the floor limit (DF19). 3.1.1.8: reaches or exceeds the CVM limit (DF21).
        online |= amount > row.FloorLimit;
        var cvm = amount >= row.CvmLimit;
        return new(row, configured with { OnlineCryptogramRequired = online, CvmRequired = cvm }, true, cvm
            ? new($"{amount} reaches the CVM limit of {row.CvmLimit} (DF21): the holder must be verified.", $"金额 {amount} 已达到免验限额 {row.CvmLimit}（DF21），需验证持卡人。")
            : new($"{amount} is below the CVM limit of {row.CvmLimit} (DF21).", $"金额 {amount} 低于免验限额 {row.CvmLimit}（DF21）。"));
    }
}
