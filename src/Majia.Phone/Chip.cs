using Majia.Core.Contracts;

namespace Majia.Phone;

/// <summary>The phone's secure element as the phone meets it: three lines of APDUs, power, and one event. What is inside, the phone cannot know.</summary>
public interface IChip
{
    /// <summary>20 upper-case hex digits.</summary>
    string Seid { get; }

    /// <summary>The wallet's line: scripts of SE issuer and token service run here.</summary>
    ICardChannel Wired { get; }

    /// <summary>The trusted side's own line: a fingerprint never disturbs a script.</summary>
    ICardChannel Trusted { get; }

    /// <summary>The NFC controller's line.</summary>
    ICardChannel Contactless { get; }

    /// <summary>A reader activates the card anew.</summary>
    void FieldReset();

    void PowerOn();

    void PowerOff();

    /// <summary>A GPO was answered 9000 (EVT_TRANSACTION), before its answer is in the air.</summary>
    event Action<ChipPayment>? Paid;
}

/// <param name="InstanceAid">Upper-case hex.</param>
/// <param name="Amount">9F02, 6 bytes BCD.</param>
/// <param name="Currency">5F2A, 2 bytes BCD.</param>
/// <param name="Declined">The card itself declined (AAC).</param>
public sealed record ChipPayment(string InstanceAid, ReadOnlyMemory<byte> Amount, ReadOnlyMemory<byte> Currency, ushort Atc, bool Declined);
