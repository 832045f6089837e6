using System.Globalization;
using Majia.Core.Contracts;
using Majia.Storage;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Storage;

/// <summary>Commits that are durable in the log before their rows stand in the database (docs/decisions/0058): nobody sees a difference, not after a crash either.</summary>
public sealed class RedoLogTests : IDisposable
{
    private sealed record Row(string Account, string Id, long Balance, string? Note, byte[] Bytes);

    private static readonly PartySchema Schema = new("test",
    [
        "CREATE TABLE test_hot (account TEXT NOT NULL, id TEXT NOT NULL, balance INTEGER NOT NULL, note TEXT, bytes BLOB NOT NULL, PRIMARY KEY (account, id)) WITHOUT ROWID",
    ]);

    private static readonly HotTable<Row> Single = Describe(group: 2, stays: false), Kept = Describe(group: 2, stays: true), Grouped = Describe(group: 1, stays: false);

    /// <summary>Every commit goes into the log; rows go on only when somebody looks.</summary>
    private static readonly GroupCommit Logged = new(IdleMilliseconds: 3_600_000, LogAfter: 0, LogMilliseconds: 3_600_000);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-test-").FullName;

    public static TheoryData<string, int> Seeds => [.. from table in (string[])["single", "kept", "grouped"] from seed in Enumerable.Range(1, 8) select (table, seed)];

    private string Database => Path.Combine(folder, "majia.db");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task What_is_durable_is_in_the_log_and_units_readers_and_the_next_start_find_it()
    {
        await using var store = Open(Logged);
        await store.CommitAsync(s => s.Add(Single, new("a", "1", 5, null, [1, 2])));
        await store.CommitAsync(s => s.Put(Single, s.Find(Single, "a", "1")! with { Balance = 6 }));
        await store.CommitAsync(s => s.Add(Single, new("b", "1", 7, "seven", [])));
        await store.CommitAsync(s => s.Add(Single, new("c", "1", 8, "", []))); // by now the first one is in the log alone

        Assert.Equal(0, Count(Database, "test_hot"));
        Assert.Equal([1, 2, 3, 4], RedoRecovery.Look(Database)!.Records.Select(static record => record.Seq));
        Assert.Equal("a/1 6  0102", Show((await store.WriteAsync(s => s.Find(Single, "a", "1")))!));
        Assert.False(await store.WriteAsync(s => s.TryAdd(Single, new("a", "1", 9, null, []))));
        var crashed = CopyAsAfterACrash();
        await using (var next = Open(Logged, crashed))
        {
            Assert.Equal(["a/1 6  0102", "b/1 7 seven ", "c/1 8  "], next.Read(All));
            Assert.False(File.Exists(RedoOf(crashed)));
        }

        Assert.Equal(["a/1 6  0102", "b/1 7 seven ", "c/1 8  "], store.Read(All));
        Assert.Equal(3, Count(Database, "test_hot"));
    }

    [Fact]
    public async Task Somebody_who_looks_from_outside_and_a_copy_have_what_waits_in_the_log()
    {
        string crashed;
        await using (var store = Open(Logged))
        {
            await store.CommitAsync(s => s.Add(Single, new("a", "1", 5, null, [])));
            crashed = CopyAsAfterACrash();
            Assert.Equal(["a/1 5  "], SqliteStore.Peek(Database, All));
        }

        Assert.Equal(["a/1 5  "], SqliteStore.Peek(crashed, All));
        string looked;
        using (var settled = new Snapshots.SettledDatabase(crashed))
        {
            looked = settled.Path;
            Assert.NotEqual(crashed, looked);
            Assert.Equal(["a/1 5  "], SqliteStore.Peek(looked, All)); // as often as one likes, from one copy
        }

        Assert.False(File.Exists(looked));
        using (var closed = new Snapshots.SettledDatabase(Database))
        {
            Assert.Equal(Database, closed.Path); // nothing waits: no copy
        }

        Assert.True(File.Exists(Database));
        var copy = Path.Combine(folder, "copy.db");
        Snapshots.Take(crashed, copy);
        Assert.Equal(["a/1 5  "], SqliteStore.Peek(copy, All));
        Assert.False(File.Exists(RedoOf(copy)));
        Assert.Equal(0, Count(crashed, "test_hot"));
        Assert.False(File.Exists(RedoOf(Database))); // closed in good order: nothing waits
    }

