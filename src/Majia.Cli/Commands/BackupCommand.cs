using System.CommandLine;
using System.Text.Json;
using Majia.Core.Primitives;
using Majia.Host.Operations;
using Majia.Hsm;
using Majia.SecureElement;
using Majia.Storage;

namespace Majia.Cli.Commands;

/// <summary><c>majia backup</c>, <c>restore</c> and <c>verify</c>: a party's data out, back in, and looked over.</summary>
public static class BackupCommand
{
    public static Command CreateBackup()
    {
        var target = new Argument<string>("target") { Description = "a new folder, or a new file that ends with .tar" };
        var data = Data();
        var keys = new Option<bool>("--with-keys") { Description = "the key stores too: whoever has the backup then has everything" };
        var command = new Command("backup", "Copies a data folder while its process runs.") { target, data, keys };
        command.SetAction(parse => Guarded(() =>
        {
            var manifest = Backup.Take(parse.GetValue(data)!, parse.GetValue(target)!, parse.GetValue(keys), TimeProvider.System);
            Console.WriteLine(FormattableString.Invariant($"{parse.GetValue(target)}: {manifest.Files.Count} files, {manifest.Files.Sum(file => file.Bytes)} bytes, as of {manifest.At.UtcDateTime:u}{(manifest.WithKeys ? ", with keys" : ", without keys")}"));
            return ExitCode.Ok;
        }));
        return command;
    }

    public static Command CreateRestore()
    {
        var source = new Argument<string?>("source") { Description = "what 'majia backup' made", Arity = ArgumentArity.ZeroOrOne };
        var data = Data();
        var devices = new Option<bool>("--with-devices") { Description = "phones, chips and terminals too, over those that are there: their counters go back" };
        var lift = new Option<bool>("--lift") { Description = "instead: take the token service's fence away by hand" };
        var command = new Command("restore", "Brings a backup back into a data folder that no process holds; the token service is fenced until it has heard what it missed.") { source, data, devices, lift };
        command.SetAction(parse => Guarded(() =>
        {
            if (parse.GetValue(lift))
            {
                var taken = Backup.Lift(parse.GetValue(data)!, TimeProvider.System, new SystemEntropy());
                Console.WriteLine(taken is { } counters
                    ? FormattableString.Invariant($"The fence is gone; {counters} counters were taken from chips in this folder. What was tapped with other device cards between backup and restoration is not known.")
                    : "There was no fence.");
                return ExitCode.Ok;
            }

            var (restored, aside) = Backup.Restore(
                parse.GetValue(source) ?? throw new UsageException("restore: expected the backup's folder or file"), parse.GetValue(data)!, parse.GetValue(devices), TimeProvider.System);
            Console.WriteLine($"{restored.Count} files restored: {string.Join(", ", restored)}{(aside is null ? string.Empty : $"; what was there is in {aside}")}");
            return ExitCode.Ok;
        }));
        return command;
    }

    public static Command CreateVerify()
    {
        var data = new Option<string[]>("--data") { Description = "data folder; of parties apart all of them, each with its own --data (default: data)", AllowMultipleArgumentsPerToken = true };
        var json = new Option<bool>("--json") { Description = "one JSON object a finding" };
        var command = new Command("verify", "Checks ledger, audit trail, device cards and chips against each other; exit code 1 when something does not agree.") { data, json };
        command.SetAction(parse => Guarded(() =>
        {
            var report = Verification.Run(parse.GetValue(data) is { Length: > 0 } named ? named : ["data"], new SystemEntropy());
            foreach (var finding in report.Findings)
            {
                Console.WriteLine(parse.GetValue(json) ? JsonSerializer.Serialize(finding, Core.Contracts.JsonEndpoint.Json) : $"{finding.Area}: {finding.Where}: {finding.Says}");
            }

            Console.Error.WriteLine($"{string.Join("; ", report.Checked)}; {(report.Findings.Count == 0 ? "nothing found" : FormattableString.Invariant($"{report.Findings.Count} findings"))}");
            return report.Findings.Count == 0 ? ExitCode.Ok : ExitCode.ExpectationFailed;
        }));
        return command;
    }

    private static Option<string> Data() => new("--data") { Description = "data folder", DefaultValueFactory = _ => "data" };

    private static int Guarded(Func<int> work)
    {
        try
        {
            return work();
        }
        catch (Exception error) when (error is BackupException or StoreException or KeyModuleException or ChipMemoryException)
        {
            throw new EnvironmentException(error.Message);
        }
    }
}
