using System.Data.Common;
using System.Globalization;
using Majia.Core.Contracts;
using Majia.Issuer;
using Majia.Storage;
using Majia.Terminal;
using Majia.Terminal.Line;
using Majia.TokenService.Enrolment;

namespace Majia.Simulation;

/// <summary>One line of a bank's books.</summary>
public sealed record Booked(string Institution, string Key, string Operation, string State, string Code, long Amount, string Rrn, string Terminal);

/// <summary>What every invariant looks at: the committed books of all banks, read once a step.</summary>
public sealed class Evidence
{
    public Evidence(World world)
    {
        World = world;
        foreach (var bank in world.Cast.Banks)
        {
            Books.AddRange(world.Read($"issuer-{bank.Institution}", session => session.Query(
                "SELECT institution, switch_key, operation, state, code, amount, rrn, terminal FROM issuer_authorisations WHERE institution = $1 ORDER BY at, switch_key",
                static row => new Booked(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetInt64(5), row.GetString(6), row.GetString(7)), bank.Institution)));
        }
    }

    public World World { get; }

    public List<Booked> Books { get; } = [];
}

/// <summary>A sentence that is always true, or whose opposite is a finding.</summary>
/// <param name="AtRest">Looked at when the network is healed and every outbox has had its time; else after every step.</param>
/// <param name="Broken">What does not hold, or null.</param>
public sealed record Invariant(string Name, bool AtRest, Func<Evidence, string?> Broken);

public static class Invariants
{
    /// <summary>One row a line; the first that is broken names the finding.</summary>
    public static IReadOnlyList<Invariant> Table { get; } =
    [
        new("no-surprise", false, evidence => evidence.World.Surprised),
        new("no-pan-on-the-merchants-side", false, evidence => evidence.World.Watch.Leak),
        new("one-approval-per-counter", false, evidence => evidence.World.Watch.Clash),
        new("suspended-never-approves", false, evidence => evidence.World.Watch.BarBroken),
        new("ledger-sums-to-zero", false, LedgerSumsToZero),
        new("balances-are-the-ledger", false, BalancesAreTheLedger),
        new("debited-at-most-once", false, DebitedAtMostOnce),
        new("seen-approval-survives", false, SeenApprovalSurvives),
        new("slots-of-phone-and-card", false, Slots),
        new("purge-holds", false, PurgeHolds),
        new("refunded-at-most-once", false, RefundedAtMostOnce),
        new("nothing-waits", true, NothingWaits),
        new("terminals-and-books-agree", true, TerminalsAndBooksAgree),
        new("refunds-arrive", true, RefundsArrive),
        new("device-cards-follow-their-plastic", true, DeviceCardsFollowTheirPlastic),
        new("everyone-has-the-same-cards", true, EveryoneHasTheSameCards),
        new("no-pan-in-wallet-or-phone", true, NoPanAtRest),
    ];

    /// <summary>Per transaction and per currency.</summary>
    private static string? LedgerSumsToZero(Evidence evidence) => OfEachBank(evidence, "SELECT transaction_key, SUM(amount) FROM issuer_ledger WHERE institution = $1 GROUP BY transaction_key, currency HAVING SUM(amount) <> 0 ORDER BY transaction_key",
        static row => string.Create(CultureInfo.InvariantCulture, $"the ledger entries of {row.GetString(0)} sum to {row.GetInt64(1)}"));

    /// <summary>Opening balance is an entry too.</summary>
    private static string? BalancesAreTheLedger(Evidence evidence) => OfEachBank(evidence,
        "SELECT a.account, a.balance, COALESCE(SUM(l.amount), 0) FROM issuer_accounts a LEFT JOIN issuer_ledger l ON l.institution = a.institution AND l.account = a.account WHERE a.institution = $1 GROUP BY a.account, a.balance HAVING a.balance <> COALESCE(SUM(l.amount), 0) ORDER BY a.account",
        static row => string.Create(CultureInfo.InvariantCulture, $"account {row.GetString(0)} stands at {row.GetInt64(1)}, its ledger at {row.GetInt64(2)}"));

