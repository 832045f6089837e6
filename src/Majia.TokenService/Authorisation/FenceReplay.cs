using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.TokenService.Authorisation;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>After a restoration: what the others remember is taken back into the vault, and then the fence lifts itself (decisions.md 24).</summary>
public sealed partial class TokenServiceParty
{
    /// <summary>The clocks of two parties may differ by this much.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(10);

    private const int Page = 500;

    private static readonly TokenVerdict Fenced = new(
        ResponseCode.IssuerUnavailable, ArqcResult.NotChecked,
        new("the token service was restored from a backup and is fenced until taps and deletions since then are replayed", "标记服务刚从备份恢复，须先补齐其后的交易计数与删除记录，暂停受理"), false, AtcAlarm.None);

    private volatile Fence? fence;

    /// <summary>What keeps it from paying; null when nothing does.</summary>
    public Fence? FenceUp => fence;

    /// <summary>One try at what is missing. Without a fence it does nothing.</summary>
    /// <param name="network">The line token-network.</param>
    /// <param name="wallet">The line token-wallet.</param>
    public async Task ReplayAsync(IJsonLink network, IJsonLink wallet, CancellationToken cancellation = default)
    {
        if (fence is not { } up)
        {
            return;
        }

        // Another node of the token service has lifted it, or a person has.
        if (store.Read(Fence.Up) is null)
        {
            fence = null;
            return;
        }

        try
        {
            if (!up.TapsDone)
            {
                up = await TakeTapsAsync(network, up, cancellation);
            }

            if (!up.CardsDone)
            {
                up = await TakeCardsAsync(wallet, up, cancellation);
            }
        }
        catch (PartyUnreachableException away)
        {
            up = up with { Says = $"waits for the {away.Party}" };
        }

        var done = up.TapsDone && up.CardsDone;
        await store.CommitAsync(session =>
        {
            up.Write(session);
            if (done)
            {
                Fence.Lift(session, clock.GetUtcNow(), up.Says);
            }
        });
        fence = done ? null : up;
        if (done)
        {
            Decided(string.Empty, $"the fence is lifted: {up.Says}", $"恢复围栏已解除：{up.Says}");
        }
    }

    /// <summary>Each counter that passed the switch is spent here too; a tap of that time is a replay from now on.</summary>
    private async Task<Fence> TakeTapsAsync(IJsonLink network, Fence up, CancellationToken cancellation)
    {
        var (after, taken, unknown) = (string.Empty, 0, 0);
        while (true)
        {
            var reply = (await network.CallAsync<Journals.TapsRequest, Journals.TapsReply>(Journals.Operations.Taps, new(up.BackupAt - ClockSkew, after, Page), cancellation)).Value
                ?? throw new PartyUnreachableException("network");
            if (reply.RestoredFrom is { } from && from <= up.BackupAt + ClockSkew)
            {
                return up with { Says = "the network's journal is from the same backup: nobody here knows the taps since; 'majia restore --lift' once that is settled" };
            }

            foreach (var tap in reply.Taps)
            {
                var known = PaymentToken.TryParse(tap.Token, out var token, out _) ? await store.WriteAsync(session => Spend(session, module.Index(IndexKey, token), tap)) : null;
                taken += known == true ? 1 : 0;
                unknown += known is null ? 1 : 0;
            }

            if (reply.Taps.Count < Page)
            {
                return up with { TapsDone = true, Says = string.Create(CultureInfo.InvariantCulture, $"{taken} taps replayed, {unknown} of device cards that the backup does not know") };
            }

            after = reply.Taps[^1].SwitchKey;
        }
    }

    /// <returns>True when it was news; null when there is no such device card.</returns>
    private static bool? Spend(Majia.Storage.Session session, byte[] index, Journals.Tap tap)
    {
        if (TokenRow.Find(session, index) is null)
        {
            return null;
        }

        // A counter that is far behind the window is refused as it is.
        return TokenRow.TryLearn(session, index, (ushort)tap.Counter, Convert.FromHexString(tap.Unpredictable));
    }

    /// <summary>What the wallet knows as deleted is deleted here.</summary>
    private async Task<Fence> TakeCardsAsync(IJsonLink wallet, Fence up, CancellationToken cancellation)
    {
        var (after, deleted, unknown) = (string.Empty, 0, 0);
        while (true)
        {
            var reply = (await wallet.CallAsync<Journals.CardsRequest, Journals.CardsReply>(Journals.Operations.Cards, new(after, Page), cancellation)).Value
                ?? throw new PartyUnreachableException("wallet");
            if (reply.RestoredFrom is { } from && from <= up.BackupAt + ClockSkew)
            {
                return up with { Says = "the wallet's journal is from the same backup: nobody here knows the deletions since; 'majia restore --lift' once that is settled" };
            }

            foreach (var card in reply.Cards)
            {
                var row = store.Read(session => TokenRow.Find(session, card.TokenUniqueReference));
                if (row is null)
                {
                    unknown += card.Deleted ? 0 : 1;
                }
                else if (card.Deleted && row.Status.State != TokenState.Deactivated)
                {
                    await RetireAsync([row], "RESTORED");
                    deleted++;
                }
            }

            if (reply.Cards.Count < Page)
            {
                return up with { CardsDone = true, Says = string.Create(CultureInfo.InvariantCulture, $"{up.Says}; {deleted} deletions replayed, {unknown} device cards of the wallet that the backup does not know") };
            }

            after = reply.Cards[^1].TokenUniqueReference;
        }
    }
}
