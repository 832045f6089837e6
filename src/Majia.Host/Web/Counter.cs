using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Devices;
using Majia.Host.Tracing;
using Majia.Phone;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;

namespace Majia.Host.Web;

/// <summary>A PIN that the terminal waits for.</summary>
/// <param name="Request">Its number: an answer to an older one is not taken.</param>
public sealed record PinAsked(int Request, PinPrompt Prompt);

/// <summary>What the counter shows, at one moment.</summary>
/// <param name="TraceReference">Of the payment under way, or the last one; null before the first.</param>
public sealed record CounterNow(bool Busy, bool IsVoid, IReadOnlyList<DisplayMessage> Shown, PinAsked? Pin, SaleResult? Result, bool Failed, string? TraceReference);

/// <summary>One terminal as a page uses it: one transaction at a time, the phone held to it, the PIN typed on it.</summary>
public sealed class Counter : IKeypad, IAsyncDisposable
{
    private readonly TerminalDevice terminal;
    private readonly CounterField field;
    private readonly TraceStore trace;
    private readonly Changes changes;
    private readonly ILogger log;
    private readonly TimeProvider time;
    private readonly string posReferences;
    private readonly Lock gate = new();
    private readonly List<DisplayMessage> shown = [];
    private CancellationTokenSource? cancel;
    private Task work = Task.CompletedTask;
    private bool isVoid, failed;
    private int pinRequests;
    private PinAsked? pin;
    private TaskCompletionSource<char[]?>? pinTyped;
    private SaleResult? result;
    private string? reference;
    private PhoneTap? held;

    public Counter(TerminalDevice terminal, CounterField field, TraceStore trace, Changes changes, TimeProvider time, ILogger log)
    {
        (this.terminal, this.field, this.trace, this.changes, this.time, this.log) = (terminal, field, trace, changes, time, log);
        posReferences = $"pos:{terminal.Options.MerchantId}:{terminal.Options.TerminalId}:";
        terminal.Displayed += OnDisplayed;
        trace.Recorded += OnRecorded;
    }

    public TerminalDevice Terminal => terminal;

    public CounterNow Now
    {
        get
        {
            lock (gate)
            {
                return new CounterNow(cancel is not null, isVoid, [.. shown], pin, result, failed, reference);
            }
        }
    }

    /// <summary>False: a transaction is under way.</summary>
    public bool TrySell(Amount amount) => TryStart(ofVoid: false, async cancellation => await terminal.SellAsync(amount, field, this, cancellation));

    /// <summary>False: a transaction is under way.</summary>
    public bool TryVoid(string voucherOrRrn) => TryStart(ofVoid: true, async cancellation => await terminal.VoidAsync(voucherOrRrn, field, cancellation));

    /// <summary>Gives back a settled sale or a part of it. False: a transaction is under way.</summary>
    /// <param name="amount">Null: what is left of it.</param>
    public bool TryRefund(string rrn, Amount? amount = null) => TryStart(ofVoid: true, async cancellation => await terminal.RefundAsync(rrn, amount, field, cancellation));

    /// <summary>Closes the batch, while nothing else goes on at the terminal. Null: something does.</summary>
    public async Task<SettlementResult?> SettleAsync()
    {
        SettlementResult? settled = null;
        var started = TryStart(ofVoid: true, async cancellation =>
        {
            settled = await terminal.SettleAsync(cancellation);
            return null;
        });
        if (!started)
        {
            return null;
        }

        await work;
        return settled;
    }

    /// <summary>The display forgets the last payment; the journal does not.</summary>
    public void Forget()
    {
        lock (gate)
        {
            if (cancel is null)
            {
                (result, failed) = (null, false);
                shown.Clear();
            }
        }

        changes.Say();
    }

    /// <summary>The merchant's cancel key.</summary>
    public void Cancel()
    {
        CancellationTokenSource? current;
        lock (gate)
        {
            current = cancel;
        }

        current?.Cancel();
    }

    /// <summary>Holds the phone to the terminal: near an active field it wakes by itself (R14). False: the field is off, nothing happens.</summary>
    /// <param name="pace">What each command takes through the air, for people to watch; none for programs.</param>
    public async Task<bool> HoldAsync(PhoneDevice phone, TimeSpan pace = default)
    {
        if (!Now.Busy)
        {
            return false;
        }

        if (phone.IsOn)
        {
            await phone.OpenByReader();
        }

        field.Clear();
        held = phone.Tap();
        field.Present(pace == TimeSpan.Zero ? held : new SlowAir(held, pace, time));
        return true;
    }

