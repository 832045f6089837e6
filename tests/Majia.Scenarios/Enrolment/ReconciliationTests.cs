using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Scenarios.Stage;
using Majia.Tests;

namespace Majia.Scenarios.Enrolment;

/// <summary>Chip, phone, cloud, vault and bank are compared once a day: each kind of difference is planted, named and healed, and then all five agree.</summary>
public sealed class ReconciliationTests
{
    private const string Card = "mingyue-03";

    private static async Task<(World World, string Reference, string Tur)> WithCardAsync(long seed)
    {
        var world = await World.OpenAsync(seed);
        var reference = await world.AddAsync(Card);
        await world.PumpAsync();
        await AgreementTests.AgreeAsync(world, 1);
        Assert.Empty(await world.System.Wallet.ReconcileAsync());
        Assert.Empty(await world.System.TokenService.ReconcileAsync());
        Assert.Empty(await world.Phone().ReportInventoryAsync());
        return (world, reference, world.Read(session => session.Text("SELECT tur FROM wallet_card WHERE card_reference = $1", reference))!);
    }

    private static async Task PlantAsync(World world, string sql, params object?[] parameters)
    {
        await world.System.Store.WriteAsync(session => session.Execute(sql, parameters));
        await world.System.Store.DurableAsync();
    }

    private static async Task ByBankAsync(World world, string operation, string tur)
    {
        var reply = await world.System.TokenService.IssuerEndpointFor("63990100").HandleAsync(
            operation, JsonSerializer.SerializeToUtf8Bytes(new IssuerToken.ChangeStateRequest($"{operation}-{tur}", tur, SuspendedBy.Issuer, "OTHER"), JsonEndpoint.Json), CancellationToken.None);
        Assert.Null(JsonSerializer.Deserialize<ApiReply<IssuerToken.TokenView>>(reply, JsonEndpoint.Json)!.Error);
        await world.System.Store.DurableAsync();
    }

    private static void Named(IReadOnlyList<Difference> differences, params DifferenceKind[] kinds)
    {
        Assert.Equal(kinds, differences.Select(each => each.Kind));
        Assert.All(differences, each => Assert.True(each.Says.En.Length > 10 && each.Says.Zh.Length > 5));
    }

    /// <summary>After the healing the day's round finds nothing, and the parties agree.</summary>
    private static async Task AgreeAsync(World world, int cards)
    {
        await world.Phone().FetchCommandsAsync();
        await world.PumpAsync();
        Assert.Empty(await world.System.Wallet.ReconcileAsync());
        Assert.Empty(await world.Phone().ReportInventoryAsync());
        Assert.Empty(await world.System.TokenService.ReconcileAsync());
        await world.System.Store.DurableAsync();
        await AgreementTests.AgreeAsync(world, cards);
        Assert.Empty(await world.System.TokenService.VerifyAuditAsync());
    }

    [Fact, Rule("R8")]
    public async Task A_token_that_no_card_stands_for_is_deleted_and_the_phone_drops_what_only_it_shows()
    {
        var (world, _, _) = await WithCardAsync(401);
        await using var _ = world;
        await PlantAsync(world, "DELETE FROM wallet_card");
        Named(await world.System.Wallet.ReconcileAsync(), DifferenceKind.TokenWithoutCard);
        await world.System.Store.DurableAsync();
        Named(await world.Phone().ReportInventoryAsync(), DifferenceKind.CardOnlyOnPhone);
        await AgreeAsync(world, 0);
    }

    [Fact, Rule("R8")]
    public async Task A_card_whose_token_is_gone_is_removed_from_cloud_phone_and_chip()
    {
        var (world, _, tur) = await WithCardAsync(402);
        await using var _ = world;
        await ByBankAsync(world, IssuerToken.Operations.Delete, tur); // and the notice of it does not come
        await PlantAsync(world, "DELETE FROM token_outbox");
        Named(await world.System.Wallet.ReconcileAsync(), DifferenceKind.CardWithoutToken);
        await world.System.Store.DurableAsync();
        Named(await world.System.TokenService.ReconcileAsync(), DifferenceKind.BankStateDiffers);
        await AgreeAsync(world, 0);
    }

