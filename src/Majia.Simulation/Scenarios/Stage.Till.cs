using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Terminal;

namespace Majia.Simulation.Scenarios;

/// <summary>At the till: holder, merchant, and the thief beside them.</summary>
public sealed partial class Stage
{
    private string hand = "right";
    private int stolen = 900_001;

    /// <summary>What the holder types from now on.</summary>
    internal StepResult Pin(Arguments said)
    {
        hand = said["types"]!;
        return StepResult.Done;
    }

    internal StepResult Tap(Arguments said, string? name)
    {
        var counter = At(said["shop"]!);
        var holder = HolderFor(said);
        var result = world.Do(counter.Process, () => counter.Device.SellAsync(said.Money("amount")!.Value, holder, holder, CancellationToken.None));
        if (name is not null)
        {
            payments[name] = new Remembered(counter.Till, result, PhoneName(said), holder.Card);
        }

        return Told(result, holder);
    }

    internal StepResult Void(Arguments said)
    {
        var sale = payments[said["sale"]!];
        var counter = At(said["shop"] ?? sale.Till.Id);
        if (sale.Result.Rrn is not { } rrn)
        {
            return new StepResult("refused", new("That payment has no reference number.", "该笔交易没有参考号。"), []);
        }

        var holder = said["card"] is null && said["phone"] is null ? new Holder(this, Find(sale.Phone)!, sale.CardReference, "yes", "reader") : HolderFor(said);
        return Told(world.Do(counter.Process, () => counter.Device.VoidAsync(rrn, holder, CancellationToken.None)), holder);
    }

    internal StepResult CloseBatch(Arguments said)
    {
        var counter = At(said["shop"]!);
        var result = world.Do(counter.Process, () => counter.Device.SettleAsync(CancellationToken.None));
        return new StepResult(result.Outcome switch
        {
            SettlementOutcome.Balanced => "balanced",
            SettlementOutcome.NotBalanced => "not-balanced",
            SettlementOutcome.Empty => "empty",
            SettlementOutcome.Unfinished => "unfinished",
            _ => "no-answer",
        }, result.Why, [], result.Slip?.Print());
    }

    internal StepResult Refund(Arguments said)
    {
        var sale = payments[said["sale"]!];
        var counter = At(said["shop"] ?? sale.Till.Id);
        if (sale.Result.Rrn is not { } rrn)
        {
            return new StepResult("refused", new("That payment has no reference number.", "该笔交易没有参考号。"), []);
        }

        var holder = said["card"] is null && said["phone"] is null ? new Holder(this, Find(sale.Phone)!, sale.CardReference, "yes", "reader") : HolderFor(said);
        return Told(world.Do(counter.Process, () => counter.Device.RefundAsync(rrn, said.Money("amount"), holder, CancellationToken.None)), holder);
    }

    /// <summary>What the terminal has not had confirmed goes once more.</summary>
    internal StepResult Resolve(Arguments said)
    {
        var counter = At(said["shop"]!);
        return StepResult.When(world.Do(counter.Process, () => counter.Device.ResolvePendingAsync(CancellationToken.None)) == 0);
    }

    /// <summary>Somebody who heard the payment on the POS line, and has the terminal's MAC key too: its very cryptogram in a new message.</summary>
    internal StepResult Replay(Arguments said)
    {
        var sale = payments[said["sale"]!];
        var heard = world.Watch.Overheard.LastOrDefault(one => one.Key == $"{sale.Till.Terminal}/{sale.Result.Batch}/{sale.Result.Voucher}");
        if (heard is null || !PosFrame.TryRead(heard.Frame, out var tpdu, out var header, out var body, out _) || !IsoCodec.TryRead(Dialect.Pos, body.Span, out var message, out _))
        {
            return new StepResult("nothing-overheard", new("That payment did not go over the line.", "该笔交易未经线路传送。"), []);
        }

        message.SetNumber(11, stolen++, 6);
        var keys = world.Keys[$"terminal-{sale.Till.Terminal}"];
        var frame = PosFrame.Write(tpdu.Span, header.Span, IsoSealing.Seal(Dialect.Pos, message, block => keys.Mac("mak", MacAlgorithm.UnionPayEcb, block)));
        var thief = new Process("thief", world.Scheduler);
        var answer = world.Do(thief, () => world.PosLine(thief).ExchangeAsync(frame, CancellationToken.None));
        return PosFrame.TryRead(answer, out _, out _, out var said39, out _) && IsoCodec.TryRead(Dialect.Pos, said39.Span, out var read, out _) && read.Text(39) is { } code
            ? new StepResult(new ResponseCode(code).IsApproval ? "approved" : "declined", new ResponseCode(code).Meaning, [code])
            : new StepResult("no-answer", new("No answer came.", "没有应答。"), []);
    }

