using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>Where chips begin.</summary>
public static class ChipFactory
{
    /// <summary>Key version of a fresh issuer domain.</summary>
    public const byte IssuerKeyVersion = 0x01;

    /// <summary>A fresh chip for a phone: the issuer domain keyed, the modules in ROM, no instance, nothing of the token service.</summary>
    /// <param name="seid">10 diversification bytes.</param>
    /// <param name="issuerKeys">The phone maker's keys, diversified for this chip.</param>
    /// <param name="bindingKey">16 bytes, paired with the handset's trusted side.</param>
    /// <param name="entropy">For the first binding value.</param>
    public static ChipState Manufacture(ReadOnlySpan<byte> seid, Scp03Keys issuerKeys, ReadOnlySpan<byte> bindingKey, Entropy entropy) =>
        bindingKey.Length == ChipState.BindingLength
            ? Blank(seid, issuerKeys, entropy) with { BindingKey = bindingKey.ToArray() }
            : throw new ArgumentException("a binding key has 16 bytes", nameof(bindingKey));

    /// <summary>A fresh chip for a plastic card: one domain, the bank's, and no trusted side. The bank personalises its application as on any card.</summary>
    /// <param name="contactless">With an antenna, or contacts alone.</param>
    public static ChipState ManufacturePlastic(ReadOnlySpan<byte> seid, Scp03Keys issuerKeys, bool contactless, Entropy entropy) =>
        Blank(seid, issuerKeys, entropy) with { Interfaces = contactless ? ChipInterfaces.Plastic : ChipInterfaces.Contact };

    private static ChipState Blank(ReadOnlySpan<byte> seid, Scp03Keys issuerKeys, Entropy entropy)
    {
        if (seid.Length != ChipState.SeidLength)
        {
            throw new ArgumentException("a chip has a SEID of 10 bytes", nameof(seid));
        }

        if (issuerKeys.Encryption.Length is not (16 or 24 or 32) || issuerKeys.Mac.Length != issuerKeys.Encryption.Length || issuerKeys.DataEncryption.Length != issuerKeys.Encryption.Length)
        {
            throw new ArgumentException("the issuer domain's keys are AES keys of one length", nameof(issuerKeys));
        }

        return new ChipState(
            seid.ToArray(),
            ReadOnlyMemory<byte>.Empty,
            entropy.Bytes(ChipState.BindingLength),
            PurgeEpoch: 0,
            [new SecurityDomain(Chip.IssuerDomain, new DomainKeys(IssuerKeyVersion, issuerKeys), 0)],
            [],
            LastUsed: null)
        {
            Identity = (byte[])[.. BerTlv.Encode(0x42, [0x4D, 0x4A, 0x00]), .. BerTlv.Encode(0x45, seid)],
        };
    }
}
