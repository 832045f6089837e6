using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Storage;
using Majia.Tests.Storage;
using Majia.TokenService;
using Majia.Wallet;

namespace Majia.Tests.TokenService;

public class EnrolmentRaceTests(PostgresServer server)
{
    /// <summary>A store in which something else happens right after one unit.</summary>
    private sealed class InterleavedStore(Store inner) : Store
    {
        public Func<Task>? AfterNext { get; set; }

        public override async Task<T> WriteAsync<T>(Func<Session, T> unit)
        {
            var result = await inner.WriteAsync(unit);
            if (AfterNext is { } meanwhile)
            {
                AfterNext = null;
                await meanwhile();
            }

            return result;
        }

        public override Task DurableAsync() => inner.DurableAsync();

        public override StoreFailedException? Failure => inner.Failure;

        public override T Read<T>(Func<Session, T> query) => inner.Read(query);

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private static Task<ApiReply<WalletToken.TokenReply>> DeleteAsync(Bench bench, string tur) =>
        bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new(bench.Entropy.NewId(), tur, "CARDHOLDER", "CONSUMER_DELETED"));

    [Theory, Rule("R24")]
    [InlineData(long.MaxValue)]
    [InlineData(1)]
    public async Task No_token_is_made_between_the_steps_of_deleting_a_device(long epoch)
    {
        var store = new InterleavedStore(new InlineStore(TokenServiceParty.Schema, WalletParty.Schema));
        await using var bench = new Bench(store);
        var seid = bench.NewChip().Seid;
        var bank = new TaskCompletionSource();
        bench.Bank.Thinking = bank.Task;
        var digitising = bench.DigitizeAsync(Bench.Debit(), seid);

        // The first write looks whether the request came before.
        store.AfterNext = () =>
        {
            store.AfterNext = async () =>
            {
                bank.SetResult();
                Assert.NotNull((await digitising).Error);
            };
            return Task.CompletedTask;
        };
        Assert.Empty((await bench.CallAsync<WalletToken.DeleteDeviceRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.DeleteDevice, new("d", seid, epoch, "SIGNED_OUT"))).Value!.Tokens);
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_token WHERE state <> 'Deactivated'"));
        Assert.Equal(0, bench.Count("SELECT (SELECT count(*) FROM token_device_slot) + (SELECT count(*) FROM token_card_slot)"));
        await bench.Party.PumpAsync();
        Assert.Single(bench.Bank.Updated);
    }

    /// <summary>Found by the simulator: the older answer was unwrapped against the newer step, and a personalised card was given up.</summary>
    [Fact, Rule("R8")]
    public async Task A_scripts_answers_that_arrive_twice_count_once()
    {
        await using var bench = new Bench();
        var chip = bench.NewChip();
        var tur = (await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Value!.TokenUniqueReference;
        var asked = new List<(WalletToken.ProvisionRequest Request, string[] Commands)>();
        var se = bench.NewSeIssuer();
        WalletToken.ProvisionReply reply;
        for (var request = new WalletToken.ProvisionRequest(bench.Entropy.NewId(), tur, [], null); ;)
        {
            reply = await AskAsync(request);
            asked.Add((request, [.. reply.Commands]));
            foreach (var (before, commands) in asked)
            {
                Assert.Equal(commands, (await AskAsync(before)).Commands);
            }

            if (reply is { NeedsDomain: false, Commands.Count: 0 })
            {
                break;
            }

            request = reply.NeedsDomain
                ? new(bench.Entropy.NewId(), tur, [], await bench.MakeDomainAsync(se, chip))
                : new(bench.Entropy.NewId(), tur, chip.Run(reply.Commands), null);
        }

        Assert.Equal(EnrolmentState.Active, reply.State);
        Assert.True(asked.Count > 5);
        var other = await bench.CallAsync<WalletToken.ProvisionRequest, WalletToken.ProvisionReply>(WalletToken.Operations.Provision, asked[0].Request with { Responses = ["9000"] });
        Assert.NotNull(other.Error);

        async Task<WalletToken.ProvisionReply> AskAsync(WalletToken.ProvisionRequest request) =>
            (await bench.CallAsync<WalletToken.ProvisionRequest, WalletToken.ProvisionReply>(WalletToken.Operations.Provision, request)).Value!;
    }

    /// <summary>On both databases: the process ends after each answer of the script, the last request comes again, and the script begins anew and ends all the same.</summary>
    [Theory, Rule("R8")]
    [MemberData(nameof(Both))]
    public async Task After_a_restart_the_same_request_of_a_script_has_the_same_answer_and_another_body_under_it_is_refused(StoreTests.Engine engine)
    {
        await using var bench = new Bench(engine == StoreTests.Engine.Postgres
            ? PostgresStore.Open(await server.NewDatabaseAsync(), [TokenServiceParty.Schema, WalletParty.Schema], TimeProvider.System, PostgresServer.Options) : null);
        var chip = bench.NewChip();
        var tur = (await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Value!.TokenUniqueReference;
        var se = bench.NewSeIssuer();
        WalletToken.ProvisionReply reply;
        var (rounds, stops) = (0, 0);
        for (var request = new WalletToken.ProvisionRequest(bench.Entropy.NewId(), tur, [], null); ; rounds++)
        {
            reply = (await AskAsync(request)).Value!;
            if (rounds == stops)
            {
                // One round further each time, so that every answer of the script is the one before a restart.
                bench.Restart();
                (rounds, stops) = (-1, stops + 1);
                Assert.Equal(JsonSerializer.Serialize(reply), JsonSerializer.Serialize((await AskAsync(request)).Value));
                var other = (await AskAsync(request with { Responses = [.. request.Responses, "9000"] })).Error!;
                Assert.Equal(("INVALID_FIELD_VALUE", "requestId"), (other.ErrorCode, other.Errors!.Single().Field));
            }

            if (reply is { NeedsDomain: false, Commands.Count: 0 })
            {
                break;
            }

            request = reply.NeedsDomain
                ? new(bench.Entropy.NewId(), tur, [], await bench.MakeDomainAsync(se, chip))
                : new(bench.Entropy.NewId(), tur, chip.Run(reply.Commands), null);
        }

        Assert.True(stops > 5, $"{stops}");
        Assert.Equal(EnrolmentState.Active, reply.State);
        Assert.True(Assert.Single(chip.Instances).Value.Selectable);

        Task<ApiReply<WalletToken.ProvisionReply>> AskAsync(WalletToken.ProvisionRequest request) =>
            bench.CallAsync<WalletToken.ProvisionRequest, WalletToken.ProvisionReply>(WalletToken.Operations.Provision, request);
    }

    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    [Fact, Rule("R8")]
    public async Task The_sweep_gives_up_a_token_that_was_made_while_it_looked()
    {
        var store = new InterleavedStore(new InlineStore(TokenServiceParty.Schema, WalletParty.Schema));
        await using var bench = new Bench(store);
        var bank = new TaskCompletionSource();
        bench.Bank.Thinking = bank.Task;
        var digitising = bench.DigitizeAsync(Bench.Debit(), bench.NewChip().Seid);
        bench.Clock.Advance(TimeSpan.FromMinutes(31));
        ApiReply<WalletToken.DigitizeReply>? reply = null;
        store.AfterNext = async () =>
        {
            bank.SetResult();
            reply = await digitising;
        };
        await bench.Party.SweepAsync(TestContext.Current.CancellationToken);
        Assert.NotNull(reply);
        Assert.Equal(bench.Count("SELECT count(*) FROM token_token WHERE state <> 'Deactivated'"), bench.Count("SELECT count(*) FROM token_card_slot"));
    }

    [Theory, Rule("R21")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_card_that_is_deleted_while_its_script_runs_never_becomes_selectable(bool chipIsKnown)
    {
        for (var rounds = 0; rounds < 12; rounds++)
        {
            await using var bench = new Bench();
            var chip = chipIsKnown ? (await bench.EnrolAsync(Bench.Credit())).Chip : bench.NewChip();
            var before = chip.Instances.Count;
            var tur = (await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Value!.TokenUniqueReference;
            if (!chipIsKnown)
            {
                // The domain is there, with the token service's own keys in it.
                var other = (await bench.DigitizeAsync(Bench.Debit(7), chip.Seid)).Value!.TokenUniqueReference;
                await bench.ProvisionAsync(other, chip);
                before = chip.Instances.Count;
            }

            var reply = await bench.ProvideAsync(tur, [], null);
            for (var round = 0; reply.Commands.Count > 0; round++)
            {
                if (round == rounds)
                {
                    Assert.Null((await DeleteAsync(bench, tur)).Error);
                }

                var wasThere = chip.Instances.TryGetValue(reply.Face.InstanceAid, out var instance) && instance.Selectable;
                var answers = chip.Run(reply.Commands);
                reply = await bench.ProvideAsync(tur, answers, null);
                Assert.False(wasThere && round > rounds + 1);
            }

            if (reply.State == EnrolmentState.Deleted)
            {
                Assert.Equal(before, chip.Instances.Count);
                Assert.False(chip.Instances.ContainsKey(reply.Face.InstanceAid));
            }
            else
            {
                Assert.Equal(EnrolmentState.Active, reply.State); // it was live before it would have been deleted
            }
        }
    }

    [Fact]
    public async Task One_notice_that_cannot_be_read_does_not_stop_the_others()
    {
        await using var bench = new Bench();
        await bench.Store.WriteAsync(session => new Outbox("token").Enqueue(session, "63990100", TokenIssuer.Operations.NotifyTokenUpdated, [0x7B], "broken", bench.Clock.GetUtcNow()));
        await bench.EnrolAsync(Bench.Debit());
        await bench.Party.PumpAsync(TestContext.Current.CancellationToken);
        Assert.Single(bench.Bank.Activated);
    }

    [Fact]
    public async Task A_script_that_nobody_goes_on_with_is_forgotten_with_its_keys()
    {
        await using var bench = new Bench();
        var chip = (await bench.EnrolAsync(Bench.Credit())).Chip;
        Assert.Equal(0, bench.Party.OpenChannels);
        var left = (await bench.DigitizeAsync(Bench.Debit(), chip.Seid)).Value!.TokenUniqueReference;
        await bench.ProvideAsync(left, [], null);
        await bench.ProvideAsync(left, [], null);
        Assert.Equal(1, bench.Party.OpenChannels);

        bench.Clock.Advance(TimeSpan.FromMinutes(11));
        var other = (await bench.DigitizeAsync(Bench.Debit(2), chip.Seid)).Value!.TokenUniqueReference;
        await bench.ProvideAsync(other, [], null);
        Assert.Equal(1, bench.Party.OpenChannels);
        Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(other, chip)).State);
        Assert.Equal(0, bench.Party.OpenChannels);

        var se = bench.NewSeIssuer();
        var fresh = bench.NewChip();
        se.Start(fresh.Seid, "test");
        Assert.True(se.IsUnderWay(fresh.Seid));
        bench.Clock.Advance(TimeSpan.FromMinutes(11));
        Assert.False(se.IsUnderWay(fresh.Seid));
    }

    [Fact]
    public async Task A_token_requestor_reaches_its_own_device_cards_only()
    {
        await using var bench = new Bench();
        var (tur, _, chip, _) = await bench.EnrolAsync(Bench.Debit());
        var other = new EndpointLink(bench.Party.EndpointFor(Bench.OtherTrid));
        Task<ApiReply<TReply>> AskAsync<TRequest, TReply>(string operation, TRequest request)
            where TRequest : notnull
            where TReply : notnull => other.CallAsync<TRequest, TReply>(operation, request, TestContext.Current.CancellationToken);

        Assert.Equal(Ineligible.NotFound, (await AskAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(tur))).Error?.ErrorCode);
        foreach (var operation in (string[])[WalletToken.Operations.Suspend, WalletToken.Operations.Unsuspend, WalletToken.Operations.Delete])
        {
            Assert.Equal(Ineligible.NotFound, (await AskAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(operation, new(operation, tur, "TOKEN_REQUESTOR", "X"))).Error?.ErrorCode);
        }

        Assert.Equal(Ineligible.NotFound, (await AskAsync<WalletToken.ProvisionRequest, WalletToken.ProvisionReply>(WalletToken.Operations.Provision, new("x", tur, [], null))).Error?.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await AskAsync<WalletToken.ActivateRequest, WalletToken.ActivateReply>(WalletToken.Operations.Activate, new("y", tur, "123456"))).Error?.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await AskAsync<WalletToken.RequestActivationCodeRequest, WalletToken.RequestActivationCodeReply>(WalletToken.Operations.RequestActivationCode, new("z", tur, "sms"))).Error?.ErrorCode);
        Assert.Empty((await AskAsync<WalletToken.SearchTokensRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.SearchTokens, new(chip.Seid))).Value!.Tokens);
        Assert.Empty((await AskAsync<WalletToken.DeleteDeviceRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.DeleteDevice, new("d", chip.Seid, long.MaxValue, "X"))).Value!.Tokens);
        Assert.Equal("tokenRequestorId", (await AskAsync<WalletToken.CheckEligibilityRequest, WalletToken.CheckEligibilityReply>(WalletToken.Operations.CheckEligibility, new("c", Bench.Trid, chip.Seid, bench.Encrypt(Bench.Credit()), "MANUAL"))).Error?.Errors![0].Field);
        Assert.Equal(1, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));
        Assert.Throws<ArgumentException>(() => bench.Party.EndpointFor("99900000009"));
    }

    /// <summary>R9, R10: whoever comes first, and however many at once.</summary>
    internal static async Task A_hundred_at_onceAsync(Bench bench)
    {
        var chips = Enumerable.Range(0, 12).Select(_ => bench.NewChip()).ToList();
        var crowd = Enumerable.Range(0, 100).Select(async number =>
        {
            await Task.Yield();
            return await bench.DigitizeAsync(Bench.Debit(), chips[number % chips.Count].Seid);
        }).ToList();
        var replies = await Task.WhenAll(crowd);

        // Tries of one phone may have started each other over; each phone tries once more, all at once again.
        var again = await Task.WhenAll(chips.Select(chip => bench.DigitizeAsync(Bench.Debit(), chip.Seid)));
        Assert.All([.. replies, .. again], reply => Assert.True(
            reply.Value is not null || reply.Error!.ErrorCode is Ineligible.TooManyForCard or Ineligible.AlreadyOnDevice or Ineligible.InvalidState or Ineligible.TooOften, reply.Error?.ErrorCode));
        foreach (var chip in chips)
        {
            foreach (var token in (await bench.CallAsync<WalletToken.SearchTokensRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.SearchTokens, new(chip.Seid))).Value!.Tokens)
            {
                Assert.Equal(EnrolmentState.Active, (await bench.ProvisionAsync(token.TokenUniqueReference, chip)).State);
            }
        }

        Assert.Equal(10, bench.Count("SELECT count(*) FROM token_token WHERE state = 'Active'"));
        Assert.Equal(10, bench.Count("SELECT count(DISTINCT seid) FROM token_token WHERE state = 'Active'"));
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_token WHERE state NOT IN ('Active', 'Deactivated')"));
        Assert.Equal((10L, 10L), (bench.Count("SELECT count(*) FROM token_device_slot"), bench.Count("SELECT count(*) FROM token_card_slot")));
        Assert.Equal(0, bench.Count("SELECT count(*) FROM token_card_slot s WHERE NOT EXISTS (SELECT 1 FROM token_token t WHERE t.tur = s.tur AND t.state = 'Active')"));
        Assert.Equal(10, chips.Sum(chip => chip.Instances.Count(instance => instance.Value.Selectable)));
        Assert.All(chips, chip => Assert.True(chip.Instances.Count <= 1));
        bench.Clock.Advance(TimeSpan.FromMinutes(31));
        Assert.Equal(0, await bench.Party.SweepAsync());
        await bench.Party.PumpAsync();
        Assert.Equal(10, bench.Bank.Activated.Count);
        Assert.Empty(await bench.Party.VerifyAuditAsync());
        Assert.Empty(await bench.Party.ReconcileAsync());
    }

    [Fact, Rule("R10")]
    public async Task A_hundred_enrolments_of_one_plastic_on_twelve_phones_end_with_ten_one_a_phone_and_no_orphan()
    {
        await using var bench = new Bench();
        await A_hundred_at_onceAsync(bench);
    }

    [Fact, Rule("R10")]
    public async Task On_a_disk_with_real_threads_it_is_no_different()
    {
        var folder = System.IO.Directory.CreateTempSubdirectory("majia-race-");
        try
        {
            await using var bench = new Bench(SqliteStore.Open(Path.Combine(folder.FullName, "majia.db"), [TokenServiceParty.Schema, WalletParty.Schema], TimeProvider.System));
            await A_hundred_at_onceAsync(bench);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>There writers do not wait for each other: the slots' unique rows alone decide.</summary>
    [Fact, Rule("R10")]
    public async Task On_PostgreSQL_with_several_writers_it_is_no_different()
    {
        await using var bench = new Bench(PostgresStore.Open(await server.NewDatabaseAsync(), [TokenServiceParty.Schema, WalletParty.Schema], TimeProvider.System, PostgresServer.Options));
        await A_hundred_at_onceAsync(bench);
    }
}
