using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Operations;
using Majia.Host.Seed;
using Majia.Scenarios.Stage;
using Majia.Storage;
using Majia.Terminal;

namespace Majia.Scenarios.Operations;

/// <summary>A token service that comes back from a backup (decisions.md 24): no tap of the lost time is good again, and what was deleted stays deleted.</summary>
public sealed class RestoreTests(PostgresServer server)
{
    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_restored_vault_refuses_payments_until_the_others_have_told_it_what_it_missed(string database)
    {
        await using var two = await OpenAsync(database);
        var (kept, gone) = (await two.AddAsync("mingyue-03"), await two.AddAsync("mingyue-11"));
        Assert.Equal(SaleOutcome.Approved, (await two.SellAsync(kept)).Outcome);
        await two.PumpAsync();

        // Online: the vault serves while it is copied.
        var backup = two.Spare("vault.tar");
        var manifest = two.BackUpVault(backup);
        Assert.Contains(manifest.Files, file => file.Path == (two.VaultStore is null ? "majia.db" : "postgres/token.dump") && file.Schemas!.Any(schema => schema.StartsWith("token=", StringComparison.Ordinal)));
        Assert.DoesNotContain(manifest.Files, file => file.Path.StartsWith("keys/", StringComparison.Ordinal));

        // The time that will be lost: two taps, one overheard, and a deletion.
        var overheard = new List<ReadOnlyMemory<byte>>();
        void Hear(ReadOnlyMemory<byte> frame) => overheard.Add(frame);
        two.Rest.PosLines[World.Books].Overheard += Hear;
        Assert.Equal(SaleOutcome.Approved, (await two.SellAsync(kept)).Outcome);
        two.Rest.PosLines[World.Books].Overheard -= Hear;
        Assert.Equal(SaleOutcome.Approved, (await two.SellAsync(gone)).Outcome);
        var goneLast = two.Rest.Phones["mi5"].State.Card(gone)!.Face.DeviceLastFour;
        await two.Rest.Phones["mi5"].DeleteCardAsync(gone);
        await two.PumpAsync();
        Assert.Equal(1, Live(two));

        await two.StopTokenAsync();
        if (two.VaultStore is { } old)
        {
            var full = Assert.Throws<StoreException>(() => two.RestoreVault(backup, old));
            Assert.Contains("not empty: party token has tables there", full.Message, StringComparison.Ordinal);
            Assert.Contains("name the database that takes them with --store", Assert.Throws<BackupException>(() => two.RestoreVault(backup, null)).Message, StringComparison.Ordinal);
            var (restored, _) = two.RestoreVault(backup, await server.NewDatabaseAsync());
            Assert.Contains("postgres/token.dump", restored);
        }
        else
        {
            File.WriteAllText(Path.Combine(two.VaultData, "majia.db-redo"), "commits of the old database, left by a process that was killed");
            var (restored, aside) = two.RestoreVault(backup, null);
            Assert.Contains("majia.db", restored);
            Assert.True(File.Exists(Path.Combine(aside!, "majia.db")), "the old database is kept aside");
            Assert.True(File.Exists(Path.Combine(aside!, "majia.db-redo")), "and its log with it");
            Assert.False(File.Exists(Path.Combine(two.VaultData, "majia.db-redo")));
        }

        await two.StartTokenAsync();

        // Fenced: it knows two live cards, and pays with neither.
        Assert.Equal(2, Live(two));
        var health = await new Health(two.Token!).CheckAsync();
        Assert.False(health.Ready);
        Assert.Contains(health.Checks, check => check is { Name: "fence", Ok: false });
        var refused = await two.SellAsync(kept);
        Assert.Equal("91", refused.ResponseCode?.Value);
        Assert.Equal("91", await ReplayAsync(two.Rest, overheard[0], 1));

        // The switch knows the taps, the wallet the deletion; then the fence lifts itself.
        await two.Token!.PumpAsync(CancellationToken.None);
        Assert.Null(two.Token.TokenService.FenceUp);
        Assert.Equal(1, Live(two));
        Assert.Equal("59", await ReplayAsync(two.Rest, overheard[0], 2));
        Assert.Equal(SaleOutcome.Approved, (await two.SellAsync(kept)).Outcome);
        await two.PumpAsync();

        // Restarted it stays lifted, and everything agrees with everything.
        await two.StopTokenAsync();
        await two.StartTokenAsync();
        Assert.Null(two.Token.TokenService.FenceUp);
        await two.PumpAsync();
        Assert.Empty(two.Verify());
        Assert.NotEmpty(goneLast);
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task Restored_with_the_same_backup_the_others_vouch_for_nothing_and_a_person_has_to_lift_the_fence(string database)
    {
        await using var two = await OpenAsync(database);
        var card = await two.AddAsync("mingyue-03");
        await two.PumpAsync();
        await two.StopTokenAsync();
        var backup = two.Spare("vault");
        two.BackUpVault(backup);
        two.RestoreVault(backup, two.VaultStore is null ? null : await server.NewDatabaseAsync());

        // The mark of a restoration of the switch's own log.
        await two.Rest.Store.CommitAsync(session => new Restoration(TimeProvider.System.GetUtcNow().AddMinutes(-1), TimeProvider.System.GetUtcNow()).Write(session));
        await two.StartTokenAsync();
        await two.Token!.PumpAsync(CancellationToken.None);
        Assert.Contains("from the same backup", two.Token.TokenService.FenceUp?.Says, StringComparison.Ordinal);
        Assert.Equal("91", (await two.SellAsync(card)).ResponseCode?.Value);

        await two.StopTokenAsync();
        Assert.Equal(0, two.LiftFence());
        Assert.Null(two.LiftFence());
        await two.StartTokenAsync();
        Assert.Equal(SaleOutcome.Approved, (await two.SellAsync(card)).Outcome);
    }

    [Fact]
    public async Task In_one_folder_for_all_lifting_by_hand_takes_the_counters_from_the_chips()
    {
        var folder = Directory.CreateTempSubdirectory("majia-one-").FullName;
        var backup = folder + "-backup";
        try
        {
            var overheard = new List<ReadOnlyMemory<byte>>();
            await using (var world = await World.OpenAsync(71, folder, DateTimeOffset.UtcNow))
            {
                var card = await world.AddAsync("mingyue-02");
                await world.PumpAsync();
                Backup.Take(folder, backup, withKeys: false, TimeProvider.System);
                overheard = await world.OverhearAsync(World.Books, () => world.SellAsync(card, 100));
            }

            Backup.Restore(backup, folder, withDevices: false, TimeProvider.System);
            await using (var fenced = await World.OpenAsync(72, folder, DateTimeOffset.UtcNow))
            {
                await fenced.PumpAsync();
                Assert.NotNull(fenced.System.TokenService.FenceUp);
                Assert.Equal("91", (await fenced.SellAsync(fenced.Phone().State.Cards[0].CardReference, 100)).ResponseCode?.Value);
            }

            Assert.Equal(1, Backup.Lift(folder, TimeProvider.System, new SystemEntropy()));
            await using var world2 = await World.OpenAsync(73, folder, DateTimeOffset.UtcNow);
            Assert.Equal("59", await ReplayAsync(world2.System, overheard[0], 3));
            Assert.Equal(SaleOutcome.Approved, (await world2.SellAsync(world2.Phone().State.Cards[0].CardReference, 100)).Outcome);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
            Directory.Delete(backup, recursive: true);
        }
    }

    [Fact]
    public async Task A_damaged_backup_restores_nothing_and_says_which_file()
    {
        await using var two = await TwoProcesses.OpenAsync();
        await two.StopTokenAsync();
        var backup = two.Spare("damaged");
        Backup.Take(two.VaultData, backup, withKeys: true, TimeProvider.System);
        Assert.Throws<BackupException>(() => Backup.Take(two.VaultData, backup, withKeys: false, TimeProvider.System));
        var before = await File.ReadAllBytesAsync(Path.Combine(two.VaultData, "majia.db"), TestContext.Current.CancellationToken);
        await using (var file = new FileStream(Path.Combine(backup, "majia.db"), FileMode.Open, FileAccess.ReadWrite))
        {
            file.Position = 5_000;
            var at = file.ReadByte();
            file.Position = 5_000;
            file.WriteByte((byte)(at ^ 1));
        }

        var refused = Assert.Throws<BackupException>(() => Backup.Restore(backup, two.VaultData, withDevices: false, TimeProvider.System));
        Assert.Contains("majia.db: expected SHA-256", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(Path.Combine(two.VaultData, "majia.db"), TestContext.Current.CancellationToken));
        await two.StartTokenAsync();
        Assert.Throws<DataFolderInUseException>(() => Backup.Lift(two.VaultData, TimeProvider.System, new SystemEntropy()));
    }

    private async Task<TwoProcesses> OpenAsync(string database) => await TwoProcesses.OpenAsync(database == "postgres" ? server : null);

    private static long Live(TwoProcesses two) => two.Token!.Store.Read(session => session.Number("SELECT count(*) FROM token_token WHERE state = 'Active'")) ?? 0;

    /// <summary>The overheard tap again, in a message that nobody has seen, with the terminal's own MAC.</summary>
    private static async Task<string?> ReplayAsync(MajiaSystem system, ReadOnlyMemory<byte> frame, int attempt)
    {
        Assert.True(PosFrame.TryRead(frame, out var tpdu, out var header, out var body, out _));
        Assert.True(IsoCodec.TryRead(Dialect.Pos, body, out var message, out _));
        message.SetNumber(11, 900_000 + attempt, 6);
        var again = IsoSealing.Seal(Dialect.Pos, message, data => system.TerminalKeys(World.Books).Mac("mak", MacAlgorithm.UnionPayEcb, data));
        var answer = await system.PosLines[World.Books].ExchangeAsync(PosFrame.Write(tpdu.Span, header.Span, again), TestContext.Current.CancellationToken);
        return World.Pos(answer).Text(39);
    }
}
