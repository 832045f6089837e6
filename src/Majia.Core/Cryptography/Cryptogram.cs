using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Majia.Core.Cryptography;

/// <summary>What goes into a UnionPay application cryptogram (PBOC 3.0; protocols.md 3.3). Byte fields as on the wire.</summary>
public sealed record CryptogramInput(
    ReadOnlyMemory<byte> AmountAuthorised, // 9F02, 6
    ReadOnlyMemory<byte> AmountOther, // 9F03, 6
    ReadOnlyMemory<byte> TerminalCountry, // 9F1A, 2
    ReadOnlyMemory<byte> TerminalVerificationResults, // 95, 5
    ReadOnlyMemory<byte> TransactionCurrency, // 5F2A, 2
    ReadOnlyMemory<byte> TransactionDate, // 9A, 3
    byte TransactionType, // 9C
    ReadOnlyMemory<byte> UnpredictableNumber, // 9F37, 4
    ReadOnlyMemory<byte> ApplicationInterchangeProfile, // 82, 2
    ushort ApplicationTransactionCounter, // 9F36
    ReadOnlyMemory<byte> CardVerificationResults) // CVR, 4 with its length byte 03
{
    /// <summary>Bytes of the longest input (CVN 01).</summary>
    public const int MaxLength = 37;

    /// <summary>CVN 01: 37 bytes; CVN 17: 13 bytes.</summary>
    public byte[] Bytes(CryptogramVersion version)
    {
        Span<byte> buffer = stackalloc byte[MaxLength];
        return buffer[..Write(version, buffer)].ToArray();
    }

    /// <summary>True when every field that <paramref name="version"/> takes is as long as its tag says: asked at the door, so that <see cref="Bytes"/> cannot throw.</summary>
    public bool IsWellFormed(CryptogramVersion version) =>
        AmountAuthorised.Length == 6 && UnpredictableNumber.Length == 4 && CardVerificationResults.Length == 4
        && (version == CryptogramVersion.Reduced
            || (version == CryptogramVersion.Full && AmountOther.Length == 6 && TerminalCountry.Length == 2 && TerminalVerificationResults.Length == 5
                && TransactionCurrency.Length == 2 && TransactionDate.Length == 3 && ApplicationInterchangeProfile.Length == 2));

    /// <summary>Writes the input to <paramref name="into"/> (at least <see cref="MaxLength"/> bytes); the bytes written.</summary>
    /// <exception cref="ArgumentException">A field is not as long as its tag says: the caller did not check what came in.</exception>
    public int Write(CryptogramVersion version, Span<byte> into)
    {
        var at = 0;
        Put(into, ref at, AmountAuthorised, 6, "9F02");
        if (version == CryptogramVersion.Full)
        {
            Put(into, ref at, AmountOther, 6, "9F03");
            Put(into, ref at, TerminalCountry, 2, "9F1A");
            Put(into, ref at, TerminalVerificationResults, 5, "95");
            Put(into, ref at, TransactionCurrency, 2, "5F2A");
            Put(into, ref at, TransactionDate, 3, "9A");
            into[at++] = TransactionType;
        }

        Put(into, ref at, UnpredictableNumber, 4, "9F37");
        if (version == CryptogramVersion.Full)
        {
            Put(into, ref at, ApplicationInterchangeProfile, 2, "82");
        }

        BinaryPrimitives.WriteUInt16BigEndian(into[at..], ApplicationTransactionCounter);
        at += 2;
        switch (version)
        {
            case CryptogramVersion.Full:
                Put(into, ref at, CardVerificationResults, 4, "CVR");
                return at;
            case CryptogramVersion.Reduced when CardVerificationResults.Length == 4:
                into[at++] = CardVerificationResults.Span[1]; // IAD byte 5 (protocols.md 3.3)
                return at;
            default:
                throw new ArgumentException("CVN 01 or 17, and a CVR of 4 bytes", nameof(version));
        }
    }

    private static void Put(Span<byte> into, ref int at, ReadOnlyMemory<byte> value, int length, string tag)
    {
        if (value.Length != length)
        {
            throw new ArgumentException($"{tag} has {length} bytes, not {value.Length}", nameof(value));
        }

        value.Span.CopyTo(into[at..]);
        at += length;
    }
}

