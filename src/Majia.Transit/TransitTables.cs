using Majia.Storage;

namespace Majia.Transit;

/// <summary>The operator's tables, and a gate's own. Distribution keys: seid, or the card's number.</summary>
public static class TransitTables
{
    public static readonly PartySchema Operator = new("transit",
    [
        """
        -- How far the operator's security domain of a chip is.
        CREATE TABLE transit_chip (seid TEXT NOT NULL PRIMARY KEY, domain TEXT NOT NULL);
        CREATE TABLE transit_card (
            number TEXT NOT NULL PRIMARY KEY,
            seid TEXT NOT NULL UNIQUE,
            live INTEGER NOT NULL,
            at INTEGER NOT NULL);
        -- One top-up; load_number is the chip's own count, so that the chip itself says later whether it took effect.
        CREATE TABLE transit_load (
            number TEXT NOT NULL,
            request TEXT NOT NULL,
            amount INTEGER NOT NULL,
            load_number INTEGER NOT NULL,
            state TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (number, request));
        -- One settled ride: the chip's own count makes it unique.
        CREATE TABLE transit_ride (
            number TEXT NOT NULL,
            purchase_number INTEGER NOT NULL,
            amount INTEGER NOT NULL,
            gate TEXT NOT NULL,
            gate_number INTEGER NOT NULL,
            whenever TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (number, purchase_number));
        """,
    ]);

    public static readonly PartySchema Gate = new("gate",
    [
        """
        CREATE TABLE gate_count (id INTEGER NOT NULL PRIMARY KEY, next INTEGER NOT NULL);
        INSERT INTO gate_count (id, next) VALUES (1, 1);
        -- A debit that was asked for: OPEN until its answer is known, DONE until it is handed in; then SETTLED, or REFUSED by the operator.
        CREATE TABLE gate_ride (
            number TEXT NOT NULL,
            purchase_number INTEGER NOT NULL,
            amount INTEGER NOT NULL,
            gate_number INTEGER NOT NULL,
            whenever TEXT NOT NULL,
            answer BLOB NOT NULL,
            code BLOB,
            state TEXT NOT NULL,
            PRIMARY KEY (number, purchase_number));
        """,
        // What is still to be handed in: asked on the clock.
        "CREATE INDEX gate_ride_unsettled ON gate_ride (gate_number) WHERE state = 'DONE' AND amount > 0;",
    ]);
}
