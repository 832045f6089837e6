using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>A request changes something once: its repeat gets the stored reply, another content under its id is refused, and anyone may ask what became of his own.</summary>
public sealed partial class TokenServiceParty
{
    private sealed record StoredReply(string Operation, byte[] Fingerprint, string? Tur, byte[] Reply, DateTimeOffset At)
    {
        public static StoredReply? Find(Session session, string caller, string requestId) => session.One(
            "SELECT operation, fingerprint, tur, reply, at FROM token_reply WHERE caller = $1 AND request_id = $2",
            static row => new StoredReply(row.GetString(0), row.Bytes(1), row.TextOrNull(2), row.Bytes(3), row.Instant(4)), caller, requestId);
    }

    /// <param name="tur">The device card in question, for <c>getTask</c>.</param>
    /// <param name="lasts">How long the answer holds: after that the repeat is answered anew. Null: for as long as it is known.</param>
    private async Task<ApiReply<TReply>> OnceAsync<TRequest, TReply>(string caller, string operation, string requestId, string? tur, TRequest request, Func<Task<ApiReply<TReply>>> act, TimeSpan? lasts = null)
        where TReply : notnull
    {
        if (requestId.Length is 0 or > 128)
        {
            return Malformed("requestId", "1 to 128 characters", $"{requestId.Length}");
        }

        var fingerprint = module.Fingerprint(IndexKey, [.. Encoding.UTF8.GetBytes(operation), 0, .. JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json)]);
        if (await store.WriteAsync(session => StoredReply.Find(session, caller, requestId)) is { } known)
        {
            if (!Same(known, fingerprint))
            {
                return OtherRequest;
            }

            if (!(clock.GetUtcNow() - known.At >= lasts))
            {
                return Read<TReply>(known);
            }

            await store.WriteAsync(session => session.Execute("DELETE FROM token_reply WHERE caller = $1 AND request_id = $2 AND at = $3", caller, requestId, known.At));
        }

        var reply = await act();
        if (reply.Error is { ErrorCode: "ISSUER_UNREACHABLE" or JsonEndpoint.InternalError or "CRYPTOGRAPHY_ERROR" })
        {
            return reply; // nothing was decided
        }

