using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Issuer.Plastic;

namespace Majia.Simulation;

/// <summary>Two banks, five plastics, three tills, three phones: as small as every rule allows. No real number, bank or person.</summary>
public static class SmallWorld
{
    public const string Acquirer = "63990900", Finger = "right thumb", Account = "sim.owner", Password = "simulated", Pin = "123456";

    /// <summary>Cheap accounts of the wallet: what they guard is no secret here.</summary>
    public const int PasswordIterations = 10;

    private static readonly Text Any = new("simulated", "模拟");

    private static readonly SeedCustomer
        One = new("one", "甲", "JIA", "990104199203120021", "12900000001", "2035-03-12"),
        Two = new("two", "乙", "YI", "990104198807230039", "12900000002", "2034-07-23");

    public static Cast Cast { get; } = new(
    [
        new("63990100", new("Mingyue Bank", "明月银行"), 1,
            [One],
            [new("everyday", "one", CardKind.Debit, 9_000_000), new("thin", "one", CardKind.Debit, 400_000)],
            [
                new("everyday-1", "everyday", "one", "629901", 1, 19, CardKind.Debit, Any, Risk: EnrolmentRisk.Green),
                new("everyday-2", "everyday", "one", "629901", 2, 19, CardKind.Debit, Any, Risk: EnrolmentRisk.Green, PinPolicy: PinPolicy.Always),
                new("thin-1", "thin", "one", "629901", 3, 19, CardKind.Debit, Any, Risk: EnrolmentRisk.Green, PinPolicy: PinPolicy.Never),
            ]),
        new("63990200", new("Beishan Bank", "北山银行"), 1,
            [Two],
            [new("credit", "two", CardKind.Credit, 0, 9_000_000)],
            [
                new("credit-1", "credit", "two", "629902", 1, 16, CardKind.Credit, Any, Risk: EnrolmentRisk.Green),
                new("credit-2", "credit", "two", "629902", 2, 16, CardKind.Credit, Any, Risk: EnrolmentRisk.Green, AmountLimit: 150_000),
            ]),
    ],
    [
        new("10000001", "990031058120001", AlwaysAsksPin: false, VoidNeedsTap: false),
        new("10000002", "990031059440002", AlwaysAsksPin: true, VoidNeedsTap: true),
        new("10000003", "990031058120001", AlwaysAsksPin: false, VoidNeedsTap: false),
    ],
    [
        new("Mi 5", "stable", "8.0.6.0", [0, 3]),
        new("Mi 5S", "stable", "8.1.0.0", [0, 2]),
        new("Mi Note 2", "stable", "8.2.1.0", [1, 4]),
    ],
    [new(Account, Password)],
    new DateTimeOffset(2026, 3, 9, 2, 0, 0, TimeSpan.Zero));
}

/// <summary>Every party's key module, keyed as docs/protocols/keys.md says. They outlive runs and crashes, as key modules do.</summary>
public sealed class KeyRing
{
    /// <summary>The test authority above the banks' plastic, in the network's module.</summary>
    public const string Authority = "ca.sm2";

    private readonly SortedDictionary<string, KeyModule> modules = new(StringComparer.Ordinal);
    private readonly Entropy entropy;

