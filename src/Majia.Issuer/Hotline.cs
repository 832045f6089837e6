using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>What an agent asks for. Every call says who asks and why.</summary>
/// <param name="Session">Of the agent, from <c>sign-in</c>.</param>
/// <param name="Reason">One sentence.</param>
/// <param name="Card">The bank's id of the plastic.</param>
/// <param name="PerPayment">For <c>limit</c>: yuan, such as 500.00; null: no limit. <paramref name="PerDay"/> likewise.</param>
/// <param name="Device">Last four digits of the device card, where one of several is meant.</param>
public sealed record HotlineRequest(string Session, string Reason, string Card, string? Device = null, string? Comment = null, string? PerPayment = null, string? PerDay = null)
{
    public override string ToString() => nameof(HotlineRequest);
}

/// <param name="State">Of plastic, or of the device card that was asked about.</param>
public sealed record HotlineReply(string Card, string State, Text Says);

/// <param name="Session">As in <see cref="HotlineRequest"/>.</param>
public sealed record HotlineHistoryRequest(string Session, string Card)
{
    public override string ToString() => nameof(HotlineHistoryRequest);
}

/// <summary>One line of the hotline's book: a call is <c>asked</c> first, and then what it came to.</summary>
/// <param name="Call">The same on both lines of a call.</param>
/// <param name="Agent">Who was signed in.</param>
/// <param name="Outcome">asked, done, or the code of what stood against it.</param>
public sealed record HotlineLine(long Sequence, string Call, DateTimeOffset At, string Agent, string Action, string Card, string? Device, string Reason, string? Comment, string Outcome);

public sealed record HotlineHistory(IReadOnlyList<HotlineLine> Lines);

/// <summary>Changes of limits of a plastic's device cards, oldest first, whoever made them: hotline, counter or the holder in the bank's app.</summary>
public sealed record LimitHistoryReply(IReadOnlyList<LimitChange> Changes);

/// <summary>The bank's hotline (R23): what an agent does takes effect before the answer returns, whether the phone is online or not, and stands in a book to which lines are only ever added.</summary>
public sealed class Hotline(IssuerOptions options, Store store, TimeProvider time, Entropy entropy, IssuerDesk desk, JsonEndpoint enrolments, Func<IJsonLink?> tokenService)
{
    private const string Done = "done", Asked = "asked";

    internal const string Migration = """
        -- The hotline's book: lines are added, never changed.
        CREATE TABLE issuer_hotline (
          institution TEXT NOT NULL, sequence BIGINT NOT NULL, call TEXT NOT NULL, at BIGINT NOT NULL, agent TEXT NOT NULL, action TEXT NOT NULL, card TEXT NOT NULL, device TEXT,
          reason TEXT NOT NULL, comment TEXT, outcome TEXT NOT NULL, PRIMARY KEY (institution, sequence));
        """;

    /// <summary>What an agent may ask for; each takes a <see cref="HotlineRequest"/>, <c>history</c> and <c>limits</c> (who changed them) a <see cref="HotlineHistoryRequest"/>; <c>sign-in</c> comes first.</summary>
    public static IReadOnlyList<string> Actions { get; } = ["report-lost", "report-stolen", "lift", "hold", "release", "delete", "resend-code", "activate", "replace", "renew", "limit", "comment"];

    private readonly HotlineAgents agents = new(options, store, time, entropy);

    public JsonEndpoint Map(string party)
    {
        var endpoint = new JsonEndpoint(party)
            .Map<AgentSignIn, AgentSession>("sign-in", (request, _) => agents.SignInAsync(request))
            .Map<HotlineHistoryRequest, LimitHistoryReply>("limits", (request, _) => LimitsAsync(request))
            .Map<HotlineHistoryRequest, HotlineHistory>("history", (request, _) => HistoryAsync(request));
        foreach (var action in Actions)
        {
            endpoint.Map<HotlineRequest, HotlineReply>(action, (request, cancellation) => AnswerAsync(action, request, cancellation));
        }

        return endpoint;
    }

