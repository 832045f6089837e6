using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Demo;
using Majia.Host.Seed;
using Majia.Host.SmartCards;
using Majia.Phone;
using Majia.SecureElement;

namespace Majia.Interop.SmartCards;

/// <summary>A phone with one live card, made by the whole system, then alone; tests hold it to the virtual reader.</summary>
public sealed class HeldPhone : IAsyncLifetime
{
    public const string Handset = "mi5", Card = "mingyue-02";

    private LonePhone? lone;

    public string Folder { get; } = Directory.CreateTempSubdirectory("majia-interop-").FullName;

    public PhoneDevice Phone => lone!.Phone;

    public string ChipFile => Path.Combine(Folder, "chips", $"{Handset}.chip");

    /// <summary>Every key in the chip, by what it is.</summary>
    public IReadOnlyList<(string Name, byte[] Value)> Secrets { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        await using (var system = await OpenSystemAsync(withPhones: true))
        {
            var owner = new DemoOwner(system, Handset);
            Assert.Empty(await owner.SignInAsync(SeedData.WalletAccounts[0]));
            Assert.Equal(EnrolmentStep.Added, (await owner.AddAsync(SeedData.Card(Card))).Step);
            await system.PumpAsync(CancellationToken.None);
        }

        Secrets = ReadSecrets();
        lone = LonePhone.Open(Folder, SeedData.Handsets.Single(handset => handset.Id == Handset), TimeProvider.System, new SystemEntropy());
    }

    public Task<MajiaSystem> OpenSystemAsync(bool withPhones) =>
        MajiaSystem.OpenAsync(new SystemOptions(Folder, TimeProvider.System, new SystemEntropy()) { PasswordIterations = 100, Roles = new SortedSet<Role>(Roles.All.Where(role => withPhones || role is not (Role.Phone or Role.Web))) });

    /// <summary>The chip's memory as it stands on the disk.</summary>
    public async Task<string> DigestAsync() => (await OutsideProgram.RunAsync("/usr/bin/sha256sum", [ChipFile])).Output;

    public async ValueTask DisposeAsync()
    {
        if (lone is not null)
        {
            await lone.DisposeAsync();
        }

        Directory.Delete(Folder, recursive: true);
    }

    private List<(string Name, byte[] Value)> ReadSecrets()
    {
        using var memory = new ChipMemoryFile(ChipFile, Path.Combine(Folder, "keys", $"chip-{Handset}.key"), new SystemEntropy());
        Assert.True(ChipImage.TryRead(memory.Load()!, out var state, out var error), error);
        var secrets = new List<(string, byte[])> { ("binding key", state!.BindingKey.ToArray()), ("binding value", state.BindingValue.ToArray()) };
        foreach (var (domain, keys) in state.Domains.Where(domain => domain.Keys is not null).Select(domain => (domain.Aid, domain.Keys!.Keys)))
        {
            secrets.AddRange([($"{domain} ENC", keys.Encryption.ToArray()), ($"{domain} MAC", keys.Mac.ToArray()), ($"{domain} DEK", keys.DataEncryption.ToArray())]);
        }

        var profile = Assert.Single(state.Payments).Profile!;
        secrets.AddRange([("AC", profile.CryptogramKey.ToArray()), ("SMI", profile.IntegrityKey.ToArray()), ("SMC", profile.ConfidentialityKey.ToArray())]);
        return secrets;
    }
}

/// <summary>One tap on the virtual reader: in the field until disposed. Every exchange is kept.</summary>
public sealed class HeldTap : IAsyncDisposable
{
    private readonly OfferedPhone card;
    private readonly CancellationTokenSource away = new();
    private readonly TaskCompletionSource powered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Exchange> exchanges = [];
    private readonly Task held;
    private bool gone;

    private HeldTap(HeldPhone phone, PcscDaemon daemon, bool ready, CardInterface side)
    {
        card = new OfferedPhone(phone.Phone, side, ready);
        var reader = new VirtualReader("localhost", daemon.Port, card, TimeProvider.System);
        reader.Happened += happened =>
        {
            if (happened == ReaderEvent.PowerOn)
            {
                powered.TrySetResult();
            }
        };
        reader.Exchanged += exchange =>
        {
            lock (exchanges)
            {
                exchanges.Add(exchange);
                Exchanged?.Invoke(exchanges.Count);
            }
        };
        held = reader.HoldAsync(away.Token);
    }

    /// <summary>How many exchanges there were.</summary>
    public event Action<int>? Exchanged;

    public IReadOnlyList<Exchange> Exchanges
    {
        get
        {
            lock (exchanges)
            {
                return [.. exchanges];
            }
        }
    }

    /// <summary>Returns when pcscd has powered the card: from then on every program sees it.</summary>
    public static async Task<HeldTap> PresentAsync(HeldPhone phone, PcscDaemon daemon, bool ready = true, CardInterface side = CardInterface.Contactless)
    {
        if (!ready)
        {
            // A fingerprint of before lives in the chip as long as the phone has power: taking the phone away does not use it up.
            await phone.Phone.CancelAsync();
        }

        var tap = new HeldTap(phone, daemon, ready, side);
        await tap.powered.Task.WaitAsync(TimeSpan.FromSeconds(20));
        return tap;
    }

    public void TakeAway() => away.Cancel();

    /// <summary>Every answer so far ended with a status word that the product declares.</summary>
    public void AssertCleanAnswers()
    {
        Assert.NotEmpty(Exchanges);
        Assert.All(Exchanges, exchange =>
        {
            Assert.True(ResponseApdu.TryParse(exchange.Answer, out var answer, out _), Convert.ToHexString(exchange.Answer.Span));
            Assert.True(StatusWords.Meaning(answer!.Status) is not null, $"{Convert.ToHexString(exchange.Command.Span)} answered {answer.Status}");
        });
    }

    /// <summary>Out of the field; returns when pcscd has seen it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (gone)
        {
            return;
        }

        gone = true;
        await away.CancelAsync();
        await held;
        card.Dispose();
        away.Dispose();
    }
}
