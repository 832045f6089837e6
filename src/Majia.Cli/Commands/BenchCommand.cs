using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Majia.Cli.Bench;
using Spectre.Console;

namespace Majia.Cli.Commands;

/// <summary><c>majia bench</c>: every figure of docs/performance.md, beside its yardstick in the same run (decisions.md 33). Exit code 1 when a floor is missed.</summary>
public static class BenchCommand
{
    private static readonly (string Name, string What, Func<BenchEffort, Task<IReadOnlyList<BenchRow>>> Run)[] Benches =
    [
        ("codec", "P8: 0200 parsed and 0210 built, both lines, beside npm iso_8583", async effort => await NodeAsync((node, why) => CodecBench.CodecsAsync(effort, node, why))),
        ("field55", "P9: field 55 parsed, beside npm node-emv", async effort => await NodeAsync((node, why) => CodecBench.Field55Async(effort, node, why))),
        ("authorisation", "P1, P3, P4, P5: durable authorisations over TCP, beside pgbench", AuthorisationBench.RunAsync),
        ("postgres", "P2, P6: durable authorisations on PostgreSQL, beside pgbench on the same cores; token look-up as tokens grow", PostgresBench.RunAsync),
        ("growth", "P1 with 1, 8, 64 and 512 in flight", AuthorisationBench.GrowthAsync),
        ("growth-data", "P1 on a million device cards beside ten thousand (--long: ten million too, half an hour and 20 GB of disk)", DataGrowthBench.RunAsync),
        ("cost", "what one authorisation costs of the machine's time, whatever else it does", AuthorisationBench.CostAsync),
        ("cost-postgres", "the same on PostgreSQL, and what it costs there; alone and beside other nodes", PostgresCostBench.RunAsync),
        ("tap", "P7: one tap, all of the chip's and the kernel's work", TapBench.RunAsync),
        ("start", "P12: start to first page, memory at rest", StartBench.RunAsync),
        ("inner", "what P1 costs without line and load generator", AuthorisationBench.InProcessAsync),
        ("cryptogram", "P10: cryptogram checked and answered, beside a bare loop of the library", CryptogramBench.RunAsync),
    ];

    public static Command Create()
    {
        var names = new Argument<string[]>("name") { Arity = ArgumentArity.ZeroOrMore, Description = $"which rows: {string.Join(", ", Benches.Select(bench => bench.Name))} (default: all)" };
        var json = new Option<bool>("--json") { Description = "one JSON object a row on stdout" };
        var quick = new Option<bool>("--quick") { Description = "short rounds: does it run, and about where" };
        var longer = new Option<bool>("--long") { Description = "long rounds, and growth with load and data" };
        var command = new Command("bench", "How fast, beside a yardstick in the same run.") { names, json, quick, longer };
        command.SetAction(async parse =>
        {
            var effort = parse.GetValue(quick) ? BenchEffort.Quick : parse.GetValue(longer) ? BenchEffort.Longer : BenchEffort.Usual;
            return await RunAsync(parse.GetValue(names) ?? [], effort, parse.GetValue(json));
        });
        return command;
    }

    private static async Task<int> RunAsync(string[] names, BenchEffort effort, bool json)
    {
        foreach (var name in names)
        {
            if (!Array.Exists(Benches, bench => bench.Name == name))
            {
                throw new UsageException($"no benchmark '{name}'; there are {string.Join(", ", Benches.Select(bench => bench.Name))}");
            }
        }

        var rows = new List<BenchRow>();
        var missing = false;
        foreach (var (name, what, run) in Benches)
        {
            if (names.Length > 0 && !names.Contains(name, StringComparer.Ordinal))
            {
                continue;
            }

            await Console.Error.WriteLineAsync($"majia: {name}: {what}");
            foreach (var row in await run(effort))
            {
                rows.Add(row);
                missing |= names.Length > 0 && row.Ours is null;
                if (json)
                {
                    await Console.Out.WriteLineAsync(JsonSerializer.Serialize(row, Json));
                }
            }
        }

        if (!json)
        {
            Print(rows);
        }

        return rows.Exists(row => row.Met == false) ? ExitCode.ExpectationFailed : missing ? ExitCode.Environment : ExitCode.Ok;
    }

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static async Task<IReadOnlyList<BenchRow>> NodeAsync(Func<NodeWorker?, string, Task<IReadOnlyList<BenchRow>>> run)
    {
        var (node, why) = await NodeWorker.OpenAsync();
        return await run(node, why);
    }

    private static void Print(IReadOnlyList<BenchRow> rows)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var (heading, right) in (ReadOnlySpan<(string, bool)>)[("row", false), ("ours", true), ("yardstick", true), ("ratio", true), ("low–high", true), ("floor → goal", true), ("met", false), ("unit", false)])
        {
            table.AddColumn(right ? new TableColumn(heading).RightAligned() : new TableColumn(heading));
        }

        foreach (var row in rows)
        {
            table.AddRow(row.Name, Show(row.Ours), Show(row.Yardstick), Show(row.Ratio), row.Low is null ? "" : $"{Show(row.Low)}–{Show(row.High)}", row.Floor is null ? "" : $"{Show(row.Floor)} → {Show(row.Goal)}", row.Met switch { true => "yes", false => "NO", _ => "" }, row.Unit);
        }

        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = 160;
        }

        AnsiConsole.Write(table);
        foreach (var row in rows)
        {
            AnsiConsole.MarkupLineInterpolated($"{row.Name}: {row.Note}");
        }
    }

    private static string Show(double? value) => value switch
    {
        null => "",
        >= 100 => value.Value.ToString("#,0", CultureInfo.InvariantCulture),
        _ => value.Value.ToString("0.###", CultureInfo.InvariantCulture),
    };
}
