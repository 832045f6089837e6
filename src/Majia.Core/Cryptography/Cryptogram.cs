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
    /// <summary>CVN 01: 37 bytes; CVN 17: 13 bytes.</summary>
    public byte[] Bytes(CryptogramVersion version) => throw new NotImplementedException();
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
    /// <summary>Card key from an issuer master key, EMV option A over number ‖ sequence number (two digits). 3DES result without parity adjustment.</summary>
    public static byte[] DeriveCardKey(CipherAlgorithm algorithm, ReadOnlySpan<byte> masterKey, ReadOnlySpan<char> number, ReadOnlySpan<char> sequenceNumber) => throw new NotImplementedException();

    public static byte[] DeriveSessionKey(CipherAlgorithm algorithm, ReadOnlySpan<byte> cardKey, ushort atc) => throw new NotImplementedException();

    /// <summary>Eight bytes: retail MAC (3DES) or CBC-MAC (SM4) over the 80-padded input.</summary>
    public static byte[] Compute(CipherAlgorithm algorithm, ReadOnlySpan<byte> sessionKey, ReadOnlySpan<byte> input) => throw new NotImplementedException();

    /// <summary>ARPC method 1 over cryptogram (8) and authorisation response code (2 ASCII bytes).</summary>
    public static byte[] ResponseCryptogram(CipherAlgorithm algorithm, ReadOnlySpan<byte> sessionKey, ReadOnlySpan<byte> cryptogram, ReadOnlySpan<byte> responseCode) => throw new NotImplementedException();

    public static byte[] SetOddParity(ReadOnlySpan<byte> key) => throw new NotImplementedException();
}
