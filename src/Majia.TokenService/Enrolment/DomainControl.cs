using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>A device card's domain, set to merchants: by its requestor and by its bank, each for itself (docs/decisions/0031). It holds from the next verdict on.</summary>
public sealed partial class TokenServiceParty
{
    /// <summary>A mall's worth; a longer list belongs into a range of merchants, which nobody has asked for.</summary>
    private const int MostMerchants = 20;

    private async Task<ApiReply<WalletToken.TokenReply>> SetDomainByRequestorAsync(string caller, WalletToken.SetDomainRequest request)
    {
        if (WrongMerchants(request.Merchants) is { } wrong)
        {
            return wrong;
        }

        return await store.WriteAsync<ApiReply<WalletToken.TokenReply>>(session =>
            FindFor(session, caller, request.TokenUniqueReference) is not { } row ? NotFound
            : Restrict(session, row, row.Domain with { Merchants = request.Merchants }, request, caller) is { } now ? Reply(now) : GoneForDomain);
    }

    private async Task<ApiReply<IssuerToken.TokenView>> SetDomainByIssuerAsync(string institution, WalletToken.SetDomainRequest request)
    {
        if (WrongMerchants(request.Merchants) is { } wrong)
        {
            return wrong;
        }

        return await store.WriteAsync<ApiReply<IssuerToken.TokenView>>(session =>
            FindOf(session, institution, request.TokenUniqueReference) is not { } row ? NotFound
            : Restrict(session, row, row.Domain with { IssuerMerchants = request.Merchants }, request, institution) is { } now ? View(session, now) : GoneForDomain);
    }

    /// <summary>Written, put on the trail and told to both sides in one unit; null: the device card is deleted.</summary>
    private TokenRow? Restrict(Session session, TokenRow row, TokenDomain domain, WalletToken.SetDomainRequest request, string actor)
    {
        if (row.Status.State == TokenState.Deactivated)
        {
            return null;
        }

        var now = clock.GetUtcNow();
        TokenRow.Write(session, row.Index, domain);
        var merchants = request.Merchants.Count == 0 ? "ANY" : string.Join('+', request.Merchants);
        audit.Append(session, now, row.Tur, actor, $"setDomain {merchants}", row.Status.ToString(), row.Status.ToString(), request.ReasonCode);
        NoticeUpdated(session, row.Institution, row.Tur, row.Status, "DOMAIN_UPDATED", row.Version);
        NoticeRequestor(session, row, row.Status, "DOMAIN_UPDATED", row.Version);
        Decided(TraceReference.Card(row.Tur), $"may pay at {(request.Merchants.Count == 0 ? "any merchant" : merchants)}, says {actor} ({request.ReasonCode})", $"{actor} 限定可用商户：{(request.Merchants.Count == 0 ? "不限" : merchants)}（{request.ReasonCode}）");
        return row with { Domain = domain };
    }

    private static ApiError GoneForDomain => Refused(TokenLifecycle.Decide(TokenStatus.Deactivated, LifecycleStep.Suspend).Why!);

    /// <summary>A merchant number is up to fifteen letters and digits (F42).</summary>
    private static ApiError? WrongMerchants(IReadOnlyList<string> merchants) =>
        merchants.Count > MostMerchants ? Malformed("merchants", $"at most {MostMerchants}", $"{merchants.Count}")
        : merchants.FirstOrDefault(one => one.Length is 0 or > 15 || !one.All(char.IsAsciiLetterOrDigit)) is { } other ? Malformed("merchants", "merchant numbers of 1 to 15 letters and digits", $"{other.Length} characters")
        : merchants.Distinct(StringComparer.Ordinal).Count() != merchants.Count ? Malformed("merchants", "each merchant once", "one of them twice")
        : null;
}
