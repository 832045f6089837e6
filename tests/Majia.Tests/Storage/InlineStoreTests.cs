using Majia.Storage;

namespace Majia.Tests.Storage;

public sealed class InlineStoreTests
{
    private static readonly PartySchema Schema = new("test", ["CREATE TABLE test_row (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)"]);

    [Fact]
    public async Task A_crash_keeps_what_was_durable_and_forgets_the_rest()
    {
        var store = new InlineStore(Schema);
        await store.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "kept"));
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "lost"));

        var after = new InlineStore([Schema], store.Snapshot());

        Assert.Equal(["kept"], after.Read(Texts));
        await after.CommitAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "goes on"));
        Assert.Equal(["kept", "goes on"], after.Read(Texts));
    }

    [Fact]
    public async Task Readers_see_commits_only()
    {
        var store = new InlineStore(Schema);
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        Assert.Empty(store.Read(Texts));
        Assert.Equal(["a"], await store.WriteAsync(Texts));
        await store.DurableAsync();
        Assert.Equal(["a"], store.Read(Texts));
    }

    [Fact]
    public async Task A_unit_that_throws_leaves_nothing()
    {
        var store = new InlineStore(Schema);
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.WriteAsync<int>(s =>
        {
            s.Execute("INSERT INTO test_row (text) VALUES ($1)", "b");
            throw new InvalidOperationException("planned");
        }));
        await store.DurableAsync();
        Assert.Equal(["a"], store.Read(Texts));
    }

    [Fact]
    public async Task The_same_units_give_the_same_image()
    {
        async Task<byte[]> Image()
        {
            var store = new InlineStore(Schema);
            for (var i = 0; i < 100; i++)
            {
                await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", $"row {i}"));
            }

            await store.DurableAsync();
            return store.Snapshot();
        }

        Assert.Equal(await Image(), await Image());
    }

    [Fact]
    public async Task A_failed_commit_fails_the_store()
    {
        var store = new InlineStore(Schema) { FailNextCommit = "the disk is full" };
        await store.WriteAsync(s => s.Execute("INSERT INTO test_row (text) VALUES ($1)", "a"));
        await Assert.ThrowsAsync<StoreFailedException>(store.DurableAsync);
        await Assert.ThrowsAsync<StoreFailedException>(() => store.WriteAsync(Texts));
        Assert.Empty(new InlineStore([Schema], store.Snapshot()).Read(Texts));
    }

    private static List<string> Texts(Session session) => session.Query("SELECT text FROM test_row ORDER BY id", row => row.GetString(0));
}
