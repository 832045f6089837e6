using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Host.Keys;

/// <summary>How test keys come to where they belong, as two custodians and a key loader would do it (docs/protocols/keys.md).</summary>
/// <remarks>
/// Keys of two institutions: a zone master key is formed on both sides from two components, one side generates, and the working key travels as a
/// TR-31 block. Keys of a terminal: its master key is formed from two components in PIN pad and acquirer, working keys travel as sign-on sends them.
/// Every key made here is marked as a test key, and production mode refuses it.
/// </remarks>
public sealed class KeyCeremony(Entropy entropy)
{
    /// <summary>Gives both modules the same working key, under each side's own name for it. Does nothing when both have it.</summary>
    public void Share(KeyModule one, string nameInOne, KeyModule other, string nameInOther, KeyUsage usage, CipherAlgorithm algorithm)
    {
        if (one.TryInfo(nameInOne, out _) && other.TryInfo(nameInOther, out _))
        {
            return;
        }

        const string Zone = "zmk.ceremony";
        FormInBoth(one, Zone, other, Zone, CipherAlgorithm.Aes, 32);
        Renew(one, nameInOne);
        one.Generate(nameInOne, usage, algorithm, test: true);
        Renew(other, nameInOther);
        other.Import(nameInOther, one.Export(nameInOne, Zone), Zone);
        one.Delete(Zone);
        other.Delete(Zone);
    }

    /// <summary>A transport key that both keep (SE issuer and token service, for the initial keys of a new security domain).</summary>
    public void ShareTransportKey(KeyModule one, string nameInOne, KeyModule other, string nameInOther)
    {
        if (!one.TryInfo(nameInOne, out _) || !other.TryInfo(nameInOther, out _))
        {
            FormInBoth(one, nameInOne, other, nameInOther, CipherAlgorithm.Aes, 32);
        }
    }

    /// <summary>Master key and working keys of one terminal (protocols.md 6.6). Sign-on by message comes with a later issue.</summary>
    public void LoadTerminal(KeyModule acquirer, KeyModule terminal, string terminalId)
    {
        if (!acquirer.TryInfo($"tmk.{terminalId}", out _) || !terminal.TryInfo("tmk", out _))
        {
            FormInBoth(acquirer, $"tmk.{terminalId}", terminal, "tmk", CipherAlgorithm.TripleDes, 16);
        }

        LoadWorkingKey(acquirer, terminal, terminalId, "pik", KeyUsage.PinEncryption);
        LoadWorkingKey(acquirer, terminal, terminalId, "mak", KeyUsage.MessageAuthentication);
        Own(terminal, "journal", KeyUsage.DataEncryption, CipherAlgorithm.Aes);
    }

    /// <summary>A key that one party alone has.</summary>
    public static void Own(KeyModule module, string name, KeyUsage usage, CipherAlgorithm algorithm)
    {
        if (!module.TryInfo(name, out _))
        {
            module.Generate(name, usage, algorithm, test: true);
        }
    }

    private static void LoadWorkingKey(KeyModule acquirer, KeyModule terminal, string terminalId, string name, KeyUsage usage)
    {
        var acquirersName = $"{name}.{terminalId}";
        if (acquirer.TryInfo(acquirersName, out _) && terminal.TryInfo(name, out _))
        {
            return;
        }

        Renew(acquirer, acquirersName);
        acquirer.Generate(acquirersName, usage, CipherAlgorithm.TripleDes, test: true);
        var (wrapped, checkValue) = acquirer.ExportWorkingKey(acquirersName, $"tmk.{terminalId}");
        Renew(terminal, name);
        terminal.ImportWorkingKey(name, usage, wrapped, checkValue, "tmk");
    }

    private void FormInBoth(KeyModule one, string nameInOne, KeyModule other, string nameInOther, CipherAlgorithm algorithm, int length)
    {
        byte[][] components = [Component(), Component()];
        Renew(one, nameInOne);
        one.Form(nameInOne, KeyUsage.KeyEncryption, algorithm, components, test: true);
        Renew(other, nameInOther);
        other.Form(nameInOther, KeyUsage.KeyEncryption, algorithm, components, test: true);

        // XOR of two odd-parity components has even parity; the module sets it right on both sides alike.
        byte[] Component() => algorithm == CipherAlgorithm.TripleDes ? Cryptogram.SetOddParity(entropy.Bytes(length)) : entropy.Bytes(length);
    }

    private static void Renew(KeyModule module, string name)
    {
        if (module.TryInfo(name, out _))
        {
            module.Delete(name);
        }
    }
}
