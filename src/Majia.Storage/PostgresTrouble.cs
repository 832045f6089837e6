using System.Net.Sockets;
using Npgsql;

namespace Majia.Storage;

/// <summary>What a failure of PostgreSQL means for the unit that met it.</summary>
internal enum Trouble
{
    /// <summary>The unit's own: undone, and given to its caller.</summary>
    OfTheUnit,

    /// <summary>Two units met (serialisation, deadlock, lock not had in time): undone, and run again.</summary>
    Race,

    /// <summary>A row that exists once only was written by another unit: undone and run again, for the unit looks before it writes.</summary>
    Taken,

    /// <summary>The server is away, full or read-only: the connection is given up.</summary>
    Away,
}

/// <summary>Failures by SQLSTATE (PostgreSQL 15, appendix A), and in words for whoever starts the program.</summary>
internal static class PostgresTrouble
{
    private const string SerializationFailure = "40001", Deadlock = "40P01", LockNotAvailable = "55P03", UniqueViolation = "23505", ReadOnly = "25006", Canceled = "57014";

    public static Trouble Of(Exception failure) => failure switch
    {
        LostRaceException => Trouble.Race,
        PostgresException { SqlState: SerializationFailure or Deadlock or LockNotAvailable } => Trouble.Race,
        PostgresException { SqlState: UniqueViolation } => Trouble.Taken,
        PostgresException { SqlState: ReadOnly or Canceled } => Trouble.Away,

        // 08 connection, 53 resources, 57 operator, 58 system, XX broken data.
        PostgresException { SqlState: ['0', '8', ..] or ['5', '3', ..] or ['5', '7', ..] or ['5', '8', ..] or ['X', 'X', ..] } => Trouble.Away,
        PostgresException => Trouble.OfTheUnit,
        NpgsqlException or SocketException or TimeoutException or IOException or ObjectDisposedException => Trouble.Away,
        _ => Trouble.OfTheUnit,
    };

    /// <summary>What the first connection's failure is for whoever starts the program: time may mend an absent server, and not a wrong password.</summary>
    public static StoreException OfStart(StoreUnavailableException away) => away.InnerException switch
    {
        PostgresException { SqlState: ['5', '7', ..] or ['5', '3', ..] or ['0', '8', ..] } => new StoreAbsentException(away.Message, away),
        PostgresException or ArgumentException or NotSupportedException => new StoreException(away.Message, away),
        _ => new StoreAbsentException(away.Message, away),
    };

    /// <summary>Why a connection could not be opened: a sentence that says what to do. No password is in it.</summary>
    public static string WhyNotOpened(NpgsqlConnectionStringBuilder target, Exception failure) => failure switch
    {
        PostgresException { SqlState: "28P01" or "28000" } refused => $"PostgreSQL at {Place(target)} refuses the user {target.Username}: {refused.MessageText}",
        PostgresException { SqlState: "3D000" } => $"PostgreSQL at {Place(target)} has no database {target.Database}: create it first (createdb), or name another",
        PostgresException { SqlState: "57P03" } starting => $"PostgreSQL at {Place(target)} does not take connections yet: {starting.MessageText}",
        PostgresException { SqlState: "53300" } => $"PostgreSQL at {Place(target)} has no connection free (max_connections)",
        PostgresException other => $"PostgreSQL at {Place(target)} answers {other.SqlState}: {other.MessageText}",
        _ => $"PostgreSQL at {Place(target)} cannot be reached: {Innermost(failure).Message.TrimEnd('.')}",
    };

    public static string Place(NpgsqlConnectionStringBuilder target) =>
        target.Host is { } host && (host.StartsWith('/') || host.Contains(',', StringComparison.Ordinal)) ? host : $"{target.Host}:{target.Port}";

    private static Exception Innermost(Exception failure) => failure.InnerException is { } inner ? Innermost(inner) : failure;
}
