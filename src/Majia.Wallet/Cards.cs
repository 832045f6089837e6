using System.Buffers;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Wallet.Handsets;

namespace Majia.Wallet;

/// <summary>Cards of a handset: add, personalise by relay, verify, list, delete (R5–R9, R21).</summary>
public sealed partial class WalletParty
{
    private async Task<ApiReply<PhoneWallet.GetEnrolmentKeyReply>> GetEnrolmentKeyAsync(PhoneWallet.GetEnrolmentKeyRequest request, CancellationToken cancellation)
    {
        var reply = await tokenService.CallAsync<WalletToken.GetPublicKeyRequest, WalletToken.GetPublicKeyReply>(WalletToken.Operations.GetPublicKey, new(), cancellation);
        return reply.Value is { } key ? new PhoneWallet.GetEnrolmentKeyReply(key.Jwk) : reply.Error!;
    }

    /// <summary>Conditions (R2–R4) → eligible? → digitise. Idempotent by the phone's request id.</summary>
    private async Task<ApiReply<PhoneWallet.AddCardReply>> AddCardAsync(DeviceRow device, PhoneWallet.AddCardRequest request, CancellationToken cancellation)
    {
        IReadOnlyList<Refusal> reasons = [.. HandsetDecider.Check(device.Handset, handsets), .. HandsetDecider.Check(request.Conditions, device.SignedIn, device.FindDevice, device.LostMode)];
        if (reasons.Count > 0)
        {
            return Refused(reasons);
        }

        var reference = entropy.NewId();
        var card = await store.WriteAsync(session =>
        {
            if (CardRow.OfRequest(session, device.DeviceId, request.RequestId) is { } known)
            {
                return known;
            }

            var made = new CardRow(reference, device.DeviceId, request.RequestId, null, EnrolmentState.Provisioning, null, [], request.PurgeEpoch);
            made.Insert(session, clock.GetUtcNow());
            return made;
        });
        if (card is { Tur: not null, Face: not null })
        {
            return new PhoneWallet.AddCardReply(card.CardReference, card.State, card.Face, card.Methods);
        }

        Record(card.CardReference, "phone", "phone-wallet", TraceKind.Json, TraceDirection.Received, $"addCard ({request.Source}): card data for the token service only", $"addCard（{request.Source}）：卡片信息仅标记服务可解密");
        var eligible = await tokenService.CallAsync<WalletToken.CheckEligibilityRequest, WalletToken.CheckEligibilityReply>(
            WalletToken.Operations.CheckEligibility, new($"{card.CardReference}-check", options.TokenRequestorId, device.Seid, request.EncryptedCard, request.Source), cancellation);
        if (eligible.Value is not { } receipt)
        {
            return IsPassing(eligible.Error!) ? eligible.Error! : await GiveUpAsync(card, eligible.Error!);
        }

        var own = await store.WriteAsync(session => WalletColour.Of(HandsetPast.Look(session, device), options, clock.GetUtcNow()));
        var digitised = await tokenService.CallAsync<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(
            WalletToken.Operations.Digitize,
            new($"{card.CardReference}-digitize", options.TokenRequestorId, device.Seid, receipt.EligibilityReceipt, request.EncryptedCard, request.PurgeEpoch, device.Handset.Model, request.Source, own),
            cancellation);
        if (digitised.Value is not { } token)
        {
            // Not decided yet: a repeat with the same id goes on where this one stopped.
            return IsPassing(digitised.Error!) ? digitised.Error! : await GiveUpAsync(card, digitised.Error!);
        }

        trace.Same(TraceReference.Card(card.CardReference), TraceReference.Card(token.TokenUniqueReference));
        var late = await store.WriteAsync(session =>
        {
            // The handset as it is now, in the unit that would give it the card (R24).
            var now = DeviceRow.Hold(session, device.DeviceId);
            return WhyNotHeld(now)
                ?? (now!.Account != device.Account || now.PurgeEpoch > request.PurgeEpoch ? Refused(new Refusal(HandsetDecider.NotSignedIn, new("The phone signed out meanwhile.", "添加期间手机已退出登录。"))) : null)
                ?? (card.TryTake(session, token.TokenUniqueReference, token.Face, token.Methods) ? null : NoSuchCard);
        });
        if (late is not null)
        {
            return await TakeBackAsync(card, token.TokenUniqueReference, late, cancellation);
        }

        // An older try of the same plastic was given up for this one: it leaves the list with it.
        await ForgetAsync(await store.WriteAsync(session => CardRow.OfDevice(session, device.DeviceId).Where(other => other.IsUnfinished && other.Tur is not null && other.CardReference != card.CardReference).ToList()), cancellation);
        return new PhoneWallet.AddCardReply(card.CardReference, card.State, token.Face, token.Methods);
    }

