using System.CommandLine;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Keys;
using Majia.Host.Seed;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Cli.Commands;

/// <summary><c>majia keys</c>: how parties apart come to the keys that they share (docs/protocols/keys.md). Check values are printed, keys never; components are read from standard input.</summary>
public static class KeysCommand
{
    private const int ComponentLength = 32;

    public static Command Create() => new("keys", "Key modules of parties that run apart.") { Ceremony(), List(), Component(), Form(), Export(), Import() };

    private static Command Ceremony()
    {
        var parent = new Argument<string>("folder") { Description = "parent of the folders issuer, token, network, acquirer, wallet, devices", DefaultValueFactory = _ => "data" };
        var places = new Option<string[]>("--data") { Description = "instead: ROLE[+ROLE…][/BANK[+BANK…]]=FOLDER for each process, all parties among them" };
        var command = new Command("ceremony", "Test keys for a trial: prepares one data folder a process, each with its own keys alone, and makes the handsets.") { parent, places };
        command.SetAction(async parse =>
        {
            var table = parse.GetValue(places) is { Length: > 0 } rows ? [.. rows.Select(Read)] : TrialCeremony.Apart(parse.GetValue(parent)!);
            await DoAsync(async () =>
            {
                await TrialCeremony.HoldAsync(table, TimeProvider.System, new SystemEntropy());
                foreach (var place in table)
                {
                    Console.WriteLine($"{place.Folder}: {string.Join(", ", KeyTable.Modules(place.Roles, place.Institutions))}{(place.Roles.Contains(Role.Phone) ? ", handsets" : string.Empty)}");
                }
            });
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command List()
    {
        var (data, party) = (Data(), Party());
        var command = new Command("list", "Names, usages and check values of one party's keys.") { data, party };
        command.SetAction(async parse => await DoAsync(() =>
        {
            foreach (var key in Open(parse.GetValue(data)!, parse.GetValue(party)!).Keys)
            {
                Console.WriteLine($"{key.Name}  {key.Usage}  {key.Algorithm}  {key.CheckValue}{(key.IsTest ? "  test" : string.Empty)}");
            }

            return Task.CompletedTask;
        }));
        return command;
    }

    private static Command Component()
    {
        var command = new Command("component", $"One custodian's component of a zone master key ({ComponentLength} bytes, hex). Each custodian makes one and enters it on both sides.");
        command.SetAction(_ => Console.WriteLine(Convert.ToHexString(new SystemEntropy().Bytes(ComponentLength))));
        return command;
    }

    private static Command Form()
    {
        var (data, party, name) = (Data(), Party(), Name());
        var test = new Option<bool>("--test") { Description = "a test key: production mode refuses it" };
        var command = new Command("form", "Forms a zone master key (AES-256) from components, one a line on standard input: two or more.") { data, party, name, test };
        command.SetAction(async parse => await DoAsync(async () =>
        {
            var components = new List<byte[]>();
            while (await Console.In.ReadLineAsync() is { } line)
            {
                if (line.Trim() is { Length: > 0 } hex)
                {
                    components.Add(hex.Length == 2 * ComponentLength && hex.All(char.IsAsciiHexDigit) ? Convert.FromHexString(hex) : throw new UsageException($"component {components.Count + 1}: expected {2 * ComponentLength} hex digits, got {hex.Length} characters"));
                }
            }

            var made = Open(parse.GetValue(data)!, parse.GetValue(party)!).Form(parse.GetValue(name)!, KeyUsage.KeyEncryption, CipherAlgorithm.Aes, components, parse.GetValue(test));
            components.ForEach(component => Array.Clear(component));
            Console.WriteLine($"{made.Name} kcv={made.CheckValue}");
        }));
        return command;
    }

    private static Command Export()
    {
        var (data, party, name, under) = (Data(), Party(), Name(), Under());
        var command = new Command("export", "Prints a key as a TR-31 block under a zone master key.") { data, party, name, under };
        command.SetAction(async parse => await DoAsync(() =>
        {
            Console.WriteLine(Open(parse.GetValue(data)!, parse.GetValue(party)!).Export(parse.GetValue(name)!, parse.GetValue(under)!));
            return Task.CompletedTask;
        }));
        return command;
    }

    private static Command Import()
    {
        var (data, party, name, under) = (Data(), Party(), Name(), Under());
        var block = new Option<string>("--block") { Description = "the TR-31 block", Required = true };
        var command = new Command("import", "Takes in a TR-31 block under a zone master key.") { data, party, name, under, block };
        command.SetAction(async parse => await DoAsync(() =>
        {
            var taken = Open(parse.GetValue(data)!, parse.GetValue(party)!).Import(parse.GetValue(name)!, parse.GetValue(block)!, parse.GetValue(under)!);
            Console.WriteLine($"{taken.Name} {taken.Usage} kcv={taken.CheckValue}");
            return Task.CompletedTask;
        }));
        return command;
    }

    private static Option<string> Data() => new("--data") { Description = "the party's data folder; its process must be stopped", Required = true };

    private static Option<string> Party() => new("--party") { Description = "the key module: acquirer, network, token-service, se-issuer, issuer-BANK, terminal-NUMBER", Required = true };

    private static Option<string> Name() => new("--name") { Description = "the key, as docs/protocols/keys.md and 'keys list' name it", Required = true };

    private static Option<string> Under() => new("--under") { Description = "the zone master key's name in this module", Required = true };

    private static KeyModule Open(string data, string party)
    {
        if (!File.Exists(Path.Combine(data, "keys", party + ".lmk")) && !KeyTable.Modules(Roles.All, [.. SeedData.Banks.Select(bank => bank.Institution)]).Contains(party))
        {
            throw new UsageException($"--party: '{party}' is no party");
        }

        // Held for a moment: a process that has the folder would not see the change.
        using var folder = DataFolder.Open(data);
        return KeyModule.Open(folder.Keys, party, new SystemEntropy());
    }

    private static TrialCeremony.Place Read(string row)
    {
        var parts = row.Split('=', 2);
        var (who, folder) = parts.Length == 2 ? (parts[0].Split('/', 2), parts[1]) : throw new UsageException($"--data: '{row}': expected ROLE[+ROLE…][/BANK…]=FOLDER");
        var roles = who[0].Split('+').Select(word => Enum.GetValues<Role>().Where(role => role.Name() == word).Select(role => (Role?)role).FirstOrDefault() ?? throw new UsageException($"--data: '{row}': unknown role '{word}'")).ToHashSet();
        var banks = who.Length == 1 ? [.. SeedData.Banks.Select(bank => bank.Institution)] : (IReadOnlyList<string>)who[1].Split('+');
        return new TrialCeremony.Place(folder, roles, banks);
    }

    private static async Task<int> DoAsync(Func<Task> work)
    {
        try
        {
            await work();
            return ExitCode.Ok;
        }
        catch (Exception error) when (error is KeyModuleException or StoreException)
        {
            throw new EnvironmentException(error.Message);
        }
    }
}