    private async Task<ApiReply<HotlineReply>> AnswerAsync(string action, HotlineRequest request, CancellationToken cancellation)
    {
        var (agent, nobody) = await agents.AtWorkAsync(request.Session);
        if (nobody is not null)
        {
            return nobody;
        }

        if (Malformed(action, request) is { } wrong)
        {
            return wrong;
        }

        var call = entropy.NewId();
        await WriteAsync(call, action, agent!, request, Asked);
        ApiReply<HotlineReply> reply;
        try
        {
            reply = await ActAsync(action, agent!, request, call, cancellation);
        }
        catch (PartyUnreachableException)
        {
            reply = Unreachable;
        }

        await WriteAsync(call, action, agent!, request, reply.Error?.ErrorCode ?? Done);
        return reply;
    }

    private Task<ApiReply<HotlineReply>> ActAsync(string action, string agent, HotlineRequest request, string call, CancellationToken cancellation) => action switch
    {
        "report-lost" or "report-stolen" => ReportAsync(request, stolen: action == "report-stolen"),
        "lift" => LiftAsync(request),
        "hold" => ChangeAsync(IssuerToken.Operations.Suspend, request, call, new("held", "已暂停"), cancellation),
        "release" => ChangeAsync(IssuerToken.Operations.Unsuspend, request, call, new("released", "已恢复"), cancellation),
        "delete" => ChangeAsync(IssuerToken.Operations.Delete, request, call, new("deleted", "已删除"), cancellation),
        "activate" => ActivateAsync(request, call, cancellation),
        "resend-code" => ResendAsync(request, call, cancellation),
        "limit" => LimitAsync(agent, request),
        "comment" => Task.FromResult(Plastic(request.Card, new("Noted in the book.", "已记录。"))),
        _ => ReplaceAsync(request, sameNumber: action == "renew"),
    };

    private async Task<ApiReply<HotlineReply>> ReportAsync(HotlineRequest request, bool stolen) =>
        await desk.ReportLostAsync(request.Card, stolen) ? Plastic(request.Card, new("The plastic and every device card of it decline from now on.", "实体卡及其全部设备卡即刻停止支付。")) : Impossible(request.Card);

    private async Task<ApiReply<HotlineReply>> LiftAsync(HotlineRequest request) =>
        await desk.LiftReportAsync(request.Card) ? Plastic(request.Card, new("The report is lifted: plastic and device cards pay again.", "挂失已解除：实体卡和设备卡恢复支付。")) : Impossible(request.Card);

    private async Task<ApiReply<HotlineReply>> ReplaceAsync(HotlineRequest request, bool sameNumber)
    {
        var (done, why) = sameNumber ? await desk.RenewAsync(request.Card) : await desk.ReplaceAsync(request.Card);
        if (done is null)
        {
            return new ApiError(why!.Code, why.Why.En, [new FieldError("card", "a card for which there can be a new plastic", request.Card)], why.Why);
        }

        var until = $"20{done.New.Expiry[..2]}-{done.New.Expiry[2..]}";
        return new HotlineReply(done.New.Card, done.New.State.ToString(), sameNumber
            ? new($"The number stays, good until {until}.", $"卡号不变，有效期至 {until}。")
            : done.Policy == ReplacementPolicy.MoveTokens
                ? new($"{done.Old.Masked} is replaced by {done.New.Masked}, good until {until}; {done.DeviceCards} device cards move to it.", $"{done.Old.Masked} 已换发为 {done.New.Masked}，有效期至 {until}；{done.DeviceCards} 张设备卡随之转移。")
                : new($"{done.Old.Masked} is replaced by {done.New.Masked}, good until {until}; {done.DeviceCards} device cards go, the new plastic is added again.", $"{done.Old.Masked} 已换发为 {done.New.Masked}，有效期至 {until}；{done.DeviceCards} 张设备卡将删除，请重新添加新卡。"));
    }

    private async Task<ApiReply<HotlineReply>> ChangeAsync(string operation, HotlineRequest request, string call, Text word, CancellationToken cancellation)
    {
        if (Device(request, state => state != TokenState.Deactivated) is not { } device)
        {
            return NoDevice(request);
        }

        if (tokenService() is not { } line)
        {
            return Unreachable;
        }

        var reply = await line.CallAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(operation, new(call, device.TokenUniqueReference, SuspendedBy.Issuer, "HOTLINE"), cancellation);
        return reply.Value is { } now
            ? new HotlineReply(request.Card, now.State.ToString(), new($"The device card ending {device.LastFour} is {word.En}: {now.State.Words().En}.", $"尾号 {device.LastFour} 的设备卡{word.Zh}：{now.State.Words().Zh}。"))
            : reply.Error!;
    }

