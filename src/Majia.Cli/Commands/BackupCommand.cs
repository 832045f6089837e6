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
        var store = Stores.Option();
        var lang = Languages.Option();
        var command = new Command("backup", "Copies a data folder, and the parties' schemas on PostgreSQL, while processes run.") { target, data, store, keys, lang };
        command.SetAction(parse => Guarded(() =>
        {
            var folder = parse.GetValue(data)!;
            var manifest = Stores.With(Stores.Of(parse.GetValue(store), folder), folder, make: false, database =>
                Backup.Take(folder, parse.GetValue(target)!, parse.GetValue(keys), TimeProvider.System, database));
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
        var store = Stores.Option();
        var lang = Languages.Option();
        var command = new Command("restore", "Brings a backup back into a data folder that no process holds, and into an empty database; the token service is fenced until it has heard what it missed.") { source, data, store, devices, lift, lang };
        command.SetAction(parse => Guarded(() =>
        {
            var folder = parse.GetValue(data)!;
            var named = Stores.Of(parse.GetValue(store), folder);
            if (parse.GetValue(lift))
            {
                var taken = Stores.With(named, folder, make: false, database => Backup.Lift(folder, TimeProvider.System, new SystemEntropy(), database));
                Console.WriteLine((taken is { } counters
                    ? new Text($"The fence is gone; {counters} counters were taken from chips in this folder. What was tapped with other device cards between backup and restoration is not known.",
                        $"围栏已解除，并从本目录的芯片取得 {counters} 个计数；其他设备卡在备份之后的交易无从得知。")
                    : new Text("There was no fence.", "没有围栏。")).In(Languages.Of(parse.GetValue(lang))));
                return ExitCode.Ok;
            }

            var from = parse.GetValue(source) ?? throw new UsageException("restore: expected the backup's folder or file");
            var (restored, aside) = Stores.With(named, folder, make: true, database => Backup.Restore(from, folder, parse.GetValue(devices), TimeProvider.System, database));
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
        var store = new Option<string[]>("--store") { Description = "as for up; several: one for each --data, in their order" };
        var lang = Languages.Option();
        var command = new Command("verify", "Checks ledger, audit trail, device cards and chips against each other; exit code 1 when something does not agree.") { data, store, json, lang };
        command.SetAction(parse => Guarded(() =>
        {
            var language = Languages.Of(parse.GetValue(lang));
            var report = Verify(Places(parse.GetValue(data) is { Length: > 0 } named ? named : ["data"], parse.GetValue(store) ?? []), []);
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

    private static List<DataPlace> Places(string[] folders, string[] stores) => stores.Length <= 1 || stores.Length == folders.Length
        ? [.. folders.Select((folder, i) => new DataPlace(folder, Stores.Of(stores.Length <= 1 ? stores.FirstOrDefault() : stores[i], folder)))]
        : throw new UsageException($"--store: expected one, or one for each --data ({folders.Length}), got {stores.Length}");

    /// <summary>Each place in turn with its database at hand, then the look over all of them. Of parties apart on one private PostgreSQL one folder has it.</summary>
    private static VerificationReport Verify(IReadOnlyList<DataPlace> places, IReadOnlyList<DataPlace> ready)
    {
        if (ready.Count == places.Count)
        {
            return Verification.Run(ready, new SystemEntropy());
        }

        var next = places[ready.Count];
        var home = places.Prepend(next).FirstOrDefault(static place => Directory.Exists(Path.Combine(place.Folder, "postgres"))) ?? next;
        return Stores.With(next.Store, home.Folder, make: false, store => Verify(places, [.. ready, next with { Store = store }]));
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
