using System.Collections.Concurrent;
using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Desk;
using Majia.Host.Devices;
using Majia.Host.Keys;
using Majia.Host.Links;
using Majia.Host.Operations;
using Majia.Host.Seed;
using Majia.Host.Tracing;
using Majia.Host.Web.TokenApi;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Network;
using Majia.Phone;
using Majia.Storage;
using Majia.Terminal;
using Majia.TokenService;
using Majia.Transit;
using Majia.Wallet;

namespace Majia.Host;

/// <summary>The parties of one process, composed by role: who has which store, keys and wires stands here and nowhere else.</summary>
/// <remarks>
/// All server parties of a process share one log (majia.db, or one PostgreSQL), so one wait for the disk covers a whole authorisation; phones, chips and terminals have their own (decisions.md 22, 30).
/// A party apart has its own folder with its own log and keys, and its lines leave the process.
/// </remarks>
public sealed partial class MajiaSystem : IAsyncDisposable
{
    private const int LettersShown = 12;

    public const string AcquirerInstitution = KeyTable.AcquirerInstitution;

    private readonly DataFolder folder;
    private readonly Entropy entropy;
    private readonly SortedDictionary<string, KeyModule> modules = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IssuerParty> issuers = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, BankWindow> windows = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IJsonLink> hotlines = new(StringComparer.Ordinal), apps = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, TerminalDevice> terminals = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, ITappedLink> posLines = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, CounterField> fields = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, PhoneDevice> phones = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, IReadOnlyList<DeskMessage>> letters = new(StringComparer.Ordinal);
    private readonly List<IDisposable> devices = [];
    private readonly List<Store> deviceStores = [];
    private readonly Books books;

    private readonly AcquirerParty? acquirer;
    private readonly NetworkParty? network;
    private readonly TokenServiceParty? tokenService;
    private readonly WalletParty? wallet;
    private readonly TransitParty? transit;
    private readonly GateLine? gates;
    private readonly Func<SystemLines.Caller, ITappedLink> posLine;
    private readonly PartyTls? tls;
    private readonly (IJsonLink Network, IJsonLink Wallet)? journals;

