using Majia.Core.Contracts;

namespace Majia.Core.Iso8583;

/// <summary>The asking end of a switch line: MAC, frame, patience. The key stays where it is: the caller gives computation and check.</summary>
/// <param name="destination">Institution at the other end, as it stands in the frame.</param>
/// <param name="source">This institution.</param>
/// <param name="mac">Eight bytes over the MAC block.</param>
/// <param name="check">Says whether the second argument is the MAC of the first; a key module does this inside.</param>
/// <param name="patience">How long an answer is waited for.</param>
public sealed class SwitchLine(
    IIsoLink link, string destination, string source, Func<ReadOnlySpan<byte>, byte[]> mac, Func<ReadOnlySpan<byte>, ReadOnlySpan<byte>, bool> check, TimeSpan patience, TimeProvider time)
{
    /// <summary>Fields that tell which request an answer belongs to.</summary>
    private static readonly int[] Echo = [3, 4, 7, 11, 32, 33, 37, 41, 42];

    /// <summary>Sends once; null when no answer to it came in time whose MAC is right. Not cancellable: what has left is seen through to an answer or a reversal.</summary>
    public async Task<IsoMessage?> ExchangeAsync(IsoMessage request)
    {
        if (link is IMessageLink { Direct: { } party })
        {
            return await HandOverAsync(party, request);
        }

        var frame = SwitchFrame.Write(destination, source, IsoSealing.Seal(Dialect.Switch, request, mac));
        using var hangUp = new CancellationTokenSource();
        ReadOnlyMemory<byte> received;
        try
        {
            received = await link.ExchangeAsync(frame, hangUp.Token).WaitAsync(patience, time);
        }
#pragma warning disable CA1031 // however a line breaks, the fate of the request is unknown
        catch (Exception)
#pragma warning restore CA1031
        {
            await hangUp.CancelAsync();
            return null;
        }

        return SwitchFrame.TryRead(received, out _, out _, out var body, out _)
            && IsoCodec.TryRead(Dialect.Switch, body, out var answer, out _)
            && IsoSealing.Verify(Dialect.Switch, body, answer, check)
            && answer.Mti == request.Mti.Response
            && answer.Text(39) is { Length: 2 }
            && Array.TrueForAll(Echo, field => !answer.Has(field) || answer.Text(field) == request.Text(field))
                ? answer
                : null;
    }

    /// <summary>To a party of the same process. F128 stands empty, as the message matrix wants the field and nobody reads it.</summary>
    private async Task<IsoMessage?> HandOverAsync(IMessageServer party, IsoMessage request)
    {
        request.Set(Dialect.Switch.MacField, stackalloc byte[MacBlock.MacBytes]);
        using var hangUp = new CancellationTokenSource();
        IsoMessage? answer;
        try
        {
            var answering = party.AnswerAsync(destination, source, request, hangUp.Token);
            answer = answering.IsCompleted ? await answering : await answering.WaitAsync(patience, time);
        }
#pragma warning disable CA1031 // however a party fails, the fate of the request is unknown
        catch (Exception)
#pragma warning restore CA1031
        {
            await hangUp.CancelAsync();
            return null;
        }

        if (answer is null)
        {
            // A dropped request is silence, and silence is known by waiting.
            await Task.Delay(patience, time);
            return null;
        }

        return answer.Mti == request.Mti.Response && answer.Text(39) is { Length: 2 } ? answer : null;
    }
}
