using System.Buffers.Binary;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Storage;

namespace Majia.Simulation;

/// <summary>A request on the POS line, as somebody who watches the wire reads it.</summary>
/// <param name="Key">Terminal, batch and trace number.</param>
/// <param name="Atc">9F36, or empty.</param>
/// <param name="Bars">When it was first sent the token was suspended, deleted or its plastic reported lost, and somebody had been told so: each bar, and which of its kind it was.</param>
public sealed record PosExchange(int Mti, string Key, string Terminal, bool IsVoid, string Token, string Atc, byte[] Frame, IReadOnlyList<(BarredBy By, int Version)> Bars);

/// <summary>Who has said that a device card does not pay. Each lifts only its own bar; the last one is never lifted.</summary>
public enum BarredBy
{
    Holder,
    Bank,
    LostMode,
    Deletion,
}

/// <summary>What went over the wires: the run's fingerprint, and the memory of who was told what.</summary>
public sealed class Watch(World world)
{
    private readonly SortedDictionary<string, PosExchange> first = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> spent = new(StringComparer.Ordinal);
    private readonly Dictionary<(BarredBy By, string Token), (bool Stands, int Version)> bars = [];
    private readonly List<(string Digits, byte[] Text)> pans = [.. world.Cast.Plastics.Select(card => Looked(card.Pan))];
    private readonly SortedSet<string> shown = new(StringComparer.Ordinal);

    /// <summary>The same for the same seed: every frame, when and where.</summary>
    public ulong Hash { get; private set; }

    public long Frames { get; private set; }

    /// <summary>Sales that a thief on the POS line has in his notebook.</summary>
    public List<PosExchange> Overheard { get; } = [];

    /// <summary>Sales and voids whose 00 reached a terminal: RRN → key.</summary>
    public SortedDictionary<string, PosExchange> Approvals { get; } = new(StringComparer.Ordinal);

    /// <summary>Keys for which a terminal has sent a 0400.</summary>
    public SortedSet<string> Reversed { get; } = new(StringComparer.Ordinal);

    /// <summary>RRNs that a void was sent for.</summary>
    public SortedSet<string> Voided { get; } = new(StringComparer.Ordinal);

    /// <summary>Trace numbers that no terminal but the thief has used.</summary>
    public SortedSet<string> Thefts { get; } = new(StringComparer.Ordinal);

    public int SentWhileBarred { get; private set; }

    /// <summary>The first of each kind.</summary>
    public string? Clash { get; private set; }

    public string? Leak { get; private set; }

    public string? BarBroken { get; private set; }

    /// <summary>Deleted, and somebody outside has been told: it never pays again.</summary>
    public void BarForGood(string token) => bars[(BarredBy.Deletion, token)] = (true, 1);

    /// <summary>Held, and somebody outside has been told: it does not pay from now on. Not so when a release was asked for meanwhile.</summary>
    /// <param name="since"><see cref="BarOf"/> when the hold was asked for.</param>
    public void Bar(BarredBy by, string token, int since)
    {
        if (BarOf(by, token) == since)
        {
            bars[(by, token)] = (true, since + 1);
        }
    }

    /// <summary>Whoever held it has asked to let it pay again: from now on it may.</summary>
    public void Unbar(BarredBy by, string token) => bars[(by, token)] = (false, BarOf(by, token) + 1);

    public int BarOf(BarredBy by, string token) => bars.GetValueOrDefault((by, token)).Version;

    private List<(BarredBy By, int Version)> Standing(string token) => [.. Enum.GetValues<BarredBy>().Where(by => bars.GetValueOrDefault((by, token)).Stands).Select(by => (by, BarOf(by, token)))];

    internal PosExchange? Sent(Wire wire, Process client, byte[] frame)
    {
        Fold(wire.Name, client.Name, frame);
        if (wire.Name is "pos-line" or "acquirer-network")
        {
            LookForPan(wire, frame);
        }

        if (wire.Name != "pos-line" || !PosFrame.TryRead(frame, out _, out _, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body.Span, out var message, out _))
        {
            return null;
        }

        if (message.Mti == Mti.SettlementRequest || message.Mti == Mti.FinancialAdvice || message.Text(60)!.StartsWith("36", StringComparison.Ordinal))
        {
            return null; // totals, refunds and what a plastic approved by itself: an acquirer accepts those before the bank has them, and the books tell at rest
        }

        var terminal = message.Text(41)!;
        var key = $"{terminal}/{message.Text(60)![2..8]}/{message.Text(11)}";
        if (message.Mti == Mti.ReversalRequest)
        {
            Reversed.Add(key);
            return null;
        }

        var token = message.Text(2)!;
        var isVoid = message.Text(3) == "200000";
        if (!first.TryGetValue(key, out var exchange))
        {
            exchange = new PosExchange(message.Mti.Value, key, terminal, isVoid, token, Atc(message), frame, Standing(token));
            first.Add(key, exchange);
            SentWhileBarred += exchange.Bars.Count > 0 && !isVoid ? 1 : 0;
            if (!isVoid && client.Name != "thief")
            {
                Overheard.Add(exchange);
            }
        }

        if (isVoid)
        {
            Voided.Add(message.Text(37)!);
        }

        return exchange;
    }

