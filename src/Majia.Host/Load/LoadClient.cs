using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Majia.Host.Load;

/// <summary>What one run of load came to.</summary>
/// <param name="Answers">Answers by code.</param>
/// <param name="Seconds">From the first request to the last answer.</param>
/// <param name="LatenciesMs">Of the approved ones: 50th, 99th, 99.9th percentile, highest. In open loop from the moment at which the tap was due.</param>
/// <param name="RefusalsMs">Of the others, the same.</param>
/// <param name="Unanswered">Taps without an answer when the run was given up.</param>
/// <param name="CpuMicroseconds">What the generator itself used of the machine from the first request to the last answer.</param>
public sealed record LoadResult(SortedDictionary<string, int> Answers, double Seconds, double[] LatenciesMs, double[] RefusalsMs, int Unanswered, double CpuMicroseconds)
{
    public int Approved => Answers.GetValueOrDefault("00");

    /// <summary>Approved a second.</summary>
    public double Rate => Approved / Seconds;
}

/// <summary>The load generator's end of the POS line: some connections, any number of taps in flight on each, answers matched by terminal and trace number.</summary>
public sealed class LoadClient : IAsyncDisposable
{
    private const int MacEvery = 16;

    /// <summary>Long: on a machine with a busy disk one commit may take many seconds, and is no lost answer.</summary>
    private static readonly TimeSpan GiveUp = TimeSpan.FromSeconds(90);

    private readonly LoadTaps taps;
    private readonly TimeProvider time;
    private readonly Connection[] connections;
    private readonly Task[] readers;
    private readonly Lock gate = new();
    private Run? run;

    private LoadClient(LoadTaps taps, TimeProvider time, Connection[] connections)
    {
        (this.taps, this.time, this.connections) = (taps, time, connections);
        readers = [.. connections.Select(ReadAsync)];
    }

    public static async Task<LoadClient> ConnectAsync(IPEndPoint acquirer, LoadTaps taps, int connections, TimeProvider time)
    {
        var open = new Connection[connections];
        for (var i = 0; i < connections; i++)
        {
            var socket = new Socket(acquirer.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(acquirer);
            open[i] = new Connection(socket);
        }

        return new LoadClient(taps, time, open);
    }

    /// <summary>Closed loop: as soon as one tap is answered the next one leaves.</summary>
    public Task<LoadResult> ClosedAsync(int inFlight, double seconds, int ready, bool hot) => RunAsync(new Run(time, Prepare(ready, hot), seconds, inFlight, rate: 0));

    /// <summary>Open loop: taps leave at their time, whether the ones before are answered or not.</summary>
    public Task<LoadResult> OpenAsync(double rate, double seconds) => RunAsync(new Run(time, Prepare((int)(rate * seconds), hot: false), seconds, inFlight: 0, rate));

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in connections)
        {
            connection.Socket.Dispose();
        }

