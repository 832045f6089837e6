using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Majia.Core.Iso8583;

namespace Majia.Host.Links;

/// <summary>0820 of the switch line: sign-on, sign-off, line test (protocols.md 6.9). They are the line's own matter and never reach a party.</summary>
public static class LineManagement
{
    /// <summary>F70.</summary>
    public const string SignOn = "001", SignOff = "002", Echo = "301";

    /// <param name="own">Institution that sends.</param>
    /// <param name="peer">Institution that it is sent to.</param>
    /// <param name="trace">F11, 0 … 999999.</param>
    public static byte[] Request(string own, string peer, string what, int trace, DateTimeOffset now) => SwitchFrame.Write(peer, own, IsoCodec.Write(Dialect.Switch, new IsoMessage(Mti.NetworkAdvice)
        .Set(7, now.ToString("MMddHHmmss", CultureInfo.InvariantCulture))
        .SetNumber(11, trace, 6)
        .Set(33, own)
        .Set(70, what)
        .Set(100, peer)));

    /// <summary>The 0830 to an 0820 that this line answers by itself; false for every other frame.</summary>
    /// <param name="source">Institution that sent it.</param>
    public static bool TryAnswer(ReadOnlyMemory<byte> frame, out string source, out string what, [NotNullWhen(true)] out byte[]? answer)
    {
        (source, what, answer) = (string.Empty, string.Empty, null);
        // Every payment passes here: the MTI is looked at before anything is read.
        if (frame.Length < SwitchFrame.BodyOffset + 4 || !frame.Span.Slice(SwitchFrame.BodyOffset, 4).SequenceEqual("0820"u8)
            || !SwitchFrame.TryRead(frame, out var destination, out source, out var body, out _)
            || !IsoCodec.TryRead(Dialect.Switch, body, out var message, out _)
            || message.Text(70) is not (SignOn or SignOff or Echo)
            || !message.Has(7) || !message.Has(11))
        {
            return false;
        }

        what = message.Text(70)!;
        answer = SwitchFrame.Write(source, destination, IsoCodec.Write(Dialect.Switch, new IsoMessage(Mti.NetworkAdviceResponse)
            .Take(message, 7, 11, 33)
            .Set(39, ResponseCode.Approved.Value)
            .Take(message, 70, 100)));
        return true;
    }
}
