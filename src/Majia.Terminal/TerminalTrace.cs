using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Terminal;

/// <summary>What this terminal tells of a payment: every APDU, every decision with its why, every message, without what must not be kept (decisions.md 21).</summary>
internal sealed class TerminalTrace(ITrace trace, TimeProvider clock)
{
    private const string Terminal = "terminal", Card = "phone", Acquirer = "acquirer", Air = "apdu", Line = "pos-line";

    public void Decision(string reference, Text why) => Record(reference, Terminal, string.Empty, TraceKind.Decision, TraceDirection.Inside, string.Empty, why);

    public void Key(string reference, Text why) => Record(reference, Terminal, string.Empty, TraceKind.Key, TraceDirection.Inside, string.Empty, why);

    public void Sent(string reference, CommandApdu command) =>
        Record(reference, Card, Air, TraceKind.Apdu, TraceDirection.Sent, Convert.ToHexString(Redaction.Command(command.ToBytes())), NameOf(command));

    public void Received(string reference, CommandApdu command, ResponseApdu response)
    {
        var name = NameOf(command);
        Record(reference, Card, Air, TraceKind.Apdu, TraceDirection.Received, Convert.ToHexString(Keep(response)), new($"{name.En}: {response.Status}", $"{name.Zh}：{response.Status}"));
    }

    public void Sent(string reference, IsoMessage message) => Record(reference, Acquirer, Line, TraceKind.Iso8583, TraceDirection.Sent, Keep(message), NameOf(message));

    public void Received(string reference, IsoMessage message) => Record(reference, Acquirer, Line, TraceKind.Iso8583, TraceDirection.Received, Keep(message), NameOf(message));

    /// <summary>The terminal cannot tell a token from a plastic's number, so its trace keeps neither.</summary>
    private static string Keep(IsoMessage message) => Convert.ToHexString(IsoRedaction.Redact(Dialect.Pos, message, numberIsToken: false));

    /// <summary>A copy of the answer with numbers, tracks and names as zeros; an answer that is no BER-TLV is zeros whole.</summary>
    internal static byte[] Keep(ResponseApdu response)
    {
        var kept = response.ToBytes();
        var data = kept.AsSpan(0, response.Data.Length);
        if (!BerTlv.TryCheck(data, out _))
        {
            data.Clear();
        }

        Blank(data);
        return kept;
    }

    private static void Blank(Span<byte> data)
    {
        for (ReadOnlySpan<byte> rest = data; BerTlv.TryRead(rest, out var tag, out var value, out var consumed, out _); rest = rest[consumed..])
        {
            var place = data.Slice(data.Length - rest.Length + consumed - value.Length, value.Length);
            if (tag.IsConstructed)
            {
                Blank(place);
            }
            else if (TagDictionary.IsSensitive(tag))
            {
                place.Clear();
            }
        }
    }

    private static Text NameOf(CommandApdu command) => command.Ins switch
    {
        0xA4 => command.Data.Span.SequenceEqual("2PAY.SYS.DDF01"u8) ? new("SELECT PPSE", "选择 PPSE") : new("SELECT application", "选择应用"),
        0xA8 => new("GET PROCESSING OPTIONS", "取处理选项（GPO）"),
        0xB2 => new("READ RECORD", "读记录"),
        0x20 => new("VERIFY", "验证密码"),
        0x84 => new("GET CHALLENGE", "取随机数"),
        0x88 => new("INTERNAL AUTHENTICATE", "内部认证"),
        0xAE => new("GENERATE AC", "生成应用密文"),
        0x82 => new("EXTERNAL AUTHENTICATE", "外部认证"),
        _ => new("command", "命令"),
    };

    private static Text NameOf(IsoMessage message) => (message.Mti.Digits, message.Text(3)) switch
    {
        ("0200", "200000") => new("Void asked", "请求消费撤销"),
        ("0200", _) => new("Sale asked", "请求消费"),
        ("0400", _) => new($"Reversal sent, reason {message.Text(39)}", $"发送冲正，原因码 {message.Text(39)}"),
        var (mti, _) => message.Text(39) is { } code
            ? new($"{mti} answered {code}: {new ResponseCode(code).Meaning.En}", $"{mti} 应答 {code}：{new ResponseCode(code).Meaning.Zh}")
            : new(mti, mti),
    };

    private void Record(string reference, string peer, string link, TraceKind kind, TraceDirection direction, string hex, Text why) =>
        trace.Record(new TraceEvent(reference, clock.GetUtcNow(), Terminal, peer, link, kind, direction, hex, why));
}
