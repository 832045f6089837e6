using System.Collections.Immutable;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Phone;

/// <summary>What the handset is, and where its trusted side keeps its secret.</summary>
/// <param name="Model">As in the handset table of the wallet cloud: Mi 5, 5S, …</param>
/// <param name="Track">stable or developer (R3).</param>
/// <param name="SiliconKey">32 bytes that seal the trusted side's data; stands for a key inside the processor.</param>
/// <param name="ReadySeconds">How long a verified fingerprint waits for a reader (decisions.md 4).</param>
/// <param name="PurgeOnLastFingerprint">Whether removing the last fingerprint also purges the chip (decisions.md 6).</param>
public sealed record PhoneOptions(string Model, string Track, string Version, ReadOnlyMemory<byte> SiliconKey, int ReadySeconds = 60, bool PurgeOnLastFingerprint = false)
{
    public override string ToString() => $"{Model}, {Track} {Version}";
}

/// <summary>What the phone's store holds, as one immutable record. No number of any plastic is in it.</summary>
/// <param name="DeviceId">The cloud's name for this handset; stays across sign-out, as the handset's key does (the trusted side keeps it).</param>
/// <param name="Account">Null when signed out.</param>
/// <param name="Purging">A purge that was begun: SIGN_OUT, FIND_DEVICE_OFF or NO_FINGERPRINT; null when none is open.</param>
/// <param name="WakeGesture">This model's own gesture with the screen off; null until the cloud has said.</param>
/// <param name="DefaultCard">Only when the owner set one (R14).</param>
public sealed record PhoneState(
    string? DeviceId,
    string? Account,
    bool FindDeviceOn,
    string? Purging,
    string? WakeGesture,
    string? DefaultCard,
    ImmutableArray<PhoneCard> Cards,
    PendingCard? Pending)
{
    public bool SignedIn => Account is not null && Purging is null;

    public PhoneCard? Card(string reference) => Cards.FirstOrDefault(card => card.CardReference == reference);

    public override string ToString() => $"phone with {Cards.Length} cards";
}

/// <summary>One device card as its owner sees it.</summary>
/// <param name="Nickname">The owner's name for it; empty: none.</param>
public sealed record PhoneCard(string CardReference, EnrolmentState State, CardFace Face, int Position, ImmutableArray<ActivationMethod> Methods, string Nickname = "");

/// <summary>An AddCard whose answer has not come: the same request again, not a second card. The JWE opens at the token service alone.</summary>
public sealed record PendingCard(string RequestId, string EncryptedCard, string Source);

/// <summary>A line of the phone's history.</summary>
/// <param name="Kind">CARD_READ, CARD_ADDED, CARD_REMOVED, CARD_SUSPENDED, CARD_RESUMED, SIGNED_OUT, FIND_DEVICE_OFF, LOST, FOUND.</param>
public sealed record PhoneMessage(DateTimeOffset At, string? CardReference, string Kind, Amount? Amount, Text Says);

public enum ScreenKind
{
    /// <summary>The phone has no power.</summary>
    Off,

    /// <summary>Asleep: the screen is dark, the phone is on.</summary>
    Dark,

    /// <summary>The cards, to choose one.</summary>
    Cards,

    /// <summary>One card is chosen and waits for a fingerprint.</summary>
    VerifyFingerprint,

    /// <summary>Hold it to the reader, until <see cref="PhoneScreen.Until"/>.</summary>
    Ready,

    /// <summary>A reader has read the card; the outcome is on the terminal (decisions.md 5).</summary>
    CardRead,
}

/// <summary>What the phone shows.</summary>
public sealed record PhoneScreen(ScreenKind Kind, Text Says, string? CardReference = null, Amount? Amount = null, DateTimeOffset? Until = null);

/// <summary>How far adding a card has come.</summary>
public enum EnrolmentStep
{
    /// <summary>Not added, with every reason.</summary>
    Refused,

    /// <summary>Enrol a fingerprint first, then add again (R7): a step, no refusal.</summary>
    FingerprintNeeded,

    /// <summary>The line or the chip was lost: <see cref="PhoneDevice.ResumeAsync"/> goes on from here.</summary>
    Interrupted,

    /// <summary>The bank wants its code.</summary>
    CodeNeeded,

    /// <summary>The card is live.</summary>
    Added,
}

/// <param name="TriesLeft">For a wrong code: tries left.</param>
public sealed record EnrolmentOutcome(EnrolmentStep Step, string? CardReference, IReadOnlyList<Refusal> Reasons, IReadOnlyList<ActivationMethod> Methods, int? TriesLeft = null)
{
    internal static EnrolmentOutcome Refused(string? card, params IReadOnlyList<Refusal> reasons) => new(EnrolmentStep.Refused, card, reasons, []);

