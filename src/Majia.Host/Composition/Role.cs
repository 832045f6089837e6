using System.Diagnostics.CodeAnalysis;

namespace Majia.Host.Composition;

/// <summary>A party, or the pages, as <c>--roles</c> names it (decisions.md 31).</summary>
public enum Role
{
    Phone,
    Terminal,
    Acquirer,
    Network,
    Token,
    Issuer,
    Wallet,
    Transit,
    Web,
}

/// <summary>What one process is, of the whole system.</summary>
public static class Roles
{
    /// <summary>Every role that this build has.</summary>
    public static IReadOnlySet<Role> All { get; } = Enum.GetValues<Role>().ToHashSet();

    /// <summary>As it stands in <c>--roles</c>, in certificates and in folders.</summary>
    public static string Name(this Role role) => role.ToString().ToLowerInvariant();

    /// <summary>Reads <c>issuer,token,…</c>.</summary>
    /// <param name="error">What is wrong, as a sentence; null when nothing is.</param>
    public static IReadOnlySet<Role>? Parse(string text, [NotNullWhen(false)] out string? error)
    {
        var roles = new SortedSet<Role>();
        foreach (var word in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!TryRole(word, out var role))
            {
                error = $"unknown role '{word}'; expected some of {string.Join(",", Enum.GetValues<Role>().Select(Name))}";
                return null;
            }

            roles.Add(role);
        }

        // A phone is held to a terminal by hand: the pages that do it have both in their process.
        error = roles.Contains(Role.Web) && !(roles.Contains(Role.Phone) && roles.Contains(Role.Terminal))
            ? "role web wants phone and terminal in the same process: its pages hold the one to the other"
            : null;
        return error is null ? roles : null;
    }

    private static bool TryRole(string word, out Role role)
    {
        role = Enum.GetValues<Role>().FirstOrDefault(one => one.Name() == word, (Role)(-1));
        return Enum.IsDefined(role);
    }
}

/// <summary>Something was asked of a party that runs in another process.</summary>
public sealed class PartyElsewhereException(Role role) : InvalidOperationException($"the {role.Name()} does not run in this process")
{
    public Role Role { get; } = role;
}
