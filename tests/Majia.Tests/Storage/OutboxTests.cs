using Majia.Storage;

namespace Majia.Tests.Storage;

public sealed class OutboxTests(PostgresServer server)
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);
    private static readonly PartySchema Schema = new("test", [Outbox.Migration("test")]);
    private readonly Outbox outbox = new("test");

    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    [Theory]
    [MemberData(nameof(Both))]
    public async Task An_entry_is_due_until_it_is_delivered(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await store.WriteAsync(s => outbox.Enqueue(s, "network", "0420", [1, 2], "rrn:1", Noon));
        await store.WriteAsync(s => outbox.Enqueue(s, "network", "0420", [3], "rrn:2", Noon.AddSeconds(1)));

        var due = await store.WriteAsync(s => outbox.Due(s, Noon));
        var entry = Assert.Single(due);
        Assert.Equal(("network", "0420", 0, Noon, "rrn:1"), (entry.Destination, entry.Kind, entry.Attempts, entry.NextAt, entry.Reference));
        Assert.Equal([1, 2], entry.Payload);

        await store.WriteAsync(s => outbox.Delivered(s, entry.Id));
        Assert.Equal("rrn:2", Assert.Single(await store.WriteAsync(s => outbox.Due(s, Noon.AddHours(1)))).Reference);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task Each_failure_doubles_the_wait_up_to_five_minutes(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await store.WriteAsync(s => outbox.Enqueue(s, "network", "0420", [1], "rrn:1", Noon));
        var now = Noon;
        var waits = new List<double>();
        for (var i = 0; i < 11; i++)
        {
            var entry = Assert.Single(await store.WriteAsync(s => outbox.Due(s, now)));
            Assert.Equal(i, entry.Attempts);
            await store.WriteAsync(s => outbox.Failed(s, entry, now));
            var next = (await store.WriteAsync(s => Tuple.Create(outbox.NextAt(s)))).Item1!.Value;
            waits.Add((next - now).TotalSeconds);
            Assert.Empty(await store.WriteAsync(s => outbox.Due(s, next.AddMilliseconds(-1))));
            now = next;
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], waits);
        Assert.Equal(Outbox.LongestWait, Outbox.Wait(1_000));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task A_dead_letter_stays_visible_and_is_not_sent(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await store.WriteAsync(s => outbox.Enqueue(s, "issuer", "notice", [1], "rrn:1", Noon));
        var entry = Assert.Single(await store.WriteAsync(s => outbox.Due(s, Noon)));
        await store.WriteAsync(s => outbox.Bury(s, entry, "refused", Noon.AddSeconds(3)));

        Assert.Empty(await store.WriteAsync(s => outbox.Due(s, Noon.AddDays(1))));
        var letter = Assert.Single(await store.WriteAsync(outbox.DeadLetters));
        Assert.Equal(("refused", "rrn:1", Noon.AddSeconds(3)), (letter.Why, letter.Entry.Reference, letter.At));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public async Task An_entry_of_a_unit_that_throws_is_never_sent(StoreTests.Engine engine)
    {
        await using var store = await OpenAsync(engine);
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.WriteAsync<int>(s =>
        {
            outbox.Enqueue(s, "network", "0420", [1], "rrn:1", Noon);
            throw new InvalidOperationException("planned");
        }));
        Assert.Empty(await store.WriteAsync(s => outbox.Due(s, Noon)));
    }

    private async Task<Store> OpenAsync(StoreTests.Engine engine) =>
        engine == StoreTests.Engine.Sqlite ? new InlineStore(Schema) : PostgresStore.Open(await server.NewDatabaseAsync(), [Schema], TimeProvider.System, PostgresServer.Options);
}

public sealed class OutboxPumpTests(PostgresServer server)
{
    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [MemberData(nameof(Both))]
    public async Task One_entry_that_throws_holds_up_no_other_and_is_tried_again(StoreTests.Engine engine)
    {
        var outbox = new Outbox("test");
        var schema = new PartySchema("test", [Outbox.Migration("test")]);
        await using Store store = engine == StoreTests.Engine.Sqlite ? new InlineStore(schema) : PostgresStore.Open(await server.NewDatabaseAsync(), [schema], TimeProvider.System, PostgresServer.Options);
        foreach (var reference in (string[])["bad", "good", "refused"])
        {
            await store.CommitAsync(s => outbox.Enqueue(s, "network", "0420", [1], reference, Noon));
        }

        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(Noon);
        var told = new List<string>();
        var pump = new OutboxPump(
            outbox, store, clock,
            entry => entry.Reference switch
            {
                "bad" => throw new InvalidOperationException("no original"),
                "good" => Task.FromResult(Delivery.Done),
                _ => Task.FromResult(Delivery.Never("the network answered 25")),
            },
            (entry, error) => told.Add($"{entry.Reference}: {error.Message}"));
        await pump.RunAsync(TestContext.Current.CancellationToken);
        await store.DurableAsync();

        Assert.Equal(["bad: no original"], told);
        Assert.Equal("the network answered 25", Assert.Single(store.Read(outbox.DeadLetters)).Why);
        Assert.Empty(store.Read(s => outbox.Due(s, Noon)));
        Assert.Equal(("bad", 1), Assert.Single(store.Read(s => outbox.Due(s, Noon.AddSeconds(1)))) is var again ? (again.Reference, again.Attempts) : default);
    }
}
