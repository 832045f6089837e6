using System.Buffers.Binary;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>The payment application of a device card: qPBOC, online only (protocols.md 2.3–2.4 under decisions.md 3–5).</summary>
public static class PaymentApplet
{
    private static readonly byte[] FirstPriority = BerTlv.Encode(0x87, [0x01]);

    /// <summary>FCI of the PPSE with the one activated instance (protocols.md 1.6).</summary>
    internal static byte[] Ppse(PaymentInstance listed)
    {
        var fci = listed.Profile!.Fci.Span;
        var label = BerTlv.TryFind(fci, 0x50, out var text) ? BerTlv.Encode(0x50, text) : [];
        return BerTlv.Encode(0x6F,
            BerTlv.Encode(0x84, Chip.Ppse.Bytes),
            BerTlv.Encode(0xA5, BerTlv.Encode(0xBF0C, BerTlv.Encode(0x61, BerTlv.Encode(0x4F, listed.Aid.Bytes), label, FirstPriority))));
    }

    internal static byte[] Fci(PaymentInstance payment) =>
        BerTlv.Encode(0x6F, BerTlv.Encode(0x84, payment.Aid.Bytes), payment.Profile!.Fci.ToArray());

    internal static ChipStep Step(ChipState state, ChipSession session, ChipPort port, PaymentInstance payment, CommandApdu apdu) => (apdu.Cla, apdu.Ins) switch
    {
        (0x80, 0xA8) => GetProcessingOptions(state, session, port, payment, apdu),
        (0x80, 0xCA) => GetData(state, session, payment, apdu),
        (0x00, 0xB2) => ReadRecord(state, session, payment, apdu),
        (0x00 or 0x80, _) => Chip.Answer(state, session, Sw.UnknownIns),
        _ => Chip.Answer(state, session, Sw.UnknownCla),
    };

    /// <summary>GPO. Order is precedence: what refuses comes before the ATC moves, so that no reader can wear it out.</summary>
    private static ChipStep GetProcessingOptions(ChipState state, ChipSession session, ChipPort port, PaymentInstance payment, CommandApdu apdu)
    {
        var profile = payment.Profile!;
        if (apdu.P1 != 0 || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!TryReadPdolData(profile, apdu.Data, out var terminal))
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        if (!IsDecimal(terminal(0x9F02, 6).Span))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        if (port != ChipPort.Contactless)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // protocols.md 2.4: contact path refused
        }

        if (!payment.Aid.Equals(session.Armed))
        {
            return Chip.Answer(state, session, Sw.SeePhone);
        }