    /// <summary>Nothing is decided: the card's row stays for the repeat.</summary>
    private static bool IsPassing(ApiError error) => error.ErrorCode is "ISSUER_UNREACHABLE" or JsonEndpoint.InternalError;

    /// <summary>Refused: nothing of it stays.</summary>
    private async Task<ApiReply<PhoneWallet.AddCardReply>> GiveUpAsync(CardRow card, ApiError error)
    {
        Record(card.CardReference, "wallet", "", TraceKind.Decision, TraceDirection.Inside, $"refused: {error.Why?.En ?? error.ErrorCode}", $"拒绝：{error.Why?.Zh ?? error.ErrorCode}");
        await store.WriteAsync(session => CardRow.Remove(session, card.CardReference));
        return error;
    }

    /// <summary>The token exists, but the card is wanted no more.</summary>
    private async Task<ApiReply<PhoneWallet.AddCardReply>> TakeBackAsync(CardRow card, string tur, ApiError why, CancellationToken cancellation)
    {
        // Not reached: the token service gives up by itself what nobody personalises (R8).
        var reply = await tokenService.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(
            WalletToken.Operations.Delete, new($"{card.CardReference}-take-back", tur, "TOKEN_REQUESTOR", "ADDITION_WITHDRAWN"), cancellation);
        return reply.Value is null ? reply.Error! : await GiveUpAsync(card, why);
    }

    /// <summary>Relays scripts of the token service, and of the SE issuer where the chip has no domain of the token service yet.</summary>
    private async Task<ApiReply<PhoneWallet.ExchangeScriptReply>> ExchangeScriptAsync(DeviceRow device, PhoneWallet.ExchangeScriptRequest request, CancellationToken cancellation)
    {
        if (await store.WriteAsync(session => CardRow.Find(session, device.DeviceId, request.CardReference)) is not { Tur: { } tur } card)
        {
            return NoSuchCard;
        }

        if (card.State != EnrolmentState.Deleted && WhyNotHeld(device) is { } why)
        {
            return why;
        }

        WalletToken.SecurityDomainKeys? keys = null;
        var responses = request.Responses;
        if (responses.Count > 0 && seIssuer.IsUnderWay(device.Seid))
        {
            if (!TryResponses(responses, out var answers))
            {
                return new ApiError("INVALID_FIELD_VALUE", "responses: expected response APDUs as hex.", [new FieldError("responses", "response APDUs as hex", "something else")]);
            }

            var script = await seIssuer.ContinueAsync(device.Seid, TraceReference.Card(card.CardReference), answers);
            if (script.Keys is null)
            {
                return Relay(script);
            }

            (keys, responses) = (script.Keys, []);
        }

        var reply = await tokenService.CallAsync<WalletToken.ProvisionRequest, WalletToken.ProvisionReply>(WalletToken.Operations.Provision, new(entropy.NewId(), tur, responses, keys), cancellation);
        if (reply.Value is not { } next)
        {
            return reply.Error!;
        }

        if (next.NeedsDomain)
        {
            return Relay(seIssuer.Start(device.Seid, TraceReference.Card(card.CardReference)));
        }

        if (card.State != EnrolmentState.Deleted && await StillHeldAsync(card, cancellation) is { } late)
        {
            return late;
        }

        if (card.State != next.State || card.Face != next.Face)
        {
            // A state that somebody else wrote meanwhile stands: the next script tells the token service's again.
            var stands = await store.WriteAsync(session => card.TryMove(session, next.State, clock.GetUtcNow(), card.IsUnfinished ? "" : null, next.Face) ? next.State : CardRow.Find(session, device.DeviceId, card.CardReference)?.State ?? EnrolmentState.Deleted);
            Record(card.CardReference, "wallet", "", TraceKind.Decision, TraceDirection.Inside, $"card {stands.Words().En}", $"卡片状态：{stands.Words().Zh}");
            return new PhoneWallet.ExchangeScriptReply(next.Commands, stands);
        }

        return new PhoneWallet.ExchangeScriptReply(next.Commands, next.State);
    }

