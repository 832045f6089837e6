using System.Reflection;
using System.Text.RegularExpressions;
using Majia.Tests;

namespace Majia.Scenarios.House;

/// <summary>docs/rules.md says the truth: the tests that it names are there and carry the rule, and so are the files.</summary>
public sealed partial class RulesDocumentTests
{
    private static readonly string[] Rules = [.. Enumerable.Range(1, 24).Select(number => $"R{number}")];

    /// <summary>A row: rule, its sentence, code, tests, what is not yet there.</summary>
    private sealed record Row(string Rule, string Sentence, IReadOnlyList<string> Code, IReadOnlyList<string> Tests, string NotYet);

    private static List<Row> Table { get; } = [.. File.ReadLines(Path.Combine(Repository.Root, "docs", "rules.md"))
        .Where(line => RowStart().IsMatch(line))
        .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray())
        .Select(cells => new Row(cells[0], cells[1], Quoted(cells[2]), Quoted(cells[3]), cells[4]))];

    /// <summary>Every test with a rule, as Class.Method, in all the test projects: read from the sources, so that one project can speak of another.</summary>
    private static HashSet<(string Rule, string Test)> Marked { get; } = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
        .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
        .SelectMany(MarkedIn)];

    [Fact]
    public void Every_rule_has_its_row() => Assert.Equal(Rules, Table.Select(row => row.Rule));

    [Fact]
    public void Every_named_test_is_there_and_carries_the_rule() =>
        Assert.All(Table, row => Assert.All(row.Tests, test => Assert.True(Marked.Contains((row.Rule, test)), $"{row.Rule}: {test}")));

    [Fact]
    public void Every_rule_of_a_test_is_in_the_table_and_every_row_names_a_test_or_says_not_yet()
    {
        Assert.All(Marked, mark => Assert.Contains(mark.Rule, Rules));
        Assert.All(Table, row => Assert.True(row.Tests.Count > 0 || row.NotYet.Length > 0, row.Rule));
        Assert.All(Marked, mark => Assert.NotEmpty(Table.Single(row => row.Rule == mark.Rule).Tests));
    }

    [Fact]
    public void The_last_column_is_empty_or_says_what_is_not_yet() =>
        Assert.All(Table, row => Assert.True(row.NotYet.Length == 0 || row.NotYet.StartsWith("*not yet*: ", StringComparison.Ordinal), $"{row.Rule}: {row.NotYet}"));

    [Fact]
    public void Every_named_file_is_there() =>
        Assert.All(Table.SelectMany(row => row.Code), file => Assert.True(File.Exists(Path.Combine(Repository.Root, "src", file)), file));

    /// <summary>The page's second table: rule → the scenario files that tell it.</summary>
    private static List<(string Rule, IReadOnlyList<string> Stories)> StoryTable { get; } = [.. File.ReadLines(Path.Combine(Repository.Root, "docs", "rules.md"))
        .Where(line => StoryRowStart().IsMatch(line))
        .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray())
        .Select(cells => (cells[0].Trim('*'), (IReadOnlyList<string>)Quoted(cells[1])))];

    [Fact]
    public void Every_rule_has_its_stories_and_the_page_names_exactly_those_that_are_there()
    {
        var told = Stories.ScenarioFilesTests.All.Select(Stories.ScenarioFilesTests.Read).SelectMany(story => story.Rules.Select(rule => (rule, story.Id))).ToLookup(pair => pair.rule, pair => pair.Id, StringComparer.Ordinal);
        Assert.Equal(Rules, StoryTable.Select(row => row.Rule));
        Assert.All(StoryTable, row => Assert.Equal(told[row.Rule].Order(StringComparer.Ordinal), row.Stories));
        Assert.All(StoryTable, row => Assert.True(row.Stories.Count > 0 || Table.Single(rule => rule.Rule == row.Rule).NotYet.Length > 0, row.Rule));
    }

    [Fact]
    public void The_sources_are_read_as_the_compiler_reads_them()
    {
        var compiled = typeof(RulesDocumentTests).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods().SelectMany(method => method.GetCustomAttributes<RuleAttribute>().Select(rule => (rule.Rule, Test: $"{type.Name}.{method.Name}"))))
            .ToHashSet();
        Assert.True(compiled.Count > 30);
        Assert.Empty(compiled.Except(Marked));
    }

    private static IEnumerable<(string Rule, string Test)> MarkedIn(string file)
    {
        var (type, rules) = ("", new List<string>());
        foreach (var line in File.ReadLines(file))
        {
            if (TypeLine().Match(line) is { Success: true } declared)
            {
                (type, rules) = (declared.Groups[1].Value, []);
            }

            if (line.TrimStart().StartsWith('['))
            {
                rules.AddRange(RuleMark().Matches(line).Select(match => match.Groups[1].Value));
            }
            else if (MethodLine().Match(line) is { Success: true } method)
            {
                foreach (var rule in rules)
                {
                    yield return (rule, $"{type}.{method.Groups[1].Value}");
                }

                rules.Clear();
            }
        }
    }

    private static List<string> Quoted(string cell) => [.. Backticks().Matches(cell).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@"^\| R\d+ \|")]
    private static partial Regex RowStart();

    [GeneratedRegex(@"^\| \*\*R\d+\*\* \|")]
    private static partial Regex StoryRowStart();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Backticks();

    [GeneratedRegex(@"Rule\(""(R\d+)""\)")]
    private static partial Regex RuleMark();

    [GeneratedRegex(@"^(?:public|internal) (?:sealed |static |partial |abstract )*class (\w+)")]
    private static partial Regex TypeLine();

    [GeneratedRegex(@"^    public (?:static |async )*[\w<>\[\]?, ()]+? (\w+)\(")]
    private static partial Regex MethodLine();
}
