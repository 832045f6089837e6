namespace Majia.Core.Primitives;

/// <summary>Malformed input: which field, at which byte or character offset, what was expected, what stood there.</summary>
/// <remarks>A value, not an exception: no exception crosses a wire (docs/decisions).</remarks>
public readonly record struct ParseError(string Field, int Offset, string Expected, string Got)
{
    public override string ToString() => $"{Field} at offset {Offset}: expected {Expected}, got {Got}";
}
