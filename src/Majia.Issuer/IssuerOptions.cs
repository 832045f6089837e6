using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>One bank. Several banks may share a store: every row carries its institution.</summary>
/// <param name="Institution">8 digits, as F32 and F100 carry them, e.g. 63990100.</param>
/// <param name="Name">The bank's name as its customers read it.</param>
public sealed record IssuerOptions(string Institution, Text Name)
{
    public MacAlgorithm MacAlgorithm { get; init; } = MacAlgorithm.UnionPayEcb;

    /// <summary>Up to and including this amount a PIN policy of "over the limit" wants no PIN (decisions.md 12).</summary>
    public Amount NoPinLimit { get; init; } = Amount.Cny(100_000);

    /// <summary>Wrong PINs in a row before PIN entry is closed; plastic and each device card count apart.</summary>
    public int PinTries { get; init; } = 3;

    public int CodeDigits { get; init; } = 6;

    public int CodeLifeSeconds { get; init; } = 300;

    public int CodeTries { get; init; } = 3;

    /// <summary>New codes that a holder may ask for after the first one.</summary>
    public int CodeResends { get; init; } = 3;

    /// <summary>Codes for one plastic card in a day, whatever the tokens: two enrolments with every new code.</summary>
    public int CodesPerDay { get; init; } = 8;

    /// <summary>Wrong guesses at codes of one plastic card in a day, whatever the tokens: one enrolment's worth.</summary>
    public int WrongCodesPerDay { get; init; } = 12;

    /// <summary>Wrong card data in a row before a card cannot be added for <see cref="IdentityPauseSeconds"/>: CVN2 has only three digits.</summary>
    public int IdentityTries { get; init; } = 5;

    /// <summary>First digits of the cards whose device cards go with the account to a new plastic (R22). All others: deleted, and added again with the new plastic.</summary>
    public IReadOnlyList<string> MovesTokensOf { get; init; } = [];

    /// <summary>PBKDF2 rounds of passwords of the bank's app; fewer for tests alone.</summary>
    public int PasswordIterations { get; init; } = PasswordHash.DefaultIterations;

    /// <summary>Wrong passwords in a row before the app does not open for <see cref="AppLockOut"/>.</summary>
    public int AppPasswordTries { get; init; } = 5;

