using Majia.Core.Contracts;
using Majia.Storage;
using Microsoft.Data.Sqlite;

namespace Majia.Tests.Storage;

/// <summary>Units that run while an earlier commit is on its way to the disk (docs/decisions/0039). The disk is held up by somebody else's write lock.</summary>
public sealed class CommitPipelineTests : IAsyncDisposable
{
    private sealed record Row(string Id, long Value);

    private static readonly PartySchema Schema = new("test", ["CREATE TABLE test_hot (id TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"]);

    private static readonly HotTable<Row> Table = new(
        "test_hot", keys: 1, columns: "id, value", changing: "value", map: static row => new(row.GetString(0), row.GetInt64(1)), values: static row => [row.Id, row.Value]);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-test-").FullName;
    private readonly SqliteStore store;
    private readonly SqliteConnection other;

    public CommitPipelineTests()
    {
        store = SqliteStore.Open(Database, [Schema], TimeProvider.System);
        other = new SqliteConnection($"Data Source={Database};Pooling=False");
        other.Open();
    }

    private string Database => Path.Combine(folder, "majia.db");

    public async ValueTask DisposeAsync()
    {
        await store.DisposeAsync();
        await other.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Units_run_ahead_of_a_commit_under_way_and_see_its_rows_and_older_ones()
    {
        await store.CommitAsync(s => s.Add(Table, new("old", 1)));
        await store.CommitAsync(s => s.Add(Table, new("other", 1)));
        await store.CommitAsync(s => s.Add(Table, new("another", 1))); // by now the first one is out of memory
        Run("BEGIN IMMEDIATE");
        await store.WriteAsync(s => s.Add(Table, new("new", 2)));
        var first = store.DurableAsync();
        await UnderWayAsync();

        Assert.Equal(2, (await store.WriteAsync(s => s.Find(Table, "new")))!.Value);
        Assert.Equal(1, (await store.WriteAsync(s => s.Find(Table, "old")))!.Value);
        Assert.False(await store.WriteAsync(s => s.TryAdd(Table, new("old", 9))));
        await store.WriteAsync(s => s.Put(Table, s.Find(Table, "new")! with { Value = 3 }));
        await store.WriteAsync(s => s.Put(Table, s.Find(Table, "old")! with { Value = 4 }));
        var second = store.DurableAsync();
        Assert.False(first.IsCompleted || second.IsCompleted);
        Assert.Equal(["another 1", "old 1", "other 1"], store.Read(All));

        Run("COMMIT");
        await second;
        Assert.True(first.IsCompletedSuccessfully);
        Assert.Equal(["another 1", "new 3", "old 4", "other 1"], store.Read(All));
    }

    [Fact]
    public async Task A_unit_with_statements_of_its_own_waits_for_the_commit_and_those_behind_it_keep_their_order()
    {
        Run("BEGIN IMMEDIATE");
        await store.WriteAsync(s => s.Add(Table, new("a", 1)));
        var first = store.DurableAsync();
        await UnderWayAsync();
        var runs = 0;
        var own = store.WriteAsync(s =>
        {
            runs++;
            s.Put(Table, s.Find(Table, "a")! with { Value = 2 });
            return s.Execute("UPDATE test_hot SET value = value * 10");
        });
        var behind = store.WriteAsync(s =>
        {
            var row = s.Find(Table, "a")!;
            s.Put(Table, row with { Value = row.Value + 1 });
            return row.Value;
        });
        Assert.False(own.IsCompleted || behind.IsCompleted);

        Run("COMMIT");
        Assert.Equal(1, await own);
        Assert.Equal(20, await behind);
        Assert.Equal(2, runs);
        await store.DurableAsync();
        Assert.True(first.IsCompletedSuccessfully);
        Assert.Equal(["a 21"], store.Read(All));
    }

    [Fact]
    public async Task A_commit_that_fails_fails_all_that_saw_its_rows_and_keeps_what_was_durable()
    {
        await store.CommitAsync(s => s.Add(Table, new("kept", 1)));
        Run("BEGIN IMMEDIATE");
        Run("INSERT INTO test_hot VALUES ('a', 0)"); // the database will refuse the commit's row
        await store.WriteAsync(s => s.Add(Table, new("a", 1)));
        var first = store.DurableAsync();
        await UnderWayAsync();
        await store.WriteAsync(s => s.Put(Table, s.Find(Table, "a")! with { Value = 2 }));
        var second = store.DurableAsync();
        var own = store.WriteAsync(s => s.Execute("DELETE FROM test_hot"));

        Run("COMMIT");
        await Assert.ThrowsAsync<StoreFailedException>(() => first);
        await Assert.ThrowsAsync<StoreFailedException>(() => second);
        await Assert.ThrowsAsync<StoreFailedException>(() => own);
        await Assert.ThrowsAsync<StoreFailedException>(() => store.WriteAsync(All));
        Assert.Equal(["a 0", "kept 1"], store.Read(All));
    }

    /// <summary>Many callers, hot units and units with statements, each adding to one sum: nothing is lost, doubled or seen before it was made.</summary>
    [Fact]
    public async Task Under_load_every_unit_takes_effect_once_and_in_one_order()
    {
        const int Callers = 24, Each = 150;
        await store.CommitAsync(s => s.Add(Table, new("sum", 0)));
        async Task CallAsync(int caller)
        {
            await Task.Yield();
            var last = -1L;
            for (var i = 0; i < Each; i++)
            {
                var hot = (i + caller) % 10 != 0;
                var id = $"{caller}-{i}";
                var sum = await store.WriteAsync(s =>
                {
                    s.Add(Table, new(id, 1));
                    if (hot)
                    {
                        var row = s.Find(Table, "sum")!;
                        s.Put(Table, row with { Value = row.Value + 1 });
                        return row.Value;
                    }

                    s.Execute("UPDATE test_hot SET value = value + 1 WHERE id = 'sum'");
                    return s.Number("SELECT value FROM test_hot WHERE id = 'sum'")!.Value - 1;
                });
                Assert.True(sum > last);
                last = sum;
                if (i % 3 == 0)
                {
                    await store.DurableAsync();
                    Assert.Equal(1, store.Read(s => s.Number("SELECT value FROM test_hot WHERE id = $1", id)));
                    Assert.True(store.Read(s => s.Number("SELECT value FROM test_hot WHERE id = 'sum'")) > sum);
                }
            }
        }

        await Task.WhenAll(Enumerable.Range(0, Callers).Select(CallAsync));
        await store.DurableAsync();
        Assert.Equal(Callers * Each, store.Read(s => s.Number("SELECT value FROM test_hot WHERE id = 'sum'")));
        Assert.Equal(Callers * Each, store.Read(s => s.Number("SELECT COUNT(*) FROM test_hot WHERE id <> 'sum'")));
    }

    /// <summary>Until the commit is sealed: a unit that runs then belongs to the next one, whose wait is another.</summary>
    private async Task UnderWayAsync()
    {
        var before = store.DurableAsync();
        while (true)
        {
            await store.WriteAsync(s => s.Find(Table, "nobody"));
            if (store.DurableAsync() != before)
            {
                return;
            }

            await Task.Yield();
        }
    }

    private void Run(string sql)
    {
        using var command = other.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static List<string> All(Session session) => session.Query("SELECT id, value FROM test_hot ORDER BY id", static row => $"{row.GetString(0)} {row.GetInt64(1)}");
}
