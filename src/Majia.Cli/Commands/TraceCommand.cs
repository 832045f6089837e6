using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Demo;
using Majia.Host.Tracing;
using Majia.Storage;
using Spectre.Console;
using Text = Majia.Core.Primitives.Text;

namespace Majia.Cli.Commands;

/// <summary><c>majia trace RRN</c>: one payment from APDU byte to ledger entry, read from the store, whether <c>up</c> runs or not (decisions.md 34).</summary>
public static class TraceCommand
{
    private static readonly TimeSpan LocalOffset = TimeSpan.FromHours(8);

    private static readonly JsonSerializerOptions PlainJson = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var rrn = new Argument<string>("RRN") { Description = "reference number of the slip (REFER NO), 12 characters" };
        var json = new Option<bool>("--json") { Description = "one JSON object a row" };
        var date = new Option<string?>("--date") { Description = "YYYY-MM-DD, when the number came up on several days" };
        var data = new Option<string>("--data") { Description = "data folder", DefaultValueFactory = _ => "data" };
        var language = Languages.Option();
        var command = new Command("trace", "One payment, from APDU byte to ledger entry, every hop decoded with its why.") { rrn, json, date, data, language };
        command.SetAction(parse => Run(parse.GetValue(rrn)!, parse.GetValue(json), parse.GetValue(date), parse.GetValue(data)!, Languages.Of(parse.GetValue(language))));
        return command;
    }

    private static int Run(string rrn, bool json, string? date, string data, Language language)
    {
        if (rrn.Length != 12 || !rrn.All(char.IsAsciiLetterOrDigit))
        {
            throw new UsageException($"RRN at offset 0: expected 12 letters and digits, got {rrn.Length} characters");
        }

        DateOnly? day = date is null ? null
            : DateOnly.TryParseExact(date, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var parsed) ? parsed
            : throw new UsageException($"--date at offset 0: expected YYYY-MM-DD, got {date}");
        var path = Path.Combine(data, "trace.db");
        if (!File.Exists(path))
        {
            throw new EnvironmentException($"there is no trace in {Path.GetFullPath(data)}: run ./majia up or ./majia demo --data {data} first");
        }

        IReadOnlyList<TraceRow> rows;
        try
        {
            rows = SqliteStore.Peek(path, session => TraceStore.Rows(session, TraceReference.Rrn(rrn)));
        }
        catch (StoreException error)
        {
            throw new EnvironmentException(error.Message);
        }

        rows = [.. rows.Where(row => day is null || DateOnly.FromDateTime(row.Event.At.ToOffset(LocalOffset).DateTime) == day)];
        if (rows.Count == 0)
        {
            Console.Error.WriteLine(new Text($"majia: no payment {rrn} here", $"majia: 这里没有参考号为 {rrn} 的交易").In(language));
            return ExitCode.ExpectationFailed;
        }

        // Long lines wrap where the reader's screen ends, not here.
        AnsiConsole.Profile.Width = 4096;
        foreach (var row in TraceView.Of(rows))
        {
            if (json)
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(AsJson(row, language), PlainJson));
            }
            else
            {
                Print(row, language);
            }
        }

        return ExitCode.Ok;
    }

    private static OrderedDictionary<string, object?> AsJson(TraceViewRow row, Language language) => new()
    {
        ["seq"] = row.Sequence,
        ["at"] = row.Event.At.ToOffset(LocalOffset).ToString("yyyy-MM-dd'T'HH:mm:ss.fffzzz", CultureInfo.InvariantCulture),
        ["party"] = row.Event.Party,
        ["peer"] = row.Event.Peer,
        ["link"] = row.Event.Link,
        ["kind"] = TraceView.Word(row.Event.Kind),
        ["direction"] = TraceView.Word(row.Event.Direction),
        ["hex"] = row.Event.Hex,
        ["tree"] = row.Tree is { } tree ? AsJson(tree, language) : null,
        ["why"] = row.Event.Why.In(language),
    };

    private static OrderedDictionary<string, object?> AsJson(DescribedNode node, Language language) => new()
    {
        ["offset"] = node.Offset,
        ["label"] = node.Label,
        ["name"] = node.Name.In(language),
        ["value"] = node.Value,
        ["meaning"] = node.Meaning?.In(language),
        ["children"] = node.Children.Select(child => AsJson(child, language)).ToArray(),
    };

    private static void Print(TraceViewRow row, Language language)
    {
        var (party, peer) = (PartyLines.NameOf(row.Event.Party, language), PartyLines.NameOf(row.Event.Peer, language));
        var arrow = row.Event.Direction switch { TraceDirection.Sent => $"{party} → {peer}", TraceDirection.Received => $"{party} ← {peer}", _ => party };
        var at = row.Event.At.ToOffset(LocalOffset).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
        AnsiConsole.MarkupLineInterpolated($"[grey]{at}[/] [cyan]{arrow}[/] [grey]{TraceView.Word(row.Event.Kind)}[/]  {row.Event.Why.In(language)}");
        if (row.Event.Hex.Length > 0)
        {
            Console.Out.WriteLine("    " + row.Event.Hex);
        }

        if (row.Tree is { } tree)
        {
            foreach (var line in Tree.Print(tree, language).TrimEnd().Split('\n'))
            {
                Console.Out.WriteLine("    " + line);
            }
        }
    }
}
