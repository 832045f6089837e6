using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>Phone ↔ transit operator, and gate → operator. The phone relays APDUs between operator and chip, and reads none of them.</summary>
public static class TransitOperator
{
    public static class Operations
    {
        public const string Issue = "issue", TopUp = "topUp", Settle = "settle";
    }

    /// <summary>AID of the one transit card of a phone: <c>MJTR</c>, instance 01.</summary>
    public const string InstanceAid = "F04D4A545201";

    /// <param name="DomainKeys">Initial keys of the operator's security domain, as the SE issuer made them; once.</param>
    /// <param name="Responses">Answers of the chip to the last commands, upper-case hex; empty at the first call, which starts over.</param>
    public sealed record IssueRequest(string Seid, WalletToken.SecurityDomainKeys? DomainKeys, IReadOnlyList<string> Responses);

    /// <param name="NeedsDomain">The chip has no domain of the operator: the phone asks the SE issuer for one.</param>
    /// <param name="CardNumber">16 digits, once the card is in the chip and can be used.</param>
    public sealed record IssueReply(IReadOnlyList<string> Commands, bool NeedsDomain, string? CardNumber);

    /// <param name="RequestId">The same for a repeat: money is credited once.</param>
    /// <param name="Amount">Minor units.</param>
    public sealed record TopUpRequest(string RequestId, string Seid, long Amount, IReadOnlyList<string> Responses);

    /// <param name="Done">The chip has the money, and has said so.</param>
    /// <param name="Balance">As the operator's books have it, in minor units.</param>
    public sealed record TopUpReply(IReadOnlyList<string> Commands, bool Done, long Balance);

    /// <summary>One ride as a gate hands it in; the chip's own count makes it unique.</summary>
    /// <param name="CardNumber">16 digits.</param>
    /// <param name="PurchaseNumber">The chip's count, 16 bits.</param>
    /// <param name="Amount">Minor units.</param>
    /// <param name="Gate">The gate's terminal number, 12 hex digits.</param>
    /// <param name="GateNumber">The gate's own count.</param>
    /// <param name="When">yyyyMMddHHmmss, in the operator's time.</param>
    /// <param name="Code">TAC of the card, 8 hex digits.</param>
    public sealed record Ride(string CardNumber, int PurchaseNumber, long Amount, string Gate, long GateNumber, string When, string Code);

    /// <summary>Gate → operator. A ride that is handed in twice counts once.</summary>
    public sealed record SettleRequest(IReadOnlyList<Ride> Rides);

    /// <param name="Booked">By place in the request: in the books now. The others have a code that is not their card's, and never will be.</param>
    public sealed record SettleReply(IReadOnlyList<int> Booked);
}

/// <summary>What a phone shows of its transit card, read from the chip; no network, no account.</summary>
/// <param name="Number">16 digits.</param>
/// <param name="Inside">Entered and not left.</param>
/// <param name="Station">Where, when inside.</param>
public sealed record TransitCardView(string Number, Amount Balance, bool Inside, int Station, IReadOnlyList<TransitLogEntry> Log);

/// <param name="Kind">TOP_UP, or RIDE.</param>
/// <param name="When">yyyyMMddHHmmss, in the operator's time.</param>
public sealed record TransitLogEntry(string Kind, Amount Amount, string When);
