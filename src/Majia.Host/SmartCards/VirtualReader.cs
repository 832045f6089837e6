using System.Buffers.Binary;
using System.Net.Sockets;
using Majia.Core.Contracts;

namespace Majia.Host.SmartCards;

/// <summary>What happened at the virtual reader.</summary>
public enum ReaderEvent
{
    /// <summary>Nobody listens there (yet): tried again.</summary>
    Unreachable,

    /// <summary>The card is in the reader's field.</summary>
    Inserted,
    PowerOn,
    PowerOff,
    Reset,

    /// <summary>The card is out of the field, by either side's will.</summary>
    Removed,

    /// <summary>The reader sent what this protocol does not have; the card was taken away.</summary>
    Malformed,
}

/// <summary>One command and its answer, both whole.</summary>
public readonly record struct Exchange(ReadOnlyMemory<byte> Command, ReadOnlyMemory<byte> Answer);

/// <summary>Holds a card to the virtual reader of vsmartcard: we connect to it, and being connected is being in the field.</summary>
/// <remarks>
/// Its protocol (virtualsmartcard, vpcd): each message is a length of two bytes, big-endian, and that many bytes. From the reader one byte is a control:
/// 0 power off, 1 power on, 2 reset, none of which is answered, and 4 which is answered by the ATR, at every poll for presence too; anything longer is a command APDU.
/// </remarks>
public sealed class VirtualReader(string host, int port, IOfferedCard card, TimeProvider time)
{
    public const int DefaultPort = 35963;

    private const byte ControlOff = 0, ControlOn = 1, ControlReset = 2, ControlAtr = 4;

    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    /// <summary>pcscd looks for a card each 400 ms (PCSCLITE_STATUS_POLL_RATE). One that is back before it looked was never away for it: no power, no new card.</summary>
    private static readonly TimeSpan Unnoticed = TimeSpan.FromMilliseconds(600);

    public event Action<ReaderEvent>? Happened;

    /// <summary>After each answer left.</summary>
    public event Action<Exchange>? Exchanged;

    /// <summary>Holds the card there until cancelled; whenever the reader goes away, tries again each second.</summary>
    public async Task HoldAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            if (!await TapAsync(cancellation) && !cancellation.IsCancellationRequested)
            {
                Happened?.Invoke(ReaderEvent.Unreachable);
            }

            try
            {
                await Task.Delay(Again, time, cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>One tap: from connecting until cancelled, or the reader's end; returns when the reader must have noticed. False when the reader was not there.</summary>
    public async Task<bool> TapAsync(CancellationToken cancellation)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, cancellation);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            return false;
        }

        Happened?.Invoke(ReaderEvent.Inserted);
        try
        {
            await ServeAsync(socket, cancellation);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or CardRemovedException)
        {
            // The reader ended, somebody took the card away, or the card itself fell silent.
        }
        finally
        {
            card.Deactivate();
        }

        socket.Close();
        Happened?.Invoke(ReaderEvent.Removed);
        await Task.Delay(Unnoticed, time, CancellationToken.None);
        return true;
    }

    private async Task ServeAsync(Socket socket, CancellationToken cancellation)
    {
        var buffer = new byte[2 + ushort.MaxValue];
        while (await ReadAsync(socket, buffer.AsMemory(0, 2), cancellation))
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(buffer);
            var message = buffer.AsMemory(2, length);
            if (length == 0 || !await ReadAsync(socket, message, cancellation))
            {
                Happened?.Invoke(ReaderEvent.Malformed);
                return;
            }

            switch (length == 1 ? message.Span[0] : (byte?)null)
            {
                case null:
                    var command = message.ToArray();
                    var answer = await card.TransmitAsync(command, cancellation);
                    await AnswerAsync(socket, answer, cancellation);
                    Exchanged?.Invoke(new Exchange(command, answer));
                    break;
                case ControlAtr:
                    await AnswerAsync(socket, card.Atr, cancellation);
                    break;
                case ControlOn:
                    await card.ActivateAsync(cancellation);
                    Happened?.Invoke(ReaderEvent.PowerOn);
                    break;
                case ControlReset:
                    await card.ActivateAsync(cancellation);
                    Happened?.Invoke(ReaderEvent.Reset);
                    break;
                case ControlOff:
                    card.Deactivate();
                    Happened?.Invoke(ReaderEvent.PowerOff);
                    break;
                default:
                    Happened?.Invoke(ReaderEvent.Malformed);
                    return;
            }
        }
    }

    /// <summary>The reader writes length and command apart, and holds the second back until the first is acknowledged: 40 ms for each command (tcp(7), TCP_QUICKACK; Linux forgets it).</summary>
    private static void AcknowledgeAtOnce(Socket socket)
    {
        const int Tcp = 6, QuickAck = 12;
        if (OperatingSystem.IsLinux())
        {
            socket.SetRawSocketOption(Tcp, QuickAck, BitConverter.GetBytes(1));
        }
    }

    /// <summary>Length and answer in one write: the reader waits for both.</summary>
    private static async Task AnswerAsync(Socket socket, ReadOnlyMemory<byte> answer, CancellationToken cancellation)
    {
        var frame = new byte[2 + answer.Length];
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)answer.Length);
        answer.CopyTo(frame.AsMemory(2));
        for (var sent = 0; sent < frame.Length;)
        {
            sent += await socket.SendAsync(frame.AsMemory(sent), cancellation);
        }
    }

    /// <summary>False when the other side ended before or within it.</summary>
    private static async Task<bool> ReadAsync(Socket socket, Memory<byte> into, CancellationToken cancellation)
    {
        for (var read = 0; read < into.Length;)
        {
            AcknowledgeAtOnce(socket);
            var more = await socket.ReceiveAsync(into[read..], cancellation);
            if (more == 0)
            {
                return false;
            }

            read += more;
        }

        return true;
    }
}
