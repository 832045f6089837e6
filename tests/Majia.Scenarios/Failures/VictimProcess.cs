using System.Diagnostics;

namespace Majia.Scenarios.Failures;

/// <summary>The <see cref="Victim"/> seen from outside: started, read line by line, killed by SIGKILL.</summary>
internal sealed class VictimProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process process;

    private VictimProcess(Process process) => this.process = process;

    /// <summary>Starts one. Its standard input is a pipe that this process holds: it closes with this process, and the victim ends.</summary>
    public static VictimProcess Start(string role)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath ?? "dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(VictimProcess).Assembly.Location);
        }

        start.Environment[Victim.Variable] = role;
        return new VictimProcess(Process.Start(start)!);
    }

    /// <summary>Reads until a line begins with <paramref name="word"/>; the rest of that line.</summary>
    public async Task<string> SaysAsync(string word)
    {
        using var hurry = new CancellationTokenSource(Patience);
        while (await process.StandardOutput.ReadLineAsync(hurry.Token) is { } line)
        {
            if (line.StartsWith(word + " ", StringComparison.Ordinal))
            {
                return line[(word.Length + 1)..];
            }
        }

        throw new InvalidOperationException("the victim ended by itself: " + await process.StandardError.ReadToEndAsync(hurry.Token));
    }

    /// <summary>SIGKILL; returns what it had still said before it died.</summary>
    public async Task<List<string>> KillAsync()
    {
        using var hurry = new CancellationTokenSource(Patience);
        process.Kill();
        var rest = await process.StandardOutput.ReadToEndAsync(hurry.Token);
        await process.WaitForExitAsync(hurry.Token);
        return [.. rest.Split('\n').SkipLast(1)];
    }

    /// <summary>Starts a victim, waits for <paramref name="count"/> lines that matter, and kills it a moment later; all that it said.</summary>
    public static async Task<List<string>> KillAsync(string role, Func<string, bool> matters, int count, TimeSpan later)
    {
        using var victim = Start(role);
        var lines = new List<string>();
        using var hurry = new CancellationTokenSource(Patience);
        while (count > 0 && await victim.process.StandardOutput.ReadLineAsync(hurry.Token) is { } line)
        {
            lines.Add(line);
            count -= matters(line) ? 1 : 0;
        }

        if (count > 0)
        {
            Assert.Fail("the victim ended by itself: " + await victim.process.StandardError.ReadToEndAsync(hurry.Token));
        }

        await Task.Delay(later, hurry.Token);
        lines.AddRange(await victim.KillAsync());
        return lines;
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        process.Dispose();
    }
}
