using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

public sealed record AppSignIn(string Customer, string Password)
{
    public override string ToString() => nameof(AppSignIn);
}

/// <param name="Session">What every other call brings along.</param>
public sealed record AppSession(string Session, string Holder, DateTimeOffset Until)
{
    public override string ToString() => nameof(AppSession);
}

public sealed record AppWaitingRequest(string Session)
{
    public override string ToString() => nameof(AppWaitingRequest);
}

/// <summary>A card that is being added to a phone and waits for its holder's word.</summary>
/// <param name="Masked">The plastic's number.</param>
public sealed record AppWaiting(string TokenUniqueReference, string Masked, string DeviceModel, DateTimeOffset Until);

public sealed record AppWaitingReply(IReadOnlyList<AppWaiting> Waiting);

public sealed record AppConfirm(string Session, string TokenUniqueReference)
{
    public override string ToString() => nameof(AppConfirm);
}

public sealed record AppRefuse(string Session, string TokenUniqueReference)
{
    public override string ToString() => nameof(AppRefuse);
}

/// <param name="PerPayment">Yuan, such as 500.00; null: no limit. <paramref name="PerDay"/> likewise.</param>
public sealed record AppLimit(string Session, string TokenUniqueReference, string? PerPayment, string? PerDay)
{
    public override string ToString() => nameof(AppLimit);
}

/// <summary>Who changed the limits of one of the customer's device cards.</summary>
public sealed record AppLimitsRequest(string Session, string TokenUniqueReference)
{
    public override string ToString() => nameof(AppLimitsRequest);
}

public sealed record AppDone(Text Says);

/// <summary>The bank's own app (R6): its customer signs in there and confirms the card that is being added, in place of a code, or refuses it. Limits of a device card are the holder's to set there too.</summary>
/// <remarks>
/// A confirmation is asked for through the token service, holds for one token reference of one of this customer's cards, for a few minutes, and once.
/// What is refused has no code any more and is deleted at the token service, now or as soon as that can be reached.
/// Wrong passwords are counted as <see cref="SignIns"/> says.
/// </remarks>
public sealed class BankApp(IssuerOptions options, Store store, TimeProvider time, Entropy entropy, IssuerDesk desk, Func<IJsonLink?> tokenService)
{
    /// <summary>The way's name in <see cref="ActivationMethod"/>.</summary>
    public const string Method = "BANK_APP";

    public const string NotSignedIn = "NOT_SIGNED_IN";

    internal const string Migration = """
        -- The bank's own app: who may sign in, who has, and which cards wait for their holder's word.
        CREATE TABLE issuer_app_users (
          institution TEXT NOT NULL, customer TEXT NOT NULL, salt BYTEA NOT NULL, iterations BIGINT NOT NULL, hash BYTEA NOT NULL,
          failures BIGINT NOT NULL, locked_until BIGINT NOT NULL, PRIMARY KEY (institution, customer));
        CREATE TABLE issuer_app_sessions (
          institution TEXT NOT NULL, hash BYTEA NOT NULL, customer TEXT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (institution, hash));
        CREATE TABLE issuer_app_confirmations (
          institution TEXT NOT NULL, token_reference TEXT NOT NULL, state TEXT NOT NULL, request TEXT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (institution, token_reference));
        """;

    private static readonly ApiError
        SignInFirst = new(NotSignedIn, "Sign in to the bank first.", null, new("Sign in to the bank first.", "请先登录银行应用。")),
        WrongPassword = new("WRONG_PASSWORD", "Customer or password is wrong.", null, new("Customer or password is wrong.", "客户号或密码错误。")),
        Locked = new("LOCKED", "Too many wrong passwords.", null, new("Too many wrong passwords. Wait half an hour or call the bank.", "密码错误次数过多，请半小时后再试或致电银行。")),
        Nothing = new(Ineligible.NotFound, "No card of yours waits for this.", null, new("No card of yours waits for this: ask for it on the phone first.", "没有等待您确认的卡，请先在手机上发起。")),
        Away = new("UNREACHABLE", "The token service cannot be reached: confirm again.", null, new("The token service cannot be reached: confirm again.", "无法连接标记服务，请再次确认。"));

