using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>Token service ↔ issuer, one line for each bank. The token service is the client. Card data and codes travel as JWE to the bank's key.</summary>
public static class TokenIssuer
{
    public static class Operations
    {
        public const string GetPublicKey = "getPublicKey", AuthorizeService = "authorizeService", DeliverActivationCode = "deliverActivationCode",
            ValidateActivationCode = "validateActivationCode", NotifyServiceActivated = "notifyServiceActivated", NotifyTokenUpdated = "notifyTokenUpdated", ReconcileTokens = "reconcileTokens";
    }

    public sealed record GetPublicKeyRequest();

    public sealed record GetPublicKeyReply(string Jwk);

    /// <param name="EncryptedCard">JWE of <see cref="CardToEnrol"/> to the bank's key.</param>
    /// <param name="Assessments">What wallet and network think of it. With a yellow one among them the holder is verified even where the bank alone would agree: it keeps a code ready.</param>
    public sealed record AuthorizeServiceRequest(string RequestId, string TokenUniqueReference, string TokenRequestorId, string EncryptedCard, string DeviceModel, string Source, IReadOnlyList<Assessment>? Assessments = null);

    /// <summary>The bank's decision (green, yellow, red) with its reason, and what the token needs to be personalised.</summary>
    public sealed record AuthorizeServiceReply(
        IssuerDecision Decision,
        Refusal? Reason,
        IReadOnlyList<ActivationMethod> Methods,
        PinPolicy PinPolicy,
        string PanExpiry,
        string PanSequenceNumber);

    public sealed record DeliverActivationCodeRequest(string RequestId, string TokenUniqueReference, string MethodId);

    public sealed record DeliverActivationCodeReply(string Masked, DateTimeOffset ExpiresAt);

    /// <param name="EncryptedCode">JWE (compact) of <see cref="TypedCode"/> to the bank's key.</param>
    public sealed record ValidateActivationCodeRequest(string RequestId, string TokenUniqueReference, string EncryptedCode);

    public sealed record ValidateActivationCodeReply(CodeVerdict Verdict, int TriesLeft);

    /// <summary>The device card is live: the bank shows it to its hotline and tells the customer (decisions.md 17).</summary>
    public sealed record NotifyServiceActivatedRequest(string RequestId, string TokenUniqueReference, string DeviceLastFour, string DeviceModel);

    /// <param name="SuspendedBy">Who holds it back, of <see cref="Contracts.SuspendedBy"/>; null: nobody.</param>
    public sealed record NotifyTokenUpdatedRequest(string RequestId, string TokenUniqueReference, TokenState State, string ReasonCode, IReadOnlyList<string>? SuspendedBy = null, long? Version = null);

    /// <summary>The vault's device cards of this bank with references after <paramref name="After"/> up to <paramref name="Through"/> (null: to the end). The bank brings its records to it and names what was different.</summary>
    public sealed record ReconcileTokensRequest(string After, string? Through, IReadOnlyList<KnownToken> Tokens);

    public sealed record KnownToken(string TokenUniqueReference, TokenState State, string DeviceLastFour, string DeviceModel);

    public sealed record ReconcileTokensReply(IReadOnlyList<Difference> Differences);

    public sealed record Done();
}

/// <summary>Any red fails, all green goes, anything yellow verifies (features.md B4).</summary>
public enum IssuerDecision
{
    Approved,
    RequireAdditionalAuthentication,
    Declined,
}

/// <summary>When the bank wants its PIN at the terminal (decisions.md 12); personalised into 9F68 and CTQ.</summary>
public enum PinPolicy
{
    Always,
    OverLimit,
    Never,
}

public enum CodeVerdict
{
    Right,
    Wrong,
    Expired,
    TriesExceeded,
    NoCode,
}
