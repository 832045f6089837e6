using System.Globalization;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>A bank of the demonstration, with everything that it starts with.</summary>
/// <param name="Version">Raised when rows are added: what is there is kept, what is new is written.</param>
public sealed record SeedBank(
    string Institution, Text Name, int Version, IReadOnlyList<SeedCustomer> Customers, IReadOnlyList<SeedAccount> Accounts, IReadOnlyList<SeedCard> Cards)
{
    /// <summary>The demonstration's policy of <see cref="IssuerOptions.MovesTokensOf"/>.</summary>
    public IReadOnlyList<string> MovesTokensOf { get; init; } = [];

    /// <summary>The demonstration's agents at the hotline.</summary>
    public IReadOnlyList<SeedAgent> Agents { get; init; } = [];

    /// <summary>The demonstration's limits of device cards in their first days.</summary>
    public IReadOnlyList<NewCardLimits> NewCardLimits { get; init; } = [];

    public IssuerOptions Options => new(Institution, Name) { MovesTokensOf = MovesTokensOf, NewCardLimits = NewCardLimits };
}

/// <param name="Secret">Written down for everybody to try: such an agent does not work in production mode.</param>
public sealed record SeedAgent(string Id, string Secret)
{
    public override string ToString() => Id;
}

/// <param name="Pinyin">As embossed, upper case.</param>
/// <param name="IdNumber">18 characters in the form of a resident number, of a region (99) that does not exist.</param>
/// <param name="Mobile">11 digits in a range (129) that is nobody's; null: none on file.</param>
/// <param name="DocumentExpires">yyyy-MM-dd.</param>
public sealed record SeedCustomer(string Id, string Name, string Pinyin, string IdNumber, string? Mobile, string DocumentExpires)
{
    /// <summary>Of the bank's app; null: the customer does not have it.</summary>
    public string? AppPassword { get; init; }

    public override string ToString() => Id;
}

/// <param name="Balance">Minor units; below zero is owed.</param>
/// <param name="CreditLimit">Minor units; 0 for debit and prepaid.</param>
public sealed record SeedAccount(string Id, string Customer, CardKind Kind, long Balance, long CreditLimit = 0);

/// <summary>A plastic card. Its number is made at run time from <paramref name="Bin"/>, <paramref name="Serial"/> and the check digit: no full number stands in the source.</summary>
/// <param name="Serial">Which card of its range, right-aligned between BIN and check digit.</param>
/// <param name="Length">16 or 19.</param>
/// <param name="Expiry">YYMM.</param>
/// <param name="Brands">UNIONPAY, or UNIONPAY+VISA.</param>
/// <param name="Outcome">What this card is there to show.</param>
/// <param name="Contactless">With an antenna: a terminal or a phone's back can read it through the air.</param>
/// <param name="ElectronicCash">Minor units that stand on the chip, for it to spend without asking.</param>
/// <param name="HasChip">False: a magnetic stripe alone.</param>
public sealed record SeedCard(
    string Id, string Account, string Customer, string Bin, long Serial, int Length, CardKind Kind, Text Outcome,
    string Expiry = "3012", string Cvn2 = "123", string Pin = "123456", string SequenceNumber = "01", string Brands = "UNIONPAY",
    CardState State = CardState.Normal, PinPolicy PinPolicy = PinPolicy.OverLimit, EnrolmentRisk Risk = EnrolmentRisk.Yellow,
    long? AmountLimit = null, bool PinLocked = false, bool Contactless = true, bool HasChip = true, long ElectronicCash = 0, bool OfflinePin = false)
{
    public Pan Pan
    {
        get
        {
            var payload = Bin + Serial.ToString(CultureInfo.InvariantCulture).PadLeft(Length - 1 - Bin.Length, '0');
            return Pan.Parse(payload + Luhn.CheckDigit(payload));
        }
    }
}