    /// <summary>The bank does this alone: no token service is wanted.</summary>
    private async Task<ApiReply<HotlineReply>> LimitAsync(string agent, HotlineRequest request)
    {
        if (Device(request, state => state != TokenState.Deactivated) is not { } device)
        {
            return NoDevice(request);
        }

        var limits = new OwnLimits(Minor(request.PerPayment), Minor(request.PerDay));
        return await desk.LimitDeviceCardAsync(request.Card, device.TokenUniqueReference, limits, LimitAuthor.Agent(agent))
            ? new HotlineReply(request.Card, device.State.ToString(), limits is { PerPayment: null, PerDay: null }
                ? new($"The device card ending {device.LastFour} has no limits of its own any more.", $"尾号 {device.LastFour} 的设备卡已取消专属限额。")
                : new($"The device card ending {device.LastFour} pays at most {Said(limits.PerPayment, "any amount")} a payment and {Said(limits.PerDay, "any amount")} a day.", $"尾号 {device.LastFour} 的设备卡单笔限额 {Said(limits.PerPayment, "不限")}，单日限额 {Said(limits.PerDay, "不限")}。"))
            : NoDevice(request);
    }

    private static long? Minor(string? yuan) => yuan is not null && Amount.TryParse(yuan, Currency.Cny, out var amount, out _) ? amount.Minor : null;

    private static string Said(long? minor, string none) => minor is { } limit ? Amount.Cny(limit).ToString() : none;

