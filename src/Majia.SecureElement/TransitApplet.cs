using System.Buffers.Binary;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>The transit card: stored value in the manner of the PBOC electronic purse, with a journey that a debit writes in the same write. No fingerprint: a gate does not wait for one (express).</summary>
/// <remarks>
/// Keys are SM4, computed with as <see cref="TransitPurse"/> says for card, gate and operator alike. A top-up wants the operator's MAC over the chip's random number,
/// a debit the gate's; each random number is good for one command. The binding value is not looked at: no purge touches a transit card (R24).
/// </remarks>
internal static class TransitApplet
{
    internal const int JourneyLength = 32, MaxLog = 10;

    private const byte InformationFile = 0x15, JourneyFile = 0x17, LogFile = 0x18;

    internal static byte[] Fci(TransitInstance transit) => BerTlv.Encode(0x6F,
        BerTlv.Encode(0x84, transit.Aid.Bytes),
        BerTlv.Encode(0xA5, BerTlv.Encode(0x50, "TRANSIT"u8), BerTlv.Encode(0x9F08, [0x01])));

    internal static ChipStep Step(ChipState state, ChipSession session, ChipPort port, TransitInstance transit, CommandApdu apdu, Entropy entropy)
    {
        // The random number of a transaction is good for the next command alone, or for the journey and then the next.
        var begun = session.Transit is { } open && open.Port == port && open.Instance.Equals(transit.Aid) ? open : null;
        var done = session.Transit is null ? session : session with { Transit = null };
        return (apdu.Cla, apdu.Ins) switch
        {
            (0x00, 0xB0) => ReadBinary(state, done, transit, apdu),
            (0x00, 0xB2) => ReadLog(state, done, transit, apdu),
            (0x80, 0x5C) => apdu is { P1: 0, P2: 2 } ? Chip.Answer(state, done, Number(transit.Balance)) : Chip.Answer(state, done, Sw.WrongP1P2),
            (0x80, 0x50) => Initialize(state, done, port, transit, apdu, entropy),
            (0x80, 0x52) => Credit(state, done, transit, begun, apdu),
            (0x80, 0xDC) => CacheJourney(state, session, done, begun, apdu),
            (0x80, 0x54) => Debit(state, done, transit, begun, apdu),
            (0x80, 0x5A) => Prove(state, done, transit, apdu),
            _ => Chip.Answer(state, done, Sw.UnknownCla),
        };
    }

    private static ChipStep ReadBinary(ChipState state, ChipSession session, TransitInstance transit, CommandApdu apdu)
    {
        var file = apdu.P1 switch
        {
            0x80 | InformationFile => (ReadOnlyMemory<byte>)(byte[])[.. transit.Profile!.Number.Span, .. transit.Profile.Information.Span],
            0x80 | JourneyFile => transit.Journey,
            _ => default,
        };
        return file.IsEmpty ? Chip.Answer(state, session, Sw.NotFound)
            : apdu.P2 >= file.Length ? Chip.Answer(state, session, Sw.WrongP1P2)
            : Chip.Answer(state, session, file.Span[apdu.P2..].ToArray());
    }

    private static ChipStep ReadLog(ChipState state, ChipSession session, TransitInstance transit, CommandApdu apdu)
    {
        if (apdu.P2 != ((LogFile << 3) | 0x04))
        {
            return Chip.Answer(state, session, (apdu.P2 & 0x07) == 0x04 ? Sw.NotFound : Sw.WrongP1P2);
        }

        return apdu.P1 >= 1 && apdu.P1 <= transit.Log.Length
            ? Chip.Answer(state, session, transit.Log[apdu.P1 - 1].ToArray())
            : Chip.Answer(state, session, Sw.RecordNotFound);
    }

    /// <summary>80 50: 00 02 for a top-up, 03 02 for a debit with journey.</summary>
    private static ChipStep Initialize(ChipState state, ChipSession session, ChipPort port, TransitInstance transit, CommandApdu apdu, Entropy entropy)
    {
        var isLoad = apdu.P1 == 0x00;
        if (apdu.P1 is not (0x00 or 0x03) || apdu.P2 != 0x02)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (apdu.Data.Length != 11)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        var amount = BinaryPrimitives.ReadUInt32BigEndian(apdu.Data.Span[1..]);
        if (isLoad ? amount == 0 || amount > TransitPurse.MaxBalance || transit.Balance + amount > TransitPurse.MaxBalance : amount > transit.Balance)
        {
            return Chip.Answer(state, session, isLoad ? Sw.WrongData : Sw.NotEnough);
        }

        if ((isLoad ? transit.LoadNumber : transit.PurchaseNumber) == ushort.MaxValue)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        var random = entropy.Bytes(4);
        var terminal = apdu.Data[5..];
        var kind = isLoad ? TransitPurse.Load : TransitPurse.JourneyDebit;
        var number = isLoad ? transit.LoadNumber : transit.PurchaseNumber;
        var next = session with { Transit = new TransitTransaction(transit.Aid, port, kind, amount, terminal, random, null) };
        byte[] answer = [.. Number(transit.Balance), (byte)(number >> 8), (byte)(number & 0xFF), TransitPurse.KeyVersion, TransitPurse.Sm4, .. random];
        if (!isLoad)
        {
            return Chip.Answer(state, next, answer);
        }

        var key = TransitPurse.SessionKey(transit.Profile!.LoadKey.Span, random, number, 0x8000);
        var proof = TransitPurse.Mac(key, TransitPurse.LoadRequest(transit.Balance, amount, terminal.Span));
        CryptographicOperations.ZeroMemory(key);
        return Chip.Answer(state, next, [.. answer, .. proof]);
    }

