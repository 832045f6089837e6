using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Hsm;

/// <summary>One party's key module: keys go in, never out in clear. Each at rest is a TR-31 version D block under the party's local master key.</summary>
/// <remarks>Thread-safe. A call with a missing key or a key of another usage throws <see cref="KeyModuleException"/>: configuration is wrong or somebody tries.</remarks>
public sealed partial class KeyModule
{
    /// <summary>Optional blocks of ours: <c>LB</c> (X9.143 label) binds a key at rest to its name, <c>10</c> = T marks a test key.</summary>
    private const string LabelBlock = "LB", TestBlock = "10", TestMark = "T";

    private readonly string party;
    private readonly Entropy entropy;
    private readonly bool production;
    private readonly KeyStore? store;
    private readonly byte[] masterKey;
    private readonly Lock gate = new();
    private int ceremonies;
    private bool unwritten;

    /// <summary>Never changed once published: readers take no lock.</summary>
    private volatile Dictionary<string, HeldKey> keys = new(StringComparer.Ordinal);

    private KeyModule(string party, Entropy entropy, bool production, KeyStore? store, byte[] masterKey)
    {
        this.party = party;
        this.entropy = entropy;
        this.production = production;
        this.store = store;
        this.masterKey = masterKey;
    }

    /// <summary>Opens (or creates) the store in <paramref name="folder"/>: <c>{party}.lmk</c> and <c>{party}.keys.json</c>, owner-readable only. Runs the known-answer self test.</summary>
    /// <param name="production">Refuses a store that holds a test key.</param>
    /// <exception cref="KeyModuleException">Names the key that is damaged, or a test key in production.</exception>
    public static KeyModule Open(string folder, string party, Entropy entropy, bool production = false)
    {
        CheckName(party);
        SelfTest.Run();
        var store = KeyStore.Open(folder, party, entropy, out var masterKey, out var entries);
        var module = new KeyModule(party, entropy, production, store, masterKey);
        var loaded = new Dictionary<string, HeldKey>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            var key = module.Load(entry);
            if (!loaded.TryAdd(entry.Name, key))
            {
                throw new KeyModuleException($"key {entry.Name} of {party}: stands twice in the store");
            }
        }

