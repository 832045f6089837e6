using Majia.Acquirer;
using Majia.Issuer;
using Majia.Network;
using Majia.Storage;
using Majia.TokenService;
using Majia.Wallet;
using Npgsql;

namespace Majia.Tests.Storage;

/// <summary>What only a database that others use too can show: roles, nodes side by side, and what is said when it cannot be used.</summary>
public sealed class PostgresTests(PostgresServer server)
{
    private static readonly PartySchema[] Parties = [AcquirerParty.Schema, IssuerParty.Schema, NetworkParty.Schema, TokenServiceParty.Schema, WalletParty.Schema];

    private static readonly PartySchema Test = new("test", ["CREATE TABLE test_row (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)"]);

    [Fact]
    public async Task Every_partys_schema_has_the_same_tables_and_columns_on_both_databases()
    {
        var database = await server.NewDatabaseAsync();
        await using var postgres = PostgresDatabase.Open(database, Parties, TimeProvider.System, PostgresServer.Options);
        await using var sqlite = new InlineStore(Parties);
        foreach (var party in Parties.Select(schema => schema.Party))
        {
            var there = postgres[party].Read(s => s.Query(
                "SELECT table_name || '.' || column_name || ' ' || CASE data_type WHEN 'bigint' THEN 'number' WHEN 'bytea' THEN 'bytes' ELSE data_type || ' ' || coalesce(collation_name, 'default') END FROM information_schema.columns WHERE table_schema = $1 AND table_name <> 'schema_version' ORDER BY 1",
                row => row.GetString(0), party));
            var here = sqlite.Read(s => s
                .Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE $1 ORDER BY name", row => row.GetString(0), $"{party}\\_%".Replace("\\", "", StringComparison.Ordinal))
                .SelectMany(table => s.Query($"SELECT name, type FROM pragma_table_info('{table}')", row => $"{table}.{row.GetString(0)} {Kind(row.GetString(1))}")))
                .Order(StringComparer.Ordinal);
            Assert.Equal(here, there.Order(StringComparer.Ordinal));
            Assert.NotEmpty(there);
        }

        static string Kind(string type) => type switch
        {
            "TEXT" => "text C",
            "INTEGER" or "BIGINT" => "number",
            "BLOB" or "BYTEA" => "bytes",
            _ => type,
        };
    }

