using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Phone;

namespace Majia.Host.SmartCards;

/// <summary>A card in a reader, as the reader's power and lines meet it.</summary>
public interface IOfferedCard
{
    ReadOnlyMemory<byte> Atr { get; }

    /// <summary>Power comes, or the reader resets: whatever was selected is forgotten.</summary>
    ValueTask ActivateAsync(CancellationToken cancellation);

    void Deactivate();

    /// <exception cref="CardRemovedException">The card has no power, or its memory failed: it answers no more.</exception>
    ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation);
}

/// <summary>A phone held to a reader: each activation is a tap, and its owner may keep a finger at hand.</summary>
/// <remarks>The owner's finger makes the card ready for each activation, and again when its minute is over, until a payment was made in it (decisions.md 4).</remarks>
public sealed class OfferedPhone : IOfferedCard, IDisposable
{
    private readonly PhoneDevice phone;
    private readonly bool keepReady;
    private PhoneTap? tap;
    private bool paid;

    public OfferedPhone(PhoneDevice phone, CardInterface side, bool keepReady)
    {
        (this.phone, this.keepReady, Atr) = (phone, keepReady, AnswerToReset.Of(side));
        phone.ScreenChanged += OnScreen;
    }

    public ReadOnlyMemory<byte> Atr { get; }

    public async ValueTask ActivateAsync(CancellationToken cancellation)
    {
        tap = phone.Tap();
        paid = false;
        await BecomeReadyAsync(cancellation);
    }

    public void Deactivate()
    {
        tap?.TakeAway();
        tap = null;
    }

    public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        await BecomeReadyAsync(cancellation);
        return await (tap ?? throw new CardRemovedException()).TransmitAsync(command, cancellation);
    }

    public void Dispose() => phone.ScreenChanged -= OnScreen;

    /// <summary>Why no card of this phone can become ready; null when one can.</summary>
    public static Text? Missing(PhoneDevice phone) =>
        Chosen(phone) is null ? new("there is no live bank card on this phone", "这部手机上没有可用的银行卡")
        : phone.Trusted.HasFingerprint ? null : new("no fingerprint is enrolled on this phone", "这部手机没有录入指纹");

    /// <summary>The owner's default card, else the first live one.</summary>
    private static PhoneCard? Chosen(PhoneDevice phone) =>
        phone.State.DefaultCard is { } preferred && phone.State.Card(preferred) is { State: EnrolmentState.Active } card ? card
        : phone.State.Cards.FirstOrDefault(other => other.State == EnrolmentState.Active);

    private async ValueTask BecomeReadyAsync(CancellationToken cancellation)
    {
        if (keepReady && !paid && phone.Screen.Kind != ScreenKind.Ready && Chosen(phone) is { } card && phone.Trusted.HasFingerprint)
        {
            await phone.ChooseAsync(card.CardReference);
            await phone.VerifyFingerprintAsync(phone.Trusted.Fingers[0], cancellation);
        }
    }

    private void OnScreen() => paid |= phone.Screen.Kind == ScreenKind.CardRead;
}
