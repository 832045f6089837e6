using System.Xml.Linq;

namespace Majia.Tests.House;

/// <summary>Who may know whom is a table of project references; the compiler proves the rest.</summary>
public class ReferenceTests
{
    private static readonly SortedDictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Core"] = [],
        ["SecureElement"] = ["Core"],
        ["Storage"] = ["Core"],
        ["Hsm"] = ["Core"],
        ["Phone"] = ["Core", "Storage"],
        ["Terminal"] = ["Core", "Hsm", "Storage"],
        ["Acquirer"] = ["Core", "Hsm", "Storage"],
        ["Network"] = ["Core", "Hsm", "Storage"],
        ["TokenService"] = ["Core", "Hsm", "Storage"],
        ["Issuer"] = ["Core", "Hsm", "Storage"],
        ["Transit"] = ["Core", "Hsm", "Storage"],
        ["Wallet"] = ["Core", "Hsm", "Storage"],
        ["Simulation"] = ["Acquirer", "Core", "Hsm", "Issuer", "Network", "Phone", "SecureElement", "Storage", "Terminal", "TokenService", "Transit", "Wallet"],
        ["Host"] = ["Acquirer", "Core", "Hsm", "Issuer", "Network", "Phone", "SecureElement", "Simulation", "Storage", "Terminal", "TokenService", "Transit", "Wallet"],
        ["Cli"] = ["Core", "Host", "Simulation"],
    };

    public static TheoryData<string> Projects => new(Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories)
        .Select(path => Path.GetFileNameWithoutExtension(path)["Majia.".Length..])
        .Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_whom_it_may_know(string project)
    {
        Assert.True(Allowed.TryGetValue(project, out var allowed), $"Majia.{project} has no row in the table of allowed references");
        var references = XDocument.Load(Path.Combine(Repository.Root, "src", $"Majia.{project}", $"Majia.{project}.csproj"))
            .Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value)["Majia.".Length..]);
        Assert.Empty(references.Except(allowed!, StringComparer.Ordinal));
    }

    [Fact]
    [Rule("R19")]
    public void A_terminal_and_a_merchant_cannot_even_name_the_vault()
    {
        Assert.DoesNotContain("TokenService", Allowed["Terminal"]);
        Assert.DoesNotContain("TokenService", Allowed["Acquirer"]);
        Assert.DoesNotContain("Issuer", Allowed["Terminal"]);
    }

    [Fact]
    public void Only_the_composition_root_may_use_ambient_time_and_randomness()
    {
        var ambient = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Where(path => File.ReadAllText(path).Contains("<MajiaAmbient>true", StringComparison.Ordinal))
            .Select(Path.GetFileNameWithoutExtension);
        Assert.Equal(["Majia.Cli"], ambient);
    }
}
