using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Majia.Host.Load;

namespace Majia.Cli.Commands;

/// <summary><c>majia bench-load</c> (hidden): the load generator, a process of its own. Orders come line by line on standard input, each answered by one JSON line; it ends with its input.</summary>
/// <remarks><c>closed IN-FLIGHT SECONDS TAPS [hot]</c> or <c>open RATE SECONDS</c>.</remarks>
public static class BenchLoadCommand
{
    public static Command Create()
    {
        var acquirer = new Option<string>("--acquirer") { Required = true, Description = "address:port of the POS line" };
        var seed = new Option<long>("--seed") { Required = true };
        var cards = new Option<int>("--cards") { Required = true };
        var hotCards = new Option<int>("--hot-cards") { Required = true };
        var terminals = new Option<int>("--terminals") { Required = true };
        var connections = new Option<int>("--connections") { DefaultValueFactory = _ => 8 };
        var command = new Command("bench-load", "The load generator of bench.") { acquirer, seed, cards, hotCards, terminals, connections };
        command.Hidden = true;
        command.SetAction(async parse =>
        {
            var plan = new LoadPlan(parse.GetValue(seed), parse.GetValue(cards), parse.GetValue(hotCards), parse.GetValue(terminals));
            await using var client = await LoadClient.ConnectAsync(IPEndPoint.Parse(parse.GetValue(acquirer)!), new LoadTaps(plan, TimeProvider.System), parse.GetValue(connections), TimeProvider.System);
            while (await Console.In.ReadLineAsync() is { } order)
            {
                var words = order.Split(' ');
                var result = words[0] == "closed"
                    ? await client.ClosedAsync(int.Parse(words[1], CultureInfo.InvariantCulture), Seconds(words), int.Parse(words[3], CultureInfo.InvariantCulture), words.Length > 4)
                    : await client.OpenAsync(double.Parse(words[1], CultureInfo.InvariantCulture), Seconds(words));
                await Console.Out.WriteLineAsync(JsonSerializer.Serialize(result));
            }

            return ExitCode.Ok;
        });
        return command;

        static double Seconds(string[] words) => double.Parse(words[2], CultureInfo.InvariantCulture);
    }
}