    private MajiaSystem(SystemOptions options, DataFolder folder, Func<Books> open, SystemLines lines, PartyTls? tls)
    {
        this.folder = folder;
        this.tls = tls;
        Lines = lines;
        Roles = options.Roles;
        entropy = options.Entropy;
        Time = options.Time;
        Wires = new Wires(options.Time);
        var here = Institutions(options);
        LoadKeys(options.Production, here);
        Plastics = new PlasticCards(folder.Chips, folder.Keys, party => modules.GetValueOrDefault(party) ?? throw new PartyElsewhereException(party == KeyTable.Network ? Role.Network : Role.Issuer), entropy);
        devices.Add(Plastics);
        books = open();
        Trace = new TraceStore(SqliteStore.Open(Path.Combine(folder.Path, "trace.db"), [TraceStore.Schema], Time), Time);

        var (acquiring, switching, wallets) = (new AcquirerOptions(), new NetworkOptions(), new WalletOptions { PasswordIterations = options.PasswordIterations });
        if (Has(Role.Issuer))
        {
            var rewards = OwnFiles.Rewards(folder.Path);
            foreach (var bank in SeedData.Banks.Where(bank => here.Contains(bank.Institution)))
            {
                var name = KeyTable.Issuer(bank.Institution);
                var issuer = new IssuerParty(bank.Options with { PasswordIterations = options.PasswordIterations, Rewards = rewards, RefusesTestAgents = options.Production }, books.Of(IssuerParty.Schema), modules[name], Time, entropy, Trace);
                issuers.Add(bank.Institution, issuer);
                lines.Answer(Line.TokenIssuer, name, issuer.Endpoint, Store);
                lines.Answer(Line.BankDesk, name, BankWindow.Of(issuer.Desk, name), Store);
                lines.Answer(Line.BankDesk, HotlineOf(bank.Institution), issuer.Hotline.Map(HotlineOf(bank.Institution)), Store);
                lines.Answer(Line.BankDesk, AppOf(bank.Institution), issuer.App.Map(AppOf(bank.Institution)), Store);
            }
        }

        // Every bank has its own end of the lines to banks, here or elsewhere.
        IReadOnlyList<string> banks = [.. SeedData.Banks.Select(bank => bank.Institution)];
        var toIssuers = lines.Listen(
            Line.NetworkIssuer, issuers.Count == 0 ? null : new IsoRouter(issuers.ToDictionary(bank => bank.Key, bank => (IIsoServer)bank.Value)), Wires.NetworkIssuer, Store, innerHop: true,
            OverloadAnswers.Switch((destination, _) => modules.TryGetValue(KeyTable.Issuer(destination), out var issuer) ? (issuer, "zak.network") : null, switching.Mac));
        if (Has(Role.Token))
        {
            tokenService = new TokenServiceParty(
                new TokenServiceOptions(), books.Of(TokenServiceParty.Schema), modules[KeyTable.TokenService],
                banks.ToDictionary(bank => bank, bank => lines.Json(Line.TokenIssuer, KeyTable.Issuer(bank), bank, issuers.GetValueOrDefault(bank)?.Endpoint, Wires.TokenIssuer, Store, innerHop: true)), Time, entropy, Trace);
            lines.Answer(Line.WalletToken, KeyTable.TokenService, tokenService.EndpointFor(wallets.TokenRequestorId), Store);
            foreach (var bank in banks)
            {
                lines.Answer(Line.IssuerToken, KeyTable.Issuer(bank), tokenService.IssuerEndpointFor(bank), Store);
            }
        }

        foreach (var (bank, issuer) in issuers)
        {
            issuer.TokenService = lines.Json(Line.IssuerToken, KeyTable.Issuer(bank), null, tokenService?.IssuerEndpointFor(bank), Wires.IssuerToken, Store, innerHop: true);
        }

        var toTokenService = lines.Listen(
            Line.NetworkToken, tokenService, Wires.NetworkToken, Store, innerHop: true, OverloadAnswers.Switch((_, _) => (modules[KeyTable.TokenService], "zak.network"), switching.Mac));
        if (Has(Role.Network))
        {
            network = new NetworkParty(
                switching, books.Of(NetworkParty.Schema), modules[KeyTable.Network], toTokenService(new(switching.Institution, switching.TokenService)),
                banks.ToDictionary(
                    bank => bank,
                    bank => (IIsoLink)(issuers.ContainsKey(bank) ? toIssuers(new(switching.Institution, bank)) : lines.Elsewhere(Line.NetworkIssuer, new(switching.Institution, bank), Wires.NetworkIssuer, Store))),
                Time, entropy, Trace);
        }

        var toNetwork = lines.Listen(
            Line.AcquirerNetwork, network, Wires.AcquirerNetwork, Store, innerHop: true, OverloadAnswers.Switch((_, source) => (modules[KeyTable.Network], $"zak.{source}"), switching.Mac));
        if (Has(Role.Acquirer))
        {
            acquirer = new AcquirerParty(acquiring, books.Of(AcquirerParty.Schema), modules[KeyTable.Acquirer], toNetwork(new(acquiring.Institution, acquiring.Network)), Time, entropy, Trace);
        }

        posLine = lines.Listen(
            Line.Pos, acquirer, Wires.PosLine, Store, innerHop: false,
            acquirer is null ? null : OverloadAnswers.Pos(modules[KeyTable.Acquirer], acquiring.Mac, acquiring.Institution, acquiring.UtcOffset, Time));
        if (Has(Role.Transit))
        {
            transit = new TransitParty(TransitOptions.Default, books.Of(TransitParty.Schema), modules[KeyTable.Transit], Time, entropy, Trace);
            lines.Answer(Line.PhoneTransit, "transit", transit.Endpoint, Store);
            lines.Answer(Line.GateTransit, "gates", transit.GateEndpoint, Store);
        }

        if (Has(Role.Terminal))
        {
            gates = new GateLine(folder.Terminals, modules[KeyTable.Gate], lines.Json(Line.GateTransit, "gates", null, transit?.GateEndpoint, Wires.GateTransit, Store, innerHop: false), Time);
        }

        if (Has(Role.Wallet))
        {
            wallet = new WalletParty(
                wallets, books.Of(WalletParty.Schema), new SeIssuer(modules[KeyTable.SeIssuer], books.Of(WalletParty.Schema), Time, Trace),
                lines.Json(Line.WalletToken, KeyTable.TokenService, null, tokenService?.EndpointFor(wallets.TokenRequestorId), Wires.WalletToken, Store, innerHop: true), Time, entropy, Trace);
            lines.Answer(Line.PhoneWallet, "wallet", wallet.Endpoint, Store);
            lines.Answer(Line.TokenWallet, "wallet", wallet.Journal, Store);
            lines.Answer(Line.TokenWallet, "wallet-notices", wallet.NoticeEndpoint, Store);
        }

        if (tokenService is not null)
        {
            tokenService.Requestors = new Dictionary<string, IJsonLink>
            {
                [wallets.TokenRequestorId] = lines.Json(Line.TokenWallet, "wallet-notices", null, wallet?.NoticeEndpoint, Wires.TokenWallet, Store, innerHop: true),
            };
        }

        if (network is not null)
        {
            lines.Answer(Line.TokenNetwork, "network", network.Journal, Store);
        }

        // What a restored token service asks the others for (decisions.md 24).
        if (tokenService?.FenceUp is not null)
        {
            journals = (
                lines.Json(Line.TokenNetwork, "network", null, network?.Journal, Wires.TokenNetwork, Store, innerHop: true),
                lines.Json(Line.TokenWallet, "wallet", null, wallet?.Journal, Wires.TokenWallet, Store, innerHop: true));
        }

        // Whoever shows a bank's counter asks at its window; a process without pages has none.
        foreach (var bank in SeedData.Banks.Where(_ => Has(Role.Web)))
        {
            var name = KeyTable.Issuer(bank.Institution);
            var endpoint = issuers.TryGetValue(bank.Institution, out var issuer) ? BankWindow.Of(issuer.Desk, name) : null;
            hotlines.Add(bank.Institution, lines.Json(Line.BankDesk, HotlineOf(bank.Institution), bank.Institution, issuer?.Hotline.Map(HotlineOf(bank.Institution)), Wires.BankDesk, Store, innerHop: false));
            apps.Add(bank.Institution, lines.Json(Line.BankDesk, AppOf(bank.Institution), bank.Institution, issuer?.App.Map(AppOf(bank.Institution)), Wires.BankDesk, Store, innerHop: false));
            windows.Add(bank.Institution, new BankWindow(bank.Institution, bank.Name, lines.Json(Line.BankDesk, name, bank.Institution, endpoint, Wires.BankDesk, Store, innerHop: false)));
        }
    }

