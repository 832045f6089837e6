using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Terminal;

namespace Majia.Simulation;

/// <param name="AlwaysAsksPin">The merchant's rule.</param>
/// <param name="Id">What a scenario calls it; empty where nobody does.</param>
/// <param name="OfflineLimit">Minor units up to which a card may approve by itself.</param>
public sealed record Till(string Terminal, string Merchant, bool AlwaysAsksPin, bool VoidNeedsTap, string Id = "", Text? Name = null, string CategoryCode = "5942", bool QuickPass = true, long OfflineLimit = 0);

/// <param name="Plastics">What it holds when a run begins: indices into <see cref="Cast.Plastics"/>. Null: it is as it left the factory, nobody is signed in.</param>
/// <param name="Id">What a scenario calls it; empty where nobody does.</param>
public sealed record HandsetSeed(string Model, string Track, string Version, int[]? Plastics, string Id = "");

/// <summary>An account at the wallet cloud.</summary>
public sealed record OwnerSeed(string Account, string Password);

/// <summary>Who is there when a world begins: banks with their cards, tills, handsets, owners.</summary>
/// <param name="Others">Plastic of which no bank here knows.</param>
public sealed record Cast(
    IReadOnlyList<SeedBank> Banks, IReadOnlyList<Till> Tills, IReadOnlyList<HandsetSeed> Handsets, IReadOnlyList<OwnerSeed> Owners, DateTimeOffset Start, IReadOnlyList<SeedCard>? Others = null)
{
    private static readonly Text Any = new("simulated", "模拟");

    public IReadOnlyList<SeedCard> Plastics { get; } = [.. Banks.SelectMany(bank => bank.Cards)];

    /// <summary>Server parties, each of which may have a process of its own.</summary>
    public IReadOnlyList<string> Roles { get; } = ["acquirer", "network", "token-service", "wallet", .. Banks.Select(bank => $"issuer-{bank.Institution}")];

    public IReadOnlyList<string> WireNames { get; } =
    [
        "pos-line", "acquirer-network", "network-token", .. Banks.Select(bank => $"network-issuer-{bank.Institution}"), "phone-wallet", "wallet-token", "token-issuer", "issuer-token", "token-wallet",
    ];

    public AcquirerSeed Merchants => new([.. Tills.GroupBy(till => till.Merchant).Select(merchant => new Merchant(merchant.Key, merchant.First().Name ?? Any, merchant.First().CategoryCode, [.. merchant.Select(till => till.Terminal)]))]);

    public SeedCard? Card(string id) => Plastics.Concat(Others ?? []).FirstOrDefault(card => card.Id == id);

    public SeedBank? BankOf(SeedCard card) => Banks.FirstOrDefault(bank => bank.Cards.Contains(card));

    /// <summary>A card as its holder types it into the phone. Expiry and CVN2 only where the bank wants them.</summary>
    public CardToEnrol AsTyped(SeedCard card)
    {
        var customer = Banks.SelectMany(bank => bank.Customers).FirstOrDefault(customer => customer.Id == card.Customer) ?? Banks[0].Customers[0];
        var credit = card.Kind is CardKind.Credit or CardKind.QuasiCredit;
        return new CardToEnrol(card.Pan.Reveal(), credit ? card.Expiry : null, credit ? card.Cvn2 : null, customer.Name, customer.IdNumber, customer.Mobile);
    }

    public TerminalOptions TerminalOf(Till till) => new(till.Terminal, till.Merchant, till.Name ?? Any)
    {
        Parameters = TerminalParameters.Default.WithFloor(Amount.Cny(till.OfflineLimit)) with
        {
            QuickPass = till.QuickPass,
            PinRule = till.AlwaysAsksPin ? MerchantPinRule.Always : MerchantPinRule.OverLimit,
            RetapForVoid = till.VoidNeedsTap,
        },
    };
}
