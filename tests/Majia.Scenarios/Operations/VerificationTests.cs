using Majia.Core.Primitives;
using Majia.Host.Operations;
using Majia.Scenarios.Stage;
using Majia.Storage;

namespace Majia.Scenarios.Operations;

/// <summary><c>majia verify</c> finds nothing where nothing is wrong, and names each thing that is.</summary>
public sealed class VerificationTests
{
    [Fact]
    public async Task Beside_a_running_process_nothing_is_found_and_each_damage_is_named()
    {
        var folder = Directory.CreateTempSubdirectory("majia-verify-").FullName;
        try
        {
            await using (var world = await World.OpenAsync(70, folder, DateTimeOffset.UtcNow))
            {
                var card = await world.AddAsync("mingyue-02");
                await world.SellAsync(card, 100);
                await world.AddAsync("mingyue-11");
                await world.PumpAsync();
                Assert.Empty(await world.Phone().AddTransitCardAsync());
                Assert.Empty(await world.Phone().TopUpTransitAsync(2_000));
                foreach (var gate in (string[])["in-1", "out-8"])
                {
                    Assert.True((await world.System.Gates.Gate(gate).TapAsync(world.Phone().Tap(), TestContext.Current.CancellationToken)).Opens); // and not handed in yet
                }

                await world.System.Store.DurableAsync();
                Assert.Empty(Find(folder));
            }

            Assert.Empty(Find(folder));
            Assert.Contains(Verification.Run([new DataPlace(folder)], new SystemEntropy()).Checked, line => line.En == "transit cards: 1, 1 compared with their chips");
            Assert.Contains(await AfterAsync(folder, "UPDATE issuer_accounts SET balance = balance + 1 WHERE account = 'mingyue-lin-credit'"), finding => finding is { Area: "ledger" } && finding.Says.En.Contains("account mingyue-lin-credit shows", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "UPDATE issuer_ledger SET amount = amount + 1 WHERE account = 'settlement-network'"), finding => finding.Says.En.Contains("not zero", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "UPDATE issuer_authorisations SET state = 'Reversed'"), finding => finding is { Area: "payments" } && finding.Says.En.Contains("the bank has not charged it", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "UPDATE acquirer_transaction SET amount = amount + 1"), finding => finding.Says.En.Contains("the acquirer has it not as paid", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "UPDATE token_audit SET reason = 'another' WHERE sequence = 1"), finding => finding is { Area: "audit" });
            Assert.Contains(await AfterAsync(folder, "DELETE FROM token_device_slot"), finding => finding.Says.En.Contains("holds no place of its chip", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "DELETE FROM wallet_card"), finding => finding.Says.En.Contains("the wallet does not show it", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "UPDATE issuer_devices SET state = 'Suspended'"), finding => finding.Says.En.Contains("the bank has", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "UPDATE transit_load SET amount = amount - 1"), finding => finding is { Area: "transit" } && finding.Says.En.Contains("the chip holds 1600 fen, top-ups less rides make 1599", StringComparison.Ordinal));
            Assert.Contains(await AfterAsync(folder, "UPDATE token_token SET atc_high = 900 WHERE state = 'Active'"), finding => finding is { Area: "chips" } && finding.Says.En.Contains("the chip was put back", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static IReadOnlyList<Finding> Find(string folder) => Verification.Run([new DataPlace(folder)], new SystemEntropy()).Findings;

    /// <summary>On a copy: each damage is alone.</summary>
    private static async Task<IReadOnlyList<Finding>> AfterAsync(string folder, string damage)
    {
        var copy = Directory.CreateTempSubdirectory("majia-damage-").FullName;
        try
        {
            foreach (var sub in (string[])["chips", "keys", "terminals"])
            {
                Directory.CreateDirectory(Path.Combine(copy, sub));
                foreach (var file in Directory.EnumerateFiles(Path.Combine(folder, sub)))
                {
                    File.Copy(file, Path.Combine(copy, sub, Path.GetFileName(file)));
                }
            }

            Snapshots.Take(Path.Combine(folder, "majia.db"), Path.Combine(copy, "majia.db"));
            await using (var store = SqliteStore.Open(Path.Combine(copy, "majia.db"), [], TimeProvider.System))
            {
                Assert.True(await store.CommitAsync(session => session.Execute(damage)) > 0, damage);
            }

            return Find(copy);
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }
}
