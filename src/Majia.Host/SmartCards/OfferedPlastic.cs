using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.SecureElement;
using Majia.Storage;

namespace Majia.Host.SmartCards;

/// <summary>A plastic card in a reader's field, or in its slot: no trusted side, no fingerprint, its holder's hand is all.</summary>
public sealed class OfferedPlastic(ChipDevice chip, CardInterface side) : IOfferedCard
{
    public ReadOnlyMemory<byte> Atr { get; } = AnswerToReset.Of(side);

    /// <summary>Why this card cannot be offered so; null when it can.</summary>
    public static Text? Missing(SeedCard card, CardInterface side) =>
        !card.HasChip ? new("this card has a magnetic stripe alone: there is no chip to offer", "这张卡只有磁条，没有芯片可供读取")
        : side == CardInterface.Contactless && !card.Contactless ? new("this card has no antenna: offer its contacts with --atr contact", "这张卡没有闪付天线，请用 --atr contact 提供接触界面")
        : null;

    public ValueTask ActivateAsync(CancellationToken cancellation)
    {
        if (side == CardInterface.Contactless)
        {
            chip.PowerOn();
            chip.FieldReset();
        }
        else
        {
            chip.PowerOff();
            chip.PowerOn();
        }

        return ValueTask.CompletedTask;
    }

    public void Deactivate() => chip.PowerOff();

    public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) =>
        (side == CardInterface.Contactless ? chip.Contactless : chip.Contact).TransmitAsync(command, cancellation);
}

/// <summary>A plastic card of a data folder by itself: its chip's memory is held, so no other process can use it meanwhile; its bank may run beside it.</summary>
public sealed class LonePlastic : IDisposable
{
    private LonePlastic(ChipDevice chip) => Chip = chip;

    public ChipDevice Chip { get; }

    /// <summary>The card was made: <see cref="PlasticCards"/> makes it when it is first taken out of the drawer.</summary>
    public static bool Exists(string folder, string id) => File.Exists(PlasticCards.MemoryOf(Path.Combine(folder, "chips"), id));

    /// <exception cref="StoreException">Another process uses the card.</exception>
    /// <exception cref="ChipMemoryException">Its memory is damaged.</exception>
    public static LonePlastic Open(string folder, string id, Entropy entropy)
    {
        ChipMemoryFile memory;
        try
        {
            memory = new ChipMemoryFile(PlasticCards.MemoryOf(Path.Combine(folder, "chips"), id), PlasticCards.KeyOf(Path.Combine(folder, "keys"), id), entropy);
        }
        catch (IOException held)
        {
            throw new StoreException($"the chip of card {id} in {Path.GetFullPath(folder)} is in use by another process", held);
        }

        try
        {
            return new LonePlastic(new ChipDevice(memory, entropy));
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    public void Dispose() => Chip.Dispose();
}
