namespace Majia.Storage;

/// <summary>The mark that a restored database bears: from which moment its backup was, and when it came back (decisions.md 24).</summary>
/// <param name="BackupAt">What happened after this is not in the database.</param>
public sealed record Restoration(DateTimeOffset BackupAt, DateTimeOffset RestoredAt)
{
    public static PartySchema Schema { get; } = new("restoration",
    [
        "CREATE TABLE restoration_mark (restored_at BIGINT NOT NULL PRIMARY KEY, backup_at BIGINT NOT NULL)",
    ],
    ReadByAll: true);

    /// <summary>Written into a database while no process has it.</summary>
    public void Write(Session session) => session.Execute(
        "INSERT INTO restoration_mark (restored_at, backup_at) VALUES ($1, $2) ON CONFLICT (restored_at) DO UPDATE SET backup_at = excluded.backup_at", RestoredAt, BackupAt);

    /// <summary>The latest one, or null for a database that was never restored.</summary>
    public static Restoration? Latest(Session session) =>
        session.One("SELECT backup_at, restored_at FROM restoration_mark ORDER BY restored_at DESC LIMIT 1", static row => new Restoration(row.Instant(0), row.Instant(1)));
}
