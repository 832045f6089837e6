using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

public sealed partial class TokenServiceParty
{
    /// <summary>The bank sends its code to the holder; the token service never sees it before the holder types it, and passes it on re-encrypted to the bank's key.</summary>
    private async Task<ApiReply<WalletToken.RequestActivationCodeReply>> RequestActivationCodeAsync(string caller, WalletToken.RequestActivationCodeRequest request, CancellationToken cancellation)
    {
        var row = await store.WriteAsync(session => FindFor(session, caller, request.TokenUniqueReference));
        if (row is null)
        {
            return NotFound;
        }

        if (WhyNotVerifiable(row) is { } why)
        {
            return Refused(why);
        }

        try
        {
            var reply = await issuers[row.Institution].CallAsync<TokenIssuer.DeliverActivationCodeRequest, TokenIssuer.DeliverActivationCodeReply>(
                TokenIssuer.Operations.DeliverActivationCode, new(request.RequestId, row.Tur, request.MethodId), cancellation);
            Called(TraceReference.Card(row.Tur), row.Bank, "token-issuer", TraceDirection.Sent, "deliverActivationCode", "the bank sends its code to the holder", "发卡行向持卡人发送验证码");
            return reply.Value is { } sent ? new WalletToken.RequestActivationCodeReply(sent.Masked, sent.ExpiresAt) : reply.Error!;
        }
        catch (PartyUnreachableException)
        {
            return Unreachable;
        }
    }

    /// <summary>A repeat is the same code, however often it was encrypted anew.</summary>
    private async Task<ApiReply<WalletToken.ActivateReply>> ActivateOnceAsync(string caller, WalletToken.ActivateRequest request, CancellationToken cancellation)
    {
        if (TryOpen<TypedCode>(request.EncryptedCode, out var typed))
        {
            return await OnceAsync(
                caller, WalletToken.Operations.Activate, request.RequestId, request.TokenUniqueReference, request with { EncryptedCode = typed.Code },
                () => ActivateAsync(caller, request, typed, cancellation));
        }

        return await store.WriteAsync(session => FindFor(session, caller, request.TokenUniqueReference)) is null ? NotFound : UnreadableCode;
    }

    private async Task<ApiReply<WalletToken.ActivateReply>> ActivateAsync(string caller, WalletToken.ActivateRequest request, TypedCode typed, CancellationToken cancellation)
    {
        var row = await store.WriteAsync(session => FindFor(session, caller, request.TokenUniqueReference));
        if (row is null)
        {
            return NotFound;
        }

        if (row.Status.State == TokenState.Active)
        {
            return new WalletToken.ActivateReply(TokenState.Active, null);
        }

        if (WhyNotVerifiable(row) is { } why)
        {
            return Refused(why);
        }

        ApiReply<TokenIssuer.ValidateActivationCodeReply> reply;
        try
        {
            var bank = issuers[row.Institution];
            if (await EncryptAsync(bank, typed, cancellation) is not { } jwe)
            {
                return Unreachable;
            }

            reply = await bank.CallAsync<TokenIssuer.ValidateActivationCodeRequest, TokenIssuer.ValidateActivationCodeReply>(
                TokenIssuer.Operations.ValidateActivationCode, new(request.RequestId, row.Tur, jwe), cancellation);
        }
        catch (PartyUnreachableException)
        {
            return Unreachable;
        }

        if (reply.Value is not { } said)
        {
            return reply.Error!;
        }

        switch (said.Verdict)
        {
            case CodeVerdict.Right:
                break;
            case CodeVerdict.Wrong:
                return new WalletToken.ActivateReply(row.Status.State, said.TriesLeft);
            case CodeVerdict.TriesExceeded:
                return Refused(new(Ineligible.CodeTriesExceeded, new("Too many wrong codes. Ask for a new one.", "验证码错误次数过多，请重新获取。")));
            case CodeVerdict.Expired:
                return Refused(new(Ineligible.CodeExpired, new("The code has expired. Ask for a new one.", "验证码已过期，请重新获取。")));
            default:
                return Refused(new(Ineligible.CodeInvalid, new("No code is waiting. Ask for one first.", "尚未获取验证码，请先获取。")));
        }

        var (active, refusal) = await store.WriteAsync(session => Activate(session, row.Tur, row.Trid, AssuranceMethod.OneFactor, "CODE_RIGHT"));
        return active is null ? Refused(refusal!) : new WalletToken.ActivateReply(active.Status.State, null);
    }

    /// <summary>INACTIVE → ACTIVE, once, with the notice to the bank in the same unit (decisions.md 17).</summary>
    private (TokenRow? Row, Refusal? Why) Activate(Storage.Session session, string tur, string actor, string assurance, string reason)
    {
        var row = TokenRow.Find(session, tur)!;
        var (active, why) = Change(session, row, LifecycleStep.Activate, string.Empty, actor, reason);
        if (active is not null && row.Status.State == TokenState.Inactive)
        {
            TokenRow.Write(session, row.Index, assurance);
        }

        return (active, why);
    }

    /// <summary>The bank's ways to verify its customer, as it named them when it was asked.</summary>
    private Task<ApiReply<WalletToken.RequestActivationMethodsReply>> RequestActivationMethodsAsync(string caller, WalletToken.RequestActivationMethodsRequest request) =>
        store.WriteAsync<ApiReply<WalletToken.RequestActivationMethodsReply>>(session => FindFor(session, caller, request.TokenUniqueReference) is not { } row ? NotFound
            : WhyNotVerifiable(row) is { } why ? Refused(why)
            : new WalletToken.RequestActivationMethodsReply(EnrolmentRecord.Find(session, row.Tur)?.Methods ?? []));

    /// <summary>Verification comes after personalisation and before ACTIVE (decisions.md 2).</summary>
    private static Refusal? WhyNotVerifiable(TokenRow row) => row switch
    {
        { Status.State: not TokenState.Inactive } => new(Ineligible.InvalidState, new("This device card does not wait for a verification.", "该设备卡无需验证。")),
        { Verify: false } => new(Ineligible.InvalidState, new("The bank asks for no verification of this card.", "发卡行未要求验证该卡。")),
        { Stage: not PersonalisationStage.Personalised } => new(Ineligible.InvalidState, new("The card is not yet in the phone's chip.", "卡片尚未写入手机安全芯片。")),
        _ => null,
    };
}
