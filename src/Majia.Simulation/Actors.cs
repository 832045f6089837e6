using Majia.Core.Contracts;
using Majia.Phone;

namespace Majia.Simulation;

/// <summary>The people and accidents of a run: each action is begun here, and goes on by itself while others begin.</summary>
public sealed partial class Actors(World world)
{
    private const int ThiefsFirstTrace = 900_001;

    /// <summary>Who paid what where: a void with a new tap wants the same card.</summary>
    private readonly SortedDictionary<string, (int Phone, string Card)> payers = new(StringComparer.Ordinal);
    private readonly Process thief = new("thief", world.Scheduler);
    private int stolen = ThiefsFirstTrace;

    /// <summary>Approved sales and voids as the tills' people saw them.</summary>
    public int Approved { get; private set; }

    /// <summary>Refunds as the tills' people saw them.</summary>
    public int Refunded { get; private set; }

    /// <summary>Phones signed out with their cards gone from the chip.</summary>
    public int Purged { get; private set; }

    public int Crashes { get; private set; }

    /// <summary>Begins <paramref name="action"/>. What cannot be done now is not done.</summary>
    public void Begin(SimAction action)
    {
        switch (action.Verb)
        {
            case "sale" or "torn-sale":
                Sell(Till(action[0]), Phone(action[1]), action[2], action[3], action[4], action[5]);
                break;
            case "void":
                Void(Till(action[0]), action[1]);
                break;
            case "resolve":
                Resolve(Till(action[0]));
                break;
            case "pump":
                Pump();
                break;
            case "drop-request":
                Wire(action[0]).Strike(Fault.DropRequest, default);
                break;
            case "drop-answer":
                Wire(action[0]).Strike(Fault.DropAnswer, default);
                break;
            case "delay-request":
                Wire(action[0]).Strike(Fault.DelayRequest, TimeSpan.FromSeconds(action[1]));
                break;
            case "delay-answer":
                Wire(action[0]).Strike(Fault.DelayAnswer, TimeSpan.FromSeconds(action[1]));
                break;
            case "duplicate":
                Wire(action[0]).Strike(Fault.Duplicate, TimeSpan.FromMilliseconds(action[1]));
                break;
            case "cut":
                Break(Wire(action[0]), action[1], static (wire, on) => wire.IsCut = on);
                break;
            case "silence":
                Break(Wire(action[0]), action[1], static (wire, on) => wire.IsSilent = on);
                break;
            case "crash":
                world.Scheduler.Run(action[1]);
                Crash(Server(action[0]), action[2]);
                break;
            case "crash-in-sale":
                var node = Server(action[0]);
                world.Scheduler.After(TimeSpan.FromMilliseconds(action[1]), world.Air, () => Crash(node, action[2]));
                break;
            case "restart":
                var till = Till(action[0]);
                world.Scheduler.After(TimeSpan.FromMilliseconds(action[1]), world.Air, () =>
                {
                    world.Restart(till);
                    Resolve(till);
                });
                break;
            case "battery":
                world.Restart(Phone(action[0]));
                break;
            case "replay":
                Steal(action[0], clone: false);
                break;
            case "clone":
                Steal(action[0], clone: true);
                break;
            case "suspend":
                Change(Phone(action[0]), action[1], WalletToken.Operations.Suspend);
                break;
            case "resume":
                Change(Phone(action[0]), action[1], WalletToken.Operations.Unsuspend);
                break;
            case "delete":
                var owner = Phone(action[0]);
                if (CardOf(owner, action[1]) is { } gone)
                {
                    Spawn(owner.Process, "delete", () => owner.Device.DeleteCardAsync(gone.CardReference));
                }

                break;
            case "add":
                Add(Phone(action[0]), action[1] % world.Cast.Plastics.Count);
                break;
            case "sign-out":
                SignOut(Phone(action[0]));
                break;
            case "sign-in":
                SignIn(Phone(action[0]));
                break;
            case "payment-off":
                FromAfar(Phone(action[0]), "payment off", static (wallet, device) => wallet.PaymentOffAsync(device), tokens => tokens.ForEach(world.Watch.BarForGood));
                break;
            case "remote-sign-out":
                FromAfar(Phone(action[0]), "remote sign-out", static (wallet, device) => wallet.RemoteSignOutAsync(device), tokens => tokens.ForEach(world.Watch.BarForGood));
                break;
            case "lost-mode":
                SetLostMode(Phone(action[0]), action[1] % 2 == 1);
                break;
            case "settle":
                Close(Till(action[0]));
                break;
            case "refund":
                Refund(action[0], action[1], action[2]);
                break;
            case "aeroplane":
                var flying = Phone(action[0]);
                var device = flying.Device;
                device.SetAeroplaneMode(true);
                world.Scheduler.After(TimeSpan.FromSeconds(action[1]), world.Air, () => device.SetAeroplaneMode(false));
                break;
            case "lost":
                ReportLost(action[0] % world.Cast.Plastics.Count);
                break;
            case "found":
                LiftReport(action[0] % world.Cast.Plastics.Count);
                break;
            case "replace":
                Replace(action[0] % world.Cast.Plastics.Count, moves: action[1] % 2 == 1);
                break;
        }
    }

