using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Transit;

/// <param name="Number">6 bytes: the gate's terminal number, in every MAC and in the card's log.</param>
/// <param name="Station">Place on the line.</param>
/// <param name="IsExit">Where passengers leave; else where they enter.</param>
public sealed record GateOptions(byte[] Number, int Station, bool IsExit)
{
    /// <summary>The operator's clock.</summary>
    public TimeSpan UtcOffset { get; init; } = TimeSpan.FromHours(8);
}

/// <summary>What the passenger sees.</summary>
/// <param name="Opens">The gate lets the passenger through.</param>
/// <param name="Commands">APDUs of this tap, and their bytes: what air time is computed from.</param>
public sealed record GateResult(bool Opens, Text Says, Amount Fare, Amount Balance, int Commands, int Bytes);

/// <summary>A gate: reads the card in the phone, writes the journey, takes the fare. It holds the purchase master key alone and needs no network.</summary>
/// <remarks>
/// What it asks the card for is in its store before the card hears it. When the answer is lost (the phone left too early) the next tap of the same card asks the card whether it
/// paid (GET TRANSACTION PROOF), so nobody pays twice for one passage and nobody passes unpaid.
/// </remarks>
public sealed class GateReader(GateOptions options, Store store, KeyModule module, TimeProvider clock)
{
    /// <summary>Name of the key in the gate's module.</summary>
    public const string PurchaseMaster = "transit.purchase";

    private static readonly byte[] Instance = Convert.FromHexString(TransitOperator.InstanceAid);

    private const byte Inside = 0x01, Outside = 0x02;

    private readonly SemaphoreSlim gate = new(1, 1);

