using Majia.Core.Primitives;
using Majia.SecureElement;

namespace Majia.Host.Operations;

/// <param name="Seid">20 hex digits.</param>
/// <param name="InstanceAid">Of the payment instance, hex.</param>
/// <param name="Counter">The last ATC that it used.</param>
public sealed record ChipCounter(string Handset, string Seid, string InstanceAid, ushort Counter);

/// <param name="Number">Of the transit card, 16 digits.</param>
/// <param name="Balance">Minor units.</param>
public sealed record ChipPurse(string Handset, string Number, long Balance);

/// <summary>The counters of the chips in a data folder, read from copies: the process that holds a chip goes on.</summary>
/// <param name="Read">How many chips could be read.</param>
/// <param name="Faults">What is wrong with the others.</param>
public sealed record ChipCounters(IReadOnlyList<ChipCounter> Counters, int Chips, IReadOnlyList<Text> Faults)
{
    /// <summary>Transit cards in the same chips.</summary>
    public IReadOnlyList<ChipPurse> Purses { get; init; } = [];

    public static ChipCounters Read(string folder, Entropy entropy)
    {
        var (counters, purses, faults, seen) = (new List<ChipCounter>(), new List<ChipPurse>(), new List<Text>(), 0);
        var chips = Path.Combine(folder, "chips");
        if (!Directory.Exists(chips))
        {
            return new ChipCounters([], 0, []);
        }

        var work = Directory.CreateTempSubdirectory("majia-chips-").FullName;
        try
        {
            foreach (var path in Directory.EnumerateFiles(chips, "*.chip").Order(StringComparer.Ordinal))
            {
                var name = Path.GetFileNameWithoutExtension(path);
                var key = Path.Combine(folder, "keys", $"chip-{name}.key");
                if (!File.Exists(key))
                {
                    faults.Add(new($"chip of {name}: its silicon key is not here, it cannot be read", $"{name} 的芯片：此处没有其密钥，无法读取"));
                    continue;
                }

                var copy = Path.Combine(work, name);
                File.Copy(path, copy);
                try
                {
                    using var memory = new ChipMemoryFile(copy, key, entropy);
                    if (memory.Load() is not { } image || !ChipImage.TryRead(image, out var chip, out _))
                    {
                        faults.Add(new($"chip of {name}: there is no chip in its memory", $"{name} 的芯片：存储中没有芯片"));
                        continue;
                    }

                    seen++;
                    counters.AddRange(chip.Payments.Select(instance => new ChipCounter(name, Convert.ToHexString(chip.Seid.Span), instance.Aid.ToString(), instance.Atc)));
                    purses.AddRange(chip.Transits.Where(static transit => transit.Profile is not null).Select(transit => new ChipPurse(name, Convert.ToHexString(transit.Profile!.Number.Span), transit.Balance)));
                }
                catch (ChipMemoryException damaged)
                {
                    faults.Add(new($"chip of {name}: {damaged.Message}", $"{name} 的芯片：存储损坏或密钥不符"));
                }
            }

            return new ChipCounters(counters, seen, faults) { Purses = purses };
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }
}
