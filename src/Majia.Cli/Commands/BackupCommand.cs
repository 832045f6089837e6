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
        var lang = Languages.Option();
        var command = new Command("backup", "Copies a data folder while its process runs.") { target, data, keys, lang };
        command.SetAction(parse => Guarded(() =>
        {
            var manifest = Backup.Take(parse.GetValue(data)!, parse.GetValue(target)!, parse.GetValue(keys), TimeProvider.System);
            var bytes = manifest.Files.Sum(file => file.Bytes);
            Console.WriteLine(new Text(
                $"{parse.GetValue(target)}: {manifest.Files.Count} files, {bytes} bytes, as of {manifest.At.UtcDateTime:u}{(manifest.WithKeys ? ", with keys" : ", without keys")}",
                $"{parse.GetValue(target)}：{manifest.Files.Count} 个文件，{bytes} 字节，截至 {manifest.At.UtcDateTime:u}，{(manifest.WithKeys ? "含密钥" : "不含密钥")}").In(Languages.Of(parse.GetValue(lang))));
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
        var lang = Languages.Option();
        var command = new Command("restore", "Brings a backup back into a data folder that no process holds; the token service is fenced until it has heard what it missed.") { source, data, devices, lift, lang };
        command.SetAction(parse => Guarded(() =>
        {
            if (parse.GetValue(lift))
            {
                var taken = Backup.Lift(parse.GetValue(data)!, TimeProvider.System, new SystemEntropy());
                Console.WriteLine((taken is { } counters
                    ? new Text($"The fence is gone; {counters} counters were taken from chips in this folder. What was tapped with other device cards between backup and restoration is not known.",
                        $"围栏已解除，并从本目录的芯片取得 {counters} 个计数；其他设备卡在备份之后的交易无从得知。")
                    : new Text("There was no fence.", "没有围栏。")).In(Languages.Of(parse.GetValue(lang))));
                return ExitCode.Ok;
            }

            var (restored, aside) = Backup.Restore(
                parse.GetValue(source) ?? throw new UsageException("restore: expected the backup's folder or file"), parse.GetValue(data)!, parse.GetValue(devices), TimeProvider.System);
            Console.WriteLine(new Text(
                $"{restored.Count} files restored: {string.Join(", ", restored)}{(aside is null ? string.Empty : $"; what was there is in {aside}")}",
                $"已恢复 {restored.Count} 个文件：{string.Join("、", restored)}{(aside is null ? string.Empty : $"；原有文件移至 {aside}")}").In(Languages.Of(parse.GetValue(lang))));
            return ExitCode.Ok;
        }));
        return command;
    }

    public static Command CreateVerify()
    {
        var data = new Option<string[]>("--data") { Description = "data folder; of parties apart all of them, each with its own --data (default: data)", AllowMultipleArgumentsPerToken = true };
        var json = new Option<bool>("--json") { Description = "one JSON object a finding" };
        var store = Stores.Option();
        var lang = Languages.Option();
        var command = new Command("verify", "Checks ledger, audit trail, device cards and chips against each other; exit code 1 when something does not agree.") { data, store, json, lang };
        command.SetAction(parse => Guarded(() =>
        {
            var language = Languages.Of(parse.GetValue(lang));
            var report = Verify(parse.GetValue(data) is { Length: > 0 } named ? named : ["data"], Stores.Of(parse.GetValue(store) ?? Environment.GetEnvironmentVariable("MAJIA_STORE")));
            foreach (var finding in report.Findings)
            {
                Console.WriteLine(parse.GetValue(json) ? JsonSerializer.Serialize(finding, Core.Contracts.JsonEndpoint.Json) : $"{finding.Area}: {finding.Where}: {finding.Says.In(language)}");
            }

            var end = report.Findings.Count == 0 ? new Text("nothing found", "未发现问题") : new Text($"{report.Findings.Count} findings", $"发现 {report.Findings.Count} 处问题");
            Console.Error.WriteLine(string.Join("; ", report.Checked.Append(end).Select(line => line.In(language))));
            return report.Findings.Count == 0 ? ExitCode.Ok : ExitCode.ExpectationFailed;
        }));
        return command;
    }

    /// <summary>A private PostgreSQL that nobody runs is started for the look, and ended after it; one that runs stays.</summary>
    private static VerificationReport Verify(IReadOnlyList<string> folders, string? store)
    {
        if (store != Majia.Host.Composition.Books.Private)
        {
            return Verification.Run(folders, new SystemEntropy(), store);
        }

        if (folders.FirstOrDefault(static folder => Directory.Exists(Path.Combine(folder, "postgres"))) is not { } home)
        {
            throw new StoreException($"no private PostgreSQL in {string.Join(", ", folders)}");
        }

        var server = PrivatePostgres.StartAsync(Path.Combine(home, "postgres")).GetAwaiter().GetResult();
        try
        {
            return Verification.Run(folders, new SystemEntropy(), server.ConnectionString);
        }
        finally
        {
            if (!server.WasRunning)
            {
                server.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }
        }
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
