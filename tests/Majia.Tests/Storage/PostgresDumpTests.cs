using Majia.Storage;
using Npgsql;

namespace Majia.Tests.Storage;

/// <summary>The parties' schemas out of one PostgreSQL and into another: of one moment, whole or not at all.</summary>
public sealed class PostgresDumpTests(PostgresServer server) : IDisposable
{
    private static readonly PartySchema[] Parties =
    [
        new("issuer", ["CREATE TABLE issuer_entry (id INTEGER PRIMARY KEY, note TEXT NOT NULL)", "CREATE INDEX issuer_note ON issuer_entry (note)"]),
        new("token", ["CREATE TABLE token_entry (id INTEGER PRIMARY KEY, note TEXT NOT NULL)"]),
    ];

    private static readonly DateTimeOffset Then = new(2026, 11, 25, 3, 10, 0, TimeSpan.Zero);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-dump-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Parties_dumped_under_load_agree_with_each_other()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var database = await server.NewDatabaseAsync();
        await (PostgresDatabase.Open(database, Parties, TimeProvider.System, PostgresServer.Options)).DisposeAsync();
        var administrator = await server.AdministratorOfAsync(database);
        await PostgresServer.RunAsync(administrator, "INSERT INTO issuer.issuer_entry (note) SELECT repeat(md5(i::text), 20) FROM generate_series(1, 20000) i");

