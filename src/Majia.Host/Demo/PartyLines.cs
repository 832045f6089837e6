using System.Globalization;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.Demo;

/// <summary>What one party saw, in one line.</summary>
public sealed record PartyLine(string Party, string Says);

/// <summary>A step's trace, told short: messages and decisions as they came, runs of APDUs counted.</summary>
public static class PartyLines
{
    private static readonly SortedDictionary<string, Text> Names = new(StringComparer.Ordinal)
    {
        ["phone"] = new("phone", "手机"),
        ["chip"] = new("chip", "芯片"),
        ["wallet"] = new("wallet cloud", "钱包云"),
        ["se-issuer"] = new("SE issuer", "SE 发行方"),
        ["token-service"] = new("token service", "标记服务"),
        ["network"] = new("network", "转接网络"),
        ["issuer"] = new("bank", "发卡行"),
        ["acquirer"] = new("acquirer", "收单机构"),
        ["transit"] = new("transit operator", "公交运营方"),
        ["gate"] = new("gate", "闸机"),
        ["terminal"] = new("terminal", "终端"),
    };

    public static string NameOf(string party, Language language) =>
        Names.TryGetValue(party, out var name) ? name.In(language)
        : party.StartsWith("issuer", StringComparison.Ordinal) ? Names["issuer"].In(language)
        : party.StartsWith("terminal", StringComparison.Ordinal) ? Names["terminal"].In(language)
        : party;

    public static IEnumerable<PartyLine> Of(IReadOnlyList<TraceEvent> events, Language language)
    {
        for (var i = 0; i < events.Count;)
        {
            var row = events[i];
            if (row.Kind == TraceKind.Apdu)
            {
                var (from, bytes, commands, command, slow, fast) = (i, 0, 0, 0, 0.0, 0.0);
                for (; i < events.Count && events[i].Kind == TraceKind.Apdu; i++)
                {
                    var length = events[i].Hex.Length / 2;
                    bytes += length;
                    if (events[i].Direction == TraceDirection.Sent)
                    {
                        (commands, command) = (commands + 1, length);
                    }
                    else
                    {
                        slow += AirTime.Milliseconds(command, length, AirTime.Rates[0]);
                        fast += AirTime.Milliseconds(command, length, AirTime.Rates[^1]);
                    }
                }

                // The phone talks to its own chip by wire.
                var air = row.Party == "phone" ? new Text("", "") : new Text(
                    string.Create(CultureInfo.InvariantCulture, $"; {slow:F0} ms on the air at {AirTime.Rates[0]} kbit/s, {fast:F0} ms at {AirTime.Rates[^1]}"),
                    string.Create(CultureInfo.InvariantCulture, $"；空中耗时 {slow:F0} 毫秒（{AirTime.Rates[0]} kbit/s），{fast:F0} 毫秒（{AirTime.Rates[^1]} kbit/s）"));
                yield return new PartyLine(NameOf(row.Party, language), new Text(
                    $"{commands} {(commands == 1 ? "command" : "commands")} to the {NameOf(events[from].Peer, Language.English)}, {bytes} bytes both ways{air.En}",
                    $"向{NameOf(events[from].Peer, Language.Chinese)}发送 {commands} 条命令，往返共 {bytes} 字节{air.Zh}").In(language));
                continue;
            }

            i++;
            // What one side sent, the other received: the receiver's line is enough, and of the answers the last one.
            if (row.Kind is TraceKind.Decision or TraceKind.Ledger or TraceKind.Key
                || (row.Kind == TraceKind.Json && row.Direction == TraceDirection.Received)
                || (row.Kind == TraceKind.Iso8583 && row.Direction == TraceDirection.Received && (!IsAnswer(row) || row.Party == "terminal")))
            {
                yield return new PartyLine(NameOf(row.Party, language), row.Why.In(language));
            }
        }
    }

    /// <summary>The third digit of a response's MTI is odd (ISO 8583).</summary>
    private static bool IsAnswer(TraceEvent message) => message.Hex.Length >= 8 && (message.Link == "pos-line" ? message.Hex[2] : message.Hex[5]) is '1' or '3';
}
