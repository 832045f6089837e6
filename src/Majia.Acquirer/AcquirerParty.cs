using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Acquirer;

/// <summary>The acquirer: its merchants' terminals on one line, the network on the other.</summary>
/// <remarks>
/// A 0200 is claimed in the first write with the RRN that it gets; its answer is stored in the second. What a terminal repeats gets the stored answer,
/// what nobody answered is reversed by a 0420 that is sent until the network acknowledges it (decisions.md 19, 20).
/// It knows the device number alone; no digit of the plastic behind it ever comes here (R19).
/// </remarks>
public sealed partial class AcquirerParty : IIsoServer
{
    private const string PinZone = "zpk.network", LineMac = "zak.network", NumberKey = "card.number";

    /// <summary>How long after its deadline a transaction without an owner is closed.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5), Poll = TimeSpan.FromMilliseconds(250);

    private readonly AcquirerOptions options;
    private readonly Store store;
    private readonly KeyModule keys;
    private readonly SwitchLine network;
    private readonly TimeProvider time;
    private readonly AcquirerTrace trace;
    private readonly Lock gate = new();
    private readonly Dictionary<string, TaskCompletionSource<PosTransaction>> running = new(StringComparer.Ordinal);
    private readonly OutboxPump pump;
    private readonly TraceNumbers claims;

    public AcquirerParty(AcquirerOptions options, Store store, KeyModule keys, IIsoLink network, TimeProvider time, Entropy entropy, ITrace trace)
    {
        _ = entropy;
        this.options = options;
        this.store = store;
        this.keys = keys;
        this.network = new SwitchLine(
            network, options.Network, options.Institution, block => keys.Mac(LineMac, options.Mac, block), (block, mac) => keys.VerifyMac(LineMac, options.Mac, block, mac), options.NetworkTimeout, time);
        this.time = time;
        claims = new TraceNumbers(store, options.UtcOffset);
        this.trace = new AcquirerTrace(trace, time);
        pump = new OutboxPump(Outbox, store, time, DeliverAsync, (entry, error) => this.trace.Decision(TraceReference.Rrn(entry.Reference), new(
            $"The reversal could not be sent ({error.GetType().Name}); it is tried again.", $"冲正发送失败（{error.GetType().Name}），稍后重试。")));
    }

    public static PartySchema Schema => AcquirerSchema.Schema;

    private static Outbox Outbox => AcquirerSchema.Outbox;

    /// <summary>Adds what is missing of the seed; may run at every start.</summary>
    public Task SeedAsync(AcquirerSeed seed) => store.CommitAsync(session => AcquirerSchema.Seed(session, seed));

    /// <summary>The last payments of all merchants, newest first.</summary>
    public IReadOnlyList<PaymentView> Latest(int limit) => store.Read(session => PosTransaction.Latest(session, limit)).ConvertAll(View);

    /// <summary>One payment by its retrieval reference number, or null.</summary>
    public PaymentView? ByRrn(string rrn) => store.Read(session => PosTransaction.ByRrn(session, rrn)) is { } row ? View(row) : null;

    /// <summary>Reversals that the network refused for good.</summary>
    public IReadOnlyList<DeadLetter> DeadLetters() => store.Read(Outbox.DeadLetters);

    public async Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        if (!PosFrame.TryRead(frame, out var tpdu, out var header, out var body, out _)
            || !IsoCodec.TryRead(Dialect.Pos, body, out var message, out _)
            || message.Mti.IsResponse)
        {
            return ReadOnlyMemory<byte>.Empty;
        }

        var terminal = message.Text(41)?.TrimEnd() ?? string.Empty;
        var known = keys.TryInfo(MacKey(terminal), out _);
        IsoMessage? answer;
        if (!known || !IsoSealing.Verify(Dialect.Pos, body, message, (block, mac) => keys.VerifyMac(MacKey(terminal), options.Mac, block, mac)))
        {
            // Without a key neither the question nor the answer can be authenticated; with a wrong MAC not even the trace number is believed.
            answer = Refuse(message, known ? PosDecider.MacWrong : PosDecider.UnknownTerminal, AcquirerTrace.Unverified);
            return Framed();
        }

        var reference = Reference(message);
        var token = false;
        if (message.Mti == Mti.SettlementRequest)
        {
            trace.FromTerminal(reference, message, numberIsToken: true);
            answer = await SettleAsync(message, reference);
        }
        else if (!PosRequest.TryParse(message, options.TokenBins, out var request, out var refusal))
        {
            answer = Refuse(message, refusal, reference);
        }
        else
        {
            token = request.NumberIsToken;
            trace.FromTerminal(reference, message, token);
            answer = request.Operation == PosOperation.Reversal
                ? await ReverseAsync(request, reference)
                : await AuthoriseAsync(request, reference, cancellation);
        }

