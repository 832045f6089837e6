using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Terminal;

namespace Majia.Host.Ui;

/// <summary>A small story that plays on the counter: the same hands, phones and terminals as a visitor's.</summary>
/// <param name="Id">As the address has it: <c>/?play=offline-pay</c>.</param>
public sealed record Play(string Id, Func<Player, Task> Acts);

/// <summary>Whose hands play: each act says what it does, and waits until it has happened.</summary>
public sealed class Player(Stand stand, CancellationToken stop)
{
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(1500), Patience = TimeSpan.FromSeconds(45);

    public Stand Stand => stand;

    /// <summary>Says it, does it, and lets people read.</summary>
    public async Task ActAsync(string en, string zh, Func<Task>? act = null)
    {
        stop.ThrowIfCancellationRequested();
        stand.Narrate(new Text(en, zh));
        await Task.Delay(Breath, stand.System.Time, stop);
        if (act is not null)
        {
            await act();
        }
    }

    /// <summary>A phone that is ready, with this card live on it.</summary>
    public async Task WithCardAsync(string card = "mingyue-02")
    {
        if (stand.Counter.Now.Busy)
        {
            stand.Counter.Cancel();
            await UntilAsync(() => !stand.Counter.Now.Busy);
        }

        if (stand.Phone.AeroplaneMode)
        {
            await stand.SetAeroplaneAsync(false);
        }

        await ReadyAsync();
        if (!stand.Cards.Any(one => one.State == EnrolmentState.Active))
        {
            await AddAsync(card);
        }
    }

    /// <summary>A phone at the shop, with everything that R4 wants.</summary>
    public async Task ReadyAsync()
    {
        stand.ChooseReader(stand.TerminalId);
        if (stand.Phone.Conditions().Count > 0 || !stand.Phone.Trusted.HasFingerprint)
        {
            await ActAsync("First the phone: account, Find Device, fingerprint.", "先准备手机：帐号、查找手机、指纹。", () => stand.PrepareAsync());
        }
    }

    /// <summary>Adds a test card, with the bank's code where it wants one.</summary>
    /// <param name="isNew">A plastic that the bank has just sent, by the bank's id.</param>
    public async Task AddAsync(string card, bool isNew = false)
    {
        await stand.OpenAsync(PhoneApp.AddCard);
        await ActAsync("A card is added: bank, token service and chip talk.", "添加银行卡：银行、标记服务与芯片交互。", () => isNew ? stand.AddNewPlasticAsync(card) : stand.AddTestCardAsync(card));
        if (stand.Waiting is not null && stand.Messages().FirstOrDefault(message => message.Code is not null)?.Code is { } code)
        {
            await ActAsync("The bank's code has come by SMS.", "银行验证码短信已到。", () => stand.EnterCodeAsync(code));
        }
    }

    /// <summary>One payment, from the amount to the outcome.</summary>
    public async Task PayAsync(long minor = 88_00)
    {
        await stand.OpenAsync(PhoneApp.None);
        stand.NextCustomer();
        stand.SetAmount(minor);
        await ActAsync("The cashier rings up the amount.", "收银员输入金额。", () => Now(stand.Sell));
        await ActAsync("The wallet wakes, a card is chosen.", "唤起钱包，选择银行卡。", async () =>
        {
            await stand.WakeAsync();
            if (stand.Phone.Screen.Kind == ScreenKind.Cards && stand.Cards.FirstOrDefault(card => card.State == EnrolmentState.Active) is { } first)
            {
                await stand.ChooseCardAsync(first.CardReference);
            }
        });
        await ActAsync("A finger on the sensor makes it ready.", "验证指纹后进入可刷卡状态。", () => stand.FingerAsync());
        await ActAsync("The phone is held to the terminal.", "将手机靠近收银机。", () => stand.TapAsync());
        await UntilAsync(() => !stand.Counter.Now.Busy || stand.Counter.Now.Pin is not null);
    }

    public static Task Now(Action act)
    {
        act();
        return Task.CompletedTask;
    }

    /// <summary>Until it is so: asked again with every change.</summary>
    public async Task UntilAsync(Func<bool> so)
    {
        var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look()
        {
            if (so())
            {
                changed.TrySetResult();
            }
        }

        stand.Changed += Look;
        try
        {
            Look();
            await changed.Task.WaitAsync(Patience, stand.System.Time, stop);
        }
        finally
        {
            stand.Changed -= Look;
        }
    }
}

