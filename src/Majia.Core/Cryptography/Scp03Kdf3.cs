using System.Security.Cryptography;

namespace Majia.Core.Cryptography;

/// <summary>Diversification of an AES master key set for one chip, called KDF3 (protocols.md 5.2).</summary>
/// <remarks>
/// SP 800-108 in counter mode with AES-CMAC: counter (1) ‖ label 00 00 00 k ‖ 00 ‖ context, the ten diversification bytes
/// of INITIALIZE UPDATE; k is 1 for ENC, 2 for MAC, 3 for DEK. Unlike the session KDF of Amendment D the counter comes
/// first and no length follows; that is our reading of the one implementation known (docs/protocols/keys.md).
/// </remarks>
public static class Scp03Kdf3
{
    public const int ContextLength = 10;

    /// <summary>The key set of the chip that shows <paramref name="diversification"/> (10 bytes). Keys as long as their masters.</summary>
    public static Scp03Keys Derive(Scp03Keys master, ReadOnlySpan<byte> diversification) =>
        diversification.Length == ContextLength
            ? new Scp03Keys(Derive(master.Encryption, 1, diversification), Derive(master.Mac, 2, diversification), Derive(master.DataEncryption, 3, diversification))
            : throw new ArgumentException("diversification data has 10 bytes", nameof(diversification));

    private static byte[] Derive(ReadOnlySpan<byte> master, byte purpose, ReadOnlySpan<byte> context)
    {
        byte[] input = [0, 0, 0, 0, purpose, 0, .. context];
        var key = new byte[master.Length];
        for (var at = 0; at < key.Length; at += 16)
        {
            input[0]++;
            var block = Cipher.AesCmac(master, input);
            block.AsSpan(0, Math.Min(16, key.Length - at)).CopyTo(key.AsSpan(at));
            CryptographicOperations.ZeroMemory(block);
        }

        return key;
    }
}
