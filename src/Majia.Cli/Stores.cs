using System.CommandLine;
using Majia.Host.Composition;
using Majia.Host.Web;
using Majia.Storage;

namespace Majia.Cli;

/// <summary><c>--store</c>: where the server parties keep their rows.</summary>
public static class Stores
{
    public static Option<string?> Option() => new("--store")
    {
        Description = "sqlite (the default: a file in the data folder) | postgres (a private one in the data folder, from Debian's package) | a connection string such as \"Host=db;Username=majia;Password=…;Database=majia\"",
    };

    /// <summary>Null: SQLite.</summary>
    public static string? Of(string? named) => named is null or "sqlite" ? null
        : named == Books.Private || named.Contains('=', StringComparison.Ordinal) ? named
        : throw new UsageException($"--store: expected sqlite, postgres or a connection string (Host=…), got '{named}'");

    /// <summary>As <c>up</c> in that folder would take it: flag, then MAJIA_STORE, then the folder's majia.json.</summary>
    public static string? Of(string? flag, string folder)
    {
        try
        {
            return flag is not null ? Of(flag) : Of(Configuration.Read(folder, Environment.GetEnvironmentVariable).Store);
        }
        catch (ConfigurationException wrong)
        {
            throw new UsageException(wrong.Message);
        }
    }

    /// <summary>Runs some work on a database. A private PostgreSQL that nobody runs is started for it, and ended after it; one that runs stays.</summary>
    /// <param name="folder">The data folder, where a private one is.</param>
    /// <param name="make">A private one that is not there is made.</param>
    /// <param name="work">Takes the connection string; null: SQLite.</param>
    public static T With<T>(string? store, string folder, bool make, Func<string?, T> work)
    {
        if (store != Books.Private)
        {
            return work(store);
        }

        var home = Path.Combine(folder, "postgres");
        if (!make && !Directory.Exists(home))
        {
            throw new StoreException($"no private PostgreSQL in {folder}");
        }

        var server = PrivatePostgres.StartAsync(home).GetAwaiter().GetResult();
        try
        {
            return work(server.ConnectionString);
        }
        finally
        {
            if (!server.WasRunning)
            {
                server.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }
        }
    }
}
