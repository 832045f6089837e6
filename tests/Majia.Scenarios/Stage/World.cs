using System.Text.RegularExpressions;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;
using Majia.Storage;
using Majia.Terminal;

namespace Majia.Scenarios.Stage;

/// <summary>The whole system in a folder of its own, with a clock that stands still and numbers that can be replayed; and what people do with it.</summary>
public sealed partial class World : IAsyncDisposable
{
    public const string Books = "10000001", Jewellers = "10000002", Finger = "right thumb", Pin = SeedData.TestPin, WrongPin = "905173";

    public static readonly DateTimeOffset Start = new(2026, 6, 1, 2, 0, 0, TimeSpan.Zero);

    /// <summary>In real time: a scenario that hangs ends.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly bool ownsFolder;
    private readonly long seed;
    private string? store;
    private int starts;

    private World(string folder, bool ownsFolder, long seed, StageClock clock)
    {
        (Folder, this.ownsFolder, this.seed, Clock) = (folder, ownsFolder, seed, clock);
    }

    public string Folder { get; }

    public StageClock Clock { get; }

    public MajiaSystem System { get; private set; } = null!;

    public static async Task<World> OpenAsync(long seed = 1, string? folder = null, DateTimeOffset? at = null)
    {
        var world = new World(folder ?? Directory.CreateTempSubdirectory("majia-scenario-").FullName, folder is null, seed, new StageClock(at ?? Start));
        world.store = folder is null ? await SystemStore.NewAsync() : null; // a folder that is looked into has its file
        await world.StartAsync();
        return world;
    }

    /// <summary>Everything stops and starts again on the same folder.</summary>
    public async Task RestartAsync()
    {
        await System.DisposeAsync();
        await StartAsync();
    }

    private async Task StartAsync() =>
        System = await MajiaSystem.OpenAsync(new SystemOptions(Folder, Clock, new RecordedEntropy(new SeededEntropy(seed, $"scenario/{starts++}"), Drawn)) { PasswordIterations = 100, Store = store, Postgres = PostgresServer.Options });

    /// <summary>Everything of the length of a key that was ever drawn: keys are among it.</summary>
    public List<byte[]> Drawn { get; } = [];

    private sealed class RecordedEntropy(Entropy inner, List<byte[]> drawn) : Entropy
    {
        public override void Fill(Span<byte> buffer)
        {
            inner.Fill(buffer);
            if (buffer.Length is 16 or 24 or 32)
            {
                lock (drawn)
                {
                    drawn.Add(buffer.ToArray());
                }
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await System.DisposeAsync();
        if (ownsFolder)
        {
            Directory.Delete(Folder, recursive: true);
        }
    }

    // ---- the owner ----

    public PhoneDevice Phone(string handset = "mi5") => System.Phones[handset];

    public string Seid(string handset = "mi5") => System.Store.Read(session => session.Text("SELECT seid FROM wallet_device WHERE device_id = $1", Phone(handset).State.DeviceId))!;

    /// <summary>Signed in, Find Device on, a finger enrolled.</summary>
    public async Task<PhoneDevice> ReadyToAddAsync(string handset = "mi5", int account = 0)
    {
        var phone = Phone(handset);
        if (!phone.State.SignedIn)
        {
            Assert.Empty(await phone.SignInAsync(SeedData.WalletAccounts[account].Account, SeedData.WalletAccounts[account].Password));
        }

        Assert.Empty(await phone.SetFindDeviceAsync(true));
        await phone.EnrolFingerprintAsync(Finger);
        return phone;
    }

    /// <summary>Every reason why a handset takes no card.</summary>
    public async Task<IReadOnlyList<Refusal>> ReadyToAddOrRefuseAsync(string handset)
    {
        var phone = Phone(handset);
        var reasons = await phone.SignInAsync(SeedData.WalletAccounts[0].Account, SeedData.WalletAccounts[0].Password);
        if (reasons.Count > 0)
        {
            return reasons;
        }

        await phone.SetFindDeviceAsync(true);
        await phone.EnrolFingerprintAsync(Finger);
        return (await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card("mingyue-03")))).Reasons;
    }

    /// <summary>Adds a card, the bank's code included. Returns its reference.</summary>
    public async Task<string> AddAsync(string card, string handset = "mi5", int account = 0)
    {
        var phone = await ReadyToAddAsync(handset, account);
        return await EnterCodeAsync(card, await phone.AddCardAsync(SeedData.AsTyped(SeedData.Card(card))), handset);
    }

    /// <summary>From what adding came to, on to a live card.</summary>
    public async Task<string> EnterCodeAsync(string card, EnrolmentOutcome outcome, string handset = "mi5")
    {
        if (outcome.Step == EnrolmentStep.CodeNeeded)
        {
            outcome = await Phone(handset).EnterCodeAsync(outcome.CardReference!, Code(card));
        }

        Assert.True(outcome.Step == EnrolmentStep.Added, $"{card}: {outcome.Step} {string.Join(' ', outcome.Reasons.Select(reason => reason.Code))}");
        return outcome.CardReference!;
    }

    public async Task<EnrolmentOutcome> TryAddAsync(string card, string handset = "mi5") =>
        await (await ReadyToAddAsync(handset)).AddCardAsync(SeedData.AsTyped(SeedData.Card(card)));