    [Fact]
    public async Task A_state_that_differs_follows_the_token_service_in_cloud_and_phone()
    {
        var (world, reference, tur) = await WithCardAsync(403);
        await using var _ = world;
        await ByBankAsync(world, IssuerToken.Operations.Suspend, tur);
        await PlantAsync(world, "DELETE FROM token_outbox");
        Named(await world.System.Wallet.ReconcileAsync(), DifferenceKind.StateDiffers);
        await world.System.Store.DurableAsync();
        await PlantAsync(world, "DELETE FROM wallet_command"); // the phone is not told either
        Named(await world.Phone().ReportInventoryAsync(), DifferenceKind.PhoneStateDiffers);
        Assert.Equal(EnrolmentState.Suspended, world.Phone().State.Card(reference)!.State);
        Named(await world.System.TokenService.ReconcileAsync(), DifferenceKind.BankStateDiffers);
        await ByBankAsync(world, IssuerToken.Operations.Unsuspend, tur);
        await AgreeAsync(world, 1);
        Assert.Equal(EnrolmentState.Active, world.Phone().State.Card(reference)!.State);
    }

    [Fact]
    public async Task A_card_that_the_chip_does_not_hold_ends_everywhere()
    {
        var (world, reference, _) = await WithCardAsync(404);
        await using var _ = world;
        Assert.True(await world.Phone().Trusted.RetireAsync(world.Phone().State.Card(reference)!.Face.InstanceAid, CancellationToken.None));
        Named(await world.Phone().ReportInventoryAsync(), DifferenceKind.CardNotInChip);
        await AgreeAsync(world, 0);
    }

    [Fact]
    public async Task Cards_that_ended_behind_the_phones_back_leave_phone_and_chip()
    {
        var (world, reference, tur) = await WithCardAsync(405);
        await using var _ = world;
        await ByBankAsync(world, IssuerToken.Operations.Delete, tur);
        await PlantAsync(world, "DELETE FROM token_outbox");
        await PlantAsync(world, "UPDATE wallet_card SET state = 'Deleted'");
        await PlantAsync(world, "UPDATE issuer_devices SET state = 'Deactivated'");
        await world.AddAsync("mingyue-08"); // the phone learns its list anew and drops the card; the other one's script clears the chip
        await world.PumpAsync();
        Assert.Null(world.Phone().State.Card(reference));
        await ByBankAsync(world, IssuerToken.Operations.Delete, world.Read(session => session.Text("SELECT tur FROM wallet_card WHERE state = 'Active'"))!);
        await PlantAsync(world, "DELETE FROM token_outbox");
        await PlantAsync(world, "UPDATE wallet_card SET state = 'Deleted'");
        await PlantAsync(world, "UPDATE issuer_devices SET state = 'Deactivated'");
        await world.Phone().SetFindDeviceAsync(true);
        Assert.Equal(1, (await world.Phone().Trusted.StateAsync(CancellationToken.None)).Live);
        var found = await world.Phone().ReportInventoryAsync();
        Named(found, DifferenceKind.CardOnlyOnPhone);
        await AgreeAsync(world, 0);
    }

    [Theory]
    [InlineData("DELETE FROM issuer_devices", DifferenceKind.BankUnaware)]
    [InlineData("UPDATE issuer_devices SET state = 'Suspended'", DifferenceKind.BankStateDiffers)]
    [InlineData("INSERT INTO issuer_devices (institution, card, token_reference, last_four, model, state, at) VALUES ('63990100', 'mingyue-03', 'never-was', '0000', 'Mi 5', 'Active', 0)", DifferenceKind.BankOnly)]
    public async Task What_the_bank_has_otherwise_is_brought_to_what_the_vault_says(string planted, DifferenceKind kind)
    {
        var (world, _, _) = await WithCardAsync(406);
        await using var _ = world;
        await PlantAsync(world, planted);
        Named(await world.System.TokenService.ReconcileAsync(), kind);
        await AgreeAsync(world, 1);
    }

    [Fact]
    public async Task The_days_round_runs_once_a_day_by_itself()
    {
        var (world, _, _) = await WithCardAsync(407);
        await using var _ = world;
        world.Clock.Advance(TimeSpan.FromDays(1));
        await world.PumpAsync();
        await PlantAsync(world, "UPDATE issuer_devices SET state = 'Suspended'");
        await PlantAsync(world, "DELETE FROM wallet_card");
        world.Clock.Advance(TimeSpan.FromHours(23));
        await world.PumpAsync();
        Assert.Equal(1, world.Count("issuer_devices", "state = 'Suspended'"));
        world.Clock.Advance(TimeSpan.FromHours(2));
        await world.PumpAsync();
        await world.PumpAsync();
        await AgreementTests.AgreeAsync(world, 0);
    }
}
