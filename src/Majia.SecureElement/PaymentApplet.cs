using System.Collections.Immutable;
using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>The payment application, of a device card and of a plastic one (protocols.md 2.3–2.4 under decisions.md 3–5): selection, data, records, and the way to what decides.</summary>
public static class PaymentApplet
{
    /// <summary>FCI of the PPSE with what is activated (protocols.md 1.6).</summary>
    internal static byte[] PpseFci(ImmutableArray<PaymentInstance> listed)
    {
        var entries = new List<byte>();
        for (var i = 0; i < listed.Length; i++)
        {
            entries.AddRange(Entry(listed[i], listed[i].Profile!.Fci.Span, (byte)(i + 1)));
        }

        return BerTlv.Encode(0x6F, BerTlv.Encode(0x84, Chip.Ppse.Bytes), BerTlv.Encode(0xA5, BerTlv.Encode(0xBF0C, entries.ToArray())));
    }

    /// <summary>FCI of the PSE: the directory is file 1 (EMV Book 1 §12.2.2).</summary>
    internal static byte[] PseFci() =>
        BerTlv.Encode(0x6F, BerTlv.Encode(0x84, Chip.Pse.Bytes), BerTlv.Encode(0xA5, BerTlv.Encode(0x88, [0x01]), BerTlv.Encode(0x5F2D, "zhen"u8)));

    /// <summary>The one record of the PSE's directory.</summary>
    internal static ChipStep PseRecord(ChipState state, ChipSession session, CommandApdu apdu)
    {
        if (apdu.P1 == 0 || (apdu.P2 & 0x07) != 0x04)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (apdu.P2 >> 3 != 1)
        {
            return Chip.Answer(state, session, Sw.NotFound);
        }

        if (apdu.P1 != 1)
        {
            return Chip.Answer(state, session, Sw.RecordNotFound);
        }

        var entries = new List<byte>();
        byte priority = 0;
        foreach (var payment in state.Payments)
        {
            if (state.CanBeSelected(payment) && payment.Profile is { ContactFci.IsEmpty: false } profile)
            {
                entries.AddRange(Entry(payment, profile.ContactFci.Span, ++priority));
            }
        }

        return Chip.Answer(state, session, BerTlv.Encode(0x70, entries.ToArray()));
    }

    internal static byte[] Fci(PaymentInstance payment, ChipPort port)
    {
        var template = port == ChipPort.Contact ? payment.Profile!.ContactFci : payment.Profile!.Fci;
        return BerTlv.Encode(0x6F, BerTlv.Encode(0x84, payment.Aid.Bytes), template.ToArray());
    }

    internal static ChipStep Step(ChipState state, ChipSession session, ChipPort port, PaymentInstance payment, CommandApdu apdu, Entropy entropy)
    {
        if ((apdu.Cla & 0x04) != 0)
        {
            return IssuerScripts.Step(state, session, port, payment, apdu);
        }

        return (apdu.Cla, apdu.Ins) switch
        {
            (0x80, 0xA8) when port == ChipPort.Contact => ContactPayment.GetProcessingOptions(state, session, payment, apdu),
            (0x80, 0xA8) => ContactlessPayment.GetProcessingOptions(state, session, port, payment, apdu, entropy),
            (0x80, 0xCA) => GetData(state, session, payment, apdu),
            (0x00, 0xB2) => ReadRecord(state, session, port, payment, apdu),
            (0x00, 0x84) => apdu.P1 == 0 && apdu.P2 == 0 ? GetChallenge(state, session, port, payment, entropy) : Chip.Answer(state, session, Sw.WrongP1P2),
            (0x00, 0xDA or 0xDC) or (0x80, 0x16 or 0x18 or 0x1E or 0x24) => Chip.Answer(state, session, Sw.NoMac),
            _ when port != ChipPort.Contact => Chip.Answer(state, session, Sw.NotSatisfied),
            (0x00, 0x88) => ContactPayment.InternalAuthenticate(state, session, payment, apdu, entropy),
            (0x00, 0x20) => ContactPayment.Verify(state, session, payment, apdu),
            (0x00, 0x82) => ContactPayment.ExternalAuthenticate(state, session, payment, apdu),
            _ => ContactPayment.GenerateCryptogram(state, session, payment, apdu),
        };
    }

    internal static ReadOnlySpan<byte> Gpo(PaymentProfile profile, Tag tag) => BerTlv.TryFind(profile.GpoData.Span, tag, out var value) ? value : [];

