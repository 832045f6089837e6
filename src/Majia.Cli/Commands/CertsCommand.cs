using System.CommandLine;
using Majia.Host.Composition;
using Majia.Host.Links;
using Majia.Host.Seed;

namespace Majia.Cli.Commands;

/// <summary><c>majia certs [DIR]</c>: a test authority and one certificate a role, for mutual TLS between parties on a trial.</summary>
public static class CertsCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "where they go (default: certs); an authority that is there is kept", DefaultValueFactory = _ => "certs" };
        var host = new Option<string[]>("--host") { Description = "a name or address under which the parties are reached, besides this machine's" };
        var command = new Command("certs", "Makes a test authority and one certificate a party, for TLS between processes.") { folder, host };
        command.SetAction(parse => Run(parse.GetValue(folder)!, parse.GetValue(host) ?? []));
        return command;
    }

    private static int Run(string folder, string[] hosts)
    {
        try
        {
            var now = TimeProvider.System.GetUtcNow();
            var kept = TestAuthority.Open(folder, now);
            using var authority = kept ?? TestAuthority.Create("Majia test authority", now);
            if (kept is null)
            {
                authority.SaveTo(folder);
            }

            string[] names = [.. Enum.GetValues<Role>().Select(Roles.Name), .. SeedData.Banks.Select(bank => $"issuer-{bank.Institution}")];
            foreach (var name in names)
            {
                authority.Issue(folder, name, hosts);
            }

            Console.WriteLine($"{Path.GetFullPath(folder)}: authority {(kept is null ? "made" : "kept")}, certificates for {string.Join(", ", names)}, until {(now + TestAuthority.PartyLife).UtcDateTime:yyyy-MM-dd}");
            Console.WriteLine("Give each process ca.pem and its own .pem and .key alone; ca.key stays with who signs.");
            return ExitCode.Ok;
        }
        catch (Exception error) when (error is TlsFilesException or IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException(error.Message);
        }
    }
}