    public KeyRing(Entropy entropy, Cast cast)
    {
        this.entropy = entropy;
        foreach (var party in (string[])["acquirer", "network", "token-service", "se-issuer", .. cast.Banks.Select(bank => $"issuer-{bank.Institution}"), .. cast.Tills.Select(till => $"terminal-{till.Terminal}")])
        {
            modules.Add(party, KeyModule.InMemory(party, entropy));
        }

        var (acquirer, network, tokenService, seIssuer) = (this["acquirer"], this["network"], this["token-service"], this["se-issuer"]);
        Share(network, $"zpk.{SmallWorld.Acquirer}", acquirer, "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
        Share(network, $"zak.{SmallWorld.Acquirer}", acquirer, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        Share(network, "zak.token-service", tokenService, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        Share(tokenService, "bind.network", network, "bind.token-service", KeyUsage.TokenBinding, CipherAlgorithm.Aes);
        Form(seIssuer, "zmk.token-service", tokenService, "zmk.se-issuer", CipherAlgorithm.Aes, 32);
        foreach (var bank in cast.Banks)
        {
            var issuer = this[$"issuer-{bank.Institution}"];
            Share(network, $"zpk.{bank.Institution}", issuer, "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
            Share(network, $"zak.{bank.Institution}", issuer, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
            Own(issuer, ("pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes), ("card.pan", KeyUsage.DataEncryption, CipherAlgorithm.Aes), ("card.index", KeyUsage.KeyedHash, CipherAlgorithm.Aes), ("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes));
        }

        Own(tokenService, ("imk.ac", KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes), ("imk.mac", KeyUsage.EmvIntegrity, CipherAlgorithm.TripleDes), ("imk.enc", KeyUsage.EmvConfidentiality, CipherAlgorithm.TripleDes),
            ("vault.pan", KeyUsage.DataEncryption, CipherAlgorithm.Aes), ("vault.index", KeyUsage.KeyedHash, CipherAlgorithm.Aes), ("vault.audit", KeyUsage.KeyedHash, CipherAlgorithm.Aes), ("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes),
            ("sd.enc", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes), ("sd.mac", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes), ("sd.dek", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes));
        Own(seIssuer, ("isd.enc", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes), ("isd.mac", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes), ("isd.dek", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes));
        Own(acquirer, ("card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes));
        Own(network, ("card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes));
        foreach (var till in cast.Tills)
        {
            var terminal = this[$"terminal-{till.Terminal}"];
            Form(acquirer, $"tmk.{till.Terminal}", terminal, "tmk", CipherAlgorithm.TripleDes, 16);
            Work(acquirer, terminal, till.Terminal, "pik", KeyUsage.PinEncryption);
            Work(acquirer, terminal, till.Terminal, "mak", KeyUsage.MessageAuthentication);
            Own(terminal, ("journal", KeyUsage.DataEncryption, CipherAlgorithm.Aes));
        }

        Own(network, (Authority, KeyUsage.CertificationSm2, CipherAlgorithm.Aes));
        foreach (var bank in cast.Banks)
        {
            Own(this[$"issuer-{bank.Institution}"], (PlasticIssuing.CryptogramMaster, KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes), (PlasticIssuing.IntegrityMaster, KeyUsage.EmvIntegrity, CipherAlgorithm.TripleDes),
                (PlasticIssuing.ConfidentialityMaster, KeyUsage.EmvConfidentiality, CipherAlgorithm.TripleDes), ($"{PlasticIssuing.KeySet}.enc", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes),
                ($"{PlasticIssuing.KeySet}.mac", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes), ($"{PlasticIssuing.KeySet}.dek", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes), (PlasticIssuing.Certification, KeyUsage.CertificationSm2, CipherAlgorithm.Aes));
        }
    }

    public KeyModule this[string party] => modules[party];

    private static void Own(KeyModule module, params ReadOnlySpan<(string Name, KeyUsage Usage, CipherAlgorithm Algorithm)> keys)
    {
        foreach (var (name, usage, algorithm) in keys)
        {
            module.Generate(name, usage, algorithm, test: true);
        }
    }

    private void Share(KeyModule one, string nameInOne, KeyModule other, string nameInOther, KeyUsage usage, CipherAlgorithm algorithm)
    {
        const string Zone = "zmk.zone";
        Form(one, Zone, other, Zone, CipherAlgorithm.Aes, 32);
        one.Generate(nameInOne, usage, algorithm, test: true);
        other.Import(nameInOther, one.Export(nameInOne, Zone), Zone);
        one.Delete(Zone);
        other.Delete(Zone);
    }

    private static void Work(KeyModule acquirer, KeyModule terminal, string id, string name, KeyUsage usage)
    {
        acquirer.Generate($"{name}.{id}", usage, CipherAlgorithm.TripleDes, test: true);
        var (wrapped, checkValue) = acquirer.ExportWorkingKey($"{name}.{id}", $"tmk.{id}");
        terminal.ImportWorkingKey(name, usage, wrapped, checkValue, "tmk");
    }

    private void Form(KeyModule one, string nameInOne, KeyModule other, string nameInOther, CipherAlgorithm algorithm, int length)
    {
        byte[][] components = [Component(), Component()];
        one.Form(nameInOne, KeyUsage.KeyEncryption, algorithm, components, test: true);
        other.Form(nameInOther, KeyUsage.KeyEncryption, algorithm, components, test: true);

        byte[] Component() => algorithm == CipherAlgorithm.TripleDes ? Cryptogram.SetOddParity(entropy.Bytes(length)) : entropy.Bytes(length);
    }
}
