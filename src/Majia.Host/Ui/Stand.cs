using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Host.Web;
using Majia.Phone;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Counter = Majia.Host.Web.Counter;

namespace Majia.Host.Ui;

/// <summary>What is open on the phone's screen while nobody pays.</summary>
public enum PhoneApp
{
    /// <summary>Nothing: the screen is dark.</summary>
    None,
    Launcher,
    Wallet,
    AddCard,
    Messages,
    Settings,

    /// <summary>A bank's own.</summary>
    Bank,
}

/// <summary>What one visitor stands before: a phone in the hand, a terminal on the counter, and what their hands do with both.</summary>
public sealed partial class Stand : IDisposable
{
    /// <summary>The one finger of the person at the page.</summary>
    public const string Finger = "right thumb";

    /// <summary>One APDU through the air; a payment is four of them.</summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(130), Rest = TimeSpan.FromMilliseconds(1100), Torn = TimeSpan.FromMilliseconds(200);

    private readonly MajiaSystem system;
    private readonly IReadOnlyDictionary<string, Counter> counters;
    private readonly Changes changes;
    private int holding;

    public Stand(MajiaSystem system, IReadOnlyDictionary<string, Counter> counters, Changes changes, WebOptions options)
    {
        Reset = options.Reset;
        (this.system, this.counters, this.changes) = (system, counters, changes);
        PhoneId = system.Phones.ContainsKey("mi5") ? "mi5" : system.Phones.Keys.FirstOrDefault() ?? "";
        TerminalId = counters.Keys.FirstOrDefault() ?? "";
        changes.Said += OnSaid;
        system.Trace.Recorded += OnRecorded;
    }

    /// <summary>Something that is shown has changed. Raised on any thread.</summary>
    public event Action? Changed;

    public MajiaSystem System => system;

    /// <summary>Everything as on the first day; null where that is not to be had.</summary>
    public Action? Reset { get; }

    /// <summary>Phone and terminal are in this process; else the page says where it is to be opened.</summary>
    public bool IsHere => PhoneId.Length > 0 && TerminalId.Length > 0;

    public string PhoneId { get; private set; }

    public string TerminalId { get; private set; }

    public PhoneDevice Phone => system.Phones[PhoneId];

    public Counter Counter => counters[TerminalId];

    public PhoneApp App { get; private set; }

    /// <summary>What the phone has just told its owner: why something did not go.</summary>
    public IReadOnlyList<Refusal> Said { get; private set; } = [];

    /// <summary>What takes a moment now; null when nothing does.</summary>
    public Text? Working { get; private set; }

    /// <summary>The phone lies at the reader.</summary>
    public bool AtReader => holding > 0;

    /// <summary>What the cashier has typed, in minor units.</summary>
    public long Amount { get; private set; } = 88_00;

    /// <summary>The payment or enrolment that the trace shows.</summary>
    public string? Followed { get; private set; }

    public bool NeedsPowerKey => Phone.State.WakeGesture is "double-press-power" || (Phone.State.WakeGesture is null && PhoneId is "mi-mix" or "mi5s-plus");

    public void ChooseTerminal(string id)
    {
        if (counters.ContainsKey(id))
        {
            TerminalId = id;
            Follow(Counter.Now.TraceReference ?? Followed);
        }
    }

    public void ChoosePhone(string id)
    {
        if (system.Phones.ContainsKey(id))
        {
            (PhoneId, App, Said, Transit) = (id, PhoneApp.None, [], null);
            _ = LookAtTransitAsync();
            Tell();
        }
    }

    public void Follow(string? reference)
    {
        Followed = reference;
        Tell();
    }

    public void Dispose()
    {
        changes.Said -= OnSaid;
        system.Trace.Recorded -= OnRecorded;
    }

    // ---- the phone's keys ----

    /// <summary>Opens an app; whoever was about to pay does not any more.</summary>
    public async Task OpenAsync(PhoneApp app)
    {
        if (!Phone.IsOn)
        {
            return;
        }

        if (Phone.Screen.Kind != ScreenKind.Dark)
        {
            await Phone.LockAsync();
        }

        if (app == PhoneApp.AddCard && App != app)
        {
            LastAdded = null; // the next card, not the last one's good news again
        }

        (App, Said) = (app, []);
        if (app == PhoneApp.Wallet)
        {
            await LookAtTransitAsync();
        }

        changes.Say();
    }

