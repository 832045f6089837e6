using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Directory;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>A bank's say over the device cards of its plastics: holds, deletions, activations of its own, and the life of the plastic behind them.</summary>
public sealed partial class TokenServiceParty
{
    /// <summary>What one bank calls. Who it is belongs to its line: device cards of another bank are as unknown as none.</summary>
    /// <param name="institution">Eight digits.</param>
    public JsonEndpoint IssuerEndpointFor(string institution)
    {
        var endpoint = new JsonEndpoint("token-service-issuer")
            .Map<TokenIssuer.GetPublicKeyRequest, TokenIssuer.GetPublicKeyReply>(IssuerToken.Operations.GetPublicKey, (_, _) => Task.FromResult<ApiReply<TokenIssuer.GetPublicKeyReply>>(new TokenIssuer.GetPublicKeyReply(module.PublicJwk(JweKey))))
            .Map<IssuerToken.SearchTokensRequest, IssuerToken.TokensReply>(IssuerToken.Operations.SearchTokens, (request, _) => SearchByAccountAsync(institution, request))
            .Map<IssuerToken.GetTokenRequest, IssuerToken.TokenView>(IssuerToken.Operations.GetToken, (request, _) => ViewAsync(institution, request))
            .Map<IssuerToken.ActivateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Activate, (request, _) => OnceAsync(institution, IssuerToken.Operations.Activate, request.RequestId, request.TokenUniqueReference, request, () => ActivateByIssuerAsync(institution, request)))
            .Map<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Suspend, (request, _) => ChangeByIssuerAsync(institution, IssuerToken.Operations.Suspend, LifecycleStep.Suspend, request))
            .Map<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Unsuspend, (request, _) => ChangeByIssuerAsync(institution, IssuerToken.Operations.Unsuspend, LifecycleStep.Unsuspend, request))
            .Map<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Delete, (request, _) => ChangeByIssuerAsync(institution, IssuerToken.Operations.Delete, LifecycleStep.Delete, request))
            .Map<WalletToken.SetDomainRequest, IssuerToken.TokenView>(IssuerToken.Operations.SetDomain, (request, _) => OnceAsync(institution, IssuerToken.Operations.SetDomain, request.RequestId, request.TokenUniqueReference, request, () => SetDomainByIssuerAsync(institution, request)))
            .Map<IssuerToken.AccountUpdateRequest, IssuerToken.TokensReply>(IssuerToken.Operations.AccountUpdate, (request, _) => OnceAsync(institution, IssuerToken.Operations.AccountUpdate, request.RequestId, null, request, () => UpdateAccountAsync(institution, request)))
            .Map<IssuerToken.ExpiryUpdateRequest, IssuerToken.TokensReply>(IssuerToken.Operations.ExpiryUpdate, (request, _) => OnceAsync(institution, IssuerToken.Operations.ExpiryUpdate, request.RequestId, null, request, () => UpdateExpiryAsync(institution, request)))
            .Map<IssuerToken.AccountClosedRequest, IssuerToken.TokensReply>(IssuerToken.Operations.AccountClosed, (request, _) => OnceAsync(institution, IssuerToken.Operations.AccountClosed, request.RequestId, null, request, () => CloseAccountAsync(institution, request)));
        endpoint.Failed += (operation, failure) => Decided(string.Empty, $"{operation} failed: {failure.GetType().Name}", $"{operation} 处理异常：{failure.GetType().Name}");
        return endpoint;
    }

    private static TokenRow? FindOf(Session session, string institution, string tur) =>
        TokenRow.Find(session, tur) is { } row && row.Institution == institution ? row : null;

    private IssuerToken.TokenView View(Session session, TokenRow row) => new(
        row.Tur, row.Status.State, row.Status.SuspendedBy, row.Trid, row.DeviceModel, row.Token.LastFour, row.Expiry, AccountRow.Find(session, row.PanIndex)?.Par ?? "", row.Assurance,
        row.Stage == PersonalisationStage.Selectable, row.CreatedAt,
        [.. AuditTrail.Of(session, row.Tur).Select(change => new IssuerToken.TokenEvent(change.At, change.Actor, change.Action, change.Before, change.After, change.Reason))],
        row.Domain.View);

    private Task<ApiReply<IssuerToken.TokenView>> ViewAsync(string institution, IssuerToken.GetTokenRequest request) =>
        store.WriteAsync<ApiReply<IssuerToken.TokenView>>(session => FindOf(session, institution, request.TokenUniqueReference) is { } row ? View(session, row) : NotFound);

    private async Task<ApiReply<IssuerToken.TokensReply>> SearchByAccountAsync(string institution, IssuerToken.SearchTokensRequest request) =>
        TryOpenAccount(institution, request.EncryptedAccount, out var account, out var error)
            ? await store.WriteAsync<ApiReply<IssuerToken.TokensReply>>(session => new IssuerToken.TokensReply([.. TokenRow.OfCard(session, account.Index).Where(row => row.Institution == institution).Select(row => View(session, row))]))
            : error;

    private Task<ApiReply<IssuerToken.TokenView>> ChangeByIssuerAsync(string institution, string operation, LifecycleStep step, IssuerToken.ChangeStateRequest request) =>
        SuspendedBy.IsIssuers(request.CausedBy)
            ? OnceAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(institution, operation, request.RequestId, request.TokenUniqueReference, request, async () =>
            {
                var (row, why) = await ChangeAsync(session => FindOf(session, institution, request.TokenUniqueReference), step, request.CausedBy, institution, request.ReasonCode);
                return row is null ? (why is null ? NotFound : Refused(why)) : await store.WriteAsync<ApiReply<IssuerToken.TokenView>>(session => View(session, row));
            })
            : Task.FromResult<ApiReply<IssuerToken.TokenView>>(Malformed("causedBy", $"{SuspendedBy.Issuer} or {SuspendedBy.PinLocked}", "another"));

    private Task<ApiReply<IssuerToken.TokenView>> ActivateByIssuerAsync(string institution, IssuerToken.ActivateRequest request) =>
        store.WriteAsync<ApiReply<IssuerToken.TokenView>>(session =>
        {
            if (FindOf(session, institution, request.TokenUniqueReference) is not { } row)
            {
                return NotFound;
            }

            if (row.Status.State == TokenState.Active)
            {
                return View(session, row);
            }

            if (WhyNotVerifiable(row) is { } early)
            {
                return Refused(early);
            }

            var (active, why) = Activate(session, row.Tur, institution, AssuranceMethod.OneFactor, request.ReasonCode);
            return active is null ? Refused(why!) : View(session, active with { Assurance = AssuranceMethod.OneFactor });
        });

    /// <summary>R22, where the bank moves its tokens: number, reference and history stay; PAR stays, since the account does; places move with them.</summary>
    private async Task<ApiReply<IssuerToken.TokensReply>> UpdateAccountAsync(string institution, IssuerToken.AccountUpdateRequest request)
    {
        if (!TryOpenAccount(institution, request.EncryptedAccount, out var account, out var error))
        {
            return error;
        }

        if (account.NewPan is not { } newPan || account.Expiry is null)
        {
            return Malformed("encryptedAccount.newPan", "the new plastic's number and expiry", "none");
        }

        var newIndex = module.Index(IndexKey, newPan);
        var box = module.Seal(PanKey, Encoding.ASCII.GetBytes(newPan.Reveal()), PanContext(newIndex));
        return await store.WriteAsync<ApiReply<IssuerToken.TokensReply>>(session =>
        {
            if (AccountRow.Find(session, account.Index) is not { } old)
            {
                return new IssuerToken.TokensReply([]);
            }

            var live = TokenRow.OfCard(session, account.Index).Where(row => row.Institution == institution && row.Status.State != TokenState.Deactivated).ToList();

            // A plastic that has device cards of its own already: both together must find places (R10).
            if (live.Any(row => Slots.Holder(session, newIndex, row.Seid) is { } other && other != row.Tur) || live.Count + Slots.Look(session, newIndex, string.Empty, null).OfCard > Eligibility.MaxOfCard)
            {
                return Refused(Eligibility.CardFull);
            }

            // A number that is a device's never becomes a plastic's (decisions.md 13).
            if (TokenRow.Find(session, newIndex) is not null)
            {
                return Malformed("encryptedAccount.newPan", "a plastic's number", "a device number");
            }

            // R19: the slip's four digits are never the plastic's.
            if (live.Any(row => row.Token.LastFour == newPan.LastFour))
            {
                return Malformed("encryptedAccount.newPan", "other last four digits than its device cards have", "the same");
            }

            new AccountRow(newIndex, box, old.Par, account.Expiry, account.SequenceNumber ?? old.PanSequence).Upsert(session);
            foreach (var row in live)
            {
                session.Execute("UPDATE token_token SET pan_index = $2 WHERE token_index = $1", row.Index, newIndex);
                Slots.ReleaseOfCard(session, account.Index, row.Tur);
                Slots.ReserveOfCard(session, newIndex, row.Seid, row.Tur);
                session.Execute("UPDATE token_device_slot SET pan_index = $3 WHERE seid = $1 AND tur = $2", row.Seid, row.Tur, newIndex);
                session.Execute("UPDATE token_request SET pan_index = $2 WHERE tur = $1", row.Tur, newIndex);
                audit.Append(session, clock.GetUtcNow(), row.Tur, institution, "accountUpdate", row.Status.ToString(), row.Status.ToString(), "PLASTIC_REPLACED");
                NoticeUpdated(session, institution, row.Tur, row.Status, "ACCOUNT_UPDATE", row.Version);
                NoticeRequestor(session, row, row.Status, "ACCOUNT_UPDATE", row.Version);
                Decided(TraceReference.Card(row.Tur), "moved to the account's new plastic; number and history stay", "已关联到新的实体卡，设备卡号与记录不变");
            }

            return new IssuerToken.TokensReply([.. live.Select(row => View(session, TokenRow.Find(session, row.Index)!))]);
        });
    }

    private async Task<ApiReply<IssuerToken.TokensReply>> UpdateExpiryAsync(string institution, IssuerToken.ExpiryUpdateRequest request)
    {
        if (!TryOpenAccount(institution, request.EncryptedAccount, out var account, out var error))
        {
            return error;
        }

        if (account.Expiry is null)
        {
            return Malformed("encryptedAccount.expiry", "YYMM, four digits", "none");
        }

        return await store.WriteAsync<ApiReply<IssuerToken.TokensReply>>(session =>
        {
            if (AccountRow.Find(session, account.Index) is not { } old)
            {
                return new IssuerToken.TokensReply([]);
            }

            (old with { PanExpiry = account.Expiry, PanSequence = account.SequenceNumber ?? old.PanSequence }).Upsert(session);
            var live = TokenRow.OfCard(session, account.Index).Where(row => row.Institution == institution && row.Status.State != TokenState.Deactivated).ToList();
            foreach (var row in live)
            {
                audit.Append(session, clock.GetUtcNow(), row.Tur, institution, "expiryUpdate", row.Status.ToString(), row.Status.ToString(), "EXPIRY_UPDATED");
            }

            return new IssuerToken.TokensReply([.. live.Select(row => View(session, row))]);
        });
    }

    private async Task<ApiReply<IssuerToken.TokensReply>> CloseAccountAsync(string institution, IssuerToken.AccountClosedRequest request)
    {
        if (!TryOpenAccount(institution, request.EncryptedAccount, out var account, out var error))
        {
            return error;
        }

        var gone = await store.WriteAsync(session => TokenRow.OfCard(session, account.Index)
            .Where(row => row.Institution == institution && row.Status.State != TokenState.Deactivated)
            .Select(row => Change(session, row, LifecycleStep.Delete, string.Empty, institution, request.ReasonCode).Row!)
            .ToList());
        foreach (var row in gone)
        {
            await ReleaseAsync(row.PanIndex, row.Seid, row.Tur);
        }

        return await store.WriteAsync<ApiReply<IssuerToken.TokensReply>>(session => new IssuerToken.TokensReply([.. gone.Select(row => View(session, row))]));
    }

    private sealed record OpenedAccount(byte[] Index, Pan? NewPan, string? Expiry, string? SequenceNumber);

    /// <summary>A bank speaks of its own plastics only: both numbers must lie in ranges of its.</summary>
    private bool TryOpenAccount(string institution, string jwe, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out OpenedAccount? opened, out ApiError error)
    {
        (opened, error) = (null, Unreadable);
        if (!module.TryDecryptJwe(JweKey, jwe, out var plain))
        {
            return false;
        }

        IssuerToken.Account? said = null;
        try
        {
            said = JsonSerializer.Deserialize<IssuerToken.Account>(plain, JsonEndpoint.Json);
        }
        catch (JsonException)
        {
            // What was in it stays in it.
        }
        finally
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(plain);
        }

        if (said is null)
        {
            return false;
        }

        Pan? newPan = null;
        if (!Pan.TryParse(said.Pan, out var pan, out var wrong) || !IsOf(institution, pan))
        {
            error = Malformed("encryptedAccount.pan", "a number of this bank's", wrong.Got is { Length: > 0 } got ? got : "another bank's");
            return false;
        }

        if (said.NewPan is not null && (!Pan.TryParse(said.NewPan, out newPan, out wrong) || !IsOf(institution, newPan)))
        {
            error = Malformed("encryptedAccount.newPan", "a number of this bank's", wrong.Got is { Length: > 0 } got ? got : "another bank's");
            return false;
        }

        if (said.Expiry is not null && !Eligibility.IsExpiry(said.Expiry))
        {
            error = Malformed("encryptedAccount.expiry", "YYMM, four digits", $"{said.Expiry.Length} characters");
            return false;
        }

        opened = new(module.Index(IndexKey, pan), newPan, said.Expiry, said.SequenceNumber);
        return true;
    }

    private bool IsOf(string institution, Pan pan) => directory.TryBin(pan, out var bin) && directory.TryBank(bin.Bank, out var bank) && bank.Institution == institution;
}
