using System.Collections.Immutable;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>What an issuer may do to its card after a cryptogram (EMV Book 3 §6.5, protocols.md 3.5). Each command carries a MAC over ATC, the transaction's first cryptogram and itself.</summary>
/// <remarks>One wrong MAC ends the scripts of this transaction: who guesses pays an ATC for each try, and a phone's ATC costs a fingerprint.</remarks>
internal static class IssuerScripts
{
    private const int MacLength = 4;

    /// <summary>Objects that PUT DATA may write: the issuer's limits and settings, and the electronic cash balance (protocols.md 1.2).</summary>
    private static readonly ImmutableArray<int> Writable = [0x9F58, 0x9F59, 0x9F68, 0x9F6B, 0x9F6D, 0x9F77, 0x9F78, 0x9F79];

    internal static ChipStep Step(ChipState state, ChipSession session, ChipPort port, PaymentInstance payment, CommandApdu apdu)
    {
        if ((apdu.Cla, apdu.Ins) is not ((0x04, 0xDA or 0xDC) or (0x84, 0x16 or 0x18 or 0x1E or 0x24)))
        {
            return Chip.Answer(state, session, Sw.UnknownCla);
        }

        if (session.Payment is not { Cryptogram.Length: 8, ScriptFailed: false } transaction || transaction.Port != port || !transaction.Instance.Equals(payment.Aid))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (apdu.Data.Length < MacLength)
        {
            return Chip.Answer(state, session, Sw.NoMac);
        }

        var profile = payment.Profile!;
        var data = apdu.Data.Span[..^MacLength];
        var key = Cryptogram.DeriveSessionKey(profile.Algorithm, profile.IntegrityKey.Span, transaction.Atc);
        var expected = apdu.Data.Length <= 255 ? IssuerScript.Mac(profile.Algorithm, key, [apdu.Cla, apdu.Ins, apdu.P1, apdu.P2], transaction.Atc, transaction.Cryptogram.Span, data, MacLength) : new byte[MacLength + 1];
        CryptographicOperations.ZeroMemory(key);
        if (!CryptographicOperations.FixedTimeEquals(expected, apdu.Data.Span[^MacLength..]))
        {
            return Chip.Answer(state, session with { Payment = transaction with { ScriptFailed = true } }, Sw.WrongMac);
        }

        var (next, status) = Run(state, payment, transaction, apdu with { Data = data.ToArray() });
        var counted = session with { Payment = transaction with { Scripts = transaction.Scripts + 1 } };
        return Chip.Answer(status == Sw.Ok ? Counted(next, payment.Aid, transaction, failed: false) : Counted(state, payment.Aid, transaction, failed: true), counted, status);
    }

    /// <summary>For the next CVR: how many came, and whether one failed. Only the contact path tells.</summary>
    private static ChipState Counted(ChipState state, Aid aid, PaymentTransaction transaction, bool failed)
    {
        if (transaction.Port != ChipPort.Contact || state.Payment(aid) is not { } payment)
        {
            return state;
        }

        var memory = (byte)((Math.Min(transaction.Scripts + 1, 15) << 4) | (payment.Memory & 0x0F) | (failed ? CardRisk.ScriptFailed : 0));
        return state.With(payment with { Memory = memory });
    }

    private static (ChipState State, ushort Status) Run(ChipState state, PaymentInstance payment, PaymentTransaction transaction, CommandApdu apdu)
    {
        var profile = payment.Profile!;
        var parameters = (apdu.P1 << 8) | apdu.P2;
        switch (apdu.Ins)
        {
            case 0x1E when parameters == 0 && apdu.Data.IsEmpty:
                return (payment.Blocked ? state : state.With(payment with { Blocked = true }), Sw.Ok);
            case 0x18 when parameters == 0 && apdu.Data.IsEmpty:
                return payment.Atc == ushort.MaxValue ? (state, Sw.NotSatisfied) : (payment.Blocked ? state.With(payment with { Blocked = false }) : state, Sw.Ok);
            case 0x16 when parameters == 0 && apdu.Data.IsEmpty:
                // A bank may end its plastic; the phone's chip is not one bank's.
                return state.HasTrustedSide ? (state, Sw.NotSupported) : (state with { Life = CardLife.Terminated }, Sw.Ok);
            case 0x24 when parameters is 0 or 2:
                return ChangePin(state, payment, transaction, parameters == 2, apdu.Data.Span);
            case 0xDA when Writable.Contains(parameters):
                if (!BerTlv.TryFind(profile.InternalData.Span, parameters, out var present))
                {
                    return (state, Sw.Unreferenced);
                }

                return present.Length != apdu.Data.Length ? (state, Sw.WrongData) : (state.With(payment with { Profile = PaymentApplet.WithInternal(profile, parameters, apdu.Data.Span) }), Sw.Ok);
            case 0xDA:
                return (state, Sw.Unreferenced);
            case 0xDC when apdu.P1 > 0 && (apdu.P2 & 0x07) == 0x04:
                return UpdateRecord(state, payment, apdu);
            default:
                return (state, Sw.WrongP1P2);
        }
    }

    /// <summary>P2 00: the tries come back. P2 02: a new PIN, length ‖ block, padded, in ECB under the session ENC key (protocols.md 3.5).</summary>
    private static (ChipState State, ushort Status) ChangePin(ChipState state, PaymentInstance payment, PaymentTransaction transaction, bool change, ReadOnlySpan<byte> data)
    {
        var profile = payment.Profile!;
        if (profile.Pin.Length != 1 + ContactPayment.PinLength)
        {
            return (state, Sw.Unreferenced);
        }

        if (change)
        {
            if (data.Length != 16)
            {
                return (state, Sw.WrongLength);
            }

            var key = Cryptogram.DeriveSessionKey(profile.Algorithm, profile.ConfidentialityKey.Span, transaction.Atc);
            var plain = Cipher.DecryptEcb(profile.Algorithm, key, data);
            CryptographicOperations.ZeroMemory(key);
            if (plain[0] != ContactPayment.PinLength || plain[1] >> 4 != 2 || !Cipher.TryUnpad80(plain, 16, out var length) || length != 1 + ContactPayment.PinLength)
            {
                CryptographicOperations.ZeroMemory(plain);
                return (state, Sw.WrongData);
            }

            profile = profile with { Pin = (byte[])[profile.Pin.Span[0], .. plain.AsSpan(1, ContactPayment.PinLength)] };
            CryptographicOperations.ZeroMemory(plain);
        }
        else if (!data.IsEmpty)
        {
            return (state, Sw.WrongLength);
        }

        return (state.With(payment with { Profile = PaymentApplet.WithInternal(profile, 0x9F17, [profile.Pin.Span[0]]) }), Sw.Ok);
    }

    private static (ChipState State, ushort Status) UpdateRecord(ChipState state, PaymentInstance payment, CommandApdu apdu)
    {
        var profile = payment.Profile!;
        if (profile.Records.FirstOrDefault(record => record.Sfi == apdu.P2 >> 3 && record.Number == apdu.P1) is not { } found)
        {
            return (state, Sw.RecordNotFound);
        }

        if (apdu.Data.Length != found.Template.Length || !BerTlv.TryRead(apdu.Data.Span, out var tag, out _, out var used, out _) || tag != 0x70 || used != apdu.Data.Length || !BerTlv.TryCheck(apdu.Data.Span, out _))
        {
            return (state, Sw.WrongData);
        }

        return (state.With(payment with { Profile = profile with { Records = profile.Records.Replace(found, found with { Template = apdu.Data.ToArray() }) } }), Sw.Ok);
    }
}
