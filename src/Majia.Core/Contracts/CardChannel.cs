namespace Majia.Core.Contracts;

/// <summary>The air between a reader and one card: ISO/IEC 7816-4 APDUs, one answer for each command.</summary>
public interface ICardChannel
{
    /// <summary>Sends one command APDU and returns the response APDU (data, then SW1 SW2).</summary>
    /// <exception cref="CardRemovedException">The card left the field; whether the command arrived is unknown.</exception>
    ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation);
}

/// <summary>The card left the field, or lost power, before its answer was complete.</summary>
public sealed class CardRemovedException() : Exception("card removed");

/// <summary>A reader's field. A terminal polls it; whoever holds a card or a phone to it lets the poll return.</summary>
public interface ICardField
{
    /// <summary>Waits until a card is in the field. Each call is a new activation: a card seen before has to be presented again.</summary>
    ValueTask<ICardChannel> PollAsync(CancellationToken cancellation);
}
