using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Network;

/// <summary>The switch between acquirers, the token service and the banks.</summary>
/// <remarks>
/// A device number goes to the token service first; its verdict decides whether the bank is asked at all (decisions.md 7). The PAN lives here for
/// the length of one exchange: rows hold the device number, reversals resolve it again when they are sent. Nothing of a PAN goes back to an acquirer (R19).
/// </remarks>
public sealed partial class NetworkParty : IMessageServer
{
    private const string Binding = "bind.token-service", NumberKey = "card.number";

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5), Poll = TimeSpan.FromMilliseconds(250);

    private readonly NetworkOptions options;
    private readonly Store store;
    private readonly KeyModule keys;
    private readonly SwitchLine tokenService;
    private readonly Dictionary<string, SwitchLine> issuers;
    private readonly TimeProvider time;
    private readonly NetworkTrace trace;
    private readonly Lock gate = new();
    private readonly Dictionary<string, TaskCompletionSource<SwitchedTransaction>> running = new(StringComparer.Ordinal);
    private readonly OutboxPump pump;

    public NetworkParty(
        NetworkOptions options, Store store, KeyModule keys, IIsoLink tokenService, IReadOnlyDictionary<string, IIsoLink> issuersByInstitution, TimeProvider time, Entropy entropy, ITrace trace)
    {
        _ = entropy;
        this.options = options;
        this.store = store;
        this.keys = keys;
        this.time = time;
        this.trace = new NetworkTrace(trace, time);
        this.tokenService = Line(tokenService, options.TokenService, "zak.token-service", options.TokenServiceTimeout);
        issuers = issuersByInstitution.ToDictionary(static pair => pair.Key, pair => Line(pair.Value, pair.Key, MacKey(pair.Key), options.IssuerTimeout), StringComparer.Ordinal);
        pump = new OutboxPump(Outbox, store, time, DeliverAsync, Undelivered);

        SwitchLine Line(IIsoLink link, string institution, string macKey, TimeSpan patience) => new(
            link, institution, options.Institution, block => keys.Mac(macKey, options.Mac, block), (block, mac) => keys.VerifyMac(macKey, options.Mac, block, mac), patience, time);
    }

    public static PartySchema Schema => SwitchedTransaction.Schema;

    private static Outbox Outbox => SwitchedTransaction.Outbox;

    /// <summary>The last transactions, newest first.</summary>
    public IReadOnlyList<SwitchedView> Latest(int limit) => store.Read(session => SwitchedTransaction.Latest(session, limit)).ConvertAll(View);

    /// <summary>Reversals that a bank or the token service refused for good.</summary>
    public IReadOnlyList<DeadLetter> DeadLetters() => store.Read(Outbox.DeadLetters);

    public async Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        if (!SwitchFrame.TryRead(frame, out _, out var source, out var body, out _)
            || !IsoCodec.TryRead(Dialect.Switch, body, out var message, out _)
            || message.Mti.IsResponse
            || !keys.TryInfo(MacKey(source), out _))
        {
            return ReadOnlyMemory<byte>.Empty;
        }

        if (!IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => keys.VerifyMac(MacKey(source), options.Mac, block, mac)))
        {
            // Not even its reference number is believed: the history of that payment is not for strangers to write into.
            trace.Unverified(SwitchDecider.MacWrong.Why);
            return Sealed(source, SwitchMessages.Answer(message, SwitchDecider.MacWrong.Code));
        }

        return await AnswerAsync(source, message, cancellation) is { } answer ? Sealed(source, answer) : ReadOnlyMemory<byte>.Empty;
    }

    public Task<IsoMessage?> AnswerAsync(string destination, string source, IsoMessage request, CancellationToken cancellation) =>
        keys.TryInfo(MacKey(source), out _) ? AnswerAsync(source, request, cancellation) : Task.FromResult<IsoMessage?>(null);

    /// <summary>What is said to a message that <paramref name="source"/> has really sent.</summary>
    private async Task<IsoMessage?> AnswerAsync(string source, IsoMessage message, CancellationToken cancellation)
    {
        var rrn = message.Text(37) ?? string.Empty;
        var token = message.Text(2) is { Length: > 6 } number && options.TokenBins.Contains(number[..6]);
        trace.FromAcquirer(rrn, message, token);
        IsoMessage? answer;
        if (!options.Acquirers.Contains(source))
        {
            answer = Refuse(message, SwitchDecider.NotAnAcquirer);
        }
        else if (!SwitchRequest.TryParse(message, source, options.TokenBins, out var request, out var refusal))
        {
            answer = Refuse(message, refusal);
        }
        else
        {
            answer = request.IsReversal ? await ReverseAsync(request)
                : request.IsAdvice ? await AdviseAsync(request, cancellation)
                : await AuthoriseAsync(request, source, cancellation);
        }

        if (answer is not null)
        {
            trace.ToAcquirer(rrn, answer, token);
        }

        return answer;
    }

    private byte[] Sealed(string to, IsoMessage answer) =>
        SwitchFrame.Write(to, options.Institution, IsoSealing.Seal(Dialect.Switch, answer, block => keys.Mac(MacKey(to), options.Mac, block)));

    /// <summary>Closes what nobody waits for any more, and sends each reversal that is due.</summary>
    public async Task PumpAsync(CancellationToken cancellation)
    {
        await CloseOverdueAsync();
        await pump.RunAsync(cancellation);
    }

    private IsoMessage Refuse(IsoMessage message, Refusal refusal)
    {
        trace.Decision(message.Text(37) ?? string.Empty, refusal.Why);
        return SwitchMessages.Answer(message, refusal.Code);
    }

    private static string MacKey(string institution) => $"zak.{institution}";

    private static string PinKey(string institution) => $"zpk.{institution}";

    private static string NumberContext(string key) => $"network/number/{key}";

    private string? NumberOf(SwitchedTransaction row) =>
        row.Token ?? (row.NumberBox is { } box && keys.TryUnseal(NumberKey, box, NumberContext(row.Key), out var digits) ? Encoding.ASCII.GetString(digits) : null);

    private bool SameNumber(SwitchRequest request, SwitchedTransaction? row) => row is not null && NumberOf(row) == request.Number.Reveal();

    private SwitchedView View(SwitchedTransaction row) => new(
        row.Rrn, row.At, row.Key, row.Processing, Amount.Cny(row.Amount), AccountNumber.Mask(NumberOf(row) ?? string.Empty), row.Institution, row.Code, row.ReversedAt is not null);
}
