using System.Text.Json;
using Majia.Core.Contracts;

namespace Majia.Simulation;

/// <summary>What happens to one exchange. Nothing is simulated inside a party: a lost answer was really given, and lost.</summary>
public enum Fault
{
    None,
    DropRequest,
    DropAnswer,
    DelayRequest,
    DelayAnswer,

    /// <summary>The request arrives twice.</summary>
    Duplicate,

    /// <summary>The caller is told at once that there is no connection.</summary>
    Refuse,
}

/// <summary>One line between two parties, with its weather.</summary>
public sealed class Wire(string name, Luck luck)
{
    private readonly Queue<(Fault Fault, TimeSpan Late)> next = [];

    public string Name { get; } = name;

    /// <summary>Refuses every exchange.</summary>
    public bool IsCut { get; set; }

    /// <summary>Swallows every request.</summary>
    public bool IsSilent { get; set; }

    /// <summary>The next exchange that starts suffers this.</summary>
    public void Strike(Fault fault, TimeSpan late) => next.Enqueue((fault, late));

    public void Heal()
    {
        (IsCut, IsSilent) = (false, false);
        next.Clear();
    }

    internal (Fault Fault, TimeSpan Late) Take() =>
        IsCut ? (Fault.Refuse, default) : IsSilent ? (Fault.DropRequest, default) : next.TryDequeue(out var fault) ? fault : (Fault.None, default);

    internal TimeSpan Latency() => TimeSpan.FromMilliseconds(luck.Between(1, 30));
}

/// <summary>An ISO 8583 line: frames travel whole, take their time, and arrive in whatever order that gives.</summary>
/// <param name="client">Who calls.</param>
/// <param name="leaves">The caller's store, when a request of it may not overtake its own commit (a party on its own database waits for itself, decisions.md 22).</param>
/// <param name="role">Who answers.</param>
/// <param name="edge">The answer leaves a process: not before its store is durable.</param>
internal sealed class SimIsoLink(World world, Wire wire, Process client, Func<Task>? leaves, string role, Func<Node, IIsoServer> server, bool edge) : IIsoLink
{
    private static readonly TimeSpan NoTime = TimeSpan.Zero;

    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        world.Scheduler.Check("a link");
        var request = frame.ToArray();
        if (leaves is not null)
        {
            await leaves();
        }

        var seen = world.Watch.Sent(wire, client, request);
        var (fault, late) = wire.Take();
        if (fault == Fault.Refuse)
        {
            throw new IOException("connection refused");
        }

        var answered = new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (world.Plants.Instead(wire, request) is { } forged)
        {
            world.Scheduler.After(wire.Latency(), world.Air, () => answered.TrySetResult(forged));
            return await answered.Task;
        }

        if (fault != Fault.DropRequest)
        {
            Deliver(request, seen, wire.Latency() + (fault == Fault.DelayRequest ? late : NoTime), answered, fault == Fault.DropAnswer ? null : fault == Fault.DelayAnswer ? late : NoTime);
        }

        if (fault == Fault.Duplicate)
        {
            Deliver(request, seen, wire.Latency() + late, answered, NoTime);
        }

        if (world.Plants.Also(wire, request) is { } extra)
        {
            Deliver(extra, null, wire.Latency(), new(), null);
        }