    /// <summary>The home key once: from the dark, or out of an app, to the launcher.</summary>
    public Task HomeAsync() => OpenAsync(PhoneApp.Launcher);

    /// <summary>The power key once: the screen goes dark or lights up; a phone that is off starts.</summary>
    public Task PowerAsync()
    {
        if (!Phone.IsOn)
        {
            Phone.PowerOn();
            return OpenAsync(PhoneApp.Launcher);
        }

        return OpenAsync(App == PhoneApp.None && Phone.Screen.Kind == ScreenKind.Dark ? PhoneApp.Launcher : PhoneApp.None);
    }

    public void SwitchOff()
    {
        Phone.PowerOff();
        App = PhoneApp.None;
        changes.Say();
    }

    /// <summary>Way in 2 (R14): with the screen off, this model's own gesture.</summary>
    public async Task WakeAsync()
    {
        App = PhoneApp.None;
        var gesture = Phone.State.WakeGesture ?? (NeedsPowerKey ? "double-press-power" : "double-press-home");
        Say((await Phone.OpenByGesture(gesture)).Reasons);
    }

    public async Task ChooseCardAsync(string reference)
    {
        App = PhoneApp.None;
        Say((await Phone.ChooseAsync(reference)).Reasons);
    }

    /// <summary>The finger on the sensor.</summary>
    public async Task FingerAsync(bool stranger = false) =>
        Say(Phone.Screen.Kind is ScreenKind.VerifyFingerprint or ScreenKind.Cards ? (await Phone.VerifyFingerprintAsync(stranger ? "a stranger's finger" : Finger)).Reasons : []);

    public async Task CancelPayAsync()
    {
        await Phone.CancelAsync();
        Say([]);
    }

    // ---- phone and terminal ----

    /// <summary>Holds the phone to the terminal for as long as a tap takes.</summary>
    /// <param name="torn">Takes it away too soon.</param>
    public async Task TapAsync(bool torn = false)
    {
        if (holding > 0 || !await ArriveAsync())
        {
            return;
        }

        if (torn)
        {
            await Task.Delay(Torn, system.Time);
        }
        else if (GateId is null)
        {
            await Task.Delay(Rest, system.Time);
            await WhileReadAsync();
        }
        else
        {
            await Task.WhenAny(passage, Task.Delay(LongestPassage, system.Time));
        }

        Leave();
    }

    /// <summary>Nobody takes the phone away while the terminal still reads it, however slow the machine is.</summary>
    private async Task WhileReadAsync()
    {
        var read = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look()
        {
            if (!Counter.Now.Busy || !(Display is { Id: UiMessage.Processing } || (Display is { Id: UiMessage.PresentCard } && Phone.Screen.Kind == ScreenKind.Ready)))
            {
                read.TrySetResult();
            }
        }

        changes.Said += Look;
        try
        {
            Look();
            await Task.WhenAny(read.Task, Task.Delay(LongestPassage, system.Time));
        }
        finally
        {
            changes.Said -= Look;
        }
    }

    /// <summary>The phone has come into the field. False: the terminal waits for nobody.</summary>
    public async Task<bool> ArriveAsync()
    {
        holding++;
        if (GateId is { } gate)
        {
            EnterGate(gate);
            Tell();
            return true;
        }

        if (Counter.Now.Busy)
        {
            App = PhoneApp.None;
        }

        Tell();
        if (await Counter.HoldAsync(Phone, Pace))
        {
            return true;
        }

        await Task.Delay(Torn, system.Time); // one sees that nothing happens
        holding = 0;
        Tell();
        return false;
    }

    public void Leave()
    {
        atGate?.TakeAway();
        Counter.TakeAway();
        holding = 0;
        Tell();
    }

    // ---- the cashier ----

    public void TypeAmount(int digit)
    {
        if (Amount < 10_000_000_00)
        {
            Amount = (Amount * 10) + digit;
            Tell();
        }
    }

    public void CorrectAmount()
    {
        Amount /= 10;
        Tell();
    }

    public void SetAmount(long minor)
    {
        Amount = minor;
        Tell();
    }

