using Majia.Core.Primitives;
using Majia.Host.Devices;
using Majia.Phone;
using Majia.Transit;

namespace Majia.Host.Demo;

/// <content>The transit card in the same phone: the operator puts it there and money onto it, and two gates take a fare without anybody's network.</content>
public sealed partial class Story
{
    private static readonly Amount TopUp = Amount.Cny(2_000);

    private async Task<StoryStep> TopUpAsync()
    {
        var title = new Text($"A transit card in the same phone, topped up with {TopUp}", $"在同一部手机中添加公交卡并充值 {TopUp} 元");
        var before = (await Phone.TransitAsync())?.Balance.Minor ?? 0;
        var reasons = await Phone.AddTransitCardAsync();
        reasons = reasons.Count > 0 ? reasons : await Phone.TopUpTransitAsync(TopUp.Minor);
        var card = await Phone.TransitAsync();
        return new StoryStep("top-up", title, reasons.Count == 0 && card?.Balance.Minor == before + TopUp.Minor ? "credited" : "refused", "credited", card is null || reasons.Count > 0
            ? Join(reasons)
            : new($"The chip holds {card.Balance}; the operator's MAC put it there, no bank card and no fingerprint did.", $"芯片内余额 {card.Balance} 元：由运营方的 MAC 写入，与银行卡和指纹无关。"));
    }

    private async Task<StoryStep> RideAsync()
    {
        Phone.SetAeroplaneMode(true);
        var (entered, left) = (await PassAsync("in-1"), await PassAsync("out-8"));
        Phone.SetAeroplaneMode(false);
        var fare = Amount.Cny(Fares.Between(GateLine.Gates["in-1"].Station, GateLine.Gates["out-8"].Station));
        var booked = 0;
        try
        {
            booked = await system.Gates.SettleAsync(CancellationToken.None);
        }
        catch (Core.Contracts.PartyUnreachableException)
        {
            // The step says so.
        }

        return new StoryStep("ride", new("Through the gates, offline", "离线过闸乘车"), entered.Opens && left.Opens && left.Fare == fare && booked > 0 ? "approved" : "refused", "approved", !entered.Opens ? entered.Says : !left.Opens ? left.Says : booked == 0
            ? new("The gates could not hand in what they took.", "闸机未能提交乘车记录。")
            : new($"{left.Says.En} The gates handed {booked} {(booked == 1 ? "ride" : "rides")} in, each with the card's own code.", $"{left.Says.Zh}闸机已提交 {booked} 笔乘车记录，每笔都带有卡片自己的验证码。"));
    }

    /// <summary>The trace hears what a gate and the phone say to each other.</summary>
    private async Task<GateResult> PassAsync(string gate)
    {
        var watch = new GateWatch(Phone.Tap(), system.Trace, system.Time, FormattableString.Invariant($"gate:{gate}:{system.Time.GetUtcNow().ToUnixTimeMilliseconds()}"));
        var result = await system.Gates.Gate(gate).TapAsync(watch, CancellationToken.None);
        watch.Ended(result.Says);
        return result;
    }
}