    /// <summary>Holds a plastic card to the terminal. False: the field is off.</summary>
    /// <param name="card">In the field, activated; null when it has no antenna: it is there and nothing answers.</param>
    public bool HoldCard(ICardChannel? card, TimeSpan pace = default)
    {
        if (!Now.Busy)
        {
            return false;
        }

        field.Clear();
        held = null;
        if (card is not null)
        {
            field.Present(pace == TimeSpan.Zero ? card : new SlowAir(card, pace, time));
        }

        return true;
    }

    /// <summary>A sale with a card in the slot. False: a transaction is under way.</summary>
    /// <param name="slot">Its contacts; null when it has none.</param>
    public bool TrySellInserted(Amount amount, ICardChannel? slot, TimeSpan pace = default) =>
        TryStart(ofVoid: false, async cancellation => await terminal.SellInsertedAsync(amount, slot is null || pace == TimeSpan.Zero ? slot : new SlowAir(slot, pace, time), this, cancellation));

    /// <summary>The phone leaves the field, whatever is still under way (R14): what was not through is torn.</summary>
    public void TakeAway()
    {
        held?.TakeAway();
        field.Clear();
    }

    /// <summary>The keys pressed on the PIN pad; null for its cancel key. False: nobody waits for that request any more, and the digits are overwritten.</summary>
    public bool TypePin(int request, char[]? digits)
    {
        lock (gate)
        {
            if (pin?.Request == request && pinTyped is { } waiting)
            {
                (pin, pinTyped) = (null, null);
                if (waiting.TrySetResult(digits))
                {
                    return true;
                }
            }
        }

        Array.Clear(digits ?? []);
        return false;
    }

    async ValueTask<char[]?> IKeypad.EnterPinAsync(PinPrompt prompt, CancellationToken cancellation)
    {
        var waiting = new TaskCompletionSource<char[]?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            (pin, pinTyped) = (new PinAsked(++pinRequests, prompt), waiting);
        }

        changes.Say();
        await using var stop = cancellation.Register(() => waiting.TrySetCanceled(cancellation));
        try
        {
            return await waiting.Task;
        }
        finally
        {
            lock (gate)
            {
                (pin, pinTyped) = pinTyped == waiting ? (null, null) : (pin, pinTyped);
            }

            changes.Say();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Cancel();
        await work;
        terminal.Displayed -= OnDisplayed;
        trace.Recorded -= OnRecorded;
    }

    private bool TryStart(bool ofVoid, Func<CancellationToken, Task<SaleResult?>> transaction)
    {
        CancellationTokenSource mine;
        lock (gate)
        {
            if (cancel is not null)
            {
                return false;
            }

            cancel = mine = new CancellationTokenSource();
            (isVoid, failed, result, reference) = (ofVoid, false, null, null);
            shown.Clear();
        }

        field.Clear();
        work = RunAsync(mine, transaction);
        return true;
    }

    private async Task RunAsync(CancellationTokenSource mine, Func<CancellationToken, Task<SaleResult?>> transaction)
    {
        SaleResult? ended = null;
        var whole = false;
        changes.Say();
        try
        {
            ended = await transaction(mine.Token);
            whole = true;
        }
        catch (OperationCanceledException)
        {
            // Cancelled while it waited for its turn.
        }
        catch (Exception error)
        {
            // Type and place only: a message could carry what a log must not hold.
            log.LogError("terminal {Terminal} failed: {Type}\n{Place}", terminal.Options.TerminalId, error.GetType().Name, error.StackTrace);
        }

        await trace.FlushAsync();
        lock (gate)
        {
            (cancel, result, failed) = (null, ended, !whole && !mine.IsCancellationRequested);
            reference = ended?.TraceReference ?? reference;
        }

        changes.Say();
    }

    private void OnDisplayed(DisplayMessage message)
    {
        lock (gate)
        {
            shown.Add(message);
        }

        changes.Say();
    }

    private void OnRecorded(TraceEvent row)
    {
        if (row.Reference.StartsWith(posReferences, StringComparison.Ordinal))
        {
            lock (gate)
            {
                reference = cancel is null ? reference : row.Reference;
            }
        }
    }
}