/// <summary>Cryptogram version number, the byte in 9F10 (literally hex 01 or 17).</summary>
public enum CryptogramVersion : byte
{
    Full = 0x01,
    Reduced = 0x17,
}

/// <summary>UnionPay/PBOC card keys and cryptograms in 3DES and SM4 (protocols.md 3.1–3.4).</summary>
public static class Cryptogram
{
    /// <summary>Card key from an issuer master key, EMV option A over number ‖ sequence number (two digits; none counts as 00). 3DES result without parity adjustment.</summary>
    public static byte[] DeriveCardKey(CipherAlgorithm algorithm, ReadOnlySpan<byte> masterKey, ReadOnlySpan<char> number, ReadOnlySpan<char> sequenceNumber) =>
        DeriveCardKey(new CipherKey(Card(algorithm), masterKey), number, sequenceNumber);

    /// <inheritdoc cref="DeriveCardKey(CipherAlgorithm, ReadOnlySpan{byte}, ReadOnlySpan{char}, ReadOnlySpan{char})"/>
    /// <param name="masterKey">With its schedule at hand: 3DES or SM4.</param>
    public static byte[] DeriveCardKey(CipherKey masterKey, ReadOnlySpan<char> number, ReadOnlySpan<char> sequenceNumber)
    {
        _ = Card(masterKey.Algorithm);
        if (sequenceNumber.Length is not (0 or 2))
        {
            throw new ArgumentException("a sequence number has two digits", nameof(sequenceNumber));
        }

        // EMV Book 2 annex A1.4.1: the rightmost 16 digits of number ‖ sequence number, zeros on the left.
        Span<char> digits = stackalloc char[16];
        digits.Fill('0');
        sequenceNumber.CopyTo(digits[14..]);
        var taken = Math.Min(number.Length, 14);
        number[^taken..].CopyTo(digits.Slice(14 - taken, taken));

        Span<byte> blocks = stackalloc byte[16];
        for (var i = 0; i < 8; i++)
        {
            blocks[i] = (byte)((Digit(digits[2 * i]) << 4) | Digit(digits[(2 * i) + 1]));
            blocks[i + 8] = (byte)(blocks[i] ^ 0xFF);
        }

        var key = new byte[16];
        masterKey.Encrypt(blocks, key);
        return key;
    }

    /// <summary>Session key of one transaction (PBOC 3.0 part 7; not EMV's common session key). Not parity-adjusted.</summary>
    public static byte[] DeriveSessionKey(CipherAlgorithm algorithm, ReadOnlySpan<byte> cardKey, ushort atc)
    {
        var key = new byte[16];
        DeriveSessionKey(new CipherKey(Card(algorithm), cardKey), atc, key);
        return key;
    }

    /// <summary>Session key of one transaction into <paramref name="into"/> (16 bytes), from a card key whose schedule is at hand.</summary>
    public static void DeriveSessionKey(CipherKey cardKey, ushort atc, Span<byte> into)
    {
        into.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(into[6..], atc);
        BinaryPrimitives.WriteUInt16BigEndian(into[14..], (ushort)(atc ^ 0xFFFF));
        cardKey.Encrypt(into[..16], into[..16]);
    }

    /// <summary>Eight bytes: retail MAC (3DES) or CBC-MAC (SM4) over the 80-padded input.</summary>
    public static byte[] Compute(CipherAlgorithm algorithm, ReadOnlySpan<byte> sessionKey, ReadOnlySpan<byte> input)
    {
        var padded = Cipher.Pad80(input, Cipher.BlockSize(Card(algorithm)));
        Span<byte> mac = stackalloc byte[16];
        if (algorithm == CipherAlgorithm.TripleDes)
        {
            CipherKey.RetailMac(sessionKey, padded, mac);
        }
        else
        {
            new CipherKey(algorithm, sessionKey).CbcMac(padded, mac);
        }

        return mac[..8].ToArray();
    }

