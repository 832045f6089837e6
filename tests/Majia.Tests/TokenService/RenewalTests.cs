using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Tests.TokenService;

/// <summary>A device card is renewed before its expiry date ends: by the daily task, through the relay, with its number, keys and counter.</summary>
public class RenewalTests
{
    /// <summary>Bench time is November 2026: three years.</summary>
    private const string First = "2911", Second = "3210";

    private static string ExpiryInChip(FakeChip.Instance instance)
    {
        Assert.True(BerTlv.TryFind(instance.Groups[0x9207], 0x57, out var track));
        return Convert.ToHexString(track).Split('D')[1][..4];
    }

    private static Task<string> ExpiryAsync(Bench bench, string tur) => bench.Store.WriteAsync(session => session.Text("SELECT expiry || ' ' || coalesce(next_expiry, '-') FROM token_token WHERE tur = $1", tur)!);

    /// <summary>What the requestor is told, in order.</summary>
    private static List<string> Hear(Bench bench)
    {
        List<string> heard = [];
        bench.Party.Requestors = new Dictionary<string, IJsonLink>
        {
            [Bench.Trid] = new EndpointLink(new JsonEndpoint("wallet").Map<TokenWallet.NotifyTokenUpdatedRequest, TokenWallet.Done>(TokenWallet.Operations.NotifyTokenUpdated, (notice, _) =>
            {
                heard.Add($"{notice.State} {notice.ReasonCode}");
                return Task.FromResult<ApiReply<TokenWallet.Done>>(new TokenWallet.Done());
            })),
        };
        return heard;
    }

    [Fact, Rule("R13"), Rule("R8")]
    public async Task Sixty_days_before_its_end_it_is_renewed_with_its_number_keys_and_counter()
    {
        await using var bench = new Bench();
        var (tur, token, chip, instance) = await bench.EnrolAsync(Bench.Debit());
        Assert.Equal((First, $"{First} -"), (ExpiryInChip(instance), await ExpiryAsync(bench, tur)));
        var keys = instance.CardKeys;
        var heard = Hear(bench);

        bench.Clock.Advance(new DateTimeOffset(2029, 9, 30, 0, 0, 0, TimeSpan.FromHours(8)) - bench.Clock.GetUtcNow());
        Assert.Equal(0, await bench.Party.RenewDailyAsync());
        bench.Clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal(1, await bench.Party.RenewDailyAsync());
        Assert.Equal(0, await bench.Party.RenewDailyAsync()); // once a day
        await bench.Party.PumpAsync();
        Assert.Equal(["Active RENEWAL_DUE"], heard);
        Assert.Equal($"{First} {Second}", await ExpiryAsync(bench, tur));

        // The handset was away: told again, and nothing else happens.
        bench.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(1, await bench.Party.RenewDailyAsync());
        await bench.Party.PumpAsync();
        Assert.Equal(2, heard.Count);

        var commands = chip.Log.Count;
        Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(tur, chip)).State);
        Assert.Equal(["E620", "E260", "E200", "E280"], chip.Log.Skip(commands)); // no DELETE, no INSTALL: the card is never away
        Assert.Equal((Second, $"{Second} -"), (ExpiryInChip(instance), await ExpiryAsync(bench, tur)));
        Assert.Equal((token.Reveal(), true), (bench.TokenOf(tur).Reveal(), instance.Selectable));
        Assert.Equal(keys, instance.CardKeys);
        Assert.Equal(["renew RENEWAL_DUE", "renew RENEWED"], await bench.Store.WriteAsync(session => session.Query("SELECT action || ' ' || reason FROM token_audit WHERE action = 'renew' ORDER BY sequence", static row => row.GetString(0))));
        Assert.Equal(0, await bench.Party.RenewAsync());
        Assert.Empty((await bench.ProvideAsync(tur, [], null)).Commands);
    }

    [Fact, Rule("R8")]
    public async Task Power_lost_at_any_command_or_its_answer_leaves_the_old_date_or_the_new_one_and_the_next_script_ends_it()
    {
        for (var cut = 0; ; cut++)
        {
            foreach (var losesAnswer in (bool[])[false, true])
            {
                await using var bench = new Bench();
                var (tur, _, chip, instance) = await bench.EnrolAsync(Bench.Debit());
                bench.Clock.Advance(TimeSpan.FromDays(1060));
                Assert.Equal(1, await bench.Party.RenewAsync());
                (chip.FailAfter, chip.LosesAnswer) = (cut, losesAnswer);
                try
                {
                    await bench.ProvisionAsync(tur, chip);
                    Assert.True(cut > 4, $"{cut}");
                    return;
                }
                catch (PowerLostException)
                {
                    Assert.Contains(ExpiryInChip(instance), (string[])[First, Second]);
                    Assert.Equal($"{First} {Second}", await ExpiryAsync(bench, tur));
                    Assert.True(instance.Selectable);
                }

                bench.Restart();
                chip.FailAfter = null;
                Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(tur, chip)).State);
                Assert.Equal((Second, $"{Second} -"), (ExpiryInChip(instance), await ExpiryAsync(bench, tur)));
            }
        }
    }

    [Fact]
    public async Task A_chip_that_refuses_leaves_the_card_as_it_is_until_the_next_day()
    {
        await using var bench = new Bench();
        var (tur, _, chip, _) = await bench.EnrolAsync(Bench.Debit());
        bench.Clock.Advance(TimeSpan.FromDays(1060));
        await bench.Party.RenewAsync();
        var away = chip.Instances.Single();
        chip.Instances.Remove(away.Key);
        Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(tur, chip)).State);
        Assert.Equal($"{First} {Second}", await ExpiryAsync(bench, tur));
        chip.Instances.Add(away.Key, away.Value);
        Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(tur, chip)).State);
        Assert.Equal($"{Second} -", await ExpiryAsync(bench, tur));
    }

    [Fact]
    public async Task What_is_deleted_or_not_in_its_chip_is_not_renewed()
    {
        await using var bench = new Bench();
        var (tur, _, chip, _) = await bench.EnrolAsync(Bench.Debit());
        await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new("d", tur, SuspendedBy.Cardholder, "SOLD"));
        var other = (await bench.DigitizeAsync(Bench.Debit(2), bench.NewChip().Seid)).Value!;
        Assert.NotNull(other);
        bench.Clock.Advance(TimeSpan.FromDays(1060));
        Assert.Equal(0, await bench.Party.RenewAsync());
        Assert.NotEmpty(chip.Seid);
    }
}
