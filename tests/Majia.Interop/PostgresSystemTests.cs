using Majia.Tests;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Demo;
using Majia.Host.Load;
using Majia.Host.Tracing;
using Majia.Storage;
using Majia.TokenService.Vault;

namespace Majia.Interop;

/// <summary>The whole server side on PostgreSQL: the story that the demonstration tells, and two nodes of every party on one database.</summary>
public sealed class PostgresSystemTests(PostgresServer server)
{
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task The_whole_story_comes_out_as_on_the_other_database()
    {
        var database = await server.NewDatabaseAsync();
        var folder = Directory.CreateTempSubdirectory("majia-test-").FullName;
        try
        {
            // Twice: the second time on what the first one left.
            for (var time = 0; time < 2; time++)
            {
                await using var system = await MajiaSystem.OpenAsync(new SystemOptions(folder, TimeProvider.System, new SystemEntropy()) { Store = database, Postgres = PostgresServer.Options, PasswordIterations = 1_000 });
                var steps = 0;
                await foreach (var step in new Story(system).TellAsync())
                {
                    Assert.True(step.Ok, $"{step.Step}: {step.Outcome}, expected {step.Expected}: {step.Why.En}");
                    steps++;
                }

                Assert.Equal(10, steps);
                await system.PumpAsync(Never);
                Assert.All(system.Issuers.Values, bank => Assert.Empty(bank.Desk.BrokenInvariants()));
            }

            Assert.False(File.Exists(Path.Combine(folder, "majia.db")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task One_request_to_two_nodes_at_once_is_one_sale_and_two_equal_answers()
    {
        await using var nodes = await OpenAsync(new LoadPlan(11, 40, 0, 40));
        for (var i = 0; i < 40; i++)
        {
            var tap = nodes.Taps.Next();
            var answers = await Task.WhenAll(nodes.SendAsync(0, tap.Frame), nodes.SendAsync(1, tap.Frame), nodes.SendAsync(1, tap.Frame));
            Assert.All(answers, answer => Assert.Equal("00", nodes.Code(answer)));
            Assert.Equal(answers[0].ToArray(), answers[1].ToArray());
            Assert.Equal(answers[0].ToArray(), answers[2].ToArray());
        }

        Assert.Equal(40, nodes[0].Sales());
        Assert.Equal(0, nodes[1].BooksSum());
    }

    [Fact]
    public async Task One_counter_of_a_device_card_pays_once_on_whatever_node()
    {
        await using var nodes = await OpenAsync(new LoadPlan(12, 30, 0, 31));

        // The same cards and counters at other terminals: a clone's taps.
        var clones = new LoadTaps(new LoadPlan(12, 30, 0, 7), TimeProvider.System, from: 100);
        var originals = new LoadTaps(nodes.Plan, TimeProvider.System, from: 100);
        for (var i = 0; i < 30; i++)
        {
            var (one, other) = (originals.Next(), clones.Next());
            if (one.Terminal == other.Terminal && one.Stan == other.Stan)
            {
                continue;
            }

            var codes = (await Task.WhenAll(nodes.SendAsync(0, one.Frame), nodes.SendAsync(1, other.Frame))).Select(answer => nodes.Code(answer, originals, clones)).Order().ToArray();
            Assert.Equal(["00", "59"], codes);
        }

        Assert.Equal(23, nodes[0].Sales());
        Assert.Equal(0, nodes[0].BooksSum());
    }

    [Fact]
    public async Task Two_nodes_draw_on_one_account_and_the_books_have_exactly_what_was_answered()
    {
        await using var nodes = await OpenAsync(new LoadPlan(13, 3, 64, 128));
        var taps = Enumerable.Range(0, 400).Select(_ => nodes.Taps.Next(hot: true)).ToList();
        var before = nodes.Balance("hot");
        var answers = await Task.WhenAll(taps.Select((tap, i) => nodes.SendAsync(i % 2, tap.Frame)));
        Assert.All(answers, answer => Assert.Equal("00", nodes.Code(answer)));
        Assert.Equal(400, nodes[0].Sales());
        Assert.Equal(before - (400 * LoadPlan.Amount), nodes.Balance("hot"));
        Assert.Equal(400, nodes[1].Store.Read(session => session.Number("SELECT count(DISTINCT rrn) FROM acquirer_transaction")));
    }

    [Fact]
    public async Task A_node_that_was_alone_and_one_that_comes_take_payments_of_the_same_cards_and_of_one_account()
    {
        var plan = new LoadPlan(16, 30, 256, 128);
        var database = await server.NewDatabaseAsync();
        var options = PostgresServer.Options with { AloneAfter = 0 };
        var one = await LoadWorld.OpenOnPostgresAsync(plan, database, TimeProvider.System, NoTrace.Instance, options);
        await using var alone = new Nodes(plan, [one]);
        var (hot, before) = (0, alone.Balance("hot"));
        while (one.Store is not PostgresStore { KeepsRows: true })
        {
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => HotAsync(alone, 0)));
        }

        var opening = Task.Run(() => LoadWorld.OpenOnPostgresAsync(plan, database, TimeProvider.System, NoTrace.Instance, options));
        while (!opening.IsCompleted)
        {
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => HotAsync(alone, 0)));
        }

        // From its first moment on: cards that pay with one counter on both, and one account that both draw on.
        await using var two = await opening;
        var nodes = new Nodes(plan, [one, two]);
        LoadTaps originals = new(plan, TimeProvider.System, from: 100), clones = new(new LoadPlan(16, 30, 0, 7), TimeProvider.System, from: 100);
        var pairs = 0;
        for (var i = 0; i < 30; i++)
        {
            var (original, clone) = (originals.Next(), clones.Next());
            var both = original.Terminal == clone.Terminal && original.Stan == clone.Stan
                ? Task.FromResult(Array.Empty<ReadOnlyMemory<byte>>())
                : Task.WhenAll(nodes.SendAsync(0, original.Frame), nodes.SendAsync(1, clone.Frame));
            await Task.WhenAll(HotAsync(alone, 0), HotAsync(nodes, 1));
            if (await both is { Length: 2 } answers)
            {
                Assert.Equal(["00", "59"], answers.Select(answer => nodes.Code(answer, originals, clones)).Order());
                pairs++;
            }
        }

        Assert.InRange(pairs, 1, 30);
        Assert.Equal(hot + pairs, nodes[1].Sales());
        Assert.Equal(before - (hot * LoadPlan.Amount), nodes.Balance("hot"));
        Assert.Equal(0, nodes[0].BooksSum());

        async Task HotAsync(Nodes at, int node)
        {
            byte[] frame;
            lock (plan)
            {
                (frame, hot) = (alone.Taps.Next(hot: true).Frame, hot + 1);
            }

            Assert.Equal("00", at.Code(await at.SendAsync(node, frame), alone.Taps));
        }
    }