    private static readonly AppDone Refused = new(new("Refused: this card does not come to that phone. If you did not ask for it, call the bank.", "已拒绝：该卡不会添加到那部手机。如非本人操作，请致电银行。"));

    private readonly SignIns people = new(options, store, time, entropy, "app", "customer", options.AppSession);

    public JsonEndpoint Map(string party) => new JsonEndpoint(party)
        .Map<AppSignIn, AppSession>("sign-in", (request, _) => SignInAsync(request))
        .Map<AppWaitingRequest, AppWaitingReply>("waiting", (request, _) => WaitingAsync(request))
        .Map<AppConfirm, AppDone>("confirm", ConfirmAsync)
        .Map<AppRefuse, AppDone>("refuse", RefuseAsync)
        .Map<AppLimit, AppDone>("limit", (request, _) => LimitAsync(request))
        .Map<AppLimitsRequest, LimitHistoryReply>("limits", (request, _) => LimitsAsync(request));

    /// <summary>What the app answers to.</summary>
    public static IReadOnlyList<string> Actions { get; } = ["sign-in", "waiting", "confirm", "refuse", "limit", "limits"];

    public async Task<ApiReply<AppSession>> SignInAsync(AppSignIn request)
    {
        var (outcome, opened, until) = await people.OpenAsync(request.Customer, request.Password);
        return outcome switch
        {
            SignInOutcome.Open => new AppSession(opened, await store.WriteAsync(session => Customer.ById(session, options.Institution, request.Customer)?.MaskedName ?? ""), until),
            SignInOutcome.Locked => Locked,
            _ => WrongPassword,
        };
    }

    public Task<ApiReply<AppWaitingReply>> WaitingAsync(AppWaitingRequest request) => store.WriteAsync<ApiReply<AppWaitingReply>>(session => SignedIn(session, request.Session) is not { } customer
        ? SignInFirst
        : new AppWaitingReply(session.Query(
            """
            SELECT e.token_reference, c.masked, e.device_model, a.until FROM issuer_app_confirmations a
            JOIN issuer_enrolments e ON e.institution = a.institution AND e.token_reference = a.token_reference
            JOIN issuer_cards c ON c.institution = e.institution AND c.card = e.card
            WHERE a.institution = $1 AND c.customer = $2 AND a.state IN ('Waiting', 'Confirmed') AND a.until > $3 ORDER BY e.at, e.token_reference
            """,
            static row => new AppWaiting(row.GetString(0), row.GetString(1), row.GetString(2), row.Instant(3)), options.Institution, customer, time.GetUtcNow())));

    public async Task<ApiReply<AppDone>> ConfirmAsync(AppConfirm request, CancellationToken cancellation)
    {
        // The bank's own word first and once: the token service's notice of it finds the holder proven.
        var (call, error) = await store.CommitAsync(session =>
        {
            if (SignedIn(session, request.Session) is not { } customer) return ((string?)null, (ApiError?)SignInFirst);
            if (EnrolmentRow.Hold(session, options.Institution, request.TokenUniqueReference) is not { } row || Card.ById(session, options.Institution, row.Card)?.Customer != customer) return (null, Nothing);

            var waits = session.One(
                "SELECT state, request, until FROM issuer_app_confirmations WHERE institution = $1 AND token_reference = $2 FOR UPDATE",
                static one => Tuple.Create(one.GetString(0), one.GetString(1), one.Instant(2)), options.Institution, request.TokenUniqueReference);
            if (waits is null || waits.Item1 is not ("Waiting" or "Confirmed") || waits.Item3 <= time.GetUtcNow()) return (null, Nothing);

            session.Execute("UPDATE issuer_app_confirmations SET state = 'Confirmed' WHERE institution = $1 AND token_reference = $2", options.Institution, request.TokenUniqueReference);
            EnrolmentRow.Prove(session, options.Institution, request.TokenUniqueReference);
            return (waits.Item2, null);
        });
        if (error is not null)
        {
            return error;
        }

        if (tokenService() is not { } line)
        {
            return Away;
        }

        ApiReply<IssuerToken.TokenView> reply;
        try
        {
            reply = await line.CallAsync<IssuerToken.ActivateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Activate, new(call!, request.TokenUniqueReference, "BANK_APP"), cancellation);
        }
        catch (PartyUnreachableException)
        {
            return Away; // confirmed here: the same press again brings it there, under the same request id
        }

