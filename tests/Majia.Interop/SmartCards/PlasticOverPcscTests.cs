using System.Diagnostics;
using System.Globalization;
using Majia.Tests;

namespace Majia.Interop.SmartCards;

/// <summary><c>majia card --plastic</c> and <c>majia pos</c> as a person runs them: two processes, pcscd and a virtual reader between them.</summary>
[Collection(PcscCollection.Name)]
public sealed class PlasticOverPcscTests(PcscDaemon daemon)
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "majia.dll");

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

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
            await using var held = await Held.StartAsync(folder, card, side, daemon.Port);
            var opensc = await OutsideProgram.RunAsync(OutsideProgram.Require("opensc-tool", "opensc"), ["--send-apdu", side == "contact" ? "00A404000E315041592E5359532E444446303100" : "00A404000E325041592E5359532E444446303100"]);
            Assert.Contains("SW1=0x90, SW2=0x00", opensc.Output, StringComparison.Ordinal);

            await held.PresentAgainAsync();
            var said = await OutsideProgram.RunAsync(
                "/usr/bin/env", ["dotnet", Program, "pos", "--pcsc", PcscDaemon.ReaderName, "--amount", "88.00", "--data", folder, .. side == "contact" ? ["--contact"] : Array.Empty<string>()], "123456\n"u8.ToArray(), Patience);
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
        var said = await OutsideProgram.RunAsync("/usr/bin/env", ["dotnet", Program, "card", "--vpcd", "localhost:1", "--lang", "en", .. arguments], limit: Patience);
        Assert.Equal(2, said.ExitCode);
        Assert.Contains(why, said.Errors, StringComparison.Ordinal);
    }

    /// <summary>The command, holding a card until it is disposed of; ended by its own pid.</summary>
    private sealed class Held : IAsyncDisposable
    {
        private readonly Process process;
        private readonly List<string> said = [];

        private Held(Process process) => this.process = process;

        public static async Task<Held> StartAsync(string folder, string card, string side, int port)
        {
            var start = new ProcessStartInfo("/usr/bin/env", ["dotnet", Program, "card", "--vpcd", string.Create(CultureInfo.InvariantCulture, $"localhost:{port}"), "--plastic", card, "--atr", side, "--data", folder, "--lang", "en"])
            {
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            };
            var held = new Held(Process.Start(start)!);
            _ = held.process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
            await held.UntilAsync("power on");
            return held;
        }

        /// <summary>Away and back: a new card for whoever waits for one.</summary>
        public async Task PresentAgainAsync()
        {
            await process.StandardInput.WriteLineAsync();
            await UntilAsync("out of the field");
            await process.StandardInput.WriteLineAsync();
            await UntilAsync("power on");
        }

        public async ValueTask DisposeAsync()
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }

            await process.WaitForExitAsync();
            process.Dispose();
        }

        private async Task UntilAsync(string words)
        {
            using var end = new CancellationTokenSource(Patience);
            while (await process.StandardError.ReadLineAsync(end.Token) is { } line)
            {
                said.Add(line);
                if (line.Contains(words, StringComparison.Ordinal))
                {
                    return;
                }
            }

            throw new InvalidOperationException(string.Join('\n', said));
        }
    }
}