        module.keys = loaded;
        return module;
    }

    /// <summary>A module that lives in memory, for tests and simulation.</summary>
    public static KeyModule InMemory(string party, Entropy entropy)
    {
        CheckName(party);
        SelfTest.Run();
        return new KeyModule(party, entropy, production: false, store: null, entropy.Bytes(32));
    }

    /// <summary>All keys, by name.</summary>
    public IReadOnlyList<KeyInfo> Keys => [.. keys.Values.Select(key => key.Info).OrderBy(info => info.Name, StringComparer.Ordinal)];

    public bool TryInfo(string name, [NotNullWhen(true)] out KeyInfo? info)
    {
        info = keys.TryGetValue(name, out var key) ? key.Info : null;
        return info is not null;
    }

    // ---- key management ----

    /// <summary>Keys made from now on go to disk once, when the ceremony ends: for a first start, where nobody computes with a key before all of them are there. Ends by being disposed.</summary>
    /// <remarks>A crash on the way leaves each module with all of its keys of this ceremony or with none; holding it again makes what is missing.</remarks>
    public IDisposable Ceremony()
    {
        lock (gate)
        {
            ceremonies++;
        }

        return new OneCeremony(this);
    }

    /// <summary>Generates a random key (3DES: double length with odd parity; AES: 32 bytes, 16 for secure channels; SM4: 16; Decryption: a P-256 private key).</summary>
    public KeyInfo Generate(string name, KeyUsage usage, CipherAlgorithm algorithm, bool test)
    {
        var value = KeyUsages.Of(usage).Kind switch
        {
            KeyUsages.Kind.EllipticCurve => EllipticCurveKey.Generate(entropy),
            KeyUsages.Kind.Sm2 => Sm2.GeneratePrivate(entropy),
            KeyUsages.Kind.Rsa => throw new KeyModuleException($"key {name} of {party}: an RSA key has its length to be said"),
            _ => entropy.Bytes(KeyUsages.NewLength(usage, algorithm)),
        };
        return Put(name, usage, algorithm, WithParity(algorithm, value), test, replace: false);
    }

    /// <summary>Forms a key from two or more custodians' components by XOR (dual control: one alone is refused).</summary>
    /// <param name="components">All of the key's length; the caller wipes them.</param>
    public KeyInfo Form(string name, KeyUsage usage, CipherAlgorithm algorithm, IReadOnlyList<byte[]> components, bool test)
    {
        if (components.Count < 2)
        {
            throw new KeyModuleException($"key {name} of {party}: one custodian alone forms no key");
        }

        var value = new byte[components[0].Length];
        foreach (var component in components)
        {
            if (component.Length != value.Length || !component.AsSpan().ContainsAnyExcept((byte)0))
            {
                throw new KeyModuleException($"key {name} of {party}: components are of one length and none is zero");
            }

            for (var i = 0; i < value.Length; i++)
            {
                value[i] ^= component[i];
            }
        }

        return Put(name, usage, algorithm, WithParity(algorithm, value), test, replace: false);
    }

    /// <summary>TR-31 block of a key under a KeyEncryption key (AES). The other side gets what it needs: of a binding key the verifying half of its use.</summary>
    /// <exception cref="KeyModuleException">The key is for one party alone, or came from another one.</exception>
    public string Export(string name, string transportKey)
    {
        var key = Exportable(name);
        var shared = key.Info with { Usage = KeyUsages.Of(key.Info.Usage).SharedAs!.Value, Exportable = false };
        return Tr31.Wrap(Transport(transportKey).Value, Header(shared, label: false), key.Value, entropy);
    }

    /// <summary>Takes in a TR-31 block under a KeyEncryption key (AES). Replaces a key of the same name and usage. What was taken in does not leave again.</summary>
    public KeyInfo Import(string name, string block, string transportKey)
    {
        var transport = Transport(transportKey);
        if (!Tr31.TryUnwrap(transport.Value, block, out var header, out var value, out var error))
        {
            throw new KeyModuleException($"key {name} of {party}: {error}");
        }

        if (KeyUsages.Read(header) is not { } what)
        {
            throw new KeyModuleException($"key {name} of {party}: usage {header.Usage}, algorithm {header.Algorithm}, mode {header.Mode} is none that this module keeps");
        }

        return Put(name, what.Usage, what.Algorithm, value, transport.Info.IsTest || header.Option(TestBlock) == TestMark, replace: true, exportable: false);
    }

    /// <summary>Working key as sign-on sends it: ECB under the terminal master key, with its 4-byte check value (protocols.md 6.6).</summary>
    public (byte[] Wrapped, byte[] CheckValue) ExportWorkingKey(string name, string masterKey)
    {
        var key = Find(name);
        var master = WorkingMaster(masterKey, name, key.Info.Usage);
        key = Exportable(name);
        if (key.Info.Algorithm != master.Info.Algorithm)
        {
            throw new KeyModuleException($"key {name} of {party}: {key.Info.Algorithm} does not travel under {master.Info.Algorithm}");
        }

        var wrapped = new byte[key.Value.Length];
        master.Schedule!.Encrypt(key.Value, wrapped);
        return (wrapped, Convert.FromHexString(key.Info.CheckValue));
    }

    /// <summary>Takes in a working key of sign-on at a terminal: a PIN key becomes <see cref="KeyUsage.PinEntry"/>. Replaces a key of the same name and usage; a test master key makes a test key.</summary>
    /// <param name="usage">As the acquirer has it: PinEncryption or MessageAuthentication.</param>
    /// <exception cref="KeyModuleException">The check value is not the key's: nothing is kept.</exception>
    public KeyInfo ImportWorkingKey(string name, KeyUsage usage, ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> checkValue, string masterKey)
    {
        var master = WorkingMaster(masterKey, name, usage);
        var algorithm = master.Info.Algorithm;
        if (wrapped.Length % Cipher.BlockSize(algorithm) != 0 || !KeyUsages.IsLength(usage, algorithm, wrapped.Length))
        {
            throw new KeyModuleException($"key {name} of {party}: {wrapped.Length} bytes are no {algorithm} key for {usage}");
        }

        var value = new byte[wrapped.Length];
        master.Schedule!.Decrypt(wrapped, value);
        if (checkValue.Length != 4 || !CryptographicOperations.FixedTimeEquals(Cipher.KeyCheckValue(algorithm, value), checkValue))
        {
            CryptographicOperations.ZeroMemory(value);
            throw new KeyModuleException($"key {name} of {party}: its check value is not the one sent with it");
        }

        return Put(name, usage == KeyUsage.PinEncryption ? KeyUsage.PinEntry : usage, algorithm, value, master.Info.IsTest, replace: true, exportable: false);
    }

    /// <summary>Forgets a key; durable when it returns. A call that is using it still finishes.</summary>
    public void Delete(string name)
    {
        lock (gate)
        {
            var next = new Dictionary<string, HeldKey>(keys, StringComparer.Ordinal);
            if (!next.Remove(name))
            {
                throw new KeyModuleException($"key {name} of {party}: is not there");
            }

            Publish(next);
        }
    }

    // ---- messages ----

    public byte[] Mac(string key, MacAlgorithm algorithm, ReadOnlySpan<byte> data)
    {
        var held = Find(key, KeyUsage.MessageAuthentication);
        if (held.Info.Algorithm != MessageMac.CipherOf(algorithm) || (algorithm == MacAlgorithm.X919 && held.Value.Length != 16))
        {
            throw new KeyModuleException($"key {key} of {party}: makes no {algorithm}");
        }

        return MessageMac.Compute(algorithm, held.Schedule!, data);
    }

    /// <summary>Constant time.</summary>
    public bool VerifyMac(string key, MacAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> mac) =>
        CryptographicOperations.FixedTimeEquals(Mac(key, algorithm, data), mac);

    // ---- inside ----

    private HeldKey Find(string name) =>
        keys.TryGetValue(name, out var key) ? key : throw new KeyModuleException($"key {name} of {party}: is not there");

    /// <summary>The one door to a key's value: every use names what it is for.</summary>
    private HeldKey Find(string name, KeyUsage usage)
    {
        var key = Find(name);
        return key.Info.Usage == usage ? key : throw new KeyModuleException($"key {name} of {party}: is for {key.Info.Usage}, not for {usage}");
    }

    /// <summary>A key that may leave: of a usage that two parties share, and made here.</summary>
    private HeldKey Exportable(string name)
    {
        var key = Find(name);
        return key.Info.Exportable ? key : throw new KeyModuleException($"key {name} of {party}: does not leave this module");
    }

    private HeldKey Transport(string name)
    {
        var key = Find(name, KeyUsage.KeyEncryption);
        return key.Info.Algorithm == CipherAlgorithm.Aes ? key : throw new KeyModuleException($"key {name} of {party}: a TR-31 block of version D wants an AES key");
    }

    /// <summary>ECB wrapping is for what sign-on sends, PIN and MAC keys, and for nothing else.</summary>
    private HeldKey WorkingMaster(string name, string workingKey, KeyUsage usage)
    {
        if (usage is not (KeyUsage.PinEncryption or KeyUsage.MessageAuthentication))
        {
            throw new KeyModuleException($"key {workingKey} of {party}: {usage} is no usage of a working key");
        }

        var master = Find(name, KeyUsage.KeyEncryption);
        return master.Info.Algorithm != CipherAlgorithm.Aes ? master : throw new KeyModuleException($"key {name} of {party}: an AES key wraps TR-31 blocks only");
    }

    private KeyInfo Put(string name, KeyUsage usage, CipherAlgorithm algorithm, byte[] value, bool test, bool replace, bool exportable = true)
    {
        CheckName(name);
        Check(name, usage, algorithm, value);
        if (test && production)
        {
            throw new KeyModuleException($"key {name} of {party}: a test key, and this is production");
        }

        var info = new KeyInfo(name, usage, algorithm, HeldKey.CheckValue(usage, algorithm, value), test, exportable && KeyUsages.Of(usage).SharedAs is not null);
        var key = new HeldKey(info, value, Tr31.Wrap(masterKey, Header(info, label: true), value, entropy));
        lock (gate)
        {
            if (keys.TryGetValue(name, out var present) && (!replace || present.Info.Usage != usage))
            {
                throw new KeyModuleException($"key {name} of {party}: is there already, for {present.Info.Usage}");
            }

            Publish(new Dictionary<string, HeldKey>(keys, StringComparer.Ordinal) { [name] = key });
        }

        return info;
    }

    /// <summary>To disk first, then to the readers: nobody computes with a key that a crash could take away. In a ceremony the disk comes at its end.</summary>
    private void Publish(Dictionary<string, HeldKey> next)
    {
        unwritten = ceremonies > 0;
        if (!unwritten)
        {
            Write(next);
        }

        keys = next;
    }

    private void Write(Dictionary<string, HeldKey> all) => store?.Save(masterKey, [.. all.Values
        .OrderBy(key => key.Info.Name, StringComparer.Ordinal)
        .Select(key => new KeyStore.Entry(key.Info.Name, key.Info.Usage, key.Info.IsTest, key.Block))]);

    private sealed class OneCeremony(KeyModule module) : IDisposable
    {
        private bool ended;

        public void Dispose()
        {
            lock (module.gate)
            {
                if (ended)
                {
                    return;
                }

                ended = true;
                if (--module.ceremonies == 0 && module.unwritten)
                {
                    module.Write(module.keys);
                    module.unwritten = false;
                }
            }
        }
    }

    private HeldKey Load(KeyStore.Entry entry)
    {
        if (entry.Name is null || entry.Block is null || !Tr31.TryUnwrap(masterKey, entry.Block, out var header, out var value, out _))
        {
            throw new KeyModuleException($"key {entry.Name} of {party}: its block is damaged, or under another master key");
        }

        if (header.Option(LabelBlock) != entry.Name
            || (header.Option(TestBlock) == TestMark) != entry.Test
            || KeyUsages.Read(header) is not { } what
            || what.Usage != entry.Usage)
        {
            throw new KeyModuleException($"key {entry.Name} of {party}: its block is another key's");
        }

        Check(entry.Name, what.Usage, what.Algorithm, value);
        if (entry.Test && production)
        {
            throw new KeyModuleException($"key {entry.Name} of {party}: a test key, and this is production");
        }

        return new HeldKey(new KeyInfo(entry.Name, what.Usage, what.Algorithm, HeldKey.CheckValue(what.Usage, what.Algorithm, value), entry.Test, header.Exportability == 'E'), value, entry.Block);
    }

    private void Check(string name, KeyUsage usage, CipherAlgorithm algorithm, ReadOnlySpan<byte> value)
    {
        if (!KeyUsages.Of(usage).Algorithms.Contains(algorithm) || !KeyUsages.IsLength(usage, algorithm, value.Length))
        {
            throw new KeyModuleException($"key {name} of {party}: {value.Length} bytes of {algorithm} are no key for {usage}");
        }

        // FIPS 46-3 / SP 800-67: a key of two equal halves is single DES; zero is no key at all.
        if (!value.ContainsAnyExcept((byte)0)
            || (algorithm == CipherAlgorithm.TripleDes && value.Length > 8 && CryptographicOperations.FixedTimeEquals(value[..8], value[8..16]))
            || (KeyUsages.Of(usage).Kind == KeyUsages.Kind.EllipticCurve && !EllipticCurveKey.IsScalar(value))
            || (KeyUsages.Of(usage).Kind == KeyUsages.Kind.Sm2 && !Sm2.IsPrivate(value))
            || (KeyUsages.Of(usage).Kind == KeyUsages.Kind.Rsa && CardRsaPrivate.FromPrimes(value) is null))
        {
            throw new KeyModuleException($"key {name} of {party}: a weak key");
        }
    }

    private static Tr31Header Header(KeyInfo info, bool label)
    {
        var row = KeyUsages.Of(info.Usage);
        List<Tr31Option> options = [];
        if (label)
        {
            options.Add(new Tr31Option(LabelBlock, info.Name));
        }

        if (info.IsTest)
        {
            options.Add(new Tr31Option(TestBlock, TestMark));
        }

        return new Tr31Header(row.Code, KeyUsages.Letter(row, info.Algorithm), row.Mode, "00", info.Exportable ? 'E' : 'N', options);
    }

    private static byte[] WithParity(CipherAlgorithm algorithm, byte[] value)
    {
        if (algorithm != CipherAlgorithm.TripleDes)
        {
            return value;
        }

        var odd = Cryptogram.SetOddParity(value);
        CryptographicOperations.ZeroMemory(value);
        return odd;
    }

    private static readonly System.Buffers.SearchValues<char> NameCharacters = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

    private static void CheckName(string name)
    {
        if (name.Length is 0 or > 64 || name[0] == '.' || name.AsSpan().ContainsAnyExcept(NameCharacters))
        {
            throw new KeyModuleException("a name has 1 to 64 letters, digits, points, hyphens and underscores");
        }
    }
}

/// <summary>A key is missing, of another usage, or its store is damaged.</summary>
public sealed class KeyModuleException(string message) : Exception(message);
