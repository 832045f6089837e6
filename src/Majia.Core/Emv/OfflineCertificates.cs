using System.Security.Cryptography;

namespace Majia.Core.Emv;

/// <summary>The bytes that authority, issuer and chip sign for offline data authentication, in RSA (EMV Book 2 §5–6, SHA-1, exponent 3) and in SM2 (PBOC 3.0; protocols.md 4.1–4.3).</summary>
/// <remarks>Layout only: who signs has the key. SHA-1 is what the certificate format says; its collisions do not help who cannot sign.</remarks>
public static class OfflineCertificates
{
    public const byte Rsa = 0x01, Sm2 = 0x04, Sha1 = 0x01, Sm2Curve = 0x11;

    private const byte Header = 0x6A, Trailer = 0xBC, Pad = 0xBB;

    private const int HashLength = 20;

    /// <summary>What of an issuer modulus does not fit into the authority's block (tag 92) and what of a chip's does not into the issuer's (9F48).</summary>
    public const int IssuerOverhead = 36, ChipOverhead = 42;

    /// <summary>Issuer public key certificate, tag 90, before the authority's private operation; and tag 92.</summary>
    /// <param name="identifier">4 bytes: leftmost digits of the PAN, padded with F.</param>
    /// <param name="expiry">MMYY, 2 bytes.</param>
    public static (byte[] Block, byte[] Remainder) Issuer(int authorityLength, ReadOnlySpan<byte> identifier, ReadOnlySpan<byte> expiry, ReadOnlySpan<byte> serial, ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent) =>
        Certificate(authorityLength, 0x02, identifier, expiry, serial, modulus, exponent, IssuerOverhead, []);

    /// <summary>ICC public key certificate, tag 9F46, before the issuer's private operation; and tag 9F48.</summary>
    /// <param name="number">10 bytes, padded with F.</param>
    /// <param name="staticData">Records of the AFL in order, then the value of the AIP (9F4A = 82).</param>
    public static (byte[] Block, byte[] Remainder) Chip(int issuerLength, ReadOnlySpan<byte> number, ReadOnlySpan<byte> expiry, ReadOnlySpan<byte> serial, ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent, ReadOnlySpan<byte> staticData) =>
        Certificate(issuerLength, 0x04, number, expiry, serial, modulus, exponent, ChipOverhead, staticData);

    /// <summary>Signed dynamic application data, tag 9F4B, before the chip's private operation.</summary>
    /// <param name="dynamicData">ICC dynamic data: length of the ICC dynamic number and the number.</param>
    /// <param name="terminalData">DDOL data, or what fDDA hashes; only hashed.</param>
    public static byte[] Dynamic(int chipLength, ReadOnlySpan<byte> dynamicData, ReadOnlySpan<byte> terminalData)
    {
        var block = new byte[chipLength];
        byte[] head = [Header, 0x05, Sha1, (byte)dynamicData.Length, .. dynamicData];
        head.CopyTo(block, 0);
        block.AsSpan(head.Length, chipLength - head.Length - HashLength - 1).Fill(Pad);
        Seal(block, terminalData);
        return block;
    }

    /// <summary>The 78 bytes that the authority signs with SM2; signature appended they are tag 90.</summary>
    public static byte[] IssuerSm2(ReadOnlySpan<byte> identifier, ReadOnlySpan<byte> expiry, ReadOnlySpan<byte> serial, ReadOnlySpan<byte> point) =>
        [0x12, .. identifier, .. expiry, .. serial, Sm2, 0x00, Sm2Curve, (byte)point.Length, .. point];

    /// <summary>The 84 bytes in front of the issuer's SM2 signature in tag 9F46; signed are they and the static data behind them.</summary>
    public static byte[] ChipSm2(ReadOnlySpan<byte> number, ReadOnlySpan<byte> expiry, ReadOnlySpan<byte> serial, ReadOnlySpan<byte> point) =>
        [0x14, .. number, .. expiry, .. serial, Sm2, 0x00, Sm2Curve, (byte)point.Length, .. point];

    /// <summary>The head of tag 9F4B in SM2; signed are it and the terminal's data behind it.</summary>
    public static byte[] DynamicSm2(ReadOnlySpan<byte> dynamicData) => [0x15, (byte)dynamicData.Length, .. dynamicData];

    private static (byte[] Block, byte[] Remainder) Certificate(
        int length, byte format, ReadOnlySpan<byte> subject, ReadOnlySpan<byte> expiry, ReadOnlySpan<byte> serial, ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent, int overhead, ReadOnlySpan<byte> staticData)
    {
        var room = length - overhead;
        if (room < 1 || modulus.Length > length || expiry.Length != 2 || serial.Length != 3 || subject.Length != (format == 0x02 ? 4 : 10))
        {
            throw new ArgumentException("a certificate has room for the key that it certifies, and fields of the standard's lengths", nameof(length));
        }

        var block = new byte[length];
        var inside = modulus[..Math.Min(room, modulus.Length)];
        byte[] head = [Header, format, .. subject, .. expiry, .. serial, Sha1, Rsa, (byte)modulus.Length, (byte)exponent.Length, .. inside];
        head.CopyTo(block, 0);
        block.AsSpan(head.Length, length - head.Length - HashLength - 1).Fill(Pad);
        var remainder = modulus[inside.Length..].ToArray();
        Seal(block, [.. remainder, .. exponent, .. staticData]);
        return (block, remainder);
    }

    /// <summary>Hash over everything between header and hash and what stands outside, then the trailer.</summary>
    private static void Seal(Span<byte> block, ReadOnlySpan<byte> outside)
    {
        block[^1] = Trailer;
        byte[] hashed = [.. block[1..^(HashLength + 1)], .. outside];
#pragma warning disable CA5350 // the format's own hash (EMV Book 2 annex B3.1)
        SHA1.HashData(hashed, block.Slice(block.Length - HashLength - 1, HashLength));
#pragma warning restore CA5350
    }
}
