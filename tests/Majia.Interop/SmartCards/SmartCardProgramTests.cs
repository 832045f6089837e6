using System.Globalization;
using System.Text;
using Majia.Core.Apdu;
using Majia.Host.SmartCards;
using Majia.Tests;

namespace Majia.Interop.SmartCards;

/// <summary>Programs that know nothing of this project read our chip through pcscd.</summary>
[Collection(PcscCollection.Name)]
public sealed class SmartCardProgramTests(PcscDaemon daemon, HeldPhone phone)
{
    private const string SelectPpse = "00A404000E325041592E5359532E444446303100", CardAid = "A0000003330101020001";

    [Theory]
    [InlineData(CardInterface.Contactless, "3b:80:80:01:01")]
    [InlineData(CardInterface.Contact, "3b:e0:00:00:81:31:20:45:35")]
    public async Task Opensc_tool_sees_the_card_its_atr_and_its_directory(CardInterface side, string atr)
    {
        var opensc = OutsideProgram.Require("opensc-tool", "opensc");
        await daemon.RequireAsync();
        await using var tap = await HeldTap.PresentAsync(phone, daemon, side: side);

        var listed = await OutsideProgram.RunAsync(opensc, ["--list-readers"]);
        Assert.Matches($@"Yes +{PcscDaemon.ReaderName} 00 00", listed.Output);
        Assert.Contains(atr, (await OutsideProgram.RunAsync(opensc, ["--atr"])).Output, StringComparison.Ordinal);

        var said = await OutsideProgram.RunAsync(opensc, ["--send-apdu", SelectPpse]);
        Assert.Contains("SW1=0x90, SW2=0x00", said.Output, StringComparison.Ordinal);
        Assert.Contains(CardAid, HexDump(said.Output), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Openscs_probes_for_cards_of_other_kinds_get_clean_answers_and_change_nothing()
    {
        var opensc = OutsideProgram.Require("opensc-tool", "opensc");
        await daemon.RequireAsync();
        await using var tap = await HeldTap.PresentAsync(phone, daemon);
        var before = await phone.DigestAsync();

        // Each of its drivers asks the card whether it is one of theirs.
        await OutsideProgram.RunAsync(opensc, ["--name"]);
        await OutsideProgram.RunAsync(opensc, ["--list-files"]);
        await OutsideProgram.RunAsync(OutsideProgram.Require("pkcs15-tool", "opensc"), ["--dump"]);

        Assert.True(tap.Exchanges.Count > 20, $"{tap.Exchanges.Count} commands");
        tap.AssertCleanAnswers();
        Assert.Equal(before, await phone.DigestAsync());
    }

    [Fact]
    public async Task Scriptor_reads_every_file_number_and_changes_nothing()
    {
        var scriptor = OutsideProgram.Require("scriptor", "pcsc-tools");
        await daemon.RequireAsync();
        await using var tap = await HeldTap.PresentAsync(phone, daemon, ready: false);
        var before = await phone.DigestAsync();

        var script = new StringBuilder();
        script.AppendLine(SelectPpse).AppendLine($"00A40400{CardAid.Length / 2:X2}{CardAid}00");
        for (var sfi = 1; sfi <= 31; sfi++)
        {
            for (var record = 1; record <= 3; record++)
            {
                script.AppendLine(CultureInfo.InvariantCulture, $"00B2{record:X2}{(sfi << 3) | 4:X2}00");
            }
        }

        script.AppendLine("80A80000238321268040800000000088000000000000000156000000000001562606010011223344" + "00");
        var said = await OutsideProgram.RunAsync(scriptor, ["-r", $"{PcscDaemon.ReaderName} 00 00"], Encoding.ASCII.GetBytes(script.ToString()));
        await tap.DisposeAsync();

        Assert.Equal(2 + (31 * 3) + 1, tap.Exchanges.Count);
        tap.AssertCleanAnswers();
        Assert.Contains("69 86", said.Output, StringComparison.Ordinal); // no fingerprint, no cryptogram
        Assert.Equal(before, await phone.DigestAsync());
    }

    [Fact, Rule("R17")]
    public async Task Pyscard_takes_one_cryptogram_for_one_fingerprint()
    {
        OutsideProgram.Require("python3", "python3");
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/smartcard"), "pyscard is not installed (Debian package python3-pyscard): ./majia test --install installs it");
        await daemon.RequireAsync();
        await using var tap = await HeldTap.PresentAsync(phone, daemon);

        const string Program = """
            from smartcard.System import readers
            from smartcard.util import toBytes, toHexString
            connection = [r for r in readers() if str(r) == 'Majia test 00 00'][0].createConnection()
            connection.connect()
            def send(text):
                data, sw1, sw2 = connection.transmit(toBytes(text))
                print('%02X%02X %s' % (sw1, sw2, toHexString(data).replace(' ', '')))
                return data
            send('00A404000E325041592E5359532E444446303100')
            send('00A404000AA000000333010102000100')
            gpo = '80A8000023832126804080000000008800000000000000015600000000000156260601001122334400'
            send(gpo)
            send(gpo)
            """;
        var said = await OutsideProgram.RunAsync("/usr/bin/python3", ["-"], Encoding.UTF8.GetBytes(Program));

        Assert.True(said.ExitCode == 0, said.Errors);
        var lines = said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["9000", "9000", "9000", "6986"], lines.Select(line => line[..4]));
        Assert.Contains("9F2608", lines[2], StringComparison.Ordinal);
        tap.AssertCleanAnswers();
    }

    /// <summary>opensc prints sixteen bytes a line, then the same as text.</summary>
    private static string HexDump(string output) => string.Concat(output.Split('\n')
        .Where(line => line.Length >= 48 && line.AsSpan(0, 48).IndexOfAnyExcept("0123456789ABCDEF ") < 0)
        .Select(line => line[..48].Replace(" ", "", StringComparison.Ordinal)));
}
