using System.Buffers.Binary;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>qPBOC: one command makes the payment (protocols.md 2.3, 2.4). A device card is online only and wants its fingerprint; a plastic card may approve offline, with fDDA.</summary>
internal static class ContactlessPayment
{
    /// <summary>Longest signature that the GPO answer itself carries (protocols.md 2.3: a chip key of 1024 bits); a longer one stands in a record.</summary>
    private const int MaxSignatureInAnswer = 128;

    private enum Outcome : byte
    {
        Decline = 0x80,
        Offline = 0x90,
        Online = 0xA0,
    }

    /// <summary>GPO. Order is precedence: what refuses comes before the ATC moves, so that no reader can wear it out.</summary>
    internal static ChipStep GetProcessingOptions(ChipState state, ChipSession session, ChipPort port, PaymentInstance payment, CommandApdu apdu, Entropy entropy)
    {
        var profile = payment.Profile!;
        if (apdu.P1 != 0 || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!PaymentApplet.TryReadPdolData(profile.Fci.Span, apdu.Data, out var terminal))
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        if (!PaymentApplet.IsDecimal(terminal(0x9F02, 6).Span))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        if (port != ChipPort.Contactless)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // protocols.md 2.4: another path refused
        }

        if (state.HasTrustedSide && !payment.Aid.Equals(session.Armed))
        {
            return Chip.Answer(state, session, Sw.SeePhone);
        }

