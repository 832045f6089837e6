using Majia.Core.Primitives;

namespace Majia.Host.Tools;

/// <summary>One thing that a calculator asks for.</summary>
/// <param name="Name">As the command's option has it, without its dashes.</param>
/// <param name="Standard">What it is when nothing is given; null: nothing.</param>
/// <param name="Choices">The only values it may have; empty: any.</param>
public sealed record CalculatorField(string Name, Text Hint, bool Required = true, string? Standard = null, IReadOnlyList<string>? Choices = null);

/// <summary>What was typed, by field.</summary>
/// <param name="read">The text of a field, or null.</param>
/// <param name="prefix">How a field is named in an error: the command's options have dashes.</param>
public sealed class CalculatorInput(Func<string, string?> read, string prefix = "")
{
    public string? Text(string name) => read(name) is { Length: > 0 } text ? text : null;

    public string Named(string name) => prefix + name;

    /// <exception cref="InputException">Missing, no hex, or another length.</exception>
    public byte[] Bytes(string name, int? length) => HexInput.Parse(Named(name), Text(name) ?? throw new InputException($"{Named(name)} is missing"), length);

    /// <exception cref="InputException">Missing, no digits, or another length.</exception>
    public string Digits(string name, int min, int max)
    {
        var text = Text(name) ?? string.Empty;
        var bad = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        if (bad >= 0)
        {
            throw new InputException($"{Named(name)} at offset {bad}: expected a digit, got '{text[bad]}'");
        }

        return text.Length >= min && text.Length <= max
            ? text
            : throw new InputException($"{Named(name)} at offset 0: expected {(min == max ? $"{min}" : $"{min} to {max}")} digits, got {text.Length}");
    }
}
