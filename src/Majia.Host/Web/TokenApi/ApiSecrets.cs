using System.Security.Cryptography;
using System.Text;
using Majia.Core.Primitives;

namespace Majia.Host.Web.TokenApi;

/// <summary>What token requestors and banks prove themselves with on the token service's HTTP door: one secret each, made at the first start into <c>keys/api-NAME.secret</c>, readable by its owner alone.</summary>
public sealed class ApiSecrets
{
    private readonly SortedDictionary<string, byte[]> hashes = new(StringComparer.Ordinal);

    private ApiSecrets()
    {
    }

    /// <param name="folder">The key folder.</param>
    /// <param name="callers">TRIDs and institution numbers.</param>
    public static ApiSecrets Open(string folder, IEnumerable<string> callers, Entropy entropy)
    {
        var secrets = new ApiSecrets();
        foreach (var caller in callers)
        {
            var path = Path.Combine(folder, $"api-{caller}.secret");
            if (!File.Exists(path))
            {
                using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
                file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(entropy.Bytes(32))));
                file.Flush(flushToDisk: true);
            }

            secrets.hashes[caller] = Hash(File.ReadAllText(path).Trim());
        }

        return secrets;
    }

    /// <summary>Whose secret it is, or null. Every one is compared, each in constant time.</summary>
    /// <param name="authorization">The header: <c>Bearer SECRET</c>.</param>
    public string? CallerOf(string? authorization)
    {
        const string Scheme = "Bearer ";
        if (authorization is null || !authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var shown = Hash(authorization[Scheme.Length..].Trim());
        string? caller = null;
        foreach (var (name, hash) in hashes)
        {
            caller = CryptographicOperations.FixedTimeEquals(hash, shown) ? name : caller;
        }

        return caller;
    }

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
