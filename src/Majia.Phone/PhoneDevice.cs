using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Phone;

/// <summary>A handset with its wallet app. This file: account, settings, power.</summary>
/// <remarks>Operations run one after another; paying and taps do not wait for them. State is in the store before an operation returns.</remarks>
public sealed partial class PhoneDevice : IDisposable
{
    private const string SignOutReason = "SIGN_OUT", FindDeviceOffReason = "FIND_DEVICE_OFF", NoFingerprintReason = "NO_FINGERPRINT";

    private readonly PhoneOptions options;
    private readonly Store store;
    private readonly IChip chip;
    private readonly CutLink wallet;
    private readonly TimeProvider time;
    private readonly Entropy entropy;
    private readonly ITrace trace;
    private readonly SemaphoreSlim gate = new(1, 1);
    private PhoneState state;

    /// <param name="transit">The line to the transit operator; null: there is none.</param>
    public PhoneDevice(PhoneOptions options, Store store, IChip chip, IJsonLink wallet, TimeProvider time, Entropy entropy, ITrace trace, IJsonLink? transit = null)
    {
        this.options = options;
        this.store = store;
        this.chip = chip;
        this.wallet = new CutLink(wallet);
        this.transit = transit is null ? null : new CutLink(transit, "transit");
        this.time = time;
        this.entropy = entropy;
        this.trace = trace;
        Trusted = new TrustedSide(store, options.SiliconKey.Span, chip, entropy);
        state = store.Read(PhoneTables.Load);
        chip.Paid += OnPaid;
    }

    public static PartySchema Schema => PhoneTables.Schema;

    public TrustedSide Trusted { get; }

    /// <summary>What the store holds.</summary>
    public PhoneState State => state;

    public PhoneOptions Handset => options;

    /// <summary>Of the chip inside: 20 hex digits, no secret (the handset's settings show it).</summary>
    public string Seid => chip.Seid;

    public bool AeroplaneMode => wallet.IsCut;

    public bool IsOn { get; private set; } = true;

    /// <summary>Newest first.</summary>
    public IReadOnlyList<PhoneMessage> Messages(int limit = 50) => store.Read(session => PhoneTables.Messages(session, limit));

    /// <summary>R4: everything that keeps a card from being added, all at once.</summary>
    public IReadOnlyList<Refusal> Conditions() => PhoneRules.MissingToAdd(state, Trusted.FunctionOn, !wallet.IsCut);

    /// <summary>Cuts the phone's network, or gives it back. What is under way on it does not come through either.</summary>
    public void SetAeroplaneMode(bool on)
    {
        wallet.IsCut = on;
        transit?.IsCut = on;
    }

    public void Dispose()
    {
        chip.Paid -= OnPaid;
        expiry?.Dispose();
        gate.Dispose();
        payGate.Dispose();
    }

    // ---- account ----

    /// <summary>Signs in and registers the handset; empty when it worked, else the reasons.</summary>
    public Task<IReadOnlyList<Refusal>> SignInAsync(string account, string password, CancellationToken cancellation = default) => AloneAsync<IReadOnlyList<Refusal>>(async () =>
    {
        try
        {
            if (state.Purging is not null)
            {
                return [PhoneRules.ChipFailed]; // the cards of before are not dead yet
            }

            if (!await HasToldAllAsync(cancellation))
            {
                return [PhoneRules.Offline]; // an older sign-out must not arrive after this sign-in
            }

            var epoch = (await Trusted.StateAsync(cancellation)).PurgeEpoch;
            var request = new PhoneWallet.SignInRequest(account, password, HandsetNow(), await Trusted.PublicKeyAsync(), epoch);
            var reply = await AskAsync<PhoneWallet.SignInRequest, PhoneWallet.SignInReply>(PhoneWallet.Operations.SignIn, request, cancellation, isNew: true);
            if (reply.Value is not { } signedIn)
            {
                return [Said(reply.Error)];
            }

            // The sign-in told of every purge: a notice that waited for it would now end what came after it.
            await SaveAsync(state with { Account = account, DeviceId = signedIn.DeviceId, FindDeviceOn = signedIn.FindDeviceOn }, session =>
            {
                foreach (var told in PhoneTables.Notices.Due(session, DateTimeOffset.MaxValue, int.MaxValue).Where(static entry => entry.Kind is PhoneWallet.Operations.SignOut or PhoneWallet.Operations.SetFindDevice))
                {
                    PhoneTables.Notices.Delivered(session, told.Id);
                }
            });
            await CheckHandsetAsync(cancellation);
            return [];
        }
        catch (PartyUnreachableException)
        {
            return [PhoneRules.Offline];
        }
        catch (CardRemovedException)
        {
            return [PhoneRules.ChipFailed];
        }
    });