    public TimeSpan AppLockOut { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>A sign-in to the app ends after so long.</summary>
    public TimeSpan AppSession { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>A sign-in of a hotline's agent ends after so long: a shift. Wrong secrets count and close as those of the app do.</summary>
    public TimeSpan AgentSession { get; init; } = TimeSpan.FromHours(8);

    /// <summary>Production: seeded agents, whose secrets anybody can read, do not work.</summary>
    public bool RefusesTestAgents { get; init; }

    /// <summary>Limits of device cards in their first days, by range; none by default.</summary>
    public IReadOnlyList<NewCardLimits> NewCardLimits { get; init; } = [];

    /// <summary>What purchases earn.</summary>
    public RewardRules Rewards { get; init; } = RewardRules.BuiltIn;

    /// <summary>A new plastic is good for so many years, to the end of the month.</summary>
    public int PlasticYears { get; init; } = 5;

    public int IdentityPauseSeconds { get; init; } = 86_400;
}

/// <summary>Names of the bank's keys in its key module, and of the things that it seals under them.</summary>
internal static class IssuerKeys
{
    public const string PinZone = "zpk.network", MacZone = "zak.network", PinVerification = "pvk", Pan = "card.pan", Index = "card.index", Jwe = "jwe";

    public static string PanContext(string institution, string card) => $"issuer/{institution}/pan/{card}";

    public static string Cvn2Context(string institution, string card) => $"issuer/{institution}/cvn2/{card}";

    public static string IdentityContext(string institution, string customer) => $"issuer/{institution}/identity/{customer}";

    public static string MobileContext(string institution, string customer) => $"issuer/{institution}/mobile/{customer}";

    public static string CodeContext(string institution, string tokenUniqueReference, long generation) => $"issuer/{institution}/code/{tokenUniqueReference}/{generation}";

    public static string MessageContext(string institution, string message) => $"issuer/{institution}/message/{message}";
}

/// <summary>The bank's local time: China has one zone, UTC+8, and no summer time.</summary>
internal static class BankTime
{
    private static readonly TimeSpan Offset = TimeSpan.FromHours(8);

    public static DateTimeOffset Local(DateTimeOffset instant) => instant.ToOffset(Offset);

    /// <summary>MMDD, as F13 and F15 carry it.</summary>
    public static string MonthDay(DateTimeOffset instant) => Local(instant).ToString("MMdd", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>YYMM, to compare with an expiry as F14 carries it.</summary>
    public static string YearMonth(DateTimeOffset instant) => Local(instant).ToString("yyMM", System.Globalization.CultureInfo.InvariantCulture);

    public static string Date(DateTimeOffset instant) => Local(instant).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>When the bank's day began.</summary>
    public static DateTimeOffset Midnight(DateTimeOffset instant) => new(Local(instant).Date, Offset);

    public static string Minute(DateTimeOffset instant) => Local(instant).ToString("yyyy-MM-dd HH:mm", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The bank's tables. BYTEA is PostgreSQL's word; SQLite stores a blob under any type name.</summary>
internal static class IssuerSchema
{
    public static readonly PartySchema Schema = new("issuer",
    [
        """
        CREATE TABLE issuer_seeds (institution TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (institution, version));
        CREATE TABLE issuer_customers (
          institution TEXT NOT NULL, customer TEXT NOT NULL, name TEXT NOT NULL, pinyin TEXT NOT NULL, identity_box BYTEA NOT NULL,
          mobile_masked TEXT NOT NULL, mobile_box BYTEA, document_expires TEXT NOT NULL, PRIMARY KEY (institution, customer));
        CREATE TABLE issuer_accounts (
          institution TEXT NOT NULL, account TEXT NOT NULL, customer TEXT NOT NULL, kind TEXT NOT NULL, currency BIGINT NOT NULL,
          balance BIGINT NOT NULL, credit_limit BIGINT NOT NULL, closed BIGINT NOT NULL, PRIMARY KEY (institution, account));
        CREATE TABLE issuer_cards (
          institution TEXT NOT NULL, card TEXT NOT NULL, account TEXT NOT NULL, customer TEXT NOT NULL, pan_box BYTEA NOT NULL, pan_index BYTEA NOT NULL,
          masked TEXT NOT NULL, expiry TEXT NOT NULL, sequence_number TEXT NOT NULL, cvn2_box BYTEA NOT NULL, kind TEXT NOT NULL, brands TEXT NOT NULL,
          state TEXT NOT NULL, state_before TEXT, contactless BIGINT NOT NULL, pin_offset TEXT NOT NULL, pin_locked BIGINT NOT NULL, pin_policy TEXT NOT NULL,
          amount_limit BIGINT, risk TEXT NOT NULL, identity_failures BIGINT NOT NULL, identity_failed_at BIGINT NOT NULL, PRIMARY KEY (institution, card));
        CREATE UNIQUE INDEX issuer_cards_by_number ON issuer_cards (institution, pan_index);
        CREATE TABLE issuer_pin_tries (
          institution TEXT NOT NULL, card TEXT NOT NULL, face TEXT NOT NULL, tries_left BIGINT NOT NULL, PRIMARY KEY (institution, card, face));
        CREATE TABLE issuer_enrolments (
          institution TEXT NOT NULL, token_reference TEXT NOT NULL, card TEXT NOT NULL, decision TEXT NOT NULL, state TEXT NOT NULL, device_model TEXT NOT NULL,
          code_box BYTEA, code_generation BIGINT NOT NULL, code_expires BIGINT NOT NULL, code_tries BIGINT NOT NULL, codes_sent BIGINT NOT NULL,
          at BIGINT NOT NULL, PRIMARY KEY (institution, token_reference));
        CREATE TABLE issuer_code_days (
          institution TEXT NOT NULL, card TEXT NOT NULL, since BIGINT NOT NULL, sent BIGINT NOT NULL, wrong BIGINT NOT NULL, PRIMARY KEY (institution, card));
        CREATE TABLE issuer_devices (
          institution TEXT NOT NULL, card TEXT NOT NULL, token_reference TEXT NOT NULL, last_four TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL,
          at BIGINT NOT NULL, PRIMARY KEY (institution, card, token_reference));
        CREATE INDEX issuer_devices_by_last_four ON issuer_devices (institution, last_four);
        CREATE TABLE issuer_replies (
          institution TEXT NOT NULL, token_reference TEXT NOT NULL, request TEXT NOT NULL, operation TEXT NOT NULL, fingerprint BYTEA NOT NULL, reply BYTEA NOT NULL,
          at BIGINT NOT NULL, PRIMARY KEY (institution, token_reference, request, operation));
        CREATE TABLE issuer_messages (
          institution TEXT NOT NULL, message TEXT NOT NULL, customer TEXT NOT NULL, mobile_masked TEXT NOT NULL, body_box BYTEA NOT NULL, sequence BIGINT NOT NULL,
          at BIGINT NOT NULL, PRIMARY KEY (institution, message));
        CREATE INDEX issuer_messages_by_customer ON issuer_messages (institution, customer, sequence);
        CREATE TABLE issuer_ledger (
          institution TEXT NOT NULL, account TEXT NOT NULL, entry TEXT NOT NULL, transaction_key TEXT NOT NULL, amount BIGINT NOT NULL, currency BIGINT NOT NULL,
          kind TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (institution, account, entry));
        CREATE INDEX issuer_ledger_by_transaction ON issuer_ledger (institution, transaction_key);
        CREATE TABLE issuer_rewards (
          institution TEXT NOT NULL, account TEXT NOT NULL, entry TEXT NOT NULL, transaction_key TEXT NOT NULL, points BIGINT NOT NULL, at BIGINT NOT NULL,
          PRIMARY KEY (institution, account, entry));
        CREATE TABLE issuer_authorisations (
          institution TEXT NOT NULL, switch_key TEXT NOT NULL, fingerprint BYTEA NOT NULL, answer BYTEA NOT NULL, operation TEXT NOT NULL, state TEXT NOT NULL,
          code TEXT NOT NULL, why_en TEXT NOT NULL, why_zh TEXT NOT NULL, card TEXT NOT NULL, account TEXT NOT NULL, booked_account TEXT NOT NULL,
          amount BIGINT NOT NULL, currency BIGINT NOT NULL, rrn TEXT NOT NULL, approval TEXT NOT NULL, device_last_four TEXT NOT NULL, merchant TEXT NOT NULL,
          terminal TEXT NOT NULL, merchant_name TEXT NOT NULL, original_key TEXT, at BIGINT NOT NULL, PRIMARY KEY (institution, switch_key));
        CREATE INDEX issuer_authorisations_by_rrn ON issuer_authorisations (institution, rrn);
        CREATE INDEX issuer_authorisations_by_last_four ON issuer_authorisations (institution, device_last_four);
        CREATE TABLE issuer_tombstones (institution TEXT NOT NULL, switch_key TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (institution, switch_key));
        """,
        """
        -- What refunds have given back of a sale: never more than it.
        ALTER TABLE issuer_authorisations ADD COLUMN refunded BIGINT NOT NULL DEFAULT 0;
        """,
        """
        -- What each payment adds: the row stands in its key's tree and has no second one.
        CREATE TABLE issuer_ledger_next (
          institution TEXT NOT NULL, account TEXT NOT NULL, entry TEXT NOT NULL, transaction_key TEXT NOT NULL, amount BIGINT NOT NULL, currency BIGINT NOT NULL,
          kind TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (institution, account, entry)) WITHOUT ROWID;
        INSERT INTO issuer_ledger_next (institution, account, entry, transaction_key, amount, currency, kind, at)
          SELECT institution, account, entry, transaction_key, amount, currency, kind, at FROM issuer_ledger;
        DROP TABLE issuer_ledger;
        ALTER TABLE issuer_ledger_next RENAME TO issuer_ledger;
        CREATE INDEX issuer_ledger_by_transaction ON issuer_ledger (institution, transaction_key);
        CREATE TABLE issuer_rewards_next (
          institution TEXT NOT NULL, account TEXT NOT NULL, entry TEXT NOT NULL, transaction_key TEXT NOT NULL, points BIGINT NOT NULL, at BIGINT NOT NULL,
          PRIMARY KEY (institution, account, entry)) WITHOUT ROWID;
        INSERT INTO issuer_rewards_next (institution, account, entry, transaction_key, points, at) SELECT institution, account, entry, transaction_key, points, at FROM issuer_rewards;
        DROP TABLE issuer_rewards;
        ALTER TABLE issuer_rewards_next RENAME TO issuer_rewards;
        """,
        Plastic.PlasticScript.Migration,
        """
        -- Fewer pages a payment (docs/decisions/0040): a sale's points stand on its ledger line, ledger lines are found by their names, and an
        -- authorisation stands in its key's tree.
        ALTER TABLE issuer_ledger ADD COLUMN points BIGINT NOT NULL DEFAULT 0;
        DROP INDEX issuer_ledger_by_transaction;
        CREATE TABLE issuer_authorisations_next (
          institution TEXT NOT NULL, switch_key TEXT NOT NULL, fingerprint BYTEA NOT NULL, answer BYTEA NOT NULL, operation TEXT NOT NULL, state TEXT NOT NULL,
          code TEXT NOT NULL, why_en TEXT NOT NULL, why_zh TEXT NOT NULL, card TEXT NOT NULL, account TEXT NOT NULL, booked_account TEXT NOT NULL,
          amount BIGINT NOT NULL, currency BIGINT NOT NULL, rrn TEXT NOT NULL, approval TEXT NOT NULL, device_last_four TEXT NOT NULL, merchant TEXT NOT NULL,
          terminal TEXT NOT NULL, merchant_name TEXT NOT NULL, original_key TEXT, at BIGINT NOT NULL, refunded BIGINT NOT NULL DEFAULT 0,
          PRIMARY KEY (institution, switch_key)) WITHOUT ROWID;
        INSERT INTO issuer_authorisations_next (institution, switch_key, fingerprint, answer, operation, state, code, why_en, why_zh, card, account, booked_account,
            amount, currency, rrn, approval, device_last_four, merchant, terminal, merchant_name, original_key, at, refunded)
          SELECT institution, switch_key, fingerprint, answer, operation, state, code, why_en, why_zh, card, account, booked_account,
            amount, currency, rrn, approval, device_last_four, merchant, terminal, merchant_name, original_key, at, refunded FROM issuer_authorisations;
        DROP TABLE issuer_authorisations;
        ALTER TABLE issuer_authorisations_next RENAME TO issuer_authorisations;
        CREATE INDEX issuer_authorisations_by_rrn ON issuer_authorisations (institution, rrn);
        CREATE INDEX issuer_authorisations_by_last_four ON issuer_authorisations (institution, device_last_four);
        """,
        """
        -- Where the device cards of a replaced plastic went, and what the token service has to be told, in order.
        ALTER TABLE issuer_cards ADD COLUMN moved_to TEXT;
        CREATE TABLE issuer_errands (
          institution TEXT NOT NULL, sequence BIGINT NOT NULL, request TEXT NOT NULL, operation TEXT NOT NULL, card TEXT NOT NULL, new_card TEXT, reason TEXT NOT NULL,
          payload TEXT, attempts BIGINT NOT NULL, next_at BIGINT NOT NULL, at BIGINT NOT NULL, done_at BIGINT, answer TEXT, PRIMARY KEY (institution, sequence));
        """,
        Hotline.Migration,
        """
        -- The latest version of a device card that the bank was told of: what is told late changes nothing.
        ALTER TABLE issuer_devices ADD COLUMN token_version BIGINT NOT NULL DEFAULT 0;
        """,
        LimitRow.Migration,
        BankApp.Migration,
        HotlineAgents.Migration,
        LimitHistory.Migration,
        """
        -- By what a purchase was rewarded, to take back the same; those of before had a point a yuan.
        ALTER TABLE issuer_authorisations ADD COLUMN points_each BIGINT NOT NULL DEFAULT 1;
        ALTER TABLE issuer_authorisations ADD COLUMN points_per BIGINT NOT NULL DEFAULT 100;
        """,
    ]);
}
