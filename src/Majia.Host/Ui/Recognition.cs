using Majia.Core.Primitives;
using Majia.TokenService.Directory;

namespace Majia.Host.Ui;

/// <summary>What the first digits of a number say while it is typed: whose card it is, and whether it can go into a phone (R11, R12).</summary>
/// <param name="Fits">So far nothing speaks against it.</param>
/// <param name="WantsExpiry">A credit card: expiry and CVN2 are asked for (R6).</param>
public sealed record Recognition(Text Says, bool Fits, bool WantsExpiry)
{
    private const int ShortestBin = 6;

    /// <summary>The directory that comes with the product; a phone knows banks, not the vault.</summary>
    private static readonly CardDirectory Known = CardDirectory.Load();

    public static Recognition? Of(string prefix, int length, bool checkDigit) => Of(Known, prefix, length, checkDigit);

    /// <param name="prefix">The first nine digits at most.</param>
    /// <param name="length">Digits typed so far.</param>
    /// <param name="checkDigit">The number's last digit fits the others (Luhn).</param>
    public static Recognition? Of(CardDirectory directory, string prefix, int length, bool checkDigit)
    {
        if (prefix.Length < ShortestBin)
        {
            return null;
        }

        var rows = directory.Bins.Where(row => prefix.StartsWith(row.Bin, StringComparison.Ordinal)).OrderByDescending(row => row.Bin.Length).ToList();
        if (rows.Count == 0)
        {
            return new(new("No bank is known for these digits.", "无法识别该卡号所属的银行。"), false, false);
        }

        var row = rows.Find(row => row.Length == length) ?? rows[0];
        var ofAnyLength = rows.All(other => other.Kind == row.Kind) || row.Length == length;
        if (!row.IsUnionPay || !directory.TryBank(row.Bank, out var bank))
        {
            return new(new($"{row.Product.En}: not a UnionPay card, it cannot be added.", $"{row.Product.Zh}：不是银联卡，无法添加。"), false, false);
        }

        var (kindEn, kindZh) = ofAnyLength ? (row.Kind.Name().En, row.Kind.Name().Zh) : ("card", "银行卡");
        var name = new Text($"{bank.Name.En}, {kindEn}", $"{bank.Name.Zh} {kindZh}");
        var credit = ofAnyLength && row.Kind.NeedsExpiryAndCvn2();
        return ofAnyLength && !bank.Takes.Contains(row.Kind) ? new(new($"{name.En}: this bank puts other kinds of card into phones, not this one.", $"{name.Zh}：该银行暂不支持这一卡种。"), false, credit)
            : bank.Institution is null ? new(new($"{name.En}. The bank is in the directory, but not connected here.", $"{name.Zh}。该银行在目录中，但未在此接入。"), false, credit)
            : rows.All(other => length < other.Length) ? new(new($"{name.En} …", $"{name.Zh} …"), true, credit)
            : rows.All(other => length != other.Length) ? new(new($"{name.En}: {string.Join(" or ", rows.Select(other => other.Length).Order())} digits, not {length}.", $"{name.Zh}：应为 {string.Join(" 或 ", rows.Select(other => other.Length).Order())} 位，现为 {length} 位。"), false, credit)
            : !checkDigit ? new(new($"{name.En}: a digit is wrong, please compare.", $"{name.Zh}：卡号有误，请核对。"), false, credit)
            : new(new($"{name.En} ✓", $"{name.Zh} ✓"), true, credit);
    }
}
