using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Host.Keys;
using Majia.Hsm;
using Majia.Storage;
using Majia.Transit;

namespace Majia.Host.Devices;

/// <summary>The transit operator of the demonstration and the two gates of its line. Each has its own key module, the gates' with the purchase master key alone.</summary>
public sealed class TransitSystem : IAsyncDisposable
{
    private const string Module = "transit";

    internal const string GateModule = "gate";

    private readonly string terminals;
    private readonly TimeProvider time;
    private readonly KeyModule gateKeys;
    private readonly SortedDictionary<string, (GateReader Gate, Store Store)> gates = new(StringComparer.Ordinal);

    /// <param name="seIssuer">The phone maker's key store, which hands over the keys of new domains.</param>
    public TransitSystem(DataFolder folder, KeyModule seIssuer, Store store, TimeProvider time, Entropy entropy, ITrace trace)
    {
        terminals = folder.Terminals;
        this.time = time;
        var keys = KeyModule.Open(folder.Keys, Module, entropy);
        gateKeys = KeyModule.Open(folder.Keys, GateModule, entropy);
        using var once = keys.Ceremony();
        var ceremony = new KeyCeremony(entropy);
        ceremony.ShareTransportKey(seIssuer, "zmk.transit", keys, TransitParty.TransportKey);
        ceremony.Share(keys, TransitParty.PurchaseMaster, gateKeys, GateReader.PurchaseMaster, KeyUsage.TransitPurchase, CipherAlgorithm.Sm4);
        KeyCeremony.Own(keys, TransitParty.LoadMaster, KeyUsage.TransitLoad, CipherAlgorithm.Sm4);
        KeyCeremony.Own(keys, TransitParty.CodeMaster, KeyUsage.TransitCode, CipherAlgorithm.Sm4);
        foreach (var part in (string[])["enc", "mac", "dek"])
        {
            KeyCeremony.Own(keys, $"{TransitParty.OwnKeySet}.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes);
        }

        Operator = new TransitParty(TransitOptions.Default, store, keys, time, entropy, trace);
    }

    public TransitParty Operator { get; }

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
        lock (gates)
        {
            if (!gates.TryGetValue(id, out var known))
            {
                var store = SqliteStore.Open(StoreOf(terminals, id), [TransitTables.Gate], time);
                known = (new GateReader(options, store, gateKeys, time), store);
                gates.Add(id, known);
            }

            return known.Gate;
        }
    }

    /// <summary>The gates hand in what they took.</summary>
    public async Task<int> SettleAsync()
    {
        var settled = 0;
        foreach (var id in Gates.Keys)
        {
            var gate = Gate(id);
            var taken = await Operator.SettleAsync(gate.Unsettled());
            await gate.SettledAsync(taken);
            settled += taken.Count;
        }

        return settled;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, store) in gates.Values)
        {
            await store.DisposeAsync();
        }
    }
}
