using System.Collections.Immutable;
using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Network;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Storage;
using Majia.Terminal;
using Majia.TokenService;
using Majia.Wallet;

namespace Majia.Simulation;

/// <summary>A server process: its store, and the parties that live in it. Crashed, it comes back on the image of its last commit.</summary>
public sealed class Node(string name, Process process, InlineStore store)
{
    public string Name { get; } = name;

    public Process Process { get; internal set; } = process;

    public InlineStore Store { get; internal set; } = store;

    public bool IsUp { get; internal set; }

    internal AcquirerParty? Acquirer { get; set; }

    internal NetworkParty? Network { get; set; }

    internal TokenServiceParty? TokenService { get; set; }

    internal WalletParty? Wallet { get; set; }

    internal SortedDictionary<string, IssuerParty> Issuers { get; } = new(StringComparer.Ordinal);
}

/// <summary>A till with its terminal.</summary>
public sealed class Counter(Till till)
{
    public Till Till { get; } = till;

    public Process Process { get; internal set; } = null!;

    public InlineStore Store { get; internal set; } = null!;

    public TerminalDevice Device { get; internal set; } = null!;

    internal IIsoLink Line { get; set; } = null!;

    /// <summary>A sale or a void is under way.</summary>
    public bool IsBusy { get; internal set; }
}

/// <summary>A phone with its chip.</summary>
public sealed class Handset(int number, HandsetSeed seed, MemoryChip memory, byte[] silicon)
{
    public int Number { get; } = number;

    public HandsetSeed Seed { get; } = seed;

    public MemoryChip Memory { get; } = memory;

    public byte[] Silicon { get; } = silicon;

    public Process Process { get; internal set; } = null!;

    public InlineStore Store { get; internal set; } = null!;

    public PhoneDevice Device { get; internal set; } = null!;

    public ChipDevice Chip { get; internal set; } = null!;

    /// <summary>Payment instances that died in a purge of which the phone's owner has been told: instance and binding value.</summary>
    public SortedSet<string> Purged { get; } = new(StringComparer.Ordinal);

    /// <summary>What the chip's memory says can be paid with now: instance and binding value.</summary>
    public IReadOnlyList<string> LiveInChip() => [.. State.Payments.Where(State.IsLive).Select(static payment => $"{payment.Aid}/{Convert.ToHexString(payment.BindingValue.Span)}")];

    /// <summary>Instances that a reader can meet, by AID.</summary>
    public IReadOnlyList<string> SelectableInChip() => [.. State.Payments.Where(State.CanBeSelected).Select(static payment => payment.Aid.ToString())];

    private ChipState State => ChipImage.TryRead(Memory.Image, out var state, out var error) ? state : throw new InvalidOperationException(error);
}

/// <summary>A chip's memory that survives its power.</summary>
public sealed class MemoryChip(byte[] image) : IChipMemory
{
    public byte[] Image { get; private set; } = image;

    public byte[] Load() => Image;

    public void Save(ReadOnlySpan<byte> image) => Image = image.ToArray();
}

/// <summary>A whole world at rest, from which any number of runs begin.</summary>
/// <param name="Stores">By node, <c>terminal-…</c> and <c>phone-…</c>; absent: empty.</param>
public sealed record WorldImage(Cast Cast, DateTimeOffset Now, KeyRing Keys, bool Split, ImmutableSortedDictionary<string, byte[]> Stores, ImmutableArray<byte[]> Chips, ImmutableArray<byte[]> Silicon);

/// <summary>Every party's production code, on one thread and one virtual clock, over wires with weather.</summary>
public sealed class World : IDisposable
{
    private readonly SortedDictionary<string, Wire> wires = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, Node> nodes = new(StringComparer.Ordinal);
    private readonly WorldImage image;
    private readonly Luck disks;
    private long orders;

