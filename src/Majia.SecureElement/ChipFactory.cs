using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.SecureElement;

/// <summary>Where chips begin.</summary>
public static class ChipFactory
{
    /// <summary>Key version of a fresh issuer domain.</summary>
    public const byte IssuerKeyVersion = 0x01;

    /// <summary>A fresh chip: the issuer domain keyed, the payment module in ROM, no instance, nothing of the token service.</summary>
    /// <param name="seid">10 diversification bytes.</param>
    /// <param name="issuerKeys">The phone maker's keys, diversified for this chip; AES-128.</param>
    /// <param name="bindingKey">16 bytes, paired with the handset's trusted side.</param>
    /// <param name="entropy">For the first binding value.</param>
    public static ChipState Manufacture(ReadOnlySpan<byte> seid, Scp03Keys issuerKeys, ReadOnlySpan<byte> bindingKey, Entropy entropy)
    {
        if (seid.Length != ChipState.SeidLength || bindingKey.Length != ChipState.BindingLength)
        {
            throw new ArgumentException("a chip has a SEID of 10 bytes and a binding key of 16", nameof(seid));
        }

        if (issuerKeys is not { Encryption.Length: 16, Mac.Length: 16, DataEncryption.Length: 16 })
        {
            throw new ArgumentException("the issuer domain's keys are AES-128", nameof(issuerKeys));
        }

        return new ChipState(
            seid.ToArray(),
            bindingKey.ToArray(),
            entropy.Bytes(ChipState.BindingLength),
            PurgeEpoch: 0,
            [new SecurityDomain(Chip.IssuerDomain, new DomainKeys(IssuerKeyVersion, issuerKeys), 0)],
            [],
            LastUsed: null);
    }
}
