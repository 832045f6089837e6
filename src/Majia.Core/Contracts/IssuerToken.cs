namespace Majia.Core.Contracts;

/// <summary>Issuer → token service, one line for each bank: the life of its cards, and its say over their device cards. The bank is the client; its line says who it is. Numbers travel as JWE to the token service's key.</summary>
public static class IssuerToken
{
    public static class Operations
    {
        public const string GetPublicKey = "getPublicKey", SearchTokens = "searchTokens", GetToken = "getToken", Activate = "activate", Suspend = "suspend", Unsuspend = "unsuspend",
            Delete = "delete", AccountUpdate = "accountUpdate", ExpiryUpdate = "expiryUpdate", AccountClosed = "accountClosed", SetDomain = "setDomain";
    }

    /// <summary>What <c>encryptedAccount</c> holds: the plastic, and for a change what it becomes.</summary>
    /// <param name="Expiry">YYMM; of the new plastic where there is one.</param>
    public sealed record Account(string Pan, string? NewPan = null, string? Expiry = null, string? SequenceNumber = null)
    {
        public override string ToString() => nameof(Account);
    }

    /// <summary>Every device card of one plastic, deleted ones too.</summary>
    /// <param name="EncryptedAccount">JWE of <see cref="Account"/>.</param>
    public sealed record SearchTokensRequest(string EncryptedAccount);

    public sealed record GetTokenRequest(string TokenUniqueReference);

    /// <param name="InChip">Readers can select it.</param>
    /// <param name="TokenExpiry">YYMM.</param>
    /// <param name="AssuranceMethod">What was done to know the holder: 00 nothing, 10 the bank agreed, 11 one factor, 12 two factors.</param>
    /// <param name="History">Every change, oldest first.</param>
    public sealed record TokenView(
        string TokenUniqueReference, TokenState State, IReadOnlyList<string> SuspendedBy, string TokenRequestorId, string DeviceModel, string DeviceLastFour, string TokenExpiry,
        string PaymentAccountReference, string AssuranceMethod, bool InChip, DateTimeOffset CreatedAt, IReadOnlyList<TokenEvent> History,
        DomainRestriction? Domain = null);

    /// <summary>One change of one device card: who, what, why, when.</summary>
    public sealed record TokenEvent(DateTimeOffset At, string Actor, string Action, string Before, string After, string ReasonCode);

    public sealed record TokensReply(IReadOnlyList<TokenView> Tokens);

    /// <param name="CausedBy">ISSUER, or PIN_LOCKED after too many wrong PINs: each is a hold of its own and lifted by itself.</param>
    public sealed record ChangeStateRequest(string RequestId, string TokenUniqueReference, string CausedBy, string ReasonCode);

    /// <summary>The bank has verified its customer in a way of its own (call centre, its app): a waiting device card becomes active.</summary>
    public sealed record ActivateRequest(string RequestId, string TokenUniqueReference, string ReasonCode);

    /// <summary>The account has a new plastic: every live device card moves to it, with its number, its reference and its history (R22, where the bank's policy is to move).</summary>
    public sealed record AccountUpdateRequest(string RequestId, string EncryptedAccount);

    /// <summary>The same number has a new expiry date or sequence number.</summary>
    public sealed record ExpiryUpdateRequest(string RequestId, string EncryptedAccount);

    /// <summary>The plastic is no more: every device card of it is deleted.</summary>
    public sealed record AccountClosedRequest(string RequestId, string EncryptedAccount, string ReasonCode);
}

/// <summary>Who holds a device card back; several may at once, and each lifts its own hold only (features.md B4).</summary>
public static class SuspendedBy
{
    public const string Issuer = "ISSUER", TokenRequestor = "TOKEN_REQUESTOR", Cardholder = "CARDHOLDER", PinLocked = "PIN_LOCKED";

    /// <summary>On whose behalf a token requestor speaks.</summary>
    public static bool IsRequestors(string who) => who is TokenRequestor or Cardholder;

    /// <summary>On whose behalf a bank speaks.</summary>
    public static bool IsIssuers(string who) => who is Issuer or PinLocked;
}
