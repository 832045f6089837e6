using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Acquirer;

/// <summary>What the acquirer saw and did, without what must not be kept (decisions.md 21).</summary>
internal sealed class AcquirerTrace(ITrace trace, TimeProvider time)
{
    private const string Self = "acquirer", PosLine = "pos-line", SwitchLine = "acquirer-network";

    /// <summary>Reference of what came over the line without a MAC that proves its sender.</summary>
    public const string Unverified = "unverified:" + PosLine;

    public void FromTerminal(string reference, IsoMessage message, bool numberIsToken) =>
        Message(reference, "terminal", PosLine, Dialect.Pos, TraceDirection.Received, message, numberIsToken, new("The terminal sends its request.", "终端发来请求。"));

    public void ToTerminal(string reference, IsoMessage message, bool numberIsToken) =>
        Message(reference, "terminal", PosLine, Dialect.Pos, TraceDirection.Sent, message, numberIsToken, null);

    public void ToNetwork(string reference, IsoMessage message, bool numberIsToken) =>
        Message(reference, "network", SwitchLine, Dialect.Switch, TraceDirection.Sent, message, numberIsToken, message.Mti.Class == 4
            ? new("The reversal goes to the network until it is acknowledged.", "向银联转接发送冲正，直至获得确认。")
            : new("Forwarded to the network with a reference number and a MAC of the acquirer's own.", "附上检索参考号并重新计算报文鉴别码后转发至银联转接。"));

    public void FromNetwork(string reference, IsoMessage message, bool numberIsToken) =>
        Message(reference, "network", SwitchLine, Dialect.Switch, TraceDirection.Received, message, numberIsToken, null);

    public void Decision(string reference, Text why) => Inside(reference, TraceKind.Decision, why);

    public void Key(string reference, Text why) => Inside(reference, TraceKind.Key, why);

    public void Same(string reference, string other) => trace.Same(reference, other);

    private static Text Answered(IsoMessage message)
    {
        var code = message.Text(39) ?? "96";
        var meaning = new ResponseCode(code).Meaning;
        return new Text($"Answered {code}: {meaning.En}.", $"应答码 {code}：{meaning.Zh}。");
    }

    private void Inside(string reference, TraceKind kind, Text why)
    {
        if (trace.Takes(reference))
        {
            trace.Record(new TraceEvent(reference, time.GetUtcNow(), Self, Self, string.Empty, kind, TraceDirection.Inside, string.Empty, why));
        }
    }

    /// <param name="why">Null for an answer: its code says it.</param>
    private void Message(string reference, string peer, string link, Dialect dialect, TraceDirection direction, IsoMessage message, bool numberIsToken, Text? why)
    {
        if (trace.Takes(reference))
        {
            trace.Record(new TraceEvent(reference, time.GetUtcNow(), Self, peer, link, TraceKind.Iso8583, direction, Convert.ToHexString(IsoRedaction.Redact(dialect, message, numberIsToken)), why ?? Answered(message)));
        }
    }
}
