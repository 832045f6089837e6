using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Hsm;

namespace Majia.Terminal.Line;

/// <summary>How one exchange with the acquirer ended. Closed.</summary>
public abstract record LineResult
{
    /// <summary>An answer to this request, its MAC verified.</summary>
    public sealed record Answered(IsoMessage Message) : LineResult;

    /// <summary>No answer in time, or the line is down: whether the request took effect is unknown.</summary>
    public sealed record Silent : LineResult;

    /// <summary>Something came whose MAC is wrong or missing: nothing in it is believed.</summary>
    public sealed record MacWrong : LineResult;

    /// <summary>The MAC is right, the message is no answer to this request.</summary>
    /// <param name="Field">The field that differs, 0 for the message type.</param>
    public sealed record NotOurs(int Field) : LineResult;

    /// <summary>Bytes that are no message of this line.</summary>
    public sealed record Malformed : LineResult;
}

/// <summary>The POS line from the terminal's side: frame, MAC, patience (protocols.md 6.1, 6.7).</summary>
internal sealed class AcquirerLine(TerminalOptions options, KeyModule keys, IIsoLink link, TimeProvider clock, TerminalTrace trace)
{
    /// <summary>Sends <paramref name="request"/> once. Not cancellable: what has left the terminal is seen through to an answer or a reversal.</summary>
    public async Task<LineResult> ExchangeAsync(IsoMessage request, TimeSpan patience, string traceReference)
    {
        var frame = Seal(request);
        trace.Sent(traceReference, request);
        ReadOnlyMemory<byte> answer;
        using var hangUp = new CancellationTokenSource();
        try
        {
            answer = await link.ExchangeAsync(frame, hangUp.Token).WaitAsync(patience, clock);
        }
        catch (TimeoutException)
        {
            await hangUp.CancelAsync();
            return new LineResult.Silent();
        }
        catch (Exception) when (!hangUp.IsCancellationRequested)
        {
            // Refused, reset, unreachable: however a line breaks, the fate of the request is unknown.
            return new LineResult.Silent();
        }

        var result = answer.IsEmpty ? new LineResult.Silent() : Open(request, answer);
        if (result is LineResult.Answered answered)
        {
            trace.Received(traceReference, answered.Message);
        }

        return result;
    }

    /// <summary>The frame of <paramref name="message"/>, with F64 over everything before it.</summary>
    private byte[] Seal(IsoMessage message) => PosFrame.Write(
        options.Tpdu.Span, options.Header.Span, IsoSealing.Seal(Dialect.Pos, message, block => keys.Mac(options.MacKey, options.Mac, block)));

    private LineResult Open(IsoMessage request, ReadOnlyMemory<byte> frame)
    {
        if (!PosFrame.TryRead(frame, out _, out _, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body.Span, out var answer, out _))
        {
            return new LineResult.Malformed();
        }

        if (!IsoSealing.Verify(Dialect.Pos, body, answer, (block, mac) => keys.VerifyMac(options.MacKey, options.Mac, block, mac)))
        {
            return new LineResult.MacWrong();
        }

        return PosMessages.Mismatch(request, answer) is { } field ? new LineResult.NotOurs(field) : new LineResult.Answered(answer);
    }
}
