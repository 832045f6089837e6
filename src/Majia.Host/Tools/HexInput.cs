namespace Majia.Host.Tools;

/// <summary>What was typed cannot be used: what it is, where it goes wrong, what was expected, what was there.</summary>
public sealed class InputException(string message) : Exception(message);

/// <summary>Hex as a person pastes it: any case, with spaces or line breaks between bytes.</summary>
public static class HexInput
{
    /// <param name="name">What it is, for the error.</param>
    /// <param name="length">Exact length in bytes; null for any but zero.</param>
    /// <exception cref="InputException">No hex, or not that much of it.</exception>
    public static byte[] Parse(string name, string text, int? length = null)
    {
        var digits = new List<char>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsAsciiHexDigit(text[i]))
            {
                digits.Add(text[i]);
            }
            else if (!char.IsWhiteSpace(text[i]))
            {
                throw new InputException($"{name} at offset {i}: expected a hex digit, got '{text[i]}'");
            }
        }

        if (digits.Count % 2 != 0)
        {
            throw new InputException($"{name} at offset {text.Length}: expected an even number of hex digits, got {digits.Count}");
        }

        var bytes = Convert.FromHexString(digits.ToArray());
        return length is { } wanted && bytes.Length != wanted ? throw new InputException($"{name} at offset 0: expected {wanted} bytes, got {bytes.Length}")
            : bytes.Length == 0 ? throw new InputException($"{name} at offset 0: expected hex, got nothing")
            : bytes;
    }
}
