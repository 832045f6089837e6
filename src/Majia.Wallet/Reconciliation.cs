using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>
/// What chip, phone, cloud and token service each say of a card, compared once a day: every difference is named and healed. The token service's
/// word counts for a card's life, the chip's for what can be paid with, the cloud's for whose card it is.
/// </summary>
public sealed partial class WalletParty
{
    internal const string ReconciliationMigration = """
        -- When each daily task last began: one node does it.
        CREATE TABLE wallet_daily (task TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL);
        """;

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private DateTimeOffset? nextRound;

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
            session.Execute("INSERT INTO wallet_daily (task, at) VALUES ('reconcile', $1) ON CONFLICT (task) DO NOTHING", now);
            return session.Execute("UPDATE wallet_daily SET at = $1 WHERE task = 'reconcile' AND at <= $2", now, now - Day) == 1;
        });
        nextRound = now + TimeSpan.FromHours(1);
        return mine ? await ReconcileAsync(cancellation) : [];
    }

    /// <summary>Cloud against token service, handset by handset.</summary>
    /// <returns>Every difference, healed when this returns.</returns>
    public async Task<IReadOnlyList<Difference>> ReconcileAsync(CancellationToken cancellation = default)
    {
        var found = new List<Difference>();
        foreach (var device in await store.WriteAsync(DeviceRow.All))
        {
            ApiReply<WalletToken.SearchTokensReply> listed;
            try
            {
                listed = await tokenService.CallAsync<WalletToken.SearchTokensRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.SearchTokens, new(device.Seid), cancellation);
            }
            catch (PartyUnreachableException)
            {
                return found; // the rest tomorrow
            }

            if (listed.Value is not { } live)
            {
                continue;
            }

            var before = clock.GetUtcNow() - options.UnfinishedLife;
            var (orphans, differences) = await store.WriteAsync(session => Compare(session, device, live.Tokens, before));
            found.AddRange(differences);
            foreach (var token in orphans)
            {
                await ReachAsync(() => tokenService.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(
                    WalletToken.Operations.Delete, new(entropy.NewId(), token.TokenUniqueReference, SuspendedBy.TokenRequestor, "NOT_IN_WALLET"), cancellation));
            }
        }

        return Noted(found);
    }

    private (List<WalletToken.TokenReply> Orphans, List<Difference> Differences) Compare(Session session, DeviceRow device, IReadOnlyList<WalletToken.TokenReply> live, DateTimeOffset before)
    {
        var (orphans, differences) = (new List<WalletToken.TokenReply>(), new List<Difference>());
        var cards = CardRow.OfDevice(session, device.DeviceId);

        // An addition under way has told the cloud nothing yet: its token is no orphan until its time is over.
        var underWay = cards.Any(card => card.Tur is null);
        foreach (var token in live)
        {
            var card = cards.Find(each => each.Tur == token.TokenUniqueReference);
            if (card is null or { State: EnrolmentState.Deleted or EnrolmentState.Failed })
            {
                if (!underWay)
                {
                    orphans.Add(token);
                    differences.Add(new(DifferenceKind.TokenWithoutCard, card?.CardReference, new(
                        $"The token service holds a live device card ending {token.Face.DeviceLastFour} that the cloud does not know: it is deleted.", $"标记服务存在云端未知的有效设备卡（尾号 {token.Face.DeviceLastFour}），已删除。")));
                }
            }
            else if (Follow(session, card, token.State, "RECONCILED", token.Version))
            {
                differences.Add(new(DifferenceKind.StateDiffers, card.CardReference, new(
                    $"The cloud said {card.State.Words().En}, the token service {token.State.Words().En}: the cloud follows.", $"云端记录为“{card.State.Words().Zh}”，标记服务为“{token.State.Words().Zh}”，已按标记服务更正。")));
            }
        }

        foreach (var card in cards.Where(card => card is { Tur: not null, State: EnrolmentState.Active or EnrolmentState.Suspended } && live.All(token => token.TokenUniqueReference != card.Tur)))
        {
            Follow(session, card, TokenState.Deactivated, "RECONCILED", null);
            differences.Add(new(DifferenceKind.CardWithoutToken, card.CardReference, new("The cloud lists a card whose device card is gone: it is removed.", "云端仍列有已注销的卡，已移除。")));
        }

        return (orphans, differences);
    }

    /// <summary>What the handset holds, against the cloud's list: what is healed here is done, what the handset must do is in its queue.</summary>
    private async Task<ApiReply<PhoneWallet.ReportInventoryReply>> ReportInventoryAsync(DeviceRow device, PhoneWallet.ReportInventoryRequest request, CancellationToken cancellation)
    {
        var found = new List<Difference>();
        if (request.PurgeEpoch > device.PurgeEpoch && await store.WriteAsync(session => CardRow.OfDevice(session, device.DeviceId).Any(card => card.State != EnrolmentState.Deleted && card.PurgeEpoch < request.PurgeEpoch)))
        {
            if (await DeleteAllAsync(device, request.PurgeEpoch, "PURGED_ON_DEVICE", cancellation) is { } failed)
            {
                return failed;
            }

            await ChangeAsync(device.DeviceId, now => request.PurgeEpoch < now.PurgeEpoch ? now : now with { PurgeEpoch = request.PurgeEpoch });
            found.Add(new(DifferenceKind.PurgeNotHeard, null, new("The chip was purged and the cloud had not heard of it: the device cards of before are deleted.", "芯片已清除但云端未收到通知，此前的设备卡已删除。")));
        }

        // A card that the chip does not have pays nothing: it ends everywhere.
        foreach (var gone in request.Cards.Where(held => !held.InChip && held.State is EnrolmentState.Active or EnrolmentState.Suspended))
        {
            if (await store.WriteAsync(session => CardRow.Find(session, device.DeviceId, gone.CardReference)) is { Tur: { } tur, State: EnrolmentState.Active or EnrolmentState.Suspended } card)
            {
                var reply = await ReachAsync(() => tokenService.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(
                    WalletToken.Operations.Delete, new(entropy.NewId(), tur, SuspendedBy.TokenRequestor, "NOT_IN_CHIP"), cancellation));
                if (reply.Value is not null)
                {
                    await store.WriteAsync(session => CardRow.Find(session, device.DeviceId, card.CardReference) is { } now && Follow(session, now, TokenState.Deactivated, "NOT_IN_CHIP", null));
                    found.Add(new(DifferenceKind.CardNotInChip, card.CardReference, new("The chip does not hold this card: its device card is deleted.", "芯片中没有该卡，设备卡已删除。")));
                }
            }
        }

        found.AddRange(await store.WriteAsync(session => Compare(session, device, request.Cards)));
        if (request.LiveInChip > request.Cards.Count(held => held.InChip))
        {
            found.AddRange(await ClearRemainsAsync(device, cancellation));
        }

        return new PhoneWallet.ReportInventoryReply(Noted(found));
    }

    private List<Difference> Compare(Session session, DeviceRow device, IReadOnlyList<PhoneWallet.HeldCard> held)
    {
        var differences = new List<Difference>();
        var cards = CardRow.OfDevice(session, device.DeviceId);

        // What the handset has still to be told explains itself.
        var told = session.Query("SELECT card_reference FROM wallet_command WHERE device_id = $1 AND card_reference IS NOT NULL", static row => row.GetString(0), device.DeviceId).ToHashSet(StringComparer.Ordinal);
        foreach (var card in cards.Where(card => card.State is EnrolmentState.Active or EnrolmentState.Suspended && !told.Contains(card.CardReference)))
        {
            var at = held.FirstOrDefault(each => each.CardReference == card.CardReference);
            if (at is null)
            {
                Command(session, device.DeviceId, PhoneWallet.CommandKinds.Refresh, card.CardReference, "RECONCILED");
                differences.Add(new(DifferenceKind.CardNotOnPhone, card.CardReference, new("The phone has lost sight of this card: it is told again.", "手机上缺少该卡的记录，已重新下发。")));
            }
            else if (at.State != card.State && at.State is EnrolmentState.Active or EnrolmentState.Suspended)
            {
                Command(session, device.DeviceId, card.State == EnrolmentState.Active ? PhoneWallet.CommandKinds.Resume : PhoneWallet.CommandKinds.Suspend, card.CardReference, "RECONCILED");
                differences.Add(new(DifferenceKind.PhoneStateDiffers, card.CardReference, new(
                    $"The phone shows {at.State.Words().En}, the cloud says {card.State.Words().En}: the phone is told.", $"手机显示“{at.State.Words().Zh}”，云端为“{card.State.Words().Zh}”，已通知手机。")));
            }
        }

        foreach (var only in held.Where(each => !told.Contains(each.CardReference) && cards.All(card => card.CardReference != each.CardReference || card.State == EnrolmentState.Deleted)))
        {
            Command(session, device.DeviceId, PhoneWallet.CommandKinds.Delete, only.CardReference, "RECONCILED");
            differences.Add(new(DifferenceKind.CardOnlyOnPhone, only.CardReference, new("The phone shows a card that the cloud does not have: the phone removes it.", "手机上有云端不存在的卡，已通知手机移除。")));
        }

        return differences;
    }

    /// <summary>The chip holds more live instances than the phone has cards: those of deleted cards are cleared by the token service's script.</summary>
    private async Task<List<Difference>> ClearRemainsAsync(DeviceRow device, CancellationToken cancellation)
    {
        var differences = new List<Difference>();
        foreach (var card in await store.WriteAsync(session => CardRow.OfDevice(session, device.DeviceId).Where(card => card is { State: EnrolmentState.Deleted, Tur: not null }).ToList()))
        {
            var reply = await ReachAsync(() => tokenService.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(card.Tur!), cancellation));
            if (reply.Value is { State: TokenState.Deactivated, Stage: "Started" or "Personalised" or "Selectable" })
            {
                await store.WriteAsync(session => Command(session, device.DeviceId, PhoneWallet.CommandKinds.Delete, card.CardReference, "RECONCILED"));
                differences.Add(new(DifferenceKind.RemainsInChip, card.CardReference, new("The chip still holds what is left of a deleted card: it is cleared.", "芯片中仍有已删除卡的残留，已安排清除。")));
            }
        }

        return differences;
    }

    private List<Difference> Noted(List<Difference> differences)
    {
        foreach (var each in differences)
        {
            Record(each.CardReference ?? "", "wallet", "", TraceKind.Decision, TraceDirection.Inside, $"{each.Kind}: {each.Says.En}", each.Says.Zh);
        }

        return differences;
    }
}
