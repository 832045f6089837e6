using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>A device card outlives its expiry date (features.md B): before it ends the chip gets a new one through the relay; number, keys and counter stay.</summary>
public sealed partial class TokenServiceParty
{
    private const string RenewAction = "renew";

    private DateTimeOffset? nextRenewals;

    /// <summary>With the clock: once a day, by whichever node comes first.</summary>
    /// <returns>How many device cards are due.</returns>
    public async Task<int> RenewDailyAsync()
    {
        var now = clock.GetUtcNow();
        if (nextRenewals is { } next && now < next)
        {
            return 0;
        }

        var mine = await store.WriteAsync(session =>
        {
            session.Execute("INSERT INTO token_daily (task, at) VALUES ('renew', $1) ON CONFLICT (task) DO NOTHING", now - TimeSpan.FromDays(1));
            return session.Execute("UPDATE token_daily SET at = $1 WHERE task = 'renew' AND at <= $2", now, now - TimeSpan.FromDays(1)) == 1;
        });
        nextRenewals = now + TimeSpan.FromHours(1);
        return mine ? await RenewAsync() : 0;
    }

    /// <summary>Every device card that ends within <see cref="TokenServiceOptions.RenewBefore"/>, or has ended: its requestor is told, again each day, until the chip has its new date.</summary>
    public async Task<int> RenewAsync()
    {
        var now = clock.GetUtcNow();
        var due = await store.WriteAsync(session => TokenRow.ExpiringBefore(session, LocalYearMonth(now + options.RenewBefore)));
        foreach (var row in due)
        {
            await store.WriteAsync(session =>
            {
                if (TokenRow.Find(session, row.Index) is not { Stage: PersonalisationStage.Selectable, Status.State: TokenState.Active or TokenState.Suspended } live || live.Expiry != row.Expiry)
                {
                    return;
                }

                if (live.NextExpiry is null)
                {
                    var next = LocalYearMonth(now.AddYears(options.TokenYears));
                    TokenRow.WriteNextExpiry(session, live.Index, next);
                    audit.Append(session, now, live.Tur, Self, RenewAction, live.Status.ToString(), live.Status.ToString(), TokenWallet.RenewalDue);
                    Decided(TraceReference.Card(live.Tur), $"ends {Shown(live.Expiry)}: to be renewed to {Shown(next)}", $"有效期至 {Shown(live.Expiry)}，将续期至 {Shown(next)}");
                }

                NoticeRequestor(session, live, live.Status, TokenWallet.RenewalDue, live.Version);
            });
        }

        return due.Count;
    }

    /// <summary>The chip took its new profile.</summary>
    private void Renewed(Session session, TokenRow row, string next)
    {
        if (TokenRow.TryRenew(session, row.Index, next) && TokenRow.Find(session, row.Index) is { } now)
        {
            audit.Append(session, clock.GetUtcNow(), row.Tur, Self, RenewAction, now.Status.ToString(), now.Status.ToString(), "RENEWED");
            Decided(TraceReference.Card(row.Tur), $"renewed: ends {Shown(next)} now", $"已续期，有效期至 {Shown(next)}");
        }
    }

    /// <summary>YYMM as on a card: MM/YY.</summary>
    private static string Shown(string expiry) => $"{expiry[2..]}/{expiry[..2]}";
}