        // The caller's own clock ends the wait; the token is not listened to, as a cancelled wait changes nothing on a wire.
        return await answered.Task;
    }

    private void Deliver(byte[] request, PosExchange? seen, TimeSpan after, TaskCompletionSource<ReadOnlyMemory<byte>> answered, TimeSpan? answerLate) => world.Scheduler.After(after, world.Air, () =>
    {
        // Inside one process nothing travels on when it has died: wire and party are the same memory.
        if ((edge || client.IsAlive) && world.Up(role) is { } node)
        {
            node.Process.Post(() => Serve(node, request, seen, answered, answerLate));
        }
    });

    private async void Serve(Node node, byte[] request, PosExchange? seen, TaskCompletionSource<ReadOnlyMemory<byte>> answered, TimeSpan? late)
    {
        try
        {
            await world.Plants.BeforeAsync(wire, node, request);
            var answer = (await server(node).HandleAsync(request, CancellationToken.None)).ToArray();
            await world.Plants.AfterAsync(wire, node);
            if (edge && !world.Plants.AnswersBeforeCommit(wire))
            {
                await Task.Yield(); // others may run between a unit and its commit, and power may fail there
                await node.Store.DurableAsync();
            }

            if (answer.Length > 0 && late is { } wait)
            {
                world.Scheduler.After(wire.Latency() + wait, world.Air, () =>
                {
                    if (client.IsAlive && !answered.Task.IsCompleted)
                    {
                        world.Watch.Answered(wire, request, answer, seen);
                        answered.TrySetResult(answer);
                    }
                });
            }
        }
#pragma warning disable CA1031 // whatever a party throws into a wire is a finding
        catch (Exception error)
#pragma warning restore CA1031
        {
            world.Surprise($"{role} on {wire.Name}", error);
        }
    }
}

/// <summary>A JSON line: the bytes that HTTP would carry, its patience included.</summary>
internal sealed class SimJsonLink(World world, Wire wire, Process client, Func<Task>? leaves, string role, Func<Node, JsonEndpoint> endpoint, bool edge) : IJsonLink
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull
    {
        world.Scheduler.Check("a link");
        var body = JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json);
        if (leaves is not null)
        {
            await leaves();
        }

        world.Watch.Called(wire, operation, body);
        var (fault, late) = wire.Take();
        if (fault == Fault.Refuse)
        {
            throw new PartyUnreachableException(role);
        }

        var answered = new TaskCompletionSource<byte[]?>(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Scheduler.After(Patience, client, () => answered.TrySetResult(null));
        if (world.Plants.Instead(wire, operation) is { } forged)
        {
            world.Scheduler.After(wire.Latency(), world.Air, () => answered.TrySetResult(forged));
        }
        else if (fault != Fault.DropRequest)
        {
            Deliver(operation, body, wire.Latency() + (fault == Fault.DelayRequest ? late : default), answered, fault == Fault.DropAnswer ? null : fault == Fault.DelayAnswer ? late : TimeSpan.Zero);
        }

        if (fault == Fault.Duplicate)
        {
            Deliver(operation, body, wire.Latency() + late, answered, TimeSpan.Zero);
        }

        var reply = await answered.Task ?? throw new PartyUnreachableException(role);
        var read = JsonSerializer.Deserialize<ApiReply<TResponse>>(reply, JsonEndpoint.Json) ?? throw new PartyUnreachableException(role);
        world.Watch.Replied(wire, operation, request, read.Error is null);
        return read;
    }

    private void Deliver(string operation, byte[] body, TimeSpan after, TaskCompletionSource<byte[]?> answered, TimeSpan? late) => world.Scheduler.After(after, world.Air, () =>
    {
        if ((edge || client.IsAlive) && world.Up(role) is { } node)
        {
            node.Process.Post(() => Serve(node, operation, body, answered, late));
        }
    });

    private async void Serve(Node node, string operation, byte[] body, TaskCompletionSource<byte[]?> answered, TimeSpan? late)
    {
        try
        {
            await world.Plants.BeforeAsync(wire, node, body);
            var reply = await endpoint(node).HandleAsync(operation, body, CancellationToken.None);
            if (edge)
            {
                await Task.Yield();
                await node.Store.DurableAsync();
            }

            if (late is { } wait)
            {
                world.Scheduler.After(wire.Latency() + wait, world.Air, () => answered.TrySetResult(reply));
            }
        }
        catch (PartyUnreachableException)
        {
            // HTTP: 500, and the caller does not know more than after silence.
            world.Scheduler.After(wire.Latency(), world.Air, () => answered.TrySetResult(null));
        }
#pragma warning disable CA1031 // whatever a party throws into a wire is a finding
        catch (Exception error)
#pragma warning restore CA1031
        {
            world.Surprise($"{role} on {wire.Name} ({operation})", error);
        }
    }
}
