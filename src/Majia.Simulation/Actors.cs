using System.Collections.Immutable;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Phone;
using Majia.Storage;
using Majia.Terminal;
using Majia.Terminal.Line;

namespace Majia.Simulation;

/// <summary>The people and accidents of a run: each action is begun here, and goes on by itself while others begin.</summary>
public sealed class Actors(World world)
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

    // ---- at the till ----

    private void Sell(Counter counter, Handset handset, int card, int amount, int pin, int tap)
    {
        if (counter.IsBusy || CardOf(handset, card) is not { } chosen)
        {
            return;
        }

        counter.IsBusy = true;
        var holder = new Holder(world, handset, chosen.CardReference, pin, tap);
        Spawn(counter.Process, "sale", async () =>
        {
            var result = await counter.Device.SellAsync(Amount.Cny(amount), holder, holder, CancellationToken.None);
            counter.IsBusy = false;
            if (result.Outcome == SaleOutcome.Approved)
            {
                Approved++;
                payers[$"{counter.Till.Terminal}/{result.Batch}/{result.Voucher}"] = (handset.Number, chosen.CardReference);
            }

            return result;
        });
    }

    private void Void(Counter counter, int which)
    {
        var sales = counter.Device.Journal().Where(static row => row is { State: JournalState.Approved, Request.Kind: TransactionKind.Sale }).ToList();
        if (counter.IsBusy || sales.Count == 0)
        {
            return;
        }

        var sale = sales[which % sales.Count];
        var (phone, card) = payers.TryGetValue($"{counter.Till.Terminal}/{sale.Request.Batch}/{sale.Request.Stan}", out var payer) ? payer : (0, string.Empty);
        counter.IsBusy = true;
        var holder = new Holder(world, world.Handsets[phone], card, pin: 0, tap: 0);
        Spawn(counter.Process, "void", async () =>
        {
            var result = await counter.Device.VoidAsync(sale.Request.Stan, holder, CancellationToken.None);
            counter.IsBusy = false;
            Approved += result.Outcome == SaleOutcome.Voided ? 1 : 0;
            return result;
        });
    }

    private void Close(Counter counter)
    {
        if (!counter.IsBusy)
        {
            counter.IsBusy = true;
            Spawn(counter.Process, "settle", async () =>
            {
                var result = await counter.Device.SettleAsync(CancellationToken.None);
                counter.IsBusy = false;
                return result;
            });
        }
    }

    /// <summary>At the first till from <paramref name="till"/> on that has something to give back.</summary>
    private void Refund(int till, int which, int percent)
    {
        var (counter, sales) = Enumerable.Range(till, world.Counters.Count).Select(Till).Where(static counter => !counter.IsBusy).Select(static counter => (counter, Settled(counter))).FirstOrDefault(static each => each.Item2.Count > 0);
        if (counter is null)
        {
            return;
        }

        var sale = sales[which % sales.Count];
        var (phone, card) = payers.TryGetValue($"{counter.Till.Terminal}/{sale.Request.Batch}/{sale.Request.Stan}", out var payer) ? payer : (0, string.Empty);
        counter.IsBusy = true;
        var holder = new Holder(world, world.Handsets[phone], card, pin: 0, tap: 0);
        Spawn(counter.Process, "refund", async () =>
        {
            var result = await counter.Device.RefundAsync(sale.Rrn!, percent == 0 ? null : Amount.Cny(sale.Request.Amount.Minor * percent / 100), holder, CancellationToken.None);
            counter.IsBusy = false;
            Refunded += result.Outcome == SaleOutcome.Refunded ? 1 : 0;
            return result;
        });
    }

    private static List<JournalRow> Settled(Counter counter)
    {
        var batch = counter.Device.Batch;
        return [.. counter.Device.Journal().Where(row => row is { State: JournalState.Approved, Request.Kind: TransactionKind.Sale } && row.Request.Batch != batch)];
    }

    private void Resolve(Counter counter)
    {
        if (!counter.IsBusy)
        {
            counter.IsBusy = true;
            Spawn(counter.Process, "resolve", async () =>
            {
                var kept = await counter.Device.ResolvePendingAsync(CancellationToken.None);
                counter.IsBusy = false;
                return kept;
            });
        }
    }

    /// <summary>Somebody on the POS line, with the terminal's MAC key in his pocket: the worst that a stolen terminal can do.</summary>
    private void Steal(int which, bool clone)
    {
        if (world.Watch.Overheard is not { Count: > 0 } heard)
        {
            return;
        }

        var exchange = heard[heard.Count - 1 - (which % heard.Count)];
        var frame = exchange.Frame;
        if (clone && PosFrame.TryRead(frame, out var tpdu, out var header, out var body, out _) && IsoCodec.TryRead(Dialect.Pos, body.Span, out var message, out _))
        {
            var trace = (stolen++ % 1_000_000).ToString("D6", System.Globalization.CultureInfo.InvariantCulture);
            world.Watch.Thefts.Add($"{exchange.Terminal}/{message.Text(60)![2..8]}/{trace}");
            message.Set(11, trace);
            var keys = world.Keys[$"terminal-{exchange.Terminal}"];
            frame = PosFrame.Write(tpdu.Span, header.Span, IsoSealing.Seal(Dialect.Pos, message, block => keys.Mac("mak", MacAlgorithm.UnionPayEcb, block)));
        }

        Spawn(thief, "theft", () => world.PosLine(thief).ExchangeAsync(frame, CancellationToken.None), mayFail: true);
    }

    // ---- the life of a card ----

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

    /// <summary>A holder at a till: shows the finger, holds the phone there, types a PIN, tries again once or twice, goes away.</summary>
    private sealed class Holder(World world, Handset handset, string card, int pin, int tap) : ICardField, IKeypad
    {
        private const int Patience = 3;

        private int taps;

        public async ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
        {
            if (++taps > Patience)
            {
                await Never(cancellation);
            }

            var (kind, at) = taps == 1 ? (tap / 10, tap % 10) : (0, 0);
            if (kind != 1)
            {
                // A phone whose battery falls out meanwhile never gets there.
                await PickUpAsync().WaitAsync(cancellation);
            }

            return new Tap(world, handset, handset.Device.Tap(), kind, at);
        }

        // Awaited here, on the till's own context: WaitAsync alone would take a completion to the thread pool.
        private async Task<bool> PickUpAsync() => await handset.Process.CallAsync(async () =>
        {
            handset.Device.PowerOn();
            await handset.Device.OpenByReader();
            await handset.Device.ChooseAsync(card);
            await handset.Device.VerifyFingerprintAsync(SmallWorld.Finger);
            return true;
        });

        public ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation) => ValueTask.FromResult<char[]?>(pin switch
        {
            1 => "654321".ToCharArray(),
            2 => [],
            3 => null,
            _ => SmallWorld.Pin.ToCharArray(),
        });

        private static async Task Never(CancellationToken cancellation)
        {
            var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var end = cancellation.Register(() => never.TrySetCanceled(cancellation));
            await never.Task;
        }
    }

    /// <summary>One phone in one field, which may leave it.</summary>
    private sealed class Tap(World world, Handset handset, PhoneTap tap, int kind, int at) : ICardChannel
    {
        private int commands;

        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            if (commands++ != at || kind < 2)
            {
                return await tap.TransmitAsync(command, cancellation);
            }

            if (kind == 2)
            {
                tap.TakeAway();
            }
            else if (kind == 4)
            {
                var device = handset.Device;
                device.PowerOff();
                world.Scheduler.After(TimeSpan.FromSeconds(2), handset.Process, device.PowerOn);
            }

            var answer = await tap.TransmitAsync(command, cancellation);
            tap.TakeAway();
            return kind == 3 ? throw new CardRemovedException() : answer;
        }
    }
}