    /// <summary>The SE issuer makes a domain for the transit operator. A handset that is known is enough: transit wants no card, no fingerprint and no Find Device.</summary>
    private async Task<ApiReply<PhoneWallet.PrepareTransitReply>> PrepareTransitAsync(DeviceRow device, PhoneWallet.PrepareTransitRequest request, CancellationToken cancellation)
    {
        if (!TryResponses(request.Responses, out var answers))
        {
            return new ApiError("INVALID_FIELD_VALUE", "responses: expected response APDUs as hex.", [new FieldError("responses", "response APDUs as hex", "something else")]);
        }

        var reference = TraceReference.Card($"transit-{device.DeviceId}");
        var script = answers.Count == 0 ? seIssuer.Start(device.Seid, reference, SeProvider.Transit) : await seIssuer.ContinueAsync(device.Seid, reference, answers, SeProvider.Transit);
        return script.Why is { } why
            ? Refused(why)
            : new PhoneWallet.PrepareTransitReply([.. script.Commands.Select(command => Convert.ToHexString(command.ToBytes()))], script.Keys);
    }

    /// <summary>After a call that may have made a token active: what changed at the handset meanwhile counts. A lost one's token is held before anybody hears of it.</summary>
    private async Task<ApiError?> StillHeldAsync(CardRow card, CancellationToken cancellation)
    {
        var (device, order) = await store.WriteAsync(session => DeviceRow.Find(session, card.DeviceId) is { } found ? (found, found.LostMode ? DeviceRow.NextOrder(session, card.DeviceId) : 0) : default);
        if (WhyNotHeld(device) is not { } why)
        {
            return null;
        }

        if (device is { LostMode: true })
        {
            var now = await tokenService.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(card.Tur!), cancellation);
            if (now.Value is { State: TokenState.Active or TokenState.Suspended } token)
            {
                await HoldAsync(token, true, order, cancellation);
            }
        }

