using Majia.Core.Primitives;
using Majia.Issuer;

namespace Majia.Host.Ui;

/// <summary>What a device card may spend, as a person reads it.</summary>
public static class LimitWords
{
    /// <summary>What the drawer's button sets.</summary>
    public static readonly OwnLimits Modest = new(null, 200_00);

    public static Text Of(DeviceCardLimits limits)
    {
        List<Text> said = [];
        if (limits.New is { } young)
        {
            var until = limits.NewUntil.ToOffset(TimeSpan.FromHours(8)).ToString("MM-dd HH:mm", System.Globalization.CultureInfo.InvariantCulture);
            said.Add(new($"New until {until}: {Yuan(young.PerPayment)} a payment, {Yuan(young.PerDay)} a day.", $"新卡期至 {until}：单笔 {Yuan(young.PerPayment)}，单日 {Yuan(young.PerDay)}。"));
        }

        if (limits.Own is { } own)
        {
            said.Add(new(
                $"Own limits: {Yuan(own.PerPayment, "any amount")} a payment, {Yuan(own.PerDay, "any amount")} a day.", $"专属限额：单笔{Yuan(own.PerPayment, "不限")}，单日{Yuan(own.PerDay, "不限")}。"));
        }

        return said.Count == 0 ? new("No limits of its own.", "无专属限额。") : new(string.Join(" ", said.Select(one => one.En)), string.Concat(said.Select(one => one.Zh)));
    }

    private static string Yuan(long? minor, string none = "") => minor is { } limit ? $"¥{Amount.Cny(limit)}" : none;
}
