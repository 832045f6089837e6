using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;
using static Majia.Core.Contracts.TokenIssuer;

namespace Majia.Issuer;

/// <summary>The bank's end of the token service's line: who may put this card on a phone, and the code that proves it.</summary>
/// <remarks>Every call that changes something is idempotent by token reference and requestId: a repeat gets the stored reply and changes nothing; other content under the same id is refused.</remarks>
internal sealed class Enrolment(IssuerOptions options, Store store, KeyModule keys, TimeProvider time, Entropy entropy, IssuerTrace trace)
{
    private const string Sms = "SMS";

    public JsonEndpoint Map() => new JsonEndpoint("issuer")
        .Map<GetPublicKeyRequest, GetPublicKeyReply>(Operations.GetPublicKey, (_, _) => Task.FromResult<ApiReply<GetPublicKeyReply>>(new GetPublicKeyReply(keys.PublicJwk(IssuerKeys.Jwe))))
        .Map<AuthorizeServiceRequest, AuthorizeServiceReply>(Operations.AuthorizeService, AuthorizeAsync)
        .Map<DeliverActivationCodeRequest, DeliverActivationCodeReply>(Operations.DeliverActivationCode, DeliverAsync)
        .Map<ValidateActivationCodeRequest, ValidateActivationCodeReply>(Operations.ValidateActivationCode, ValidateAsync)
        .Map<NotifyServiceActivatedRequest, Done>(Operations.NotifyServiceActivated, ActivatedAsync)
        .Map<ReconcileTokensRequest, ReconcileTokensReply>(Operations.ReconcileTokens, (request, _) => new Reconciliation(options, store, time).CompareAsync(request))
        .Map<NotifyTokenUpdatedRequest, Done>(Operations.NotifyTokenUpdated, UpdatedAsync);

    // ---- authorizeService ----

    private async Task<ApiReply<AuthorizeServiceReply>> AuthorizeAsync(AuthorizeServiceRequest request, CancellationToken cancellation)
    {
        if (Open<CardToEnrol>("encryptedCard", request.EncryptedCard, out var wrong) is not { } typed)
        {
            return wrong!;
        }

        // Without the CVN2, of which nothing is kept once it has been compared.
        var call = Called(
            Operations.AuthorizeService, request.RequestId, request.TokenUniqueReference,
            request.TokenRequestorId, request.DeviceModel, request.Source, typed.Pan, typed.Expiry, typed.HolderName, typed.IdNumber, typed.MobileNumber);
        var index = Pan.TryParse(typed.Pan, out var pan, out _) ? keys.Index(IssuerKeys.Index, pan) : [];
        var records = await store.WriteAsync(session => Read(session, index));
        var evidence = records is null ? null : Compare(typed, records);

        var now = time.GetUtcNow();
        var reply = await store.WriteAsync(session =>
        {
            if (Stored<AuthorizeServiceReply>(session, call) is { } same) return same;
            if (EnrolmentRow.Find(session, options.Institution, request.TokenUniqueReference) is not null) return InvalidState;

            return (ApiReply<AuthorizeServiceReply>)Keep(session, call, now, Authorize(session, request, records, evidence, now));
        });

        trace.Call(TraceReference.Card(request.TokenUniqueReference), Operations.AuthorizeService, reply.Value is { } decided
            ? decided.Reason?.Why ?? new("The bank agrees.", "银行同意。")
            : reply.Error == OtherContent ? OtherContent.Why!
            : new("This token reference has been decided already.", "该标记引用已有决定。"));
        return reply;
    }

