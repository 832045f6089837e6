using System.Security.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Core.Cryptography;

/// <summary>A password as it is kept: PBKDF2-HMAC-SHA-256 over a salt of its own.</summary>
public sealed class PasswordHash
{
    /// <summary>OWASP's figure for this function; less for tests alone.</summary>
    public const int DefaultIterations = 600_000;

    private const int SaltBytes = 16, HashBytes = 32;

    public PasswordHash(byte[] salt, int iterations, byte[] hash) => (Salt, Iterations, Hash) = (salt, iterations, hash);

    public byte[] Salt { get; }

    public int Iterations { get; }

    public byte[] Hash { get; }

    public static PasswordHash Of(string password, int iterations, Entropy entropy) => Of(password, iterations, entropy.Bytes(SaltBytes));

    /// <param name="salt">Nobody else's.</param>
    public static PasswordHash Of(string password, int iterations, byte[] salt)
    {
        return new(salt, iterations, Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, HashAlgorithmName.SHA256, HashBytes));
    }

    /// <summary>Constant time.</summary>
    public bool Matches(string password) =>
        CryptographicOperations.FixedTimeEquals(Hash, Rfc2898DeriveBytes.Pbkdf2(password, Salt, Iterations, HashAlgorithmName.SHA256, HashBytes));
}
