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
