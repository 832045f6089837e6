using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Network;

/// <summary>0200: a sale or a void, from the first write to the answer.</summary>
public sealed partial class NetworkParty
{
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
            request.Amount, request.Message.Text(41)!, request.Message.Text(42)!, null, null, null, null, null, null)
        {
            Counter = request.NumberIsToken ? TapCounter.Of(request.Message) : null,
        };
        var mine = new TaskCompletionSource<SwitchedTransaction>(TaskCreationOptions.RunContinuationsAsynchronously);
        var (taken, objection) = await store.WriteAsync<(SwitchedTransaction?, Refusal?)>(session =>
        {
            if (request.IsVoid && SwitchedTransaction.ByKey(session, key) is null)
            {
                var sale = request.Original is { } named ? SwitchedTransaction.ByKey(session, named.ToString()) : null;
                if (SwitchDecider.ObjectToVoid(request, sale, SameNumber(request, sale)) is { } wrong)
                {
                    return (null, wrong);
                }
            }

            if (!row.TryInsert(session))
            {
                return (SwitchedTransaction.ByKey(session, key), null);
            }

            lock (gate)
            {
                running[key] = mine;
            }

            return (null, null);
        }, wanted => SwitchedTransaction.Want(wanted, key));

        if (objection is not null)
        {
            return Refuse(request.Message, objection);
        }

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
        switch (SwitchDecider.Decide(request, taken, SameNumber(request, taken)))
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
    }, wanted => SwitchedTransaction.Want(wanted, row.Key));

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
}