    [Fact]
    public async Task A_unit_with_statements_of_its_own_sees_and_changes_what_was_in_the_log()
    {
        await using var store = Open(Logged);
        await store.CommitAsync(s => s.Add(Kept, new("a", "1", 5, null, [])));
        await store.WriteAsync(s => s.Put(Kept, s.Find(Kept, "a", "1")! with { Balance = 6 }));
        Assert.Equal(1, await store.CommitAsync(s => s.Execute("UPDATE test_hot SET balance = balance * 10")));
        await store.CommitAsync(s => s.Put(Kept, s.Find(Kept, "a", "1")! with { Balance = s.Find(Kept, "a", "1")!.Balance + 1 }));

        await using var next = Open(Logged, CopyAsAfterACrash());
        Assert.Equal(["a/1 61  "], next.Read(All));
        Assert.Equal(["a/1 61  "], store.Read(All));
    }

    [Fact]
    public async Task The_log_of_another_database_is_refused_and_nothing_is_changed()
    {
        await using (var store = Open(Logged))
        {
            for (var i = 0; i < 3; i++)
            {
                await store.CommitAsync(s => s.Add(Single, new("a", i.ToString(CultureInfo.InvariantCulture), 5, null, [])));
                _ = store.Read(All);
            }

            await store.CommitAsync(s => s.Add(Single, new("b", "1", 5, null, [])));
            _ = CopyAsAfterACrash();
        }

        var other = Path.Combine(folder, "other", "majia.db");
        Directory.CreateDirectory(Path.GetDirectoryName(other)!);
        await Open(Logged, other).DisposeAsync();
        foreach (var end in (string[])["-redo", "-redo2"])
        {
            File.Copy(Path.Combine(folder, "crashed", "majia.db" + end), other + end);
        }

        var refused = Assert.Throws<StoreException>(() => Open(Logged, other));
        Assert.Contains("goes on with record 3 of life ", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, Count(other, "test_hot"));
        Assert.True(File.Exists(RedoOf(other)));
    }

    /// <summary>The copy lacks what went straight into the database between two times of the log.</summary>
    [Fact]
    public async Task A_copy_of_the_database_from_before_commits_that_the_log_does_not_have_is_refused()
    {
        await using var store = Open(Logged);
        await store.CommitAsync(s => s.Add(Single, new("a", "1", 5, null, [])));
        _ = store.Read(All);
        Run(Database, "PRAGMA wal_checkpoint(TRUNCATE)");
        var earlier = Path.Combine(folder, "earlier.db");
        File.Copy(Database, earlier);
        await store.CommitAsync(s => s.Execute("UPDATE test_hot SET balance = 50"));
        await store.CommitAsync(s => s.Put(Single, s.Find(Single, "a", "1")! with { Balance = 51 }));
        var crashed = CopyAsAfterACrash();
        File.Delete(crashed + "-wal");
        File.Copy(earlier, crashed, overwrite: true);

        Assert.Contains("or of another time of it", Assert.Throws<StoreException>(() => Open(Logged, crashed)).Message, StringComparison.Ordinal);
        Assert.Equal(1, Count(crashed, "test_hot"));
    }

    /// <summary>Our own bug: a key that is taken is met when the log goes on. The store stops and ends; the next start takes in everything else and keeps that row where verify finds it.</summary>
    [Fact]
    public async Task A_row_that_does_not_fit_stops_the_store_and_is_put_aside_at_the_next_start()
    {
        var store = Open(Logged);
        await store.CommitAsync(s => s.Add(Single, new("a", "1", 5, null, [])));
        _ = store.Read(All);
        await store.CommitAsync(s => s.Add(Single, new("b", "1", 5, null, [])));
        await store.CommitAsync(s => s.Add(Single, new("c", "1", 5, null, [])));
        await store.CommitAsync(s =>
        {
            s.Add(Single, new("a", "1", 6, null, [])); // nobody looked
            s.Add(Single, new("d", "1", 5, null, []));
        });
        _ = store.Read(All);
        Assert.NotNull(store.Failure);
        await Assert.ThrowsAsync<StoreFailedException>(() => store.WriteAsync(s => s.Find(Single, "a", "1")));
        await store.DisposeAsync();
        Assert.Equal(1, Count(Database, "test_hot"));

        await using var next = Open(Logged);
        Assert.Equal(["a/1 5  ", "b/1 5  ", "c/1 5  ", "d/1 5  "], next.Read(All));
        var refused = Assert.Single(Snapshots.Refused(Database));
        Assert.StartsWith("record 4, INSERT INTO test_hot", refused, StringComparison.Ordinal);
        Assert.Contains("UNIQUE constraint failed", refused, StringComparison.Ordinal);
        Assert.False(File.Exists(RedoOf(Database)));
    }

