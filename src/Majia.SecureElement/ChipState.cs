using System.Collections.Immutable;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;

namespace Majia.SecureElement;

/// <summary>All that survives power-off: what stands in the chip's non-volatile memory. Immutable; a step that changes nothing returns the same instance.</summary>
/// <param name="Seid">The chip's id: 10 diversification bytes, as in the answer to INITIALIZE UPDATE.</param>
/// <param name="BindingKey">AES-128, factory-paired with the trusted side of the phone (decisions.md 3). Empty in a plastic card, which has no such side: its holder's hand is all it asks for.</param>
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
    public const int SeidLength = 10, BindingLength = 16, MaxPayments = 16, MaxDomains = 4, MaxTransits = 4;

    /// <summary>Life cycle of the card (GP §5.1).</summary>
    public CardLife Life { get; init; } = CardLife.Secured;

    /// <summary>Which sides the body has around the chip.</summary>
    public ChipInterfaces Interfaces { get; init; } = ChipInterfaces.Phone;

    /// <summary>SCP03 parameter "i" (Amendment D table 5-1): 70 as shipped.</summary>
    public byte ScpOption { get; init; } = Scp03Option.AsShipped;

    /// <summary>Data objects of the issuer domain: 42 and 45 (GP §7.4.1), and 5A where a card has an EID. BER-TLV.</summary>
    public ReadOnlyMemory<byte> Identity { get; init; }

    /// <summary>In order of installation.</summary>
    public ImmutableArray<TransitInstance> Transits { get; init; } = [];

    /// <summary>The instance with the highest priority of the contactless registry, when one was given it (Amendment C §3.11).</summary>
    public Aid? Preferred { get; init; }

    /// <summary>There is a fingerprint side, and what it has not allowed is not paid.</summary>
    public bool HasTrustedSide => BindingKey.Length == BindingLength;

    public SecurityDomain IssuerDomain => Domains[0];

    public SecurityDomain? Domain(Aid aid) => Domains.FirstOrDefault(domain => domain.Aid.Equals(aid));

    public PaymentInstance? Payment(Aid aid) => Payments.FirstOrDefault(payment => payment.Aid.Equals(aid));

    public TransitInstance? Transit(Aid aid) => Transits.FirstOrDefault(transit => transit.Aid.Equals(aid));

    /// <summary>Personalised under the present binding value, and not retired: what a purge takes away at once.</summary>
    public bool IsLive(PaymentInstance payment) =>
        payment is { Profile: not null, Retired: false } && payment.BindingValue.Span.SequenceEqual(BindingValue.Span);

    /// <summary>Live and made selectable: the only instances that a reader can ever meet.</summary>
    public bool CanBeSelected(PaymentInstance payment) => payment.Selectable && IsLive(payment);

    /// <summary>Transit does not look at the binding value (decisions.md 3): no purge touches it.</summary>
    public static bool CanBeSelected(TransitInstance transit) => transit is { Selectable: true, Locked: false, Profile: not null };

    public ChipState With(SecurityDomain domain) => this with { Domains = [.. Domains.Select(other => other.Aid.Equals(domain.Aid) ? domain : other)] };

    public ChipState With(PaymentInstance payment) => this with { Payments = [.. Payments.Select(other => other.Aid.Equals(payment.Aid) ? payment : other)] };

    public ChipState With(TransitInstance transit) => this with { Transits = [.. Transits.Select(other => other.Aid.Equals(transit.Aid) ? transit : other)] };

    /// <summary>Without an instance, and without every mention of it.</summary>
    public ChipState Without(Aid aid) => this with
    {
        Payments = Payments.RemoveAll(payment => payment.Aid.Equals(aid)),
        Transits = Transits.RemoveAll(transit => transit.Aid.Equals(aid)),
        LastUsed = aid.Equals(LastUsed) ? null : LastUsed,
        Preferred = aid.Equals(Preferred) ? null : Preferred,
    };

    /// <summary>The id alone: the rest holds keys.</summary>
    public override string ToString() => $"chip {Convert.ToHexString(Seid.Span)}";
}

/// <summary>GP table 11-6.</summary>
public enum CardLife : byte
{
    OpReady = 0x01,
    Initialized = 0x07,
    Secured = 0x0F,
    Locked = 0x7F,
    Terminated = 0xFF,
}

/// <summary>Sides of the chip that its body leads out.</summary>
[Flags]
public enum ChipInterfaces : byte
{
    Contactless = 0x01,
    Contact = 0x02,
    Wired = 0x04,
    Trusted = 0x08,

    Phone = Contactless | Wired | Trusted,
    Plastic = Contactless | Contact,
}

/// <summary>A GlobalPlatform security domain: an owner's keys and its place in the sequence of secure channels.</summary>
/// <param name="Keys">The default key set; null until its creator has put the initial ones.</param>
/// <param name="Sequence">Counts accepted secure channels (3 bytes on the wire).</param>
public sealed record SecurityDomain(Aid Aid, DomainKeys? Keys, uint Sequence)
{
    public const uint LastSequence = 0xFFFFFF;

    /// <summary>Key sets beside the default one, under version numbers of their own.</summary>
    public ImmutableArray<DomainKeys> MoreKeys { get; init; } = [];

    /// <summary>Authentications that failed one after another; an accepted one sets it back (<see cref="SecureChannels"/>). Ends at 255.</summary>
    public byte Failures { get; init; }

