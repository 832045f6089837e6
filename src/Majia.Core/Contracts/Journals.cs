namespace Majia.Core.Contracts;

/// <summary>What other parties remember of a token service's work, for one that was restored from a backup (decisions.md 24). JSON lines token-network and token-wallet.</summary>
public static class Journals
{
    public static class Operations
    {
        /// <summary>Network: taps that passed it.</summary>
        public const string Taps = "taps";

        /// <summary>Wallet: device cards that it knows, with what became of them.</summary>
        public const string Cards = "cards";
    }

    /// <param name="Since">Taps from then on.</param>
    /// <param name="After">The last <see cref="Tap.SwitchKey"/> of the page before; empty for the first.</param>
    public sealed record TapsRequest(DateTimeOffset Since, string After, int Limit);

    /// <param name="Token">The device number.</param>
    /// <param name="Counter">9F36, ATC.</param>
    /// <param name="Unpredictable">9F37, 8 hex digits.</param>
    public sealed record Tap(string SwitchKey, string Token, int Counter, string Unpredictable, DateTimeOffset At);

    /// <param name="RestoredFrom">When this journal's own backup was taken, if it was restored: it vouches for nothing between that and its restoration.</param>
    public sealed record TapsReply(IReadOnlyList<Tap> Taps, DateTimeOffset? RestoredFrom = null);

    /// <param name="After">The last <see cref="Card.TokenUniqueReference"/> of the page before; empty for the first.</param>
    public sealed record CardsRequest(string After, int Limit);

    /// <param name="Deleted">False: live, or on its way.</param>
    public sealed record Card(string TokenUniqueReference, bool Deleted);

    public sealed record CardsReply(IReadOnlyList<Card> Cards, DateTimeOffset? RestoredFrom = null);
}
