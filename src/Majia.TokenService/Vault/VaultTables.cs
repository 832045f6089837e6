using Majia.Storage;

namespace Majia.TokenService.Vault;

/// <summary>The token service's tables. Distribution keys: token_index, pan_index, seid, or the reference itself.</summary>
public static class VaultTables
{
    public static readonly PartySchema Schema = new("token",
    [
        """
        -- One plastic account. The number is sealed; pan_index is its keyed hash.
        CREATE TABLE token_account (
            pan_index BLOB NOT NULL PRIMARY KEY,
            pan_box BLOB NOT NULL,
            par TEXT NOT NULL,
            pan_expiry TEXT NOT NULL,
            pan_sequence TEXT NOT NULL);
        -- One device number. Rows stay when the token is gone: no number is given out twice.
        CREATE TABLE token_token (
            token_index BLOB NOT NULL PRIMARY KEY,
            token TEXT NOT NULL,
            tur TEXT NOT NULL,
            pan_index BLOB NOT NULL,
            seid TEXT NOT NULL,
            trid TEXT NOT NULL,
            institution TEXT NOT NULL,
            bank TEXT NOT NULL,
            kind TEXT NOT NULL,
            product_id TEXT NOT NULL,
            instance_aid TEXT NOT NULL,
            expiry TEXT NOT NULL,
            sequence TEXT NOT NULL,
            pin_policy TEXT NOT NULL,
            verify INTEGER NOT NULL,
            device_model TEXT NOT NULL,
            state TEXT NOT NULL,
            suspended_by TEXT NOT NULL,
            stage TEXT NOT NULL,
            purge_epoch INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            staged_at INTEGER NOT NULL,
            atc_high INTEGER NOT NULL,
            atc_bits INTEGER NOT NULL);
        CREATE INDEX token_token_chip ON token_token (seid);
        CREATE TABLE token_reference (tur TEXT NOT NULL PRIMARY KEY, token_index BLOB NOT NULL);
        -- R9 and R10 as rows that can exist once only (decisions.md 23).
        CREATE TABLE token_device_slot (
            seid TEXT NOT NULL, slot INTEGER NOT NULL, tur TEXT NOT NULL, pan_index BLOB NOT NULL,
            PRIMARY KEY (seid, slot), UNIQUE (seid, tur));
        CREATE TABLE token_card_slot (
            pan_index BLOB NOT NULL, slot INTEGER NOT NULL, seid TEXT NOT NULL, tur TEXT NOT NULL,
            PRIMARY KEY (pan_index, slot), UNIQUE (pan_index, seid));
        CREATE TABLE token_receipt (receipt TEXT NOT NULL PRIMARY KEY, pan_index BLOB NOT NULL, seid TEXT NOT NULL, expires_at INTEGER NOT NULL);
        -- Digitize, once per request id. reply is null while it is under way.
        CREATE TABLE token_request (
            request_id TEXT NOT NULL PRIMARY KEY,
            digest BLOB NOT NULL,
            tur TEXT NOT NULL,
            seid TEXT NOT NULL,
            pan_index BLOB NOT NULL,
            institution TEXT NOT NULL,
            reply BLOB,
            at INTEGER NOT NULL);
        CREATE TABLE token_chip (
            seid TEXT NOT NULL PRIMARY KEY,
            domain TEXT NOT NULL,
            next_instance INTEGER NOT NULL,
            purge_epoch INTEGER NOT NULL);
        """,
        """
        -- Each counter of a token once.
        CREATE TABLE token_atc (
            token_index BLOB NOT NULL, atc INTEGER NOT NULL, un BLOB NOT NULL, switch_key TEXT NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (token_index, atc));
        -- Each message once: a repeat gets the stored verdict.
        CREATE TABLE token_verdict (
            token_index BLOB NOT NULL, switch_key TEXT NOT NULL, digest BLOB NOT NULL, code TEXT NOT NULL, check_result TEXT NOT NULL,
            en TEXT NOT NULL, zh TEXT NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (token_index, switch_key));
        CREATE TABLE token_alarm (
            token_index BLOB NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, atc INTEGER NOT NULL, switch_key TEXT NOT NULL,
            PRIMARY KEY (token_index, switch_key, kind));
        """,
        Outbox.Migration("token"),
        """
        -- Whose enrolment it is: a requestor that deletes a device ends its own only.
        ALTER TABLE token_request ADD COLUMN trid TEXT NOT NULL DEFAULT '';
        """,
        AuditTrail.Migration,
        """
        -- Where it may pay, and what was done to know its holder.
        ALTER TABLE token_token ADD COLUMN channels TEXT NOT NULL DEFAULT 'CONTACTLESS';
        ALTER TABLE token_token ADD COLUMN merchants TEXT NOT NULL DEFAULT '';
        ALTER TABLE token_token ADD COLUMN assurance TEXT NOT NULL DEFAULT '00';
        CREATE INDEX token_request_chip ON token_request (seid, at);
        CREATE INDEX token_token_card ON token_token (pan_index);
        CREATE INDEX token_token_unfinished ON token_token (created_at) WHERE state <> 'Deactivated' AND stage <> 'Selectable';
        -- What an enrolment was decided on: the bank's ways to verify, and everyone's colour.
        CREATE TABLE token_enrolment (tur TEXT NOT NULL PRIMARY KEY, methods BLOB NOT NULL, assessments BLOB NOT NULL, at INTEGER NOT NULL);
        -- Each request that changes something once: a repeat gets the stored reply.
        CREATE TABLE token_reply (
            caller TEXT NOT NULL, request_id TEXT NOT NULL, operation TEXT NOT NULL, fingerprint BLOB NOT NULL, tur TEXT, reply BLOB NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (caller, request_id));
        CREATE INDEX token_reply_at ON token_reply (at);
        """,
        """
        -- The last order of each actor over its hold on a token: an older one that comes late is out of date.
        CREATE TABLE token_order (tur TEXT NOT NULL, actor TEXT NOT NULL, hold TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (tur, actor, hold));
        """,
        """
        -- Up from a restoration until the journals of the others have been replayed: no payment meanwhile (decisions.md 24).
        CREATE TABLE token_fence (
            raised_at BIGINT NOT NULL PRIMARY KEY, backup_at BIGINT NOT NULL, taps_done INTEGER NOT NULL, cards_done INTEGER NOT NULL, lifted_at BIGINT, says TEXT NOT NULL);
        """,
        """
        -- What each payment adds is found by its key alone: the row stands in the key's tree and has no second one. A verdict's key begins with the
        -- message's, which grows with the day: verdicts of one moment stand on one page.
        CREATE TABLE token_atc_next (
            token_index BLOB NOT NULL, atc INTEGER NOT NULL, un BLOB NOT NULL, switch_key TEXT NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (token_index, atc)) WITHOUT ROWID;
        INSERT INTO token_atc_next (token_index, atc, un, switch_key, at) SELECT token_index, atc, un, switch_key, at FROM token_atc;
        DROP TABLE token_atc;
        ALTER TABLE token_atc_next RENAME TO token_atc;
        CREATE TABLE token_verdict_next (
            token_index BLOB NOT NULL, switch_key TEXT NOT NULL, digest BLOB NOT NULL, code TEXT NOT NULL, check_result TEXT NOT NULL,
            en TEXT NOT NULL, zh TEXT NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (switch_key, token_index)) WITHOUT ROWID;
        INSERT INTO token_verdict_next (token_index, switch_key, digest, code, check_result, en, zh, at) SELECT token_index, switch_key, digest, code, check_result, en, zh, at FROM token_verdict;
        DROP TABLE token_verdict;
        ALTER TABLE token_verdict_next RENAME TO token_verdict;
        """,
        TokenServiceParty.ReconciliationMigration,
        """
        -- Fewer pages a payment (docs/decisions/0040): the counters that the window still tells apart are spent in the token's own row, with their unpredictable numbers.
        ALTER TABLE token_token ADD COLUMN spent BLOB;
        DROP TABLE token_atc;
        """,
        """
        -- Rises with each change of the state, and goes with every notice of it.
        ALTER TABLE token_token ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
        -- The expiry date that a chip is to get before the present one ends.
        ALTER TABLE token_token ADD COLUMN next_expiry TEXT;
        CREATE INDEX token_token_expiry ON token_token (expiry) WHERE stage = 'Selectable' AND state <> 'Deactivated';
        """,
        """
        -- Merchants as the bank restricts them, beside those of the token requestor.
        ALTER TABLE token_token ADD COLUMN issuer_merchants TEXT NOT NULL DEFAULT '';
        """,
    ]);
}
