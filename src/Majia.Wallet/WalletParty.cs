using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.Wallet.Handsets;

namespace Majia.Wallet;

/// <summary>The wallet cloud's settings.</summary>
public sealed record WalletOptions
{
    /// <summary>Token requestor id (TRID) of this wallet at the token service, 11 digits.</summary>
    public string TokenRequestorId { get; init; } = "99900000001";

    /// <summary>Handset list of the owner, or null for the one built in.</summary>
    public string? HandsetFile { get; init; }

    public int PasswordIterations { get; init; } = PasswordHash.DefaultIterations;

    /// <summary>A card that is not live after this is asked about at the token service (R8).</summary>
    public TimeSpan UnfinishedLife { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Wrong passwords of an account in a row, then it is locked for <see cref="LockOut"/> (requirement 30).</summary>
    public int PasswordTries { get; init; } = 10;

    public TimeSpan LockOut { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>A session of the owner's site that nobody uses ends after this (requirement 27), and any after <see cref="SessionLife"/>.</summary>
    public TimeSpan SessionIdle { get; init; } = TimeSpan.FromMinutes(15);

    public TimeSpan SessionLife { get; init; } = TimeSpan.FromHours(12);

    /// <summary>A handset that was lost within this is a doubt about new cards on it.</summary>
    public TimeSpan LostLately { get; init; } = TimeSpan.FromDays(7);

    /// <summary>So is one on which another account signed in within this.</summary>
    public TimeSpan HandedOverLately { get; init; } = TimeSpan.FromDays(1);
}

/// <summary>The wallet cloud (钱包云): accounts, handsets, Find Device, card orchestration. It passes on what it cannot read: card data and scripts.</summary>
public sealed partial class WalletParty
{
    private readonly WalletOptions options;
    private readonly Store store;
    private readonly SeIssuer seIssuer;
    private readonly IJsonLink tokenService;
    private readonly TimeProvider clock;
    private readonly Entropy entropy;
    private readonly ITrace trace;
    private readonly HandsetDirectory handsets;

    public WalletParty(WalletOptions options, Store store, SeIssuer seIssuer, IJsonLink tokenService, TimeProvider clock, Entropy entropy, ITrace trace)
    {
        this.options = options;
        this.store = store;
        this.seIssuer = seIssuer;
        this.tokenService = tokenService;
        this.clock = clock;
        this.entropy = entropy;
        this.trace = trace;
        handsets = HandsetDirectory.Load(options.HandsetFile);
        Owners = new OwnerAccounts(options, store, clock, entropy);
        Endpoint = new JsonEndpoint("wallet");
        Endpoint.Failed += (operation, failure) => Record("", "wallet", "phone-wallet", TraceKind.Decision, TraceDirection.Inside, $"{operation} failed: {failure.GetType().Name}", $"{operation} 处理异常：{failure.GetType().Name}");
        Map<HandsetCall, PhoneWallet.SignInReply>(PhoneWallet.Operations.SignIn, SignInAsync);
        OfHandset<PhoneWallet.SignOutRequest, PhoneWallet.Done>(PhoneWallet.Operations.SignOut, SignOutAsync);
        OfHandset<PhoneWallet.SetFindDeviceRequest, PhoneWallet.Done>(PhoneWallet.Operations.SetFindDevice, SetFindDeviceAsync);
        Map<PhoneWallet.CheckHandsetRequest, PhoneWallet.CheckHandsetReply>(PhoneWallet.Operations.CheckHandset, CheckHandsetAsync);
        Map<PhoneWallet.GetEnrolmentKeyRequest, PhoneWallet.GetEnrolmentKeyReply>(PhoneWallet.Operations.GetEnrolmentKey, GetEnrolmentKeyAsync);
        OfHandset<PhoneWallet.AddCardRequest, PhoneWallet.AddCardReply>(PhoneWallet.Operations.AddCard, AddCardAsync);
        OfHandset<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, ExchangeScriptAsync);
        OfHandset<PhoneWallet.RequestActivationCodeRequest, WalletToken.RequestActivationCodeReply>(PhoneWallet.Operations.RequestActivationCode, RequestActivationCodeAsync);
        OfHandset<PhoneWallet.ActivateRequest, PhoneWallet.ActivateReply>(PhoneWallet.Operations.Activate, ActivateAsync);
        OfHandset<PhoneWallet.ListCardsRequest, PhoneWallet.ListCardsReply>(PhoneWallet.Operations.ListCards, ListCardsAsync);
        OfHandset<PhoneWallet.DeleteCardRequest, PhoneWallet.Done>(PhoneWallet.Operations.DeleteCard, DeleteCardAsync);
        OfHandset<PhoneWallet.PrepareTransitRequest, PhoneWallet.PrepareTransitReply>(PhoneWallet.Operations.PrepareTransit, PrepareTransitAsync);
        OfHandset<PhoneWallet.FetchCommandsRequest, PhoneWallet.FetchCommandsReply>(PhoneWallet.Operations.FetchCommands, FetchCommandsAsync);
        OfHandset<PhoneWallet.ReportInventoryRequest, PhoneWallet.ReportInventoryReply>(PhoneWallet.Operations.ReportInventory, ReportInventoryAsync);
    }

    public static PartySchema Schema => WalletTables.Schema;

    /// <summary>Who may speak for an account.</summary>
    public OwnerAccounts Owners { get; }

    /// <summary>What the phone calls.</summary>
    public JsonEndpoint Endpoint { get; }

    /// <summary>A line to the token service that is down is an answer to the phone: nothing took effect that a repeat would not repeat.</summary>
    private void Map<TRequest, TResponse>(string operation, Func<TRequest, CancellationToken, Task<ApiReply<TResponse>>> handler)
        where TRequest : notnull
        where TResponse : notnull =>
        Endpoint.Map<TRequest, TResponse>(operation, async (request, cancellation) =>
        {
            try
            {
                return await handler(request, cancellation);
            }
            catch (PartyUnreachableException)
            {
                return TokenServiceUnreachable;
            }
        });

    /// <summary>An operation that a registered handset asks for with its key's word (decision 0045); what it asks is read after that.</summary>
    private void OfHandset<TRequest, TResponse>(string operation, Func<DeviceRow, TRequest, CancellationToken, Task<ApiReply<TResponse>>> handler)
        where TRequest : notnull
        where TResponse : notnull =>
        Map<HandsetCall, TResponse>(operation, async (call, cancellation) =>
        {
            var (device, refused) = await store.WriteAsync(session => DeviceRow.Find(session, call.DeviceId) is { } found && call.IsSignedBy(found.PublicKey, operation)
                ? (found, WhyNotTaken(session, found.DeviceId, call))
                : (null, NotAuthenticated));
            return refused ?? (JsonEndpoint.TryRead<TRequest>(Encoding.UTF8.GetBytes(call.Body), out var request, out var wrong) ? await handler(device!, request, cancellation) : wrong);
        });

    /// <summary>A signed call is taken once, and while it is new.</summary>
    private ApiError? WhyNotTaken(Session session, string handset, HandsetCall call)
    {
        var (now, tolerance) = (clock.GetUtcNow(), (long)HandsetCall.ClockTolerance.TotalMilliseconds);
        return call.At < now.ToUnixTimeMilliseconds() - tolerance || call.At > now.ToUnixTimeMilliseconds() + tolerance ? ClockWrong
            : HandsetNonce.TryTake(session, handset, call, now) ? null : CallRepeated;
    }

    private static readonly ApiError TokenServiceUnreachable = Refused(new Refusal("TOKEN_SERVICE_UNREACHABLE", new("The service cannot be reached now. Please try again.", "暂时无法连接服务，请稍后重试。")));

    private static ApiError Refused(Refusal refusal) => new(refusal.Code, refusal.Why.En, null, refusal.Why);

    private static ApiError NotAuthenticated => Refused(new Refusal("NOT_AUTHENTICATED", new("This handset is not known here, or its key did not sign this call.", "未识别该手机，或请求并非由其密钥签名。")));

    private static ApiError ClockWrong => Refused(new Refusal(HandsetCall.ClockWrong, new("The phone's clock differs from the service's by more than five minutes. Please set it.", "手机时间与服务器相差超过五分钟，请校准手机时间。")));

    private static ApiError CallRepeated => Refused(new Refusal(HandsetCall.Repeated, new("This call of the handset has arrived before.", "该请求此前已收到。")));

    private static ApiError HandsetOfAnotherAccount => Refused(new Refusal("HANDSET_OF_ANOTHER_ACCOUNT", new("This handset is registered to another account. Sign in with that account first.", "该手机已绑定其他帐号，请先使用原帐号登录。")));

    private static ApiError NoSuchCard => Refused(new Refusal(Ineligible.NotFound, new("There is no such card on this phone.", "这部手机上没有这张卡。")));

    /// <summary>All reasons at once: the first gives the code, each has a line of its own.</summary>
    private static ApiError Refused(IReadOnlyList<Refusal> reasons) => new(
        reasons.Count == 1 ? reasons[0].Code : "CONDITIONS_NOT_MET",
        string.Join(" ", reasons.Select(reason => reason.Why.En)),
        [.. reasons.Select(reason => new FieldError(reason.Code, "", reason.Why.En))],
        new(string.Join(" ", reasons.Select(reason => reason.Why.En)), string.Concat(reasons.Select(reason => reason.Why.Zh))));

    private void Record(string reference, string peer, string link, TraceKind kind, TraceDirection direction, string en, string zh) =>
        trace.Record(new TraceEvent(TraceReference.Card(reference), clock.GetUtcNow(), "wallet", peer, link, kind, direction, "", new(en, zh)));
}
