using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Majia.Core.Primitives;

namespace Majia.Core.Cryptography;

/// <summary>An optional block of a TR-31 header: two characters of identifier, printable ASCII as data.</summary>
public sealed record Tr31Option(string Id, string Data);

/// <summary>What a TR-31 block says of its key, in clear and bound to it by the block's MAC (ANSI X9.143 §6).</summary>
/// <param name="Usage">Two characters, e.g. <c>P0</c>.</param>
/// <param name="Algorithm">T 3DES, A AES, E elliptic curve, H HMAC; digits are for private use.</param>
/// <param name="Mode">B both, D decrypt, E encrypt, G generate, V verify, C both of these, N none, X derive, S sign.</param>
/// <param name="KeyVersion">Two characters, 00 when not used.</param>
/// <param name="Exportability">N never, E under a trusted key, S under any.</param>
public sealed record Tr31Header(string Usage, char Algorithm, char Mode, string KeyVersion, char Exportability, IReadOnlyList<Tr31Option> Options)
{
    public Tr31Header(string usage, char algorithm, char mode, char exportability)
        : this(usage, algorithm, mode, "00", exportability, [])
    {
    }

    /// <summary>Data of the first optional block <paramref name="id"/>; null when there is none.</summary>
    public string? Option(string id)
    {
        foreach (var option in Options)
        {
            if (option.Id == id)
            {
                return option.Data;
            }
        }

        return null;
    }
}

/// <summary>TR-31 (ANSI X9.143) key blocks of version D: AES key block protection key, CMAC over header and key, CBC (protocols.md 7.4).</summary>
public static class Tr31
{
    private const int HeaderLength = 16, MacLength = 16, MaxLength = 9999;

    /// <summary>A key block as text, its length a multiple of 16.</summary>
    /// <param name="protectionKey">AES, 16, 24 or 32 bytes, at least as strong as what it protects.</param>
    /// <param name="key">1 to 512 bytes.</param>
    /// <param name="entropy">Fills the last block, so that equal keys make different blocks.</param>
    /// <param name="paddedLength">Hides a short key among longer ones: length and key are filled up as if the key had this many bytes.</param>
    public static string Wrap(ReadOnlySpan<byte> protectionKey, Tr31Header header, ReadOnlySpan<byte> key, Entropy entropy, int paddedLength = 0)
    {
        if (key.Length is 0 or > 512)
        {
            throw new ArgumentException("a key of 1 to 512 bytes", nameof(key));
        }

        var length = (2 + Math.Max(key.Length, paddedLength) + 15) / 16 * 16;
        var (text, _) = WriteHeader(header, length);
        var payload = new byte[length];
        entropy.Fill(payload.AsSpan(2 + key.Length));
        BinaryPrimitives.WriteUInt16BigEndian(payload, (ushort)(8 * key.Length));
        key.CopyTo(payload.AsSpan(2));
        var (encryption, mac) = Derive(protectionKey);
        try
        {
            var tag = Cipher.AesCmac(mac, [.. Encoding.ASCII.GetBytes(text), .. payload]);
            return string.Concat(text, Convert.ToHexString(Cipher.EncryptCbc(CipherAlgorithm.Aes, encryption, tag, payload)), Convert.ToHexString(tag));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(payload);
            CryptographicOperations.ZeroMemory(encryption);
            CryptographicOperations.ZeroMemory(mac);
        }
    }

    /// <summary>Reads the header alone; nothing vouches for it until <see cref="TryUnwrap"/>.</summary>
    public static bool TryReadHeader(ReadOnlySpan<char> block, [NotNullWhen(true)] out Tr31Header? header, out ParseError error) =>
        TryReadHeader(block, out header, out _, out error);