        var bytes = JsonSerializer.SerializeToUtf8Bytes(reply, JsonEndpoint.Json);
        var stored = await store.WriteAsync(session =>
        {
            session.Execute(
                "INSERT INTO token_reply (caller, request_id, operation, fingerprint, tur, reply, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (caller, request_id) DO NOTHING",
                caller, requestId, operation, fingerprint, tur, bytes, clock.GetUtcNow());
            return StoredReply.Find(session, caller, requestId)!;
        });
        return Same(stored, fingerprint) ? Read<TReply>(stored) : OtherRequest;
    }

    private static bool Same(StoredReply stored, byte[] fingerprint) => CryptographicOperations.FixedTimeEquals(stored.Fingerprint, fingerprint);

    private static ApiReply<T> Read<T>(StoredReply stored)
        where T : notnull => JsonSerializer.Deserialize<ApiReply<T>>(stored.Reply, JsonEndpoint.Json)!;

    private static ApiError OtherRequest => Malformed("requestId", "a new id for a new request", "the id of another request");

    private Task<ApiReply<WalletToken.GetTaskReply>> GetTaskAsync(string caller, WalletToken.GetTaskRequest request) => store.WriteAsync<ApiReply<WalletToken.GetTaskReply>>(session =>
    {
        if (StoredReply.Find(session, caller, request.TaskId) is { } stored)
        {
            using var reply = JsonDocument.Parse(stored.Reply);
            var error = reply.RootElement.TryGetProperty("error", out var failed) ? failed.Deserialize<ApiError>(JsonEndpoint.Json) : null;
            return new WalletToken.GetTaskReply(request.TaskId, stored.Operation, error is null ? "COMPLETED" : "FAILED", stored.Tur, error);
        }

        var enrolment = session.One(
            "SELECT tur, reply FROM token_request WHERE request_id = $1 AND trid = $2", static row => Tuple.Create(row.GetString(0), row.BytesOrNull(1)), request.TaskId, caller);
        return enrolment switch
        {
            null => Refused(new(Ineligible.NotFound, new("There is no such request.", "没有这个请求。"))),
            (var tur, null) => new WalletToken.GetTaskReply(request.TaskId, WalletToken.Operations.Digitize, "PENDING", tur),
            (var tur, var bytes) => Enrolled(session, request.TaskId, tur, JsonSerializer.Deserialize<ApiReply<WalletToken.DigitizeReply>>(bytes, JsonEndpoint.Json)!),
        };
    });

    /// <summary>An enrolment is done when readers can select the card.</summary>
    private static WalletToken.GetTaskReply Enrolled(Session session, string task, string tur, ApiReply<WalletToken.DigitizeReply> reply)
    {
        var row = reply.Error is null ? TokenRow.Find(session, tur) : null;
        var status = row switch
        {
            null => "FAILED",
            { Stage: PersonalisationStage.Selectable } => "COMPLETED",
            { Status.State: TokenState.Deactivated } => "FAILED",
            _ => "IN_PROGRESS",
        };
        return new(task, WalletToken.Operations.Digitize, status, row?.Tur, reply.Error);
    }

    private async Task<ApiReply<WalletToken.TokenReply>> NotifyProvisioningResultAsync(string caller, WalletToken.NotifyProvisioningResultRequest request)
    {
        if (request.Result is not ("SUCCESS" or "FAILURE"))
        {
            return Malformed("result", "SUCCESS or FAILURE", "another");
        }

        var row = await store.WriteAsync(session => FindFor(session, caller, request.TokenUniqueReference));
        if (row is null)
        {
            return NotFound;
        }

        Decided(TraceReference.Card(row.Tur), $"the phone says of its script: {request.Result}", $"手机报告脚本结果：{(request.Result == "SUCCESS" ? "成功" : "失败")}");
        if (request.Result == "FAILURE" && row is { Status.State: TokenState.Inactive, Stage: not PersonalisationStage.Personalised })
        {
            var (gone, _) = await ChangeAsync(session => FindFor(session, caller, row.Tur), LifecycleStep.Delete, string.Empty, caller, "PERSONALISATION_FAILED");
            row = gone ?? row;
        }

        return Reply(row);
    }

    /// <summary>Card art, drawn from the bank's colour: an SVG of 1 : 1.586, as the plastic is.</summary>
    private Task<ApiReply<WalletToken.GetAssetReply>> GetAssetAsync(WalletToken.GetAssetRequest request)
    {
        var bank = directory.Banks.FirstOrDefault(row => AssetOf(row.Code) == request.AssetId);
        return Task.FromResult<ApiReply<WalletToken.GetAssetReply>>(bank is null
            ? Refused(new(Ineligible.NotFound, new("There is no such asset.", "没有这项素材。")))
            : new WalletToken.GetAssetReply(request.AssetId, "image/svg+xml", CardArt.Width, CardArt.Height, Convert.ToBase64String(Encoding.UTF8.GetBytes(CardArt.Draw(bank.Name, bank.Colour)))));
    }

    internal static string AssetOf(string bank) => $"card-art-{bank.ToLowerInvariant()}";
}

/// <summary>The face of a card as the wallet shows it.</summary>
public static class CardArt
{
    public const int Width = 856, Height = 540;

    /// <param name="colour">CSS, from the bank directory.</param>
    public static string Draw(Text bank, string colour)
    {
        var (zh, en, shade) = (Escaped(bank.Zh), Escaped(bank.En), Escaped(colour));
        return $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" role="img" aria-label="{en} {zh}">
            <defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="{shade}"/><stop offset="1" stop-color="{shade}" stop-opacity=".72"/></linearGradient></defs>
            <rect width="{Width}" height="{Height}" rx="36" fill="#111"/><rect width="{Width}" height="{Height}" rx="36" fill="url(#g)"/>
            <path d="M0 380 C 220 300 420 470 856 320 V 504 a36 36 0 0 1 -36 36 H 36 a36 36 0 0 1 -36 -36 Z" fill="#fff" fill-opacity=".1"/>
            <text x="56" y="104" font-family="sans-serif" font-size="48" fill="#fff">{zh}</text><text x="56" y="152" font-family="sans-serif" font-size="26" fill="#fff" fill-opacity=".85">{en}</text>
            <g fill="none" stroke="#fff" stroke-width="8" stroke-linecap="round"><path d="M740 84 q22 34 0 68"/><path d="M764 68 q34 50 0 100"/><path d="M788 52 q46 66 0 132"/></g>
            </svg>
            """;
    }

    private static string Escaped(string text) => System.Security.SecurityElement.Escape(text);
}
