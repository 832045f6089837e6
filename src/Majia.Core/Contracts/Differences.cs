using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>What two parties said differently of one device card, as the daily comparison names it.</summary>
public enum DifferenceKind
{
    /// <summary>Token service and cloud: a live token that no card stands for.</summary>
    TokenWithoutCard,

    /// <summary>Token service and cloud: a card whose token is gone.</summary>
    CardWithoutToken,

    /// <summary>Token service and cloud: one says suspended, the other active.</summary>
    StateDiffers,

    /// <summary>Cloud and phone: a purge of the chip that the cloud had not heard of.</summary>
    PurgeNotHeard,

    /// <summary>Cloud and phone: a card that the phone does not show.</summary>
    CardNotOnPhone,

    /// <summary>Cloud and phone: a card that only the phone shows.</summary>
    CardOnlyOnPhone,

    /// <summary>Cloud and phone: one says suspended, the other active.</summary>
    PhoneStateDiffers,

    /// <summary>Phone and chip: a card that the chip does not hold.</summary>
    CardNotInChip,

    /// <summary>Phone and chip: the chip holds what is left of a deleted card.</summary>
    RemainsInChip,

    /// <summary>Token service and bank: a live device card that the bank has no record of.</summary>
    BankUnaware,

    /// <summary>Token service and bank: another state at the bank.</summary>
    BankStateDiffers,

    /// <summary>Token service and bank: a device card that only the bank still has.</summary>
    BankOnly,
}

/// <param name="CardReference">The wallet's reference of the card, or the token's where the bank is concerned; null: the handset as a whole.</param>
/// <param name="Says">What differed, and what was done.</param>
public sealed record Difference(DifferenceKind Kind, string? CardReference, Text Says);