    [Fact]
    public async Task A_sale_on_one_node_and_its_reversal_on_the_other_leave_the_account_as_it_was()
    {
        await using var nodes = await OpenAsync(new LoadPlan(14, 3, 16, 64));
        var before = nodes.Balance("hot");
        var taps = Enumerable.Range(0, 60).Select(_ => nodes.Taps.Next(hot: true)).ToList();
        await Task.WhenAll(taps.Select(async (tap, i) =>
        {
            var reversal = nodes.Taps.Reversal(tap);
            var sale = nodes.SendAsync(i % 2, tap.Frame);
            for (var wait = 0; wait < i % 7; wait++)
            {
                await Task.Yield();
            }

            // 25: it came before its original, which is refused then.
            Assert.Contains(PosCode(await nodes.SendAsync(1 - (i % 2), reversal)), (string[])["00", "25"]);
            await sale;
        }));
        for (var round = 0; round < 20 && nodes.Waiting() > 0; round++)
        {
            await Task.WhenAll(nodes[0].Acquirer.PumpAsync(Never), nodes[1].Acquirer.PumpAsync(Never));
            await Task.WhenAll(nodes[0].Network.PumpAsync(Never), nodes[1].Network.PumpAsync(Never));
            await Task.Delay(TimeSpan.FromMilliseconds(300));
        }

        Assert.Equal(0, nodes.Waiting());
        Assert.Equal(before, nodes.Balance("hot"));
        Assert.Equal(0, nodes[0].BooksSum());
    }

