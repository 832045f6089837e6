namespace Majia.Tests;

/// <summary>Where the tests find what lies beside them.</summary>
public static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>A file under tests/Vectors: numbers printed in public texts, each file naming its source.</summary>
    public static string Vector(string name) => Path.Combine(Root, "tests", "Vectors", name);

    /// <summary>The number of the collected vectors; it stands in tests/Vectors alone.</summary>
    public static string VectorNumber { get; } = File.ReadLines(Vector("numbers.txt")).First(line => line.StartsWith("PAN=", StringComparison.Ordinal))["PAN=".Length..];

    /// <summary>Data of other parties beside the checkout, read in place; skips the test when absent.</summary>
    public static string SharedVector(string name)
    {
        var path = Path.Combine(Root, "..", "shared", "vectors", name);
        Assert.SkipUnless(File.Exists(path), $"../shared/vectors/{name} is not here");
        return path;
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Majia.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException("no folder above the tests holds Majia.slnx");
    }
}