        var ttq = terminal(0x9F66, 4).Span;
        if ((ttq[0] & 0x20) == 0)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // TTQ B1b6: reader has no qPBOC
        }

        if (payment.Atc == ushort.MaxValue)
        {
            return Chip.Answer(payment.Blocked ? state : state.With(payment with { Blocked = true }), session, Sw.NotSatisfied);
        }

        var inCurrency = terminal(0x5F2A, 2).Span.SequenceEqual(PaymentApplet.Internal(profile, 0x9F51, [0x01, 0x56]));
        if (Qualifiers(profile, state.HasTrustedSide, ttq, terminal(0x9F02, 6).Span, inCurrency) is not { } qualifiers)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // a CVM is wanted and none is common (protocols.md 2.4 step 3)
        }

        var outcome = Decide(state, payment, qualifiers, terminal, inCurrency);
        return Pay(state, session, payment, terminal, qualifiers, outcome, entropy);
    }

    /// <summary>CTQ (protocols.md 1.3). Null: a CVM is wanted and there is no common one.</summary>
    private static byte[]? Qualifiers(PaymentProfile profile, bool fingerprint, ReadOnlySpan<byte> ttq, ReadOnlySpan<byte> amount, bool inCurrency)
    {
        var ctq = PaymentApplet.Gpo(profile, 0x9F6C).ToArray();
        var processes = PaymentApplet.Internal(profile, 0x9F68, stackalloc byte[4]);
        ctq[0] &= 0x3F;
        if (fingerprint)
        {
            ctq[1] |= 0x80; // always: no tap gets here without
        }

        var isWanted = (ttq[1] & 0x40) != 0 // TTQ B2b7 CVM required
            || (inCurrency ? amount.SequenceCompareTo(PaymentApplet.Internal(profile, 0x9F6B, [0x99, 0x99, 0x99, 0x99, 0x99, 0x99])) > 0 : (processes[2] & 0x20) != 0); // 9F68 B3b6
        var issuerAsksPin = (processes[2] & (inCurrency ? 0x80 : 0x40)) != 0; // 9F68 B3b8, B3b7
        if (isWanted && issuerAsksPin && (ttq[0] & 0x04) != 0) // TTQ B1b3 online PIN
        {
            ctq[0] |= 0x80;
        }
        else if (isWanted && !fingerprint)
        {
            // A plastic card has the signature left (9F68 B3b5, TTQ B1b2), or nothing.
            if ((processes[2] & 0x10) == 0 || (ttq[0] & 0x02) == 0)
            {
                return null;
            }

            ctq[0] |= 0x40;
        }

        return ctq;
    }

    /// <summary>ARQC, AAC, or TC (protocols.md 2.4 steps 4, 5). A phone's card never approves offline (decisions.md 4).</summary>
    private static Outcome Decide(ChipState state, PaymentInstance payment, ReadOnlySpan<byte> ctq, Func<int, int, ReadOnlyMemory<byte>> terminal, bool inCurrency)
    {
        var profile = payment.Profile!;
        var processes = PaymentApplet.Internal(profile, 0x9F68, stackalloc byte[4]);
        if (payment.Blocked || (!inCurrency && (processes[1] & 0x40) != 0)) // 9F68 B2b7: another currency is refused
        {
            return Outcome.Decline;
        }

        if (state.HasTrustedSide)
        {
            return Outcome.Online;
        }

        var ttq = terminal(0x9F66, 4).Span;
        var amount = terminal(0x9F02, 6).Span;
        var offline = !profile.OfflineGpo.IsEmpty && profile.Signer is not null
            && (processes[0] & 0x80) != 0 // 9F68 B1b8: low value check
            && inCurrency
            && (ttq[1] & 0x80) == 0 // TTQ B2b8: online cryptogram required
            && (ttq[3] & 0x80) != 0 // TTQ B4b8: fDDA version 01
            && (ctq[0] & 0x80) == 0 // an online PIN goes online
            && amount.SequenceCompareTo(PaymentApplet.Internal(profile, 0x9F78, stackalloc byte[6])) <= 0
            && amount.SequenceCompareTo(PaymentApplet.Internal(profile, 0x9F79, stackalloc byte[6])) <= 0;
        return offline ? Outcome.Offline : (ttq[0] & 0x08) == 0 ? Outcome.Online : Outcome.Decline; // TTQ B1b4: offline-only reader
    }

    private static ChipStep Pay(ChipState state, ChipSession session, PaymentInstance payment, Func<int, int, ReadOnlyMemory<byte>> terminal, byte[] qualifiers, Outcome outcome, Entropy entropy)
    {
        var profile = payment.Profile!;
        var atc = (ushort)(payment.Atc + 1);
        var counter = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(counter, atc);
        if (outcome == Outcome.Offline)
        {
            var left = CardRisk.Number(PaymentApplet.Internal(profile, 0x9F79, stackalloc byte[6])) - CardRisk.Number(terminal(0x9F02, 6).Span);
            profile = PaymentApplet.WithInternal(profile, 0x9F79, CardRisk.Decimal(left, 6));
        }

        byte[] results = [0x03, (byte)outcome, 0x00, 0x00]; // CVR base values, protocols.md 1.3
        var iad = CardRisk.ApplicationData(profile, results, atc);
        var cryptogram = CardRisk.Cryptogram(profile, terminal, PaymentApplet.Gpo(profile, 0x82), atc, results);
        byte[] related = [], signed = [], inAnswer = [];
        if (outcome == Outcome.Offline)
        {
            // protocols.md 4.2: 9F69 = 01 ‖ card's unpredictable number ‖ CTQ ‖ 00; hashed with the terminal's 9F37, 9F02, 5F2A.
            related = BerTlv.Encode(0x9F69, [0x01, .. entropy.Bytes(4), .. qualifiers, 0x00]);
            signed = BerTlv.Encode(0x9F4B, profile.Signer!.Sign(counter, [.. terminal(0x9F37, 4).Span, .. terminal(0x9F02, 6).Span, .. terminal(0x5F2A, 2).Span, .. related.AsSpan(3)], entropy));
            inAnswer = profile.Signer.SignatureLength <= MaxSignatureInAnswer ? signed : [];
        }

        var showsBalance = (PaymentApplet.Internal(profile, 0x9F68, stackalloc byte[4])[0] & 0x01) != 0; // 9F68 B1b1
        var balance = showsBalance && BerTlv.TryFind(profile.InternalData.Span, 0x9F79, out var available) ? BerTlv.Encode(0x9F5D, available) : [];
        var data = outcome == Outcome.Offline
            ? BerTlv.Encode(0x77,
                PaymentApplet.Copy(profile.OfflineGpo, 0x82), PaymentApplet.Copy(profile.OfflineGpo, 0x94), BerTlv.Encode(0x9F36, counter), BerTlv.Encode(0x9F26, cryptogram), BerTlv.Encode(0x9F10, iad),
                PaymentApplet.Copy(profile.GpoData, 0x57), PaymentApplet.Copy(profile.GpoData, 0x5F34), inAnswer, BerTlv.Encode(0x9F6C, qualifiers), related, balance)
            : BerTlv.Encode(0x77,
                PaymentApplet.Copy(profile.GpoData, 0x82), PaymentApplet.Copy(profile.GpoData, 0x94), BerTlv.Encode(0x9F36, counter), PaymentApplet.Copy(profile.GpoData, 0x57), BerTlv.Encode(0x9F10, iad), BerTlv.Encode(0x9F26, cryptogram),
                PaymentApplet.Copy(profile.GpoData, 0x9F63), PaymentApplet.Copy(profile.GpoData, 0x5F34), BerTlv.Encode(0x9F6C, qualifiers), balance, PaymentApplet.Copy(profile.GpoData, 0x5F20));

        var next = state.With(payment with { Atc = atc, Profile = profile }) with { LastUsed = payment.Aid };
        var made = new PaymentMade(payment.Aid, terminal(0x9F02, 6), terminal(0x5F2A, 2), atc, qualifiers, outcome == Outcome.Decline);
        var transaction = new PaymentTransaction(payment.Aid, ChipPort.Contactless, atc, outcome == Outcome.Offline ? default : cryptogram, results, inAnswer.Length > 0 ? default : signed) { Cryptograms = 2 };
        return new ChipStep(next, session with { Armed = null, LastPayment = made, Payment = transaction }, ResponseApdu.Ok(data), made);
    }
}
