using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Terminal;

namespace Majia.Host.Ui;

/// <summary>Ends and states as a person reads them, one row each.</summary>
public static class OutcomeWords
{
    public static Text Of(SaleOutcome outcome) => outcome switch
    {
        SaleOutcome.Approved => new("Approved", "交易成功"),
        SaleOutcome.Voided => new("Voided", "撤销成功"),
        SaleOutcome.Refunded => new("Refunded", "退货成功"),
        SaleOutcome.RefundPending => new("Refund kept", "退货待发送"),
        SaleOutcome.Declined => new("Declined", "交易未批准"),
        SaleOutcome.RetapForPin => new("Tap again for the PIN", "请重新挥卡并输入密码"),
        SaleOutcome.SeePhone => new("See phone", "请看手机"),
        SaleOutcome.CardRemoved => new("Taken away too early", "移开过早"),
        SaleOutcome.TryAnotherInterface => new("Insert or swipe", "请插卡或刷卡"),
        SaleOutcome.EndApplication => new("Not completed", "交易终止"),
        SaleOutcome.Cancelled => new("Cancelled", "已取消"),
        SaleOutcome.NotOffered => new("No phones here", "不支持手机支付"),
        SaleOutcome.Reversed => new("Reversed: nothing is charged", "已冲正，未扣款"),
        SaleOutcome.ReversalPending => new("Reversal kept", "冲正待发送"),
        _ => new("Refused", "无法办理"),
    };

    public static Text Of(JournalState state) => state switch
    {
        JournalState.Sent => new("no answer yet", "未收到应答"),
        JournalState.Approved => new("approved", "成功"),
        JournalState.Declined => new("declined", "未批准"),
        JournalState.Reversed => new("reversed", "已冲正"),
        _ => new("voided", "已撤销"),
    };

    public static Text Of(EntryKind kind) => kind switch
    {
        EntryKind.Opening => new("opening", "期初"),
        EntryKind.Sale => new("sale", "消费"),
        EntryKind.Void => new("void", "撤销"),
        _ => new("reversal", "冲正"),
    };
}