        if (answer is null)
        {
            return ReadOnlyMemory<byte>.Empty;
        }

        trace.ToTerminal(reference, answer, token);
        return Framed();

        ReadOnlyMemory<byte> Framed()
        {
            var answerBody = known
                ? IsoSealing.Seal(Dialect.Pos, answer, block => keys.Mac(MacKey(terminal), options.Mac, block))
                : IsoCodec.Write(Dialect.Pos, answer);
            return PosFrame.Write(PosFrame.AnswerTpdu(tpdu.Span), header.Span, answerBody);
        }
    }

    /// <summary>Closes what nobody waits for any more, and sends each reversal that is due.</summary>
    public async Task PumpAsync(CancellationToken cancellation)
    {
        await CloseOverdueAsync();
        await pump.RunAsync(cancellation);
    }

    // ---- 0200 ----

    private async Task<IsoMessage?> AuthoriseAsync(PosRequest request, string reference, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var mine = new TaskCompletionSource<PosTransaction>(TaskCreationOptions.RunContinuationsAsynchronously);
        var canSeal = keys.TryInfo(NumberKey, out _);
        var box = request.NumberIsToken || !canSeal ? null : keys.Seal(NumberKey, Encoding.ASCII.GetBytes(request.Number.Reveal()), NumberContext(request.Terminal, request.Stan));
        var numbers = await claims.NextAsync(now);
        var (claim, row, place, original) = await store.WriteAsync(session =>
        {
            PosTransaction.Lock(session, request);
            var at = AcquirerSchema.Place(session, request.Terminal, request.Batch);
            var sameTrace = PosTransaction.OfTrace(session, request);
            var sale = request.Operation is PosOperation.Void or PosOperation.Refund ? PosTransaction.ByRrn(session, request.OriginalRrn!) is { } found && (request.Operation == PosOperation.Refund || found.Terminal == request.Terminal) ? found : null : null;
            var settled = request.Operation == PosOperation.Refund && sale is not null && SettledBatch.Find(session, sale.Terminal, sale.Merchant, sale.Batch) is not null;
            var decided = PosDecider.Decide(request, sameTrace, at, canSeal, sale, settled, other => SameNumber(other, request));
            PosTransaction? inserted = null;
            if (decided is Claim.Forward or Claim.Refuse { Kept: true })
            {
                inserted = new PosTransaction(
                    request.Terminal, request.Merchant, request.Batch, request.Stan, request.Kind, request.Digest, numbers.Rrn, numbers.Transmission, numbers.Trace, now, now + options.NetworkTimeout,
                    request.NumberIsToken ? request.Number.Reveal() : null, box, request.Amount, (decided as Claim.Refuse)?.Refusal.Code.Value ?? (request.Operation == PosOperation.Offline ? Accepted.Code.Value : null), null, null, null, null, null, decided is Claim.Forward ? sale?.Rrn : null, null);
                inserted.Insert(session);
                if (decided is Claim.Forward && inserted.IsOffline)
                {
                    // Taken over with its row: the shop's answer waits for nobody (docs/decisions/0034).
                    Outbox.Enqueue(session, "network", Mti.FinancialAdvice.Digits, IsoCodec.Write(Dialect.Switch, NetworkMessages.Offline(request, inserted, at!, options)), inserted.Rrn!, now);
                    return (new Claim.Replay(inserted), inserted, at, sale);
                }

                if (decided is Claim.Forward && sale is not null && !(inserted.IsRefund ? PosTransaction.TryTakeForRefund(session, sale, request.Amount) : PosTransaction.TryTakeForVoid(session, sale, numbers.Rrn)))
                {
                    throw new LostRaceException("a sale that was to be undone");
                }
            }

            if (decided is Claim.Forward)
            {
                lock (gate)
                {
                    running[request.Key] = mine;
                }
            }

            return (decided, inserted, at, sale);
        }, wanted =>
        {
            AcquirerSchema.Want(wanted, request.Terminal, request.Batch);
            PosTransaction.Want(wanted, request);
        });

        if (row is not null)
        {
            trace.Same(reference, TraceReference.Rrn(row.Rrn!));
        }

        switch (claim)
        {
            case Claim.Replay(var stored):
                trace.Decision(reference, stored.IsOffline
                    ? new("The chip's approval is taken over: it goes to the network until the bank has looked at it.", "脱机交易已受理，将持续发送至银联直至发卡行核验。")
                    : new("The same request again: the stored answer is repeated, nothing is done twice.", "重复请求：返回已存应答，不重复入账。"));
                return Answer(request, stored);

            case Claim.Wait(var stored):
                trace.Decision(reference, new("The same request again while the first is under way: it gets the first one's answer.", "重复请求，首笔仍在处理：等待首笔的应答。"));
                return await AnswerOfOtherAsync(request, stored, cancellation) is { } first ? Answer(request, first) : null;

            case Claim.Refuse(var refusal, _):
                if (row is null)
                {
                    return Refuse(request.Message, refusal, reference);
                }

                trace.Decision(reference, refusal.Why);
                return Answer(request, row);

            default:
                try
                {
                    var done = await ForwardAsync(request, row!, place!, original, TraceReference.Rrn(row!.Rrn!));
                    mine.SetResult(done);
                    return Answer(request, done);
                }
                finally
                {
                    // Whoever still waits goes on with the store.
                    mine.TrySetCanceled(CancellationToken.None);
                    lock (gate)
                    {
                        running.Remove(request.Key);
                    }
                }
        }
    }

    private async Task<PosTransaction> ForwardAsync(PosRequest request, PosTransaction row, TerminalPlace place, PosTransaction? original, string reference)
    {
        byte[]? pin = null;
        if (request.Message.Has(52))
        {
            // First translation: the number stays what the terminal typed over (decisions.md 11).
            if (!keys.TryTranslatePin($"pik.{request.Terminal}", PinZone, request.Message.Binary(52).Span, request.Number, out pin))
            {
                trace.Decision(reference, PosDecider.PinUnreadable.Why);
                return await FinishAsync(row, new NetworkAnswer(PosDecider.PinUnreadable.Code, null, null, null, null), place);
            }

            trace.Key(reference, new(
                $"PIN translated from the terminal's key pik.{request.Terminal} to the network's {PinZone}; the number in the block stays.",
                $"密码由终端密钥 pik.{request.Terminal} 转加密至网络密钥 {PinZone}，所用卡号不变。"));
        }

        var message = row.IsRefund ? NetworkMessages.Refund(row, original!, place, options).Set(2, request.Number.Reveal()) : NetworkMessages.Financial(request, row, place, options, pin, original);
        trace.ToNetwork(reference, message, request.NumberIsToken);
        var answer = await network.ExchangeAsync(message);
        if (answer is null)
        {
            trace.Decision(reference, PosDecider.Silence.Why);
            return await FinishAsync(row, null, place);
        }

        trace.FromNetwork(reference, answer, request.NumberIsToken);
        var said = NetworkAnswer.Of(answer);
        return await FinishAsync(row, row.IsRefund && said.Code.Passes ? null : said, place);
    }

    /// <summary>The second write. Without an answer: 98, and a reversal in the same unit.</summary>
    private Task<PosTransaction> FinishAsync(PosTransaction row, NetworkAnswer? answer, TerminalPlace place) => store.WriteAsync(session =>
    {
        PosTransaction.Lock(session, row);
        if (answer is not null && PosTransaction.TryAnswer(session, row, answer))
        {
            if (!answer.Code.IsApproval && row.Undoes is not null)
            {
                PosTransaction.Release(session, row);
            }

            return row with { Code = answer.Code.Value, Authorisation = answer.Authorisation, SettlementDate = answer.SettlementDate, Institutions = answer.Institutions, ChipData = answer.ChipData };
        }

        var now = PosTransaction.ByRrn(session, row.Rrn!)!;
        if (now.Answered)
        {
            return now;
        }

        if (now.IsRefund)
        {
            // An advice: the money is owed, whoever does not answer now. It is accepted, and sent until it has arrived (decisions.md 20).
            var sale = PosTransaction.ByRrn(session, now.Undoes!)!;
            Outbox.Enqueue(session, "network", Mti.FinancialAdvice.Digits, IsoCodec.Write(Dialect.Switch, NetworkMessages.Refund(now, sale, place, options)), now.Rrn!, time.GetUtcNow());
            PosTransaction.TryAnswer(session, now, Accepted);
            return now with { Code = Accepted.Code.Value };
        }

        var code = now.ReversedAt is null ? PosDecider.Silence.Code : PosDecider.Overtaken.Code;
        if (now.ReversedAt is null)
        {
            EnqueueReversal(session, now, place, PosDecider.Silence.Code.Value);
        }

        PosTransaction.Close(session, now, code, time.GetUtcNow());
        return now with { Code = code.Value };
    }, wanted => PosTransaction.Want(wanted, row));

    private static readonly NetworkAnswer Accepted = new(ResponseCode.Approved, null, null, null, null);

    /// <summary>The answer of a request that another call is handling, here or on another node; null when it never comes.</summary>
    private async Task<PosTransaction?> AnswerOfOtherAsync(PosRequest request, PosTransaction row, CancellationToken cancellation)
    {
        TaskCompletionSource<PosTransaction>? other;
        lock (gate)
        {
            running.TryGetValue(request.Key, out other);
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
            var now = await store.WriteAsync(session => PosTransaction.ByRrn(session, row.Rrn!));
            if (now is null or { Answered: true } || time.GetUtcNow() > row.Deadline + (2 * Grace))
            {
                return now is { Answered: true } ? now : null;
            }

            await Task.Delay(Poll, time, cancellation);
        }
    }

    // ---- 0400 ----

    private async Task<IsoMessage> ReverseAsync(PosRequest reversal, string reference)
    {
        var now = time.GetUtcNow();
        var (undo, at) = await store.WriteAsync(session =>
        {
            PosTransaction.Lock(session, reversal);
            var decided = PosDecider.Decide(reversal, PosTransaction.OfTrace(session, reversal));
            switch (decided)
            {
                case Undo.NoOriginal { TombstoneAt: null }:
                    new PosTransaction(
                        reversal.Terminal, reversal.Merchant, reversal.Batch, reversal.Stan, PosTransaction.TombstoneKind, reversal.Digest, null, null, null, now, now,
                        null, null, reversal.Amount, PosDecider.ReversedFirst.Code.Value, null, null, null, null, now, null, null).Insert(session);
                    return (decided, now);

                case Undo.NoOriginal { TombstoneAt: { } first }:
                    return (decided, first);

                case Undo.Already(var row):
                    return (decided, row.ReversedAt!.Value);

                case Undo.NothingMoved(var row):
                    PosTransaction.MarkReversed(session, row, now);
                    return (decided, now);

                case Undo.Reverse(var row):
                    PosTransaction.MarkReversed(session, row, now);
                    EnqueueReversal(session, row, AcquirerSchema.Place(session, row.Terminal)!, reversal.Message.Text(39)!);
                    return (decided, now);

                default:
                    return (decided, now);
            }
        });

        var (code, original, why) = undo switch
        {
            Undo.Reverse(var row) => (ResponseCode.Approved, row, new Text("The reversal is stored and goes to the network until it is acknowledged.", "冲正已落库，将持续发送至银联直至确认。")),
            Undo.Already(var row) => (ResponseCode.Approved, row, new Text("Reversed already: answered 00 again, with no second effect.", "已冲正：再次应答 00，不重复冲正。")),
            Undo.NothingMoved(var row) => (ResponseCode.Approved, row, new Text("The original was declined: no money moved, none comes back.", "原交易未成功，未动账，无需退回。")),
            Undo.Refuse(var row, var refusal) => (refusal.Code, row, refusal.Why),
            _ => (ResponseCode.NoOriginal, (PosTransaction?)null, new Text("No such original here. Should it still come, it is refused.", "无此原交易；若其随后到达，将予以拒绝。")),
        };
        if (original is not null)
        {
            trace.Same(reference, TraceReference.Rrn(original.Rrn!));
        }

        trace.Decision(reference, why);
        return PosAnswers.Refusal(reversal.Message, code, at.ToOffset(options.UtcOffset), options.Institution, original?.Rrn, original?.Institutions);
    }

    // ---- outbox ----

    /// <summary>Puts a 0420 into the outbox. A void that is reversed lets go of its sale.</summary>
    private void EnqueueReversal(Session session, PosTransaction row, TerminalPlace place, string reason)
    {
        var now = time.GetUtcNow();
        var own = SystemTrace.Next(session, now.ToOffset(options.UtcOffset));
        var message = NetworkMessages.Reversal(row, place, options, own, reason, now);
        Outbox.Enqueue(session, "network", message.Mti.Digits, IsoCodec.Write(Dialect.Switch, message), row.Rrn!, now);
        if (row.Undoes is not null)
        {
            PosTransaction.Release(session, row);
        }
    }

    private async Task<Delivery> DeliverAsync(OutboxEntry entry)
    {
        var reference = TraceReference.Rrn(entry.Reference);
        var row = store.Read(session => PosTransaction.ByRrn(session, entry.Reference)) ?? throw new InvalidOperationException("a reversal without its original");
        if (!IsoCodec.TryRead(Dialect.Switch, entry.Payload, out var stored, out var error))
        {
            throw new InvalidOperationException($"an outbox entry cannot be read: {error}");
        }

        // A reversal is repeated as 0421, a refund as it was (decisions.md 20).
        var message = stored.Copy(row.IsRefund || row.IsOffline ? Mti.FinancialAdvice : entry.Attempts == 0 ? Mti.ReversalAdvice : Mti.ReversalAdviceRepeat).Set(2, NumberOf(row));
        trace.ToNetwork(reference, message, row.Token is not null);
        var answer = await network.ExchangeAsync(message);
        if (answer is null)
        {
            return Delivery.Again;
        }

        trace.FromNetwork(reference, answer, row.Token is not null);
        var code = new ResponseCode(answer.Text(39)!);
        if (row.IsOffline && !code.Passes)
        {
            await store.WriteAsync(session =>
            {
                PosTransaction.Lock(session, row);
                PosTransaction.Told(session, row, NetworkAnswer.Of(answer));
                return true;
            });
            trace.Decision(reference, code.IsApproval
                ? new("The bank has cleared the chip's approval.", "发卡行已清算该笔脱机交易。")
                : new($"The bank does not take the chip's approval ({code}): the batch will not balance, a break for people to look at.", $"发卡行未认可该笔脱机交易（{code}）：批次将对账不平，转人工核对。"));
        }

        return code == ResponseCode.Approved ? Delivery.Done : code.Passes ? Delivery.Again : Delivery.Never($"the network answered {code}");
    }

    /// <summary>What was in progress when the process ended: nobody knows its fate, so it is closed with 98 and reversed.</summary>
    private async Task CloseOverdueAsync()
    {
        var before = time.GetUtcNow() - Grace;
        foreach (var row in store.Read(session => PosTransaction.Overdue(session, before)))
        {
            lock (gate)
            {
                if (running.ContainsKey($"{row.Merchant}:{row.Terminal}:{row.Batch}:{row.Stan}:{row.Kind}"))
                {
                    continue;
                }
            }

            if (store.Read(session => AcquirerSchema.Place(session, row.Terminal)) is { } place)
            {
                trace.Decision(TraceReference.Rrn(row.Rrn!), PosDecider.Silence.Why);
                await FinishAsync(row, null, place);
            }
        }
    }

    // ---- answers ----

    private IsoMessage Answer(PosRequest request, PosTransaction row) =>
        PosAnswers.Financial(request.Message, row, row.At.ToOffset(options.UtcOffset), options.Institution);

    private IsoMessage Refuse(IsoMessage message, Refusal refusal, string reference)
    {
        trace.Decision(reference, refusal.Why);
        return PosAnswers.Refusal(message, refusal.Code, time.GetUtcNow().ToOffset(options.UtcOffset), options.Institution);
    }

    private static string MacKey(string terminal) => $"mak.{terminal}";

    private static string NumberContext(string terminal, string stan) => $"acquirer/number/{terminal}/{stan}";

    private static string Reference(IsoMessage message)
    {
        var batch = message.Text(60) is { Length: >= 8 } reserved ? reserved[2..8] : string.Empty;
        return TraceReference.Pos(message.Text(42)?.TrimEnd() ?? string.Empty, message.Text(41)?.TrimEnd() ?? string.Empty, batch, message.Text(11) ?? string.Empty);
    }

    private bool SameNumber(PosTransaction row, PosRequest request) => NumberOf(row) == request.Number.Reveal();

    private string? NumberOf(PosTransaction row) =>
        row.Token ?? (row.NumberBox is { } box && keys.TryUnseal(NumberKey, box, NumberContext(row.Terminal, row.Stan), out var digits) ? Encoding.ASCII.GetString(digits) : null);

    private PaymentView View(PosTransaction row)
    {
        var number = NumberOf(row) ?? string.Empty;
        return new PaymentView(
            row.Rrn!, row.At, row.Merchant, row.Terminal, row.Batch, row.Stan, row.Kind, Amount.Cny(row.Amount), AccountNumber.Mask(number), number.Length < 4 ? string.Empty : number[^4..],
            row.Code, row.Authorisation, row.ReversedAt is not null, row.UndoneBy, Amount.Cny(row.Refunded), row.Undoes);
    }
}
