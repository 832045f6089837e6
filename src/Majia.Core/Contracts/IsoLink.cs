using Majia.Core.Iso8583;

namespace Majia.Core.Contracts;

/// <summary>One ISO 8583 line as its client sees it. Frames are whole: length prefix (POS line) or length and 46-byte header (switch line) included.</summary>
/// <remarks>A lost answer is a task that never completes; the caller's own clock decides when to stop waiting.</remarks>
public interface IIsoLink
{
    Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation);
}

/// <summary>The other end: takes one frame and answers it, or returns an empty memory to drop it (malformed, no answer due).</summary>
/// <remarks>What it returns may leave the process only after <c>Store.DurableAsync</c>: the link's edge waits for it, not the handler (decisions.md 22).</remarks>
public interface IIsoServer
{
    Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation);
}

/// <summary>A party that takes a message as it is, from a party of the same process: no bytes between them, and no MAC (docs/decisions/0011).</summary>
/// <remarks>Who called is vouched for by whoever composed the process: the caller's link is a reference to this object. Neither side changes a message that it has handed over.</remarks>
public interface IMessageServer : IIsoServer
{
    /// <param name="destination">Institution that the message is for.</param>
    /// <param name="source">Institution that sends it.</param>
    /// <returns>Null: dropped.</returns>
    Task<IsoMessage?> AnswerAsync(string destination, string source, IsoMessage request, CancellationToken cancellation);
}

/// <summary>A switch line inside one process, where messages may go as they are.</summary>
public interface IMessageLink : IIsoLink
{
    /// <summary>The party at the other end, while nothing on the line wants to see bytes: no fault is set, nobody listens, and its answers need not wait for a log. Null: send a frame.</summary>
    IMessageServer? Direct { get; }
}
