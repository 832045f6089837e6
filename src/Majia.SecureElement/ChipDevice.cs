using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.SecureElement;

/// <summary>The chip's non-volatile memory: one image.</summary>
public interface IChipMemory
{
    /// <summary>The last image whose <see cref="Save"/> returned, or one newer; null when nothing was ever saved.</summary>
    /// <exception cref="ChipMemoryException">What is stored cannot be trusted.</exception>
    byte[]? Load();

    /// <summary>Durable when it returns. When it throws, old or new image may stand.</summary>
    void Save(ReadOnlySpan<byte> image);
}

/// <summary>The chip's memory is damaged, foreign, or cannot be written.</summary>
public sealed class ChipMemoryException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The shell around <see cref="Chip.Step"/>: power, the three sides, and the rule that a new state is durable before its answer leaves.</summary>
/// <remarks>Thread-safe: the sides share one processor. When the memory fails the chip falls silent until it is powered on again, and reads what really stands.</remarks>
public sealed class ChipDevice : IDisposable
{
    private readonly IChipMemory memory;
    private readonly Entropy entropy;
    private readonly Lock gate = new();
    private ChipState? state;
    private ChipSession session = ChipSession.PoweredOn;

    /// <exception cref="ChipMemoryException">No chip in this memory, or a damaged one.</exception>
    public ChipDevice(IChipMemory memory, Entropy entropy)
    {
        this.memory = memory;
        this.entropy = entropy;
        PowerOn();
        Seid = Convert.ToHexString(state!.Seid.Span);
        Contactless = new Side(this, ChipPort.Contactless);
        Wired = new Side(this, ChipPort.Wired);
        Trusted = new Side(this, ChipPort.Trusted);
        Contact = new Side(this, ChipPort.Contact);
    }

    /// <summary>20 upper-case hex digits.</summary>
    public string Seid { get; }

    /// <summary>The reader's side, through the NFC controller.</summary>
    public ICardChannel Contactless { get; }

    /// <summary>The handset's side: scripts of wallet and token service.</summary>
    public ICardChannel Wired { get; }

    /// <summary>The fingerprint side.</summary>
    public ICardChannel Trusted { get; }

    /// <summary>The contacts of a plastic card; a phone's chip has none and answers 6985.</summary>
    public ICardChannel Contact { get; }

    /// <summary>Which sides the body leads out.</summary>
    public ChipInterfaces Interfaces
    {
        get
        {
            lock (gate)
            {
                return state?.Interfaces ?? 0;
            }
        }
    }

    public bool IsPowered
    {
        get
        {
            lock (gate)
            {
                return state is not null;
            }
        }
    }

    /// <summary>What silenced the chip, if its memory did.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Told to the handset after the answer was made, outside the chip's own lock (EVT_TRANSACTION).</summary>
    public event Action<PaymentMade>? Paid;

    /// <exception cref="ChipMemoryException">No chip in this memory, or a damaged one.</exception>
    public void PowerOn()
    {
        lock (gate)
        {
            if (state is not null)
            {
                return;
            }

            var image = memory.Load() ?? throw new ChipMemoryException("there is no chip in this memory");
            if (!ChipImage.TryRead(image, out var read, out var error))
            {
                throw new ChipMemoryException(error);
            }

            state = read;
            session = ChipSession.PoweredOn;
            Fault = null;
        }
    }

    /// <summary>Everything in RAM is gone: selections, secure channel, challenge, armed flag.</summary>
    public void PowerOff()
    {
        lock (gate)
        {
            state = null;
            SecureChannels.Close(session);
            session = ChipSession.PoweredOn;
        }
    }

    /// <summary>A new activation in a reader's field.</summary>
    public void FieldReset()
    {
        lock (gate)
        {
            session = Chip.FieldReset(session);
        }
    }

    /// <summary>One command, one answer.</summary>
    /// <exception cref="CardRemovedException">The chip has no power, or its memory failed.</exception>
    public byte[] Transmit(ChipPort port, ReadOnlyMemory<byte> command)
    {
        ChipStep step;
        lock (gate)
        {
            if (state is not { } before)
            {
                throw new CardRemovedException();
            }

            step = Chip.Step(before, session, port, command, entropy);
            if (!ReferenceEquals(step.State, before))
            {
                try
                {
                    memory.Save(ChipImage.Write(step.State));
                }
                catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ChipMemoryException)
                {
                    // Whether the image stands is unknown: no answer, and the next power-on reads what is true.
                    Fault = failure;
                    PowerOff();
                    throw new CardRemovedException();
                }
            }

            state = step.State;
            session = step.Session;
        }

        if (step.Payment is { } payment)
        {
            Paid?.Invoke(payment);
        }

        return step.Response.ToBytes();
    }

    public void Dispose()
    {
        PowerOff();
        (memory as IDisposable)?.Dispose();
    }

    private sealed class Side(ChipDevice chip, ChipPort port) : ICardChannel
    {
        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            cancellation.ThrowIfCancellationRequested();
            return new ValueTask<ReadOnlyMemory<byte>>(chip.Transmit(port, command));
        }
    }
}
