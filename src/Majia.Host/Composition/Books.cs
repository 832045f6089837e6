using Majia.Storage;

namespace Majia.Host.Composition;

/// <summary>Where the server parties of one process keep their rows: one file for all of them, or one PostgreSQL with a schema and a role for each. Either way one log (decisions.md 22, 30).</summary>
public sealed class Books : IAsyncDisposable
{
    /// <summary>The word for <c>--store</c> that starts a private PostgreSQL in the data folder.</summary>
    public const string Private = "postgres";

    private readonly PrivatePostgres? server;
    private readonly PostgresDatabase? database;

    private Books(Store whole, PostgresDatabase? database, PrivatePostgres? server) => (Whole, this.database, this.server) = (whole, database, server);

    /// <summary>All parties' rows: for edges, which wait for the log that all share, and for whoever looks at the whole.</summary>
    public Store Whole { get; }

    /// <summary>The store of one party.</summary>
    public Store Of(PartySchema schema) => database?[schema.Party] ?? Whole;

    /// <exception cref="StoreException">The database cannot be used as it is.</exception>
    public static Books Open(SystemOptions options, DataFolder folder, IReadOnlyList<PartySchema> schemas)
    {
        if (string.IsNullOrEmpty(options.Store))
        {
            return new Books(SqliteStore.Open(folder.Database, schemas, options.Time), null, null);
        }

        var server = options.Store == Private ? PrivatePostgres.StartAsync(Path.Combine(folder.Path, "postgres")).GetAwaiter().GetResult() : null;
        try
        {
            var database = PostgresDatabase.Open(server?.ConnectionString ?? options.Store, schemas, options.Time, options.Postgres);
            if (database.WithoutRole.Count > 0)
            {
                options.Log.LogWarning("The database's login may make no roles: it owns the tables of {Parties} itself, and nothing in the database keeps these parties apart", string.Join(", ", database.WithoutRole));
            }

            return new Books(database.Whole, database, server);
        }
        catch
        {
            server?.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (database is null)
        {
            await Whole.DisposeAsync();
            return;
        }

        await database.DisposeAsync();
        if (server is not null)
        {
            await server.DisposeAsync();
        }
    }
}
