using System.CommandLine;

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
        : named == Majia.Host.Composition.Books.Private || named.Contains('=', StringComparison.Ordinal) ? named
        : throw new UsageException($"--store: expected sqlite, postgres or a connection string (Host=…), got '{named}'");
}