    /// <summary>Faults end, everybody comes back, and time passes until nobody has anything left to do, at most some hours.</summary>
    public void Settle()
    {
        foreach (var wire in world.Wires)
        {
            wire.Heal();
        }

        for (var round = 0; round < 16; round++)
        {
            foreach (var node in world.Nodes)
            {
                world.Restart(node);
            }

            foreach (var handset in world.Handsets)
            {
                handset.Device.SetAeroplaneMode(false);
                handset.Device.PowerOn();
                Spawn(handset.Process, "phone's round", () => DeliverAsync(handset.Device));
                if (round > 1)
                {
                    Spawn(handset.Process, "comparison", () => CompareAsync(handset.Device));
                }
            }

            if (round > 1)
            {
                Compare();
            }

            foreach (var counter in world.Counters)
            {
                Resolve(counter);
            }

            Pump();
            world.Scheduler.Advance(TimeSpan.FromMinutes(round < 2 ? 2 : 6));
            if (round > 2 && IsQuiet())
            {
                return;
            }
        }
    }

    private static async Task<bool> DeliverAsync(PhoneDevice phone)
    {
        await phone.PumpAsync();
        return true;
    }

    /// <summary>The owner ends what was interrupted, puts the phone away, and phone and chip are compared with the cloud.</summary>
    private static async Task<bool> CompareAsync(PhoneDevice phone)
    {
        await phone.ResumeAsync();
        await phone.LockAsync();
        await phone.ReportInventoryAsync();
        return true;
    }

    /// <summary>The day's comparison of cloud, vault and banks.</summary>
    private void Compare()
    {
        foreach (var node in world.Nodes.Where(node => node.IsUp))
        {
            if (node.Wallet is { } wallet)
            {
                Spawn(node.Process, "cloud's comparison", () => wallet.ReconcileAsync());
            }

            if (node.TokenService is { } vault)
            {
                Spawn(node.Process, "vault's comparison", () => vault.ReconcileAsync());
            }
        }
    }

    private bool IsQuiet()
    {
        var evidence = new Evidence(world);
        return Invariants.Table.All(row => row.Name is not ("nothing-waits" or "everyone-has-the-same-cards") || row.Broken(evidence) is null);
    }

    // ---- accidents ----

    private void Crash(Node node, int downMilliseconds)
    {
        if (!node.IsUp)
        {
            return;
        }

        Crashes++;
        world.Crash(node);
        world.Scheduler.After(TimeSpan.FromMilliseconds(downMilliseconds), world.Air, () => world.Restart(node));
    }

    private void Break(Wire wire, int seconds, Action<Wire, bool> set)
    {
        set(wire, true);
        world.Scheduler.After(TimeSpan.FromSeconds(seconds), world.Air, () => set(wire, false));
    }

    private void Pump()
    {
        foreach (var node in world.Nodes.Where(node => node.IsUp))
        {
            foreach (var bank in node.Issuers.Values)
            {
                Round(bank, static party => party.PumpAsync(CancellationToken.None));
            }

            Round(node.Acquirer, static party => party.PumpAsync(CancellationToken.None));
            Round(node.Network, static party => party.PumpAsync(CancellationToken.None));
            Round(node.TokenService, static async party =>
            {
                await party.SweepAsync();
                await party.PumpAsync();
            });

            void Round<T>(T? party, Func<T, Task> pump)
                where T : class
            {
                if (party is not null)
                {
                    var store = node.Store;
                    Spawn(node.Process, "pump", async () =>
                    {
                        await pump(party);
                        await store.DurableAsync();
                        return true;
                    });
                }
            }
        }
    }

    // ---- ----

    private Counter Till(int number) => world.Counters[number % world.Counters.Count];

    private Handset Phone(int number) => world.Handsets[number % world.Handsets.Count];

    private Wire Wire(int number) => world.WireOf(world.Cast.WireNames[number % world.Cast.WireNames.Count]);

    private Node Server(int number) => world.NodeOf(world.Cast.Roles[number % world.Cast.Roles.Count]);

    private static PhoneCard? CardOf(Handset handset, int number) => handset.Device.State.Cards is { Length: > 0 } cards ? cards[number % cards.Length] : null;

    /// <summary>Lets something go on by itself. What it throws is a finding.</summary>
    private void Spawn<T>(Process process, string what, Func<Task<T>> work, bool mayFail = false)
    {
        process.Post(() => Go(process, what, work, mayFail));
    }

    private async void Go<T>(Process process, string what, Func<Task<T>> work, bool mayFail)
    {
        try
        {
            await work();
        }
        catch (IOException) when (mayFail)
        {
        }
        catch (CardRemovedException) when (process.Name.StartsWith("phone", StringComparison.Ordinal))
        {
            // The phone was without power: its owner sees that.
        }
#pragma warning disable CA1031 // whatever escapes from a party is a finding
        catch (Exception error)
#pragma warning restore CA1031
        {
            world.Surprise($"{what} in {process.Name}", error);
        }
    }
}
