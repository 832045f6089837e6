using Majia.Storage;
using Npgsql;

namespace Majia.Tests.Storage;

/// <summary>What every store promises, on both databases.</summary>
public sealed class StoreTests(PostgresServer server) : IAsyncDisposable
{
    private static readonly PartySchema Schema = new("test", ["CREATE TABLE test_row (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)"]);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-test-").FullName;
    private string? database;

    public static TheoryData<Engine> Both => [Engine.Sqlite, Engine.Postgres];

    public enum Engine
    {
        Sqlite,
        Postgres,
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_unit_that_throws_leaves_nothing_and_its_neighbours_stay(Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        var broken = store.WriteAsync<int>(s =>
        {
            s.Execute("INSERT INTO test_row (text) VALUES ($1)", "b");
            throw new InvalidOperationException("planned");
        });
        var refused = store.WriteAsync(s =>
        {
            s.Execute("INSERT INTO test_row (text) VALUES ($1)", "d");
            s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a");
        });
        var after = store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "c"));

        await Assert.ThrowsAsync<InvalidOperationException>(() => broken);
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => refused);
        await after;
        await store.DurableAsync();

        Assert.Equal(["a", "c"], store.Read(Texts));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_unit_sees_every_unit_that_ran_before_it(Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));

        Assert.Equal(["a"], await store.WriteAsync(Texts));
        await store.DurableAsync();
        Assert.Equal(["a"], store.Read(Texts));
        Assert.True(store.DurableAsync().IsCompletedSuccessfully);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Many_at_once_lose_no_update(Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await store.CommitAsync(s => s.Execute("INSERT INTO test_row (id, text) VALUES (1, '0')"));
        await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 25; i++)
            {
                var mine = await store.CommitAsync(s =>
                {
                    var next = int.Parse(s.Text("SELECT text FROM test_row WHERE id = $1 FOR UPDATE", 1)!) + 1;
                    s.Execute("UPDATE test_row SET text = $1 WHERE id = 1", next.ToString());
                    return next;
                });
                Assert.True(int.Parse(store.Read(s => s.Text("SELECT text FROM test_row WHERE id = 1"))!) >= mine);
            }
        })));

        Assert.Equal("1600", store.Read(s => s.Text("SELECT text FROM test_row WHERE id = 1")));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Units_that_look_before_they_write_a_row_that_exists_once_only_all_end_well(Engine engine)
    {
        await using var store = await OpenAsync(engine);
        var made = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => store.WriteAsync(s =>
        {
            var text = (i % 20).ToString();
            if (s.Number("SELECT id FROM test_row WHERE text = $1", text) is not null)
            {
                return 0;
            }

            return s.Execute("INSERT INTO test_row (text) VALUES ($1)", text);
        })));
        Assert.Equal(20, made.Sum());
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_key_without_a_row_is_held_by_one_unit_at_a_time(Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => store.CommitAsync(s =>
        {
            s.Lock("test/count");
            var rows = s.Number("SELECT count(*) FROM test_row");
            s.Execute("INSERT INTO test_row (text) VALUES ($1)", $"row {rows}");
        })));
        Assert.Equal(100, store.Read(s => s.Number("SELECT count(DISTINCT text) FROM test_row")));
    }

    /// <summary>On a file units come one after the other: there is no race to lose.</summary>
    [Fact]
    public async Task A_unit_that_gives_up_a_race_runs_again()
    {
        await using var store = await OpenAsync(Engine.Postgres);
        var runs = 0;
        var result = await store.WriteAsync(s => ++runs < 3 ? throw new LostRaceException("a row") : s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        Assert.Equal((1, 3), (result, runs));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Units_that_take_rows_in_opposite_order_both_end_well(Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await store.CommitAsync(s =>
        {
            s.Execute("INSERT INTO test_row (id, text) VALUES (1, 'one 0')");
            s.Execute("INSERT INTO test_row (id, text) VALUES (2, 'two 0')");
        });
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => store.CommitAsync(s =>
        {
            foreach (var id in i % 2 == 0 ? (long[])[1, 2] : [2, 1])
            {
                var words = s.Text("SELECT text FROM test_row WHERE id = $1 FOR UPDATE", id)!.Split(' ');
                s.Execute("UPDATE test_row SET text = $2 WHERE id = $1", id, $"{words[0]} {int.Parse(words[1]) + 1}");
            }
        })));
        Assert.Equal(["one 40", "two 40"], store.Read(Texts));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_database_of_a_newer_program_is_refused_and_untouched(Engine engine)
    {
        await using (await OpenAsync(engine, Schema with { Migrations = [.. Schema.Migrations, "CREATE TABLE test_new (id INTEGER)"] }))
        {
        }

        var error = await Assert.ThrowsAsync<StoreException>(() => OpenAsync(engine));
        Assert.Contains("newer version", error.Message, StringComparison.Ordinal);
        await using var again = await OpenAsync(engine, Schema with { Migrations = [.. Schema.Migrations, "CREATE TABLE test_new (id INTEGER)"] });
        Assert.Equal(2, again.Read(s => s.Number("SELECT version FROM schema_version WHERE party = 'test'")));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Migrations_run_once_and_forward(Engine engine)
    {
        await using (var store = await OpenAsync(engine))
        {
            await store.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "old"));
        }

        var newer = Schema with { Migrations = [.. Schema.Migrations, "ALTER TABLE test_row ADD COLUMN more INTEGER NOT NULL DEFAULT 7"] };
        await using var after = await OpenAsync(engine, newer, new PartySchema("other", ["CREATE TABLE other_row (id INTEGER)"]));

        Assert.Equal(7, after.Read(s => s.Number("SELECT more FROM test_row WHERE text = $1", "old")));
        Assert.Equal(2, after.Read(s => s.Number("SELECT version FROM schema_version WHERE party = 'test'")));
        Assert.Equal(0, after.Read(s => s.Number("SELECT count(*) FROM other_row")));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Every_kind_of_column_comes_back_as_it_went_in(Engine engine)
    {
        await using var store = await OpenAsync(engine, Schema with { Migrations = ["CREATE TABLE test_kind (a TEXT, b TEXT, c INTEGER, d INTEGER, e INTEGER, f BLOB, g INTEGER, h BLOB) "] });
        var at = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.FromHours(8));
        await store.WriteAsync(s => s.Execute(
            "INSERT INTO test_kind (a, b, c, d, e, f, g, h) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", null, "文", long.MaxValue, 42, true, new byte[] { 0, 1, 255 }, at, Array.Empty<byte>()));
        var row = await store.WriteAsync(s => s.One(
            "SELECT a, b, c, d, e, f, g, h FROM test_kind",
            r => new { Null = r.TextOrNull(0), Text = r.GetString(1), Long = r.GetInt64(2), Int = r.GetInt32(3), Bool = r.GetBoolean(4), Bytes = r.Bytes(5), At = r.Instant(6), Empty = r.Bytes(7) }));

        Assert.Equal((null, "文", long.MaxValue, 42, true, at), (row!.Null, row.Text, row.Long, row.Int, row.Bool, row.At));
        Assert.Equal([0, 1, 255], row.Bytes);
        Assert.Empty(row.Empty);
        await Assert.ThrowsAsync<ArgumentException>(() => store.WriteAsync(s => s.Number("SELECT c FROM test_kind WHERE c = $1", 1.5m)));

        // What was NULL at first is a value later, and the other way round.
        await store.WriteAsync(s => s.Execute("INSERT INTO test_kind (a, b, c, d, e, f, g, h) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", "x", null, null, null, null, null, null, null));
        Assert.Equal(2, await store.WriteAsync(s => s.Number("SELECT count(*) FROM test_kind WHERE a IS NULL OR a = $1", "x")));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Text_is_ordered_by_its_bytes(Engine engine)
    {
        await using var store = await OpenAsync(engine);
        foreach (var text in (string[])["b", "A", "a", "B", "_", "é", "1", "文"])
        {
            await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", text));
        }

        Assert.Equal(["1", "A", "B", "_", "a", "b", "é", "文"], await store.WriteAsync(s => s.Query("SELECT text FROM test_row ORDER BY text", row => row.GetString(0))));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Closing_keeps_what_ran(Engine engine)
    {
        await using (var store = await OpenAsync(engine))
        {
            await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        }

        await using var after = await OpenAsync(engine);
        Assert.Equal(["a"], after.Read(Texts));
    }

    private static List<string> Texts(Session session) => session.Query("SELECT text FROM test_row ORDER BY id", row => row.GetString(0));

    private async Task<Store> OpenAsync(Engine engine, params PartySchema[] schemas)
    {
        schemas = schemas.Length == 0 ? [Schema] : schemas;
        return engine == Engine.Sqlite
            ? SqliteStore.Open(Path.Combine(folder, "majia.db"), schemas, TimeProvider.System)
            : PostgresStore.Open(database ??= await server.NewDatabaseAsync(), schemas, TimeProvider.System, PostgresServer.Options);
    }
}