public static class IssuerSeed
{
    /// <summary>Writes a bank's rows once. Repeated, it writes nothing; a newer version adds what is new and leaves balances and states alone.</summary>
    /// <param name="keys">The bank's own key module, with its keys already in it.</param>
    /// <returns>True when rows were written.</returns>
    public static Task<bool> ApplyAsync(SeedBank bank, Store store, KeyModule keys, TimeProvider time, int passwordIterations = PasswordHash.DefaultIterations)
    {
        if (store.Read(session => Seeded(session, bank)))
        {
            return Task.FromResult(false);
        }

        // Sealing is the key module's work and stands before the unit.
        var customers = bank.Customers.Select(c => (
            Row: c,
            Identity: Seal(keys, c.IdNumber, IssuerKeys.IdentityContext(bank.Institution, c.Id)),
            Mobile: c.Mobile is { } mobile ? Seal(keys, mobile, IssuerKeys.MobileContext(bank.Institution, c.Id)) : null)).ToList();
        var cards = bank.Cards.Select(card => Prepare(bank, card, keys)).ToList();
        var passwords = bank.Customers.Where(c => c.AppPassword is not null)
            .Select(c => (c.Id, Hash: PasswordHash.Of(c.AppPassword!, passwordIterations, keys.Fingerprint(IssuerKeys.Index, Encoding.UTF8.GetBytes($"app/{bank.Institution}/{c.Id}"))))).ToList();

        // A secret that the manual prints is no secret: more rounds would slow the first start and keep nobody out.
        var agents = bank.Agents
            .Select(agent => (agent.Id, Hash: PasswordHash.Of(agent.Secret, Math.Min(passwordIterations, 1_000), keys.Fingerprint(IssuerKeys.Index, Encoding.UTF8.GetBytes($"agent/{bank.Institution}/{agent.Id}"))))).ToList();
        var now = time.GetUtcNow();
        return store.CommitAsync(session =>
        {
            if (Seeded(session, bank))
            {
                return false;
            }

            foreach (var (c, identity, mobile) in customers)
            {
                session.Execute(
                    """
                    INSERT INTO issuer_customers (institution, customer, name, pinyin, identity_box, mobile_masked, mobile_box, document_expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                    ON CONFLICT (institution, customer) DO NOTHING
                    """,
                    bank.Institution, c.Id, c.Name, c.Pinyin, identity, Customer.MaskMobile(c.Mobile), mobile, c.DocumentExpires);
            }

            foreach (var (customer, password) in passwords)
            {
                BankApp.Register(session, bank.Institution, customer, password);
            }

            foreach (var (agent, secret) in agents)
            {
                HotlineAgents.Register(session, bank.Institution, agent, secret, test: true);
            }

            foreach (var account in bank.Accounts)
            {
                var added = session.Execute(
                    """
                    INSERT INTO issuer_accounts (institution, account, customer, kind, currency, balance, credit_limit, closed) VALUES ($1, $2, $3, $4, $5, 0, $6, 0)
                    ON CONFLICT (institution, account) DO NOTHING
                    """,
                    bank.Institution, account.Id, account.Customer, account.Kind.ToString(), Currency.Cny.Numeric, account.CreditLimit);
                if (added == 1 && account.Balance != 0)
                {
                    Ledger.TryPost(session, bank.Institution, Ledger.Pair($"opening/{account.Id}", EntryKind.Opening, account.Id, Amount.Cny(account.Balance), Ledger.Opening, now), guarded: false);
                }
            }

            foreach (var card in cards)
            {
                if (Insert(session, bank.Institution, card) && card.Card.ElectronicCash > 0)
                {
                    Ledger.TryPost(session, bank.Institution, Ledger.Pair($"electronic-cash/{card.Card.Id}", EntryKind.Opening, Ledger.ElectronicCash, Amount.Cny(card.Card.ElectronicCash), Ledger.Opening, now), guarded: false);
                }
            }

            session.Execute("INSERT INTO issuer_seeds (institution, version) VALUES ($1, $2)", bank.Institution, bank.Version);
            return true;
        });
    }

    private sealed record Prepared(SeedCard Card, byte[] Pan, byte[] Index, byte[] Cvn2, string PinOffset, string Masked);

    private static Prepared Prepare(SeedBank bank, SeedCard card, KeyModule keys) => new(
        card,
        Seal(keys, card.Pan.Reveal(), IssuerKeys.PanContext(bank.Institution, card.Id)),
        keys.Index(IssuerKeys.Index, card.Pan),
        Seal(keys, card.Cvn2, IssuerKeys.Cvn2Context(bank.Institution, card.Id)),
        keys.PinOffset(IssuerKeys.PinVerification, card.Pan, card.Pin),
        card.Pan.Masked);

    /// <returns>False when it was there.</returns>
    private static bool Insert(Session session, string institution, Prepared prepared)
    {
        var card = prepared.Card;
        return session.Execute(
            """
            INSERT INTO issuer_cards (institution, card, account, customer, pan_box, pan_index, masked, expiry, sequence_number, cvn2_box, kind, brands, state, contactless,
              pin_offset, pin_locked, pin_policy, amount_limit, risk, identity_failures, identity_failed_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 0, 0)
            ON CONFLICT (institution, card) DO NOTHING
            """,
            institution, card.Id, card.Account, card.Customer, prepared.Pan, prepared.Index, prepared.Masked, card.Expiry, card.SequenceNumber, prepared.Cvn2,
            card.Kind.ToString(), card.Brands, card.State.ToString(), card.Contactless, prepared.PinOffset, card.PinLocked, card.PinPolicy.ToString(), card.AmountLimit, card.Risk.ToString()) == 1;
    }

    private static bool Seeded(Session session, SeedBank bank) =>
        session.Number("SELECT MAX(version) FROM issuer_seeds WHERE institution = $1", bank.Institution) >= bank.Version;

    private static byte[] Seal(KeyModule keys, string text, string context) => keys.Seal(IssuerKeys.Pan, Encoding.UTF8.GetBytes(text), context);
}
