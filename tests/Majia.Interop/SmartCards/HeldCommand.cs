using System.Diagnostics;
using System.Globalization;

namespace Majia.Interop.SmartCards;

/// <summary><c>majia card</c> in a process of its own, holding a card until it is disposed of; ended by its own pid.</summary>
public sealed class HeldCommand : IAsyncDisposable
{
    public static readonly string Program = Path.Combine(AppContext.BaseDirectory, "majia.dll");

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Process process;
    private readonly List<string> said = [];

    private HeldCommand(Process process) => this.process = process;

    public static async Task<HeldCommand> StartAsync(string folder, int port, params string[] what)
    {
        var start = new ProcessStartInfo("/usr/bin/env", ["dotnet", Program, "card", "--vpcd", string.Create(CultureInfo.InvariantCulture, $"localhost:{port}"), .. what, "--data", folder, "--lang", "en"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        var held = new HeldCommand(Process.Start(start)!);
        _ = held.process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
        await held.UntilAsync("power on");
        return held;
    }

    /// <summary>Away and back: a new card for whoever waits for one.</summary>
    public async Task PresentAgainAsync()
    {
        await process.StandardInput.WriteLineAsync();
        await UntilAsync("out of the field");
        await process.StandardInput.WriteLineAsync();
        await UntilAsync("power on");
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        await process.WaitForExitAsync();
        process.Dispose();
    }

    private async Task UntilAsync(string words)
    {
        using var end = new CancellationTokenSource(Patience);
        while (await process.StandardError.ReadLineAsync(end.Token) is { } line)
        {
            said.Add(line);
            if (line.Contains(words, StringComparison.Ordinal))
            {
                return;
            }
        }

        throw new InvalidOperationException(string.Join('\n', said));
    }
}
