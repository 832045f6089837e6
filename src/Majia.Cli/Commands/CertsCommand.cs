using System.CommandLine;
using System.Globalization;
using Majia.Core.Primitives;
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
        var lang = Languages.Option();
        var command = new Command("certs", "Makes a test authority and one certificate a party, for TLS between processes.") { folder, host, lang };
        command.SetAction(parse => Run(parse.GetValue(folder)!, parse.GetValue(host) ?? [], Languages.Of(parse.GetValue(lang))));
        return command;
    }

    private static int Run(string folder, string[] hosts, Language language)
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

            var (where, until) = (Path.GetFullPath(folder), (now + TestAuthority.PartyLife).UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
            Console.WriteLine(new Text(
                $"{where}: authority {(kept is null ? "made" : "kept")}, certificates for {string.Join(", ", names)}, until {until}",
                $"{where}：证书机构{(kept is null ? "已创建" : "已保留")}，已签发 {string.Join("、", names)}，有效期至 {until}").In(language));
            Console.WriteLine(new Text(
                "Give each process ca.pem and its own .pem and .key alone; ca.key stays with who signs.",
                "每个进程只需 ca.pem 和自己的 .pem、.key；ca.key 由签发者保管。").In(language));
            return ExitCode.Ok;
        }
        catch (Exception error) when (error is TlsFilesException or IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException(error.Message);
        }
    }
}
