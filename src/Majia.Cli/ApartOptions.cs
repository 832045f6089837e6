using System.CommandLine;
using Majia.Host.Composition;
using Majia.Host.Links;
using Majia.Host.Web;

namespace Majia.Cli;

/// <summary>What makes a process one party of several: its roles, where the others are, how it shows who it is (decisions.md 30, 31).</summary>
internal sealed class ApartOptions
{
    private readonly Option<string?> roles = new("--roles") { Description = $"the parties of this process (default: all): {string.Join(",", Enum.GetValues<Role>().Select(Roles.Name))}" };
    private readonly Option<string?> institutions = new("--institutions") { Description = "with the issuer's role: only these banks, by institution number" };
    private readonly Option<string?> links = new("--links") { Description = "between the parties of this process: memory (the default) | tcp" };
    private readonly Option<string[]> peers = new("--peer") { Description = "where another process is: PARTY=HOST[:N], or one line exactly, LINE[/BANK]=HOST:PORT (default: this machine, ports from our N)" };
    private readonly Option<string?> tls = new("--tls") { Description = "the folder of 'majia certs': mutual TLS on every socket between parties" };
    private readonly Option<string?> log = new("--log") { Description = "text (the default) | json, on stderr" };
    private readonly Option<int?> operations = new("--operations") { Description = "port of health and metrics of a process without pages (default: from N, docs/operations.md)" };

    public void AddTo(Command command)
    {
        links.AcceptOnlyFromAmong("memory", "tcp");
        log.AcceptOnlyFromAmong("text", "json");
        operations.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<int?>() is < 1 or > 65535)
            {
                result.AddError("--operations: expected a number from 1 to 65535");
            }
        });
        foreach (var option in (Option[])[roles, institutions, links, peers, tls, log, operations])
        {
            command.Add(option);
        }
    }

    /// <summary>The flags laid over what file and environment say.</summary>
    public Configuration Over(ParseResult parse, Configuration settings)
    {
        if (parse.GetValue(roles) is { } text)
        {
            settings = settings with { Roles = Roles.Parse(text, out var error) ?? throw new UsageException($"--roles: {error}") };
        }

        if (parse.GetValue(institutions) is { } banks)
        {
            settings = settings with { Institutions = Configuration.ReadInstitutions(banks) ?? throw new UsageException($"--institutions: '{banks}' names a bank that is not seeded") };
        }

        return settings with
        {
            Links = parse.GetValue(links) switch { "tcp" => LinkMode.Tcp, "memory" => LinkMode.Memory, _ => settings.Links },
            Peers = parse.GetValue(peers) is { Length: > 0 } named ? $"{settings.Peers} {string.Join(' ', named)}" : settings.Peers,
            Tls = parse.GetValue(tls) ?? settings.Tls,
            Log = parse.GetValue(log) ?? settings.Log,
            Operations = parse.GetValue(operations) ?? settings.Operations,
        };
    }

    /// <summary>The rows of a configuration, read. Flags come last and hold.</summary>
    public static Peers Peers(Configuration settings)
    {
        var peers = new Peers();
        foreach (var row in (settings.Peers ?? string.Empty).Split([',', ' '], StringSplitOptions.RemoveEmptyEntries))
        {
            if (peers.Add(row, settings.Port ?? WebHost.DefaultPort) is { } error)
            {
                throw new UsageException($"--peer: {error}");
            }
        }

        return peers;
    }
}