    /// <summary>Opens a block: the key (the caller wipes it) and what its header says of it. False for any block that is not exactly as its maker wrote it.</summary>
    public static bool TryUnwrap(ReadOnlySpan<byte> protectionKey, ReadOnlySpan<char> block, [NotNullWhen(true)] out Tr31Header? header, [NotNullWhen(true)] out byte[]? key, out ParseError error)
    {
        key = null;
        if (!TryReadHeader(block, out header, out var bodyAt, out error))
        {
            return false;
        }

        var body = block[bodyAt..];
        var bad = body.IndexOfAnyExcept(UpperHex);
        if (bad >= 0 || body.Length < 2 * (16 + MacLength) || body.Length % 32 != 0)
        {
            error = bad >= 0
                ? new ParseError("TR-31 key", bodyAt + bad, "an upper-case hex digit", "another character")
                : new ParseError("TR-31 key", bodyAt, "whole AES blocks and a MAC in hex", $"{body.Length} characters");
            header = null;
            return false;
        }

        var tag = Convert.FromHexString(body[^(2 * MacLength)..]);
        var (encryption, mac) = Derive(protectionKey);
        var payload = Cipher.DecryptCbc(CipherAlgorithm.Aes, encryption, tag, Convert.FromHexString(body[..^(2 * MacLength)]));
        try
        {
            var headerBytes = new byte[bodyAt];
            Encoding.ASCII.GetBytes(block[..bodyAt], headerBytes);
            if (!CryptographicOperations.FixedTimeEquals(Cipher.AesCmac(mac, [.. headerBytes, .. payload]), tag))
            {
                error = new ParseError("TR-31 block", block.Length - (2 * MacLength), "the MAC of header and key under this protection key", "another");
                header = null;
                return false;
            }

            var bits = BinaryPrimitives.ReadUInt16BigEndian(payload);
            if (bits is 0 || bits % 8 != 0 || (bits / 8) + 2 > payload.Length)
            {
                error = new ParseError("TR-31 key length", bodyAt, "whole bytes within the block", $"{bits} bits");
                header = null;
                return false;
            }

            key = payload.AsSpan(2, bits / 8).ToArray();
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(payload);
            CryptographicOperations.ZeroMemory(encryption);
            CryptographicOperations.ZeroMemory(mac);
        }
    }

    private static readonly System.Buffers.SearchValues<char> UpperHex = System.Buffers.SearchValues.Create("0123456789ABCDEF");