    /// <summary>Locked by the issuer domain: it can be selected and opens no channel.</summary>
    public bool Locked { get; init; }

    /// <summary>Load file whose modules this domain may instantiate, as its creator granted. Null of the issuer domain, which instantiates domains.</summary>
    public Aid? Package { get; init; }

    /// <summary>The set of a version; 0 asks for the default one.</summary>
    public DomainKeys? KeySet(byte version) => version == 0 || Keys?.Version == version ? Keys : MoreKeys.FirstOrDefault(set => set.Version == version);

    public override string ToString() => $"domain {Aid}";
}

/// <summary>One AES key set (128, 192 or 256 bits) with its version number.</summary>
public sealed record DomainKeys(byte Version, Scp03Keys Keys)
{
    public override string ToString() => $"key version {Version:X2}";
}

/// <summary>One payment application instance: a device card, or the application of a plastic card.</summary>
/// <param name="Domain">The security domain that installed it, and alone may touch it.</param>
/// <param name="Selectable">Made selectable by its domain, which only a personalised instance can be (decisions.md 2).</param>
/// <param name="Blocked">Locked by its domain or by an issuer script, or its ATC is used up: AAC only.</param>
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
    /// <summary>Taken off the contactless side by the registry (Amendment C §3.5).</summary>
    public bool Deactivated { get; init; }

    /// <summary>What the last transactions left for the next one's CVR (<see cref="CardRisk"/>).</summary>
    public byte Memory { get; init; }

    public override string ToString() => $"payment {Aid}";
}

/// <summary>What the token service, or a bank for its plastic, personalised (protocols.md 5.5). Keys never leave it.</summary>
/// <param name="Fci">Template A5 of the contactless FCI (DGI 9103), tag included.</param>
/// <param name="GpoData">Data objects of the GPO answer (DGI 9207): 82, 57, 5F34, 9F10 template, 9F6C base, …</param>
/// <param name="InternalData">Data objects for GET DATA and PUT DATA (DGI 0D01), without 9F36. What the card itself counts stands here too: 9F13, 9F17, 9F79.</param>
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
    /// <summary>Template A5 of the contact FCI (DGI 9102); empty: no contact application.</summary>
    public ReadOnlyMemory<byte> ContactFci { get; init; }

    /// <summary>Data objects of the contact GPO answer (DGI 9104): 82 and 94.</summary>
    public ReadOnlyMemory<byte> ContactGpo { get; init; }

    /// <summary>Where the offline answer's records stand (DGI 9203: 82 and 94 of an offline approved tap); empty: online only.</summary>
    public ReadOnlyMemory<byte> OfflineGpo { get; init; }

    /// <summary>The chip's own private key, for DDA and fDDA; null: none.</summary>
    public ChipSigner? Signer { get; init; }

    /// <summary>Reference PIN block (DGI 8010, format 2, 8 bytes); empty: no offline PIN.</summary>
    public ReadOnlyMemory<byte> Pin { get; init; }

    public override string ToString() => $"payment profile ({Algorithm})";
}

public sealed record PaymentRecord(byte Sfi, byte Number, ReadOnlyMemory<byte> Template)
{
    public override string ToString() => $"record {Sfi}.{Number}";
}

/// <summary>One transit application instance: stored value of one operator (<see cref="TransitApplet"/>).</summary>
/// <param name="Domain">The operator's security domain.</param>
/// <param name="Locked">By its domain: no reader meets it.</param>
/// <param name="Profile">Null until the last block of the personalisation.</param>
/// <param name="Balance">Minor units.</param>
/// <param name="LoadNumber">Counts top-ups.</param>
/// <param name="PurchaseNumber">Counts debits.</param>
/// <param name="Journey">Where the holder entered and has not left: <see cref="TransitApplet.JourneyLength"/> bytes.</param>
/// <param name="Log">The last transactions, newest first.</param>
public sealed record TransitInstance(
    Aid Aid,
    Aid Domain,
    bool Selectable,
    bool Locked,
    TransitProfile? Profile,
    uint Balance,
    ushort LoadNumber,
    ushort PurchaseNumber,
    ReadOnlyMemory<byte> Journey,
    ImmutableArray<ReadOnlyMemory<byte>> Log)
{
    /// <summary>Taken off the contactless side by the registry.</summary>
    public bool Deactivated { get; init; }

    /// <summary>Kind, number and answer of the last debit, for a gate that did not hear it; empty before the first.</summary>
    public ReadOnlyMemory<byte> Proof { get; init; }

    public override string ToString() => $"transit {Aid}";
}

/// <param name="Number">The transit card's number, 8 bytes BCD.</param>
/// <param name="Information">Public application information (file 15): what a gate reads first.</param>
/// <param name="PurchaseKey">SM4, for gates.</param>
/// <param name="LoadKey">SM4, for top-ups.</param>
/// <param name="TacKey">SM4, for the transaction authentication code that the operator checks at settlement.</param>
public sealed record TransitProfile(ReadOnlyMemory<byte> Number, ReadOnlyMemory<byte> Information, ReadOnlyMemory<byte> PurchaseKey, ReadOnlyMemory<byte> LoadKey, ReadOnlyMemory<byte> TacKey)
{
    public override string ToString() => "transit profile";
}
