using Majia.Core.Primitives;

namespace Majia.Host.Ui.Owner;

/// <summary>One question that owners ask, answered in our own words.</summary>
/// <param name="Play">The play that shows it on the counter.</param>
public sealed record HelpTopic(Text Question, Text Answer, string Play);

/// <summary>What owners ask, in the order in which they ask it.</summary>
public static class Help
{
    public static readonly IReadOnlyList<(Text Title, IReadOnlyList<HelpTopic> Topics)> Chapters =
    [
        (new("Getting started", "入门"),
        [
            new(new("What is this?", "这是什么？"), new("Your bank card in your phone. You hold the phone to a terminal that bears the QuickPass mark, and the card pays by the phone's chip.", "把银行卡装进手机。将手机靠近带有“云闪付”标识的终端，由手机芯片完成付款。"), "pay"),
            new(new("What do I need?", "需要满足什么条件？"), new("A phone on the list (Mi 5, 5S, 5S Plus, Note 2, MIX) with system 8.0.6.0 or later (developer builds: 6.8.23 or later), a signed-in account, the fingerprint function on, and Find Device on.", "支持的机型（小米 5、5S、5S Plus、Note 2、MIX），系统稳定版 8.0.6.0 及以上（开发版 6.8.23 及以上），已登录帐号，开启指纹功能和查找手机。"), "conditions"),
            new(new("How do I add a card?", "如何添加银行卡？"), new("Open the wallet, choose bank cards, add one. Type its number or lay the plastic on the phone's back; give the details that your bank asks for, and the code that it sends. If no fingerprint is enrolled yet, enrolling one is a step on the way.", "打开钱包，进入银行卡并添加：输入卡号，或将实体卡贴在手机背面；填写银行要求的信息和短信验证码即可。尚未录入指纹时，过程中会引导录入。"), "add"),
            new(new("How do I pay?", "如何付款？"), new("Hold the phone to the terminal, or wake the wallet with the screen off. Choose a card, verify your fingerprint, hold the phone to the terminal. If bank or shop want the card's PIN, you type it on the terminal, never on the phone.", "将手机靠近终端，或息屏时唤起钱包；选卡、验证指纹后再靠近终端。如银行或商户要求密码，请在终端键盘上输入，绝不在手机上输入。"), "pay"),
            new(new("Do I still get my points?", "还有积分和权益吗？"), new("Yes. A payment by phone counts on the same account as the plastic, with the same points and benefits.", "有。手机付款与实体卡计入同一账户，积分与权益相同。"), "rewards"),
        ]),
        (new("Cards", "银行卡"),
        [
            new(new("Can one card be on several phones?", "一张卡能添加到多部手机吗？"), new("On up to ten, each with a device number of its own; on any one phone it can be once.", "最多 10 部手机，每部手机使用各自的设备卡号；同一部手机只能添加一次。"), "two-phones"),
            new(new("Does removing a card touch the plastic?", "移除后实体卡还能用吗？"), new("No. Removing a card from the phone, or turning the service off, leaves the plastic as it was.", "能。从手机移除银行卡或关闭服务，都不影响实体卡。"), "remove"),
            new(new("Do I need the network to add a card?", "添加时需要联网吗？"), new("Yes: bank and chip exchange data. If the line breaks, the phone goes on where it stopped, and nothing half-added can ever pay.", "需要：银行与芯片要交换数据。中断后可继续，未完成的卡不能付款。"), "offline-add"),
            new(new("How many cards fit?", "能添加多少张卡？"), new("Eight on one phone.", "每部手机最多 8 张。"), "eight"),
            new(new("Which banks?", "支持哪些银行？"), new("Every UnionPay card of a bank in the directory, of a kind that the bank lets into phones. While you type its number the phone tells you whether it fits, and if not, why.", "目录内银行、且银行允许的卡种的银联卡均可。输入卡号时即会提示是否支持及原因。"), "banks"),
            new(new("My plastic has no contactless chip. Can it be added?", "实体卡没有闪付芯片，能添加吗？"), new("Yes. The phone has the chip. Only a card without the UnionPay brand cannot.", "能，手机自带芯片。只有不带银联标识的卡不能添加。"), "no-chip"),
        ]),
        (new("Paying", "付款"),
        [
            new(new("Do I need the network to pay?", "付款时需要联网吗？"), new("No. The phone only has to be on.", "不需要，手机开机即可。"), "offline-pay"),
            new(new("How is a payment undone?", "如何取消付款？"), new("As with plastic, by the shop's rules: voided the same day, refunded later. The shop may ask you to hold the phone to the terminal again.", "与实体卡相同，按商户规则当日撤销或事后退货；商户可能要求再次将手机靠近终端。"), "void"),
            new(new("And the metro?", "公交地铁呢？"), new("A transit card lives in the same chip. At a gate you just hold the phone: no fingerprint, no network, screen off. It stays when you sign out.", "公交卡与银行卡同在一颗芯片中。过闸时直接靠近即可，无需指纹、网络或亮屏；退出帐号后仍然保留。"), "transit"),
            new(new("Why does the slip show other digits than my card?", "签购单上的卡号后四位为什么不同？"), new("The phone has a number of its own: your card's vest, which only your bank and UnionPay recognise. Nobody at the shop ever sees your card's number.", "手机使用专属的设备卡号，就像给银行卡穿上只有银行和银联认得的马甲，商户看不到真实卡号。"), "digits"),
        ]),
        (new("Safety", "安全"),
        [
            new(new("I lost my card and have a new one.", "银行卡丢失并补办了新卡。"), new("Remove the old card from the phone and add the new one. Some banks move the device card to the new plastic by themselves.", "请从手机移除旧卡，再添加新卡。部分银行会自动将设备卡换绑到新卡。"), "card-lost"),
            new(new("I lost my phone.", "手机丢失或被盗。"), new("Turn payment off for it on this page. It takes effect at once, even if the phone is offline. If you may find it again, lost mode only suspends. Your bank's hotline stops the card itself.", "在本页关闭该手机的支付，立即生效，手机离线也有效。若可能找回，可先用丢失模式暂停；银行客服可挂失银行卡。"), "payment-off"),
            new(new("What happens when I sign out?", "退出帐号会怎样？"), new("Signing out, or turning Find Device off, removes every bank card from that phone at once. Transit cards stay.", "退出帐号或关闭查找手机，会立即移除该手机上的全部银行卡，公交卡保留。"), "sign-out"),
        ]),
    ];
}
