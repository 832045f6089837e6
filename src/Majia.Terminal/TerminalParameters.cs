using Majia.Core.Emv;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Terminal;

/// <summary>Which counter this is and how it talks: who it is to the acquirer, its keys' names, its patience.</summary>
/// <param name="TerminalId">F41, 8 characters.</param>
/// <param name="MerchantId">F42, 15 characters.</param>
public sealed record TerminalOptions(string TerminalId, string MerchantId, Text MerchantName)
{
    public TerminalParameters Parameters { get; init; } = TerminalParameters.Default;

    /// <summary>F63.3 of a sign-on, and the slip's operator line.</summary>
    public string Operator { get; init; } = "01";

    /// <summary>5 bytes: 60, destination, source (protocols.md 6.1).</summary>
    public ReadOnlyMemory<byte> Tpdu { get; init; } = Convert.FromHexString("6000030000");

    /// <summary>6 bytes: class, specification version, state, software version (protocols.md 6.1).</summary>
    public ReadOnlyMemory<byte> Header { get; init; } = Convert.FromHexString("603100311001");

    /// <summary>The certification authorities' public keys, asked for when a card approves offline.</summary>
    public Func<CancellationToken, ValueTask<IReadOnlyList<AuthorityKey>>> Authorities { get; init; } = static _ => ValueTask.FromResult<IReadOnlyList<AuthorityKey>>([]);

    public MacAlgorithm Mac { get; init; } = MacAlgorithm.UnionPayEcb;

    /// <summary>PIK: PIN block to the acquirer.</summary>
    public string PinKey { get; init; } = "pik";

    /// <summary>MAK: F64 both ways.</summary>
    public string MacKey { get; init; } = "mak";

    /// <summary>The terminal's own key over the numbers in its journal. It never leaves the terminal, which makes it when it has none.</summary>
    public string JournalKey { get; init; } = "journal";

    /// <summary>F53: PIN format with the number, 3DES, no encrypted track (protocols.md 6.6).</summary>
    public string PinSecurity { get; init; } = "2600000000000000";

    /// <summary>How long an answer to a 0200 may take before the reversal.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an answer to a 0400 may take: the acquirer gives it as soon as it has stored the reversal.</summary>
    public TimeSpan ReversalTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long the field waits for the first card.</summary>
    public TimeSpan CardWindow { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long it waits for the same card again: see phone, torn, wrong PIN.</summary>
    public TimeSpan RetapWindow { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the PIN pad waits for the holder.</summary>
    public TimeSpan PinWindow { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Tries of one reversal before the next transaction may start (decisions.md 20).</summary>
    public int ReversalTries { get; init; } = 3;

    /// <summary>How often one sale may be tapped again after the bank answered 55.</summary>
    public int PinAttempts { get; init; } = 3;
}

/// <summary>What the acquirer sets: AIDs with their limits, and the merchant's rules. Data, not code.</summary>
/// <param name="QuickPass">The merchant takes UnionPay QuickPass at all (R1).</param>
/// <param name="Qualifiers">TTQ as configured; the per-transaction bits are set by pre-processing.</param>
/// <param name="NoSignatureLimit">Amounts up to this need no signature (protocols.md 2.7).</param>
/// <param name="RetapForVoid">The merchant wants the phone tapped again for a void (R20).</param>
public sealed record TerminalParameters(
    bool QuickPass,
    TerminalTransactionQualifiers Qualifiers,
    IReadOnlyList<AidParameters> Aids,
    MerchantPinRule PinRule,
    Amount NoSignatureLimit,
    bool RetapForVoid)
{
    private static readonly AidParameters QuickPassLimits = new(
        Aid.Parse("A000000333010101"),
        ExactMatch: false,
        FloorLimit: Amount.Cny(0),
        TransactionLimit: Amount.Cny(10_000_001),
        CvmLimit: Amount.Cny(100_001),
        StatusCheck: false,
        ZeroAmountAllowed: false);

    /// <summary>Online-only, no PIN up to and including 1000.00 (DF21 compares ≥, so DF21 = 1000.01; decisions.md 12).</summary>
    public static TerminalParameters Default { get; } = new(
        QuickPass: true,
        new TerminalTransactionQualifiers(0x26004080),
        [
            QuickPassLimits, // debit
            QuickPassLimits with { Aid = Aid.Parse("A000000333010102") }, // credit
            QuickPassLimits with { Aid = Aid.Parse("A000000333010103") }, // quasi-credit
        ],
        MerchantPinRule.OverLimit,
        NoSignatureLimit: Amount.Cny(100_000),
        RetapForVoid: false);

    /// <summary>The same, with a contactless floor limit (DF19) on every AID: up to it a card may approve by itself.</summary>
    public TerminalParameters WithFloor(Amount limit) => this with { Aids = [.. Aids.Select(row => row with { FloorLimit = limit })] };

    /// <summary>9F33: chip and magnetic stripe; offline PIN plain and enciphered, online PIN, signature, no CVM; SDA, DDA, CDA (EMV Book 4 annex A2).</summary>
    public ReadOnlyMemory<byte> Capabilities { get; init; } = Convert.FromHexString("E0F9C8");

    /// <summary>9F35: attended, online and offline, merchant.</summary>
    public byte TerminalType { get; init; } = 0x22;

    /// <summary>9F1A and the country of 5F2A's use: China.</summary>
    public ReadOnlyMemory<byte> Country { get; init; } = Convert.FromHexString("0156");

    /// <summary>9F09: PBOC 3.0.</summary>
    public ReadOnlyMemory<byte> ApplicationVersion { get; init; } = Convert.FromHexString("0030");
}

/// <summary>One AID's row of the terminal's parameters (protocols.md 1.2, DF01–DF21).</summary>
/// <param name="Aid">Registered AID; a card's longer AID matches it unless <paramref name="ExactMatch"/> (DF01).</param>
/// <param name="FloorLimit">DF19: above it a cryptogram for online use is wanted; 0 is all online.</param>
/// <param name="TransactionLimit">DF20: from it on the contactless interface is not used.</param>
/// <param name="CvmLimit">DF21: from it on the holder is verified.</param>
public sealed record AidParameters(Aid Aid, bool ExactMatch, Amount FloorLimit, Amount TransactionLimit, Amount CvmLimit, bool StatusCheck, bool ZeroAmountAllowed);

/// <summary>When this merchant's terminal asks the PIN by itself, whatever the card says (R15).</summary>
public enum MerchantPinRule
{
    /// <summary>Only when the amount reaches DF21.</summary>
    OverLimit,

    /// <summary>Always.</summary>
    Always,
}

/// <summary>The counter's clock: China Standard Time, as F12, F13 and 9A mean it.</summary>
internal static class TerminalTime
{
    private static readonly TimeSpan China = TimeSpan.FromHours(8);

    public static DateTimeOffset Local(TimeProvider clock) => clock.GetUtcNow().ToOffset(China);
}
