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
    internal const int TagLength = 16;

    private const int NonceLength = 12;

    /// <summary>AES-256-GCM: nonce (12) ‖ ciphertext ‖ tag (16), bound to <paramref name="context"/>.</summary>
    public byte[] Seal(string key, ReadOnlySpan<byte> plaintext, string context)
    {
        var boxes = Find(key, KeyUsage.DataEncryption).Boxes;
        var gcm = boxes.Take();
        var box = new byte[NonceLength + plaintext.Length + TagLength];
        entropy.Fill(box.AsSpan(0, NonceLength));
        gcm.Encrypt(box.AsSpan(0, NonceLength), plaintext, box.AsSpan(NonceLength, plaintext.Length), box.AsSpan(NonceLength + plaintext.Length), Encoding.UTF8.GetBytes(context));
        boxes.Return(gcm);
        return box;
    }

    public bool TryUnseal(string key, ReadOnlySpan<byte> box, string context, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        var boxes = Find(key, KeyUsage.DataEncryption).Boxes;
        if (box.Length < NonceLength + TagLength)
        {
            return false;
        }

        var opened = new byte[box.Length - NonceLength - TagLength];
        var gcm = boxes.Take();
        try
        {
            gcm.Decrypt(box[..NonceLength], box[NonceLength..^TagLength], box[^TagLength..], opened, Encoding.UTF8.GetBytes(context));
        }
        catch (AuthenticationTagMismatchException)
        {
            gcm.Dispose();
            return false;
        }

        boxes.Return(gcm);

        plaintext = opened;
        return true;
    }

    /// <summary>HMAC-SHA-256 of a number, for look-up (32 bytes).</summary>
    public byte[] Index(string key, AccountNumber number)
    {
        Span<byte> digits = stackalloc byte[AccountNumber.MaxLength];
        var index = new byte[HMACSHA256.HashSizeInBytes];
        Find(key, KeyUsage.KeyedHash).Hmac(digits[..Encoding.ASCII.GetBytes(number.Reveal(), digits)], index);
        CryptographicOperations.ZeroMemory(digits);
        return index;
    }

    /// <summary>HMAC-SHA-256 of a message (32 bytes), to know the same again: nobody without the key tries guesses of what was in it.</summary>
    public byte[] Fingerprint(string key, ReadOnlySpan<byte> message)
    {
        // A letter before it: the fingerprint of no message is the index of a number.
        byte[] marked = [(byte)'F', .. message];
        var fingerprint = new byte[HMACSHA256.HashSizeInBytes];
        Find(key, KeyUsage.KeyedHash).Hmac(marked, fingerprint);
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