/// <summary>The plays, by the question that they answer.</summary>
public static class Plays
{
    public static readonly IReadOnlyList<Play> All =
    [
        new("pay", async play =>
        {
            await play.WithCardAsync();
            await play.PayAsync();
            await play.ActAsync("The phone says card read; the outcome stands on the terminal, and on the slip.", "手机显示刷卡成功；结果以终端和签购单为准。");
        }),
        new("conditions", async play =>
        {
            await play.Stand.OpenAsync(PhoneApp.AddCard);
            await play.ActAsync("Whatever is missing is named at once, all of it, with its switch beside it.", "缺少的条件会一次性全部列出，旁边就是开关。", () => play.Stand.AddTestCardAsync("mingyue-02"));
        }),
        new("add", async play =>
        {
            await play.WithCardAsync();
            await play.ActAsync("The phone holds a number of its own; the plastic's is not on it.", "手机中是专属的设备卡号，没有实体卡号。", () => play.Stand.OpenAsync(PhoneApp.Wallet));
        }),
        new("rewards", async play =>
        {
            await play.WithCardAsync();
            await play.PayAsync();
            await play.ActAsync("The points are on the plastic's own account.", "积分计入实体卡的同一账户。", () => Player.Now(() => play.Stand.OpenDrawer("bank")));
        }),
        new("two-phones", async play =>
        {
            await play.WithCardAsync();
            play.Stand.ChoosePhone("mi5s");
            await play.ActAsync("Another phone, the same card.", "换一部手机，添加同一张卡。");
            await play.WithCardAsync();
            await play.ActAsync("Two phones, two device numbers, one plastic card.", "两部手机、两个设备卡号，对应同一张实体卡。", () => Player.Now(() => play.Stand.OpenDrawer("bank")));
        }),
        new("remove", async play =>
        {
            await play.WithCardAsync();
            await play.Stand.OpenAsync(PhoneApp.Wallet);
            await play.ActAsync("The card is removed from the phone: dead in the chip at once.", "从手机移除银行卡，芯片中立即失效。", () => play.Stand.DeleteCardAsync(play.Stand.Cards.First().CardReference));
            await play.ActAsync("At the bank the plastic is as it was.", "银行侧实体卡不受影响。", () => Player.Now(() => play.Stand.OpenDrawer("bank")));
        }),
        new("offline-add", async play =>
        {
            await play.WithCardAsync();
            await play.ActAsync("Aeroplane mode on.", "开启飞行模式。", () => play.Stand.SetAeroplaneAsync(true));
            await play.Stand.OpenAsync(PhoneApp.AddCard);
            await play.ActAsync("Adding a card needs the network: it says so, and nothing is half-added.", "添加需要网络：会明确提示，不会留下半成品。", () => play.Stand.AddTestCardAsync("mingyue-03"));
        }),
        new("eight", async play =>
        {
            await play.WithCardAsync("mingyue-03");
            foreach (var card in (string[])["mingyue-08", "mingyue-09", "mingyue-10", "mingyue-11", "mingyue-12", "beishan-02", "shahu-03", "mingyue-01"])
            {
                if (play.Stand.Phone.State.Cards.Length >= 8)
                {
                    break;
                }

                await play.AddAsync(card);
            }

            await play.ActAsync("The ninth is refused, kindly.", "第九张会被婉拒。", () => play.Stand.AddTestCardAsync("shahu-02"));
        }),
        new("no-chip", async play =>
        {
            await play.WithCardAsync("mingyue-14");
            await play.PayAsync();
            await play.ActAsync("The plastic has no contactless chip; the phone pays for it all the same.", "实体卡没有闪付芯片，手机支付照常可用。");
        }),
        new("offline-pay", async play =>
        {
            await play.WithCardAsync();
            await play.ActAsync("Aeroplane mode on: the phone has no network.", "开启飞行模式：手机没有网络。", () => play.Stand.SetAeroplaneAsync(true));
            await play.PayAsync();
            await play.ActAsync("Paid. The chip needs no network; the terminal's line does the asking.", "付款成功。芯片不需要网络，联网的是终端。");
        }),
        new("void", async play =>
        {
            await play.WithCardAsync();
            await play.PayAsync();
            await play.ActAsync("The merchant voids it by its voucher number.", "商户凭凭证号撤销。", () => Player.Now(() => play.Stand.Void(play.Stand.Counter.Terminal.Journal(1)[0].Request.Stan)));
            await play.UntilAsync(() => play.Stand.Counter.Now.Result is { Outcome: SaleOutcome.Voided });
            await play.ActAsync("Money and points are where they were.", "款项与积分恢复原状。", () => Player.Now(() => play.Stand.OpenDrawer("bank")));
        }),
        new("digits", async play =>
        {
            await play.WithCardAsync();
            await play.PayAsync();
            await play.ActAsync("The slip ends with the device number's digits. Only the bank knows whose they are.", "签购单上是设备卡号的后四位，只有银行知道它属于哪张实体卡。", () => Player.Now(() => play.Stand.OpenDrawer("bank")));
        }),
        new("banks", async play =>
        {
            await play.ReadyAsync();
            await play.Stand.OpenAsync(PhoneApp.AddCard);
            await play.ActAsync("A card with VISA alone: refused, and why.", "仅有 VISA 标识的卡：拒绝并说明原因。", () => play.Stand.AddTestCardAsync("visa-only"));
            await play.ActAsync("A dual-brand card that begins with 4 is a UnionPay card too.", "以 4 开头的双标卡同样是银联卡。", () => play.Stand.AddTestCardAsync("shahu-03"));
        }),
        new("transit", async play =>
        {
            await play.ReadyAsync();
            play.Stand.ChooseReader("gate:in-1");
            await play.Stand.LookAtTransitAsync();
            if (play.Stand.Transit is null)
            {
                await play.ActAsync("A transit card is added: it lives in the chip alone.", "添加公交卡：它只存在于芯片中。", () => play.Stand.AddTransitAsync());
            }

            if (play.Stand.Transit is { Balance.Minor: < Stand.TopUpMinor })
            {
                await play.ActAsync("It is topped up.", "充值。", () => play.Stand.TopUpTransitAsync());
            }

            await play.Stand.OpenAsync(PhoneApp.None);
            await play.ActAsync("Screen off, no finger, no network: the gate opens.", "息屏、无指纹、无网络：闸机打开。", () => play.Stand.TapAsync());
            play.Stand.ChooseReader("gate:out-8");
            await play.ActAsync("Seven stations on, the fare is taken.", "七站之后出站扣费。", () => play.Stand.TapAsync());
            await play.ActAsync("The balance is in the phone.", "余额在手机中可见。", () => play.Stand.OpenAsync(PhoneApp.Wallet));
        }),
        new("card-lost", async play =>
        {
            await play.WithCardAsync();
            if (play.Stand.System.Issuers.GetValueOrDefault(SeedData.Banks[0].Institution) is not { } bank)
            {
                await play.ActAsync("The bank runs in another process.", "发卡行在另一进程中运行。");
                return;
            }

            const string Card = "mingyue-02";
            await play.ActAsync("The bank's hotline takes the report: the card is lost.", "银行客服受理挂失。", async () =>
            {
                play.Stand.OpenDrawer("bank");
                await bank.Desk.ReportLostAsync(Card);
                play.Stand.Told();
            });
            await play.PayAsync();
            await play.UntilAsync(() => play.Stand.Counter.Now is { Busy: false });
            await play.ActAsync("Declined: a lost card's device cards do not pay either.", "交易被拒：挂失后其设备卡同样不能付款。");
            await play.Stand.OpenAsync(PhoneApp.Wallet);
            await play.ActAsync("The old card leaves the phone.", "从手机移除旧卡。", () => play.Stand.DeleteCardAsync(play.Stand.Cards.First().CardReference));
            string? fresh = null;
            await play.ActAsync("The bank sends a new plastic.", "银行换发新卡。", async () =>
            {
                if ((await bank.Desk.ReplaceAsync(Card)).Done is { } done)
                {
                    play.Stand.Receive(Card, done);
                    fresh = done.New.Card;
                }

                play.Stand.Told();
            });
            await play.AddAsync(fresh ?? Card, fresh is not null);
            await play.ActAsync("The new one is added, and has a new device number.", "添加新卡后，设备卡号也是新的。", () => play.Stand.OpenAsync(PhoneApp.Wallet));
        }),
        new("payment-off", async play =>
        {
            await play.WithCardAsync();
            await play.ActAsync("The phone is gone, and offline. Its owner turns payment off on the site.", "手机丢失且离线，机主在网站上关闭支付。", async () =>
            {
                await play.Stand.SetAeroplaneAsync(true);
                if (play.Stand.Phone.State is { Account: { } account, DeviceId: { } device } && (await play.Stand.System.Wallet.DevicesAsync(account)).Any(row => row.DeviceId == device))
                {
                    await play.Stand.System.Wallet.PaymentOffAsync(device);
                }
            });
            await play.PayAsync();
            await play.ActAsync("Declined: the token service knew at once, whether the phone was reached or not.", "交易被拒：无论手机是否在线，标记服务立即生效。");
        }),
        new("sign-out", async play =>
        {
            await play.WithCardAsync();
            await play.Stand.OpenAsync(PhoneApp.Settings);
            await play.ActAsync("Signing out kills every payment card in the chip, at once, even offline.", "退出登录会立即清除芯片中的全部支付卡，离线也生效。", () => play.Stand.SignOutAsync());
            await play.Stand.OpenAsync(PhoneApp.Wallet);
            await play.ActAsync("None is left.", "银行卡已全部移除。");
        }),
    ];

    public static Play? Find(string? id) => All.FirstOrDefault(play => play.Id == id);
}