    /// <summary>ARPC method 1 over cryptogram (8) and authorisation response code (2 ASCII bytes).</summary>
    public static byte[] ResponseCryptogram(CipherAlgorithm algorithm, ReadOnlySpan<byte> sessionKey, ReadOnlySpan<byte> cryptogram, ReadOnlySpan<byte> responseCode)
    {
        if (cryptogram.Length != 8 || responseCode.Length != 2)
        {
            throw new ArgumentException("a cryptogram has 8 bytes, a response code 2", nameof(cryptogram));
        }

        // EMV Book 2 §8.2.1; SM4: the 8 bytes in a block of 16, the rest zero (protocols.md 3.4).
        Span<byte> block = stackalloc byte[Cipher.BlockSize(Card(algorithm))];
        block.Clear();
        cryptogram.CopyTo(block);
        Cipher.Xor(block, responseCode);
        return Cipher.EncryptEcb(algorithm, sessionKey, block)[..8];
    }

    /// <summary>The key with every byte's lowest bit set for odd parity (FIPS 46-3): for printing, results do not depend on it.</summary>
    public static byte[] SetOddParity(ReadOnlySpan<byte> key)
    {
        var odd = key.ToArray();
        for (var i = 0; i < odd.Length; i++)
        {
            odd[i] = (byte)((odd[i] & 0xFE) | ((BitOperations.PopCount((uint)odd[i] & 0xFE) & 1) ^ 1));
        }

        return odd;
    }

    private static CipherAlgorithm Card(CipherAlgorithm algorithm) => algorithm is CipherAlgorithm.TripleDes or CipherAlgorithm.Sm4
        ? algorithm
        : throw new ArgumentException("cards compute in 3DES or SM4", nameof(algorithm));

    private static int Digit(char digit) => char.IsAsciiDigit(digit) ? digit - '0' : throw new ArgumentException("a number has digits only", nameof(digit));
}

/// <summary>Issuer scripts: message authentication and confidentiality towards the card (protocols.md 3.5).</summary>
public static class IssuerScript
{
    /// <summary>MAC of one script command under the session MAC key.</summary>
    /// <param name="header">CLA INS P1 P2.</param>
    /// <param name="cryptogram">The ARQC of the transaction, 8 bytes: the first one for all commands of a script.</param>
    /// <param name="data">Command data, already encrypted where it is to be; Lc counts it and the MAC.</param>
    public static byte[] Mac(CipherAlgorithm algorithm, ReadOnlySpan<byte> sessionKey, ReadOnlySpan<byte> header, ushort atc, ReadOnlySpan<byte> cryptogram, ReadOnlySpan<byte> data, int length = 4)
    {
        if (header.Length != 4 || cryptogram.Length != 8 || data.Length + length > 255)
        {
            throw new ArgumentException("a header of 4 bytes, a cryptogram of 8, Lc of at most 255", nameof(header));
        }

        var input = new byte[5 + 2 + 8 + data.Length];
        header.CopyTo(input);
        input[4] = (byte)(data.Length + length);
        BinaryPrimitives.WriteUInt16BigEndian(input.AsSpan(5), atc);
        cryptogram.CopyTo(input.AsSpan(7));
        data.CopyTo(input.AsSpan(15));
        return Cryptogram.Compute(algorithm, sessionKey, input)[..length];
    }

    /// <summary>Confidential data: length byte ‖ data, padded with 80 00… only when not whole blocks, ECB under the session ENC key.</summary>
    public static byte[] Encrypt(CipherAlgorithm algorithm, ReadOnlySpan<byte> sessionKey, ReadOnlySpan<byte> data)
    {
        var plain = new byte[1 + data.Length];
        plain[0] = checked((byte)data.Length);
        data.CopyTo(plain.AsSpan(1));
        var size = Cipher.BlockSize(algorithm);
        var whole = plain.Length % size == 0 ? plain : Cipher.Pad80(plain, size);
        try
        {
            return Cipher.EncryptEcb(algorithm, sessionKey, whole);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
            CryptographicOperations.ZeroMemory(whole);
        }
    }

    /// <summary>MAC of issuer-discretionary data in 9F10: leftmost 4 bytes over ATC ‖ data.</summary>
    public static byte[] DiscretionaryDataMac(CipherAlgorithm algorithm, ReadOnlySpan<byte> sessionKey, ushort atc, ReadOnlySpan<byte> data)
    {
        var input = new byte[2 + data.Length];
        BinaryPrimitives.WriteUInt16BigEndian(input, atc);
        data.CopyTo(input.AsSpan(2));
        return Cryptogram.Compute(algorithm, sessionKey, input)[..4];
    }
}
