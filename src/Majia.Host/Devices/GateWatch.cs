using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.Devices;

/// <summary>A phone at a gate as the trace tells it: every command and answer of one passage, and its end. The gate itself keeps no trace; it holds one key and its rides.</summary>
public sealed class GateWatch(ICardChannel card, ITrace trace, TimeProvider time, string reference) : ICardChannel
{
    private const string Gate = "gate", Phone = "phone";

    public string Reference => reference;

    public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        var name = Named(command.Span);
        Record(TraceKind.Apdu, TraceDirection.Sent, command.Span, name);
        var answer = await card.TransmitAsync(command, cancellation);
        var status = ResponseApdu.TryParse(answer, out var response, out _) ? response.Status.ToString() : "";
        Record(TraceKind.Apdu, TraceDirection.Received, answer.Span, new($"{name.En}: {status}", $"{name.Zh}：{status}"));
        return answer;
    }

    public void Ended(Text says) => Record(TraceKind.Decision, TraceDirection.Inside, [], says);

    private void Record(TraceKind kind, TraceDirection direction, ReadOnlySpan<byte> bytes, Text why) =>
        trace.Record(new TraceEvent(reference, time.GetUtcNow(), Gate, kind == TraceKind.Apdu ? Phone : Gate, kind == TraceKind.Apdu ? "apdu" : "", kind, direction, Convert.ToHexString(bytes), why));

    /// <summary>The purse's commands (docs/protocols: transit) by their own names.</summary>
    private static Text Named(ReadOnlySpan<byte> command) => command.Length < 2 ? new("a command", "指令") : command[1] switch
    {
        0xA4 => new("SELECT the transit card", "选择公交应用"),
        0xB0 => new("READ BINARY", "读二进制文件"),
        0x5C => new("GET BALANCE", "查余额"),
        0x50 => new("INITIALIZE CAPP PURCHASE", "复合消费初始化"),
        0xDC => new("UPDATE CAPP DATA CACHE: the journey", "更新复合应用数据缓存：行程"),
        0x54 => new("DEBIT FOR CAPP PURCHASE", "复合消费扣款"),
        0x5A => new("GET TRANSACTION PROVE: did it pay?", "取交易认证：上次是否已扣款"),
        _ => new("a command", "指令"),
    };
}
