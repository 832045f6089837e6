using System.Collections.Immutable;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;

namespace Majia.SecureElement;

/// <summary>The chip's private key: RSA in five parts (DGI 8201–8205) or an SM2 scalar (DGI 8101). It signs dynamic data; an RSA key also opens a PIN block that was enciphered for this chip (EMV Book 2 §7), and neither operation gives out what the other makes.</summary>
public sealed class ChipSigner
{
    private readonly CardRsaPrivate? rsa;

    private ChipSigner(ImmutableArray<ReadOnlyMemory<byte>> parts, CardRsaPrivate? rsa)
    {
        Parts = parts;
        this.rsa = rsa;
    }

    /// <summary>As personalised, for the image: five parts of an RSA key, or one SM2 scalar.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Parts { get; }

    public bool IsSm2 => rsa is null;

    /// <summary>Bytes of a signature in tag 9F4B.</summary>
    public int SignatureLength => rsa?.Length ?? 1 + 1 + 3 + Sm2.SignatureLength;

    /// <summary>Null when the parts are no key.</summary>
    public static ChipSigner? Of(IReadOnlyList<byte[]> parts)
    {
        if (parts.Count == 1)
        {
            return Sm2.IsPrivate(parts[0]) ? new ChipSigner([parts[0]], null) : null;
        }

        return CardRsaPrivate.FromParts(parts) is { } key ? new ChipSigner([.. parts.Select(static part => (ReadOnlyMemory<byte>)part)], key) : null;
    }

    /// <summary>Tag 9F4B over the ICC dynamic number (the ATC) and the terminal's data (EMV Book 2 §6.5.2; protocols.md 4.2, 4.3).</summary>
    public byte[] Sign(ReadOnlySpan<byte> dynamicNumber, ReadOnlySpan<byte> terminalData, Entropy entropy)
    {
        byte[] dynamicData = [(byte)dynamicNumber.Length, .. dynamicNumber];
        if (rsa is not null)
        {
            return rsa.Sign(OfflineCertificates.Dynamic(rsa.Length, dynamicData, terminalData));
        }

        var head = OfflineCertificates.DynamicSm2(dynamicData);
        return [.. head, .. Sm2.Sign(Parts[0].Span, [.. head, .. terminalData], entropy)];
    }

    /// <summary>The block inside an enciphered PIN; null when there is none, and with an SM2 key.</summary>
    public byte[]? Decipher(ReadOnlySpan<byte> enciphered) => rsa?.Decipher(enciphered);

    public override string ToString() => IsSm2 ? "chip key (SM2)" : "chip key (RSA)";
}
