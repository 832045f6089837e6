using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Hsm;

namespace Majia.Acquirer;

/// <summary>The switch line from the acquirer's side: MAC, frame, patience.</summary>
internal sealed class NetworkLine(AcquirerOptions options, KeyModule keys, IIsoLink link, TimeProvider time)
{
    private const string MacKey = "zak.network";

    /// <summary>Fields that tell which request an answer belongs to.</summary>
    private static readonly int[] Echo = [3, 4, 7, 11, 32, 33, 37, 41, 42];

    /// <summary>Sends once; null when no answer to it came in time whose MAC is right. Not cancellable: what has left is seen through to an answer or a reversal.</summary>
    public async Task<IsoMessage?> ExchangeAsync(IsoMessage request)
    {
        var body = IsoSealing.Seal(Dialect.Switch, request, block => keys.Mac(MacKey, options.Mac, block));
        var frame = SwitchFrame.Write(options.Network, options.Institution, body);
        using var hangUp = new CancellationTokenSource();
        ReadOnlyMemory<byte> received;
        try
        {
            received = await link.ExchangeAsync(frame, hangUp.Token).WaitAsync(options.NetworkTimeout, time);
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
            && IsoSealing.Verify(Dialect.Switch, answerBody, answer, (block, mac) => keys.VerifyMac(MacKey, options.Mac, block, mac))
            && answer.Mti == request.Mti.Response
            && answer.Text(39) is { Length: 2 }
            && Array.TrueForAll(Echo, field => !answer.Has(field) || answer.Text(field) == request.Text(field))
                ? answer
                : null;
    }
}
