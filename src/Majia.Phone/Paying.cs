using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Phone;

/// <summary>Paying (R14, R16, R17): open, choose, verify, ready, tap, card read. Nothing here needs the network.</summary>
public sealed partial class PhoneDevice
{
    private static readonly Text
        ChooseSays = new("Choose a card.", "请选择银行卡。"),
        NoCardSays = new("No bank card on this phone yet.", "本机还没有添加银行卡。"),
        VerifySays = new("Verify your fingerprint to pay.", "请验证指纹以付款。"),
        ReadySays = new("Ready. Hold the phone to the terminal.", "已就绪，请将手机靠近收银机。"),
        ReadSays = new("Card read. The terminal shows the outcome.", "已读卡，交易结果以收银机为准。"),
        DarkSays = new("The screen is off.", "屏幕已关闭。"),
        OffSays = new("The phone is switched off.", "手机已关机。");

    private readonly SemaphoreSlim payGate = new(1, 1);
    private readonly Lock screenGate = new();
    private PhoneScreen screen = new(ScreenKind.Dark, DarkSays);
    private string? chosen;
    private ITimer? expiry;
    private long readiness;
    private Task history = Task.CompletedTask;
    private PhoneTap? tap;

    public PhoneScreen Screen
    {
        get
        {
            lock (screenGate)
            {
                return screen;
            }
        }
    }

    /// <summary>The screen shows something else. Raised on whatever brought it about: a call, a reader, the clock.</summary>
    public event Action? ScreenChanged;

    /// <summary>Way in 1: the phone comes near a reader and wakes by itself. The owner's default card, if there is one, is chosen already.</summary>
    public Task<VerifyOutcome> OpenByReader() => OpenAsync();

    /// <summary>Way in 2: with the screen off, this model's own gesture (double press of Home on those that have the key).</summary>
    public async Task<VerifyOutcome> OpenByGesture(string gesture) =>
        state.WakeGesture == gesture ? await OpenAsync() : new VerifyOutcome(null, [PhoneRules.WrongGesture]);

    /// <summary>Puts the phone to sleep; a ready card is ready no more.</summary>
    public Task LockAsync() => PayingAsync(async () =>
    {
        await StandDownAsync(ScreenKind.Dark);
        return 0;
    });

    /// <summary>Chooses the card to pay with; a card that was ready before is ready no more.</summary>
    public Task<VerifyOutcome> ChooseAsync(string cardReference) => PayingAsync(async () =>
    {
        if (!IsOn)
        {
            return new VerifyOutcome(null, [PhoneRules.PoweredOff]);
        }

        await StandDownAsync(ScreenKind.Cards);
        if (state.Card(cardReference) is not { State: EnrolmentState.Active, Face.InstanceAid.Length: > 0 })
        {
            return new VerifyOutcome(null, [PhoneRules.CardNotLive]);
        }

        Show(new PhoneScreen(ScreenKind.VerifyFingerprint, VerifySays, cardReference), choose: cardReference);
        return new VerifyOutcome(null, []);
    });

    /// <summary>A finger on the sensor. An enrolled one makes the chosen card ready for one tap, for a minute (decisions.md 4).</summary>
    public Task<VerifyOutcome> VerifyFingerprintAsync(string finger, CancellationToken cancellation = default) => PayingAsync(async () =>
    {
        if (!IsOn)
        {
            return new VerifyOutcome(null, [PhoneRules.PoweredOff]);
        }

        var missing = PhoneRules.MissingToUse(state, Trusted.FunctionOn, Trusted.HasFingerprint);
        if (missing.Count > 0)
        {
            return new VerifyOutcome(null, missing);
        }

        if (chosen is not { } reference || state.Card(reference) is not { } card)
        {
            return new VerifyOutcome(null, [PhoneRules.NoCardChosen]);
        }

        if (card is not { State: EnrolmentState.Active, Face.InstanceAid.Length: > 0 })
        {
            return new VerifyOutcome(null, [PhoneRules.CardNotLive]);
        }

        if (!Trusted.Matches(finger))
        {
            return new VerifyOutcome(null, [PhoneRules.WrongFingerprint]);
        }

        // The screen says ready before the chip is: a reader may be in the field already, and its event must find it so.
        var until = time.GetUtcNow().AddSeconds(options.ReadySeconds);
        var mine = BecomeReady(reference, until);
        try
        {
            if (await Trusted.AuthoriseAsync(card.Face.InstanceAid, finger, cancellation) is { IsOk: true })
            {
                return new VerifyOutcome(until, []);
            }
        }
        catch (CardRemovedException)
        {
            // Power went meanwhile: nothing is armed.
        }

        EndReadiness(mine, new PhoneScreen(ScreenKind.VerifyFingerprint, PhoneRules.CardNotLive.Why, reference));
        return new VerifyOutcome(null, [PhoneRules.CardNotLive]);
    });

    /// <summary>The owner changes their mind.</summary>
    public Task CancelAsync() => PayingAsync(async () =>
    {
        await StandDownAsync(ScreenKind.Cards);
        return 0;
    });

    /// <summary>Holds the phone to a reader: a new activation each time. <see cref="PhoneTap.TakeAway"/> ends it.</summary>
    public PhoneTap Tap()
    {
        tap?.TakeAway();
        chip.FieldReset();
        return tap = new PhoneTap(this, chip.Contactless);
    }