    /// <summary>Signs out: the chip's payment cards are dead when this returns, network or not; the cloud hears of it as soon as it can (R24).</summary>
    /// <exception cref="InvalidOperationException">The chip refused. The phone is signed out all the same, no card can be used, and the purge is tried again with every operation.</exception>
    public Task SignOutAsync(CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        if (state.Account is not null)
        {
            await SaveAsync(state with { Purging = SignOutReason });
            if (!await FinishPurgeAsync(cancellation))
            {
                throw new InvalidOperationException("the chip refused to purge");
            }

            await DeliverAsync(cancellation);
        }

        return 0;
    });

    /// <summary>Find Device off takes the payment cards away at once, network or not (R24); on needs the cloud. Empty when it worked, else the reasons.</summary>
    public Task<IReadOnlyList<Refusal>> SetFindDeviceAsync(bool on, CancellationToken cancellation = default) => AloneAsync<IReadOnlyList<Refusal>>(async () =>
    {
        if (on == state.FindDeviceOn)
        {
            return [];
        }

        if (!on)
        {
            await SaveAsync(state with { Purging = FindDeviceOffReason });
            if (!await FinishPurgeAsync(cancellation))
            {
                return [PhoneRules.ChipFailed];
            }

            await DeliverAsync(cancellation);
            return [];
        }

        if (state is not { SignedIn: true, DeviceId: not null })
        {
            return [PhoneRules.NotSignedIn];
        }

        try
        {
            if (!await HasToldAllAsync(cancellation))
            {
                return [PhoneRules.Offline]; // an older "off" must not arrive after this "on"
            }

            var request = new PhoneWallet.SetFindDeviceRequest(entropy.NewId(), true, (await Trusted.StateAsync(cancellation)).PurgeEpoch);
            var reply = await AskAsync<PhoneWallet.SetFindDeviceRequest, PhoneWallet.Done>(PhoneWallet.Operations.SetFindDevice, request, cancellation);
            if (reply.Error is not null)
            {
                return [Said(reply.Error)];
            }

            await SaveAsync(state with { FindDeviceOn = true });
            return [];
        }
        catch (PartyUnreachableException)
        {
            return [PhoneRules.Offline];
        }
    });

    /// <summary>One purge: intent in the store, one write in the chip, then the cards leave the store and the notice stands in the outbox. Repeating any part of it is harmless.</summary>
    /// <returns>False when the chip refused: the intent stays, and while it stands nobody is signed in.</returns>
    private async Task<bool> FinishPurgeAsync(CancellationToken cancellation)
    {
        if (state.Purging is not { } reason || !IsOn)
        {
            return true; // a phone that was switched off meanwhile ends it when it is on again; signed out it is already
        }

        await StandDownAsync(ScreenKind.Dark);
        long epoch;
        try
        {
            if (!await Trusted.PurgeAsync(cancellation))
            {
                return NotPurged("the chip refused to purge", "芯片拒绝清除");
            }

            await StandDownAsync(ScreenKind.Dark); // whoever verified a finger meanwhile holds nothing
            epoch = (await Trusted.StateAsync(cancellation)).PurgeEpoch;
        }
        catch (InvalidOperationException failure)
        {
            return NotPurged(failure.Message, "芯片未能完成清除");
        }
        var signsOut = reason == SignOutReason;
        var gone = state.Cards;
        var after = state with
        {
            Purging = null,
            Account = signsOut ? null : state.Account,
            FindDeviceOn = reason != FindDeviceOffReason && state.FindDeviceOn,
            DefaultCard = null,
            Cards = [],
            Pending = null,
        };
        await SaveAsync(after, session =>
        {
            if (after.DeviceId is not { } device)
            {
                return;
            }

            var id = entropy.NewId();
            if (signsOut)
            {
                Notify(session, PhoneWallet.Operations.SignOut, new PhoneWallet.SignOutRequest(id, epoch), device);
            }
            else if (reason == FindDeviceOffReason)
            {
                Notify(session, PhoneWallet.Operations.SetFindDevice, new PhoneWallet.SetFindDeviceRequest(id, false, epoch), device);
            }
            else
            {
                foreach (var card in gone)
                {
                    Notify(session, PhoneWallet.Operations.DeleteCard, new PhoneWallet.DeleteCardRequest(entropy.NewId(), card.CardReference), card.CardReference);
                }
            }
        });
        return true;
    }

    private bool NotPurged(string en, string zh)
    {
        Note(string.Empty, TraceKind.Decision, TraceDirection.Inside, "chip", string.Empty, new Text($"The purge did not take effect ({en}); it is tried again.", $"清除未生效（{zh}），稍后重试。"));
        return false;
    }

    // ---- fingerprints ----

    public Task EnrolFingerprintAsync(string finger) => AloneAsync(async () =>
    {
        await Trusted.EnrolAsync(finger);
        return 0;
    });

    /// <summary>Without the last one no card becomes ready any more; by policy the chip is purged too (decisions.md 6).</summary>
    public Task RemoveFingerprintAsync(string finger, CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        await Trusted.RemoveAsync(finger);
        if (!Trusted.HasFingerprint)
        {
            await StandDownAsync(ScreenKind.Dark);
            if (options.PurgeOnLastFingerprint && state.Cards.Length > 0)
            {
                await SaveAsync(state with { Purging = NoFingerprintReason });
                await FinishPurgeAsync(cancellation);
                await DeliverAsync(cancellation);
            }
        }

        return 0;
    });

    public Task SetFingerprintFunctionAsync(bool on) => AloneAsync(async () =>
    {
        await Trusted.SetFunctionAsync(on);
        if (!on)
        {
            await StandDownAsync(ScreenKind.Dark);
        }

        return 0;
    });

    // ---- cards at rest ----

    /// <summary>The owner's default, or none (null).</summary>
    public Task<bool> SetDefaultAsync(string? cardReference) => AloneAsync(async () =>
    {
        if (cardReference is not null && state.Card(cardReference) is null)
        {
            return false;
        }

        await SaveAsync(state with { DefaultCard = cardReference });
        return true;
    });

    /// <summary>Moves a card to <paramref name="position"/> (0 = first).</summary>
    public Task<bool> MoveCardAsync(string cardReference, int position) => AloneAsync(async () =>
    {
        if (state.Card(cardReference) is not { } card)
        {
            return false;
        }

        var others = state.Cards.Remove(card);
        var ordered = others.Insert(Math.Clamp(position, 0, others.Length), card);
        await SaveAsync(state with { Cards = [.. ordered.Select(static (moved, at) => moved with { Position = at })] });
        return true;
    });

    /// <summary>Removes a card: dead in the chip when this returns, network or not; cloud and token service hear of it as soon as they can. The plastic is not touched (R21).</summary>
    public Task<bool> DeleteCardAsync(string cardReference, CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        if (state.Card(cardReference) is not { } card)
        {
            return false;
        }

        if (chosen == cardReference)
        {
            await StandDownAsync(ScreenKind.Dark);
        }

        if (card.Face.InstanceAid.Length > 0 && !await Trusted.RetireAsync(card.Face.InstanceAid, cancellation))
        {
            throw new InvalidOperationException("the chip refused to retire the card");
        }

        var after = state with { Cards = state.Cards.Remove(card), DefaultCard = state.DefaultCard == cardReference ? null : state.DefaultCard };
        await SaveAsync(after, session =>
        {
            PhoneTables.Add(session, new PhoneMessage(time.GetUtcNow(), cardReference, "CARD_REMOVED", null, new Text("Card removed from this phone.", "银行卡已从本机移除。")));
            if (after.DeviceId is not null)
            {
                Notify(session, PhoneWallet.Operations.DeleteCard, new PhoneWallet.DeleteCardRequest(entropy.NewId(), cardReference), cardReference);
            }
        });
        await DeliverAsync(cancellation);
        return true;
    });

    /// <summary>The owner's own name for a card; at most 24 characters.</summary>
    public Task<bool> NameCardAsync(string cardReference, string nickname) => AloneAsync(async () =>
    {
        if (state.Card(cardReference) is not { } card || nickname.Length > 24 || nickname.Any(char.IsControl))
        {
            return false;
        }

        await SaveAsync(state with { Cards = state.Cards.Replace(card, card with { Nickname = nickname.Trim() }) });
        return true;
    });

    // ---- inside ----

    private PhoneWallet.Handset HandsetNow() => new(options.Model, options.Track, options.Version, chip.Seid);

    /// <summary>Asks the cloud, with this handset's word. A call that the cloud has had before tells nothing of what became of it: the same request again, signed anew.</summary>
    /// <param name="isNew">A sign-in: the cloud goes by the key that it brings.</param>
    private async Task<ApiReply<TResponse>> AskAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation, bool isNew = false)
        where TRequest : notnull
        where TResponse : notnull
    {
        var call = new HandsetCall(isNew ? string.Empty : state.DeviceId ?? string.Empty, JsonSerializer.Serialize(request, JsonEndpoint.Json), time.GetUtcNow().ToUnixTimeMilliseconds(), entropy.NewId(), string.Empty);
        var reply = await wallet.CallAsync<HandsetCall, TResponse>(operation, Trusted.Sign(call, operation), cancellation);
        return reply.Error?.ErrorCode == HandsetCall.Repeated ? throw new PartyUnreachableException("wallet") : reply;
    }

    private static Refusal Said(ApiError? error) => error is null
        ? new Refusal("NO_ANSWER", new Text("The service gave no answer.", "服务没有返回结果。"))
        : Reasons.Of(error);

    private async Task SaveAsync(PhoneState after, Action<Session>? with = null)
    {
        var before = state;
        await store.CommitAsync(session =>
        {
            PhoneTables.Save(session, before, after);
            with?.Invoke(session);
        });
        state = after;
    }

    /// <summary>One operation at a time, and an interrupted purge before anything else.</summary>
    private async Task<T> AloneAsync<T>(Func<Task<T>> operation)
    {
        await gate.WaitAsync();
        try
        {
            try
            {
                await FinishPurgeAsync(CancellationToken.None);
            }
            catch (CardRemovedException)
            {
                NotPurged("the chip lost its power", "芯片断电");
            }

            return await operation();
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>The phone's network. Cut, nothing leaves and nothing comes in.</summary>
    private sealed class CutLink(IJsonLink inner, string party = "wallet") : IJsonLink
    {
        public bool IsCut { get; set; }

        public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
            where TRequest : notnull
            where TResponse : notnull
        {
            if (IsCut)
            {
                throw new PartyUnreachableException(party);
            }

            var reply = await inner.CallAsync<TRequest, TResponse>(operation, request, cancellation);
            return IsCut ? throw new PartyUnreachableException(party) : reply;
        }
    }
}
