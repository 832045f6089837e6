using Majia.Host.Composition;
using Majia.Tests;
using YamlDotNet.RepresentationModel;

namespace Majia.Interop;

/// <summary>The examples under deploy/ are what systemd and Compose can read, and name what the program knows.</summary>
public sealed class DeployTests
{
    private static readonly string Deploy = Path.Combine(Repository.Root, "deploy");

    [Fact]
    public async Task Systemd_finds_nothing_wrong_with_the_units()
    {
        var analyze = OutsideProgram.Require("systemd-analyze", "systemd");
        var folder = Directory.CreateTempSubdirectory("majia-units-").FullName;
        try
        {
            // As enabled: an instance of each template, and programs that are on this machine.
            foreach (var (template, instance) in ((string, string)[])[("majia@.service", "majia@issuer.service"), ("majia-backup@.service", "majia-backup@issuer.service"), ("majia-backup@.timer", "majia-backup@issuer.timer")])
            {
                var text = await File.ReadAllTextAsync(Path.Combine(Deploy, "systemd", template), TestContext.Current.CancellationToken);
                await File.WriteAllTextAsync(Path.Combine(folder, instance), text.Replace("/usr/bin/dotnet", "/bin/true", StringComparison.Ordinal), TestContext.Current.CancellationToken);
            }

            var said = await OutsideProgram.RunAsync(analyze, ["verify", "--man=no", .. Directory.GetFiles(folder).Order(StringComparer.Ordinal)]);
            var ours = said.Errors.Split('\n').Where(line => line.Contains("majia", StringComparison.Ordinal)).ToList();
            Assert.True(ours.Count == 0, string.Join('\n', ours));
            Assert.Equal(0, said.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Compose_reads_its_file()
    {
        var compose = OutsideProgram.Require("docker-compose", "docker-compose");
        var said = await OutsideProgram.RunAsync(compose, ["-f", Path.Combine(Deploy, "compose", "compose.yaml"), "config", "--services"]);
        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Equal(["acquirer", "devices", "issuer", "network", "token", "transit", "wallet"], said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Each_service_of_the_compose_file_is_a_party_with_settings_that_the_program_reads()
    {
        var yaml = new YamlStream();
        using (var reader = File.OpenText(Path.Combine(Deploy, "compose", "compose.yaml")))
        {
            yaml.Load(reader);
        }

        var root = (YamlMappingNode)yaml.Documents[0].RootNode;
        var services = ((YamlMappingNode)root["services"]).Children;
        Assert.Equal(["issuer", "token", "network", "acquirer", "wallet", "transit", "devices"], services.Keys.Select(name => name.ToString()));
        var seen = new HashSet<Role>();
        foreach (var (name, service) in services)
        {
            var roles = Roles.Parse(((YamlMappingNode)service["environment"])["MAJIA_ROLES"].ToString(), out var error);
            Assert.True(roles is not null, $"{name}: {error}");
            Assert.All(roles!, role => Assert.True(seen.Add(role), $"{role} twice"));
        }

        Assert.Equal(Enum.GetValues<Role>().ToHashSet(), seen);
        var peers = new Majia.Host.Links.Peers();
        Assert.All(((YamlMappingNode)root["x-everywhere"])["MAJIA_PEERS"].ToString().Split(','), row => Assert.Null(peers.Add(row, 7080)));
    }

    [Fact]
    public void Each_settings_file_of_a_unit_names_roles_that_go_together()
    {
        var seen = new HashSet<Role>();
        foreach (var file in Directory.GetFiles(Path.Combine(Deploy, "systemd"), "*.env").Order(StringComparer.Ordinal))
        {
            var line = Assert.Single(File.ReadAllLines(file), line => line.StartsWith("MAJIA_ROLES=", StringComparison.Ordinal));
            var roles = Roles.Parse(line["MAJIA_ROLES=".Length..], out var error);
            Assert.True(roles is not null, $"{file}: {error}");
            seen.UnionWith(roles!);
        }

        Assert.Equal(Enum.GetValues<Role>().ToHashSet(), seen);
    }
}
