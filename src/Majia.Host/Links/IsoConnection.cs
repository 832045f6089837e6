using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;

namespace Majia.Host.Links;

/// <summary>One TCP connection that carries frames both ways. Frames that are ready together leave in one write, none is ever split between two.</summary>
/// <remarks>
/// Nobody waits for the other side: what is sent is put into a buffer, and a peer that lets it grow past its bound is hung up on.
/// When the connection has ended, <see cref="Ended"/> completes; it never faults.
/// </remarks>
internal sealed class IsoConnection
{
    /// <summary>What may wait to be taken by a peer that reads slowly.</summary>
    private const int MaxUnsent = 1 << 20;

    private readonly Socket socket;
    private readonly Framing framing;
    private readonly TimeProvider time;
    private readonly Stream stream;
    private readonly Lock gate = new();
    private readonly Pipe outgoing = new(new PipeOptions(pauseWriterThreshold: MaxUnsent, resumeWriterThreshold: MaxUnsent / 2, minimumSegmentSize: 16_384, useSynchronizationContext: false));
    private bool closed;
    private long lastFrame;
    private long lastByte;
    private long partialSince;

    /// <param name="secured">TLS over the socket; null: the socket itself.</param>
    public IsoConnection(Socket socket, Framing framing, TimeProvider time, Stream? secured = null)
    {
        (this.socket, this.framing, this.time) = (socket, framing, time);
        socket.NoDelay = true;
        KeepAlive(socket);
        stream = secured ?? new NetworkStream(socket, ownsSocket: true);
        Remote = socket.RemoteEndPoint;
        lastFrame = lastByte = time.GetTimestamp();
    }

    public EndPoint? Remote { get; }

    /// <summary>Completes when both directions have ended.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>True when nothing more can be sent.</summary>
    public bool Closed
    {
        get
        {
            lock (gate)
            {
                return closed;
            }
        }
    }

    /// <summary>True when bytes came that are no frame of the line.</summary>
    public bool Broken { get; private set; }

    /// <summary>When bytes of any kind last came: a slow peer is not taken for a dead one. A timestamp.</summary>
    public long LastByte => Volatile.Read(ref lastByte);

    /// <summary>Since the last whole frame, or since the connection was made.</summary>
    public TimeSpan Quiet => time.GetElapsedTime(Volatile.Read(ref lastFrame));

    /// <summary>How long a frame has been incomplete; zero when none is. A trickle of bytes does not set it back.</summary>
    public TimeSpan Partial => Volatile.Read(ref partialSince) is var since and not 0 ? time.GetElapsedTime(since) : TimeSpan.Zero;

    /// <param name="received">Called for each frame in order, on the reading loop: it must not block.</param>
    /// <param name="finished">Called when the peer sends nothing more: the connection then ends by <see cref="Finish"/>. Null: it ends at once.</param>
    public void Start(Action<byte[]> received, Action? finished = null) => Ended = Task.WhenAll(ReadAsync(received, finished), WriteAsync());

    /// <summary>Puts a frame into the buffer. False when the connection has ended or the peer does not take what it is sent.</summary>
    public bool TrySend(ReadOnlySpan<byte> frame)
    {
        lock (gate)
        {
            if (closed)
            {
                return false;
            }

            frame.CopyTo(outgoing.Writer.GetSpan(frame.Length));
            outgoing.Writer.Advance(frame.Length);
            var flush = outgoing.Writer.FlushAsync();
            if (flush.IsCompleted)
            {
                return true;
            }
        }

        Abort();
        return false;
    }

    /// <summary>Ends the connection once what is in the buffer has left.</summary>
    public void Finish()
    {
        lock (gate)
        {
            if (!closed)
            {
                closed = true;
                outgoing.Writer.Complete();
            }
        }
    }

    /// <summary>Ends the connection now. May be called again.</summary>
    public void Abort()
    {
        Finish();
        stream.Dispose();
    }

    /// <summary>A peer whose machine is gone is found by the system in half a minute.</summary>
    private static void KeepAlive(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
    }

    private async Task ReadAsync(Action<byte[]> received, Action? finished)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16_384, minimumReadSize: 1_024, leaveOpen: true));
        var end = true;
        try
        {
            while (true)
            {
                var result = await reader.ReadAsync();
                var buffer = result.Buffer;
                var now = time.GetTimestamp();
                Volatile.Write(ref lastByte, now);
                Cut cut;
                var frames = 0;
                while ((cut = framing.TryCut(ref buffer, out var frame)) == Cut.Frame)
                {
                    frames++;
                    received(frame);
                }

                if (frames > 0)
                {
                    Volatile.Write(ref lastFrame, now);
                }

                if (cut == Cut.Broken)
                {
                    Broken = true;
                    break;
                }

                Volatile.Write(ref partialSince, buffer.IsEmpty ? 0 : frames > 0 || partialSince == 0 ? Math.Max(now, 1) : partialSince);
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted)
                {
                    Volatile.Write(ref partialSince, 0);
                    end = finished is null;
                    finished?.Invoke();
                    break;
                }
            }
        }
        catch (Exception gone) when (IsLoss(gone))
        {
        }

        await reader.CompleteAsync();
        if (end)
        {
            Abort();
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            while (true)
            {
                var result = await outgoing.Reader.ReadAsync();
                foreach (var segment in result.Buffer)
                {
                    await stream.WriteAsync(segment);
                }

                outgoing.Reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception gone) when (IsLoss(gone))
        {
        }

        Abort();
        await outgoing.Reader.CompleteAsync();
    }

    /// <summary>However a connection is lost, it is the same to both ends.</summary>
    private static bool IsLoss(Exception exception) => exception is IOException or SocketException or System.Security.Authentication.AuthenticationException or ObjectDisposedException or OperationCanceledException;
}
