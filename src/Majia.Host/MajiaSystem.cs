using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Host.Devices;
using Majia.Host.Keys;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Host.Tracing;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Network;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Storage;
using Majia.Terminal;
using Majia.TokenService;
using Majia.Wallet;

namespace Majia.Host;

/// <param name="DataPath">The data folder; created when absent.</param>
/// <param name="PasswordIterations">PBKDF2 rounds of the wallet accounts; tests take fewer.</param>
public sealed record SystemOptions(string DataPath, TimeProvider Time, Entropy Entropy)
{
    public int PasswordIterations { get; init; } = 600_000;

    /// <summary>Refuses test keys, and to make any: nothing that the seeding makes may touch real money (decisions.md 31).</summary>
    public bool Production { get; init; }

    /// <summary>Whether the parties talk in memory or over sockets (decisions.md 31).</summary>
    public LinkMode Links { get; init; } = LinkMode.Memory;

    /// <summary>N of the ports of <see cref="SystemLines"/>; 0 lets the system choose each.</summary>
    public int BasePort { get; init; }
}

/// <summary>Production mode was asked for, and what is here is for demonstration and test.</summary>
public sealed class ProductionRefusedException(string message) : Exception(message);

/// <summary>The wires of one process, by name: each can be cut, or made to lose requests or answers.</summary>
public sealed class Wires
{
    public LinkFaults PosLine { get; } = new();

    public LinkFaults AcquirerNetwork { get; } = new();

    public LinkFaults NetworkToken { get; } = new();

    public LinkFaults NetworkIssuer { get; } = new();

    public LinkFaults PhoneWallet { get; } = new();

    public LinkFaults WalletToken { get; } = new();

    public LinkFaults TokenIssuer { get; } = new();
}

/// <summary>Every party in one process, composed: who has which store, keys and wires stands here and nowhere else.</summary>
/// <remarks>All server parties share one log (majia.db), so one wait for the disk covers a whole authorisation; phones, chips and terminals have their own (decisions.md 22, 30).</remarks>
public sealed class MajiaSystem : IAsyncDisposable
{
    public const string AcquirerInstitution = "63990900";

    private readonly DataFolder folder;
    private readonly Entropy entropy;
    private readonly SortedDictionary<string, KeyModule> modules = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IssuerParty> issuers = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, TerminalDevice> terminals = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, ITappedLink> posLines = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, CounterField> fields = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, PhoneDevice> phones = new(StringComparer.Ordinal);
    private readonly List<IDisposable> devices = [];
    private readonly List<Store> deviceStores = [];

    private readonly Func<SystemLines.Caller, ITappedLink> posLine;

    private MajiaSystem(SystemOptions options, DataFolder folder, SystemLines lines)
    {
        this.folder = folder;
        Lines = lines;
        entropy = options.Entropy;
        Time = options.Time;
        LoadKeys(options.Production);
        Store = SqliteStore.Open(folder.Database, [IssuerParty.Schema, TokenServiceParty.Schema, NetworkParty.Schema, AcquirerParty.Schema, WalletParty.Schema], Time);
        Trace = new TraceStore(SqliteStore.Open(Path.Combine(folder.Path, "trace.db"), [TraceStore.Schema], Time), Time);

        foreach (var bank in SeedData.Banks)
        {
            issuers.Add(bank.Institution, new IssuerParty(new IssuerOptions(bank.Institution, bank.Name), Store, modules[IssuerModule(bank.Institution)], Time, entropy, Trace));
        }

        var (acquiring, switching) = (new AcquirerOptions(), new NetworkOptions());
        TokenService = new TokenServiceParty(
            new TokenServiceOptions(), Store, modules["token-service"], issuers.ToDictionary(bank => bank.Key, bank => lines.Json(IssuerModule(bank.Key), bank.Value.Endpoint, Wires.TokenIssuer, Store, innerHop: true)), Time, entropy, Trace);
        var toTokenService = lines.Listen(
            "network-token", 4, Framing.Switch, TokenService, Wires.NetworkToken, Store, innerHop: true, OverloadAnswers.Switch((_, _) => (modules["token-service"], "zak.network"), switching.Mac));
        var toIssuers = lines.Listen(
            "network-issuer", 3, Framing.Switch, new IsoRouter(issuers.ToDictionary(bank => bank.Key, bank => (IIsoServer)bank.Value)), Wires.NetworkIssuer, Store, innerHop: true,
            OverloadAnswers.Switch((destination, _) => modules.TryGetValue(IssuerModule(destination), out var issuer) ? (issuer, "zak.network") : null, switching.Mac));
        Network = new NetworkParty(
            switching, Store, modules["network"], toTokenService(new(switching.Institution, switching.TokenService)),
            issuers.ToDictionary(bank => bank.Key, bank => (IIsoLink)toIssuers(new(switching.Institution, bank.Key))), Time, entropy, Trace);
        var toNetwork = lines.Listen(
            "acquirer-network", 2, Framing.Switch, Network, Wires.AcquirerNetwork, Store, innerHop: true, OverloadAnswers.Switch((_, source) => (modules["network"], $"zak.{source}"), switching.Mac));
        Acquirer = new AcquirerParty(acquiring, Store, modules["acquirer"], toNetwork(new(acquiring.Institution, acquiring.Network)), Time, entropy, Trace);
        posLine = lines.Listen(
            "pos-line", 1, Framing.Pos, Acquirer, Wires.PosLine, Store, innerHop: false, OverloadAnswers.Pos(modules["acquirer"], acquiring.Mac, acquiring.Institution, acquiring.UtcOffset, Time));
        var wallet = new WalletOptions { PasswordIterations = options.PasswordIterations };
        Wallet = new WalletParty(wallet, Store, new SeIssuer(modules["se-issuer"], Store, Time, Trace), lines.Json("token-service", TokenService.EndpointFor(wallet.TokenRequestorId), Wires.WalletToken, Store, innerHop: true), Time, entropy, Trace);
        TokenService.Requestors = new Dictionary<string, IJsonLink> { [wallet.TokenRequestorId] = lines.Json("wallet-notices", Wallet.NoticeEndpoint, Wires.WalletToken, Store, innerHop: true) };
    }