    public World(WorldImage image, long seed, Plant plant = Plant.None)
    {
        this.image = image;
        Entropy = new SeededEntropy(seed, "parties");
        RunEntropy.Use(Entropy);
        Scheduler = new Scheduler(image.Now, new Luck(seed, "turns"));
        Air = new Process("air", Scheduler);
        disks = new Luck(seed, "disks");
        Plastics = new Plastics(Cast);
        Watch = new Watch(this);
        Plants = new Plants(this, plant);
        foreach (var name in Cast.WireNames)
        {
            wires.Add(name, new Wire(name, new Luck(seed, name)));
        }

        foreach (var name in image.Split ? Cast.Roles : ["server"])
        {
            nodes.Add(name, new Node(name, new Process(name, Scheduler), new InlineStore(Schemas(name), image.Stores.GetValueOrDefault(name), Disk)));
            Boot(nodes[name]);
        }

        Counters = [.. Cast.Tills.Select(till => new Counter(till))];
        foreach (var counter in Counters)
        {
            Open(counter, image.Stores.GetValueOrDefault($"terminal-{counter.Till.Terminal}"));
        }

        Handsets = [.. Cast.Handsets.Select((handset, i) => new Handset(i, handset, new MemoryChip(image.Chips[i]), image.Silicon[i]))];
        foreach (var handset in Handsets)
        {
            Open(handset, image.Stores.GetValueOrDefault($"phone-{handset.Number}"));
        }
    }

    public Scheduler Scheduler { get; }

    public Entropy Entropy { get; }

    /// <summary>What is between the parties: it never dies.</summary>
    public Process Air { get; }

    public Watch Watch { get; }

    public Plastics Plastics { get; }

    /// <summary>Numbers of the owner's orders over device cards, rising.</summary>
    public long NextOrder() => ++orders;

    public Plants Plants { get; }

    public KeyRing Keys => image.Keys;

    public Cast Cast => image.Cast;

    /// <summary>Each server party has a process and a store of its own; else they share one of each.</summary>
    public bool IsSplit => image.Split;

    public IReadOnlyList<Counter> Counters { get; }

    public IReadOnlyList<Handset> Handsets { get; }

    public IReadOnlyCollection<Node> Nodes => nodes.Values;

    public IReadOnlyCollection<Wire> Wires => wires.Values;

    /// <summary>The first thing that no party should ever do: an exception where none is allowed.</summary>
    public string? Surprised { get; private set; }

    public Wire WireOf(string name) => wires[name];

    public Node NodeOf(string role) => nodes[IsSplit ? role : "server"];

    /// <summary>The process that answers for a role, or null while it is down.</summary>
    public Node? Up(string role) => NodeOf(role) is { IsUp: true } node ? node : null;

    public T Read<T>(string role, Func<Session, T> query) => NodeOf(role).Store.Read(query);

    /// <summary>Power fails: whatever was not durable is gone, whatever was under way is not finished.</summary>
    public void Crash(Node node)
    {
        node.Process.Kill();
        node.IsUp = false;
        var before = node.Store;
        node.Store = new InlineStore(Schemas(node.Name), before.Snapshot(), Disk);
        before.DisposeAsync().AsTask().Wait();
    }

    public void Restart(Node node)
    {
        if (!node.IsUp)
        {
            node.Process = new Process(node.Name, Scheduler);
            Boot(node);
        }
    }

    /// <summary>A terminal is switched off and on.</summary>
    public void Restart(Counter counter)
    {
        counter.Process.Kill();
        var before = counter.Store;
        Open(counter, before.Snapshot());
        before.DisposeAsync().AsTask().Wait();
        counter.IsBusy = false;
    }

    /// <summary>A phone's battery is taken out and put in.</summary>
    public void Restart(Handset handset)
    {
        handset.Process.Kill();
        handset.Device.PowerOff();
        var before = handset.Store;
        Open(handset, before.Snapshot());
        before.DisposeAsync().AsTask().Wait();
    }

    /// <summary>Runs <paramref name="work"/> in <paramref name="process"/> and lets time pass until it is done.</summary>
    public T Do<T>(Process process, Func<Task<T>> work)
    {
        var task = process.CallAsync(work);
        if (!Scheduler.AdvanceUntil(() => task.IsCompleted, TimeSpan.FromMinutes(30)))
        {
            throw new InvalidOperationException($"{process.Name} did not finish");
        }

        return task.GetAwaiter().GetResult();
    }

    public void Do(Process process, Func<Task> work) => Do(process, async () =>
    {
        await work();
        return true;
    });

    public void Surprise(string where, Exception error)
    {
        if (error is EscapedException)
        {
            throw error;
        }

        Surprised ??= $"{where}: {error.GetType().Name}: {error.Message} {error.StackTrace?.Split('\n').FirstOrDefault()?.Trim()}";
    }