        await Task.WhenAll(readers);
    }

    /// <summary>Cryptograms and MACs are made before the clock runs: the machine's cores are for the system under load.</summary>
    private LoadTap[] Prepare(int count, bool hot)
    {
        var prepared = new LoadTap[count];
        for (var i = 0; i < count; i++)
        {
            prepared[i] = taps.Next(hot);
        }

        return prepared;
    }

    private async Task<LoadResult> RunAsync(Run next)
    {
        lock (gate)
        {
            run = next;
        }

        var before = Environment.CpuUsage.TotalTime;
        next.Start();
        if (next.InFlight > 0)
        {
            // One write a connection: the first taps leave together.
            for (var i = 0; i < next.InFlight; i++)
            {
                Send(next, connections[i % connections.Length]);
            }

            Flush();
        }
        else
        {
            await PaceAsync(next);
        }

        var ended = await Task.WhenAny(next.Ended, Task.Delay(TimeSpan.FromSeconds(next.Seconds) + GiveUp, time));
        _ = ended;
        lock (gate)
        {
            run = null;
        }

        return next.Result(Environment.CpuUsage.TotalTime - before);
    }

    private async Task PaceAsync(Run next)
    {
        var connection = 0;
        while (true)
        {
            var due = next.Due();
            while (next.Sent < due && Send(next, connections[connection++ % connections.Length]))
            {
            }

            Flush();
            if (next.AllSent)
            {
                next.Close();
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), time);
        }
    }

    private void Flush()
    {
        foreach (var connection in connections)
        {
            connection.Flush();
        }
    }

    private static bool Send(Run next, Connection connection)
    {
        if (!next.TryTake(out var tap))
        {
            return false;
        }

        connection.Put(tap.Frame);
        return true;
    }

    private async Task ReadAsync(Connection connection)
    {
        var buffer = new byte[256 * 1024];
        var filled = 0;
        var count = 0;
        while (true)
        {
            int received;
            try
            {
                received = await connection.Socket.ReceiveAsync(buffer.AsMemory(filled), SocketFlags.None);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return;
            }

            if (received == 0)
            {
                return;
            }

            filled += received;
            var at = 0;
            Run? current;
            lock (gate)
            {
                current = run;
            }

            while (filled - at >= 2)
            {
                var length = 2 + BinaryPrimitives.ReadUInt16BigEndian(buffer.AsSpan(at));
                if (filled - at < length)
                {
                    break;
                }

                if (!taps.TryRead(buffer.AsMemory(at, length), count++ % MacEvery == 0, out var terminal, out var stan, out var code))
                {
                    code = "unreadable";
                }

                at += length;
                if (current is not null && current.Answered(terminal, stan, code) && current.InFlight > 0)
                {
                    Send(current, connection);
                }
            }

            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            filled -= at;
            connection.Flush();
        }
    }

    /// <summary>A socket with what is to leave on it next: what is ready together leaves in one write.</summary>
    private sealed class Connection(Socket socket)
    {
        private readonly Lock gate = new();
        private readonly List<byte> waiting = new(64 * 1024);

        public Socket Socket { get; } = socket;

        public void Put(ReadOnlySpan<byte> frame)
        {
            lock (gate)
            {
                waiting.AddRange(frame);
            }
        }

        public void Flush()
        {
            lock (gate)
            {
                if (waiting.Count == 0)
                {
                    return;
                }

                var span = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(waiting);
                while (!span.IsEmpty)
                {
                    span = span[Socket.Send(span)..];
                }

                waiting.Clear();
            }
        }
    }

    /// <summary>One run: what is to be sent, what is under way, what came back.</summary>
    private sealed class Run(TimeProvider time, LoadTap[] taps, double seconds, int inFlight, double rate)
    {
        private readonly Lock gate = new();
        private readonly Dictionary<long, long> under = [];
        private readonly SortedDictionary<string, int> answers = new(StringComparer.Ordinal);
        private readonly List<double> approved = new(taps.Length);
        private readonly List<double> refused = [];
        private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long started;
        private long last;
        private int next;
        private bool closed;

        public int InFlight => inFlight;

        public double Seconds => seconds;

        public Task Ended => ended.Task;

        public int Sent => Volatile.Read(ref next);

        public bool AllSent => Sent >= taps.Length;

        public void Start() => started = last = time.GetTimestamp();

        public int Due() => Math.Min(taps.Length, (int)(time.GetElapsedTime(started).TotalSeconds * rate));

        public bool TryTake(out LoadTap tap)
        {
            lock (gate)
            {
                var now = time.GetTimestamp();
                if (next >= taps.Length || (inFlight > 0 && time.GetElapsedTime(started, now).TotalSeconds >= seconds))
                {
                    tap = null!;
                    closed = true;
                    return false;
                }

                // Open loop: a tap that leaves late has waited already.
                var from = rate > 0 ? started + (long)(next / rate * time.TimestampFrequency) : now;
                tap = taps[next++];
                under[Key(tap.Terminal, tap.Stan)] = from;
                return true;
            }
        }

        public bool Answered(int terminal, int stan, string code)
        {
            lock (gate)
            {
                if (!under.Remove(Key(terminal, stan), out var from))
                {
                    answers["unexpected"] = answers.GetValueOrDefault("unexpected") + 1;
                    return false;
                }

                last = time.GetTimestamp();
                answers[code] = answers.GetValueOrDefault(code) + 1;
                (code == "00" ? approved : refused).Add(time.GetElapsedTime(from, last).TotalMilliseconds);
                EndWhenDone();
                return true;
            }
        }

        public void Close()
        {
            lock (gate)
            {
                closed = true;
                EndWhenDone();
            }
        }

        public LoadResult Result(TimeSpan cpu)
        {
            lock (gate)
            {
                return new LoadResult(answers, time.GetElapsedTime(started, last).TotalSeconds, Percentiles(approved), Percentiles(refused), under.Count, cpu.TotalMicroseconds);
            }
        }

        private void EndWhenDone()
        {
            // In open loop the pace says when the last one has left.
            if (under.Count == 0 && (closed || (inFlight > 0 && (next >= taps.Length || time.GetElapsedTime(started, last).TotalSeconds >= seconds))))
            {
                ended.TrySetResult();
            }
        }

        private static long Key(int terminal, int stan) => ((long)terminal << 32) | (uint)stan;

        private static double[] Percentiles(List<double> values)
        {
            if (values.Count == 0)
            {
                return [];
            }

            values.Sort();
            return [At(0.5), At(0.99), At(0.999), values[^1]];

            double At(double part) => values[Math.Min(values.Count - 1, (int)(part * values.Count))];
        }
    }
}
