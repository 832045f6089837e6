using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>The cloud's memory, as it answers a token service that was restored (decisions.md 24): which device cards there are, and which are gone.</summary>
public sealed partial class WalletParty
{
    private const int LargestPage = 1_000;

    /// <summary>For the line token-wallet.</summary>
    public JsonEndpoint Journal => new JsonEndpoint("wallet").Map<Journals.CardsRequest, Journals.CardsReply>(Journals.Operations.Cards, (request, _) => Task.FromResult<ApiReply<Journals.CardsReply>>(
        store.Read(session => new Journals.CardsReply(
            session.Query(
                "SELECT tur, state FROM wallet_card WHERE tur IS NOT NULL AND tur > $1 ORDER BY tur LIMIT $2",
                static row => new Journals.Card(row.GetString(0), row.GetString(1) is "Deleted" or "Failed"), request.After, Math.Clamp(request.Limit, 1, LargestPage)),
            Restoration.Latest(session, "wallet")?.BackupAt))));
}
