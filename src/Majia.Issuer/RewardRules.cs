using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Issuer;

/// <summary>So many points for each full <paramref name="Per"/> (minor units). It is kept with the purchase: whatever the rules say later, undoing takes back what this one gave (R18).</summary>
public readonly record struct RewardRate(long Points, long Per)
{
    public static readonly RewardRate None = new(0, 100);

    public long For(Amount amount) => amount.Minor / Per * Points;
}

/// <summary>How a payment came, for rewards: the phone's tap and the plastic's are one.</summary>
public static class RewardChannel
{
    public const string Tap = "TAP", Chip = "CHIP", Other = "OTHER";

    public static IReadOnlyList<string> All { get; } = [Tap, Chip, Other];

    /// <param name="entryMode">F22.</param>
    public static string Of(string? entryMode) => entryMode?.Length >= 2 ? entryMode[..2] switch { "07" => Tap, "05" => Chip, _ => Other } : Other;
}

/// <summary>One row of <c>rewards.csv</c>; null is any.</summary>
/// <param name="From">Merchant categories (F18) from here; <paramref name="Through"/>: to there.</param>
public sealed record RewardRule(string? Institution, string? Bin, CardKind? Kind, int? From, int? Through, string? Channel, RewardRate Rate)
{
    internal bool Fits(string institution, string masked, CardKind kind, string? category, string channel) =>
        (Institution is null || Institution == institution) && (Bin is null || masked.StartsWith(Bin, StringComparison.Ordinal)) && (Kind is null || Kind == kind)
        && (From is null || (int.TryParse(category, NumberStyles.None, CultureInfo.InvariantCulture, out var code) && code >= From && code <= Through))
        && (Channel is null || Channel == channel);
}

/// <summary>What a purchase earns, as a table that a bank writes itself (docs/decisions/0033): the first row that fits counts.</summary>
public sealed class RewardRules(IReadOnlyList<RewardRule> rules)
{
    public const string FileName = "rewards.csv";

    private static readonly string[] Columns = ["institution", "bin", "kind", "category", "channel", "points", "per"];

    public static RewardRules BuiltIn { get; } = ReadBuiltIn();

    /// <summary>By what is known of card and merchant, and by nothing that tells the phone from the plastic.</summary>
    /// <param name="masked">The plastic's number: six digits of it are enough.</param>
    /// <param name="category">F18.</param>
    /// <param name="channel">Of <see cref="RewardChannel"/>.</param>
    public RewardRate Of(string institution, string masked, CardKind kind, string? category, string channel) =>
        rules.FirstOrDefault(rule => rule.Fits(institution, masked, kind, category, channel))?.Rate ?? RewardRate.None;

    /// <exception cref="FormatException">Names line, column, what was expected and what stands there.</exception>
    public static RewardRules Parse(string name, string text)
    {
        var rules = new List<RewardRule>();
        var (number, seen) = (0, false);
        foreach (var line in text.Split('\n').Select(raw => raw.TrimEnd('\r')))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line) || line[0] == '#')
            {
                continue;
            }

            string[] cells = [.. line.Split(',').Select(cell => cell.Trim())];
            if (!seen)
            {
                seen = cells.SequenceEqual(Columns, StringComparer.Ordinal) ? true : throw new FormatException($"{name}, line {number}: expected the columns {string.Join(",", Columns)}, got '{line}'");
                continue;
            }

            rules.Add(cells.Length == Columns.Length ? Row(new(name, number, cells)) : throw new FormatException($"{name}, line {number}: expected {Columns.Length} cells, got {cells.Length}"));
        }

        return seen ? new(rules) : throw new FormatException($"{name}: no line of column names");
    }

    private sealed record Cells(string Name, int Line, string[] Values)
    {
        /// <summary>Null for any.</summary>
        public string? this[int column] => Values[column] == "*" ? null : Values[column];

        public FormatException Wrong(int column, string expected) => new($"{Name}, line {Line}, {Columns[column]}: expected {expected}, got '{Values[column]}'");

        public string? Digits(int column, int least, int most, string expected) =>
            this[column] is not { } text ? null : text.Length >= least && text.Length <= most && text.All(char.IsAsciiDigit) ? text : throw Wrong(column, expected);
    }

    private static RewardRule Row(Cells cells)
    {
        var category = cells[3]?.Split('-');
        var codes = category?.Select(code => code.Length == 4 && int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw cells.Wrong(3, "*, 6010 or 6010-6012")).ToList();
        if (codes is { Count: > 2 } || (codes is [var first, var last] && last < first))
        {
            throw cells.Wrong(3, "*, 6010 or 6010-6012");
        }

        return new(
            cells.Digits(0, 8, 8, "* or eight digits"),
            cells.Digits(1, 1, 6, "* or one to six digits"),
            cells[2] is not { } kind ? null : Enum.GetNames<CardKind>().Contains(kind, StringComparer.Ordinal) ? Enum.Parse<CardKind>(kind) : throw cells.Wrong(2, $"* or one of {string.Join(", ", Enum.GetNames<CardKind>())}"),
            codes?[0], codes?[^1],
            cells[4] is not { } channel ? null : RewardChannel.All.Contains(channel, StringComparer.Ordinal) ? channel : throw cells.Wrong(4, $"* or one of {string.Join(", ", RewardChannel.All)}"),
            new(long.TryParse(cells.Values[5], NumberStyles.None, CultureInfo.InvariantCulture, out var points) && points <= 1_000 ? points : throw cells.Wrong(5, "a number from 0 to 1000"),
                Amount.TryParse(cells.Values[6], Currency.Cny, out var per, out _) && per.Minor > 0 ? per.Minor : throw cells.Wrong(6, "yuan above zero, such as 1.00")));
    }

    private static RewardRules ReadBuiltIn()
    {
        using var stream = typeof(RewardRules).Assembly.GetManifestResourceStream(FileName) ?? throw new InvalidOperationException($"{FileName} is not built in");
        using var reader = new StreamReader(stream);
        return Parse(FileName, reader.ReadToEnd());
    }
}
