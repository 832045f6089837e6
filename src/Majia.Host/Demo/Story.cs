using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Desk;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;

namespace Majia.Host.Demo;

/// <summary>A payment as the story tells it.</summary>
/// <param name="PanLastFour">Of the plastic: the story-teller sees every party, which nobody else does.</param>
public sealed record StoryPayment(string? Rrn, string? TokenLastFour, string PanLastFour, Amount Amount, string? ResponseCode, string Cvm);

/// <summary>One step: what came out, what should have, and why.</summary>
/// <param name="Paper">What a printer printed, or empty.</param>
public sealed record StoryStep(string Step, Text Title, string Outcome, string Expected, Text Why, StoryPayment? Payment = null, string Paper = "")
{
    public bool Ok => Outcome == Expected;
}

/// <summary>From an empty phone to a voided payment, on the running system; each step says what it expects (decisions.md 32).</summary>
/// <param name="transit">With a top-up and a ride at the end: where the operator is a process of its own.</param>
public sealed partial class Story(MajiaSystem system, bool transit = false)
{
    private const string Handset = "mi5", Shop = "10000002", Finger = DemoOwner.Finger;

    private static readonly Amount Price = Amount.Cny(8_800);

    private static readonly Text RefusedHandset = new("A handset that is not on the list", "不在名单上的手机");

    private readonly SeedCard plastic = SeedData.Card("mingyue-02");
    private readonly List<ReadOnlyMemory<byte>> overheard = [];
    private string cardReference = "";
    private SaleResult? sale;
    private long pointsBefore;

    private PhoneDevice Phone => system.Phones[Handset];

    private TerminalDevice Terminal => system.Terminals[Shop];

    private BankWindow Bank => system.Windows[SeedData.Banks.First(bank => bank.Cards.Contains(plastic)).Institution];

    /// <summary>Tells the story step by step. A step that surprises does not stop it.</summary>
    public async IAsyncEnumerable<StoryStep> TellAsync()
    {
        yield return await RefuseHandsetAsync();
        yield return await AddCardAsync();
        yield return GoOffline();
        yield return await PayAsync();
        yield return PrintSlip();
        yield return await LastFourAsync();
        yield return await RewardsAsync();
        yield return await WithoutFingerprintAsync();
        yield return await ReplayAsync();
        yield return await VoidAsync();
        Phone.SetAeroplaneMode(false);
        await system.PumpAsync(CancellationToken.None);
        if (transit)
        {
            yield return await TopUpAsync();
            yield return await RideAsync();
        }
    }

