using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>
/// Phone ↔ wallet cloud. The phone is the client. Names of operations are the constants of <see cref="Operations"/>. Each but <see cref="Operations.CheckHandset"/>
/// and <see cref="Operations.GetEnrolmentKey"/> travels as a <see cref="HandsetCall"/>, whose body is the request of this file.
/// </summary>
public static class PhoneWallet
{
    public static class Operations
    {
        public const string SignIn = "signIn", SignOut = "signOut", SetFindDevice = "setFindDevice", CheckHandset = "checkHandset", GetEnrolmentKey = "getEnrolmentKey",
            AddCard = "addCard", ExchangeScript = "exchangeScript", RequestActivationCode = "requestActivationCode", Activate = "activate",
            ListCards = "listCards", DeleteCard = "deleteCard", FetchCommands = "fetchCommands", ReportInventory = "reportInventory", PrepareTransit = "prepareTransit";
    }

    /// <summary>What a handset can be told to do.</summary>
    public static class CommandKinds
    {
        public const string Suspend = "SUSPEND", Resume = "RESUME", Delete = "DELETE", Refresh = "REFRESH", SignOut = "SIGN_OUT", FindDeviceOff = "FIND_DEVICE_OFF", Lost = "LOST", Found = "FOUND";
    }

    /// <param name="Track">stable or developer: never compared with the other's minimum (R3).</param>
    public sealed record Handset(string Model, string Track, string Version, string Seid);

    /// <summary>Signs in and registers the handset with its public key. Repeating it is harmless.</summary>
    /// <param name="PublicKey">SubjectPublicKeyInfo of the handset's key on P-256, base64: the call is signed with it. A chip that is registered to another account stays there unless this is its handset's key.</param>
    /// <param name="PurgeEpoch">The chip's purge count: whatever of it the cloud has not heard of happened before this sign-in.</param>
    public sealed record SignInRequest(string Account, string Password, Handset Handset, string PublicKey, long PurgeEpoch = 0);

    public sealed record SignInReply(string DeviceId, bool FindDeviceOn);

    /// <summary>Tells the cloud, later perhaps, of a sign-out that already took effect on the chip (R24, decisions.md 3).</summary>
    public sealed record SignOutRequest(string RequestId, long PurgeEpoch);

    public sealed record SetFindDeviceRequest(string RequestId, bool On, long PurgeEpoch);

    public sealed record Done();

    public sealed record CheckHandsetRequest(Handset Handset);

    /// <summary>Supported, or every reason why not (R2, R3), in both languages.</summary>
    public sealed record CheckHandsetReply(bool Supported, IReadOnlyList<Refusal> Reasons, string? WakeGesture);

    public sealed record GetEnrolmentKeyRequest();

    /// <summary>The token service's public key as a JWK; the cloud passes it on and cannot read what is written to it.</summary>
    public sealed record GetEnrolmentKeyReply(string Jwk);

    /// <param name="EncryptedCard">JWE (compact) of <see cref="CardToEnrol"/> to the token service's key.</param>
    /// <param name="Source">How the number came: MANUAL, CONTACTLESS_TAP, CAMERA (R5).</param>
    /// <param name="PurgeEpoch">The chip's purge count: tokens of an older one are deleted first (decisions.md 3).</param>
    public sealed record AddCardRequest(string RequestId, string EncryptedCard, string Source, long PurgeEpoch, HandsetConditions Conditions);

    /// <summary>R4, checked on the phone and again by the cloud.</summary>
    public sealed record HandsetConditions(bool SignedIn, bool FindDeviceOn, bool FingerprintOn, bool FingerprintEnrolled);

    public sealed record AddCardReply(string CardReference, EnrolmentState State, CardFace Face, IReadOnlyList<ActivationMethod> Methods);

    /// <summary>Answers of the chip to the last commands (upper-case hex, empty at the first call). The relay cannot read them.</summary>
    public sealed record ExchangeScriptRequest(string CardReference, IReadOnlyList<string> Responses);

    /// <summary>The next commands for the chip, in order; none when <paramref name="State"/> needs something else first.</summary>
    public sealed record ExchangeScriptReply(IReadOnlyList<string> Commands, EnrolmentState State);