    /// <summary>The agent has put the bank's questions and heard the right answers: no code is wanted any more.</summary>
    private async Task<ApiReply<HotlineReply>> ActivateAsync(HotlineRequest request, string call, CancellationToken cancellation)
    {
        if (Waiting(request) is not { } reference)
        {
            return NotWaiting(request);
        }

        if (tokenService() is not { } line)
        {
            return Unreachable;
        }

        // The bank's own word first: the token service's notice of it finds the holder proven.
        await store.CommitAsync(session => EnrolmentRow.Prove(session, options.Institution, reference));
        var reply = await line.CallAsync<IssuerToken.ActivateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Activate, new(call, reference, "QUESTIONS_ANSWERED"), cancellation);
        return reply.Value is { } now
            ? new HotlineReply(request.Card, now.State.ToString(), new($"The device card ending {now.DeviceLastFour} is active, without a code.", $"尾号 {now.DeviceLastFour} 的设备卡已激活，无需验证码。"))
            : reply.Error!;
    }

    private async Task<ApiReply<HotlineReply>> ResendAsync(HotlineRequest request, string call, CancellationToken cancellation)
    {
        if (Waiting(request) is not { } reference)
        {
            return NotWaiting(request);
        }

        // By the same rules as the holder's own wish for one: how many, and how many a day.
        var bytes = await enrolments.HandleAsync(
            TokenIssuer.Operations.DeliverActivationCode, System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new TokenIssuer.DeliverActivationCodeRequest(call, reference, "SMS"), JsonEndpoint.Json), cancellation);
        var reply = System.Text.Json.JsonSerializer.Deserialize<ApiReply<TokenIssuer.DeliverActivationCodeReply>>(bytes, JsonEndpoint.Json)!;
        return reply.Value is { } sent ? Plastic(request.Card, new($"A new code goes to {sent.Masked}.", $"新验证码已发往 {sent.Masked}。")) : reply.Error!;
    }

    private async Task<ApiReply<HotlineHistory>> HistoryAsync(HotlineHistoryRequest request)
    {
        var (_, nobody) = await agents.AtWorkAsync(request.Session);
        return nobody ?? await store.WriteAsync<ApiReply<HotlineHistory>>(session => new HotlineHistory(session.Query(
        "SELECT sequence, call, at, agent, action, card, device, reason, comment, outcome FROM issuer_hotline WHERE institution = $1 AND card = $2 ORDER BY sequence",
        static row => new HotlineLine(
            row.GetInt64(0), row.GetString(1), row.Instant(2), row.GetString(3), row.GetString(4), row.GetString(5), row.IsDBNull(6) ? null : row.GetString(6), row.GetString(7),
            row.IsDBNull(8) ? null : row.GetString(8), row.GetString(9)), options.Institution, request.Card)));
    }

    private async Task<ApiReply<LimitHistoryReply>> LimitsAsync(HotlineHistoryRequest request)
    {
        var (_, nobody) = await agents.AtWorkAsync(request.Session);
        return nobody ?? await store.WriteAsync<ApiReply<LimitHistoryReply>>(session => new LimitHistoryReply(LimitHistory.Of(session, options.Institution, request.Card)));
    }

    private Task WriteAsync(string call, string action, string agent, HotlineRequest request, string outcome) => store.CommitAsync(session =>
    {
        session.Lock($"issuer/hotline/{options.Institution}");
        session.Execute(
            """
            INSERT INTO issuer_hotline (institution, sequence, call, at, agent, action, card, device, reason, comment, outcome)
            VALUES ($1, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM issuer_hotline WHERE institution = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            options.Institution, call, time.GetUtcNow(), agent, action, request.Card, request.Device, request.Reason, request.Comment, outcome);
    });

    private DeviceCardView? Device(HotlineRequest request, Func<TokenState, bool> which) =>
        desk.DeviceCards(request.Card).Where(device => which(device.State) && (request.Device is null || device.LastFour == request.Device)).ToList() is [var only] ? only : null;

    /// <summary>The enrolment of this card that waits for its code: the newest.</summary>
    private string? Waiting(HotlineRequest request) => store.Read(session => session.Text(
        "SELECT token_reference FROM issuer_enrolments WHERE institution = $1 AND card = $2 AND state = 'Open' ORDER BY at DESC, token_reference", options.Institution, request.Card));

    private ApiReply<HotlineReply> Plastic(string card, Text says) => new HotlineReply(card, desk.Cards().Single(one => one.Card == card).State.ToString(), says);

    private ApiError? Malformed(string action, HotlineRequest request) =>
        string.IsNullOrWhiteSpace(request.Reason) || request.Reason.Length > 200 ? Wrong("reason", "why, 1 to 200 characters")
        : request.Comment is { Length: > 1000 } || (action == "comment" && string.IsNullOrWhiteSpace(request.Comment)) ? Wrong("comment", action == "comment" ? "what to note, 1 to 1000 characters" : "at most 1000 characters")
        : request.Device is { } device && (device.Length != 4 || !device.All(char.IsAsciiDigit)) ? Wrong("device", "last four digits of a device card")
        : request.PerPayment is { } payment && Minor(payment) is null ? Wrong("perPayment", "yuan, such as 500.00")
        : request.PerDay is { } day && Minor(day) is null ? Wrong("perDay", "yuan, such as 2000.00")
        : store.Read(session => Card.ById(session, options.Institution, request.Card)) is null ? Wrong("card", "a card of this bank's")
        : null;

    private static ApiError Wrong(string field, string expected) => new(
        "INVALID_FIELD_VALUE", $"{field}: expected {expected}.", [new FieldError(field, expected, "another")], new($"{field}: expected {expected}.", $"{field}：内容不符合要求（{expected}）。"));

    private ApiError Impossible(string card)
    {
        var state = desk.Cards().Single(one => one.Card == card).State.Name();
        return new(Ineligible.InvalidState, $"The card is {state.En}: there is nothing to do.", [new FieldError("card", "a card in a state for this", state.En)], new($"The card is {state.En}: there is nothing to do.", $"该卡当前状态为“{state.Zh}”，无可执行的操作。"));
    }

    private static readonly ApiError Unreachable = new("UNREACHABLE", "The token service cannot be reached: nothing may have changed. Report the card lost instead, the bank does that alone.", null,
        new("The token service cannot be reached: nothing may have changed. Report the card lost instead, the bank does that alone.", "无法连接标记服务，操作可能未生效。可改为挂失银行卡，由银行单独完成。"));

    private static ApiError NoDevice(HotlineRequest request) => new(Ineligible.NotFound, "No single live device card of this plastic is meant.", [new FieldError("device", "last four digits of one live device card", request.Device ?? "none")],
        new("No single live device card of this plastic is meant: say its last four digits.", "无法确定是哪一张有效的设备卡，请提供其尾号。"));

    private static ApiError NotWaiting(HotlineRequest request) => new(Ineligible.NotFound, "No device card of this plastic waits for a code.", [new FieldError("card", "a card that is being added", request.Card)],
        new("No device card of this plastic waits for a code.", "该卡没有等待验证的设备卡。"));
}