    internal void Answered(Wire wire, byte[] request, byte[] answer, PosExchange? seen)
    {
        Fold(wire.Name, "answer", answer);
        if (wire.Name is "pos-line" or "acquirer-network")
        {
            LookForPan(wire, answer);
        }

        // Inside one process a verdict is durable only with the answer that it leads to: a crash takes both.
        if (wire.Name == "network-token" && world.IsSplit)
        {
            Vouched(request, answer);
        }

        if (seen is null || !PosFrame.TryRead(answer, out _, out _, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body.Span, out var message, out _) || message.Text(39) != "00")
        {
            return;
        }

        Approvals.TryAdd(message.Text(37)!, seen);
        if (seen.IsVoid)
        {
            return;
        }

        Spend(seen.Token, seen.Atc, $"POS {seen.Key}", "pos");
        foreach (var bar in seen.Bars.Intersect(Standing(seen.Token)))
        {
            BarBroken ??= $"{seen.Key} was sent after its device card {Masked(seen.Token)} {Had(bar.By)} and that had been acknowledged, and was approved";
        }
    }

    internal void Called(Wire wire, string operation, byte[] body)
    {
        // A JWE holds randomness of its own; where and when it went is the run's.
        Fold(wire.Name, operation, []);
        if (wire.Name != "token-issuer")
        {
            LookForPan(wire, body);
        }
    }

    internal void Replied<TRequest>(Wire wire, string operation, TRequest request, bool worked)
    {
        Fold(wire.Name, operation, [worked ? (byte)1 : (byte)0]);
        if (wire.Name == "phone-wallet" && worked && operation == PhoneWallet.Operations.DeleteCard && request is HandsetCall call)
        {
            var deleted = JsonSerializer.Deserialize<PhoneWallet.DeleteCardRequest>(call.Body, JsonEndpoint.Json)!;
            var tur = world.Read("wallet", session => session.Text("SELECT tur FROM wallet_card WHERE card_reference = $1", deleted.CardReference));
            if (tur is not null && TokenOf(tur) is { } token)
            {
                BarForGood(token);
            }
        }
    }

    internal string? TokenOf(string tur) => world.Read("token-service", session => session.Text("SELECT token FROM token_token WHERE tur = $1", tur));

    /// <summary>The first plastic's number in <paramref name="bytes"/>, as text or as packed digits.</summary>
    /// <param name="onTheWay">A plastic that was held to a terminal itself does not count.</param>
    internal bool HoldsPan(ReadOnlySpan<byte> bytes, bool onTheWay = false)
    {
        var hex = Convert.ToHexString(bytes);
        foreach (var (digits, text) in pans)
        {
            if ((!onTheWay || !shown.Contains(digits)) && (bytes.IndexOf(text) >= 0 || hex.Contains(digits, StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A token service that vouches twice for one counter value, whether the bank was asked or not.</summary>
    private void Vouched(byte[] request, byte[] answer)
    {
        if (SwitchFrame.TryRead(request, out _, out _, out var asked, out _) && IsoCodec.TryRead(Dialect.Switch, asked.Span, out var question, out _) && question.Has(55) && !question.Text(3)!.StartsWith("20", StringComparison.Ordinal)
            && SwitchFrame.TryRead(answer, out _, out _, out var said, out _) && IsoCodec.TryRead(Dialect.Switch, said.Span, out var verdict, out _) && verdict.Text(39) == "00"
            && SwitchKey.TryRead(question, out var key, out _))
        {
            Spend(question.Text(2)!, Atc(question), $"switch {key}", "switch");
        }
    }

    private void Spend(string token, string atc, string by, string where)
    {
        if (atc.Length > 0 && !spent.TryAdd($"{where}/{token}/{atc}", by) && spent[$"{where}/{token}/{atc}"] != by)
        {
            Clash ??= $"device card {Masked(token)}, counter {atc}: approved for {spent[$"{where}/{token}/{atc}"]} and for {by}";
        }
    }

    /// <summary>A plastic was held to a terminal: its own number is now the merchant's to send.</summary>
    internal void Shown(Pan plastic) => shown.Add(plastic.Reveal());

    /// <summary>A bank has made a new number: from now on it is looked for as well.</summary>
    internal void LookOutFor(Pan plastic) => pans.Add(Looked(plastic));

    private static (string Digits, byte[] Text) Looked(Pan plastic) => (plastic.Reveal(), System.Text.Encoding.ASCII.GetBytes(plastic.Reveal()));

    private static string Had(BarredBy by) => by switch { BarredBy.Holder => "had been suspended", BarredBy.Bank => "had been stopped by the report of its plastic's loss", BarredBy.LostMode => "had been suspended with its lost phone", _ => "had been deleted" };

    private void LookForPan(Wire wire, byte[] bytes)
    {
        if (HoldsPan(bytes, onTheWay: true))
        {
            Leak ??= $"a plastic's number went over {wire.Name}";
        }
    }

    private void Fold(string wire, string who, byte[] bytes)
    {
        Span<byte> at = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(at, world.Scheduler.Now.UtcTicks);
        Hash = Luck.Fold(bytes, Luck.Fold(System.Text.Encoding.ASCII.GetBytes(wire + who), Luck.Fold(at, Hash)));
        Frames++;
    }

    private static string Atc(IsoMessage message) => BerTlv.TryFind(message.Binary(55).Span, 0x9F36, out var atc) ? Convert.ToHexString(atc) : string.Empty;

    private static string Masked(string token) => "…" + token[^4..];
}
