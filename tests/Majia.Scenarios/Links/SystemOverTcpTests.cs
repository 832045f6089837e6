using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Demo;
using Majia.Host.Devices;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Tests;

namespace Majia.Scenarios.Links;

public sealed class SystemOverTcpTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("majia-links-").FullName;

    private static CancellationToken Given => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task The_whole_story_is_told_over_sockets()
    {
        await using var system = await OpenAsync();
        await foreach (var step in new Story(system).TellAsync())
        {
            Assert.True(step.Ok, $"{step.Step}: {step.Outcome}, expected {step.Expected}: {step.Why.En}");
        }

        Assert.Equal(["acquirer-network", "network-issuer", "network-token", "pos-line"], system.Lines.Servers.Keys);
        Assert.All(system.Lines.Servers, line => Assert.True(line.Value.State.Answered > 0, line.Key));
        Assert.Equal(["63990900"], system.Lines.Servers["acquirer-network"].State.SignedOn);
        Assert.All(system.Lines.Links, line => Assert.Equal((0, 0), (line.Value.State.Late, line.Value.State.Unknown)));
    }

    [Theory, Rule("R22")]
    [InlineData("shahu-01", true)]
    [InlineData("mingyue-03", false)]
    public async Task A_bank_tells_over_its_line_that_a_plastic_was_replaced_and_vault_wallet_and_phone_follow(string card, bool moves)
    {
        var time = new MovableTime(TimeProvider.System);
        await using var system = await OpenAsync(time: time);
        var phone = system.Phones["mi5"];
        Assert.Empty(await phone.SignInAsync(SeedData.WalletAccounts[0].Account, SeedData.WalletAccounts[0].Password));
        Assert.Empty(await phone.SetFindDeviceAsync(true));
        await phone.EnrolFingerprintAsync("right thumb");
        var added = await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(card)));
        if (added.Step == EnrolmentStep.CodeNeeded)
        {
            var message = system.Issuers.Values.SelectMany(bank => bank.Desk.Messages(SeedData.Card(card).Customer)).Last().Body.En;
            added = await phone.EnterCodeAsync(added.CardReference!, System.Text.RegularExpressions.Regex.Match(message, @"\b\d{6}\b").Value);
        }

        Assert.Equal(EnrolmentStep.Added, added.Step);
        await system.PumpAsync(Given);
        var bank = SeedData.Banks.Single(bank => bank.Cards.Any(one => one.Id == card));
        var window = system.Windows[bank.Institution];

        // The line is down: the bank has it done all the same, and tells it when the line is back.
        system.Wires.IssuerToken.Set(LinkFault.Cut);
        var replaced = (await window.ReplacePlasticAsync(card)).Value!;
        Assert.Equal((moves, 1, $"{card}.2"), (replaced.Moves, replaced.DeviceCards, replaced.Card));
        await system.PumpAsync(Given);
        var desk = system.Issuers[bank.Institution].Desk;
        Assert.Null(Assert.Single(desk.ErrandsOf(card)).DoneAt);
        system.Wires.IssuerToken.Clear();
        time.Forward(TimeSpan.FromMinutes(1)); // past the wait after a failure
        await system.PumpAsync(Given);
        Assert.NotNull(desk.ErrandsOf(card)[0].DoneAt);
        await system.PumpAsync(Given); // what the token service has to tell the wallet
        await phone.FetchCommandsAsync();
        Assert.Equal("OK", desk.ErrandsOf(card)[0].Answer);
        Assert.Equal(moves ? "Active" : "Deactivated", system.Store.Read(session => session.Text("SELECT state FROM token_token")));
        Assert.Equal(moves ? 1 : 0, phone.State.Cards.Count(one => one.State == EnrolmentState.Active));
        Assert.Equal(moves ? TokenState.Active : TokenState.Deactivated, Assert.Single(desk.DeviceCards(moves ? replaced.Card : card)).State);

        // Another number is no card of this bank's; twice is once.
        Assert.Equal("CARD_REPLACED", (await window.ReplacePlasticAsync(card)).Error!.ErrorCode);
        Assert.Equal("card", (await window.ReplacePlasticAsync("nobody")).Error!.Errors![0].Field);
    }

    [Fact]
    public async Task Sixty_four_terminals_on_one_connection_are_answered_each_to_its_own()
    {
        await using var system = await OpenAsync();
        await using var link = await TcpIsoLink.ConnectAsync(system.Lines.Servers["pos-line"].LocalEndpoint, Framing.Pos, TimeProvider.System, new SeededEntropy(5), cancellation: Given);

        // All with the same trace number in the same batch: only the terminal tells them apart. The acquirer knows none of them and says so.
        var terminals = Enumerable.Range(0, 64).Select(number => $"{77_000_000 + number}").ToArray();
        var answers = await Task.WhenAll(terminals.Select(terminal => link.ExchangeAsync(Wire.Sale(1, terminal), Given)));

        Assert.Equal(terminals, answers.Select(answer => Wire.Read(Framing.Pos, answer).Text(41)));
        Assert.All(answers, answer => Assert.NotEqual("00", Wire.Read(Framing.Pos, answer).Text(39)));
    }

    [Fact]
    public async Task A_port_in_use_is_named_and_the_folder_is_free_again()
    {
        var basePort = 0;
        await using (var first = await OpenAsync())
        {
            basePort = first.Lines.Servers["network-issuer"].LocalEndpoint.Port - 3;
            var other = Directory.CreateDirectory(Path.Combine(folder, "other")).FullName;
            await Assert.ThrowsAsync<PortTakenException>(() => OpenAsync(other, basePort));
        }

        await using var again = await OpenAsync();
    }

    private Task<MajiaSystem> OpenAsync(string? data = null, int basePort = 0, TimeProvider? time = null) => MajiaSystem.OpenAsync(
        new SystemOptions(data ?? folder, time ?? TimeProvider.System, new SeededEntropy(11, "links")) { Links = LinkMode.Tcp, BasePort = basePort, PasswordIterations = 1_000 });
}
