using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Hsm;

namespace Majia.Issuer.Plastic;

/// <summary>A bank's place below the authority: index and certificate of its card key (tags 8F, 90, 92).</summary>
/// <param name="AuthorityIndex">Tag 8F.</param>
/// <param name="Certificate">Tag 90.</param>
/// <param name="Remainder">Tag 92; empty when all of the modulus fits, and in SM2.</param>
public sealed record IssuerCertificate(byte AuthorityIndex, byte[] Certificate, byte[] Remainder);

/// <summary>A bank makes a plastic card: over the chip's contacts, through a secure channel to its own domain, with keys of its own module.</summary>
/// <remarks>The chip's private key is made in the module and goes into the chip alone; the bank keeps what it certified, not what signs.</remarks>
public sealed class PlasticIssuing(KeyModule module, IssuerCertificate certificate, Entropy entropy)
{
    /// <summary>Names of the bank's keys for its plastic.</summary>
    public const string KeySet = "plastic", Certification = "card.certification", CryptogramMaster = "imk.ac", IntegrityMaster = "imk.mac", ConfidentialityMaster = "imk.enc";

    /// <summary>The bank's key that its PIN offsets are made with.</summary>
    public const string PinVerification = IssuerKeys.PinVerification;

    private const byte KeyVersion = 0x01, SecurityLevel = 0x33, PinTries = 3;

    private const int MaxData = 231;

    private static readonly Aid Domain = Aid.Parse("A000000151000000"), Package = Aid.Parse("A0000003330101"), Module = Aid.Parse("A000000333010100");

    /// <summary>From a blank chip to a card: one application for each brand. Throws when the chip does not do what it should, and it is then to be thrown away.</summary>
    /// <param name="chip">The contacts of a chip whose domain has this bank's keys, diversified by <paramref name="seid"/>.</param>
    /// <param name="rsaBits">Length of the chip's key, where the bank certifies in RSA.</param>
    public async Task IssueAsync(ICardChannel chip, ReadOnlyMemory<byte> seid, PlasticOrder order, int rsaBits = 1152, CancellationToken cancellation = default)
    {
        var host = module.OpenSecureChannel(KeySet, seid.Span);
        try
        {
            await SendAsync(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Domain.Bytes));
            var answer = await SendAsync(host.InitializeUpdate(KeyVersion));
            if (!host.TryAuthenticate(answer, SecurityLevel, out var authenticate))
            {
                throw new InvalidOperationException("the blank chip is not one of this bank's");
            }

            await SendAsync(authenticate);
            foreach (var application in PlasticProfile.Applications(order))
            {
                await WriteAsync(Aid.Parse(application));
            }
        }
        finally
        {
            host.Close();
        }

        async Task WriteAsync(Aid instance)
        {
            await WrappedAsync(0xE6, 0x04, 0x00, [.. Counted(Package.Bytes), .. Counted(Module.Bytes), .. Counted(instance.Bytes), 0x01, 0x00, 0x02, 0xC9, 0x00, 0x00]);
            await WrappedAsync(0xE6, 0x20, 0x00, [0x00, 0x00, .. Counted(instance.Bytes), 0x00, 0x00, 0x00]);
            byte[] groups = [.. ChipKey(host, order, rsaBits, out var chain, out var length), .. host.CardKeyGroups(CryptogramMaster, IntegrityMaster, ConfidentialityMaster, order.Pan, order.SequenceNumber), .. ReferencePin(host, order), .. PlasticProfile.Groups(order, chain, length).SelectMany(static group => group)];
            for (int at = 0, block = 0; at < groups.Length; at += MaxData, block++)
            {
                var end = Math.Min(groups.Length, at + MaxData);
                await WrappedAsync(0xE2, end == groups.Length ? (byte)0xE8 : (byte)0x68, (byte)block, groups[at..end]);
            }

            await WrappedAsync(0xE6, 0x08, 0x00, [0x00, 0x00, .. Counted(instance.Bytes), 0x01, 0x00, 0x00, 0x00]);
        }

        async Task WrappedAsync(byte ins, byte p1, byte p2, byte[] data)
        {
            var answer = await SendAsync(host.Wrap(CommandApdu.Of(0x80, ins, p1, p2, data)));
            if (!host.TryUnwrap(answer, out var plain) || !plain.Status.IsOk)
            {
                throw new InvalidOperationException($"the chip answered {answer.Status} to command {ins:X2}");
            }
        }

        async Task<ResponseApdu> SendAsync(CommandApdu command)
        {
            var bytes = await chip.TransmitAsync(command.ToBytes(), cancellation);
            return ResponseApdu.TryParse(bytes, out var answer, out var error) && answer.Status.IsOk ? answer : throw new InvalidOperationException($"the chip answered {answer?.Status.ToString() ?? error.ToString()} to command {command.Ins:X2}");
        }
    }

    /// <summary>The chip's own key pair, certified: its groups, and the contents of the chain's records.</summary>
    private byte[] ChipKey(HostChannel host, PlasticOrder order, int rsaBits, out IReadOnlyList<byte[]> chain, out int signatureLength)
    {
        byte[] number = PlasticProfile.PaddedNumber(order.Pan), expiry = PlasticProfile.CertificateExpiry(order.Expiry), serial = entropy.Bytes(3), covered = PlasticProfile.StaticData(order);
        module.TryInfo(Certification, out var info);
        if (info?.Usage == KeyUsage.CertificationSm2)
        {
            var (point, groups) = host.NewSm2ChipKey();
            var body = OfflineCertificates.ChipSm2(number, expiry, serial, point);
            byte[] signed = [.. body, .. module.CertifySm2(Certification, [.. body, .. covered])];
            chain = [BerTlv.Encode(0x8F, [certificate.AuthorityIndex]), BerTlv.Encode(0x90, certificate.Certificate), BerTlv.Encode(0x9F46, signed)];
            signatureLength = 1 + 1 + 3 + 64;
            return groups;
        }

        var (key, parts) = host.NewRsaChipKey(rsaBits);
        var (block, remainder) = OfflineCertificates.Chip(module.RsaLength(Certification), number, expiry, serial, key.Modulus, key.Exponent, covered);
        chain =
        [
            [.. BerTlv.Encode(0x8F, [certificate.AuthorityIndex]), .. BerTlv.Encode(0x9F32, [0x03]), .. certificate.Remainder.Length == 0 ? [] : BerTlv.Encode(0x92, certificate.Remainder)],
            BerTlv.Encode(0x90, certificate.Certificate),
            [.. BerTlv.Encode(0x9F46, module.CertifyRsa(Certification, block)), .. BerTlv.Encode(0x9F47, key.Exponent), .. remainder.Length == 0 ? [] : BerTlv.Encode(0x9F48, remainder)],
        ];
        signatureLength = key.Length;
        return parts;
    }

    private static byte[] ReferencePin(HostChannel host, PlasticOrder order) =>
        order.OfflinePin is { } offset ? host.ReferencePinGroups(PinVerification, order.Pan, offset, PinTries) : [];

    private static byte[] Counted(ReadOnlySpan<byte> bytes) => [(byte)bytes.Length, .. bytes];
}
