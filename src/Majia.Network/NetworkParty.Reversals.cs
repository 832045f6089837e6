using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Network;

/// <summary>0420 and 0421: what is taken back, and how it reaches the bank.</summary>
public sealed partial class NetworkParty
{
    private async Task<IsoMessage> ReverseAsync(SwitchRequest reversal)
    {
        var now = time.GetUtcNow();
        var key = reversal.Original!.ToString();
        var (undo, refusal) = await store.WriteAsync(session =>
        {
            var original = SwitchedTransaction.ByKey(session, key);
            var decided = SwitchDecider.DecideReversal(reversal, original, SameNumber(reversal, original));
            switch (decided.Undo)
            {
                case Undo.Bar:
                    if (!new SwitchedTransaction(
                        key, [], reversal.Rrn, string.Empty, now, now, null, null, reversal.Amount, reversal.Message.Text(41)!, reversal.Message.Text(42)!,
                        SwitchDecider.ReversedFirst.Code.Value, null, null, null, null, now).TryInsert(session))
                    {
                        throw new LostRaceException("the original of a reversal");
                    }

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

        if (refusal is not null)
        {
            return Refuse(reversal.Message, refusal);
        }

        trace.Decision(reversal.Rrn, undo switch
        {
            Undo.Forward => new("The reversal is stored and goes to the bank until it is acknowledged.", "冲正已落库，将持续发送至发卡行直至确认。"),
            Undo.Already => new("Reversed already: acknowledged again, with no second effect.", "已冲正：再次确认，不重复冲正。"),
            Undo.NothingMoved => new("The original was declined: no money moved, none comes back.", "原交易未成功，未动账，无需退回。"),
            _ => new("The original never came here. Should it still come, it is refused.", "原交易未到达；若其随后到达，将予以拒绝。"),
        });
        return SwitchMessages.Answer(reversal.Message, ResponseCode.Approved);
    }

    private void Enqueue(Session session, IsoMessage reversal, string key) =>
        Outbox.Enqueue(session, "issuer", reversal.Mti.Digits, IsoCodec.Write(Dialect.Switch, reversal), key, time.GetUtcNow());

    private async Task<Delivery> DeliverAsync(OutboxEntry entry)
    {
        var row = store.Read(session => SwitchedTransaction.ByKey(session, entry.Reference)) ?? throw new InvalidOperationException("a reversal without its original");
        if (!IsoCodec.TryRead(Dialect.Switch, entry.Payload, out var stored, out var error))
        {
            throw new InvalidOperationException($"an outbox entry cannot be read: {error}");
        }

        // Repeated as 0421, else unchanged (decisions.md 20).
        var reversal = stored.Copy(entry.Attempts == 0 ? Mti.ReversalAdvice : Mti.ReversalAdviceRepeat);
        var (said, by) = await SendAsync(row, reversal);
        return said is not { } value ? Delivery.Again
            : value == ResponseCode.Approved.Value ? Delivery.Done
            : new ResponseCode(value).Passes ? Delivery.Again
            : Delivery.Never($"{by} answered {value}");
    }

    private void Undelivered(OutboxEntry entry, Exception error)
    {
        if (store.Read(session => SwitchedTransaction.ByKey(session, entry.Reference)) is { } row)
        {
            trace.Decision(row.Rrn, new($"The reversal could not be sent ({error.GetType().Name}); it is tried again.", $"冲正发送失败（{error.GetType().Name}），稍后重试。"));
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
}
