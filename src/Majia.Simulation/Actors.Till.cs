using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Phone;
using Majia.Terminal;
using Majia.Terminal.Line;

namespace Majia.Simulation;

/// <summary>At the till: people who pay, void, refund, settle, and a thief on its line.</summary>
public sealed partial class Actors
{
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
