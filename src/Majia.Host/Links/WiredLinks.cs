using Majia.Core.Contracts;

namespace Majia.Host.Links;

/// <summary>A line on which somebody may listen.</summary>
public interface ITappedLink : IIsoLink
{
    /// <summary>Somebody who listens on the wire: sees each request as it passes.</summary>
    event Action<ReadOnlyMemory<byte>>? Overheard;
}

/// <summary>A real line on which a person or a test may cut the wire: what is dropped never leaves, or its answer is thrown away on arrival.</summary>
public sealed class WiredIsoLink(IIsoLink line, LinkFaults faults) : ITappedLink
{
    public event Action<ReadOnlyMemory<byte>>? Overheard;

    /// <summary>The line itself.</summary>
    public IIsoLink Line { get; } = line;

    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        Overheard?.Invoke(frame);
        var fault = faults.Take();
        if (fault is LinkFault.DropRequest or LinkFault.Cut)
        {
            return await NeverAsync(frame, cancellation);
        }

        var answer = await faults.PassAsync(fault, () => Line.ExchangeAsync(frame, cancellation), cancellation);
        return fault == LinkFault.DropAnswer ? await NeverAsync(frame, cancellation) : answer;
    }

    /// <summary>A lost answer: the caller's own clock ends the wait.</summary>
    private async Task<ReadOnlyMemory<byte>> NeverAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        faults.Lose(frame);
        var silence = new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var end = cancellation.Register(() => silence.TrySetCanceled(cancellation));
        return await silence.Task;
    }
}

/// <summary>The same for a JSON line.</summary>
/// <param name="party">Who is at the other end.</param>
public sealed class WiredJsonLink(IJsonLink line, LinkFaults faults, string party) : IJsonLink
{
    public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull
    {
        var fault = faults.Take();
        if (fault is LinkFault.DropRequest or LinkFault.Cut)
        {
            throw new PartyUnreachableException(party);
        }

        var reply = await faults.PassAsync(fault, () => line.CallAsync<TRequest, TResponse>(operation, request, cancellation), cancellation);
        return fault == LinkFault.DropAnswer ? throw new PartyUnreachableException(party) : reply;
    }
}
