using CsCheck;

namespace Majia.Tests.Core.Emv;

/// <summary>One of some values, each as likely.</summary>
internal static class Pick
{
    public static Gen<T> From<T>(params IReadOnlyList<T> values) => Gen.Int[0, values.Count - 1].Select(index => values[index]);
}
