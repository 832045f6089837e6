using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Network;

/// <summary>What the switch saw and did, without what must not be kept (decisions.md 21). Towards banks and from the vault F2 is a PAN: masked.</summary>
internal sealed class NetworkTrace(ITrace trace, TimeProvider time)
{
    private const string Self = "network", Acquirer = "acquirer", TokenService = "token-service", Issuer = "issuer";

    public void FromAcquirer(string rrn, IsoMessage message, bool numberIsToken) =>
        Message(rrn, Acquirer, "acquirer-network", TraceDirection.Received, message, numberIsToken, new("The acquirer's request arrives.", "收到收单机构请求。"));

    public void ToAcquirer(string rrn, IsoMessage message, bool numberIsToken) =>
        Message(rrn, Acquirer, "acquirer-network", TraceDirection.Sent, message, numberIsToken, null);

    public void ToTokenService(string rrn, IsoMessage message) =>
        Message(rrn, TokenService, "network-token", TraceDirection.Sent, message, true, new("The number is a device number: the token service is asked whose it is and whether it is good.", "该卡号为设备卡号：向标记服务查询其有效性及对应的银行卡。"));

    public void FromTokenService(string rrn, IsoMessage message) =>
        Message(rrn, TokenService, "network-token", TraceDirection.Received, message, !message.Has(48), null);

    public void ToIssuer(string rrn, IsoMessage message) =>
        Message(rrn, Issuer, "network-issuer", TraceDirection.Sent, message, false, message.Mti.Class == 4
            ? new("The reversal goes to the bank until it is acknowledged.", "向发卡行发送冲正，直至获得确认。")
            : new("To the bank with the card's own number and the token service's verdict.", "附上实体卡号与标记服务的校验结果，转发至发卡行。"));

    /// <summary>Only the fields that the switch reads: what a bank writes into its free texts is not kept.</summary>
    public void FromIssuer(string rrn, IsoMessage message)
    {
        if (trace.Takes(TraceReference.Rrn(rrn)))
        {
            Message(
                rrn, Issuer, "network-issuer", TraceDirection.Received,
                new IsoMessage(message.Mti).Take(message, 2, 3, 4, 7, 11, 12, 13, 15, 25, 32, 33, 37, 38, 39, 41, 42, 49, 55),
                false, null);
        }
    }

    /// <summary>What came over a line and bore a wrong MAC: under a reference of its own.</summary>
    public void Unverified(Text why) =>
        trace.Record(new TraceEvent("unverified:acquirer-network", time.GetUtcNow(), Self, Acquirer, "acquirer-network", TraceKind.Decision, TraceDirection.Received, string.Empty, why));

    public void Decision(string rrn, Text why) => Inside(rrn, TraceKind.Decision, why);

    public void Key(string rrn, Text why) => Inside(rrn, TraceKind.Key, why);

    private static Text Answered(IsoMessage message)
    {
        var code = message.Text(39) ?? "96";
        var meaning = new ResponseCode(code).Meaning;
        return new Text($"Answered {code}: {meaning.En}.", $"应答码 {code}：{meaning.Zh}。");
    }

    private void Inside(string rrn, TraceKind kind, Text why)
    {
        var reference = TraceReference.Rrn(rrn);
        if (trace.Takes(reference))
        {
            trace.Record(new TraceEvent(reference, time.GetUtcNow(), Self, Self, string.Empty, kind, TraceDirection.Inside, string.Empty, why));
        }
    }

    /// <param name="why">Null for an answer: its code says it.</param>
    private void Message(string rrn, string peer, string link, TraceDirection direction, IsoMessage message, bool numberIsToken, Text? why)
    {
        var reference = TraceReference.Rrn(rrn);
        if (trace.Takes(reference))
        {
            trace.Record(new TraceEvent(
                reference, time.GetUtcNow(), Self, peer, link, TraceKind.Iso8583, direction, Convert.ToHexString(IsoRedaction.Redact(Dialect.Switch, message, numberIsToken)), why ?? Answered(message)));
        }
    }
}
