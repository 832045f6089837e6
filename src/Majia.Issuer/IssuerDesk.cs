using System.Globalization;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Issuer;

/// <param name="Holder">Masked name.</param>
public sealed record AccountView(string Account, string Customer, string Holder, CardKind Kind, Amount Balance, Amount Available, long Points, bool Closed);

/// <param name="Masked">The plastic's number, first six and last four.</param>
public sealed record CardView(string Card, string Account, string Customer, string Holder, string Masked, CardKind Kind, CardState State, PinPolicy PinPolicy, string Expiry);

/// <summary>A device card as the bank's hotline sees it.</summary>
public sealed record DeviceCardView(string Card, string TokenUniqueReference, string LastFour, string Model, TokenState State, DateTimeOffset Since)
{
    /// <summary>What it may spend beside what the card may; null where the bank keeps no row of it.</summary>
    public DeviceCardLimits? Limits { get; init; }
}

/// <summary>What the digits on a slip lead to: the plastic behind them, the sale, and how to undo it (R19, R20).</summary>
public sealed record ResolvedSale(
    string DeviceLastFour, string? DeviceModel, CardView Plastic, string Rrn, string Approval, DateTimeOffset At, Amount Amount, string Merchant, string MerchantName,
    string Terminal, Operation Operation, AuthorisationState State, Text HowToUndo);

/// <summary>Plastic and device cards that end in the digits asked for, and their transactions, newest first.</summary>
public sealed record Resolution(IReadOnlyList<CardView> Plastics, IReadOnlyList<ResolvedSale> Sales);

/// <summary>The bank's counter and hotline: what its own staff may see and do. Numbers are masked, as everywhere.</summary>
public sealed partial class IssuerDesk(IssuerOptions options, Store store, KeyModule keys, TimeProvider time, Entropy entropy)
{
    public Text Bank => options.Name;

    public string Institution => options.Institution;

    public IReadOnlyList<AccountView> Accounts() => store.Read(session => session.Query(
        """
        SELECT a.account, a.customer, a.kind, a.currency, a.balance, a.credit_limit, a.closed, c.name,
          (SELECT COALESCE(SUM(points), 0) FROM issuer_rewards r WHERE r.institution = a.institution AND r.account = a.account)
            + (SELECT COALESCE(SUM(points), 0) FROM issuer_ledger l WHERE l.institution = a.institution AND l.account = a.account)
        FROM issuer_accounts a JOIN issuer_customers c ON c.institution = a.institution AND c.customer = a.customer
        WHERE a.institution = $1 ORDER BY a.account
        """,
        row =>
        {
            var account = Issuer.Account.Map(row);
            return new AccountView(account.Id, account.Customer, MaskName(row.GetString(7)), account.Kind, account.Balance, account.Available, row.GetInt64(8), account.Closed);
        },
        options.Institution));

    public AccountView AccountOf(string account) => Accounts().Single(a => a.Account == account);

    public IReadOnlyList<CardView> Cards() => store.Read(session => Card.All(session, options.Institution).ConvertAll(card => View(session, card)));

    /// <summary>The card of a full number, as it is typed at the counter; null when it is not this bank's.</summary>
    public CardView? Find(Pan pan)
    {
        var index = keys.Index(IssuerKeys.Index, pan);
        return store.Read(session => Card.ByNumber(session, options.Institution, index) is { } card ? View(session, card) : null);
    }

    public long Points(string account) => store.Read(session =>
        session.Number($"SELECT {Rewards.Sum}", options.Institution, account) ?? 0);

    /// <summary>The bank's outbox to one customer, oldest first.</summary>
    public IReadOnlyList<CustomerMessage> Messages(string customer) => store.Read(session => CustomerMessage.Of(session, keys, options.Institution, customer));

