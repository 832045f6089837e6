using Majia.Core.Primitives;
using Majia.Terminal.Kernel;

namespace Majia.Terminal.EntryPoint;

/// <summary>How one activation of a card ended (EMV Book A §6, protocols.md 2.2). Closed: the reader's loop handles each.</summary>
public abstract record Outcome(Text Why)
{
    /// <summary>An ARQC to take to the bank, and how the holder is verified.</summary>
    public sealed record OnlineRequest(CardAnswer Card, CvmDecision Cvm, Text Why) : Outcome(Why);

    /// <summary>A TC whose card's signature holds: approved without the bank.</summary>
    public sealed record ApprovedOffline(CardAnswer Card, CvmDecision Cvm, Text Why) : Outcome(Why);

    public sealed record Declined(Text Why) : Outcome(Why);

    /// <summary>The holder must do something on the phone; the same transaction restarts at Start B with a new tap.</summary>
    public sealed record SeePhone(Text Why) : Outcome(Why);

    /// <summary>The card left too early; Start B again, with a fresh GPO.</summary>
    public sealed record TryAgain(Text Why) : Outcome(Why);

    /// <summary>This combination cannot go on: the next candidate of the list.</summary>
    public sealed record SelectNext(Text Why) : Outcome(Why);

    public sealed record TryAnotherInterface(Text Why) : Outcome(Why);

    public sealed record EndApplication(Text Why) : Outcome(Why);
}

/// <summary>Message identifiers of the user interface (EMV Book A §9.4, protocols.md 2.2).</summary>
public enum UiMessage
{
    Approved = 0x03,
    NotAuthorised = 0x07,
    EnterPin = 0x09,
    ProcessingError = 0x0F,
    RemoveCard = 0x10,
    Welcome = 0x14,
    PresentCard = 0x15,
    Processing = 0x16,
    CardReadOk = 0x17,
    InsertOrSwipe = 0x18,
    OneCardOnly = 0x19,
    ApprovedSign = 0x1A,
    Authorising = 0x1B,
    TryAnotherCard = 0x1C,
    InsertCard = 0x1D,
    None = 0x1E,
    SeePhone = 0x20,
    PresentAgain = 0x21,
}

/// <summary>What stands on the terminal's screen: the identifier, its fixed words, and why.</summary>
public sealed record DisplayMessage(UiMessage Id, Text Text, Text? Why = null)
{
    public static DisplayMessage Of(UiMessage id, Text? why = null) => new(id, Words(id), why);

    public static Text Words(UiMessage id) => id switch
    {
        UiMessage.Approved => new("Approved", "交易成功"),
        UiMessage.NotAuthorised => new("Declined", "交易未批准"),
        UiMessage.EnterPin => new("Enter your card PIN", "请输入银行卡密码"),
        UiMessage.ProcessingError => new("Processing error", "处理出错"),
        UiMessage.RemoveCard => new("Remove card", "请移开卡片"),
        UiMessage.Welcome => new("Welcome", "欢迎光临"),
        UiMessage.PresentCard => new("Hold your phone or card here", "请挥卡或将手机靠近感应区"),
        UiMessage.Processing => new("Processing", "正在处理"),
        UiMessage.CardReadOk => new("Card read, you may take it away", "读卡成功，请移开"),
        UiMessage.InsertOrSwipe => new("Insert or swipe card", "请插卡或刷卡"),
        UiMessage.OneCardOnly => new("Present one card only", "请只出示一张卡"),
        UiMessage.ApprovedSign => new("Approved, please sign", "交易成功，请签名"),
        UiMessage.Authorising => new("Authorising, please wait", "正在联网授权，请稍候"),
        UiMessage.TryAnotherCard => new("Insert, swipe or try another card", "请插卡、刷卡或换一张卡"),
        UiMessage.InsertCard => new("Insert card", "请插卡"),
        UiMessage.SeePhone => new("See phone for instructions", "请看手机"),
        UiMessage.PresentAgain => new("Present card again", "请再次挥卡"),
        _ => new(string.Empty, string.Empty),
    };
}
