using Majia.Core.Contracts;
using Majia.Hsm;
using Majia.Storage;
using Majia.Transit;

namespace Majia.Host.Devices;

/// <summary>The gates of the transit line, where the terminals are: each with a store of its own, all with the purchase master key alone. A passage needs no operator; what was taken is handed in when there is one.</summary>
public sealed class GateLine(string terminals, KeyModule keys, IJsonLink transit, TimeProvider time) : IAsyncDisposable
{
    /// <summary>A few rides a message: it stays well under what a line takes.</summary>
    private const int RidesAtOnce = 200;

    private readonly SortedDictionary<string, (GateReader Gate, Store Store)> open = new(StringComparer.Ordinal);

    /// <summary>Ids of the line's gates: where passengers enter, and where they leave seven stations on.</summary>
    public static IReadOnlyDictionary<string, GateOptions> Gates { get; } = new SortedDictionary<string, GateOptions>(StringComparer.Ordinal)
    {
        ["in-1"] = new([0, 0, 0x99, 0, 0x01, 0x01], Station: 1, IsExit: false),
        ["out-8"] = new([0, 0, 0x99, 0, 0x08, 0x02], Station: 8, IsExit: true),
    };

    internal static string StoreOf(string terminals, string id) => Path.Combine(terminals, $"gate-{id}.db");

    /// <summary>A gate, opened with its own store the first time.</summary>
    /// <exception cref="KeyNotFoundException">There is no such gate.</exception>
    public GateReader Gate(string id)
    {
        var options = Gates[id];
        lock (open)
        {
            if (!open.TryGetValue(id, out var known))
            {
                var store = SqliteStore.Open(StoreOf(terminals, id), [TransitTables.Gate], time);
                known = (new GateReader(options, store, keys, time), store);
                open.Add(id, known);
            }

            return known.Gate;
        }
    }

    /// <summary>Every gate hands in what it took. What the operator does not hear stays and is handed in again.</summary>
    /// <returns>How many rides are in the operator's books by it.</returns>
    public Task<int> SettleAsync(CancellationToken cancellation) => SettleAsync(Gates.Keys.Select(Gate), cancellation);

    /// <summary>The same on the clock, of the gates that had a passage here: one that nobody came to may be open in another process (<see cref="LoneGate"/>).</summary>
    public Task<int> PumpAsync(CancellationToken cancellation)
    {
        lock (open)
        {
            return SettleAsync([.. open.Values.Select(static one => one.Gate)], cancellation);
        }
    }

    private async Task<int> SettleAsync(IEnumerable<GateReader> gates, CancellationToken cancellation)
    {
        var settled = 0;
        foreach (var gate in gates)
        {
            foreach (var rides in gate.Unsettled().Chunk(RidesAtOnce))
            {
                var reply = await transit.CallAsync<TransitOperator.SettleRequest, TransitOperator.SettleReply>(TransitOperator.Operations.Settle, new(rides), cancellation);
                if (reply.Value is not { } booked)
                {
                    throw new PartyUnreachableException("transit");
                }

                await gate.SettledAsync(rides, booked);
                settled += booked.Booked.Count;
            }
        }

        return settled;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, store) in open.Values)
        {
            await store.DisposeAsync();
        }
    }
}
