using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;
using Majia.TokenService.Directory;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>The token service's settings.</summary>
public sealed record TokenServiceOptions
{
    /// <summary>Its institution code on the switch line.</summary>
    public string Institution { get; init; } = "00019900";

    /// <summary>Of the switch line; SM4 is a setting.</summary>
    public MacAlgorithm Mac { get; init; } = MacAlgorithm.UnionPayEcb;

    /// <summary>Folder with the owner's own directory files, each replacing the one built in; null: none.</summary>
    public string? DirectoryFolder { get; init; }

    /// <summary>Token requestors (TRID, 11 digits) that may ask for device cards.</summary>
    public IReadOnlyList<string> TokenRequestors { get; init; } = ["99900000001"];

    /// <summary>How long a check of eligibility may be used.</summary>
    public TimeSpan ReceiptLife { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>A device card that is not in its chip after this is deleted (R8).</summary>
    public TimeSpan UnpersonalisedLife { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>A device card that is in its chip, but was never verified or never made selectable, is deleted after this.</summary>
    public TimeSpan UnverifiedLife { get; init; } = TimeSpan.FromDays(30);

    /// <summary>A script that the phone does not go on with is dropped after this, with its session keys.</summary>
    public TimeSpan ChannelLife { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often one plastic may go live on one handset within a day.</summary>
    public int ActivationsPerDay { get; init; } = 5;

    /// <summary>Enrolments begun on one handset within a day: from here on its holder is verified, and from there on refused.</summary>
    public int DeviceAttemptsYellow { get; init; } = 12;

    public int DeviceAttemptsRed { get; init; } = 30;

    /// <summary>How long a request is known again by its id.</summary>
    public TimeSpan ReplyLife { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Device numbers expire this many years after they are made, at the end of the month.</summary>
    public int TokenYears { get; init; } = 3;

    /// <summary>So long before its expiry a device card is renewed: its chip gets a new date, number and keys stay.</summary>
    public TimeSpan RenewBefore { get; init; } = TimeSpan.FromDays(60);
}

/// <summary>The vault (标记服务): plastic number ↔ device number, enrolment, personalisation, life cycle, cryptogram check. One file for each use case.</summary>
public sealed partial class TokenServiceParty : IMessageServer
{
    /// <summary>As the audit trail names the token service itself.</summary>
    private const string Self = "TOKEN_SERVICE";

    /// <summary>Names in the key module.</summary>
    private const string PanKey = "vault.pan", IndexKey = "vault.index", JweKey = "jwe";

    private static readonly TimeSpan LocalTime = TimeSpan.FromHours(8);

    private readonly TokenServiceOptions options;
    private readonly Store store;
    private readonly KeyModule module;
    private readonly IReadOnlyDictionary<string, IJsonLink> issuers;
    private readonly TimeProvider clock;
    private readonly Entropy entropy;
    private readonly ITrace trace;
    private readonly CardDirectory directory;
    private readonly Outbox outbox = new("token");
    private readonly AuditTrail audit;

    /// <param name="issuersByInstitution">A line to each connected bank, by its eight-digit institution code.</param>
    public TokenServiceParty(TokenServiceOptions options, Store store, KeyModule module, IReadOnlyDictionary<string, IJsonLink> issuersByInstitution, TimeProvider clock, Entropy entropy, ITrace trace)
    {
        this.options = options;
        this.store = store;
        this.module = module;
        issuers = issuersByInstitution;
        this.clock = clock;
        this.entropy = entropy;
        this.trace = trace;
        directory = CardDirectory.Load(options.DirectoryFolder);
        audit = new AuditTrail(module);
        fence = store.Read(Fence.Up);
    }

    public static PartySchema Schema => VaultTables.Schema;

    /// <summary>A line to each token requestor that wants to hear what becomes of its device cards, by TRID. Given once, after both sides are made.</summary>
    public IReadOnlyDictionary<string, IJsonLink> Requestors { get; set; } = new Dictionary<string, IJsonLink>();

    /// <summary>What one token requestor calls. Who it is belongs to its line, not to what it writes: it sees and changes its own device cards only.</summary>
    /// <param name="trid">Token requestor id, 11 digits, a registered one.</param>
    public JsonEndpoint EndpointFor(string trid)
    {
        if (!options.TokenRequestors.Contains(trid, StringComparer.Ordinal))
        {
            throw new ArgumentException($"{trid} is not a registered token requestor", nameof(trid));
        }

        var endpoint = new JsonEndpoint("token-service")
            .Map<WalletToken.GetPublicKeyRequest, WalletToken.GetPublicKeyReply>(WalletToken.Operations.GetPublicKey, (_, _) => Task.FromResult<ApiReply<WalletToken.GetPublicKeyReply>>(new WalletToken.GetPublicKeyReply(module.PublicJwk(JweKey))))
            .Map<WalletToken.CheckEligibilityRequest, WalletToken.CheckEligibilityReply>(WalletToken.Operations.CheckEligibility, (request, _) => OnceAsync(trid, WalletToken.Operations.CheckEligibility, request.RequestId, null, request, () => CheckEligibilityAsync(trid, request), options.ReceiptLife))
            .Map<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(WalletToken.Operations.Digitize, (request, cancellation) => DigitizeAsync(trid, request, cancellation))
            .Map<WalletToken.ProvisionRequest, WalletToken.ProvisionReply>(WalletToken.Operations.Provision, (request, _) => ProvisionAsync(trid, request))
            .Map<WalletToken.RequestActivationCodeRequest, WalletToken.RequestActivationCodeReply>(WalletToken.Operations.RequestActivationCode, (request, cancellation) => OnceAsync(trid, WalletToken.Operations.RequestActivationCode, request.RequestId, request.TokenUniqueReference, request, () => RequestActivationCodeAsync(trid, request, cancellation)))
            .Map<WalletToken.ActivateRequest, WalletToken.ActivateReply>(WalletToken.Operations.Activate, (request, cancellation) => ActivateOnceAsync(trid, request, cancellation))
            .Map<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Suspend, (request, _) => OnceAsync(trid, WalletToken.Operations.Suspend, request.RequestId, request.TokenUniqueReference, request, () => ChangeAsync(trid, request, LifecycleStep.Suspend)))
            .Map<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Unsuspend, (request, _) => OnceAsync(trid, WalletToken.Operations.Unsuspend, request.RequestId, request.TokenUniqueReference, request, () => ChangeAsync(trid, request, LifecycleStep.Unsuspend)))
            .Map<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, (request, _) => OnceAsync(trid, WalletToken.Operations.Delete, request.RequestId, request.TokenUniqueReference, request, () => ChangeAsync(trid, request, LifecycleStep.Delete)))
            .Map<WalletToken.SetDomainRequest, WalletToken.TokenReply>(WalletToken.Operations.SetDomain, (request, _) => OnceAsync(trid, WalletToken.Operations.SetDomain, request.RequestId, request.TokenUniqueReference, request, () => SetDomainByRequestorAsync(trid, request)))
            .Map<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, (request, _) => GetTokenAsync(trid, request))
            .Map<WalletToken.SearchTokensRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.SearchTokens, (request, _) => SearchTokensAsync(trid, request))
            .Map<WalletToken.DeleteDeviceRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.DeleteDevice, (request, _) => OnceAsync(trid, WalletToken.Operations.DeleteDevice, request.RequestId, null, request, () => DeleteDeviceAsync(trid, request)))
            .Map<WalletToken.NotifyProvisioningResultRequest, WalletToken.TokenReply>(WalletToken.Operations.NotifyProvisioningResult, (request, _) => OnceAsync(trid, WalletToken.Operations.NotifyProvisioningResult, request.RequestId, request.TokenUniqueReference, request, () => NotifyProvisioningResultAsync(trid, request)))
            .Map<WalletToken.RequestActivationMethodsRequest, WalletToken.RequestActivationMethodsReply>(WalletToken.Operations.RequestActivationMethods, (request, _) => RequestActivationMethodsAsync(trid, request))
            .Map<WalletToken.GetTaskRequest, WalletToken.GetTaskReply>(WalletToken.Operations.GetTask, (request, _) => GetTaskAsync(trid, request))
            .Map<WalletToken.GetAssetRequest, WalletToken.GetAssetReply>(WalletToken.Operations.GetAsset, (request, _) => GetAssetAsync(request));
        endpoint.Failed += (operation, failure) => Decided(string.Empty, $"{operation} failed: {failure.GetType().Name}", $"{operation} 处理异常：{failure.GetType().Name}");
        return endpoint;
    }

    /// <summary>The device card of that reference if it is the caller's; another's is as unknown as none.</summary>
    private static TokenRow? FindFor(Session session, string caller, string tur) =>
        TokenRow.Find(session, tur) is { } row && row.Trid == caller ? row : null;

    public CardDirectory Directory => directory;

    private static ApiError Refused(Refusal refusal, IReadOnlyList<FieldError>? fields = null) =>
        new(refusal.Code, refusal.Why.En, fields is { Count: > 0 } ? fields : null, refusal.Why);

    private static ApiError NotFound => Refused(new(Ineligible.NotFound, new("There is no such device card.", "没有这张设备卡。")));

    private static ApiError Malformed(string field, string expected, string got) =>
        new("INVALID_FIELD_VALUE", $"{field}: expected {expected}, got {got}.", [new FieldError(field, expected, got)]);

    private static ApiError Unreachable => Refused(new("ISSUER_UNREACHABLE", new("The bank cannot be reached now. Nothing was lost; try again.", "暂时无法连接发卡银行，未造成任何影响，请稍后重试。")));

    private void Decided(string reference, string en, string zh) =>
        trace.Record(new TraceEvent(reference, clock.GetUtcNow(), "token-service", "token-service", "", TraceKind.Decision, TraceDirection.Inside, "", new Text(en, zh)));

    private void Called(string reference, string peer, string link, TraceDirection direction, string operation, string en, string zh) =>
        trace.Record(new TraceEvent(reference, clock.GetUtcNow(), "token-service", peer, link, TraceKind.Json, direction, "", new Text($"{operation}: {en}", $"{operation}：{zh}")));

    private bool TryOpen<T>(string jwe, [NotNullWhen(true)] out T? secret)
        where T : class
    {
        secret = null;
        if (!module.TryDecryptJwe(JweKey, jwe, out var plain))
        {
            return false;
        }

        try
        {
            secret = JsonSerializer.Deserialize<T>(plain, JsonEndpoint.Json);
        }
        catch (JsonException)
        {
            // What was in it stays in it.
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }

        return secret is not null;
    }

    /// <summary>For the bank alone: whatever passes between cannot read it. Null: the bank gave no key.</summary>
    private static async Task<string?> EncryptAsync<T>(IJsonLink bank, T secret, CancellationToken cancellation)
    {
        var key = await bank.CallAsync<TokenIssuer.GetPublicKeyRequest, TokenIssuer.GetPublicKeyReply>(TokenIssuer.Operations.GetPublicKey, new(), cancellation);
        if (key.Value is null)
        {
            return null;
        }

        var plain = JsonSerializer.SerializeToUtf8Bytes(secret, JsonEndpoint.Json);
        var isKey = Jwe.TryEncrypt(key.Value.Jwk, plain, out var jwe);
        CryptographicOperations.ZeroMemory(plain);
        return isKey ? jwe : null;
    }

    private static ApiError Unreadable => new("CRYPTOGRAPHY_ERROR", "The card data is not a JWE to this service's key, or holds no card.");

    private static ApiError UnreadableCode => new("CRYPTOGRAPHY_ERROR", "encryptedCode is not a JWE to this service's key, or holds no code.", [new FieldError("encryptedCode", "a JWE of {code} to this service's key", "something else")]);

    private static bool IsSeid(string? text) => text is { Length: 20 } && text.AsSpan().IndexOfAnyExcept("0123456789ABCDEF") < 0;

    private CardFace Face(TokenRow row)
    {
        var bank = directory.TryBank(row.Bank, out var found) ? found : null;
        return new(bank?.Name ?? new Text(row.Bank, row.Bank), row.Kind.Name(), row.Token.LastFour, row.InstanceAid, bank?.Colour ?? "#555555", bank is null ? null : AssetOf(bank.Code));
    }

    /// <summary>Face of a card that has no device number yet.</summary>
    private static CardFace Face(EligibleCard card) => new(card.Bank.Name, card.Bin.Kind.Name(), "", "", card.Bank.Colour, AssetOf(card.Bank.Code));

    private string LocalYearMonth(DateTimeOffset at) => at.ToOffset(LocalTime).ToString("yyMM", CultureInfo.InvariantCulture);

    private Pan Open(AccountRow account) =>
        module.TryUnseal(PanKey, account.PanBox, PanContext(account.PanIndex), out var digits)
            ? Pan.Parse(System.Text.Encoding.ASCII.GetString(digits))
            : throw new InvalidOperationException("a sealed number does not open: the vault is damaged");

    private static string PanContext(byte[] panIndex) => "pan:" + Convert.ToHexString(panIndex);
}
