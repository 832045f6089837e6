using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;

namespace Majia.Host.Seed;

/// <param name="Track">stable or developer (R3).</param>
/// <param name="Outcome">What this handset is there to show.</param>
public sealed record SeedHandset(string Id, string Model, string Track, string Version, bool Supported, Text Outcome);

/// <param name="AlwaysAsksPin">The merchant's own rule, beside the bank's.</param>
/// <param name="CategoryCode">F18, MCC.</param>
/// <param name="OfflineLimit">Minor units up to which a card may approve by itself; 0: every payment asks the bank.</param>
public sealed record SeedMerchant(string Merchant, string Terminal, Text Name, string CategoryCode, bool AlwaysAsksPin, bool VoidNeedsTap, long OfflineLimit = 0);

/// <summary>An account at the wallet cloud. The password is a demonstration's.</summary>
public sealed record SeedWalletAccount(string Account, string Password, Text Holder);

/// <summary>Everything that exists before the first tap: three invented banks, their customers and cards, handsets, shops. No real person, number or bank.</summary>
public static class SeedData
{
    public const int Version = 4;

    /// <summary>The six digits that every test card has as PIN, unless its row says otherwise.</summary>
    public const string TestPin = "123456";

    private static readonly SeedCustomer
        Lin = new("lin-xiaoyun", "林晓云", "LIN XIAOYUN", "990104199203120021", "12900000001", "2035-03-12") { AppPassword = "majia-bank-1" },
        Zhao = new("zhao-beichen", "赵北辰", "ZHAO BEICHEN", "990104198807230039", "12900000002", "2034-07-23") { AppPassword = "majia-bank-2" },
        Shen = new("shen-ruoxi", "沈若溪", "SHEN RUOXI", "990104199511080045", null, "2033-11-08"),
        Qin = new("qin-mubai", "秦慕白", "QIN MUBAI", "990104197902280052", "12900000004", "2024-02-28"),
        Ye = new("ye-zhiqiu", "叶知秋", "YE ZHIQIU", "990104200001010066", "12900000005", "2036-01-01") { AppPassword = "majia-bank-5" },
        Gu = new("gu-changfeng", "顾长风", "GU CHANGFENG", "990104198312150073", "12900000006", "2033-12-15") { AppPassword = "majia-bank-3" };