    internal static byte[] Copy(ReadOnlyMemory<byte> objects, Tag tag) => BerTlv.TryFind(objects.Span, tag, out var value) ? BerTlv.Encode(tag, value) : [];

    /// <summary>An internal data object of the length that <paramref name="otherwise"/> has, or that.</summary>
    internal static ReadOnlySpan<byte> Internal(PaymentProfile profile, Tag tag, ReadOnlySpan<byte> otherwise) =>
        BerTlv.TryFind(profile.InternalData.Span, tag, out var value) && value.Length == otherwise.Length ? value : otherwise;

    /// <summary>The internal data with one object of another value; what is not there is not added.</summary>
    internal static PaymentProfile WithInternal(PaymentProfile profile, Tag tag, ReadOnlySpan<byte> value)
    {
        var objects = new List<byte>();
        foreach (var item in BerTlv.Objects(profile.InternalData.Span))
        {
            objects.AddRange(BerTlv.Encode(item.Tag, item.Tag == tag ? value : item.Value));
        }

        return profile with { InternalData = objects.ToArray() };
    }

    /// <summary>Template 83 with exactly the bytes that this instance's PDOL asks for on this side; without a PDOL 8300.</summary>
    internal static bool TryReadPdolData(ReadOnlySpan<byte> fci, ReadOnlyMemory<byte> data, out Func<int, int, ReadOnlyMemory<byte>> terminal)
    {
        terminal = static (_, length) => new byte[length];
        return BerTlv.TryRead(data.Span, out var tag, out var value, out var used, out _) && tag == 0x83 && used == data.Length
            && TryReadDolData(BerTlv.TryFind(fci, 0x9F38, out var pdol) ? pdol : [], value.ToArray(), out terminal);
    }

    internal static bool TryReadDolData(ReadOnlySpan<byte> dol, ReadOnlyMemory<byte> data, out Func<int, int, ReadOnlyMemory<byte>> terminal)
    {
        terminal = static (_, length) => new byte[length];
        if (!Dol.TryParse(dol, out var entries, out _) || !Dol.TrySplit(entries, data, out var values, out _))
        {
            return false;
        }

        terminal = (wanted, length) => values.TryGetValue(wanted, out var found) && found.Length == length ? found : new byte[length];
        return true;
    }

    internal static bool IsDecimal(ReadOnlySpan<byte> digits)
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

    private static byte[] Entry(PaymentInstance payment, ReadOnlySpan<byte> fci, byte priority)
    {
        var label = BerTlv.TryFind(fci, 0x50, out var text) ? BerTlv.Encode(0x50, text) : [];
        return BerTlv.Encode(0x61, BerTlv.Encode(0x4F, payment.Aid.Bytes), label, BerTlv.Encode(0x87, [priority]));
    }

    /// <summary>8 random bytes; in a transaction over contacts they are what the next enciphered PIN is bound to (EMV Book 2 §7.2).</summary>
    private static ChipStep GetChallenge(ChipState state, ChipSession session, ChipPort port, PaymentInstance payment, Entropy entropy)
    {
        var challenge = entropy.Bytes(ContactPayment.ChallengeLength);
        var next = port == ChipPort.Contact && ContactPayment.Of(session, payment) is { } transaction ? session with { Payment = transaction with { Challenge = challenge } } : session;
        return Chip.Answer(state, next, challenge);
    }

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

    /// <summary>READ RECORD (EMV Book 3 §6.5.11), P2 = SFI in five bits, then 100. A record personalised with an empty 9F4B carries the tap's signature, while there is one.</summary>
    private static ChipStep ReadRecord(ChipState state, ChipSession session, ChipPort port, PaymentInstance payment, CommandApdu apdu)
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

        if (records.FirstOrDefault(record => record.Number == apdu.P1) is not { } found)
        {
            return Chip.Answer(state, session, Sw.RecordNotFound);
        }

        if (!IsSignatureRecord(found))
        {
            return Chip.Answer(state, session, found.Template.ToArray());
        }

        return session.Payment is { Signature.IsEmpty: false } made && made.Instance.Equals(payment.Aid) && made.Port == port
            ? Chip.Answer(state, session, BerTlv.Encode(0x70, made.Signature.Span))
            : Chip.Answer(state, session, Sw.NotSatisfied);
    }

    internal static bool IsSignatureRecord(PaymentRecord record) => BerTlv.TryFind(record.Template.Span, 0x9F4B, out var signature) && signature.IsEmpty;
}
