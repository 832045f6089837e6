using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>One change in the life of a device card, as the cloud heard or ordered it. What the card pays is nowhere in it: the cloud never learns that.</summary>
/// <param name="Reason">Reason code of whoever caused it; empty: the addition itself.</param>
public sealed record CardEvent(DateTimeOffset At, EnrolmentState State, string Reason)
{
    /// <summary>The reason in words; empty for one that says no more than the state.</summary>
    public Text Why => Reason switch
    {
        "LOST" or "CONSUMER_LOST" or "DEVICE_LOST" => new("lost mode", "丢失模式"),
        "FOUND" or "CONSUMER_FOUND" or "DEVICE_FOUND" => new("found", "已找回"),
        "PAYMENT_OFF" => new("payment turned off on the site", "在网站关闭支付"),
        "SIGNED_OUT" or "SIGNED_OUT_REMOTELY" => new("signed out", "退出登录"),
        "FIND_DEVICE_OFF" => new("Find Device turned off", "关闭查找手机"),
        "OTHER" or "CONSUMER_DELETED" => new("by the owner", "机主操作"),
        "NOT_COMPLETED" => new("never completed", "未完成添加"),
        "" => new("", ""),
        var code => new(code.ToLowerInvariant().Replace('_', ' '), code),
    };
}

/// <summary>The history of each card (<c>wallet_card_event</c>), written in the unit that changes the card.</summary>
internal static class CardHistory
{
    public const string Migration = """
        -- What befell each card, in order. No number of any card is in it, and no payment.
        CREATE TABLE wallet_card_event (
            card_reference TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            at INTEGER NOT NULL,
            state TEXT NOT NULL,
            reason TEXT NOT NULL,
            PRIMARY KEY (card_reference, sequence));
        """;

    private const int Shown = 20;

    public static void Write(Session session, string cardReference, EnrolmentState state, string reason, DateTimeOffset now) => session.Execute(
        "INSERT INTO wallet_card_event (card_reference, sequence, at, state, reason) VALUES ($1, (SELECT coalesce(max(sequence), 0) + 1 FROM wallet_card_event WHERE card_reference = $1), $2, $3, $4)",
        cardReference, now, state.ToString(), reason);

    /// <summary>Newest first.</summary>
    public static List<CardEvent> Of(Session session, string cardReference) => session.Query(
        "SELECT at, state, reason FROM wallet_card_event WHERE card_reference = $1 ORDER BY sequence DESC LIMIT $2",
        static row => new CardEvent(row.Instant(0), Enum.Parse<EnrolmentState>(row.GetString(1)), row.GetString(2)), cardReference, Shown);
}
