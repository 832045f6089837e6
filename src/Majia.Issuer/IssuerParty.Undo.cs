using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>Voids, refunds and reversals: money goes back whatever has become of card and account, and the points by the rate that the sale was rewarded with (R18, R20).</summary>
public sealed partial class IssuerParty
{
    private Decision VoidSale(Session session, AuthorisationRequest request, Authorisation? original, Account account, DateTimeOffset now, out LedgerEntry[] entries)
    {
        entries = [];
        var decision = UndoDecider.Void(original, account.Id, request.Amount);
        if (!decision.Approved)
        {
            return decision;
        }

        // Read and written in one unit: should it fail all the same, nobody is told of money that did not move.
        if (!Move(session, original!.SwitchKey, AuthorisationState.Approved, AuthorisationState.Voided))
        {
            throw new InvalidOperationException("a sale changed its state under its own void");
        }

        entries = GiveBack(session, request.Key, EntryKind.Void, original, now);
        return account.Closed
            ? decision with { Why = new("Voided: the account is closed, the amount waits in suspense for its owner.", "撤销成功；账户已销户，款项转入待处理账户。") }
            : decision;
    }

    private Decision RefundSale(Session session, AuthorisationRequest request, Authorisation? original, Account account, DateTimeOffset now, out LedgerEntry[] entries)
    {
        entries = [];
        var decision = UndoDecider.Refund(original, account.Id, request.Amount);
        if (!decision.Approved)
        {
            return decision;
        }

        // The condition stands in the statement too: however many refunds come at once, their sum is never more than the sale.
        if (session.Execute(
            "UPDATE issuer_authorisations SET refunded = refunded + $3 WHERE institution = $1 AND switch_key = $2 AND state = 'Approved' AND refunded + $3 <= amount",
            options.Institution, original!.SwitchKey, request.Amount.Minor) != 1)
        {
            throw new InvalidOperationException("a sale changed under its own refund");
        }

        entries = Ledger.Pair(request.Key, EntryKind.Refund, account.Closed ? Ledger.Suspense : account.Id, request.Amount, Ledger.Settlement, now);
        Ledger.TryPost(session, options.Institution, entries, guarded: false);

        // Points for what is left of the sale stay: no sum of parts takes more than the sale gave (R18).
        Rewards.Post(session, options.Institution, account.Id, request.Key, EntryKind.Refund, original.Reward.For(original.Left - request.Amount) - original.Reward.For(original.Left), now);
        return account.Closed
            ? decision with { Why = new($"{decision.Why.En} The account is closed: the amount waits in suspense for its owner.", $"{decision.Why.Zh}账户已销户，款项转入待处理账户。") }
            : decision;
    }

    private async Task<IsoMessage> ReverseAsync(IsoMessage message, AuthorisationRequest request, string reference)
    {
        var now = time.GetUtcNow();
        var (decision, entries) = await store.WriteAsync(session =>
        {
            session.Lock(LockKey(request.OriginalKey!));
            var original = Find(session, request.OriginalKey!);
            var voided = original is { Operation: Operation.Void, OriginalKey: { } key } ? Find(session, key) : null;
            var outcome = UndoDecider.Reverse(original, voided, request.Amount);
            if (outcome.Tombstone)
            {
                new Tombstone(options.Institution, request.OriginalKey!, now).Lay(session);
            }

            if (outcome.Original is { } state && !Move(session, original!.SwitchKey, original.State, state))
            {
                throw new InvalidOperationException("an authorisation changed its state under its own reversal");
            }

            if (outcome.VoidedSale is { } sale)
            {
                Move(session, voided!.SwitchKey, voided.State, sale);
            }

            LedgerEntry[] posted = outcome.Money switch
            {
                MoneyEffect.GiveBack => GiveBack(session, original!.SwitchKey, EntryKind.Reversal, original, now),
                MoneyEffect.TakeAgain => TakeAgain(session, original!, voided!, now),
                _ => [],
            };
            return (outcome.Decision, posted);
        });

        trace.Decision(reference, decision);
        trace.Posted(reference, entries);
        return Answer(message, decision, approval: null);
    }

    private LedgerEntry[] GiveBack(Session session, string transaction, EntryKind kind, Authorisation original, DateTimeOffset now)
    {
        var closed = Account.ById(session, options.Institution, original.Account) is not { Closed: false };
        var entries = Ledger.Pair(transaction, kind, closed ? Ledger.Suspense : original.Account, original.Amount, Ledger.Settlement, now);
        Ledger.TryPost(session, options.Institution, entries, guarded: false);
        Rewards.Post(session, options.Institution, original.Account, transaction, kind, -original.Reward.For(original.Amount), now);
        return entries;
    }

    // The sale was approved once and stands again: no funds check, the debt is real. From where the void had put the money.
    private LedgerEntry[] TakeAgain(Session session, Authorisation original, Authorisation voided, DateTimeOffset now)
    {
        var entries = Ledger.Pair(original.SwitchKey, EntryKind.Reversal, original.BookedAccount, -original.Amount, Ledger.Settlement, now);
        Ledger.TryPost(session, options.Institution, entries, guarded: false);
        Rewards.Post(session, options.Institution, voided.Account, original.SwitchKey, EntryKind.Reversal, voided.Reward.For(voided.Amount), now);
        return entries;
    }
}
