using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Majia.Host.Composition;
using Majia.Host.Keys;
using Majia.Host.Seed;

namespace Majia.Host.Links;

/// <summary>The certificates of one process: the authority that all parties trust, and its own for each role that it plays. TLS 1.2 and 1.3, both sides show who they are.</summary>
/// <remarks>
/// A party is known by the name <c>{role}.majia.internal</c> in its certificate, a single bank by <c>issuer-{institution}.majia.internal</c>; where it happens to run is not looked at.
/// Whoever is not who it should be gets no service, and one line in the log with what was expected and what came.
/// </remarks>
public sealed class PartyTls : IDisposable
{
    public const string AuthorityFile = "ca.pem", Domain = ".majia.internal";

    private static readonly TimeSpan HandshakePatience = TimeSpan.FromSeconds(5);

    private readonly X509Certificate2 authority;
    private readonly SortedDictionary<string, SslStreamCertificateContext> own;
    private readonly TimeProvider time;
    private readonly ILogger log;

    private PartyTls(X509Certificate2 authority, SortedDictionary<string, SslStreamCertificateContext> own, TimeProvider time, ILogger log) =>
        (this.authority, this.own, this.time, this.log) = (authority, own, time, log);

    /// <summary>Loads <c>ca.pem</c> and <c>{role}.pem</c> with <c>{role}.key</c> for each role here; a process of single banks may have <c>issuer-{institution}.pem</c> instead.</summary>
    /// <exception cref="TlsFilesException">A file is missing or is not what it should be.</exception>
    public static PartyTls Load(string folder, IReadOnlySet<Role> roles, IReadOnlyList<string> institutions, TimeProvider time, ILogger log)
    {
        var authority = Read(Path.Combine(folder, AuthorityFile), static path => X509CertificateLoader.LoadCertificateFromFile(path));
        var own = new SortedDictionary<string, SslStreamCertificateContext>(StringComparer.Ordinal);
        foreach (var role in roles)
        {
            var name = role == Role.Issuer && institutions.Count == 1 && File.Exists(Path.Combine(folder, $"issuer-{institutions[0]}.pem")) ? $"issuer-{institutions[0]}" : role.Name();
            var certificate = Read(Path.Combine(folder, name + ".pem"), path => X509Certificate2.CreateFromPemFile(path, Path.Combine(folder, name + ".key")));
            own.Add(role.Name(), SslStreamCertificateContext.Create(certificate, [authority], offline: true));
        }

        return new PartyTls(authority, own, time, log);
    }

    /// <summary>What a listener on <paramref name="line"/> asks of its callers.</summary>
    /// <param name="remote">For the log.</param>
    public SslServerAuthenticationOptions Server(Line line, EndPoint? remote) => new()
    {
        ServerCertificateContext = own[line.Server.Name()],
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        CertificateChainPolicy = Policy(),
        AllowRenegotiation = false,
        RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
            Accepts($"{line.Name}: caller {remote}", line == Line.IssuerToken ? [.. Banks] : [line.Caller.Name()], certificate as X509Certificate2, chain),
    };

    /// <summary>Whoever may call as a bank: a process of all banks, or one bank with a certificate of its own.</summary>
    private static IEnumerable<string> Banks => [Role.Issuer.Name(), .. SeedData.Banks.Select(bank => KeyTable.Issuer(bank.Institution))];

    /// <summary>True when the certificate of a caller lets it speak as <paramref name="party"/>: one bank's is for that bank alone.</summary>
    internal static bool SpeaksAs(Line line, X509Certificate2? certificate, string party) =>
        line != Line.IssuerToken || (certificate is not null && (Is(certificate, Role.Issuer.Name()) || Is(certificate, party)));

    private static bool Is(X509Certificate2 certificate, string name) => certificate.MatchesHostname(name + Domain, allowWildcards: false, allowCommonName: false);

    /// <summary>What a caller on <paramref name="line"/> asks of who listens there.</summary>
    /// <param name="institution">The bank that it must be; null elsewhere.</param>
    public SslClientAuthenticationOptions Client(Line line, string? institution, string address)
    {
        var expected = institution is null ? (string[])[line.Server.Name()] : [line.Server.Name(), $"{line.Server.Name()}-{institution}"];
        return new SslClientAuthenticationOptions
        {
            TargetHost = expected[^1] + Domain,
            ClientCertificateContext = own[line.Caller.Name()],
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateChainPolicy = Policy(),
            AllowRenegotiation = false,
            RemoteCertificateValidationCallback = (_, certificate, chain, _) => Accepts($"{line.Name}: {line.Server.Name()} at {address}", expected, certificate as X509Certificate2, chain),
        };
    }

