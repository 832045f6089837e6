namespace Majia.Core.Primitives;

/// <summary>One line of a decoded message, with what lies inside it: what <c>decode</c>, the trace and the web pages print.</summary>
/// <param name="Offset">Where it begins, in bytes (characters on the switch line) from the start of what was decoded.</param>
/// <param name="Label">Its short technical label: <c>9F26</c>, <c>F39</c>, <c>CLA</c>, <c>B2 b8</c>.</param>
/// <param name="Name">What the standard calls it.</param>
/// <param name="Value">Upper-case hex or the text itself; masked where it must not be seen, empty where only the children speak.</param>
/// <param name="Meaning">What the value says in plain words; null when nothing is to be said.</param>
public sealed record DescribedNode(int Offset, string Label, Text Name, string Value, Text? Meaning, IReadOnlyList<DescribedNode> Children);
