using Majia.Core.Apdu;
using Majia.Core.Cryptography;

namespace Majia.SecureElement;

/// <summary>The chip's sides.</summary>
public enum ChipPort
{
    /// <summary>A reader's field.</summary>
    Contactless,

    /// <summary>The handset's own side, for scripts of the domains' owners.</summary>
    Wired,

    /// <summary>The fingerprint side.</summary>
    Trusted,

    /// <summary>The contacts of a plastic card.</summary>
    Contact,
}

/// <summary>What power-off wipes.</summary>
/// <param name="Contactless">The reader's side; an RF reset forgets it, and nothing else.</param>
/// <param name="Trusted">The fingerprint side has a line of its own, so that a fingerprint never breaks a script in flight.</param>
/// <param name="Armed">Instance that one GPO may use (decisions.md 4).</param>
/// <param name="Challenge">The binding applet's, good for one command.</param>
/// <param name="Channel">The one secure channel; its session object advances in place, in step with the host's.</param>
/// <param name="LastPayment">The last GPO answered 9000.</param>
public sealed record ChipSession(
    ChipLine Contactless,
    ChipLine Wired,
    ChipLine Trusted,
    ChipLine Contact,
    Aid? Armed,
    ReadOnlyMemory<byte> Challenge,
    SecureChannel? Channel,
    PaymentMade? LastPayment)
{
    public static readonly ChipSession PoweredOn = new(ChipLine.Fresh, ChipLine.Fresh, ChipLine.Fresh, ChipLine.Fresh, null, default, null, null);

    /// <summary>The payment transaction under way, from GPO on; what scripts and a second cryptogram refer to.</summary>
    public PaymentTransaction? Payment { get; init; }

    /// <summary>The transit transaction under way, between its INITIALIZE and its debit or credit.</summary>
    public TransitTransaction? Transit { get; init; }

    /// <summary>Highest priority until power-off (Amendment C §3.11, volatile).</summary>
    public Aid? Preferred { get; init; }

    /// <summary>INITIALIZE UPDATE commands refused since the last failure (<see cref="SecureChannels"/>).</summary>
    public int Refused { get; init; }

    public ChipLine Line(ChipPort port) => port switch
    {
        ChipPort.Contactless => Contactless,
        ChipPort.Wired => Wired,
        ChipPort.Trusted => Trusted,
        _ => Contact,
    };

    public ChipSession With(ChipPort port, ChipLine line) => port switch
    {
        ChipPort.Contactless => this with { Contactless = line },
        ChipPort.Wired => this with { Wired = line },
        ChipPort.Trusted => this with { Trusted = line },
        _ => this with { Contact = line },
    };

    public Aid? Selected(ChipPort port) => Line(port).Selected;

    /// <summary>Another application on a side ends what was under way there.</summary>
    public ChipSession Select(ChipPort port, Aid? aid) => With(port, Line(port) with { Selected = aid }) with
    {
        Payment = Payment?.Port == port ? null : Payment,
        Transit = Transit?.Port == port ? null : Transit,
    };

    public override string ToString() => "chip session";
}

/// <summary>One side's conversation.</summary>
/// <param name="Selected">The selected application.</param>
/// <param name="Chain">Command whose pieces are coming in (ISO/IEC 7816-4 §5.3.3); null when none is.</param>
/// <param name="Rest">Answer bytes that GET RESPONSE will fetch.</param>
/// <param name="RestStatus">The status word behind them.</param>
public sealed record ChipLine(Aid? Selected, CommandApdu? Chain, ReadOnlyMemory<byte> Rest, ushort RestStatus)
{
    public static readonly ChipLine Fresh = new(null, null, default, 0);

    public override string ToString() => "chip line";
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

/// <summary>A payment transaction as the chip's RAM has it.</summary>
/// <param name="Cryptogram">The first ARQC, which scripts and issuer authentication refer to; empty: none yet, or not an ARQC.</param>
/// <param name="Results">CVR of the last cryptogram.</param>
/// <param name="Signature">Signed dynamic data of this transaction's fDDA, for the record that carries it; empty: none.</param>
public sealed record PaymentTransaction(Aid Instance, ChipPort Port, ushort Atc, ReadOnlyMemory<byte> Cryptogram, ReadOnlyMemory<byte> Results, ReadOnlyMemory<byte> Signature)
{
    /// <summary>Cryptograms made in this transaction: after the second nothing but scripts.</summary>
    public int Cryptograms { get; init; }

    /// <summary>Null until the issuer's cryptogram was looked at.</summary>
    public bool? IssuerAuthenticated { get; init; }

    /// <summary>GET CHALLENGE of this transaction, good for one enciphered PIN; empty: none.</summary>
    public ReadOnlyMemory<byte> Challenge { get; init; }

    /// <summary>Offline PIN: null not tried, else its outcome.</summary>
    public bool? PinVerified { get; init; }

    public int Scripts { get; init; }

    public bool ScriptFailed { get; init; }

    public bool Signed { get; init; }

    public override string ToString() => $"transaction of {Instance}";
}

/// <summary>A transit transaction as the chip's RAM has it.</summary>
/// <param name="Kind">02 top-up, 09 debit with journey (PBOC electronic purse).</param>
/// <param name="Journey">What a debit will write with it; null: nothing.</param>
public sealed record TransitTransaction(Aid Instance, ChipPort Port, byte Kind, uint Amount, ReadOnlyMemory<byte> Terminal, ReadOnlyMemory<byte> Random, ReadOnlyMemory<byte>? Journey)
{
    public override string ToString() => $"transit transaction of {Instance}";
}

/// <summary>A payment that left the chip: told to the handset (EVT_TRANSACTION).</summary>
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
        MoreBytes = 0x6100, // + how many, by GET RESPONSE
        Blocked = 0x6283, // selected application is blocked (EMV Book 1 §12.2.1)
        NotVerified = 0x6300,
        MoreData = 0x6310, // GP §11.4.3.2
        TriesLeft = 0x63C0,
        WrongLength = 0x6700,
        Security = 0x6982,
        PinBlocked = 0x6983,
        NotSatisfied = 0x6985,
        SeePhone = 0x6986, // command not allowed: no fingerprint verified (protocols.md 2.6)
        NoMac = 0x6987,
        WrongMac = 0x6988,
        WrongData = 0x6A80,
        NotSupported = 0x6A81, // also: the card is blocked (EMV Book 1 §12.2.1)
        NotFound = 0x6A82,
        RecordNotFound = 0x6A83,
        NoSpace = 0x6A84,
        WrongP1P2 = 0x6A86,
        Unreferenced = 0x6A88,
        Exists = 0x6A89,
        WrongLe = 0x6C00, // + the right one
        UnknownIns = 0x6D00,
        UnknownCla = 0x6E00,
        WrongMacPurse = 0x9302, // PBOC electronic purse: MAC wrong
        NotEnough = 0x9401, // … balance too low
        NoTransaction = 0x9406; // … no such transaction to prove
}
