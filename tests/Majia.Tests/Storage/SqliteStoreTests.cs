using Majia.Storage;
using Microsoft.Data.Sqlite;

namespace Majia.Tests.Storage;

public sealed class SqliteStoreTests : IDisposable
{
    private static readonly PartySchema Schema = new("test", ["CREATE TABLE test_row (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)"]);

    /// <summary>A writer that commits only when asked.</summary>
    private static readonly GroupCommit OnDemand = new(IdleMilliseconds: 3_600_000, MaxAgeMilliseconds: 3_600_000);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task What_was_made_durable_survives_a_crash_and_what_was_not_is_gone()
    {
        await using var store = Open(policy: OnDemand);
        await store.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "kept"));
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "lost"));

        await using var after = SqliteStore.Open(CopyAsAfterACrash(), [Schema], TimeProvider.System);

        Assert.Equal(["kept"], after.Read(Texts));
    }

    [Fact]
    public async Task A_unit_that_throws_leaves_nothing_and_its_neighbours_stay()
    {
        await using var store = Open();
        var before = store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        var broken = store.WriteAsync<int>(s =>
        {
            s.Execute("INSERT INTO test_row (text) VALUES ($1)", "b");
            throw new InvalidOperationException("planned");
        });
        var refused = store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        var after = store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "c"));

        await Assert.ThrowsAsync<InvalidOperationException>(() => broken);
        await Assert.ThrowsAsync<SqliteException>(() => refused);
        await before;
        await after;
        await store.DurableAsync();

        Assert.Equal(["a", "c"], store.Read(Texts));
    }

    [Fact]
    public async Task Units_see_earlier_units_and_readers_see_commits_only()
    {
        await using var store = Open(policy: OnDemand);
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));

        Assert.Equal(["a"], await store.WriteAsync(Texts));
        Assert.Empty(store.Read(Texts));
        await store.DurableAsync();
        Assert.Equal(["a"], store.Read(Texts));
    }

    [Fact]
    public async Task Durable_is_at_once_when_nothing_is_open_and_nobody_need_ask_for_a_commit_at_all()
    {
        await using var store = Open(policy: new GroupCommit(IdleMilliseconds: 10));
        Assert.True(store.DurableAsync().IsCompletedSuccessfully);

        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        var cancellation = TestContext.Current.CancellationToken;
        while (store.Read(Texts).Count == 0)
        {
            await Task.Delay(5, cancellation);
        }

        Assert.True(store.DurableAsync().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Many_at_once_lose_no_update()
    {
        await using var store = Open();
        await store.CommitAsync(s => s.Execute("INSERT INTO test_row (id, text) VALUES (1, '0')"));
        await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++)
            {
                var mine = await store.CommitAsync(s =>
                {
                    var next = int.Parse(s.Text("SELECT text FROM test_row WHERE id = $1", 1)!) + 1;
                    s.Execute("UPDATE test_row SET text = $1 WHERE id = 1", next.ToString());
                    return next;
                });
                Assert.True(int.Parse(store.Read(s => s.Text("SELECT text FROM test_row WHERE id = 1"))!) >= mine);
            }
        })));

        Assert.Equal("3200", store.Read(s => s.Text("SELECT text FROM test_row WHERE id = 1")));
    }

    [Fact]
    public async Task A_full_disk_fails_the_store_with_a_clear_message_and_keeps_what_was_durable()
    {
        var store = Open(policy: OnDemand);
        await store.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "kept"));
        await store.WriteAsync(s => s.Number("PRAGMA max_page_count = 6"));
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "never answered"));

        var full = store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", new string('x', 100_000)));

        var error = await Assert.ThrowsAsync<StoreFailedException>(() => full);
        Assert.Contains("full", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StoreFailedException>(store.DurableAsync);
        await Assert.ThrowsAsync<StoreFailedException>(() => store.WriteAsync(Texts));
        await store.DisposeAsync();

        await using var after = Open();
        Assert.Equal(["kept"], after.Read(Texts));
    }

    [Fact]
    public async Task A_database_of_a_newer_program_is_refused_and_untouched()
    {
        await using (var store = SqliteStore.Open(Path.Combine(folder, "majia.db"), [Schema with { Migrations = [.. Schema.Migrations, "CREATE TABLE test_new (id INTEGER)"] }], TimeProvider.System))
        {
        }

        var before = File.ReadAllBytes(Path.Combine(folder, "majia.db"));
        var error = Assert.Throws<StoreException>(() => Open());

        Assert.Contains("newer version", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(folder, "majia.db")));
    }

    [Fact]
    public async Task Migrations_run_once_and_forward()
    {
        await using (var store = Open())
        {
            await store.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "old"));
        }

        var newer = Schema with { Migrations = [.. Schema.Migrations, "ALTER TABLE test_row ADD COLUMN more INTEGER NOT NULL DEFAULT 7"] };
        await using var after = SqliteStore.Open(Path.Combine(folder, "majia.db"), [newer, new PartySchema("other", ["CREATE TABLE other_row (id INTEGER)"])], TimeProvider.System);

        Assert.Equal(7, after.Read(s => s.Number("SELECT more FROM test_row WHERE text = $1", "old")));
        Assert.Equal(2, after.Read(s => s.Number("SELECT version FROM schema_version WHERE party = 'test'")));
    }

    [Fact]
    public void A_file_that_is_no_database_of_ours_is_refused_and_untouched()
    {
        var path = Path.Combine(folder, "majia.db");
        File.WriteAllText(path, string.Concat(Enumerable.Repeat("not a database at all. ", 100)));
        Assert.Contains("not a database", Assert.Throws<StoreException>(() => Open()).Message, StringComparison.Ordinal);

        File.Delete(path);
        using (var other = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            other.Open();
            using var command = other.CreateCommand();
            command.CommandText = "CREATE TABLE theirs (id INTEGER)";
            command.ExecuteNonQuery();
        }

        Assert.Contains("another program", Assert.Throws<StoreException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_kind_of_column_comes_back_as_it_went_in()
    {
        await using var store = Open();
        var at = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.FromHours(8));
        var row = await store.WriteAsync(s => s.One(
            "SELECT $1, $2, $3, $4, $5, $6, $7",
            r => new { Null = r.TextOrNull(0), Text = r.GetString(1), Long = r.GetInt64(2), Int = r.GetInt32(3), Bool = r.GetBoolean(4), Bytes = r.Bytes(5), At = r.Instant(6) },
            null, "文", long.MaxValue, 42, true, new byte[] { 0, 1, 255 }, at));

        Assert.Equal((null, "文", long.MaxValue, 42, true, at), (row!.Null, row.Text, row.Long, row.Int, row.Bool, row.At));
        Assert.Equal([0, 1, 255], row.Bytes);
        await Assert.ThrowsAsync<ArgumentException>(() => store.WriteAsync(s => s.Number("SELECT $1", 1.5m)));
    }

    [Fact]
    public async Task Closing_commits_what_ran()
    {
        await using (var store = Open(policy: OnDemand))
        {
            await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        }

        await using var after = Open();
        Assert.Equal(["a"], after.Read(Texts));
    }

    [Fact]
    public async Task The_database_is_its_owners_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "file modes are Unix's");
        await using var store = Open();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(Path.Combine(folder, "majia.db")));
    }

    private static List<string> Texts(Session session) => session.Query("SELECT text FROM test_row ORDER BY id", row => row.GetString(0));

    private SqliteStore Open(GroupCommit? policy = null) => SqliteStore.Open(Path.Combine(folder, "majia.db"), [Schema], TimeProvider.System, policy);

    /// <summary>The files as they stand on disk, while the store is still open.</summary>
    private string CopyAsAfterACrash()
    {
        var copy = Directory.CreateDirectory(Path.Combine(folder, "crashed")).FullName;
        File.Copy(Path.Combine(folder, "majia.db"), Path.Combine(copy, "majia.db"));
        File.Copy(Path.Combine(folder, "majia.db-wal"), Path.Combine(copy, "majia.db-wal"));
        return Path.Combine(copy, "majia.db");
    }
}
