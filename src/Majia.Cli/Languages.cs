using System.CommandLine;
using Majia.Core.Primitives;

namespace Majia.Cli;

/// <summary>Which of the product's two languages a person reads: <c>--lang</c>, else the environment's.</summary>
public static class Languages
{
    public static Option<string?> Option()
    {
        var option = new Option<string?>("--lang") { Description = "en | zh (default: from LC_ALL, LC_MESSAGES or LANG)" };
        option.AcceptOnlyFromAmong("en", "zh");
        return option;
    }

    public static Language Of(string? chosen)
    {
        var name = chosen ?? new[] { "LC_ALL", "LC_MESSAGES", "LANG" }.Select(Environment.GetEnvironmentVariable).FirstOrDefault(value => !string.IsNullOrEmpty(value)) ?? "en";
        return name.StartsWith("zh", StringComparison.OrdinalIgnoreCase) ? Language.Chinese : Language.English;
    }
}