    internal static EnrolmentOutcome At(EnrolmentStep step, string? card = null) => new(step, card, [], []);
}

/// <summary>Ready until, or every reason why not.</summary>
public sealed record VerifyOutcome(DateTimeOffset? ReadyUntil, IReadOnlyList<Refusal> Reasons)
{
    public bool IsReady => ReadyUntil is not null;
}

/// <summary>The phone's own decisions, as functions over its state.</summary>
public static class PhoneRules
{
    public static readonly Refusal
        NotSignedIn = new("SIGN_IN", new Text("Sign in to your account first.", "请先登录帐号。")),
        FindDeviceOff = new("FIND_DEVICE", new Text("Turn on Find Device first.", "请先开启“查找手机”。")),
        FingerprintOff = new("FINGERPRINT_OFF", new Text("Turn on the fingerprint function first.", "请先开启指纹功能。")),
        Offline = new("OFFLINE", new Text("The phone is offline. Adding a card needs the network.", "手机未联网，添加银行卡需要连接网络。")),
        NoFingerprint = new("NO_FINGERPRINT", new Text("No fingerprint is enrolled.", "手机上还没有录入指纹。")),
        WrongFingerprint = new("FINGERPRINT_NOT_RECOGNISED", new Text("Fingerprint not recognised. Try again.", "指纹不匹配，请重试。")),
        NoCardChosen = new("NO_CARD_CHOSEN", new Text("Choose a card first.", "请先选择一张银行卡。")),
        CardNotLive = new("CARD_NOT_ACTIVE", new Text("This card cannot pay now.", "这张卡目前不能用于付款。")),
        BadNumber = new(Ineligible.BadCheckDigit, new Text("The card number is not right: please check its digits.", "卡号有误，请核对后重新输入。")),
        PoweredOff = new("POWERED_OFF", new Text("The phone is switched off.", "手机已关机。")),
        WrongGesture = new("NO_SUCH_GESTURE", new Text("This gesture does not open the wallet on this phone.", "此手机不支持用该手势打开钱包。")),
        NothingAtTheBack = new("NO_CHIP", new Text("No card answers at the phone's back. A card without a contactless chip cannot be read this way: please type its number.", "手机背面没有感应到卡片。没有闪付芯片的卡片无法这样读取，请手动输入卡号。")),
        PlasticMoved = new("CARD_MOVED", new Text("The card moved away too soon. Hold it to the phone's back until its number is read.", "卡片移开过早，请将卡片贴住手机背面，直到读出卡号。")),
        PlasticUnreadable = new("CARD_UNREADABLE", new Text("This card did not tell its number. Please type it.", "未能读出这张卡的卡号，请手动输入。")),
        ChipFailed = new("CHIP", new Text("The secure element did not answer as expected.", "安全芯片未能正常响应。"));

    /// <summary>R4 to add a card: everything that is missing, all at once. A missing fingerprint is a step, not a condition (R7).</summary>
    public static IReadOnlyList<Refusal> MissingToAdd(PhoneState state, bool fingerprintOn, bool online)
    {
        var missing = new List<Refusal>(MissingToHold(state, fingerprintOn));
        if (!online)
        {
            missing.Add(Offline);
        }

        return missing;
    }

    /// <summary>R4 to use a card: the same but the network, and a fingerprint that is enrolled.</summary>
    public static IReadOnlyList<Refusal> MissingToUse(PhoneState state, bool fingerprintOn, bool hasFingerprint)
    {
        var missing = new List<Refusal>(MissingToHold(state, fingerprintOn));
        if (!hasFingerprint)
        {
            missing.Add(NoFingerprint);
        }

        return missing;
    }

    private static IEnumerable<Refusal> MissingToHold(PhoneState state, bool fingerprintOn)
    {
        if (!state.SignedIn)
        {
            yield return NotSignedIn;
        }

        if (!state.FindDeviceOn)
        {
            yield return FindDeviceOff;
        }

        if (!fingerprintOn)
        {
            yield return FingerprintOff;
        }
    }

    /// <summary>What can be seen of a typed number without asking anybody: its length and its check digit.</summary>
    public static Refusal? CheckNumber(string number) =>
        number.Length is >= AccountNumber.MinLength and <= AccountNumber.MaxLength && number.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0 && Luhn.IsValid(number) ? null : BadNumber;

    /// <summary>The card a reader's field opens on: the owner's default, else none: the owner chooses (R14).</summary>
    public static PhoneCard? Default(PhoneState state) =>
        state.DefaultCard is { } reference && state.Card(reference) is { State: EnrolmentState.Active } card ? card : null;
}
