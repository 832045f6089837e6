using System.Globalization;
using System.Security.Cryptography;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>What both paths compute with: cryptogram and issuer application data, and what the card remembers from one transaction to the next (CVR, protocols.md 1.3).</summary>
internal static class CardRisk
{
    /// <summary>Bits of <see cref="PaymentInstance.Memory"/>; its high half counts script commands.</summary>
    internal const byte NotCompleted = 0x01, AuthenticationFailed = 0x02, AuthenticationMissing = 0x04, ScriptFailed = 0x08;

    /// <summary>Application cryptogram under this transaction's key.</summary>
    internal static byte[] Cryptogram(PaymentProfile profile, Func<int, int, ReadOnlyMemory<byte>> terminal, ReadOnlySpan<byte> interchange, ushort atc, byte[] results)
    {
        var input = new CryptogramInput(
            terminal(0x9F02, 6), terminal(0x9F03, 6), terminal(0x9F1A, 2), terminal(0x95, 5), terminal(0x5F2A, 2), terminal(0x9A, 3), terminal(0x9C, 1).Span[0],
            terminal(0x9F37, 4), interchange.ToArray(), atc, results);
        var session = Majia.Core.Cryptography.Cryptogram.DeriveSessionKey(profile.Algorithm, profile.CryptogramKey.Span, atc);
        var cryptogram = Majia.Core.Cryptography.Cryptogram.Compute(profile.Algorithm, session, input.Bytes((CryptogramVersion)PaymentApplet.Gpo(profile, 0x9F10)[2]));
        CryptographicOperations.ZeroMemory(session);
        return cryptogram;
    }

    /// <summary>9F10 with this transaction's CVR and, where the card has electronic cash, the balance under a MAC (protocols.md 1.4: id 01).</summary>
    internal static byte[] ApplicationData(PaymentProfile profile, ReadOnlySpan<byte> results, ushort atc)
    {
        var iad = PaymentApplet.Gpo(profile, 0x9F10)[..8].ToArray();
        results.CopyTo(iad.AsSpan(3));
        if (!BerTlv.TryFind(profile.InternalData.Span, 0x9F79, out var balance) || balance.Length != 6)
        {
            return iad;
        }

        var session = Majia.Core.Cryptography.Cryptogram.DeriveSessionKey(profile.Algorithm, profile.IntegrityKey.Span, atc);
        var mac = IssuerScript.DiscretionaryDataMac(profile.Algorithm, session, atc, [.. balance[1..], 0x00]);
        CryptographicOperations.ZeroMemory(session);
        return [.. iad, 0x0A, 0x01, .. balance[1..], .. mac];
    }

    /// <summary>CVR of a contact cryptogram.</summary>
    /// <param name="first">CVR bits of the first cryptogram (byte 2 bits 6-5), of the second (bits 8-7): 00 AAC, 01 TC, 10 ARQC or not asked.</param>
    internal static byte[] Results(PaymentInstance payment, PaymentTransaction transaction, int first, int second, bool unableOnline)
    {
        var profile = payment.Profile!;
        var two = (second << 6) | (first << 4)
            | (transaction.IssuerAuthenticated == false ? 0x08 : 0)
            | (transaction.PinVerified is not null ? 0x04 : 0)
            | (transaction.PinVerified == false ? 0x02 : 0)
            | (unableOnline ? 0x01 : 0);
        var tries = BerTlv.TryFind(profile.InternalData.Span, 0x9F17, out var left) && left.Length == 1 ? left[0] : byte.MaxValue;
        var three = ((payment.Memory & NotCompleted) != 0 ? 0x80 : 0)
            | (tries == 0 ? 0x40 : 0)
            | (Offline(payment, transaction.Atc) > Limit(profile, 0x9F59) && Limit(profile, 0x9F59) > 0 ? 0x20 : 0)
            | (LastOnline(profile) == 0 ? 0x10 : 0)
            | ((payment.Memory & AuthenticationFailed) != 0 ? 0x08 : 0)
            | ((payment.Memory & AuthenticationMissing) != 0 ? 0x04 : 0);
        var four = (payment.Memory & 0xF0)
            | ((payment.Memory & ScriptFailed) != 0 ? 0x08 : 0)
            | (transaction.Signed ? 0x02 : 0);
        return [0x03, (byte)two, (byte)three, (byte)four];
    }

    /// <summary>Transactions since the last one that the issuer answered, this one counted (EMV Book 3 §10.6.3).</summary>
    internal static int Offline(PaymentInstance payment, ushort atc) => atc - LastOnline(payment.Profile!);

    /// <summary>9F58 lower, 9F59 upper consecutive offline limit; 0 when there is none.</summary>
    internal static int Limit(PaymentProfile profile, int tag) => PaymentApplet.Internal(profile, tag, stackalloc byte[1])[0];

    private static int LastOnline(PaymentProfile profile)
    {
        var register = PaymentApplet.Internal(profile, 0x9F13, stackalloc byte[2]);
        return (register[0] << 8) | register[1];
    }

    /// <summary>A numeric value of decimal digits; anything else counts as 0.</summary>
    internal static long Number(ReadOnlySpan<byte> digits) =>
        PaymentApplet.IsDecimal(digits) ? long.Parse(Convert.ToHexString(digits), CultureInfo.InvariantCulture) : 0;

    internal static byte[] Decimal(long value, int length) =>
        Convert.FromHexString(value.ToString(CultureInfo.InvariantCulture).PadLeft(2 * length, '0'));
}