        if (reply.Value is not { } now)
        {
            return reply.Error!;
        }

        await store.CommitAsync(session => session.Execute("UPDATE issuer_app_confirmations SET state = 'Used' WHERE institution = $1 AND token_reference = $2", options.Institution, request.TokenUniqueReference));
        return new AppDone(new($"Confirmed: the device card ending {now.DeviceLastFour} is live.", $"已确认：尾号 {now.DeviceLastFour} 的设备卡已生效。"));
    }

    /// <summary>Not the holder's doing: no code proves this card any more, and it goes from chip and token service. Said again, it is said once.</summary>
    public async Task<ApiReply<AppDone>> RefuseAsync(AppRefuse request, CancellationToken cancellation)
    {
        var (refused, error) = await store.CommitAsync(session =>
        {
            if (SignedIn(session, request.Session) is not { } customer) return (false, (ApiError?)SignInFirst);
            if (EnrolmentRow.Hold(session, options.Institution, request.TokenUniqueReference) is not { } row || Card.ById(session, options.Institution, row.Card)?.Customer != customer) return (false, Nothing);

            var waits = session.One(
                "SELECT state, until FROM issuer_app_confirmations WHERE institution = $1 AND token_reference = $2 FOR UPDATE",
                static one => Tuple.Create(one.GetString(0), one.Instant(1)), options.Institution, request.TokenUniqueReference);
            if (waits is { Item1: "Refused" or "Gone" }) return (true, null);
            if (waits is not { Item1: "Waiting" } || row.Proof != EnrolmentProof.Open || waits.Item2 <= time.GetUtcNow()) return (false, Nothing);

            session.Execute("UPDATE issuer_app_confirmations SET state = 'Refused' WHERE institution = $1 AND token_reference = $2", options.Institution, request.TokenUniqueReference);
            EnrolmentRow.Refuse(session, options.Institution, request.TokenUniqueReference, row.Code);
            return (true, null);
        });
        if (!refused)
        {
            return error!;
        }

        await PumpAsync(cancellation);
        return Refused;
    }

    /// <summary>Tells the token service what holders have refused, until it has heard it.</summary>
    internal async Task PumpAsync(CancellationToken cancellation)
    {
        var untold = store.Read(session => session.Query(
            "SELECT token_reference, request FROM issuer_app_confirmations WHERE institution = $1 AND state = 'Refused' ORDER BY token_reference", static row => (Token: row.GetString(0), Request: row.GetString(1)), options.Institution));
        foreach (var (token, request) in untold)
        {
            if (tokenService() is not { } line)
            {
                return;
            }

            try
            {
                var reply = await line.CallAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(
                    IssuerToken.Operations.Delete, new($"refuse/{request}", token, SuspendedBy.Issuer, "REFUSED_IN_APP"), cancellation);
                if (reply.Error?.ErrorCode is JsonEndpoint.InternalError)
                {
                    return;
                }
            }
            catch (PartyUnreachableException)
            {
                return; // the next round
            }

            await store.CommitAsync(session => session.Execute("UPDATE issuer_app_confirmations SET state = 'Gone' WHERE institution = $1 AND token_reference = $2 AND state = 'Refused'", options.Institution, token));
        }
    }

    private async Task<ApiReply<AppDone>> LimitAsync(AppLimit request)
    {
        foreach (var (field, said) in (ReadOnlySpan<(string, string?)>)[("perPayment", request.PerPayment), ("perDay", request.PerDay)])
        {
            if (said is not null && !Amount.TryParse(said, Currency.Cny, out _, out _))
            {
                return new ApiError("INVALID_FIELD_VALUE", $"{field}: expected yuan, such as 500.00.", [new FieldError(field, "yuan, such as 500.00", "another")], new($"{field}: expected yuan, such as 500.00.", $"{field}：请输入金额，例如 500.00。"));
            }
        }

        var (device, error) = await store.WriteAsync(session => OwnDevice(session, request.Session, request.TokenUniqueReference));
        if (error is not null)
        {
            return error;
        }

        return await desk.LimitDeviceCardAsync(device!.Card, request.TokenUniqueReference, new(Minor(request.PerPayment), Minor(request.PerDay)), LimitAuthor.Customer(device.Customer))
            ? new AppDone(new($"The limits of the device card ending {device.LastFour} are set.", $"尾号 {device.LastFour} 的设备卡限额已设置。"))
            : Nothing;
    }

    private Task<ApiReply<LimitHistoryReply>> LimitsAsync(AppLimitsRequest request) => store.WriteAsync<ApiReply<LimitHistoryReply>>(session =>
    {
        var (device, error) = OwnDevice(session, request.Session, request.TokenUniqueReference);
        return error is not null ? error : new LimitHistoryReply(LimitHistory.Of(session, options.Institution, device!.Card, request.TokenUniqueReference));
    });

    private sealed record OfCustomer(string Card, string LastFour, string Customer);

    /// <summary>Another customer's device card is as unknown as none.</summary>
    private (OfCustomer? Device, ApiError? Error) OwnDevice(Session session, string opened, string tokenReference) => SignedIn(session, opened) is not { } customer ? (null, SignInFirst)
        : session.One(
            """
            SELECT d.card, d.last_four, c.customer FROM issuer_devices d JOIN issuer_cards c ON c.institution = d.institution AND c.card = d.card
            WHERE d.institution = $1 AND d.token_reference = $2 AND c.customer = $3
            """,
            static row => new OfCustomer(row.GetString(0), row.GetString(1), row.GetString(2)), options.Institution, tokenReference, customer) is { } found ? (found, null) : (null, Nothing);

    /// <summary>The token service asks, on behalf of the phone, for the holder's word in the app.</summary>
    /// <returns>Until when it is waited for; null when it has been given already.</returns>
    internal static DateTimeOffset? Ask(Session session, IssuerOptions options, string tokenReference, string request, DateTimeOffset now)
    {
        var until = now.AddSeconds(options.CodeLifeSeconds);
        return session.Execute(
            """
            INSERT INTO issuer_app_confirmations (institution, token_reference, state, request, until) VALUES ($1, $2, 'Waiting', $3, $4)
            ON CONFLICT (institution, token_reference) DO UPDATE SET until = excluded.until WHERE issuer_app_confirmations.state IN ('Waiting', 'Confirmed')
            """,
            options.Institution, tokenReference, request, until) == 1 ? until : null;
    }

    /// <summary>Gives a customer the password of the app, once.</summary>
    internal static void Register(Session session, string institution, string customer, PasswordHash password) => session.Execute(
        "INSERT INTO issuer_app_users (institution, customer, salt, iterations, hash, failures, locked_until) VALUES ($1, $2, $3, $4, $5, 0, 0) ON CONFLICT (institution, customer) DO NOTHING",
        institution, customer, password.Salt, password.Iterations, password.Hash);

    private string? SignedIn(Session session, string opened) => people.WhoIs(session, opened);

    private static long? Minor(string? yuan) => yuan is not null && Amount.TryParse(yuan, Currency.Cny, out var amount, out _) ? amount.Minor : null;
}
