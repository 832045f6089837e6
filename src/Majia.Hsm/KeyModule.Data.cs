using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Jose;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using AesGcm = System.Security.Cryptography.AesGcm;

namespace Majia.Hsm;

/// <summary>Data at rest and data sent to this party.</summary>
public sealed partial class KeyModule
{
    private const int NonceLength = 12, TagLength = 16;

    /// <summary>AES-256-GCM: nonce (12) ‖ ciphertext ‖ tag (16), bound to <paramref name="context"/>.</summary>
    public byte[] Seal(string key, ReadOnlySpan<byte> plaintext, string context)
    {
        using var gcm = new AesGcm(Find(key, KeyUsage.DataEncryption).Value, TagLength);
        var box = new byte[NonceLength + plaintext.Length + TagLength];
        entropy.Fill(box.AsSpan(0, NonceLength));
        gcm.Encrypt(box.AsSpan(0, NonceLength), plaintext, box.AsSpan(NonceLength, plaintext.Length), box.AsSpan(NonceLength + plaintext.Length), Encoding.UTF8.GetBytes(context));
        return box;
    }

    public bool TryUnseal(string key, ReadOnlySpan<byte> box, string context, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        using var gcm = new AesGcm(Find(key, KeyUsage.DataEncryption).Value, TagLength);
        if (box.Length < NonceLength + TagLength)
        {
            return false;
        }

        var opened = new byte[box.Length - NonceLength - TagLength];
        try
        {
            gcm.Decrypt(box[..NonceLength], box[NonceLength..^TagLength], box[^TagLength..], opened, Encoding.UTF8.GetBytes(context));
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }

        plaintext = opened;
        return true;
    }

    /// <summary>HMAC-SHA-256 of a number, for look-up (32 bytes).</summary>
    public byte[] Index(string key, AccountNumber number) =>
        HMACSHA256.HashData(Find(key, KeyUsage.KeyedHash).Value, Encoding.ASCII.GetBytes(number.Reveal()));

    /// <summary>HMAC-SHA-256 of a message (32 bytes), to know the same again: nobody without the key tries guesses of what was in it.</summary>
    public byte[] Fingerprint(string key, ReadOnlySpan<byte> message)
    {
        // A letter before it: the fingerprint of no message is the index of a number.
        byte[] marked = [(byte)'F', .. message];
        var fingerprint = HMACSHA256.HashData(Find(key, KeyUsage.KeyedHash).Value, marked);
        CryptographicOperations.ZeroMemory(marked);
        return fingerprint;
    }

    /// <summary>Public JWK of a Decryption key (P-256), to encrypt to with <see cref="Jwe.Encrypt"/>.</summary>
    public string PublicJwk(string name)
    {
        var point = EllipticCurveKey.PublicPoint(Find(name, KeyUsage.Decryption).Value);
        return $$"""{"kty":"EC","crv":"P-256","x":"{{Base64Url.Encode(point[..32])}}","y":"{{Base64Url.Encode(point[32..])}}"}""";
    }

    /// <summary>Opens a JWE to a Decryption key. Only the one pair of algorithms, no compression, no extensions; false for anything else.</summary>
    public bool TryDecryptJwe(string name, string compact, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        var key = Find(name, KeyUsage.Decryption);
        if (!IsOurHeader(compact))
        {
            return false;
        }

        try
        {
            using var agreement = EllipticCurveKey.Open(key.Value);
            plaintext = JWT.DecodeBytes(compact, agreement, Jwe.KeyAgreement, Jwe.ContentEncryption);
            return true;
        }
        catch (Exception malformed) when (malformed is not OutOfMemoryException)
        {
            return false; // the library has no Try twin, and what it throws for bytes from outside is not one type
        }
    }

    private static bool IsOurHeader(string compact)
    {
        try
        {
            using var header = JsonDocument.Parse(Base64Url.Decode(compact[..Math.Max(0, compact.IndexOf('.'))]));
            return header.RootElement.ValueKind == JsonValueKind.Object
                && !header.RootElement.TryGetProperty("zip", out _)
                && !header.RootElement.TryGetProperty("crit", out _);
        }
        catch (Exception malformed) when (malformed is JsonException or FormatException or ArgumentException)
        {
            return false;
        }
    }
}