    private static readonly System.Buffers.SearchValues<char> AlphaNumeric = System.Buffers.SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    private static (string Text, int Length) WriteHeader(Tr31Header header, int payloadLength)
    {
        if (header.Usage.Length != 2 || header.KeyVersion.Length != 2 || header.Usage.AsSpan().ContainsAnyExcept(AlphaNumeric))
        {
            throw new ArgumentException("usage and key version have two characters each", nameof(header));
        }

        var options = new StringBuilder();
        var count = header.Options.Count;
        foreach (var option in header.Options)
        {
            var length = option.Data.Length + 4;
            if (option.Id.Length != 2 || option.Id == "PB" || length > 255 || option.Data.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            {
                throw new ArgumentException("an optional block has two characters of name and at most 251 printable ones", nameof(header));
            }

            options.Append(option.Id).Append(length.ToString("X2", CultureInfo.InvariantCulture)).Append(option.Data);
        }

        // X9.143 §6.3.2: the optional blocks fill whole cipher blocks, a PB block pads them.
        if (options.Length % 16 != 0)
        {
            var fill = 16 - (options.Length % 16);
            fill += fill < 4 ? 16 : 0;
            options.Append("PB").Append(fill.ToString("X2", CultureInfo.InvariantCulture)).Append('0', fill - 4);
            count++;
        }

        var total = HeaderLength + options.Length + (2 * (payloadLength + MacLength));
        if (count > 99 || total > MaxLength)
        {
            throw new ArgumentException("a block has at most 9999 characters", nameof(header));
        }

        var text = string.Create(CultureInfo.InvariantCulture, $"D{total:D4}{header.Usage}{header.Algorithm}{header.Mode}{header.KeyVersion}{header.Exportability}{count:D2}00{options}");
        return (text, total);
    }

    private static bool TryReadHeader(ReadOnlySpan<char> block, [NotNullWhen(true)] out Tr31Header? header, out int bodyAt, out ParseError error)
    {
        header = null;
        bodyAt = 0;
        if (block.Length is < HeaderLength or > MaxLength)
        {
            error = new ParseError("TR-31 block", 0, "16 to 9999 characters", $"{block.Length}");
            return false;
        }

        if (block[0] != 'D')
        {
            error = new ParseError("TR-31 version", 0, "D", "another");
            return false;
        }

        if (!Digits(block.Slice(1, 4), out var length) || length != block.Length)
        {
            error = new ParseError("TR-31 length", 1, $"{block.Length:D4}", "another");
            return false;
        }

        var odd = block.Slice(5, 7).IndexOfAnyExcept(AlphaNumeric);
        if (odd >= 0)
        {
            error = new ParseError("TR-31 header", 5 + odd, "a capital letter or digit", "another character");
            return false;
        }

        if (!Digits(block.Slice(12, 2), out var count) || block[14] != '0' || block[15] != '0')
        {
            error = new ParseError("TR-31 header", 12, "the number of optional blocks, then 00", "other characters");
            return false;
        }

        var options = new List<Tr31Option>();
        var at = HeaderLength;
        for (var i = 0; i < count; i++)
        {
            if (block.Length - at < 4
                || block.Slice(at + 2, 2).ContainsAnyExcept(UpperHex)
                || !int.TryParse(block.Slice(at + 2, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var size)
                || size < 4 || size > block.Length - at
                || block.Slice(at, size).ContainsAnyExceptInRange(' ', '~'))
            {
                error = new ParseError("TR-31 optional block", at, "a name, a hex length and printable characters within the block", "something else");
                return false;
            }

            var id = block.Slice(at, 2).ToString();
            if (id != "PB")
            {
                options.Add(new Tr31Option(id, block.Slice(at + 4, size - 4).ToString()));
            }

            at += size;
        }

        bodyAt = at;
        header = new Tr31Header(block.Slice(5, 2).ToString(), block[7], block[8], block.Slice(9, 2).ToString(), block[11], options);
        error = default;
        return true;
    }

    private static bool Digits(ReadOnlySpan<char> text, out int value)
    {
        value = 0;
        return !text.ContainsAnyExceptInRange('0', '9') && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Encryption and MAC keys of a protection key (X9.143 §7.3.2, CMAC in counter mode): counter ‖ usage ‖ 00 ‖ algorithm ‖ bits.</summary>
    private static (byte[] Encryption, byte[] Mac) Derive(ReadOnlySpan<byte> protectionKey)
    {
        byte algorithm = protectionKey.Length switch
        {
            16 => 2,
            24 => 3,
            32 => 4,
            _ => throw new ArgumentException("a protection key is AES: 16, 24 or 32 bytes", nameof(protectionKey)),
        };
        return (Derive(protectionKey, 0, algorithm), Derive(protectionKey, 1, algorithm));
    }

    private static byte[] Derive(ReadOnlySpan<byte> protectionKey, byte usage, byte algorithm)
    {
        var bits = 8 * protectionKey.Length;
        Span<byte> input = [0, 0, usage, 0, 0, algorithm, (byte)(bits >> 8), (byte)(bits & 0xFF)];
        var key = new byte[protectionKey.Length];
        for (var at = 0; at < key.Length; at += 16)
        {
            input[0]++;
            var block = Cipher.AesCmac(protectionKey, input);
            block.AsSpan(0, Math.Min(16, key.Length - at)).CopyTo(key.AsSpan(at));
            CryptographicOperations.ZeroMemory(block);
        }

        return key;
    }
}