    [Fact]
    [Rule("R9")]
    [Rule("R10")]
    public async Task Places_of_a_phone_and_of_a_plastic_are_given_once_by_two_nodes()
    {
        await using var nodes = await OpenAsync(new LoadPlan(15, 1, 0, 1));
        var plastic = new byte[32];
        var onPhone = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => nodes[i % 2].Store.CommitAsync(s => Tuple.Create(Slots.ReserveOnDevice(s, "00000000000000000001", $"tur-{i / 2}", [(byte)i])))));
        Assert.Equal(16, onPhone.Count(place => place.Item1 is null));
        Assert.Equal(8, nodes[0].Store.Read(s => s.Number("SELECT count(*) FROM token_device_slot WHERE seid = '00000000000000000001'")));

        var ofPlastic = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => nodes[i % 2].Store.CommitAsync(s => Tuple.Create(Slots.ReserveOfCard(s, plastic, $"phone-{i / 2}", $"tur-{i / 2}")))));
        Assert.Equal(20, ofPlastic.Count(place => place.Item1 is null));
        Assert.Equal(10, nodes[0].Store.Read(s => s.Number("SELECT count(*) FROM token_card_slot WHERE pan_index = $1", plastic)));
    }

    private async Task<Nodes> OpenAsync(LoadPlan plan)
    {
        var database = await server.NewDatabaseAsync();
        var one = await LoadWorld.OpenOnPostgresAsync(plan, database, TimeProvider.System, NoTrace.Instance, PostgresServer.Options);
        return new Nodes(plan, [one, await LoadWorld.OpenOnPostgresAsync(plan, database, TimeProvider.System, NoTrace.Instance, PostgresServer.Options)]);
    }

    private static string PosCode(ReadOnlyMemory<byte> answer) =>
        Core.Iso8583.PosFrame.TryRead(answer, out _, out _, out var body, out _) && Core.Iso8583.IsoCodec.TryRead(Core.Iso8583.Dialect.Pos, body, out var message, out _) ? message.Text(39)! : "unreadable";

    private sealed class Nodes(LoadPlan plan, LoadWorld[] worlds) : IAsyncDisposable
    {
        public LoadPlan Plan { get; } = plan;

        public LoadTaps Taps { get; } = new(plan, TimeProvider.System);

        public LoadWorld this[int node] => worlds[node];

        /// <summary>As the line's edge does it: nothing is an answer that is not durable.</summary>
        public async Task<ReadOnlyMemory<byte>> SendAsync(int node, byte[] frame)
        {
            var since = worlds[node].Store.Mark();
            var answer = await worlds[node].Acquirer.HandleAsync(frame, Never);
            await worlds[node].Store.DurableAsync(since);
            return answer;
        }

        public string Code(ReadOnlyMemory<byte> answer, params LoadTaps[] makers)
        {
            foreach (var maker in (LoadTaps[])[Taps, .. makers])
            {
                if (maker.TryRead(answer, checkMac: true, out _, out _, out var code))
                {
                    return code;
                }
            }

            return "unreadable";
        }

        public long Balance(string account) => worlds[0].Store.Read(s => s.Number("SELECT balance FROM issuer_accounts WHERE account = $1", account))!.Value;

        /// <summary>What still waits to be delivered, or is in progress.</summary>
        public long Waiting() => worlds[0].Store.Read(s => s.Number("SELECT (SELECT count(*) FROM acquirer_outbox) + (SELECT count(*) FROM network_outbox)"))!.Value;

        public async ValueTask DisposeAsync()
        {
            foreach (var world in worlds)
            {
                await world.DisposeAsync();
            }
        }
    }
}
