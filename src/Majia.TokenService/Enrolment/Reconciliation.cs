using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>Vault against bank, once a day, in ranges of references: each bank names what it had otherwise and brings its own records to what the vault says.</summary>
public sealed partial class TokenServiceParty
{
    private const int TokensAtOnce = 200;

    private DateTimeOffset? nextRound;

    internal const string ReconciliationMigration = """
        -- When each daily task last began: one node does it.
        CREATE TABLE token_daily (task TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL);
        """;

    /// <summary>With the clock: the day's comparison when it is due, by whichever node comes first.</summary>
    public async Task<IReadOnlyList<Difference>> ReconcileDailyAsync(CancellationToken cancellation = default)
    {
        var now = clock.GetUtcNow();
        if (nextRound is { } next && now < next)
        {
            return [];
        }

        var mine = await store.WriteAsync(session =>
        {
            session.Execute("INSERT INTO token_daily (task, at) VALUES ('reconcile', $1) ON CONFLICT (task) DO NOTHING", now);
            return session.Execute("UPDATE token_daily SET at = $1 WHERE task = 'reconcile' AND at <= $2", now, now - TimeSpan.FromDays(1)) == 1;
        });
        nextRound = now + TimeSpan.FromHours(1);
        return mine ? await ReconcileAsync(cancellation) : [];
    }

    /// <returns>Every difference that a bank named, healed there when this returns. A bank that cannot be reached is asked tomorrow.</returns>
    public async Task<IReadOnlyList<Difference>> ReconcileAsync(CancellationToken cancellation = default)
    {
        var found = new List<Difference>();
        foreach (var (institution, bank) in issuers.OrderBy(each => each.Key, StringComparer.Ordinal))
        {
            try
            {
                for (var after = string.Empty; ;)
                {
                    var page = await store.WriteAsync(session => TokenRow.OfInstitution(session, institution, after, TokensAtOnce));
                    var through = page.Count < TokensAtOnce ? null : page[^1].Tur;
                    var reply = await bank.CallAsync<TokenIssuer.ReconcileTokensRequest, TokenIssuer.ReconcileTokensReply>(
                        TokenIssuer.Operations.ReconcileTokens,
                        new(after, through, [.. page.Select(row => new TokenIssuer.KnownToken(row.Tur, row.Status.State, row.Token.LastFour, row.DeviceModel))]), cancellation);
                    found.AddRange(reply.Value?.Differences ?? []);
                    if (through is null)
                    {
                        break;
                    }

                    after = through;
                }
            }
            catch (PartyUnreachableException)
            {
                Decided(string.Empty, $"bank {institution} cannot be reached: compared tomorrow", $"无法连接银行 {institution}，明日再对账");
            }
        }

        foreach (var each in found)
        {
            Decided(TraceReference.Card(each.CardReference ?? ""), $"{each.Kind}: {each.Says.En}", each.Says.Zh);
        }

        return found;
    }
}