    private static ChipStep Credit(ChipState state, ChipSession session, TransitInstance transit, TransitTransaction? begun, CommandApdu apdu)
    {
        if (begun is not { Kind: TransitPurse.Load })
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (apdu.P1 != 0 || apdu.P2 != 0 || apdu.Data.Length != 11)
        {
            return Chip.Answer(state, session, apdu.Data.Length != 11 ? Sw.WrongLength : Sw.WrongP1P2);
        }

        var when = apdu.Data.Span[..7];
        var mac = apdu.Data.Span[7..];
        var key = TransitPurse.SessionKey(transit.Profile!.LoadKey.Span, begun.Random.Span, transit.LoadNumber, 0x8000);
        var expected = TransitPurse.Mac(key, TransitPurse.LoadGrant(begun.Amount, begun.Terminal.Span, when));
        CryptographicOperations.ZeroMemory(key);
        if (!CryptographicOperations.FixedTimeEquals(expected, mac))
        {
            return Chip.Answer(state, session, Sw.WrongMacPurse);
        }

        var balance = transit.Balance + begun.Amount;
        var number = transit.LoadNumber;
        var code = TransitPurse.LoadCode(transit.Profile.TacKey.Span, balance, number, begun.Amount, begun.Terminal.Span, when);
        var next = transit with { Balance = balance, LoadNumber = (ushort)(number + 1), Log = Logged(transit, number, begun, when) };
        return Chip.Answer(state.With(next), session, code);
    }

    private static ChipStep CacheJourney(ChipState state, ChipSession session, ChipSession done, TransitTransaction? begun, CommandApdu apdu)
    {
        if (begun is not { Kind: TransitPurse.JourneyDebit, Journey: null })
        {
            return Chip.Answer(state, done, Sw.NotSatisfied);
        }

        return apdu.P1 != 0 || apdu.P2 != 0 ? Chip.Answer(state, done, Sw.WrongP1P2)
            : apdu.Data.Length != JourneyLength ? Chip.Answer(state, done, Sw.WrongLength)
            : Chip.Answer(state, session with { Transit = begun with { Journey = apdu.Data } }, Sw.Ok);
    }

    /// <summary>Balance, journey, number and log move in one write, after the gate has proved itself.</summary>
    private static ChipStep Debit(ChipState state, ChipSession session, TransitInstance transit, TransitTransaction? begun, CommandApdu apdu)
    {
        if (begun is not { Kind: TransitPurse.JourneyDebit, Journey: { } journey })
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (apdu.P1 != 1 || apdu.P2 != 0 || apdu.Data.Length != 15)
        {
            return Chip.Answer(state, session, apdu.Data.Length != 15 ? Sw.WrongLength : Sw.WrongP1P2);
        }

        var data = apdu.Data.Span;
        var count = BinaryPrimitives.ReadUInt32BigEndian(data);
        var when = data.Slice(4, 7);
        var mac = data[11..];
        var number = transit.PurchaseNumber;
        var key = TransitPurse.SessionKey(transit.Profile!.PurchaseKey.Span, begun.Random.Span, number, (ushort)(count & 0xFFFF));
        var expected = TransitPurse.Mac(key, TransitPurse.DebitRequest(begun.Amount, begun.Terminal.Span, when, journey.Span));
        var answer = TransitPurse.Mac(key, Number(begun.Amount));
        CryptographicOperations.ZeroMemory(key);
        if (!CryptographicOperations.FixedTimeEquals(expected, mac))
        {
            return Chip.Answer(state, session, Sw.WrongMacPurse);
        }

        var code = TransitPurse.DebitCode(transit.Profile.TacKey.Span, number, begun.Amount, begun.Terminal.Span, count, when);
        var next = transit with
        {
            Balance = transit.Balance - begun.Amount,
            PurchaseNumber = (ushort)(number + 1),
            Journey = journey,
            Log = Logged(transit, number, begun, when),
            Proof = (byte[])[TransitPurse.JourneyDebit, (byte)(number >> 8), (byte)(number & 0xFF), .. answer, .. code],
        };
        return Chip.Answer(state.With(next), session, [.. code, .. answer]);
    }

    /// <summary>The card left the gate before its answer arrived: the last debit's answer again, so that nobody pays twice for one gate.</summary>
    private static ChipStep Prove(ChipState state, ChipSession session, TransitInstance transit, CommandApdu apdu)
    {
        if (apdu.P1 != 0 || apdu.Data.Length != 2)
        {
            return Chip.Answer(state, session, apdu.Data.Length != 2 ? Sw.WrongLength : Sw.WrongP1P2);
        }

        var proof = transit.Proof.Span;
        return proof.Length == 11 && proof[0] == apdu.P2 && proof.Slice(1, 2).SequenceEqual(apdu.Data.Span)
            ? Chip.Answer(state, session, proof[3..].ToArray())
            : Chip.Answer(state, session, Sw.NoTransaction);
    }

    /// <summary>Number (2), overdraft (3), amount (4), kind (1), terminal (6), date (4), time (3), as the purse's log has it.</summary>
    private static System.Collections.Immutable.ImmutableArray<ReadOnlyMemory<byte>> Logged(TransitInstance transit, ushort number, TransitTransaction made, ReadOnlySpan<byte> when) =>
        [(byte[])[(byte)(number >> 8), (byte)(number & 0xFF), 0, 0, 0, .. Number(made.Amount), made.Kind, .. made.Terminal.Span, .. when], .. transit.Log.Take(MaxLog - 1)];

    private static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }
}
