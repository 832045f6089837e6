using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Host.Keys;

/// <summary>Prepares the folders of parties that will run apart: each gets its own key modules and nobody else's, and the handsets leave the factory.</summary>
/// <remarks>It stands for the meeting where custodians of two institutions form their zone keys; after it no process ever sees another one's folder. Every key is a test key.</remarks>
public static class TrialCeremony
{
    /// <summary>One process of the trial.</summary>
    /// <param name="Institutions">Its banks, where the issuer's role is.</param>
    public sealed record Place(string Folder, IReadOnlySet<Role> Roles, IReadOnlyList<string> Institutions);

    /// <summary>The six server parties apart, and the devices with the pages in one.</summary>
    public static IReadOnlyList<Place> Apart(string parent)
    {
        IReadOnlyList<string> all = [.. SeedData.Banks.Select(bank => bank.Institution)];
        Place One(string name, params Role[] roles) => new(Path.Combine(parent, name), roles.ToHashSet(), all);
        return
        [
            One("issuer", Role.Issuer), One("token", Role.Token), One("network", Role.Network), One("acquirer", Role.Acquirer), One("wallet", Role.Wallet), One("transit", Role.Transit),
            One("devices", Role.Phone, Role.Terminal, Role.Web),
        ];
    }

    /// <summary>Makes what is missing; keys that are there stay.</summary>
    /// <exception cref="KeyModuleException">A module of the table has no place, or two.</exception>
    /// <exception cref="StoreException">A folder is in use or cannot be written.</exception>
    public static async Task HoldAsync(IReadOnlyList<Place> places, TimeProvider time, Entropy entropy)
    {
        var folders = new List<DataFolder>();
        try
        {
            var modules = new SortedDictionary<string, KeyModule>(StringComparer.Ordinal);
            foreach (var place in places)
            {
                var folder = DataFolder.Open(place.Folder);
                folders.Add(folder);
                foreach (var party in KeyTable.Modules(place.Roles, place.Institutions))
                {
                    if (!modules.TryAdd(party, KeyModule.Open(folder.Keys, party, entropy)))
                    {
                        throw new KeyModuleException($"{party} has two places; a key module is in one folder");
                    }
                }
            }

            if (KeyTable.Modules(Roles.All, [.. SeedData.Banks.Select(bank => bank.Institution)]).FirstOrDefault(party => !modules.ContainsKey(party)) is { } missing)
            {
                throw new KeyModuleException($"{missing} has no place; the ceremony wants every party at the table");
            }

            KeyTable.Fill(modules, new KeyCeremony(entropy));
            foreach (var (_, folder) in places.Zip(folders).Where(pair => pair.First.Roles.Contains(Role.Phone)))
            {
                foreach (var handset in SeedData.Handsets)
                {
                    await HandsetFactory.MakeAsync(folder, handset, modules[KeyTable.SeIssuer], time, entropy);
                }
            }
        }
        finally
        {
            folders.ForEach(folder => folder.Dispose());
        }
    }
}