    public static IReadOnlyList<SeedBank> Banks { get; } =
    [
        new("63990100", new("Mingyue Bank", "明月银行"), Version,
            [Lin, Shen, Qin, Ye],
            [
                //  account, customer, kind, balance, credit limit (fen)
                new("mingyue-lin-debit", "lin-xiaoyun", CardKind.Debit, 1_288_800),
                new("mingyue-lin-credit", "lin-xiaoyun", CardKind.Credit, 0, 2_000_000),
                new("mingyue-shen-debit", "shen-ruoxi", CardKind.Debit, 500_000),
                new("mingyue-qin-debit", "qin-mubai", CardKind.Debit, 500_000),
                new("mingyue-ye-debit", "ye-zhiqiu", CardKind.Debit, 500_000),
                new("mingyue-ye-empty", "ye-zhiqiu", CardKind.Debit, 5_00),
                new("mingyue-ye-credit", "ye-zhiqiu", CardKind.Credit, 0, 1_000_000),
            ],
            [
                //  card, account, customer, BIN, serial, length, kind, what it shows
                new("mingyue-01", "mingyue-lin-debit", "lin-xiaoyun", "629901", 1, 19, CardKind.Debit, new("Everyday debit card: SMS code, then pays; PIN over 1000.00.", "日常借记卡：短信验证后可用；超过 1000.00 元须验密。")),
                new("mingyue-02", "mingyue-lin-credit", "lin-xiaoyun", "629901", 2, 16, CardKind.Credit, new("Everyday credit card: expiry and CVN2, SMS code, then pays.", "日常信用卡：须填有效期和校验码，短信验证后可用。")),
                new("mingyue-03", "mingyue-ye-debit", "ye-zhiqiu", "629901", 3, 19, CardKind.Debit, new("Green: added without any code.", "绿色通道：无需验证码即可添加。"), Risk: EnrolmentRisk.Green),
                new("mingyue-04", "mingyue-ye-debit", "ye-zhiqiu", "629901", 4, 19, CardKind.Debit, new("Red: the bank's risk rules refuse it.", "红色：银行风控拒绝添加。"), Risk: EnrolmentRisk.Red),
                new("mingyue-05", "mingyue-shen-debit", "shen-ruoxi", "629901", 5, 19, CardKind.Debit, new("No phone on file: refused.", "未预留手机号：拒绝添加。")),
                new("mingyue-06", "mingyue-qin-debit", "qin-mubai", "629901", 6, 19, CardKind.Debit, new("Identity document expired: refused.", "证件已过期：拒绝添加。")),
                new("mingyue-07", "mingyue-ye-debit", "ye-zhiqiu", "629901", 7, 19, CardKind.Debit, new("Reported lost: refused, 41 at a terminal.", "已挂失：拒绝添加，终端交易返回 41。"), State: CardState.Lost),
                new("mingyue-08", "mingyue-ye-empty", "ye-zhiqiu", "629901", 8, 19, CardKind.Debit, new("5.00 on the account: anything above is 51.", "余额 5.00 元：超出返回 51。"), Risk: EnrolmentRisk.Green),
                new("mingyue-09", "mingyue-ye-debit", "ye-zhiqiu", "629901", 9, 19, CardKind.Debit, new("At most 500.00 for one transaction: above is 61.", "单笔限额 500.00 元：超出返回 61。"), Risk: EnrolmentRisk.Green, AmountLimit: 50_000),
                new("mingyue-10", "mingyue-ye-debit", "ye-zhiqiu", "629901", 10, 19, CardKind.Debit, new("PIN always; in the slot its own chip verifies it.", "每笔均须验密；插卡时由芯片自行验证密码。"), Risk: EnrolmentRisk.Green, PinPolicy: PinPolicy.Always, OfflinePin: true),
                new("mingyue-11", "mingyue-ye-debit", "ye-zhiqiu", "629901", 11, 19, CardKind.Debit, new("PIN never (unless the shop asks).", "银行不要求验密（商户要求除外）。"), Risk: EnrolmentRisk.Green, PinPolicy: PinPolicy.Never),
                new("mingyue-12", "mingyue-ye-debit", "ye-zhiqiu", "629901", 12, 19, CardKind.Debit, new("PIN locked: 75 at a terminal.", "密码已锁定：终端交易返回 75。"), Risk: EnrolmentRisk.Green, PinLocked: true),
                new("mingyue-13", "mingyue-ye-credit", "ye-zhiqiu", "629901", 13, 16, CardKind.Credit, new("Expired: refused.", "已过期：拒绝添加。"), Expiry: "2406"),
                new("mingyue-14", "mingyue-lin-debit", "lin-xiaoyun", "629901", 14, 19, CardKind.Debit, new("Plastic without a contactless chip: pays by phone all the same (R12).", "实体卡无闪付芯片：手机支付照常可用（R12）。"), Contactless: false),
                new("mingyue-15", "mingyue-ye-debit", "ye-zhiqiu", "629901", 15, 19, CardKind.Debit, new("Plastic with a magnetic stripe only: the number is typed, and the phone pays (R12).", "仅有磁条的实体卡：手动输入卡号后，手机支付照常可用（R12）。"), Risk: EnrolmentRisk.Green, Contactless: false, HasChip: false),
                new("mingyue-16", "mingyue-ye-debit", "ye-zhiqiu", "629901", 16, 19, CardKind.Debit, new("500.00 of electronic cash on the chip: it approves small amounts by itself where the shop takes that.", "芯片内有 500.00 元电子现金：在受理脱机消费的商户可小额脱机支付。"), Risk: EnrolmentRisk.Green, ElectronicCash: 50_000),
            ]) { Agents = [new("li-na", "majia-agent-1"), new("he-ming", "majia-agent-2")] },
        new("63990200", new("Beishan Bank", "北山银行"), Version,
            [Zhao],
            [
                new("beishan-zhao-credit", "zhao-beichen", CardKind.Credit, 0, 3_000_000),
                new("beishan-zhao-gold", "zhao-beichen", CardKind.Credit, -1_200_000, 5_000_000),
            ],
            [
                new("beishan-01", "beishan-zhao-credit", "zhao-beichen", "629902", 1, 16, CardKind.Credit, new("A bank that takes credit cards only.", "该行仅支持信用卡。")),
                new("beishan-02", "beishan-zhao-gold", "zhao-beichen", "629902", 2, 16, CardKind.Credit, new("Credit card with a debt: what is left of the limit counts.", "已有欠款的信用卡：以剩余额度为准。"), Risk: EnrolmentRisk.Green),
                new("beishan-03", "beishan-zhao-gold", "zhao-beichen", "629902", 3, 16, CardKind.Credit, new("500.00 of electronic cash on a chip that signs in SM2.", "芯片内有 500.00 元电子现金，芯片采用 SM2 签名。"), Risk: EnrolmentRisk.Green, ElectronicCash: 50_000),
                new("beishan-04", "beishan-zhao-credit", "zhao-beichen", "629906", 4, 16, CardKind.Credit, new("In a phone for less than three days: at most 500.00 a payment and 800.00 a day, above is 61.", "设备卡添加未满三天：单笔限额 500.00 元、单日限额 800.00 元，超出返回 61。"), Risk: EnrolmentRisk.Green),
            ]) { NewCardLimits = [new("629906", 3, 50_000, 80_000)], Agents = [new("wang-lei", "majia-agent-3")] },
        new("63990300", new("Shahu Bank", "沙湖银行"), Version,
            [Gu],
            [
                new("shahu-gu-debit", "gu-changfeng", CardKind.Debit, 860_000),
                new("shahu-gu-credit", "gu-changfeng", CardKind.Credit, 0, 1_500_000),
                new("shahu-gu-dual", "gu-changfeng", CardKind.Credit, 0, 1_500_000),
                new("shahu-gu-quasi", "gu-changfeng", CardKind.QuasiCredit, 300_00, 500_00),
                new("shahu-gu-prepaid", "gu-changfeng", CardKind.Prepaid, 200_00),
            ],
            [
                new("shahu-01", "shahu-gu-debit", "gu-changfeng", "629903", 1, 19, CardKind.Debit, new("Debit card of the 31st bank.", "第 31 家银行的借记卡。")),
                new("shahu-02", "shahu-gu-credit", "gu-changfeng", "629903", 2, 16, CardKind.Credit, new("Credit card of the 31st bank.", "第 31 家银行的信用卡。")),
                new("shahu-03", "shahu-gu-dual", "gu-changfeng", "411111", 3, 16, CardKind.Credit, new("Dual brand, begins with 4: a UnionPay card too, so it qualifies (R12).", "双标卡，卡号以 4 开头：也是银联卡，可以添加（R12）。"), Brands: "UNIONPAY+VISA", Risk: EnrolmentRisk.Green),
                new("shahu-04", "shahu-gu-quasi", "gu-changfeng", "629904", 4, 16, CardKind.QuasiCredit, new("Quasi-credit: 300.00 of the holder's own, then 500.00 of overdraft; more is 51.", "准贷记卡：存款 300.00 元，另可透支 500.00 元，超出返回 51。"), Risk: EnrolmentRisk.Green),
                new("shahu-05", "shahu-gu-prepaid", "gu-changfeng", "629905", 5, 19, CardKind.Prepaid, new("Prepaid: 200.00 and not a fen more.", "预付卡：余额 200.00 元，不可透支。"), Risk: EnrolmentRisk.Green),
            ]) { MovesTokensOf = ["629903"], Agents = [new("ma-yan", "majia-agent-4")] },
    ];

