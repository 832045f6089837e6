using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Issuer;

/// <summary>What the bank saw and did, one row each. Nothing here decides anything.</summary>
internal sealed class IssuerTrace(ITrace trace, TimeProvider time)
{
    private const string Party = "issuer", Network = "network", TokenService = "token-service", SwitchLink = "network-issuer", JsonLink = "token-issuer";

    /// <summary>Reference of what came over the line and bore a wrong MAC.</summary>
    public const string Unverified = "unverified:" + SwitchLink;

    public void Message(string reference, IsoMessage message, TraceDirection direction)
    {
        if (Takes(reference))
        {
            var why = direction == TraceDirection.Received ? Mentions.Arrived(message) : Mentions.Answered(message);
            Record(reference, Network, SwitchLink, TraceKind.Iso8583, direction, Convert.ToHexString(IsoRedaction.Redact(Dialect.Switch, message, numberIsToken: false)), why);
        }
    }

    public void Call(string reference, string operation, Text why) =>
        Record(reference, TokenService, JsonLink, TraceKind.Json, TraceDirection.Received, "", new($"{operation}: {why.En}", $"{operation}：{why.Zh}"));

    /// <summary>What the token service said to news of a plastic.</summary>
    public void Told(string operation, Text why) =>
        Record("", TokenService, "issuer-token", TraceKind.Json, TraceDirection.Sent, "", new($"{operation}: {why.En}", $"{operation}：{why.Zh}"));

    public void Decision(string reference, Decision decision)
    {
        if (Takes(reference))
        {
            Record(reference, Party, "", TraceKind.Decision, TraceDirection.Inside, "", new($"{decision.Code}: {decision.Why.En}", $"{decision.Code}：{decision.Why.Zh}"));
        }
    }

    public void PinChecked(string reference, PinVerdict verdict, string zoneCheck, string verificationCheck) =>
        Record(reference, Party, "", TraceKind.Key, TraceDirection.Inside, "", verdict switch
        {
            PinVerdict.Right => new($"PIN verified inside the key module (zpk.network {zoneCheck}, pvk {verificationCheck}): right.", $"密码在密钥模块内校验（zpk.network {zoneCheck}，pvk {verificationCheck}）：正确。"),
            PinVerdict.Wrong => new($"PIN verified inside the key module (zpk.network {zoneCheck}, pvk {verificationCheck}): wrong.", $"密码在密钥模块内校验（zpk.network {zoneCheck}，pvk {verificationCheck}）：不符。"),
            _ => new($"The PIN block does not open to a PIN (zpk.network {zoneCheck}).", $"密码密文无法还原为密码（zpk.network {zoneCheck}）。"),
        });

    public void PlasticChecked(string reference, string check, bool right) => Record(reference, Party, "", TraceKind.Key, TraceDirection.Inside, "", right
        ? new($"Cryptogram recomputed with the plastic's own key from imk.ac (KCV {check}): equal.", $"用 imk.ac（校验值 {check}）派生的卡片密钥重新计算密文：一致。")
        : new($"Cryptogram recomputed with the plastic's own key from imk.ac (KCV {check}): different, or none.", $"用 imk.ac（校验值 {check}）派生的卡片密钥重新计算密文：不一致或缺失。"));

    public void PlasticAnswered(string reference, string check, int scripts) => Record(reference, Party, "", TraceKind.Key, TraceDirection.Inside, "",
        new($"Answer cryptogram under the plastic's own key from imk.ac (KCV {check}); commands for the chip: {scripts}.", $"以 imk.ac（校验值 {check}）派生的卡片密钥生成应答密文；发往芯片的脚本命令：{scripts} 条。"));

    public void Posted(string reference, IReadOnlyList<LedgerEntry> entries)
    {
        if (!Takes(reference))
        {
            return;
        }

        foreach (var entry in entries)
        {
            var sign = entry.Amount.Minor < 0 ? "" : "+";
            Record(reference, Party, "", TraceKind.Ledger, TraceDirection.Inside, "", new(
                $"Ledger {entry.Kind.ToString().ToLowerInvariant()}: {entry.Account} {sign}{entry.Amount} {entry.Amount.Currency}",
                $"记账（{KindName(entry.Kind)}）：{entry.Account} {sign}{entry.Amount} {entry.Amount.Currency}"));
        }
    }

    private bool Takes(string reference) => reference.Length > 0 && trace.Takes(reference);

    private static string KindName(EntryKind kind) => kind switch
    {
        EntryKind.Opening => "开户",
        EntryKind.Sale => "消费",
        EntryKind.Void => "撤销",
        EntryKind.Refund => "退货",
        EntryKind.Offline => "脱机消费清算",
        _ => "冲正",
    };

    private void Record(string reference, string peer, string link, TraceKind kind, TraceDirection direction, string hex, Text why)
    {
        if (Takes(reference))
        {
            trace.Record(new TraceEvent(reference, time.GetUtcNow(), Party, peer, link, kind, direction, hex, why));
        }
    }
}

/// <summary>One line for a message on the switch line.</summary>
internal static class Mentions
{
    public static Text Arrived(IsoMessage message) => (message.Mti.Value, message.Text(3)) switch
    {
        (200, ['2', ..]) => new("The network asks the bank to void a sale.", "转接机构向发卡行请求撤销。"),
        (200, _) => new("The network asks the bank to approve a sale.", "转接机构向发卡行请求消费授权。"),
        (220, ['0', ..]) => new("The network brings a payment that the plastic approved by itself.", "转接机构送来一笔实体卡脱机批准的交易。"),
        (220, _) => new("The network asks the bank to give back a part of a sale, or all of it.", "转接机构通知发卡行退货。"),
        (420 or 421, _) => new("The network takes a transaction back.", "转接机构冲正一笔交易。"),
        _ => new($"Message {message.Mti} arrives.", $"收到报文 {message.Mti}。"),
    };

    public static Text Answered(IsoMessage message)
    {
        var meaning = new ResponseCode(message.Text(39) ?? "").Meaning;
        return new($"The bank answers {message.Text(39)}: {meaning.En}.", $"发卡行应答 {message.Text(39)}：{meaning.Zh}。");
    }
}
