using System.Globalization;
using Majia.Core.Primitives;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Majia.Simulation.Scenarios;

/// <summary>A scenario file that cannot be what it says: where, and what is wrong with it.</summary>
public sealed class ScenarioFormatException(string file, int line, string message) : Exception($"{file}:{line}: {message}")
{
    public int Line { get; } = line;
}

/// <summary>One scalar of a file and the line that it stands on.</summary>
public sealed record Said(string Text, int Line);

/// <summary>What a step has to come to. Everything that is not said is not looked at.</summary>
/// <param name="Outcome">A word of its verb.</param>
/// <param name="Code">F39, or the code of a refusal; several: all of them, in any order.</param>
/// <param name="Why">Each stands in the reason, in one of the two languages.</param>
/// <param name="State">Card, device card or phone → its state, see <see cref="Stage.StateOf"/>.</param>
/// <param name="Ledger">Account → what has moved on it since the scenario began, in yuan.</param>
/// <param name="Points">Account → points that have moved on it since the scenario began.</param>
/// <param name="Slip">Each is printed on the slip; with <c>not </c> before it, is not.</param>
/// <param name="Asked">Whether the holder was asked for the PIN.</param>
public sealed record Expectation(
    int Line, Said? Outcome, IReadOnlyList<Said> Code, IReadOnlyList<Said> Why, IReadOnlyList<(Said Who, Said What)> State, IReadOnlyList<(Said Who, Said What)> Ledger,
    IReadOnlyList<(Said Who, Said What)> Points, IReadOnlyList<Said> Slip, Said? Asked);

/// <param name="As">The name under which later steps speak of what this one made.</param>
/// <param name="Note">What a reader should know, in both languages; null: the verb speaks for itself.</param>
public sealed record Step(int Line, Verb Verb, Arguments Arguments, string? As, Text? Note, Expectation? Expect);

/// <summary>A story that runs (decisions.md 36).</summary>
/// <param name="Rules">R1 … R24.</param>
/// <param name="Given">Steps that have to work before the story begins.</param>
public sealed record Scenario(string File, string Id, IReadOnlyList<string> Rules, Text Title, long Seed, IReadOnlyList<Step> Given, IReadOnlyList<Step> Steps)
{
    /// <summary>Reads a file. Whatever it names must be there: verbs, keys, cards, phones, shops, earlier steps.</summary>
    /// <exception cref="ScenarioFormatException">With file and line.</exception>
    public static Scenario Parse(string file, string text, Cast cast) => new ScenarioReader(file, cast).Read(text);
}

internal sealed class ScenarioReader(string file, Cast cast)
{
    private static readonly string[] Keys = ["id", "rules", "title", "seed", "given", "steps"], StepKeys = ["as", "expect", "note"];

    private readonly HashSet<string> names = new(StringComparer.Ordinal);

