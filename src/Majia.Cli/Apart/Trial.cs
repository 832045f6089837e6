using System.Diagnostics;
using System.Net;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Keys;
using Majia.Host.Links;

namespace Majia.Cli.Apart;

/// <summary>The six server parties in processes of their own on this machine, over TLS, each with its folder and keys; the devices stay with whoever started them.</summary>
public sealed class Trial : IAsyncDisposable
{
    /// <summary>From N to the last port that a process may use.</summary>
    private const int Ports = 36;

    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(90), StopPatience = TimeSpan.FromSeconds(30);

    private readonly string folder;
    private readonly int basePort;
    private readonly SortedDictionary<Role, Process> processes = [];
    private readonly SortedDictionary<Role, Task> readers = [];
    private readonly Action<Role, string>? log;
    private readonly IReadOnlyDictionary<string, string>? environment;

    private Trial(string folder, int basePort, Action<Role, string>? log, IReadOnlyDictionary<string, string>? environment) =>
        (this.folder, this.basePort, this.log, this.environment) = (folder, basePort, log, environment);

    /// <summary>The parties that run apart.</summary>
    public static IReadOnlyList<Role> Parties { get; } = [Role.Issuer, Role.Token, Role.Network, Role.Acquirer, Role.Wallet, Role.Transit];

    /// <summary>Certificates, keys and handsets where they are missing, then the six processes.</summary>
    /// <param name="log">What a process says on stderr, line by line.</param>
    /// <param name="environment">What the processes have besides ours, less <c>MAJIA_*</c>.</param>
    /// <exception cref="EnvironmentException">A process did not come up; its own words say why.</exception>
    public static async Task<Trial> StartAsync(string folder, int? basePort = null, Action<Role, string>? log = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var now = TimeProvider.System.GetUtcNow();
        var trial = new Trial(folder, basePort ?? FreePorts.Base(20_000, 30_000, Ports), log, environment); // below those that the system gives away
        Directory.CreateDirectory(folder);
        Certify(trial.Certificates, now);
        await TrialCeremony.HoldAsync(TrialCeremony.Apart(folder), TimeProvider.System, new SystemEntropy());
        try
        {
            await Task.WhenAll(Parties.Select(trial.StartAsync));
            await trial.ReadyAsync();
            return trial;
        }
        catch
        {
            await trial.DisposeAsync();
            throw;
        }
    }

    /// <summary>A certificate for each party that has none here.</summary>
    private static void Certify(string certificates, DateTimeOffset now)
    {
        var kept = TestAuthority.Open(certificates, now);
        using var authority = kept ?? TestAuthority.Create("Majia test authority", now);
        if (kept is null)
        {
            authority.SaveTo(certificates);
        }

        foreach (var role in Enum.GetValues<Role>().Where(role => kept is null || !File.Exists(Path.Combine(certificates, role.Name() + ".pem"))))
        {
            authority.Issue(certificates, role.Name(), []);
        }
    }

    public string Certificates => Path.Combine(folder, "certs");

    public string DataOf(Role role) => Path.Combine(folder, role.Name());

    public Uri OperationsOf(Role role) => new($"http://127.0.0.1:{basePort + Line.OperationsOffset(new HashSet<Role> { role })}/");

    public int ProcessOf(Role role) => processes[role].Id;

    /// <summary>Phones, terminals and the desk's window: for this process.</summary>
    public SystemOptions Devices(Entropy entropy) => new(Path.Combine(folder, "devices"), TimeProvider.System, entropy)
    {
        Roles = new HashSet<Role> { Role.Phone, Role.Terminal, Role.Web },
        BasePort = basePort,
        Tls = Certificates,
    };

    /// <summary>SIGKILL, by pid: no drain, no good-bye.</summary>
    public async Task KillAsync(Role role)
    {
        processes[role].Kill();
        await EndedAsync(role);
    }

    /// <summary>SIGTERM; the exit code.</summary>
    public async Task<int> StopAsync(Role role)
    {
        using var kill = Process.Start("kill", ["-TERM", $"{processes[role].Id}"]);
        await kill.WaitForExitAsync();
        return await EndedAsync(role);
    }

    /// <summary>Starts a party that is not running; it serves when this returns.</summary>
    public async Task StartAsync(Role role)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Trial).Assembly.Location, "up", "--roles", role.Name(), "--data", DataOf(role), "--tls", Certificates, "--port", $"{basePort}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MAJIA_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(name);
        }

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start) ?? throw new EnvironmentException("dotnet did not start");
        processes[role] = process;
        var errors = new List<string>();
        readers[role] = ReadAsync(role, process, errors);
        using var hurry = new CancellationTokenSource(StartPatience);
        if (await process.StandardOutput.ReadLineAsync(hurry.Token) is null)
        {
            await EndedAsync(role);
            throw new EnvironmentException($"the process of the {role.Name()} ended at its start: {string.Join(' ', errors)}");
        }
    }

    /// <summary>Waits until every process says that it is ready: signed on where it calls.</summary>
    public async Task ReadyAsync()
    {
        using var client = new HttpClient();
        using var hurry = new CancellationTokenSource(StartPatience);
        foreach (var role in processes.Keys)
        {
            while (true)
            {
                using var answer = await client.GetAsync(new Uri(OperationsOf(role), "health/ready"), hurry.Token);
                if (answer.StatusCode == HttpStatusCode.OK)
                {
                    break;
                }

                // Nobody tells: health is asked for, as a monitor does.
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, hurry.Token);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(processes.Where(process => !process.Value.HasExited).Select(process => StopAsync(process.Key)));
        await Task.WhenAll(readers.Values);
        foreach (var process in processes.Values)
        {
            process.Dispose();
        }
    }

    private async Task<int> EndedAsync(Role role)
    {
        var process = processes[role];
        using var hurry = new CancellationTokenSource(StopPatience);
        try
        {
            await process.WaitForExitAsync(hurry.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            await process.WaitForExitAsync();
        }

        await readers[role];
        return process.ExitCode;
    }

    private async Task ReadAsync(Role role, Process process, List<string> errors)
    {
        while (await process.StandardError.ReadLineAsync() is { } line)
        {
            errors.Add(line);
            log?.Invoke(role, line);
        }
    }
}
