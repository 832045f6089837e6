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
public sealed class NetworkParty : IIsoServer
{
    private const string Binding = "bind.token-service", NumberKey = "card.number";

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5), Poll = TimeSpan.FromMilliseconds(250);

    private readonly NetworkOptions options;
    private readonly Store store;
    private readonly KeyModule keys;
    private readonly SwitchPeer tokenService;
    private readonly Dictionary<string, SwitchPeer> issuers;
    private readonly TimeProvider time;
    private readonly NetworkTrace trace;
    private readonly Lock gate = new();
    private readonly Dictionary<string, TaskCompletionSource<SwitchedTransaction>> running = new(StringComparer.Ordinal);
    private readonly HashSet<long> sending = [];

    public NetworkParty(
        NetworkOptions options, Store store, KeyModule keys, IIsoLink tokenService, IReadOnlyDictionary<string, IIsoLink> issuersByInstitution, TimeProvider time, Entropy entropy, ITrace trace)
    {
        _ = entropy;
        this.options = options;
        this.store = store;
        this.keys = keys;
        this.tokenService = new SwitchPeer(options, options.TokenService, "zak.token-service", keys, tokenService, options.TokenServiceTimeout, time);
        issuers = issuersByInstitution.ToDictionary(
            static pair => pair.Key,
            pair => new SwitchPeer(options, pair.Key, MacKey(pair.Key), keys, pair.Value, options.IssuerTimeout, time),
            StringComparer.Ordinal);
        this.time = time;
        this.trace = new NetworkTrace(trace, time);
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

        var rrn = message.Text(37) ?? string.Empty;
        var token = message.Text(2) is { Length: > 6 } number && options.TokenBins.Contains(number[..6]);
        trace.FromAcquirer(rrn, message, token);
        IsoMessage? answer;
        if (!IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => keys.VerifyMac(MacKey(source), options.Mac, block, mac)))
        {
            answer = Refuse(message, SwitchDecider.MacWrong);
        }
        else if (!SwitchRequest.TryParse(message, source, options.TokenBins, out var request, out var refusal))
        {
            answer = Refuse(message, refusal);
        }
        else
        {
            answer = request.IsReversal ? await ReverseAsync(request) : await AuthoriseAsync(request, source, cancellation);
        }

        if (answer is null)
        {
            return ReadOnlyMemory<byte>.Empty;
        }

        trace.ToAcquirer(rrn, answer, token);
        return SwitchFrame.Write(source, options.Institution, IsoSealing.Seal(Dialect.Switch, answer, block => keys.Mac(MacKey(source), options.Mac, block)));
    }

    /// <summary>Closes what nobody waits for any more, and sends each reversal that is due.</summary>
    public async Task PumpAsync(CancellationToken cancellation)
    {
        await CloseOverdueAsync();
        var now = time.GetUtcNow();

        // Committed rows only: what is sent leaves the process (decisions.md 22).
        var due = store.Read(session => Outbox.Due(session, now));
        var tasks = new List<Task>();
        foreach (var entry in due)
        {
            cancellation.ThrowIfCancellationRequested();
            lock (gate)
            {
                if (!sending.Add(entry.Id))
                {
                    continue;
                }
            }

            tasks.Add(DeliverAsync(entry));
        }

        await Task.WhenAll(tasks);
    }

    // ---- 0200 ----

    private async Task<IsoMessage?> AuthoriseAsync(SwitchRequest request, string source, CancellationToken cancellation)
    {
        var canSeal = keys.TryInfo(NumberKey, out _);
        if (!request.NumberIsToken && !canSeal)
        {
            return Refuse(request.Message, SwitchDecider.PlasticNotKept);
        }

        var now = time.GetUtcNow();
        var key = request.Key.ToString();
        var row = new SwitchedTransaction(
            key, request.Digest, request.Rrn, request.Processing, now, now + options.TokenServiceTimeout + options.IssuerTimeout,
            request.NumberIsToken ? request.Number.Reveal() : null,
            request.NumberIsToken ? null : keys.Seal(NumberKey, Encoding.ASCII.GetBytes(request.Number.Reveal()), NumberContext(key)),
            request.Message.Number(4)!.Value, request.Message.Text(41)!, request.Message.Text(42)!, null, null, null, null, null, null);
        var mine = new TaskCompletionSource<SwitchedTransaction>(TaskCreationOptions.RunContinuationsAsynchronously);
        var taken = await store.WriteAsync(session =>
        {
            if (!row.TryInsert(session))
            {
                return SwitchedTransaction.ByKey(session, key);
            }

            lock (gate)
            {
                running[key] = mine;
            }

            return null;
        });

        if (taken is not null)
        {
            return await AnswerRepeatAsync(request, taken, cancellation);
        }

        try
        {
            var done = await ForwardAsync(request, source, row);
            mine.SetResult(done);
            return SwitchMessages.Answer(request.Message, done, options);
        }
        finally
        {
            // Whoever still waits goes on with the store.
            mine.TrySetCanceled(CancellationToken.None);
            lock (gate)
            {
                running.Remove(key);
            }
        }
    }

    private async Task<IsoMessage?> AnswerRepeatAsync(SwitchRequest request, SwitchedTransaction taken, CancellationToken cancellation)
    {
        switch (SwitchDecider.Decide(request, taken, NumberOf(taken) == request.Number.Reveal()))
        {
            case Repeat.ReversedFirst:
                return Refuse(request.Message, SwitchDecider.ReversedFirst);

            case Repeat.OtherContent:
                return Refuse(request.Message, SwitchDecider.OtherContent);

            case Repeat.Replay:
                trace.Decision(request.Rrn, new("The same request again: the stored answer is repeated.", "重复请求：返回已存应答。"));
                return SwitchMessages.Answer(request.Message, taken, options);

            default:
                return await AnswerOfOtherAsync(taken, cancellation) is { } done ? SwitchMessages.Answer(request.Message, done, options) : null;
        }
    }

    private async Task<SwitchedTransaction> ForwardAsync(SwitchRequest request, string source, SwitchedTransaction row)
    {
        var message = request.Message;
        string? institution;
        IsoMessage? resolved = null;
        if (request.NumberIsToken)
        {
            var question = SwitchMessages.AskTokenService(message);
            trace.ToTokenService(request.Rrn, question);
            resolved = await tokenService.ExchangeAsync(question);
            if (resolved is null)
            {
                return await RefuseAsync(row, SwitchDecider.TokenServiceSilent);
            }

            trace.FromTokenService(request.Rrn, resolved);
            var verdict = SwitchDecider.Outward(resolved.Text(39)!);
            if (!verdict.IsApproval)
            {
                // Nothing goes to the bank (decisions.md 7).
                return await RefuseAsync(row, new Refusal(verdict, new($"The token service says {verdict}: the bank is not asked.", $"标记服务应答 {verdict}：不再转发发卡行。")));
            }

            institution = resolved.Text(100);
        }
        else
        {
            institution = SwitchDecider.Route(request.Number, options.Routes);
        }

        if (institution is null || !issuers.TryGetValue(institution, out var issuer))
        {
            return await RefuseAsync(row, SwitchDecider.NoRoute);
        }

        if (!TryTranslatePin(request, source, institution, resolved, out var pin))
        {
            return await RefuseAsync(row, SwitchDecider.PinUnreadable, institution);
        }

        var toIssuer = resolved is null ? SwitchMessages.ToIssuer(message, pin) : SwitchMessages.ToIssuer(message, resolved, pin);
        trace.ToIssuer(request.Rrn, toIssuer);
        var answer = await issuer.ExchangeAsync(toIssuer);
        if (answer is null)
        {
            trace.Decision(request.Rrn, SwitchDecider.IssuerSilent.Why);
            return await FinishAsync(row, null, institution);
        }

        trace.FromIssuer(request.Rrn, answer);
        var code = SwitchDecider.Outward(answer.Text(39)!);
        return await FinishAsync(
            row,
            new IssuerAnswer(code, code.IsApproval ? answer.Text(38) : null, institution, answer.Has(55) ? answer.Binary(55).ToArray() : null, resolved?.Text(56)),
            institution);
    }

    /// <summary>The second translation (decisions.md 11): from the token's block to the PAN's, with the vault's word for exactly this transaction. True with null when there is no PIN.</summary>
    private bool TryTranslatePin(SwitchRequest request, string source, string institution, IsoMessage? resolved, out byte[]? pin)
    {
        pin = null;
        if (!request.Message.Has(52))
        {
            return true;
        }

        var block = request.Message.Binary(52).Span;
        bool translated;
        if (resolved is null)
        {
            translated = keys.TryTranslatePin(PinKey(source), PinKey(institution), block, request.Number, out pin);
        }
        else
        {
            translated = Pan.TryParse(resolved.Text(2), out var pan, out _)
                & Field48Binding.TryParse(resolved.Text(48), out var binding, out _)
                && keys.TryTranslatePin(
                    PinKey(source), PinKey(institution), block, PaymentToken.Parse(request.Number.Reveal()), pan!, request.Key.ToString(), Binding, binding!.Bytes, out pin);
        }

        if (translated)
        {
            trace.Key(request.Rrn, resolved is null
                ? new($"PIN translated from {PinKey(source)} to {PinKey(institution)}.", $"密码由 {PinKey(source)} 转加密至 {PinKey(institution)}。")
                : new(
                    $"PIN translated from {PinKey(source)} with the device number to {PinKey(institution)} with the card's own, on the vault's binding for this transaction.",
                    $"凭标记服务对本笔交易的绑定校验，密码由 {PinKey(source)}（设备卡号）转加密至 {PinKey(institution)}（实体卡号）。"));
        }

        return translated;
    }

    private Task<SwitchedTransaction> RefuseAsync(SwitchedTransaction row, Refusal refusal, string? institution = null)
    {
        trace.Decision(row.Rrn, refusal.Why);
        return FinishAsync(row, IssuerAnswer.Refused(refusal.Code, institution), institution);
    }

    /// <summary>The second write. Without an answer: 98, and a reversal to the bank in the same unit.</summary>
    private Task<SwitchedTransaction> FinishAsync(SwitchedTransaction row, IssuerAnswer? answer, string? institution) => store.WriteAsync(session =>
    {
        if (answer is not null && SwitchedTransaction.TryAnswer(session, row.Key, answer))
        {
            return row with { Code = answer.Code.Value, Authorisation = answer.Authorisation, Institution = answer.Institution, ChipData = answer.ChipData, AccountReference = answer.AccountReference };
        }

        var now = SwitchedTransaction.ByKey(session, row.Key)!;
        if (now.Answered)
        {
            return now;
        }

        var code = now.ReversedAt is null ? SwitchDecider.IssuerSilent.Code : SwitchDecider.Overtaken.Code;
        if (now.ReversedAt is null)
        {
            Enqueue(session, SwitchMessages.OwnReversal(now, options, time.GetUtcNow()), now.Key);
        }

        SwitchedTransaction.Close(session, now.Key, code, institution, time.GetUtcNow());
        return now with { Code = code.Value, Institution = institution };
    });

    /// <summary>The answer of a request that another call is handling, here or on another node; null when it never comes.</summary>
    private async Task<SwitchedTransaction?> AnswerOfOtherAsync(SwitchedTransaction row, CancellationToken cancellation)
    {
        TaskCompletionSource<SwitchedTransaction>? other;
        lock (gate)
        {
            running.TryGetValue(row.Key, out other);
        }

        if (other is not null)
        {
            try
            {
                return await other.Task.WaitAsync(cancellation);
            }
            catch (TaskCanceledException) when (!cancellation.IsCancellationRequested)
            {
                // It ended without an answer: the store tells.
            }
        }

        while (true)
        {
            var now = await store.WriteAsync(session => SwitchedTransaction.ByKey(session, row.Key));
            if (now is null or { Answered: true } || time.GetUtcNow() > row.Deadline + (2 * Grace))
            {
                return now is { Answered: true } ? now : null;
            }

            await Task.Delay(Poll, time, cancellation);
        }
    }

    // ---- 0420, 0421 ----

    private async Task<IsoMessage> ReverseAsync(SwitchRequest reversal)
    {
        var now = time.GetUtcNow();
        var key = reversal.Original!.ToString();
        var undo = await store.WriteAsync(session =>
        {
            var original = SwitchedTransaction.ByKey(session, key);
            var decided = SwitchDecider.DecideReversal(original);
            switch (decided)
            {
                case Undo.Bar:
                    new SwitchedTransaction(
                        key, [], reversal.Rrn, string.Empty, now, now, null, null, reversal.Message.Number(4)!.Value, reversal.Message.Text(41)!, reversal.Message.Text(42)!,
                        SwitchDecider.ReversedFirst.Code.Value, null, null, null, null, now).TryInsert(session);
                    break;

                case Undo.NothingMoved:
                    SwitchedTransaction.MarkReversed(session, key, now);
                    break;

                case Undo.Forward:
                    SwitchedTransaction.MarkReversed(session, key, now);
                    Enqueue(session, reversal.Message.Copy(Mti.ReversalAdvice).Remove(2).Remove(35).Remove(36).Remove(52).Remove(55).Remove(128), key);
                    break;
            }

            return decided;
        });

        trace.Decision(reversal.Rrn, undo switch
        {
            Undo.Forward => new("The reversal is stored and goes to the bank until it is acknowledged.", "冲正已落库，将持续发送至发卡行直至确认。"),
            Undo.Already => new("Reversed already: acknowledged again, with no second effect.", "已冲正：再次确认，不重复冲正。"),
            Undo.NothingMoved => new("The original was declined: no money moved, none comes back.", "原交易未成功，未动账，无需退回。"),
            _ => new("The original never came here. Should it still come, it is refused.", "原交易未到达；若其随后到达，将予以拒绝。"),
        });
        return SwitchMessages.Answer(reversal.Message, ResponseCode.Approved);
    }

    // ---- outbox ----

    private void Enqueue(Session session, IsoMessage reversal, string key) =>
        Outbox.Enqueue(session, "issuer", reversal.Mti.Digits, IsoCodec.Write(Dialect.Switch, reversal), key, time.GetUtcNow());

    private async Task DeliverAsync(OutboxEntry entry)
    {
        try
        {
            var row = store.Read(session => SwitchedTransaction.ByKey(session, entry.Reference)) ?? throw new InvalidOperationException("a reversal without its original");
            if (!IsoCodec.TryRead(Dialect.Switch, entry.Payload, out var stored, out var error))
            {
                throw new InvalidOperationException($"an outbox entry cannot be read: {error}");
            }

            // Repeated as 0421, else unchanged (decisions.md 20).
            var reversal = stored.Copy(entry.Attempts == 0 ? Mti.ReversalAdvice : Mti.ReversalAdviceRepeat);
            var (code, by) = await SendAsync(row, reversal);
            var now = time.GetUtcNow();
            await store.WriteAsync(session =>
            {
                switch (code)
                {
                    case "00":
                        Outbox.Delivered(session, entry.Id);
                        break;

                    // Silence, and codes that pass: out of order, no route, no answer, MAC.
                    case null or "68" or "91" or "92" or "96" or "98" or "A0":
                        Outbox.Failed(session, entry, now);
                        break;

                    default:
                        Outbox.Bury(session, entry, $"{by} answered {code}", now);
                        break;
                }
            });
        }
        finally
        {
            lock (gate)
            {
                sending.Remove(entry.Id);
            }
        }
    }

    /// <summary>The number is resolved anew for each try: no PAN waits in a row. Returns F39 of who answered last, null for silence.</summary>
    private async Task<(string? Code, string By)> SendAsync(SwitchedTransaction row, IsoMessage reversal)
    {
        const string vault = "the token service", bank = "the bank";
        string? institution;
        if (row.Token is { } token)
        {
            var question = SwitchMessages.Resolve(reversal.Set(2, token));
            trace.ToTokenService(row.Rrn, question);
            var resolved = await tokenService.ExchangeAsync(question);
            if (resolved is null)
            {
                return (null, vault);
            }

            trace.FromTokenService(row.Rrn, resolved);
            if (resolved.Text(39) != ResponseCode.Approved.Value)
            {
                return (resolved.Text(39), vault);
            }

            reversal.Take(resolved, 2, 14, 23, 63);
            institution = resolved.Text(100);
        }
        else
        {
            reversal.Set(2, NumberOf(row));
            institution = row.Institution ?? (CardNumber.TryParse(reversal.Text(2), out var plastic, out _) ? SwitchDecider.Route(plastic, options.Routes) : null);
        }

        if (institution is null || !issuers.TryGetValue(institution, out var issuer))
        {
            return (SwitchDecider.NoRoute.Code.Value, vault);
        }

        trace.ToIssuer(row.Rrn, reversal);
        var answer = await issuer.ExchangeAsync(reversal);
        if (answer is not null)
        {
            trace.FromIssuer(row.Rrn, answer);
        }

        return (answer?.Text(39), bank);
    }

    /// <summary>What was in progress when the process ended: nobody knows its fate, so it is closed with 98 and reversed.</summary>
    private async Task CloseOverdueAsync()
    {
        var before = time.GetUtcNow() - Grace;
        foreach (var row in store.Read(session => SwitchedTransaction.Overdue(session, before)))
        {
            lock (gate)
            {
                if (running.ContainsKey(row.Key))
                {
                    continue;
                }
            }

            trace.Decision(row.Rrn, SwitchDecider.IssuerSilent.Why);
            await FinishAsync(row, null, null);
        }
    }

    // ---- ----

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

    private SwitchedView View(SwitchedTransaction row) => new(
        row.Rrn, row.At, row.Key, row.Processing, Amount.Cny(row.Amount), AccountNumber.Mask(NumberOf(row) ?? string.Empty), row.Institution, row.Code, row.ReversedAt is not null);
}