    public Wires Wires { get; }

    /// <summary>What listens and what calls, where the parties talk over sockets.</summary>
    public SystemLines Lines { get; }

    public TimeProvider Time { get; }

    /// <summary>The rows of all parties of this process.</summary>
    public Store Store => books.Whole;

    public TraceStore Trace { get; }

    /// <summary>What this process is of the whole.</summary>
    public IReadOnlySet<Role> Roles { get; }

    /// <exception cref="PartyElsewhereException">It runs in another process.</exception>
    public AcquirerParty Acquirer => acquirer ?? throw new PartyElsewhereException(Role.Acquirer);

    /// <exception cref="PartyElsewhereException">It runs in another process.</exception>
    public NetworkParty Network => network ?? throw new PartyElsewhereException(Role.Network);

    /// <exception cref="PartyElsewhereException">It runs in another process.</exception>
    public TokenServiceParty TokenService => tokenService ?? throw new PartyElsewhereException(Role.Token);

    /// <exception cref="PartyElsewhereException">It runs in another process.</exception>
    public WalletParty Wallet => wallet ?? throw new PartyElsewhereException(Role.Wallet);

    /// <summary>The banks of this process, by institution number.</summary>
    public IReadOnlyDictionary<string, IssuerParty> Issuers => issuers;

    /// <summary>Every bank's counter, by institution number; for a process with pages.</summary>
    public IReadOnlyDictionary<string, BankWindow> Windows => windows;

    /// <summary>What banks of other processes wrote to their customers, by institution, newest first, as of the last round.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<DeskMessage>> Letters => letters;

    /// <summary>By terminal number.</summary>
    public IReadOnlyDictionary<string, TerminalDevice> Terminals => terminals;

    /// <summary>The air over each terminal.</summary>
    public IReadOnlyDictionary<string, CounterField> Fields => fields;