    public Wires Wires { get; } = new();

    /// <summary>What listens and what calls, where the parties talk over sockets.</summary>
    public SystemLines Lines { get; }

    public TimeProvider Time { get; }

    public Store Store { get; }

    public TraceStore Trace { get; }

    public AcquirerParty Acquirer { get; }

    public NetworkParty Network { get; }

    public TokenServiceParty TokenService { get; }

    public WalletParty Wallet { get; }

    /// <summary>By institution number.</summary>
    public IReadOnlyDictionary<string, IssuerParty> Issuers => issuers;

    /// <summary>By terminal number.</summary>
    public IReadOnlyDictionary<string, TerminalDevice> Terminals => terminals;

    /// <summary>The air over each terminal.</summary>
    public IReadOnlyDictionary<string, CounterField> Fields => fields;

    /// <summary>The line of each terminal to its acquirer.</summary>
    public IReadOnlyDictionary<string, ITappedLink> PosLines => posLines;

    /// <summary>By the ids of <see cref="SeedData.Handsets"/>.</summary>
    public IReadOnlyDictionary<string, PhoneDevice> Phones => phones;

    /// <summary>Opens the data folder, runs the key ceremony and the seeding where they are due, and starts every party.</summary>
    /// <exception cref="DataFolderInUseException">Another process has the folder.</exception>
    /// <exception cref="ProductionRefusedException">Production mode, and test keys or none.</exception>
    /// <exception cref="StoreException">The folder or a database cannot be used.</exception>
    /// <exception cref="PortTakenException">A line's port is in use.</exception>
    public static async Task<MajiaSystem> OpenAsync(SystemOptions options)
    {
        var folder = DataFolder.Open(options.DataPath);
        SystemLines? lines = null;
        MajiaSystem system;
        try
        {
            lines = await SystemLines.OpenAsync(options.Links, options.BasePort, options.Time, options.Entropy);
            system = new MajiaSystem(options, folder, lines);
        }
        catch
        {
            if (lines is not null)
            {
                await lines.DisposeAsync();
            }

            folder.Dispose();
            throw;
        }

        try
        {
            await system.SeedAsync();
            foreach (var merchant in SeedData.Merchants)
            {
                system.AddTerminal(merchant);
            }

            foreach (var handset in SeedData.Handsets)
            {
                await system.AddPhoneAsync(handset);
            }

            // A terminal that stopped between request and answer reverses when it comes back (decisions.md 20).
            foreach (var terminal in system.terminals.Values)
            {
                await terminal.ResolvePendingAsync(CancellationToken.None);
            }

            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Delivers what is due in every party's outbox, and sweeps what was left unfinished. Called on the clock.</summary>
    /// <remarks>One party's trouble is a row in the trace and keeps no other back; only a store that is gone ends the round.</remarks>
    public async Task PumpAsync(CancellationToken cancellation)
    {
        // In the order in which one party's news makes another's: phone → token service → bank, acquirer → network → bank.
        foreach (var phone in phones.Values)
        {
            await PumpAsync("phone", () => phone.PumpAsync(cancellation));
        }

        await PumpAsync("acquirer", () => Acquirer.PumpAsync(cancellation));
        await Store.DurableAsync(); // what the switch has just been told is sent on in the same round
        await PumpAsync("network", () => Network.PumpAsync(cancellation));
        await PumpAsync("token-service", () => TokenService.SweepAsync(cancellation));
        await PumpAsync("token-service", () => TokenService.PumpAsync(cancellation));
        await PumpAsync("wallet", () => Wallet.SweepAsync(cancellation));
        await Store.DurableAsync();
    }

    private async Task PumpAsync(string party, Func<Task> round)
    {
        try
        {
            await round();
        }
#pragma warning disable CA1031 // whatever one party's round throws is that party's
        catch (Exception failure) when (failure is not (PartyFailedException or OperationCanceledException))
#pragma warning restore CA1031
        {
            Trace.Record(new TraceEvent(string.Empty, Time.GetUtcNow(), party, party, string.Empty, TraceKind.Decision, TraceDirection.Inside, string.Empty,
                new Text($"The round of deliveries failed ({failure.GetType().Name}); again with the next one.", $"本轮投递失败（{failure.GetType().Name}），下一轮重试。")));
        }
    }

    public async ValueTask DisposeAsync()
    {
        devices.ForEach(device => device.Dispose());
        await Lines.DisposeAsync();
        foreach (var deviceStore in deviceStores)
        {
            await deviceStore.DisposeAsync();
        }

        await Trace.DisposeAsync();
        await Store.DisposeAsync();
        folder.Dispose();
    }

    /// <summary>A terminal's key module, for a merchant who turned thief: the demonstration's replay signs with it.</summary>
    internal KeyModule TerminalKeys(string terminal) => modules[TerminalModule(terminal)];

    /// <summary>A party's key module, for whoever proves what keys may and may not do.</summary>
    internal KeyModule Keys(string party) => modules[party];

    private static string IssuerModule(string institution) => $"issuer-{institution}";

    private static string TerminalModule(string terminal) => $"terminal-{terminal}";

    /// <summary>The key table of docs/protocols/keys.md: who shares what with whom, and who has what alone.</summary>
    private void LoadKeys(bool production)
    {
        foreach (var party in (string[])["acquirer", "network", "token-service", "se-issuer", .. SeedData.Banks.Select(bank => IssuerModule(bank.Institution)), .. SeedData.Merchants.Select(merchant => TerminalModule(merchant.Terminal))])
        {
            modules.Add(party, KeyModule.Open(folder.Keys, party, entropy, production));
        }

        if (production)
        {
            throw new ProductionRefusedException("production mode refuses the seeded banks, cards and keys: they are test data, and this build has no other way to load keys yet / 生产模式拒绝内置的测试银行、测试卡和测试密钥");
        }

        var ceremony = new KeyCeremony(entropy);
        var (acquirer, network, tokenService, seIssuer) = (modules["acquirer"], modules["network"], modules["token-service"], modules["se-issuer"]);
        ceremony.Share(network, $"zpk.{AcquirerInstitution}", acquirer, "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
        ceremony.Share(network, $"zak.{AcquirerInstitution}", acquirer, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        ceremony.Share(network, "zak.token-service", tokenService, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        ceremony.Share(tokenService, "bind.network", network, "bind.token-service", KeyUsage.TokenBinding, CipherAlgorithm.Aes);
        ceremony.ShareTransportKey(seIssuer, "zmk.token-service", tokenService, "zmk.se-issuer");
        foreach (var bank in SeedData.Banks)
        {
            var issuer = modules[IssuerModule(bank.Institution)];
            ceremony.Share(network, $"zpk.{bank.Institution}", issuer, "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
            ceremony.Share(network, $"zak.{bank.Institution}", issuer, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
            KeyCeremony.Own(issuer, "pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes);
            OwnVault(issuer, "card.pan", "card.index");
        }

        foreach (var name in (string[])["imk.ac", "imk.mac", "imk.enc"])
        {
            var usage = name switch { "imk.ac" => KeyUsage.EmvCryptogram, "imk.mac" => KeyUsage.EmvIntegrity, _ => KeyUsage.EmvConfidentiality };
            KeyCeremony.Own(tokenService, name, usage, CipherAlgorithm.TripleDes);
        }

        OwnVault(tokenService, "vault.pan", "vault.index");
        KeyCeremony.Own(tokenService, Majia.TokenService.Vault.AuditTrail.Key, KeyUsage.KeyedHash, CipherAlgorithm.Aes);
        // What is not a device number is kept sealed where it passes (decisions.md 21).
        KeyCeremony.Own(acquirer, "card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes);
        KeyCeremony.Own(network, "card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes);
        foreach (var part in (string[])["enc", "mac", "dek"])
        {
            KeyCeremony.Own(tokenService, $"sd.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes);
            KeyCeremony.Own(seIssuer, $"isd.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes);
        }

        foreach (var merchant in SeedData.Merchants)
        {
            ceremony.LoadTerminal(acquirer, modules[TerminalModule(merchant.Terminal)], merchant.Terminal);
        }

        static void OwnVault(KeyModule module, string data, string index)
        {
            KeyCeremony.Own(module, data, KeyUsage.DataEncryption, CipherAlgorithm.Aes);
            KeyCeremony.Own(module, index, KeyUsage.KeyedHash, CipherAlgorithm.Aes);
            KeyCeremony.Own(module, "jwe", KeyUsage.Decryption, CipherAlgorithm.Aes);
        }
    }

    private async Task SeedAsync()
    {
        foreach (var bank in SeedData.Banks)
        {
            await IssuerSeed.ApplyAsync(bank, Store, modules[IssuerModule(bank.Institution)], Time);
        }

        await Acquirer.SeedAsync(new AcquirerSeed([.. SeedData.Merchants.Select(merchant => new Merchant(merchant.Merchant, merchant.Name, merchant.CategoryCode, [merchant.Terminal]))]));
        foreach (var account in SeedData.WalletAccounts)
        {
            if (!await Wallet.HasAccountAsync(account.Account))
            {
                await Wallet.AddAccountAsync(account.Account, account.Password);
            }
        }

        await Store.DurableAsync();
    }

    private void AddTerminal(SeedMerchant merchant)
    {
        var own = SqliteStore.Open(Path.Combine(folder.Terminals, $"{merchant.Terminal}.db"), [TerminalDevice.Schema], Time);
        deviceStores.Add(own);
        var parameters = TerminalParameters.Default with
        {
            PinRule = merchant.AlwaysAsksPin ? MerchantPinRule.Always : MerchantPinRule.OverLimit,
            RetapForVoid = merchant.VoidNeedsTap,
        };
        var line = posLine(new(merchant.Terminal, "acquirer"));
        posLines.Add(merchant.Terminal, line);
        var device = new TerminalDevice(
            new TerminalOptions(merchant.Terminal, merchant.Merchant, merchant.Name) { Parameters = parameters },
            own,
            modules[TerminalModule(merchant.Terminal)],
            line,
            Time,
            entropy,
            Trace);
        devices.Add(device);
        terminals.Add(merchant.Terminal, device);
        fields.Add(merchant.Terminal, new CounterField());
    }

    /// <summary>A handset, made on its first start: chip and trusted side get their keys in the factory.</summary>
    private async Task AddPhoneAsync(SeedHandset handset)
    {
        var memory = new ChipMemoryFile(Path.Combine(folder.Chips, $"{handset.Id}.chip"), Path.Combine(folder.Keys, $"chip-{handset.Id}.key"), entropy);
        devices.Add(memory);
        byte[]? bindingKey = null;
        if (memory.Load() is null)
        {
            var seid = entropy.Bytes(ChipState.SeidLength);
            bindingKey = entropy.Bytes(ChipState.BindingLength);
            memory.Save(ChipImage.Write(ChipFactory.Manufacture(seid, modules["se-issuer"].ClearKeysForChipFactory("isd", seid), bindingKey, entropy)));
        }

        var chip = new PhoneChip(new ChipDevice(memory, entropy));
        devices.Insert(0, chip);
        var own = SqliteStore.Open(Path.Combine(folder.Phones, $"{handset.Id}.db"), [PhoneDevice.Schema], Time);
        deviceStores.Add(own);
        var phone = new PhoneDevice(
            new PhoneOptions(handset.Model, handset.Track, handset.Version, SiliconKey(handset.Id)),
            own,
            chip,
            Lines.Json("wallet", Wallet.Endpoint, Wires.PhoneWallet, Store, innerHop: false),
            Time,
            entropy,
            Trace);
        devices.Insert(0, phone);
        phones.Add(handset.Id, phone);
        if (bindingKey is not null)
        {
            await phone.Trusted.PairAsync(bindingKey);
        }
    }

    /// <summary>The handset's own sealing key: it stands for what is inside its processor.</summary>
    private byte[] SiliconKey(string handset)
    {
        var path = Path.Combine(folder.Keys, $"phone-{handset}.key");
        if (File.Exists(path))
        {
            return File.ReadAllBytes(path);
        }

        var key = entropy.Bytes(32);
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        file.Write(key);
        file.Flush(flushToDisk: true);
        return key;
    }
}