    /// <summary>The applier stands still, as on a disk that has stopped.</summary>
    [Fact]
    public async Task A_reader_waits_for_what_is_on_its_way_so_long_and_no_longer()
    {
        var time = new WaitingTime(TimeSpan.FromMilliseconds(300));
        using var disk = new StandingDisk();
        await using var store = SqliteStore.Open(Database, [Schema], time, disk, Logged with { ReadMilliseconds = 300 }, new LogBounds());
        await store.CommitAsync(s => s.Add(Single, new("a", "1", 5, null, [])));
        var reader = Task.Factory.StartNew(() => store.Read(All), default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await disk.Met.WaitAsync(TestContext.Current.CancellationToken);
        await time.SomebodyWaits.WaitAsync(TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromMilliseconds(300));
        var late = await Assert.ThrowsAsync<StoreUnavailableException>(() => reader);
        Assert.False(late.InDoubt);
        Assert.Contains("not yet in the database", late.Message, StringComparison.Ordinal);
        Assert.Null(store.Failure);
        Assert.Equal(5, (await store.WriteAsync(s => s.Find(Single, "a", "1")))!.Balance); // payments go on
        disk.GoOn.Set();
        Assert.Equal(["a/1 5  "], store.Read(All));
    }

    [Fact]
    public async Task A_reader_inside_a_unit_is_refused_at_once()
    {
        await using var store = Open(Logged);
        await store.CommitAsync(s => s.Add(Single, new("a", "1", 5, null, [])));
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => store.WriteAsync(s => store.Read(All)));
        Assert.Contains("a unit touches nothing but its session", refused.Message, StringComparison.Ordinal);
        await using var inline = new InlineStore(Schema);
        await Assert.ThrowsAsync<InvalidOperationException>(() => inline.WriteAsync(s => inline.Read(All)));
        Assert.Equal(["a/1 5  "], store.Read(All));
    }

    private sealed record Numbered(string Account, long Number, string Name);

