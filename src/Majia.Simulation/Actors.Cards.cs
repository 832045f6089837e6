using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Simulation;

/// <summary>The life of a card: owners who add, hold and lose it, and banks that hear of it.</summary>
public sealed partial class Actors
{
    private void Change(Handset handset, int card, string operation)
    {
        if (CardOf(handset, card) is not { } chosen || world.Up("wallet") is not { } node)
        {
            return;
        }

        var (seid, aid) = (handset.Chip.Seid, chosen.Face.InstanceAid);
        if (world.Read("token-service", session => session.Text("SELECT tur FROM token_token WHERE seid = $1 AND instance_aid = $2", seid, aid)) is not { } tur || world.Watch.TokenOf(tur) is not { } token)
        {
            return;
        }

        var suspends = operation == WalletToken.Operations.Suspend;
        if (!suspends)
        {
            world.Watch.Unbar(token);
        }

        var since = world.Watch.BarOf(token);
        var request = new WalletToken.ChangeStateRequest(world.Entropy.NewId(), tur, "CARDHOLDER", suspends ? "LOST" : "FOUND", world.NextOrder());
        Spawn(node.Process, operation, async () =>
        {
            try
            {
                var reply = await world.WalletLine(node).CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(operation, request, CancellationToken.None);
                await node.Store.DurableAsync();
                if (suspends && reply.Value is { State: TokenState.Suspended })
                {
                    world.Watch.Bar(token, since);
                }
            }
            catch (PartyUnreachableException)
            {
                // Not acknowledged: nobody was promised anything.
            }

            return true;
        });
    }

    private void SignOut(Handset handset)
    {
        if (!handset.Device.IsOn || handset.Device.State.Account is null)
        {
            return;
        }

        Spawn(handset.Process, "sign-out", async () =>
        {
            var before = handset.LiveInChip();
            try
            {
                await handset.Device.SignOutAsync();
            }
            catch (InvalidOperationException)
            {
                return false; // the chip refused; the phone says so, and tries again
            }

            if (handset.Device.State is { Account: null, Purging: null })
            {
                Purged += before.Count > 0 ? 1 : 0;
                handset.Purged.UnionWith(before);
            }

            return true;
        });
    }

    private void SignIn(Handset handset) => Spawn(handset.Process, "sign-in", async () =>
    {
        var owner = world.Cast.Owners[0];
        return (handset.Device.State.Account is not null || await handset.Device.SignInAsync(owner.Account, owner.Password) is { Count: 0 })
            && await handset.Device.SetFindDeviceAsync(true) is { Count: 0 };
    });

    private void Add(Handset handset, int plastic) => Spawn(handset.Process, "add", async () =>
    {
        if (handset.Device.State.Pending is not null || handset.Device.State.Cards.Any(static card => card.State is not EnrolmentState.Active))
        {
            return (await handset.Device.ResumeAsync()).Count;
        }

        var outcome = await handset.Device.AddCardAsync(world.Cast.AsTyped(world.Cast.Plastics[plastic]));
        return (int)outcome.Step;
    });

    private void ReportLost(int plastic)
    {
        var card = world.Cast.Plastics[plastic];
        var bank = world.Cast.BankOf(card)!.Institution;
        if (world.Up($"issuer-{bank}") is { } node)
        {
            Spawn(node.Process, "hotline", async () => await node.Issuers[bank].Desk.ReportLostAsync(card.Id) || await node.Issuers[bank].Desk.LiftReportAsync(card.Id));
        }
    }
}
