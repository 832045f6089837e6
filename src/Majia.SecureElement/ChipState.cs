using System.Collections.Immutable;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;

namespace Majia.SecureElement;

/// <summary>All that survives power-off: what stands in the chip's non-volatile memory. Immutable; a step that changes nothing returns the same instance.</summary>
/// <param name="Seid">The chip's id: 10 diversification bytes, as in the answer to INITIALIZE UPDATE.</param>
/// <param name="BindingKey">AES-128, factory-paired with the trusted side of the phone (decisions.md 3).</param>
/// <param name="BindingValue">16 bytes. A payment instance lives as long as it remembers this very value.</param>
/// <param name="PurgeEpoch">How often the binding value was changed.</param>
/// <param name="Domains">The issuer security domain first, then those that it created, in order of creation.</param>
/// <param name="Payments">In order of installation.</param>
/// <param name="LastUsed">Instance of the last GPO answered 9000; the phone shows it to a reader while none is armed.</param>
public sealed record ChipState(
    ReadOnlyMemory<byte> Seid,
    ReadOnlyMemory<byte> BindingKey,
    ReadOnlyMemory<byte> BindingValue,
    uint PurgeEpoch,
    ImmutableArray<SecurityDomain> Domains,
    ImmutableArray<PaymentInstance> Payments,
    Aid? LastUsed)
{
    public const int SeidLength = 10, BindingLength = 16, MaxPayments = 16, MaxDomains = 4;

    public SecurityDomain? Domain(Aid aid) => Domains.FirstOrDefault(domain => domain.Aid.Equals(aid));

    public PaymentInstance? Payment(Aid aid) => Payments.FirstOrDefault(payment => payment.Aid.Equals(aid));

    /// <summary>Personalised under the present binding value, and not retired: what a purge takes away at once.</summary>
    public bool IsLive(PaymentInstance payment) =>
        payment is { Profile: not null, Retired: false } && payment.BindingValue.Span.SequenceEqual(BindingValue.Span);

    /// <summary>Live and made selectable: the only instances that a reader can ever meet.</summary>
    public bool CanBeSelected(PaymentInstance payment) => payment.Selectable && IsLive(payment);

    public ChipState With(SecurityDomain domain) => this with { Domains = [.. Domains.Select(other => other.Aid.Equals(domain.Aid) ? domain : other)] };

    public ChipState With(PaymentInstance payment) => this with { Payments = [.. Payments.Select(other => other.Aid.Equals(payment.Aid) ? payment : other)] };

    /// <summary>The id alone: the rest holds keys.</summary>
    public override string ToString() => $"chip {Convert.ToHexString(Seid.Span)}";
}

/// <summary>A GlobalPlatform security domain: an owner's keys and its place in the sequence of secure channels.</summary>
/// <param name="Keys">Null until its creator has put the initial ones.</param>
/// <param name="Sequence">Counts accepted secure channels (3 bytes on the wire).</param>
public sealed record SecurityDomain(Aid Aid, DomainKeys? Keys, uint Sequence)
{
    public const uint LastSequence = 0xFFFFFF;

    public override string ToString() => $"domain {Aid}";
}

/// <summary>One AES-128 key set with its version number.</summary>
public sealed record DomainKeys(byte Version, Scp03Keys Keys)
{
    public override string ToString() => $"key version {Version:X2}";
}

/// <summary>One payment application instance: a device card.</summary>
/// <param name="Domain">The security domain that installed it, and alone may touch it.</param>
/// <param name="Selectable">Made selectable by its domain, which only a personalised instance can be (decisions.md 2).</param>
/// <param name="Blocked">Locked by its domain, or its ATC is used up: AAC only.</param>
/// <param name="Retired">Taken away on the phone itself, for good (binding applet, RETIRE).</param>
/// <param name="BindingValue">The chip's value at personalisation; empty before.</param>
/// <param name="Atc">Application transaction counter of the last cryptogram.</param>
/// <param name="Profile">Null until the last block of the personalisation.</param>
public sealed record PaymentInstance(
    Aid Aid,
    Aid Domain,
    bool Selectable,
    bool Blocked,
    bool Retired,
    ReadOnlyMemory<byte> BindingValue,
    ushort Atc,
    PaymentProfile? Profile)
{
    public override string ToString() => $"payment {Aid}";
}

/// <summary>What the token service personalised (protocols.md 5.5). Keys never leave it.</summary>
/// <param name="Fci">Template A5 of the contactless FCI (DGI 9103), tag included.</param>
/// <param name="GpoData">Data objects of the GPO answer (DGI 9207): 82, 57, 5F34, 9F10 template, 9F6C base, …</param>
/// <param name="InternalData">Data objects for GET DATA (DGI 0D01), without 9F36.</param>
/// <param name="Records">Records by SFI and number (DGI 0101 …), each with its template 70.</param>
public sealed record PaymentProfile(
    CipherAlgorithm Algorithm,
    ReadOnlyMemory<byte> CryptogramKey,
    ReadOnlyMemory<byte> IntegrityKey,
    ReadOnlyMemory<byte> ConfidentialityKey,
    ReadOnlyMemory<byte> Fci,
    ReadOnlyMemory<byte> GpoData,
    ReadOnlyMemory<byte> InternalData,
    ImmutableArray<PaymentRecord> Records)
{
    public override string ToString() => $"payment profile ({Algorithm})";
}

