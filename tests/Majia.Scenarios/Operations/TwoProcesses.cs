using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Keys;
using Majia.Host.Links;
using Majia.Host.Operations;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Terminal;

namespace Majia.Scenarios.Operations;

/// <summary>The token service apart from everybody else, each with folder and keys of its own, over sockets: what two processes are, in one.</summary>
internal sealed class TwoProcesses : IAsyncDisposable
{
    public const string Finger = "right thumb";

    private static readonly IReadOnlySet<Role> Vault = new HashSet<Role> { Role.Token };

    private static readonly IReadOnlySet<Role> Others = Roles.All.Except(Vault).ToHashSet();

    private readonly string folder = Directory.CreateTempSubdirectory("majia-two-").FullName;
    private readonly int basePort = FreePorts.Base(12_000, 13_200, 12);

    public string VaultData => Path.Combine(folder, "token");

    public string OtherData => Path.Combine(folder, "others");

    /// <summary>Null: SQLite, in the folder.</summary>
    public string? VaultStore { get; private set; }

    private string? OtherStore { get; set; }

    public string Spare(string name) => Path.Combine(folder, name);

    /// <summary>Null while it is stopped.</summary>
    public MajiaSystem? Token { get; private set; }

    public MajiaSystem Rest { get; private set; } = null!;

    /// <param name="server">Both processes keep their rows there, each in a database of its own; null: SQLite.</param>
    public static async Task<TwoProcesses> OpenAsync(PostgresServer? server = null)
    {
        var two = new TwoProcesses();
        if (server is not null)
        {
            (two.VaultStore, two.OtherStore) = (await server.NewDatabaseAsync(), await server.NewDatabaseAsync());
        }

        IReadOnlyList<string> banks = [.. SeedData.Banks.Select(bank => bank.Institution)];
        await TrialCeremony.HoldAsync([new(two.VaultData, Vault, banks), new(two.OtherData, Others, banks)], TimeProvider.System, new SeededEntropy(1, "two"));
        await two.StartTokenAsync();
        two.Rest = await MajiaSystem.OpenAsync(two.Options(two.OtherData, Others, two.OtherStore));
        return two;
    }

    public async Task StartTokenAsync() => Token = await MajiaSystem.OpenAsync(Options(VaultData, Vault, VaultStore));

    public BackupManifest BackUpVault(string target, bool withKeys = false) => Backup.Take(VaultData, target, withKeys, TimeProvider.System, VaultStore);

    /// <param name="into">On PostgreSQL: the new database, which is the vault's from then on.</param>
    public (IReadOnlyList<string> Restored, string? Aside) RestoreVault(string source, string? into)
    {
        var done = Backup.Restore(source, VaultData, withDevices: false, TimeProvider.System, into, PostgresServer.Options);
        VaultStore = into;
        return done;
    }

    public int? LiftFence() => Backup.Lift(VaultData, TimeProvider.System, new SystemEntropy(), VaultStore, PostgresServer.Options);

    public IReadOnlyList<Finding> Verify() => Verification.Run([new DataPlace(VaultData, VaultStore), new DataPlace(OtherData, OtherStore)], new SystemEntropy()).Findings;

    public async Task StopTokenAsync()
    {
        await Token!.DisposeAsync();
        Token = null;
    }

    /// <summary>Adds a card that its bank takes without a code, or with the code that it sends.</summary>
    public async Task<string> AddAsync(string card, string phone = "mi5")
    {
        var handset = Rest.Phones[phone];
        if (handset.State.Account is null)
        {
            await handset.SignInAsync(SeedData.WalletAccounts[0].Account, SeedData.WalletAccounts[0].Password);
            await handset.SetFindDeviceAsync(true);
            await handset.EnrolFingerprintAsync(Finger);
        }

        var plastic = SeedData.Card(card);
        var outcome = await handset.AddCardAsync(SeedData.AsTyped(plastic));
        if (outcome.Step == EnrolmentStep.CodeNeeded)
        {
            var message = (await Rest.Windows[SeedData.Banks.First(bank => bank.Cards.Contains(plastic)).Institution].MessagesAsync(plastic.Customer))[^1].Body.En;
            outcome = await handset.EnterCodeAsync(outcome.CardReference!, string.Concat(message.SkipWhile(letter => letter != ']').SkipWhile(letter => !char.IsAsciiDigit(letter)).TakeWhile(char.IsAsciiDigit)));
        }

        Assert.Equal(EnrolmentStep.Added, outcome.Step);
        return outcome.CardReference!;
    }

    public async Task<SaleResult> SellAsync(string card, long fen = 100, string phone = "mi5")
    {
        var handset = Rest.Phones[phone];
        await handset.OpenByReader();
        await handset.ChooseAsync(card);
        await handset.VerifyFingerprintAsync(Finger);
        var field = Rest.Fields[World.Books];
        field.Clear();
        field.Present(handset.Tap());
        return await Rest.Terminals[World.Books].SellAsync(Amount.Cny(fen), field, new Majia.Host.Devices.HoldersHand(SeedData.TestPin), CancellationToken.None);
    }

    public async Task PumpAsync()
    {
        await Rest.PumpAsync(CancellationToken.None);
        if (Token is not null)
        {
            await Token.PumpAsync(CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Rest.DisposeAsync();
        if (Token is not null)
        {
            await Token.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    private SystemOptions Options(string data, IReadOnlySet<Role> roles, string? store) => new(data, TimeProvider.System, new SystemEntropy()) { Store = store, Postgres = PostgresServer.Options, Roles = roles, BasePort = basePort, PasswordIterations = 1_000 };
}
