using System.Collections.Immutable;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Phone;

/// <summary>The phone's own store: one database per handset.</summary>
public static class PhoneTables
{
    public static readonly Outbox Notices = new("phone");

    public static PartySchema Schema { get; } = new("phone",
    [
        """
        CREATE TABLE phone_settings (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            device_id TEXT, credential TEXT, account TEXT,
            find_device INTEGER NOT NULL,
            purging TEXT, wake_gesture TEXT, default_card TEXT);
        CREATE TABLE phone_trusted (id INTEGER PRIMARY KEY CHECK (id = 1), box BLOB NOT NULL);
        CREATE TABLE phone_cards (
            card_reference TEXT PRIMARY KEY,
            state TEXT NOT NULL, face TEXT NOT NULL, methods TEXT NOT NULL,
            position INTEGER NOT NULL);
        CREATE TABLE phone_pending (id INTEGER PRIMARY KEY CHECK (id = 1), request_id TEXT NOT NULL, encrypted_card TEXT NOT NULL, source TEXT NOT NULL);
        CREATE TABLE phone_messages (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL, card_reference TEXT, kind TEXT NOT NULL, minor INTEGER, currency INTEGER, en TEXT NOT NULL, zh TEXT NOT NULL);
        """,
        Outbox.Migration("phone"),
        """
        -- A code that was sent and not answered: the same request again, so that a right one is not lost with its answer.
        CREATE TABLE phone_code (card_reference TEXT PRIMARY KEY, request_id TEXT NOT NULL, digest BLOB NOT NULL);
        """,
        """
        -- The last command of the cloud that took effect here.
        CREATE TABLE phone_commands (device_id TEXT PRIMARY KEY, done INTEGER NOT NULL);
        ALTER TABLE phone_cards ADD COLUMN nickname TEXT NOT NULL DEFAULT '';
        """,
        """
        -- The handset speaks with a key of its own, which the trusted side keeps. One of before registers it with its next sign-in, and nobody is signed in until then.
        ALTER TABLE phone_settings DROP COLUMN credential;
        UPDATE phone_settings SET account = NULL, device_id = NULL;
        DELETE FROM phone_outbox;
        """,
    ]);

    public static PhoneState Load(Session session)
    {
        var cards = session.Query("SELECT card_reference, state, face, methods, position, nickname FROM phone_cards ORDER BY position, card_reference", Card);
        var pending = session.One("SELECT request_id, encrypted_card, source FROM phone_pending", static row => new PendingCard(row.GetString(0), row.GetString(1), row.GetString(2)));
        return session.One(
            "SELECT device_id, account, find_device, purging, wake_gesture, default_card FROM phone_settings",
            row => new PhoneState(row.TextOrNull(0), row.TextOrNull(1), row.GetInt64(2) != 0, row.TextOrNull(3), row.TextOrNull(4), row.TextOrNull(5), [.. cards], pending))
            ?? new PhoneState(null, null, false, null, null, null, [.. cards], pending);
    }

    /// <summary>Writes what differs between two states.</summary>
    public static void Save(Session session, PhoneState before, PhoneState after)
    {
        if (before with { Cards = after.Cards, Pending = after.Pending } != after)
        {
            session.Execute(
                """
                INSERT INTO phone_settings (id, device_id, account, find_device, purging, wake_gesture, default_card) VALUES (1, $1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO UPDATE SET device_id = $1, account = $2, find_device = $3, purging = $4, wake_gesture = $5, default_card = $6
                """,
                after.DeviceId, after.Account, after.FindDeviceOn, after.Purging, after.WakeGesture, after.DefaultCard);
        }

        foreach (var gone in before.Cards.Where(card => after.Card(card.CardReference) is null))
        {
            session.Execute("DELETE FROM phone_cards WHERE card_reference = $1", gone.CardReference);
        }

        foreach (var card in after.Cards.Where(card => before.Card(card.CardReference) != card))
        {
            session.Execute(
                """
                INSERT INTO phone_cards (card_reference, state, face, methods, position, nickname) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (card_reference) DO UPDATE SET state = $2, face = $3, methods = $4, position = $5, nickname = $6
                """,
                card.CardReference, card.State.ToString(), JsonSerializer.Serialize(card.Face), JsonSerializer.Serialize(card.Methods), card.Position, card.Nickname);
        }

        if (before.Pending != after.Pending)
        {
            session.Execute("DELETE FROM phone_pending");
            if (after.Pending is { } pending)
            {
                session.Execute("INSERT INTO phone_pending (id, request_id, encrypted_card, source) VALUES (1, $1, $2, $3)", pending.RequestId, pending.EncryptedCard, pending.Source);
            }
        }
    }

