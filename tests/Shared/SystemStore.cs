namespace Majia;

/// <summary>Where the whole system keeps its rows in a run of the scenarios: in its folder, or with <c>MAJIA_TEST_STORE=postgres</c> on PostgreSQL (docs/decisions/0054).</summary>
public static class SystemStore
{
    public static bool OnPostgres { get; } = Environment.GetEnvironmentVariable("MAJIA_TEST_STORE") switch
    {
        null or "" => false,
        "postgres" => true,
        var other => throw new InvalidOperationException($"MAJIA_TEST_STORE: expected postgres, got '{other}'"),
    };

    /// <summary>Null: the folder's own file.</summary>
    public static async Task<string?> NewAsync() =>
        OnPostgres ? await (await TestContext.Current.GetFixture<PostgresServer>() ?? throw new InvalidOperationException("no PostgreSQL belongs to this run")).NewDatabaseAsync() : null;
}