    public sealed record RequestActivationCodeRequest(string RequestId, string CardReference, string MethodId);

    /// <param name="EncryptedCode">JWE (compact) of <see cref="TypedCode"/> to the token service's key.</param>
    public sealed record ActivateRequest(string RequestId, string CardReference, string EncryptedCode);

    /// <param name="TriesLeft">Tries left for this code; null when it was right.</param>
    public sealed record ActivateReply(EnrolmentState State, int? TriesLeft);

    public sealed record ListCardsRequest();

    public sealed record ListCardsReply(IReadOnlyList<ListedCard> Cards);

    public sealed record ListedCard(string CardReference, EnrolmentState State, CardFace Face);

    /// <summary>A security domain for the transit operator: answers of the chip to the last commands, empty at the first call.</summary>
    public sealed record PrepareTransitRequest(IReadOnlyList<string> Responses);

    /// <param name="Keys">At the end: the domain's initial keys under the operator's transport key, for the phone to pass on.</param>
    public sealed record PrepareTransitReply(IReadOnlyList<string> Commands, WalletToken.SecurityDomainKeys? Keys);

    public sealed record DeleteCardRequest(string RequestId, string CardReference);

    /// <summary>What the cloud wants done. Each command comes in order and until it is said to be done; doing one twice is doing it once.</summary>
    /// <param name="Done">The last command that took effect here; 0: none yet.</param>
    /// <param name="WaitSeconds">How long the cloud may hold the request while there is nothing; 0: not at all.</param>
    public sealed record FetchCommandsRequest(long Done, int WaitSeconds = 0);

    /// <summary>What the handset and its chip hold, once a day and after a start.</summary>
    /// <param name="LiveInChip">Live payment instances in the chip, whosever they are.</param>
    public sealed record ReportInventoryRequest(long PurgeEpoch, int LiveInChip, IReadOnlyList<HeldCard> Cards);

    /// <param name="InChip">The chip answers to its instance.</param>
    public sealed record HeldCard(string CardReference, EnrolmentState State, bool InChip);

    /// <summary>What was different; what the handset has to do about it is among its commands.</summary>
    public sealed record ReportInventoryReply(IReadOnlyList<Difference> Differences);

    public sealed record FetchCommandsReply(IReadOnlyList<HandsetCommand> Commands);

    /// <param name="Kind">Of <see cref="CommandKinds"/>; one that a handset does not know is passed over.</param>
    public sealed record HandsetCommand(long Sequence, string Kind, string? CardReference, string ReasonCode);
}

/// <summary>Where one card of a phone stands. Scripts run in PROVISIONING and ACTIVATING (make selectable).</summary>
public enum EnrolmentState
{
    Provisioning,
    VerificationRequired,
    Activating,
    Active,
    Suspended,
    Deleted,
    Failed,
}

/// <summary>What a wallet may show of a card: never a digit of the plastic.</summary>
/// <param name="DeviceLastFour">Last four of the device number, empty until there is one.</param>
/// <param name="InstanceAid">AID of the payment instance in the chip (hex), empty until there is one.</param>
/// <param name="Colour">The card art's main colour, in CSS.</param>
/// <param name="AssetId">Of the card art: getAsset.</param>
public sealed record CardFace(Text Bank, Text Kind, string DeviceLastFour, string InstanceAid, string Colour, string? AssetId = null);

/// <summary>One way to prove that the card is yours: SMS to a masked number.</summary>
public sealed record ActivationMethod(string Id, string Type, string Masked);

/// <summary>Why not: a stable code and a sentence for people.</summary>
public sealed record Refusal(string Code, Text Why);

/// <summary>What the holder types or the plastic's chip tells (R5, R6). It travels as a JWE to the token service's key, and from there to the bank's.</summary>
public sealed record CardToEnrol(string Pan, string? Expiry, string? Cvn2, string? HolderName, string? IdNumber, string? MobileNumber);

/// <summary>The bank's code as its holder typed it. It travels as a JWE, like the card before it: to the token service's key, and from there to the bank's.</summary>
public sealed record TypedCode(string Code)
{
    public override string ToString() => nameof(TypedCode);
}
