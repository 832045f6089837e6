using Majia.Simulation;

namespace Majia.Host.Seed;

/// <summary>The seed's banks, shops, handsets and owners as the cast of a scenario: the names in scenario files are the names of the seed.</summary>
public static class SeedCast
{
    /// <summary>What scenario files call the shops; the third one has no QuickPass (R1).</summary>
    private static readonly SortedDictionary<string, string> Shops = new(StringComparer.Ordinal) { ["10000001"] = "books", ["10000002"] = "jewellers", ["10000003"] = "canteen" };

    private static readonly Till WithoutQuickPass = new("10000009", "990031058120009", AlwaysAsksPin: false, VoidNeedsTap: false, "kiosk", new("Old Lane Kiosk", "老巷小卖部"), "5994", QuickPass: false);

    public static Cast Cast { get; } = new(
        SeedData.Banks,
        [
            .. SeedData.Merchants.Select(merchant => new Till(
                merchant.Terminal, merchant.Merchant, merchant.AlwaysAsksPin, merchant.VoidNeedsTap, Shops.GetValueOrDefault(merchant.Terminal, merchant.Terminal), merchant.Name, merchant.CategoryCode, OfflineLimit: merchant.OfflineLimit)),
            WithoutQuickPass,
        ],
        [.. SeedData.Handsets.Select(handset => new HandsetSeed(handset.Model, handset.Track, handset.Version, null, handset.Id)), .. More],
        [.. SeedData.WalletAccounts.Select(account => new OwnerSeed(account.Account, account.Password))],
        new DateTimeOffset(2026, 6, 1, 2, 0, 0, TimeSpan.Zero),
        [SeedData.VisaOnly]);

    /// <summary>Handsets that are one step too old, each on its own track (R3), and as many more as it takes to come to a plastic's eleventh phone (R10).</summary>
    private static HandsetSeed[] More =>
    [
        new("Mi 5", "stable", "8.0.5.9", null, "mi5-old-stable"),
        new("Mi 5", "developer", "6.8.22", null, "mi5-old-developer"),
        .. Enumerable.Range(6, 6).Select(number => new HandsetSeed("Mi 5", "stable", "8.0.6.0", null, $"mi5-{number}")),
    ];
}
