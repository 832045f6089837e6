using System.Globalization;
using Majia.Storage;

namespace Majia.Tests.Storage;

/// <summary>Rows of hot tables: whatever units do with them, the database has at each commit what statements one by one would have left.</summary>
public sealed class HotTableTests(PostgresServer server)
{
    private sealed record Row(string Account, string Id, long Balance, string Note);

    private static readonly PartySchema Schema = new("test", ["CREATE TABLE test_hot (account TEXT NOT NULL, id TEXT NOT NULL, balance INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (account, id)) WITHOUT ROWID"]);

    private static readonly HotTable<Row> Single = new(
        "test_hot", keys: 2, columns: "account, id, balance, note", changing: "balance", map: Map, values: static row => [row.Account, row.Id, row.Balance, row.Note]);

    private static readonly HotTable<Row> Grouped = new(
        "test_hot", keys: 2, group: 1, columns: "account, id, balance, note", changing: "balance", map: Map, values: static row => [row.Account, row.Id, row.Balance, row.Note]);

    private static readonly HotTable<Row> Kept = new(
        "test_hot", keys: 2, columns: "account, id, balance, note", changing: "balance", stays: true, map: Map, values: static row => [row.Account, row.Id, row.Balance]);

    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_row_that_is_added_and_changed_before_the_commit_is_seen_by_units_at_once_and_by_readers_after_it(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await WriteAsync(store, s => s.Add(Single, new("a", "1", 5, "n")));
        await WriteAsync(store, s => s.Put(Single, s.Find(Single, "a", "1")! with { Balance = 9 }));

        Assert.Equal(9, (await WriteAsync(store, s => s.Find(Single, "a", "1")))!.Balance);
        Assert.Equal(9, await store.WriteAsync(s => s.Number("SELECT balance FROM test_hot WHERE account = $1", "a")));
        if (engine == StoreTests.Engine.Sqlite)
        {
            Assert.Empty(store.Read(All)); // on PostgreSQL a reader has the rows written first (docs/decisions/0038)
        }

        await store.DurableAsync();
        Assert.Equal(["a/1 9 n"], store.Read(All));
        Assert.Equal(9, store.Read(s => s.Find(Single, "a", "1"))!.Balance);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Only_the_changing_columns_of_a_row_that_was_there_are_written(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await CommitAsync(store, s => s.Add(Single, new("a", "1", 5, "first")));
        await CommitAsync(store, s => s.Put(Single, s.Find(Single, "a", "1")! with { Balance = 6, Note = "not written" }));
        Assert.Equal(["a/1 6 first"], store.Read(All));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_key_that_is_taken_is_told_apart_whether_its_row_is_written_or_not(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        Assert.True(await WriteAsync(store, s => s.TryAdd(Single, new("a", "1", 1, ""))));
        Assert.False(await WriteAsync(store, s => s.TryAdd(Single, new("a", "1", 2, ""))));
        await store.DurableAsync();
        Assert.False(await WriteAsync(store, s => s.TryAdd(Single, new("a", "1", 3, ""))));
        await Assert.ThrowsAsync<InvalidOperationException>(() => WriteAsync(store, s => s.Put(Single, new("a", "2", 3, ""))));
        await store.DurableAsync();
        Assert.Equal(["a/1 1 "], store.Read(All));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Keys_that_read_alike_when_joined_are_two(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await WriteAsync(store, s => Assert.True(s.TryAdd(Single, new("ab", "c", 1, ""))));
        await WriteAsync(store, s => Assert.True(s.TryAdd(Single, new("a", "bc", 2, ""))));
        await store.DurableAsync();
        Assert.Equal(["a/bc 2 ", "ab/c 1 "], store.Read(All));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Rows_of_one_group_come_together_in_the_order_of_their_keys(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await CommitAsync(store, s => s.Add(Grouped, new("a", "2", 2, "")));
        await WriteAsync(store, s => Assert.True(s.TryAdd(Grouped, new("a", "3", 3, ""))));
        await WriteAsync(store, s => Assert.False(s.TryAdd(Grouped, new("a", "2", 4, ""))));
        var seen = await WriteAsync(store, s => s.Rows(Grouped, "a"));
        Assert.Equal([2L, 3], seen.Select(row => row.Balance));
        await store.DurableAsync();
        Assert.Equal([2L, 3], store.Read(s => s.Rows(Grouped, "a")).Select(row => row.Balance));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_unit_that_throws_is_undone_and_what_was_before_it_stays(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await CommitAsync(store, s => s.Add(Single, new("a", "old", 1, "")));
        await WriteAsync(store, s => s.Add(Single, new("a", "new", 1, "")));
        await WriteAsync(store, s => s.Put(Single, s.Find(Single, "a", "old")! with { Balance = 2 }));
        await Assert.ThrowsAsync<InvalidDataException>(() => WriteAsync<int>(store, s =>
        {
            s.Add(Single, new("a", "mine", 1, ""));
            s.Put(Single, s.Find(Single, "a", "mine")! with { Balance = 7 });
            s.Put(Single, s.Find(Single, "a", "new")! with { Balance = 8 });
            s.Put(Single, s.Find(Single, "a", "old")! with { Balance = 9 });
            s.Put(Single, s.Find(Single, "a", "old")! with { Balance = 10 });
            throw new InvalidDataException();
        }));
        var seen = await WriteAsync(store, s => (New: s.Find(Single, "a", "new")!.Balance, Old: s.Find(Single, "a", "old")!.Balance));
        Assert.Equal((1, 2), seen);
        Assert.Null(await WriteAsync(store, s => s.Find(Single, "a", "mine")));
        await store.DurableAsync();
        Assert.Equal(["a/new 1 ", "a/old 2 "], store.Read(All));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_row_that_stays_is_read_anew_after_somebody_wrote_past_it(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await CommitAsync(store, s => s.Add(Single, new("a", "1", 1, "")));
        Assert.Equal(1, (await WriteAsync(store, s => s.Find(Kept, "a", "1")))!.Balance);
        await CommitAsync(store, s => s.Put(Kept, s.Find(Kept, "a", "1")! with { Balance = 2 }));
        await store.CommitAsync(s => s.Execute("UPDATE test_hot SET balance = balance + 10"));
        Assert.Equal(12, (await WriteAsync(store, s => s.Find(Kept, "a", "1")))!.Balance);
    }

    [Fact]
    public async Task A_key_that_the_database_refuses_stops_the_commit_and_with_it_the_store()
    {
        var folder = Directory.CreateTempSubdirectory("majia-test-").FullName;
        await using (var file = SqliteStore.Open(Path.Combine(folder, "majia.db"), [Schema], TimeProvider.System, new GroupCommit(IdleMilliseconds: 3_600_000)))
        {
            await file.CommitAsync(s => s.Add(Single, new("a", "1", 1, "")));
            await Assert.ThrowsAsync<InvalidOperationException>(() => file.WriteAsync(s => s.Add(Single, new("a", "1", 2, "")))); // still in memory
            await file.CommitAsync(s => s.Add(Single, new("b", "1", 1, "")));
            await file.CommitAsync(s => s.Add(Single, new("c", "1", 1, "")));
            await file.WriteAsync(s => s.Add(Single, new("a", "1", 2, "")));
            await Assert.ThrowsAsync<StoreFailedException>(file.DurableAsync);
            Assert.Equal(["a/1 1 ", "b/1 1 ", "c/1 1 "], file.Read(All));
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Units of every kind in any order, beside a model that knows nothing of caches; commits that land at once, or only after units have run ahead of them.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Any_mixture_of_units_leaves_what_statements_one_by_one_would_leave(bool slowDisk)
    {
        var ranAhead = 0L;
        for (var seed = 0; seed < 300; seed++)
        {
            ranAhead += await MixAsync(new Random(seed), slowDisk);
        }

        Assert.Equal(slowDisk, ranAhead > 300);
    }

    /// <summary>The same mixture where a commit can be undone and run again, and hot units travel together: rows that were named, and statements of a unit's own.</summary>
    [Fact]
    public async Task Any_mixture_of_units_on_PostgreSQL_likewise()
    {
        await using var store = await OpenAsync(StoreTests.Engine.Postgres);
        for (var seed = 0; seed < 12; seed++)
        {
            var random = new Random(seed);
            await store.CommitAsync(session => session.Execute("DELETE FROM test_hot"));
            var model = new SortedDictionary<string, long>(StringComparer.Ordinal);
            for (var step = 0; step < 40; step++)
            {
                if (random.Next(8) == 0)
                {
                    await store.DurableAsync();
                }

                if (random.Next(8) == 0)
                {
                    Assert.Equal(Text(model), store.Read(All));
                }

                var next = new SortedDictionary<string, long>(model, StringComparer.Ordinal);
                var kinds = random.Next(4) > 0 ? 4 : 7;
                var deeds = Enumerable.Range(0, random.Next(1, 6)).Select(_ => (Kind: random.Next(kinds), Id: random.Next(5).ToString(CultureInfo.InvariantCulture), Value: random.NextInt64(1000))).ToArray();
                var fails = random.Next(4) == 0;
                var unit = store.WriteAsync(
                    session =>
                    {
                        var now = new SortedDictionary<string, long>(model, StringComparer.Ordinal); // a unit may run twice
                        foreach (var (kind, id, value) in deeds)
                        {
                            Do(session, now, kind, id, value);
                        }

                        next = now;
                        return fails ? throw new InvalidDataException() : 0;
                    },
                    wanted =>
                    {
                        foreach (var (_, id, _) in deeds)
                        {
                            wanted.Row(Single, "a", id);
                        }
                    });
                if (fails)
                {
                    await Assert.ThrowsAsync<InvalidDataException>(() => unit);
                }
                else
                {
                    await unit;
                    model = next;
                }
            }

            Assert.Equal(Text(model), store.Read(All));
        }
    }

    private static async Task<long> MixAsync(Random random, bool slowDisk)
    {
        var landings = new Queue<Action>();
        var store = new InlineStore([Schema], null, slowDisk ? landings.Enqueue : null);
        var model = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var history = new List<List<string>> { Text(model) };
        var promised = new List<(Task Durable, int Then)>();
        for (var step = 0; step < 40; step++)
        {
            if (random.Next(8) == 0)
            {
                promised.Add((store.DurableAsync(), history.Count - 1));
            }

            if (random.Next(4) == 0 && landings.TryDequeue(out var land))
            {
                land();
            }

            Assert.Equal(promised.Select(one => one.Durable.IsCompleted).OrderDescending(), promised.Select(one => one.Durable.IsCompleted)); // in their order
            Stands(store.Read(All));
            var next = new SortedDictionary<string, long>(model, StringComparer.Ordinal);
            var kinds = slowDisk && random.Next(4) > 0 ? 4 : 7; // the first four have no statement of their own
            var deeds = Enumerable.Range(0, random.Next(1, 6)).Select(_ => (Kind: random.Next(kinds), Id: random.Next(5).ToString(CultureInfo.InvariantCulture), Value: random.NextInt64(1000))).ToArray();
            var fails = random.Next(4) == 0;
            var unit = store.WriteAsync(session =>
            {
                var now = new SortedDictionary<string, long>(model, StringComparer.Ordinal); // a unit may run twice
                foreach (var (kind, id, value) in deeds)
                {
                    Do(session, now, kind, id, value);
                }

                next = now;
                return fails ? throw new InvalidDataException() : 0;
            });
            if (fails)
            {
                await Assert.ThrowsAsync<InvalidDataException>(() => unit);
            }
            else
            {
                await unit;
                model = next;
                history.Add(Text(model));
            }
        }

        Stands(new InlineStore([Schema], store.Snapshot()).Read(All));
        store.Flush();
        Assert.Equal(Text(model), store.Read(All));
        Assert.All(promised, one => Assert.True(one.Durable.IsCompletedSuccessfully));
        return store.RanAhead;

        // What is committed stood once after a unit, and no earlier than the last promise that was kept; without a slow disk then and not later.
        void Stands(List<string> committed)
        {
            var since = promised.LastOrDefault(one => one.Durable.IsCompleted).Then;
            Assert.Contains(string.Join('\n', committed), history.Skip(since).Take(slowDisk ? int.MaxValue : 1).Select(rows => string.Join('\n', rows)));
        }
    }

    private static void Do(Session session, SortedDictionary<string, long> model, int kind, string id, long value)
    {
        switch (kind)
        {
            case 0 or 1:
                Assert.Equal(model.TryAdd(id, value), session.TryAdd(Single, new("a", id, value, "")));
                break;
            case 2 or 3 when session.Find(Single, "a", id) is { } row:
                Assert.Equal(model[id], row.Balance);
                session.Put(Single, row with { Balance = value });
                model[id] = value;
                break;
            case 4:
                Assert.Equal(model.TryGetValue(id, out var known) ? known : null, session.Number("SELECT balance FROM test_hot WHERE id = $1", id));
                break;
            case 5:
                session.Execute("UPDATE test_hot SET balance = balance + 1 WHERE id = $1", id);
                if (model.TryGetValue(id, out var before))
                {
                    model[id] = before + 1;
                }

                break;
            case 6:
                session.Execute("DELETE FROM test_hot WHERE id = $1", id);
                model.Remove(id);
                break;
        }
    }

    /// <summary>As hot units come: with the rows that they will look at.</summary>
    private static Task<T> WriteAsync<T>(Store store, Func<Session, T> unit) => store.WriteAsync(unit, static wanted =>
    {
        foreach (var (account, id) in ((string, string)[])[("a", "1"), ("a", "2"), ("a", "mine"), ("a", "new"), ("a", "old"), ("a", "bc"), ("ab", "c")])
        {
            wanted.Row(Single, account, id);
        }

        wanted.Row(Grouped, "a");
    });

    private static Task WriteAsync(Store store, Action<Session> unit) => WriteAsync(store, session =>
    {
        unit(session);
        return 0;
    });

    private static async Task CommitAsync(Store store, Action<Session> unit)
    {
        await WriteAsync(store, unit);
        await store.DurableAsync();
    }

    private async Task<Store> OpenAsync(StoreTests.Engine engine) =>
        engine == StoreTests.Engine.Sqlite ? new InlineStore(Schema) : PostgresStore.Open(await server.NewDatabaseAsync(), [Schema], TimeProvider.System, PostgresServer.Options);

    private static List<string> Text(SortedDictionary<string, long> model) => [.. model.Select(pair => $"a/{pair.Key} {pair.Value} ")];

    private static List<string> All(Session session) =>
        session.Query("SELECT account, id, balance, note FROM test_hot ORDER BY account, id", static row => $"{row.GetString(0)}/{row.GetString(1)} {row.GetInt64(2)} {row.GetString(3)}");

    private static Row Map(System.Data.Common.DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetString(3));
}
