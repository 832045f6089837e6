using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Host.Links;

/// <summary>An ISO 8583 line inside one process: what goes as frames is whole and real, only the socket is missing; an inner hop between parties needs no frames (docs/decisions/0011).</summary>
/// <param name="leaves">The store that must be durable before an answer may leave on this line; null on an inner hop, where a later commit of the
/// same log covers this one (decisions.md 22).</param>
public sealed class InMemoryIsoLink(IIsoServer server, LinkFaults faults, Store? leaves = null) : ITappedLink, IMessageLink
{
    public event Action<ReadOnlyMemory<byte>>? Overheard;

    public IMessageServer? Direct => leaves is null && Overheard is null && !faults.IsSet ? server as IMessageServer : null;

    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        Overheard?.Invoke(frame);
        var fault = faults.Take();
        if (fault is LinkFault.DropRequest or LinkFault.Cut)
        {
            return await NeverAsync(frame, cancellation);
        }

        var since = leaves?.Mark() ?? default;
        var answer = await faults.PassAsync(fault, () => server.HandleAsync(frame, cancellation), cancellation);
        if (leaves is not null)
        {
            await leaves.DurableAsync(since);
        }

        return answer.IsEmpty || fault == LinkFault.DropAnswer ? await NeverAsync(frame, cancellation) : answer;
    }

    /// <summary>A lost answer: the caller's own clock ends the wait.</summary>
    private async Task<ReadOnlyMemory<byte>> NeverAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        var silence = new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously);
        faults.Lose(frame);
        await using var end = cancellation.Register(() => silence.TrySetCanceled(cancellation));
        return await silence.Task;
    }
}
