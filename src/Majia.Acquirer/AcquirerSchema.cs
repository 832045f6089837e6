using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Acquirer;

/// <summary>Tables of the acquirer. The hot one is keyed by terminal, the key that it can be distributed by.</summary>
internal static class AcquirerSchema
{
    public static readonly Outbox Outbox = new("acquirer");

    public static readonly PartySchema Schema = new(
        "acquirer",
        [
            """
            CREATE TABLE acquirer_merchant (
                number TEXT PRIMARY KEY,
                name_en TEXT NOT NULL,
                name_zh TEXT NOT NULL,
                category TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE acquirer_terminal (
                id TEXT PRIMARY KEY,
                merchant TEXT NOT NULL REFERENCES acquirer_merchant (number)) WITHOUT ROWID;
            -- One counter: value goes on for ever, before is what it was when the hour began.
            CREATE TABLE acquirer_sequence (
                name TEXT PRIMARY KEY,
                hour INTEGER NOT NULL,
                before INTEGER NOT NULL,
                value INTEGER NOT NULL) WITHOUT ROWID;
            INSERT INTO acquirer_sequence (name, hour, before, value) VALUES ('rrn', 0, 0, 0);
            -- Everything that came with one trace number of one terminal; kind 'tombstone' is a reversal that came first.
            CREATE TABLE acquirer_transaction (
                terminal TEXT NOT NULL,
                merchant TEXT NOT NULL,
                batch TEXT NOT NULL,
                stan TEXT NOT NULL,
                kind TEXT NOT NULL,
                digest BLOB NOT NULL,
                rrn TEXT,
                transmission TEXT,
                trace TEXT,
                at INTEGER NOT NULL,
                deadline INTEGER NOT NULL,
                token TEXT,
                number_box BLOB,
                amount INTEGER NOT NULL,
                code TEXT,
                authorisation TEXT,
                settlement_date TEXT,
                institutions TEXT,
                chip_data BLOB,
                reversed_at INTEGER,
                undoes TEXT,
                undone_by TEXT,
                PRIMARY KEY (terminal, merchant, batch, stan, kind)) WITHOUT ROWID;
            CREATE UNIQUE INDEX acquirer_transaction_rrn ON acquirer_transaction (rrn, terminal);
            CREATE INDEX acquirer_transaction_open ON acquirer_transaction (deadline) WHERE code IS NULL;
            """
            + Outbox.Migration("acquirer"),
            SettledBatch.Migration,
        ]);

    /// <summary>Adds or renames merchants and their terminals; takes nothing away.</summary>
    public static void Seed(Session session, AcquirerSeed seed)
    {
        foreach (var merchant in seed.Merchants)
        {
            session.Execute(
                "INSERT INTO acquirer_merchant (number, name_en, name_zh, category) VALUES ($1, $2, $3, $4) ON CONFLICT (number) DO UPDATE SET name_en = excluded.name_en, name_zh = excluded.name_zh, category = excluded.category",
                merchant.Number,
                merchant.Name.En,
                merchant.Name.Zh,
                merchant.CategoryCode);
            foreach (var terminal in merchant.Terminals)
            {
                session.Execute(
                    "INSERT INTO acquirer_terminal (id, merchant) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET merchant = excluded.merchant",
                    terminal,
                    merchant.Number);
            }
        }
    }

    /// <summary>A terminal with its merchant; of no batch.</summary>
    private static readonly HotTable<TerminalPlace> Places = new(
        "acquirer_terminal JOIN acquirer_merchant ON number = merchant", keys: 1, columns: "id, number, name_en, name_zh, category", stays: true,
        map: static row => new TerminalPlace(row.GetString(1), new Text(row.GetString(2), row.GetString(3)), row.GetString(4), BatchClosed: false));

    /// <summary>Batches that are settled: there is a row.</summary>
    private static readonly HotTable<string> Closed = new("acquirer_batch", keys: 3, columns: "terminal, merchant, batch", stays: true, map: static row => row.GetString(2));

    /// <summary>Where a terminal stands, or null when it is unknown; and whether <paramref name="batch"/> of it is closed.</summary>
    public static TerminalPlace? Place(Session session, string terminal, string batch = "") =>
        session.Find(Places, terminal) is not { } place ? null
        : batch.Length > 0 && session.Find(Closed, terminal, place.Merchant, batch) is not null ? place with { BatchClosed = true }
        : place;

    /// <summary>Names what <see cref="Place"/> will look at.</summary>
    public static void Want(Wanted wanted, string terminal, string batch)
    {
        if (wanted.Row(Places, terminal) is { } place)
        {
            wanted.Row(Closed, terminal, place.Merchant, batch);
        }
    }
}

/// <summary>The merchant at whose counter a terminal stands.</summary>
/// <param name="BatchClosed">The batch that was asked for is settled.</param>
internal sealed record TerminalPlace(string Merchant, Text Name, string CategoryCode, bool BatchClosed);