        return why;
    }

    private static ApiReply<PhoneWallet.ExchangeScriptReply> Relay(SeScript script) => script.Why is { } why
        ? Refused(why)
        : new PhoneWallet.ExchangeScriptReply([.. script.Commands.Select(command => Convert.ToHexString(command.ToBytes()))], EnrolmentState.Provisioning);

    private static bool TryResponses(IReadOnlyList<string> hex, out List<ResponseApdu> responses)
    {
        responses = [];
        foreach (var text in hex)
        {
            var bytes = new byte[text.Length / 2];
            if (Convert.FromHexString(text, bytes, out var consumed, out _) != OperationStatus.Done || consumed != text.Length || !ResponseApdu.TryParse(bytes, out var response, out _))
            {
                return false;
            }

            responses.Add(response);
        }

        return true;
    }

    private async Task<ApiReply<WalletToken.RequestActivationCodeReply>> RequestActivationCodeAsync(DeviceRow device, PhoneWallet.RequestActivationCodeRequest request, CancellationToken cancellation)
    {
        var (card, error) = await CardAsync(device, request.CardReference);
        return card is null
            ? error!
            : await tokenService.CallAsync<WalletToken.RequestActivationCodeRequest, WalletToken.RequestActivationCodeReply>(
                WalletToken.Operations.RequestActivationCode, new($"{card.CardReference}-{request.RequestId}", card.Tur!, request.MethodId), cancellation);
    }

    private async Task<ApiReply<PhoneWallet.ActivateReply>> ActivateAsync(DeviceRow device, PhoneWallet.ActivateRequest request, CancellationToken cancellation)
    {
        var (card, error) = await CardAsync(device, request.CardReference);
        if (card is null)
        {
            return error!;
        }

        var reply = await tokenService.CallAsync<WalletToken.ActivateRequest, WalletToken.ActivateReply>(
            WalletToken.Operations.Activate, new($"{card.CardReference}-{request.RequestId}", card.Tur!, request.EncryptedCode), cancellation);
        if (reply.Value is not { } said)
        {
            return reply.Error!;
        }

        if (said.State != TokenState.Active)
        {
            return new PhoneWallet.ActivateReply(card.State, said.TriesLeft);
        }

        if (await StillHeldAsync(card, cancellation) is { } late)
        {
            return late;
        }

        // Active at the token service, not yet selectable in the chip: one more script.
        var state = await store.WriteAsync(session =>
        {
            var next = card.State == EnrolmentState.Active ? EnrolmentState.Active : EnrolmentState.Activating;
            return card.TryMove(session, next, clock.GetUtcNow(), "") ? next : CardRow.Find(session, card.DeviceId, card.CardReference)?.State ?? EnrolmentState.Deleted;
        });
        Record(card.CardReference, "wallet", "", TraceKind.Decision, TraceDirection.Inside, "verified; the chip is told next", "验证通过，接下来通知芯片");
        return new PhoneWallet.ActivateReply(state, null);
    }

    private async Task<ApiReply<PhoneWallet.ListCardsReply>> ListCardsAsync(DeviceRow device, PhoneWallet.ListCardsRequest request, CancellationToken cancellation)
    {
        var cards = await store.WriteAsync(session => CardRow.OfDevice(session, device.DeviceId));
        return new PhoneWallet.ListCardsReply([.. cards.Where(card => card is { Face: not null, State: not (EnrolmentState.Deleted or EnrolmentState.Failed) }).Select(card => new PhoneWallet.ListedCard(card.CardReference, card.State, card.Face!))]);
    }

    /// <summary>Dead at the token service first; the chip's instance goes with the next script. The plastic is not touched (R21).</summary>
    private async Task<ApiReply<PhoneWallet.Done>> DeleteCardAsync(DeviceRow device, PhoneWallet.DeleteCardRequest request, CancellationToken cancellation)
    {
        var (card, error) = await CardAsync(device, request.CardReference, deletes: true);
        if (card is null)
        {
            return error!;
        }

        var reply = await tokenService.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(
            WalletToken.Operations.Delete, new($"{card.CardReference}-{request.RequestId}", card.Tur!, "CARDHOLDER", "CONSUMER_DELETED"), cancellation);
        if (reply.Value is null)
        {
            return reply.Error!;
        }

        await store.WriteAsync(session => CardRow.Delete(session, card.CardReference, clock.GetUtcNow(), "CONSUMER_DELETED"));
        return new PhoneWallet.Done();
    }

    /// <summary>
    /// Forgets what the token service has given up, and what never got as far as a device number (R8). An enrolment that is younger than
    /// <see cref="WalletOptions.UnfinishedLife"/> may still be resumed and is left alone.
    /// </summary>
    /// <returns>How many cards were given up.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellation = default)
    {
        var before = clock.GetUtcNow() - options.UnfinishedLife;
        return await ForgetAsync(await store.WriteAsync(session => CardRow.Unfinished(session, before)), cancellation);
    }

    private async Task<int> ForgetAsync(List<CardRow> unfinished, CancellationToken cancellation)
    {
        var givenUp = 0;
        foreach (var card in unfinished)
        {
            if (card.Tur is null)
            {
                await store.WriteAsync(session => CardRow.Remove(session, card.CardReference));
                givenUp++;
                continue;
            }

            ApiReply<WalletToken.TokenReply> reply;
            try
            {
                reply = await tokenService.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(card.Tur), cancellation);
            }
            catch (PartyUnreachableException)
            {
                return givenUp; // with the next round
            }

            if (reply.Value is { State: TokenState.Deactivated } || reply.Error?.ErrorCode == Ineligible.NotFound)
            {
                await store.WriteAsync(session => CardRow.Delete(session, card.CardReference, clock.GetUtcNow(), "NOT_COMPLETED"));
                Record(card.CardReference, "wallet", "", TraceKind.Decision, TraceDirection.Inside, "not completed: given up", "未完成添加，已作废");
                givenUp++;
            }
        }

        return givenUp;
    }

    private async Task<(CardRow? Card, ApiError? Error)> CardAsync(DeviceRow device, string reference, bool deletes = false)
    {
        if (!deletes && WhyNotHeld(device) is { } why)
        {
            return (null, why);
        }

        return await store.WriteAsync(session => CardRow.Find(session, device.DeviceId, reference)) is { Tur: not null } card ? (card, null) : (null, NoSuchCard);
    }
}