    /// <summary>The display goes back to the amount, for the next one in the queue.</summary>
    public void NextCustomer()
    {
        Amount = 0;
        Counter.Forget();
    }

    public void Sell()
    {
        if (Amount > 0)
        {
            Counter.TrySell(Core.Primitives.Amount.Cny(Amount));
        }
    }

    public void Void(string voucher) => Counter.TryVoid(voucher);

    /// <summary>Gives a settled sale back, by its reference number.</summary>
    public void Refund(string rrn) => Counter.TryRefund(rrn);

    /// <summary>Closes the terminal's batch. Null: a transaction is under way.</summary>
    public Task<SettlementResult?> SettleAsync() => Counter.SettleAsync();

    public DisplayMessage? Display => Counter.Now.Shown.Count > 0 ? Counter.Now.Shown[^1] : null;

    // ---- settings and account ----

    public Task SignInAsync(string account, string password) => WorkAsync(new("Signing in", "正在登录"), async () => Say(await Phone.SignInAsync(account, password)));

    public Task SignOutAsync() => WorkAsync(new("Signing out", "正在退出登录"), async () =>
    {
        await Phone.SignOutAsync();
        Say([]);
    });

    public Task SetFindDeviceAsync(bool on) => WorkAsync(new("Telling the cloud", "正在通知云端"), async () => Say(await Phone.SetFindDeviceAsync(on)));

    public async Task SetFingerprintAsync(bool enrolled)
    {
        await (enrolled ? Phone.EnrolFingerprintAsync(Finger) : Phone.RemoveFingerprintAsync(Finger));
        Say([]);
    }

    public async Task SetFingerprintFunctionAsync(bool on)
    {
        await Phone.SetFingerprintFunctionAsync(on);
        Say([]);
    }

    public async Task SetAeroplaneAsync(bool on)
    {
        Phone.SetAeroplaneMode(on);
        Say([]);
        if (!on)
        {
            await Phone.PumpAsync(); // what waited for the network goes now
            changes.Say();
        }
    }

    /// <summary>Every condition of R4 at once, with the demonstration's own account.</summary>
    public Task PrepareAsync() => WorkAsync(new("Getting the phone ready", "正在准备手机"), async () =>
    {
        if (Phone.AeroplaneMode)
        {
            await SetAeroplaneAsync(false);
        }

        var account = SeedData.WalletAccounts[0];
        var wrong = Phone.State.SignedIn ? [] : await Phone.SignInAsync(account.Account, account.Password);
        if (wrong.Count == 0)
        {
            wrong = Phone.State.FindDeviceOn ? [] : await Phone.SetFindDeviceAsync(true);
        }

        if (!Phone.Trusted.FunctionOn)
        {
            await Phone.SetFingerprintFunctionAsync(true);
        }

        if (!Phone.Trusted.HasFingerprint)
        {
            await Phone.EnrolFingerprintAsync(Finger);
        }

        Say(wrong);
    });

    private async Task WorkAsync(Text what, Func<Task> work)
    {
        Working = what;
        Tell();
        try
        {
            await work();
        }
        catch (InvalidOperationException chip)
        {
            Say([new Refusal(PhoneRules.ChipFailed.Code, new Text(chip.Message, PhoneRules.ChipFailed.Why.Zh))]);
        }
        finally
        {
            Working = null;
            changes.Say();
        }
    }

    private void Say(IReadOnlyList<Refusal> reasons)
    {
        Said = reasons;
        changes.Say();
    }

    private void Tell() => Changed?.Invoke();

    /// <summary>Somebody at the page has changed something at a bank or on a line.</summary>
    public void Told() => changes.Say();

    private void OnSaid()
    {
        if (IsHere && Counter.Now is { TraceReference: { } reference } now && (now.Busy || now.Result is not null) && reference != seen)
        {
            (seen, Followed) = (reference, reference);
        }

        Tell();
    }

    private string? seen;

    private void OnRecorded(TraceEvent row)
    {
        if (Working is not null && row.Party == "wallet" && row.Reference.StartsWith("card:", StringComparison.Ordinal) && row.Reference != Followed)
        {
            Followed = row.Reference;
            Tell();
        }
    }
}
