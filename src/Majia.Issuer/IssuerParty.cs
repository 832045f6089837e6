using System.Globalization;
using System.Security.Cryptography;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Issuer.Plastic;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>One bank: its end of the switch line (sale, void, reversal), its end of the token service's line, its desk.</summary>
/// <remarks>
/// MAC before anything is believed; one unit of work from the stored answer of a repeat to the answer of this one.
/// What came before its reversal's tombstone was laid is undone; what comes after it is answered 12 and moves no money.
/// </remarks>
public sealed partial class IssuerParty : IMessageServer
{
    private static readonly int[] Echo = [2, 3, 4, 7, 11, 12, 13, 25, 32, 33, 37, 41, 42, 49];

    private readonly IssuerOptions options;
    private readonly Store store;
    private readonly KeyModule keys;
    private readonly TimeProvider time;
    private readonly Entropy entropy;
    private readonly IssuerTrace trace;

    public IssuerParty(IssuerOptions options, Store store, KeyModule keys, TimeProvider time, Entropy entropy, ITrace trace)
    {
        (this.options, this.store, this.keys, this.time, this.entropy) = (options, store, keys, time, entropy);
        this.trace = new IssuerTrace(trace, time);
        Errands = new Errands(options, store, keys, time, entropy, this.trace);
        Endpoint = new Enrolment(options, store, keys, time, entropy, this.trace).Map();
        Desk = new IssuerDesk(options, store, keys, time, entropy);
        App = new BankApp(options, store, time, entropy, Desk, () => TokenService);
        Hotline = new Hotline(options, store, time, entropy, Desk, Endpoint, () => TokenService);
    }

    public static PartySchema Schema => IssuerSchema.Schema;

    /// <summary>The operations of <see cref="TokenIssuer.Operations"/>.</summary>
    public JsonEndpoint Endpoint { get; }

    public IssuerDesk Desk { get; }

    /// <summary>The bank's line to the token service; null until it has one: then what there is to tell waits.</summary>
    public IJsonLink? TokenService
    {
        get => Errands.Line;
        set => Errands.Line = value;
    }

    public Hotline Hotline { get; }

    public BankApp App { get; }

    private Errands Errands { get; }

    /// <summary>Tells the token service what it has to be told: of replaced and closed plastic, in order; and what holders have refused in the bank's app.</summary>
    public async Task PumpAsync(CancellationToken cancellation = default)
    {
        await Errands.PumpAsync(cancellation);
        await App.PumpAsync(cancellation);
    }

    public async Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        if (!SwitchFrame.TryRead(frame, out var destination, out var source, out var body, out _)
            || !IsoCodec.TryRead(Dialect.Switch, body.Span, out var message, out _)
            || message.Mti.Value % 100 / 10 % 2 != 0)
        {
            return ReadOnlyMemory<byte>.Empty;
        }

