using System.Diagnostics;
using System.Text;

namespace Majia.Cli.Bench;

/// <summary>The repository's <c>bench</c> folder, and programs of the machine run to their end.</summary>
public static class BenchFiles
{
    /// <summary>The repository's root: the folder above the program that holds Majia.slnx; null when the program was taken elsewhere.</summary>
    public static string? Root { get; } = FindRoot();

    public static string Path(params string[] parts) => System.IO.Path.Combine([Root ?? throw new EnvironmentException("bench needs its yardsticks in the repository's bench folder"), .. parts]);

    /// <summary>Full path of a program on the PATH, or null.</summary>
    public static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .Where(folder => folder.Length > 0)
        .Select(folder => System.IO.Path.Combine(folder, program))
        .FirstOrDefault(File.Exists);

    /// <summary>Runs a program to its end; its standard output. Throws with what it said when it fails.</summary>
    public static async Task<string> RunAsync(string program, IReadOnlyList<string> arguments, string? input = null, string? folder = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder ?? "/" };
        using var process = Process.Start(start) ?? throw new EnvironmentException($"{program} does not start");
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input ?? "");
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? await output
            : throw new EnvironmentException(new StringBuilder(program).Append(" failed: ").Append((await errors).Trim()).Append(' ').Append((await output).Trim()).ToString());
    }

    private static string? FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Majia.slnx")))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
