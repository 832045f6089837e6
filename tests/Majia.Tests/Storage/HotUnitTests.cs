using Majia.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Storage;

/// <summary>Hot units, on PostgreSQL travelling together and from two nodes: each has its own result, as if it had been alone.</summary>
public class HotUnitTests(PostgresServer server)
{
    protected virtual PostgresOptions Options => PostgresServer.Options;

    /// <summary>What two nodes would do one does.</summary>
    protected virtual bool IsOneNode => false;

    private sealed record Row(string Account, string Id, long Balance, string? Note);

    private static readonly PartySchema Schema = new("test", ["CREATE TABLE test_hot (account TEXT NOT NULL, id TEXT NOT NULL, balance INTEGER NOT NULL, note TEXT, PRIMARY KEY (account, id)) WITHOUT ROWID"]);

    private static readonly HotTable<Row> Table = new(
        "test_hot", keys: 2, columns: "account, id, balance, note", changing: "balance, note",
        map: static row => new Row(row.GetString(0), row.GetString(1), row.GetInt64(2), row.TextOrNull(3)), values: static row => [row.Account, row.Id, row.Balance, row.Note]);

    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Many_units_of_two_nodes_on_few_rows_lose_no_update(StoreTests.Engine engine)
    {
        await using var nodes = await OpenAsync(engine);
        var (one, two) = (nodes.One, nodes.Two);
        await one.WriteAsync(s =>
        {
            s.Add(Table, new("a", "1", 0, null));
            s.Add(Table, new("a", "2", 0, null));
        });
        await Task.WhenAll(Enumerable.Range(0, 400).Select(i => (i % 2 == 0 ? one : two).WriteAsync(s => Add(s, i % 3 == 0 ? "1" : "2"), wanted => wanted.Row(Table, "a", i % 3 == 0 ? "1" : "2"))));

        // The other node's last units are seen here when they are committed.
        await two.DurableAsync();
        Assert.Equal([134, 266], await one.WriteAsync(s => s.Query("SELECT balance FROM test_hot ORDER BY id", row => row.GetInt64(0))));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_unit_that_throws_leaves_nothing_and_its_company_stays(StoreTests.Engine engine)
    {
        await using var nodes = await OpenAsync(engine);
        var store = nodes.One;
        var units = Enumerable.Range(0, 30).Select(i => store.WriteAsync(
            s =>
            {
                s.Add(Table, new("a", i.ToString(), i, i % 2 == 0 ? null : "odd"));
                return i % 5 == 0 ? throw new InvalidOperationException("planned") : i;
            },
            wanted => wanted.Row(Table, "a", i.ToString()))).ToList();
        foreach (var (unit, i) in units.Select((unit, i) => (unit, i)))
        {
            if (i % 5 == 0)
            {
                await Assert.ThrowsAsync<InvalidOperationException>(() => unit);
            }
            else
            {
                Assert.Equal(i, await unit);
            }
        }

        Assert.Equal(24, await store.WriteAsync(s => s.Number("SELECT count(*) FROM test_hot")));
        Assert.Equal(12, await store.WriteAsync(s => s.Number("SELECT count(note) FROM test_hot")));
    }

    [Fact]
    public async Task What_two_requests_do_is_one_commit_though_one_of_them_ends_before_the_other()
    {
        // Time stands still: nobody's patience ends meanwhile.
        var time = new FakeTimeProvider();
        await using var store = PostgresStore.Open(await server.NewDatabaseAsync(), [Schema], time, PostgresServer.Options);
        var (written, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var slow = RequestAsync("slow", first => { written.SetResult(); return goOn.Task; });
        await written.Task;
        var quick = RequestAsync("quick", _ => { goOn.SetResult(); return Task.CompletedTask; });
        await Task.WhenAll(slow, quick);
        Assert.Equal(4, await store.WriteAsync(s => s.Number("SELECT count(*) FROM test_hot")));
        Assert.Equal(1, await store.WriteAsync(s => s.Number("SELECT count(DISTINCT xmin::text) FROM test_hot")));

        // One that never ends holds nobody up for long.
        var never = new TaskCompletionSource();
        var stuck = RequestAsync("stuck", _ => never.Task);
        var free = RequestAsync("free", _ => Task.CompletedTask);
        Assert.False(free.IsCompleted);
        for (var step = 0; step < 1_000 && !free.IsCompleted; step++)
        {
            time.Advance(TimeSpan.FromMilliseconds(5));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TestContext.Current.CancellationToken);
        }

        await free.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        never.SetResult();
        await stuck;
        Assert.Equal(8, await store.WriteAsync(s => s.Number("SELECT count(*) FROM test_hot")));

        async Task RequestAsync(string name, Func<string, Task> between)
        {
            var since = store.Mark();
            await AddAsync("1");
            await between(name);
            await AddAsync("2");
            await store.DurableAsync(since);

            Task<bool> AddAsync(string id) => store.WriteAsync(s => s.TryAdd(Table, new(name, id, 0, null)), wanted => wanted.Row(Table, name, id));
        }
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_key_that_exists_once_is_taken_once_by_whatever_node(StoreTests.Engine engine)
    {
        await using var nodes = await OpenAsync(engine);
        var (one, two) = (nodes.One, nodes.Two);
        var taken = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => (i % 2 == 0 ? one : two).WriteAsync(
            s => s.TryAdd(Table, new("a", (i / 10).ToString(), i, null)), wanted => wanted.Row(Table, "a", (i / 10).ToString()))));
        Assert.Equal(20, taken.Count(mine => mine));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task What_was_not_named_is_read_and_statements_of_a_units_own_are_run(StoreTests.Engine engine)
    {
        await using var nodes = await OpenAsync(engine);
        var store = nodes.One;
        await store.WriteAsync(s => s.Add(Table, new("a", "1", 5, "n")));
        Assert.Equal(6, await store.WriteAsync(s => Add(s, "1"), _ => { }));
        Assert.Equal(7, await store.WriteAsync(s => Add(s, "1") + s.Number("SELECT 0"), wanted => wanted.Row(Table, "a", "1")));
        Assert.Equal(8, await store.WriteAsync(
            s =>
            {
                s.Lock("test/never-named");
                return Add(s, "1");
            },
            wanted => wanted.Row(Table, "a", "1")));
        Assert.Equal(8, (await store.LookAsync(s => s.Find(Table, "a", "1"), wanted => wanted.Row(Table, "a", "1")))!.Balance);
        Assert.Null(await store.LookAsync(s => s.Find(Table, "a", "none"), wanted => wanted.Row(Table, "a", "none")));
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.WriteAsync<int>(
            s =>
            {
                s.Put(Table, new("a", "none", 1, null));
                return 0;
            },
            wanted => wanted.Row(Table, "a", "none")));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_named_key_without_a_row_is_held(StoreTests.Engine engine)
    {
        await using var nodes = await OpenAsync(engine);
        var (one, two) = (nodes.One, nodes.Two);
        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => (i % 2 == 0 ? one : two).WriteAsync(
            s =>
            {
                s.Lock("test/sequence");
                var next = s.Rows(Grouped, "b").Count;
                s.Add(Grouped, new("b", next.ToString("D3"), next, null));
                return next;
            },
            wanted =>
            {
                wanted.Lock("test/sequence");
                wanted.Row(Grouped, "b");
            })));
        await two.DurableAsync(); // what a unit gives is given before its commit, and only its own node sees it so early
        Assert.Equal(60, await one.WriteAsync(s => s.Number("SELECT count(*) FROM test_hot WHERE account = 'b'")));
    }

    [Fact]
    public async Task Hot_units_of_two_parties_travel_together_and_each_acts_as_its_own_role()
    {
        var text = await server.NewDatabaseAsync();
        await using var database = PostgresDatabase.Open(text, [Party("east"), Party("west")], TimeProvider.System, Options);
        var (left, right) = (TableOf("east"), TableOf("west"));
        await database["east"].WriteAsync(s => s.TryAdd(left, new("a", "1", 1, null)), wanted => wanted.Row(left, "a", "1"));
        await database["west"].WriteAsync(s => s.TryAdd(right, new("b", "1", 2, null)), wanted => wanted.Row(right, "b", "1"));
        await database.Whole.DurableAsync();
        var administrator = await server.AdministratorOfAsync(text);
        Assert.Equal("(1,2)", await PostgresServer.RunAsync(administrator, "SELECT (l.balance, r.balance)::text FROM east.east_hot l, west.west_hot r"));

        // A table of the other party is not one's own, in a batch either.
        await Assert.ThrowsAnyAsync<Exception>(() => database["east"].WriteAsync(s => s.Find(TableOf("west"), "b", "1"), wanted => wanted.Row(TableOf("west"), "b", "1")));

        static PartySchema Party(string name) => new(name, [$"CREATE TABLE {name}_hot (account TEXT NOT NULL, id TEXT NOT NULL, balance INTEGER NOT NULL, note TEXT, PRIMARY KEY (account, id)) WITHOUT ROWID"]);

        static HotTable<Row> TableOf(string name) => new(
            $"{name}_hot", keys: 2, columns: "account, id, balance, note", changing: "balance, note",
            map: static row => new Row(row.GetString(0), row.GetString(1), row.GetInt64(2), row.TextOrNull(3)), values: static row => [row.Account, row.Id, row.Balance, row.Note]);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_unit_with_statements_of_its_own_and_a_reader_see_what_hot_units_have_made(StoreTests.Engine engine)
    {
        await using var nodes = await OpenAsync(engine);
        var store = nodes.One;
        for (var i = 0; i < 20; i++)
        {
            Assert.True(await store.WriteAsync(s => s.TryAdd(Table, new("a", i.ToString(), i, null)), wanted => wanted.Row(Table, "a", i.ToString())));
            Assert.Equal(i + 1, i % 2 == 0 ? await store.WriteAsync(s => s.Number("SELECT count(*) FROM test_hot")) : await ReadAsync());
        }

        // A reader of a file sees what is committed, and on PostgreSQL has it committed first.
        async Task<long?> ReadAsync()
        {
            if (engine == StoreTests.Engine.Sqlite)
            {
                await store.DurableAsync();
            }

            return store.Read(s => s.Number("SELECT count(*) FROM test_hot"));
        }
    }

    private static readonly HotTable<Row> Grouped = new(
        "test_hot", keys: 2, group: 1, columns: "account, id, balance, note", changing: "balance",
        map: static row => new Row(row.GetString(0), row.GetString(1), row.GetInt64(2), row.TextOrNull(3)), values: static row => [row.Account, row.Id, row.Balance, row.Note]);

    private static long Add(Session session, string id)
    {
        var row = session.Find(Table, "a", id)!;
        session.Put(Table, row with { Balance = row.Balance + 1 });
        return row.Balance + 1;
    }

    private async Task<Nodes> OpenAsync(StoreTests.Engine engine)
    {
        if (engine == StoreTests.Engine.Sqlite)
        {
            var folder = Directory.CreateTempSubdirectory("majia-test-").FullName;
            var alone = SqliteStore.Open(Path.Combine(folder, "majia.db"), [Schema], TimeProvider.System);
            return new Nodes(alone, alone, folder);
        }

        var database = await server.NewDatabaseAsync();
        var one = Open();
        return new Nodes(one, IsOneNode ? one : Open(), null);

        PostgresStore Open() => PostgresStore.Open(database, [Schema], TimeProvider.System, Options);
    }

    /// <summary>Two nodes of one database; a file has one writer, which is both.</summary>
    private sealed record Nodes(Store One, Store Two, string? Folder) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await One.DisposeAsync();
            if (Two != One)
            {
                await Two.DisposeAsync();
            }

            if (Folder is not null)
            {
                Directory.Delete(Folder, recursive: true);
            }
        }
    }
}

/// <summary>The same on a node that keeps rows whenever it may (docs/decisions/0048).</summary>
public sealed class HotUnitAloneTests(PostgresServer server) : HotUnitTests(server)
{
    protected override PostgresOptions Options => PostgresServer.Options with { AloneAfter = 0 };

    protected override bool IsOneNode => true;
}
