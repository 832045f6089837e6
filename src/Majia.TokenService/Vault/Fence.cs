using System.Globalization;
using Majia.Storage;

namespace Majia.TokenService.Vault;

/// <summary>What keeps a restored token service from paying: counters and deletions since its backup are missing, and a tap of that time would be good again (decisions.md 24).</summary>
/// <param name="BackupAt">The vault knows nothing of what happened after this.</param>
/// <param name="TapsDone">The network's journal has been replayed.</param>
/// <param name="CardsDone">The wallet's.</param>
/// <param name="Says">What it waits for, or what was found.</param>
public sealed record Fence(DateTimeOffset RaisedAt, DateTimeOffset BackupAt, bool TapsDone, bool CardsDone, string Says)
{
    /// <summary>The one that is up, or null.</summary>
    public static Fence? Up(Session session) => session.One(
        "SELECT raised_at, backup_at, taps_done, cards_done, says FROM token_fence WHERE lifted_at IS NULL ORDER BY raised_at DESC LIMIT 1",
        static row => new Fence(row.Instant(0), row.Instant(1), row.GetInt64(2) != 0, row.GetInt64(3) != 0, row.GetString(4)));

    /// <summary>Raised by whoever restores, before the party starts: on PostgreSQL in the transaction that brings the vault's rows.</summary>
    public static string RaiseStatement(DateTimeOffset now, DateTimeOffset backupAt) => string.Create(
        CultureInfo.InvariantCulture,
        $"INSERT INTO token_fence (raised_at, backup_at, taps_done, cards_done, lifted_at, says) VALUES ({now.ToUnixTimeMilliseconds()}, {backupAt.ToUnixTimeMilliseconds()}, 0, 0, NULL, 'waits for the journals of network and wallet')");

    public static void Raise(Session session, DateTimeOffset now, DateTimeOffset backupAt) => session.Execute(RaiseStatement(now, backupAt));

    internal void Write(Session session) => session.Execute(
        "UPDATE token_fence SET taps_done = $2, cards_done = $3, says = $4 WHERE raised_at = $1", RaisedAt, TapsDone ? 1 : 0, CardsDone ? 1 : 0, Says);

    public static void Lift(Session session, DateTimeOffset now, string says) =>
        session.Execute("UPDATE token_fence SET lifted_at = $1, says = $2 WHERE lifted_at IS NULL", now, says);
}