    /// <summary>The holder reads the newest code of the bank.</summary>
    public string Code(string card) =>
        Desk(card).Messages(SeedData.Card(card).Customer).Select(message => CodeInIt().Match(message.Body.En)).Last(match => match.Success).Groups[1].Value;

    [GeneratedRegex(@"\] (\d{6}) is your code")]
    private static partial Regex CodeInIt();

    /// <summary>Wake, choose, verify: ready for one tap.</summary>
    public async Task<ICardChannel> PickUpAsync(string reference, string handset = "mi5")
    {
        var phone = Phone(handset);
        await phone.OpenByReader();
        await phone.ChooseAsync(reference);
        var verified = await phone.VerifyFingerprintAsync(Finger);
        Assert.True(verified.IsReady, string.Join(' ', verified.Reasons.Select(reason => reason.Code)));
        return phone.Tap();
    }

    public Task<SaleResult> SellAsync(string reference, long minor, string terminal = Books, string handset = "mi5", IKeypad? hand = null) =>
        SellAsync(minor, terminal, hand ?? new Fingers(Pin), () => PickUpAsync(reference, handset));

    public Task<SaleResult> SellAsync(long minor, string terminal, IKeypad hand, params Func<Task<ICardChannel>>[] taps) =>
        System.Terminals[terminal].SellAsync(Amount.Cny(minor), new Visit(taps), hand, CancellationToken.None).WaitAsync(Patience);

    public Task<SaleResult> VoidAsync(string rrn, string terminal = Books, params Func<Task<ICardChannel>>[] taps) =>
        System.Terminals[terminal].VoidAsync(rrn, new Visit(taps), CancellationToken.None).WaitAsync(Patience);

    public Task PumpAsync() => System.PumpAsync(CancellationToken.None).WaitAsync(Patience);

    // ---- what the parties know ----

    public static SeedBank Bank(string card) => SeedData.Banks.Single(bank => bank.Cards.Any(one => one.Id == card));

    public IssuerDesk Desk(string card) => System.Issuers[Bank(card).Institution].Desk;

    /// <summary>Money and points of the account behind a card.</summary>
    public (long Balance, long Points) Account(string card)
    {
        var account = Desk(card).AccountOf(SeedData.Card(card).Account);
        return (account.Balance.Minor, account.Points);
    }

    /// <summary>Every bank's books sum to zero, and every balance is its ledger.</summary>
    public void BooksHold() => Assert.All(System.Issuers.Values, bank => Assert.Empty(bank.Desk.BrokenInvariants()));

    public long Count(string table, string where = "1 = 1") => System.Store.Read(session => session.Number($"SELECT count(*) FROM {table} WHERE {where}"))!.Value;

    /// <summary>Nothing is on its way any more: no terminal, acquirer or switch holds a reversal.</summary>
    public void NothingPending()
    {
        Assert.All(System.Terminals.Values, terminal => Assert.Empty(terminal.Pending));
        Assert.Equal(0, Count("acquirer_outbox"));
        Assert.Equal(0, Count("network_outbox"));
    }

    /// <summary>The messages that pass a terminal's line while <paramref name="listen"/> runs, as MTIs.</summary>
    public async Task<List<ReadOnlyMemory<byte>>> OverhearAsync(string terminal, Func<Task> listen)
    {
        var frames = new List<ReadOnlyMemory<byte>>();
        void Hear(ReadOnlyMemory<byte> frame) => frames.Add(frame);
        System.PosLines[terminal].Overheard += Hear;
        try
        {
            await listen();
            return frames;
        }
        finally
        {
            System.PosLines[terminal].Overheard -= Hear;
        }
    }

    public static IsoMessage Pos(ReadOnlyMemory<byte> frame)
    {
        Assert.True(PosFrame.TryRead(frame, out _, out _, out var body, out _));
        Assert.True(IsoCodec.TryRead(Dialect.Pos, body.Span, out var message, out _));
        return message;
    }

    public static IsoMessage Switch(ReadOnlyMemory<byte> frame)
    {
        Assert.True(SwitchFrame.TryRead(frame, out _, out _, out var body, out _));
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body.Span, out var message, out _));
        return message;
    }

    // ---- trouble ----

    /// <summary>Runs <paramref name="act"/>; each time something is lost on the wire, whoever waits for it waits as long as that takes.</summary>
    /// <param name="patience">How long each loss is waited for, in order.</param>
    /// <returns>What came out, and the requests that were lost.</returns>
    public async Task<(T Result, List<ReadOnlyMemory<byte>> Lost)> OutwaitAsync<T>(LinkFaults wire, Func<Task<T>> act, params TimeSpan[] patience)
    {
        var lost = new List<ReadOnlyMemory<byte>>();
        using var losses = new SemaphoreSlim(0);
        void Lose(ReadOnlyMemory<byte> request)
        {
            lost.Add(request);
            losses.Release();
        }

        wire.Lost += Lose;
        try
        {
            var running = act();
            foreach (var wait in patience)
            {
                Assert.True(await losses.WaitAsync(Patience), "nothing was lost");
                await Clock.WaitingAsync(wait).WaitAsync(Patience);
                Clock.Advance(wait);
            }

            return (await running.WaitAsync(Patience), lost);
        }
        finally
        {
            wire.Lost -= Lose;
        }
    }

    public T Read<T>(Func<Session, T> query) => System.Store.Read(query);
}
