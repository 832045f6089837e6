using Npgsql;

namespace Majia.Storage;

/// <summary>A PostgreSQL and how this program connects to it: time limits, and per party its role and schema.</summary>
internal sealed class PostgresTarget
{
    private const int OldestVersion = 15;

    private readonly string writing, flushing, reading, plain, gathering;

    /// <param name="role">What the connection acts as from its first statement on; null: its login.</param>
    /// <param name="schemas">Where unqualified names are looked for.</param>
    public PostgresTarget(string connectionString, string? role = null, IReadOnlyList<string>? schemas = null)
    {
        try
        {
            Parsed = new NpgsqlConnectionStringBuilder(connectionString);
        }
        catch (Exception malformed) when (malformed is ArgumentException or FormatException or KeyNotFoundException)
        {
            throw new StoreException($"--store is no connection string of PostgreSQL: {malformed.Message}", malformed);
        }

        if (string.IsNullOrEmpty(Parsed.Host))
        {
            throw new StoreException("--store names no Host");
        }

        var own = $"{(role is null ? "" : $"-c role={role} ")}{(schemas is null ? "" : $"-c search_path={string.Join(',', schemas)} ")}-c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000";
        plain = With($"{own} -c statement_timeout=0");
        flushing = With($"{own} -c statement_timeout=0");
        writing = With($"{own} -c statement_timeout=30000 -c synchronous_commit=off");
        // Over many keys at once the planner is not to read whole tables, nor to plan anew each time.
        gathering = new NpgsqlConnectionStringBuilder(With($"{own} -c statement_timeout=30000 -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan"))
        {
            MaxAutoPrepare = 100,
            AutoPrepareMinUsages = 2,
        }.ConnectionString;
        reading = With($"{own} -c statement_timeout=60000 -c default_transaction_read_only=on");
    }

    public NpgsqlConnectionStringBuilder Parsed { get; }

    /// <summary>A connection for units (<paramref name="synchronous"/> false), or for the log and for migrations.</summary>
    public NpgsqlConnection Open(bool synchronous) => OpenWith(synchronous ? flushing : writing);

    /// <summary>A connection for batches of hot units, whose commits wait for the disk.</summary>
    public NpgsqlConnection OpenForBatches()
    {
        var connection = OpenWith(gathering);
        try
        {
            Wait(connection);
            return connection;
        }
        catch (NpgsqlException failure)
        {
            connection.Dispose();
            throw new StoreUnavailableException(PostgresTrouble.WhyNotOpened(Parsed, failure), inDoubt: false, failure);
        }
    }

    /// <summary>A server that is set not to wait for its disk is made to wait on this connection.</summary>
    public static void Wait(NpgsqlConnection connection)
    {
        using var wait = new NpgsqlCommand("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'", connection);
        wait.ExecuteNonQuery();
    }

    public NpgsqlConnection OpenReader() => OpenWith(reading);

    /// <summary>The first connection: is it a server that can serve? Its failures are the world's (exit code 3).</summary>
    /// <param name="fsyncMayBeOff">For tests whose subject is not durability.</param>
    public NpgsqlConnection OpenFirst(bool fsyncMayBeOff)
    {
        NpgsqlConnection connection;
        try
        {
            connection = OpenWith(plain);
        }
        catch (StoreUnavailableException away)
        {
            throw PostgresTrouble.OfStart(away);
        }

        string? why = null;
        if (connection.PostgreSqlVersion.Major < OldestVersion)
        {
            why = $"PostgreSQL at {PostgresTrouble.Place(Parsed)} is version {connection.PostgreSqlVersion}: {OldestVersion} or newer is needed";
        }
        else if (IsOn(connection, "SELECT pg_is_in_recovery()"))
        {
            why = $"PostgreSQL at {PostgresTrouble.Place(Parsed)} is a standby, which takes no writes; name the primary, or both with Target Session Attributes=primary";
        }
        else if (IsOn(connection, "SELECT current_setting('default_transaction_read_only')::boolean"))
        {
            why = $"the database {Parsed.Database} at {PostgresTrouble.Place(Parsed)} is read-only (default_transaction_read_only)";
        }
        else if (!fsyncMayBeOff && IsOn(connection, "SELECT NOT current_setting('fsync')::boolean"))
        {
            why = $"PostgreSQL at {PostgresTrouble.Place(Parsed)} runs with fsync off: nothing that it acknowledges would survive a power failure";
        }

        if (why is null)
        {
            return connection;
        }

        connection.Dispose();
        throw new StoreException(why);
    }

    private static bool IsOn(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar() is true;
    }

    private NpgsqlConnection OpenWith(string text)
    {
        var connection = new NpgsqlConnection(text);
        try
        {
            connection.Open();
            return connection;
        }
        catch (Exception failure) when (failure is NpgsqlException or IOException or System.Net.Sockets.SocketException or TimeoutException or ArgumentException or NotSupportedException)
        {
            connection.Dispose();
            throw new StoreUnavailableException(PostgresTrouble.WhyNotOpened(Parsed, failure), inDoubt: false, failure);
        }
    }

    private string With(string options)
    {
        var text = new NpgsqlConnectionStringBuilder(Parsed.ConnectionString)
        {
            Pooling = false,
            Options = string.IsNullOrEmpty(Parsed.Options) ? options : $"{Parsed.Options} {options}",
            ApplicationName = Parsed.ApplicationName ?? "majia",
            CancellationTimeout = -1,
            NoResetOnClose = true,
        };
        // Only what was not named: ContainsKey knows every keyword, said or not.
        var named = Parsed.Keys.Cast<string>().ToHashSet(StringComparer.OrdinalIgnoreCase);
        if (!named.Contains("Timeout"))
        {
            text.Timeout = 3;
        }

        if (!named.Contains("Command Timeout"))
        {
            text.CommandTimeout = 15;
        }

        if (!named.Contains("Host Recheck Seconds"))
        {
            text.HostRecheckSeconds = 1;
        }

        return text.ConnectionString;
    }
}