    [Fact]
    public async Task A_partys_role_sees_no_other_partys_rows_and_makes_no_tables_there()
    {
        var database = await server.NewDatabaseAsync();
        await using var parties = PostgresDatabase.Open(database, Parties, TimeProvider.System, PostgresServer.Options);
        Assert.Empty(parties.WithoutRole);
        foreach (var (one, other, table) in ((string, string, string)[])[("issuer", "token", "token_token"), ("wallet", "token", "token_account"), ("acquirer", "issuer", "issuer_cards"), ("network", "issuer", "issuer_ledger"), ("token", "wallet", "wallet_account")])
        {
            Assert.Equal($"majia_{one}", parties[one].Read(s => s.Text("SELECT current_user::text")));
            await RefusedAsync(parties[one], $"SELECT count(*) FROM {other}.{table}");
            await RefusedAsync(parties[one], $"DELETE FROM {other}.{table}");
            await RefusedAsync(parties[one], $"CREATE TABLE {other}.theirs (id BIGINT)");
            await RefusedAsync(parties[one], $"SELECT 1 FROM {other}.schema_version");
        }

        async Task RefusedAsync(Store store, string sql)
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => store.WriteAsync(s => s.Number(sql)));
            Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
        }
    }

    [Fact]
    public async Task What_is_nobodys_own_is_read_by_all_and_written_by_none_of_them()
    {
        await using var parties = PostgresDatabase.Open(await server.NewDatabaseAsync(), [.. Parties, Restoration.Schema], TimeProvider.System, PostgresServer.Options);
        var mark = new Restoration(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1));
        await parties.Whole.CommitAsync(mark.Write);
        Assert.Equal(mark, parties["wallet"].Read(session => Restoration.Latest(session, "wallet")));
        await Assert.ThrowsAsync<PostgresException>(() => parties["wallet"].WriteAsync(mark.Write));
    }

    [Fact]
    public async Task Nodes_that_start_together_migrate_once()
    {
        var database = await server.NewDatabaseAsync();
        var nodes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => PostgresDatabase.Open(database, Parties, TimeProvider.System, PostgresServer.Options))));
        await nodes[0]["acquirer"].WriteAsync(s => s.Execute("INSERT INTO acquirer_merchant (number, name_en, name_zh, category) VALUES ('1', 'a', 'b', '5942')"));
        foreach (var node in nodes)
        {
            Assert.Equal(1, await node["acquirer"].WriteAsync(s => s.Number("SELECT count(*) FROM acquirer_merchant")));
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task Two_nodes_see_each_others_units_and_lose_none()
    {
        var database = await server.NewDatabaseAsync();
        await using var one = PostgresStore.Open(database, [Test], TimeProvider.System, PostgresServer.Options);
        await using var two = PostgresStore.Open(database, [Test], TimeProvider.System, PostgresServer.Options);
        await one.WriteAsync(s => s.Execute("INSERT INTO test_row (id, text) VALUES (1, '0')"));
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => (i % 2 == 0 ? one : two).CommitAsync(s =>
        {
            var next = int.Parse(s.Text("SELECT text FROM test_row WHERE id = 1 FOR UPDATE")!) + 1;
            return s.Execute("UPDATE test_row SET text = $1 WHERE id = 1", next.ToString());
        })));
        Assert.Equal("200", two.Read(s => s.Text("SELECT text FROM test_row WHERE id = 1")));
    }

    [Fact]
    public async Task A_flush_vouches_for_nothing_that_ran_before_the_server_stopped()
    {
        var database = await server.NewDatabaseAsync();
        await using var store = PostgresStore.Open(database, [Test], TimeProvider.System, PostgresServer.Options);
        var since = store.Mark();
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (id, text) VALUES (1, 'seen')"));
        await PostgresServer.RunAsync(
            await server.AdministratorOfAsync(database),
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        Assert.True((await Assert.ThrowsAsync<StoreUnavailableException>(() => store.DurableAsync(since))).InDoubt);

        // It finds its way back by itself, and what began before still counts for nothing.
        while (store.Failure is not null)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.DurableAsync(since));
        Assert.Equal(1, await store.CommitAsync(s => s.Execute("INSERT INTO test_row (id, text) VALUES (2, 'new')")));
        Assert.Equal(2, store.Read(s => s.Number("SELECT count(*) FROM test_row")));
    }

    [Fact]
    public async Task What_cannot_be_used_is_said_in_a_sentence()
    {
        var database = await server.NewDatabaseAsync();
        Says("cannot be reached", "Host=127.0.0.1;Port=1;Username=x");
        Says("no database nowhere", new NpgsqlConnectionStringBuilder(database) { Database = "nowhere" }.ConnectionString);
        Says("names no Host", "Username=x");
        Says("no connection string", "Host=localhost;Colour=blue");
        Says("fsync off", database, new PostgresOptions());

        var administrator = await server.AdministratorOfAsync(database);
        await PostgresServer.RunAsync(administrator, "CREATE SCHEMA test; CREATE TABLE test.theirs (id BIGINT)");
        Says("another program's", database);

        var name = new NpgsqlConnectionStringBuilder(database).Database;
        await PostgresServer.RunAsync(administrator, $"ALTER DATABASE {name} SET default_transaction_read_only = on");
        Says("read-only", database);

        static void Says(string expected, string store, PostgresOptions? options = null)
        {
            var error = Assert.ThrowsAny<StoreException>(() => PostgresStore.Open(store, [Test], TimeProvider.System, options ?? PostgresServer.Options));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_login_that_may_make_no_role_owns_its_schema_itself()
    {
        var database = await server.NewDatabaseAsync();
        var administrator = await server.AdministratorOfAsync(database);
        await PostgresServer.RunAsync(administrator, "DO $do$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $do$");
        var name = new NpgsqlConnectionStringBuilder(database).Database;
        await PostgresServer.RunAsync(administrator, $"ALTER DATABASE {name} OWNER TO plain");
        await using var store = PostgresDatabase.Open(new NpgsqlConnectionStringBuilder(database) { Username = "plain" }.ConnectionString, [new PartySchema("alone", ["CREATE TABLE alone_row (id INTEGER)"])], TimeProvider.System, PostgresServer.Options);
        Assert.Equal(["alone"], store.WithoutRole);
        Assert.Equal(0, store["alone"].Read(s => s.Number("SELECT count(*) FROM alone_row")));
    }
}
