using Majia.Core.Primitives;
using Majia.TokenService.Directory;

namespace Majia.Simulation.Scenarios;

/// <summary>One thing that a step can be.</summary>
/// <param name="Parameters">The first one may stand alone, without its name.</param>
/// <param name="Outcomes">Every word that it can come to; the first one means that it worked, and is expected when nothing else is.</param>
public sealed record Verb(string Name, Text Says, IReadOnlyList<Parameter> Parameters, IReadOnlyList<string> Outcomes, Func<Stage, Step, StepResult> Do);

/// <summary>The verbs of scenario files, one row each (decisions.md 36).</summary>
public static class Verbs
{
    private static readonly Parameter
        Card = new("card", ParameterKind.Card, Needed: true),
        AnyCard = new("card", ParameterKind.Card),
        OnPhone = new("phone", ParameterKind.Phone),
        ThisPhone = new("phone", ParameterKind.Phone, Needed: true),
        Owner = new("owner", ParameterKind.Owner),
        Sale = new("sale", ParameterKind.Earlier, Needed: true),
        Shop = new("shop", ParameterKind.Shop, Needed: true),
        Set = new("set", ParameterKind.Switch, Needed: true),
        By = new("by", ParameterKind.OneOf("owner", "bank"));

    private static readonly string[]
        Done = ["done"],
        Simple = ["done", "refused"],
        Remote = ["done", "refused", "unreachable"],
        Adding = ["added", "code-needed", "fingerprint-needed", "interrupted", "refused"],
        Paying = ["approved", "declined", "pin-wanted", "see-phone", "card-removed", "no-card", "not-offered", "cancelled", "reversed", "reversal-pending", "refused"];

