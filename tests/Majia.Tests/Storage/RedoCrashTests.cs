using System.Globalization;
using Majia.Core.Contracts;
using Majia.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Storage;

/// <summary>The real pipeline with its log, from crash to crash, against a model: what was acknowledged is there after each, and nothing is there by halves.</summary>
/// <remarks>
/// A seed is some lives of one database. In each, random units run (rows added, changed, changed again in the same commit, units that throw, statements of their own, readers),
/// some with commits awaited and some ahead of them; at a point chosen by the seed everything stops and the next life begins with what the disk has then (<see cref="LosingDisk"/>).
/// The state found must be the one after some unit that was given by then, and not before the last one that was acknowledged.
/// </remarks>
public sealed class RedoCrashTests : IDisposable
{
    private const int Lives = 3;

    /// <summary>800 seeds in all; 16 000 with <c>MAJIA_LONG=1</c>.</summary>
    private static readonly int SeedsAtOnce = Environment.GetEnvironmentVariable("MAJIA_LONG") == "1" ? 2_000 : 100;

    private sealed record Row(string Account, string Id, long Balance, string? Note);

    private static readonly PartySchema Schema = new("test",
        ["CREATE TABLE test_hot (account TEXT NOT NULL, id TEXT NOT NULL, balance INTEGER NOT NULL, note TEXT, PRIMARY KEY (account, id)) WITHOUT ROWID; CREATE INDEX test_hot_by_note ON test_hot (note)"]);

    private static readonly HotTable<Row>[] Tables = [Describe(group: 2, stays: false), Describe(group: 2, stays: true), Describe(group: 1, stays: false)];

