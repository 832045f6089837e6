using Majia.Tests;

namespace Majia.Interop.SmartCards;

/// <summary><c>majia card --plastic</c> and <c>majia pos</c> as a person runs them: two processes, pcscd and a virtual reader between them.</summary>
[Collection(PcscCollection.Name)]
public sealed class PlasticOverPcscTests(PcscDaemon daemon)
{
        [Theory]
    [Rule("R12")]
    [Rule("R15")]
    [InlineData("mingyue-14", "contact", "/I", "online-pin")] // no antenna
    [InlineData("beishan-01", "contactless", "/C", "none")] // certified in SM2
    public async Task A_plastic_pays_through_pcscd_from_another_process(string card, string side, string entry, string cvm)
    {
        await daemon.RequireAsync();
        var folder = Directory.CreateTempSubdirectory("majia-plastic-").FullName;
        try
        {
            await using var held = await HeldCommand.StartAsync(folder, daemon.Port, "--plastic", card, "--atr", side);
            var opensc = await OutsideProgram.RunAsync(OutsideProgram.Require("opensc-tool", "opensc"), ["--send-apdu", side == "contact" ? "00A404000E315041592E5359532E444446303100" : "00A404000E325041592E5359532E444446303100"]);
            Assert.Contains("SW1=0x90, SW2=0x00", opensc.Output, StringComparison.Ordinal);

            await held.PresentAgainAsync();
            var said = await OutsideProgram.RunAsync(
                "/usr/bin/env", ["dotnet", HeldCommand.Program, "pos", "--pcsc", PcscDaemon.ReaderName, "--amount", "88.00", "--data", folder, .. side == "contact" ? ["--contact"] : Array.Empty<string>()], "123456\n"u8.ToArray(), HeldCommand.Patience);
            Assert.True(said.ExitCode == 0, said.Output + said.Errors);
            Assert.Contains("Approved", said.Output, StringComparison.Ordinal);
            Assert.Contains(entry, said.Output, StringComparison.Ordinal);
            Assert.Contains($"\n{cvm}:", said.Output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("magnetic stripe", "--plastic", "mingyue-15")]
    [InlineData("no antenna", "--plastic", "mingyue-14")]
    [InlineData("no test card", "--plastic", "mingyue-99")]
    [InlineData("one of the two", "--plastic", "mingyue-01", "--phone", "mi5")]
    public async Task A_card_that_cannot_be_offered_so_says_why(string why, params string[] arguments)
    {
        var said = await OutsideProgram.RunAsync("/usr/bin/env", ["dotnet", HeldCommand.Program, "card", "--vpcd", "localhost:1", "--lang", "en", .. arguments], limit: HeldCommand.Patience);
        Assert.Equal(2, said.ExitCode);
        Assert.Contains(why, said.Errors, StringComparison.Ordinal);
    }
}
