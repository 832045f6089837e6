using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;

namespace Majia.Simulation;

/// <summary>A plastic as its bank names it, with the number that stands on it.</summary>
/// <param name="Expiry">YYMM.</param>
public sealed record Plastic(string Card, Pan Pan, string Expiry, string Cvn2);

/// <summary>What the cast's customers hold in their hands: the plastic of the first day, or what its bank has sent in its place since (R22).</summary>
public sealed class Plastics(Cast cast)
{
    private readonly List<Plastic>[] issued = [.. cast.Plastics.Select(static card => new List<Plastic> { new(card.Id, card.Pan, card.Expiry, card.Cvn2) })];

    /// <summary>Times that a bank has replaced one.</summary>
    public int Replacements { get; private set; }

    /// <summary>The newest plastic in the place of the cast's.</summary>
    /// <param name="number">Index into <see cref="Cast.Plastics"/>.</param>
    public Plastic Latest(int number) => issued[number][^1];

    /// <summary>All that <paramref name="bank"/> has ever sent, and that arrived.</summary>
    public IEnumerable<Plastic> Of(SeedBank bank) => cast.Plastics.Zip(issued).Where(pair => bank.Cards.Contains(pair.First)).SelectMany(static pair => pair.Second);

    public void Arrived(int number, Replacement replacement)
    {
        var made = replacement.Embossing;
        issued[number].Add(new Plastic(replacement.New.Card, made.Pan, made.Expiry, made.Cvn2));
        Replacements++;
    }

    /// <summary>The newest plastic as its holder types it into the phone.</summary>
    public CardToEnrol AsTyped(int number)
    {
        var (typed, latest) = (cast.AsTyped(cast.Plastics[number]), Latest(number));
        return typed with { Pan = latest.Pan.Reveal(), Expiry = typed.Expiry is null ? null : latest.Expiry, Cvn2 = typed.Cvn2 is null ? null : latest.Cvn2 };
    }
}