    public static IReadOnlyList<Verb> Table { get; } =
    [
        // the phone in its owner's hand
        new("ready", new("signed in, Find Device on, a finger enrolled", "已登录、查找手机已开启、指纹已录入"), [ThisPhone, Owner], Simple, static (stage, step) => stage.GetReady(step.Arguments)),
        new("holds", new("the phone is ready and has this card", "手机就绪且已添加该卡"), [Card, OnPhone, Owner], Simple, static (stage, step) => stage.Hold(step.Arguments)),
        new("sign-in", new("signs in to the account", "登录帐号"), [ThisPhone, Owner], Simple, static (stage, step) => stage.SignIn(step.Arguments)),
        new("sign-out", new("signs out on the phone", "在手机上退出帐号"), [ThisPhone], Done, static (stage, step) => stage.SignOut(step.Arguments)),
        new("find-device", new("turns Find Device on or off", "开启或关闭查找手机"), [ThisPhone, Set], Simple, static (stage, step) => stage.FindDevice(step.Arguments)),
        new("enrol-finger", new("enrols a fingerprint", "录入指纹"), [ThisPhone], Done, static (stage, step) => stage.EnrolFinger(step.Arguments)),
        new("remove-finger", new("removes the fingerprint", "删除指纹"), [ThisPhone], Done, static (stage, step) => stage.RemoveFinger(step.Arguments)),
        new("fingerprint-function", new("turns the fingerprint function on or off", "开启或关闭指纹功能"), [ThisPhone, Set], Done, static (stage, step) => stage.FingerprintFunction(step.Arguments)),
        new("add", new("adds a card: typed, read from the plastic, or photographed", "添加银行卡：手输、碰卡或拍照"),
            [
                Card, OnPhone, new("by", ParameterKind.OneOf("typing", "nfc", "camera")), new("number", ParameterKind.OneOf("right", "mistyped", "unknown")), new("plastic", ParameterKind.OneOf("first", "new")),
                new("bank", new("a bank with a range in the directory, such as CCB", static (text, _, _) => CardDirectory.Load().Bins.Any(row => row.Bank == text))), new("kind", ParameterKind.OneOf("debit", "credit", "quasi-credit", "prepaid")), new("name", ParameterKind.Words),
                new("id-number", ParameterKind.Words), new("mobile", ParameterKind.Words), new("expiry", ParameterKind.Words), new("cvn2", ParameterKind.Words),
            ], Adding, static (stage, step) => stage.Add(step.Arguments)),
        new("resume-adding", new("goes on where adding was interrupted", "继续被中断的添加"), [Card, OnPhone], [.. Adding, "nothing"], static (stage, step) => stage.ResumeAdding(step.Arguments)),
        new("verify", new("types the bank's code", "输入银行验证码"), [Card, OnPhone, new("code", ParameterKind.OneOf("right", "wrong", "empty"))], Adding, static (stage, step) => stage.Verify(step.Arguments)),
        new("bank-app", new("in the bank's own app: signs in, and confirms or refuses the card that is being added", "在银行应用中登录，确认或拒绝添加"),
            [Card, OnPhone, new("password", ParameterKind.OneOf("right", "wrong")), new("customer", ParameterKind.OneOf("own", "other")), new("ask", ParameterKind.Choice), new("answer", ParameterKind.OneOf("confirm", "refuse"))], ["confirmed", "turned-down", "wrong-password", "locked", "refused", "unreachable"], static (stage, step) => stage.BankApp(step.Arguments)),
        new("resend", new("asks for a new code", "重新获取验证码"), [Card, OnPhone], ["code-needed", "interrupted", "refused"], static (stage, step) => stage.Resend(step.Arguments)),
        new("delete", new("removes the card from the phone", "从手机删除银行卡"), [Card, OnPhone], Simple, static (stage, step) => stage.Delete(step.Arguments)),
        new("default", new("makes a card the default", "设为默认卡"), [Card, OnPhone], Simple, static (stage, step) => stage.SetDefault(step.Arguments)),
        new("offline", new("aeroplane mode", "打开飞行模式"), [ThisPhone], Done, static (stage, step) => stage.Offline(step.Arguments)),
        new("online", new("the network is back, and the phone catches up", "恢复网络，手机同步"), [ThisPhone], Done, static (stage, step) => stage.Online(step.Arguments)),
        new("power", new("the phone is switched on or off", "手机开机或关机"), [ThisPhone, Set], Done, static (stage, step) => stage.Power(step.Arguments)),

        // at the till
        new("pin", new("what the holder types from now on", "持卡人此后输入的密码"), [new("types", ParameterKind.OneOf("right", "wrong", "none", "cancel"), Needed: true)], Done, static (stage, step) => stage.Pin(step.Arguments)),
        new("tap", new("wakes the phone, chooses, verifies, holds it to the terminal", "唤起、选卡、验指纹、挥手机"),
            [Shop, new("amount", ParameterKind.Money, Needed: true), AnyCard, OnPhone, new("finger", ParameterKind.OneOf("yes", "no", "late", "other")), new("wake", ParameterKind.OneOf("reader", "gesture"))],
            Paying, static (stage, step) => stage.Tap(step.Arguments, step.As)),
        new("tap-plastic", new("holds the plastic itself to the terminal", "用实体卡挥卡"), [Shop, new("amount", ParameterKind.Money, Needed: true), Card], Paying, static (stage, step) => stage.TapPlastic(step.Arguments, step.As)),
        new("insert-plastic", new("puts the plastic itself into the terminal's slot", "用实体卡插卡"), [Shop, new("amount", ParameterKind.Money, Needed: true), Card], Paying, static (stage, step) => stage.InsertPlastic(step.Arguments, step.As)),
        new("void", new("the merchant voids a sale of this batch", "商户撤销本批次的消费"), [Sale, new("shop", ParameterKind.Shop), AnyCard, OnPhone], ["voided", .. Paying], static (stage, step) => stage.Void(step.Arguments)),
        new("batch-close", new("the shop closes its batch", "商户批结算"), [Shop], ["balanced", "not-balanced", "empty", "unfinished", "no-answer"], static (stage, step) => stage.CloseBatch(step.Arguments)),
        new("refund", new("the merchant refunds a settled sale, all that is left of it or a part", "商户对已结算的消费退货，可部分退"),
            [Sale, new("amount", ParameterKind.Money), new("shop", ParameterKind.Shop), AnyCard, OnPhone], ["refunded", "refund-pending", "declined", "refused", "see-phone", "no-card", "card-removed", "cancelled"], static (stage, step) => stage.Refund(step.Arguments)),
        new("resolve", new("the terminal sends the reversals that it keeps", "终端补发冲正"), [Shop], Simple, static (stage, step) => stage.Resolve(step.Arguments)),
        new("replay", new("a thief sends the same cryptogram in a new message", "盗用者以新报文重放密文"), [Sale], ["declined", "approved", "no-answer", "nothing-overheard"], static (stage, step) => stage.Replay(step.Arguments)),

        // the web site of the wallet
        new("payment-off", new("on the web site: payment off for this phone", "在网站上关闭该手机的支付"), [ThisPhone], Remote, static (stage, step) => stage.PaymentOff(step.Arguments)),
        new("lost-mode", new("on the web site: lost mode on or off", "在网站上开启或关闭丢失模式"), [ThisPhone, Set], Remote, static (stage, step) => stage.LostMode(step.Arguments)),
        new("remote-sign-out", new("on the web site: signs the phone out", "在网站上退出该手机的帐号"), [ThisPhone], Remote, static (stage, step) => stage.RemoteSignOut(step.Arguments)),
        new("remote-find-device-off", new("on the web site: Find Device off", "在网站上关闭查找手机"), [ThisPhone], Remote, static (stage, step) => stage.RemoteFindDeviceOff(step.Arguments)),

        // the bank
        new("suspend", new("holds one device card", "暂停一张设备卡"), [Card, OnPhone, By], Remote, static (stage, step) => stage.Suspend(step.Arguments)),
        new("resume", new("lifts the hold on one device card", "恢复一张设备卡"), [Card, OnPhone, By], Remote, static (stage, step) => stage.Resume(step.Arguments)),
        new("report-lost", new("the hotline reports the bank card lost", "客服挂失银行卡"), [Card, new("how", ParameterKind.OneOf("lost", "stolen"))], Remote, static (stage, step) => stage.ReportLost(step.Arguments)),
        new("lift", new("the hotline lifts the report", "客服解除挂失"), [Card], Remote, static (stage, step) => stage.Lift(step.Arguments)),
        new("limit", new("the bank limits what one device card may spend; none lifts it", "银行设置单张设备卡限额，不填即取消"),
            [Card, OnPhone, new("payment", ParameterKind.Money), new("day", ParameterKind.Money)], Remote, static (stage, step) => stage.Limit(step.Arguments)),
        new("replace-plastic", new("the bank replaces the plastic: a new number, or the same with a new expiry", "银行换发新卡：新卡号，或原卡号新有效期"),
            [Card, new("policy", ParameterKind.OneOf("delete", "move")), new("number", ParameterKind.OneOf("new", "same"))], Remote, static (stage, step) => stage.ReplacePlastic(step.Arguments)),
        new("close-account", new("the account behind the card is closed", "卡片账户销户"), [Card], Remote, static (stage, step) => stage.CloseAccount(step.Arguments)),
        new("unlock-pin", new("the counter opens PIN entry again", "柜面解锁密码"), [Card], Remote, static (stage, step) => stage.UnlockPin(step.Arguments)),
        new("look-up", new("whose are the four digits on the slip?", "签购单上的四位尾号是谁的？"), [Sale], ["found", "unknown"], static (stage, step) => stage.LookUp(step.Arguments)),

        // network, power, time
        new("link", new("what happens to the next message of a wire, or to the wire", "线路上的下一条报文或线路本身的故障"),
            [
                new("wire", new("a wire: pos-line, acquirer-network, network-token, network-issuer-BANK, phone-wallet, wallet-token, token-wallet, token-issuer or issuer-token", static (text, cast, _) => cast.WireNames.Contains(text)), Needed: true), new("drop", ParameterKind.OneOf("request", "answer")),
                new("delay", ParameterKind.Duration), new("duplicate", ParameterKind.Duration), new("cut", ParameterKind.Switch),
            ], Done, static (stage, step) => stage.Link(step.Arguments)),
        new("after", new("time passes", "时间流逝"), [new("time", ParameterKind.Duration, Needed: true)], Done, static (stage, step) => stage.After(step.Arguments)),
        new("restart", new("power fails and comes back: server, a phone or a shop's terminal", "断电后重启：服务器、手机或终端"),
            [new("who", new("server, a handset or a shop", static (text, cast, _) => text == "server" || cast.Handsets.Any(one => one.Id == text) || cast.Tills.Any(one => one.Id == text)), Needed: true)],
            Done, static (stage, step) => stage.Restart(step.Arguments)),
    ];
}
