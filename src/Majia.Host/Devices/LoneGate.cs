using Majia.Core.Primitives;
using Majia.Host.Keys;
using Majia.Hsm;
using Majia.Storage;
using Majia.Transit;

namespace Majia.Host.Devices;

/// <summary>A gate of a data folder by itself: its own store and the purchase master key are all it needs, no operator and no network.</summary>
public sealed class LoneGate : IAsyncDisposable
{
    private readonly Store store;

    private LoneGate(GateReader gate, Store store) => (Gate, this.store) = (gate, store);

    public GateReader Gate { get; }

    /// <param name="folder">A data folder whose transit operator has been at work.</param>
    /// <param name="id">Of <see cref="GateLine.Gates"/>.</param>
    /// <exception cref="StoreException">No gate has its key there yet.</exception>
    public static LoneGate Open(string folder, string id, TimeProvider time, Entropy entropy)
    {
        var full = Path.GetFullPath(folder);
        if (!Directory.Exists(Path.Combine(full, "keys")) || !Directory.Exists(Path.Combine(full, "terminals")))
        {
            throw new StoreException($"there is no gate in {full}: no transit card was added here yet", new DirectoryNotFoundException(full));
        }

        var keys = KeyModule.Open(Path.Combine(full, "keys"), KeyTable.Gate, entropy);
        if (!keys.TryInfo(GateReader.PurchaseMaster, out _))
        {
            throw new StoreException($"the gates in {full} have no key yet: no transit card was added here", new FileNotFoundException(GateReader.PurchaseMaster));
        }

        var store = SqliteStore.Open(GateLine.StoreOf(Path.Combine(full, "terminals"), id), [TransitTables.Gate], time);
        return new LoneGate(new GateReader(GateLine.Gates[id], store, keys, time), store);
    }

    public ValueTask DisposeAsync() => store.DisposeAsync();
}
