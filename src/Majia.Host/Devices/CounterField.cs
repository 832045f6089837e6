using System.Threading.Channels;
using Majia.Core.Contracts;

namespace Majia.Host.Devices;

/// <summary>The air over one terminal: whoever presents a card lets the terminal's poll return, in the order of presenting.</summary>
public sealed class CounterField : ICardField
{
    private readonly Channel<ICardChannel> presented = Channel.CreateUnbounded<ICardChannel>();

    /// <summary>Holds a card or a phone to the terminal, once.</summary>
    public void Present(ICardChannel card) => presented.Writer.TryWrite(card);

    /// <summary>Takes away what nobody has polled yet.</summary>
    public void Clear()
    {
        while (presented.Reader.TryRead(out _))
        {
        }
    }

    public ValueTask<ICardChannel> PollAsync(CancellationToken cancellation) => presented.Reader.ReadAsync(cancellation);
}

/// <summary>A card whose commands take as long as they do through the air: a person can watch a tap, and take the phone away too soon.</summary>
public sealed class SlowAir(ICardChannel card, TimeSpan pace, TimeProvider time) : ICardChannel
{
    public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        await Task.Delay(pace, time, cancellation);
        return await card.TransmitAsync(command, cancellation);
    }
}

/// <summary>A holder who types the same PIN whenever asked, and remembers why it was asked.</summary>
public sealed class HoldersHand(string? pin) : Majia.Terminal.IKeypad
{
    /// <summary>Every prompt that stood on the PIN pad.</summary>
    public List<Majia.Terminal.PinPrompt> Prompts { get; } = [];

    public ValueTask<char[]?> EnterPinAsync(Majia.Terminal.PinPrompt prompt, CancellationToken cancellation)
    {
        Prompts.Add(prompt);
        return ValueTask.FromResult(pin?.ToCharArray());
    }
}
