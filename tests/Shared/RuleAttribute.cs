using Xunit.v3;

namespace Majia.Tests;

/// <summary>Names the mission rule (R1–R24) that a test proves; <c>docs/rules.md</c> lists them.</summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class, AllowMultiple = true)]
public sealed class RuleAttribute(string rule) : Attribute, ITraitAttribute
{
    public string Rule { get; } = rule;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Rule", Rule)];
}
