using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Majia.Host.Links;

/// <summary>A certificate authority for trials and tests, and the certificates of the parties under it. A real one is its operator's.</summary>
/// <remarks>Keys and serial numbers come from the platform's own random generator, inside the library: certificates are no part of any replay.</remarks>
public sealed class TestAuthority : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly TimeSpan AuthorityLife = TimeSpan.FromDays(10 * 365), Skew = TimeSpan.FromMinutes(5);

    private readonly X509Certificate2 certificate;
    private readonly DateTimeOffset now;

    private TestAuthority(X509Certificate2 certificate, DateTimeOffset now) => (this.certificate, this.now) = (certificate, now);

    /// <summary>Thirteen months: a party's certificate is renewed each year.</summary>
    public static TimeSpan PartyLife { get; } = TimeSpan.FromDays(397);

    public static TestAuthority Create(string name, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new TestAuthority(request.CreateSelfSigned(now - Skew, now + AuthorityLife), now);
    }

    /// <summary>The authority of a folder that <see cref="SaveTo"/> wrote; null when there is none.</summary>
    /// <exception cref="TlsFilesException">Its certificate is there and its key is not, or one is damaged.</exception>
    public static TestAuthority? Open(string folder, DateTimeOffset now)
    {
        var (pem, key) = (Path.Combine(folder, PartyTls.AuthorityFile), Path.Combine(folder, "ca.key"));
        if (!File.Exists(pem))
        {
            return null;
        }

        try
        {
            return new TestAuthority(X509Certificate2.CreateFromPemFile(pem, key), now);
        }
        catch (Exception wrong) when (wrong is CryptographicException or IOException)
        {
            throw new TlsFilesException($"{pem}: its key {key} is missing or is another one's; nothing was made");
        }
    }

    public void SaveTo(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, PartyTls.AuthorityFile), certificate.ExportCertificatePem() + "\n");
        WriteKey(Path.Combine(folder, "ca.key"), certificate);
    }

    /// <summary>Makes <c>{name}.pem</c> and <c>{name}.key</c> for one party.</summary>
    /// <param name="hosts">Names and addresses under which it is reached, besides this machine's.</param>
    /// <param name="from">When it begins; null: now.</param>
    public void Issue(string folder, string name, IReadOnlyList<string> hosts, TimeSpan? life = null, DateTimeOffset? from = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name + PartyTls.Domain);
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        foreach (var host in hosts)
        {
            if (IPAddress.TryParse(host, out var address))
            {
                names.AddIpAddress(address);
            }
            else
            {
                names.AddDnsName(host);
            }
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        // serverAuth and clientAuth: most parties listen on one line and call on another.
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var start = from ?? now - Skew;
        using var issued = request.Create(certificate, start, start + (life ?? PartyLife), Serial(key));
        File.WriteAllText(Path.Combine(folder, name + ".pem"), issued.ExportCertificatePem() + "\n");
        WriteKey(Path.Combine(folder, name + ".key"), issued.CopyWithPrivateKey(key));
    }

    public void Dispose() => certificate.Dispose();

    /// <summary>A number that no other certificate has: the digest of its new public key, positive (RFC 5280 §4.1.2.2).</summary>
    private static byte[] Serial(ECDsa key)
    {
        var serial = SHA256.HashData(key.ExportSubjectPublicKeyInfo())[..16];
        serial[0] = (byte)((serial[0] & 0x7F) | 0x40);
        return serial;
    }

    private static void WriteKey(string path, X509Certificate2 holder)
    {
        using var key = holder.GetECDsaPrivateKey()!;
        File.Delete(path);
        using var file = new StreamWriter(new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }));
        file.Write(key.ExportPkcs8PrivateKeyPem());
        file.Write('\n');
    }
}
