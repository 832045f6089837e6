using System.Diagnostics;

namespace Majia.Interop;

/// <summary>What a program from outside said.</summary>
public sealed record Said(int ExitCode, string Output, string Errors);

/// <summary>A program that is not ours: Debian's packages bring it, and a test that lacks it is skipped and says so.</summary>
public static class OutsideProgram
{
    private static readonly string[] Folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/lib/postgresql/15/bin"];

    /// <summary>The program's path; skips the test when the package that holds it is not installed.</summary>
    public static string Require(string program, string package)
    {
        var path = Folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"{program} is not installed (Debian package {package}): ./majia test --install installs it");
        return path!;
    }

    /// <summary>Runs to the end, or ends it by pid after <paramref name="limit"/> and throws <see cref="TimeoutException"/>.</summary>
    public static async Task<Said> RunAsync(string path, IReadOnlyList<string> arguments, byte[]? input = null, TimeSpan? limit = null)
    {
        var start = new ProcessStartInfo(path, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{path} did not start");
        using var end = new CancellationTokenSource(limit ?? TimeSpan.FromSeconds(60));
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(end.Token), process.StandardError.ReadToEndAsync(end.Token));
        try
        {
            try
            {
                await process.StandardInput.BaseStream.WriteAsync(input ?? [], end.Token);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended before it had read everything: its exit code and its words say why.
            }

            await process.WaitForExitAsync(end.Token);
            return new Said(process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{path} did not end in time");
        }
    }
}