    /// <summary>Rows of a group: in memory, in the log, in the database, and some of each.</summary>
    [Fact]
    public async Task Rows_of_a_group_come_in_the_order_of_the_database_wherever_they_are()
    {
        HotTable<Numbered> table = new(
            "test_numbered", keys: 3, group: 1, columns: "account, number, name", map: static row => new(row.GetString(0), row.GetInt64(1), row.GetString(2)), values: static row => [row.Account, row.Number, row.Name]);
        PartySchema schema = new("test", ["CREATE TABLE test_numbered (account TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, number, name)) WITHOUT ROWID"]);
        string[] names = ["b", "aa", "\uFF5E", "\U0001F600", "", "中文", "a"];
        long[] numbers = [-10, 9, -11, 100, long.MinValue, 0, long.MaxValue, -1_234_567_890_123_456_789];
        var all = numbers.SelectMany(number => names.Select(name => new Numbered("a", number, name))).ToArray();
        new Random(7).Shuffle(all);
        await using var store = SqliteStore.Open(Path.Combine(folder, "numbered.db"), [schema], TimeProvider.System, Logged);
        for (var i = 0; i < all.Length; i++)
        {
            var row = all[i];
            await store.WriteAsync(s => s.Add(table, row));
            if (i % 5 == 0)
            {
                await store.DurableAsync();
            }

            var before = all[..(i + 1)].OrderBy(static other => other.Number).ThenBy(static other => Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(other.Name)), StringComparer.Ordinal);
            Assert.Equal(before, await store.WriteAsync(s => s.Rows(table, "a")));
            if (i % 20 == 19)
            {
                await store.DurableAsync();
                Assert.Equal(before, store.Read(s => s.Query("SELECT account, number, name FROM test_numbered ORDER BY account, number, name", static found => new Numbered(found.GetString(0), found.GetInt64(1), found.GetString(2)))));
            }
        }
    }

    [Fact]
    public async Task Commits_that_become_small_go_straight_into_the_database_again()
    {
        await using var store = Open(new GroupCommit(IdleMilliseconds: 3_600_000, LogAfter: 2, Large: 8, LogMilliseconds: 0));
        for (var i = 0; i < 6; i++)
        {
            await LargeAsync(i);
        }

        for (var i = 0; i < 3; i++)
        {
            await store.CommitAsync(s => s.Add(Single, new("small", $"{i}", i, null, [])));
        }

        Assert.Equal(6 * 8 + 3, Count(Database, "test_hot"));

        async Task LargeAsync(int commit)
        {
            for (var i = 0; i < 8; i++)
            {
                await store.WriteAsync(s => s.Add(Single, new($"large {commit}", $"{i}", i, null, [])));
            }

            await store.DurableAsync();
        }
    }

    /// <summary>Units and readers at once; each reader sees all that was durable before it looked.</summary>
    [Fact]
    public async Task Readers_and_units_side_by_side_see_what_was_acknowledged()
    {
        await using var store = Open(new GroupCommit(LogAfter: 0, LogRows: 100));
        var tasks = Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; i < 150; i++)
            {
                await store.WriteAsync(s =>
                {
                    s.Add(Single, new($"w{worker}", $"{i:D3}", i, null, []));
                    if (i > 0)
                    {
                        s.Put(Single, s.Find(Single, $"w{worker}", $"{i - 1:D3}")! with { Balance = -i });
                    }
                });
                await store.DurableAsync();
                if (i % 10 == worker)
                {
                    Assert.Equal(i + 1, store.Read(s => s.Number("SELECT count(*) FROM test_hot WHERE account = $1", $"w{worker}")));
                }

                if (i % 50 == worker)
                {
                    Assert.Equal(1, await store.CommitAsync(s => s.Execute("UPDATE test_hot SET note = 'own' WHERE account = $1 AND id = $2", $"w{worker}", $"{i:D3}")));
                }
            }
        }));
        await Task.WhenAll(tasks);
        Assert.Equal(8 * 150, store.Read(s => s.Number("SELECT count(*) FROM test_hot")));
        Assert.Equal(8 * 149, store.Read(s => s.Number("SELECT count(*) FROM test_hot WHERE balance = -1 - id")));
        Assert.Equal(8 * 3, store.Read(s => s.Number("SELECT count(*) FROM test_hot WHERE note = 'own'")));
    }

    [Fact]
    public async Task Small_commits_go_straight_into_the_database()
    {
        await using var store = Open(new GroupCommit());
        for (var i = 0; i < 40; i++)
        {
            await store.CommitAsync(s => s.Add(Single, new("a", $"{i:D2}", i, null, [])));
        }

        Assert.False(File.Exists(RedoOf(Database)));
        Assert.Equal(40, Count(Database, "test_hot"));
    }

    /// <summary>Random units against a dictionary: whatever is applied when, units and readers see the model, and so does whoever opens a copy taken when everything was durable.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Units_in_any_order_leave_what_they_would_leave_without_a_log(string kind, int seed)
    {
        var table = kind switch { "single" => Single, "kept" => Kept, _ => Grouped };
        var dice = new Random(seed);
        var model = new SortedDictionary<string, Row>(StringComparer.Ordinal);
        var crashes = 0;
        await using (var store = Open(new GroupCommit(IdleMilliseconds: seed % 2 == 0 ? 1 : 3_600_000, LogAfter: dice.Next(3), Large: 1, LogRows: dice.Next(1, 40))))
        {
            for (var step = 0; step < 400; step++)
            {
                var (account, id) = ($"a{dice.Next(6)}", $"{dice.Next(5)}");
                var key = $"{account}/{id}";
                switch (dice.Next(20))
                {
                    case < 5:
                        var row = new Row(account, id, step, dice.Next(2) == 0 ? null : $"note {step}", new byte[dice.Next(3)]);
                        Assert.Equal(model.TryAdd(key, row), await store.WriteAsync(s => s.TryAdd(table, row)));
                        break;
                    case < 10:
                        var changed = await store.WriteAsync(s =>
                        {
                            if (Find(s, table, account, id) is not { } found)
                            {
                                return false;
                            }

                            s.Put(table, found with { Balance = found.Balance + 1000 });
                            return true;
                        });
                        Assert.Equal(model.ContainsKey(key), changed);
                        if (changed)
                        {
                            model[key] = model[key] with { Balance = model[key].Balance + 1000 };
                        }

                        break;
                    case < 12:
                        await Assert.ThrowsAsync<InvalidDataException>(() => store.WriteAsync<int>(s =>
                        {
                            s.TryAdd(table, new Row(account, id, -1, null, []));
                            s.Put(table, Find(s, table, account, id)! with { Balance = -2 });
                            throw new InvalidDataException();
                        }));
                        break;
                    case 12:
                        var times = step;
                        await store.WriteAsync(s => s.Execute("UPDATE test_hot SET balance = balance + $1 WHERE account = $2", times, account));
                        foreach (var other in model.Where(pair => pair.Value.Account == account).ToList())
                        {
                            model[other.Key] = other.Value with { Balance = other.Value.Balance + times };
                        }

                        break;
                    case 13 when kind == "grouped":
                        Assert.Equal(
                            [.. model.Values.Where(other => other.Account == account).Select(Show)],
                            await store.WriteAsync(s => s.Rows(table, account).Select(Show).ToList()));
                        break;
                    case < 18:
                        await store.DurableAsync();
                        break;
                    case 18:
                        await store.DurableAsync();
                        Assert.Equal([.. model.Values.Select(Show)], store.Read(All));
                        break;
                    default:
                        await store.DurableAsync();
                        if (seed % 2 == 1 && crashes < 4 && dice.Next(2) == 0)
                        {
                            // Nothing is on its way anywhere: a reader has just waited for it, and one commit follows.
                            _ = store.Read(All);
                            await store.CommitAsync(s => s.TryAdd(table, new Row("z", $"{step}", 1, null, [])));
                            model.Add($"z/{step}", new Row("z", $"{step}", 1, null, []));
                            await using var next = Open(Logged, CopyAsAfterACrash());
                            Assert.Equal([.. model.Values.Select(Show)], next.Read(All));
                            crashes++;
                        }

                        break;
                }
            }

            await store.DurableAsync();
        }

        Assert.Equal([.. model.Values.Select(Show)], SqliteStore.Peek(Database, All));
        Assert.False(File.Exists(RedoOf(Database)));
    }

    /// <summary>Says when somebody begins to wait so long.</summary>
    private sealed class WaitingTime(TimeSpan so) : FakeTimeProvider
    {
        private readonly TaskCompletionSource waits = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task SomebodyWaits => waits.Task;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            if (dueTime == so)
            {
                waits.TrySetResult();
            }

            return timer;
        }
    }

    private static Row? Find(Session session, HotTable<Row> table, string account, string id) =>
        table == Grouped ? session.Rows(table, account).SingleOrDefault(row => row.Id == id) : session.Find(table, account, id);

    private static HotTable<Row> Describe(int group, bool stays) => new(
        "test_hot", keys: 2, group: group, columns: "account, id, balance, note, bytes", changing: "balance", stays: stays, map: Map, values: static row => [row.Account, row.Id, row.Balance, row.Note, row.Bytes]);

    private static Row Map(System.Data.Common.DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.TextOrNull(3), row.Bytes(4));

    private static string Show(Row row) => $"{row.Account}/{row.Id} {row.Balance} {row.Note} {Convert.ToHexString(row.Bytes)}";

    private static List<string> All(Session session) => session.Query("SELECT account, id, balance, note, bytes FROM test_hot ORDER BY account, id", static row => Show(Map(row)));

    private static string RedoOf(string database) => database + "-redo";

    private static void Run(string file, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static long Count(string file, string table)
    {
        using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT count(*) FROM {table}";
        return (long)command.ExecuteScalar()!;
    }

    private SqliteStore Open(GroupCommit policy, string? path = null) => SqliteStore.Open(path ?? Database, [Schema], TimeProvider.System, policy);

    private string CopyAsAfterACrash()
    {
        var copy = Path.Combine(folder, "crashed");
        if (Directory.Exists(copy))
        {
            Directory.Delete(copy, recursive: true);
        }

        Directory.CreateDirectory(copy);
        foreach (var end in (string[])["", "-wal", "-redo", "-redo2"])
        {
            if (File.Exists(Database + end))
            {
                File.Copy(Database + end, Path.Combine(copy, "majia.db" + end));
            }
        }

        return Path.Combine(copy, "majia.db");
    }
}
