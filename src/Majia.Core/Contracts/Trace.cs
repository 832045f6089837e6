using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>What a trace row shows (decisions.md 34).</summary>
public enum TraceKind
{
    Apdu,
    Iso8583,
    Json,
    Key,
    Ledger,
    Decision,
}

public enum TraceDirection
{
    Sent,
    Received,
    Inside,
}

/// <summary>One thing that one party saw or did. Bytes are already without what must not be kept (decisions.md 21).</summary>
/// <param name="Reference">What it belongs to: <see cref="TraceReference"/>.</param>
/// <param name="Party">Lower-case party name: phone, chip, wallet, se-issuer, token-service, network, issuer, acquirer, terminal.</param>
/// <param name="Peer">The other side, or the party itself.</param>
/// <param name="Link">apdu, pos-line, acquirer-network, network-token, network-issuer, phone-wallet, wallet-token, token-wallet, token-issuer, or empty.</param>
/// <param name="Hex">Upper-case hex of the bytes kept, or empty.</param>
/// <param name="Why">One plain sentence in both languages: what it means, and for a decision its reason.</param>
public sealed record TraceEvent(
    string Reference,
    DateTimeOffset At,
    string Party,
    string Peer,
    string Link,
    TraceKind Kind,
    TraceDirection Direction,
    string Hex,
    Text Why);

/// <summary>How rows of different parties find each other without a wire that carries an id of ours.</summary>
public static class TraceReference
{
    /// <summary>Before the acquirer answers, terminal and card know only this: F42, F41, batch (F60.2), F11.</summary>
    public static string Pos(string merchant, string terminal, string batch, string stan) => $"pos:{merchant}:{terminal}:{batch}:{stan}";

    /// <summary>Retrieval reference number, F37: acquirer, network, token service and issuer all see it.</summary>
    public static string Rrn(string rrn) => $"rrn:{rrn}";

    /// <summary>An enrolment, by the wallet's card reference.</summary>
    public static string Card(string cardReference) => $"card:{cardReference}";
}

/// <summary>Where parties put what they saw. Never blocks, never throws, may sample under load: the trace is not part of any decision.</summary>
public interface ITrace
{
    /// <summary>Whether rows of this reference are wanted: ask before a row is made, for under load most are not. A payment is kept whole or not at all.</summary>
    bool Takes(string reference) => true;

    void Record(TraceEvent row);

    /// <summary>Says that two references are the same payment (the acquirer, when it gives the RRN to a POS key).</summary>
    void Same(string reference, string other);
}

/// <summary>Keeps nothing.</summary>
public sealed class NoTrace : ITrace
{
    public static readonly NoTrace Instance = new();

    public bool Takes(string reference) => false;

    public void Record(TraceEvent row)
    {
    }

    public void Same(string reference, string other)
    {
    }
}
