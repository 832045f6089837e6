namespace Majia.Storage;

/// <summary>One PostgreSQL for several parties: a store each, with its own schema and role, and one log, so that one wait covers them all (decisions.md 22).</summary>
public sealed class PostgresDatabase : IAsyncDisposable
{
    private readonly SortedDictionary<string, PostgresStore> stores = new(StringComparer.Ordinal);
    private readonly PostgresLog log;
    private readonly PostgresHotUnits hot;

    private PostgresDatabase(PostgresLog log, PostgresHotUnits hot, PostgresStore whole) => (this.log, this.hot, Whole) = (log, hot, whole);

    /// <summary>Every party's rows, as the login sees them: for the health of the whole, not for a party.</summary>
    public Store Whole { get; }

    /// <summary>Parties whose tables belong to the login itself, since it may make no roles.</summary>
    public IReadOnlyList<string> WithoutRole { get; private init; } = [];

    /// <summary>Opens the database and makes what is missing in it. Throws <see cref="StoreException"/> when it cannot be used: absent, wrong password, standby, read-only, newer schema.</summary>
    public static PostgresDatabase Open(string connectionString, IReadOnlyList<PartySchema> schemas, TimeProvider time, PostgresOptions? options = null)
    {
        options ??= new();
        var (target, roles) = Prepare(connectionString, schemas, options);
        var log = new PostgresLog(target);
        string[] parties = [.. schemas.Select(static schema => schema.Party)];
        var all = new PostgresTarget(connectionString, null, parties);
        var hot = new PostgresHotUnits(all, log, time, parties, roles.Where(static role => role.Value is not null).ToDictionary(static role => role.Value!, static role => role.Key), options.AloneAfter);
        var database = new PostgresDatabase(log, hot, new PostgresStore(all, log, hot, string.Empty, parties, owns: false, time, writers: 1)) { WithoutRole = [.. roles.Where(static role => role.Value is null).Select(static role => role.Key)] };
        string[] shared = [.. schemas.Where(static schema => schema.ReadByAll).Select(static schema => schema.Party)];
        foreach (var schema in schemas)
        {
            var own = new PostgresTarget(connectionString, roles[schema.Party], [schema.Party, .. shared.Where(party => party != schema.Party)]);
            database.stores.Add(schema.Party, new PostgresStore(own, log, hot, roles[schema.Party] ?? string.Empty, [schema.Party], owns: false, time, options.Writers));
        }

        return database;
    }

    /// <summary>Parties whose rows this login may look at.</summary>
    /// <exception cref="StoreException">The database cannot be reached, or it refuses.</exception>
    public static IReadOnlyList<string> Parties(string connectionString) => PostgresStore.Peek(connectionString, null, static session => session.Query(
        """
        SELECT n.nspname::text FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_version'
        WHERE pg_has_role(current_user, n.nspowner, 'MEMBER') ORDER BY n.nspname
        """,
        static row => row.GetString(0)));

    /// <summary>The store of one party: its own tables and nobody else's.</summary>
    public Store this[string party] => stores[party];

    public async ValueTask DisposeAsync()
    {
        await hot.DisposeAsync();
        foreach (var store in stores.Values)
        {
            await store.DisposeAsync();
        }

        await Whole.DisposeAsync();
        log.Dispose();
    }

    internal static (PostgresTarget Target, SortedDictionary<string, string?> Roles) Prepare(string connectionString, IReadOnlyList<PartySchema> schemas, PostgresOptions options)
    {
        var target = new PostgresTarget(connectionString);
        try
        {
            SortedDictionary<string, string?> roles;
            using (var connection = target.OpenFirst(options.FsyncMayBeOff))
            {
                roles = PostgresSchema.Prepare(connection, schemas);
            }

            foreach (var schema in schemas)
            {
                using var own = new PostgresTarget(connectionString, roles[schema.Party], [schema.Party]).Open(synchronous: true);
                PostgresSchema.Migrate(own, schema, $"the database {target.Parsed.Database} at {PostgresTrouble.Place(target.Parsed)}");
            }

            foreach (var schema in schemas.Where(static schema => schema.ReadByAll))
            {
                using var owner = new PostgresTarget(connectionString, roles[schema.Party], [schema.Party]).Open(synchronous: true);
                PostgresSchema.LetRead(owner, schema.Party, [.. roles.Values.OfType<string>()]);
            }

            return (target, roles);
        }
        catch (StoreUnavailableException away)
        {
            throw PostgresTrouble.OfStart(away);
        }
        catch (Npgsql.NpgsqlException failure) when (PostgresTrouble.Of(failure) == Trouble.Away)
        {
            throw PostgresTrouble.OfStart(new StoreUnavailableException(PostgresTrouble.WhyNotOpened(target.Parsed, failure), inDoubt: false, failure));
        }
        catch (Npgsql.NpgsqlException failure)
        {
            throw new StoreException(PostgresTrouble.WhyNotOpened(target.Parsed, failure), failure);
        }
    }
}
