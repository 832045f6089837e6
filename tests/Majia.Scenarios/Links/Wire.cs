using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Links;

namespace Majia.Scenarios.Links;

/// <summary>Small messages of both lines, and peers that do what a test wants.</summary>
internal static class Wire
{
    private static readonly byte[] Tpdu = [0x60, 0x00, 0x03, 0x00, 0x00], Header = [0x60, 0x31, 0x00, 0x31, 0x10, 0x01];

    public static readonly IPEndPoint Anywhere = new(IPAddress.Loopback, 0);

    /// <summary>A sale of terminal <paramref name="terminal"/> with trace number <paramref name="stan"/>, as small as the line allows.</summary>
    public static byte[] Sale(int stan, string terminal = "10000001", string batch = "000001") => Pos(new IsoMessage(Mti.FinancialRequest)
        .Set(3, "000000").SetNumber(4, 8_800, 12).SetNumber(11, stan, 6).Set(41, terminal).Set(42, "990031058120001").Set(60, $"22{batch}00060"));

    public static byte[] Financial(int stan, int trace = 0) => Switch(new IsoMessage(Mti.FinancialRequest)
        .Set(3, "000000").SetNumber(4, 8_800, 12).SetNumber(7, 1_123_024_200 + trace, 10).SetNumber(11, stan, 6).Set(32, "63990900").Set(33, "63990900").Set(37, $"{stan:D12}"));

    public static byte[] Pos(IsoMessage message) => PosFrame.Write(Tpdu, Header, IsoCodec.Write(Dialect.Pos, message));

    public static byte[] Switch(IsoMessage message) => SwitchFrame.Write("00010000", "63990900", IsoCodec.Write(Dialect.Switch, message));

    public static IsoMessage Read(Framing framing, ReadOnlyMemory<byte> frame) => framing.TryRead(frame, out var message) ? message : throw new Xunit.Sdk.XunitException("the frame cannot be read");

    /// <summary>The answer 00 to a request, with what the line matches by.</summary>
    public static byte[] Answer(Framing framing, ReadOnlyMemory<byte> request, string code = "00")
    {
        var message = Read(framing, request);
        var answer = new IsoMessage(message.Mti.Response).Take(message, 3, 4, 7, 11, 32, 33, 37).Set(39, code).Take(message, 41, 42, 60);
        return framing == Framing.Pos ? Pos(answer) : Switch(answer);
    }

    public static string Stan(Framing framing, ReadOnlyMemory<byte> frame) => Read(framing, frame).Text(11)!;

    public static TcpIsoServer Serve(Framing framing, IIsoServer server, TcpIsoServerOptions? options = null, TimeProvider? time = null, Storage.Store? leaves = null) =>
        TcpIsoServer.Start(Anywhere, framing, server, time ?? TimeProvider.System, options, leaves);

    public static Task<TcpIsoLink> CallAsync(TcpIsoServer server, Framing framing, TcpIsoLinkOptions? options = null, TimeProvider? time = null) =>
        TcpIsoLink.ConnectAsync(server.LocalEndpoint, framing, time ?? TimeProvider.System, new SeededEntropy(7, "links"), options);

    /// <summary>A peer that writes what it likes.</summary>
    public static async Task<NetworkStream> RawAsync(TcpIsoServer server)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server.LocalEndpoint);
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>One frame off a raw stream; null when the other side hung up.</summary>
    public static async Task<byte[]?> ReadFrameAsync(this NetworkStream stream, Framing framing)
    {
        var bytes = new byte[framing.MaxBytes];
        for (var length = 0; ;)
        {
            var front = new System.Buffers.ReadOnlySequence<byte>(bytes, 0, length);
            if (framing.TryCut(ref front, out var frame) == Cut.Frame)
            {
                return frame;
            }

            // One byte at a time: nothing of the next frame is taken along.
            try
            {
                if (await stream.ReadAsync(bytes.AsMemory(length, 1)) == 0)
                {
                    return null;
                }
            }
            catch (IOException)
            {
                return null;
            }

            length++;
        }
    }
}

/// <summary>Handles frames as a test says.</summary>
internal sealed class Handler(Func<ReadOnlyMemory<byte>, Task<ReadOnlyMemory<byte>>> handle) : IIsoServer
{
    public static Handler Good(Framing framing) => new(frame => Task.FromResult<ReadOnlyMemory<byte>>(framing.TryRead(frame, out _) ? Wire.Answer(framing, frame) : ReadOnlyMemory<byte>.Empty));

    public Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation) => handle(frame);
}
