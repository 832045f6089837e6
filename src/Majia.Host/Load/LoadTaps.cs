using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Tlv;

namespace Majia.Host.Load;

/// <summary>Makes taps: whole 0200 frames of the POS line with real cryptograms and MACs, each counter of a card and each trace number of a terminal once.</summary>
/// <remarks>It stands for all chips and terminals of a plan and holds their keys. One thread.</remarks>
public sealed class LoadTaps
{
    private static readonly byte[] Tpdu = Convert.FromHexString("6000030000"), Header = Convert.FromHexString("603100311001");

    private readonly LoadPlan plan;
    private readonly DateTimeOffset today;
    private readonly CipherKey?[] cardKeys;
    private readonly CipherKey?[] macKeys;
    private readonly ushort[] counters;
    private readonly int[] traces;
    private int nextCard;
    private int nextHotCard;
    private int nextTerminal;

    /// <param name="from">Counters and trace numbers begin after this one: a second generator over the same world goes on behind the first.</param>
    public LoadTaps(LoadPlan plan, TimeProvider time, int from = 0)
    {
        this.plan = plan;
        today = time.GetUtcNow().ToOffset(TimeSpan.FromHours(8));
        cardKeys = new CipherKey?[plan.AllCards];
        macKeys = new CipherKey?[plan.Terminals];
        counters = new ushort[plan.AllCards];
        traces = new int[plan.Terminals];
        Array.Fill(counters, (ushort)from);
        Array.Fill(traces, from);
    }

    /// <summary>The next tap: cards and terminals in turn.</summary>
    /// <param name="hot">Of the cards that draw on one account.</param>
    public LoadTap Next(bool hot = false)
    {
        var card = hot ? plan.Cards + (nextHotCard++ % plan.HotCards) : nextCard++ % plan.Cards;
        var terminal = nextTerminal++ % plan.Terminals;
        var id = LoadPlan.Terminal(terminal);
        var stan = (++traces[terminal]).ToString("D6", CultureInfo.InvariantCulture);
        var token = plan.Token(card).Reveal();
        var message = new IsoMessage(Mti.FinancialRequest, 20)
            .Set(2, token)
            .Set(3, "000000")
            .SetNumber(4, LoadPlan.Amount, 12)
            .Set(11, stan)
            .Set(14, LoadPlan.TokenExpiry)
            .Set(22, "072")
            .Set(23, "001")
            .Set(25, "00")
            .Set(35, $"{token}D{LoadPlan.TokenExpiry}2200000000000")
            .Set(41, id)
            .Set(42, LoadPlan.Merchant)
            .Set(49, "156")
            .Set(55, ChipData(card, ++counters[card], id, stan))
            .Set(60, Field60Pos.Payment("22", LoadPlan.Batch).Format());
        var key = macKeys[terminal] ??= new CipherKey(CipherAlgorithm.TripleDes, plan.Keys.Value(LoadPlan.MacKeyOf(id), CipherAlgorithm.TripleDes));
        return new LoadTap(PosFrame.Write(Tpdu, Header, IsoSealing.Seal(Dialect.Pos, message, block => MessageMac.Compute(MacAlgorithm.UnionPayEcb, key, block))), terminal, traces[terminal]);
    }

    /// <summary>The 0400 of a tap whose answer never came (protocols.md 6.4): its fields and trace number, reason 98.</summary>
    public byte[] Reversal(LoadTap tap)
    {
        if (!PosFrame.TryRead(tap.Frame, out _, out _, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body, out var original, out _))
        {
            throw new ArgumentException("not a tap of this generator", nameof(tap));
        }

        var message = new IsoMessage(Mti.ReversalRequest, 16);
        foreach (var field in (int[])[2, 3, 4, 11, 14, 22, 23, 25, 41, 42, 49, 60])
        {
            message.Set(field, original.Text(field));
        }

        var key = macKeys[tap.Terminal]!;
        return PosFrame.Write(Tpdu, Header, IsoSealing.Seal(Dialect.Pos, message.Set(39, "98"), block => MessageMac.Compute(MacAlgorithm.UnionPayEcb, key, block)));
    }