    /// <summary>A card that no bank here has issued as UnionPay: refused before any bank is asked (R12).</summary>
    public static SeedCard VisaOnly { get; } = new(
        "visa-only", "", "", "400000", 1, 16, CardKind.Credit, new("VISA only: not a UnionPay card, refused.", "仅 VISA 标识：非银联卡，拒绝添加。"), Brands: "VISA");

    public static IReadOnlyList<SeedHandset> Handsets { get; } =
    [
        new("mi5", "Mi 5", "stable", "8.0.6.0", true, new("Supported; the oldest stable version that is.", "支持；稳定版的最低版本。")),
        new("mi5s", "Mi 5S", "stable", "8.1.0.0", true, new("Supported.", "支持。")),
        new("mi5s-plus", "Mi 5S Plus", "developer", "6.8.23", true, new("Supported; the oldest developer version that is.", "支持；开发版的最低版本。")),
        new("mi-note2", "Mi Note 2", "stable", "8.2.1.0", true, new("Supported.", "支持。")),
        new("mi-mix", "Mi MIX", "developer", "7.3.9", true, new("Supported; no home key, its own wake gesture.", "支持；无 Home 键，使用自己的唤起手势。")),
        new("mi4", "Mi 4", "stable", "8.2.1.0", false, new("Not supported: refused with the reason (R2).", "不支持：说明原因后拒绝（R2）。")),
    ];

