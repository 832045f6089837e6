using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using static Majia.Core.Contracts.TokenIssuer;

namespace Majia.Issuer;

/// <summary>The bank's device cards against the vault's: what differs is named and brought to what the vault says, which alone decides over them (decisions.md 7).</summary>
internal sealed class Reconciliation(IssuerOptions options, Store store, TimeProvider time)
{
    private sealed record Known(string Card, string Tur, TokenState State);

    public Task<ApiReply<ReconcileTokensReply>> CompareAsync(ReconcileTokensRequest request) => store.WriteAsync<ApiReply<ReconcileTokensReply>>(session =>
    {
        var differences = new List<Difference>();
        var here = session.Query(
            "SELECT card, token_reference, state FROM issuer_devices WHERE institution = $1 AND token_reference > $2 AND ($3 IS NULL OR token_reference <= $3) ORDER BY token_reference",
            static row => new Known(row.GetString(0), row.GetString(1), Enum.Parse<TokenState>(row.GetString(2))), options.Institution, request.After, request.Through);
        foreach (var token in request.Tokens)
        {
            var known = here.Find(each => each.Tur == token.TokenUniqueReference);
            if (known is null && token.State != TokenState.Deactivated && EnrolmentRow.Find(session, options.Institution, token.TokenUniqueReference) is { } enrolment)
            {
                session.Execute(
                    "INSERT INTO issuer_devices (institution, card, token_reference, last_four, model, state, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    options.Institution, enrolment.Card, token.TokenUniqueReference, token.DeviceLastFour, token.DeviceModel, token.State.ToString(), time.GetUtcNow());
                differences.Add(new(DifferenceKind.BankUnaware, token.TokenUniqueReference, new(
                    $"The bank had no record of the device card ending {token.DeviceLastFour}: it has one now.", $"银行没有尾号 {token.DeviceLastFour} 的设备卡记录，已补录。")));
            }
            else if (known is not null && known.State != token.State)
            {
                Write(session, known, token.State);
                differences.Add(new(DifferenceKind.BankStateDiffers, token.TokenUniqueReference, new(
                    $"The bank had the device card ending {token.DeviceLastFour} as {known.State.Words().En}: it is {token.State.Words().En}.",
                    $"银行记录尾号 {token.DeviceLastFour} 的设备卡为“{known.State.Words().Zh}”，已更正为“{token.State.Words().Zh}”。")));
            }
        }

        foreach (var only in here.Where(each => each.State != TokenState.Deactivated && request.Tokens.All(token => token.TokenUniqueReference != each.Tur)))
        {
            Write(session, only, TokenState.Deactivated);
            differences.Add(new(DifferenceKind.BankOnly, only.Tur, new("The bank had a live device card that the vault does not have: it is closed here.", "银行记录了标记服务中不存在的设备卡，已注销。")));
        }

        return new ReconcileTokensReply(differences);
    });

    private void Write(Session session, Known known, TokenState state) => session.Execute(
        "UPDATE issuer_devices SET state = $4 WHERE institution = $1 AND card = $2 AND token_reference = $3", options.Institution, known.Card, known.Tur, state.ToString());
}