    public static void Add(Session session, PhoneMessage message) => session.Execute(
        "INSERT INTO phone_messages (at, card_reference, kind, minor, currency, en, zh) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        message.At, message.CardReference, message.Kind, message.Amount?.Minor, message.Amount?.Currency.Numeric, message.Says.En, message.Says.Zh);

    /// <summary>Newest first.</summary>
    public static List<PhoneMessage> Messages(Session session, int limit) => session.Query(
        "SELECT at, card_reference, kind, minor, currency, en, zh FROM phone_messages ORDER BY id DESC LIMIT $1",
        static row => new PhoneMessage(row.Instant(0), row.TextOrNull(1), row.GetString(2), row.IsDBNull(3) ? null : new Amount(row.GetInt64(3), new Currency(row.GetInt32(4))), new Text(row.GetString(5), row.GetString(6))),
        limit);

    /// <summary>The request under which this code of this card is sent: that of an unanswered try of the same code, else a new one.</summary>
    internal static string CodeRequest(Session session, string cardReference, string code, string fresh)
    {
        var open = session.One("SELECT request_id, digest FROM phone_code WHERE card_reference = $1", static row => Tuple.Create(row.GetString(0), row.Bytes(1)), cardReference);
        if (open is (var known, var digest) && CryptographicOperations.FixedTimeEquals(digest, DigestOf(known, code)))
        {
            return known;
        }

        session.Execute(
            "INSERT INTO phone_code (card_reference, request_id, digest) VALUES ($1, $2, $3) ON CONFLICT (card_reference) DO UPDATE SET request_id = $2, digest = $3",
            cardReference, fresh, DigestOf(fresh, code));
        return fresh;
    }

    internal static void CodeAnswered(Session session, string cardReference) => session.Execute("DELETE FROM phone_code WHERE card_reference = $1", cardReference);

    internal static long CommandsDone(Session session, string deviceId) => session.Number("SELECT done FROM phone_commands WHERE device_id = $1", deviceId) ?? 0;

    internal static void CommandDone(Session session, string deviceId, long sequence) => session.Execute(
        "INSERT INTO phone_commands (device_id, done) VALUES ($1, $2) ON CONFLICT (device_id) DO UPDATE SET done = $2", deviceId, sequence);

    private static byte[] DigestOf(string request, string code) => SHA256.HashData(Encoding.UTF8.GetBytes($"{request}/{code}"));

    internal static byte[]? TrustedBox(Session session) => session.One("SELECT box FROM phone_trusted", static row => row.Bytes(0));

    internal static void PutTrustedBox(Session session, byte[] box) =>
        session.Execute("INSERT INTO phone_trusted (id, box) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET box = $1", box);

    private static PhoneCard Card(DbDataReader row) => new(
        row.GetString(0),
        Enum.Parse<EnrolmentState>(row.GetString(1)),
        JsonSerializer.Deserialize<CardFace>(row.GetString(2))!,
        row.GetInt32(4),
        JsonSerializer.Deserialize<ImmutableArray<ActivationMethod>>(row.GetString(3)),
        row.GetString(5));
}