    /// <summary>What is in a JWE to the bank's key; null with what is wrong, which quotes nothing of it.</summary>
    private T? Open<T>(string field, string jwe, out ApiError? wrong)
        where T : class
    {
        wrong = new ApiError("CRYPTOGRAPHY_ERROR", $"{field} does not open with the bank's key.", [new FieldError(field, "a JWE to the bank's key", "something else")]);
        if (!keys.TryDecryptJwe(IssuerKeys.Jwe, jwe, out var plain))
        {
            return null;
        }

        wrong = new ApiError("INVALID_FIELD_FORMAT", $"{field} does not hold what it should.", [new FieldError(field, $"a {typeof(T).Name}", "something else")]);
        try
        {
            return JsonSerializer.Deserialize<T>(plain, JsonEndpoint.Json);
        }
        catch (JsonException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private AuthorizeServiceReply Authorize(Session session, AuthorizeServiceRequest request, Records? records, IdentityEvidence? evidence, DateTimeOffset now)
    {
        // The state may have changed since the data were compared: read again where it is decided.
        var card = records is null ? null : Card.Hold(session, options.Institution, records.Card.Id);
        if (card is null || evidence is null)
        {
            return new AuthorizeServiceReply(IssuerDecision.Declined, EnrolmentDecider.NoSuchCard.Reason, [], PinPolicy.Always, "", "");
        }

        var customer = records!.Customer;
        var paused = card.IdentityFailures >= options.IdentityTries && now < card.IdentityFailedAt.AddSeconds(options.IdentityPauseSeconds);
        var facts = new EnrolmentFacts(evidence, customer.MaskedMobile.Length > 0, customer.DocumentExpires, BankTime.Date(now), BankTime.YearMonth(now), paused);
        var decision = EnrolmentDecider.Decide(facts, card);
        CountFailures(session, card, evidence, decision, paused, now);
        if (decision.Decision == IssuerDecision.Declined)
        {
            return new AuthorizeServiceReply(decision.Decision, decision.Reason, [], card.PinPolicy, "", "");
        }

        session.Execute(
            """
            INSERT INTO issuer_enrolments (institution, token_reference, card, decision, state, device_model, code_box, code_generation, code_expires, code_tries, codes_sent, at)
            VALUES ($1, $2, $3, $4, $5, $6, NULL, 0, 0, 0, 0, $7)
            """,
            options.Institution, request.TokenUniqueReference, card.Id, decision.Decision.ToString(),
            (Proves(decision, request.Assessments) ? EnrolmentProof.Proven : EnrolmentProof.Open).ToString(), request.DeviceModel, now);
        return new AuthorizeServiceReply(
            decision.Decision, decision.Reason, Methods(session, customer), card.PinPolicy, card.Expiry, card.SequenceNumber);
    }

    /// <summary>SMS always; the bank's app for whoever has it.</summary>
    private List<ActivationMethod> Methods(Session session, Customer customer) =>
        session.Number("SELECT COUNT(*) FROM issuer_app_users WHERE institution = $1 AND customer = $2", options.Institution, customer.Id) == 0
            ? [new(Sms, Sms, customer.MaskedMobile)]
            : [new(Sms, Sms, customer.MaskedMobile), new(BankApp.Method, BankApp.Method, customer.MaskedName)];

    /// <summary>Green of the bank is no proof where wallet or network has a doubt: then its code decides (features.md B4).</summary>
    private static bool Proves(EnrolmentDecision decision, IReadOnlyList<Assessment>? others) =>
        decision.Decision == IssuerDecision.Approved && others?.Any(other => other.Colour == Colour.Yellow) != true;

    private sealed record Records(Card Card, Customer Customer, byte[] Cvn2Box);

    private Records? Read(Session session, byte[] index)
    {
        var card = Card.ByNumber(session, options.Institution, index);
        var customer = card is null ? null : Customer.ById(session, options.Institution, card.Customer);
        return customer is null
            ? null
            : session.One("SELECT cvn2_box FROM issuer_cards WHERE institution = $1 AND card = $2", row => new Records(card!, customer, row.Bytes(0)), options.Institution, card!.Id);
    }

    private IdentityEvidence Compare(CardToEnrol typed, Records records)
    {
        var name = typed.HolderName?.Trim();
        return new IdentityEvidence(
            name is null ? null : Same(name, records.Customer.Name) | Same(name.ToUpperInvariant(), records.Customer.Pinyin),
            typed.IdNumber is null ? null : Same(typed.IdNumber.Trim().ToUpperInvariant(), Open(records.Customer.IdentityBox, IssuerKeys.IdentityContext(options.Institution, records.Customer.Id))),
            typed.MobileNumber is null ? null : Same(typed.MobileNumber.Trim(), records.Customer.MobileBox is { } mobile ? Open(mobile, IssuerKeys.MobileContext(options.Institution, records.Customer.Id)) : ""),
            typed.Expiry is null ? null : Same(typed.Expiry.Trim(), records.Card.Expiry),
            typed.Cvn2 is null ? null : Same(typed.Cvn2.Trim(), Open(records.Cvn2Box, IssuerKeys.Cvn2Context(options.Institution, records.Card.Id))));
    }

    private string Open(byte[] box, string context) =>
        keys.TryUnseal(IssuerKeys.Pan, box, context, out var plain) ? Encoding.UTF8.GetString(plain) : throw new InvalidOperationException("a sealed column does not open");

    private static bool Same(string typed, string kept) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(typed), Encoding.UTF8.GetBytes(kept));

    private void CountFailures(Session session, Card card, IdentityEvidence evidence, EnrolmentDecision decision, bool paused, DateTimeOffset now)
    {
        var fresh = now >= card.IdentityFailedAt.AddSeconds(options.IdentityPauseSeconds);
        var failures = EnrolmentDecider.Failures(card.IdentityFailures, evidence, decision, paused, fresh);
        if (failures != card.IdentityFailures || (evidence.AnyWrong && !paused))
        {
            session.Execute("UPDATE issuer_cards SET identity_failures = $3, identity_failed_at = $4 WHERE institution = $1 AND card = $2", options.Institution, card.Id, failures, now);
        }
    }

    // ---- activation code ----

    private async Task<ApiReply<DeliverActivationCodeReply>> DeliverAsync(DeliverActivationCodeRequest request, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var call = Called(Operations.DeliverActivationCode, request.RequestId, request.TokenUniqueReference, request.MethodId);
        var code = entropy.Digits(options.CodeDigits);
        var message = entropy.NewId();
        var body = CustomerMessage.Seal(keys, options, message, CustomerMessage.Code(options, code));

        while (true)
        {
            var before = await store.WriteAsync(session => EnrolmentRow.Find(session, options.Institution, request.TokenUniqueReference));
            if (before is null)
            {
                return NotFound;
            }

            var box = keys.Seal(IssuerKeys.Pan, Encoding.UTF8.GetBytes(code), IssuerKeys.CodeContext(options.Institution, request.TokenUniqueReference, before.Code.Generation + 1));
            var (reply, stale) = await store.WriteAsync(session =>
            {
                if (Stored<DeliverActivationCodeReply>(session, call) is { } same) return (same, false);

                var row = EnrolmentRow.Hold(session, options.Institution, request.TokenUniqueReference)!;
                if (row.Code.Generation != before.Code.Generation) return (NotFound, true);
                if (row.Proof != EnrolmentProof.Open) return (InvalidState, false);
                if (request.MethodId == BankApp.Method)
                {
                    var holder = Customer.ById(session, options.Institution, Card.ById(session, options.Institution, row.Card)!.Customer)!;
                    return (Methods(session, holder) is { Count: > 1 } && BankApp.Ask(session, options, request.TokenUniqueReference, message, now) is { } until
                        ? (ApiReply<DeliverActivationCodeReply>)Keep(session, call, now, new DeliverActivationCodeReply(holder.MaskedName, until)) : InvalidState, false);
                }

                if (request.MethodId != Sms) return (new ApiError("INVALID_FIELD_VALUE", "The bank does not offer this method.", [new FieldError("methodId", Sms, "another")]), false);
                if (ActivationCode.Next(row.Code, options, now) is not { } next) return (new ApiError(Ineligible.CodeTriesExceeded, "No more codes for this card: start again."), false);

                Card.Hold(session, options.Institution, row.Card); // its day counts over all its enrolments
                var day = CodeDay.Of(session, options.Institution, row.Card, now);
                if (!day.MaySend(options)) return (TooManyToday, false);

                (day with { Sent = day.Sent + 1 }).Write(session, options.Institution, row.Card);
                var customer = Customer.ById(session, options.Institution, Card.ById(session, options.Institution, row.Card)!.Customer)!;
                EnrolmentRow.Write(session, options.Institution, request.TokenUniqueReference, next, box);
                CustomerMessage.Send(session, options.Institution, message, customer, body, now);
                return ((ApiReply<DeliverActivationCodeReply>)Keep(session, call, now, new DeliverActivationCodeReply(customer.MaskedMobile, next.ExpiresAt)), false);
            });
            if (!stale)
            {
                trace.Call(TraceReference.Card(request.TokenUniqueReference), Operations.DeliverActivationCode, reply.Value is { } sent
                    ? request.MethodId == BankApp.Method ? new($"The bank's app waits for {sent.Masked} to confirm.", $"等待 {sent.Masked} 在银行应用中确认。") : new($"A code goes by SMS to {sent.Masked}.", $"验证码已发往 {sent.Masked}。")
                    : new("No code is sent.", "未发送验证码。"));
                return reply;
            }
        }
    }

    private async Task<ApiReply<ValidateActivationCodeReply>> ValidateAsync(ValidateActivationCodeRequest request, CancellationToken cancellation)
    {
        if (Open<TypedCode>("encryptedCode", request.EncryptedCode, out var wrong) is not { } typed)
        {
            return wrong!;
        }

        var call = Called(Operations.ValidateActivationCode, request.RequestId, request.TokenUniqueReference, typed.Code);
        while (true)
        {
            var now = time.GetUtcNow();
            var before = await store.WriteAsync(session => EnrolmentRow.Find(session, options.Institution, request.TokenUniqueReference));
            if (before is null)
            {
                return NotFound;
            }

            // Compared before the unit, in constant time; whether it counts is decided inside it, one attempt after another.
            var right = before.CodeBox is { } box
                && Same(typed.Code, Open(box, IssuerKeys.CodeContext(options.Institution, request.TokenUniqueReference, before.Code.Generation)));
            var reply = await store.WriteAsync(session =>
            {
                if (Stored<ValidateActivationCodeReply>(session, call) is { } same) return same;

                var row = EnrolmentRow.Hold(session, options.Institution, request.TokenUniqueReference)!;
                if (row.Code.Generation != before.Code.Generation) return null;

                Card.Hold(session, options.Institution, row.Card); // its day counts over all its enrolments
                var day = CodeDay.Of(session, options.Institution, row.Card, now);
                var (verdict, after) = day.MayGuess(options)
                    ? ActivationCode.Validate(row.Code, right, row.Proof == EnrolmentProof.Proven, now)
                    : (CodeVerdict.TriesExceeded, row.Code with { TriesLeft = 0, Live = false });
                if (after.TriesLeft < row.Code.TriesLeft && day.MayGuess(options))
                {
                    (day with { Wrong = day.Wrong + 1 }).Write(session, options.Institution, row.Card);
                }

                if (after != row.Code)
                {
                    EnrolmentRow.Write(session, options.Institution, request.TokenUniqueReference, after, after.Live ? row.CodeBox : null);
                }

                if (verdict == CodeVerdict.Right)
                {
                    EnrolmentRow.Prove(session, options.Institution, request.TokenUniqueReference);
                }

                return (ApiReply<ValidateActivationCodeReply>)Keep(session, call, now, new ValidateActivationCodeReply(verdict, after.TriesLeft));
            });
            if (reply is not null)
            {
                trace.Call(TraceReference.Card(request.TokenUniqueReference), Operations.ValidateActivationCode, reply.Value is { } said ? Words(said) : OtherContent.Why!);
                return reply;
            }
        }
    }

    private static Text Words(ValidateActivationCodeReply reply) => reply.Verdict switch
    {
        CodeVerdict.Right => new("The code is right.", "验证码正确。"),
        CodeVerdict.Wrong => new($"The code is wrong; {reply.TriesLeft} left.", $"验证码错误，还可输入 {reply.TriesLeft} 次。"),
        CodeVerdict.Expired => new("The code has expired.", "验证码已过期。"),
        CodeVerdict.TriesExceeded => new("Too many wrong codes: ask for a new one.", "验证码错误次数超限，请重新获取。"),
        _ => new("There is no code to compare with.", "没有可供校验的验证码。"),
    };

    // ---- notices ----

    private async Task<ApiReply<Done>> ActivatedAsync(NotifyServiceActivatedRequest request, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var call = Called(Operations.NotifyServiceActivated, request.RequestId, request.TokenUniqueReference, request.DeviceLastFour, request.DeviceModel);
        var message = entropy.NewId();
        var card = await store.WriteAsync(session => EnrolmentRow.Find(session, options.Institution, request.TokenUniqueReference) is { } row ? Card.ById(session, options.Institution, row.Card) : null);
        if (card is null)
        {
            return NotFound;
        }

        var body = CustomerMessage.Seal(keys, options, message, CustomerMessage.CardAdded(options, card.Masked[^4..], request.DeviceModel, request.DeviceLastFour));
        var reply = await store.WriteAsync(session =>
        {
            if (Stored<Done>(session, call) is { } same) return same;
            if (EnrolmentRow.Hold(session, options.Institution, request.TokenUniqueReference) is not { Proof: EnrolmentProof.Proven } proven) return InvalidState;

            // The code has done its work: from now on nobody can use it.
            EnrolmentRow.Write(session, options.Institution, request.TokenUniqueReference, proven.Code with { Live = false }, null);
            session.Execute(
                """
                INSERT INTO issuer_devices (institution, card, token_reference, last_four, model, state, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (institution, card, token_reference) DO UPDATE SET last_four = excluded.last_four, model = excluded.model, state = excluded.state
                """,
                options.Institution, card.Id, request.TokenUniqueReference, request.DeviceLastFour, request.DeviceModel, TokenState.Active.ToString(), now);
            LimitRow.Begin(session, options.Institution, card.Id, request.DeviceLastFour, now);
            CustomerMessage.Send(session, options.Institution, message, Customer.ById(session, options.Institution, card.Customer)!, body, now);

            // The plastic was replaced or closed while its device card was on the way: that one goes as the others went.
            if (Card.Hold(session, options.Institution, card.Id)!.State is CardState.Replaced or CardState.Closed)
            {
                Errand.Add(session, options.Institution, $"late/{message}", IssuerToken.Operations.AccountClosed, card.Id, null, "REPLACED", now);
            }

            return (ApiReply<Done>)Keep(session, call, now, new Done());
        });
        trace.Call(TraceReference.Card(request.TokenUniqueReference), Operations.NotifyServiceActivated, reply.Error is null
            ? new($"Device card ending {request.DeviceLastFour} is live; the customer is told.", $"尾号 {request.DeviceLastFour} 的设备卡已生效，并已通知客户。")
            : reply.Error == OtherContent ? OtherContent.Why!
            : new("Refused: the card was not verified.", "拒绝：该卡未完成验证。"));
        return reply;
    }

    private async Task<ApiReply<Done>> UpdatedAsync(NotifyTokenUpdatedRequest request, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var call = Called(Operations.NotifyTokenUpdated, request.RequestId, request.TokenUniqueReference, request.State.ToString(), request.ReasonCode);
        var reply = await store.WriteAsync(session =>
        {
            if (Stored<Done>(session, call) is { } same) return same;
            if (EnrolmentRow.Find(session, options.Institution, request.TokenUniqueReference) is not { } row) return NotFound;

            // A notice that arrives behind a later one says what no longer is; gone is gone in any order.
            session.Execute(
                "UPDATE issuer_devices SET state = $4, token_version = CASE WHEN token_version > $6 THEN token_version ELSE $6 END WHERE institution = $1 AND card = $2 AND token_reference = $3 AND state <> $5 AND ($7 = 1 OR $4 = $5 OR token_version <= $6)",
                options.Institution, row.Card, request.TokenUniqueReference, request.State.ToString(), TokenState.Deactivated.ToString(), request.Version ?? 0L, request.Version is null ? 1L : 0L);
            return (ApiReply<Done>)Keep(session, call, now, new Done());
        });
        trace.Call(TraceReference.Card(request.TokenUniqueReference), Operations.NotifyTokenUpdated, new($"The device card is now {request.State.Words().En}.", $"设备卡状态变更为：{request.State.Words().Zh}。"));
        return reply;
    }

    // ---- stored replies ----

    private static readonly ApiError NotFound = new(Ineligible.NotFound, "The bank knows no such token reference."), InvalidState = new(Ineligible.InvalidState, "The enrolment is not in a state for this.");

    private static readonly ApiError
        OtherContent = new("INVALID_FIELD_VALUE", "This requestId came before with other content.", [new FieldError("requestId", "a new id for a new request", "the id of another request")], new("This request id came before with other content.", "该请求编号曾用于其他内容。")),
        TooManyToday = new(Ineligible.CodeTriesExceeded, "Too many codes for this card today.", null, new("Too many codes for this card today: try again tomorrow or call the bank.", "该卡今日验证次数过多，请明日再试或致电银行。"));

    /// <summary>What makes a repeat a repeat.</summary>
    private sealed record Call(string Operation, string Request, string Token, byte[] Fingerprint);

    /// <summary>Card data and codes are in the content: what is kept of it is its fingerprint under a key.</summary>
    private Call Called(string operation, string request, string token, params ReadOnlySpan<string?> content) =>
        new(operation, request, token, keys.Fingerprint(IssuerKeys.Index, JsonSerializer.SerializeToUtf8Bytes(content.ToArray(), JsonEndpoint.Json)));

    /// <summary>The reply of the same call before, or the refusal of one that only says it is the same; null for a new one.</summary>
    private ApiReply<T>? Stored<T>(Session session, Call call)
        where T : class
    {
        var stored = session.One(
            "SELECT fingerprint, reply FROM issuer_replies WHERE institution = $1 AND token_reference = $2 AND request = $3 AND operation = $4",
            static row => Tuple.Create(row.Bytes(0), row.Bytes(1)),
            options.Institution, call.Token, call.Request, call.Operation);
        return stored is null ? null
            : CryptographicOperations.FixedTimeEquals(stored.Item1, call.Fingerprint) ? JsonSerializer.Deserialize<T>(stored.Item2, JsonEndpoint.Json)!
            : OtherContent;
    }

    private T Keep<T>(Session session, Call call, DateTimeOffset now, T reply)
    {
        session.Execute(
            "INSERT INTO issuer_replies (institution, token_reference, request, operation, fingerprint, reply, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            options.Institution, call.Token, call.Request, call.Operation, call.Fingerprint, JsonSerializer.SerializeToUtf8Bytes(reply, JsonEndpoint.Json), now);
        return reply;
    }
}

/// <summary>Whether the holder has proven to be the holder: at once (green), or by the code (yellow); or has said in the bank's app that it is somebody else.</summary>
internal enum EnrolmentProof
{
    Open,
    Proven,
    Refused,
}

internal sealed record EnrolmentRow(string Card, EnrolmentProof Proof, ActivationCode Code, byte[]? CodeBox)
{
    private const string Select = "SELECT card, state, code_generation, code_box, code_expires, code_tries, codes_sent FROM issuer_enrolments WHERE institution = $1 AND token_reference = $2";

    public static EnrolmentRow? Find(Session session, string institution, string tokenReference) => Read(session, Select, institution, tokenReference);

    /// <summary>For a unit that writes what it decides on it: one at a time.</summary>
    public static EnrolmentRow? Hold(Session session, string institution, string tokenReference) => Read(session, $"{Select} FOR UPDATE", institution, tokenReference);

    private static EnrolmentRow? Read(Session session, string select, string institution, string tokenReference) => session.One(
        select,
        row => new EnrolmentRow(
            row.GetString(0), Enum.Parse<EnrolmentProof>(row.GetString(1)),
            new ActivationCode(row.GetInt64(2), !row.IsDBNull(3), row.Instant(4), (int)row.GetInt64(5), (int)row.GetInt64(6)), row.BytesOrNull(3)),
        institution, tokenReference);

    public static void Write(Session session, string institution, string tokenReference, ActivationCode code, byte[]? box) => session.Execute(
        "UPDATE issuer_enrolments SET code_generation = $3, code_box = $4, code_expires = $5, code_tries = $6, codes_sent = $7 WHERE institution = $1 AND token_reference = $2",
        institution, tokenReference, code.Generation, box, code.ExpiresAt, code.TriesLeft, code.Sent);

    /// <summary>And no code of it is right any more.</summary>
    public static void Refuse(Session session, string institution, string tokenReference, ActivationCode code)
    {
        Write(session, institution, tokenReference, code with { Live = false }, null);
        session.Execute("UPDATE issuer_enrolments SET state = $3 WHERE institution = $1 AND token_reference = $2", institution, tokenReference, EnrolmentProof.Refused.ToString());
    }

    public static void Prove(Session session, string institution, string tokenReference) => session.Execute(
        "UPDATE issuer_enrolments SET state = $3 WHERE institution = $1 AND token_reference = $2", institution, tokenReference, EnrolmentProof.Proven.ToString());
}
