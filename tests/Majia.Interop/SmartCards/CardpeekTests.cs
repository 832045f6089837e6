using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Majia.Host.Seed;

namespace Majia.Interop.SmartCards;

/// <summary>cardpeek with its own EMV script explores our chip, and exports what it found.</summary>
[Collection(PcscCollection.Name)]
public sealed partial class CardpeekTests(PcscDaemon daemon, HeldPhone phone)
{
    /// <summary>Its console never ends at the end of input: the run is limited in time and in words.</summary>
    private const string Seconds = "60", Characters = "400000";

    [Fact]
    public async Task The_tree_that_cardpeek_exports_has_all_that_a_reader_needs_and_nothing_secret()
    {
        var cardpeek = OutsideProgram.Require("cardpeek", "cardpeek");
        await daemon.RequireAsync();
        var home = Directory.CreateTempSubdirectory("majia-cardpeek-").FullName;
        try
        {
            // Its first start makes the folder of its scripts and ends with a question that nobody answers.
            await RunAsync(home, $"echo 1 | {Limited(cardpeek, "-c -e 'os.exit(0)'")}");
            Assert.True(File.Exists(Path.Combine(home, ".cardpeek", "scripts", "emv.lua")), "cardpeek has no EMV script");

            // Yes to every question of its script; then the tree, and the end.
            var export = Path.Combine(home, "tree.xml");
            await File.WriteAllTextAsync(Path.Combine(home, "run.lua"), $$"""
                ui.question = function(text, choices) return 1 end
                print(pcall(dofile, '{{home}}/.cardpeek/scripts/emv.lua'))
                local file = io.open('{{export}}', 'w')
                file:write(nodes.to_xml(nodes.root()))
                file:close()
                os.exit(0)
                """);
            await using var tap = await HeldTap.PresentAsync(phone, daemon);
            var said = await RunAsync(home, Limited(cardpeek, $"-c -r 'pcsc://{PcscDaemon.ReaderName} 00 00' -e \"dofile('{home}/run.lua')\""));

            Assert.True(File.Exists(export), said);
            var text = await File.ReadAllTextAsync(export);
            var tree = text[text.IndexOf("?>", StringComparison.Ordinal)..][2..]; // its declaration of XML is not quite one
            var ids = XDocument.Parse(tree).Descendants("attr").Where(attribute => (string?)attribute.Attribute("name") == "id").Select(attribute => attribute.Value.TrimStart('#')).ToHashSet(StringComparer.OrdinalIgnoreCase);
            foreach (var expected in (string[])["325041592E5359532E4444463031", "A0000003330101020001", "4F", "82", "57", "9F10", "9F36", "9F26"])
            {
                Assert.Contains(expected, ids);
            }

            tap.AssertCleanAnswers();
            var seen = Digits().Replace(text, "").ToUpperInvariant() + string.Concat(tap.Exchanges.Select(exchange => Convert.ToHexString(exchange.Answer.Span)));
            foreach (var (name, value) in phone.Secrets)
            {
                Assert.True(value.Length == 16, name);
                Assert.False(seen.Contains(Convert.ToHexString(value), StringComparison.Ordinal), $"{name} was read");
            }

            Assert.DoesNotContain(SeedData.Card(HeldPhone.Card).Pan.Reveal(), seen, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    /// <summary>A process of .NET hands on that a broken pipe is ignored: then head would not end it.</summary>
    private static string Limited(string cardpeek, string arguments) => $"env --default-signal=PIPE timeout {Seconds} {cardpeek} {arguments} 2>&1 | head -c {Characters}";

    private static async Task<string> RunAsync(string home, string command)
    {
        var said = await OutsideProgram.RunAsync("/bin/sh", ["-c", $"export HOME='{home}'; cd '{home}'; {command}"], limit: TimeSpan.FromSeconds(int.Parse(Seconds, CultureInfo.InvariantCulture) + 10));
        return said.Output;
    }

    /// <summary>What may stand between the digits of a value.</summary>
    [GeneratedRegex(@"[\s:]")]
    private static partial Regex Digits();
}
