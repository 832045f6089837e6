using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Majia.Core.Iso8583;

namespace Majia.Scenarios.Failures;

/// <summary>One terminal's connection: one request, one answer.</summary>
internal sealed class PosClient(Socket socket, NetworkStream stream) : IDisposable
{
    public static async Task<PosClient> OpenAsync(IPEndPoint server)
    {
        var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server);
        return new PosClient(socket, new NetworkStream(socket));
    }

    public async Task<IsoMessage> AskAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation) => Read(await RawAsync(frame, cancellation));

    public async Task<ReadOnlyMemory<byte>> RawAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        await stream.WriteAsync(frame, cancellation);
        var length = new byte[2];
        await stream.ReadExactlyAsync(length, cancellation);
        var answer = new byte[2 + BinaryPrimitives.ReadUInt16BigEndian(length)];
        length.CopyTo(answer, 0);
        await stream.ReadExactlyAsync(answer.AsMemory(2), cancellation);
        return answer;
    }

    public void Dispose()
    {
        stream.Dispose();
        socket.Dispose();
    }

    public static IsoMessage Read(ReadOnlyMemory<byte> frame)
    {
        Assert.True(PosFrame.TryRead(frame, out _, out _, out var body, out var wrong), wrong.ToString());
        Assert.True(IsoCodec.TryRead(Dialect.Pos, body, out var message, out var malformed), malformed.ToString());
        return message!;
    }
}
