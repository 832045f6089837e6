using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>What the wallet knows of a handset that may be a doubt about a card added on it.</summary>
/// <param name="LostAt">When it was last said to be lost; null: never.</param>
/// <param name="OtherOwnerAt">When another account last signed in on it; null: never.</param>
public sealed record HandsetPast(DateTimeOffset? LostAt, DateTimeOffset? OtherOwnerAt)
{
    public static HandsetPast Look(Session session, DeviceRow device) => new(
        At(session.Number("SELECT lost_at FROM wallet_device WHERE device_id = $1", device.DeviceId)),
        At(session.Number("SELECT other_owner_at FROM wallet_device WHERE device_id = $1", device.DeviceId)));

    private static DateTimeOffset? At(long? milliseconds) => milliseconds is { } at and > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null;
}

/// <summary>The wallet's own word on an enrolment, beside the network's and the bank's (features.md B4). Pure. It never declines: what it forbids, R2–R4 forbid before.</summary>
public static class WalletColour
{
    public const string LostLately = "LOST_LATELY", OtherOwner = "OTHER_OWNER_LATELY";

    /// <summary>Yellow with every doubt, else green.</summary>
    public static Assessment Of(HandsetPast past, WalletOptions options, DateTimeOffset now)
    {
        var doubts = new List<Refusal>();
        if (now - past.LostAt <= options.LostLately)
        {
            doubts.Add(new(LostLately, new("The phone was in lost mode lately.", "手机近期曾处于丢失模式。")));
        }

        if (now - past.OtherOwnerAt <= options.HandedOverLately)
        {
            doubts.Add(new(OtherOwner, new("Another account used this phone lately.", "近期有其他帐号使用过这部手机。")));
        }

        return new("WALLET", doubts.Count > 0 ? Colour.Yellow : Colour.Green, doubts);
    }
}