        // Somebody writes into both at once, transaction by transaction, before, between and after the dumps.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var written = 0;
        var first = new TaskCompletionSource();
        var writer = Task.Run(
            async () =>
            {
                await using var connection = new NpgsqlConnection(administrator + ";Pooling=false");
                await connection.OpenAsync(cancellation);
                while (!stop.IsCancellationRequested)
                {
                    await using var both = new NpgsqlCommand("BEGIN; INSERT INTO token.token_entry (note) VALUES ('pair'); INSERT INTO issuer.issuer_entry (note) VALUES ('pair'); COMMIT", connection);
                    await both.ExecuteNonQueryAsync(cancellation);
                    written++;
                    first.TrySetResult();
                }
            },
            cancellation);
        await first.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellation);
        var before = Volatile.Read(ref written);
        var dumps = await PostgresDump.TakeAsync(database, folder, []);
        var after = Volatile.Read(ref written);
        await stop.CancelAsync();
        await writer;
        Assert.True(after > before + 1, "nobody wrote while the dumps were made");
        Assert.Equal(["issuer=2", "token=1"], dumps.Select(dump => dump.Schema));

        var restored = await server.NewDatabaseAsync();
        var mark = Restoration.Of(["issuer", "token"], Then, Then.AddHours(1));
        await PostgresDump.RestoreAsync(restored, Paths(dumps), mark, Nothing, PostgresServer.Options);
        await using var parties = PostgresDatabase.Open(restored, [.. Parties, Restoration.Schema], TimeProvider.System, PostgresServer.Options);
        var (bank, vault) = (
            parties["issuer"].Read(s => s.Number("SELECT count(*) FROM issuer_entry WHERE note = 'pair'")),
            parties["token"].Read(s => s.Number("SELECT count(*) FROM token_entry WHERE note = 'pair'")));
        Assert.Equal(bank, vault);
        Assert.InRange(bank ?? 0, before, after + 1);
        Assert.Equal(mark, parties["token"].Read(s => Restoration.Latest(s, "token")));
        Assert.Null(parties["token"].Read(s => Restoration.Latest(s, "wallet")));

        // Rights as before: nobody sees another party's rows, and numbers go on where they were.
        await Assert.ThrowsAsync<PostgresException>(() => parties["token"].WriteAsync(s => s.Number("SELECT count(*) FROM issuer.issuer_entry")));
        Assert.True(await parties["token"].WriteAsync(s => s.Number("INSERT INTO token_entry (note) VALUES ('next') RETURNING id")) > vault);
    }

    [Fact]
    public async Task Whatever_fails_leaves_the_database_as_it_was()
    {
        var database = await server.NewDatabaseAsync();
        await (PostgresDatabase.Open(database, Parties, TimeProvider.System, PostgresServer.Options)).DisposeAsync();
        var dumps = Paths(await PostgresDump.TakeAsync(database, folder, []));
        var mark = new Restoration(Then, Then);

        var target = await server.NewDatabaseAsync();
        var refused = await RefusedAsync(dumps, new Dictionary<string, string> { ["token"] = "INSERT INTO token_nowhere VALUES (1)" });
        Assert.Contains("token_nowhere", refused, StringComparison.Ordinal);

        // Cut short in the middle of a table, and one that is no dump.
        var whole = await File.ReadAllBytesAsync(dumps["token"], TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(dumps["token"], whole.AsMemory(0, whole.Length - 40), TestContext.Current.CancellationToken);
        Assert.Contains("pg_restore failed", await RefusedAsync(dumps, Nothing), StringComparison.Ordinal);
        await File.WriteAllTextAsync(dumps["token"], "no dump", TestContext.Current.CancellationToken);
        Assert.Contains("pg_restore failed", await RefusedAsync(dumps, Nothing), StringComparison.Ordinal);
        Assert.Contains("is no party", await RefusedAsync(new Dictionary<string, string> { ["x; DROP TABLE y"] = dumps["issuer"] }, Nothing), StringComparison.Ordinal);

        // So a good one finds it empty, and the next one finds it full.
        await File.WriteAllBytesAsync(dumps["token"], whole, TestContext.Current.CancellationToken);
        await PostgresDump.RestoreAsync(target, dumps, mark, Nothing, PostgresServer.Options);
        Assert.Contains("is not empty: party issuer has tables there", await RefusedAsync(dumps, Nothing), StringComparison.Ordinal);

        async Task<string> RefusedAsync(IReadOnlyDictionary<string, string> what, IReadOnlyDictionary<string, string> also)
        {
            var failure = await Assert.ThrowsAsync<StoreException>(() => PostgresDump.RestoreAsync(target, what, mark, also, PostgresServer.Options));
            return failure.Message;
        }
    }

    [Fact]
    public void Without_the_programs_of_the_servers_version_it_says_what_to_install()
    {
        PostgresServer.Require();
        var target = new NpgsqlConnectionStringBuilder("Host=db1;Username=majia;Password=secret;Database=majia");
        var none = Assert.Throws<StoreException>(() => PostgresTools.Find(target, 17, [folder]));
        Assert.Equal("PostgreSQL at db1:5432 is version 17: expected pg_dump, pg_restore and psql of 17 or newer here, got none: apt-get install postgresql-client-17", none.Message);
        var old = Assert.Throws<StoreException>(() => PostgresTools.Find(target, 99, [PrivatePostgres.Binaries!]));
        Assert.Matches($"of 99 or newer here, got \\d+ in {PrivatePostgres.Binaries}: apt-get install postgresql-client-99", old.Message);
    }

    [Fact]
    public void The_programs_hear_of_the_connection_by_their_variables_and_never_on_a_command_line()
    {
        var said = PostgresTools.Variables(new NpgsqlConnectionStringBuilder("Host=db1,db2:5433;Port=5555;Username=majia;Password=secret;Database=books;Target Session Attributes=primary;SSL Mode=VerifyFull;Root Certificate=/ca.pem"));
        Assert.Equal("db1,db2", said["PGHOST"]);
        Assert.Equal("5555,5433", said["PGPORT"]);
        Assert.Equal("majia", said["PGUSER"]);
        Assert.Equal("secret", said["PGPASSWORD"]);
        Assert.Equal("books", said["PGDATABASE"]);
        Assert.Equal("primary", said["PGTARGETSESSIONATTRS"]);
        Assert.Equal("verify-full", said["PGSSLMODE"]);
        Assert.Equal("/ca.pem", said["PGSSLROOTCERT"]);
        Assert.False(said.ContainsKey("PGPASSFILE"));
        Assert.False(PostgresTools.Variables(new NpgsqlConnectionStringBuilder("Host=/run/postgresql;Username=a")).ContainsKey("PGSSLMODE"));
    }

    private static IReadOnlyDictionary<string, string> Nothing { get; } = new Dictionary<string, string>();

    private Dictionary<string, string> Paths(IReadOnlyList<PartyDump> dumps) => dumps.ToDictionary(dump => dump.Party, dump => Path.Combine(folder, dump.Name));
}
