using System.CommandLine;
using Majia.Host.Tools;

namespace Majia.Cli.Commands;

/// <summary><c>majia calc</c>: the arithmetic of cards and lines, one <c>name=value</c> a line, upper-case hex (decisions.md 35). The tools page has the same engine.</summary>
public static class CalcCommand
{
    public static Command Create()
    {
        var command = new Command("calc", "Cryptograms, MACs, PIN blocks, check values, check digits.");
        foreach (var calculator in Calculators.All)
        {
            command.Add(CreateOf(calculator));
        }

        return command;
    }

    private static Command CreateOf(Calculator calculator)
    {
        var command = new Command(calculator.Name, calculator.Description);
        var options = new SortedDictionary<string, Option<string?>>(StringComparer.Ordinal);
        foreach (var field in calculator.Fields)
        {
            var option = new Option<string?>($"--{field.Name}") { Description = field.Hint.En, Required = field.Required };
            if (field.Standard is { } standard)
            {
                option.DefaultValueFactory = _ => standard;
            }

            if (field.Choices is { } choices)
            {
                option.AcceptOnlyFromAmong([.. choices]);
            }

            options.Add(field.Name, option);
            command.Add(option);
        }

        command.SetAction(parse =>
        {
            foreach (var (name, value) in calculator.Compute(new CalculatorInput(name => parse.GetValue(options[name]), "--")))
            {
                Console.Out.WriteLine($"{name}={value}");
            }

            return ExitCode.Ok;
        });
        return command;
    }
}
