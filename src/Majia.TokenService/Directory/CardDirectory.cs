using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.TokenService.Directory;

/// <summary>What kind of account a card draws on.</summary>
public enum CardKind
{
    Debit,
    Credit,
    QuasiCredit,
    Prepaid,
}

public static class CardKinds
{
    public static CardKind Parse(string text) => text switch
    {
        "debit" => CardKind.Debit,
        "credit" => CardKind.Credit,
        "quasi-credit" => CardKind.QuasiCredit,
        "prepaid" => CardKind.Prepaid,
        _ => throw new FormatException($"unknown kind of card: {text}"),
    };

    public static Text Name(this CardKind kind) => kind switch
    {
        CardKind.Debit => new("debit card", "储蓄卡"),
        CardKind.Credit => new("credit card", "信用卡"),
        CardKind.QuasiCredit => new("quasi-credit card", "准贷记卡"),
        _ => new("prepaid card", "预付卡"),
    };

    /// <summary>A credit card is added with expiry and CVN2 (R6).</summary>
    public static bool NeedsExpiryAndCvn2(this CardKind kind) => kind is CardKind.Credit or CardKind.QuasiCredit;
}

/// <summary>One plastic range. UnionPay-ness is a column, not a first digit (decisions.md 16).</summary>
public sealed record BinRow(string Bin, int Length, string Bank, IReadOnlyList<string> Brands, CardKind Kind, Text Product)
{
    public bool IsUnionPay => Brands.Contains("UNIONPAY", StringComparer.Ordinal);
}

/// <summary>One bank of the directory (R11).</summary>
/// <param name="Institution">Eight digits, or null while the bank is not connected.</param>
/// <param name="Takes">Kinds of card that the bank lets into phones.</param>
/// <param name="NamedByFaq">The FAQ names it; its two lists end in "and others".</param>
/// <param name="Announced">The how-manieth bank it was announced as, where the FAQ says so.</param>
public sealed record BankRow(string Code, string? Institution, Text Name, IReadOnlyList<CardKind> Takes, bool NamedByFaq, int? Announced, string Colour);

/// <summary>Where a bank's device numbers come from, and what is personalised for them.</summary>
/// <param name="Aid">Product AID, hex.</param>
/// <param name="ProductId">Four digits: TK tag 08 of F63.</param>
public sealed record TokenRange(string Bin, int Length, string Institution, CardKind Kind, string ProductId, string Aid);

/// <summary>BIN table, bank directory and token ranges: data, so that any bank can be added without code (R11).</summary>
public sealed class CardDirectory
{
    private readonly Dictionary<(string Bin, int Length), BinRow> bins = [];
    private readonly Dictionary<string, BankRow> banks = new(StringComparer.Ordinal);

    private CardDirectory(IReadOnlyList<BinRow> bins, IReadOnlyList<BankRow> banks, IReadOnlyList<TokenRange> ranges)
    {
        Bins = bins;
        Banks = banks;
        Ranges = ranges;
        foreach (var row in bins)
        {
            if (!this.bins.TryAdd((row.Bin, row.Length), row))
            {
                throw new FormatException($"bins.csv: {row.Bin} of {row.Length} digits stands twice");
            }
        }

        foreach (var row in banks)
        {
            if (!this.banks.TryAdd(row.Code, row))
            {
                throw new FormatException($"banks.csv: {row.Code} stands twice");
            }
        }

        foreach (var range in ranges)
        {
            // EMV Payment Tokenisation: a token BIN is never a plastic's.
            if (bins.Any(bin => bin.Bin.StartsWith(range.Bin, StringComparison.Ordinal) || range.Bin.StartsWith(bin.Bin, StringComparison.Ordinal)))
            {
                throw new FormatException($"token-ranges.csv: {range.Bin} is also a plastic range");
            }

            if (range.Length is < AccountNumber.MinLength or > AccountNumber.MaxLength || range.Bin.Length is < 6 or > 9)
            {
                throw new FormatException($"token-ranges.csv: {range.Bin} of {range.Length} digits cannot hold device numbers");
            }
        }
    }

    public IReadOnlyList<BinRow> Bins { get; }

    public IReadOnlyList<BankRow> Banks { get; }

    public IReadOnlyList<TokenRange> Ranges { get; }

    /// <param name="folder">Where the owner's own <c>bins.csv</c>, <c>banks.csv</c>, <c>token-ranges.csv</c> may lie; each replaces the one built in.</param>
    public static CardDirectory Load(string? folder = null) => Parse(
        DataTable.Load("bins.csv", folder), DataTable.Load("banks.csv", folder), DataTable.Load("token-ranges.csv", folder));

    public static CardDirectory Parse(string bins, string banks, string ranges) => new(
        [.. DataTable.Read("bins.csv", bins, "bin", "length", "bank", "brands", "kind", "product_en", "product_zh").Select(row => new BinRow(
            row["bin"], Number(row["length"]), row["bank"], row["brands"].Split('+'), CardKinds.Parse(row["kind"]), new Text(row["product_en"], row["product_zh"])))],
        [.. DataTable.Read("banks.csv", banks, "code", "institution", "name_en", "name_zh", "takes", "faq", "announced", "colour").Select(row => new BankRow(
            row["code"],
            row["institution"].Length == 0 ? null : row["institution"],
            new Text(row["name_en"], row["name_zh"]),
            [.. row["takes"].Split('+').Select(CardKinds.Parse)],
            row["faq"] == "yes",
            row["announced"].Length == 0 ? null : Number(row["announced"]),
            row["colour"]))],
        [.. DataTable.Read("token-ranges.csv", ranges, "token_bin", "length", "institution", "kind", "product_id", "aid").Select(row => new TokenRange(
            row["token_bin"], Number(row["length"]), row["institution"], CardKinds.Parse(row["kind"]), row["product_id"], row["aid"]))]);

    /// <summary>The range of a plastic's number: the longest prefix that stands for its length.</summary>
    public bool TryBin(AccountNumber number, [NotNullWhen(true)] out BinRow? row)
    {
        var digits = number.Reveal();
        for (var prefix = Math.Min(9, digits.Length); prefix >= 5; prefix--)
        {
            if (bins.TryGetValue((digits[..prefix], digits.Length), out row))
            {
                return true;
            }
        }

        row = null;
        return false;
    }

    public bool TryBank(string code, [NotNullWhen(true)] out BankRow? row) => banks.TryGetValue(code, out row);

    /// <summary>The range that the device numbers of a plastic come from: same bank, same kind, same length as the plastic.</summary>
    public bool TryRange(string institution, CardKind kind, int length, [NotNullWhen(true)] out TokenRange? range)
    {
        range = Ranges.FirstOrDefault(row => row.Institution == institution && row.Kind == kind && row.Length == length);
        return range is not null;
    }

    private static int Number(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
