using System.Runtime.InteropServices;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.SmartCards;

/// <summary>A connected card. What a T=0 card leaves to its reader (61xx, 6Cxx, no Le beside data) is done here, so that a terminal meets one answer for each command.</summary>
public sealed class PcscCard(nint handle, nuint protocol) : ICardChannel, IDisposable
{
    internal const nuint ShareExclusive = 1, ProtocolT0 = 1, ProtocolT1 = 2;

    private const nuint Unpower = 2;

    private const int LongestAnswer = 65_538, StatusWordLength = 2;

    /// <summary>No honest answer comes in more pieces.</summary>
    private const int MostPieces = 260;

    private readonly Lock gate = new();
    private bool closed;

    /// <exception cref="CardRemovedException">The card left, was reset by another hand, or answers no more.</exception>
    /// <exception cref="PcscException">The reader failed in another way.</exception>
    public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        lock (gate)
        {
            return ValueTask.FromResult<ReadOnlyMemory<byte>>(protocol == ProtocolT0 ? ByCharacters(command.Span) : Transmit(command.Span));
        }
    }

    /// <summary>The field goes off: whatever the card had selected is forgotten.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (!closed)
            {
                closed = true;
                _ = Disconnect(handle, Unpower);
            }
        }
    }

    internal static bool IsGone(PcscStatus status) => status is PcscStatus.NoSmartcard or PcscStatus.RemovedCard or PcscStatus.ResetCard or PcscStatus.UnpoweredCard
        or PcscStatus.UnresponsiveCard or PcscStatus.ReaderUnavailable or PcscStatus.UnknownReader or PcscStatus.CommunicationError or PcscStatus.NotTransacted;

    /// <summary>T=0 (ISO/IEC 7816-3 §12.2): a case 4 command goes without Le; 61xx is fetched by GET RESPONSE, 6Cxx says the Le to come again with.</summary>
    private byte[] ByCharacters(ReadOnlySpan<byte> command)
    {
        var sent = command.Length > 5 && command.Length == 6 + command[4] ? command[..^1] : command;
        var answer = Transmit(sent);
        if (answer is [0x6C, var right] && sent.Length == 5)
        {
            answer = Transmit([.. sent[..4], right]);
        }

        var whole = new List<byte>();
        for (var pieces = 0; answer is [.., 0x61, var more] && pieces < MostPieces; pieces++)
        {
            whole.AddRange(answer.AsSpan(0, answer.Length - 2));
            answer = Transmit([0x00, 0xC0, 0x00, 0x00, more]);
        }

        return [.. whole, .. answer];
    }

    private byte[] Transmit(ReadOnlySpan<byte> command)
    {
        if (closed)
        {
            throw new CardRemovedException();
        }

        var answer = new byte[LongestAnswer];
        var length = (nuint)answer.Length;
        var header = new ProtocolHeader { Protocol = protocol, Length = (nuint)Marshal.SizeOf<ProtocolHeader>() };
        var status = PcscLibrary.Status(TransmitCard(handle, in header, command.ToArray(), (nuint)command.Length, 0, answer, ref length));
        if (IsGone(status))
        {
            throw new CardRemovedException();
        }

        // Whatever else the daemon says of a command that it passed on: no answer came, and the tap is torn. Only its own absence is the machine's fault.
        if (status is not (PcscStatus.Success or PcscStatus.InsufficientBuffer or PcscStatus.NoService or PcscStatus.ServiceStopped))
        {
            throw new CardRemovedException();
        }

        PcscLibrary.Check(status, new Text("a command to the card", "发送卡片命令"));
        if ((int)length < StatusWordLength)
        {
            // The driver had nothing to give: the card left with the command.
            throw new CardRemovedException();
        }

        return answer[..(int)length];
    }

    /// <summary>SCARD_IO_REQUEST.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ProtocolHeader
    {
        public nuint Protocol;
        public nuint Length;
    }

    [DllImport("libpcsclite.so.1", EntryPoint = "SCardTransmit", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint TransmitCard(nint card, in ProtocolHeader send, byte[] command, nuint commandLength, nint receive, byte[] answer, ref nuint answerLength);

    [DllImport("libpcsclite.so.1", EntryPoint = "SCardDisconnect", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint Disconnect(nint card, nuint disposition);
}