        var qualifiers = terminal(0x9F66, 4).Span;
        if ((qualifiers[0] & 0x20) == 0)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // TTQ B1b6: reader has no qPBOC
        }

        if (payment.Atc == ushort.MaxValue)
        {
            return Chip.Answer(payment.Blocked ? state : state.With(payment with { Blocked = true }), session, Sw.NotSatisfied);
        }

        var answer = Decide(payment, profile, terminal);
        var next = state.With(payment with { Atc = answer.Atc }) with { LastUsed = payment.Aid };
        var made = new PaymentMade(payment.Aid, terminal(0x9F02, 6), terminal(0x5F2A, 2), answer.Atc, answer.Qualifiers, answer.Declined);
        return new ChipStep(next, session with { Armed = null, LastPayment = made }, ResponseApdu.Ok(answer.Data), made);
    }

    private sealed record GpoAnswer(byte[] Data, ushort Atc, byte[] Qualifiers, bool Declined);

    private static GpoAnswer Decide(PaymentInstance payment, PaymentProfile profile, Func<int, int, ReadOnlyMemory<byte>> terminal)
    {
        var atc = (ushort)(payment.Atc + 1);
        var inCurrency = terminal(0x5F2A, 2).Span.SequenceEqual(Internal(profile, 0x9F51, [0x01, 0x56]));
        var processes = Internal(profile, 0x9F68, stackalloc byte[4]);

        // Online only: ARQC, or AAC when blocked or when the currency is refused (9F68 B2b7).
        var declined = payment.Blocked || (!inCurrency && (processes[1] & 0x40) != 0);
        var qualifiers = CardTransactionQualifiers(profile, terminal(0x9F66, 4).Span, terminal(0x9F02, 6).Span, inCurrency, processes);

        var iad = Gpo(profile, 0x9F10).ToArray();
        byte[] results = [0x03, declined ? (byte)0x80 : (byte)0xA0, 0x00, 0x00]; // CVR base values, protocols.md 1.3
        results.CopyTo(iad, 3);

        var input = new CryptogramInput(
            terminal(0x9F02, 6), terminal(0x9F03, 6), terminal(0x9F1A, 2), terminal(0x95, 5), terminal(0x5F2A, 2), terminal(0x9A, 3), terminal(0x9C, 1).Span[0],
            terminal(0x9F37, 4), Gpo(profile, 0x82).ToArray(), atc, results);
        var sessionKey = Cryptogram.DeriveSessionKey(profile.Algorithm, profile.CryptogramKey.Span, atc);
        var cryptogram = Cryptogram.Compute(profile.Algorithm, sessionKey, input.Bytes((CryptogramVersion)iad[2]));
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(sessionKey);

        var counter = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(counter, atc);
        var data = BerTlv.Encode(0x77,
            Copy(profile, 0x82), Copy(profile, 0x94), BerTlv.Encode(0x9F36, counter), Copy(profile, 0x57), BerTlv.Encode(0x9F10, iad), BerTlv.Encode(0x9F26, cryptogram),
            Copy(profile, 0x9F63), Copy(profile, 0x5F34), BerTlv.Encode(0x9F6C, qualifiers), Copy(profile, 0x5F20));
        return new GpoAnswer(data, atc, qualifiers, declined);
    }

    /// <summary>CTQ: the fingerprint was verified (B2b8, always: no tap gets here without); online PIN when a CVM is wanted and the issuer wants its PIN (B1b8; decisions.md 12).</summary>
    private static byte[] CardTransactionQualifiers(PaymentProfile profile, ReadOnlySpan<byte> ttq, ReadOnlySpan<byte> amount, bool inCurrency, ReadOnlySpan<byte> processes)
    {
        var ctq = Gpo(profile, 0x9F6C).ToArray();
        ctq[0] &= 0x3F;
        ctq[1] |= 0x80;

        var isWanted = (ttq[1] & 0x40) != 0 // TTQ B2b7 CVM required
            || (inCurrency ? amount.SequenceCompareTo(Internal(profile, 0x9F6B, [0x99, 0x99, 0x99, 0x99, 0x99, 0x99])) > 0 : (processes[2] & 0x20) != 0); // 9F68 B3b6
        var issuerAsksPin = (processes[2] & (inCurrency ? 0x80 : 0x40)) != 0; // 9F68 B3b8, B3b7
        if (isWanted && issuerAsksPin && (ttq[0] & 0x04) != 0) // TTQ B1b3 online PIN
        {
            ctq[0] |= 0x80;
        }

        return ctq;
    }

    /// <summary>Template 83 with exactly the bytes that this instance's PDOL asks for.</summary>
    private static bool TryReadPdolData(PaymentProfile profile, ReadOnlyMemory<byte> data, out Func<int, int, ReadOnlyMemory<byte>> terminal)
    {
        terminal = static (_, length) => new byte[length];
        if (!BerTlv.TryRead(data.Span, out var tag, out var value, out var used, out _) || tag != 0x83 || used != data.Length
            || !BerTlv.TryFind(profile.Fci.Span, 0x9F38, out var pdol) || !Dol.TryParse(pdol, out var entries, out _)
            || !Dol.TrySplit(entries, value.ToArray(), out var values, out _))
        {
            return false;
        }

        terminal = (wanted, length) => values.TryGetValue(wanted, out var found) && found.Length == length ? found : new byte[length];
        return true;
    }

    private static bool IsDecimal(ReadOnlySpan<byte> digits)
    {
        foreach (var pair in digits)
        {
            if ((pair & 0x0F) > 9 || pair >> 4 > 9)
            {
                return false;
            }
        }

        return true;
    }

    private static ReadOnlySpan<byte> Gpo(PaymentProfile profile, Tag tag) => BerTlv.TryFind(profile.GpoData.Span, tag, out var value) ? value : [];

    private static byte[] Copy(PaymentProfile profile, Tag tag) => BerTlv.TryFind(profile.GpoData.Span, tag, out var value) ? BerTlv.Encode(tag, value) : [];

    private static ReadOnlySpan<byte> Internal(PaymentProfile profile, Tag tag, ReadOnlySpan<byte> otherwise) =>
        BerTlv.TryFind(profile.InternalData.Span, tag, out var value) && value.Length == otherwise.Length ? value : otherwise;

    /// <summary>GET DATA (EMV Book 3 §6.5.7): ATC and the internal data objects.</summary>
    private static ChipStep GetData(ChipState state, ChipSession session, PaymentInstance payment, CommandApdu apdu)
    {
        Tag tag = apdu.P1 == 0 ? apdu.P2 : (apdu.P1 << 8) | apdu.P2;
        if (tag == 0x9F36)
        {
            return Chip.Answer(state, session, BerTlv.Encode(tag, [(byte)(payment.Atc >> 8), (byte)(payment.Atc & 0xFF)]));
        }

        return BerTlv.TryFind(payment.Profile!.InternalData.Span, tag, out var value)
            ? Chip.Answer(state, session, BerTlv.Encode(tag, value))
            : Chip.Answer(state, session, Sw.Unreferenced);
    }

    /// <summary>READ RECORD (EMV Book 3 §6.5.11), P2 = SFI in five bits, then 100.</summary>
    private static ChipStep ReadRecord(ChipState state, ChipSession session, PaymentInstance payment, CommandApdu apdu)
    {
        if (apdu.P1 == 0 || (apdu.P2 & 0x07) != 0x04)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        var sfi = apdu.P2 >> 3;
        var records = payment.Profile!.Records.Where(record => record.Sfi == sfi).ToArray();
        if (records.Length == 0)
        {
            return Chip.Answer(state, session, Sw.NotFound);
        }

        return records.FirstOrDefault(record => record.Number == apdu.P1) is { } found
            ? Chip.Answer(state, session, found.Template.ToArray())
            : Chip.Answer(state, session, Sw.RecordNotFound);
    }
}
