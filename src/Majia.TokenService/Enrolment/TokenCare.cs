using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>Life after enrolment: suspend, resume, delete, search; what stalls is swept; what the bank must know is sent until it has arrived.</summary>
public sealed partial class TokenServiceParty
{
    private async Task<ApiReply<WalletToken.TokenReply>> ChangeAsync(string caller, WalletToken.ChangeStateRequest request, LifecycleStep step)
    {
        if (!SuspendedBy.IsRequestors(request.CausedBy))
        {
            return Malformed("causedBy", $"{SuspendedBy.Cardholder} or {SuspendedBy.TokenRequestor}", "another");
        }

        var (row, why) = await ChangeAsync(session => FindFor(session, caller, request.TokenUniqueReference), step, request.CausedBy, caller, request.ReasonCode, request.Order);
        return row is null ? (why is null ? NotFound : Refused(why)) : Reply(row);
    }

    /// <param name="who">Whose hold it is, of <see cref="SuspendedBy"/>.</param>
    /// <param name="actor">Whose line it came by, for the audit trail.</param>
    /// <param name="order">The actor's number of it; null: whenever it comes.</param>
    private async Task<(TokenRow? Row, Refusal? Why)> ChangeAsync(Func<Session, TokenRow?> find, LifecycleStep step, string who, string actor, string reason, long? order = null)
    {
        var (row, why) = await store.WriteAsync(session =>
            find(session) is not { } found ? default
            : order is { } number && !InOrder(session, found.Tur, actor, who, number) ? (null, TokenLifecycle.OutOfOrder)
            : Change(session, found, step, who, actor, reason));
        if (row is { Status.State: TokenState.Deactivated })
        {
            await ReleaseAsync(row.PanIndex, row.Seid, row.Tur);
        }

        return (row, why);
    }

    /// <summary>The one way from state to state: what is decided, written, put on the trail and told to the bank is one unit.</summary>
    /// <returns>The device card as it is now (the same when the step had taken effect already), or why not.</returns>
    private (TokenRow? Row, Refusal? Why) Change(Session session, TokenRow row, LifecycleStep step, string who, string actor, string reason)
    {
        row = TokenRow.Find(session, row.Index)!;
        var (next, refusal) = TokenLifecycle.Decide(row.Status, step, who);
        if (next is null)
        {
            return (null, refusal);
        }

        if (next.State == row.Status.State && next.SuspendedBy.SequenceEqual(row.Status.SuspendedBy))
        {
            return (row, null);
        }

        var version = TokenRow.Write(session, row.Index, next, clock.GetUtcNow());
        audit.Append(session, clock.GetUtcNow(), row.Tur, actor, who.Length == 0 ? Named(step) : $"{Named(step)} {who}", row.Status.ToString(), next.ToString(), reason);
        if (step == LifecycleStep.Activate)
        {
            NoticeActivated(session, row);
        }
        else
        {
            NoticeUpdated(session, row.Institution, row.Tur, next, reason, version);
        }

        NoticeRequestor(session, row, next, reason, version);

        var by = who.Length == 0 ? actor : who;
        Decided(TraceReference.Card(row.Tur), $"{row.Status.State.Words().En} → {next.State.Words().En} ({by}, {reason})", $"{row.Status.State.Words().Zh} → {next.State.Words().Zh}（{by}，{reason}）");
        return (row with { Status = next, Version = version }, null);
    }

    /// <summary>Takes the number; false when a later order has come before it: a resume that was long on its way must not undo the suspension behind it.</summary>
    private static bool InOrder(Session session, string tur, string actor, string who, long order) =>
        session.Execute(
            "INSERT INTO token_order (tur, actor, hold, last) VALUES ($1, $2, $3, $4) ON CONFLICT (tur, actor, hold) DO UPDATE SET last = excluded.last WHERE token_order.last < excluded.last",
            tur, actor, who, order) == 1;

    private static string Named(LifecycleStep step) => step.ToString().ToLowerInvariant();

    /// <summary>Damage of the audit trail and device cards that were changed past it; empty is good.</summary>
    public Task<IReadOnlyList<AuditFault>> VerifyAuditAsync() => store.WriteAsync(audit.Verify);

    private Task<ApiReply<WalletToken.TokenReply>> GetTokenAsync(string caller, WalletToken.GetTokenRequest request) =>
        store.WriteAsync<ApiReply<WalletToken.TokenReply>>(session => FindFor(session, caller, request.TokenUniqueReference) is { } row
            ? Reply(row) with { PaymentAccountReference = AccountRow.Find(session, row.PanIndex)?.Par }
            : NotFound);

    private Task<ApiReply<WalletToken.SearchTokensReply>> SearchTokensAsync(string caller, WalletToken.SearchTokensRequest request) =>
        store.WriteAsync<ApiReply<WalletToken.SearchTokensReply>>(session => Live(session, caller, request.Seid));

    private WalletToken.SearchTokensReply Live(Session session, string caller, string seid) =>
        new([.. TokenRow.OfChip(session, seid).Where(row => row.Trid == caller && row.Status.State != TokenState.Deactivated).Select(Reply)]);

