using System.Net;
using System.Net.Sockets;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Links;
using Microsoft.Extensions.Logging;

namespace Majia.Interop;

/// <summary>Who is not who he should be gets no service, asked with openssl's own client and server (quality.md requirement 26).</summary>
public sealed class TlsTests : IDisposable
{
    private static readonly IPEndPoint Anywhere = new(IPAddress.Loopback, 0);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-tls-").FullName;
    private readonly Lines log = new();

    public TlsTests()
    {
        using var authority = TestAuthority.Create("Majia test authority", TimeProvider.System.GetUtcNow() - TimeSpan.FromDays(60));
        authority.SaveTo(folder);
        foreach (var role in (string[])["network", "acquirer", "token", "wallet", "issuer-63990100"])
        {
            authority.Issue(folder, role, []);
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task The_acquirer_is_let_in_on_its_line_and_sees_the_network(string version)
    {
        using var tls = Load(Role.Network);
        await using var line = Listen(tls);
        var said = await AskAsync(line, [version, .. Certificate("acquirer"), "-verify_return_error", "-verify_hostname", "network.majia.internal"]);
        Assert.Contains("0830", said.Output, StringComparison.Ordinal);
        Assert.Empty(log.Said);
    }

    [Theory]
    [InlineData("-tls1", "expected TLS 1.2 or 1.3")]
    [InlineData("-tls1_1", "expected TLS 1.2 or 1.3")]
    public async Task Old_versions_are_refused(string version, string why)
    {
        using var tls = Load(Role.Network);
        await using var line = Listen(tls);
        Refused(await AskAsync(line, [version, "-cipher", "DEFAULT@SECLEVEL=0", .. Certificate("acquirer")]), why);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Without_a_certificate_of_ones_own_there_is_no_service(string version)
    {
        using var tls = Load(Role.Network);
        await using var line = Listen(tls);
        Refused(await AskAsync(line, [version]), "expected a certificate for acquirer, got none");
    }

    [Theory]
    [InlineData("other-authority", "got one for acquirer of another authority (CN=Somebody else)")]
    [InlineData("expired", "got one for acquirer that is valid from")]
    [InlineData("wallet", "expected a certificate for acquirer, got one for wallet")]
    public async Task A_certificate_that_is_not_the_callers_opens_nothing(string which, string why)
    {
        using var tls = Load(Role.Network);
        await using var line = Listen(tls);
        var files = Made(which);
        foreach (var version in (string[])["-tls1_2", "-tls1_3"])
        {
            log.Said.Clear();
            Refused(await AskAsync(line, [version, "-cert", files + ".pem", "-key", files + ".key"]), why);
        }
    }

    [Fact]
    public async Task Plain_tcp_on_a_tls_port_is_named_and_hung_up_on()
    {
        using var tls = Load(Role.Network);
        await using var line = Listen(tls);
        using var client = new TcpClient();
        await client.ConnectAsync(line.LocalEndpoint, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(SignOn(), TestContext.Current.CancellationToken);
        var heard = await ReadAsync(client);
        Assert.DoesNotContain("0830", heard, StringComparison.Ordinal);
        await log.HearsAsync("got bytes that are no TLS");
    }

    [Fact]
    public async Task The_json_lines_ask_the_same_of_their_callers()
    {
        var openssl = OutsideProgram.Require("openssl", "openssl");
        using var tls = Load(Role.Token);
        await using var server = await HttpJsonServer.StartAsync(Anywhere, Line.WalletToken, tls);
        server.Add("token-service", new JsonEndpoint("token-service").Map<string, string>("echo", (word, _) => Task.FromResult<ApiReply<string>>(word)), null);
        var request = "POST /token-service/echo HTTP/1.1\r\nHost: token\r\nContent-Type: application/json\r\nContent-Length: 8\r\nConnection: close\r\n\r\n\"majia!\""u8.ToArray();
        Task<Said> Ask(params string[] more) => OutsideProgram.RunAsync(openssl, ["s_client", "-quiet", "-connect", $"127.0.0.1:{server.Address.Port}", "-CAfile", Path.Combine(folder, "ca.pem"), .. more], request);

        Assert.Contains("majia!", (await Ask(Certificate("wallet"))).Output, StringComparison.Ordinal);
        Assert.Empty(log.Said);
        foreach (var (more, why) in ((string[] More, string Why)[])
        [
            ([], "expected a certificate for wallet, got none"),
            (Certificate("acquirer"), "expected a certificate for wallet, got one for acquirer"),
            (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", .. Certificate("wallet")], "expected TLS 1.2 or 1.3"),
        ])
        {
            log.Said.Clear();
            Assert.DoesNotContain("HTTP/1.1", (await Ask(more)).Output, StringComparison.Ordinal);
            await log.HearsAsync(why);
        }

        log.Said.Clear();
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Address.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(request, TestContext.Current.CancellationToken);
        Assert.DoesNotContain("HTTP/1.1 200", await ReadAsync(client), StringComparison.Ordinal);
        await log.HearsAsync("no TLS");
    }

    [Fact]
    public async Task A_bank_with_a_certificate_of_its_own_speaks_for_itself_alone()
    {
        var openssl = OutsideProgram.Require("openssl", "openssl");
        using var tls = Load(Role.Token);
        await using var server = await HttpJsonServer.StartAsync(Anywhere, Line.IssuerToken, tls);
        foreach (var bank in (string[])["issuer-63990100", "issuer-63990200"])
        {
            server.Add(bank, new JsonEndpoint(bank).Map<string, string>("echo", (word, _) => Task.FromResult<ApiReply<string>>(word)), null);
        }

        async Task<string> As(string bank, string certificate) => (await OutsideProgram.RunAsync(
            openssl, ["s_client", "-quiet", "-connect", $"127.0.0.1:{server.Address.Port}", "-CAfile", Path.Combine(folder, "ca.pem"), .. Certificate(certificate)],
            Encoding.ASCII.GetBytes($"POST /{bank}/echo HTTP/1.1\r\nHost: token\r\nContent-Type: application/json\r\nContent-Length: 8\r\nConnection: close\r\n\r\n\"majia!\""))).Output;

        Assert.Contains("majia!", await As("issuer-63990100", "issuer-63990100"), StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 403", await As("issuer-63990200", "issuer-63990100"), StringComparison.Ordinal);
        Assert.Empty(log.Said);
        Assert.DoesNotContain("HTTP/1.1", await As("issuer-63990100", "wallet"), StringComparison.Ordinal);
        await log.HearsAsync("got one for wallet");
    }

    [Theory]
    [InlineData("network", null)]
    [InlineData("wallet", "expected a certificate for network, got one for wallet")]
    [InlineData("other-authority", "of another authority (CN=Somebody else)")]
    [InlineData("expired", "that is valid from")]
    public async Task Whoever_answers_a_call_must_be_who_was_called(string which, string? why)
    {
        var files = which == "network" ? Path.Combine(folder, "network") : Made(which, "network");
        await using var server = await OpenSslServer.StartAsync(files, Path.Combine(folder, "ca.pem"));
        using var tls = Load(Role.Acquirer);
        await using var link = Call(server.Port, tls);
        if (why is null)
        {
            Assert.Contains("BEGIN CERTIFICATE", await server.HearsAsync("END CERTIFICATE"), StringComparison.Ordinal);
            Assert.Empty(log.Said);
        }
        else
        {
            await log.HearsAsync(why);
            Assert.False(link.State.Connected);
        }
    }

    [Fact]
    public async Task One_bank_does_not_answer_for_another()
    {
        await using var server = await OpenSslServer.StartAsync(Path.Combine(folder, "issuer-63990100"), Path.Combine(folder, "ca.pem"));
        using var tls = Load(Role.Network);
        await using var link = new TcpIsoLink(new IPEndPoint(IPAddress.Loopback, server.Port), Framing.Switch, TimeProvider.System, new SystemEntropy(), new TcpIsoLinkOptions
        {
            OwnInstitution = "00010000", PeerInstitution = "63990200", Tls = tls, Line = Line.NetworkIssuer, Institution = "63990200",
        });
        await log.HearsAsync("expected a certificate for issuer or issuer-63990200, got one for issuer-63990100");
    }

    [Fact]
    public async Task A_plain_listener_gets_nothing_from_a_caller_that_wants_tls()
    {
        using var listener = new TcpListener(Anywhere);
        listener.Start();
        using var tls = Load(Role.Acquirer);
        await using var link = Call(((IPEndPoint)listener.LocalEndpoint).Port, tls);
        using var accepted = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await accepted.GetStream().WriteAsync(SignOn(), TestContext.Current.CancellationToken);
        await log.HearsAsync("network at 127.0.0.1:");
        Assert.False(link.State.Connected);
    }

    private static byte[] SignOn() => LineManagement.Request("63990900", "00010000", LineManagement.SignOn, 1, TimeProvider.System.GetUtcNow());

    private static async Task<string> ReadAsync(TcpClient client)
    {
        using var hurry = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using var heard = new MemoryStream();
        try
        {
            await client.GetStream().CopyToAsync(heard, hurry.Token);
        }
        catch (IOException)
        {
            // Reset: hung up on as well.
        }

        return Encoding.Latin1.GetString(heard.ToArray());
    }

    private PartyTls Load(Role role) => PartyTls.Load(folder, new HashSet<Role> { role }, [], TimeProvider.System, log);

    private TcpIsoLink Call(int port, PartyTls tls) => new(new IPEndPoint(IPAddress.Loopback, port), Framing.Switch, TimeProvider.System, new SystemEntropy(), new TcpIsoLinkOptions
    {
        OwnInstitution = "63990900", PeerInstitution = "00010000", Tls = tls, Line = Line.AcquirerNetwork,
    });

    /// <summary>It hangs up on who is quiet, so that openssl's client ends.</summary>
    private static TcpIsoServer Listen(PartyTls tls) =>
        TcpIsoServer.Start(Anywhere, Framing.Switch, new Nobody(), TimeProvider.System, new TcpIsoServerOptions { Tls = tls, Line = Line.AcquirerNetwork, IdleTimeout = TimeSpan.FromSeconds(1) });

    private string[] Certificate(string role) => ["-cert", Path.Combine(folder, role + ".pem"), "-key", Path.Combine(folder, role + ".key")];

    /// <summary>A certificate with something against it; its files without their ending.</summary>
    private string Made(string which, string role = "acquirer")
    {
        var (other, now) = (Path.Combine(folder, which), TimeProvider.System.GetUtcNow());
        Directory.CreateDirectory(other);
        switch (which)
        {
            case "other-authority":
                using (var somebody = TestAuthority.Create("Somebody else", now))
                {
                    somebody.Issue(other, role, []);
                }

                break;
            case "expired":
                using (var authority = TestAuthority.Open(folder, now)!)
                {
                    authority.Issue(other, role, [], TimeSpan.FromDays(1), now - TimeSpan.FromDays(30));
                }

                break;
            default:
                return Path.Combine(folder, which);
        }

        return Path.Combine(other, role);
    }

    private Task<Said> AskAsync(TcpIsoServer line, string[] more) => OutsideProgram.RunAsync(
        OutsideProgram.Require("openssl", "openssl"), ["s_client", "-quiet", "-connect", $"{line.LocalEndpoint}", "-CAfile", Path.Combine(folder, "ca.pem"), .. more], SignOn());

    private void Refused(Said said, string why)
    {
        Assert.DoesNotContain("0830", said.Output, StringComparison.Ordinal);
        Assert.Contains(log.Said, line => line.Contains("acquirer-network: caller 127.0.0.1:", StringComparison.Ordinal) && line.Contains(why, StringComparison.Ordinal));
    }

    private sealed class Nobody : IIsoServer
    {
        public Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation) => Task.FromResult(ReadOnlyMemory<byte>.Empty);
    }

    /// <summary>What was logged, and a way to wait for it.</summary>
    private sealed class Lines : ILogger
    {
        private readonly SemaphoreSlim more = new(0);

        public List<string> Said { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (Said)
            {
                Said.Add(formatter(state, exception));
            }

            more.Release();
        }

        public async Task HearsAsync(string words)
        {
            while (true)
            {
                lock (Said)
                {
                    if (Said.Any(line => line.Contains(words, StringComparison.Ordinal)))
                    {
                        return;
                    }
                }

                Assert.True(await more.WaitAsync(TimeSpan.FromSeconds(20)), $"nobody logged '{words}', but: {string.Join(" | ", Said)}");
            }
        }
    }
}
