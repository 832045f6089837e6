using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Simulation.Scenarios;

/// <summary>What may stand in a place of a step.</summary>
/// <param name="Expected">As an error tells it.</param>
/// <param name="Fits">Text, who is there, names of earlier steps.</param>
public sealed record ParameterKind(string Expected, Func<string, Cast, IReadOnlySet<string>, bool> Fits)
{
    public static readonly ParameterKind
        Card = new("a card of the seed", static (text, cast, _) => cast.Card(text) is not null),
        Phone = new("a handset of the seed", static (text, cast, _) => cast.Handsets.Any(handset => handset.Id == text)),
        Shop = new("a shop of the seed", static (text, cast, _) => cast.Tills.Any(till => till.Id == text)),
        Owner = new("an account of the wallet cloud", static (text, cast, _) => cast.Owners.Any(owner => owner.Account == text)),
        Earlier = new("the name that an earlier step got with as", static (text, _, names) => names.Contains(text)),
        Money = new("yuan, such as 88.00", static (text, _, _) => Amount.TryParse(text, Currency.Cny, out var amount, out _) && amount.Minor > 0),
        Duration = new("a number with s, m, h or d, such as 30d", static (text, _, _) => Arguments.TryDuration(text, out _)),
        Count = new("a number", static (text, _, _) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _)),
        Words = new("words", static (text, _, _) => text.Length > 0),
        Switch = OneOf("on", "off"),
        Choice = OneOf("yes", "no");

    public static ParameterKind OneOf(params string[] words) => new(string.Join(" or ", words), (text, _, _) => words.Contains(text));

    public string? Objection(string text, Cast cast, IReadOnlySet<string> names) => Fits(text, cast, names) ? null : $"expected {Expected}, got {text}";
}

/// <summary>A place of a verb; its first one may be filled without its name.</summary>
public sealed record Parameter(string Name, ParameterKind Kind, bool Needed = false);

/// <summary>What a step says beside its verb. Checked when the file was read.</summary>
public sealed class Arguments(IReadOnlyDictionary<string, Said> given)
{
    public string? this[string name] => given.TryGetValue(name, out var said) ? said.Text : null;

    public bool Is(string name, string word) => this[name] == word;

    public Amount? Money(string name) => this[name] is { } text && Amount.TryParse(text, Currency.Cny, out var amount, out _) ? amount : null;

    public TimeSpan? Time(string name) => this[name] is { } text && TryDuration(text, out var span) ? span : null;

    /// <summary>In the order in which they were written.</summary>
    public override string ToString() => string.Join(", ", given.Select(pair => $"{pair.Key} {pair.Value.Text}"));

    internal static bool TryDuration(string text, out TimeSpan span)
    {
        span = default;
        if (text.Length < 2 || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 100_000)
        {
            return false;
        }

        span = text[^1] switch
        {
            's' => TimeSpan.FromSeconds(number),
            'm' => TimeSpan.FromMinutes(number),
            'h' => TimeSpan.FromHours(number),
            'd' => TimeSpan.FromDays(number),
            _ => TimeSpan.Zero,
        };
        return span > TimeSpan.Zero;
    }
}
