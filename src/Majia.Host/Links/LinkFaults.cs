using Majia.Core.Primitives;

namespace Majia.Host.Links;

/// <summary>What a person or a test does to one wire. Nothing is simulated inside the parties: a dropped answer is really never given.</summary>
public enum LinkFault
{
    None,

    /// <summary>The request never arrives.</summary>
    DropRequest,

    /// <summary>The request arrives and takes effect; its answer is lost.</summary>
    DropAnswer,

    /// <summary>No connection: the caller is told at once.</summary>
    Cut,

    /// <summary>The request takes its time; then all goes well.</summary>
    Delay,

    /// <summary>The request arrives twice; the second answer is the one that comes back.</summary>
    Duplicate,
}

/// <summary>The faults by the words that programs use, those of <c>simulate</c>, and as people read them.</summary>
public static class LinkFaultWords
{
    public static IReadOnlyList<(LinkFault Fault, string Word, Text Says)> All { get; } =
    [
        (LinkFault.None, "none", new("nothing", "正常")),
        (LinkFault.DropRequest, "drop-request", new("request lost", "请求丢失")),
        (LinkFault.DropAnswer, "drop-answer", new("answer lost", "应答丢失")),
        (LinkFault.Delay, "delay", new("two seconds late", "延迟 2 秒")),
        (LinkFault.Duplicate, "duplicate", new("delivered twice", "重复送达")),
        (LinkFault.Cut, "cut", new("cut", "断开")),
    ];

    public static string Word(this LinkFault fault) => All.Single(row => row.Fault == fault).Word;
}

/// <summary>The faults of one link: how many of the next exchanges suffer what.</summary>
/// <param name="time">For what is late; null: nothing is ever late on this link.</param>
public sealed class LinkFaults(TimeProvider? time = null)
{
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private LinkFault next = LinkFault.None;
    private int left, spared;

    /// <summary>Something did not come through: the request whose sender now waits, or is told that nobody is there. It may still arrive late.</summary>
    public event Action<ReadOnlyMemory<byte>>? Lost;

    /// <param name="count">How many exchanges; <see cref="int.MaxValue"/> until changed.</param>
    /// <param name="after">How many exchanges go well before the first one that does not.</param>
    public void Set(LinkFault fault, int count = int.MaxValue, int after = 0)
    {
        lock (gate)
        {
            (next, left, spared) = (fault, count, after);
        }
    }

    public void Clear() => Set(LinkFault.None);

    /// <summary>True while the next exchange, or one behind it, suffers something.</summary>
    public bool IsSet
    {
        get
        {
            lock (gate)
            {
                return left != 0 && next != LinkFault.None;
            }
        }
    }

    /// <summary>The fault of the exchange that starts now.</summary>
    public LinkFault Take()
    {
        lock (gate)
        {
            if (left == 0 || next == LinkFault.None)
            {
                return LinkFault.None;
            }

            if (spared > 0)
            {
                spared--;
                return LinkFault.None;
            }

            if (left != int.MaxValue)
            {
                left--;
            }

            return next;
        }
    }

    /// <summary>What befalls the exchange after the one under way.</summary>
    public LinkFault Now
    {
        get
        {
            lock (gate)
            {
                return left == 0 ? LinkFault.None : next;
            }
        }
    }

    /// <summary>How many exchanges it befalls; <see cref="int.MaxValue"/> until changed.</summary>
    public int Left
    {
        get
        {
            lock (gate)
            {
                return left;
            }
        }
    }

    /// <summary>An exchange that comes through: at once, late, or twice.</summary>
    internal async Task<T> PassAsync<T>(LinkFault fault, Func<Task<T>> exchange, CancellationToken cancellation)
    {
        if (fault == LinkFault.Delay && time is not null)
        {
            await Task.Delay(Late, time, cancellation);
        }

        var answer = await exchange();
        return fault == LinkFault.Duplicate ? await exchange() : answer;
    }

    internal void Lose(ReadOnlyMemory<byte> request) => Lost?.Invoke(request);
}
