using System.Buffers.Binary;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>The payment application over contacts: an EMV transaction of one or two cryptograms (EMV Book 3 §10, PBOC 3.0 part 5).</summary>
internal static class ContactPayment
{
    private const byte AskAac = 0x00, AskTc = 0x40, AskArqc = 0x80;

    /// <summary>GPO: a transaction begins, and with it the next ATC.</summary>
    internal static ChipStep GetProcessingOptions(ChipState state, ChipSession session, PaymentInstance payment, CommandApdu apdu)
    {
        var profile = payment.Profile!;
        if (apdu.P1 != 0 || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!PaymentApplet.TryReadPdolData(profile.ContactFci.Span, apdu.Data, out _))
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        if (session.Payment is { Port: ChipPort.Contact })
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // once for each selection (EMV Book 3 §6.5.8)
        }

        if (payment.Atc == ushort.MaxValue)
        {
            return Chip.Answer(payment.Blocked ? state : state.With(payment with { Blocked = true }), session, Sw.NotSatisfied);
        }

        var atc = (ushort)(payment.Atc + 1);
        var begun = new PaymentTransaction(payment.Aid, ChipPort.Contact, atc, default, default, default);
        return Chip.Answer(state.With(payment with { Atc = atc }), session with { Payment = begun }, BerTlv.Encode(0x77, profile.ContactGpo.Span));
    }

    /// <summary>DDA (EMV Book 2 §6.5): signs the ATC as ICC dynamic number, and the DDOL's data.</summary>
    internal static ChipStep InternalAuthenticate(ChipState state, ChipSession session, PaymentInstance payment, CommandApdu apdu, Entropy entropy)
    {
        if (apdu.P1 != 0 || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (Of(session, payment) is not { Cryptograms: 0 } transaction || payment.Profile!.Signer is not { } signer)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (apdu.Data.Length is < 4 or > 64)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        var signature = signer.Sign(Counter(transaction.Atc), apdu.Data.Span, entropy);
        return Chip.Answer(state, session with { Payment = transaction with { Signed = true } }, BerTlv.Encode(0x77, BerTlv.Encode(0x9F4B, signature)));
    }

    /// <summary>Offline PIN, in clear or enciphered for this chip. A whole command spends a try, whatever its block turns out to hold; the right PIN gives the tries back.</summary>
    internal static ChipStep Verify(ChipState state, ChipSession session, PaymentInstance payment, CommandApdu apdu)
    {
        if (apdu.P1 != 0 || apdu.P2 is not (PlainPin or EncipheredPin))
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        var profile = payment.Profile!;
        if (profile.Pin.Length != 1 + PinLength || Of(session, payment) is not { } transaction)
        {
            return Chip.Answer(state, session, profile.Pin.IsEmpty ? Sw.Unreferenced : Sw.NotSatisfied);
        }

        if (apdu.P2 == EncipheredPin && (profile.Signer is not { IsSm2: false } || transaction.Challenge.IsEmpty))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (apdu.Data.Length != (apdu.P2 == PlainPin ? PinLength : profile.Signer!.SignatureLength))
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        var challenge = transaction.Challenge;
        transaction = transaction with { Challenge = default };

        var tries = PaymentApplet.Internal(profile, 0x9F17, stackalloc byte[1])[0];
        if (tries == 0)
        {
            return Chip.Answer(state, session with { Payment = transaction with { PinVerified = false } }, Sw.PinBlocked);
        }

        var isRight = apdu.P2 == PlainPin
            ? CryptographicOperations.FixedTimeEquals(profile.Pin.Span[1..], apdu.Data.Span)
            : IsEnciphered(profile, challenge.Span, apdu.Data.Span);
        var left = isRight ? profile.Pin.Span[0] : (byte)(tries - 1);
        var next = left == tries ? state : state.With(payment with { Profile = PaymentApplet.WithInternal(profile, 0x9F17, [left]) });
        return Chip.Answer(next, session with { Payment = transaction with { PinVerified = isRight } }, isRight ? Sw.Ok : (ushort)(Sw.TriesLeft | Math.Min(left, (byte)0x0F)));
    }

    internal const int PinLength = 8, ChallengeLength = 8;

    private const byte PlainPin = 0x80, EncipheredPin = 0x88, EncipheredHeader = 0x7F;

    /// <summary>7F ‖ PIN block ‖ our challenge ‖ the PIN pad's padding (EMV Book 2 §7.1): all compared, so that a wrong one does not say where.</summary>
    private static bool IsEnciphered(PaymentProfile profile, ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> enciphered)
    {
        if (profile.Signer!.Decipher(enciphered) is not { } block)
        {
            return false;
        }

        byte[] expected = [EncipheredHeader, .. profile.Pin.Span[1..], .. challenge];
        var isRight = CryptographicOperations.FixedTimeEquals(expected, block.AsSpan(0, expected.Length));
        CryptographicOperations.ZeroMemory(expected);
        CryptographicOperations.ZeroMemory(block);
        return isRight;
    }

    /// <summary>The issuer's cryptogram over ours and its response code (protocols.md 3.4): once in a transaction.</summary>
    internal static ChipStep ExternalAuthenticate(ChipState state, ChipSession session, PaymentInstance payment, CommandApdu apdu)
    {
        if (apdu.P1 != 0 || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (Of(session, payment) is not { Cryptograms: 1, IssuerAuthenticated: null } transaction)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (apdu.Data.Length != 10)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        var profile = payment.Profile!;
        var key = Cryptogram.DeriveSessionKey(profile.Algorithm, profile.CryptogramKey.Span, transaction.Atc);
        var expected = Cryptogram.ResponseCryptogram(profile.Algorithm, key, transaction.Cryptogram.Span, apdu.Data.Span[8..]);
        CryptographicOperations.ZeroMemory(key);
        var isRight = CryptographicOperations.FixedTimeEquals(expected, apdu.Data.Span[..8]);
        return Chip.Answer(state, session with { Payment = transaction with { IssuerAuthenticated = isRight } }, isRight ? Sw.Ok : Sw.NotVerified);
    }

    /// <summary>GENERATE AC, the first with CDOL1's data, the second with CDOL2's (EMV Book 3 §6.5.5). No combined DDA.</summary>
    internal static ChipStep GenerateCryptogram(ChipState state, ChipSession session, PaymentInstance payment, CommandApdu apdu)
    {
        if (apdu.P1 is not (AskAac or AskTc or AskArqc) || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (Of(session, payment) is not { Cryptograms: < 2 } transaction || (transaction.Cryptograms == 1 && apdu.P1 == AskArqc))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        var profile = payment.Profile!;
        if (!TryFindList(profile, transaction.Cryptograms == 0 ? 0x8C : 0x8D, out var list) || !PaymentApplet.TryReadDolData(list, apdu.Data, out var terminal))
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        if (!PaymentApplet.IsDecimal(terminal(0x9F02, 6).Span))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        return transaction.Cryptograms == 0 ? First(state, session, payment, transaction, apdu.P1, terminal) : Second(state, session, payment, transaction, apdu.P1, terminal);
    }

    private static ChipStep First(ChipState state, ChipSession session, PaymentInstance payment, PaymentTransaction transaction, byte asked, Func<int, int, ReadOnlyMemory<byte>> terminal)
    {
        var profile = payment.Profile!;
        var lower = CardRisk.Limit(profile, 0x9F58);
        var mayOffline = CardRisk.Offline(payment, transaction.Atc) <= lower && (payment.Memory & (CardRisk.NotCompleted | CardRisk.AuthenticationFailed)) == 0;
        var made = payment.Blocked ? AskAac : asked == AskTc && !mayOffline ? AskArqc : asked;
        var results = CardRisk.Results(payment, transaction, first: made >> 6, second: 2, unableOnline: false);
        var kept = made == AskArqc ? payment with { Memory = (byte)(payment.Memory | CardRisk.NotCompleted) } : payment;
        return Answer(state, session, payment, kept, transaction, made, results, terminal, cryptograms: made == AskArqc ? 1 : 2);
    }

    private static ChipStep Second(ChipState state, ChipSession session, PaymentInstance payment, PaymentTransaction transaction, byte asked, Func<int, int, ReadOnlyMemory<byte>> terminal)
    {
        var profile = payment.Profile!;
        var code = terminal(0x8A, 2).Span;
        var unableOnline = code[0] is (byte)'Y' or (byte)'Z'; // EMV Book 4 annex A6: the terminal's own codes
        var upper = CardRisk.Limit(profile, 0x9F59);
        var granted = asked == AskTc && !payment.Blocked
            && (unableOnline ? CardRisk.Offline(payment, transaction.Atc) <= upper : transaction.IssuerAuthenticated != false);
        var made = granted ? AskTc : AskAac;
        var results = CardRisk.Results(payment, transaction, first: 2, second: made >> 6, unableOnline);

        // What the issuer answered is done with; what it did not show stays for the next CVR.
        var kept = payment;
        if (!unableOnline)
        {
            var memory = transaction.IssuerAuthenticated switch
            {
                true => 0,
                false => CardRisk.AuthenticationFailed,
                null => CardRisk.AuthenticationMissing,
            };
            kept = kept with
            {
                Memory = (byte)memory,
                Profile = transaction.IssuerAuthenticated == false ? profile : PaymentApplet.WithInternal(profile, 0x9F13, Counter(transaction.Atc)),
            };
        }

        return Answer(state, session, payment, kept, transaction, made, results, terminal, cryptograms: 2);
    }

    private static ChipStep Answer(
        ChipState state, ChipSession session, PaymentInstance payment, PaymentInstance kept, PaymentTransaction transaction, byte made, byte[] results, Func<int, int, ReadOnlyMemory<byte>> terminal, int cryptograms)
    {
        var profile = payment.Profile!;
        var interchange = BerTlv.TryFind(profile.ContactGpo.Span, 0x82, out var aip) ? aip : [];
        var cryptogram = CardRisk.Cryptogram(profile, terminal, interchange, transaction.Atc, results);
        var data = BerTlv.Encode(0x77,
            BerTlv.Encode(0x9F27, [made]), BerTlv.Encode(0x9F36, Counter(transaction.Atc)), BerTlv.Encode(0x9F26, cryptogram),
            BerTlv.Encode(0x9F10, CardRisk.ApplicationData(profile, results, transaction.Atc)));
        var next = transaction with { Cryptograms = cryptograms, Results = results, Cryptogram = transaction.Cryptogram.IsEmpty ? cryptogram : transaction.Cryptogram };
        return Chip.Answer(ReferenceEquals(kept, payment) ? state : state.With(kept), session with { Payment = next }, data);
    }

    internal static PaymentTransaction? Of(ChipSession session, PaymentInstance payment) =>
        session.Payment is { Port: ChipPort.Contact } transaction && transaction.Instance.Equals(payment.Aid) ? transaction : null;

    /// <summary>CDOL1 (8C) or CDOL2 (8D) stands in a record, where the terminal reads it.</summary>
    private static bool TryFindList(PaymentProfile profile, Tag tag, out ReadOnlySpan<byte> list)
    {
        foreach (var record in profile.Records)
        {
            if (BerTlv.TryFind(record.Template.Span, tag, out list))
            {
                return true;
            }
        }

        list = default;
        return false;
    }

    private static byte[] Counter(ushort atc)
    {
        var bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, atc);
        return bytes;
    }
}
