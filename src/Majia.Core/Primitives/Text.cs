namespace Majia.Core.Primitives;

/// <summary>A sentence that a person sees, in both languages of the product.</summary>
public sealed record Text(string En, string Zh)
{
    public string In(Language language) => language == Language.Chinese ? Zh : En;
}

public enum Language
{
    English,
    Chinese,
}