    /// <summary>The line of each terminal to its acquirer.</summary>
    public IReadOnlyDictionary<string, ITappedLink> PosLines => posLines;

    /// <summary>By the ids of <see cref="SeedData.Handsets"/>.</summary>
    public IReadOnlyDictionary<string, PhoneDevice> Phones => phones;

    /// <exception cref="PartyElsewhereException">It runs in another process.</exception>
    public TransitParty Transit => transit ?? throw new PartyElsewhereException(Role.Transit);

    /// <summary>The gates of the transit line, where the terminals are.</summary>
    /// <exception cref="PartyElsewhereException">They are in another process.</exception>
    public GateLine Gates => gates ?? throw new PartyElsewhereException(Role.Terminal);

    /// <summary>The customers' plastic, and the authority's keys that terminals check it with.</summary>
    public PlasticCards Plastics { get; }

    /// <summary>Opens the data folder, runs the key ceremony and the seeding where they are due, and starts every party.</summary>
    /// <exception cref="DataFolderInUseException">Another process has the folder.</exception>
    /// <exception cref="ProductionRefusedException">Production mode, and test keys or none.</exception>
    /// <exception cref="StoreException">The folder or a database cannot be used.</exception>
    /// <exception cref="PortTakenException">A line's port is in use.</exception>
    /// <exception cref="KeysMissingException">Parties apart, and keys that they share are not here.</exception>
    /// <exception cref="TlsFilesException">A certificate is missing or damaged.</exception>
    public static async Task<MajiaSystem> OpenAsync(SystemOptions options)
    {
        var folder = DataFolder.Open(options.DataPath);
        SystemLines? lines = null;
        PartyTls? tls = null;
        Books? books = null;
        MajiaSystem system;
        try
        {
            tls = options.Tls is { } certificates ? PartyTls.Load(certificates, options.Roles, Institutions(options), options.Time, options.Log) : null;
            lines = await SystemLines.OpenAsync(new LineOptions(options.Links, options.BasePort, options.Roles, options.Peers, tls, options.Bind), options.Time, options.Entropy);
            system = new MajiaSystem(options, folder, () => books = Books.Open(options, folder, Schemas(options.Roles)), lines, tls);
        }
        catch
        {
            if (books is not null)
            {
                await books.DisposeAsync();
            }

            if (lines is not null)
            {
                await lines.DisposeAsync();
            }

            tls?.Dispose();
            folder.Dispose();
            throw;
        }

        try
        {
            await system.SeedAsync(options.PasswordIterations);
            foreach (var merchant in SeedData.Merchants.Where(_ => system.Has(Role.Terminal)))
            {
                system.AddTerminal(merchant);
            }

            foreach (var handset in SeedData.Handsets.Where(_ => system.Has(Role.Phone)))
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
        // In the order in which one party's news makes another's: phone → token service → bank, bank → token service → bank and wallet, acquirer → network → bank.
        foreach (var issuer in issuers.Values)
        {
            await PumpAsync("issuer", () => issuer.PumpAsync(cancellation));
        }

        foreach (var phone in phones.Values)
        {
            await PumpAsync("phone", () => phone.PumpAsync(cancellation));
        }

        await PumpAsync("gate", () => gates?.PumpAsync(cancellation));
        await PumpAsync("acquirer", () => acquirer?.PumpAsync(cancellation));
        await Store.DurableAsync(); // what the switch has just been told is sent on in the same round
        await PumpAsync("network", () => network?.PumpAsync(cancellation));
        await PumpAsync("token-service", () => journals is var (fromNetwork, fromWallet) ? tokenService?.ReplayAsync(fromNetwork, fromWallet, cancellation) : null);
        await PumpAsync("token-service", () => tokenService?.SweepAsync(cancellation));
        await PumpAsync("token-service", () => tokenService?.PumpAsync(cancellation));
        await PumpAsync("wallet", () => wallet?.SweepAsync(cancellation));
        foreach (var window in windows.Values.Where(window => !issuers.ContainsKey(window.Institution)))
        {
            await PumpAsync("phone", async () => letters[window.Institution] = await window.RecentAsync(LettersShown));
        }

        await PumpAsync("wallet", () => wallet?.ReconcileDailyAsync(cancellation));
        await PumpAsync("token-service", () => tokenService?.ReconcileDailyAsync(cancellation));
        await PumpAsync("token-service", () => tokenService?.RenewDailyAsync());
        await Store.DurableAsync();
    }

    private async Task PumpAsync(string party, Func<Task?> round)
    {
        try
        {
            await (round() ?? Task.CompletedTask);
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
        await (gates?.DisposeAsync() ?? ValueTask.CompletedTask);
        foreach (var deviceStore in deviceStores)
        {
            await deviceStore.DisposeAsync();
        }

        await Trace.DisposeAsync();
        await books.DisposeAsync();
        tls?.Dispose();
        folder.Dispose();
    }

    /// <summary>A terminal's key module, for a merchant who turned thief: the demonstration's replay signs with it.</summary>
    internal KeyModule TerminalKeys(string terminal) => modules[KeyTable.Terminal(terminal)];

    /// <summary>The token service's door for callers outside; made where the token service runs and pages are served.</summary>
    internal TokenApiRoutes TokenApi()
    {
        string[] requestors = [.. new TokenServiceOptions().TokenRequestors], banks = [.. SeedData.Banks.Select(bank => bank.Institution)];
        return new TokenApiRoutes(TokenService, ApiSecrets.Open(folder.Keys, [.. requestors, .. banks], entropy), requestors, banks, Store, entropy);
    }

    /// <summary>The banks' hotlines for agents outside, each behind its bank's secret.</summary>
    internal HotlineRoutes Hotline() => new(hotlines, ApiSecrets.Open(folder.Keys, SeedData.Banks.Select(bank => bank.Institution), entropy), Store);

    /// <summary>The banks' own apps, for their customers.</summary>
    internal BankAppRoutes BankApps() => new(apps, Store);

    /// <summary>The same apps, as the phone at the counter has them: by institution.</summary>
    internal IReadOnlyDictionary<string, IJsonLink> BankAppLines => apps;

    private static string AppOf(string institution) => $"app-{institution}";

    private static string HotlineOf(string institution) => $"hotline-{institution}";

    /// <summary>A party's key module, for whoever proves what keys may and may not do.</summary>
    internal KeyModule Keys(string party) => modules[party];

    private static IReadOnlyList<string> Institutions(SystemOptions options) => options.Institutions ?? [.. SeedData.Banks.Select(bank => bank.Institution)];

    public bool Has(Role role) => Roles.Contains(role);

    /// <summary>Tables of the parties that are here.</summary>
    private static IReadOnlyList<PartySchema> Schemas(IReadOnlySet<Role> roles) =>
    [
        .. roles.Contains(Role.Issuer) ? [IssuerParty.Schema] : (PartySchema[])[],
        .. roles.Contains(Role.Token) ? [TokenServiceParty.Schema] : (PartySchema[])[],
        .. roles.Contains(Role.Network) ? [NetworkParty.Schema] : (PartySchema[])[],
        .. roles.Contains(Role.Acquirer) ? [AcquirerParty.Schema] : (PartySchema[])[],
        .. roles.Contains(Role.Wallet) ? [WalletParty.Schema] : (PartySchema[])[],
        .. roles.Contains(Role.Transit) ? [TransitParty.Schema] : (PartySchema[])[],
        OperationsSchema.Schema,
        Restoration.Schema,
    ];

    /// <summary>Opens the key modules of the parties here. All in one process hold the ceremony among themselves; parties apart must have their keys.</summary>
    private void LoadKeys(bool production, IReadOnlyList<string> institutions)
    {
        foreach (var party in KeyTable.Modules(Roles, institutions))
        {
            modules.Add(party, KeyModule.Open(folder.Keys, party, entropy, production));
        }

        if (production)
        {
            throw new ProductionRefusedException("production mode refuses the seeded banks, cards and keys: they are test data, and this build has no other way to load keys yet / 生产模式拒绝内置的测试银行、测试卡和测试密钥");
        }

        if (Composition.Roles.All.All(Has) && institutions.Count == SeedData.Banks.Count)
        {
            KeyTable.Fill(modules, new KeyCeremony(entropy));
        }
        else if (KeyTable.Missing(modules) is { Count: > 0 } missing)
        {
            throw new KeysMissingException(folder.Path, missing);
        }
    }
}
