using System.Text.Json.Nodes;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Tests.Hsm;

/// <summary>Keys at rest, in a folder of their own.</summary>
public sealed class KeyStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("majia-keys-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_key_of_every_usage_survives_being_closed()
    {
        var made = Open();
        foreach (var (usage, algorithm) in Keys.Kinds)
        {
            made.Generate($"{usage}-{algorithm}", usage, algorithm, test: true);
        }

        made.Delete("KeyedHash-Aes");
        var opened = Open();
        Assert.Equal(made.Keys, opened.Keys);
        Assert.Equal(Keys.Kinds.Length - 1, opened.Keys.Count);
        Assert.Equal(made.Mac("MessageAuthentication-TripleDes", MacAlgorithm.X919, "0200"u8), opened.Mac("MessageAuthentication-TripleDes", MacAlgorithm.X919, "0200"u8));
    }

    [Fact]
    public void The_files_are_the_owner_s_alone_and_hold_no_key_in_clear()
    {
        var module = Open();
        Keys.Form(module, "zak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, Convert.FromHexString("0123456789ABCDEFFEDCBA9876543210"));

        Assert.Equal(["party.keys.json", "party.lmk"], Directory.GetFiles(folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("0123456789ABCDEF", File.ReadAllText(KeysFile), StringComparison.OrdinalIgnoreCase);
        Assert.StartsWith("D", Entries()[0]!["block"]!.GetValue<string>(), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            foreach (var path in Directory.GetFiles(folder))
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            }

            File.SetUnixFileMode(KeysFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
            Assert.Contains("party.keys.json", Refused(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_damaged_block_is_named()
    {
        Two();
        var entries = Entries();
        var block = entries[1]!["block"]!.GetValue<string>();
        entries[1]!["block"] = block[..^1] + (block[^1] == 'A' ? 'B' : 'A');
        Save(entries);

        Assert.Contains("zpk", Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void Blocks_exchanged_between_two_names_are_noticed()
    {
        var module = Open();
        module.Generate("zak.one", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        module.Generate("zak.two", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        var entries = Entries();
        var first = entries[0]!["block"]!.GetValue<string>();
        entries[0]!["block"] = entries[1]!["block"]!.GetValue<string>();
        entries[1]!["block"] = first;
        Save(entries);

        Assert.Contains("zak.one", Refused(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("usage", "pinVerification")]
    [InlineData("name", "another")]
    public void What_the_file_says_of_a_key_is_bound_to_its_block(string field, string value)
    {
        Two();
        var entries = Entries();
        entries[1]![field] = value;
        Save(entries);

        Assert.Contains("another key's", Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_test_key_cannot_pass_for_another()
    {
        Two();
        var entries = Entries();
        entries[0]!["test"] = false;
        Save(entries);

        Assert.Contains("zak", Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void Production_refuses_test_keys_however_they_come()
    {
        var module = Open(production: true);
        module.Generate("zmk", KeyUsage.KeyEncryption, CipherAlgorithm.Aes, test: false);
        Assert.Throws<KeyModuleException>(() => module.Generate("zak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true));
        Assert.Single(Open(production: true).Keys);

        Open().Generate("zak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        Assert.Contains("zak", Refused(production: true), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_local_master_key_is_told_from_damaged_keys()
    {
        Two();
        File.WriteAllText(Path.Combine(folder, "party.lmk"), new string('5', 64) + "\n");
        Assert.Contains("party.lmk is not the one", Refused(), StringComparison.Ordinal);

        File.WriteAllText(Path.Combine(folder, "party.lmk"), "55");
        Assert.Contains("party.lmk is missing or damaged", Refused(), StringComparison.Ordinal);

        File.Delete(Path.Combine(folder, "party.lmk"));
        Assert.Contains("party.lmk is missing or damaged", Refused(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("{\"version\":1,\"party\":\"other\",\"masterKeyCheckValue\":\"00\",\"keys\":[]}")]
    [InlineData("{\"version\":1,\"party\":\"party\",\"masterKeyCheckValue\":\"00\",\"keys\":[{}]}")]
    public void A_file_that_is_no_key_store_is_refused(string text)
    {
        Two();
        File.WriteAllText(KeysFile, text);

        Refused();
    }

    [Fact]
    public void What_a_crash_left_of_a_write_does_no_harm()
    {
        Two();
        File.WriteAllText(KeysFile + ".new", "{ half");
        Open().Delete("zak");

        Assert.Single(Open().Keys);
    }

    [Fact]
    public void Keys_of_a_ceremony_are_written_once_when_the_last_sitting_ends()
    {
        var module = Open();
        var outer = module.Ceremony();
        using (module.Ceremony())
        {
            Two(module);
        }

        Assert.True(module.TryInfo("zpk", out _)); // the ceremony itself works with them
        Assert.Empty(Open().Keys); // a crash now would leave none of them
        outer.Dispose();
        outer.Dispose(); // a second time it ends nothing else
        Assert.Equal(module.Keys, Open().Keys);

        // Afterwards each key is on disk before anybody sees it, as ever.
        module.Generate("zak.2", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        Assert.Equal(3, Open().Keys.Count);
    }

    private string KeysFile => Path.Combine(folder, "party.keys.json");

    private KeyModule Open(bool production = false) => KeyModule.Open(folder, "party", new SeededEntropy(3), production);

    private string Refused(bool production = false) => Assert.Throws<KeyModuleException>(() => Open(production)).Message;

    private void Two() => Two(Open());

    private static void Two(KeyModule module)
    {
        module.Generate("zak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        module.Generate("zpk", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, test: true);
    }

    private JsonNode Document { get => JsonNode.Parse(File.ReadAllText(KeysFile))!; }

    private JsonArray Entries() => Document["keys"]!.AsArray();

    private void Save(JsonArray entries)
    {
        var document = Document;
        document["keys"] = entries.DeepClone();
        File.WriteAllText(KeysFile, document.ToJsonString());
    }
}