    public IReadOnlyList<DeviceCardView> DeviceCards(string card) => store.Read(session =>
    {
        var now = time.GetUtcNow();
        var rule = Card.ById(session, options.Institution, card) is { } plastic ? NewCardLimits.Of(options.NewCardLimits, plastic.Masked) : null;
        return session
            .Query(
                "SELECT card, token_reference, last_four, model, state, at FROM issuer_devices WHERE institution = $1 AND card = $2 ORDER BY at, token_reference",
                row => new DeviceCardView(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), Enum.Parse<TokenState>(row.GetString(4)), row.Instant(5)),
                options.Institution, card)
            .ConvertAll(device => device with { Limits = LimitRow.Find(session, options.Institution, card, device.LastFour)?.At(rule, now) });
    });

    /// <summary>Limits of one device card, counted from the next payment on; null takes one away. False: the plastic has no such live device card.</summary>
    public Task<bool> LimitDeviceCardAsync(string card, string tokenReference, OwnLimits limits, LimitAuthor by) => store.CommitAsync(session =>
    {
        if (Card.Hold(session, options.Institution, card) is null
            || session.Text("SELECT last_four FROM issuer_devices WHERE institution = $1 AND card = $2 AND token_reference = $3 AND state <> 'Deactivated'", options.Institution, card, tokenReference) is not { } lastFour
            || LimitRow.Find(session, options.Institution, card, lastFour) is not { } row)
        {
            return false;
        }

        (row with { PerPayment = limits.PerPayment, PerDay = limits.PerDay }).Write(session);
        LimitHistory.Add(session, options.Institution, tokenReference, lastFour, by, new(row.PerPayment, row.PerDay), limits, time.GetUtcNow());
        return true;
    });

    /// <summary>Who changed which limit of the plastic's device cards, when, from what and to what; oldest first.</summary>
    public IReadOnlyList<LimitChange> LimitChanges(string card) => store.Read(session => LimitHistory.Of(session, options.Institution, card));

    /// <summary>Entries of the transaction that carries this RRN: the sale's with its reversal, or a void's.</summary>
    public IReadOnlyList<LedgerEntry> LedgerOf(string rrn) => store.Read(session => session
        .Query("SELECT switch_key, account, booked_account FROM issuer_authorisations WHERE institution = $1 AND rrn = $2 ORDER BY at, switch_key", row => (Key: row.GetString(0), Accounts: (string[])[row.GetString(1), row.GetString(2)]), options.Institution, rrn)
        .SelectMany(one => Ledger.Of(session, options.Institution, one.Key, one.Accounts)).ToList());

    /// <summary>The account's last entries, newest first.</summary>
    public IReadOnlyList<LedgerEntry> Statement(string account, int limit) => store.Read(session => Ledger.Last(session, options.Institution, account, limit));

    /// <summary><see cref="LedgerOf"/> as aligned text.</summary>
    public string LedgerText(string rrn) => Ledger.Print(LedgerOf(rrn));

    /// <summary>The last-four resolver: type what is on the slip. Anything more narrows it down.</summary>
    /// <param name="lastFour">Of the device number on the slip (or of the plastic, which then only names the card).</param>
    /// <param name="day">The bank's local date.</param>
    public Resolution Resolve(string lastFour, string? rrn = null, Amount? amount = null, DateOnly? day = null) => store.Read(session =>
    {
        var sales = session.Query(
            """
            SELECT t.device_last_four, t.card, t.rrn, t.approval, t.at, t.amount, t.currency, t.merchant, t.merchant_name, t.terminal, t.operation, t.state
            FROM issuer_authorisations t WHERE t.institution = $1 AND t.device_last_four = $2 AND t.card <> '' AND ($3 = '' OR t.rrn = $3) AND ($4 = -1 OR t.amount = $4)
            ORDER BY t.at DESC, t.switch_key
            """,
            row => (Last: row.GetString(0), Card: row.GetString(1), Rrn: row.GetString(2), Approval: row.GetString(3), At: row.Instant(4),
                Amount: new Amount(row.GetInt64(5), new Currency((int)row.GetInt64(6))), Merchant: row.GetString(7), Name: row.GetString(8), Terminal: row.GetString(9),
                Operation: Enum.Parse<Operation>(row.GetString(10)), State: Enum.Parse<AuthorisationState>(row.GetString(11))),
            options.Institution, lastFour, rrn ?? "", amount?.Minor ?? -1);
        var resolved = sales
            .Where(sale => day is null || DateOnly.FromDateTime(BankTime.Local(sale.At).DateTime) == day)
            .Select(sale => new ResolvedSale(
                sale.Last,
                session.Text("""
                    SELECT model FROM issuer_devices WHERE institution = $1 AND last_four = $3
                      AND card IN (SELECT b.card FROM issuer_cards a JOIN issuer_cards b ON b.institution = a.institution AND b.account = a.account WHERE a.institution = $1 AND a.card = $2) ORDER BY at DESC
                    """, options.Institution, sale.Card, sale.Last),
                View(session, Card.ById(session, options.Institution, sale.Card)!), sale.Rrn, sale.Approval, sale.At, sale.Amount, sale.Merchant, sale.Name, sale.Terminal,
                sale.Operation, sale.State, HowToUndo(sale.Operation, sale.State, sale.At)))
            .ToList();
        var plastics = session
            .Query("SELECT DISTINCT card FROM issuer_devices WHERE institution = $1 AND last_four = $2 ORDER BY card", row => row.GetString(0), options.Institution, lastFour)
            .Concat(resolved.Select(sale => sale.Plastic.Card))
            .Concat(Card.All(session, options.Institution).Where(card => card.Masked.EndsWith(lastFour, StringComparison.Ordinal)).Select(card => card.Id))
            .Distinct(StringComparer.Ordinal)
            .Select(card => View(session, Card.ById(session, options.Institution, card)!))
            .ToList();
        return new Resolution(plastics, resolved);
    });

    /// <summary>Hotline: from now on the plastic and every device card of it decline (R23). False: the card is lost, stolen, replaced or closed already.</summary>
    public Task<bool> ReportLostAsync(string card, bool stolen = false) => store.CommitAsync(session => session.Execute(
        "UPDATE issuer_cards SET state_before = state, state = $3 WHERE institution = $1 AND card = $2 AND state NOT IN ('Lost', 'Stolen', 'Closed', 'Replaced')",
        options.Institution, card, (stolen ? CardState.Stolen : CardState.Lost).ToString()) == 1);

    /// <summary>The card was found: it is again what it was before the report. False: nothing was reported.</summary>
    public Task<bool> LiftReportAsync(string card) => store.CommitAsync(session => session.Execute(
        "UPDATE issuer_cards SET state = COALESCE(state_before, 'Normal'), state_before = NULL WHERE institution = $1 AND card = $2 AND state IN ('Lost', 'Stolen')",
        options.Institution, card) == 1);

    /// <summary>A command for the plastic's chip (block, unblock, a limit): it goes with the answer to the card's next payment over contacts, under the bank's MAC. False: there is no such card, or no such command.</summary>
    /// <param name="tag">Of PUT DATA: the element, and its new value.</param>
    public async Task<bool> TellPlasticAsync(string card, Plastic.PlasticOrderKind kind, Core.Tlv.Tag? tag = null, ReadOnlyMemory<byte> value = default)
    {
        if (Plastic.PlasticScript.CommandOf(kind, tag, value.Span) is not { } command)
        {
            return false;
        }

        var now = time.GetUtcNow();
        return await store.CommitAsync(session =>
        {
            if (Card.Hold(session, options.Institution, card) is null)
            {
                return false;
            }

            Plastic.PlasticScript.Add(session, options.Institution, card, command, now);
            return true;
        });
    }

    /// <summary>Commands that this plastic's chip has not confirmed yet.</summary>
    public long WaitingForPlastic(string card) => store.Read(session =>
        session.Number("SELECT COUNT(*) FROM issuer_scripts WHERE institution = $1 AND card = $2 AND done = 0", options.Institution, card) ?? 0);

    /// <summary>Electronic cash that stands on chips, as the books have it.</summary>
    public Amount ElectronicCash => store.Read(session =>
        Amount.Cny(session.Number("SELECT COALESCE(SUM(amount), 0) FROM issuer_ledger WHERE institution = $1 AND account = $2", options.Institution, Ledger.ElectronicCash) ?? 0));

    /// <summary>Closes an account with its cards; money that comes back later waits in suspense (decisions.md 9).</summary>
    /// <remarks>The token service deletes the device cards when it hears of it; they decline from now on.</remarks>
    public Task CloseAccountAsync(string account) => store.CommitAsync(session =>
    {
        var now = time.GetUtcNow();
        session.Execute("UPDATE issuer_accounts SET closed = 1 WHERE institution = $1 AND account = $2", options.Institution, account);
        foreach (var card in Card.All(session, options.Institution).Where(card => card.Account == account && card.State is not (CardState.Closed or CardState.Replaced)))
        {
            session.Execute("UPDATE issuer_cards SET state = 'Closed', state_before = NULL WHERE institution = $1 AND card = $2", options.Institution, card.Id);
            Errand.Add(session, options.Institution, $"closed/{card.Id}", IssuerToken.Operations.AccountClosed, card.Id, null, "ACCOUNT_CLOSED", now);
        }
    });

    /// <summary>At the counter, identity shown: PIN entry opens again on every face of the card.</summary>
    public Task UnlockPinAsync(string card) => store.CommitAsync(session =>
    {
        session.Execute("UPDATE issuer_cards SET pin_locked = 0 WHERE institution = $1 AND card = $2", options.Institution, card);
        session.Execute("DELETE FROM issuer_pin_tries WHERE institution = $1 AND card = $2", options.Institution, card);
    });

    /// <summary>What must always hold, as sentences of what does not: empty is good.</summary>
    public IReadOnlyList<string> BrokenInvariants() => store.Read(session =>
    {
        var broken = new List<string>();
        broken.AddRange(session.Query(
            "SELECT transaction_key, currency, SUM(amount) FROM issuer_ledger WHERE institution = $1 GROUP BY transaction_key, currency HAVING SUM(amount) <> 0 ORDER BY transaction_key",
            row => string.Create(CultureInfo.InvariantCulture, $"ledger of {row.GetString(0)} in currency {row.GetInt64(1)} sums to {row.GetInt64(2)}, not zero"), options.Institution));
        broken.AddRange(session.Query(
            """
            SELECT a.account, a.balance, (SELECT COALESCE(SUM(l.amount), 0) FROM issuer_ledger l WHERE l.institution = a.institution AND l.account = a.account) AS booked
            FROM issuer_accounts a WHERE a.institution = $1
              AND a.balance <> (SELECT COALESCE(SUM(l.amount), 0) FROM issuer_ledger l WHERE l.institution = a.institution AND l.account = a.account) ORDER BY a.account
            """,
            row => string.Create(CultureInfo.InvariantCulture, $"account {row.GetString(0)} stands at {row.GetInt64(1)}, its ledger at {row.GetInt64(2)}"), options.Institution));
        broken.AddRange(session.Query(
            """
            SELECT t.switch_key, t.state FROM issuer_authorisations t LEFT JOIN (
                SELECT COALESCE(v.original_key, l.transaction_key) AS sale, SUM(-l.amount) AS moved
                FROM issuer_ledger l LEFT JOIN issuer_authorisations v ON v.institution = l.institution AND v.switch_key = l.transaction_key
                WHERE l.institution = $1 AND l.account <> $2 GROUP BY COALESCE(v.original_key, l.transaction_key)) b ON b.sale = t.switch_key
            WHERE t.institution = $1 AND t.operation = 'Sale' AND t.state <> 'Voided'
              AND COALESCE(b.moved, 0) <> CASE WHEN t.state = 'Approved' THEN t.amount - t.refunded ELSE 0 END ORDER BY t.switch_key
            """,
            row => $"sale {row.GetString(0)} is {row.GetString(1)}, its money is not", options.Institution, Ledger.Settlement));
        return broken;
    });

    private CardView View(Session session, Card card) => new(
        card.Id, card.Account, card.Customer, Issuer.Customer.ById(session, options.Institution, card.Customer)?.MaskedName ?? "", card.Masked, card.Kind, card.State, card.PinPolicy, card.Expiry);

    private static string MaskName(string name) => name.Length == 0 ? "" : name[..1] + new string('*', name.Length - 1);

    private Text HowToUndo(Operation operation, AuthorisationState state, DateTimeOffset at) => (operation, state) switch
    {
        (Operation.Refund, AuthorisationState.Approved) => new("This is a refund: the money has gone back.", "这是一笔退货，款项已退回。"),
        (Operation.Void, AuthorisationState.Approved) => new("This is a void: the money has gone back.", "这是一笔撤销，款项已退回。"),
        (_, AuthorisationState.Declined) => new("It was declined: no money moved.", "交易未成功，未动账。"),
        (_, AuthorisationState.Voided) => new("It has been voided: the money has gone back.", "已撤销，款项已退回。"),
        (_, AuthorisationState.Reversed) => new("It has been reversed: the money has gone back.", "已冲正，款项已退回。"),
        _ when BankTime.Date(at) == BankTime.Date(time.GetUtcNow()) =>
            new("The merchant can void it until its batch is settled, with this RRN; after that it refunds. The plastic is not wanted for either.", "批次结算前商户可凭此参考号撤销，结算后可退货；均无需出示实体卡。"),
        _ => new("Its batch is settled by now: the merchant refunds it with this RRN. The plastic is not wanted.", "批次已结算：商户可凭此参考号退货，无需出示实体卡。"),
    };
}
