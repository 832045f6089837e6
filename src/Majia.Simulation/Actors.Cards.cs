using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Wallet;

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
            world.Watch.Unbar(BarredBy.Holder, token);
        }

        var since = world.Watch.BarOf(BarredBy.Holder, token);
        var request = new WalletToken.ChangeStateRequest(world.Entropy.NewId(), tur, "CARDHOLDER", suspends ? "LOST" : "FOUND", world.NextOrder());
        Spawn(node.Process, operation, async () =>
        {
            try
            {
                var reply = await world.WalletLine(node).CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(operation, request, CancellationToken.None);
                await node.Store.DurableAsync();
                if (suspends && reply.Value is { State: TokenState.Suspended })
                {
                    world.Watch.Bar(BarredBy.Holder, token, since);
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

    /// <summary>R23: what was suspended with the phone pays again when it is found, and nothing else changes.</summary>
    private void SetLostMode(Handset handset, bool on)
    {
        var tokens = TokensIn(handset);
        if (!on)
        {
            tokens.ForEach(token => world.Watch.Unbar(BarredBy.LostMode, token));
        }

        var since = tokens.ToDictionary(token => token, token => world.Watch.BarOf(BarredBy.LostMode, token), StringComparer.Ordinal);
        FromAfar(handset, "lost mode", (wallet, device) => wallet.SetLostModeAsync(device, on), held =>
        {
            if (on)
            {
                held.Where(since.ContainsKey).ToList().ForEach(token => world.Watch.Bar(BarredBy.LostMode, token, since[token]));
            }
        });
    }

    /// <summary>The owner at the web site; the phone need not be reached for it.</summary>
    /// <param name="holds">What is true of the phone's device cards of before from the site's good answer on.</param>
    private void FromAfar(Handset handset, string what, Func<WalletParty, string, Task<ApiError?>> act, Action<List<string>> holds)
    {
        if (world.Up("wallet") is not { } node || handset.Device.State.DeviceId is not { } device)
        {
            return;
        }

        var tokens = TokensIn(handset);
        Spawn(node.Process, what, async () =>
        {
            var error = await act(node.Wallet!, device);
            await node.Store.DurableAsync();
            if (error is null)
            {
                holds(tokens);
            }

            return true;
        });
    }

    /// <summary>The device numbers that can be paid with on a phone, as the token service lists them.</summary>
    private List<string> TokensIn(Handset handset)
    {
        var seid = handset.Chip.Seid;
        return world.Read("token-service", session => session.Query("SELECT token FROM token_token WHERE seid = $1 AND state IN ('Active', 'Suspended') ORDER BY tur", static row => row.GetString(0), seid));
    }

    private void Add(Handset handset, int plastic) => Spawn(handset.Process, "add", async () =>
    {
        if (handset.Device.State.Pending is not null || handset.Device.State.Cards.Any(static card => card.State is not EnrolmentState.Active))
        {
            return (await handset.Device.ResumeAsync()).Count;
        }

        var outcome = await handset.Device.AddCardAsync(world.Plastics.AsTyped(plastic));
        return (int)outcome.Step;
    });

    /// <summary>R23: from the hotline's word on neither the plastic nor any device card of it pays.</summary>
    private void ReportLost(int plastic) => AtTheBank(plastic, "hotline", async (desk, card) =>
    {
        var tokens = TokensOf(plastic, card).Select(token => (Token: token, Since: world.Watch.BarOf(BarredBy.Bank, token))).ToList();
        if (await desk.ReportLostAsync(card))
        {
            tokens.ForEach(each => world.Watch.Bar(BarredBy.Bank, each.Token, each.Since));
        }
    });

    private void LiftReport(int plastic) => AtTheBank(plastic, "hotline", async (desk, card) =>
    {
        TokensOf(plastic, card).ForEach(token => world.Watch.Unbar(BarredBy.Bank, token));
        await desk.LiftReportAsync(card);
    });

    /// <summary>R22: from the bank's unit on the old number's device cards decline for good, or they are the new plastic's and pay again.</summary>
    private void Replace(int plastic, bool moves) => AtTheBank(plastic, "replacement", async (desk, card) =>
    {
        var tokens = TokensOf(plastic, card);
        if (moves)
        {
            tokens.ForEach(token => world.Watch.Unbar(BarredBy.Bank, token));
        }

        if ((await desk.ReplaceAsync(card, moves ? ReplacementPolicy.MoveTokens : ReplacementPolicy.DeleteAndAddAgain)).Done is { } done)
        {
            world.Watch.LookOutFor(done.Embossing.Pan);
            world.Plastics.Arrived(plastic, done);
            if (!moves)
            {
                tokens.ForEach(world.Watch.BarForGood);
            }
        }
    });

    private void AtTheBank(int plastic, string what, Func<IssuerDesk, string, Task> work)
    {
        var bank = world.Cast.BankOf(world.Cast.Plastics[plastic])!.Institution;
        if (world.Up($"issuer-{bank}") is { } node)
        {
            Spawn(node.Process, what, async () =>
            {
                await work(node.Issuers[bank].Desk, world.Plastics.Latest(plastic).Card);
                return true;
            });
        }
    }

    /// <summary>The device numbers of a card, as its bank lists them.</summary>
    private List<string> TokensOf(int plastic, string card)
    {
        var bank = world.Cast.BankOf(world.Cast.Plastics[plastic])!.Institution;
        return [.. world.Read($"issuer-{bank}", session => session.Query("SELECT token_reference FROM issuer_devices WHERE institution = $1 AND card = $2 ORDER BY token_reference", static row => row.GetString(0), bank, card))
            .Select(world.Watch.TokenOf).OfType<string>()];
    }
}
