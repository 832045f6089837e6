using Majia.Storage;

namespace Majia.Wallet;

/// <summary>The wallet cloud's tables: accounts, handsets, cards. No PAN, no digit of the plastic, no payment key.</summary>
public static class WalletTables
{
    public static readonly PartySchema Schema = new("wallet",
    [
        """
        CREATE TABLE wallet_account (
            account TEXT NOT NULL PRIMARY KEY,
            salt BLOB NOT NULL,
            iterations INTEGER NOT NULL,
            password_hash BLOB NOT NULL,
            created_at INTEGER NOT NULL);
        CREATE TABLE wallet_device (
            device_id TEXT NOT NULL PRIMARY KEY,
            seid TEXT NOT NULL UNIQUE,
            account TEXT NOT NULL,
            signed_in INTEGER NOT NULL,
            find_device INTEGER NOT NULL,
            lost_mode INTEGER NOT NULL,
            credential_hash BLOB NOT NULL,
            model TEXT NOT NULL,
            track TEXT NOT NULL,
            version TEXT NOT NULL,
            purge_epoch INTEGER NOT NULL,
            updated_at INTEGER NOT NULL);
        -- face is what the wallet shows: bank, kind, last four of the device number.
        CREATE TABLE wallet_card (
            card_reference TEXT NOT NULL PRIMARY KEY,
            device_id TEXT NOT NULL,
            request_id TEXT NOT NULL,
            tur TEXT,
            state TEXT NOT NULL,
            face BLOB,
            methods BLOB,
            purge_epoch INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (device_id, request_id));
        CREATE INDEX wallet_card_tur ON wallet_card (tur);
        -- The SE issuer: which chips it opened, apart from the cloud's own rows.
        CREATE TABLE wallet_se_chip (
            seid TEXT NOT NULL PRIMARY KEY,
            domain TEXT NOT NULL,
            at INTEGER NOT NULL);
        """,
        """
        -- Sign-ins, once per request id. credential stands here until the handset uses it: then its answer has arrived.
        CREATE TABLE wallet_sign_in (
            request_id TEXT NOT NULL PRIMARY KEY,
            account TEXT NOT NULL,
            seid TEXT NOT NULL,
            device_id TEXT NOT NULL,
            credential TEXT,
            at INTEGER NOT NULL);
        CREATE INDEX wallet_sign_in_open ON wallet_sign_in (device_id) WHERE credential IS NOT NULL;
        """,
        """
        -- Orders over a handset's device cards are numbered: the token service heeds the latest.
        ALTER TABLE wallet_device ADD COLUMN orders INTEGER NOT NULL DEFAULT 0;
        """,
        OwnerAccounts.Migration,
        WalletParty.CommandsMigration,
        WalletParty.ReconciliationMigration,
        CardHistory.Migration,
        HandsetNonce.Migration,
    ]);
}