    private async Task<StoryStep> RefuseHandsetAsync()
    {
        var (phone, account) = (system.Phones["mi4"], SeedData.WalletAccounts[2]);
        var reasons = await phone.SignInAsync(account.Account, account.Password);
        if (reasons.Count == 0)
        {
            await phone.SetFindDeviceAsync(true);
            await phone.EnrolFingerprintAsync(Finger);
            var outcome = await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("shahu-02")));
            reasons = outcome.Reasons;
            if (outcome.Step != EnrolmentStep.Refused)
            {
                return new StoryStep("refuse-handset", RefusedHandset, "accepted", "refused", Join(reasons));
            }
        }

        return new StoryStep("refuse-handset", RefusedHandset, "refused", "refused", Join(reasons));
    }

    private async Task<StoryStep> AddCardAsync()
    {
        var title = new Text($"Add the {Bank.Bank.En} credit card to a Mi 5", $"把{Bank.Bank.Zh}信用卡添加到小米手机 5");
        var account = SeedData.WalletAccounts[0];
        var owner = new DemoOwner(system, Handset);
        var missing = await owner.SignInAsync(account);
        if (missing.Count > 0)
        {
            return new StoryStep("add-card", title, "refused", "added", Join(missing));
        }

        // The story begins with an empty phone, also when it was told here before.
        foreach (var old in Phone.State.Cards)
        {
            await Phone.DeleteCardAsync(old.CardReference);
        }

        await system.PumpAsync(CancellationToken.None);

        var outcome = await owner.AddAsync(plastic);
        cardReference = outcome.CardReference ?? "";
        var card = Phone.State.Card(cardReference);
        return new StoryStep("add-card", title, outcome.Step == EnrolmentStep.Added ? "added" : "refused", "added", outcome.Step == EnrolmentStep.Added && card is not null
            ? new($"The bank's code was right; the chip holds a device card ending {card.Face.DeviceLastFour}, the plastic ends {plastic.Pan.LastFour}.", $"银行验证码正确；芯片中的设备卡尾号 {card.Face.DeviceLastFour}，实体卡尾号 {plastic.Pan.LastFour}。")
            : Join(outcome.Reasons));
    }

    private StoryStep GoOffline()
    {
        Phone.SetAeroplaneMode(true);
        var offline = Phone.Conditions().Any(missing => missing.Code == "OFFLINE");
        return new StoryStep("go-offline", new("Aeroplane mode", "打开飞行模式"), offline ? "offline" : "online", "offline",
            new("The phone's network is cut: adding a card is refused, paying will not need it.", "手机网络已切断：不能添加银行卡，但付款不需要网络。"));
    }

    private async Task<StoryStep> PayAsync()
    {
        pointsBefore = (await Bank.AccountAsync(plastic.Account)).Points;
        var hand = new HoldersHand(SeedData.TestPin);
        void Hear(ReadOnlyMemory<byte> frame) => overheard.Add(frame);
        system.PosLines[Shop].Overheard += Hear;
        try
        {
            await PickUpAsync();
            system.Fields[Shop].Present(Phone.Tap());
            sale = await Terminal.SellAsync(Price, system.Fields[Shop], hand, CancellationToken.None);
        }
        finally
        {
            system.PosLines[Shop].Overheard -= Hear;
        }

        var why = sale.Outcome == SaleOutcome.Approved && hand.Prompts.Count > 0
            ? hand.Prompts[^1].Why
            : sale.Why;
        return new StoryStep("pay", new($"Pay {Price} at {Terminal.Options.MerchantName.En}", $"在{Terminal.Options.MerchantName.Zh}支付 {Price} 元"), Word(sale.Outcome), "approved", why, Payment(sale));
    }

    private StoryStep PrintSlip()
    {
        var paper = sale?.Slip?.Print(SlipCopy.Cardholder) ?? "";
        // R19: the device number's last four stand there, the plastic's number nowhere.
        var right = sale?.LastFour is { } lastFour && paper.Contains(lastFour, StringComparison.Ordinal) && paper.Contains(sale.Rrn!, StringComparison.Ordinal)
            && !paper.Contains(plastic.Pan.Reveal(), StringComparison.Ordinal) && lastFour != plastic.Pan.LastFour;
        return new StoryStep("slip", new("The slip", "签购单"), right ? "printed" : "missing", "printed",
            new($"It names the device number, ending {sale?.LastFour}.", $"签购单上是设备卡号，尾号 {sale?.LastFour}。"), Paper: paper);
    }

    private async Task<StoryStep> LastFourAsync()
    {
        var found = (await Bank.ResolveAsync(sale?.LastFour ?? "", sale?.Rrn)).FirstOrDefault(one => one.Rrn == sale?.Rrn);
        var differs = found is not null && found.DeviceLastFour != plastic.Pan.LastFour && found.Plastic == plastic.Pan.Masked;
        return new StoryStep("last-four", new("Whose digits are these?", "这四位数字是谁的？"), differs ? "differs" : "same", "differs",
            found is null
                ? new("The bank finds no sale with these digits.", "银行没有找到与这四位数字对应的交易。")
                : new($"Only the bank can tell: {found.DeviceLastFour} on the slip is the plastic {found.Plastic}. {found.HowToUndo.En}", $"只有银行知道：签购单上的 {found.DeviceLastFour} 就是实体卡 {found.Plastic}。{found.HowToUndo.Zh}"));
    }

    private async Task<StoryStep> RewardsAsync()
    {
        var points = (await Bank.AccountAsync(plastic.Account)).Points - pointsBefore;
        return new StoryStep("rewards", new("Rewards are the plastic's", "积分照常累计"), points == Price.Minor / 100 ? "credited" : "missing", "credited",
            new($"{points} points on the account of the plastic.", $"实体卡账户累计 {points} 分。"));
    }

    private async Task<StoryStep> WithoutFingerprintAsync()
    {
        // The tap before used the fingerprint up (R17). The terminal polls again for a while; the merchant cancels.
        using var merchant = new CancellationTokenSource();
        DisplayMessage? seen = null;
        void Watch(DisplayMessage message)
        {
            if (message.Id == UiMessage.SeePhone)
            {
                seen = message;
                merchant.Cancel();
            }
        }

        Terminal.Displayed += Watch;
        SaleResult result;
        try
        {
            system.Fields[Shop].Present(Phone.Tap());
            result = await Terminal.SellAsync(Price, system.Fields[Shop], new HoldersHand(null), merchant.Token);
        }
        finally
        {
            Terminal.Displayed -= Watch;
        }

        return new StoryStep("no-fingerprint", new("Tap again without a fingerprint", "未验指纹再次挥手机"), seen is not null ? "see-phone" : Word(result.Outcome), "see-phone",
            seen is null ? result.Why : new($"{seen.Text.En}. {(seen.Why ?? result.Why).En}", $"{seen.Text.Zh}。{(seen.Why ?? result.Why).Zh}"),
            Payment(result with { ResponseCode = null, Rrn = null }));
    }

    /// <summary>Somebody recorded the sale on the wire, and has the terminal's MAC key too: the same cryptogram in a new message.</summary>
    private async Task<StoryStep> ReplayAsync()
    {
        var title = new Text("A thief replays the cryptogram", "盗用者重放密文");
        if (overheard.Count == 0 || !PosFrame.TryRead(overheard[0], out var tpdu, out var header, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body.Span, out var message, out _))
        {
            return new StoryStep("replay", title, "nothing-overheard", "declined", new("No sale was overheard.", "没有截获交易。"));
        }

        // A trace number that this terminal has not come to yet.
        message.SetNumber(11, 900_000 + message.Number(11).GetValueOrDefault(), 6);
        var keys = system.TerminalKeys(Shop);
        var again = IsoSealing.Seal(Dialect.Pos, message, data => keys.Mac("mak", MacAlgorithm.UnionPayEcb, data));
        var answer = await system.PosLines[Shop].ExchangeAsync(PosFrame.Write(tpdu.Span, header.Span, again), CancellationToken.None);
        var code = PosFrame.TryRead(answer, out _, out _, out var answerBody, out _) && IsoCodec.TryRead(Dialect.Pos, answerBody.Span, out var read, out _) ? read : null;
        var responseCode = code?.Text(39);
        var outcome = responseCode is null ? "no-answer" : new ResponseCode(responseCode).IsApproval ? "approved" : "declined";
        return new StoryStep("replay", title, outcome, "declined",
            responseCode is null ? new("No answer.", "没有应答。") : new($"{responseCode} {new ResponseCode(responseCode).Meaning.En}: each counter value of a device card pays at most once.", $"{responseCode} {new ResponseCode(responseCode).Meaning.Zh}：设备卡的每个计数值最多支付一次。"),
            new StoryPayment(code?.Text(37), sale?.LastFour, plastic.Pan.LastFour, Price, responseCode, CvmResult.CdcvmAndOnlinePin.Name()));
    }

    private async Task<StoryStep> VoidAsync()
    {
        await PickUpAsync();
        system.Fields[Shop].Clear();
        system.Fields[Shop].Present(Phone.Tap());
        var result = await Terminal.VoidAsync(sale?.Rrn ?? "", system.Fields[Shop], CancellationToken.None);
        var points = (await Bank.AccountAsync(plastic.Account)).Points - pointsBefore;
        var whole = result.Outcome == SaleOutcome.Voided && points == 0 && (await Bank.BrokenInvariantsAsync()).Count == 0;
        return new StoryStep("void", new("The merchant voids the sale", "商户撤销交易"), result.Outcome == SaleOutcome.Voided && !whole ? "incomplete" : Word(result.Outcome), "voided",
            whole ? new("Money and points are where they were; the books sum to zero.", "资金和积分都已退回，账目平衡。") : result.Why, Payment(result), result.Slip?.Print(SlipCopy.Cardholder) ?? "");
    }

    private async Task PickUpAsync()
    {
        await Phone.OpenByReader();
        await Phone.ChooseAsync(cardReference);
        await Phone.VerifyFingerprintAsync(Finger);
    }

    private StoryPayment Payment(SaleResult result) => new(result.Rrn, result.LastFour ?? sale?.LastFour, plastic.Pan.LastFour, result.Amount.Minor == 0 ? Price : result.Amount, result.ResponseCode?.Value, result.Cvm.Name());

    private static Text Join(IReadOnlyList<Refusal> reasons) => reasons.Count == 0
        ? new("No reason was given.", "没有说明原因。")
        : new(string.Join(" ", reasons.Select(reason => reason.Why.En)), string.Concat(reasons.Select(reason => reason.Why.Zh)));

    private static string Word(SaleOutcome outcome) => outcome switch
    {
        SaleOutcome.Approved => "approved",
        SaleOutcome.Voided => "voided",
        SaleOutcome.SeePhone => "see-phone",
        SaleOutcome.Declined or SaleOutcome.RetapForPin => "declined",
        SaleOutcome.Reversed or SaleOutcome.ReversalPending => "reversed",
        _ => "refused",
    };
}
