using System.CommandLine;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Seed;
using Majia.Host.SmartCards;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;

namespace Majia.Cli.Commands;

/// <summary><c>majia pos --pcsc</c>: one sale at a seeded shop whose reader is any PC/SC reader of this machine; acquirer, network, token service and banks run in this process.</summary>
public static class PosCommand
{
    /// <summary>Phones are elsewhere, and pages that hold them: their chips may be in another process (<c>majia card</c>).</summary>
    private static readonly SortedSet<Role> NoPhone = [.. Roles.All.Where(role => role is not (Role.Phone or Role.Web))];

    public static Command Create()
    {
        var pcsc = new Option<string?>("--pcsc") { Description = "use the machine's PC/SC readers: all of them, or those whose name holds READER", Arity = ArgumentArity.ZeroOrOne, HelpName = "READER", Required = true };
        var amount = new Option<string>("--amount") { Description = "CNY, as in 88.00", Required = true };
        var terminal = new Option<string>("--terminal") { Description = string.Join(" | ", SeedData.Merchants.Select(shop => $"{shop.Terminal} ({shop.Name.En})")), DefaultValueFactory = _ => SeedData.Merchants[0].Terminal };
        terminal.AcceptOnlyFromAmong([.. SeedData.Merchants.Select(shop => shop.Terminal)]);
        var contact = new Option<bool>("--contact") { Description = "the reader has a slot: an inserted card, over its contacts" };
        var data = new Option<string?>("--data") { Description = "the data folder (default: data, or MAJIA_DATA)" };
        var language = Languages.Option();
        var command = new Command("pos", "One sale at a terminal that reads a real or virtual card over PC/SC.") { pcsc, amount, terminal, contact, data, language };
        command.SetAction(async (parse, cancellation) =>
        {
            if (!Amount.TryParse(parse.GetValue(amount), Currency.Cny, out var price, out var error))
            {
                throw new UsageException($"--amount: expected {error.Expected}, got {error.Got}");
            }

            var folder = parse.GetValue(data) ?? Environment.GetEnvironmentVariable("MAJIA_DATA") ?? "data";
            return await RunAsync(parse.GetValue(pcsc), price, parse.GetValue(terminal)!, parse.GetValue(contact), folder, Languages.Of(parse.GetValue(language)), cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(string? reader, Amount amount, string terminal, bool contact, string folder, Language language, CancellationToken cancellation)
    {
        try
        {
            using var field = PcscField.Open(reader);
            await using var system = await Running.OpenAsync(new SystemOptions(folder, TimeProvider.System, new SystemEntropy()) { Roles = NoPhone });
            var pos = system.Terminals[terminal];
            pos.Displayed += shown => Console.Error.WriteLine($"majia: {shown.Text.In(language)}{(shown.Why is { } why ? $" ({why.In(language)})" : "")}");
            var keypad = new ConsoleKeypad(language);
            var result = contact ? await pos.SellInsertedAsync(amount, await field.PollAsync(cancellation), keypad, cancellation) : await pos.SellAsync(amount, field, keypad, cancellation);
            await system.PumpAsync(CancellationToken.None);
            return Tell(result, language);
        }
        catch (PcscException error)
        {
            throw new EnvironmentException(error.Why.In(language));
        }
    }

    private static int Tell(SaleResult result, Language language)
    {
        Console.Out.WriteLine($"{result.Outcome}: {result.Why.In(language)}");
        if (result.Verification is { } verification)
        {
            Console.Out.WriteLine($"{result.Cvm.Name()}: {verification.Why.In(language)}");
        }

        if (result.Rrn is { } rrn)
        {
            Console.Out.WriteLine($"RRN {rrn}");
        }

        if (result.Slip is { } slip)
        {
            Console.Out.WriteLine();
            Console.Out.Write(slip.Print(SlipCopy.Cardholder));
        }

        return result.Outcome == SaleOutcome.Approved ? ExitCode.Ok : ExitCode.ExpectationFailed;
    }

    /// <summary>The PIN pad at a console: digits are not shown, Enter confirms, the end of input cancels.</summary>
    private sealed class ConsoleKeypad(Language language) : IKeypad
    {
        public ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation)
        {
            Console.Error.Write($"majia: {(prompt.Again is { } again ? again.In(language) + " " : "")}{new Text("PIN, then Enter", "请输入密码后按回车").In(language)} ({prompt.Why.In(language)}): ");
            return ValueTask.FromResult(Console.IsInputRedirected ? Console.In.ReadLine()?.ToCharArray() : Keys(cancellation));
        }

        private static char[]? Keys(CancellationToken cancellation)
        {
            var digits = new List<char>();
            while (!cancellation.IsCancellationRequested)
            {
                var key = Console.ReadKey(intercept: true);
                switch (key.Key)
                {
                    case ConsoleKey.Enter:
                        Console.Error.WriteLine();
                        return [.. digits];
                    case ConsoleKey.Escape:
                        return null;
                    case ConsoleKey.Backspace when digits.Count > 0:
                        digits.RemoveAt(digits.Count - 1);
                        break;
                    default:
                        if (char.IsAsciiDigit(key.KeyChar))
                        {
                            digits.Add(key.KeyChar);
                        }

                        break;
                }
            }

            return null;
        }
    }
}