public sealed record PaymentRecord(byte Sfi, byte Number, ReadOnlyMemory<byte> Template)
{
    public override string ToString() => $"record {Sfi}.{Number}";
}

/// <summary>What power-off wipes.</summary>
/// <param name="Contactless">Selected application of the reader's side; an RF reset forgets it, and nothing else.</param>
/// <param name="Wired">Selected application of the handset's own side.</param>
/// <param name="Trusted">Selected application of the fingerprint side, which has a line of its own, so that a fingerprint never breaks a script in flight.</param>
/// <param name="Armed">Instance that one GPO may use (decisions.md 4).</param>
/// <param name="Challenge">The binding applet's, good for one command.</param>
/// <param name="Channel">The one secure channel; its session object advances in place, in step with the host's.</param>
/// <param name="LastPayment">The last GPO answered 9000.</param>
public sealed record ChipSession(
    Aid? Contactless,
    Aid? Wired,
    Aid? Trusted,
    Aid? Armed,
    ReadOnlyMemory<byte> Challenge,
    SecureChannel? Channel,
    PaymentMade? LastPayment)
{
    public static readonly ChipSession PoweredOn = new(null, null, null, null, default, null, null);

    public Aid? Selected(ChipPort port) => port switch
    {
        ChipPort.Contactless => Contactless,
        ChipPort.Wired => Wired,
        _ => Trusted,
    };

    public ChipSession Select(ChipPort port, Aid? aid) => port switch
    {
        ChipPort.Contactless => this with { Contactless = aid },
        ChipPort.Wired => this with { Wired = aid },
        _ => this with { Trusted = aid },
    };

    public override string ToString() => "chip session";
}

/// <summary>A secure channel from INITIALIZE UPDATE on.</summary>
/// <param name="Sequence">The counter value that its card challenge was made with.</param>
/// <param name="Open">EXTERNAL AUTHENTICATE was accepted.</param>
/// <param name="Target">Instance or domain that INSTALL [for personalisation] named, with the STORE DATA bytes so far.</param>
public sealed record SecureChannel(Aid Domain, Scp03Session Session, uint Sequence, bool Open, PersonalisationTarget? Target, int StatusCursor)
{
    public override string ToString() => $"secure channel of {Domain}";
}

/// <param name="NextBlock">The block number that STORE DATA must carry next.</param>
/// <param name="Data">DGIs received so far: nothing of it is kept before the last block.</param>
public sealed record PersonalisationTarget(Aid Aid, int NextBlock, ReadOnlyMemory<byte> Data)
{
    public override string ToString() => $"personalisation of {Aid}";
}

/// <summary>The chip's sides.</summary>
public enum ChipPort
{
    Contactless,
    Wired,
    Trusted,
}

/// <summary>A GPO was answered 9000 (ETSI TS 102 622 EVT_TRANSACTION): a reader has read the card. What came of it is not known here.</summary>
/// <param name="Amount">9F02, 6 bytes BCD.</param>
/// <param name="Currency">5F2A, 2 bytes BCD.</param>
/// <param name="Qualifiers">9F6C as answered.</param>
/// <param name="Declined">The cryptogram was an AAC.</param>
public sealed record PaymentMade(Aid Instance, ReadOnlyMemory<byte> Amount, ReadOnlyMemory<byte> Currency, ushort Atc, ReadOnlyMemory<byte> Qualifiers, bool Declined);

/// <summary>One step: state and RAM after it, the answer, and the event if a payment was made.</summary>
public sealed record ChipStep(ChipState State, ChipSession Session, ResponseApdu Response, PaymentMade? Payment = null)
{
    public override string ToString() => $"chip step {Response.Status}";
}

/// <summary>Status words of ISO/IEC 7816-4 and GlobalPlatform that the chip answers.</summary>
internal static class Sw
{
    public const ushort Ok = 0x9000,
        Blocked = 0x6283, // selected application is blocked (EMV Book 1 §12.2.1)
        MoreData = 0x6310, // GP §11.4.3.2
        WrongLength = 0x6700,
        Security = 0x6982,
        NotSatisfied = 0x6985,
        SeePhone = 0x6986, // command not allowed: no fingerprint verified (protocols.md 2.6)
        WrongData = 0x6A80,
        NotFound = 0x6A82,
        RecordNotFound = 0x6A83,
        NoSpace = 0x6A84,
        WrongP1P2 = 0x6A86,
        Unreferenced = 0x6A88,
        UnknownIns = 0x6D00,
        UnknownCla = 0x6E00;
}
