using System.Security.Cryptography;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Terminal.Kernel;

/// <summary>What issuer and chip sign of the card's data: SSAD (tag 93) and SDAD (9F4B), in RSA (EMV Book 2 §5.4, §6.5.2) and SM2 (protocols.md 4.3).</summary>
public static class SignedApplicationData
{
    private const byte Header = 0x6A, Trailer = 0xBC, Sha1 = 0x01, StaticFormat = 0x03, DynamicFormat = 0x05;

    private const int HashLength = 20;

    /// <summary>SDA: the data authentication code, 2 bytes, when the issuer's signature over the static data is right.</summary>
    /// <param name="staticData">Records that the AFL names, then the value of the AIP.</param>
    public static Verified<byte[]> Static(CertifiedKey issuer, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> staticData)
    {
        if (issuer.IsSm2)
        {
            return signed.Length == 3 + Sm2.SignatureLength && signed[0] == 0x13 && Sm2.Verify(issuer.Value, (byte[])[.. signed[..3], .. staticData], signed[3..])
                ? new(signed[1..3].ToArray(), Fine)
                : No("the issuer's signature over the card's data is wrong", "发卡行对卡片数据的签名不正确");
        }

        if (issuer.Rsa.Recover(signed) is not { } block || !IsSealed(block, StaticFormat, staticData))
        {
            return No("the issuer's signature over the card's data is wrong", "发卡行对卡片数据的签名不正确");
        }

        return new(block[3..5], Fine);
    }

    /// <summary>DDA and fDDA: the ICC dynamic data, when the chip's signature over them and the terminal's is right.</summary>
    /// <param name="terminalData">DDA: the DDOL's data. fDDA version 01: 9F37 ‖ 9F02 ‖ 5F2A ‖ 9F69.</param>
    public static Verified<byte[]> Dynamic(CertifiedKey chip, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> terminalData)
    {
        if (chip.IsSm2)
        {
            var length = signed.Length < 2 ? 0 : signed[1];
            return length > 0 && signed.Length == 2 + length + Sm2.SignatureLength && signed[0] == 0x15 && Sm2.Verify(chip.Value, (byte[])[.. signed[..(2 + length)], .. terminalData], signed[(2 + length)..])
                ? new(signed.Slice(2, length).ToArray(), Fine)
                : No("the chip's signature is wrong", "芯片签名不正确");
        }

        if (chip.Rsa.Recover(signed) is not { } block || !IsSealed(block, DynamicFormat, terminalData) || block[3] == 0 || block[3] > block.Length - 25)
        {
            return No("the chip's signature is wrong", "芯片签名不正确");
        }

        return new(block.AsSpan(4, block[3]).ToArray(), Fine);
    }

    private static bool IsSealed(byte[] block, byte format, ReadOnlySpan<byte> outside)
    {
        if (block.Length < 26 || block[^1] != Trailer || block[0] != Header || block[1] != format || block[2] != Sha1)
        {
            return false;
        }

#pragma warning disable CA5350 // the format's own hash (EMV Book 2 annex B3.1)
        var hash = SHA1.HashData((byte[])[.. block[1..^(HashLength + 1)], .. outside]);
#pragma warning restore CA5350
        return hash.AsSpan().SequenceEqual(block.AsSpan(block.Length - HashLength - 1, HashLength));
    }

    private static readonly Text Fine = new(string.Empty, string.Empty);

    private static Verified<byte[]> No(string en, string zh) => new(null, new(en, zh));
}