    /// <summary>In memory where the system has such a folder: the disk that loses things is our own.</summary>
    private readonly string folder = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"majia-test-{Path.GetRandomFileName()}")).FullName;

    public static TheoryData<int> Starts => [.. Enumerable.Range(0, 8).Select(static start => start * SeedsAtOnce)];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Starts))]
    public async Task After_any_crash_what_was_acknowledged_is_there_and_nothing_by_halves(int start)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the disk that loses things knows its files by /proc");
        var template = Path.Combine(folder, "template.db");
        await SqliteStore.Open(template, [Schema], TimeProvider.System).DisposeAsync();
        var met = new int[Enum.GetValues<CrashPoint>().Length];
        for (var seed = start; seed < start + SeedsAtOnce; seed++)
        {
            try
            {
                await RunAsync(seed, template, met);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"seed {seed}: {error.Message}", error);
            }
        }

        Assert.All(Enum.GetValues<CrashPoint>(), point => Assert.True(met[(int)point] > 0, $"no crash at {point}"));
    }

    private async Task RunAsync(int seed, string template, int[] met)
    {
        var dice = new Random(seed);
        var history = new History();
        var home = Path.Combine(folder, $"{seed}-0");
        Directory.CreateDirectory(home);
        File.Copy(template, Path.Combine(home, "majia.db"));
        for (var life = 1; life <= Lives; life++)
        {
            var next = Path.Combine(folder, $"{seed}-{life}");
            var point = (CrashPoint)dice.Next(met.Length);
            int least = 0, most = 0;
            var disk = new LosingDisk(home, next, point, dice.Next(6), power: dice.Next(2) == 0, new Random(dice.Next()))
            {
                Crashing = before =>
                {
                    if (before)
                    {
                        least = history.Acknowledged;
                    }
                    else
                    {
                        most = history.Given;
                    }
                },
            };
            await LiveAsync(home, disk, history, dice);
            met[(int)(disk.Met ? point : CrashPoint.End)]++;
            Directory.Delete(home, recursive: true);
            home = next;
            history.Crash(least, most, $"life {life}, {point}");
        }

        await using (var last = SqliteStore.Open(Path.Combine(home, "majia.db"), [Schema], TimeProvider.System))
        {
            history.StartAgain(last.Read(All));
        }

        Directory.Delete(home, recursive: true);
    }

    /// <summary>Gives units until the crash, or for so many steps. What happens behind the crash changes nothing any more.</summary>
    private static async Task LiveAsync(string home, LosingDisk disk, History history, Random dice)
    {
        var time = new FakeTimeProvider();
        var policy = new GroupCommit(IdleMilliseconds: dice.Next(3) == 0 ? 1 : 3_600_000, LogAfter: dice.Next(3), Large: 1, LogRows: dice.Next(1, 30), LogMilliseconds: dice.Next(2) == 0 ? 3 : 3_600_000);
        var table = Tables[dice.Next(Tables.Length)];
        await using var store = SqliteStore.Open(Path.Combine(home, "majia.db"), [Schema], time, disk, policy, new LogBounds(Step: int.MaxValue));
        history.StartAgain(store.Read(All));
        var waiting = new List<Task>();
        for (var step = 0; step < 50 && !disk.Crashed; step++)
        {
            switch (dice.Next(16))
            {
                case < 8:
                    await history.GiveAsync(store, table, dice);
                    break;
                case < 12:
                    await history.AcknowledgedAsync(store);
                    break;
                case < 14:
                    waiting.Add(history.AcknowledgedAsync(store)); // and the next units run ahead of it
                    break;
                case 14:
                    time.Advance(TimeSpan.FromMilliseconds(dice.Next(4)));
                    break;
                default:
                    var least = history.Acknowledged;
                    history.Expect(store.Read(All), least, history.Given, "a reader");
                    break;
            }
        }

        disk.End();
        await Task.WhenAll(waiting);
    }

    private static HotTable<Row> Describe(int group, bool stays) => new(
        "test_hot", keys: 2, group: group, columns: "account, id, balance, note", changing: "balance, note", stays: stays, map: Map, values: static row => [row.Account, row.Id, row.Balance, row.Note]);

    private static Row Map(System.Data.Common.DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.TextOrNull(3));

    private static string Show(Row row) => $"{row.Account}/{row.Id} {row.Balance} {row.Note}";

    private static List<string> All(Session session) => session.Query("SELECT account, id, balance, note FROM test_hot ORDER BY account, id", static row => Show(Map(row)));

    /// <summary>The model: the state after each unit of this life, and which of them somebody was told about.</summary>
    private sealed class History
    {
        private SortedDictionary<string, Row> now = new(StringComparer.Ordinal);
        private List<string> states = [string.Empty];
        private int given, acknowledged;
        private int unit;
        private (int Least, int Most, string When) crash;

        public int Given => Volatile.Read(ref given);

        public int Acknowledged => Volatile.Read(ref acknowledged);

        public async Task GiveAsync(Store store, HotTable<Row> table, Random dice)
        {
            var number = ++unit;
            var keys = Enumerable.Range(0, dice.Next(1, 4)).Select(_ => (Account: $"a{dice.Next(4)}", Id: $"{dice.Next(4)}")).Distinct().ToList();
            var after = new SortedDictionary<string, Row>(now, StringComparer.Ordinal);
            var own = dice.Next(20) == 0;
            foreach (var (account, id) in own ? [] : keys)
            {
                var key = $"{account}/{id}";
                after[key] = after.TryGetValue(key, out var row) ? row with { Balance = row.Balance + number, Note = $"changed {number}" } : new Row(account, id, number, number % 3 == 0 ? null : $"made {number}");
            }

            if (own)
            {
                foreach (var (key, row) in now.Where(static pair => pair.Value.Account == "a1"))
                {
                    after[key] = row with { Balance = row.Balance + number };
                }
            }

            if (dice.Next(10) == 0)
            {
                await Assert.ThrowsAsync<InvalidDataException>(() => store.WriteAsync<int>(session =>
                {
                    Change(session);
                    throw new InvalidDataException();
                }));
                return;
            }

            states.Add(Text(after));
            Volatile.Write(ref given, states.Count - 1); // before it runs: a crash meanwhile may find it
            now = after;
            await store.WriteAsync(session =>
            {
                Change(session);
                return 0;
            });

            void Change(Session session)
            {
                if (own)
                {
                    session.Execute("UPDATE test_hot SET balance = balance + $1 WHERE account = 'a1'", number);
                    return;
                }

                foreach (var (account, id) in keys)
                {
                    var row = table.Group == 1 ? session.Rows(table, account).SingleOrDefault(row => row.Id == id) : session.Find(table, account, id);
                    if (row is null)
                    {
                        session.Add(table, new Row(account, id, number, number % 3 == 0 ? null : $"made {number}"));
                    }
                    else
                    {
                        session.Put(table, row with { Balance = row.Balance + number, Note = $"changed {number}" });
                    }
                }
            }
        }

        public async Task AcknowledgedAsync(Store store)
        {
            var upTo = given;
            await store.DurableAsync();
            for (var before = Acknowledged; before < upTo && Interlocked.CompareExchange(ref acknowledged, upTo, before) != before; before = Acknowledged)
            {
            }
        }

        public void Expect(List<string> found, int least, int most, string when)
        {
            var text = string.Join('\n', found);
            var at = states.FindIndex(least, most - least + 1, state => state == text);
            Assert.True(at >= 0, string.Create(CultureInfo.InvariantCulture, $"{when}: not a state between units {least} (acknowledged) and {most}, found\n{text}\nexpected one of\n{string.Join("\n--\n", states[least..(most + 1)])}"));
        }

        /// <summary>The state that the next life finds was the one after one of these units.</summary>
        public void Crash(int least, int most, string when) => crash = (least, most, when);

        public void StartAgain(List<string> found)
        {
            Expect(found, crash.Least, crash.Most, crash.When ?? "the first life");
            now = new(found.Select(static line => line.Split([' '], 3)).ToDictionary(
                static parts => parts[0], static parts => new Row(parts[0].Split('/')[0], parts[0].Split('/')[1], long.Parse(parts[1], CultureInfo.InvariantCulture), parts[2].Length == 0 ? null : parts[2]), StringComparer.Ordinal), StringComparer.Ordinal);
            states = [Text(now)];
            given = acknowledged = 0;
        }

        private static string Text(SortedDictionary<string, Row> rows) => string.Join('\n', rows.Values.Select(Show));
    }
}
