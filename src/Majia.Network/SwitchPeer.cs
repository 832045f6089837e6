using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Hsm;

namespace Majia.Network;

/// <summary>One of the switch's lines towards a bank or the token service: MAC, frame, patience.</summary>
internal sealed class SwitchPeer(NetworkOptions options, string institution, string macKey, KeyModule keys, IIsoLink link, TimeSpan timeout, TimeProvider time)
{
    /// <summary>Fields that tell which request an answer belongs to.</summary>
    private static readonly int[] Echo = [3, 4, 7, 11, 37, 41, 42];

    /// <summary>Sends once; null when no answer to it came in time whose MAC is right. Not cancellable: what has left is seen through to an answer or a reversal.</summary>
    public async Task<IsoMessage?> ExchangeAsync(IsoMessage request)
    {
        var body = IsoSealing.Seal(Dialect.Switch, request, block => keys.Mac(macKey, options.Mac, block));
        var frame = SwitchFrame.Write(institution, options.Institution, body);
        using var hangUp = new CancellationTokenSource();
        ReadOnlyMemory<byte> received;
        try
        {
            received = await link.ExchangeAsync(frame, hangUp.Token).WaitAsync(timeout, time);
        }
#pragma warning disable CA1031 // however a line breaks, the fate of the request is unknown
        catch (Exception)
#pragma warning restore CA1031
        {
            await hangUp.CancelAsync();
            return null;
        }

        return SwitchFrame.TryRead(received, out _, out _, out var answerBody, out _)
            && IsoCodec.TryRead(Dialect.Switch, answerBody, out var answer, out _)
            && IsoSealing.Verify(Dialect.Switch, answerBody, answer, (block, mac) => keys.VerifyMac(macKey, options.Mac, block, mac))
            && answer.Mti == request.Mti.Response
            && answer.Text(39) is { Length: 2 }
            && Array.TrueForAll(Echo, field => !answer.Has(field) || answer.Text(field) == request.Text(field))
                ? answer
                : null;
    }
}
