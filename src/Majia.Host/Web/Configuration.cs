using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Majia.Host.Web;

/// <summary>A setting that cannot be used: which one, from where, and what was expected.</summary>
public sealed class ConfigurationException(string message) : Exception(message);

/// <summary>How the page is served. Flag before <c>MAJIA_*</c> before <c>majia.json</c> in the data folder (decisions.md 30).</summary>
/// <param name="Port">Null: nobody named one, so the default may give way to the next free one.</param>
/// <param name="Bind">Null: loopback.</param>
public sealed record Configuration(int? Port = null, IPAddress? Bind = null, bool NoBrowser = false)
{
    public const string FileName = "majia.json";

    /// <summary>The settings, one a row: key in the file, name in the environment, how it is read.</summary>
    private static readonly (string Key, string Variable, Func<Configuration, string, Configuration?> Read)[] Settings =
    [
        ("port", "MAJIA_PORT", static (settings, text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535 ? settings with { Port = port } : null),
        ("bind", "MAJIA_BIND", static (settings, text) => IPAddress.TryParse(text, out var address) ? settings with { Bind = address } : null),
        ("noBrowser", "MAJIA_NO_BROWSER", static (settings, text) => text switch { "true" or "1" => settings with { NoBrowser = true }, "false" or "0" => settings with { NoBrowser = false }, _ => null }),
    ];

    private static readonly SortedDictionary<string, string> Expected = new(StringComparer.Ordinal)
    {
        ["port"] = "a number from 1 to 65535",
        ["bind"] = "an IP address",
        ["noBrowser"] = "true or false",
    };

    /// <summary>What file and environment say. Flags are laid over the result by the command.</summary>
    /// <param name="environment">Value of a variable, or null.</param>
    /// <exception cref="ConfigurationException">An unknown key, or a value that is none.</exception>
    public static Configuration Read(string dataFolder, Func<string, string?> environment)
    {
        var settings = new Configuration();
        var file = Path.Combine(dataFolder, FileName);
        if (File.Exists(file))
        {
            settings = FromFile(settings, file);
        }

        foreach (var (key, variable, read) in Settings)
        {
            if (environment(variable) is { Length: > 0 } text)
            {
                settings = read(settings, text) ?? throw new ConfigurationException($"{variable}: expected {Expected[key]}, got '{text}'");
            }
        }

        return settings;
    }

    private static Configuration FromFile(Configuration settings, string file)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(File.ReadAllBytes(file), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException malformed)
        {
            throw new ConfigurationException($"{file}, line {malformed.LineNumber + 1}: not JSON");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{file}: {error.Message}");
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new ConfigurationException($"{file}: expected an object");
            }

            foreach (var member in document.RootElement.EnumerateObject())
            {
                var row = Array.Find(Settings, setting => setting.Key == member.Name);
                if (row.Read is null)
                {
                    throw new ConfigurationException($"{file}: unknown key '{member.Name}'; known: {string.Join(", ", Settings.Select(setting => setting.Key))}");
                }

                var text = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : member.Value.GetRawText();
                settings = row.Read(settings, text) ?? throw new ConfigurationException($"{file}: {member.Name}: expected {Expected[member.Name]}, got {member.Value.GetRawText()}");
            }
        }

        return settings;
    }
}
