using System.Data.Common;

namespace Majia.Storage;

/// <summary>Something that must arrive: written in the same unit as the row that makes it necessary, sent until it is delivered.</summary>
/// <param name="Attempts">Sendings that have failed so far.</param>
/// <param name="NextAt">Not sent before this.</param>
/// <param name="Reference">What it belongs to, for the trace and for looking it up.</param>
public sealed record OutboxEntry(long Id, string Destination, string Kind, byte[] Payload, int Attempts, DateTimeOffset NextAt, string Reference);

/// <summary>A dead letter: the other side refused it for good, or the tries ran out. It stays until somebody looks at it.</summary>
public sealed record DeadLetter(OutboxEntry Entry, string Why, DateTimeOffset At);

/// <summary>One party's durable outbox, table <c>{party}_outbox</c>. Its statements run inside the party's units.</summary>
public sealed class Outbox
{
    /// <summary>Wait after the first failure; it doubles with each one.</summary>
    public static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1), LongestWait = TimeSpan.FromMinutes(5);

    private readonly string insert, due, next, delivered, failed, dead, deadLetters;

    /// <param name="prefix">The party's table prefix, such as <c>network</c>.</param>
    public Outbox(string prefix)
    {
        const string columns = "id, destination, kind, payload, attempts, next_at, reference";
        insert = $"INSERT INTO {prefix}_outbox (destination, kind, payload, attempts, next_at, reference) VALUES ($1, $2, $3, 0, $4, $5)";
        due = $"SELECT {columns} FROM {prefix}_outbox WHERE why IS NULL AND next_at <= $1 ORDER BY next_at, id LIMIT $2";
        next = $"SELECT min(next_at) FROM {prefix}_outbox WHERE why IS NULL";
        delivered = $"DELETE FROM {prefix}_outbox WHERE id = $1";
        failed = $"UPDATE {prefix}_outbox SET attempts = $2, next_at = $3 WHERE id = $1 AND why IS NULL";
        dead = $"UPDATE {prefix}_outbox SET why = $2, next_at = $3 WHERE id = $1 AND why IS NULL";
        deadLetters = $"SELECT {columns}, why FROM {prefix}_outbox WHERE why IS NOT NULL ORDER BY id";
    }

    /// <summary>The table and its index, as a migration of the party.</summary>
    public static string Migration(string prefix) => $"""
        CREATE TABLE {prefix}_outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            destination TEXT NOT NULL,
            kind TEXT NOT NULL,
            payload BLOB NOT NULL,
            attempts INTEGER NOT NULL,
            next_at INTEGER NOT NULL,
            reference TEXT NOT NULL,
            why TEXT);
        CREATE INDEX {prefix}_outbox_due ON {prefix}_outbox (next_at) WHERE why IS NULL;
        """;

    /// <param name="notBefore">When it may be sent first; usually now.</param>
    public void Enqueue(Session session, string destination, string kind, byte[] payload, string reference, DateTimeOffset notBefore) =>
        session.Execute(insert, destination, kind, payload, notBefore, reference);

    /// <summary>What may be sent now, oldest first.</summary>
    public List<OutboxEntry> Due(Session session, DateTimeOffset now, int limit = 100) => session.Query(due, Map, now, limit);

    /// <summary>When the next one may be sent; null when nothing waits.</summary>
    public DateTimeOffset? NextAt(Session session) => session.Number(next) is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null;

    public void Delivered(Session session, long id) => session.Execute(delivered, id);

    /// <summary>Not delivered this time: again after 1, 2, 4 … seconds, at most <see cref="LongestWait"/>.</summary>
    public void Failed(Session session, OutboxEntry entry, DateTimeOffset now) =>
        session.Execute(failed, entry.Id, entry.Attempts + 1, now + Wait(entry.Attempts));

    /// <summary>Never to be sent again, with the reason.</summary>
    public void Bury(Session session, OutboxEntry entry, string why, DateTimeOffset now) => session.Execute(dead, entry.Id, why, now);

    public List<DeadLetter> DeadLetters(Session session) =>
        session.Query(deadLetters, static row => new DeadLetter(Map(row), row.GetString(7), row.Instant(5)));

    /// <summary>The wait after a failure that had <paramref name="before"/> failures before it.</summary>
    public static TimeSpan Wait(int before) =>
        before >= 20 ? LongestWait : TimeSpan.FromTicks(Math.Min(LongestWait.Ticks, FirstWait.Ticks << before));

    private static OutboxEntry Map(DbDataReader row) =>
        new(row.GetInt64(0), row.GetString(1), row.GetString(2), row.Bytes(3), row.GetInt32(4), row.Instant(5), row.GetString(6));
}
