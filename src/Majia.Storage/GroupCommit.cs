namespace Majia.Storage;

/// <summary>When the writer commits without being asked.</summary>
/// <param name="IdleMilliseconds">After this long with nothing to run and nobody waiting.</param>
/// <param name="MaxUnits">Units in one commit.</param>
/// <param name="MaxAgeMilliseconds">While somebody waits and others keep coming, the oldest unit waits no longer than this.</param>
/// <param name="LogAfter">After so many large commits with no small one between them and nobody who wanted to look into the database, commits go into the log first (docs/decisions/0058).</param>
/// <param name="Large">Units of a large commit.</param>
/// <param name="LogRows">So many rows are written into the database together.</param>
/// <param name="LogMilliseconds">No row waits longer for that; and when fewer than a quarter of <paramref name="LogRows"/> came in this time, commits go straight into the database again.</param>
/// <param name="ReadMilliseconds">A reader waits no longer for rows on their way from the log into the database.</param>
public sealed record GroupCommit(int IdleMilliseconds = 50, int MaxUnits = 512, int MaxAgeMilliseconds = 5, int LogAfter = 16, int Large = 32, int LogRows = 24_576, int LogMilliseconds = 1_000, int ReadMilliseconds = 10_000);
