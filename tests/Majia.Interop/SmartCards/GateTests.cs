using Majia.Tests;

namespace Majia.Interop.SmartCards;

/// <summary><c>majia gate</c> as a person runs it: top up, enter, leave, hand in; and a gate whose reader is pcscd's, the phone in another process.</summary>
[Collection(PcscCollection.Name)]
public sealed class GateTests(PcscDaemon daemon)
{
    [Fact]
    public async Task Topped_up_in_and_out_and_handed_in()
    {
        var folder = Directory.CreateTempSubdirectory("majia-gate-").FullName;
        try
        {
            var none = await GateAsync(folder, "enter");
            Assert.Equal(2, none.ExitCode);
            Assert.Contains("no transit card", none.Errors, StringComparison.Ordinal);
            Assert.Contains("balance 30.00", (await GateAsync(folder, "top-up", "--amount", "30.00")).Output, StringComparison.Ordinal);
            var early = await GateAsync(folder, "leave");
            Assert.Equal(1, early.ExitCode);
            Assert.Contains("has not entered", early.Output, StringComparison.Ordinal);
            Assert.Contains("Open: Welcome. Balance 30.00.", (await GateAsync(folder, "enter")).Output, StringComparison.Ordinal);
            Assert.Contains("inside since station 1", (await GateAsync(folder, "show")).Output, StringComparison.Ordinal);
            Assert.Contains("Open: Fare 4.00, balance 26.00.", (await GateAsync(folder, "leave")).Output, StringComparison.Ordinal);
            Assert.Contains("1 ride handed in", (await GateAsync(folder, "settle")).Output, StringComparison.Ordinal);
            Assert.Contains("0 rides handed in", (await GateAsync(folder, "settle")).Output, StringComparison.Ordinal);
            Assert.Equal(2, (await GateAsync(folder, "show", "--pcsc")).ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    [Rule("R24")]
    public async Task Through_pcscd_the_phone_rides_without_fingerprint_or_bank_card()
    {
        await daemon.RequireAsync();
        var folder = Directory.CreateTempSubdirectory("majia-gate-").FullName;
        try
        {
            Assert.Equal(0, (await GateAsync(folder, "top-up", "--amount", "20.00")).ExitCode);
            await using var phone = await HeldCommand.StartAsync(folder, daemon.Port, "--phone", "mi5");
            Assert.Contains("Open: Welcome. Balance 20.00.", (await GateAsync(folder, "enter", "--pcsc", PcscDaemon.ReaderName)).Output, StringComparison.Ordinal);
            await phone.PresentAgainAsync();
            Assert.Contains("Open: Fare 4.00, balance 16.00.", (await GateAsync(folder, "leave", "--pcsc", PcscDaemon.ReaderName)).Output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Task<Said> GateAsync(string folder, params string[] arguments) =>
        OutsideProgram.RunAsync("/usr/bin/env", ["dotnet", HeldCommand.Program, "gate", .. arguments, "--data", folder, "--lang", "en"], limit: HeldCommand.Patience);
}