    /// <summary>decisions.md 19. The amount names the sale: no two sales of a run have the same.</summary>
    private static string? DebitedAtMostOnce(Evidence evidence)
    {
        var seen = new Dictionary<(string, long), Booked>();
        foreach (var sale in evidence.Books)
        {
            if (sale is { Operation: nameof(Operation.Sale), Code: "00" } && !seen.TryAdd((sale.Terminal, sale.Amount), sale))
            {
                return string.Create(CultureInfo.InvariantCulture, $"the sale of {sale.Amount} fen at {sale.Terminal} is debited by {seen[(sale.Terminal, sale.Amount)].Key} and by {sale.Key}");
            }
        }

        return null;
    }

    /// <summary>An approval that a terminal got is in the bank's committed books, and stands there unless somebody undid it.</summary>
    private static string? SeenApprovalSurvives(Evidence evidence)
    {
        var watch = evidence.World.Watch;
        var books = evidence.Books.Where(row => row.Code == "00").ToLookup(row => row.Rrn, StringComparer.Ordinal);
        foreach (var (rrn, seen) in watch.Approvals)
        {
            if (books[rrn].FirstOrDefault() is not { } row)
            {
                return $"{seen.Key} got its 00 with RRN {rrn}, and the bank's books do not know it";
            }

            if (!seen.IsVoid && row.State != nameof(AuthorisationState.Approved) && !watch.Voided.Contains(rrn) && !watch.Reversed.Contains(seen.Key))
            {
                return $"{seen.Key} got its 00 with RRN {rrn}, nobody undid it, and the bank has it as {row.State}";
            }
        }

        return null;
    }

    /// <summary>R9, R10: rows and living device cards alike.</summary>
    private static string? Slots(Evidence evidence) => evidence.World.Read("token-service", session =>
        One(session, "SELECT seid, COUNT(*) FROM token_token WHERE state <> 'Deactivated' GROUP BY seid HAVING COUNT(*) > $1", "a chip", Eligibility.MaxOnDevice)
        ?? One(session, "SELECT hex(pan_index), COUNT(*) FROM token_token WHERE state <> 'Deactivated' GROUP BY pan_index HAVING COUNT(*) > $1", "a plastic", Eligibility.MaxOfCard)
        ?? One(session, "SELECT seid, COUNT(*) FROM token_token WHERE state <> 'Deactivated' GROUP BY seid, pan_index HAVING COUNT(*) > $1", "one plastic on one chip", 1)
        ?? One(session, "SELECT t.seid, COUNT(*) FROM token_token t WHERE t.state <> 'Deactivated' AND NOT EXISTS (SELECT 1 FROM token_card_slot s WHERE s.tur = t.tur) GROUP BY t.seid HAVING COUNT(*) > $1", "a living device card without its place", 0));

    private static string? One(Session session, string sql, string what, int limit) =>
        session.One(sql, row => string.Create(CultureInfo.InvariantCulture, $"{what}: {row.GetInt64(1)} where at most {limit} may be"), limit);

    /// <summary>Outboxes are empty, nothing is dead, nothing is in progress, no terminal keeps a reversal.</summary>
    private static string? NothingWaits(Evidence evidence)
    {
        var world = evidence.World;
        foreach (var (role, prefix) in (ReadOnlySpan<(string, string)>)[("acquirer", "acquirer"), ("network", "network"), ("token-service", "token")])
        {
            if (world.Read(role, session => session.One($"SELECT kind, reference, attempts, COALESCE(why, 'not delivered') FROM {prefix}_outbox ORDER BY id", static row => string.Create(CultureInfo.InvariantCulture, $"{row.GetString(0)} of {row.GetString(1)}, {row.GetInt64(2)} tries: {row.GetString(3)}"))) is { } waiting)
            {
                return $"{role} still keeps {waiting}";
            }
        }

        foreach (var bank in world.Cast.Banks)
        {
            if (world.Read($"issuer-{bank.Institution}", session => session.One("SELECT operation, card, attempts FROM issuer_errands WHERE institution = $1 AND done_at IS NULL ORDER BY sequence", static row => string.Create(CultureInfo.InvariantCulture, $"{row.GetString(0)} of {row.GetString(1)}, {row.GetInt64(2)} tries"), bank.Institution)) is { } untold)
            {
                return $"bank {bank.Institution} has not told the token service {untold}";
            }
        }

        foreach (var counter in world.Counters)
        {
            if (counter.IsBusy)
            {
                return $"terminal {counter.Till.Terminal} is still busy";
            }

            if (counter.Device.Pending is [var pending, ..])
            {
                return $"terminal {counter.Till.Terminal} still keeps the reversal of {pending.Batch}/{pending.Stan}";
            }
        }

        return world.Read("acquirer", session => session.One("SELECT terminal, stan FROM acquirer_transaction WHERE code IS NULL", static row => $"the acquirer never closed {row.GetString(0)}/{row.GetString(1)}"))
            ?? world.Read("network", session => session.One("SELECT switch_key FROM network_transaction WHERE code IS NULL", static row => $"the network never closed {row.GetString(0)}"));
    }