    public Scenario Read(string text)
    {
        YamlStream stream = [];
        try
        {
            stream.Load(new StringReader(text));
        }
        catch (YamlException error)
        {
            throw Wrong((int)error.Start.Line, $"no YAML: {error.Message}");
        }

        if (stream.Documents is not [{ RootNode: YamlMappingNode root }])
        {
            throw Wrong(1, $"expected one mapping with {string.Join(", ", Keys)}");
        }

        foreach (var (key, _) in Pairs(root))
        {
            if (!Keys.Contains(key.Text))
            {
                throw Wrong(key.Line, $"unknown key {key.Text}; known: {string.Join(", ", Keys)}");
            }
        }

        var id = Scalar(Needed(root, "id"));
        if (id.Text != Path.GetFileNameWithoutExtension(file))
        {
            throw Wrong(id.Line, $"id is {id.Text}, the file's name is {Path.GetFileNameWithoutExtension(file)}");
        }

        var rules = Scalars(Needed(root, "rules"));
        foreach (var rule in rules)
        {
            if (rule.Text.Length is < 2 or > 3 || rule.Text[0] != 'R' || !int.TryParse(rule.Text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 24)
            {
                throw Wrong(rule.Line, $"{rule.Text} is no rule: expected R1 to R24");
            }
        }

        var seed = Scalar(Needed(root, "seed"));
        return new Scenario(
            file, id.Text, [.. rules.Select(rule => rule.Text)], TextOf(Needed(root, "title"), "title"),
            long.TryParse(seed.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(seed.Line, $"seed: expected a number, got {seed.Text}"),
            Find(root, "given") is { } given ? Steps(given) : [], Steps(Needed(root, "steps")));
    }

    private List<Step> Steps(YamlNode node) => node is YamlSequenceNode { Children.Count: > 0 } list
        ? [.. list.Children.Select(Step)]
        : throw Wrong(Line(node), "expected a list of steps");

    private Step Step(YamlNode node)
    {
        if (node is not YamlMappingNode map)
        {
            throw Wrong(Line(node), "expected a step: a verb with its arguments, and as, expect, note");
        }

        var verbs = Pairs(map).Where(pair => !StepKeys.Contains(pair.Key.Text)).ToList();
        if (verbs is not [var (said, value)])
        {
            throw Wrong(Line(node), $"a step is exactly one verb, got {(verbs.Count == 0 ? "none" : string.Join(", ", verbs.Select(pair => pair.Key.Text)))}");
        }

        if (Verbs.Table.FirstOrDefault(row => row.Name == said.Text) is not { } verb)
        {
            throw Wrong(said.Line, $"unknown verb {said.Text}; known: {string.Join(", ", Verbs.Table.Select(row => row.Name))}");
        }

        var arguments = Arguments(said, verb, value);
        var expect = Find(map, "expect") is { } expected ? Expect(expected, verb) : null;
        var name = Find(map, "as") is { } given ? Scalar(given).Text : null;
        if (name is not null && !names.Add(name))
        {
            throw Wrong(Line(map), $"{name} names another step already");
        }

        return new Step(said.Line, verb, arguments, name, Find(map, "note") is { } note ? TextOf(note, "note") : null, expect);
    }

    private Arguments Arguments(Said verb, Verb row, YamlNode value)
    {
        var given = new Dictionary<string, Said>(StringComparer.Ordinal);
        switch (value)
        {
            case YamlScalarNode { Value.Length: > 0 } when row.Parameters.Count > 0:
                given.Add(row.Parameters[0].Name, Scalar(value));
                break;
            case YamlScalarNode { Value: null or "" }:
                break;
            case YamlMappingNode map:
                foreach (var (key, argument) in Pairs(map))
                {
                    given.Add(key.Text, Scalar(argument) with { Line = key.Line });
                }

                break;
            default:
                throw Wrong(verb.Line, $"{row.Name}: expected one value, or a mapping of {string.Join(", ", row.Parameters.Select(parameter => parameter.Name))}");
        }

        foreach (var (name, argument) in given)
        {
            if (row.Parameters.FirstOrDefault(parameter => parameter.Name == name) is not { } parameter)
            {
                throw Wrong(argument.Line, $"{row.Name}: unknown key {name}; known: {string.Join(", ", row.Parameters.Select(known => known.Name))}");
            }

            if (parameter.Kind.Objection(argument.Text, cast, names) is { } wrong)
            {
                throw Wrong(argument.Line, $"{row.Name}: {name}: {wrong}");
            }
        }

        if (row.Parameters.FirstOrDefault(parameter => parameter.Needed && !given.ContainsKey(parameter.Name)) is { } missing)
        {
            throw Wrong(verb.Line, $"{row.Name}: {missing.Name} is missing");
        }

        return new Arguments(given);
    }

    private Expectation Expect(YamlNode node, Verb verb)
    {
        string[] known = ["outcome", "code", "why", "state", "ledger", "points", "slip", "asked"];
        if (node is not YamlMappingNode map)
        {
            throw Wrong(Line(node), $"expect: a mapping of {string.Join(", ", known)}");
        }

        foreach (var (key, _) in Pairs(map))
        {
            if (!known.Contains(key.Text))
            {
                throw Wrong(key.Line, $"expect: unknown key {key.Text}; known: {string.Join(", ", known)}");
            }
        }

        var outcome = Find(map, "outcome") is { } said ? Scalar(said) : null;
        if (outcome is not null && !verb.Outcomes.Contains(outcome.Text))
        {
            throw Wrong(outcome.Line, $"{verb.Name} never comes to {outcome.Text}; it comes to {string.Join(", ", verb.Outcomes)}");
        }

        return new Expectation(
            Line(map), outcome, List("code"), List("why"), Map("state"), Map("ledger"), Map("points"), List("slip"), Find(map, "asked") is { } asked ? Scalar(asked) : null);

        IReadOnlyList<Said> List(string key) => Find(map, key) is { } list ? Scalars(list) : [];

        IReadOnlyList<(Said, Said)> Map(string key) => Find(map, key) switch
        {
            null => [],
            YamlMappingNode pairs => [.. Pairs(pairs).Select(pair => (pair.Key, Scalar(pair.Value)))],
            var other => throw Wrong(Line(other), $"expect: {key}: a mapping"),
        };
    }

    private Text TextOf(YamlNode node, string what) =>
        node is YamlMappingNode map && map.Children.Count == 2 && Find(map, "en") is { } en && Find(map, "zh") is { } zh
            ? new Text(Scalar(en).Text, Scalar(zh).Text)
            : throw Wrong(Line(node), $"{what}: expected en and zh");

    private YamlNode Needed(YamlMappingNode map, string key) => Find(map, key) ?? throw Wrong(Line(map), $"{key} is missing");

    private static YamlNode? Find(YamlMappingNode map, string key) => map.Children.FirstOrDefault(pair => pair.Key is YamlScalarNode scalar && scalar.Value == key).Value;

    private List<(Said Key, YamlNode Value)> Pairs(YamlMappingNode map) => [.. map.Children.Select(pair => (Scalar(pair.Key), pair.Value))];

    private Said Scalar(YamlNode node) => node is YamlScalarNode { Value: { } value } ? new Said(value, Line(node)) : throw Wrong(Line(node), "expected one value");

    private List<Said> Scalars(YamlNode node) => node is YamlSequenceNode list ? [.. list.Children.Select(Scalar)] : [Scalar(node)];

    private static int Line(YamlNode node) => (int)node.Start.Line;

    private ScenarioFormatException Wrong(int line, string message) => new(file, line, message);
}
