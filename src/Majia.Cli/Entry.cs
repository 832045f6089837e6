using System.CommandLine;
using System.Text;
using Majia.Cli.Commands;
using Majia.Host.Tools;
using Majia.Host.Web;
using Majia.Storage;

namespace Majia.Cli;

/// <summary>Exit codes of every command (decisions.md 26).</summary>
public static class ExitCode
{
    public const int Ok = 0, ExpectationFailed = 1, Usage = 2, Environment = 3;
}

/// <summary>The one executable. Data on stdout, everything else on stderr.</summary>
public static class Entry
{
    public static async Task<int> RunAsync(string[] args)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var root = new RootCommand("Majia (马甲): a bank card in a phone, paid at a QuickPass terminal, with every party real and running.")
        {
            UpCommand.Create(),
            DemoCommand.Create(),
            TraceCommand.Create(),
            DecodeCommand.Create(),
            CalcCommand.Create(),
            CertsCommand.Create(),
            KeysCommand.Create(),
            BackupCommand.CreateBackup(),
            BackupCommand.CreateRestore(),
            BackupCommand.CreateVerify(),
            BenchCommand.Create(),
            BenchLoadCommand.Create(),
            SimulateCommand.Create(),
            CardCommand.Create(),
            PosCommand.Create(),
            GateCommand.Create(),
            ScenarioCommand.Create(),
            HotlineCommand.Create(),
        };
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
            {
                await Console.Error.WriteLineAsync($"majia: {error.Message}");
            }

            await Console.Error.WriteLineAsync("majia: --help lists commands and options / --help 列出命令与选项");
            return ExitCode.Usage;
        }

        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (UsageException usage)
        {
            await Console.Error.WriteLineAsync($"majia: {usage.Message}");
            return ExitCode.Usage;
        }
        catch (ConfigurationException wrong)
        {
            await Console.Error.WriteLineAsync($"majia: {wrong.Message}");
            return ExitCode.Usage;
        }
        catch (InputException input)
        {
            await Console.Error.WriteLineAsync($"majia: {input.Message}");
            return ExitCode.Usage;
        }
        catch (EnvironmentException environment)
        {
            await Console.Error.WriteLineAsync($"majia: {environment.Message}");
            return ExitCode.Environment;
        }
        catch (StoreFailedException failed)
        {
            await Console.Error.WriteLineAsync($"majia: {failed.Message}");
            return ExitCode.Environment;
        }
    }
}

/// <summary>Malformed input or a wrong option: exit code 2.</summary>
public sealed class UsageException(string message) : Exception(message);

/// <summary>The machine does not have what is needed, or somebody else holds it: exit code 3.</summary>
public sealed class EnvironmentException(string message) : Exception(message);