    /// <summary>Every 0200 ended: what the terminal holds for approved stands at the bank, what it voided is voided there, and nothing else costs anybody anything.</summary>
    private static string? TerminalsAndBooksAgree(Evidence evidence)
    {
        var world = evidence.World;
        var books = evidence.Books.Where(row => row is { Code: "00", Operation: nameof(Operation.Sale) }).ToLookup(row => row.Rrn, StringComparer.Ordinal);
        var standing = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var counter in world.Counters)
        {
            foreach (var row in counter.Device.Journal(10_000).Where(row => row.Request.Kind == TransactionKind.Sale))
            {
                var name = $"{counter.Till.Terminal}/{row.Request.Batch}/{row.Request.Stan}";
                switch (row.State)
                {
                    case JournalState.Approved:
                        standing.Add(row.Rrn!);
                        if (books[row.Rrn!].FirstOrDefault()?.State is not nameof(AuthorisationState.Approved) and var state)
                        {
                            return $"terminal has {name} ({row.Rrn}) approved, the bank {state ?? "does not know it"}";
                        }

                        break;

                    case JournalState.Voided when books[row.Rrn!].FirstOrDefault()?.State is nameof(AuthorisationState.Approved):
                        return $"terminal has {name} ({row.Rrn}) voided, the bank still has its money";

                    case JournalState.Sent:
                        return $"terminal never learnt what became of {name}";
                }
            }
        }

