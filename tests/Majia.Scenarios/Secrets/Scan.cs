using System.Text;
using System.Text.RegularExpressions;
using Majia.Core.Primitives;
using Majia.Host.Seed;

namespace Majia.Scenarios.Secrets;

/// <summary>What must not be found, in every form in which it could be written.</summary>
/// <param name="What">How the finding is named; never the secret itself.</param>
/// <param name="Needles">Upper-case hex of the bytes looked for; found at any half byte, so packed digits are found at either alignment.</param>
public sealed record Secret(string What, IReadOnlyList<string> Needles)
{
    /// <summary>ASCII, UTF-16, hex of ASCII, base64, and for enough digits packed BCD (which is also hex text of it) and its base64.</summary>
    public static Secret OfText(string what, string text)
    {
        var ascii = Encoding.UTF8.GetBytes(text);
        var needles = new List<string> { Convert.ToHexString(ascii), Convert.ToHexString(Encoding.Unicode.GetBytes(text)), Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(text)) };
        needles.AddRange(AsWritten(ascii));
        if (text.Length >= 11 && text.All(char.IsAsciiDigit))
        {
            needles.Add(text);
            foreach (var digits in text.Length % 2 == 0 ? [text] : new[] { text[1..], text[..^1], "0" + text, text + "F" })
            {
                needles.AddRange(Base64(Convert.FromHexString(digits)));
            }
        }

        return new Secret(what, needles);
    }

    public static Secret OfBytes(string what, byte[] bytes) => new(what, [Convert.ToHexString(bytes), .. AsWritten(bytes)]);

    private static IEnumerable<string> AsWritten(byte[] bytes) =>
    [
        Hex(Convert.ToHexString(bytes)), Hex(Convert.ToHexStringLower(bytes)),
        Convert.ToHexString(Encoding.Unicode.GetBytes(Convert.ToHexString(bytes))),
        .. Base64(bytes),
    ];

    /// <summary>As part of something longer: at each of the three alignments, without the letters that its neighbours change; both alphabets.</summary>
    private static IEnumerable<string> Base64(byte[] bytes)
    {
        for (var shift = 0; shift < 3; shift++)
        {
            var text = Convert.ToBase64String([.. new byte[shift], .. bytes]).TrimEnd('=');
            var core = text[(shift == 0 ? 0 : shift + 1)..((shift + bytes.Length) % 3 == 0 ? text.Length : text.Length - 1)];
            yield return Hex(core);
            yield return Hex(core.Replace('+', '-').Replace('/', '_'));
        }
    }

    private static string Hex(string text) => Convert.ToHexString(Encoding.ASCII.GetBytes(text));
}

/// <summary>Looks through files and outputs for secrets, and for anything that looks like a number of a seeded bank's plastic.</summary>
public static partial class Scan
{
    /// <summary>Findings as "file: what"; empty is good.</summary>
    public static List<string> Of(string name, byte[] content, IReadOnlyList<Secret> secrets)
    {
        var hex = Convert.ToHexString(content);
        var found = secrets.Where(secret => secret.Needles.Any(needle => hex.Contains(needle, StringComparison.Ordinal))).Select(secret => $"{name}: {secret.What}").ToList();
        var bins = SeedData.Banks.SelectMany(bank => bank.Cards).Select(card => card.Bin).Distinct(StringComparer.Ordinal).ToList();
        foreach (var text in (string[])[Encoding.Latin1.GetString(content), hex])
        {
            foreach (var match in Digits().EnumerateMatches(text))
            {
                var run = text.Substring(match.Index, match.Length);
                foreach (var length in (int[])[16, 19])
                {
                    for (var at = 0; at + length <= run.Length; at++)
                    {
                        if (bins.Any(bin => run.AsSpan(at).StartsWith(bin)) && Luhn.IsValid(run.Substring(at, length)))
                        {
                            found.Add($"{name}: a number of {length} digits that begins with {run.Substring(at, 6)}");
                        }
                    }
                }
            }
        }

        return found;
    }

    [GeneratedRegex("[0-9]{16,}")]
    private static partial Regex Digits();

    public static List<string> OfFolder(string folder, IReadOnlyList<Secret> secrets) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).SelectMany(file => Of(Path.GetRelativePath(folder, file), File.ReadAllBytes(file), secrets))];
}
