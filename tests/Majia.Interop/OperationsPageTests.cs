using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Majia.Host.Composition;
using Majia.Host.Links;
using Majia.Tests;

namespace Majia.Interop;

/// <summary>The commands of docs/operations.md as they stand there: parties apart under TLS, their health, a backup beside the running process, its restoration with the fence, verification, SIGTERM.</summary>
public sealed partial class OperationsPageTests : IAsyncDisposable
{
    private const int Ports = 36;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-page-").FullName;
    private readonly List<Process> shells = [];
    private readonly int port = FreePorts.Base(30_100, 32_300, Ports);

    public async ValueTask DisposeAsync()
    {
        foreach (var pid in Running(""))
        {
            await EndAsync(pid);
        }

        shells.ForEach(shell => shell.Dispose());
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Parties_apart_backup_restoration_and_verification_go_as_they_are_written()
    {
        var blocks = Blocks().Matches(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "operations.md"), TestContext.Current.CancellationToken)).Select(block => block.Groups[1].Value).ToList();
        var start = blocks.Single(block => block.Contains("keys ceremony trial", StringComparison.Ordinal));
        var backup = blocks.Single(block => block.Contains("./majia backup", StringComparison.Ordinal)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var verify = blocks.Single(block => block.StartsWith("./majia verify", StringComparison.Ordinal));

        var shell = Run(start);
        var (ready, all) = (new HashSet<string>(StringComparer.Ordinal), new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        shell.OutputDataReceived += (_, said) =>
        {
            if (said.Data is null || (said.Data.Contains("is ready", StringComparison.Ordinal) && ready.Add(said.Data) && ready.Count == 7))
            {
                all.TrySetResult(said.Data is not null);
            }
        };
        shell.BeginOutputReadLine();
        Assert.True(await all.Task.WaitAsync(Patience, TestContext.Current.CancellationToken), "the shell ended");

        foreach (var role in (Role[])[Role.Issuer, Role.Token, Role.Network, Role.Acquirer, Role.Wallet, Role.Transit])
        {
            await ReadyAsync(role);
        }

        await OutAsync(backup[0], "2 files");
        await OutAsync(verify, "");

        // Its process is stopped, what the copy has is put back, and the fence is lifted by what the others remember.
        var token = Assert.Single(Running("trial/token"));
        await EndAsync(token);
        await OutAsync(backup[1], "2 files restored");
        Run("./majia up --roles token --data trial/token --tls trial/certs --log json 2>> trial/token.log");
        await ReadyAsync(Role.Token);
        await OutAsync(verify, "");
        Assert.Equal(7, Running("trial/").Count);
        foreach (var pid in Running("trial/"))
        {
            await EndAsync(pid);
        }

        await OutAsync(verify, "");
        Assert.All(Directory.GetFiles(Path.Combine(folder, "trial"), "*.log"), log => Assert.DoesNotContain("\"level\":\"error\"", File.ReadAllText(log), StringComparison.Ordinal));
    }

    private Process Run(string script)
    {
        // ./majia is the program that is built; everything else is as it stands.
        var start = new ProcessStartInfo("/bin/bash", ["-euo", "pipefail", "-c", script.Replace("./majia", $"dotnet '{typeof(Cli.Entry).Assembly.Location}'", StringComparison.Ordinal)])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MAJIA_PORT"] = port.ToString(CultureInfo.InvariantCulture);
        start.Environment["MAJIA_NO_BROWSER"] = "true";
        start.Environment["LC_ALL"] = "C.UTF-8";
        var shell = Process.Start(start)!;
        shells.Add(shell);
        return shell;
    }

    private async Task OutAsync(string command, string says)
    {
        var shell = Run(command);
        var (output, errors) = (shell.StandardOutput.ReadToEndAsync(), shell.StandardError.ReadToEndAsync());
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.True(shell.ExitCode == 0, $"{command}: {await output}{await errors}");
        Assert.Contains(says, await output, StringComparison.Ordinal);
    }

    private async Task ReadyAsync(Role role)
    {
        using var client = new HttpClient();
        var address = new Uri($"http://127.0.0.1:{port + Line.OperationsOffset(new HashSet<Role> { role })}/health/ready");
        using var hurry = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                using var answer = await client.GetAsync(address, hurry.Token);
                if (answer.StatusCode == HttpStatusCode.OK)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }

            // As a monitor does.
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, hurry.Token);
        }
    }

    /// <summary>The processes of the program in this test's folder whose command line names <paramref name="what"/>.</summary>
    private List<int> Running(string what) =>
    [
        .. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => name!.All(char.IsAsciiDigit)).Select(name => int.Parse(name!, CultureInfo.InvariantCulture)).Where(pid =>
        {
            try
            {
                var words = File.ReadAllText($"/proc/{pid}/cmdline").Split('\0');
                return new DirectoryInfo($"/proc/{pid}/cwd").LinkTarget == folder && words[0].EndsWith("dotnet", StringComparison.Ordinal) && words.Any(word => word.Contains(what, StringComparison.Ordinal));
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }),
    ];

    /// <summary>SIGTERM, and the process is gone within its drain. It is the shell's child: nobody here is told of its end.</summary>
    private async Task EndAsync(int pid)
    {
        using var kill = Process.Start("kill", ["-TERM", pid.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(CancellationToken.None);
        using var hurry = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (Running("").Contains(pid))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, hurry.Token);
        }
    }

    [GeneratedRegex("^```\\w*\\n(.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Blocks();
}
