using System.Text;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Network;

/// <summary>0220: a refund, to a card in whatever state it is by now (decisions.md 9, 15), or what a plastic card approved by itself. An advice: it is asked again until it is answered, and never reversed.</summary>
public sealed partial class NetworkParty
{
    private async Task<IsoMessage?> AdviseAsync(SwitchRequest request, CancellationToken cancellation)
    {
        if (!request.NumberIsToken && !keys.TryInfo(NumberKey, out _))
        {
            return Refuse(request.Message, SwitchDecider.PlasticNotKept);
        }

        var now = time.GetUtcNow();
        var key = request.Key.ToString();
        var row = new SwitchedTransaction(
            key, request.Digest, request.Rrn, request.IsOffline ? SwitchedTransaction.OfflineSale : SwitchedTransaction.Refund, now, now + options.TokenServiceTimeout + options.IssuerTimeout,
            request.NumberIsToken ? request.Number.Reveal() : null,
            request.NumberIsToken ? null : keys.Seal(NumberKey, Encoding.ASCII.GetBytes(request.Number.Reveal()), NumberContext(key)),
            request.Amount, request.Message.Text(41)!, request.Message.Text(42)!, null, null, null, null, null, null);
        var mine = new TaskCompletionSource<SwitchedTransaction>(TaskCreationOptions.RunContinuationsAsynchronously);
        var (stored, sale, wrong, other) = await store.WriteAsync<(SwitchedTransaction?, SwitchedTransaction?, Refusal?, Task<SwitchedTransaction>?)>(session =>
        {
            var original = request.Original is { } named ? SwitchedTransaction.ByKey(session, named.ToString()) : null;
            var before = SwitchedTransaction.ByKey(session, key);
            if (before is null && (request.IsOffline ? SwitchDecider.ObjectToOffline(request) : SwitchDecider.ObjectToRefund(request, original)) is { } objection)
            {
                return (before, original, objection, null);
            }

            before ??= row.TryInsert(session) ? null : SwitchedTransaction.ByKey(session, key);
            if (before is { Answered: true })
            {
                return (before, original, null, null);
            }

            // Not answered yet: whoever is first carries it on, at every repeat anew.
            lock (gate)
            {
                if (running.TryGetValue(key, out var ahead))
                {
                    return (before, original, null, ahead.Task);
                }

                running[key] = mine;
            }

            return (before, original, null, null);
        });

        if (wrong is not null)
        {
            return Refuse(request.Message, wrong);
        }

        if (stored is not null && SwitchDecider.Decide(request, stored, SameNumber(request, stored)) is Repeat.OtherContent)
        {
            Release(key, mine);
            return Refuse(request.Message, SwitchDecider.OtherContent);
        }

        if (stored is { Answered: true })
        {
            trace.Decision(request.Rrn, new("The same advice again: the stored answer is repeated.", "重复通知：返回已存应答。"));
            return SwitchMessages.Answer(request.Message, stored, options);
        }

        if (other is not null)
        {
            return await Answered(other, cancellation) is { } theirs ? SwitchMessages.Answer(request.Message, theirs, options) : null;
        }

        try
        {
            if (await CarryAsync(request, row, sale) is not { } done)
            {
                trace.Decision(request.Rrn, new("Nobody answered: the advice stays open, and goes on with its next repeat.", "对方未应答：通知保持未决，待下次重发继续处理。"));
                return null;
            }

            mine.TrySetResult(done);
            return SwitchMessages.Answer(request.Message, done, options);
        }
        finally
        {
            Release(key, mine);
        }
    }

    private void Release(string key, TaskCompletionSource<SwitchedTransaction> mine)
    {
        mine.TrySetCanceled(CancellationToken.None);
        lock (gate)
        {
            if (running.TryGetValue(key, out var held) && held == mine)
            {
                running.Remove(key);
            }
        }
    }

    private static async Task<SwitchedTransaction?> Answered(Task<SwitchedTransaction> other, CancellationToken cancellation)
    {
        try
        {
            return await other.WaitAsync(cancellation);
        }
        catch (TaskCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>To the bank, and its answer stored. Null when token service or bank did not answer: nothing is stored, so that the next repeat goes on.</summary>
    private async Task<SwitchedTransaction?> CarryAsync(SwitchRequest request, SwitchedTransaction row, SwitchedTransaction? sale)
    {
        var message = request.Message;
        string? institution;
        IsoMessage? resolved = null;
        if (request.NumberIsToken)
        {
            resolved = await ResolveAsync(request.Rrn, message, request.Number.Reveal());
            if (resolved is null || new ResponseCode(resolved.Text(39)!).Passes)
            {
                return null;
            }

            if (resolved.Text(39) != ResponseCode.Approved.Value)
            {
                return await RefuseAsync(row, new Refusal(SwitchDecider.Outward(resolved.Text(39)!), new("The token service knows no such device number.", "标记服务不存在该设备卡号。")));
            }

            // Another number than the one that paid: the same account behind both, or nothing is given back (decisions.md 9).
            if (!SameNumber(request, sale))
            {
                var paid = sale!.Token is { } token ? await ResolveAsync(request.Rrn, message, token) : null;
                if (paid is null && sale.Token is not null)
                {
                    return null;
                }

                if (paid?.Text(39) != ResponseCode.Approved.Value || paid.Text(56) != resolved.Text(56))
                {
                    return await RefuseAsync(row, SwitchDecider.OtherNumber, resolved.Text(100));
                }

                trace.Decision(request.Rrn, new("Another device number of the same account: the card has come back to the phone since.", "同一账户的另一设备卡号：该卡此后曾重新添加。"));
            }

            institution = resolved.Text(100);
        }
        else
        {
            if (!request.IsOffline && !SameNumber(request, sale))
            {
                return await RefuseAsync(row, SwitchDecider.OtherNumber);
            }

            institution = SwitchDecider.Route(request.Number, options.Routes);
        }

        if (institution is null || !issuers.TryGetValue(institution, out var issuer))
        {
            return await RefuseAsync(row, SwitchDecider.NoRoute);
        }

        var toIssuer = request.IsOffline ? SwitchMessages.ToIssuer(message, pinBlock: null) : SwitchMessages.RefundToIssuer(message, resolved);
        trace.ToIssuer(request.Rrn, toIssuer);
        var answer = await issuer.ExchangeAsync(toIssuer);
        if (answer is null)
        {
            return null;
        }

        trace.FromIssuer(request.Rrn, answer);
        var code = SwitchDecider.Outward(answer.Text(39)!);
        return code.Passes ? null : await FinishAsync(row, new IssuerAnswer(code, code.IsApproval ? answer.Text(38) : null, institution, null, resolved?.Text(56)), institution);
    }

    private async Task<IsoMessage?> ResolveAsync(string rrn, IsoMessage message, string token)
    {
        var question = SwitchMessages.Resolve(message).Set(2, token);
        trace.ToTokenService(rrn, question);
        var resolved = await tokenService.ExchangeAsync(question);
        if (resolved is not null)
        {
            trace.FromTokenService(rrn, resolved);
        }

        return resolved;
    }
}
