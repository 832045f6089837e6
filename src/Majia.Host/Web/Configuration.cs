using System.Globalization;
using System.Net;
using System.Text.Json;
using Majia.Host.Composition;
using Majia.Host.Links;
using Majia.Host.Seed;

namespace Majia.Host.Web;

/// <summary>A setting that cannot be used: which one, from where, and what was expected.</summary>
public sealed class ConfigurationException(string message) : Exception(message);

/// <summary>How the page is served. Flag before <c>MAJIA_*</c> before <c>majia.json</c> in the data folder (decisions.md 30).</summary>
/// <param name="Port">Null: nobody named one, so the default may give way to the next free one.</param>
/// <param name="Bind">Null: loopback.</param>
public sealed record Configuration(int? Port = null, IPAddress? Bind = null, bool NoBrowser = false)
{
    /// <summary>The parties of this process; null: all.</summary>
    public IReadOnlySet<Role>? Roles { get; init; }

    /// <summary>The banks of this process; null: all.</summary>
    public IReadOnlyList<string>? Institutions { get; init; }

    public LinkMode? Links { get; init; }

    /// <summary>Rows of <see cref="Peers"/>, separated by commas or spaces.</summary>
    public string? Peers { get; init; }

    /// <summary>The folder with the certificates.</summary>
    public string? Tls { get; init; }

    /// <summary>A connection string of PostgreSQL, or <c>postgres</c> for a private one in the data folder; null: a file of SQLite.</summary>
    public string? Store { get; init; }

    /// <summary>json, or text.</summary>
    public string? Log { get; init; }

    /// <summary>The port of health and metrics where there is no page.</summary>
    public int? Operations { get; init; }

    public const string FileName = "majia.json";

    /// <summary>The settings, one a row: key in the file, name in the environment, how it is read.</summary>
    private static readonly (string Key, string Variable, Func<Configuration, string, Configuration?> Read)[] Settings =
    [
        ("port", "MAJIA_PORT", static (settings, text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535 ? settings with { Port = port } : null),
        ("bind", "MAJIA_BIND", static (settings, text) => IPAddress.TryParse(text, out var address) ? settings with { Bind = address } : null),
        ("noBrowser", "MAJIA_NO_BROWSER", static (settings, text) => text switch { "true" or "1" => settings with { NoBrowser = true }, "false" or "0" => settings with { NoBrowser = false }, _ => null }),
        ("roles", "MAJIA_ROLES", static (settings, text) => Composition.Roles.Parse(text, out _) is { } roles ? settings with { Roles = roles } : null),
        ("institutions", "MAJIA_INSTITUTIONS", static (settings, text) => ReadInstitutions(text) is { } banks ? settings with { Institutions = banks } : null),
        ("links", "MAJIA_LINKS", static (settings, text) => text switch { "memory" => settings with { Links = LinkMode.Memory }, "tcp" => settings with { Links = LinkMode.Tcp }, _ => null }),
        ("peers", "MAJIA_PEERS", static (settings, text) => settings with { Peers = text }),
        ("store", "MAJIA_STORE", static (settings, text) => settings with { Store = text == "sqlite" ? null : text }),
        ("tls", "MAJIA_TLS", static (settings, text) => settings with { Tls = text }),
        ("log", "MAJIA_LOG", static (settings, text) => text is "json" or "text" ? settings with { Log = text } : null),
        ("operations", "MAJIA_OPERATIONS", static (settings, text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535 ? settings with { Operations = port } : null),
    ];

    /// <summary>Institution numbers of seeded banks, separated by commas; null when one is none.</summary>
    public static IReadOnlyList<string>? ReadInstitutions(string text)
    {
        var banks = text.Split(',', StringSplitOptions.TrimEntries);
        return banks.All(bank => SeedData.Banks.Any(seeded => seeded.Institution == bank)) ? banks : null;
    }

    private static readonly SortedDictionary<string, string> Expected = new(StringComparer.Ordinal)
    {
        ["port"] = "a number from 1 to 65535",
        ["bind"] = "an IP address",
        ["noBrowser"] = "true or false",
        ["roles"] = $"some of {string.Join(",", Enum.GetValues<Role>().Select(Composition.Roles.Name))} (web with phone and terminal)",
        ["institutions"] = $"some of {string.Join(",", SeedData.Banks.Select(bank => bank.Institution))}",
        ["links"] = "memory or tcp",
        ["peers"] = "PARTY=HOST[:N] or LINE[/BANK]=HOST:PORT, separated by commas",
        ["store"] = "Host=…;Username=…;Database=…, postgres or sqlite",
        ["tls"] = "a folder",
        ["log"] = "text or json",
        ["operations"] = "a number from 1 to 65535",
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
