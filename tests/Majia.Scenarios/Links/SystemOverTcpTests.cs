using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Demo;
using Majia.Host.Links;

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

    private Task<MajiaSystem> OpenAsync(string? data = null, int basePort = 0) => MajiaSystem.OpenAsync(
        new SystemOptions(data ?? folder, TimeProvider.System, new SeededEntropy(11, "links")) { Links = LinkMode.Tcp, BasePort = basePort, PasswordIterations = 1_000 });
}
