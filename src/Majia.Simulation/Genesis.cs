using System.Collections.Immutable;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Phone;
using Majia.SecureElement;

namespace Majia.Simulation;

/// <summary>The world before the first fault: banks seeded, tills known, every phone's cards enrolled by the real path. Made once, then copied for every seed.</summary>
public static class Genesis
{
    /// <param name="split">As <see cref="World.IsSplit"/>.</param>
    /// <param name="cast">Who is there; the small world when nobody is named.</param>
    public static WorldImage Make(bool split, Cast? cast = null)
    {
        cast ??= SmallWorld.Cast;
        Entropy entropy = new SeededEntropy(1, "genesis");
        RunEntropy.Use(entropy);
        var keys = new KeyRing(new RunEntropy(), cast);
        var (chips, silicon, bindings) = (ImmutableArray.CreateBuilder<byte[]>(), ImmutableArray.CreateBuilder<byte[]>(), new List<byte[]>());
        foreach (var _ in cast.Handsets)
        {
            var seid = entropy.Bytes(ChipState.SeidLength);
            bindings.Add(entropy.Bytes(ChipState.BindingLength));
            chips.Add(ChipImage.Write(ChipFactory.Manufacture(seid, keys["se-issuer"].ClearKeysForChipFactory("isd", seid), bindings[^1], entropy)));
            silicon.Add(entropy.Bytes(32));
        }

        using var world = new World(new WorldImage(cast, cast.Start, keys, split, ImmutableSortedDictionary<string, byte[]>.Empty, chips.ToImmutable(), silicon.ToImmutable()), seed: 1);
        foreach (var bank in cast.Banks)
        {
            var node = world.NodeOf($"issuer-{bank.Institution}");
            world.Do(node.Process, () => IssuerSeed.ApplyAsync(bank, node.Store, keys[$"issuer-{bank.Institution}"], node.Process.Clock, SmallWorld.PasswordIterations));
        }

        var acquirer = world.NodeOf("acquirer");
        world.Do(acquirer.Process, () => acquirer.Acquirer!.SeedAsync(cast.Merchants));
        var wallet = world.NodeOf("wallet");
        foreach (var owner in cast.Owners)
        {
            world.Do(wallet.Process, () => wallet.Wallet!.AddAccountAsync(owner.Account, owner.Password));
        }

        foreach (var (handset, binding) in world.Handsets.Zip(bindings))
        {
            world.Do(handset.Process, async () =>
            {
                var phone = handset.Device;
                await phone.Trusted.PairAsync(binding);
                if (handset.Seed.Plastics is null)
                {
                    return;
                }

                Expect(await phone.SignInAsync(cast.Owners[0].Account, cast.Owners[0].Password) is { Count: 0 }, "sign-in");
                Expect(await phone.SetFindDeviceAsync(true) is { Count: 0 }, "Find Device");
                await phone.EnrolFingerprintAsync(SmallWorld.Finger);
                foreach (var plastic in handset.Seed.Plastics)
                {
                    var outcome = await phone.AddCardAsync(cast.AsTyped(cast.Plastics[plastic]));
                    Expect(outcome.Step == EnrolmentStep.Added, $"card {plastic}: {outcome.Step} {string.Join(' ', outcome.Reasons.Select(reason => reason.Why.En))}");
                }
            });
        }

        world.Do(world.NodeOf("token-service").Process, () => world.NodeOf("token-service").TokenService!.PumpAsync());
        Expect(world.Surprised is null, world.Surprised ?? string.Empty);
        return world.Snapshot();
    }

    private static void Expect(bool held, string what)
    {
        if (!held)
        {
            throw new InvalidOperationException($"the world could not begin: {what}");
        }
    }
}