    private WalletToken.TokenReply Reply(TokenRow row) => new(row.Tur, row.Status.State, row.Status.SuspendedBy, Face(row), row.Expiry, null, row.Assurance, row.Stage.ToString(), row.Seid, row.Version, row.Domain.View);

    /// <summary>Every device card of the caller in one chip that is older than the purge, all in one unit (R23, R24). <see cref="long.MaxValue"/>: whatever its purge count, all of them.</summary>
    private async Task<ApiReply<WalletToken.SearchTokensReply>> DeleteDeviceAsync(string caller, WalletToken.DeleteDeviceRequest request)
    {
        if (!IsSeid(request.Seid))
        {
            return Malformed("seid", "20 upper-case hex digits", $"{request.Seid?.Length ?? 0} characters");
        }

        var (rows, claims) = await store.WriteAsync(session =>
        {
            TokenRow.LockChip(session, request.Seid);
            if (request.PurgeEpoch != long.MaxValue)
            {
                session.Execute(
                    "INSERT INTO token_chip (seid, domain, next_instance, purge_epoch) VALUES ($1, 'None', 1, $2) ON CONFLICT (seid) DO UPDATE SET purge_epoch = CASE WHEN token_chip.purge_epoch > excluded.purge_epoch THEN token_chip.purge_epoch ELSE excluded.purge_epoch END",
                    request.Seid, request.PurgeEpoch);
            }

            var dead = TokenRow.OfChip(session, request.Seid).Where(row => row.Trid == caller && row.Status.State != TokenState.Deactivated && row.PurgeEpoch < request.PurgeEpoch).ToList();
            foreach (var row in dead)
            {
                Change(session, row, LifecycleStep.Delete, string.Empty, caller, request.ReasonCode);
            }

            // In the same unit: from here on no enrolment that is under way can make its token.
            var open = UnderWay(session, (caller, request.Seid), DateTimeOffset.MaxValue);
            foreach (var claim in open)
            {
                GiveUp(session, claim.Tur, claim.Institution, request.ReasonCode);
            }

            return (dead, open);
        });
        foreach (var row in rows)
        {
            await ReleaseAsync(row.PanIndex, row.Seid, row.Tur);
        }

        foreach (var claim in claims)
        {
            await ReleaseAsync(claim.PanIndex, claim.Seid, claim.Tur);
        }

        return await store.WriteAsync(session => Live(session, caller, request.Seid));
    }

    private sealed record OpenClaim(string Tur, string Seid, byte[] PanIndex, string Institution);

    /// <summary>Enrolments whose token does not exist yet, begun before <paramref name="before"/>; of one requestor in one chip, or all when null.</summary>
    private static List<OpenClaim> UnderWay(Session session, (string Caller, string Seid)? of, DateTimeOffset before) =>
        session.Query(
            "SELECT r.tur, r.seid, r.pan_index, r.institution FROM token_request r WHERE r.reply IS NULL AND ($1 = '' OR (r.seid = $1 AND r.trid = $3)) AND r.at < $2 AND NOT EXISTS (SELECT 1 FROM token_reference t WHERE t.tur = r.tur) ORDER BY r.at, r.tur",
            static row => new OpenClaim(row.GetString(0), row.GetString(1), row.Bytes(2), row.GetString(3)),
            of?.Seid ?? "", before, of?.Caller ?? "");

    private async Task RetireAsync(IReadOnlyList<TokenRow> rows, string reason)
    {
        foreach (var row in rows)
        {
            await store.WriteAsync(session =>
            {
                if (TokenRow.Find(session, row.Index) is { } live)
                {
                    Change(session, live, LifecycleStep.Delete, string.Empty, Self, reason);
                }
            });
            await ReleaseAsync(row.PanIndex, row.Seid, row.Tur);
        }
    }

    /// <summary>Both places, each in its own unit: they lie under different distribution keys. A crash between leaves an orphan to the sweep.</summary>
    private async Task ReleaseAsync(byte[] panIndex, string seid, string tur)
    {
        await store.WriteAsync(session => Slots.ReleaseOfCard(session, panIndex, tur));
        await store.WriteAsync(session => Slots.ReleaseOnDevice(session, seid, tur));
    }

    /// <summary>Deletes what stalled: not in its chip after <see cref="TokenServiceOptions.UnpersonalisedLife"/>, not verified or not selectable after <see cref="TokenServiceOptions.UnverifiedLife"/> (R8).</summary>
    /// <returns>How many enrolments were given up.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellation = default)
    {
        var now = clock.GetUtcNow();
        var (stalled, claims) = await store.WriteAsync(session => (
            TokenRow.Unfinished(session).Where(row => now - row.StagedAt > (row.Stage == PersonalisationStage.Personalised ? options.UnverifiedLife : options.UnpersonalisedLife)).ToList(),
            UnderWay(session, null, now - options.UnpersonalisedLife)));
        await RetireAsync([.. stalled.Where(row => row.Stage != PersonalisationStage.Personalised)], "NOT_COMPLETED");
        await RetireAsync([.. stalled.Where(row => row.Stage == PersonalisationStage.Personalised)], "NEVER_ACTIVATED");
        foreach (var claim in claims)
        {
            await AbandonClaimAsync(claim.Tur, claim.Seid, claim.PanIndex, claim.Institution, "NOT_COMPLETED");
        }

        foreach (var (seid, tur, panIndex) in await store.WriteAsync(Slots.Orphans))
        {
            await ReleaseAsync(panIndex, seid, tur);
        }

        await store.WriteAsync(session =>
        {
            session.Execute("DELETE FROM token_receipt WHERE expires_at <= $1", now);
            session.Execute("DELETE FROM token_reply WHERE at < $1", now - options.ReplyLife);
        });
        return stalled.Count + claims.Count;
    }