        // What a thief bought with a cryptogram that nobody else had used stands, and is no error of any party.
        var thefts = world.Read("acquirer", session => session.Query("SELECT rrn, terminal || '/' || batch || '/' || stan FROM acquirer_transaction WHERE rrn IS NOT NULL ORDER BY rrn", static row => (Rrn: row.GetString(0), Key: row.GetString(1))))
            .Where(row => world.Watch.Thefts.Contains(row.Key)).Select(row => row.Rrn).ToHashSet(StringComparer.Ordinal);
        var orphan = evidence.Books.FirstOrDefault(row => row is { Code: "00", Operation: nameof(Operation.Sale), State: nameof(AuthorisationState.Approved) } && !standing.Contains(row.Rrn) && !thefts.Contains(row.Rrn));
        return orphan is null ? null : string.Create(CultureInfo.InvariantCulture, $"the bank keeps {orphan.Amount} fen of RRN {orphan.Rrn} at {orphan.Terminal}, which no terminal has as approved");
    }

    /// <summary>R24: what died in a purge is never alive in the chip again.</summary>
    private static string? PurgeHolds(Evidence evidence)
    {
        foreach (var handset in evidence.World.Handsets.Where(static handset => handset.Purged.Count > 0))
        {
            if (handset.LiveInChip().FirstOrDefault(handset.Purged.Contains) is { } undead)
            {
                return $"phone {handset.Number} was signed out and said that its cards are gone, and its chip still pays with {undead.Split('/')[0]}";
            }
        }

        return null;
    }

    /// <summary>R20: what refunds give back is at most what the sale took, at the bank and by its own count.</summary>
    private static string? RefundedAtMostOnce(Evidence evidence) => OfEachBank(evidence,
        """
        SELECT s.rrn, s.amount, s.refunded, COALESCE(SUM(r.amount), 0) FROM issuer_authorisations s
        LEFT JOIN issuer_authorisations r ON r.institution = s.institution AND r.original_key = s.switch_key AND r.operation = 'Refund' AND r.code = '00' AND r.state = 'Approved'
        WHERE s.institution = $1 AND s.operation = 'Sale'
        GROUP BY s.switch_key, s.rrn, s.amount, s.refunded HAVING COALESCE(SUM(r.amount), 0) > s.amount OR COALESCE(SUM(r.amount), 0) <> s.refunded ORDER BY s.rrn
        """,
        static row => string.Create(CultureInfo.InvariantCulture, $"of the {row.GetInt64(1)} fen of RRN {row.GetString(0)} {row.GetInt64(3)} came back in refunds, and the sale counts {row.GetInt64(2)}"));

    /// <summary>What a terminal printed as refunded stands in the bank's books, to the fen.</summary>
    private static string? RefundsArrive(Evidence evidence)
    {
        var books = evidence.Books.Where(row => row is { Code: "00", Operation: nameof(Operation.Refund) }).ToLookup(row => row.Rrn, StringComparer.Ordinal);
        foreach (var counter in evidence.World.Counters)
        {
            foreach (var row in counter.Device.Journal(10_000).Where(row => row is { Request.Kind: TransactionKind.Refund, State: JournalState.Approved }))
            {
                if (books[row.Rrn!].Sum(booked => booked.Amount) is var booked && booked != row.Request.Amount.Minor)
                {
                    return string.Create(CultureInfo.InvariantCulture, $"terminal {counter.Till.Terminal} gave back {row.Request.Amount.Minor} fen ({row.Rrn}), the bank booked {booked}");
                }
            }
        }

        return null;
    }

    /// <summary>R22: a plastic that was replaced has no living device card. What moved is the vault's and the bank's alike, on the newest plastic, under the device number of before.</summary>
    private static string? DeviceCardsFollowTheirPlastic(Evidence evidence)
    {
        var world = evidence.World;
        foreach (var bank in world.Cast.Banks)
        {
            var states = world.Read($"issuer-{bank.Institution}", session => session.Query(
                "SELECT card, state FROM issuer_cards WHERE institution = $1", static row => (Card: row.GetString(0), State: row.GetString(1)), bank.Institution)).ToDictionary(StringComparer.Ordinal);
            var devices = world.Read($"issuer-{bank.Institution}", session => session.Query(
                "SELECT token_reference, card, last_four FROM issuer_devices WHERE institution = $1", static row => (Tur: row.GetString(0), Known: (Card: row.GetString(1), Face: row.GetString(2))), bank.Institution)).ToDictionary(StringComparer.Ordinal);
            foreach (var plastic in world.Plastics.Of(bank))
            {
                var index = world.Keys["token-service"].Index("vault.index", plastic.Pan);
                foreach (var (tur, token) in world.Read("token-service", session => session.Query(
                    "SELECT tur, token FROM token_token WHERE pan_index = $1 AND state <> 'Deactivated' ORDER BY tur", static row => (row.GetString(0), row.GetString(1)), index)))
                {
                    if (states[plastic.Card] == nameof(CardState.Replaced))
                    {
                        return $"plastic {plastic.Card} was replaced, and the vault keeps the device card {tur} of it alive";
                    }

                    if (devices.TryGetValue(tur, out var known) && known != (plastic.Card, token[^4..]))
                    {
                        return $"device card {tur} is …{token[^4..]} of {plastic.Card} at the vault, and …{known.Face} of {known.Card} at the bank";
                    }
                }
            }
        }

        return null;
    }

    /// <summary>Phone, chip, cloud, vault and bank, once each has been compared: the same live device cards, in the same state, and no place held by nobody. What still waits for its code is nobody's yet.</summary>
    private static string? EveryoneHasTheSameCards(Evidence evidence)
    {
        var world = evidence.World;
        var banks = world.Cast.Banks.SelectMany(bank => world.Read($"issuer-{bank.Institution}", session => session.Query(
            "SELECT token_reference, state FROM issuer_devices WHERE institution = $1 AND state IN ('Active', 'Suspended')", static row => (Tur: row.GetString(0), State: row.GetString(1)), bank.Institution))).ToDictionary(StringComparer.Ordinal);
        var places = world.Read("token-service", session => session.Query(
            "SELECT tur FROM token_device_slot WHERE tur NOT IN (SELECT tur FROM token_token WHERE state <> 'Deactivated') UNION ALL SELECT tur FROM token_card_slot WHERE tur NOT IN (SELECT tur FROM token_token WHERE state <> 'Deactivated')",
            static row => row.GetString(0)));
        if (places.FirstOrDefault() is { } place)
        {
            return $"a place is held by {place}, which is no living device card";
        }

        foreach (var handset in world.Handsets)
        {
            var seid = handset.Chip.Seid;
            var vault = world.Read("token-service", session => session.Query(
                "SELECT tur, state, instance_aid FROM token_token WHERE seid = $1 AND state IN ('Active', 'Suspended') ORDER BY tur", static row => (Tur: row.GetString(0), State: row.GetString(1), Aid: row.GetString(2)), seid));
            var cloud = world.Read("wallet", session => session.Query(
                "SELECT c.tur, c.state, c.card_reference FROM wallet_card c JOIN wallet_device d ON d.device_id = c.device_id WHERE d.seid = $1 AND c.state IN ('Active', 'Suspended') ORDER BY c.tur",
                static row => (Tur: row.GetString(0), State: row.GetString(1), Card: row.GetString(2)), seid));
            var phone = handset.Device.State.Cards.Where(static card => card.State is EnrolmentState.Active or EnrolmentState.Suspended).OrderBy(card => card.CardReference, StringComparer.Ordinal).Select(card => (card.CardReference, State: card.State.ToString()));
            var chip = handset.SelectableInChip().Order(StringComparer.Ordinal);
            var who = $"phone {handset.Number}: ";
            if ((Differ(who + "vault and cloud", vault.Select(row => $"{row.Tur} {row.State}"), cloud.Select(row => $"{row.Tur} {row.State}"))
                ?? Differ(who + "vault and bank", vault.Select(row => $"{row.Tur} {row.State}"), vault.Where(row => banks.ContainsKey(row.Tur)).Select(row => $"{row.Tur} {banks[row.Tur]}"))
                ?? Differ(who + "cloud and phone", cloud.OrderBy(row => row.Card, StringComparer.Ordinal).Select(row => $"{row.Card} {row.State}"), phone.Select(card => $"{card.CardReference} {card.State}"))
                ?? Differ(who + "vault and chip", vault.Select(row => row.Aid).Order(StringComparer.Ordinal), chip)) is { } difference)
            {
                return difference;
            }

            foreach (var row in vault)
            {
                banks.Remove(row.Tur);
            }
        }

        return banks.Count == 0 ? null : $"a bank still lists {banks.First().Key}, which the vault does not hold";
    }

    private static string? Differ(string who, IEnumerable<string> one, IEnumerable<string> other)
    {
        var (left, right) = (one.ToList(), other.ToList());
        return left.SequenceEqual(right, StringComparer.Ordinal) ? null : $"{who} differ: [{string.Join(", ", left)}] and [{string.Join(", ", right)}]";
    }

    private static string? NoPanAtRest(Evidence evidence)
    {
        var world = evidence.World;
        if (world.IsSplit && world.Watch.HoldsPan(world.NodeOf("wallet").Store.Snapshot()))
        {
            return "a plastic's number is in the wallet's store";
        }

        var phone = world.Handsets.FirstOrDefault(handset => world.Watch.HoldsPan(handset.Store.Snapshot()));
        return phone is not null ? $"a plastic's number is in the store of phone {phone.Number}"
            : world.Watch.HoldsPan(world.NodeOf("acquirer").Store.Snapshot()) ? "a plastic's number is in a server's store, in clear"
            : null;
    }

    private static string? OfEachBank(Evidence evidence, string sql, Func<DbDataReader, string> says) => evidence.World.Cast.Banks
        .Select(bank => evidence.World.Read($"issuer-{bank.Institution}", session => session.One(sql, says, bank.Institution)))
        .FirstOrDefault(found => found is not null);
}
