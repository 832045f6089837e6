using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>Wallet cloud (token requestor) ↔ token service. The wallet is the client; names follow the field's token APIs (features.md I).</summary>
public static class WalletToken
{
    public static class Operations
    {
        public const string GetPublicKey = "getPublicKey", CheckEligibility = "checkEligibility", Digitize = "digitize", Provision = "provision",
            NotifyProvisioningResult = "notifyProvisioningResult", RequestActivationMethods = "requestActivationMethods", RequestActivationCode = "requestActivationCode", Activate = "activate",
            Suspend = "suspend", Unsuspend = "unsuspend", Delete = "delete", GetToken = "getToken", SearchTokens = "searchTokens", DeleteDevice = "deleteDevice", GetTask = "getTask", GetAsset = "getAsset", SetDomain = "setDomain";
    }

    public sealed record GetPublicKeyRequest();

    public sealed record GetPublicKeyReply(string Jwk);

    /// <param name="TokenRequestorId">11 digits (TRID).</param>
    /// <param name="Seid">The chip's id, upper-case hex of its 10 diversification bytes.</param>
    public sealed record CheckEligibilityRequest(string RequestId, string TokenRequestorId, string Seid, string EncryptedCard, string Source);

    /// <summary>Eligible, with what the wallet may show; otherwise an <see cref="ApiError"/> whose code is a <see cref="Ineligible"/> name.</summary>
    public sealed record CheckEligibilityReply(string EligibilityReceipt, CardFace Face, bool NeedsExpiryAndCvn2);

    /// <param name="DeviceModel">What the bank shows its customer: the handset's model.</param>
    /// <param name="Source">As in <see cref="CheckEligibilityRequest"/>.</param>
    /// <param name="Recommendation">The wallet's own colour with its reasons; null: green.</param>
    public sealed record DigitizeRequest(string RequestId, string TokenRequestorId, string Seid, string EligibilityReceipt, string EncryptedCard, long PurgeEpoch, string DeviceModel = "", string Source = "", Assessment? Recommendation = null);

    /// <summary>The bank's decision is made, the token exists and is INACTIVE; personalisation follows with <see cref="ProvisionRequest"/>.</summary>
    /// <param name="Assessments">Wallet's, network's and bank's colours with their reasons.</param>
    public sealed record DigitizeReply(string TokenUniqueReference, bool VerificationRequired, CardFace Face, IReadOnlyList<ActivationMethod> Methods, IReadOnlyList<Assessment>? Assessments = null);

    /// <summary>Answers of the chip to the last script; empty at the first call. <paramref name="DomainKeys"/>: the initial keys of a new security domain, a TR-31 block triple under the transport key of SE issuer and token service.</summary>
    public sealed record ProvisionRequest(string RequestId, string TokenUniqueReference, IReadOnlyList<string> Responses, SecurityDomainKeys? DomainKeys);

    /// <summary>Initial SCP03 keys of the token service's security domain, each a TR-31 block; key version 01.</summary>
    public sealed record SecurityDomainKeys(string Encryption, string Mac, string DataEncryption);

    /// <param name="NeedsDomain">True: the chip has no domain of the token service yet; the SE issuer creates it first, then this is called again with its keys.</param>
    public sealed record ProvisionReply(IReadOnlyList<string> Commands, EnrolmentState State, bool NeedsDomain, CardFace Face);

    /// <summary>What the phone says of its script. The token service believes the chip alone: a failure ends an unfinished card at once (R8), a success changes nothing.</summary>
    /// <param name="Result">SUCCESS or FAILURE.</param>
    public sealed record NotifyProvisioningResultRequest(string RequestId, string TokenUniqueReference, string Result, string? ErrorCode = null);

    public sealed record RequestActivationMethodsRequest(string TokenUniqueReference);

    public sealed record RequestActivationMethodsReply(IReadOnlyList<ActivationMethod> Methods);

    public sealed record RequestActivationCodeRequest(string RequestId, string TokenUniqueReference, string MethodId);

    public sealed record RequestActivationCodeReply(string Masked, DateTimeOffset ExpiresAt);

    /// <param name="EncryptedCode">JWE (compact) of <see cref="TypedCode"/> to this service's key. A repeat is known by the code in it, not by its bytes.</param>
    public sealed record ActivateRequest(string RequestId, string TokenUniqueReference, string EncryptedCode);

    public sealed record ActivateReply(TokenState State, int? TriesLeft);

    /// <param name="CausedBy">CARDHOLDER or TOKEN_REQUESTOR.</param>
    /// <param name="Order">The requestor's own number of this order, rising for each token and cause: one that arrives behind a later one changes nothing (OUT_OF_ORDER). Null: taken as it comes.</param>
    public sealed record ChangeStateRequest(string RequestId, string TokenUniqueReference, string CausedBy, string ReasonCode, long? Order = null);