    private Holder HolderFor(Arguments said)
    {
        var phone = Phone(said);
        var reference = said["card"] is { } card ? Reference(card, PhoneName(said)) : phone.Device.State.Cards is [var first, ..] ? first.CardReference : null;
        return new Holder(this, phone, reference ?? string.Empty, said["finger"] ?? "yes", said["wake"] ?? "reader");
    }

    /// <summary>What the holder's hand does at a PIN pad.</summary>
    private char[]? Typed() => hand switch
    {
        "wrong" => "905173".ToCharArray(),
        "none" => [],
        "cancel" => null,
        _ => SmallWorld.Pin.ToCharArray(),
    };

    private static StepResult Told(SaleResult result, Holder holder) => Told(result, holder.Refused, holder.Asked);

    private static StepResult Told(SaleResult result, IReadOnlyList<Refusal> refused, bool asked) => new(
        result.Outcome switch
        {
            SaleOutcome.Approved => "approved",
            SaleOutcome.Voided => "voided",
            SaleOutcome.Refunded => "refunded",
            SaleOutcome.RefundPending => "refund-pending",
            SaleOutcome.Declined => "declined",
            SaleOutcome.RetapForPin => "pin-wanted",
            SaleOutcome.SeePhone => "see-phone",
            SaleOutcome.CardRemoved => "card-removed",
            SaleOutcome.NotOffered => "not-offered",
            SaleOutcome.Cancelled => "cancelled",
            SaleOutcome.Reversed => "reversed",
            SaleOutcome.ReversalPending => "reversal-pending",
            SaleOutcome.Refused => "refused",
            _ => "no-card",
        },
        refused.Count > 0 ? StepResult.Of(string.Empty, refused).Why : result.Why,
        [.. (result.ResponseCode is { } code ? new[] { code.Value } : []).Concat(refused.Select(reason => reason.Code).Distinct(StringComparer.Ordinal))],
        result.Slip?.Print(SlipCopy.Cardholder),
        asked);

    /// <summary>Wakes the phone, chooses, verifies, holds it there; types a PIN; tries once or twice more, then goes away.</summary>
    /// <param name="finger">yes, no, late (not at the first tap), other (somebody else's).</param>
    private sealed class Holder(Stage stage, Handset phone, string card, string finger, string wake) : ICardField, IKeypad
    {
        private const int Patience = 3;

        private int taps;

        public string Card => card;

        public bool Asked { get; private set; }

        /// <summary>Why the phone would not make the card ready.</summary>
        public IReadOnlyList<Refusal> Refused { get; private set; } = [];

        public async ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
        {
            if (++taps > Patience)
            {
                var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await using var end = cancellation.Register(() => never.TrySetCanceled(cancellation));
                await never.Task;
            }

            // Awaited here, on the till's own context: WaitAsync alone would take a completion to the thread pool.
            await PickUpAsync().WaitAsync(cancellation);
            return phone.Device.Tap();
        }

        private async Task<bool> PickUpAsync() => await phone.Process.CallAsync(async () =>
        {
            var device = phone.Device;
            if (wake == "gesture")
            {
                await device.LockAsync();
                await device.OpenByGesture(device.State.WakeGesture ?? string.Empty);
            }
            else
            {
                await device.OpenByReader();
            }

            var chosen = await device.ChooseAsync(card);
            Refused = chosen.Reasons;
            if (finger == "no" || (finger == "late" && taps == 1))
            {
                return true;
            }

            var verified = await device.VerifyFingerprintAsync(finger == "other" ? OtherFinger : SmallWorld.Finger);
            Refused = [.. Refused.Concat(verified.Reasons).Distinct()];
            return true;
        });

        public ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation)
        {
            Asked = true;
            return ValueTask.FromResult(stage.Typed());
        }
    }
}
