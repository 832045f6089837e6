using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

public sealed partial class TokenServiceParty
{
    private sealed record Claim(string Tur, byte[] Digest, byte[]? Reply);

    /// <summary>
    /// Places reserved → the bank asked → device number made, INACTIVE (decisions.md 2). Idempotent by request id: every step can be
    /// repeated after a crash or a lost answer, and a repeat of the whole gets the stored answer.
    /// </summary>
    private async Task<ApiReply<WalletToken.DigitizeReply>> DigitizeAsync(string caller, WalletToken.DigitizeRequest request, CancellationToken cancellation)
    {
        if (CheckRequestor(caller, request.TokenRequestorId, request.Seid) is { } wrong)
        {
            return wrong;
        }

        if (!TryOpen<CardToEnrol>(request.EncryptedCard, out var card))
        {
            return Unreadable;
        }

        if (Eligibility.Check(card, directory, out var eligible, out var fields) is { } refusal)
        {
            return Refused(refusal, fields);
        }

        var panIndex = module.Index(IndexKey, eligible!.Pan);
        var digest = module.Fingerprint(IndexKey, [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{request.Seid}/{request.TokenRequestorId}/{request.PurgeEpoch}/{request.DeviceModel}/{request.Source}\n")), .. JsonSerializer.SerializeToUtf8Bytes(card, JsonEndpoint.Json)]);
        var fresh = entropy.NewId();
        var (claim, stale) = await store.WriteAsync(session => ClaimRequest(session, request, panIndex, digest, eligible.Institution, fresh));
        if (stale is not null)
        {
            return stale;
        }

        if (!CryptographicOperations.FixedTimeEquals(claim!.Digest, digest))
        {
            return Malformed("requestId", "a new id for a new request", "the id of another request");
        }

        if (claim.Reply is not null)
        {
            return JsonSerializer.Deserialize<ApiReply<WalletToken.DigitizeReply>>(claim.Reply, JsonEndpoint.Json)!;
        }

        // The chip's purge came first: what it killed offline is deleted before anything new is made (decisions.md 3).
        await RetireAsync(await store.WriteAsync(session => TokenRow.OfChip(session, request.Seid).Where(row => row.Status.State != TokenState.Deactivated && row.PurgeEpoch < request.PurgeEpoch).ToList()), "PURGED_ON_DEVICE");
        await AbandonHalfMadeAsync(panIndex, request.Seid, claim.Tur, eligible.Institution);

        if (await ReservePlacesAsync(panIndex, request.Seid, claim.Tur) is { } full)
        {
            Decided(TraceReference.Card(claim.Tur), $"refused: {full.Why.En}", $"拒绝：{full.Why.Zh}");
            return await StoreReplyAsync(request.RequestId, Refused(full));
        }

        var history = await store.WriteAsync(session => EnrolmentHistory.Look(session, panIndex, request.Seid, claim.Tur, clock.GetUtcNow()));
        Assessment[] assessments = [EnrolmentColours.OfWallet(request.Recommendation), EnrolmentColours.OfNetwork(history, options)];
        if (EnrolmentColours.Decide(assessments) == IssuerDecision.Declined)
        {
            await ReleaseAsync(panIndex, request.Seid, claim.Tur);
            return await StoreReplyAsync(request.RequestId, await NotRecommendedAsync(claim.Tur, assessments));
        }

        IssuerAnswer answer;
        try
        {
            answer = await AuthorizeServiceAsync(request, claim.Tur, card, eligible, assessments, cancellation);
        }
        catch (PartyUnreachableException)
        {
            // Whether the bank heard is unknown: the places stay reserved for a repeat; the sweep gives them back (R8).
            return Unreachable;
        }

        if (answer.Reply is not { Decision: not IssuerDecision.Declined } authorised)
        {
            await ReleaseAsync(panIndex, request.Seid, claim.Tur);
            var red = new EnrolmentRecord(claim.Tur, [], [.. assessments, new(EnrolmentColours.Issuer, Colour.Red, [answer.Reply?.Reason ?? answer.Why])]);
            await store.WriteAsync(session => red.Insert(session, clock.GetUtcNow()));
            Decided(TraceReference.Card(claim.Tur), $"the bank declined: {answer.Why.Why.En}", $"发卡行拒绝：{answer.Why.Why.Zh}");
            return await StoreReplyAsync(request.RequestId, Refused(answer.Why));
        }

        return await MakeTokenAsync(request, claim.Tur, panIndex, eligible, authorised, [.. assessments, EnrolmentColours.OfIssuer(authorised)]);
    }

    /// <summary>Wallet or network says red: the bank is not asked, and the reasons stay on record.</summary>
    private async Task<ApiError> NotRecommendedAsync(string tur, Assessment[] assessments)
    {
        var refused = EnrolmentColours.NotRecommended(assessments);
        await store.WriteAsync(session => new EnrolmentRecord(tur, [], assessments).Insert(session, clock.GetUtcNow()));
        Decided(TraceReference.Card(tur), $"refused: {EnrolmentColours.Words(assessments)}", $"拒绝：{refused.Why!.Zh}");
        return refused;
    }

    private (Claim? Claim, ApiError? Stale) ClaimRequest(Session session, WalletToken.DigitizeRequest request, byte[] panIndex, byte[] digest, string institution, string fresh)
    {
        TokenRow.LockChip(session, request.Seid);
        var known = session.One(
            "SELECT tur, digest, reply FROM token_request WHERE request_id = $1",
            static row => new Claim(row.GetString(0), row.Bytes(1), row.BytesOrNull(2)),
            request.RequestId);
        if (known is not null)
        {
            return (known, null);
        }

        var epoch = session.Number("SELECT purge_epoch FROM token_chip WHERE seid = $1", request.Seid) ?? 0;
        if (request.PurgeEpoch < epoch)
        {
            return (null, Refused(new(Ineligible.InvalidState, new("This request is older than the phone's last sign-out.", "该请求早于手机最近一次退出登录。"))));
        }

        var now = clock.GetUtcNow();
        if (session.Number("SELECT count(*) FROM token_receipt WHERE receipt = $1 AND pan_index = $2 AND seid = $3 AND expires_at > $4", request.EligibilityReceipt, panIndex, request.Seid, now) != 1)
        {
            return (null, Malformed("eligibilityReceipt", "a receipt for this card and chip, not expired", "another"));
        }

        session.Execute("DELETE FROM token_receipt WHERE receipt = $1", request.EligibilityReceipt);
        session.Execute(
            "INSERT INTO token_request (request_id, digest, tur, seid, pan_index, institution, reply, at, trid) VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, $8)",
            request.RequestId, digest, fresh, request.Seid, panIndex, institution, now, request.TokenRequestorId);
        session.Execute(
            "INSERT INTO token_chip (seid, domain, next_instance, purge_epoch) VALUES ($1, 'None', 1, $2) ON CONFLICT (seid) DO UPDATE SET purge_epoch = excluded.purge_epoch",
            request.Seid, request.PurgeEpoch);
        return (new Claim(fresh, digest, null), null);
    }

    /// <summary>An unfinished enrolment of the same plastic on the same chip starts clean (R8).</summary>
    private async Task AbandonHalfMadeAsync(byte[] panIndex, string seid, string tur, string institution)
    {
        var (half, row) = await store.WriteAsync(session =>
        {
            var found = HalfMade(session, panIndex, seid);
            return found is null || found == tur ? default : (found, TokenRow.Find(session, found));
        });
        if (row is not null)
        {
            await RetireAsync([row], "STARTED_OVER");
        }
        else if (half is not null)
        {
            await AbandonClaimAsync(half, seid, panIndex, institution, "STARTED_OVER");
        }
    }

    private async Task AbandonClaimAsync(string tur, string seid, byte[] panIndex, string institution, string reason)
    {
        await store.WriteAsync(session => GiveUp(session, tur, institution, reason));
        await ReleaseAsync(panIndex, seid, tur);
    }

    /// <summary>Gives up an enrolment under way: it is answered now, so it makes no token any more; a token that it made just before goes with it. Its places are released after this.</summary>
    private void GiveUp(Session session, string tur, string institution, string reason)
    {
        var open = session.Execute("UPDATE token_request SET reply = $2 WHERE tur = $1 AND reply IS NULL", tur, JsonSerializer.SerializeToUtf8Bytes((ApiReply<WalletToken.DigitizeReply>)GivenUp, JsonEndpoint.Json)) == 1;
        var made = TokenRow.Find(session, tur);
        if (made is { Status.State: not TokenState.Deactivated })
        {
            Change(session, made, LifecycleStep.Delete, string.Empty, Self, reason);
        }
        else if (made is null && open)
        {
            NoticeUpdated(session, institution, tur, TokenStatus.Deactivated, reason, null);
        }
    }

    private static ApiError GivenUp => Refused(new(Ineligible.InvalidState, new("This enrolment was given up; start again.", "本次添加已作废，请重新开始。")));

    private async Task<Refusal?> ReservePlacesAsync(byte[] panIndex, string seid, string tur)
    {
        if (await store.WriteAsync(session => Slots.ReserveOnDevice(session, seid, tur, panIndex)) is { } deviceFull)
        {
            return deviceFull;
        }

        if (await store.WriteAsync(session => Slots.ReserveOfCard(session, panIndex, seid, tur)) is { } cardFull)
        {
            await store.WriteAsync(session => Slots.ReleaseOnDevice(session, seid, tur));
            return cardFull;
        }

        return null;
    }

    private sealed record IssuerAnswer(TokenIssuer.AuthorizeServiceReply? Reply, Refusal Why);

    private async Task<IssuerAnswer> AuthorizeServiceAsync(WalletToken.DigitizeRequest request, string tur, CardToEnrol card, EligibleCard eligible, IReadOnlyList<Assessment> assessments, CancellationToken cancellation)
    {
        var bank = issuers.TryGetValue(eligible.Institution, out var link) ? link : throw new PartyUnreachableException(eligible.Bank.Code);
        if (await EncryptAsync(bank, card, cancellation) is not { } jwe)
        {
            return new(null, new(Ineligible.DeclinedByIssuer, new("The bank gave no key to encrypt to.", "发卡行未提供加密密钥。")));
        }

        Called(TraceReference.Card(tur), eligible.Bank.Code, "token-issuer", TraceDirection.Sent, "authorizeService", "card data re-encrypted to the bank's key; may this card go into a phone?", "卡片信息已用发卡行密钥重新加密；该卡可否添加到手机？");
        var reply = await bank.CallAsync<TokenIssuer.AuthorizeServiceRequest, TokenIssuer.AuthorizeServiceReply>(
            TokenIssuer.Operations.AuthorizeService,
            new(request.RequestId, tur, request.TokenRequestorId, jwe, request.DeviceModel, request.Source, assessments),
            cancellation);
        if (reply.Value is not { } answer)
        {
            var said = reply.Error?.Why ?? new Text(reply.Error?.ErrorDescription ?? "The bank refused.", "发卡行拒绝了请求。");
            return new(null, new(Ineligible.DeclinedByIssuer, said));
        }

        Called(TraceReference.Card(tur), eligible.Bank.Code, "token-issuer", TraceDirection.Received, "authorizeService", answer.Decision switch { IssuerDecision.Approved => "the bank agrees", IssuerDecision.Declined => "the bank declines", _ => "the bank wants a verification first" }, answer.Decision switch { IssuerDecision.Approved => "银行同意", IssuerDecision.Declined => "银行拒绝", _ => "银行要求先验证" });
        return new(answer, new(Ineligible.DeclinedByIssuer, answer.Reason?.Why ?? new Text("The bank does not let this card into a phone.", "发卡行不同意将该卡添加到手机。")));
    }

    private async Task<ApiReply<WalletToken.DigitizeReply>> MakeTokenAsync(WalletToken.DigitizeRequest request, string tur, byte[] panIndex, EligibleCard eligible, TokenIssuer.AuthorizeServiceReply authorised, IReadOnlyList<Assessment> assessments)
    {
        var account = new AccountRow(panIndex, module.Seal(PanKey, Encoding.ASCII.GetBytes(eligible.Pan.Reveal()), PanContext(panIndex)), TokenNumber.DrawPar(entropy), authorised.PanExpiry, authorised.PanSequenceNumber);
        await store.WriteAsync(session => account.Upsert(session));
        var now = clock.GetUtcNow();
        var verify = EnrolmentColours.Decide(assessments) == IssuerDecision.RequireAdditionalAuthentication;
        Decided(TraceReference.Card(tur), $"decided on: {EnrolmentColours.Words(assessments)}", $"决策依据：{EnrolmentColours.WordsZh(assessments)}");
        while (true)
        {
            var others = await store.WriteAsync(session => TokenRow.OfCard(session, panIndex).Where(other => other.Status.State != TokenState.Deactivated).Select(other => other.Token.LastFour).ToHashSet(StringComparer.Ordinal));
            var token = TokenNumber.Draw(eligible.Range, eligible.Pan, others, entropy);
            var index = module.Index(IndexKey, token);
            var (made, taken) = await store.WriteAsync<(TokenRow? Row, bool Taken)>(session =>
            {
                TokenRow.LockChip(session, request.Seid);
                if (TokenRow.Find(session, tur) is { } already)
                {
                    return (already, false);
                }

                // Given up meanwhile (sign-out, another try of the same card, the sweep): no token is made.
                if (session.Number("SELECT 1 FROM token_request WHERE request_id = $1 AND tur = $2 AND reply IS NULL FOR UPDATE", request.RequestId, tur) is null
                    || session.Number("SELECT 1 FROM token_chip WHERE seid = $1 AND purge_epoch > $2", request.Seid, request.PurgeEpoch) is not null
                    || !Slots.Holds(session, panIndex, request.Seid, tur))
                {
                    return (null, false);
                }

                // A plastic's number never becomes a device's (decisions.md 13).
                if (AccountRow.Find(session, index) is not null)
                {
                    return (null, true);
                }

                var instance = session.Number("SELECT next_instance FROM token_chip WHERE seid = $1", request.Seid) ?? 1;
                var row = new TokenRow(
                    index, token, tur, panIndex, request.Seid, request.TokenRequestorId, eligible.Institution, eligible.Bank.Code, eligible.Bin.Kind, eligible.Range.ProductId,
                    eligible.Range.Aid + instance.ToString("X4", CultureInfo.InvariantCulture), LocalYearMonth(now.AddYears(options.TokenYears)), "00", authorised.PinPolicy, verify, request.DeviceModel,
                    TokenStatus.Inactive, PersonalisationStage.None, request.PurgeEpoch, now, now, AtcWindow.Empty);
                if (!row.TryInsert(session))
                {
                    return (null, true);
                }

                audit.Append(session, now, tur, request.TokenRequestorId, "digitize", string.Empty, row.Status.ToString(), authorised.Reason?.Code ?? "ISSUER_APPROVED");
                new EnrolmentRecord(tur, authorised.Methods, assessments).Insert(session, now);

                session.Execute("UPDATE token_chip SET next_instance = $2 WHERE seid = $1", request.Seid, instance % 0xFFFF + 1);
                return (row, false);
            });
            if (taken)
            {
                continue;
            }

            if (made is null)
            {
                await ReleaseAsync(panIndex, request.Seid, tur);
                return await StoreReplyAsync(request.RequestId, GivenUp);
            }

            Decided(TraceReference.Card(tur), $"device number made, ending {made.Token.LastFour}, inactive", $"已生成设备卡号，尾号 {made.Token.LastFour}，未激活");
            return await StoreReplyAsync(request.RequestId, new WalletToken.DigitizeReply(tur, made.Verify, Face(made), authorised.Methods, assessments));
        }
    }

    /// <summary>The first reply stands, whoever gave it: an enrolment that was given up is not answered with a token.</summary>
    private async Task<ApiReply<WalletToken.DigitizeReply>> StoreReplyAsync(string requestId, ApiReply<WalletToken.DigitizeReply> reply)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(reply, JsonEndpoint.Json);
        var stored = await store.WriteAsync(session =>
        {
            session.Execute("UPDATE token_request SET reply = $2 WHERE request_id = $1 AND reply IS NULL", requestId, bytes);
            return session.One("SELECT reply FROM token_request WHERE request_id = $1", static row => row.Bytes(0), requestId)!;
        });
        return JsonSerializer.Deserialize<ApiReply<WalletToken.DigitizeReply>>(stored, JsonEndpoint.Json)!;
    }
}
