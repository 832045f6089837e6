using System.Diagnostics;
using Majia.Cli;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Keys;
using Majia.Hsm;

namespace Majia.Scenarios.Operations;

/// <summary>Parties apart: each folder holds its own keys alone, and two institutions can exchange a key by hand (docs/operations.md).</summary>
public sealed class KeysByHandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("majia-keys-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task After_the_ceremony_each_folder_has_its_own_modules_and_nobody_elses()
    {
        await HoldAsync();
        foreach (var place in TrialCeremony.Apart(folder))
        {
            var modules = Directory.GetFiles(Path.Combine(place.Folder, "keys"), "*.lmk").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal);
            Assert.Equal(KeyTable.Modules(place.Roles, place.Institutions).Order(StringComparer.Ordinal), modules!);
        }

        Assert.NotEmpty(Directory.GetFiles(Path.Combine(folder, "devices", "chips"), "*.chip"));
        Assert.Empty(Directory.GetFiles(Path.Combine(folder, "wallet", "chips")));
    }

    [Fact]
    public async Task A_party_without_its_keys_names_them_and_does_not_start()
    {
        var missing = await Assert.ThrowsAsync<KeysMissingException>(() => MajiaSystem.OpenAsync(new SystemOptions(folder, TimeProvider.System, new SeededEntropy(1, "keys")) { Roles = new HashSet<Role> { Role.Network } }));
        Assert.Contains("network: zpk.63990900", missing.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "majia.db")), "nothing else was made");
    }

    [Fact]
    public async Task Two_institutions_form_a_zone_key_from_components_and_send_a_working_key_under_it()
    {
        await HoldAsync();
        var (network, issuer) = (Path.Combine(folder, "network"), Path.Combine(folder, "issuer"));
        KeyModule.Open(Path.Combine(issuer, "keys"), "issuer-63990300", new SeededEntropy(2, "keys")).Delete("zak.network");
        KeyModule.Open(Path.Combine(network, "keys"), "network", new SeededEntropy(3, "keys")).Delete("zak.63990300");
        KeyModule.Open(Path.Combine(network, "keys"), "network", new SeededEntropy(3, "keys")).Generate("zak.63990300", KeyUsage.MessageAuthentication, Majia.Core.Cryptography.CipherAlgorithm.TripleDes, test: true);

        var components = $"{(await KeysAsync("", "component")).Output}{(await KeysAsync("", "component")).Output}";
        var one = await KeysAsync(components, "form", "--data", network, "--party", "network", "--name", "zmk.63990300", "--test");
        var other = await KeysAsync(components, "form", "--data", issuer, "--party", "issuer-63990300", "--name", "zmk.network", "--test");
        Assert.Equal((0, 0), (one.ExitCode, other.ExitCode));
        Assert.Equal(one.Output.Split("kcv=")[1], other.Output.Split("kcv=")[1]);

        var block = (await KeysAsync("", "export", "--data", network, "--party", "network", "--name", "zak.63990300", "--under", "zmk.63990300")).Output.Trim();
        Assert.StartsWith("D", block, StringComparison.Ordinal);
        var taken = await KeysAsync("", "import", "--data", issuer, "--party", "issuer-63990300", "--name", "zak.network", "--under", "zmk.network", "--block", block);
        Assert.Equal(0, taken.ExitCode);
        var listed = await KeysAsync("", "list", "--data", network, "--party", "network");
        Assert.Contains($"zak.63990300  MessageAuthentication  TripleDes  {taken.Output.Split("kcv=")[1].Trim()}", listed.Output, StringComparison.Ordinal);

        // One custodian alone forms nothing; half a component is named; a key for one party alone does not leave.
        Assert.Equal(3, (await KeysAsync(components.Split('\n')[0], "form", "--data", network, "--party", "network", "--name", "zmk.alone")).ExitCode);
        var half = await KeysAsync("00FF\n00EE\n", "form", "--data", network, "--party", "network", "--name", "zmk.half");
        Assert.Equal(2, half.ExitCode);
        Assert.Contains("component 1: expected 64 hex digits, got 4 characters", half.Errors, StringComparison.Ordinal);
        Assert.Equal(3, (await KeysAsync("", "export", "--data", network, "--party", "network", "--name", "card.number", "--under", "zmk.63990300")).ExitCode);
        Assert.Equal(2, (await KeysAsync("", "list", "--data", network, "--party", "bank")).ExitCode);
    }

    private Task HoldAsync() => TrialCeremony.HoldAsync(TrialCeremony.Apart(folder), TimeProvider.System, new SeededEntropy(1, "keys"));

    private static async Task<(int ExitCode, string Output, string Errors)> KeysAsync(string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(Entry).Assembly.Location, "keys", .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await errors);
    }
}
