using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Directory;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

public sealed partial class TokenServiceParty
{
    /// <summary>May this card go into this chip? Nothing is reserved yet; the receipt says what was checked.</summary>
    private async Task<ApiReply<WalletToken.CheckEligibilityReply>> CheckEligibilityAsync(string caller, WalletToken.CheckEligibilityRequest request)
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
        var receipt = entropy.NewId();
        var full = await store.WriteAsync(session =>
        {
            if (Eligibility.Check(Slots.Look(session, panIndex, request.Seid, HalfMade(session, panIndex, request.Seid))) is { } why)
            {
                return why;
            }

            session.Execute("INSERT INTO token_receipt (receipt, pan_index, seid, expires_at) VALUES ($1, $2, $3, $4)", receipt, panIndex, request.Seid, clock.GetUtcNow() + options.ReceiptLife);
            return null;
        });
        return full is not null
            ? Refused(full)
            : new WalletToken.CheckEligibilityReply(receipt, Face(eligible), eligible.Bin.Kind.NeedsExpiryAndCvn2());
    }

    private static ApiError? CheckRequestor(string caller, string trid, string seid)
    {
        if (trid != caller)
        {
            return Malformed("tokenRequestorId", "the token requestor whose line this is", "another");
        }

        return IsSeid(seid) ? null : Malformed("seid", "20 upper-case hex digits", $"{seid?.Length ?? 0} characters");
    }

    /// <summary>An enrolment of this plastic on this chip that was never finished: it would start over (R8). Null when there is none, or a live card.</summary>
    private static string? HalfMade(Session session, byte[] panIndex, string seid)
    {
        var holder = Slots.Holder(session, panIndex, seid);
        return holder is not null && TokenRow.Find(session, holder) is not { Status.State: TokenState.Active or TokenState.Suspended } ? holder : null;
    }
}
