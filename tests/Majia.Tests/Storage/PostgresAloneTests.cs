using System.Collections.Concurrent;
using Majia.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Storage;

/// <summary>A node that is alone keeps rows; whatever ends its being alone, nothing that it vouched for is lost, and nothing is written by one who only believes that he is alone (docs/decisions/0048).</summary>
public sealed class PostgresAloneTests(PostgresServer server)
{
    private sealed record Account(string Id, long Balance, string Note);

    private sealed record Entry(string Id, string Account);

    private static readonly PartySchema Schema = new("test",
    [
        """
        CREATE TABLE test_account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE test_entry (id TEXT PRIMARY KEY, account TEXT NOT NULL) WITHOUT ROWID
        """,
    ]);

    private static readonly HotTable<Account> Accounts = new(
        "test_account", keys: 1, columns: "id, balance, note", changing: "balance, note", stays: true,
        map: static row => new Account(row.GetString(0), row.GetInt64(1), row.GetString(2)), values: static row => [row.Id, row.Balance, row.Note]);

    private static readonly HotTable<Entry> Entries = new(
        "test_entry", keys: 1, columns: "id, account", map: static row => new Entry(row.GetString(0), row.GetString(1)), values: static row => [row.Id, row.Account]);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Given => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rows_that_are_kept_are_read_once_and_keys_that_are_known_are_not_looked_for()
    {
        var database = await server.NewDatabaseAsync();
        await using var store = await AloneAsync(database);
        var administrator = await server.AdministratorOfAsync(database);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(await PayAsync(store, $"warm-{i}", "a"));
        }

        // While nobody may look into the tables a new entry has its result, as soon as the table's keys are known; only its commit waits.
        for (var tries = 0; ; tries++)
        {
            await using var holder = new Npgsql.NpgsqlConnection(administrator + ";Pooling=false");
            await holder.OpenAsync(Given);
            await using var held = await holder.BeginTransactionAsync(Given);
            await using (var hold = new Npgsql.NpgsqlCommand("LOCK TABLE test.test_account, test.test_entry IN ACCESS EXCLUSIVE MODE", holder, held))
            {
                await hold.ExecuteNonQueryAsync(Given);
            }

            var ran = RunAsync(store, $"held-{tries}", "a");
            var first = await Task.WhenAny(ran, Task.Delay(TimeSpan.FromMilliseconds(500), Given));
            var durable = store.DurableAsync();
            Assert.False(durable.IsCompleted && first == ran, "it was vouched for before it was written");
            await held.RollbackAsync(Given);
            Assert.True(await ran);
            await durable;
            if (first == ran)
            {
                Assert.True(store.KeepsRows, "it went on alone");
                break;
            }

            Assert.True(tries < 20, "it asks the database for a key that is known not to be there");
        }