        if (!IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => keys.VerifyMac(IssuerKeys.MacZone, options.MacAlgorithm, block, mac)))
        {
            // Not even its reference number is believed: the history of that payment is not for strangers to write into.
            trace.Decision(IssuerTrace.Unverified, MacFailure);
            return Sealed(Answer(message, MacFailure, approval: null), source, destination);
        }

        return Sealed(await AnswerAsync(message), source, destination);
    }

    public async Task<IsoMessage?> AnswerAsync(string destination, string source, IsoMessage request, CancellationToken cancellation) => await AnswerAsync(request);

    /// <summary>What is said to a message that the network has really sent.</summary>
    private async Task<IsoMessage> AnswerAsync(IsoMessage message)
    {
        var reference = message.Text(37) is { } rrn ? TraceReference.Rrn(rrn) : string.Empty;
        trace.Message(reference, message, TraceDirection.Received);

        IsoMessage answer;
        if (!AuthorisationRequest.TryParse(message, out var request, out var refusal))
        {
            answer = Answer(message, refusal, approval: null);
            trace.Decision(reference, refusal);
        }
        else
        {
            answer = message.Mti.Class == 2
                ? await AuthoriseAsync(message, request, reference)
                : await ReverseAsync(message, request, reference);
        }

        trace.Message(reference, answer, TraceDirection.Sent);
        return answer;
    }

    private byte[] Sealed(IsoMessage answer, string to, string from) =>
        SwitchFrame.Write(to, from, IsoSealing.Seal(Dialect.Switch, answer, block => keys.Mac(IssuerKeys.MacZone, options.MacAlgorithm, block)));

    private static readonly Decision MacFailure = new(ResponseCode.MacFailure, new("The message's MAC is wrong: nothing in it is believed.", "报文 MAC 校验失败，内容不予采信。"));
    private static readonly Decision OtherContent = new(ResponseCode.Duplicate, new("The same transaction came before with other content.", "同一交易先前以不同内容到达。"));
    private static readonly Decision AfterReversal = new(ResponseCode.InvalidTransaction, new("Its reversal came first: refused, no money moved.", "冲正先于原交易到达，予以拒绝，未动账。"));

    private async Task<IsoMessage> AuthoriseAsync(IsoMessage message, AuthorisationRequest request, string reference)
    {
        var now = time.GetUtcNow();
        var index = keys.Index(IssuerKeys.Index, request.Pan);
        var fingerprint = keys.Fingerprint(IssuerKeys.Index, request.Content);
        var face = request.Token is { } token ? PinTries.DeviceFace(keys.Index(IssuerKeys.Index, token)) : string.Empty;
        var pin = request.Operation == Operation.Sale ? VerifyPin(request, index, reference) : PinEvidence.Absent;
        var plastic = PlasticCheck.Look(keys, request);
        if (plastic is not null)
        {
            trace.PlasticChecked(reference, Check(PlasticIssuing.CryptogramMaster), plastic.CryptogramRight);
        }

        var approval = entropy.Digits(6);

        var done = await store.WriteAsync(session =>
        {
            session.Lock(LockKey(request.Key));
            var card = Card.ByNumber(session, options.Institution, index)?.Behind(session, options.Institution, request.Token is not null);
            if (StoredAnswer(session, request.Key, fingerprint) is { } stored) return stored with { Scripts = Scripts(session, request, plastic, card) };

            var account = card is null ? null : Account.ById(session, options.Institution, card.Account);
            var entries = Array.Empty<LedgerEntry>();
            var rate = card is not null && request.Operation is Operation.Sale or Operation.Offline
                ? options.Rewards.Of(options.Institution, card!.Masked, card.Kind, request.Category, request.Channel) : RewardRate.None;
            Decision decision;
            Authorisation? original = null;
            if (Tombstone.Stands(session, options.Institution, request.Key))
            {
                decision = AfterReversal;
            }
            else if (card is null || account is null)
            {
                decision = AuthorisationRequest.NoSuchCard;
            }
            else if (request.Operation == Operation.Sale)
            {
                decision = Sell(session, request, card, account, face, pin, plastic, rate, now, out entries);
            }
            else if (request.Operation == Operation.Offline)
            {
                decision = Clear(session, request, card, account, plastic, rate, now, out entries);
            }
            else
            {
                original = Find(session, request.OriginalKey!);
                decision = request.Operation == Operation.Void
                    ? VoidSale(session, request, original, account, now, out entries)
                    : RefundSale(session, request, original, account, now, out entries);
            }

            var answer = Answer(message, decision, decision.Approved ? approval : null);
            var bytes = IsoCodec.Write(Dialect.Switch, answer.Remove(2));
            Insert(session, request, fingerprint, card, entries.Length > 0 ? entries[0].Account : account?.Id ?? "", decision, decision.Approved ? approval : "", bytes, rate, now);
            return new Outcome(bytes, decision, entries, answer) { Scripts = Scripts(session, request, plastic, card) };
        }, wanted =>
        {
            wanted.Lock(LockKey(request.Key));
            StoredAuthorisation.Want(wanted, options.Institution, request.Key);
            Tombstone.Want(wanted, options.Institution, request.Key);
            if (request.OriginalKey is { } original)
            {
                StoredAuthorisation.Want(wanted, options.Institution, original);
            }

            // One whose device cards have moved is looked up again in the unit itself: it is rare.
            if (Card.Want(wanted, options.Institution, index) is { } card)
            {
                Account.Want(wanted, options.Institution, card.Account);
                if (plastic is not null)
                {
                    PlasticCounter.Want(wanted, options.Institution, card.Id);
                }

                PinTries.Want(wanted, options.Institution, card.Id, face);
                if (request.Token is { } shown)
                {
                    LimitRow.Want(wanted, options.Institution, card.Id, shown.LastFour);
                }
            }
        });

        trace.Decision(reference, done.Decision);
        trace.Posted(reference, done.Entries);
        if (done.Answer is null)
        {
            return Answer(message, done.Decision, approval: null);
        }

        var said = done.Fresh ?? (IsoCodec.TryRead(Dialect.Switch, done.Answer, out var stored, out _) ? stored : throw new InvalidOperationException("a stored answer cannot be read"));
        return plastic is null ? said.Set(2, message) : WithChipData(said.Set(2, message), request, plastic, done.Scripts, reference);
    }

    /// <summary>What a plastic's chip is told: made of what is stored, so that a repeat gets the same.</summary>
    private IsoMessage WithChipData(IsoMessage answer, AuthorisationRequest request, PlasticEvidence plastic, IReadOnlyList<PlasticScript> scripts, string reference)
    {
        if (PlasticCheck.Answer(keys, request, plastic, new ResponseCode(answer.Text(39)!), scripts) is not { } field)
        {
            return answer;
        }

        trace.PlasticAnswered(reference, Check(PlasticIssuing.CryptogramMaster), scripts.Count);
        return answer.Set(55, field);
    }

    /// <param name="Answer">The answer as stored, without number and MAC: a repeat brings the same number. Null when nothing is stored (94).</param>
    /// <param name="Fresh">The same as it was made, when it was made now.</param>
    private sealed record Outcome(byte[]? Answer, Decision Decision, LedgerEntry[] Entries, IsoMessage? Fresh = null)
    {
        /// <summary>What goes to an inserted plastic's chip with this answer.</summary>
        public IReadOnlyList<PlasticScript> Scripts { get; init; } = [];
    }

    private IReadOnlyList<PlasticScript> Scripts(Session session, AuthorisationRequest request, PlasticEvidence? plastic, Card? card) =>
        plastic is not null && request.IsContact && card is not null ? PlasticScript.TakenBy(session, options.Institution, card.Id, request.Key) : [];

    /// <summary>Same key, other content is answered 94.</summary>
    private Outcome? StoredAnswer(Session session, string key, byte[] fingerprint)
    {
        var row = StoredAuthorisation.Find(session, options.Institution, key);
        if (row is null)
        {
            return null;
        }

        return CryptographicOperations.FixedTimeEquals(row.Fingerprint, fingerprint)
            ? new Outcome(row.Answer, new(row.Decision.Code, new($"A repeat: the stored answer is given again. {row.Decision.Why.En}", $"重复请求，返回已存应答。{row.Decision.Why.Zh}")), [])
            : new Outcome(null, OtherContent, []);
    }

    /// <summary>The plastic's own word, its counter spent with it; null when it is good, or no plastic's.</summary>
    private Decision? ObjectToPlastic(Session session, AuthorisationRequest request, PlasticEvidence plastic, Card card)
    {
        var seen = PlasticCounter.Of(session, options.Institution, card.Id);
        var objection = PlasticCheck.Object(plastic, request.Operation, !request.ChipData.IsEmpty, card, seen);
        if (objection is null)
        {
            new PlasticCounter(options.Institution, card.Id, seen.Use(plastic.Chip!.Atc)).Put(session);
        }

        return objection;
    }

    /// <summary>A payment that the plastic approved by itself: it is owed whatever has become of card and account, when the chip's own approval stands (decision 0034).</summary>
    private Decision Clear(Session session, AuthorisationRequest request, Card card, Account account, PlasticEvidence? plastic, RewardRate rate, DateTimeOffset now, out LedgerEntry[] entries)
    {
        entries = [];
        if (plastic is null)
        {
            return AuthorisationDecider.NoOfflineDeviceCard;
        }

        if (ObjectToPlastic(session, request, plastic, card) is { } objection)
        {
            return objection;
        }

        entries = Ledger.Pair(request.Key, EntryKind.Offline, Ledger.ElectronicCash, -request.Amount, Ledger.Settlement, now);
        Ledger.TryPost(session, options.Institution, entries, guarded: false);
        Rewards.Post(session, options.Institution, account.Id, request.Key, EntryKind.Offline, rate.For(request.Amount), now);
        return AuthorisationDecider.Cleared;
    }

    private Decision Sell(Session session, AuthorisationRequest request, Card card, Account account, string face, PinEvidence pin, PlasticEvidence? plastic, RewardRate rate, DateTimeOffset now, out LedgerEntry[] entries)
    {
        entries = [];
        var tries = card.PinLocked ? 0 : PinTries.Left(session, options.Institution, card.Id, face, options.PinTries);
        var facts = plastic is null
            ? new SaleFacts(request.Amount, request.Verdict, pin, tries, options.NoPinLimit, BankTime.YearMonth(now), OverDeviceLimit: ObjectToAmount(session, request, card, account, now))
            : new SaleFacts(request.Amount, TokenVerdict.Good, PlasticCheck.Pin(plastic, pin), tries, options.NoPinLimit, BankTime.YearMonth(now), ObjectToPlastic(session, request, plastic, card));
        var decision = AuthorisationDecider.Decide(facts, card, account);

        if (plastic is { CryptogramRight: true, Chip: { } chip } && request.IsContact && facts.Objection is null)
        {
            PlasticScript.Learn(session, options.Institution, card.Id, chip.Input.CardVerificationResults.Span);
            PlasticScript.Take(session, options.Institution, card.Id, request.Key);
        }

        // A PIN counts only where the decision got as far as looking at it.
        if (pin == PinEvidence.Wrong && decision.Code == ResponseCode.WrongPin)
        {
            PinTries.Set(session, options.Institution, card.Id, face, tries - 1);
        }
        else if (pin == PinEvidence.Right && tries < options.PinTries && AuthorisationDecider.PassedThePin(decision))
        {
            PinTries.Set(session, options.Institution, card.Id, face, options.PinTries);
        }

        if (!decision.Approved)
        {
            return decision;
        }

        var lines = Ledger.Pair(request.Key, EntryKind.Sale, account.Id, -request.Amount, Ledger.Settlement, now, rate.For(request.Amount));
        if (!Ledger.TryPost(session, options.Institution, lines, guarded: true))
        {
            return AuthorisationDecider.Insufficient;
        }

        entries = lines;
        return decision;
    }

    /// <summary>This device card's own limits, and those of its first days; null when the payment keeps within them.</summary>
    private Decision? ObjectToAmount(Session session, AuthorisationRequest request, Card card, Account account, DateTimeOffset now)
    {
        if (request.Token is not { } token)
        {
            return null;
        }

        var rule = NewCardLimits.Of(options.NewCardLimits, card.Masked);
        var row = LimitRow.Find(session, options.Institution, card.Id, token.LastFour);
        if (row is null && rule is not null)
        {
            // It pays before the notice that it is live has come: nothing is newer.
            row = new LimitRow(options.Institution, card.Id, token.LastFour, now, null, null);
            row.Write(session);
        }

        if (row is null)
        {
            return null;
        }

        var limits = row.At(rule, now);
        var spent = limits.CountsTheDay ? LimitRow.Spent(session, options.Institution, account.Id, token.LastFour, now, request.Amount.Currency) : new Amount(0, request.Amount.Currency);
        return limits.Object(request.Amount, spent);
    }

    /// <summary>An authorisation and its reversal may come at once, and neither has a row yet: one unit at a time.</summary>
    private string LockKey(string key) => $"issuer/{options.Institution}/{key}";

    private Authorisation? Find(Session session, string key) => StoredAuthorisation.Find(session, options.Institution, key)?.Facts;

    private bool Move(Session session, string key, AuthorisationState from, AuthorisationState to) => StoredAuthorisation.Move(session, options.Institution, key, from, to);

    private void Insert(Session session, AuthorisationRequest request, byte[] fingerprint, Card? card, string booked, Decision decision, string approval, byte[] answer, RewardRate rate, DateTimeOffset now) =>
        new StoredAuthorisation(
            options.Institution, request.Key, fingerprint, answer, request.Operation, decision.Approved ? AuthorisationState.Approved : AuthorisationState.Declined, decision,
            card?.Id ?? "", card?.Account ?? "", booked, request.Amount, request.Rrn, approval, request.Token?.LastFour ?? "", request.Merchant, request.Terminal, request.MerchantName, request.OriginalKey, now) { Reward = rate }.Add(session);

    // The key module checks the block against the offset before the unit; whether the result counts is decided inside it.
    private PinEvidence VerifyPin(AuthorisationRequest request, byte[] index, string reference)
    {
        if (request.PinBlock.IsEmpty)
        {
            return PinEvidence.Absent;
        }

        var offset = store.ReadCold(session => session.Text("SELECT pin_offset FROM issuer_cards WHERE institution = $1 AND pan_index = $2", options.Institution, index));
        if (offset is null)
        {
            return PinEvidence.Malformed;
        }

        var verdict = keys.VerifyPin(IssuerKeys.PinZone, IssuerKeys.PinVerification, request.PinBlock.Span, request.Pan, offset);
        trace.PinChecked(reference, verdict, Check(IssuerKeys.PinZone), Check(IssuerKeys.PinVerification));
        return verdict switch
        {
            PinVerdict.Right => PinEvidence.Right,
            PinVerdict.Wrong => PinEvidence.Wrong,
            _ => PinEvidence.Malformed,
        };
    }

    private string Check(string key) => keys.TryInfo(key, out var info) ? info.CheckValue : "";

    /// <summary>The answer without its MAC; F44 names the bank and the acquirer, eleven characters each (protocols.md 6.4).</summary>
    private IsoMessage Answer(IsoMessage request, Decision decision, string? approval)
    {
        // The bytes as they came: a character that GBK does not have must not change on the way back.
        return new IsoMessage(request.Mti.Response).Take(request, Echo)
            .Set(15, BankTime.MonthDay(time.GetUtcNow()))
            .Set(38, approval)
            .Set(39, decision.Code.Value)
            .Set(44, string.Create(CultureInfo.InvariantCulture, $"{options.Institution,-11}{request.Text(32) ?? "",-11}"));
    }
}
