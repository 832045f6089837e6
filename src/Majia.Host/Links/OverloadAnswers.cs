using System.Globalization;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Hsm;

namespace Majia.Host.Links;

/// <summary>What a full server says at once: nothing was looked up and no row written, so the refusal is final and the payment has not happened.</summary>
/// <remarks>
/// It bears the MAC of the line's key like every answer, for an unsigned one would be taken for silence and reversed. The request's own MAC is not
/// checked: whoever sends rubbish learns that we are busy.
/// </remarks>
public static class OverloadAnswers
{
    /// <summary>96 on the POS line. A reversal that hears it is kept by its terminal and sent again.</summary>
    /// <param name="keys">The acquirer's, with <c>mak.{terminal}</c>.</param>
    /// <param name="institution">F32.</param>
    /// <param name="offset">Of local time, F12 and F13.</param>
    public static Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> Pos(KeyModule keys, MacAlgorithm algorithm, string institution, TimeSpan offset, TimeProvider time) => frame =>
    {
        if (!PosFrame.TryRead(frame, out var tpdu, out var header, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body, out var request, out _) || request.Mti.IsResponse)
        {
            return default;
        }

        var local = time.GetUtcNow().ToOffset(offset);
        var answer = new IsoMessage(request.Mti.Response, 20)
            .Take(request, 2, 3, 4, 11)
            .Set(12, local.ToString("HHmmss", CultureInfo.InvariantCulture))
            .Set(13, local.ToString("MMdd", CultureInfo.InvariantCulture))
            .Take(request, 25)
            .Set(32, institution)
            .Set(39, "96")
            .Take(request, 41, 42)
            .Set(44, new Field44(string.Empty, institution).Format())
            .Take(request, 49, 60);
        if (request.Mti == Mti.ReversalRequest)
        {
            answer.Take(request, 61);
        }

        var key = $"mak.{request.Text(41)?.TrimEnd()}";
        return PosFrame.Write(PosFrame.AnswerTpdu(tpdu.Span), header.Span, keys.TryInfo(key, out _) ? IsoSealing.Seal(Dialect.Pos, answer, block => keys.Mac(key, algorithm, block)) : IsoCodec.Write(Dialect.Pos, answer));
    };

    /// <summary>91 on the switch line: an advice or a reversal that hears it stays in its outbox.</summary>
    /// <param name="keyOf">Key module and key name by destination and source of the request; null when there is none, then nothing is said.</param>
    public static Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> Switch(Func<string, string, (KeyModule Keys, string Key)?> keyOf, MacAlgorithm algorithm) => frame =>
    {
        if (!SwitchFrame.TryRead(frame, out var destination, out var source, out var body, out _)
            || !IsoCodec.TryRead(Dialect.Switch, body, out var request, out _)
            || request.Mti.IsResponse
            || keyOf(destination, source) is not var (keys, key)
            || !keys.TryInfo(key, out _))
        {
            return default;
        }

        var answer = new IsoMessage(request.Mti.Response, 20).Take(request, 2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37).Set(39, "91").Take(request, 41, 42, 49, 90);
        return SwitchFrame.Write(source, destination, IsoSealing.Seal(Dialect.Switch, answer, block => keys.Mac(key, algorithm, block)));
    };
}