        // One that is there is found there, also when it was written before anything was kept.
        Assert.False(await PayAsync(store, "warm-7", "a"));
        Assert.False(await PayAsync(store, "before", "a"));
        await store.DurableAsync();
        var (balance, entries) = await BooksAsync(administrator);
        Assert.Equal(entries, balance);
        Assert.InRange(entries, 102, 122);
    }

    [Fact]
    public async Task A_unit_that_throws_leaves_nothing_and_one_with_statements_of_its_own_sees_all_and_is_seen()
    {
        var database = await server.NewDatabaseAsync();
        await using var store = await AloneAsync(database);
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.WriteAsync<int>(
            s =>
            {
                var row = s.Find(Accounts, "a")!;
                s.Put(Accounts, row with { Balance = 1_000 });
                s.Add(Entries, new("thrown", "a"));
                throw new InvalidOperationException("planned");
            },
            wanted => wanted.Row(Accounts, "a")));
        Assert.True(await PayAsync(store, "1", "a"));
        Assert.Equal(2, await store.WriteAsync(s => s.Number("SELECT balance FROM test_account WHERE id = 'a'")));
        Assert.Equal(1, await store.WriteAsync(s => s.Execute("UPDATE test_account SET balance = 50 WHERE id = 'a'")));
        Assert.True(await PayAsync(store, "2", "a"));
        Assert.Equal(51, store.Read(s => s.Number("SELECT balance FROM test_account WHERE id = 'a'")));
        Assert.Equal(3, store.Read(s => s.Number("SELECT count(*) FROM test_entry")));
    }

    [Fact]
    public async Task What_two_requests_do_is_one_commit_and_who_comes_when_it_is_asked_for_is_in_the_next()
    {
        // Time stands still: nobody's patience ends meanwhile.
        var time = new FakeTimeProvider();
        var database = await server.NewDatabaseAsync();
        await using var store = PostgresStore.Open(database, [Schema], time, PostgresServer.Options with { AloneAfter = 0 });
        await store.CommitAsync(s => s.Execute("INSERT INTO test_account (id, balance, note) VALUES ('a', 0, '')"));
        Assert.True(await PayAsync(store, "before", "a"));
        await UntilAsync(() => store.KeepsRows);
        TaskCompletionSource written = new(), goOn = new(), asked = new();
        var slow = RequestAsync("slow", () => { written.SetResult(); return goOn.Task; }, null);
        await written.Task;
        var quick = RequestAsync("quick", () => Task.CompletedTask, asked);
        await asked.Task;
        var late = RequestAsync("late", () => Task.CompletedTask, null);
        Assert.False(quick.IsCompleted, "it was written in the middle of another request");
        goOn.SetResult();
        await Task.WhenAll(slow, quick, late).WaitAsync(Patience, Given);
        Assert.Equal(
            ["late", "quick+slow"],
            store.Read(s => s.Query("SELECT string_agg(DISTINCT account, '+' ORDER BY account) FROM test_entry WHERE id <> 'before' GROUP BY xmin::text ORDER BY 1", row => row.GetString(0))));

        async Task RequestAsync(string name, Func<Task> between, TaskCompletionSource? asks)
        {
            var since = store.Mark();
            Assert.True(await AddAsync("1"));
            await between();
            Assert.True(await AddAsync("2"));
            var durable = store.DurableAsync(since);
            asks?.SetResult();
            await durable;

            Task<bool> AddAsync(string part) => store.WriteAsync(s => s.TryAdd(Entries, new($"{name}-{part}", name)), wanted => wanted.Row(Entries, $"{name}-{part}"));
        }
    }

    [Fact]
    public async Task A_second_node_comes_in_the_middle_of_the_load_both_go_on_and_the_first_is_alone_again_when_it_leaves()
    {
        var database = await server.NewDatabaseAsync();
        await using var one = await AloneAsync(database);
        await using (var load = new Load(one))
        {
            for (var visit = 0; visit < 3; visit++)
            {
                await UntilAsync(() => one.KeepsRows);
                await load.UntilMoreAsync(100);
                await using (var two = Open(database))
                {
                    // The same keys by both: each is taken once.
                    var taken = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => PayAsync(i % 2 == 0 ? one : two, $"both-{visit}-{i / 2}", "a")));
                    Assert.Equal(50, taken.Count(mine => mine));
                    await UntilAsync(() => !one.KeepsRows);
                    await load.WithAsync(two, 100);
                    Assert.False(two.KeepsRows);
                }
            }

            await UntilAsync(() => one.KeepsRows);
            await load.UntilMoreAsync(100);
            await load.StopAsync();
            Assert.Equal(0, load.Unheard);
            await AssertAsync(database, load.Acknowledged, 151, exactly: true);
        }
    }

    [Fact]
    public async Task One_who_has_lost_his_keys_and_does_not_know_it_writes_nothing_and_vouches_for_nothing()
    {
        var database = await server.NewDatabaseAsync();
        await using var store = await AloneAsync(database);
        var administrator = await server.AdministratorOfAsync(database);
        Assert.True(await PayAsync(store, "1", "a"));
        await PostgresServer.RunAsync(administrator, EndTheOneAlone);
        await PostgresServer.RunAsync(administrator, "UPDATE test.test_account SET balance = 100 WHERE id = 'a'");

        // From the row that it kept, and undone.
        var late = await Assert.ThrowsAsync<StoreUnavailableException>(() => PayAsync(store, "2", "a"));
        Assert.True(late.InDoubt);
        await UntilAsync(() => store.Failure is null);
        Assert.True(await UntilHeardAsync(store, "3", "a"));
        Assert.Equal(101, store.Read(s => s.Number("SELECT balance FROM test_account WHERE id = 'a'")));
        Assert.Equal(0, store.Read(s => s.Number("SELECT count(*) FROM test_entry WHERE id = '2'")));

        // Nor does one who only looks.
        await UntilAsync(() => store.KeepsRows);
        Assert.Equal(101, await LookAsync());
        await PostgresServer.RunAsync(administrator, EndTheOneAlone);
        await PostgresServer.RunAsync(administrator, "UPDATE test.test_account SET balance = 200 WHERE id = 'a'");
        await Assert.ThrowsAsync<StoreUnavailableException>(LookAsync);

        async Task<long> LookAsync()
        {
            var since = store.Mark();
            var found = await store.LookAsync(s => s.Find(Accounts, "a")!.Balance, wanted => wanted.Row(Accounts, "a"));
            await store.DurableAsync(since);
            return found;
        }
    }

    [Fact]
    public async Task Its_session_is_ended_again_and_again_under_load_and_every_answer_is_in_the_books_once()
    {
        var database = await server.NewDatabaseAsync();
        var administrator = await server.AdministratorOfAsync(database);
        await using var store = await AloneAsync(database);
        await using var load = new Load(store);
        for (var time = 0; time < 5; time++)
        {
            await UntilAsync(() => store.KeepsRows);
            await load.UntilMoreAsync(60);
            await PostgresServer.RunAsync(administrator, time % 2 == 0 ? EndTheOneAlone : "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
            await load.UntilMoreAsync(60);
        }

        await load.StopAsync();
        await AssertAsync(database, load.Acknowledged, 1, exactly: false);
    }

    [Fact]
    public async Task One_alone_who_does_not_hear_is_ended_and_the_others_go_on()
    {
        var database = await server.NewDatabaseAsync();
        await using var store = Open(database, alone: int.MaxValue);
        await store.CommitAsync(s => s.Execute("INSERT INTO test_account (id, balance, note) VALUES ('a', 0, '')"));
        Assert.True(await PayAsync(store, "1", "a"));

        // A node that was stopped in the middle of being alone: its session holds the keys and says nothing.
        await using var stopped = new Npgsql.NpgsqlConnection(database + ";Pooling=false");
        await stopped.OpenAsync(Given);
        await using var take = new Npgsql.NpgsqlCommand(PostgresKeys.TakeAlone, stopped) { Parameters = { PostgresKeys.Parameter(PostgresKeys.Writers(["test"])) } };
        Assert.True((bool)(await take.ExecuteScalarAsync(Given))!);
        Assert.True(await PayAsync(store, "2", "a").WaitAsync(Patience, Given));
        Assert.True(await store.WriteAsync(s => s.Execute("UPDATE test_account SET note = 'own' WHERE id = 'a'")) == 1);
        await Assert.ThrowsAnyAsync<Npgsql.NpgsqlException>(() => take.ExecuteScalarAsync(Given));
    }

    [Fact]
    public void A_filter_never_denies_a_key_that_it_has_and_seldom_claims_another()
    {
        var filter = new KeyFilter(10_000);
        for (var i = 0; i < 10_000; i++)
        {
            filter.Add($"key-{i}");
        }

        Assert.All(Enumerable.Range(0, 10_000), i => Assert.True(filter.MayHave($"key-{i}")));
        Assert.InRange(Enumerable.Range(0, 10_000).Count(i => filter.MayHave($"other-{i}")), 0, 200);
        Assert.False(filter.IsFull);
    }

    private const string EndTheOneAlone = "SELECT count(pg_terminate_backend(pid, 10000)) FROM (SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS l";

    private static PostgresStore Open(string database, int alone = 0) => PostgresStore.Open(database, [Schema], TimeProvider.System, PostgresServer.Options with { AloneAfter = alone });

    /// <summary>A store with one account, and one entry from before it was alone.</summary>
    private static async Task<PostgresStore> AloneAsync(string database)
    {
        var store = Open(database);
        await store.CommitAsync(s => s.Execute("INSERT INTO test_account (id, balance, note) VALUES ('a', 0, '')"));
        Assert.True(await PayAsync(store, "before", "a"));
        await UntilAsync(() => store.KeepsRows);
        return store;
    }

    /// <summary>Durable when it returns.</summary>
    private static async Task<bool> PayAsync(PostgresStore store, string id, string account)
    {
        var since = store.Mark();
        var added = await RunAsync(store, id, account);
        await store.DurableAsync(since);
        return added;
    }

    /// <summary>An entry that exists once, and the balance that counts them; true when it was new.</summary>
    private static async Task<bool> RunAsync(PostgresStore store, string id, string account) =>
        await store.LookAsync(s => s.Find(Entries, id) is null ? "new" : "old", wanted => wanted.Row(Entries, id)) == "new" && await store.WriteAsync(
            s =>
            {
                var row = s.Find(Accounts, account)!;
                if (!s.TryAdd(Entries, new(id, account)))
                {
                    return false;
                }

                s.Put(Accounts, row with { Balance = row.Balance + 1 });
                return true;
            },
            wanted =>
            {
                wanted.Row(Accounts, account);
                wanted.Row(Entries, id);
            });

    /// <summary>As a terminal that asks again; true when some sending of it was heard.</summary>
    private static async Task<bool> UntilHeardAsync(PostgresStore store, string id, string account)
    {
        for (var tries = 0; tries < 500; tries++)
        {
            try
            {
                await PayAsync(store, id, account);
                return true;
            }
            catch (StoreUnavailableException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10), Given);
            }
        }

        return false;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        var from = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!holds())
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(from) < Patience, "it did not come to that");
            await Task.Delay(TimeSpan.FromMilliseconds(5), Given);
        }
    }

    private static async Task<(long Balance, long Entries)> BooksAsync(string administrator) => (
        (long)(await PostgresServer.RunAsync(administrator, "SELECT sum(balance)::bigint FROM test.test_account"))!, (long)(await PostgresServer.RunAsync(administrator, "SELECT count(*) FROM test.test_entry"))!);

    /// <summary>Every entry that was acknowledged stands, and the balances are as many as there are entries: none was counted twice or not at all.</summary>
    private async Task AssertAsync(string database, IReadOnlyCollection<string> acknowledged, int others, bool exactly)
    {
        var administrator = await server.AdministratorOfAsync(database);
        var (balance, entries) = await BooksAsync(administrator);
        Assert.Equal(entries, balance);
        Assert.NotEmpty(acknowledged);
        Assert.InRange(entries, acknowledged.Count + others, exactly ? acknowledged.Count + others : long.MaxValue);
        var missing = (long)(await PostgresServer.RunAsync(administrator, $"SELECT count(*) FROM unnest(ARRAY['{string.Join("','", acknowledged)}']) AS id WHERE NOT EXISTS (SELECT 1 FROM test.test_entry AS e WHERE e.id = id.id)"))!;
        Assert.Equal(0, missing);
    }

    /// <summary>Payers that never stop, on one account.</summary>
    private sealed class Load : IAsyncDisposable
    {
        private readonly ConcurrentQueue<string> acknowledged = new();
        private readonly CancellationTokenSource stop = new();
        private readonly Task[] payers;
        private int unheard, next;

        public Load(PostgresStore store) => payers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await OneAsync(store);
            }
        }))];

        public IReadOnlyCollection<string> Acknowledged => acknowledged;

        public int Unheard => unheard;

        public Task UntilMoreAsync(int more)
        {
            var goal = acknowledged.Count + more;
            return UntilAsync(() => acknowledged.Count >= goal);
        }

        /// <summary>So many at another node.</summary>
        public Task WithAsync(PostgresStore other, int payments) => Task.WhenAll(Enumerable.Range(0, payments).Select(_ => OneAsync(other)));

        public async Task StopAsync()
        {
            await stop.CancelAsync();
            await Task.WhenAll(payers);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            stop.Dispose();
        }

        private async Task OneAsync(PostgresStore store)
        {
            var id = $"load-{Interlocked.Increment(ref next)}";
            try
            {
                if (await PayAsync(store, id, "a"))
                {
                    acknowledged.Enqueue(id);
                }
            }
            catch (StoreUnavailableException)
            {
                Interlocked.Increment(ref unheard);
                await Task.Delay(TimeSpan.FromMilliseconds(10));
            }
        }
    }
}