    /// <summary>Off: nothing is armed, nothing answers (R16: the phone has to be on).</summary>
    public void PowerOff()
    {
        IsOn = false;
        tap?.TakeAway();
        chip.PowerOff();
        lock (screenGate)
        {
            readiness++;
            expiry?.Dispose();
            expiry = null;
        }

        Show(new PhoneScreen(ScreenKind.Off, OffSays), choose: null);
    }

    public void PowerOn()
    {
        if (!IsOn)
        {
            chip.PowerOn();
            IsOn = true;
            Show(new PhoneScreen(ScreenKind.Dark, DarkSays), choose: null);
        }
    }

    /// <summary>Completes when what taps left to be written is written.</summary>
    public Task SettledAsync() => history;

    private Task<VerifyOutcome> OpenAsync() => PayingAsync(() =>
    {
        if (!IsOn)
        {
            return Task.FromResult(new VerifyOutcome(null, [PhoneRules.PoweredOff]));
        }

        var now = Screen;
        if (now.Kind is ScreenKind.Ready or ScreenKind.VerifyFingerprint)
        {
            return Task.FromResult(new VerifyOutcome(now.Until, [])); // awake already: the owner is about to pay
        }

        if (PhoneRules.Default(state) is { } card)
        {
            Show(new PhoneScreen(ScreenKind.VerifyFingerprint, VerifySays, card.CardReference), choose: card.CardReference);
        }
        else
        {
            Show(new PhoneScreen(ScreenKind.Cards, state.Cards.Length == 0 ? NoCardSays : ChooseSays), choose: null);
        }

        return Task.FromResult(new VerifyOutcome(null, PhoneRules.MissingToUse(state, Trusted.FunctionOn, Trusted.HasFingerprint)));
    });

    /// <summary>Paying waits for paying alone: a card that is being added over a slow network keeps nobody at the till.</summary>
    private async Task<T> PayingAsync<T>(Func<Task<T>> operation)
    {
        await payGate.WaitAsync();
        try
        {
            return await operation();
        }
        finally
        {
            payGate.Release();
        }
    }

    private long BecomeReady(string reference, DateTimeOffset until)
    {
        long mine;
        lock (screenGate)
        {
            mine = ++readiness;
            expiry?.Dispose();
            expiry = time.CreateTimer(_ => history = ExpireAsync(mine), null, TimeSpan.FromSeconds(options.ReadySeconds), Timeout.InfiniteTimeSpan);
        }

        Show(new PhoneScreen(ScreenKind.Ready, ReadySays, reference, Until: until), choose: reference);
        return mine;
    }

    private async Task ExpireAsync(long mine)
    {
        var reference = Screen.CardReference;
        if (EndReadiness(mine, new PhoneScreen(ScreenKind.VerifyFingerprint, VerifySays, reference)))
        {
            await Trusted.CancelAsync();
        }
    }

    /// <summary>True when that readiness still stood, and has ended now.</summary>
    private bool EndReadiness(long mine, PhoneScreen next)
    {
        lock (screenGate)
        {
            if (mine != readiness)
            {
                return false;
            }

            readiness++;
            expiry?.Dispose();
            expiry = null;
            screen = next;
        }

        ScreenChanged?.Invoke();
        return true;
    }

    /// <summary>No card is ready, none is chosen, and the chip knows it.</summary>
    private async Task StandDownAsync(ScreenKind next)
    {
        lock (screenGate)
        {
            readiness++;
            expiry?.Dispose();
            expiry = null;
        }

        if (IsOn)
        {
            await Trusted.CancelAsync();
            Show(new PhoneScreen(next, next == ScreenKind.Cards ? ChooseSays : DarkSays), choose: null);
        }
    }

    private void Show(PhoneScreen next, string? choose)
    {
        lock (screenGate)
        {
            screen = next;
            chosen = choose;
        }

        ScreenChanged?.Invoke();
    }

    /// <summary>The chip says that a reader has read the card. What came of it, the terminal knows (decisions.md 5).</summary>
    private void OnPaid(ChipPayment payment)
    {
        var card = state.Cards.FirstOrDefault(card => card.Face.InstanceAid == payment.InstanceAid);
        var amount = new Amount(Digits(payment.Amount.Span), new Currency((int)Digits(payment.Currency.Span)));
        lock (screenGate)
        {
            readiness++;
            expiry?.Dispose();
            expiry = null;
        }

        Show(new PhoneScreen(ScreenKind.CardRead, ReadSays, card?.CardReference, amount), choose: null);
        history = store.WriteAsync(session => PhoneTables.Add(session, new PhoneMessage(time.GetUtcNow(), card?.CardReference, "CARD_READ", amount, ReadSays)));
    }

    private static long Digits(ReadOnlySpan<byte> bcd) =>
        long.TryParse(Convert.ToHexString(bcd), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;
}

/// <summary>The phone in a reader's field.</summary>
public sealed class PhoneTap : ICardChannel
{
    private readonly PhoneDevice phone;
    private readonly ICardChannel chip;
    private volatile bool gone;

    internal PhoneTap(PhoneDevice phone, ICardChannel chip)
    {
        this.phone = phone;
        this.chip = chip;
    }

    /// <summary>The phone leaves the field; an answer that is not through by then is lost.</summary>
    public void TakeAway() => gone = true;

    public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        if (gone || !phone.IsOn)
        {
            throw new CardRemovedException();
        }

        var answer = await chip.TransmitAsync(command, cancellation);
        return gone ? throw new CardRemovedException() : answer;
    }
}
