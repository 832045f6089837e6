using Majia.Core.Primitives;

namespace Majia.Host.Ui;

/// <summary>One person's open page: the language they read. It lives as long as their connection.</summary>
public sealed class Visit
{
    /// <summary>Cookie in which the page's script keeps the choice.</summary>
    public const string LanguageCookie = "majia.language";

    public event Action? Changed;

    public Language Language { get; private set; }

    /// <summary>The document came with an owner's session: it is worth asking whose.</summary>
    public bool BringsSession { get; set; }

    /// <summary>A session's cookie is there, whether or not it is still good.</summary>
    public static bool HasSession(HttpContext? context) => context?.Request.Cookies.Keys.Any(static name => name is "majia-owner" or "__Host-majia-owner") == true;

    public void Speak(Language language)
    {
        Language = language;
        Changed?.Invoke();
    }

    /// <summary>What this person chose before, else what the command was told, else the browser's first language.</summary>
    public static Language Preferred(HttpContext? context, Language commanded)
    {
        var remembered = context?.Request.Cookies[LanguageCookie];
        return remembered is "zh" ? Language.Chinese
            : remembered is "en" ? Language.English
            : commanded == Language.Chinese || context?.Request.Headers.AcceptLanguage.ToString().StartsWith("zh", StringComparison.OrdinalIgnoreCase) == true ? Language.Chinese
            : Language.English;
    }
}