    private void NoticeActivated(Session session, TokenRow row) =>
        outbox.Enqueue(session, row.Institution, TokenIssuer.Operations.NotifyServiceActivated,
            JsonSerializer.SerializeToUtf8Bytes(new TokenIssuer.NotifyServiceActivatedRequest($"{row.Tur}-activated", row.Tur, row.Token.LastFour, row.DeviceModel), JsonEndpoint.Json), row.Tur, clock.GetUtcNow());

    private void NoticeUpdated(Session session, string institution, string tur, TokenStatus status, string reason, long? version) =>
        outbox.Enqueue(session, institution, TokenIssuer.Operations.NotifyTokenUpdated,
            JsonSerializer.SerializeToUtf8Bytes(new TokenIssuer.NotifyTokenUpdatedRequest(entropy.NewId(), tur, status.State, reason, status.SuspendedBy.Count == 0 ? null : status.SuspendedBy, version), JsonEndpoint.Json), tur, clock.GetUtcNow());

    private void NoticeRequestor(Session session, TokenRow row, TokenStatus status, string reason, long version)
    {
        if (Requestors.ContainsKey(row.Trid))
        {
            outbox.Enqueue(session, row.Trid, TokenWallet.Operations.NotifyTokenUpdated,
                JsonSerializer.SerializeToUtf8Bytes(new TokenWallet.NotifyTokenUpdatedRequest(entropy.NewId(), row.Tur, status.State, status.SuspendedBy, reason, version), JsonEndpoint.Json), row.Tur, clock.GetUtcNow());
        }
    }

    /// <summary>Delivers what is due to the banks. Each notice carries one request id however often it is sent.</summary>
    public async Task PumpAsync(CancellationToken cancellation = default)
    {
        var since = store.Mark();
        foreach (var entry in await store.WriteAsync(session => outbox.Due(session, clock.GetUtcNow())))
        {
            // What is sent must have happened: nothing leaves before it is on disk (decisions.md 22).
            await store.DurableAsync(since);
            var arrived = false;
            try
            {
                arrived = entry.Kind switch
                {
                    _ when Requestors.TryGetValue(entry.Destination, out var requestor) => await NotifyRequestorAsync(requestor, entry, cancellation),
                    TokenIssuer.Operations.NotifyServiceActivated => await NotifyAsync<TokenIssuer.NotifyServiceActivatedRequest>(entry, cancellation),
                    _ => await NotifyAsync<TokenIssuer.NotifyTokenUpdatedRequest>(entry, cancellation),
                };
            }
            catch (PartyUnreachableException)
            {
                // Again later, with the same id.
            }
#pragma warning disable CA1031 // one notice that cannot be sent keeps no other back
            catch (Exception failure) when (failure is not (PartyFailedException or OperationCanceledException))
#pragma warning restore CA1031
            {
                Decided(TraceReference.Card(entry.Reference), $"{entry.Kind} could not be sent ({failure.GetType().Name}); it waits", $"{entry.Kind} 发送失败（{failure.GetType().Name}），稍后重试");
            }

            await store.WriteAsync(session =>
            {
                if (arrived)
                {
                    outbox.Delivered(session, entry.Id);
                }
                else
                {
                    outbox.Failed(session, entry, clock.GetUtcNow());
                }
            });
        }
    }

    private static async Task<bool> NotifyRequestorAsync(IJsonLink requestor, OutboxEntry entry, CancellationToken cancellation)
    {
        var request = JsonSerializer.Deserialize<TokenWallet.NotifyTokenUpdatedRequest>(entry.Payload, JsonEndpoint.Json)!;
        return (await requestor.CallAsync<TokenWallet.NotifyTokenUpdatedRequest, TokenWallet.Done>(entry.Kind, request, cancellation)).Value is not null;
    }

    private async Task<bool> NotifyAsync<TRequest>(OutboxEntry entry, CancellationToken cancellation)
        where TRequest : notnull
    {
        if (!issuers.TryGetValue(entry.Destination, out var bank))
        {
            return false;
        }

        var reply = await bank.CallAsync<TRequest, TokenIssuer.Done>(entry.Kind, JsonSerializer.Deserialize<TRequest>(entry.Payload, JsonEndpoint.Json)!, cancellation);

        // NOT_FOUND: the bank never heard of this reference, so there is nothing to tell it.
        return reply.Value is not null || reply.Error?.ErrorCode == Ineligible.NotFound;
    }
}