    public static IReadOnlyList<SeedMerchant> Merchants { get; } =
    [
        new("990031058120001", "10000001", new("Morning Light Books", "晨光书店"), "5942", AlwaysAsksPin: false, VoidNeedsTap: false),
        new("990031059440002", "10000002", new("Spruce Jewellers", "云杉珠宝"), "5944", AlwaysAsksPin: true, VoidNeedsTap: true),
        new("990031058140003", "10000003", new("Harbour Canteen", "港湾食堂"), "5814", AlwaysAsksPin: false, VoidNeedsTap: false, OfflineLimit: 20_000),
    ];

    public static IReadOnlyList<SeedWalletAccount> WalletAccounts { get; } =
    [
        new("lin.xiaoyun", "majia-demo-1", new("Lin Xiaoyun", "林晓云")),
        new("zhao.beichen", "majia-demo-2", new("Zhao Beichen", "赵北辰")),
        new("gu.changfeng", "majia-demo-3", new("Gu Changfeng", "顾长风")),
    ];

    public static SeedBank Bank(string institution) => Banks.Single(bank => bank.Institution == institution);

    public static SeedCard Card(string id) => Find(id) ?? throw new ArgumentException($"there is no test card {id}", nameof(id));

    public static SeedCard? Find(string id) => Banks.SelectMany(bank => bank.Cards).Append(VisaOnly).FirstOrDefault(card => card.Id == id);

    /// <summary>The customer of a card; what a person types to add it stands there.</summary>
    public static SeedCustomer CustomerOf(SeedCard card) => Banks.SelectMany(bank => bank.Customers).First(customer => customer.Id == card.Customer);

    /// <summary>A card as its holder types it into the phone. Expiry and CVN2 only where the bank wants them.</summary>
    public static CardToEnrol AsTyped(SeedCard card)
    {
        if (card.Customer.Length == 0)
        {
            return new CardToEnrol(card.Pan.Reveal(), card.Expiry, card.Cvn2, null, null, null); // nobody's at any bank here
        }

        var customer = CustomerOf(card);
        var credit = card.Kind is CardKind.Credit or CardKind.QuasiCredit;
        return new CardToEnrol(card.Pan.Reveal(), credit ? card.Expiry : null, credit ? card.Cvn2 : null, customer.Name, customer.IdNumber, customer.Mobile);
    }
}
