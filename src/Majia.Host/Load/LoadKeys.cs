using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Host.Load;

/// <summary>Test keys that two processes know without exchanging them: components of each follow from the load's seed and the key's name. For measuring and for crash tests, never for a system that anyone uses.</summary>
public sealed class LoadKeys(long seed)
{
    /// <summary>Forms the key of this name in a module, under the module's own name for it.</summary>
    public void Form(KeyModule module, string nameInModule, string shared, KeyUsage usage, CipherAlgorithm algorithm)
    {
        var (one, other) = Components(shared, algorithm);
        module.Form(nameInModule, usage, algorithm, [one, other], test: true);
    }

    /// <summary>The key itself, for the load generator that stands for all chips and terminals at once.</summary>
    public byte[] Value(string shared, CipherAlgorithm algorithm)
    {
        var (one, other) = Components(shared, algorithm);
        byte[] key = [.. one.Zip(other, static (a, b) => (byte)(a ^ b))];
        return algorithm == CipherAlgorithm.TripleDes ? Cryptogram.SetOddParity(key) : key;
    }

    private (byte[] One, byte[] Other) Components(string shared, CipherAlgorithm algorithm)
    {
        var entropy = new SeededEntropy(seed, $"load/{shared}");
        var length = algorithm == CipherAlgorithm.TripleDes ? 16 : 32;
        return (entropy.Bytes(length), entropy.Bytes(length));
    }
}
