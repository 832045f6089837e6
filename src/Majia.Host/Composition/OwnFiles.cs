using Majia.Host.Web;
using Majia.Issuer;

namespace Majia.Host.Composition;

/// <summary>Tables of the data folder that take the place of those built in.</summary>
internal static class OwnFiles
{
    /// <exception cref="ConfigurationException">The file says something that no rule can be.</exception>
    public static RewardRules Rewards(string folder)
    {
        var path = Path.Combine(folder, RewardRules.FileName);
        try
        {
            return File.Exists(path) ? RewardRules.Parse(path, File.ReadAllText(path)) : RewardRules.BuiltIn;
        }
        catch (FormatException wrong)
        {
            throw new ConfigurationException(wrong.Message);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{path}: {error.Message}");
        }
    }
}