    /// <summary>The handshake of one accepted connection; null when the caller is refused, which is logged.</summary>
    internal async Task<Stream?> WelcomeAsync(Socket socket, Line line, CancellationToken cancellation)
    {
        var remote = socket.RemoteEndPoint;
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        return await HandshakeAsync(stream, $"{line.Name}: caller {remote}", until => stream.AuthenticateAsServerAsync(Server(line, remote), until), cancellation) ? stream : null;
    }

    /// <summary>The handshake of a connection that we made; null when the other side is refused, or refuses us, which is logged.</summary>
    internal async Task<Stream?> MeetAsync(Socket socket, Line line, string? institution, string address, CancellationToken cancellation)
    {
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        return await HandshakeAsync(stream, $"{line.Name}: {line.Server.Name()} at {address}", until => stream.AuthenticateAsClientAsync(Client(line, institution, address), until), cancellation) ? stream : null;
    }

    public void Dispose() => authority.Dispose();

    private async Task<bool> HandshakeAsync(SslStream stream, string who, Func<CancellationToken, Task> handshake, CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource(HandshakePatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellation);
        try
        {
            await handshake(either.Token);
            return true;
        }
        catch (Exception failed) when (failed is AuthenticationException or IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            await stream.DisposeAsync();
            if (!cancellation.IsCancellationRequested)
            {
                Refused(who, failed);
            }

            return false;
        }
    }

    /// <summary>A handshake that did not come about, in words. What a certificate had against it was logged when it was looked at.</summary>
    internal void Refused(string who, Exception failed)
    {
        switch (failed)
        {
            case AuthenticationException judged when judged.Message.Contains(nameof(RemoteCertificateValidationCallback), StringComparison.Ordinal):
                break;
            case OperationCanceledException:
                log.LogWarning("{Who} refused: expected a TLS handshake, got none within {Seconds} s", who, HandshakePatience.TotalSeconds);
                break;
            case AuthenticationException { InnerException: null } unreadable when unreadable.Message.Contains("frame", StringComparison.OrdinalIgnoreCase):
                log.LogWarning("{Who} refused: expected TLS 1.2 or 1.3, got bytes that are no TLS", who);
                break;
            default:
                // OpenSSL's own words name versions and alerts; no payload is in them.
                log.LogWarning("{Who} refused: expected TLS 1.2 or 1.3 with certificates of our authority, got {Failure}", who, (failed.InnerException ?? failed).Message);
                break;
        }
    }

    private X509ChainPolicy Policy()
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
            VerificationTime = time.GetUtcNow().UtcDateTime,
        };
        policy.CustomTrustStore.Add(authority);
        return policy;
    }

    /// <summary>True when the certificate is of our authority, in its time, and for one of <paramref name="expected"/>.</summary>
    private bool Accepts(string who, string[] expected, X509Certificate2? certificate, X509Chain? chain)
    {
        var got = Fault(expected, certificate, chain);
        if (got is not null)
        {
            log.LogWarning("{Who} refused: expected a certificate for {Expected}, got {Got}", who, string.Join(" or ", expected), got);
        }

        return got is null;
    }

    private static string? Fault(string[] expected, X509Certificate2? certificate, X509Chain? chain)
    {
        if (certificate is null || chain is null)
        {
            return "none";
        }

        var name = Name(certificate);
        foreach (var status in chain.ChainStatus)
        {
            switch (status.Status)
            {
                case X509ChainStatusFlags.NoError:
                    continue;
                case X509ChainStatusFlags.NotTimeValid:
                    return FormattableString.Invariant($"one for {name} that is valid from {certificate.NotBefore.ToUniversalTime():u} to {certificate.NotAfter.ToUniversalTime():u}");
                case X509ChainStatusFlags.PartialChain or X509ChainStatusFlags.UntrustedRoot:
                    return $"one for {name} of another authority ({certificate.Issuer})";
                default:
                    return $"one for {name} that is not usable here ({status.Status})";
            }
        }

        return expected.Any(role => Is(certificate, role)) ? null : $"one for {name}";
    }

    /// <summary>Whom a certificate is for, in the party's words; what is no party's is printed without control characters.</summary>
    private static string Name(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(extension => extension.EnumerateDnsNames()).Where(name => name.EndsWith(Domain, StringComparison.Ordinal));
        return names.FirstOrDefault() is { } name ? name[..^Domain.Length] : new string([.. certificate.Subject.Where(letter => !char.IsControl(letter))]);
    }

    private static X509Certificate2 Read(string path, Func<string, X509Certificate2> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception wrong) when (wrong is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new TlsFilesException($"{path}: {(File.Exists(path) ? "is no certificate with its key in PEM" : "is missing; 'majia certs' makes it")}");
        }
    }
}

/// <summary>A certificate or its key cannot be used.</summary>
public sealed class TlsFilesException(string message) : Exception(message);