    /// <summary>Units of the servers' stores, as they stand since their last restart, that ran while a commit was under way.</summary>
    public long RanAhead => nodes.Values.Sum(node => node.Store.RanAhead);

    /// <summary>The world as it stands, everything durable.</summary>
    public WorldImage Snapshot()
    {
        var stores = ImmutableSortedDictionary.CreateBuilder<string, byte[]>(StringComparer.Ordinal);
        foreach (var node in nodes.Values)
        {
            stores.Add(node.Name, Durable(node.Store));
        }

        foreach (var counter in Counters)
        {
            stores.Add($"terminal-{counter.Till.Terminal}", Durable(counter.Store));
        }

        foreach (var handset in Handsets)
        {
            stores.Add($"phone-{handset.Number}", Durable(handset.Store));
        }

        return image with { Now = Scheduler.Now, Stores = stores.ToImmutable(), Chips = [.. Handsets.Select(handset => handset.Memory.Image)] };

        static byte[] Durable(InlineStore store)
        {
            store.Flush();
            return store.Snapshot();
        }
    }

    public void Dispose()
    {
        foreach (var store in nodes.Values.Select(node => node.Store).Concat(Counters.Select(counter => counter.Store)).Concat(Handsets.Select(handset => handset.Store)))
        {
            store.DisposeAsync().AsTask().Wait();
        }

        RunEntropy.Use(null);
    }

    /// <summary>A server's disk takes its time, and units run ahead of it; power that fails meanwhile takes the commit with it.</summary>
    private void Disk(Action landed)
    {
        const int Usual = 6, Hanging = 900;
        Scheduler.After(TimeSpan.FromMilliseconds(disks.Below(disks.OneIn(4) ? Hanging : Usual)), Air, landed);
    }

    // ---- composition: the same parties, keys and wires as Majia.Host has ----

    private static IReadOnlyList<PartySchema> Schemas(string node) => node switch
    {
        "acquirer" => [AcquirerParty.Schema],
        "network" => [NetworkParty.Schema],
        "token-service" => [TokenServiceParty.Schema],
        "wallet" => [WalletParty.Schema],
        "server" => [IssuerParty.Schema, TokenServiceParty.Schema, NetworkParty.Schema, AcquirerParty.Schema, WalletParty.Schema],
        _ => [IssuerParty.Schema],
    };

    private void Boot(Node node)
    {
        var (process, store, clock) = (node.Process, node.Store, node.Process.Clock);
        foreach (var role in IsSplit ? [node.Name] : Cast.Roles)
        {
            switch (role)
            {
                case "acquirer":
                    node.Acquirer = new AcquirerParty(new AcquirerOptions(), store, Keys[role], Iso(node, "acquirer-network", "network", static to => to.Network!), clock, Entropy, NoTrace.Instance);
                    break;
                case "network":
                    node.Network = new NetworkParty(
                        new NetworkOptions(), store, Keys[role], Iso(node, "network-token", "token-service", static to => to.TokenService!),
                        Cast.Banks.ToDictionary(bank => bank.Institution, bank => Iso(node, $"network-issuer-{bank.Institution}", $"issuer-{bank.Institution}", to => to.Issuers[bank.Institution])),
                        clock, Entropy, NoTrace.Instance);
                    break;
                case "token-service":
                    node.TokenService = new TokenServiceParty(
                        new TokenServiceOptions(), store, Keys[role],
                        Cast.Banks.ToDictionary(bank => bank.Institution, bank => Json(node, "token-issuer", $"issuer-{bank.Institution}", to => to.Issuers[bank.Institution].Endpoint)),
                        clock, Entropy, NoTrace.Instance)
                    {
                        Requestors = new Dictionary<string, IJsonLink> { [Requestor] = Json(node, "token-wallet", "wallet", static to => to.Wallet!.NoticeEndpoint) },
                    };
                    break;
                case "wallet":
                    node.Wallet = new WalletParty(
                        new WalletOptions { PasswordIterations = SmallWorld.PasswordIterations }, store, new SeIssuer(Keys["se-issuer"], store, clock, NoTrace.Instance),
                        WalletLine(node), clock, Entropy, NoTrace.Instance);
                    break;
                default:
                    var institution = role["issuer-".Length..];
                    node.Issuers[institution] = new IssuerParty(Cast.Banks.Single(bank => bank.Institution == institution).Options with { PasswordIterations = SmallWorld.PasswordIterations }, store, Keys[role], clock, Entropy, NoTrace.Instance)
                    {
                        TokenService = IssuerLine(node, institution),
                    };
                    break;
            }
        }

        node.IsUp = true;
    }

