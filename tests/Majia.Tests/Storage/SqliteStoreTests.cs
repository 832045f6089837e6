using Majia.Storage;
using Microsoft.Data.Sqlite;

namespace Majia.Tests.Storage;

/// <summary>What only the one writer of a file can promise; the rest is in <see cref="StoreTests"/>.</summary>
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

        await store.DurableAsync(); // a reader may see it a moment before
        Assert.True(store.DurableAsync().IsCompletedSuccessfully);
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
    public async Task The_log_begins_anew_beside_a_writer_that_never_pauses_and_nothing_is_lost()
    {
        const int Page = 4_096, Most = 100, Rows = 1_500;
        var text = new string('x', Page);
        var longest = 0L;
        await using (var store = Open(log: new LogBounds(Step: 20, Most)))
        {
            for (var i = 0; i < Rows; i++)
            {
                await store.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", $"{i:D6}{text}"));
                longest = Math.Max(longest, LogLength());
            }
        }

        // Without an end the log would have more than ten thousand pages. One commit, here some ten pages, may come on top of the bound; a page has a head of 24 bytes.
        Assert.InRange(longest, Most / 2 * Page, ((4 * Most) + 20) * (Page + 24));
        await using var after = Open();
        Assert.Equal(Enumerable.Range(0, Rows).Select(i => $"{i:D6}"), after.Read(Texts).Select(row => row[..6]));
        Assert.Equal("ok", after.Read(s => s.Query("PRAGMA integrity_check", row => row.GetString(0))).Single());
    }

    [Fact]
    public async Task A_reader_that_stays_holds_the_log_and_it_begins_anew_when_the_reader_has_gone()
    {
        const int Page = 4_096, Most = 100;
        await using var store = Open(log: new LogBounds(Step: 20, Most));
        var text = new string('x', Page);
        async Task Commits(int from, int count)
        {
            for (var i = from; i < from + count; i++)
            {
                await store.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", $"{i:D6}{text}"));
            }
        }

        await Commits(0, 1);
        using (var reader = new SqliteConnection($"Data Source={Path.Combine(folder, "majia.db")};Mode=ReadOnly;Pooling=False"))
        {
            reader.Open();
            using var old = reader.BeginTransaction(deferred: true);
            using var count = reader.CreateCommand();
            count.Transaction = old;
            count.CommandText = "SELECT COUNT(*) FROM test_row";
            Assert.Equal(1L, count.ExecuteScalar());
            await Commits(1, 500);
            Assert.Equal(1L, count.ExecuteScalar());
        }

        var held = LogLength();
        await Commits(501, 1_000);

        Assert.True(held > 4 * Most * Page, $"{held} bytes of log while the reader stayed");

        // A thousand commits are thirty megabytes; a log that begins anew keeps its file, and a step or two had to pass first, or a copy under way.
        Assert.InRange(LogLength(), held, held + (4 * Most * Page));
        Assert.Equal(1_501, store.Read(Texts).Count);
    }

    [Fact]
    public async Task The_database_is_its_owners_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "file modes are Unix's");
        await using var store = Open();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(Path.Combine(folder, "majia.db")));
    }

    private static List<string> Texts(Session session) => session.Query("SELECT text FROM test_row ORDER BY id", row => row.GetString(0));

    private SqliteStore Open(GroupCommit? policy = null, LogBounds? log = null) => SqliteStore.Open(Path.Combine(folder, "majia.db"), [Schema], TimeProvider.System, policy, log);

    private long LogLength() => new FileInfo(Path.Combine(folder, "majia.db-wal")).Length;

    /// <summary>The files as they stand on disk, while the store is still open.</summary>
    private string CopyAsAfterACrash()
    {
        var copy = Directory.CreateDirectory(Path.Combine(folder, "crashed")).FullName;
        File.Copy(Path.Combine(folder, "majia.db"), Path.Combine(copy, "majia.db"));
        File.Copy(Path.Combine(folder, "majia.db-wal"), Path.Combine(copy, "majia.db-wal"));
        return Path.Combine(copy, "majia.db");
    }
}