    /// <param name="TokenExpiry">YYMM.</param>
    /// <param name="Stage">How far the card is in its chip: None, Started, Personalised, Selectable, Removed.</param>
    /// <param name="Seid">The chip that holds it.</param>
    /// <param name="Version">Rises with each change of the device card: of two that arrive, the higher one is later.</param>
    public sealed record TokenReply(
        string TokenUniqueReference, TokenState State, IReadOnlyList<string> SuspendedBy, CardFace Face, string? TokenExpiry = null, string? PaymentAccountReference = null, string? AssuranceMethod = null,
        string? Stage = null, string? Seid = null, long? Version = null, DomainRestriction? Domain = null);

    /// <summary>Where the device card may pay from now on, beside its channel: at these merchants only. Each side restricts for itself, and a payment must keep within both.</summary>
    /// <param name="Merchants">Merchant numbers as field 42 carries them; empty: the caller restricts nothing.</param>
    public sealed record SetDomainRequest(string RequestId, string TokenUniqueReference, IReadOnlyList<string> Merchants, string ReasonCode);

    public sealed record GetTokenRequest(string TokenUniqueReference);

    public sealed record SearchTokensRequest(string Seid);

    public sealed record SearchTokensReply(IReadOnlyList<TokenReply> Tokens);

    /// <summary>Deletes every payment token of one chip at once: sign-out, Find Device off, payment off (R23, R24).</summary>
    public sealed record DeleteDeviceRequest(string RequestId, string Seid, long PurgeEpoch, string ReasonCode);

    /// <param name="TaskId">The requestId of the request that is asked about.</param>
    public sealed record GetTaskRequest(string TaskId);

    /// <param name="Status">PENDING, IN_PROGRESS, COMPLETED or FAILED.</param>
    /// <param name="Error">Of a failed one.</param>
    public sealed record GetTaskReply(string TaskId, string Operation, string Status, string? TokenUniqueReference = null, ApiError? Error = null);

    public sealed record GetAssetRequest(string AssetId);

    /// <param name="Data">Base64.</param>
    public sealed record GetAssetReply(string AssetId, string MediaType, int Width, int Height, string Data);
}

/// <summary>Where a device card may pay (TDRC, features.md B6): by its channels, and at merchants that are in each list that is not empty.</summary>
/// <param name="Merchants">As the token requestor restricts it.</param>
/// <param name="IssuerMerchants">As the bank does.</param>
public sealed record DomainRestriction(IReadOnlyList<string> Channels, IReadOnlyList<string> Merchants, IReadOnlyList<string> IssuerMerchants);

/// <summary>Token service → token requestor: what became of a device card, whoever did it.</summary>
public static class TokenWallet
{
    public static class Operations
    {
        public const string NotifyTokenUpdated = "notifyTokenUpdated";
    }

    /// <summary>The reason code of a device card that will end: its handset is to fetch the script that renews it.</summary>
    public const string RenewalDue = "RENEWAL_DUE";

    /// <param name="Version">Of the device card after the change: a notice that arrives behind a later one changes nothing.</param>
    public sealed record NotifyTokenUpdatedRequest(string RequestId, string TokenUniqueReference, TokenState State, IReadOnlyList<string> SuspendedBy, string ReasonCode, long? Version = null);

    public sealed record Done();
}

/// <summary>Any red declines, all green passes, anything yellow verifies (features.md B4).</summary>
public enum Colour
{
    Green,
    Yellow,
    Red,
}

/// <summary>One party's opinion of an enrolment, with every reason for it.</summary>
/// <param name="By">WALLET, NETWORK or ISSUER.</param>
public sealed record Assessment(string By, Colour Colour, IReadOnlyList<Refusal> Reasons);

public enum TokenState
{
    Inactive,
    Active,
    Suspended,
    Deactivated,
}

/// <summary>Why a card cannot be added: each is an <see cref="ApiError.ErrorCode"/> (R9–R12), most specific first in order of checking.</summary>
public static class Ineligible
{
    public const string BadCheckDigit = "BAD_CHECK_DIGIT", UnknownBin = "UNKNOWN_BIN", NotUnionPay = "NOT_UNIONPAY", UnknownBank = "UNKNOWN_BANK",
        KindNotTaken = "KIND_NOT_TAKEN", MissingField = "MISSING_REQUIRED_FIELD", TooManyOnDevice = "TOO_MANY_TOKENS_FOR_DEVICE", TooManyForCard = "TOO_MANY_TOKENS_FOR_PAN",
        AlreadyOnDevice = "DUPLICATE_TOKEN_ON_DEVICE", TooOften = "TOO_MANY_ATTEMPTS", NotRecommended = "NOT_RECOMMENDED", DeclinedByIssuer = "DECLINED_BY_ISSUER", CodeInvalid = "ACTIVATION_CODE_INVALID",
        CodeExpired = "ACTIVATION_CODE_EXPIRED", CodeTriesExceeded = "ACTIVATION_CODE_RETRIES_EXCEEDED", InvalidState = "INVALID_STATE", OutOfOrder = "OUT_OF_ORDER", NotFound = "NOT_FOUND";
}