    /// <summary>The wallet's own line to the token service.</summary>
    internal IJsonLink WalletLine(Node node) => Json(node, "wallet-token", "token-service", static to => to.TokenService!.EndpointFor(Requestor));

    private const string Requestor = "99900000001";

    /// <summary>A bank's own line to the token service.</summary>
    internal IJsonLink IssuerLine(Node node, string institution) => Json(node, "issuer-token", "token-service", to => to.TokenService!.IssuerEndpointFor(institution));

    private IIsoLink Iso(Node client, string wire, string role, Func<Node, IIsoServer> server) =>
        new SimIsoLink(this, WireOf(wire), client.Process, IsSplit ? client.Store.DurableAsync : null, role, server, edge: IsSplit);

    private IJsonLink Json(Node client, string wire, string role, Func<Node, JsonEndpoint> endpoint) =>
        new SimJsonLink(this, WireOf(wire), client.Process, IsSplit ? client.Store.DurableAsync : null, role, endpoint, edge: IsSplit);

    /// <summary>A POS line for whoever has the number to dial: a terminal, or a thief.</summary>
    internal IIsoLink PosLine(Process client) => new SimIsoLink(this, WireOf("pos-line"), client, null, "acquirer", static to => to.Acquirer!, edge: true);

    /// <summary>What terminals check a plastic with.</summary>
    private IReadOnlyList<AuthorityKey> Authorities => [new(AuthorityKey.UnionPay, AuthorityKey.TestSm2Index, Keys["network"].Sm2Public(KeyRing.Authority), [], new DateOnly(2035, 12, 31))];

    private void Open(Counter counter, byte[]? snapshot)
    {
        counter.Process = new Process($"terminal-{counter.Till.Terminal}", Scheduler);
        counter.Store = new InlineStore([TerminalDevice.Schema], snapshot);
        counter.Line = PosLine(counter.Process);
        counter.Device = new TerminalDevice(Cast.TerminalOf(counter.Till) with { Authorities = _ => ValueTask.FromResult(Authorities) }, counter.Store, Keys[$"terminal-{counter.Till.Terminal}"], counter.Line, counter.Process.Clock, Entropy, NoTrace.Instance);
    }

    private void Open(Handset handset, byte[]? snapshot)
    {
        handset.Process = new Process($"phone-{handset.Number}", Scheduler);
        handset.Store = new InlineStore([PhoneDevice.Schema], snapshot);
        handset.Chip = new ChipDevice(handset.Memory, Entropy);
        handset.Device = new PhoneDevice(
            new PhoneOptions(handset.Seed.Model, handset.Seed.Track, handset.Seed.Version, handset.Silicon), handset.Store, new Solder(handset.Chip, Plants),
            new SimJsonLink(this, WireOf("phone-wallet"), handset.Process, null, "wallet", static to => to.Wallet!.Endpoint, edge: true),
            handset.Process.Clock, Entropy, NoTrace.Instance);
    }

    /// <summary>Between a handset and its chip: the two projects do not know each other.</summary>
    private sealed class Solder : IChip
    {
        private readonly ChipDevice chip;

        public Solder(ChipDevice chip, Plants plants)
        {
            this.chip = chip;
            Trusted = plants.OnTrustedLine(chip.Trusted);
            chip.Paid += paid => Paid?.Invoke(new ChipPayment(paid.Instance.ToString(), paid.Amount, paid.Currency, paid.Atc, paid.Declined));
        }

        public event Action<ChipPayment>? Paid;

        public string Seid => chip.Seid;

        public ICardChannel Wired => chip.Wired;

        public ICardChannel Trusted { get; }

        public ICardChannel Contactless => chip.Contactless;

        public void FieldReset() => chip.FieldReset();

        public void PowerOn() => chip.PowerOn();

        public void PowerOff() => chip.PowerOff();
    }
}
