using System.Globalization;

namespace Majia.Storage;

/// <summary>The mark that a restored database bears: from which moment its backup was, and when it came back (decisions.md 24).</summary>
/// <param name="BackupAt">What happened after this is not in the database.</param>
/// <param name="Parties">Whose rows came back, each between commas; null: all that are in the database.</param>
public sealed record Restoration(DateTimeOffset BackupAt, DateTimeOffset RestoredAt, string? Parties = null)
{
    public static PartySchema Schema { get; } = new("restoration",
    [
        "CREATE TABLE restoration_mark (restored_at BIGINT NOT NULL PRIMARY KEY, backup_at BIGINT NOT NULL)",
        "ALTER TABLE restoration_mark ADD COLUMN parties TEXT",
    ],
    ReadByAll: true);

    /// <summary>The mark of some parties' rows, beside those of others that stayed.</summary>
    public static Restoration Of(IEnumerable<string> parties, DateTimeOffset backupAt, DateTimeOffset restoredAt) =>
        new(backupAt, restoredAt, $",{string.Join(',', parties.Order(StringComparer.Ordinal))},");

    /// <summary>As a statement of its own: a restoration on PostgreSQL runs it in the transaction that brings the rows.</summary>
    /// <exception cref="ArgumentException">A name that is no party's.</exception>
    public string Statement => Parties is null || Parties.All(static letter => letter is ',' or '_' || char.IsAsciiLetterLower(letter))
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"INSERT INTO restoration_mark (restored_at, backup_at, parties) VALUES ({RestoredAt.ToUnixTimeMilliseconds()}, {BackupAt.ToUnixTimeMilliseconds()}, {(Parties is null ? "NULL" : $"'{Parties}'")}) ON CONFLICT (restored_at) DO UPDATE SET backup_at = excluded.backup_at, parties = excluded.parties")
        : throw new ArgumentException($"'{Parties}' names no parties");

    /// <summary>Written into a database while no process has it.</summary>
    public void Write(Session session) => session.Execute(Statement);

    /// <summary>The latest one of a party's rows, or null where they were never restored.</summary>
    public static Restoration? Latest(Session session, string party) => session.One(
        "SELECT backup_at, restored_at, parties FROM restoration_mark WHERE parties IS NULL OR parties LIKE $1 ORDER BY restored_at DESC LIMIT 1",
        static row => new Restoration(row.Instant(0), row.Instant(1), row.TextOrNull(2)), $"%,{party},%");
}