    /// <summary>One tap, from SELECT to the open gate or the reason why not.</summary>
    public async Task<GateResult> TapAsync(ICardChannel card, CancellationToken cancellation)
    {
        await gate.WaitAsync(cancellation);
        var line = new Line(card);
        try
        {
            return await TapAsync(line, cancellation);
        }
        catch (CardRemovedException)
        {
            return Closed(line, new("Hold the phone to the reader a little longer.", "请将手机贴近读卡区稍候再移开。"));
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Rides whose outcome is known and that no settlement has taken yet.</summary>
    public IReadOnlyList<TransitOperator.Ride> Unsettled() => store.Read(session => session.Query(
        "SELECT number, purchase_number, amount, gate_number, whenever, code FROM gate_ride WHERE state = 'DONE' AND amount > 0 ORDER BY gate_number",
        row => new TransitOperator.Ride(row.GetString(0), row.GetInt32(1), row.GetInt64(2), Convert.ToHexString(options.Number), row.GetInt64(3), row.GetString(4), Convert.ToHexString(row.Bytes(5)))));

    /// <summary>The operator has looked at them: what is in its books is settled, and what it did not believe is kept and not shown to it again.</summary>
    public Task SettledAsync(IReadOnlyList<TransitOperator.Ride> rides, TransitOperator.SettleReply reply) => store.CommitAsync(session =>
    {
        for (var place = 0; place < rides.Count; place++)
        {
            session.Execute("UPDATE gate_ride SET state = $3 WHERE number = $1 AND purchase_number = $2", rides[place].CardNumber, (long)rides[place].PurchaseNumber, reply.Booked.Contains(place) ? "SETTLED" : "REFUSED");
        }

        return 0;
    });

    private async Task<GateResult> TapAsync(Line line, CancellationToken cancellation)
    {
        var selected = await line.SendAsync(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Instance), cancellation);
        if (!selected.Status.IsOk)
        {
            return Closed(line, new("No transit card in this phone.", "这部手机中没有公交卡。"));
        }

        var information = await line.SendAsync(CommandApdu.Of(0x00, 0xB0, 0x95, 0x00, []), cancellation);
        var journey = await line.SendAsync(CommandApdu.Of(0x00, 0xB0, 0x97, 0x00, []), cancellation);
        if (!information.Status.IsOk || information.Data.Length < 8 || !journey.Status.IsOk || journey.Data.Length != 32)
        {
            return Closed(line, new("The card cannot be read.", "卡片无法读取。"));
        }

        var number = information.Data[..8];
        var text = Convert.ToHexString(number.Span);
        if (await ProvenAsync(line, text, cancellation) is { } proven)
        {
            return proven;
        }

        var inside = journey.Data.Span[0] == Inside;
        if (options.IsExit && !inside)
        {
            return Closed(line, new("This card has not entered. Please see the staff.", "此卡没有进站记录，请联系工作人员。"));
        }

        // Who entered and was never seen leaving pays the whole line when entering again.
        var from = BinaryPrimitives.ReadUInt16BigEndian(journey.Data.Span[1..]);
        var fare = options.IsExit ? Fares.Between(from, options.Station) : inside ? Fares.Highest : 0;
        return await DebitAsync(line, number, text, (uint)fare, cancellation);
    }

    private async Task<GateResult> DebitAsync(Line line, ReadOnlyMemory<byte> number, string text, uint fare, CancellationToken cancellation)
    {
        byte[] amount = [(byte)(fare >> 24), (byte)((fare >> 16) & 0xFF), (byte)((fare >> 8) & 0xFF), (byte)(fare & 0xFF)];
        var begun = await line.SendAsync(CommandApdu.Of(0x80, 0x50, 0x03, 0x02, [0x01, .. amount, .. options.Number]), cancellation);
        if (begun.Status.Value == 0x9401)
        {
            return Closed(line, new("Balance too low. Please top up.", "余额不足，请充值。"));
        }

        if (!begun.Status.IsOk || begun.Data.Length != 12)
        {
            return Closed(line, new("The card cannot be read.", "卡片无法读取。"));
        }

        var balance = BinaryPrimitives.ReadUInt32BigEndian(begun.Data.Span);
        if (!options.IsExit && balance - fare < Fares.Lowest)
        {
            return Closed(line, new("Balance too low. Please top up.", "余额不足，请充值。"));
        }

        var count = BinaryPrimitives.ReadUInt16BigEndian(begun.Data.Span[4..]);
        var when = clock.GetUtcNow().ToOffset(options.UtcOffset).ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        byte[] journey = [options.IsExit ? Outside : Inside, (byte)(options.Station >> 8), (byte)(options.Station & 0xFF), .. options.Number, .. Convert.FromHexString(when), .. new byte[16]];
        var cached = await line.SendAsync(CommandApdu.Of(0x80, 0xDC, 0x00, 0x00, journey), cancellation);
        if (!cached.Status.IsOk)
        {
            return Closed(line, new("The card cannot be written.", "卡片无法写入。"));
        }

        // On disk before the card hears it: the outcome of what was asked is never a guess.
        var (gateNumber, request, answer) = await store.CommitAsync(session =>
        {
            var next = (uint)session.Number("SELECT next FROM gate_count WHERE id = 1")!.Value;
            session.Execute("UPDATE gate_count SET next = next + 1 WHERE id = 1");
            var (asked, expected) = module.DebitMacs(PurchaseMaster, number.Span, fare, count, begun.Data.Span[8..12], options.Number, next, Convert.FromHexString(when), journey);
            session.Execute(
                "INSERT INTO gate_ride (number, purchase_number, amount, gate_number, whenever, answer, code, state) VALUES ($1, $2, $3, $4, $5, $6, NULL, 'OPEN') ON CONFLICT (number, purchase_number) DO UPDATE SET amount = excluded.amount, gate_number = excluded.gate_number, whenever = excluded.whenever, answer = excluded.answer, code = NULL, state = 'OPEN'",
                text, (long)count, (long)fare, (long)next, when, expected);
            return (next, asked, expected);
        });
        byte[] counter = [(byte)(gateNumber >> 24), (byte)((gateNumber >> 16) & 0xFF), (byte)((gateNumber >> 8) & 0xFF), (byte)(gateNumber & 0xFF)];
        var paid = await line.SendAsync(CommandApdu.Of(0x80, 0x54, 0x01, 0x00, [.. counter, .. Convert.FromHexString(when), .. request]), cancellation);
        if (!paid.Status.IsOk || paid.Data.Length != 8 || !CryptographicOperations.FixedTimeEquals(paid.Data.Span[4..], answer))
        {
            return Closed(line, new("The card did not pay.", "扣款未成功。"));
        }

        await DoneAsync(text, count, paid.Data[..4]);
        return Open(line, fare, balance - fare);
    }

    /// <summary>A debit of before whose answer was lost: the card says whether it took place. Null: there is none, or it did not.</summary>
    private async Task<GateResult?> ProvenAsync(Line line, string number, CancellationToken cancellation)
    {
        var open = store.Read(session => session.One("SELECT purchase_number, amount, answer FROM gate_ride WHERE number = $1 AND state = 'OPEN' ORDER BY gate_number DESC LIMIT 1",
            static row => new Pending((ushort)row.GetInt64(0), row.GetInt64(1), row.Bytes(2)), number));
        if (open is null)
        {
            return null;
        }

        var proof = await line.SendAsync(CommandApdu.Of(0x80, 0x5A, 0x00, TransitPurse.JourneyDebit, [(byte)(open.PurchaseNumber >> 8), (byte)(open.PurchaseNumber & 0xFF)]), cancellation);
        if (proof.Status.IsOk && proof.Data.Length == 8 && CryptographicOperations.FixedTimeEquals(proof.Data.Span[..4], open.Answer))
        {
            await DoneAsync(number, open.PurchaseNumber, proof.Data[4..]);
            var balance = await line.SendAsync(CommandApdu.Of(0x80, 0x5C, 0x00, 0x02, []), cancellation);
            return Open(line, open.Amount, balance is { Status.IsOk: true, Data.Length: 4 } ? BinaryPrimitives.ReadUInt32BigEndian(balance.Data.Span) : 0);
        }

        await store.CommitAsync(session => session.Execute("UPDATE gate_ride SET state = 'VOID' WHERE number = $1 AND state = 'OPEN'", number));
        return null;
    }

    private sealed record Pending(ushort PurchaseNumber, long Amount, byte[] Answer);

    private Task DoneAsync(string number, ushort count, ReadOnlyMemory<byte> code) =>
        store.CommitAsync(session => session.Execute("UPDATE gate_ride SET state = 'DONE', code = $3 WHERE number = $1 AND purchase_number = $2", number, (long)count, code.ToArray()));

    private GateResult Open(Line line, long fare, long balance) => new(
        true,
        options.IsExit
            ? new(string.Create(CultureInfo.InvariantCulture, $"Fare {fare / 100m:0.00}, balance {balance / 100m:0.00}."), string.Create(CultureInfo.InvariantCulture, $"车费 {fare / 100m:0.00} 元，余额 {balance / 100m:0.00} 元。"))
            : new(string.Create(CultureInfo.InvariantCulture, $"Welcome. Balance {balance / 100m:0.00}."), string.Create(CultureInfo.InvariantCulture, $"欢迎乘车，余额 {balance / 100m:0.00} 元。")),
        Amount.Cny(fare), Amount.Cny(balance), line.Commands, line.Bytes);

    private static GateResult Closed(Line line, Text says) => new(false, says, Amount.Cny(0), Amount.Cny(0), line.Commands, line.Bytes);

    private sealed class Line(ICardChannel card)
    {
        public int Commands { get; private set; }

        public int Bytes { get; private set; }

        public async Task<ResponseApdu> SendAsync(CommandApdu command, CancellationToken cancellation)
        {
            var sent = command.ToBytes();
            var bytes = await card.TransmitAsync(sent, cancellation);
            Commands++;
            Bytes += sent.Length + bytes.Length;
            return ResponseApdu.TryParse(bytes, out var answer, out _) ? answer : ResponseApdu.Of(0x6F00);
        }
    }
}

/// <summary>The operator's fares, in minor units: two yuan, and one more for every three stations begun after the third.</summary>
public static class Fares
{
    public const int Lowest = 200, Highest = 900;

    public static int Between(int from, int to) => Math.Min(Highest, Lowest + (100 * Math.Max(0, (Math.Abs(to - from) - 1) / 3)));
}