    /// <summary>The answer's terminal, trace number and code; false when it is no answer of this world or its MAC is wrong.</summary>
    /// <param name="checkMac">Costs as much as making one.</param>
    public bool TryRead(ReadOnlyMemory<byte> frame, bool checkMac, out int terminal, out int stan, out string code)
    {
        (terminal, stan, code) = (0, 0, string.Empty);
        if (!PosFrame.TryRead(frame, out _, out _, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body, out var message, out _) || message.Mti != Mti.FinancialRequest.Response)
        {
            return false;
        }

        terminal = (int)(message.Number(41) ?? 0) - 20_000_000;
        stan = (int)(message.Number(11) ?? 0);
        code = message.Text(39) ?? string.Empty;
        return terminal >= 0 && terminal < plan.Terminals && macKeys[terminal] is { } key
            && (!checkMac || IsoSealing.Verify(Dialect.Pos, body, message, block => MessageMac.Compute(MacAlgorithm.UnionPayEcb, key, block)));
    }

    private byte[] ChipData(int card, ushort atc, string terminal, string stan)
    {
        byte[] amount = Convert.FromHexString(LoadPlan.Amount.ToString("D12", CultureInfo.InvariantCulture)), date = Convert.FromHexString(today.ToString("yyMMdd", CultureInfo.InvariantCulture));
        byte[] country = [0x01, 0x56], counter = new byte[2], unpredictable = new byte[4], profile = [0x7C, 0x00], results = new byte[5];
        BinaryPrimitives.WriteUInt16BigEndian(counter, atc);
        BinaryPrimitives.WriteUInt32BigEndian(unpredictable, unchecked((uint)HashCode.Combine(card, atc)));
        byte[] application = [0x07, 0x01, 0x01, 0x03, 0xA0, 0x00, 0x00, 0x01];
        var input = new CryptogramInput(amount, new byte[6], country, results, country, date, 0x00, unpredictable, profile, atc, application.AsMemory(3, 4));
        var key = cardKeys[card] ??= new CipherKey(CipherAlgorithm.TripleDes, plan.CardKey(card));
        Span<byte> session = stackalloc byte[16];
        Cryptogram.DeriveSessionKey(key, atc, session);
        var cryptogram = Cryptogram.Compute(CipherAlgorithm.TripleDes, session, input.Bytes(CryptogramVersion.Full));
        return
        [
            .. BerTlv.Encode(0x9F26, cryptogram), .. BerTlv.Encode(0x9F27, [0x80]), .. BerTlv.Encode(0x9F10, application), .. BerTlv.Encode(0x9F37, unpredictable), .. BerTlv.Encode(0x9F36, counter),
            .. BerTlv.Encode(0x95, results), .. BerTlv.Encode(0x9A, date), .. BerTlv.Encode(0x9C, [0x00]), .. BerTlv.Encode(0x9F02, amount), .. BerTlv.Encode(0x5F2A, country), .. BerTlv.Encode(0x82, profile),
            .. BerTlv.Encode(0x9F1A, country), .. BerTlv.Encode(0x9F03, new byte[6]), .. BerTlv.Encode(0x9F33, [0xE0, 0xE9, 0xC8]), .. BerTlv.Encode(0x9F34, [0x1F, 0x00, 0x00]), .. BerTlv.Encode(0x9F35, [0x22]),
            .. BerTlv.Encode(0x9F1E, Encoding.ASCII.GetBytes(terminal)), .. BerTlv.Encode(0x84, Convert.FromHexString("A0000003330101010001")), .. BerTlv.Encode(0x9F09, [0x00, 0x20]),
            .. BerTlv.Encode(0x9F41, Convert.FromHexString(stan.PadLeft(8, '0'))),
        ];
    }
}

/// <summary>One tap, ready to be sent.</summary>
/// <param name="Terminal">Its number in the plan.</param>
public sealed record LoadTap(byte[] Frame, int Terminal, int Stan);
